//! Every statement the store sends, written once, when it is built.
//!
//! Parameters are `?` here, in the order in which they are bound, on every database.

mod together;

use std::sync::Arc;

use store_core::{MAX_LIMIT, UserSessionsFilter};

pub(crate) use self::together::{AllTogether, MOST};
use crate::dialect::Dialect;
use crate::names::TableNames;
use crate::row::{COLUMNS, COLUMNS_WITHOUT_KEY, SUMMARY_COLUMNS};

/// A statement for one database, with the table's name in it.
#[derive(Debug)]
pub(crate) struct Sql(pub(crate) Arc<str>);

impl Sql {
    /// The statement as sqlx takes it: cheap, since the text is shared.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn to_sqlx(&self) -> sea_orm::sqlx::AssertSqlSafe<Arc<str>> {
        sea_orm::sqlx::AssertSqlSafe(Arc::clone(&self.0))
    }

    /// The statement with numbers in place of its parameters, for where it takes none.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn with_integers(&self, integers: &[i64]) -> String {
        let mut text = String::with_capacity(self.0.len() + 20 * integers.len());
        let mut integers = integers.iter();
        let mut rest = &*self.0;
        while let Some(at) = rest.find(['?', '$']) {
            text.push_str(&rest[..at]);
            if let Some(integer) = integers.next() {
                text.push_str(&format!("({integer})"));
            }
            rest = rest[at + 1..].trim_start_matches(|digit: char| digit.is_ascii_digit());
        }
        text + rest
    }
}

/// A change on condition of the version, or without.
#[derive(Debug)]
pub(crate) struct ByVersion {
    pub(crate) any: Sql,
    pub(crate) given: Sql,
}

/// A statement for each shape of filter: by subject, by session id, by both; without an exception
/// and with one.
#[derive(Debug)]
pub(crate) struct ByFilter([Sql; 6]);

impl ByFilter {
    pub(crate) fn of(&self, filter: &UserSessionsFilter) -> &Sql {
        let [subject, subject_but, session, session_but, both, both_but] = &self.0;
        let (without, with) = match (filter.subject_id(), filter.session_id()) {
            (Some(_), None) => (subject, subject_but),
            (None, _) => (session, session_but),
            (Some(_), Some(_)) => (both, both_but),
        };
        if filter.except_user_key().is_some() {
            with
        } else {
            without
        }
    }
}

/// A batch of the cleanup.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Looks at so many and no more, and passes over rows that another transaction holds, where the
    /// database can.
    ///
    /// Where the cleanup [goes on from a time](Dialect::cleans_up_from_a_time), the one that hands nothing
    /// back takes it, and answers how many it removed and when the last that it looked at was due.
    pub(crate) first: Sql,
    /// Waits for them, and finds what has expired behind what is alive.
    pub(crate) waiting: Sql,
}

#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) dialect: Dialect,
    pub(crate) names: TableNames,
    pub(crate) get: Sql,
    pub(crate) version: Sql,
    pub(crate) owner: Sql,
    pub(crate) insert: Sql,
    pub(crate) update: ByVersion,
    /// With the same values: for a session that keeps subject, session id and time of creation, as
    /// most do. Where setting a column to what it was costs as much as changing it.
    pub(crate) update_in_place: Option<ByVersion>,
    pub(crate) rotate: ByVersion,
    pub(crate) renew: Sql,
    /// With the same values: for a session that the cleanup looks at early enough as it is, likewise.
    pub(crate) renew_in_place: Option<Sql>,
    pub(crate) delete: Sql,
    pub(crate) delete_keys: Sql,
    pub(crate) delete_expired_with_key: Sql,
    pub(crate) delete_expired_with_session_id: Sql,
    pub(crate) query: ByFilter,
    pub(crate) delete_matching: ByFilter,
    pub(crate) end_matching: ByFilter,
    pub(crate) end_key: Sql,
    pub(crate) end_expired_with_key: Sql,
    pub(crate) end_expired_with_session_id: Sql,
    pub(crate) live_of_subject: Sql,
    pub(crate) delete_expired: Batch,
    pub(crate) end_expired: Batch,
    /// Puts off those that the cleanup was to look at and found alive. Where [`Batch::first`] takes a
    /// time, so does this.
    pub(crate) put_off: Sql,
    pub(crate) list: [Sql; 4],
    pub(crate) count: [Sql; 2],
    /// Locks two things in the order in which every transaction does.
    pub(crate) lock: Sql,
    /// Where it pays to do several operations at once.
    pub(crate) together: Option<AllTogether>,
    catalog: Vec<(&'static str, String)>,
}

