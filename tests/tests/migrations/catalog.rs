//! What `up` makes, as the database describes it.

use store_tests::{DatabaseKind, TestDatabase, on_databases};

use crate::support::{catalog, texts};

/// Columns, their types and their order, and the indexes are those of the design.
async fn is_as_designed(db: TestDatabase) {
    let connection = db.connect().await;
    store_migration::up(&connection).await.unwrap();
    let designed: &[&str] = match db.kind() {
        DatabaseKind::Postgres => &POSTGRES,
        DatabaseKind::MySql | DatabaseKind::MariaDb => &MYSQL,
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => &SQLITE,
    };
    assert_eq!(catalog(&connection).await, designed);
}

const POSTGRES: [&str; 17] = [
    "user_sessions.partition_key text COLLATE C NOT NULL",
    "user_sessions.user_key text COLLATE C NOT NULL",
    "user_sessions.subject_id text COLLATE C",
    "user_sessions.session_id text COLLATE C",
    "user_sessions.created timestamp with time zone NOT NULL",
    "user_sessions.renewed timestamp with time zone NOT NULL",
    "user_sessions.expires timestamp with time zone",
    "user_sessions.version bigint NOT NULL",
    "user_sessions.ticket bytea NOT NULL",
    "user_sessions.cleanup_at timestamp with time zone NOT NULL",
    "user_sessions_migrations.version text NOT NULL",
    "CREATE INDEX user_sessions_cleanup_at ON user_sessions USING btree (cleanup_at)",
    "CREATE INDEX user_sessions_created ON user_sessions USING btree (partition_key, created, \
     user_key)",
    "CREATE UNIQUE INDEX user_sessions_migrations_pkey ON user_sessions_migrations USING btree \
     (version)",
    "CREATE UNIQUE INDEX user_sessions_pkey ON user_sessions USING btree (partition_key, user_key)",
    "CREATE UNIQUE INDEX user_sessions_session_id ON user_sessions USING btree (partition_key, \
     session_id)",
    "CREATE INDEX user_sessions_subject_id ON user_sessions USING btree (partition_key, subject_id)",
];

const MYSQL: [&str; 20] = [
    "user_sessions.partition_key varbinary(255) NOT NULL",
    "user_sessions.user_key varbinary(255) NOT NULL",
    "user_sessions.subject_id varbinary(255)",
    "user_sessions.session_id varbinary(255)",
    "user_sessions.created datetime(6) NOT NULL",
    "user_sessions.renewed datetime(6) NOT NULL",
    "user_sessions.expires datetime(6)",
    "user_sessions.version bigint NOT NULL",
    "user_sessions.ticket longblob NOT NULL",
    "user_sessions.cleanup_at datetime(6) NOT NULL",
    "user_sessions_locks.stripe smallint NOT NULL",
    "user_sessions_locks.taken bigint NOT NULL",
    "user_sessions_migrations.version varchar(255) NOT NULL",
    "unique user_sessions.PRIMARY (partition_key,user_key)",
    "user_sessions.user_sessions_cleanup_at (cleanup_at)",
    "user_sessions.user_sessions_created (partition_key,created,user_key)",
    "unique user_sessions.user_sessions_session_id (partition_key,session_id)",
    "user_sessions.user_sessions_subject_id (partition_key,subject_id)",
    "unique user_sessions_locks.PRIMARY (stripe)",
    "unique user_sessions_migrations.PRIMARY (version)",
];

const SQLITE: [&str; 15] = [
    "user_sessions.partition_key TEXT NOT NULL",
    "user_sessions.user_key TEXT NOT NULL",
    "user_sessions.subject_id TEXT",
    "user_sessions.session_id TEXT",
    "user_sessions.created INTEGER NOT NULL",
    "user_sessions.renewed INTEGER NOT NULL",
    "user_sessions.expires INTEGER",
    "user_sessions.version INTEGER NOT NULL",
    "user_sessions.ticket BLOB NOT NULL",
    "user_sessions.cleanup_at INTEGER NOT NULL",
    "user_sessions_migrations.version TEXT NOT NULL",
    "CREATE INDEX user_sessions_cleanup_at ON user_sessions (cleanup_at)",
    "CREATE INDEX user_sessions_created ON user_sessions (partition_key, created, user_key)",
    "CREATE UNIQUE INDEX user_sessions_session_id ON user_sessions (partition_key, session_id)",
    "CREATE INDEX user_sessions_subject_id ON user_sessions (partition_key, subject_id)",
];

on_databases!([sqlite, postgres, mysql, mariadb]: is_as_designed);

mod locks {
    use super::*;

    /// There are 512 rows to lock, numbered from 0, also after a run that was cut short.
    async fn are_512(db: TestDatabase) {
        let db = db.connect().await;
        store_migration::up(&db).await.unwrap();
        let all: Vec<String> = (0..512).map(|stripe| stripe.to_string()).collect();
        let select = "SELECT CAST(stripe AS CHAR) FROM user_sessions_locks ORDER BY stripe";
        assert_eq!(texts(&db, select).await, all);

        crate::support::execute(&db, "DELETE FROM user_sessions_locks WHERE stripe > 99").await;
        crate::support::execute(&db, "DELETE FROM user_sessions_migrations").await;
        store_migration::up(&db).await.unwrap();
        assert_eq!(texts(&db, select).await, all);
    }

    on_databases!([mysql, mariadb]: are_512);
}
