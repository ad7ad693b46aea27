//! PostgreSQL's SQLSTATEs: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::fmt;

use sea_orm::SqlxPostgresError;

use super::Kind;

pub(super) fn kind(sqlstate: &str) -> Kind {
    match sqlstate {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Kind::Refused,
        // read_only_sql_transaction: the server is a standby, or was made one
        "25006" => Kind::Refused,
        // cannot_connect_now, too_many_connections, and a database that accepts no connections now
        "57P03" | "53300" | "55000" => Kind::Refused,
        // admin_shutdown, crash_shutdown, idle_session_timeout, idle_in_transaction_session_timeout
        "57P01" | "57P02" | "57P05" | "25P03" => Kind::Closed,
        // query_canceled, which a statement's time-out is, and transaction_timeout: another try would
        // wait as long
        "57014" | "25P04" => Kind::Exhausted,
        // statement_completion_unknown
        "40003" => Kind::Lost,
        "23505" => Kind::Duplicate,
        // undefined_table, undefined_column, invalid_schema_name
        "42P01" | "42703" | "3F000" => Kind::NotMigrated,
        // connection_exception
        _ if sqlstate.starts_with("08") => Kind::Lost,
        _ => Kind::Other,
    }
}

/// What PostgreSQL said, without the detail, in which it quotes the row that it refused: the key and
/// the ticket.
#[derive(Debug)]
pub(super) struct Refusal {
    sqlstate: String,
    message: String,
}

impl Refusal {
    /// For an error that has a detail, or a context, which may list a statement's values.
    pub(super) fn in_place_of(error: &SqlxPostgresError) -> Option<Self> {
        (error.detail().is_some() || error.r#where().is_some()).then(|| Self {
            sqlstate: error.code().to_owned(),
            message: error.message().to_owned(),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl std::error::Error for Refusal {}
