//! Many operations at once: some go to the database together, and each is answered by itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use store_core::{
    Clock as _, Error, ManualClock, Result, UserSession, UserSessionKey, UserSessionStore,
    UserSessionUpdate,
};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sessions::{
    LIFETIME, manual_clock, partition, rows, session, session_id, subject, user_key,
};
use store_tests::{DatabaseKind, TestDatabase, on_databases, on_every_database};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// More than go to a server at once, and more than one statement does.
const CROWD: usize = 100;

async fn a_crowd_keeps_what_each_gave(db: TestDatabase) {
    let (store, clock) = store(&db).await;
    let mut sessions: Vec<_> = (0..CROWD).map(|i| various(&clock, i, 0)).collect();
    for created in crowd(&store, &sessions, create).await {
        created.unwrap();
    }
    check(&store, &sessions).await;

    for round in 1..=3 {
        for (i, session) in sessions.iter_mut().enumerate() {
            let changed = various(&clock, i, round);
            let update = UserSessionUpdate::from(changed);
            *session = update.into_session(session.key.clone(), session.version + 1);
        }
        for updated in crowd(&store, &sessions, update).await {
            assert!(updated.unwrap());
        }
        check(&store, &sessions).await;

        clock.advance(Duration::from_micros(1));
        for (i, session) in sessions.iter_mut().enumerate() {
            session.renewed = clock.now();
            session.expires = (i % 3 != round).then(|| clock.now() + LIFETIME);
            session.version += 1;
        }
        for renewed in crowd(&store, &sessions, renew).await {
            assert!(renewed.unwrap());
        }
        check(&store, &sessions).await;
    }
}

/// In one crowd there are those for whom everything is right, and those for whom something is wrong.
async fn everybody_in_a_crowd_is_told_the_truth(db: TestDatabase) {
    let (store, clock) = store(&db).await;
    let sessions: Vec<_> = (0..CROWD).map(|i| various(&clock, i, 0)).collect();
    let exists = |i: usize| !i.is_multiple_of(5);
    let given = sessions.iter().enumerate().filter(|(i, _)| exists(*i));
    let given: Vec<_> = given.map(|(_, session)| session.clone()).collect();
    for created in crowd(&store, &given, create).await {
        created.unwrap();
    }

    let found = crowd(&store, &sessions, get).await;
    for (i, found) in found.into_iter().enumerate() {
        assert_eq!(
            found.unwrap(),
            exists(i).then(|| sessions[i].clone()),
            "{i}"
        );
    }

    let mut expected = given.clone();
    let updated = crowd(&store, &sessions, update_at_expected_version).await;
    for (i, updated) in updated.into_iter().enumerate() {
        let is_right = expected_version(&sessions[i]) == 0;
        match updated {
            Ok(true) => assert!(exists(i) && is_right, "{i} was changed"),
            Ok(false) => assert!(!exists(i), "{i} was there"),
            Err(Error::VersionMismatch) => assert!(exists(i) && !is_right, "{i} was refused"),
            Err(error) => panic!("{i}: {error:?}"),
        }
    }
    for session in &mut expected {
        if expected_version(session) == 0 {
            session.version = 1;
        }
    }
    check(&store, &expected).await;

    let created = crowd(&store, &sessions, create).await;
    for (i, created) in created.into_iter().enumerate() {
        match created {
            Ok(()) => assert!(!exists(i), "{i} was there"),
            Err(Error::AlreadyExists) => assert!(exists(i), "{i} was not there"),
            Err(error) => panic!("{i}: {error:?}"),
        }
    }

    // Nothing that has expired is found, changed or renewed.
    clock.advance(LIFETIME * 2);
    let lives = |session: &UserSession| session.expires.is_none();
    let now: Vec<_> = crowd(&store, &sessions, get).await;
    for (session, found) in sessions.iter().zip(now) {
        assert_eq!(found.unwrap().is_some(), lives(session));
    }
    for (session, renewed) in sessions.iter().zip(crowd(&store, &sessions, renew).await) {
        assert_eq!(renewed.unwrap(), lives(session));
    }
    for (session, updated) in sessions.iter().zip(crowd(&store, &sessions, update).await) {
        assert_eq!(updated.unwrap(), lives(session));
    }
}

