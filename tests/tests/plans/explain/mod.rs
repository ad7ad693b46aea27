//! Asking each database for a plan.

pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;

/// What a database makes of a statement.
pub(crate) struct Verdict {
    pub(crate) reads_everything: bool,
    /// The plan as the database tells it, for whoever has to find out why.
    pub(crate) told: String,
}
