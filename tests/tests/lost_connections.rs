//! Connections that break: reads recover by themselves, writes have happened or not, and nobody
//! waits for long.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy {
    //! A server that can be cut off.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;

    /// Passes on what a client and a server say to each other, until it is told to cut them off.
    pub(super) struct Proxy {
        pub(super) port: u16,
        cut: Arc<Cut>,
    }

    #[derive(Default)]
    struct Cut {
        /// How many more pieces may pass before the cut. Negative: none is meant, or it is done.
        left: AtomicI64,
    }

    impl Cut {
        const NONE: i64 = -1;

        /// Whether the piece at hand may pass.
        fn lets_pass(&self) -> bool {
            let taken = self.left.fetch_update(SeqCst, SeqCst, |left| match left {
                Self::NONE => None,
                left => Some(left - 1),
            });
            taken != Ok(0)
        }
    }

    impl Proxy {
        /// Stands before the server at this address.
        pub(super) async fn before(host: String, port: u16) -> Self {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let own_port = listener.local_addr().unwrap().port();
            let cut = Arc::new(Cut::default());
            cut.left.store(Cut::NONE, SeqCst);
            let shared = Arc::clone(&cut);
            tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let end = Arc::new(Notify::new());
                    for (from, to) in [(from_client, to_server), (from_server, to_client)] {
                        tokio::spawn(pass_on(from, to, Arc::clone(&shared), Arc::clone(&end)));
                    }
                }
            });
            Self {
                port: own_port,
                cut,
            }
        }

        /// Lets so many more pieces pass, in either direction, and loses the next one and its
        /// connection.
        pub(super) fn cut_after(&self, pieces: i64) {
            self.cut.left.store(pieces, SeqCst);
        }

        /// Whether the cut has come; if not, it won't any more.
        pub(super) fn has_cut(&self) -> bool {
            self.cut.left.swap(Cut::NONE, SeqCst) == Cut::NONE
        }
    }

    async fn pass_on(
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        cut: Arc<Cut>,
        end: Arc<Notify>,
    ) {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = tokio::select! {
                read = from.read(&mut piece) => read.unwrap_or(0),
                () = end.notified() => 0,
            };
            if read == 0 || !cut.lets_pass() || to.write_all(&piece[..read]).await.is_err() {
                // For the other direction, which waits or will.
                end.notify_one();
                return;
            }
        }
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use proxy::Proxy;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement, TransactionTrait,
};
use store_core::{Error, Result, StartPolicy, UserSession, UserSessionStore, UserSessionUpdate};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sessions::{manual_clock, of_alice, partition, session};
use store_tests::transitions::{Attempt, Place, Transition, check_attempts, settle};
use store_tests::{DatabaseKind, TestDatabase, on_databases};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

/// More than anybody who waits for an answer would call a moment.
const FEW_SECONDS: Duration = Duration::from_secs(5);

/// The server ends every connection in the pool: whatever comes next recovers, be it alone.
async fn every_connection_is_replaced(db: TestDatabase) {
    let bench = Bench::new(db).await;
    let session = &bench.known[0];
    let crowded = bench.new_session("crowded");
    bench
        .store
        .create_user_session(crowded.clone())
        .await
        .unwrap();
    for call in 0..4 {
        bench.fill_pool(&crowded).await;
        assert!(bench.kill_all().await >= 16, "the pool was not full");

        match call {
            0 => {
                let found = in_time(bench.store.get_user_session(&session.key))
                    .await
                    .unwrap();
                assert_eq!(found.as_ref(), Some(session));
            }
            1 => {
                let place = &session.key.partition_key;
                let found = in_time(bench.store.get_user_sessions(place, &of_alice())).await;
                assert_eq!(found.unwrap(), bench.known);
            }
            2 => {
                // Nothing is lost with a transaction that has not begun.
                let policy = StartPolicy::default();
                let start = bench
                    .store
                    .start_user_session(bench.new_session("started"), &policy);
                assert_eq!(in_time(start).await.unwrap(), []);
            }
            _ => {
                let new = bench.new_session("created");
                let created = in_time(bench.store.create_user_session(new.clone())).await;
                if let Err(error) = &created {
                    assert!(error.is_transient(), "{error:?}");
                }
                let found = in_time(bench.store.get_user_session(&new.key))
                    .await
                    .unwrap();
                assert!(created.is_err() || found == Some(new));
            }
        }
    }
}

