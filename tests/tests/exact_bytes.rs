//! Keys are compared byte for byte, on every database and whatever the connection is set to.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;

use store_core::{
    Error, InvalidKey, PageRequest, PartitionKey, SessionId, SubjectId, UserKey, UserSession,
    UserSessionDirectory as _, UserSessionKey, UserSessionStore as _, UserSessionsFilter,
};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, TestStore, host_pool, on_databases, on_every_database, sample};

/// Strings that some database, collation, escape or conversion takes for another of them.
const KEYS: [&str; 70] = [
    // Case, also where it is not one letter for one.
    "Alice",
    "alice",
    "ALICE",
    "ß",
    "ẞ",
    "ss",
    "SS",
    "i",
    "I",
    "ı",
    "İ",
    // Spaces.
    "a",
    "a ",
    "a  ",
    " a",
    "a\u{a0}",
    "a\u{200b}",
    "\u{feff}a",
    " ",
    // Accents, composed and not, and letters that expand.
    "é",
    "e\u{301}",
    "e",
    "É",
    "Å",
    "A\u{30a}",
    "\u{212b}",
    "æ",
    "ae",
    "ﬀ",
    "ff",
    "各",
    "角",
    "か",
    "カ",
    // Beyond the Basic Multilingual Plane, and its ends.
    "😀",
    "👩\u{200d}👩\u{200d}👧",
    "𝒜",
    "\u{e000}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}",
    // What SQL, LIKE and drivers give a meaning to.
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\\\",
    "\\'",
    "%",
    "_",
    "a%",
    "a_",
    "?",
    "$1",
    "'; DROP TABLE user_sessions; --",
    "\\x61",
    "0",
    "00",
    "0x30",
    "1e0",
    "NULL",
    // Characters that control.
    "\u{1}",
    "\u{1a}",
    "\t",
    "\n",
    "\r\n",
    "\u{7f}",
    "\u{80}",
];

/// A session that has the same string for its user key, its session id and its subject.
fn session_of(partition: &str, name: &str) -> UserSession {
    UserSession {
        key: UserSessionKey::new(partition.parse().unwrap(), name.parse().unwrap()),
        subject_id: name.parse().ok(),
        session_id: name.parse().ok(),
        ..sample::session("any")
    }
}

fn filters_for(name: &str) -> [UserSessionsFilter; 3] {
    let (subject, session_id): (SubjectId, SessionId) =
        (name.parse().unwrap(), name.parse().unwrap());
    [
        UserSessionsFilter::for_subject(subject.clone()),
        UserSessionsFilter::for_session(session_id.clone()),
        UserSessionsFilter::for_subject(subject).and_session(session_id),
    ]
}

/// Creates a session for each key in one partition, finds each of them and no other, and removes
/// them one by one.
async fn tell_keys_apart(store: &SeaOrmUserSessionStore) {
    let partition = PartitionKey::default();
    for name in KEYS {
        let created = store.create_user_session(session_of("", name)).await;
        created.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
    }
    for name in KEYS {
        let session = session_of("", name);
        let found = store.get_user_session(&session.key).await.unwrap();
        assert_eq!(found, Some(session.clone()), "{name:?}");
        for filter in filters_for(name) {
            let found = store.get_user_sessions(&partition, &filter).await.unwrap();
            assert_eq!(found, std::slice::from_ref(&session), "{name:?}");
        }
        let subject = session.subject_id.as_ref();
        let counted = store
            .count_user_sessions(&partition, subject)
            .await
            .unwrap();
        assert_eq!(counted, 1, "{name:?}");
    }
    for name in KEYS {
        let [_, _, both] = filters_for(name);
        let deleted = store.delete_user_sessions(&partition, &both).await.unwrap();
        assert_eq!(deleted, 1, "{name:?}");
    }
}

/// Keys, subjects and session ids that look alike are different ones.
async fn keys_are_told_apart(db: TestDatabase) {
    let store = TestStore::new(db).await;
    tell_keys_apart(&store).await;
}

/// So are partitions.
async fn partitions_are_told_apart(db: TestDatabase) {
    let store = TestStore::new(db).await;
    for name in KEYS {
        let session = session_of(name, "the same in each");
        store.create_user_session(session).await.unwrap();
    }
    for name in KEYS {
        let session = session_of(name, "the same in each");
        let partition = &session.key.partition_key;
        let page = PageRequest::default();
        let listed = store.list_user_sessions(partition, &page).await.unwrap();
        assert_eq!(listed.sessions.len(), 1, "{name:?}");
        assert_eq!(listed.sessions[0].key, session.key, "{name:?}");
        assert!(store.delete_user_session(&session.key).await.unwrap());
        assert_eq!(store.count_user_sessions(partition, None).await.unwrap(), 0);
    }
}

/// A key or a session id is taken by itself only, and by itself always.
async fn uniqueness_is_exact(db: TestDatabase) {
    let store = TestStore::new(db).await;
    for name in KEYS {
        store
            .create_user_session(session_of("", name))
            .await
            .unwrap();
    }
    for name in KEYS {
        let the_key = UserSession {
            session_id: None,
            ..session_of("", name)
        };
        let the_session_id = UserSession {
            key: sample::key("a key that nobody has"),
            ..session_of("", name)
        };
        for taken in [the_key, the_session_id] {
            let answer = store.create_user_session(taken).await;
            assert!(
                matches!(answer, Err(Error::AlreadyExists)),
                "{name:?}: {answer:?}"
            );
        }
    }
}

