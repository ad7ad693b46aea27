//! Readers and renewals at a fixed rate, while a cleanup removes a fifth of the table.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use store_core::{UserSessionStore as _, UserSessionStoreCleanup as _};
use store_seaorm::SeaOrmUserSessionStore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::results::{Cleanup, Latency, Slice};
use crate::contenders::connect;
use crate::durability;
use crate::report::table::of_cleanup;
use crate::run::{bar, spinner};
use crate::samples::{Sample, Samples};
use crate::schema::Schema;
use crate::site::Site;
use crate::statistics::quantile;
use crate::table::{Table, settle};
use crate::usage::resident_memory;

const ROWS: u64 = 1_000_000;
/// One of so many has expired.
const EXPIRED: u64 = 5;

const WARM_UP: Duration = Duration::from_secs(2);
/// Long enough that what happens once in many seconds is in it, as it is in a cleanup's time.
const IDLE: Duration = Duration::from_secs(60);
const AFTER: Duration = Duration::from_secs(3);

/// Latencies are drawn by slices of time: so long at least, and no more of them than a chart can show.
const SHORTEST_SLICE: Duration = Duration::from_millis(250);
const MOST_SLICES: f64 = 160.0;

const READERS: Load = Load {
    tasks: 16,
    per_second: 400,
};
const RENEWERS: Load = Load {
    tasks: 8,
    per_second: 100,
};

/// Work that is due at fixed times, whoever is late.
#[derive(Clone, Copy, Debug)]
struct Load {
    tasks: u64,
    per_second: u64,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Read,
    Renew,
}

/// What a cleanup has told of its batches.
#[derive(Clone, Copy, Debug, Default)]
struct Batches {
    counted: u64,
    removed: u64,
}

/// Hears what the cleanup tells, and nothing else.
fn listener(told: &Arc<Mutex<Batches>>) -> impl Subscriber + Send + Sync + 'static {
    let cleanup = Targets::new().with_target("store_seaorm::store::cleanup", Level::DEBUG);
    let listener = Listener(Arc::clone(told)).with_filter(cleanup);
    tracing_subscriber::registry().with(listener)
}

