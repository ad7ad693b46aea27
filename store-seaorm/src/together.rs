//! Operations that come at the same time, done together.
//!
//! A server spends more on being asked than on finding or changing a row, and a commit costs the same
//! for one row as for many. So no more than a few operations of a kind are on their way at once.
//! What comes meanwhile waits until one of them is back, and then goes together, in one statement.
//! Nobody waits while there are few, or while nothing comes back; and each that a statement for many
//! could not do, for whatever reason, goes alone.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use store_core::{Error, Result, UserSessionKey};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::failure::{Failure, Kind};
use crate::retry::{Attempt, LONGEST};
use crate::statements::MOST;
use crate::store::Inner;
use crate::to_the_end::LONGEST_ALONE;

/// How many operations of a kind, or companies of them, are on their way at once.
pub(crate) const AT_ONCE: usize = 4;

/// From how many in a company on there are many.
const MANY: usize = 4;

/// How long an operation waits while nobody comes back, and how long one that is on its way keeps its
/// place: a few times what one takes.
const PATIENCE: Duration = Duration::from_millis(20);

/// After how long a server that refused the first company is asked once more.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How often a place is kept a little longer for those who are about to come.
const ASSEMBLING: usize = 8;

/// The longest ticket that goes with others, in bytes: for one that is longer the way there matters
/// less than the ticket. At 32 KB, PostgreSQL updates fewer sessions together than one by one.
const LONGEST_TICKET: usize = 16 * 1024;

/// How long the tickets of a company are, all in all, but for its last. One of so many bytes is full,
/// and others go beside it: what takes the server's time is the tickets then.
const LONGEST_COMPANY: usize = 64 * 1024;

/// A kind of operation that can be done for several at once.
pub(crate) trait Together: Sized + Send + Sync + 'static {
    type Answer: Send + 'static;

    const WHAT: Attempt;

    /// How many are on their way at once when many come, unless companies are full.
    const AT_ONCE_OF_MANY: usize;

    fn waiting(inner: &Inner) -> &Waiting<Self>;

    /// The session that it is about. No two in one company have the same.
    fn key(&self) -> &UserSessionKey;

    fn ticket_len(&self) -> usize;

    /// Does what they ask for in one attempt, and answers each. `None` for one that has not happened
    /// and has to go alone.
    fn run(
        inner: Arc<Inner>,
        company: Arc<Company<Self>>,
    ) -> impl Future<Output = Result<Vec<Option<Self::Answer>>, Failure>> + Send;
}

/// Operations that go together.
pub(crate) type Company<O> = Vec<Arc<O>>;

/// Those of a kind that wait for company.
pub(crate) struct Waiting<O: Together> {
    companies: Companies,
    state: Mutex<State<O>>,
}

struct State<O: Together> {
    on_their_way: usize,
    /// How many the last company was of, which tells whether many come.
    last_company: usize,
    /// How many have come back.
    returns: u64,
    queue: VecDeque<One<O>>,
    next: Number,
    understanding: Understanding,
}

/// Whether the server understands what does many at once.
#[derive(Clone, Copy)]
enum Understanding {
    NotKnown,
    Is,
    /// It has refused the first, for a reason that may have gone by then.
    NotBefore(Instant),
}

struct One<O: Together> {
    number: Number,
    operation: Arc<O>,
    turn: oneshot::Sender<Turn<O>>,
}

/// An operation that has come.
enum Coming<O: Together> {
    /// It goes, and nobody counts it.
    Goes,
    HasPlace,
    Waits(Number, oneshot::Receiver<Turn<O>>),
    /// It waits, and there is a place for it and for those who come with it.
    WaitsWithPlace(Number, oneshot::Receiver<Turn<O>>, usize),
    /// It waits, and with it there are enough to go, in a place that they get.
    FillsCompany(Number, oneshot::Receiver<Turn<O>>),
}

/// Tells those who wait apart.
type Number = u64;

/// How operations of a kind go together on a database.
#[derive(Clone, Copy)]
pub(crate) struct Companies {
    /// How many are on their way at once; with none, nobody waits and each goes alone.
    pub(crate) at_once: usize,
    /// Whether only sessions of the same partition go together.
    pub(crate) of_one_partition: bool,
}

/// What becomes of an operation.
pub(crate) enum Turn<O: Together> {
    /// It has been done together with others.
    Done(Result<O::Answer>),
    /// It goes alone.
    Alone(Option<Place<O>>),
}

/// A place among those on their way. When it is given up, those who wait go.
pub(crate) struct Place<O: Together>(Arc<Inner>, PhantomData<O>);

impl<O: Together> Waiting<O> {
    pub(crate) fn new(companies: Companies) -> Self {
        Self {
            companies,
            state: Mutex::new(State {
                on_their_way: 0,
                last_company: 0,
                returns: 0,
                queue: VecDeque::new(),
                next: 0,
                understanding: Understanding::NotKnown,
            }),
        }
    }

