//! Tickets are bytes: whatever they are, up to the limit, they come back the same. A store is
//! checked at the default limit, [`Ticket::DEFAULT_MAX_LEN`].

use super::ask::*;
use super::sample::*;
use crate::{Error, ManualClock, StartPolicy, Ticket, UserSession, UserSessionStore};

/// Bytes that do not repeat and cannot be compressed away.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    bytes
}

/// Checks that a call was refused because its ticket is one byte too long.
macro_rules! assert_too_large {
    ($answer:expr) => {{
        let answer = $answer;
        let too_large = matches!(
            answer,
            Err(Error::TicketTooLarge { len, max })
                if len == Ticket::DEFAULT_MAX_LEN + 1 && max == Ticket::DEFAULT_MAX_LEN
        );
        assert!(too_large, "expected TicketTooLarge with its lengths, not {answer:?}");
    }};
}

fn too_large() -> Ticket {
    noise(Ticket::DEFAULT_MAX_LEN + 1).into()
}

/// An empty ticket is a ticket.
pub async fn a_ticket_may_be_empty(store: &dyn UserSessionStore, clock: &ManualClock) {
    let created = UserSession {
        ticket: Ticket::default(),
        ..session(clock, "created")
    };
    let updated = session(clock, "updated");
    given(store, [&created, &updated]).await;
    let update = with_ticket("", &updated);
    let answer = store
        .update_user_session(&updated.key, update.clone())
        .await;
    assert!(answer.expect("nothing refuses the update"));

    assert_stored(store, [&created]).await;
    assert_stored(store, [&changed(&updated, &updated.key.user_key, &update)]).await;
}

/// A ticket may consist of any bytes: NULs, what is no UTF-8, quotes, escapes, noise.
pub async fn a_ticket_may_be_any_bytes(store: &dyn UserSessionStore, clock: &ManualClock) {
    let tickets = [
        vec![0],
        vec![0; 1000],
        (0..=255).collect(),
        b"\xc3\x28\xed\xa0\x80\xff\xfe".into(),
        b"'; DROP TABLE user_sessions; --\\'\"`".into(),
        b"\\x00\\000\r\n\x1a ".into(),
        noise(100_000),
    ];

    for (i, ticket) in tickets.into_iter().enumerate() {
        let session = UserSession {
            ticket: ticket.into(),
            ..session(clock, &i.to_string())
        };
        given(store, [&session]).await;
        assert_stored(store, [&session]).await;
    }
}

/// A ticket may be as long as the limit, however it comes and goes.
pub async fn a_ticket_may_be_as_long_as_the_limit(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let longest = Ticket::from(noise(Ticket::DEFAULT_MAX_LEN));
    let created = session(clock, "created");
    let started = UserSession {
        ticket: longest.clone(),
        ..session(clock, "started")
    };
    given(store, [&created]).await;
    assert_eq!(start(store, &started, &StartPolicy::default()).await, []);
    let update = with_ticket(longest, &created);
    let updated = store
        .update_user_session(&created.key, update.clone())
        .await;
    assert!(updated.expect("nothing refuses the update"));
    let updated = changed(&created, &created.key.user_key, &update);

    assert_stored(store, [&started, &updated]).await;
    let ended = store.end_user_sessions(&here(), &of_alice()).await;
    let ended = ended.expect("nothing refuses the ending");
    assert_eq!(sorted(ended), [updated, started]);
}

/// A longer ticket is refused with its length and the limit, and no session is created or started.
pub async fn a_longer_ticket_begins_no_session(store: &dyn UserSessionStore, clock: &ManualClock) {
    let old = with_sid("sid", session(clock, "old"));
    given(store, [&old]).await;
    let new = UserSession {
        ticket: too_large(),
        ..with_sid("sid", session(clock, "new"))
    };

    assert_too_large!(store.create_user_session(new.clone()).await);
    assert_too_large!(store.start_user_session(new.clone(), &at_most(1)).await);

    assert_stored(store, [&old]).await;
    assert_absent(store, &new.key).await;
}

/// A longer ticket is refused with its length and the limit, and no session is changed.
pub async fn a_longer_ticket_changes_no_session(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let update = || with_ticket(too_large(), &session);
    let new = user_key("new");

    assert_too_large!(store.update_user_session(&session.key, update()).await);
    assert_too_large!(store.rotate_user_key(&session.key, &new, update()).await);

    assert_stored(store, [&session]).await;
}
