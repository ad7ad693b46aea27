//! The certified OpenID provider, as a process of a test's own.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// It takes less than a second. One that hangs should be seen to.
const LONGEST_START: Duration = Duration::from_secs(60);

/// The certified OpenID provider `oidc-provider`, as a process of a test's own that ends when this
/// is dropped. See `openid-provider/provider.mjs`.
#[derive(Debug)]
pub struct OpenIdProvider {
    issuer: String,
    process: Child,
}

impl OpenIdProvider {
    /// The environment variable that makes the provider's absence a failure, if it is `1`; it does
    /// not if it is `0` or empty.
    pub const REQUIRED: &str = "REQUIRE_OPENID_PROVIDER";

    /// Starts one with these settings: `clients` as `oidc-provider` takes them, and `port`, `kid`
    /// and `ttl`, if need be. `None` where Node.js or the packages are not to be had: the test is
    /// skipped, which is said on standard error, once.
    ///
    /// # Panics
    /// Where [`REQUIRED`](Self::REQUIRED) says that there has to be one, and where there is one that
    /// does not start.
    pub async fn start(settings: &Value) -> Option<Self> {
        if let Err(reason) = Self::install().await {
            skip(&reason);
            return None;
        }
        let provider = Self::run(settings).await;
        Some(
            provider
                .unwrap_or_else(|error| panic!("the OpenID provider does not start: {error:?}")),
        )
    }

    /// Whether [`REQUIRED`](Self::REQUIRED) says that there has to be one.
    ///
    /// # Panics
    /// If it says anything else: what was meant to be required must not be skipped.
    pub fn is_required() -> bool {
        env::var_os(Self::REQUIRED).is_some_and(|required| requires(&required))
    }

    /// Installs the provider's packages, unless they are there: once, however many tests begin at the
    /// same time.
    ///
    /// # Errors
    /// Where Node.js or npm are missing, or the packages are not to be had.
    pub async fn install() -> anyhow::Result<()> {
        let lock = File::create(directory().join("install.lock"))?;
        tokio::task::spawn_blocking(move || {
            lock.lock()?;
            let node = std::process::Command::new("node")
                .arg("--version")
                .output()
                .context("there is no Node.js")?;
            if !node.status.success() {
                bail!("Node.js does not run");
            }
            // What is written last.
            if directory().join("node_modules/.package-lock.json").exists() {
                return Ok(());
            }
            let npm = std::process::Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                .current_dir(directory())
                .output()
                .context("there is no npm")?;
            if !npm.status.success() {
                bail!("npm ci: {}", String::from_utf8_lossy(&npm.stderr).trim());
            }
            Ok(())
        })
        .await?
    }

    /// Its address, without a slash behind it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Ends it, and answers when it has ended.
    pub async fn stop(mut self) {
        let _ = self.process.kill().await;
    }

    async fn run(settings: &Value) -> anyhow::Result<Self> {
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .arg(settings.to_string())
            .current_dir(directory())
            // It ends when this ends, however that happens.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("it has an output")?;
        let issuer = timeout(LONGEST_START, issuer_said(output))
            .await
            .with_context(|| format!("it has not said its issuer within {LONGEST_START:?}"))??;
        match issuer {
            Some(issuer) => Ok(Self { issuer, process }),
            None => bail!("it ended: {}", process.wait().await?),
        }
    }
}

/// The issuer that the provider says when it is ready; `None` if it ends before.
async fn issuer_said(output: ChildStdout) -> io::Result<Option<String>> {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        let said: Option<Value> = serde_json::from_str(&line).ok();
        let issuer = said.as_ref().and_then(|said| said["issuer"].as_str());
        if let Some(issuer) = issuer {
            return Ok(Some(issuer.to_owned()));
        }
    }
    Ok(None)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openid-provider")
}

fn skip(reason: &anyhow::Error) {
    static SAY: Once = Once::new();

    if OpenIdProvider::is_required() {
        panic!(
            "an OpenID provider is required by {}: {reason:#}",
            OpenIdProvider::REQUIRED
        );
    }
    SAY.call_once(|| {
        // Not `eprintln!`, which the test harness keeps to itself when the test passes.
        let _ = writeln!(io::stderr(), "skipped: openid-provider: {reason:#}");
    });
}

fn requires(said: &OsStr) -> bool {
    match said.to_str().map(str::trim) {
        Some("1") => true,
        Some("" | "0") => false,
        _ => panic!("{} is 0 or 1, not {said:?}", OpenIdProvider::REQUIRED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_clear() {
        assert!(requires("1".as_ref()));
        assert!(!requires("0".as_ref()) && !requires(" ".as_ref()));
        for said in ["true", "yes", "01", "2"] {
            let required = std::panic::catch_unwind(|| requires(said.as_ref()));
            assert!(required.is_err(), "{said}");
        }
    }
}
