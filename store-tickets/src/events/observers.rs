//! Telling observers, so that none of them harms anybody.

use std::fmt;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::join_all;
use store_core::{BoxError, UserKey, UserSession};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{AuditLog, EndReason, SessionEvent, SessionEvents};
use crate::telemetry;

/// Who is told what happens to sessions. Each observer has a queue and a task of its own.
///
/// By default that is an [`AuditLog`]. Clones share the queues: a node makes one and gives it to
/// its ticket store and its cleanup. What it tells needs a Tokio runtime; its queues live as long as
/// the runtime in which something was told first.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use store_tickets::{AuditLog, SessionEvents, SessionObservers};
/// #[derive(Debug)]
/// struct Greeter;
///
/// impl SessionEvents for Greeter {}
///
/// let observers = SessionObservers::builder()
///     .observer(AuditLog::new())
///     .observer(Greeter)
///     .timeout(Duration::from_secs(5))
///     .build();
/// ```
#[derive(Clone, Debug)]
pub struct SessionObservers {
    queues: Arc<[Queue]>,
}

/// Makes [`SessionObservers`].
#[derive(Debug)]
pub struct SessionObserversBuilder {
    observers: Vec<Arc<dyn SessionEvents>>,
    capacity: NonZeroUsize,
    timeout: Duration,
}

impl SessionObserversBuilder {
    /// One more observer.
    #[must_use]
    pub fn observer(self, observer: impl SessionEvents) -> Self {
        self.shared(Arc::new(observer))
    }

    /// One more observer, which somebody else has as well.
    #[must_use]
    pub fn shared(mut self, observer: Arc<dyn SessionEvents>) -> Self {
        self.observers.push(observer);
        self
    }

    /// How many events wait for an observer. Further ones are lost to it, and counted. Default:
    /// 4096.
    #[must_use]
    pub fn capacity(self, capacity: NonZeroUsize) -> Self {
        Self { capacity, ..self }
    }

    /// How long an observer may take over one event before it is interrupted. Default: 10 seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The observers.
    pub fn build(self) -> SessionObservers {
        let queues = self.observers.into_iter().map(|observer| Queue {
            observer,
            capacity: self.capacity.get(),
            timeout: self.timeout,
            sender: OnceLock::new(),
        });
        SessionObservers {
            queues: queues.collect(),
        }
    }
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Occurrence {
    Created(SessionEvent),
    Authenticated(SessionEvent),
    Renewed(SessionEvent),
    Rotated(SessionEvent, UserKey),
    Ended(SessionEvent, EndReason),
}

impl Occurrence {
    async fn tell(&self, observer: &dyn SessionEvents) -> Result<(), BoxError> {
        match self {
            Self::Created(session) => observer.created(session).await,
            Self::Authenticated(session) => observer.authenticated(session).await,
            Self::Renewed(session) => observer.renewed(session).await,
            Self::Rotated(session, from) => observer.rotated(session, from).await,
            Self::Ended(session, reason) => observer.ended(session, *reason).await,
        }
    }
}

impl SessionObservers {
    /// Observers to be named one by one, beginning with none.
    pub fn builder() -> SessionObserversBuilder {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
        SessionObserversBuilder {
            observers: Vec::new(),
            capacity: CAPACITY,
            timeout: Duration::from_secs(10),
        }
    }

    /// Nobody. A cleanup without observers need not load what it removes.
    pub fn none() -> Self {
        Self::builder().build()
    }

    /// Whether there is nobody to tell.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Waits until the observers have been told what has happened so far: before the process ends,
    /// for example. An observer that hangs makes this take its timeout for each event in its queue,
    /// so give it a timeout of its own.
    pub async fn flush(&self) {
        join_all(self.queues.iter().map(Queue::flush)).await;
    }

    /// Tells that a session has begun, and if it has a subject that the user has signed in: for
    /// adapters that begin sessions beside a ticket store.
    pub fn created(&self, session: SessionEvent) {
        self.tell(Occurrence::Created(session.clone()));
        if session.subject_id.is_some() {
            self.authenticated(session);
        }
    }

    /// Tells that a user has signed in: for adapters, where a session goes on that was there before.
    pub fn authenticated(&self, session: SessionEvent) {
        self.tell(Occurrence::Authenticated(session));
    }

