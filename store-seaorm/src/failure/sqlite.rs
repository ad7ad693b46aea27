//! SQLite's result codes: <https://www.sqlite.org/rescode.html>.

use super::Kind;

const SQLITE_ERROR: i32 = 1;
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_CONSTRAINT_PRIMARYKEY: i32 = 1555;
const SQLITE_CONSTRAINT_UNIQUE: i32 = 2067;

/// The low byte of an extended code is the primary one: `SQLITE_BUSY_SNAPSHOT` is a `SQLITE_BUSY`.
pub(super) fn kind(extended: Option<i32>) -> Kind {
    let Some(code) = extended else {
        return Kind::Other;
    };
    match (code, code & 0xff) {
        (SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE, _) => Kind::Duplicate,
        (_, SQLITE_BUSY | SQLITE_LOCKED) => Kind::Refused,
        (_, SQLITE_ERROR) => Kind::SqliteGeneric,
        _ => Kind::Other,
    }
}
