//! A key's column.

use std::fmt;

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryFromU64, TryGetError, TryGetable, Value};

/// A string that is compared byte for byte: text on PostgreSQL and SQLite, bytes on MySQL and
/// MariaDB.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(String);

impl Text {
    /// The string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A string compares with a column of bytes by its bytes, on every database.
impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::String(Some(text.0))
    }
}

impl TryGetable for Text {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        #[cfg(feature = "mysql")]
        if row.try_as_mysql_row().is_some() {
            let bytes = Vec::<u8>::try_get_by(row, index)?;
            return String::from_utf8(bytes).map(Self).map_err(|error| {
                TryGetError::DbErr(DbErr::TryIntoErr {
                    from: "VARBINARY",
                    into: "Text",
                    source: std::sync::Arc::new(error.utf8_error()),
                })
            });
        }
        String::try_get_by(row, index).map(Self)
    }
}

impl ValueType for Text {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <String as ValueType>::try_from(value).map(Self)
    }

    fn type_name() -> String {
        "Text".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::String
    }

    fn column_type() -> ColumnType {
        ColumnType::Text
    }
}

impl Nullable for Text {
    fn null() -> Value {
        Value::String(None)
    }
}

/// No key is ever made by the database.
impl TryFromU64 for Text {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Text"))
    }
}
