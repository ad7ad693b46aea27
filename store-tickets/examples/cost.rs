//! What the layer itself costs for each session that is stored and retrieved, over a store that
//! costs almost nothing: `cargo run --release -p store-tickets --example cost`.
//!
//! The parts are measured in turn within each round, so that their ratios hold on a machine whose
//! speed wanders; the median over the rounds is shown.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use store_core::{
    Clock, InMemoryUserSessionStore, StartPolicy, SystemClock, UserSession, UserSessionStore,
};
use store_tickets::{
    AuthenticationTicket, CookieSecret, KeyRing, ServerSideTicketStore, SessionObservers,
    TicketKey, Token,
};

const ROUNDS: usize = 31;
const OPERATIONS: usize = 400;

#[derive(Clone, Serialize, Deserialize)]
struct Customer {
    number: u64,
    roles: Vec<String>,
}

/// About 2 KB of payload, of the kind that a BFF keeps.
fn ticket(number: usize) -> AuthenticationTicket<Customer> {
    let data = Customer {
        number: 4711,
        roles: vec!["customer".into(), "beta".into()],
    };
    let subject = format!("subject-{number}").parse().expect("a subject");
    let mut ticket = AuthenticationTicket::new(subject, data)
        .with_session_id(format!("sid-{number}").parse().expect("a session id"));
    for claim in 0..10 {
        let value = format!("what the provider says of it, number {claim}");
        ticket.claims.insert(format!("claim-{claim}"), value.into());
    }
    let token =
        |len: usize| Some(Token::new("eyJ0".repeat(len / 4)).with_expires(SystemClock.now()));
    ticket.tokens.access = token(600);
    ticket.tokens.id = token(500);
    ticket.tokens.refresh = token(80);
    ticket.bag.set("cart", &vec![1, 2, 3]).expect("numbers");
    ticket
}

fn tickets(
    store: &Arc<InMemoryUserSessionStore>,
    encrypted: bool,
) -> ServerSideTicketStore<Customer> {
    let keys = KeyRing::new(TicketKey::generate().expect("random bits"));
    let builder = match encrypted {
        true => ServerSideTicketStore::builder(store.clone(), keys),
        false => ServerSideTicketStore::unencrypted(store.clone()),
    };
    builder.observers(SessionObservers::none()).build()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds for each of the operations.
async fn timed<F: Future>(mut operation: impl FnMut(usize) -> F) -> f64 {
    let started = Instant::now();
    for number in 0..OPERATIONS {
        black_box(operation(number).await);
    }
    started.elapsed().as_secs_f64() * 1e6 / OPERATIONS as f64
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut rounds: [Vec<f64>; 8] = Default::default();
    let mut len = 0;
    for round in 0..=ROUNDS {
        let store = Arc::new(InMemoryUserSessionStore::new());
        let (sealed, plain) = (tickets(&store, true), tickets(&store, false));
        let mut secrets = Vec::new();
        for number in 0..OPERATIONS {
            secrets.push(sealed.store(ticket(number)).await.expect("a session"));
        }
        let mut rows = Vec::new();
        for (_, stored) in &secrets {
            let row = store.get_user_session(stored.key()).await;
            rows.push(row.expect("an answer").expect("a session"));
        }
        len = rows[0].ticket.len();
        let others = Arc::new(InMemoryUserSessionStore::new());
        let (others_sealed, others_plain) = (
            Arc::new(InMemoryUserSessionStore::new()),
            Arc::new(InMemoryUserSessionStore::new()),
        );
        let (into_sealed, into_plain) =
            (tickets(&others_sealed, true), tickets(&others_plain, false));
        let mut fresh: [Vec<_>; 2] =
            std::array::from_fn(|_| (0..OPERATIONS).map(|number| Some(ticket(number))).collect());
        let [for_sealed, for_plain] = &mut fresh;
        let policy = StartPolicy::default();
        let mut plain_secrets = Vec::new();
        for number in 0..OPERATIONS {
            let other = ticket(number + OPERATIONS);
            plain_secrets.push(plain.store(other).await.expect("a session").0);
        }

        let measured = [
            timed(|number| others.start_user_session(UserSession::clone(&rows[number]), &policy))
                .await,
            timed(|number| into_sealed.store(for_sealed[number].take().expect("once"))).await,
            timed(|number| into_plain.store(for_plain[number].take().expect("once"))).await,
            timed(|number| store.get_user_session(&rows[number].key)).await,
            timed(|number| sealed.retrieve(&secrets[number].0)).await,
            timed(|number| plain.retrieve(&plain_secrets[number])).await,
            timed(async |_| CookieSecret::generate().expect("random bits").user_key()).await,
            timed(|_| async { tokio::spawn(std::future::ready(())).await }).await,
        ];
        // The first round warms up.
        if round > 0 {
            for (all, one) in rounds.iter_mut().zip(measured) {
                all.push(one);
            }
        }
    }
    let [
        start,
        store,
        store_plain,
        get,
        retrieve,
        retrieve_plain,
        secret,
        spawn,
    ] = rounds.map(median);
    println!(
        "µs per operation, median of {ROUNDS} rounds of {OPERATIONS}; envelope of {len} bytes"
    );
    println!("store     the store below alone      {start:6.2}");
    println!("          with tickets               {store:6.2}");
    println!("          the layer's own cost       {:6.2}", store - start);
    println!(
        "            of it encryption         {:6.2}",
        store - store_plain
    );
    println!("            of it the secret         {secret:6.2}");
    println!("            of it the task           {spawn:6.2}");
    println!("retrieve  the store below alone      {get:6.2}");
    println!("          with tickets               {retrieve:6.2}");
    println!(
        "          the layer's own cost       {:6.2}",
        retrieve - get
    );
    println!(
        "            of it decryption         {:6.2}",
        retrieve - retrieve_plain
    );
}
