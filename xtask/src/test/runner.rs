//! The runs of cargo that run the tests.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context, ensure};

use super::{databases::Databases, outcomes::Outcomes};
use crate::cargo::cargo;

/// What runs the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runner {
    /// `cargo nextest run`: each test in a process of its own, all of them at a time.
    Nextest,
    /// `cargo test`.
    Cargo,
}

/// What has come of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) outcomes: Outcomes,
    /// Whether the runners say so. They also fail where something doesn't build.
    pub(crate) succeeded: bool,
}

impl Runner {
    /// Nextest where it is installed.
    pub(crate) fn installed() -> Self {
        let nextest = cargo()
            .args(["nextest", "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match nextest {
            Ok(status) if status.success() => Self::Nextest,
            _ => Self::Cargo,
        }
    }

    /// Runs the whole workspace's tests.
    pub(crate) fn run(self, databases: &Databases, arguments: &[String]) -> anyhow::Result<Run> {
        let mut outcomes = Outcomes::default();
        let succeeded = match self {
            Self::Nextest => {
                // Nextest runs no examples; where a choice of tests is asked for, they aren't meant.
                nextest(databases, arguments, &mut outcomes)?
                    & (!arguments.is_empty() || cargo_test(databases, &["--doc"], &mut outcomes)?)
            }
            Self::Cargo => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                cargo_test(databases, &arguments, &mut outcomes)?
            }
        };
        Ok(Run {
            outcomes,
            succeeded,
        })
    }
}

fn nextest(
    databases: &Databases,
    arguments: &[String],
    outcomes: &mut Outcomes,
) -> anyhow::Result<bool> {
    // Below the workspace also where cargo builds somewhere else.
    let report = workspace()?.join("target/nextest/default/junit.xml");
    match fs::remove_file(&report) {
        // One from an earlier run would be taken for this one's, if this one doesn't get that far.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let status = cargo()
        .args([
            "nextest",
            "run",
            "--workspace",
            "--all-features",
            "--profile",
            "default",
        ])
        .args(arguments)
        .envs(databases.environment())
        .status()?;
    if report.exists() {
        outcomes.add_junit(BufReader::new(File::open(&report)?))?;
    }
    Ok(status.success())
}

fn cargo_test(
    databases: &Databases,
    arguments: &[&str],
    outcomes: &mut Outcomes,
) -> anyhow::Result<bool> {
    let mut cargo = cargo()
        .args(["test", "--workspace", "--all-features", "--no-fail-fast"])
        .args(arguments)
        .envs(databases.environment())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = cargo.stdout.take().context("a pipe from cargo")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        outcomes.add_line(&line);
    }
    Ok(cargo.wait()?.success())
}

fn workspace() -> anyhow::Result<PathBuf> {
    let metadata = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    ensure!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let root = metadata["workspace_root"]
        .as_str()
        .context("cargo names no workspace")?;
    Ok(root.into())
}
