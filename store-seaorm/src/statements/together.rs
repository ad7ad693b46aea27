//! Statements that do what several operations ask for.
//!
//! What is created together is created in one INSERT, all of it or none.
//!
//! To change rows, PostgreSQL joins what they give, a list of rows, with the table. A row that
//! somebody holds is passed by, so that no operation waits for what another one has met; that one is
//! then done by itself. MySQL and MariaDB would keep such a list, its tickets too, in temporary tables, which cost
//! more than is won; there each column has its values, and a row's place among the keys chooses. They
//! do not tell which rows they have changed, so there all of them are, or none.

use super::{COLUMNS, IS_LIVE, Sql, Writer};
use crate::bind::Bind;
use crate::dialect::Dialect;

/// The most operations that one statement does.
pub(crate) const MOST: usize = 16;

/// For how many operations there are statements. One of fewer leaves places free.
const SIZES: [usize; 4] = [2, 4, 8, MOST];

/// The same work for several numbers of operations.
#[derive(Debug)]
pub(crate) struct Together {
    by_size: Vec<(usize, Sql)>,
    given: &'static [(&'static str, Of)],
    order: Order,
}

/// How values are bound.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// What each operation gives.
    Operations,
    /// The partition, which they share, and the user keys.
    Keys,
    /// What all of them give for a column, behind the user keys, for each column that changes. Then,
    /// by key, which rows change; how many they have to be; and by key, with all conditions, which
    /// they are. The last column comes last where it is such a condition instead of a change.
    Columns { with_condition: bool },
}

/// What a column is of.
#[derive(Clone, Copy, Debug)]
enum Of {
    Key,
    Time,
    Integer,
    Bytes,
}

impl Together {
    /// The smallest statement for operations that give these values, one after the other, of a
    /// session in the same partition each; and what is bound. There are [`MOST`] at most.
    pub(crate) fn of<'a>(
        &self,
        given: Vec<Bind<'a>>,
        now: Option<Bind<'a>>,
    ) -> (&Sql, Vec<Bind<'a>>) {
        let columns = self.given.len();
        let operations = given.len() / columns;
        let at = self
            .by_size
            .iter()
            .position(|(size, _)| *size >= operations);
        let (size, sql) = &self.by_size[at.unwrap_or(self.by_size.len() - 1)];
        let column = |at: usize| {
            let (_, of) = self.given[at];
            let given = given.iter().skip(at).step_by(columns).copied();
            given.chain(std::iter::repeat_n(of.nothing(), size - operations))
        };
        let mut values = Vec::new();
        match self.order {
            Order::Operations => {
                for _ in operations..*size {
                    values.extend(self.given.iter().map(|(_, of)| of.nothing()));
                }
                values.splice(..0, given);
                values.extend(now);
            }
            Order::Keys => {
                values.extend(given.first().copied().into_iter().chain(column(1)));
                values.extend(now);
            }
            Order::Columns { with_condition } => {
                let changes = columns - usize::from(with_condition);
                let by_key = || given.first().copied().into_iter().chain(column(1));
                for at in KEYS.len()..changes {
                    values.extend(column(1).chain(column(at)));
                }
                values.extend(by_key());
                values.push(Bind::integer(u32::try_from(operations).unwrap_or(u32::MAX)));
                values.extend(by_key().chain(now));
                if with_condition {
                    values.extend(column(1).chain(column(changes)));
                }
            }
        }
        (sql, values)
    }
}

/// On servers, where an operation costs more than what it does to a row.
#[derive(Debug)]
pub(crate) struct AllTogether {
    pub(crate) get: Together,
    pub(crate) insert: Together,
    pub(crate) update: Together,
    pub(crate) renew: Together,
}

const KEYS: [(&str, Of); 2] = [("partition_key", Of::Key), ("user_key", Of::Key)];
const INSERTED: [(&str, Of); 10] = [
    KEYS[0],
    KEYS[1],
    ("subject_id", Of::Key),
    ("session_id", Of::Key),
    ("created", Of::Time),
    ("renewed", Of::Time),
    ("expires", Of::Time),
    ("version", Of::Integer),
    ("ticket", Of::Bytes),
    ("cleanup_at", Of::Time),
];
/// The last one is the version that is expected, if one is.
const UPDATED: [(&str, Of); 10] = [
    KEYS[0],
    KEYS[1],
    ("subject_id", Of::Key),
    ("session_id", Of::Key),
    ("created", Of::Time),
    ("renewed", Of::Time),
    ("expires", Of::Time),
    ("ticket", Of::Bytes),
    ("cleanup_at", Of::Time),
    ("version", Of::Integer),
];
const RENEWED: [(&str, Of); 5] = [
    KEYS[0],
    KEYS[1],
    ("renewed", Of::Time),
    ("expires", Of::Time),
    ("cleanup_at", Of::Time),
];