/// Sessions that began at the same time are listed and paged by the bytes of their keys.
async fn order_is_by_bytes(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let alice = UserSessionsFilter::for_subject("alice".parse().unwrap());
    for name in KEYS {
        let mut session = session_of("", name);
        session.subject_id = "alice".parse().ok();
        store.create_user_session(session).await.unwrap();
    }
    let mut ascending = KEYS;
    ascending.sort_unstable_by_key(|name| name.as_bytes());

    let partition = PartitionKey::default();
    let mut listed = Vec::new();
    let mut page = PageRequest {
        limit: NonZeroU32::new(7).unwrap(),
        ..PageRequest::default()
    };
    loop {
        let found = store.list_user_sessions(&partition, &page).await.unwrap();
        let keys = found.sessions.into_iter().map(|found| found.key.user_key);
        listed.extend(keys);
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let mut listed: Vec<&str> = listed.iter().map(UserKey::as_str).collect();
    listed.reverse();
    assert_eq!(listed, ascending);

    let queried = store.get_user_sessions(&partition, &alice).await.unwrap();
    let queried: Vec<&str> = queried
        .iter()
        .map(|found| found.key.user_key.as_str())
        .collect();
    assert_eq!(queried, ascending);
    let ended = store.end_user_sessions(&partition, &alice).await.unwrap();
    let ended: Vec<&str> = ended
        .iter()
        .map(|found| found.key.user_key.as_str())
        .collect();
    assert_eq!(ended, ascending);
}

/// All four keys may be 255 bytes long at once, and their last byte counts.
async fn the_longest_keys_are_kept(db: TestDatabase) {
    let store = TestStore::new(db).await;
    for longest in [
        "k".repeat(255),
        "é".repeat(127) + "k",
        "😀".repeat(63) + "key",
    ] {
        assert_eq!(longest.len(), 255);
        let mut other = longest.clone();
        other.pop();
        other.push('K');
        let (session, other) = (session_of(&longest, &longest), session_of(&longest, &other));
        for session in [&session, &other] {
            store.create_user_session(session.clone()).await.unwrap();
        }
        for session in [session, other] {
            let partition = &session.key.partition_key;
            let found = store.get_user_session(&session.key).await.unwrap();
            assert_eq!(found, Some(session.clone()));
            let [_, filter, _] = filters_for(session.session_id.as_ref().unwrap().as_str());
            let ended = store.end_user_sessions(partition, &filter).await.unwrap();
            assert_eq!(ended, [session]);
        }
    }
}

on_every_database!(
    keys_are_told_apart,
    partitions_are_told_apart,
    uniqueness_is_exact,
    order_is_by_bytes,
    the_longest_keys_are_kept,
);

/// What no database could hold is no key, so it never reaches one.
#[test]
fn what_is_no_key_cannot_be_made() {
    fn errors(text: &str) -> [Option<InvalidKey>; 4] {
        [
            PartitionKey::try_from(text).err(),
            UserKey::try_from(text).err(),
            SubjectId::try_from(text).err(),
            SessionId::try_from(text).err(),
        ]
    }
    let too_long = Some(InvalidKey::TooLong { len: 256 });
    assert_eq!(errors(&"k".repeat(256)), [too_long; 4]);
    assert_eq!(errors(&"é".repeat(128)), [too_long; 4]);
    let with_nul = Some(InvalidKey::ContainsNul { len: 3 });
    assert_eq!(errors("a\0b"), [with_nul; 4]);
    let empty = Some(InvalidKey::Empty);
    assert_eq!(errors(""), [None, empty, empty, empty]);
}

mod connections_of_any_kind {
    use super::*;

    /// A URL that names another character set or collation.
    async fn by_their_url(db: TestDatabase) {
        for parameters in [
            "charset=latin1",
            "charset=binary",
            "collation=utf8mb4_general_ci",
        ] {
            let url = format!("{}?{parameters}", db.url());
            let store = SeaOrmUserSessionStore::connect(&url).await;
            let store = store.unwrap_or_else(|error| panic!("{parameters}: {error:?}"));
            let migrated = store_migration::up(store.connection()).await;
            migrated.unwrap_or_else(|error| panic!("{parameters}: {error:?}"));
            tell_keys_apart(&store).await;
        }
    }

    /// A host that changes the connection's mode.
    async fn by_the_hosts_settings(db: TestDatabase) {
        for setting in [
            "SET NAMES gbk",
            "SET SESSION sql_mode = ''",
            "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
        ] {
            let store = SeaOrmUserSessionStore::new(host_pool(db.url(), 2, setting).await);
            let migrated = store_migration::up(store.connection()).await;
            migrated.unwrap_or_else(|error| panic!("{setting}: {error:?}"));
            tell_keys_apart(&store).await;
        }
    }

    on_databases!([mysql, mariadb]: by_their_url, by_the_hosts_settings);
}
