//! [`list_user_sessions`](UserSessionDirectory::list_user_sessions).

use std::num::NonZeroU32;

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, Cursor, Error, MAX_LIMIT, ManualClock, Page, PageRequest, PartitionKey, UserSession,
    UserSessionDirectory, UserSessionStore, UserSessionSummary,
};

/// As many sessions as the limit says, from the newest on.
fn first(limit: u32) -> PageRequest {
    PageRequest {
        limit: NonZeroU32::new(limit).expect("a limit is not zero"),
        ..PageRequest::default()
    }
}

/// As many sessions as the limit says, from behind the last page.
fn next(limit: u32, page: &Page) -> PageRequest {
    PageRequest {
        after: page.next.clone(),
        ..first(limit)
    }
}

async fn list_in(
    directory: &dyn UserSessionDirectory,
    partition: &PartitionKey,
    request: &PageRequest,
) -> Page {
    let answer = directory.list_user_sessions(partition, request).await;
    answer.expect("the store answers")
}

async fn list(directory: &dyn UserSessionDirectory, request: &PageRequest) -> Page {
    list_in(directory, &here(), request).await
}

fn names_of(page: &Page) -> Vec<&str> {
    let keys = page.sessions.iter().map(|session| &session.key.user_key);
    keys.map(|key| key.as_str()).collect()
}

/// Follows the pages to the last one.
async fn list_all(directory: &dyn UserSessionDirectory, request: &PageRequest) -> Vec<String> {
    let mut request = request.clone();
    let mut listed = Vec::new();
    loop {
        let page = list(directory, &request).await;
        assert!(
            page.sessions.len() <= request.limit.get() as usize,
            "{} sessions on one page",
            page.sessions.len()
        );
        listed.extend(names_of(&page).into_iter().map(str::to_owned));
        if page.next.is_none() {
            return listed;
        }
        assert!(!page.sessions.is_empty(), "an empty page has no next one");
        assert_ne!(page.next, request.after, "the next page is this one again");
        request.after = page.next;
    }
}

/// Sessions are listed newest first, and those created at once by the bytes of their keys, the last
/// of them first.
pub async fn sessions_are_listed_newest_first(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let newest_first = [
        session(clock, "a"),
        older(1, session(clock, "😀")),
        older(1, session(clock, "\u{ffff}")),
        older(1, session(clock, "é")),
        older(1, session(clock, "e\u{301}")),
        older(1, session(clock, "a ")),
        older(1, session(clock, "A")),
        older(1, session(clock, "9")),
        older(1, session(clock, "10")),
        older(2, session(clock, "z")),
    ];
    given(store, &newest_first).await;

    let page = list(directory, &PageRequest::default()).await;

    assert_eq!(names_of(&page), names(&newest_first));
    assert_eq!(page.next, None, "there are no more");
}

/// A listed session has all that it is but its ticket.
pub async fn a_summary_has_all_but_the_ticket(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let one = older(1, session(clock, "one"));
    let update = change(clock);
    let nobody = UserSession {
        expires: None,
        ..of(None, older(2, session(clock, "nobody")))
    };
    given(store, [&one, &nobody]).await;
    let updated = store.update_user_session(&one.key, update.clone()).await;
    assert!(updated.expect("nothing refuses the update"));

    let page = list(directory, &PageRequest::default()).await;

    let one = changed(&one, &one.key.user_key, &update);
    let expected = [&one, &nobody].map(UserSessionSummary::from);
    assert_eq!(page.sessions, expected);
}

/// Pages of any size make up the whole, without gaps or repeats, also among sessions created at
/// once.
pub async fn pages_make_up_the_whole(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let newest_first = [
        session(clock, "b"),
        session(clock, "B"),
        older(1, session(clock, "d")),
        older(1, session(clock, "c")),
        older(1, session(clock, "b2")),
        older(1, session(clock, "B2")),
        older(2, session(clock, "a")),
    ];
    given(store, &newest_first).await;

    for limit in 1..=8 {
        let listed = list_all(directory, &first(limit)).await;
        assert_eq!(listed, names(&newest_first), "by {limit}");
    }
}

/// A page that is exactly full has no next one if there are no more sessions; nor has an empty one.
pub async fn the_last_page_has_no_next(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let empty = list(directory, &first(1)).await;
    assert_eq!((names_of(&empty).len(), &empty.next), (0, &None));

    given(store, &["1", "2", "3"].map(|key| session(clock, key))).await;

    let full = list(directory, &first(3)).await;
    assert_eq!((names_of(&full).len(), &full.next), (3, &None));
    let one_less = list(directory, &first(2)).await;
    assert_eq!(names_of(&one_less), ["3", "2"]);
    let last = list(directory, &next(2, &one_less)).await;
    assert_eq!(names_of(&last), ["1"]);
    assert_eq!(last.next, None, "there are no more");
}

/// No page is larger than 1,000 sessions, whatever was asked for.
pub async fn a_page_is_no_larger_than_a_thousand(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let most = MAX_LIMIT.get();
    let sessions = (0..most + 50).map(|i| session(clock, &format!("{i:04}")));
    given_many(store, sessions.collect()).await;

    let full = list(directory, &first(u32::MAX)).await;
    assert_eq!(names_of(&full).len(), most as usize);
    let rest = list(directory, &next(u32::MAX, &full)).await;
    assert_eq!(names_of(&rest).len(), 50);
    assert_eq!(names_of(&rest)[0], "0049");
    assert_eq!(rest.next, None, "there are no more");
}

