//! The project's own commands: `cargo xtask <command>`.

mod bench;
mod cargo;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    Bench(bench::Arguments),
    Test(test::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Bench(arguments) => bench::run(arguments),
        Command::Test(arguments) => test::run(arguments).await,
    }
}
