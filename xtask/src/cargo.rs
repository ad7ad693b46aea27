//! Running cargo from a program that cargo runs.

use std::env;
use std::process::Command;

/// The cargo that runs this, without what it says about this package: build scripts that look at it
/// would take it for theirs, and build all that depends on them anew.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&variable);
        }
    }
    cargo
}
