//! 10,000 sessions, and values to ask for some of them with.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, Value,
};
use store_seaorm::entity::{self, Text, Timestamp};
use store_tests::{DatabaseKind, TestDatabase, TestStore};

use crate::explain::{Verdict, mysql, postgres, sqlite};

const ROWS: usize = 10_000;
const PARTITIONS: usize = 20;
const SESSIONS_PER_SUBJECT: usize = 4;

pub(crate) struct Sampled {
    kind: DatabaseKind,
    db: DatabaseConnection,
    store: TestStore,
}

/// What a parameter of a statement stands for.
#[derive(Clone, Copy)]
enum Parameter {
    Partition,
    UserKey,
    Subject,
    SessionId,
    Time,
    Version,
    Ticket,
    Limit,
    Lock,
    /// How many rows the keys find: as far as `EXPLAIN` looks, none.
    Found,
}

impl Sampled {
    pub(crate) async fn new(database: TestDatabase) -> Self {
        let store = TestStore::new(database).await;
        let (kind, db) = (store.database().kind(), store.connection().clone());
        let now = start();
        for first in (0..ROWS).step_by(500) {
            let rows = (first..first + 500).map(|row| session(row, now, db.get_database_backend()));
            entity::Entity::insert_many(rows)
                .exec_without_returning(&db)
                .await
                .expect("rows go in");
        }
        // As if the cleanup had seen them.
        db.execute_unprepared("UPDATE user_sessions SET cleanup_at = expires")
            .await
            .expect("every session expires");
        // On SQLite nobody takes statistics, so its plans have to be good without.
        let analyze = match kind {
            // Makes the table anew, and so forgets what was changed right before.
            DatabaseKind::MySql | DatabaseKind::MariaDb => "OPTIMIZE TABLE user_sessions",
            DatabaseKind::Postgres => "ANALYZE",
            DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => "SELECT 1",
        };
        db.execute_unprepared(analyze)
            .await
            .expect("statistics can be taken");
        Self { kind, db, store }
    }

    /// On a new connection afterwards: SQLite's others explain by the schema that they know.
    pub(crate) async fn drop_index_of_the_cleanup(&mut self) {
        let on = match self.kind {
            DatabaseKind::MySql | DatabaseKind::MariaDb => " ON user_sessions",
            _ => "",
        };
        let drop = format!("DROP INDEX user_sessions_cleanup_at{on}");
        self.db
            .execute_unprepared(&drop)
            .await
            .expect("the index is there");
        self.db = self.store.database().connect().await;
    }

    pub(crate) async fn statements(&self) -> Vec<(&'static str, String)> {
        let statements = self
            .store
            .statements()
            .await
            .expect("the store has its statements");
        assert!(
            statements.len() > 40,
            "only {} statements",
            statements.len()
        );
        statements
    }

    pub(crate) async fn verdict(&self, name: &str, sql: &str) -> Verdict {
        let values = self.values(name, sql);
        match self.kind {
            DatabaseKind::Postgres => postgres::verdict(&self.db, sql, values).await,
            DatabaseKind::MySql | DatabaseKind::MariaDb => {
                mysql::verdict(&self.db, name, sql, values).await
            }
            DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => {
                sqlite::verdict(&self.db, name, sql, values).await
            }
        }
    }

    fn values(&self, name: &str, sql: &str) -> Vec<Value> {
        parameters(name, self.kind)
            .into_iter()
            .map(|parameter| self.value(parameter))
            .collect::<Vec<_>>()
            .also(|values| {
                let places = sql.matches(['?', '$']).count();
                assert_eq!(values.len(), places, "values for `{name}`: {sql}");
            })
    }

    fn value(&self, parameter: Parameter) -> Value {
        let row = 4242;
        let text = |text: String| match self.kind {
            DatabaseKind::MySql | DatabaseKind::MariaDb => Value::from(text.into_bytes()),
            _ => Value::from(text),
        };
        match parameter {
            Parameter::Partition => text(partition(row)),
            Parameter::UserKey => text(user_key(row)),
            Parameter::Subject => text(subject(row)),
            Parameter::SessionId => text(session_id(row)),
            Parameter::Time => Timestamp::new(start(), self.db.get_database_backend()).into(),
            Parameter::Version | Parameter::Lock | Parameter::Found => Value::from(0_i64),
            Parameter::Ticket => Value::from(b"ticket".to_vec()),
            Parameter::Limit => Value::from(100_i64),
        }
    }
}

/// A value, after a look at it.
trait Also: Sized {
    fn also(self, look: impl FnOnce(&Self)) -> Self {
        look(&self);
        self
    }
}

impl<T> Also for T {}

