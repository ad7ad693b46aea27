//! Whatever host and path a client names, matching them does not panic, and agrees with how the
//! URL standard reads them: what is taken for this machine is it, and what lies below a prefix
//! still does when its dots are resolved.
//!
//! `cargo fuzz run front_ends -- -max_total_time=60`, on a nightly toolchain; on a stable one with
//! `RUSTC_BOOTSTRAP=1` set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store_axum::fuzzing;
use url::{Host, Url};

fuzz_target!(|input: (&str, &str, &str)| {
    let (host, prefix, path) = input;
    if let Some((host, is_loopback)) = fuzzing::host(host) {
        assert_eq!(host, host.to_ascii_lowercase());
        if let Ok(url) = Url::parse(&format!("http://{host}/"))
            && is_loopback
        {
            let really = match url.host() {
                Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            assert!(really, "{host} is another machine");
        }
    }
    check_path(prefix, path);
    check_path("/a", path);
    check_path("/a", &format!("/a{path}"));
});

fn check_path(prefix: &str, path: &str) {
    // What a request line cannot have, no request has.
    let Ok(uri) = path.parse::<http::Uri>() else {
        return;
    };
    let path = uri.path();
    let Some((covered, suffix)) = fuzzing::covers(prefix, path) else {
        return;
    };
    assert!(suffix.is_ascii());
    if !covered {
        return;
    }
    let resolved = Url::parse(&format!("http://h{path}")).expect("a URL");
    let rest = resolved.path().strip_prefix(prefix);
    let rest = rest.unwrap_or_else(|| panic!("{path:?} is not below {prefix:?} for everybody"));
    assert!(rest.is_empty() || rest.starts_with('/'));
}
