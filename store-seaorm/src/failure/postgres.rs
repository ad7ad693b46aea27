//! PostgreSQL's SQLSTATEs: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use super::Kind;

pub(super) fn kind(sqlstate: &str) -> Kind {
    match sqlstate {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Kind::Refused,
        // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
        "57P01" | "57P02" | "57P03" | "53300" => Kind::Refused,
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
