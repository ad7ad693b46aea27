//! Keys are compared byte for byte, and come back as they were given.

use super::ask::*;
use super::sample::*;
use crate::{
    MAX_KEY_LEN, ManualClock, StartPolicy, UserSession, UserSessionKey, UserSessionStore,
    UserSessionsFilter,
};

/// Strings that some database, collation or pattern takes for the same.
fn lookalikes() -> Vec<String> {
    let mut strings: Vec<String> = [
        // Case, accents and what Unicode calls equivalent.
        "alice",
        "Alice",
        "ALİCE",
        "café",
        "cafe",
        "cafe\u{301}",
        "CAFÉ",
        "straße",
        "strasse",
        "ﬁ",
        "fi",
        "Å",
        "\u{212b}",
        "Ａ",
        // Space and what is not to be seen.
        "a",
        "a ",
        " a",
        "a\t",
        "a\n",
        "a\u{a0}",
        "a\u{200b}",
        "\u{feff}a",
        "a\u{7f}",
        " ",
        // What some alphabets lack.
        "😀",
        "😁",
        "\u{ffff}",
        "日本",
        "日本\u{3099}",
        // Numbers.
        "1",
        "01",
        "1.0",
        "1e0",
        "0x1",
        "+1",
        "-0",
        "0",
        // Patterns, quotes and escapes.
        "%",
        "_",
        "a%",
        "a_",
        "a*",
        "\\",
        "\\\\",
        "\\%",
        "'",
        "''",
        "\"",
        "`",
        "$1",
        "?",
        ":a",
        "--",
        ";",
        "null",
        "NULL",
    ]
    .map(str::to_owned)
    .into();
    // As long as may be, of one, two and four bytes a character, different at their ends only.
    for (character, ends) in [
        ("k", ["x", "y", "X"]),
        ("é", ["x", "y", "X"]),
        ("😀", ["xxx", "xxy", "xxX"]),
    ] {
        let room = MAX_KEY_LEN - ends[0].len();
        let start = character.repeat(room / character.len());
        strings.extend(ends.map(|end| format!("{start}{end}")));
    }
    strings
}

/// User keys that look alike name different sessions.
pub async fn user_keys_that_look_alike_differ(store: &dyn UserSessionStore, clock: &ManualClock) {
    let keys = lookalikes();
    let sessions = || keys.iter().map(|key| session(clock, key));
    given_many(store, sessions().collect()).await;
    for session in sessions() {
        assert_stored(store, [&session]).await;
    }

    let (deleted, left) = sessions()
        .enumerate()
        .partition::<Vec<_>, _>(|(i, _)| i % 2 == 0);
    for (_, session) in deleted {
        assert!(
            take_row(store, &session.key).await,
            "{:?}",
            names([&session])
        );
    }

    let left: Vec<_> = left.into_iter().map(|(_, session)| session).collect();
    assert_eq!(sorted_names(&alices(store).await), sorted_names(&left));
}

/// Session ids that look alike are different ones: none is in another's way, and a filter matches
/// one.
pub async fn session_ids_that_look_alike_differ(store: &dyn UserSessionStore, clock: &ManualClock) {
    let ids = lookalikes();
    let sessions = ids.iter().enumerate();
    let sessions = sessions.map(|(i, id)| with_sid(id, session(clock, &i.to_string())));
    given_many(store, sessions.clone().collect()).await;

    for session in sessions {
        let id = session.session_id.clone().expect("each has one");
        let filter = UserSessionsFilter::for_session(id.clone());
        let found = store.get_user_sessions(&here(), &filter).await;
        assert_eq!(found.expect("the store answers"), [session], "{id:?}");

        let deleted = store.delete_user_sessions(&here(), &filter).await;
        assert_eq!(deleted.expect("nothing refuses the deletion"), 1, "{id:?}");
    }
}