/// Of those who want the same key, or the same session id, one gets it; of those who change the same
/// session, everybody does.
async fn a_crowd_at_one_session_takes_turns(db: TestDatabase) {
    let (store, clock) = store(&db).await;
    let one = various(&clock, 1, 0);
    let same_key = vec![one.clone(); CROWD];
    let created = crowd(&store, &same_key, create).await;
    assert_eq!(one_succeeds(created), CROWD - 1);

    let same_session_id = (2..CROWD + 2).map(|i| {
        let session = various(&clock, i, 0);
        session.with_session_id(session_id("shared"))
    });
    let same_session_id: Vec<_> = same_session_id
        .map(|mut session| {
            session.key.partition_key = partition("one");
            session
        })
        .collect();
    let created = crowd(&store, &same_session_id, create).await;
    assert_eq!(one_succeeds(created), CROWD - 1);

    for updated in crowd(&store, &same_key, update).await {
        assert!(updated.unwrap());
    }
    let found = store.get_user_session(&one.key).await.unwrap().unwrap();
    assert_eq!(found.version, CROWD as u64);

    let at_its_version = vec![found; CROWD];
    let changed = crowd(&store, &at_its_version, update_at_its_version).await;
    let changed: Vec<_> = changed
        .into_iter()
        .filter(|answer| answer.is_ok())
        .collect();
    assert_eq!(changed.len(), 1, "one change of a version");
}

/// A row that somebody holds keeps nobody waiting who wants another.
async fn a_held_row_keeps_nobody_else_waiting(db: TestDatabase) {
    let (store, clock) = store(&db).await;
    let sessions: Vec<_> = (0..CROWD).map(|i| various(&clock, i, 0)).collect();
    for created in crowd(&store, &sessions, create).await {
        created.unwrap();
    }
    let held = &sessions[CROWD / 2];
    let holder = db.connect().await;
    let holder = holder.begin().await.unwrap();
    // By the whole key: MySQL would lock all that it reads.
    let hold = format!(
        "UPDATE user_sessions SET version = version \
         WHERE partition_key = '{}' AND user_key = '{}'",
        held.key.partition_key.as_str(),
        held.key.user_key.as_str()
    );
    holder.execute_unprepared(&hold).await.unwrap();

    // Alone at first, then in the midst of the others.
    let mut waiting = spawn(&store, std::slice::from_ref(held), update);
    let others: Vec<_> = sessions
        .iter()
        .filter(|session| *session != held)
        .cloned()
        .collect();
    let rounds = async {
        for _ in 0..3 {
            for change in [update, renew] {
                let (first, last) = others.split_at(CROWD / 4);
                let mut changes = spawn(&store, first, change);
                waiting.extend(spawn(&store, std::slice::from_ref(held), change));
                changes.extend(spawn(&store, last, change));
                for changed in answers(changes).await {
                    assert!(changed.unwrap());
                }
            }
        }
    };
    timeout(Duration::from_secs(5), rounds)
        .await
        .expect("nobody else waits");
    let changes = waiting.len() as u64;
    assert!(
        waiting.iter().all(|change| !change.is_finished()),
        "the row was held"
    );
    holder.rollback().await.unwrap();
    for changed in answers(waiting).await {
        assert!(changed.unwrap());
    }
    let found = store.get_user_session(&held.key).await.unwrap().unwrap();
    assert_eq!(found.version, changes, "each changed it once");
}

/// Otherwise the tests above would show nothing of what goes together.
async fn a_crowd_needs_few_statements(db: TestDatabase) {
    const ROUNDS: usize = 20;

    let (store, clock) = store(&db).await;
    // All in one partition: on MySQL and MariaDB only those go together.
    let sessions: Vec<_> = (0..CROWD).map(|i| various(&clock, 2 * i, 0)).collect();
    let connection = store.connection();
    let of_a_statement = if db.kind() == DatabaseKind::Postgres {
        "xmin::text"
    } else {
        // The same for all that one statement does.
        let now = "CURRENT_TIMESTAMP(6)";
        let column = format!("touched DATETIME(6) NOT NULL DEFAULT {now} ON UPDATE {now}");
        let add = format!("ALTER TABLE user_sessions ADD COLUMN {column}");
        connection.execute_unprepared(&add).await.unwrap();
        "touched"
    };
    let count = format!("SELECT COUNT(DISTINCT {of_a_statement}) FROM user_sessions");
    let count = Statement::from_string(connection.get_database_backend(), count);
    let statements = async || -> i64 {
        let row = connection.query_one_raw(count.clone()).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    };
    // A fifth of the tickets goes alone.
    let few = CROWD as i64 / 2;

    let mut fewest = CROWD as i64;
    for _ in 0..ROUNDS {
        let delete = "DELETE FROM user_sessions";
        connection.execute_unprepared(delete).await.unwrap();
        for created in crowd(&store, &sessions, create).await {
            created.unwrap();
        }
        fewest = fewest.min(statements().await);
    }
    assert!(fewest <= few, "{fewest} statements for creations");

    for change in [update, renew] {
        let mut fewest = CROWD as i64;
        for _ in 0..ROUNDS {
            crowd(&store, &sessions, change).await;
            fewest = fewest.min(statements().await);
        }
        assert!(fewest <= few, "{fewest} statements for changes");
    }
}

