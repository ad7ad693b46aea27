//! MySQL's error numbers, <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>,
//! and MariaDB's, <https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference>.

use super::Kind;

pub(super) fn kind(number: u16) -> Kind {
    match number {
        // lock wait time-out, deadlock, record changed since last read (snapshot isolation)
        1205 | 1213 | 1020 => Kind::Refused,
        // too many connections, in all or of this user; Galera: node not ready, error during commit
        1040 | 1203 | 1226 | 1047 | 1180 => Kind::Refused,
        // read-only, as a replica is, or a server that was made one
        1290 | 1836 => Kind::Refused,
        // a statement's time-out on MySQL and on MariaDB: another try would wait as long
        3024 | 1969 => Kind::Exhausted,
        // MySQL: the client was idle for longer than the server keeps a connection
        4031 => Kind::Closed,
        // server shutdown in progress; MariaDB: connection was killed
        1053 | 1927 => Kind::Lost,
        1062 => Kind::Duplicate,
        // no such table, unknown column, unknown database
        1146 | 1054 | 1049 => Kind::NotMigrated,
        _ => Kind::Other,
    }
}
