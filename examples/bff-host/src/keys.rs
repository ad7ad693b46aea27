//! The keys that encrypt the sessions.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use store_tickets::{KeyRing, TicketKey};

use crate::options::{Mode, Options};

const VARIABLE: &str = "SESSION_KEYS";
const IN_DEVELOPMENT: &str = "bff-host.keys";

/// From the file that was named, else from the environment, else, in development only, from a file
/// beside the database.
pub(crate) fn session_keys(options: &Options, mode: Mode) -> anyhow::Result<KeyRing> {
    if let Some(file) = &options.session_keys_file {
        return Ok(KeyRing::from_file(file)?);
    }
    if std::env::var_os(VARIABLE).is_some() {
        return Ok(KeyRing::from_env(VARIABLE)?);
    }
    if mode == Mode::Production {
        bail!("an https host needs {VARIABLE}, or --session-keys-file: `openssl rand -base64 32`");
    }
    let file = beside_the_database(&options.database_url);
    if make(&file)? {
        tracing::warn!(
            file = %file.display(),
            "made a session key for development; in production, give {VARIABLE}"
        );
    }
    Ok(KeyRing::from_file(&file)?)
}

/// An SQLite file has its keys next to it; a server's are in the working directory.
fn beside_the_database(url: &str) -> PathBuf {
    let file = url
        .strip_prefix("sqlite:")
        .map(|rest| rest.trim_start_matches("//"))
        .map(|rest| rest.split('?').next().unwrap_or_default())
        .filter(|path| !path.is_empty() && !path.starts_with(':'));
    match file {
        Some(file) => Path::new(file).with_extension("keys"),
        None => IN_DEVELOPMENT.into(),
    }
}

/// Makes a file with one key that nobody else can read, unless it is there. Whether it was made.
fn make(file: &Path) -> anyhow::Result<bool> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = match options.open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error).context(format!("{} is not made", file.display())),
    };
    let key = TicketKey::generate()?.expose_base64();
    writeln!(opened, "{}   # for development", *key)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_after_the_database() {
        for (url, file) in [
            ("sqlite://bff-host.db?mode=rwc", "bff-host.keys"),
            (
                "sqlite:///var/lib/app/sessions.db",
                "/var/lib/app/sessions.keys",
            ),
            ("sqlite:sessions.db", "sessions.keys"),
            ("sqlite::memory:", "bff-host.keys"),
            ("postgres://localhost/app", "bff-host.keys"),
        ] {
            assert_eq!(beside_the_database(url), Path::new(file), "{url}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("keys");
        assert!(make(&file).unwrap());
        let made = KeyRing::from_file(&file).unwrap();
        assert!(!make(&file).unwrap());
        assert_eq!(KeyRing::from_file(&file).unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
