//! Tickets come back byte for byte, up to the limit and not beyond.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use store_core::{
    Error, PartitionKey, StartPolicy, Ticket, UserSession, UserSessionDirectory as _,
    UserSessionStore as _, UserSessionUpdate, UserSessionsFilter,
};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sample::{key, session};
use store_tests::{TestDatabase, TestStore, on_databases, on_every_database};

const MIB: usize = 1 << 20;

fn random(len: usize) -> Ticket {
    let mut bytes = vec![0; len];
    fastrand::fill(&mut bytes);
    bytes.into()
}

fn with_ticket(ticket: &Ticket) -> UserSession {
    UserSession {
        ticket: ticket.clone(),
        ..session("with a ticket")
    }
}

/// Writes the ticket in every way there is, and reads it in every way after each.
async fn comes_back(store: &SeaOrmUserSessionStore, ticket: Ticket) {
    let (partition, policy) = (PartitionKey::default(), StartPolicy::default());
    let session = with_ticket(&ticket);
    let update = || UserSessionUpdate::from(session.clone());
    let other = || UserSessionUpdate::from(with_ticket(&"another".into()));
    let key = &session.key;
    let filter = UserSessionsFilter::for_subject(session.subject_id.clone().unwrap());
    let is_there = async || {
        let found = store.get_user_session(key).await.unwrap().unwrap();
        // Not `assert_eq!`, which would print megabytes.
        assert!(found.ticket == ticket, "{ticket:?}, {:?}", found.ticket);
    };

    store.create_user_session(session.clone()).await.unwrap();
    is_there().await;
    assert!(store.update_user_session(key, other()).await.unwrap());
    assert!(store.update_user_session(key, update()).await.unwrap());
    is_there().await;
    assert!(
        store
            .rotate_user_key(key, &key.user_key, other())
            .await
            .unwrap()
    );
    assert!(
        store
            .rotate_user_key(key, &key.user_key, update())
            .await
            .unwrap()
    );
    is_there().await;
    assert!(
        store
            .renew_user_session(key, session.created, None)
            .await
            .unwrap()
    );
    is_there().await;
    let ended = store
        .start_user_session(session.clone(), &policy)
        .await
        .unwrap();
    assert!(ended.len() == 1 && ended[0].ticket == ticket);
    let found = store.get_user_sessions(&partition, &filter).await.unwrap();
    assert!(found.len() == 1 && found[0].ticket == ticket);
    let ended = store.end_user_sessions(&partition, &filter).await.unwrap();
    assert!(ended.len() == 1 && ended[0].ticket == ticket);
}

/// Writes the ticket once, and reads it once.
async fn round_trips(store: &SeaOrmUserSessionStore, ticket: Ticket) {
    let session = with_ticket(&ticket);
    store.create_user_session(session.clone()).await.unwrap();
    let found = store.get_user_session(&session.key).await.unwrap().unwrap();
    assert!(found.ticket == ticket, "{ticket:?}, {:?}", found.ticket);
    assert!(store.delete_user_session(&session.key).await.unwrap());
}

/// Every way to write this ticket is refused with these lengths, and the session stays as it was.
async fn is_too_large(store: &SeaOrmUserSessionStore, ticket: Ticket, limit: usize) {
    let kept = session("kept");
    store.create_user_session(kept.clone()).await.unwrap();
    let update = || UserSessionUpdate {
        ticket: ticket.clone(),
        ..kept.clone().into()
    };
    let new = || with_ticket(&ticket);
    let policy = StartPolicy::default();
    let other = key("other").user_key;
    for answer in [
        store.create_user_session(new()).await.map(drop),
        store.start_user_session(new(), &policy).await.map(drop),
        store
            .update_user_session(&kept.key, update())
            .await
            .map(drop),
        store
            .rotate_user_key(&kept.key, &other, update())
            .await
            .map(drop),
    ] {
        assert!(
            matches!(answer, Err(Error::TicketTooLarge { len, max }) if len == ticket.len() && max == limit),
            "{answer:?}"
        );
    }
    let partition = PartitionKey::default();
    assert_eq!(
        store.count_user_sessions(&partition, None).await.unwrap(),
        1
    );
    let found = store.get_user_session(&kept.key).await.unwrap();
    assert_eq!(found, Some(kept.clone()));
    assert!(store.delete_user_session(&kept.key).await.unwrap());
}