    fn come(&self, operation: &Arc<O>) -> Coming<O> {
        let at_once = self.companies.at_once;
        if at_once == 0 || operation.ticket_len() > LONGEST_TICKET {
            return Coming::Goes;
        }
        let mut state = self.state();
        if !state.understanding.lets_go_together() {
            return Coming::Goes;
        }
        let many_come = state.many_come();
        let has_place = state.on_their_way < state.places(at_once);
        if has_place && !many_come {
            state.on_their_way += 1;
            return Coming::HasPlace;
        }
        let (sender, turn) = oneshot::channel();
        let number = state.next;
        state.next += 1;
        state.queue.push_back(One {
            number,
            operation: Arc::clone(operation),
            turn: sender,
        });
        if has_place {
            state.on_their_way += 1;
            Coming::WaitsWithPlace(number, turn, state.last_company)
        } else if state.fills_company() && state.on_their_way < at_once {
            state.on_their_way += 1;
            Coming::FillsCompany(number, turn)
        } else {
            Coming::Waits(number, turn)
        }
    }

    /// Those who go next, in the place of one who has come back, and those who have to go alone
    /// instead.
    fn next(&self) -> (Vec<One<O>>, Vec<One<O>>) {
        let mut state = self.state();
        state.returns += 1;
        let others = state.on_their_way - 1;
        let mut next = (Vec::new(), Vec::new());
        if others < state.places(self.companies.at_once) || state.fills_company() {
            next = state.next_company(self.companies.of_one_partition);
        }
        if next.0.is_empty() {
            state.on_their_way = others;
        } else {
            state.last_company = next.0.len();
        }
        next
    }

    fn returns(&self) -> u64 {
        self.state().returns
    }

