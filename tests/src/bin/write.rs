//! `write <url> <user keys begin with> <ticket length>`: creates sessions, several at a time, and
//! deletes every other one, until it is killed. What it says of a session, a sign and its user key on
//! a line, is so from then on: `+`, it is there; `?`, it may have gone; `-`, it has.

#![deny(missing_docs)]

use std::io::{self, Write as _};

use anyhow::{Context as _, ensure};
use store_core::UserSessionStore as _;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sample::session;
use tokio::task::JoinSet;

const TASKS: usize = 16;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |what| arguments.next().context(what);
    let (url, begin_with) = (argument("which URL?")?, argument("which user keys?")?);
    let ticket = vec![b'.'; argument("how long a ticket?")?.parse()?];

    let store = SeaOrmUserSessionStore::connect(&url).await?;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, begin_with, ticket) = (store.clone(), begin_with.clone(), ticket.clone());
        tasks.spawn(async move {
            for number in 0.. {
                let user_key = format!("{begin_with}, {task}, {number}");
                let mut session = session(&user_key);
                session.ticket = ticket.clone().into();
                let key = session.key.clone();
                store.create_user_session(session).await?;
                say('+', &user_key)?;
                if number % 2 == 1 {
                    say('?', &user_key)?;
                    ensure!(store.delete_user_session(&key).await?, "{key:?} was gone");
                    say('-', &user_key)?;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// A line, written at once.
fn say(sign: char, user_key: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{sign}{user_key}")
}
