//! The databases of one run.

use std::fmt;

use store_tests::{
    DatabaseKind, RequiredDatabases,
    servers::{self, NoServer, Server, ServerKind},
};

/// Every database, with its server where there is one.
pub(crate) struct Databases {
    sqlite_version: String,
    servers: Vec<(ServerKind, Result<&'static Server, &'static NoServer>)>,
}

/// What is known of one database.
pub(crate) enum Database<'a> {
    /// It is there: its version, and where it comes from.
    Present { version: String, origin: String },
    /// It is not, and this is why.
    Missing(&'a NoServer),
}

impl Databases {
    /// Finds or starts all servers.
    pub(crate) async fn find() -> anyhow::Result<Self> {
        Ok(Self {
            sqlite_version: servers::sqlite_version().await?,
            servers: servers::find_all().await,
        })
    }

    /// What is known of each, in the order they are reported in.
    pub(crate) fn each(&self) -> impl Iterator<Item = (DatabaseKind, Database<'_>)> {
        DatabaseKind::ALL
            .into_iter()
            .map(|kind| (kind, self.get(kind)))
    }

    fn get(&self, kind: DatabaseKind) -> Database<'_> {
        let server = self
            .servers
            .iter()
            .find(|(server, _)| server.database() == kind);
        match server {
            None => Database::Present {
                version: self.sqlite_version.clone(),
                origin: "built in".to_owned(),
            },
            Some((_, Ok(server))) => Database::Present {
                version: number(server.version()).to_owned(),
                origin: server.origin().to_string(),
            },
            Some((_, Err(reason))) => Database::Missing(reason),
        }
    }

    /// The environment that leads tests to these servers, and to no others.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.servers.iter().map(|(kind, server)| {
            (
                kind.url_variable(),
                server.as_ref().map_or("none", |server| server.url()),
            )
        })
    }

    /// Whether the run can't be what was asked for: a required database is missing, or a server that
    /// the environment names. Says so, a line for each.
    pub(crate) fn refuse(&self, required: &RequiredDatabases) -> bool {
        let mut refused = false;
        for (kind, database) in self.each() {
            let Database::Missing(reason) = database else {
                continue;
            };
            if required.contains(kind) {
                eprintln!("error: {kind} is required by REQUIRE_DATABASES: {reason:#}");
                refused = true;
            } else if matches!(reason, NoServer::Unreachable { .. }) {
                eprintln!("error: {kind}: {reason:#}");
                refused = true;
            }
        }
        refused
    }
}

impl fmt::Display for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, database) in self.each() {
            match database {
                Database::Present { version, origin } => {
                    writeln!(f, "{kind:<13}  {version:<8}  {origin}")?;
                }
                Database::Missing(reason) => writeln!(f, "{kind:<13}  {:<8}  {reason}", "–")?,
            }
        }
        Ok(())
    }
}

/// The number in what a server says of its version: "17.5" of "PostgreSQL 17.5 (Debian 17.5-1) on …".
fn number(version: &str) -> &str {
    let start = version.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let number = &version[start..];
    let end = number
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(number.len());
    &number[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_number() {
        assert_eq!(
            number("PostgreSQL 17.5 (Debian 17.5-1) on x86_64-pc-linux-gnu"),
            "17.5"
        );
        assert_eq!(number("PostgreSQL 18beta1 on aarch64"), "18");
        assert_eq!(number("11.8.3-MariaDB-ubu2404"), "11.8.3");
        assert_eq!(number("9.7.0"), "9.7.0");
    }
}
