//! A day in the life of a session store: `cargo run -p quickstart [URL]`.
//!
//! The URL is of an SQLite file, `quickstart.db` here, unless another is given:
//! `postgres://…`, `mysql://…` (MariaDB too) or `sqlite://…`. The sessions are in a table of their
//! own, `quickstart_sessions`, so that nobody else's are touched; at the end they are gone, and the
//! table stays.

mod cookie;
mod say;

use std::num::NonZeroU32;

use anyhow::Context as _;
use chrono::TimeDelta;
use store_core::{
    Clock, PageRequest, PartitionKey, SessionId, StartPolicy, SubjectId, SystemClock, UserSession,
    UserSessionDirectory, UserSessionKey, UserSessionStore, UserSessionStoreCleanup,
    UserSessionsFilter,
};
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;

use crate::cookie::Cookie;
use crate::say::{row, step};

const TABLE: &str = "quickstart_sessions";
const URL: &str = "sqlite://quickstart.db?mode=rwc";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let given = std::env::args().nth(1);
    let url = given.as_deref().unwrap_or(URL);

    step(
        "Connect, and run the migrations",
        "safe in every process at once",
    );
    let store = SeaOrmUserSessionStore::builder()
        .table(TABLE)
        .connect(url)
        .await?;
    Migrator::new().table(TABLE).up(store.connection()).await?;
    let scheme = url.split(':').next().unwrap_or_default();
    row(
        "database",
        if given.is_some() {
            scheme
        } else {
            "the file quickstart.db"
        },
    );

    let front_end = PartitionKey::try_from("quickstart")?;
    let alice = SubjectId::try_from("alice")?;
    let bob = SubjectId::try_from("bob")?;
    // What an earlier run may have left when it was interrupted.
    for subject in [&alice, &bob] {
        let all = UserSessionsFilter::for_subject(subject.clone());
        store.delete_user_sessions(&front_end, &all).await?;
    }

    step(
        "Alice signs in on her laptop and her phone, Bob on his",
        "start_user_session",
    );
    let laptop = sign_in(&store, &front_end, &alice, "laptop").await?;
    let phone = sign_in(&store, &front_end, &alice, "phone").await?;
    let bobs = sign_in(&store, &front_end, &bob, "desktop").await?;
    row("in the laptop's cookie", &laptop.secret());
    row("in the database", laptop.user_key()?.as_str());
    println!("  The second is the first's SHA-256: a stolen table opens no session.");

    step(
        "Each request finds its session by the cookie",
        "get_user_session",
    );
    let key = key_of(&front_end, &laptop)?;
    let session = store
        .get_user_session(&key)
        .await?
        .context("Alice has just signed in")?;
    show(&session);

    step(
        "The session is used, so it lives longer",
        "renew_user_session",
    );
    let now = SystemClock.now();
    store
        .renew_user_session(&key, now, Some(now + TimeDelta::hours(12)))
        .await?;
    let session = store
        .get_user_session(&key)
        .await?
        .context("it has just been renewed")?;
    show(&session);

    step(
        "An administrator lists who is signed in",
        "list_user_sessions",
    );
    let page = store
        .list_user_sessions(&front_end, &PageRequest::default())
        .await?;
    for listed in &page.sessions {
        let who = listed
            .subject_id
            .as_ref()
            .map_or("nobody", |subject| subject.as_str());
        let since = listed.created.format("%H:%M:%S").to_string();
        row(
            who,
            &format!("since {since} UTC, changed {} times", listed.version),
        );
    }
    row(
        "in all",
        &store
            .count_user_sessions(&front_end, None)
            .await?
            .to_string(),
    );

    step(
        "The identity provider ends one session by its sid",
        "end_user_sessions",
    );
    let by_sid = UserSessionsFilter::for_session(sid(&phone)?);
    show_ended(&store.end_user_sessions(&front_end, &by_sid).await?);

    step(
        "Alice signs out everywhere",
        "end_user_sessions, by subject",
    );
    let by_subject = UserSessionsFilter::for_subject(alice);
    show_ended(&store.end_user_sessions(&front_end, &by_subject).await?);
    let gone = store.get_user_session(&key).await?;
    row(
        "her laptop's cookie finds",
        if gone.is_none() {
            "nothing"
        } else {
            "a session!"
        },
    );

    step(
        "A renewal that comes late does not bring it back",
        "renew_user_session",
    );
    let answer = store.renew_user_session(&key, now, None).await?;
    row("answer", &answer.to_string());

    step(
        "A session from yesterday has expired; the cleanup removes it",
        "delete_expired_sessions",
    );
    let yesterday = now - TimeDelta::days(1);
    let old = UserSession::new(key, bob, yesterday, "old".into())
        .with_expires(yesterday + TimeDelta::hours(8));
    store.create_user_session(old).await?;
    row(
        "removed",
        &store.delete_expired_sessions().await?.to_string(),
    );

    step("Bob signs out", "delete_user_session");
    let answer = store
        .delete_user_session(&key_of(&front_end, &bobs)?)
        .await?;
    row("there was a session", &answer.to_string());
    row(
        "left",
        &store
            .count_user_sessions(&front_end, None)
            .await?
            .to_string(),
    );
    Ok(())
}

/// What a host does when a login is complete: the browser gets the cookie, the database its digest.
async fn sign_in(
    store: &SeaOrmUserSessionStore,
    front_end: &PartitionKey,
    subject: &SubjectId,
    device: &str,
) -> anyhow::Result<Cookie> {
    let cookie = Cookie::new()?;
    let now = SystemClock.now();
    let ticket = format!("the tokens and claims of {subject}'s {device}");
    let session = UserSession::new(
        key_of(front_end, &cookie)?,
        subject.clone(),
        now,
        ticket.as_str().into(),
    )
    .with_session_id(sid(&cookie)?)
    .with_expires(now + TimeDelta::hours(10));

    let policy = StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(5),
        ..StartPolicy::default()
    };
    store.start_user_session(session, &policy).await?;
    row(subject.as_str(), device);
    Ok(cookie)
}

fn key_of(front_end: &PartitionKey, cookie: &Cookie) -> anyhow::Result<UserSessionKey> {
    Ok(UserSessionKey::new(front_end.clone(), cookie.user_key()?))
}

/// The provider would name it in the ID token; here it is made up from the key.
fn sid(cookie: &Cookie) -> anyhow::Result<SessionId> {
    Ok(SessionId::try_from(format!(
        "sid-{}",
        &cookie.user_key()?.as_str()[..8]
    ))?)
}

fn show(session: &UserSession) {
    let expires = session
        .expires
        .map(|at| at.format("%F %H:%M:%S UTC").to_string());
    row(
        "ticket",
        &String::from_utf8_lossy(session.ticket.as_bytes()),
    );
    row("expires", expires.as_deref().unwrap_or("never"));
    row("version", &session.version.to_string());
}

fn show_ended(sessions: &[UserSession]) {
    for session in sessions {
        row("ended", &String::from_utf8_lossy(session.ticket.as_bytes()));
    }
}