/// How many rows [`Statements::delete_keys`] names.
pub(crate) const KEYS_AT_ONCE: usize = 32;

const HAS_KEY: &str = "partition_key = ? AND user_key = ?";
const IS_LIVE: &str = "(expires IS NULL OR expires > ?)";

impl Statements {
    pub(crate) fn new(dialect: Dialect, names: TableNames) -> Self {
        let mut writer = Writer {
            dialect,
            table: names.sessions(dialect.backend()),
            locks: names.locks(dialect.backend()),
            catalog: Vec::new(),
        };
        let w = &mut writer;
        Self {
            get: w.select(
                "get",
                COLUMNS_WITHOUT_KEY,
                &format!("{HAS_KEY} AND {IS_LIVE}"),
            ),
            version: w.select("version", "version", &format!("{HAS_KEY} AND {IS_LIVE}")),
            owner: w.select(
                "owner",
                "subject_id, session_id",
                &format!("{HAS_KEY} AND {IS_LIVE}"),
            ),
            insert: w.insert(),
            update: w.update(["update", "update if version"], "", ""),
            update_in_place: w.update_in_place(),
            rotate: w.rotate(),
            renew: w.renew(),
            renew_in_place: w.renew_in_place(),
            delete: w.delete("delete", HAS_KEY),
            delete_keys: w.delete_keys(),
            delete_expired_with_key: w.delete(
                "delete expired with key",
                &format!("{HAS_KEY} AND expires <= ?"),
            ),
            delete_expired_with_session_id: w.delete(
                "delete expired with session id",
                "partition_key = ? AND session_id = ? AND expires <= ?",
            ),
            query: w.by_filter(
                [
                    "query by subject",
                    "query by subject, one excepted",
                    "query by session id",
                    "query by session id, one excepted",
                    "query by both",
                    "query by both, one excepted",
                ],
                |w, name, filter| {
                    let condition = format!("{filter} AND {IS_LIVE}{}", w.sorted(""));
                    w.select(name, COLUMNS, &condition)
                },
            ),
            delete_matching: w.by_filter(
                [
                    "delete by subject",
                    "delete by subject, one excepted",
                    "delete by session id",
                    "delete by session id, one excepted",
                    "delete by both",
                    "delete by both, one excepted",
                ],
                |w, name, filter| w.delete(name, filter),
            ),
            end_matching: w.by_filter(
                [
                    "end by subject",
                    "end by subject, one excepted",
                    "end by session id",
                    "end by session id, one excepted",
                    "end by both",
                    "end by both, one excepted",
                ],
                |w, name, filter| w.end(name, filter),
            ),
            end_key: w.end(
                "end",
                match dialect {
                    Dialect::Sqlite => "partition_key = ? AND rowid = ?",
                    Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => HAS_KEY,
                },
            ),
            end_expired_with_key: w.end(
                "end expired with key",
                &format!("{HAS_KEY} AND expires <= ?"),
            ),
            end_expired_with_session_id: w.end(
                "end expired with session id",
                "partition_key = ? AND session_id = ? AND expires <= ?",
            ),
            live_of_subject: w.live_of_subject(),
            delete_expired: w.expired(["delete expired", "delete expired, waiting"], false),
            end_expired: w.expired(["end expired", "end expired, waiting"], true),
            put_off: w.put_off(),
            list: [
                w.list("list", ""),
                w.list("list after", AFTER),
                w.list("list of subject", OF_SUBJECT),
                w.list("list of subject after", &format!("{OF_SUBJECT}{AFTER}")),
            ],
            count: [
                w.count("count", ""),
                w.count("count of subject", OF_SUBJECT),
            ],
            lock: w.lock(),
            together: w.all_together(),
            dialect,
            names,
            catalog: writer.catalog,
        }
    }