/// What the statement of this name takes. A statement that is not known here fails the test: it has
/// to be added.
fn parameters(name: &str, kind: DatabaseKind) -> Vec<Parameter> {
    use Parameter::*;

    let is_mysql = matches!(kind, DatabaseKind::MySql | DatabaseKind::MariaDb);

    const KEY: [Parameter; 2] = [Partition, UserKey];
    const CLEANUP_AT: [Parameter; 1] = [Time];
    const SIX_FIELDS: [Parameter; 6] = [Subject, SessionId, Time, Time, Time, Ticket];
    let filter = |name: &str| {
        let mut filter = vec![Partition];
        filter.extend(match name.split(',').next() {
            Some(name) if name.ends_with("by subject") => vec![Subject],
            Some(name) if name.ends_with("by session id") => vec![SessionId],
            _ => vec![Subject, SessionId],
        });
        filter.extend(name.ends_with("one excepted").then_some(UserKey));
        filter
    };
    let version = name.ends_with("if version").then_some(Version);
    if let Some((name, size)) = name.split_once(", ")
        && let Ok(size) = size.parse()
    {
        return together(name, size, is_mysql);
    }
    match name {
        "get" | "version" | "owner" => [&KEY[..], &[Time]].concat(),
        "insert" => {
            let [subject, session_id, created, renewed, expires, ticket] = SIX_FIELDS;
            let fields = [
                subject, session_id, created, renewed, expires, Version, ticket,
            ];
            [&KEY[..], &fields, &CLEANUP_AT].concat()
        }
        "update" | "update if version" | "update in place" | "update in place if version" => {
            [&SIX_FIELDS[..], &CLEANUP_AT, &KEY, &[Time]]
                .concat()
                .into_iter()
                .chain(version)
                .collect()
        }
        "rotate" | "rotate if version" => {
            let owner: &[Parameter] = if is_mysql { &[Subject, SessionId] } else { &[] };
            let parameters = [
                &[UserKey],
                &SIX_FIELDS[..],
                &CLEANUP_AT,
                &KEY,
                &[Time],
                owner,
            ]
            .concat();
            parameters.into_iter().chain(version).collect()
        }
        "renew" | "renew in place" => [&[Time, Time][..], &CLEANUP_AT, &KEY, &[Time]].concat(),
        "delete" | "end" => KEY.to_vec(),
        "delete keys" => KEY.repeat(32),
        "delete expired with key" | "end expired with key" => [&KEY[..], &[Time]].concat(),
        "delete expired with session id" | "end expired with session id" => {
            vec![Partition, SessionId, Time]
        }
        "live of subject" => vec![Partition, Subject, Time],
        "delete expired" | "delete expired, waiting" | "end expired" | "end expired, waiting" => {
            // Those that wait choose by both times, and PostgreSQL's first one begins at one.
            let begins = name == "delete expired" && kind == DatabaseKind::Postgres;
            let second: &[Parameter] = match begins || name.ends_with("waiting") {
                true => &[Time],
                false => &[],
            };
            [&[Time], second, &[Limit, Time]].concat()
        }
        "put off" if kind == DatabaseKind::Postgres => vec![Time, Time, Time, Time, Limit],
        "put off" => vec![Time, Time, Time, Limit],
        "list" => vec![Partition, Time, Limit],
        "list after" => vec![Partition, Time, Time, Time, UserKey, Limit],
        "list of subject" => vec![Partition, Time, Subject, Limit],
        "list of subject after" => vec![Partition, Time, Subject, Time, Time, UserKey, Limit],
        "count" => vec![Partition, Time],
        "count of subject" => vec![Partition, Time, Subject],
        "lock" => vec![Lock, Lock],
        _ if name.starts_with("query by") => {
            let mut parameters = filter(name);
            parameters.push(Time);
            parameters
        }
        _ if name.starts_with("delete by") || name.starts_with("end by") => filter(name),
        _ => panic!("what does `{name}` take?"),
    }
}

/// What the statements for several operations take.
fn together(name: &str, size: usize, is_mysql: bool) -> Vec<Parameter> {
    use Parameter::*;

    let user_keys = vec![UserKey; size];
    let keys = [&[Partition], &user_keys[..]].concat();
    let (given, changed): (&[Parameter], _) = match name {
        "get" => (&[], 0),
        "insert" => (
            &[Subject, SessionId, Time, Time, Time, Version, Ticket, Time],
            0,
        ),
        "update" => (
            &[Subject, SessionId, Time, Time, Time, Ticket, Time, Version],
            7,
        ),
        "renew" => (&[Time, Time, Time], 3),
        _ => panic!("what does `{name}` for many take?"),
    };
    let by_operation = [&[Partition, UserKey], given].concat().repeat(size);
    match (name, is_mysql) {
        ("insert", _) => by_operation,
        (_, false) => [by_operation, vec![Time]].concat(),
        ("get", true) => [keys, vec![Time]].concat(),
        (_, true) => {
            let column = |of: &Parameter| [user_keys.clone(), vec![*of; size]].concat();
            let (changes, condition) = given.split_at(changed);
            let changes: Vec<_> = changes.iter().flat_map(column).collect();
            let condition: Vec<_> = condition.iter().flat_map(column).collect();
            [
                changes,
                keys.clone(),
                vec![Found],
                keys,
                vec![Time],
                condition,
            ]
            .concat()
        }
    }
}

fn start() -> DateTime<Utc> {
    "2026-03-02T08:00:00Z"
        .parse()
        .expect("a time as RFC 3339 writes it")
}

fn partition(row: usize) -> String {
    format!("partition-{}", row % PARTITIONS)
}

fn user_key(row: usize) -> String {
    format!("{:032x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Rows of one subject are in one partition.
fn subject(row: usize) -> String {
    format!("subject-{}", row / PARTITIONS / SESSIONS_PER_SUBJECT)
}

fn session_id(row: usize) -> String {
    format!("sid-{row}")
}

/// One session in ten has expired.
fn session(row: usize, now: DateTime<Utc>, backend: DbBackend) -> entity::ActiveModel {
    let at = |at| Timestamp::new(at, backend);
    let created = now - TimeDelta::seconds(row as i64);
    let expires = now + TimeDelta::minutes(if row.is_multiple_of(10) { -5 } else { 55 });
    entity::ActiveModel {
        partition_key: Set(partition(row).into()),
        user_key: Set(user_key(row).into()),
        subject_id: Set(Some(Text::from(subject(row)))),
        session_id: Set(Some(Text::from(session_id(row)))),
        created: Set(at(created)),
        renewed: Set(at(created)),
        expires: Set(Some(at(expires))),
        version: Set(0),
        ticket: Set(vec![b'x'; 200]),
    }
}