const HAS_GIVEN_KEY: &str =
    "session.partition_key = given.partition_key AND session.user_key = given.user_key";
const SESSION_IS_LIVE: &str = "(session.expires IS NULL OR session.expires > ?)";
const HAS_GIVEN_VERSION: &str = " AND (given.version IS NULL OR session.version = given.version)";

impl Of {
    /// What finds and changes nothing.
    fn nothing(self) -> Bind<'static> {
        match self {
            Self::Key => Bind::Text(None),
            Self::Time => Bind::Time(None),
            Self::Integer => Bind::Integer(None),
            Self::Bytes => Bind::Bytes(&[]),
        }
    }

    fn parameter(self, dialect: Dialect) -> &'static str {
        let is_postgres = dialect == Dialect::Postgres;
        match self {
            Self::Key if is_postgres => "?::text",
            Self::Time if is_postgres => "?::timestamptz",
            Self::Integer if is_postgres => "?::bigint",
            Self::Bytes if is_postgres => "?::bytea",
            Self::Key | Self::Bytes => "CAST(? AS BINARY)",
            Self::Time => "CAST(? AS DATETIME(6))",
            Self::Integer => "CAST(? AS SIGNED)",
        }
    }

    /// On MySQL and MariaDB, where what is chosen from a list is text: as it was given.
    fn chosen(self, choice: &str) -> String {
        match self {
            Self::Key | Self::Bytes => choice.to_owned(),
            Self::Time => format!("CAST({choice} AS DATETIME(6))"),
            Self::Integer => format!("CAST({choice} AS SIGNED)"),
        }
    }
}

impl Writer {
    pub(super) fn all_together(&mut self) -> Option<AllTogether> {
        if self.dialect.has_one_writer() {
            return None;
        }
        Some(AllTogether {
            get: self.together(
                &["get, 2", "get, 4", "get, 8", "get, 16"],
                &SIZES,
                &KEYS,
                Self::get_given,
            ),
            insert: self.together(
                &EACH_INSERT,
                &std::array::from_fn::<_, { MOST - 1 }, _>(|at| at + 2),
                &INSERTED,
                Self::insert_given,
            ),
            update: self.together(
                &["update, 2", "update, 4", "update, 8", "update, 16"],
                &SIZES,
                &UPDATED,
                |w, given, size| w.change_given(given, size, true),
            ),
            renew: self.together(
                &["renew, 2", "renew, 4", "renew, 8", "renew, 16"],
                &SIZES,
                &RENEWED,
                |w, given, size| w.change_given(given, size, false),
            ),
        })
    }

