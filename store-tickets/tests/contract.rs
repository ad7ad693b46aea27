//! Tickets keep what they promise on the in-memory store.

use std::sync::Arc;

use store_core::{InMemoryUserSessionStore, ManualClock};

async fn store(clock: Arc<ManualClock>) -> Arc<InMemoryUserSessionStore> {
    Arc::new(InMemoryUserSessionStore::with_clock(clock))
}

store_tickets::ticket_contract!(store);

/// A behaviour that no macro lists would never run.
#[test]
fn every_behaviour_is_listed() {
    let macros = include_str!("../src/contract/macros.rs");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/contract");
    let mut behaviours = 0;
    for entry in std::fs::read_dir(directory).expect("the contract's files") {
        let path = entry.expect("an entry").path();
        let file = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if ["mod", "macros", "sample"].contains(&&*file) {
            continue;
        }
        assert!(
            macros.contains(&format!("{file}: [")),
            "{file} is not listed"
        );
        let source = std::fs::read_to_string(&path).expect("a source file");
        for line in source.lines() {
            let Some(rest) = line.strip_prefix("pub async fn ") else {
                continue;
            };
            let name = rest.split('<').next().expect("a name");
            assert!(
                macros.contains(&format!(" {name},")),
                "{file}::{name} is not listed"
            );
            behaviours += 1;
        }
    }
    assert!(behaviours > 40, "only {behaviours} were found");
}