/// Of one subject, only its own sessions are listed, page by page; without one, everybody's.
pub async fn a_subjects_sessions_may_be_listed(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    given(store, &["1", "2", "3"].map(|key| session(clock, key))).await;
    let others = [subject("bob"), subject("Alice"), subject("alice ")].map(Some);
    for (i, other) in others.into_iter().chain([None]).enumerate() {
        given(store, [&of(other, session(clock, &format!("2{i}")))]).await;
    }

    let alices = PageRequest {
        subject: Some(subject("alice")),
        ..first(2)
    };
    assert_eq!(list_all(directory, &alices).await, ["3", "2", "1"]);
    assert_eq!(list_all(directory, &first(2)).await.len(), 7);
    let nobodys = PageRequest {
        subject: Some(subject("carol")),
        ..first(2)
    };
    assert_eq!(list_all(directory, &nobodys).await, [""; 0]);
}

/// Only live sessions are listed: until the moment they expire.
pub async fn only_live_sessions_are_listed(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let forever = UserSession {
        expires: None,
        ..session(clock, "forever")
    };
    let hour = session(clock, "for an hour");
    given(store, [&forever, &hour, &expired(clock, "expired")]).await;
    let_expire(clock);
    let expiry = clock.now();

    clock.set(expiry - MICROSECOND);
    let listed = list_all(directory, &first(1)).await;
    assert_eq!(listed, ["forever", "for an hour"]);

    clock.set(expiry);
    assert_eq!(list_all(directory, &first(1)).await, ["forever"]);
}

/// A session that is there all the while is listed once, whatever begins, ends or is renewed
/// between two pages.
pub async fn changes_between_pages_do_no_harm(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let sessions = [1, 2, 3, 4, 5].map(|age| older(age * 2, session(clock, &age.to_string())));
    given(store, &sessions).await;
    let page = list(directory, &first(2)).await;
    assert_eq!(names_of(&page), ["1", "2"]);

    let newer = session(clock, "newer");
    let in_between = older(7, session(clock, "3½"));
    given(store, [&newer, &in_between]).await;
    for ended in [&sessions[1], &sessions[4]] {
        assert!(take_row(store, &ended.key).await, "it has a row");
    }
    for renewed in [&sessions[0], &sessions[2]] {
        let renewal = store.renew_user_session(&renewed.key, clock.now(), None);
        assert!(renewal.await.expect("nothing refuses the renewal"));
    }

    let rest = PageRequest {
        after: page.next,
        ..first(2)
    };
    assert_eq!(list_all(directory, &rest).await, ["3", "3½", "4"]);
}

/// A cursor is a place, not a session: it may be written down, read again, and made up.
pub async fn a_cursor_is_a_place(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let sessions = ["1", "3", "5"].map(|key| session(clock, key));
    given(store, &sessions).await;
    let page = list(directory, &first(1)).await;
    let behind = |after| PageRequest {
        after: Some(after),
        ..first(10)
    };

    let text = page.next.expect("there are more").to_string();
    let read_again = text.parse().expect("the text of a cursor");
    assert_eq!(list_all(directory, &behind(read_again)).await, ["3", "1"]);

    let now = clock.now();
    for (created, key, expected) in [
        (now, "4", &["3", "1"] as &[&str]),
        (now, "1", &[]),
        (now - MICROSECOND, "9", &[]),
        (now + MICROSECOND, "0", &["5", "3", "1"]),
        (at("1000-01-01T00:00:00Z"), "0", &[]),
        (at("9999-12-31T23:59:59.999999Z"), "0", &["5", "3", "1"]),
    ] {
        let made_up = behind(Cursor::new(created, user_key(key)));
        let listed = list_all(directory, &made_up).await;
        assert_eq!(listed, expected, "behind {created} and {key}");
    }
}

/// A cursor with a timestamp that no session can have is refused.
pub async fn an_invalid_cursor_is_refused(
    _store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    _clock: &ManualClock,
) {
    let [too_early, too_late, _] = invalid_timestamps();
    for created in [too_early, too_late] {
        let request = PageRequest {
            after: Some(Cursor::new(created, user_key("key"))),
            ..PageRequest::default()
        };
        assert_refused!(
            directory.list_user_sessions(&here(), &request).await,
            Error::InvalidTimestamp
        );
    }
}

/// Only the partition's own sessions are listed.
pub async fn partitions_are_listed_apart(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let keys = ["", "there", "There", "there "].map(partition);
    let twins = |partition| ["1", "2"].map(|key| within(partition, session(clock, key)));
    for partition in &keys {
        given(store, &twins(partition)).await;
    }

    for partition in &keys {
        let page = list_in(directory, partition, &first(3)).await;
        let [one, two] = twins(partition);
        let expected = [&two, &one].map(UserSessionSummary::from);
        assert_eq!((page.sessions.as_slice(), page.next), (&expected[..], None));
    }
}