/// Any bytes are a ticket: none at all, NULs, what is no UTF-8, what looks like SQL.
async fn are_any_bytes(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    for ticket in [
        Ticket::default(),
        vec![0].into(),
        vec![0; 1000].into(),
        every_byte.into(),
        b"\xff\xfe\xc3\x28\xed\xa0\x80".to_vec().into(),
        "\\x00 '; \" ` \\ % ? $1".into(),
        random(1),
        random(100_000),
    ] {
        comes_back(&store, ticket).await;
    }
}

/// 4 MiB are kept, one byte more is refused.
async fn are_4_mib_at_most(db: TestDatabase) {
    let store = TestStore::new(db).await;
    comes_back(&store, random(4 * MIB)).await;
    is_too_large(&store, random(4 * MIB + 1), 4 * MIB).await;
}

/// The limit is the host's to choose, smaller or larger, on its own pool too.
async fn have_the_limit_that_the_host_sets(db: TestDatabase) {
    let connection = db.connect().await;
    store_migration::up(&connection).await.unwrap();
    let with_limit = |limit| {
        SeaOrmUserSessionStore::builder()
            .max_ticket_len(limit)
            .build(connection.clone())
    };

    let small = with_limit(10);
    comes_back(&small, random(10)).await;
    is_too_large(&small, random(11), 10).await;

    let large = with_limit(5 * MIB);
    round_trips(&large, random(5 * MIB)).await;
    is_too_large(&large, random(5 * MIB + 1), 5 * MIB).await;
}

on_every_database!(
    are_any_bytes,
    are_4_mib_at_most,
    have_the_limit_that_the_host_sets
);

mod of_16_mib {
    use super::*;

    /// They are kept where there is no other limit than the host's: more than one packet of MySQL's
    /// protocol holds.
    async fn are_kept(db: TestDatabase) {
        let store = SeaOrmUserSessionStore::builder()
            .max_ticket_len(16 * MIB)
            .connect(db.url())
            .await
            .unwrap();
        store_migration::up(store.connection()).await.unwrap();
        round_trips(&store, random(16 * MIB)).await;
    }

    on_databases!([sqlite, postgres, mysql]: are_kept);
}

mod beyond_the_servers_packet {
    use sea_orm::{ConnectionTrait as _, Statement};

    use super::*;

    /// What the server does not take is an error that names no other cause, never a truncation: the
    /// session stays as it was, and the store goes on.
    async fn are_refused(db: TestDatabase) {
        let store = SeaOrmUserSessionStore::builder()
            .max_ticket_len(usize::MAX)
            .connect(db.url())
            .await
            .unwrap();
        store_migration::up(store.connection()).await.unwrap();
        let backend = store.connection().get_database_backend();
        let limit = Statement::from_string(backend, "SELECT CAST(@@max_allowed_packet AS SIGNED)");
        let limit = store
            .connection()
            .query_one_raw(limit)
            .await
            .unwrap()
            .unwrap();
        let limit: i64 = limit.try_get_by_index(0).unwrap();
        let too_large = random(usize::try_from(limit).unwrap() + 1);

        let kept = session("kept");
        store.create_user_session(kept.clone()).await.unwrap();
        let update = || UserSessionUpdate {
            ticket: too_large.clone(),
            ..kept.clone().into()
        };
        let new = || with_ticket(&too_large);
        let policy = StartPolicy::default();
        for answer in [
            store.create_user_session(new()).await.map(drop),
            store.start_user_session(new(), &policy).await.map(drop),
            store
                .update_user_session(&kept.key, update())
                .await
                .map(drop),
            store
                .rotate_user_key(&kept.key, &kept.key.user_key, update())
                .await
                .map(drop),
        ] {
            let error = answer.unwrap_err();
            assert!(
                !error.is_transient(),
                "another try would do no better: {error:?}"
            );
            let found = store.get_user_session(&kept.key).await.unwrap();
            assert_eq!(found, Some(kept.clone()));
            assert_eq!(store.get_user_session(&new().key).await.unwrap(), None);
        }
    }

    on_databases!([mysql, mariadb]: are_refused);
}