    /// Tells that a session is over: for adapters that end sessions beside a ticket store. Only
    /// whoever has removed the row tells.
    pub fn ended(&self, session: SessionEvent, reason: EndReason) {
        self.tell(Occurrence::Ended(session, reason));
    }

    /// Tells of the sessions that the beginning of another has displaced, each with its reason: its
    /// time was up, it had the same session id, or there were too many.
    pub fn displaced(&self, sessions: &[UserSession], begun: &SessionEvent, now: DateTime<Utc>) {
        for session in sessions {
            let reason = if session.is_expired(now) {
                EndReason::Expired
            } else if session.session_id.is_some() && session.session_id == begun.session_id {
                EndReason::Replaced
            } else {
                EndReason::OverCap
            };
            self.ended(SessionEvent::of(session, now), reason);
        }
    }

    pub(crate) fn tell(&self, occurrence: Occurrence) {
        match &occurrence {
            Occurrence::Created(_) => telemetry::session_started(),
            Occurrence::Ended(_, reason) => telemetry::sessions_ended(*reason, 1),
            _ => {}
        }
        if self.is_empty() {
            return;
        }
        let occurrence = Arc::new(occurrence);
        for queue in &*self.queues {
            queue.push(Arc::clone(&occurrence));
        }
    }

    /// How many events at a time every queue has room for, once it is empty.
    pub(crate) fn capacity(&self) -> usize {
        let capacities = self.queues.iter().map(|queue| queue.capacity);
        capacities.min().unwrap_or(usize::MAX)
    }

    /// Waits until every queue has room for `events` more, but not for longer than `patience`.
    pub(crate) async fn wait_for_room(&self, events: usize, patience: Duration) {
        let rooms = self.queues.iter().map(|queue| queue.wait_for_room(events));
        if timeout(patience, join_all(rooms)).await.is_err() {
            tracing::warn!("an observer of sessions is far behind, events may be lost to it");
        }
    }
}

/// An [`AuditLog`].
impl Default for SessionObservers {
    fn default() -> Self {
        Self::builder().observer(AuditLog::new()).build()
    }
}

struct Queue {
    observer: Arc<dyn SessionEvents>,
    capacity: usize,
    timeout: Duration,
    /// Set when something is told first, since that needs a runtime and building does not.
    sender: OnceLock<mpsc::Sender<Message>>,
}

enum Message {
    Occurrence(Arc<Occurrence>),
    Flush(oneshot::Sender<()>),
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.observer.fmt(f)
    }
}

impl Queue {
    fn push(&self, occurrence: Arc<Occurrence>) {
        let sent = match self.started() {
            Some(sender) => sender.try_send(Message::Occurrence(occurrence)).is_ok(),
            None => false,
        };
        if !sent {
            telemetry::event_dropped();
            tracing::warn!(observer = ?self.observer, "an event was lost to an observer of sessions");
        }
    }

    /// The queue, with a task at its other end. `None` outside of a runtime.
    fn started(&self) -> Option<&mpsc::Sender<Message>> {
        if let Some(sender) = self.sender.get() {
            return Some(sender);
        }
        let runtime = Handle::try_current().ok()?;
        Some(self.sender.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(self.capacity);
            runtime.spawn(attend(Arc::clone(&self.observer), self.timeout, receiver));
            sender
        }))
    }

    async fn flush(&self) {
        let Some(sender) = self.sender.get() else {
            return;
        };
        let (done, told) = oneshot::channel();
        if sender.send(Message::Flush(done)).await.is_ok() {
            // It errs if the task is gone, and then nobody will be told any more.
            let _ = told.await;
        }
    }

    async fn wait_for_room(&self, events: usize) {
        if let Some(sender) = self.sender.get() {
            let _ = sender.reserve_many(events).await;
        }
    }
}

/// Tells one observer what comes out of its queue, until nobody is left who could put something in.
async fn attend(
    observer: Arc<dyn SessionEvents>,
    patience: Duration,
    mut queue: mpsc::Receiver<Message>,
) {
    while let Some(message) = queue.recv().await {
        let occurrence = match message {
            Message::Occurrence(occurrence) => occurrence,
            Message::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        let told = AssertUnwindSafe(async { occurrence.tell(&*observer).await }).catch_unwind();
        let failure = match timeout(patience, told).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => "it panicked".into(),
            Err(elapsed) => elapsed.into(),
        };
        telemetry::observer_failed();
        tracing::warn!(
            ?observer,
            error = &*failure,
            "an observer of sessions failed"
        );
    }
}