struct Listener(Arc<Mutex<Batches>>);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Visit for Batches {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "removed" {
            self.counted += 1;
            self.removed += value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// One operation: when it was due, in seconds from the beginning, and how long it took from then.
#[derive(Clone, Copy, Debug)]
struct Took {
    due: f64,
    micros: f64,
}

/// Shows each as it ends. With fewer rows than usual where that is asked for. Again and again: what a
/// hundredth of the reads meet differs from one minute to the next, on an idle database too.
pub(super) async fn measure(
    site: Site,
    rows: Option<u64>,
    ticket_len: usize,
    rounds: u32,
) -> Result<Vec<Cleanup>> {
    let rows = rows.unwrap_or(ROWS).min(ROWS);
    let connections = durability::connections(&site, 1).await?;
    let store = connect(&site, connections).await?;
    store_migration::up(store.connection()).await?;
    Schema::verified(&site, &Table::of_the_store()).await?;
    let samples = Samples::new(ticket_len);
    let mut measured = Vec::new();
    for round in 0..rounds {
        let is_there = |number| round > 0 && !has_expired(number);
        fill(&site, &samples, rows, is_there).await?;
        let _kept = site.keep_in_memory()?;
        let cleanup = once(&site, &store, &samples, rows).await?;
        println!("{}", of_cleanup(&cleanup));
        measured.push(cleanup);
    }
    Ok(measured)
}

async fn once(
    site: &Site,
    store: &SeaOrmUserSessionStore,
    samples: &Samples,
    rows: u64,
) -> Result<Cleanup> {
    let (started, stopped) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let load = |what, load: Load| {
        let mut tasks = JoinSet::new();
        for task in 0..load.tasks {
            let (store, samples) = (store.clone(), samples.clone());
            let stopped = Arc::clone(&stopped);
            tasks.spawn(works(
                store, samples, rows, what, load, task, started, stopped,
            ));
        }
        tasks
    };
    let bar = spinner();
    let (readers, renewers) = (load(What::Read, READERS), load(What::Renew, RENEWERS));
    bar.set_message(format!("{}: readers and renewals alone", site.kind));
    sleep(WARM_UP + IDLE).await;
    bar.set_message(format!("{}: a cleanup beside them", site.kind));

    let memory_before = resident_memory()?;
    let peak = Arc::new(AtomicU64::new(memory_before));
    let memory = tokio::spawn(watch_memory(Arc::clone(&peak)));
    let began = started.elapsed().as_secs_f64();
    let told = Arc::new(Mutex::new(Batches::default()));
    let cleanup = store.delete_expired_sessions();
    let removed = cleanup.with_subscriber(listener(&told)).await?;
    let batches = *told.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = started.elapsed().as_secs_f64() - began;
    memory.abort();

    sleep(AFTER).await;
    bar.finish_and_clear();
    stopped.store(true, Ordering::Relaxed);
    let (reads, renewals) = (all(readers).await?, all(renewers).await?);
    ensure!(
        removed == rows / EXPIRED,
        "{removed} of {} expired sessions were removed",
        rows / EXPIRED
    );
    ensure!(
        batches.removed == removed,
        "the store has told of batches that removed {} of {removed}",
        batches.removed
    );
    let idle = (WARM_UP.as_secs_f64(), began);
    let beside = (began, began + seconds);
    let last = reads.iter().map(|took| took.due).fold(0.0, f64::max);
    let slice = slice_of(last);
    Ok(Cleanup {
        rows,
        removed,
        ticket_len: samples.ticket_len,
        began,
        seconds,
        batches: batches.counted,
        batches_were_counted: true,
        reads_per_second: READERS.per_second,
        renewals_per_second: RENEWERS.per_second,
        reads_idle: latency(&reads, idle)?,
        reads_beside: latency(&reads, beside)?,
        renewals_idle: latency(&renewals, idle)?,
        renewals_beside: latency(&renewals, beside)?,
        memory_before,
        memory_peak: peak.load(Ordering::Relaxed),
        slice_millis: slice.as_millis().try_into()?,
        slices: slices(&reads, &renewals, slice, last),
    })
}

/// One of [`EXPIRED`] has, all over the table.
fn has_expired(number: u64) -> bool {
    number % EXPIRED == EXPIRED - 1
}

fn sample(samples: &Samples, number: u64) -> Sample {
    if has_expired(number) {
        samples.expired(number)
    } else {
        samples.live(number)
    }
}

/// Inserts those that are not there.
async fn fill(
    site: &Site,
    samples: &Samples,
    rows: u64,
    is_there: impl Fn(u64) -> bool,
) -> Result<()> {
    const AT_ONCE: u64 = 1000;
    let (table, bar) = (Table::of_the_store(), bar(rows));
    bar.set_message(format!("{}: filling a table to be cleaned up", site.kind));
    for from in (0..rows).step_by(AT_ONCE as usize) {
        let to = rows.min(from + AT_ONCE);
        let missing = (from..to).filter(|&number| !is_there(number));
        let some: Vec<_> = missing.map(|number| sample(samples, number)).collect();
        table.insert(&site.admin, some).await?;
        bar.inc(to - from);
    }
    bar.finish_and_clear();
    settle(site.kind, &table, &site.admin).await?;
    site.quiet().await
}

#[expect(
    clippy::too_many_arguments,
    reason = "a task takes along all that it needs"
)]
async fn works(
    store: SeaOrmUserSessionStore,
    samples: Samples,
    rows: u64,
    what: What,
    load: Load,
    task: u64,
    started: Instant,
    stopped: Arc<AtomicBool>,
) -> Result<Vec<Took>> {
    let mut random = fastrand::Rng::with_seed(task);
    let period = Duration::from_secs(load.tasks) / u32::try_from(load.per_second)?;
    let mut due = started + period.mul_f64(task as f64 / load.tasks as f64);
    let mut took = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        let mut number = random.u64(..rows);
        if has_expired(number) {
            number -= 1;
        }
        let session = crate::contenders::session(&samples.live(number));
        let mut from = due;
        if Instant::now() < due {
            sleep_until(due).await;
            // The timer counts in milliseconds, and what it is late is not the database's.
            from = Instant::now();
        }
        let done = match what {
            What::Read => store.get_user_session(&session.key).await?.is_some(),
            What::Renew => {
                store
                    .renew_user_session(&session.key, session.renewed, session.expires)
                    .await?
            }
        };
        ensure!(done, "{what:?}: a live session was not there");
        took.push(Took {
            due: (due - started).as_secs_f64(),
            micros: from.elapsed().as_secs_f64() * 1e6,
        });
        due += period;
    }
    Ok(took)
}

async fn all(mut tasks: JoinSet<Result<Vec<Took>>>) -> Result<Vec<Took>> {
    let mut all = Vec::new();
    while let Some(took) = tasks.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

async fn watch_memory(peak: Arc<AtomicU64>) {
    while let Ok(memory) = resident_memory() {
        peak.fetch_max(memory, Ordering::Relaxed);
        sleep(Duration::from_millis(20)).await;
    }
}

fn latency(took: &[Took], (from, until): (f64, f64)) -> Result<Latency> {
    let micros = sorted(took, from, until);
    let part = |part| quantile(&micros, part).context("nothing happened meanwhile");
    Ok(Latency {
        count: micros.len(),
        p50_micros: part(0.5)?,
        p99_micros: part(0.99)?,
        max_micros: part(1.0)?,
    })
}

/// Of a measurement that lasts so many seconds.
fn slice_of(seconds: f64) -> Duration {
    let shortest = seconds / SHORTEST_SLICE.as_secs_f64();
    SHORTEST_SLICE * (shortest / MOST_SLICES).ceil() as u32
}

/// Until the last read was due.
fn slices(reads: &[Took], renewals: &[Took], len: Duration, last: f64) -> Vec<Slice> {
    let len = len.as_secs_f64();
    let first = (WARM_UP.as_secs_f64() / len) as usize;
    (first..(last / len) as usize)
        .map(|slice| {
            let (from, until) = (slice as f64 * len, (slice + 1) as f64 * len);
            let p99 = |took| quantile(&sorted(took, from, until), 0.99);
            Slice {
                at: until,
                reads_p99_micros: p99(reads),
                renewals_p99_micros: p99(renewals),
            }
        })
        .collect()
}

fn sorted(took: &[Took], from: f64, until: f64) -> Vec<f64> {
    let within = took.iter().filter(|took| (from..until).contains(&took.due));
    let mut micros: Vec<_> = within.map(|took| took.micros).collect();
    micros.sort_by(f64::total_cmp);
    micros
}
