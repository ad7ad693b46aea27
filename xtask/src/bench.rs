//! `cargo xtask bench`: this store beside its peers and the bare drivers.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cargo::cargo;

/// Compare with the peers and the bare drivers, in one run; --help says what can be asked for.
///
/// Builds the package `bench` with optimizations and runs it. It finds or starts servers as `test`
/// does.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Options of `bench`: --database, --quick, --scale and more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bench: Vec<String>,
}

/// Succeeds if it did.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let status = cargo()
        .args(["run", "--quiet", "--release", "--package", "bench", "--"])
        .args(arguments.bench)
        .status()
        .context("cargo does not run")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
