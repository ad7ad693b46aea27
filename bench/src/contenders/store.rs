//! This store, as a host has it: `SeaOrmUserSessionStore::connect`.

use anyhow::{Context as _, Result};
use store_core::{
    PartitionKey, StartPolicy, UserKey, UserSession, UserSessionKey, UserSessionStore as _,
    UserSessionStoreCleanup as _, UserSessionsFilter,
};
use store_seaorm::SeaOrmUserSessionStore;

use crate::contender::{Contender, Performer};
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

/// What everybody else is compared with.
pub(crate) const NAME: &str = "store";

/// This store.
#[derive(Debug)]
pub(crate) struct Store(SeaOrmUserSessionStore);

impl Contender for Store {
    const NAME: &'static str = NAME;
    const WHAT: &'static str = "this project's `SeaOrmUserSessionStore::connect`";

    fn stands_for(step: Step) -> Option<&'static str> {
        Some(match step {
            Step::Get => "get_user_session",
            Step::Create => "create_user_session",
            Step::Start => "start_user_session",
            Step::Update => "update_user_session",
            Step::Renew => "renew_user_session",
            Step::Delete => "delete_user_session",
            Step::Query => "get_user_sessions",
            Step::DeleteMatching => "delete_user_sessions",
            Step::Cleanup => "delete_expired_sessions",
        })
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        let store = connect(site, connections).await?;
        store_migration::up(store.connection()).await?;
        Ok(Self(store))
    }

    fn table(_: &Site) -> Table {
        Table::of_the_store()
    }
}

impl Performer for Store {
    type Item = UserSession;
    type Worker = ();

    fn item(&self, sample: &Sample) -> UserSession {
        session(sample)
    }

    fn worker(&self, _: usize) {}

    async fn perform(&self, (): &mut (), step: Step, session: UserSession) -> Result<Answer> {
        let store = &self.0;
        Ok(match step {
            Step::Get => found(store.get_user_session(&session.key).await?.as_slice()),
            Step::Create => {
                store.create_user_session(session).await?;
                Answer::Changed(1)
            }
            Step::Start => {
                let policy = StartPolicy::default();
                let replaced = store.start_user_session(session, &policy).await?;
                Answer::Changed(replaced.len() as u64)
            }
            Step::Update => {
                let key = session.key.clone();
                let updated = store.update_user_session(&key, session.into()).await?;
                Answer::Changed(updated.into())
            }
            Step::Renew => {
                let renewed = store
                    .renew_user_session(&session.key, session.renewed, session.expires)
                    .await?;
                Answer::Changed(renewed.into())
            }
            Step::Delete => {
                let deleted = store.delete_user_session(&session.key).await?;
                Answer::Changed(deleted.into())
            }
            Step::Query => {
                let partition = &session.key.partition_key;
                let filter = of_subject(session.subject_id)?;
                found(&store.get_user_sessions(partition, &filter).await?)
            }
            Step::DeleteMatching => {
                let partition = &session.key.partition_key;
                let filter = of_subject(session.subject_id)?;
                Answer::Changed(store.delete_user_sessions(partition, &filter).await?)
            }
            Step::Cleanup => Answer::Changed(store.delete_expired_sessions().await?),
        })
    }
}

/// On SQLite, what is asked for are readers, and the store's own default is as good.
pub(crate) async fn connect(site: &Site, connections: u32) -> Result<SeaOrmUserSessionStore> {
    let builder = SeaOrmUserSessionStore::builder().max_connections(connections);
    Ok(builder.connect(site.url()).await?)
}

/// A sample as a session of the default partition.
///
/// # Panics
/// Never: a sample's names are names.
pub(crate) fn session(sample: &Sample) -> UserSession {
    let user_key = UserKey::try_from(sample.user_key.as_str()).expect("a user key");
    let key = UserSessionKey::new(PartitionKey::default(), user_key);
    let subject = sample.subject_id.parse().ok();
    UserSession::new(key, subject, sample.created, sample.ticket.clone())
        .with_session_id(sample.session_id.parse().expect("a session id"))
        .with_expires(sample.expires)
}

fn of_subject(subject: Option<store_core::SubjectId>) -> Result<UserSessionsFilter> {
    subject
        .map(UserSessionsFilter::for_subject)
        .context("every sample has a subject")
}

fn found(sessions: &[UserSession]) -> Answer {
    Answer::Found {
        sessions: sessions.len() as u64,
        bytes: sessions.iter().map(|session| session.ticket.len()).sum(),
    }
}
