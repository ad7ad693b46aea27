//! What `store-tickets` costs, beside this store alone: both on the same table.
//!
//! It makes its sessions itself, so it cannot sit on a table that was filled in bulk, and is
//! measured by itself.

use std::sync::Arc;

use anyhow::{Result, ensure};
use store_core::{StartPolicy, UserSessionKey, UserSessionStore as _};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::DatabaseKind;
use store_tickets::{
    AuthenticationTicket, CookieSecret, KeyRing, ServerSideTicketStore, SessionObservers, TicketKey,
};

use crate::contender::{Performer, lacking};
use crate::contenders::{STORE, connect, session};
use crate::deadline::Deadline;
use crate::durability;
use crate::operations::{Answer, Operation, Step};
use crate::results::{Cell, Entry};
use crate::round;
use crate::run::bar;
use crate::samples::{Sample, Samples};
use crate::settings::Settings;
use crate::site::Site;

/// How many sessions there are to be retrieved.
const ROWS: u64 = 500;
const TASKS: usize = 16;

const NAME: &str = "store-tickets";

/// The layer over the store.
struct Layer {
    tickets: ServerSideTicketStore<String>,
    sessions: Arc<Vec<(CookieSecret, UserSessionKey)>>,
}

/// The store without the layer, on the layer's rows.
struct Alone {
    store: SeaOrmUserSessionStore,
    sessions: Arc<Vec<(CookieSecret, UserSessionKey)>>,
}

/// `None` where the database is not to be had.
pub(crate) async fn measure(
    kind: DatabaseKind,
    settings: &Settings,
    deadline: Deadline,
) -> Result<Option<Vec<Cell>>> {
    let Some(site) = Site::create(kind).await? else {
        return Ok(None);
    };
    let connections = durability::connections(&site, 1).await?;
    let ticket_len = settings.ticket_lens().first().copied().unwrap_or(2048);
    let samples = Samples::new(ticket_len);
    let (layer, alone) = open(&site, connections, &samples).await?;
    let (layer, alone) = (Arc::new(layer), Arc::new(alone));

    let rounds = settings.rounds();
    let operations = [Operation::Get, Operation::Create];
    let bar = bar(operations.len() as u64 * u64::from(rounds + 1));
    let mut cells = Vec::new();
    for (at, operation) in operations.into_iter().enumerate() {
        bar.set_message(format!("{kind}: {}, {NAME}", operation.name()));
        let count = settings.count(operation, TASKS);
        let deadline = deadline.of_one_of(operations.len() - at);
        let (mut with, mut without) = (Vec::new(), Vec::new());
        // The first warms up, and is thrown away.
        for round in 0..=rounds {
            // One counts, however late it is.
            if round > 1 && deadline.is_over() {
                bar.inc(u64::from(rounds + 1 - round));
                break;
            }
            // What one creates must not be in the other's way.
            let work = |turn| {
                let number = 2 * u64::from(round) + turn;
                operation.work(&samples, ROWS, number, TASKS, count)
            };
            let measures = if round % 2 == 0 {
                let one = round::measured(&layer, &work(0)).await?;
                (one, round::measured(&alone, &work(1)).await?)
            } else {
                let other = round::measured(&alone, &work(0)).await?;
                (round::measured(&layer, &work(1)).await?, other)
            };
            if round > 0 {
                with.push(measures.0);
                without.push(measures.1);
            }
            bar.inc(1);
        }
        let entry = |name: &str, rounds| Entry {
            contender: name.to_owned(),
            rounds,
        };
        cells.push(Cell {
            operation,
            tasks: TASKS,
            ticket_len,
            count,
            entries: vec![entry(STORE, without), entry(NAME, with)],
        });
    }
    bar.finish_and_clear();
    Ok(Some(cells))
}

async fn open(site: &Site, connections: u32, samples: &Samples) -> Result<(Layer, Alone)> {
    let store = connect(site, connections).await?;
    store_migration::up(store.connection()).await?;
    let keys = KeyRing::new(TicketKey::generate()?);
    let tickets = ServerSideTicketStore::builder(Arc::new(store.clone()), keys)
        .observers(SessionObservers::none())
        .build();
    let mut sessions = Vec::new();
    for number in 0..ROWS {
        let (secret, stored) = tickets.store(ticket(&samples.live(number))).await?;
        sessions.push((secret, stored.key().clone()));
    }
    let sessions = Arc::new(sessions);
    let alone = Alone {
        store,
        sessions: Arc::clone(&sessions),
    };
    Ok((Layer { tickets, sessions }, alone))
}

/// # Panics
/// Never: a sample's names are names.
fn ticket(sample: &Sample) -> AuthenticationTicket<String> {
    let subject = sample.subject_id.parse().expect("a subject");
    AuthenticationTicket::new(subject, sample.text().to_owned())
        .with_session_id(sample.session_id.parse().expect("a session id"))
}

/// What is done with the layer, or without it.
enum Item {
    Retrieve(usize),
    Store(Sample),
}

impl Item {
    /// What is retrieved is there whatever its number.
    fn of(sample: &Sample, sessions: usize) -> Self {
        if sample.number < ROWS {
            Self::Retrieve(sample.number as usize % sessions)
        } else {
            Self::Store(sample.clone())
        }
    }
}

impl Performer for Layer {
    type Item = Item;
    type Worker = ();

    fn item(&self, sample: &Sample) -> Item {
        Item::of(sample, self.sessions.len())
    }

    fn worker(&self, _: usize) {}

    async fn perform(&self, (): &mut (), step: Step, item: Item) -> Result<Answer> {
        match item {
            Item::Retrieve(at) => {
                let retrieved = self.tickets.retrieve(&self.sessions[at].0).await?;
                let stored = retrieved.session();
                Ok(Answer::Found {
                    sessions: stored.is_some().into(),
                    bytes: stored.map_or(0, |stored| stored.ticket.data.len()),
                })
            }
            Item::Store(sample) if step == Step::Create => {
                self.tickets.store(ticket(&sample)).await?;
                Ok(Answer::Changed(1))
            }
            Item::Store(_) => lacking(step),
        }
    }
}

impl Performer for Alone {
    type Item = Item;
    type Worker = ();

    fn item(&self, sample: &Sample) -> Item {
        Item::of(sample, self.sessions.len())
    }

    fn worker(&self, _: usize) {}

    async fn perform(&self, (): &mut (), step: Step, item: Item) -> Result<Answer> {
        match item {
            Item::Retrieve(at) => {
                let found = self.store.get_user_session(&self.sessions[at].1).await?;
                ensure!(found.is_some(), "a live session was not there");
                // Longer than what was put in: it is sealed.
                Ok(Answer::Silent)
            }
            Item::Store(sample) if step == Step::Create => {
                let replaced = self
                    .store
                    .start_user_session(session(&sample), &StartPolicy::default())
                    .await?;
                ensure!(replaced.is_empty(), "a new session replaced another");
                Ok(Answer::Changed(1))
            }
            Item::Store(_) => lacking(step),
        }
    }
}
