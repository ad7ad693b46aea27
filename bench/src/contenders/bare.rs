//! What the bare drivers have in common: this store's table, made by its migrations, and its own
//! statements, bound and decoded by hand.
//!
//! So the ratio to them is what the way through the store costs, and nothing else. What they leave
//! out: the locks under which a start and an operation by filter are serializable, retries, a
//! connection kept in order when a future is dropped.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::DatabaseKind;

use crate::operations::Step;
use crate::site::Site;

/// The store's statements that the operations take.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pub(crate) get: String,
    pub(crate) insert: String,
    pub(crate) update: String,
    pub(crate) renew: String,
    pub(crate) delete: String,
    pub(crate) query: String,
    pub(crate) delete_matching: String,
    /// On MySQL it only locks and reads what is to be deleted.
    pub(crate) end_by_session_id: String,
    pub(crate) delete_expired: String,
    pub(crate) cleanup_batch: i64,
}

/// How many rows a batch of the cleanup has, as in the store.
const fn cleanup_batch(kind: DatabaseKind) -> u16 {
    match kind {
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => 50,
        DatabaseKind::Postgres | DatabaseKind::MySql | DatabaseKind::MariaDb => 1000,
    }
}

impl Statements {
    /// Makes the table, and asks the store for its statements.
    pub(crate) async fn of(site: &Site) -> Result<Self> {
        store_migration::up(&site.admin).await?;
        let store = SeaOrmUserSessionStore::new(site.admin.clone());
        let all: HashMap<_, _> = store.statements().await?.into_iter().collect();
        let named = |name: &str, values: usize| {
            let sql = all
                .get(name)
                .with_context(|| format!("the store has no statement `{name}` any more"))?;
            let takes = parameters(sql);
            ensure!(
                takes == values,
                "the store's statement `{name}` takes {takes} values, and the bare drivers bind \
                 {values}: bench/src/contenders"
            );
            Ok(sql.clone())
        };
        // The benchmark's changes keep what these ask for, where the store has them.
        let in_place = |general: &'static str, in_place: &'static str| {
            if all.contains_key(in_place) {
                in_place
            } else {
                general
            }
        };
        Ok(Self {
            get: named("get", 3)?,
            insert: named("insert", 10)?,
            update: named(in_place("update", "update in place"), 10)?,
            renew: named(in_place("renew", "renew in place"), 6)?,
            delete: named("delete", 2)?,
            query: named("query by subject", 3)?,
            delete_matching: named("delete by subject", 2)?,
            end_by_session_id: named("end by session id", 2)?,
            delete_expired: named("delete expired, waiting", 4)?,
            cleanup_batch: cleanup_batch(site.kind).into(),
        })
    }

    /// Whether [`end_by_session_id`](Self::end_by_session_id) leaves the row there.
    pub(crate) fn ends_by_reading(&self) -> bool {
        self.end_by_session_id.starts_with("SELECT")
    }
}

fn parameters(sql: &str) -> usize {
    let numbered = (1..).take_while(|number| sql.contains(&format!("${number}")));
    sql.matches('?').count().max(numbered.count())
}

/// The same for all of them.
pub(crate) fn stands_for(step: Step) -> Option<&'static str> {
    Some(match step {
        Step::Get => "the store's SELECT",
        Step::Create => "the store's INSERT",
        Step::Start => {
            "a transaction of its DELETE … RETURNING by session id and its INSERT, without locks"
        }
        Step::Update => "the store's UPDATE",
        Step::Renew => "the store's UPDATE without the ticket",
        Step::Delete => "the store's DELETE",
        Step::Query => "the store's SELECT by subject",
        Step::DeleteMatching => "the store's DELETE by subject, without its lock",
        Step::Cleanup => "the store's batches that wait for others, without its pauses",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted() {
        assert_eq!(parameters("a = ? AND b = ?"), 2);
        assert_eq!(parameters("a = $1 AND b = $2 AND c = $1"), 2);
        assert_eq!(parameters("a"), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_store_has_the_statements_that_they_bind() -> Result<()> {
        use DatabaseKind::{MariaDb, MySql, Postgres, Sqlite};

        for kind in [Sqlite, Postgres, MySql, MariaDb] {
            if let Some(site) = Site::create(kind).await? {
                Statements::of(&site)
                    .await
                    .with_context(|| kind.to_string())?;
            }
        }
        Ok(())
    }
}
