//! The browser that tests may use: found, never installed.

use std::{
    collections::HashSet,
    env,
    ffi::OsString,
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Chromium, with the driver that speaks WebDriver.
///
/// `CHROMIUM` and `CHROMEDRIVER` may say where they are; otherwise they are looked for in `PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chromium {
    /// The browser.
    pub browser: PathBuf,
    /// The driver.
    pub driver: PathBuf,
    /// The browser's version, as it says it.
    pub version: String,
}

/// Why there is no browser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChromium {
    /// None of these programs is in `PATH`.
    #[error("no {} in PATH", .0.join(", no "))]
    NotInstalled(&'static [&'static str]),
    /// The environment names one that does not run.
    #[error("{0} names a program that does not run")]
    DoesNotRun(&'static str),
}

impl Chromium {
    /// The name in `REQUIRE_BROWSERS`, in reports, and of the module that its tests are in.
    pub const NAME: &str = "chromium";

    const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
    const DRIVERS: &[&str] = &["chromedriver"];

    /// Looks for it.
    ///
    /// # Errors
    /// [`NoChromium`].
    pub fn find() -> Result<Self, NoChromium> {
        let (browser, version) = program("CHROMIUM", Self::BROWSERS)?;
        let (driver, _) = program("CHROMEDRIVER", Self::DRIVERS)?;
        Ok(Self {
            browser,
            driver,
            version,
        })
    }

    /// The browser. `None` where there is none: the test is skipped, which is said on standard
    /// error, once.
    ///
    /// # Panics
    /// Where `REQUIRE_BROWSERS` names Chromium and there is none.
    pub fn or_skip() -> Option<Self> {
        static SAID: OnceLock<()> = OnceLock::new();

        let reason = match Self::find() {
            Ok(found) => return Some(found),
            Err(reason) => reason,
        };
        assert!(
            !RequiredBrowsers::from_env().chromium(),
            "chromium is required by REQUIRE_BROWSERS: {reason}"
        );
        SAID.get_or_init(|| {
            // Not `eprintln!`, which the test harness keeps to itself when the test passes.
            let _ = writeln!(io::stderr(), "skipped: {}: {reason}", Self::NAME);
        });
        None
    }
}

impl fmt::Display for Chromium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}

/// The browsers that `REQUIRE_BROWSERS` names, separated by commas. A test whose browser is among
/// them fails where it would otherwise be skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredBrowsers(HashSet<String>);

impl RequiredBrowsers {
    /// The environment variable.
    pub const VARIABLE: &str = "REQUIRE_BROWSERS";

    /// Reads the environment; unset or empty, it requires nothing.
    ///
    /// # Panics
    /// Where it names another browser, because that requirement would never be enforced.
    pub fn from_env() -> Self {
        Self::named(&env::var(Self::VARIABLE).unwrap_or_default())
    }

    fn named(names: &str) -> Self {
        let names = names.split(',').map(str::trim);
        let names: HashSet<String> = names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        for name in &names {
            assert_eq!(name, Chromium::NAME, "{}: unknown browser", Self::VARIABLE);
        }
        Self(names)
    }

    /// Whether Chromium must not be missing.
    pub fn chromium(&self) -> bool {
        self.0.contains(Chromium::NAME)
    }
}

/// The program that the variable names, or else the first of these that runs; and what it says of
/// its version.
fn program(
    variable: &'static str,
    names: &'static [&'static str],
) -> Result<(PathBuf, String), NoChromium> {
    if let Some(named) = env::var_os(variable).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return match version(&named) {
            Some(version) => Ok((named, version)),
            None => Err(NoChromium::DoesNotRun(variable)),
        };
    }
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    let found = names
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |directory| directory.join(name)))
        .filter(|candidate| candidate.is_file())
        .find_map(|candidate| Some((candidate.clone(), version(&candidate)?)));
    found.ok_or(NoChromium::NotInstalled(names))
}

fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let version = said.split_whitespace().find(number)?;
    output.status.success().then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_known() {
        assert!(RequiredBrowsers::named("chromium,").chromium());
        assert!(!RequiredBrowsers::named(" ").chromium());
        assert!(std::panic::catch_unwind(|| RequiredBrowsers::named("chromum")).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = program("NO_SUCH_VARIABLE", &["no-such-browser", "nor-this"]);
        let reason = missing.unwrap_err().to_string();
        assert_eq!(reason, "no no-such-browser, no nor-this in PATH");
    }
}
