//! Whatever stands in the `ticket` column, opening it neither panics nor takes memory without
//! bounds, and nothing opens that was not sealed.
//!
//! `cargo fuzz run envelope -- -max_total_time=60`, on a nightly toolchain; on a stable one with
//! `RUSTC_BOOTSTRAP=1` set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store_tickets::fuzzing;

fuzz_target!(|data: &[u8]| {
    fuzzing::open(data, false);
    fuzzing::open(data, true);
    fuzzing::open_plain(data);
    fuzzing::decode(data);
});