/// While somebody has the table to himself, or waits for that, nobody waits for longer than was said.
async fn a_locked_table_is_not_waited_for_without_end(db: TestDatabase) {
    let (store, clock) = store(&db).await;
    let sessions: Vec<_> = (0..CROWD).map(|i| various(&clock, i, 0)).collect();
    let (there, not_there) = sessions.split_at(CROWD / 2);
    for created in crowd(&store, there, create).await {
        created.unwrap();
    }

    let holder = db.connect().await;
    let holding = holder.begin().await.unwrap();
    let mut altering = None;
    if db.kind() == DatabaseKind::Postgres {
        let lock = "LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE";
        holding.execute_unprepared(lock).await.unwrap();
    } else {
        let read = "SELECT COUNT(*) FROM user_sessions";
        let read = Statement::from_string(holder.get_database_backend(), read);
        holding.query_one_raw(read).await.unwrap();
        let other = db.connect().await;
        altering = Some(tokio::spawn(async move {
            let alter = "ALTER TABLE user_sessions ADD COLUMN more INT";
            other.execute_unprepared(alter).await
        }));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    let began = Instant::now();
    let all = async {
        let reads = async {
            all_unavailable(crowd(&store, there, get).await);
            began.elapsed()
        };
        let changes = async { all_unavailable(crowd(&store, there, update).await) };
        let creations = async { all_unavailable(crowd(&store, not_there, create).await) };
        tokio::join!(reads, changes, creations).0
    };
    // Ten seconds for a connection, ten for the table; what writes may go alone after that.
    let reads = timeout(Duration::from_secs(60), all).await.unwrap();
    assert!(reads < Duration::from_secs(28), "{reads:?}");

    holding.rollback().await.unwrap();
    if let Some(altering) = altering {
        altering.await.unwrap().unwrap();
    }
    for changed in crowd(&store, there, update).await {
        assert!(changed.unwrap());
    }
    for created in crowd(&store, not_there, create).await {
        created.unwrap();
    }
}

fn all_unavailable<T: std::fmt::Debug>(answers: Vec<Result<T>>) {
    for answer in answers {
        assert!(
            matches!(answer, Err(Error::Unavailable { .. })),
            "{answer:?}"
        );
    }
}

async fn store(db: &TestDatabase) -> (SeaOrmUserSessionStore, Arc<ManualClock>) {
    let clock = manual_clock();
    let builder = SeaOrmUserSessionStore::builder().clock(clock.clone());
    let store = match db.url().contains(":memory:") {
        true => builder.build(db.connect().await),
        false => builder.connect(db.url()).await.unwrap(),
    };
    store_migration::up(store.connection()).await.unwrap();
    (store, clock)
}

/// A session that has little in common with its neighbours, or with itself in another round.
fn various(clock: &ManualClock, i: usize, round: usize) -> UserSession {
    let place = partition(["one", "two"][i % 2]);
    let mut session = session(clock, &place, &format!("{i}, é and ü"));
    // Keys that only their bytes tell apart.
    let name = ["key", "KÉY", "Key", "kéy"][i % 4];
    session.key.user_key = user_key(&format!("{name} {}", i / 4));
    session.subject_id = (i % 4 != round).then(|| subject(&format!("subject {}", i + round)));
    session.session_id = (i % 7 != round).then(|| session_id(&format!("session {i} {round}")));
    session.created += Duration::from_micros(i as u64);
    session.renewed += Duration::from_micros((i * round) as u64);
    session.expires = (!i.is_multiple_of(3)).then(|| clock.now() + LIFETIME);
    // Every byte, no byte, and more than goes together.
    let len = [0, 1, 300, 2000, 40_000][(i + round) % 5];
    let ticket: Vec<u8> = (0..len).map(|at| (at * 7 + i + round) as u8).collect();
    session.ticket = ticket.into();
    session
}

type Call<T> = fn(SeaOrmUserSessionStore, UserSession) -> Answer<T>;
type Answer<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send>>;

fn get(store: SeaOrmUserSessionStore, session: UserSession) -> Answer<Option<UserSession>> {
    Box::pin(async move { store.get_user_session(&session.key).await })
}

fn create(store: SeaOrmUserSessionStore, session: UserSession) -> Answer<()> {
    Box::pin(async move { store.create_user_session(session).await })
}

fn update(store: SeaOrmUserSessionStore, session: UserSession) -> Answer<bool> {
    Box::pin(async move {
        let update = UserSessionUpdate::from(session.clone());
        store.update_user_session(&session.key, update).await
    })
}

fn update_at_its_version(store: SeaOrmUserSessionStore, session: UserSession) -> Answer<bool> {
    let version = session.version;
    Box::pin(async move { update_if(&store, session, version).await })
}

fn update_at_expected_version(store: SeaOrmUserSessionStore, session: UserSession) -> Answer<bool> {
    let version = expected_version(&session);
    Box::pin(async move { update_if(&store, session, version).await })
}

/// 0, which is right for a new session, or 1.
fn expected_version(session: &UserSession) -> u64 {
    u64::from(session.key.user_key.as_str().ends_with(['1', '3', '5']))
}

async fn update_if(
    store: &SeaOrmUserSessionStore,
    session: UserSession,
    version: u64,
) -> Result<bool> {
    let mut update = UserSessionUpdate::from(session.clone());
    update.if_version = Some(version);
    store.update_user_session(&session.key, update).await
}

fn renew(store: SeaOrmUserSessionStore, session: UserSession) -> Answer<bool> {
    Box::pin(async move {
        let UserSession {
            renewed, expires, ..
        } = session;
        store
            .renew_user_session(&session.key, renewed, expires)
            .await
    })
}

/// All at once, each in a task of its own.
async fn crowd<T: Send + 'static>(
    store: &SeaOrmUserSessionStore,
    sessions: &[UserSession],
    call: Call<T>,
) -> Vec<Result<T>> {
    answers(spawn(store, sessions, call)).await
}