    fn together(
        &mut self,
        names: &[&'static str],
        sizes: &[usize],
        given: &'static [(&'static str, Of)],
        statement: impl Fn(&Self, &[(&str, Of)], usize) -> (Order, String),
    ) -> Together {
        let mut order = Order::Operations;
        let by_size = names.iter().zip(sizes).map(|(name, size)| {
            let text;
            (order, text) = statement(self, given, *size);
            (*size, self.sql(name, text))
        });
        Together {
            by_size: by_size.collect(),
            given,
            order,
        }
    }

    /// A row of what is given.
    fn row(&self, columns: &[(&str, Of)]) -> String {
        let parameters: Vec<_> = columns
            .iter()
            .map(|(_, of)| of.parameter(self.dialect))
            .collect();
        format!("({})", parameters.join(", "))
    }

    /// What is given, as a table of so many rows.
    fn given(&self, columns: &[(&str, Of)], size: usize) -> String {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let rows = vec![self.row(columns); size].join(", ");
        format!("(VALUES {rows}) AS given ({})", names.join(", "))
    }

    fn get_given(&self, given: &[(&str, Of)], size: usize) -> (Order, String) {
        let table = &self.table;
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                let columns = COLUMNS.replace(", ", ", session.");
                let given = self.given(given, size);
                let text = format!(
                    "SELECT session.{columns} FROM {given} JOIN {table} AS session \
                     ON {HAS_GIVEN_KEY} WHERE {SESSION_IS_LIVE}"
                );
                (Order::Operations, text)
            }
            Dialect::MySql | Dialect::MariaDb => {
                let keys = vec!["?"; size].join(", ");
                let text = format!(
                    "SELECT {COLUMNS} FROM {table} FORCE INDEX (PRIMARY) \
                     WHERE partition_key = ? AND user_key IN ({keys}) AND {IS_LIVE}"
                );
                (Order::Keys, text)
            }
        }
    }

    /// All of them, or none: looking for a conflict before each row costs PostgreSQL a quarter of what
    /// inserting it does.
    fn insert_given(&self, given: &[(&str, Of)], size: usize) -> (Order, String) {
        let row = format!("({})", vec!["?"; given.len()].join(", "));
        let text = format!(
            "{}INSERT INTO {} ({COLUMNS}, cleanup_at) VALUES {}",
            self.without_waiting(),
            self.table,
            vec![row; size].join(", ")
        );
        (Order::Operations, text)
    }

    /// The last column may be a condition instead of a change.
    fn change_given(
        &self,
        given: &[(&str, Of)],
        size: usize,
        with_condition: bool,
    ) -> (Order, String) {
        let changed = &given[KEYS.len()..given.len() - usize::from(with_condition)];
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                let text = self.change_joined(given, size, changed, with_condition);
                (Order::Operations, text)
            }
            Dialect::MySql | Dialect::MariaDb => {
                let condition = given.last().filter(|_| with_condition);
                let text = self.change_chosen(size, changed, condition);
                (Order::Columns { with_condition }, text)
            }
        }
    }

    fn change_joined(
        &self,
        given: &[(&str, Of)],
        size: usize,
        changed: &[(&str, Of)],
        with_condition: bool,
    ) -> String {
        let (table, given) = (&self.table, self.given(given, size));
        let changes = changes(changed, |name, _| format!("chosen.{name}"), "session.");
        let condition = if with_condition {
            HAS_GIVEN_VERSION
        } else {
            ""
        };
        format!(
            "WITH chosen AS MATERIALIZED (SELECT given.*, session.tableoid AS part, \
             session.ctid AS place FROM {given} JOIN {table} AS session ON {HAS_GIVEN_KEY} \
             WHERE {SESSION_IS_LIVE}{condition} FOR UPDATE OF session SKIP LOCKED) \
             UPDATE {table} AS session SET {changes} FROM chosen \
             WHERE session.ctid = chosen.place AND session.tableoid = chosen.part \
             RETURNING session.partition_key, session.user_key"
        )
    }

    fn change_chosen(
        &self,
        size: usize,
        changed: &[(&str, Of)],
        condition: Option<&(&str, Of)>,
    ) -> String {
        let keys = vec!["?"; size].join(", ");
        let chosen = |of: Of| {
            let list = vec![of.parameter(self.dialect); size].join(", ");
            of.chosen(&format!("ELT(FIELD(user_key, {keys}), {list})"))
        };
        let changes = changes(changed, |_, of| chosen(of), "");
        let condition = condition.map_or_else(String::new, |(name, of)| {
            format!(" AND COALESCE({}, {name}) = {name}", chosen(*of))
        });
        let at_once = self.without_waiting();
        let table = &self.table;
        let have_keys = format!("partition_key = ? AND user_key IN ({keys})");
        // MySQL counts before it locks. `LIMIT` cuts nothing off. It keeps what is counted a table of its own.
        format!(
            "{at_once}UPDATE {table} FORCE INDEX (PRIMARY) SET {changes} WHERE {have_keys} \
             AND ? = (SELECT COUNT(*) FROM (SELECT 1 FROM {table} FORCE INDEX (PRIMARY) \
             WHERE {have_keys} AND {IS_LIVE}{condition} LIMIT {MOST} FOR UPDATE SKIP LOCKED) \
             AS found)"
        )
    }

    /// What stands before a statement so that it waits for no lock, where there is such a thing.
    fn without_waiting(&self) -> &'static str {
        match self.dialect {
            Dialect::MariaDb => "SET STATEMENT innodb_lock_wait_timeout = 0 FOR ",
            Dialect::Postgres | Dialect::MySql | Dialect::Sqlite => "",
        }
    }
}

/// Assignments, with the columns' present values behind a prefix.
fn changes(columns: &[(&str, Of)], value: impl Fn(&str, Of) -> String, session: &str) -> String {
    let mut changes = String::new();
    for (name, of) in columns {
        let value = value(name, *of);
        changes.push_str(&match *name {
            // An index that no change touches costs none of them anything.
            "cleanup_at" => format!("cleanup_at = LEAST({session}cleanup_at, {value}), "),
            name => format!("{name} = {value}, "),
        });
    }
    changes + &format!("version = {session}version + 1")
}

const EACH_INSERT: [&str; MOST - 1] = [
    "insert, 2",
    "insert, 3",
    "insert, 4",
    "insert, 5",
    "insert, 6",
    "insert, 7",
    "insert, 8",
    "insert, 9",
    "insert, 10",
    "insert, 11",
    "insert, 12",
    "insert, 13",
    "insert, 14",
    "insert, 15",
    "insert, 16",
];
