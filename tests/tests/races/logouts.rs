//! Logouts everywhere that race logins: each login comes before a logout and is ended by it, or
//! after it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use store_core::{SessionId, StartPolicy, UserSession, UserSessionStore};
use store_tests::sessions::{of_alice, session, session_id};
use store_tests::{TestDatabase, on_every_database};

use crate::nodes::{Node, Nodes, dither, names, race, round};

/// When a call was made and when it was answered, in a time that all tasks share.
#[derive(Clone, Copy, Debug)]
struct Span {
    called: u64,
    answered: u64,
}

impl Span {
    /// Whether the one was over before the other was called. Two that overlap have either order.
    fn is_before(self, other: Span) -> bool {
        self.answered < other.called
    }
}

#[derive(Debug)]
enum Event {
    Login(Span, UserSession),
    Logout(Span, Vec<UserSession>),
}

/// Logins by new sessions: no logout misses one that was there when it was called, none ends one
/// that began after it, and each session that ended is handed to exactly one.
async fn from_new_sessions(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        run(&nodes, |login| format!("{login}")).await.check();
    }
    nodes.finish();
}

/// The same where a login ends the session that it replaces: what it ends counts as handed to it.
async fn from_sessions_that_replace_each_other(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        run(&nodes, |login| format!("{}", login % 4)).await.check();
    }
    nodes.finish();
}

/// When logins have stopped, a logout leaves nothing: also where they were on the other node.
async fn nothing_is_left_after_the_last(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..5 {
        let round = round();
        let logins = (0..16).map(|task| {
            let node = nodes.of_task(task);
            let session = session(nodes.clock(), &round, &format!("{task}"));
            async move {
                let ended = node
                    .start_user_session(session, &StartPolicy::default())
                    .await;
                node.answered(ended);
            }
        });
        race(logins).await;
        let node = nodes.second();
        let ended = node.end_user_sessions(&round, &of_alice()).await.unwrap();
        assert_eq!(ended.len(), 16);
        assert_eq!(nodes.rows(&round).await, []);
    }
    nodes.finish();
}

/// A logout that races a login which ends the session there was, by its session id, comes before it,
/// and ends the old one, or after it, and ends the new one.
async fn the_old_session_or_the_new_is_ended(db: TestDatabase) {
    old_or_new_is_ended(db, &StartPolicy::default(), session_id("sid")).await;
}

/// So does one that races a login which ends the session there was because of a cap.
async fn the_oldest_session_or_the_new_is_ended(db: TestDatabase) {
    let policy = StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(1),
        ..StartPolicy::default()
    };
    old_or_new_is_ended(db, &policy, session_id("another sid")).await;
}

async fn old_or_new_is_ended(db: TestDatabase, policy: &StartPolicy, new_id: SessionId) {
    let nodes = Nodes::new(db).await;
    for _ in 0..10 {
        let rounds: Vec<_> = (0..8).map(|_| round()).collect();
        let mut calls = Vec::new();
        for (task, round) in rounds.iter().enumerate() {
            let old = session(nodes.clock(), round, "old").with_session_id(session_id("sid"));
            nodes.given([&old]).await;
            for is_login in [true, false] {
                let node = nodes.of_task(task + usize::from(is_login));
                let new = session(nodes.clock(), round, "new").with_session_id(new_id.clone());
                let (round, policy) = (round.clone(), policy.clone());
                calls.push(async move {
                    dither(Duration::from_millis(2)).await;
                    let alice = of_alice();
                    let ended = match is_login {
                        true => node.start_user_session(new, &policy).await,
                        false => node.end_user_sessions(&round, &alice).await,
                    };
                    node.answered(ended)
                });
            }
        }
        let answers = race(calls).await;
        for (round, answers) in rounds.iter().zip(answers.chunks(2)) {
            let [Some(by_login), Some(by_logout)] = answers else {
                continue;
            };
            let left = nodes.rows(round).await;
            let told = [names(by_login), names(by_logout), names(&left)];
            let logout_first = [vec![], vec!["old"], vec!["new"]];
            let login_first = [vec!["old"], vec!["new"], vec![]];
            assert!(
                told == logout_first || told == login_first,
                "the login ended, the logout ended and there are left: {told:?}"
            );
        }
    }
    nodes.finish();
}

struct History {
    events: Vec<Event>,
    /// What logins ended, with the time of the login.
    replaced: Vec<(Span, UserSession)>,
    left: Vec<UserSession>,
}