/// Reads go on while the server ends connections again and again.
async fn reads_recover(db: TestDatabase) {
    let bench = Bench::new(db).await;
    let over = Arc::new(AtomicBool::new(false));
    let readers = (0..6).map(|_| {
        let (store, known, over) = (bench.store.clone(), bench.known.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let mut reads = 0;
            while !over.load(SeqCst) {
                let session = &known[fastrand::usize(..known.len())];
                let found = in_time(store.get_user_session(&session.key)).await.unwrap();
                assert_eq!(found.as_ref(), Some(session));
                let place = &session.key.partition_key;
                let found = in_time(store.get_user_sessions(place, &of_alice()))
                    .await
                    .unwrap();
                assert_eq!(found, known);
                reads += 2;
            }
            reads
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut killed = 0;
    for _ in 0..10 {
        sleep(Duration::from_millis(100)).await;
        killed += bench.kill_all().await;
    }
    over.store(true, SeqCst);
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    assert!(
        killed >= 10 && reads >= 100,
        "{killed} were killed, {reads} reads"
    );
}

/// A write whose connection the server ends has happened, or is unavailable, and then it has
/// happened or not; but never in part.
async fn writes_happen_as_a_whole(db: TestDatabase) {
    const TASKS: usize = 6;
    const ROUNDS: usize = 60;

    let bench = Bench::new(db).await;
    let mut todo: Vec<_> = (0..TASKS).map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for (i, transition) in Transition::ALL.iter().enumerate() {
            let place = bench.place(transition, &format!("{round}")).await;
            todo[(round + i) % TASKS].push((transition, place));
        }
    }
    let tasks = todo.into_iter().map(|todo| {
        let store = bench.store.clone();
        tokio::spawn(async move {
            let mut attempts = Vec::new();
            for (transition, place) in todo {
                let answer = in_time(transition.call(&store, &place)).await;
                attempts.push(answered(transition, place, answer));
            }
            attempts
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut killed = 0;
    while !tasks.iter().all(|task| task.is_finished()) {
        killed += bench.kill_all().await;
        sleep(Duration::from_millis(4)).await;
    }
    let mut attempts = Vec::new();
    for task in tasks {
        attempts.extend(task.await.unwrap());
    }
    let unavailable = attempts.iter().filter(|attempt| !attempt.completed).count();
    println!(
        "{killed} connections killed, {unavailable} of {} unavailable",
        attempts.len()
    );
    assert!(killed >= 10, "{killed} were killed");
    bench.check(attempts).await;
}

/// Changes that went together are told the truth too, and none is made twice: a version counts those
/// that were made.
async fn a_crowd_of_changes_is_told_what_is_known(db: TestDatabase) {
    const CROWD: usize = 48;
    const ROUNDS: usize = 200;

    let bench = Bench::new(db).await;
    let tasks = (0..CROWD).map(|i| {
        let (store, session) = (bench.store.clone(), bench.new_session(&format!("{i}")));
        tokio::spawn(async move {
            while let Err(error) = in_time(store.create_user_session(session.clone())).await {
                if matches!(error, Error::AlreadyExists) {
                    break;
                }
                assert!(error.is_transient(), "{error:?}");
            }
            let (mut made, mut unknown) = (0, 0);
            for round in 0..ROUNDS {
                let answer = if round % 2 == 0 {
                    let update = UserSessionUpdate::from(session.clone());
                    in_time(store.update_user_session(&session.key, update)).await
                } else {
                    let UserSession {
                        renewed, expires, ..
                    } = session;
                    in_time(store.renew_user_session(&session.key, renewed, expires)).await
                };
                match answer {
                    Ok(there) => {
                        assert!(there, "{i} is there");
                        made += 1;
                    }
                    Err(error) => {
                        assert!(error.is_transient(), "{error:?}");
                        unknown += 1;
                    }
                }
            }
            (session.key, made, unknown)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut killed = 0;
    while !tasks.iter().all(|task| task.is_finished()) {
        killed += bench.kill_all().await;
        sleep(Duration::from_millis(10)).await;
    }
    assert!(killed >= 10, "{killed} were killed");
    let mut all_unknown = 0;
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    settle(&bench.admin, Duration::from_millis(300)).await;
    for (key, made, unknown) in answers {
        let found = in_time(bench.store.get_user_session(&key)).await.unwrap();
        let version = found.unwrap().version;
        assert!(
            (made..=made + unknown).contains(&version),
            "{key:?}: {made} changes made, {unknown} perhaps, version {version}"
        );
        all_unknown += unknown;
    }
    println!(
        "{killed} connections killed, {all_unknown} of {} changes unknown",
        CROWD * ROUNDS
    );
}

/// The connection is cut after each piece of what client and server say to each other.
async fn a_cut_anywhere_leaves_nothing_between(db: TestDatabase) {
    let url: url::Url = db.url().parse().unwrap();
    let (host, default) = (url.host_str().unwrap().to_owned(), default_port(db.kind()));
    let proxy = Proxy::before(host, url.port().unwrap_or(default)).await;
    let mut through_proxy = url;
    through_proxy.set_host(Some("127.0.0.1")).unwrap();
    through_proxy.set_port(Some(proxy.port)).unwrap();

    let bench = Bench::new(db).await;
    let builder = SeaOrmUserSessionStore::builder().clock(manual_clock());
    let store = builder
        .max_connections(1)
        .connect(through_proxy.as_str())
        .await
        .unwrap();
    let mut attempts = Vec::new();
    let mut cuts = 0;
    for transition in Transition::ALL {
        for pieces in 0.. {
            let place = bench
                .place(transition, &format!("cut after {pieces}"))
                .await;
            // So that there is a connection to cut.
            in_time(store.get_user_session(&bench.known[0].key))
                .await
                .unwrap();
            proxy.cut_after(pieces);
            let answer = in_time(transition.call(&store, &place)).await;
            let has_cut = proxy.has_cut();
            if transition.reads {
                assert!(
                    answer.is_ok(),
                    "{place:?}: reads are tried again: {answer:?}"
                );
            }
            attempts.push(answered(transition, place, answer));
            let found = in_time(store.get_user_session(&bench.known[1].key))
                .await
                .unwrap();
            assert_eq!(found.as_ref(), Some(&bench.known[1]));
            if !has_cut {
                break;
            }
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts >= 2 * Transition::ALL.len(), "only {cuts} cuts");
    bench.check(attempts).await;
}

/// The server, or somebody on the way to it, ends connections that nobody has used for a while.
async fn an_idle_connection_is_replaced(db: TestDatabase) {
    let kind = db.kind();
    let bench = Bench::new(db).await;
    let mut one = ConnectOptions::new(bench.db.url());
    one.max_connections(1)
        .test_before_acquire_if_idle_for(Duration::from_secs(30));
    let builder = SeaOrmUserSessionStore::builder().clock(manual_clock());
    let store = builder.build(Database::connect(one).await.unwrap());
    let patience = match kind {
        DatabaseKind::Postgres => "SET idle_session_timeout = '500ms'",
        _ => "SET SESSION wait_timeout = 1",
    };
    let place = Place::new("idle");
    for transition in Transition::ALL {
        if !["get", "delete by filter"].contains(&transition.name) {
            continue;
        }
        for session in transition.before(&place) {
            bench.store.create_user_session(session).await.unwrap();
        }
        store
            .connection()
            .execute_unprepared(patience)
            .await
            .unwrap();
        sleep(Duration::from_millis(2500)).await;
        in_time(transition.call(&store, &place)).await.unwrap();
        bench
            .store
            .delete_user_sessions(&place.partition, &of_alice())
            .await
            .unwrap();
    }
    let new = session(&*manual_clock(), &place.partition, "new");
    store
        .connection()
        .execute_unprepared(patience)
        .await
        .unwrap();
    sleep(Duration::from_millis(2500)).await;
    if let Err(error) = in_time(store.create_user_session(new)).await {
        assert!(error.is_transient(), "{error:?}");
    }
}

/// A server that refuses the user is an error that says so, at once.
async fn a_refused_user_is_told(db: TestDatabase) {
    let mut url: url::Url = db.url().parse().unwrap();
    url.set_username("nobody_of_this_name").unwrap();
    url.set_password(Some(SECRET)).unwrap();
    let began = Instant::now();
    let error = SeaOrmUserSessionStore::connect(url.as_str())
        .await
        .unwrap_err();
    assert!(
        began.elapsed() < FEW_SECONDS,
        "it took {:?}",
        began.elapsed()
    );
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    assert!(
        chain(&error).contains("nobody_of_this_name"),
        "{}",
        chain(&error)
    );
    assert_tells_no_secret(&error);
}

/// Where nobody listens, and where nobody answers, it is unavailable, after as long as a connection
/// is waited for.
async fn an_unreachable_server_is_unavailable(db: TestDatabase) {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let ports = [&silent, &closed].map(|listener| listener.local_addr().unwrap().port());
    drop(closed);
    let attempts = ports.map(|port| {
        let mut url: url::Url = db.url().parse().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.set_password(Some(SECRET)).unwrap();
        tokio::spawn(async move {
            let store = SeaOrmUserSessionStore::connect(url.as_str());
            timeout(Duration::from_secs(15), store).await
        })
    });
    for attempt in attempts {
        let answer = attempt.await.unwrap().expect("it does not wait for ever");
        let error = answer.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_tells_no_secret(&error);
    }
}

/// A URL that is none is a matter of configuration.
async fn a_malformed_url_is_told(db: TestDatabase) {
    let scheme = db.url().split(':').next().unwrap().to_owned();
    for url in [
        format!("{scheme}://user:{SECRET}@host:no_port/db"),
        format!("{scheme}://user:{SECRET}@[::1/db"),
        format!("{scheme}//user:{SECRET}@host/db"),
        format!("no{scheme}://user:{SECRET}@host/db"),
        SECRET.to_owned(),
        String::new(),
    ] {
        let error = SeaOrmUserSessionStore::connect(&url).await.unwrap_err();
        assert!(
            matches!(error, Error::Configuration { .. }),
            "{url}: {error:?}"
        );
        assert_tells_no_secret(&error);
    }
}

const SECRET: &str = "hunter2";

fn assert_tells_no_secret(error: &Error) {
    let told = format!("{} {error:?} {error:#?}", chain(error));
    assert!(!told.contains(SECRET), "{told}");
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let told: Vec<_> = causes.map(|error| format!("{error} {error:?}")).collect();
    told.join(": ")
}

async fn in_time<T>(call: impl Future<Output = T>) -> T {
    timeout(FEW_SECONDS, call)
        .await
        .expect("nobody waits for long")
}

fn default_port(kind: DatabaseKind) -> u16 {
    match kind {
        DatabaseKind::Postgres => 5432,
        _ => 3306,
    }
}

/// An attempt that was answered, with success or with `Unavailable`.
fn answered(transition: &'static Transition, place: Place, answer: Result<()>) -> Attempt {
    if let Err(error) = &answer {
        assert!(error.is_transient(), "{place:?}: {error:?}");
    }
    Attempt {
        transition,
        place,
        completed: answer.is_ok(),
    }
}

/// A store whose connections are going to break, sessions that stay what they are, and somebody who
/// breaks the connections and looks at the database.
struct Bench {
    store: SeaOrmUserSessionStore,
    known: Vec<UserSession>,
    admin: DatabaseConnection,
    // Dropped last: the others are connected to it.
    db: TestDatabase,
}

impl Bench {
    async fn new(db: TestDatabase) -> Self {
        let clock = manual_clock();
        let builder = SeaOrmUserSessionStore::builder().clock(clock.clone());
        let store = builder.connect(db.url()).await.unwrap();
        store_migration::up(store.connection()).await.unwrap();
        let place = partition("known");
        let known = (0..10).map(|i| session(&*clock, &place, &format!("known {i}")));
        let known: Vec<_> = known.collect();
        for session in &known {
            store.create_user_session(session.clone()).await.unwrap();
        }
        let admin = db.connect().await;
        Self {
            store,
            known,
            admin,
            db,
        }
    }

    fn new_session(&self, name: &str) -> UserSession {
        session(&*manual_clock(), &partition("new"), name)
    }

    /// Sets the stage for an operation.
    async fn place(&self, transition: &Transition, name: &str) -> Place {
        let place = Place::new(&format!("{}: {name}", transition.name));
        for session in transition.before(&place) {
            self.store.create_user_session(session).await.unwrap();
        }
        place
    }

    /// Has sixteen operations wait for the lock of a row, each on a connection of its own.
    async fn fill_pool(&self, session: &UserSession) {
        let holder = self.db.connect().await;
        let holder = holder.begin().await.unwrap();
        holder
            .execute_unprepared("UPDATE user_sessions SET version = version + 1")
            .await
            .unwrap();
        let crowd: Vec<_> = (0..16)
            .map(|_| {
                let (store, session) = (self.store.clone(), session.clone());
                tokio::spawn(async move {
                    let renewed = session.renewed;
                    store.renew_user_session(&session.key, renewed, None).await
                })
            })
            .collect();
        while self.others().await.len() < 17 {
            sleep(Duration::from_millis(20)).await;
        }
        holder.rollback().await.unwrap();
        for one in crowd {
            assert!(one.await.unwrap().unwrap());
        }
    }

    /// Statements that end the other connections to the database, one each.
    async fn others(&self) -> Vec<String> {
        let list = match self.db.kind() {
            DatabaseKind::Postgres => {
                "SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()"
            }
            _ => {
                "SELECT CONCAT('KILL ', id) FROM information_schema.processlist \
                 WHERE db = database() AND id <> connection_id()"
            }
        };
        let list = Statement::from_string(self.admin.get_database_backend(), list);
        let others = self.admin.query_all_raw(list).await.unwrap();
        let others = others.iter().map(|row| row.try_get_by_index(0).unwrap());
        others.collect()
    }

    /// Makes the server end every connection to the database but this one. How many there were.
    async fn kill_all(&self) -> usize {
        let others = self.others().await;
        for kill in &others {
            // It may have gone meanwhile, which is as good.
            let _ = self.admin.execute_unprepared(kill).await;
        }
        others.len()
    }

    /// A server takes a moment to see that a connection broke.
    async fn check(&self, attempts: Vec<Attempt>) {
        settle(&self.admin, Duration::from_millis(300)).await;
        check_attempts(&self.admin, attempts).await;
    }
}

on_databases!([postgres, mysql, mariadb]:
    every_connection_is_replaced,
    reads_recover,
    writes_happen_as_a_whole,
    a_crowd_of_changes_is_told_what_is_known,
    a_cut_anywhere_leaves_nothing_between,
    an_idle_connection_is_replaced,
    a_refused_user_is_told,
    an_unreachable_server_is_unavailable,
    a_malformed_url_is_told,
);

mod of_its_own {
    use super::*;

    /// An idle connection of the store's own is replaced too.
    async fn an_idle_connection_is_replaced(db: TestDatabase) {
        let bench = Bench::new(db).await;
        let known = &bench.known[0];
        let mut url: url::Url = bench.db.url().parse().unwrap();
        url.query_pairs_mut()
            .append_pair("options", "-c idle_session_timeout=500ms");
        let builder = SeaOrmUserSessionStore::builder().clock(manual_clock());
        let store = builder.max_connections(1).connect(url.as_str()).await;
        let store = store.unwrap();
        for _ in 0..2 {
            sleep(Duration::from_millis(1500)).await;
            let found = in_time(store.get_user_session(&known.key)).await.unwrap();
            assert_eq!(found.as_ref(), Some(known));
        }
        sleep(Duration::from_millis(1500)).await;
        let (policy, new) = (StartPolicy::default(), bench.new_session("started"));
        let started = store.start_user_session(new, &policy);
        assert_eq!(in_time(started).await.unwrap(), []);
    }

    on_databases!([postgres]: an_idle_connection_is_replaced);
}