/// Subjects that look alike are different ones: a filter matches the sessions of one.
pub async fn subjects_that_look_alike_differ(store: &dyn UserSessionStore, clock: &ManualClock) {
    let ids = lookalikes();
    let sessions = ids.iter().enumerate();
    let sessions = sessions.map(|(i, id)| of(subject(id), session(clock, &i.to_string())));
    given_many(store, sessions.clone().collect()).await;

    for session in sessions {
        let id = session.subject_id.clone().expect("each has one");
        let filter = UserSessionsFilter::for_subject(id.clone());
        let found = store.get_user_sessions(&here(), &filter).await;
        assert_eq!(
            found.expect("the store answers"),
            std::slice::from_ref(&session),
            "{id:?}"
        );

        let ended = store.end_user_sessions(&here(), &filter).await;
        assert_eq!(
            ended.expect("nothing refuses the ending"),
            [session],
            "{id:?}"
        );
    }
}

/// Partitions that look alike are different ones.
pub async fn partitions_that_look_alike_differ(store: &dyn UserSessionStore, clock: &ManualClock) {
    let mut keys = lookalikes();
    keys.push(String::new());
    let sessions = keys.iter();
    let sessions =
        sessions.map(|key| within(&partition(key), with_sid("sid", session(clock, "key"))));
    given_many(store, sessions.clone().collect()).await;

    for session in sessions {
        let here = session.key.partition_key.clone();
        assert_stored(store, [&session]).await;
        let found = store.get_user_sessions(&here, &of_alice()).await;
        assert_eq!(found.expect("the store answers"), [session], "{here:?}");

        let deleted = store.delete_user_sessions(&here, &of_alice()).await;
        assert_eq!(
            deleted.expect("nothing refuses the deletion"),
            1,
            "{here:?}"
        );
    }
}

/// A filter excepts the one session whose key it names, and none that looks like it.
pub async fn an_exception_is_one_key(store: &dyn UserSessionStore, clock: &ManualClock) {
    let keys = ["a", "A", "a ", "a%", "á", "a\u{301}"];
    let sessions = keys.map(|key| session(clock, key));
    given(store, &sessions).await;

    for session in &sessions {
        let filter = of_alice().except(session.key.user_key.clone());
        let found = store.get_user_sessions(&here(), &filter).await;
        let found = found.expect("the store answers");
        let others = sessions.iter().filter(|other| other.key != session.key);
        assert_eq!(sorted_names(&found), sorted_names(others));
    }

    let ended = store
        .end_user_sessions(&here(), &of_alice().except(user_key("a")))
        .await;
    assert_eq!(ended.expect("nothing refuses the ending").len(), 5);
    assert_eq!(names(&alices(store).await), ["a"]);
}

/// A start replaces the session with its session id, and none whose session id or key looks like
/// its own.
pub async fn a_start_replaces_one_session_id(store: &dyn UserSessionStore, clock: &ManualClock) {
    let keys = ["a", "A", "a ", "á", "a\u{301}"];
    let sessions = keys.map(|key| with_sid(key, session(clock, key)));

    for session in &sessions {
        assert_eq!(start(store, session, &StartPolicy::default()).await, []);
    }
    for session in &sessions {
        let replaced = start(store, session, &StartPolicy::default()).await;
        assert_eq!(names(&replaced), names([session]));
    }
}

/// All of a session's keys may be as long as may be at once.
pub async fn all_keys_may_be_of_full_length(store: &dyn UserSessionStore, clock: &ManualClock) {
    for character in ["k", "é", "日", "😀"] {
        let fill = character.repeat(MAX_KEY_LEN / character.len());
        let longest = format!("{fill}{}", "x".repeat(MAX_KEY_LEN - fill.len()));
        let session = UserSession {
            key: UserSessionKey::new(partition(&longest), user_key(&longest)),
            ..of(subject(&longest), with_sid(&longest, session(clock, "key")))
        };
        given(store, [&session]).await;

        assert_stored(store, [&session]).await;
        let filter =
            UserSessionsFilter::for_subject(subject(&longest)).and_session(session_id(&longest));
        let ended = store
            .end_user_sessions(&session.key.partition_key, &filter)
            .await;
        assert_eq!(ended.expect("nothing refuses the ending"), [session]);
    }
}
