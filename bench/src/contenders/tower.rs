//! What the stores of tower-sessions have in common.

use anyhow::{Context as _, Result};
use sea_orm::{DbBackend, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tower_sessions_core::ExpiredDeletion;
use tower_sessions_core::session::{Id, Record};

use crate::contender::lacking;
use crate::operations::{Answer, Step};
use crate::samples::Sample;

/// The ticket's place in a record's data.
const TICKET: &str = "ticket";

pub(crate) const COLUMNS: &[&str] = &["id", "data", "expiry_date"];

/// They know neither subjects nor session ids of a provider.
pub(crate) fn stands_for(step: Step) -> Option<&'static str> {
    match step {
        Step::Get => Some("SessionStore::load"),
        Step::Create => Some("SessionStore::create"),
        Step::Update => Some("SessionStore::save"),
        Step::Renew => Some("SessionStore::save, the whole record"),
        Step::Delete => Some("SessionStore::delete"),
        Step::Cleanup => Some("ExpiredDeletion::delete_expired"),
        Step::Start | Step::Query | Step::DeleteMatching => None,
    }
}

pub(crate) fn record(sample: &Sample) -> Result<Record> {
    let nanos = sample
        .expires
        .timestamp_nanos_opt()
        .context("a time within the centuries around 1970")?;
    Ok(Record {
        id: id(sample),
        data: [(TICKET.to_owned(), sample.text().into())].into(),
        expiry_date: OffsetDateTime::from_unix_timestamp_nanos(nanos.into())?,
    })
}

pub(crate) async fn perform<S: ExpiredDeletion>(
    store: &S,
    step: Step,
    mut record: Record,
) -> Result<Answer> {
    match step {
        Step::Get => {
            let loaded = store.load(&record.id).await?;
            let ticket = loaded.as_ref().and_then(|record| record.data.get(TICKET));
            return Ok(Answer::Found {
                sessions: loaded.is_some().into(),
                bytes: ticket
                    .and_then(|ticket| ticket.as_str())
                    .map_or(0, str::len),
            });
        }
        Step::Create => store.create(&mut record).await?,
        Step::Update | Step::Renew => store.save(&record).await?,
        Step::Delete => store.delete(&record.id).await?,
        Step::Cleanup => store.delete_expired().await?,
        Step::Start | Step::Query | Step::DeleteMatching => return lacking(step),
    }
    Ok(Answer::Silent)
}

/// A row as `save` writes it.
pub(crate) fn row(backend: DbBackend, sample: &Sample) -> Result<Vec<Value>> {
    let record = record(sample)?;
    let expiry_date = match backend {
        DbBackend::MySql => sample.expires.naive_utc().into(),
        DbBackend::Sqlite => record.expiry_date.format(&Rfc3339)?.into(),
        _ => sample.expires.into(),
    };
    let data = rmp_serde::to_vec(&record)?;
    Ok(vec![
        id(sample).to_string().into(),
        data.into(),
        expiry_date,
    ])
}

pub(crate) fn key(_: DbBackend, sample: &Sample) -> Value {
    id(sample).to_string().into()
}

fn id(sample: &Sample) -> Id {
    Id(sample.id().cast_signed())
}