    pub(crate) fn list(&self, of_subject: bool, after: bool) -> &Sql {
        &self.list[usize::from(of_subject) * 2 + usize::from(after)]
    }

    pub(crate) fn count(&self, of_subject: bool) -> &Sql {
        &self.count[usize::from(of_subject)]
    }

    /// Every statement with its name.
    pub(crate) fn catalog(&self) -> &[(&'static str, String)] {
        &self.catalog
    }
}

/// MySQL's and MariaDB's way to work on the rows that another condition has chosen in order: they
/// are found and locked first, and then by their keys.
fn joined(table: &str, chosen: &str) -> String {
    format!(
        "(SELECT partition_key, user_key FROM {table} {chosen}) AS chosen \
         STRAIGHT_JOIN {table} AS session ON session.partition_key = chosen.partition_key \
         AND session.user_key = chosen.user_key"
    )
}

/// PostgreSQL's way: a row by its place in the table, and when it was due. Each partition of a
/// partitioned table numbers its places for itself, so there the partition belongs to it; elsewhere the
/// first comparison of two holds at once. `LIMIT` cuts nothing off. It keeps the planner from taking the
/// few that are chosen for too many to hash.
fn placed(table: &str, chosen: &str) -> [String; 2] {
    [
        format!(
            "chosen (part, place, due) AS MATERIALIZED \
             (SELECT tableoid, ctid, cleanup_at FROM {table} {chosen})"
        ),
        format!(
            "ctid = ANY (ARRAY(SELECT place FROM chosen)) AND (tableoid = '{table}'::regclass \
             OR (tableoid, ctid) IN (SELECT part, place FROM chosen LIMIT {MAX_LIMIT}))"
        ),
    ]
}

/// And not before a time, if there is one.
const FROM: &str = " AND cleanup_at >= COALESCE(?::timestamptz, '-infinity')";

const OF_SUBJECT: &str = " AND subject_id = ?";

/// Behind (`created`, `user_key`), descending. Not as a row value: MySQL and MariaDB read the whole
/// partition for one.
const AFTER: &str = " AND created <= ? AND (created < ? OR user_key < ?)";

/// Writes statements in one database's dialect, and keeps a list of them.
struct Writer {
    dialect: Dialect,
    table: String,
    locks: String,
    catalog: Vec<(&'static str, String)>,
}

impl Writer {
    fn sql(&mut self, name: &'static str, text: String) -> Sql {
        let text = match self.dialect {
            Dialect::Postgres => numbered(&text),
            Dialect::MySql | Dialect::MariaDb | Dialect::Sqlite => text,
        };
        self.catalog.push((name, text.clone()));
        Sql(text.into())
    }

    fn select(&mut self, name: &'static str, columns: &str, condition: &str) -> Sql {
        self.sql(
            name,
            format!("SELECT {columns} FROM {} WHERE {condition}", self.table),
        )
    }

    fn delete(&mut self, name: &'static str, condition: &str) -> Sql {
        self.sql(
            name,
            format!("DELETE FROM {} WHERE {condition}", self.table),
        )
    }

    /// Removes rows and hands them back, except on MySQL, which cannot do that at once: there it
    /// locks and reads them, and `delete_keys` follows. So does a batch of the cleanup on MariaDB.
    fn end(&mut self, name: &'static str, condition: &str) -> Sql {
        if self.dialect.hands_back_what_it_removes() {
            self.delete(name, &format!("{condition} RETURNING {COLUMNS}"))
        } else {
            self.select(name, COLUMNS, &format!("{condition} FOR UPDATE"))
        }
    }

    fn delete_keys(&mut self) -> Sql {
        let keys = vec![format!("({HAS_KEY})"); KEYS_AT_ONCE].join(" OR ");
        self.delete("delete keys", &keys)
    }

