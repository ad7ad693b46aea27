//! Whatever cookies and session headers a client sends, reading them does not panic, finds no
//! secret that is not there, and loses none that is.
//!
//! `cargo fuzz run presented -- -max_total_time=60`, on a nightly toolchain; on a stable one with
//! `RUSTC_BOOTSTRAP=1` set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store_axum::fuzzing;

fuzz_target!(|input: (bool, bool, Vec<(u8, Vec<u8>)>)| {
    let (two_ids, speaks_headers, lines) = &input;
    let lines: Vec<(u8, &[u8])> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
    fuzzing::present(&lines, *two_ids, *speaks_headers);
});