fn spawn<T: Send + 'static>(
    store: &SeaOrmUserSessionStore,
    sessions: &[UserSession],
    call: Call<T>,
) -> Vec<JoinHandle<Result<T>>> {
    let calls = sessions.iter().map(|session| {
        let (store, session) = (store.clone(), session.clone());
        tokio::spawn(async move { call(store, session).await })
    });
    calls.collect()
}

async fn answers<T>(calls: Vec<JoinHandle<Result<T>>>) -> Vec<Result<T>> {
    let answers = join_all(calls).await;
    answers.into_iter().map(|answer| answer.unwrap()).collect()
}

/// How many were told that another came first, where nobody was told anything else.
fn one_succeeds(created: Vec<Result<()>>) -> usize {
    let refused = created.iter().filter(|answer| answer.is_err()).count();
    for error in created.into_iter().filter_map(Result::err) {
        assert!(matches!(error, Error::AlreadyExists), "{error:?}");
    }
    refused
}

/// That these are what the database has, and what a crowd finds.
async fn check(store: &SeaOrmUserSessionStore, sessions: &[UserSession]) {
    let mut expected = sessions.to_vec();
    expected.sort_by(|one, other| one.key.cmp(&other.key));
    let found = rows(store.connection()).await;
    let keys = |sessions: &[UserSession]| -> Vec<UserSessionKey> {
        sessions.iter().map(|session| session.key.clone()).collect()
    };
    assert_eq!(keys(&found), keys(&expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            found == expected,
            "{:?}: {found:?} instead of {expected:?}",
            found.key
        );
    }
    for (session, found) in sessions.iter().zip(crowd(store, sessions, get).await) {
        assert!(
            found.unwrap().as_ref() == Some(session),
            "{:?}",
            session.key
        );
    }
}

on_every_database!(
    a_crowd_keeps_what_each_gave,
    everybody_in_a_crowd_is_told_the_truth,
    a_crowd_at_one_session_takes_turns,
);

mod servers {
    use super::*;

    on_databases!([postgres, mysql, mariadb]: a_held_row_keeps_nobody_else_waiting);
}

mod transactions {
    use super::*;

    on_databases!([postgres, mysql, mariadb]:
        a_crowd_needs_few_statements,
        a_locked_table_is_not_waited_for_without_end,
    );
}