/// Runs logins in some tasks and logouts in others. `sid` names the session id of a login.
async fn run(nodes: &Nodes, sid: fn(usize) -> String) -> History {
    const LOGIN_TASKS: usize = 8;
    const LOGINS_OF_A_TASK: usize = 8;
    const LOGOUT_TASKS: usize = 3;

    let round = round();
    let time = Arc::new(AtomicU64::new(0));
    let tasks = (0..LOGIN_TASKS + LOGOUT_TASKS).map(|task| {
        let (node, round, time) = (nodes.of_task(task), round.clone(), Arc::clone(&time));
        let session = session(nodes.clock(), &round, "to be named");
        async move {
            let policy = StartPolicy::default();
            let mut events = Vec::new();
            let mut replaced = Vec::new();
            if task < LOGIN_TASKS {
                for i in 0..LOGINS_OF_A_TASK {
                    let login = task * LOGINS_OF_A_TASK + i;
                    let mut session = session.clone().with_session_id(session_id(&sid(login)));
                    session.key.user_key = format!("{login}").try_into().unwrap();
                    let call = node.start_user_session(session.clone(), &policy);
                    if let Some((span, ended)) = timed(&node, &time, call).await {
                        events.push(Event::Login(span, session));
                        replaced.extend(ended.into_iter().map(|session| (span, session)));
                    }
                    dither(Duration::from_millis(4)).await;
                }
            } else {
                for _ in 0..LOGINS_OF_A_TASK {
                    dither(Duration::from_millis(8)).await;
                    let alice = of_alice();
                    let call = node.end_user_sessions(&round, &alice);
                    if let Some((span, ended)) = timed(&node, &time, call).await {
                        events.push(Event::Logout(span, ended));
                    }
                }
            }
            (events, replaced)
        }
    });
    let (events, replaced): (Vec<_>, Vec<_>) = race(tasks).await.into_iter().unzip();
    History {
        events: events.into_iter().flatten().collect(),
        replaced: replaced.into_iter().flatten().collect(),
        left: nodes.rows(&round).await,
    }
}

/// Makes a call and says when it was. None if it was unavailable.
async fn timed<T>(
    node: &Node,
    time: &AtomicU64,
    call: impl Future<Output = store_core::Result<T>>,
) -> Option<(Span, T)> {
    let called = time.fetch_add(1, SeqCst);
    let answer = call.await;
    let answered = time.fetch_add(1, SeqCst);
    node.answered(answer)
        .map(|answer| (Span { called, answered }, answer))
}

impl History {
    /// Checks that there is an order of all calls, each at some moment between call and answer, that
    /// explains every answer.
    fn check(&self) {
        let mut logins = HashMap::new();
        let mut logouts = Vec::new();
        let mut ended = Vec::new();
        for event in &self.events {
            match event {
                Event::Login(span, session) => {
                    logins.insert(session.key.user_key.as_str(), *span);
                }
                Event::Logout(span, sessions) => {
                    logouts.push(*span);
                    ended.extend(sessions.iter().map(|session| (*span, session)));
                }
            }
        }
        ended.extend(self.replaced.iter().map(|(span, session)| (*span, session)));

        let mut started: Vec<_> = logins.keys().copied().collect();
        started.sort_unstable();
        let ended_or_left = ended.iter().map(|(_, session)| *session).chain(&self.left);
        assert_eq!(
            names(ended_or_left),
            started,
            "sessions that have ended or are left"
        );

        for (by, session) in &ended {
            let login = logins[session.key.user_key.as_str()];
            assert!(
                !by.is_before(login),
                "{session:?} had ended before it began"
            );
            let missed = logouts
                .iter()
                .find(|logout| login.is_before(**logout) && logout.is_before(*by));
            assert!(
                missed.is_none(),
                "{session:?} was missed by the logout {missed:?}"
            );
        }
        for session in &self.left {
            let login = logins[session.key.user_key.as_str()];
            let missed = logouts.iter().find(|logout| login.is_before(**logout));
            assert!(
                missed.is_none(),
                "{session:?} was missed by the logout {missed:?}"
            );
        }
    }
}

on_every_database!(
    from_new_sessions,
    from_sessions_that_replace_each_other,
    nothing_is_left_after_the_last,
    the_old_session_or_the_new_is_ended,
    the_oldest_session_or_the_new_is_ended,
);