    /// A conflict is no error where the database can say so: an error would end the transaction on
    /// PostgreSQL.
    fn insert(&mut self) -> Sql {
        let on_conflict = match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => " ON CONFLICT DO NOTHING",
            Dialect::MySql | Dialect::MariaDb => "",
        };
        let text = format!(
            "INSERT INTO {} ({COLUMNS}, cleanup_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?){on_conflict}",
            self.table
        );
        self.sql("insert", text)
    }

    fn renew(&mut self) -> Sql {
        let text = format!(
            "UPDATE {} SET renewed = ?, expires = ?, {}, version = version + 1 \
             WHERE {HAS_KEY} AND {IS_LIVE}",
            self.table,
            self.no_later_cleanup()
        );
        self.sql("renew", text)
    }

    /// See [`Self::update_in_place`].
    fn renew_in_place(&mut self) -> Option<Sql> {
        match self.dialect {
            Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => return None,
            Dialect::Sqlite => {}
        }
        let text = format!(
            "UPDATE {} SET renewed = ?1, expires = ?2, version = version + 1 \
             WHERE partition_key = ?4 AND user_key = ?5 AND (expires IS NULL OR expires > ?6) \
             AND +cleanup_at <= ?3",
            self.table
        );
        Some(self.sql("renew in place", text))
    }

    /// Moves `cleanup_at` forward if the session is to expire before it, and leaves it otherwise: an
    /// index that no change touches costs none of them anything.
    fn no_later_cleanup(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => {
                "cleanup_at = LEAST(cleanup_at, ?)"
            }
            Dialect::Sqlite => "cleanup_at = MIN(cleanup_at, ?)",
        }
    }

    /// `first` is assigned before the six fields, and `more` has to hold.
    fn update(&mut self, [any, given]: [&'static str; 2], first: &str, more: &str) -> ByVersion {
        let text = format!(
            "UPDATE {} SET {first}subject_id = ?, session_id = ?, created = ?, renewed = ?, \
             expires = ?, ticket = ?, {}, version = version + 1 WHERE {HAS_KEY} AND {IS_LIVE}{more}",
            self.table,
            self.no_later_cleanup()
        );
        ByVersion {
            given: self.sql(given, format!("{text} AND version = ?")),
            any: self.sql(any, text),
        }
    }

    /// SQLite takes an index entry out and puts it back wherever one of its columns is assigned: a
    /// page of four indexes for each update. The other databases compare first. A plus keeps SQLite
    /// from looking the session up by these columns.
    fn update_in_place(&mut self) -> Option<ByVersion> {
        match self.dialect {
            Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => return None,
            Dialect::Sqlite => {}
        }
        let text = format!(
            "UPDATE {} SET renewed = ?4, expires = ?5, ticket = ?6, version = version + 1 \
             WHERE partition_key = ?8 AND user_key = ?9 AND (expires IS NULL OR expires > ?10) \
             AND +subject_id IS ?1 AND +session_id IS ?2 AND +created = ?3 AND +cleanup_at <= ?7",
            self.table
        );
        Some(ByVersion {
            given: self.sql(
                "update in place if version",
                format!("{text} AND version = ?11"),
            ),
            any: self.sql("update in place", text),
        })
    }

    /// On MySQL and MariaDB a new key moves the row within the indexes, and an operation by filter
    /// that reads along one of them could pass it by. So there the change is made under the locks
    /// of the session's subject and session id, and only if they still are its own.
    fn rotate(&mut self) -> ByVersion {
        let is_still_its_own = match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => "",
            Dialect::MySql | Dialect::MariaDb => " AND subject_id <=> ? AND session_id <=> ?",
        };
        self.update(
            ["rotate", "rotate if version"],
            "user_key = ?, ",
            is_still_its_own,
        )
    }