    /// Whether it still waited.
    fn leave(&self, number: Number) -> bool {
        let mut state = self.state();
        let at = state.queue.iter().position(|one| one.number == number);
        at.and_then(|at| state.queue.remove(at)).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State<O>> {
        // It is in order whenever somebody could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Together> State<O> {
    fn many_come(&self) -> bool {
        self.last_company >= MANY
    }

    fn places(&self, at_once: usize) -> usize {
        if self.many_come() {
            O::AT_ONCE_OF_MANY.min(at_once)
        } else {
            at_once
        }
    }

    /// Whether those who wait are enough for a company.
    fn fills_company(&self) -> bool {
        let lens = self.queue.iter().map(|one| one.operation.ticket_len());
        self.queue.len() >= MOST || lens.sum::<usize>() >= LONGEST_COMPANY
    }

    /// The first who came, and those who go with him: no two with the same session. Who does not
    /// is the other answer.
    fn next_company(&mut self, of_one_partition: bool) -> (Vec<One<O>>, Vec<One<O>>) {
        let (mut company, mut others) = (Vec::<One<O>>::new(), Vec::new());
        let mut len = 0;
        while company.len() < MOST
            && len < LONGEST_COMPANY
            && let Some(one) = self.queue.pop_front()
        {
            let key = one.operation.key();
            let goes_with = |other: &One<O>| {
                let other = other.operation.key();
                let is_neighbour = other.partition_key == key.partition_key;
                (is_neighbour || !of_one_partition) && other != key
            };
            if company.iter().all(goes_with) {
                len += one.operation.ticket_len();
                company.push(one);
            } else {
                others.push(one);
            }
        }
        (company, others)
    }
}

/// What an operation does to the database.
pub(crate) fn what<O: Together>(_: &Arc<O>) -> Attempt {
    O::WHAT
}

impl Understanding {
    fn lets_go_together(self) -> bool {
        match self {
            Self::NotKnown | Self::Is => true,
            Self::NotBefore(then) => Instant::now() >= then,
        }
    }

    /// A statement that was understood before may fail, too.
    fn after_refusal(self) -> Self {
        match self {
            Self::Is => return Self::Is,
            Self::NotKnown => {
                tracing::warn!("the server does not do several operations at once: one by one");
            }
            Self::NotBefore(_) => {}
        }
        Self::NotBefore(Instant::now() + ASK_AGAIN_AFTER)
    }
}

/// Waits for an operation's turn. To be called in what runs to its end.
pub(crate) async fn turn<O: Together>(inner: &Arc<Inner>, operation: &Arc<O>) -> Turn<O> {
    let waiting = O::waiting(inner);
    let (number, mut turn) = match waiting.come(operation) {
        Coming::Goes => return Turn::Alone(None),
        Coming::HasPlace => return Turn::Alone(Some(Place::of(inner))),
        Coming::Waits(number, turn) => (number, turn),
        Coming::WaitsWithPlace(number, turn, waiting_for) => {
            let place = Place::<O>::of(inner);
            // Those who were answered together come again together.
            tokio::spawn(async move { place.assemble(waiting_for).await });
            (number, turn)
        }
        Coming::FillsCompany(number, turn) => {
            drop(Place::<O>::of(inner));
            (number, turn)
        }
    };
    let answer = loop {
        let returns = waiting.returns();
        match timeout(PATIENCE, &mut turn).await {
            Ok(answer) => break answer,
            Err(_) if waiting.returns() != returns => {}
            Err(_) if waiting.leave(number) => return Turn::Alone(None),
            // It is on its way.
            Err(_) => break turn.await,
        }
    };
    answer.unwrap_or_else(|_| Turn::Done(Err(Error::unavailable(NoAnswer))))
}

impl<O: Together> Place<O> {
    fn of(inner: &Arc<Inner>) -> Self {
        Self(Arc::clone(inner), PhantomData)
    }

    /// Gives the place up once so many wait, or those who were about to come have come: under load,
    /// those who were answered together come together again.
    async fn assemble(self, expected: usize) {
        for _ in 0..ASSEMBLING {
            tokio::task::yield_now().await;
            let state = O::waiting(&self.0).state();
            if state.queue.len() >= expected || state.fills_company() {
                return;
            }
        }
    }
}

/// Does work in a place, which is handed back unless the work takes long: whoever has met a lock, or a
/// server that has fallen silent, must not keep the others waiting.
pub(crate) async fn in_place<O: Together, T>(
    place: Option<Place<O>>,
    work: impl Future<Output = T>,
) -> (T, Option<Place<O>>) {
    let mut work = pin!(work);
    if place.is_some()
        && let Ok(answer) = timeout(PATIENCE, &mut work).await
    {
        return (answer, place);
    }
    drop(place);
    (work.await, None)
}

impl<O: Together> Drop for Place<O> {
    fn drop(&mut self) {
        let (mut company, alone) = O::waiting(&self.0).next();
        for one in alone {
            // Whoever has stopped waiting needs no answer.
            let _ = one.turn.send(Turn::Alone(None));
        }
        if company.is_empty() {
            return;
        }
        let place = Self::of(&self.0);
        if company.len() == 1
            && let Some(one) = company.pop()
        {
            // If nobody takes the place, it comes back and is given up once more.
            let _ = one.turn.send(Turn::Alone(Some(place)));
        } else if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(go(place, company));
        } else {
            // Dropped where no runtime is: its own may go on elsewhere, and with it those who wait.
            for one in company {
                let _ = one.turn.send(Turn::Alone(None));
            }
        }
    }
}

async fn go<O: Together>(place: Place<O>, company: Vec<One<O>>) {
    let operations: Arc<Company<O>> = Arc::new(
        company
            .iter()
            .map(|one| Arc::clone(&one.operation))
            .collect(),
    );
    let inner = Arc::clone(&place.0);
    let began = Instant::now();
    let work = timeout(LONGEST_ALONE, O::run(Arc::clone(&inner), operations));
    let (answers, place) = in_place(Some(place), work).await;
    let waiting = O::waiting(&inner);
    let answers = match answers {
        Ok(Ok(answers)) => {
            waiting.state().understanding = Understanding::Is;
            Ok(answers)
        }
        Ok(Err(failure)) => {
            let kind = failure.kind();
            tracing::debug!(operations = company.len(), ?kind, "not done together");
            if kind == Kind::Other {
                let mut state = waiting.state();
                state.understanding = state.understanding.after_refusal();
            }
            let has_no_connection =
                matches!(failure, Failure::Database(DbErr::ConnectionAcquire(_)));
            let writes = O::WHAT == Attempt::Write;
            // What a reader waits for is the table or the server, and concerns all. A writer may have
            // waited for a row of somebody else's in the company.
            let all_have_waited = !writes
                && (kind == Kind::Exhausted || kind == Kind::Refused && began.elapsed() >= LONGEST);
            // Nobody knows whether it has happened; or all of them have waited as long as one may.
            if kind == Kind::Lost && writes || has_no_connection || all_have_waited {
                Err(Shared(Arc::new(failure.into())))
            } else {
                Ok(Vec::new())
            }
        }
        Err(elapsed) => Err(Shared(Arc::new(Error::unavailable(elapsed)))),
    };
    let expected = company.len() + waiting.state().queue.len();
    match answers {
        Ok(answers) => {
            let answers = answers.into_iter().chain(std::iter::repeat_with(|| None));
            for (one, answer) in company.into_iter().zip(answers) {
                let turn = answer.map_or(Turn::Alone(None), |answer| Turn::Done(Ok(answer)));
                // Whoever has stopped waiting needs no answer.
                let _ = one.turn.send(turn);
            }
        }
        Err(error) => {
            for one in company {
                let error = Error::unavailable(error.clone());
                let _ = one.turn.send(Turn::Done(Err(error)));
            }
        }
    }
    if let Some(place) = place {
        place.assemble(expected).await;
    }
}

/// What all of a company are told.
#[derive(Clone, Debug)]
struct Shared(Arc<Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nobody knows what became of the operation")]
struct NoAnswer;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refused_the_first_is_asked_again() {
        let refused = Understanding::NotKnown.after_refusal();
        assert!(!refused.lets_go_together());
        tokio::time::advance(ASK_AGAIN_AFTER).await;
        assert!(refused.lets_go_together());
        assert!(!refused.after_refusal().lets_go_together());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_has_understood_one_goes_on() {
        assert!(Understanding::Is.after_refusal().lets_go_together());
    }
}
