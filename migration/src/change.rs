//! A change of the schema, and how it becomes a SeaORM migration that keeps our history.

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager,
    async_trait::async_trait,
    sea_orm::{ConnectionTrait, DbErr},
};

use crate::{
    Options, catalog, history, m20261120_000001_create_user_sessions::CreateUserSessions,
    m20261120_000002_defer_cleanup::DeferCleanup,
    m20261121_000003_defer_cleanup_on_sqlite::DeferCleanupOnSqlite, names::Names,
};

/// Every change, oldest first. A new one is a module of its own and a line here; those that have
/// been released are history, and stay as they are.
pub(crate) const CHANGES: &[&dyn Change] =
    &[&CreateUserSessions, &DeferCleanup, &DeferCleanupOnSqlite];

/// A step from one state of the tables to the next, written down as statements.
///
/// PostgreSQL and SQLite run the statements of a change in one transaction. MySQL and MariaDB commit
/// each as it ends, so each must bear being repeated: a process that dies half-way leaves the rest
/// to the next, which begins with the first statement again.
pub(crate) trait Change: Send + Sync {
    /// What the history records: the name of the module, for good.
    fn version(&self) -> &'static str;

    /// Statements that move the tables forward, data included.
    fn up(&self, names: &Names) -> Vec<String>;

    /// What comes before them and does not bear being repeated.
    fn once(&self, _: &Names) -> Option<Once> {
        None
    }

    /// Statements that do the same as [`once`](Self::once) and [`up`](Self::up), for the script, which
    /// asks for nothing first.
    fn script(&self, names: &Names) -> Vec<String> {
        self.up(names)
    }

    /// Statements that undo it all.
    fn down(&self, names: &Names) -> Vec<String>;
}

/// A statement, and a `SELECT COUNT(…)` that finds what it makes: a history that was lost does not know
/// that it has been run.
pub(crate) struct Once {
    pub(crate) find_made: String,
    pub(crate) statement: String,
}

/// Our migrations, for the list of a host's own SeaORM migrator.
///
/// ```
/// use sea_orm_migration::{MigrationTrait, MigratorTrait};
///
/// struct HostMigrator;
///
/// impl MigratorTrait for HostMigrator {
///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
///         let mut migrations: Vec<Box<dyn MigrationTrait>> = vec![/* the host's own */];
///         migrations.extend(store_migration::migrations(&store_migration::Options::new()));
///         migrations
///     }
/// }
/// ```
///
/// They keep our history as well as the host's migrator keeps its own, so
/// [`Migrator::is_current`](crate::Migrator::is_current) and [`up`](crate::up) understand what was
/// done this way, and a migration that ran already is no error. Names differ between tables, so one
/// list may hold the migrations of several. What does not come along is the lock: SeaORM's migrator
/// has none, and must run in one process at a time.
pub fn migrations(options: &Options) -> Vec<Box<dyn MigrationTrait>> {
    CHANGES
        .iter()
        .map(|&change| Box::new(Migration::new(change, options)) as Box<dyn MigrationTrait>)
        .collect()
}

/// A change to the tables that the options name, recorded in their history.
pub(crate) struct Migration {
    name: String,
    change: &'static dyn Change,
    options: Options,
}

impl Migration {
    pub(crate) fn new(change: &'static dyn Change, options: &Options) -> Self {
        let version = change.version();
        let name = match options {
            Options {
                schema: None,
                table,
            } if table == Options::DEFAULT_TABLE => version.to_owned(),
            Options {
                schema: None,
                table,
            } => format!("{version}.{table}"),
            Options {
                schema: Some(schema),
                table,
            } => format!("{version}.{schema}.{table}"),
        };
        Self {
            name,
            change,
            options: options.clone(),
        }
    }
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let names = Names::parse(&self.options, db.get_database_backend())?;
        history::install(db, &names).await?;
        if let Some(once) = self.change.once(&names)
            && !catalog::any(db, once.find_made).await?
        {
            db.execute_unprepared(&once.statement).await?;
        }
        for statement in self.change.up(&names) {
            db.execute_unprepared(&statement).await?;
        }
        db.execute_unprepared(&history::record(&names, self.change.version()))
            .await?;
        tracing::info!(migration = self.name, "applied");
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let names = Names::parse(&self.options, db.get_database_backend())?;
        if !catalog::has_schema(db, &names).await? {
            // A schema that can be created and isn't there holds nothing to undo.
            return match history::create_schema(&names) {
                Some(_) => Ok(()),
                None => Err(history::not_attached()),
            };
        }
        // What the history does not know may be another's table of the same name.
        if !history::exists(db, &names).await? {
            return Ok(());
        }
        let version = self.change.version();
        if history::has(db, &names, version).await? {
            for statement in self.change.down(&names) {
                db.execute_unprepared(&statement).await?;
            }
            db.execute_unprepared(&history::forget(&names, version))
                .await?;
        }
        history::uninstall_if_empty(db, &names).await?;
        tracing::info!(migration = self.name, "undone");
        Ok(())
    }

    /// One transaction in a host's migrator too, also on SQLite, which SeaORM would leave without.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn versions_are_in_order_and_distinct() {
        assert!(CHANGES.is_sorted_by(|older, newer| older.version() < newer.version()));
    }

    #[test]
    fn names_of_two_tables_never_meet_in_one_list() {
        let options = [
            Options::new(),
            Options::new().schema("auth"),
            Options::new().table("sessions"),
            Options::new().schema("auth").table("sessions"),
            Options::new().table("auth_sessions"),
            Options::new().schema("auth_sessions"),
        ];
        let names: HashSet<_> = options
            .iter()
            .flat_map(migrations)
            .map(|migration| migration.name().to_owned())
            .collect();
        assert_eq!(names.len(), options.len() * CHANGES.len());
        assert!(names.contains("m20261120_000001_create_user_sessions"));
    }
}