    fn by_filter(
        &mut self,
        names: [&'static str; 6],
        mut statement: impl FnMut(&mut Self, &'static str, &str) -> Sql,
    ) -> ByFilter {
        let filters = [
            "subject_id = ?",
            "session_id = ?",
            "subject_id = ? AND session_id = ?",
        ]
        .into_iter()
        .flat_map(|filter| {
            let filter = format!("partition_key = ? AND {filter}");
            let but = format!("{filter} AND user_key <> ?");
            [filter, but]
        })
        .collect::<Vec<_>>();
        let mut next = filters.iter();
        ByFilter(names.map(|name| {
            let filter = next.next().map(String::as_str).unwrap_or_default();
            statement(self, name, filter)
        }))
    }

    /// Which of a subject's sessions could end to make room, oldest first. Locks them, so that none
    /// changes its key before it is ended.
    fn live_of_subject(&mut self) -> Sql {
        // On SQLite a key that is no text cannot be bound as it is stored.
        let (columns, for_update) = match self.dialect {
            Dialect::Sqlite => ("rowid", ""),
            Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => ("user_key", " FOR UPDATE"),
        };
        let condition = format!(
            "partition_key = ? AND subject_id = ? AND {IS_LIVE}{}{for_update}",
            self.sorted("")
        );
        self.select("live of subject", columns, &condition)
    }

    fn expired(&mut self, names: [&'static str; 2], hand_back: bool) -> Batch {
        let table = &self.table;
        let returning = if hand_back {
            format!(" RETURNING {COLUMNS}")
        } else {
            String::new()
        };
        // Those that it is to look at are so many and no more, whatever it finds.
        let from = self.cleanup_from();
        let due = |from| format!("WHERE cleanup_at <= ?{from} ORDER BY cleanup_at LIMIT ?");
        // And when it is to wait, those that it is to remove: it must not wait for what is alive.
        const EXPIRED: &str = "WHERE cleanup_at <= ? AND expires <= ? ORDER BY cleanup_at LIMIT ?";
        let postgres = |chosen: &str| {
            let [chosen, is_chosen] = placed(table, chosen);
            format!(
                "WITH {chosen} DELETE FROM {table} WHERE {is_chosen} AND expires <= ?{returning}"
            )
        };
        let postgres_from = |chosen: &str| {
            let [chosen, is_chosen] = placed(table, chosen);
            format!(
                "WITH {chosen}, removed AS (DELETE FROM {table} WHERE {is_chosen} \
                 AND expires <= ? RETURNING 1) \
                 SELECT COUNT(*), (SELECT MAX(due) FROM chosen) FROM removed"
            )
        };
        let mysql = |chosen: &str| {
            let joined = joined(table, chosen);
            if hand_back {
                let columns = COLUMNS.replace(", ", ", session.");
                format!(
                    "SELECT session.{columns} FROM {joined} WHERE session.expires <= ? FOR UPDATE"
                )
            } else {
                format!("DELETE session FROM {joined} WHERE session.expires <= ?")
            }
        };
        let past_locks = |from| format!("{} FOR UPDATE SKIP LOCKED", due(from));
        let texts = match self.dialect {
            Dialect::Postgres => [
                if hand_back {
                    postgres(&past_locks(""))
                } else {
                    postgres_from(&past_locks(from))
                },
                postgres(&format!("{EXPIRED} FOR UPDATE")),
            ],
            // To lock what it reads would be to wait for what is alive.
            Dialect::MySql | Dialect::MariaDb => [mysql(&past_locks("")), mysql(EXPIRED)],
            Dialect::Sqlite => [&*due(""), EXPIRED].map(|chosen| {
                format!(
                    "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} {chosen}) \
                     AND expires <= ?{returning}"
                )
            }),
        };
        self.batch(names, texts)
    }

    fn cleanup_from(&self) -> &'static str {
        if self.dialect.cleans_up_from_a_time() {
            FROM
        } else {
            ""
        }
    }

    /// When a session that never expires, or not for long, is looked at again, the caller says. One
    /// that somebody holds can wait for the next time.
    fn put_off(&mut self) -> Sql {
        let table = &self.table;
        let from = self.cleanup_from();
        let chosen = format!(
            "WHERE cleanup_at <= ?{from} AND {IS_LIVE} ORDER BY cleanup_at LIMIT ? \
             FOR UPDATE SKIP LOCKED"
        );
        let text = match self.dialect {
            Dialect::Sqlite => format!(
                "UPDATE {table} SET cleanup_at = MIN(COALESCE(expires, {}), ?) \
                 WHERE rowid IN (SELECT rowid FROM {table} WHERE cleanup_at <= ? AND {IS_LIVE} \
                 ORDER BY cleanup_at LIMIT ?)",
                i64::MAX
            ),
            Dialect::Postgres => {
                let [chosen, is_chosen] = placed(table, &chosen);
                format!(
                    "WITH again (at) AS (SELECT ?::timestamptz), {chosen} UPDATE {table} \
                     SET cleanup_at = LEAST(expires, (SELECT at FROM again)) WHERE {is_chosen}"
                )
            }
            Dialect::MySql | Dialect::MariaDb => format!(
                "UPDATE (SELECT CAST(? AS DATETIME(6)) AS at) AS again STRAIGHT_JOIN {} \
                 SET session.cleanup_at = COALESCE(LEAST(session.expires, again.at), again.at)",
                joined(table, &chosen)
            ),
        };
        self.sql("put off", text)
    }

    fn batch(&mut self, [first, waiting]: [&'static str; 2], texts: [String; 2]) -> Batch {
        let [first_text, waiting_text] = texts;
        Batch {
            first: self.sql(first, first_text),
            waiting: self.sql(waiting, waiting_text),
        }
    }

    fn list(&mut self, name: &'static str, more: &str) -> Sql {
        let order = if more.contains(OF_SUBJECT) {
            self.sorted(" DESC")
        } else {
            " ORDER BY created DESC, user_key DESC".to_owned()
        };
        let condition = format!("partition_key = ? AND {IS_LIVE}{more}{order} LIMIT ?");
        self.select(name, SUMMARY_COLUMNS, &condition)
    }

    /// The order of a few rows that another index has found. Without statistics SQLite would rather
    /// read the whole partition along the index that has this order; a plus keeps it from that.
    fn sorted(&self, direction: &str) -> String {
        let plus = match self.dialect {
            Dialect::Sqlite => "+",
            Dialect::Postgres | Dialect::MySql | Dialect::MariaDb => "",
        };
        format!(" ORDER BY {plus}created{direction}, {plus}user_key{direction}")
    }

    fn count(&mut self, name: &'static str, more: &str) -> Sql {
        self.select(
            name,
            "COUNT(*)",
            &format!("partition_key = ? AND {IS_LIVE}{more}"),
        )
    }

    fn lock(&mut self) -> Sql {
        let text = match self.dialect {
            // All tables of a database share its advisory locks. Their numbers tell them apart, by
            // whatever name a node knows them.
            Dialect::Postgres => format!(
                "SELECT pg_advisory_xact_lock(?::bigint # id), \
                 pg_advisory_xact_lock(?::bigint # id) \
                 FROM (SELECT '{}'::regclass::oid::bigint << 32) AS of_table (id)",
                self.table
            ),
            // A change, not only a lock: Galera's nodes certify changes, and know nothing of each
            // other's locks.
            Dialect::MySql | Dialect::MariaDb => format!(
                "UPDATE {} SET taken = taken + 1 WHERE stripe IN (?, ?) ORDER BY stripe",
                self.locks
            ),
            // `BEGIN IMMEDIATE` has locked everything.
            Dialect::Sqlite => "SELECT ?, ?".to_owned(),
        };
        self.sql("lock", text)
    }
}

/// `?, ?` as `$1, $2`.
fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        numbered.push_str(&format!("${}{part}", index + 1));
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_for_postgres() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(numbered("a"), "a");
    }

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    #[test]
    fn numbers_take_the_places_of_parameters() {
        let statement = |text: &str| Sql(text.into());
        for text in ["a IN (?, ?) b", "a IN ($1, $2) b"] {
            let text = statement(text).with_integers(&[-1, 20]);
            assert_eq!(text, "a IN ((-1), (20)) b");
        }
        assert_eq!(statement("a").with_integers(&[]), "a");
    }
}
