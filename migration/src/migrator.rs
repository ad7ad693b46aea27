use std::time::Duration;

use sea_orm_migration::{
    MigrationTrait, SchemaManager,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr},
};
use tracing::Instrument;

use crate::{
    Options, catalog,
    change::{CHANGES, Migration},
    history,
    lock::Lock,
    names::{Names, Table},
    script,
};

/// Pauses before a run that failed in the database is tried again.
///
/// The library has no driver, so it cannot tell SQLite's "busy" or Galera's conflict from a refusal.
/// It need not: a run may be repeated as often as one likes, and a refusal comes out a second later.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Brings the table `user_sessions` up to date: [`Migrator::up`] with everything at its defaults.
///
/// # Errors
///
/// Those of [`Migrator::up`].
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    Migrator::new().up(db).await
}

/// Runs the migrations of one session table.
///
/// # Many processes, one connection each
///
/// Any number of processes may call [`up`](Self::up) and [`down`](Self::down) at once; one works,
/// the others wait for it. A run takes **one** connection from the pool and does everything on it,
/// so a pool of one is enough.
///
/// | | taking turns | what a failure leaves |
/// |---|---|---|
/// | PostgreSQL | a transaction-level advisory lock, which PgBouncer lets through | nothing: one transaction |
/// | MySQL, MariaDB | `GET_LOCK`, for at most 10 minutes; per node on Galera | what was done so far: call again |
/// | SQLite | one `BEGIN IMMEDIATE` transaction; waits for the connection's busy timeout, a few times | nothing |
///
/// # Dropped futures
///
/// A run is a task of its own: once its future was polled, it goes on to its end, even if the caller
/// stops waiting. MySQL's lock belongs to the session and would otherwise return to the pool with
/// its connection, and keep every other process out. So a Tokio runtime is needed, and `up` has to
/// be awaited before the runtime shuts down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrator {
    options: Options,
}

impl Migrator {
    /// For the table `user_sessions`, where the connection points.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Options::schema`].
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self {
            options: self.options.schema(schema),
        }
    }

    /// As [`Options::table`].
    pub fn table(self, table: impl Into<String>) -> Self {
        Self {
            options: self.options.table(table),
        }
    }

    /// Brings the table up to date, and creates its schema if that is missing and may be created.
    ///
    /// Where everything is current it only reads, and needs no right to create anything.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for an illegal name, before anything is sent; for a schema that is not
    /// attached to SQLite; and when another process kept the lock for too long. Otherwise the
    /// database's own error, after a few tries.
    pub async fn up(&self, db: &DatabaseConnection) -> Result<(), DbErr> {
        self.run(db, Direction::Up).await
    }

    /// Drops the table, **with every session in it**, its locks and its history; the schema stays.
    /// Does nothing where there is nothing, and to a table that no migration has made.
    ///
    /// # Errors
    ///
    /// As of [`up`](Self::up).
    pub async fn down(&self, db: &DatabaseConnection) -> Result<(), DbErr> {
        self.run(db, Direction::Down).await
    }

    /// Whether the tables are there and have been through every migration of this version.
    ///
    /// Creates nothing, locks nothing, and needs no more rights than the store's, and to read the
    /// history. An empty database or a missing schema is `false`, not an error. (Catalogs of MySQL
    /// and MariaDB hide a table from those who have no right to it: then too it is `false`.)
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for an illegal name, otherwise the database's own.
    pub async fn is_current(&self, db: &DatabaseConnection) -> Result<bool, DbErr> {
        let names = Names::parse(&self.options, db.get_database_backend())?;
        is_current(db, &names).await
    }

    /// What [`up`](Self::up) does to an empty database, as a commented script for a database
    /// administrator. Running it is as good as `up`; running it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`DbErr::Migration`] for an illegal name.
    pub fn sql(&self, backend: DbBackend) -> Result<String, DbErr> {
        Ok(script::up(&Names::parse(&self.options, backend)?))
    }

    async fn run(&self, db: &DatabaseConnection, direction: Direction) -> Result<(), DbErr> {
        let names = Names::parse(&self.options, db.get_database_backend())?;
        let run = Run {
            db: db.clone(),
            options: self.options.clone(),
            names,
            direction,
        };
        match tokio::spawn(run.finish().in_current_span()).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(DbErr::Migration(
                    "the runtime shut down before the migration ended".to_owned(),
                )),
            },
        }
    }
}

impl From<Options> for Migrator {
    fn from(options: Options) -> Self {
        Self { options }
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

struct Run {
    db: DatabaseConnection,
    options: Options,
    names: Names,
    direction: Direction,
}

impl Run {
    async fn finish(self) -> Result<(), DbErr> {
        for pause in PAUSES {
            match self.once().await {
                Err(error @ (DbErr::Exec(_) | DbErr::Query(_))) => {
                    tracing::debug!(%error, "will be tried again");
                    tokio::time::sleep(pause).await;
                }
                outcome => return outcome,
            }
        }
        self.once().await
    }

    async fn once(&self) -> Result<(), DbErr> {
        if matches!(self.direction, Direction::Up) && is_current(&self.db, &self.names).await? {
            return Ok(());
        }
        let lock = Lock::take(&self.db, &self.names).await?;
        let outcome = self.under(&lock).await;
        lock.release(outcome).await
    }

    async fn under(&self, lock: &Lock) -> Result<(), DbErr> {
        let db = lock.connection();
        let manager = SchemaManager::new(db);
        let migrations = CHANGES
            .iter()
            .map(|&change| (change, Migration::new(change, &self.options)));
        match self.direction {
            Direction::Up => {
                // A history without its tables counts for nothing: then all of it is to be done.
                let kept =
                    history::exists(db, &self.names).await? && has_tables(db, &self.names).await?;
                for (change, migration) in migrations {
                    if !(kept && history::has(db, &self.names, change.version()).await?) {
                        migration.up(&manager).await?;
                    }
                }
            }
            Direction::Down => {
                for (_, migration) in migrations.rev() {
                    migration.down(&manager).await?;
                }
            }
        }
        Ok(())
    }
}

async fn is_current(db: &impl ConnectionTrait, names: &Names) -> Result<bool, DbErr> {
    if !(history::exists(db, names).await? && has_tables(db, names).await?) {
        return Ok(false);
    }
    for change in CHANGES {
        if !history::has(db, names, change.version()).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn has_tables(db: &impl ConnectionTrait, names: &Names) -> Result<bool, DbErr> {
    for &table in Table::of_the_store(names.dialect()) {
        if !catalog::has_table(db, names, table).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
