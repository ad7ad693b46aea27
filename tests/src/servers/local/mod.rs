//! Throw-away servers from the binaries that are installed.

use std::{
    env,
    ffi::OsString,
    fs,
    io::Read,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{Lifeline, Origin, Server, ServerKind, admin};

const SERVER_ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How long one connection may take while the server is awaited.
const POLLS_FOR: Duration = Duration::from_millis(500);

/// The free port found for a server may be taken before it gets there.
const ATTEMPTS: usize = 3;

/// The user `nobody`, for servers that refuse to run as root.
const NOBODY: u32 = 65534;

/// Starts a server.
///
/// # Errors
/// Its binaries are not installed, or it does not start.
pub(super) async fn start(kind: ServerKind) -> anyhow::Result<Server> {
    let binaries = binaries(kind).context("no local binaries")?;
    let mut attempt = 1;
    loop {
        match start_once(kind, &binaries).await {
            Ok(server) => return Ok(server),
            Err(error) if attempt == ATTEMPTS => {
                return Err(error.context("no server from local binaries"));
            }
            Err(_) => attempt += 1,
        }
    }
}

async fn start_once(kind: ServerKind, binaries: &Path) -> anyhow::Result<Server> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut guard = Guard::start(kind, binaries, port)?;
    let url = kind.url_at("127.0.0.1", port);

    let deadline = Instant::now() + SERVER_ANSWERS_WITHIN;
    let version = loop {
        let answer = admin::version(kind, &url, POLLS_FOR).await;
        // Asked for after the answer, which may be that of another server on the same port.
        if let Some(last_words) = guard.ended()? {
            bail!("it ended: {last_words}");
        }
        match answer {
            Ok(version) => break version,
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    };
    let origin = Origin::Local(binaries.to_owned());
    Ok(Server {
        kind,
        url,
        version,
        origin,
        _lifeline: Some(Lifeline::new(guard)),
    })
}

/// The shell that sets a server up, runs it, and ends it when its own standard input ends; that is a
/// pipe from this process.
struct Guard(Child);

impl Guard {
    fn start(kind: ServerKind, binaries: &Path, port: u16) -> anyhow::Result<Self> {
        let server = match kind {
            ServerKind::Postgres => include_str!("postgres.sh"),
            ServerKind::MySql => include_str!("mysql.sh"),
            ServerKind::MariaDb => include_str!("mariadb.sh"),
        };
        let script = [server, include_str!("guard.sh")].concat();

        let directory = TempDir::with_prefix("server-")?;
        let mut command = if fs::metadata(directory.path())?.uid() == 0 {
            // What we make is root's, so that is who we are.
            chown(directory.path(), Some(NOBODY), Some(NOBODY))?;
            let mut setpriv = Command::new("setpriv");
            setpriv
                .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
                .args(["--clear-groups", "sh"]);
            setpriv
        } else {
            Command::new("sh")
        };
        let child = command
            .args(["-c", &script])
            .env("PATH", path_with(binaries))
            .env("DIRECTORY", directory.path())
            .env("PORT", port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Out of reach of the signals that a terminal or a test runner sends to a whole group:
            // it is to clean up after them.
            .process_group(0)
            .spawn()?;
        // From here on it is the guard that removes it.
        let _ = directory.keep();
        Ok(Self(child))
    }

    /// What it had to say at its end, if it has ended.
    fn ended(&mut self) -> anyhow::Result<Option<String>> {
        if self.0.try_wait()?.is_none() {
            return Ok(None);
        }
        let mut last_words = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            stderr.read_to_string(&mut last_words)?;
        }
        Ok(Some(last_words.trim().to_owned()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closes its standard input first.
        let _ = self.0.wait();
    }
}

/// The directory with the server's binaries.
fn binaries(kind: ServerKind) -> anyhow::Result<PathBuf> {
    match kind {
        ServerKind::Postgres => {
            directory_of("initdb", path().into_iter().chain(postgres_directories()))
        }
        ServerKind::MariaDb => {
            directory_of("mariadb-install-db", path())?;
            directory_of("mariadbd", path())
        }
        ServerKind::MySql => {
            let directory = directory_of("mysqld", path())?;
            // Where MariaDB is installed, it may answer to that name.
            let version = Command::new(directory.join("mysqld"))
                .arg("--version")
                .output()?;
            let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
            if !version.contains("Ver") || version.contains("MariaDB") {
                bail!("mysqld is no MySQL: {version}");
            }
            Ok(directory)
        }
    }
}

fn directory_of(
    binary: &str,
    directories: impl IntoIterator<Item = PathBuf>,
) -> anyhow::Result<PathBuf> {
    directories
        .into_iter()
        .find(|directory| is_executable(&directory.join(binary)))
        .with_context(|| format!("{binary} is not installed"))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The directories in `PATH`, and those for servers, which an ordinary user's lacks.
fn path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(servers).collect()
}

fn path_with(binaries: &Path) -> OsString {
    let directories = [binaries.to_owned()].into_iter().chain(path());
    env::join_paths(directories).expect("directories that come from a list like this")
}

/// Where Debian keeps the versions of PostgreSQL, the newest first.
fn postgres_directories() -> Vec<PathBuf> {
    let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
        .into_iter()
        .rev()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_found_in_the_first_directory_that_has_it() {
        let (empty, full) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let binary = full.path().join("initdb");
        fs::write(&binary, "").unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();

        let directories = [empty.path().to_owned(), full.path().to_owned()];
        assert_eq!(directory_of("initdb", directories).unwrap(), full.path());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = directory_of("initdb", []).unwrap_err();
        assert_eq!(error.to_string(), "initdb is not installed");
    }
}
