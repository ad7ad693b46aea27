//! Every operation, with the rows there are before it and those there are after it: for tests that
//! interrupt it and want to see nothing between.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use store_core::{
    Clock, ManualClock, PageRequest, PartitionKey, Result, StartPolicy, UserSession,
    UserSessionDirectory, UserSessionStore, UserSessionUpdate,
};
use store_seaorm::SeaOrmUserSessionStore;
use tokio::time::{Instant, sleep};

use crate::sessions::{
    LIFETIME, manual_clock, of_alice, partition, rows, session, session_id, user_key,
};

/// An operation, and what it does to the rows of a partition of its own.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// What the operation is, and what it meets.
    pub name: &'static str,
    /// Whether it only reads.
    pub reads: bool,
    before: fn(&Place) -> Vec<UserSession>,
    after: fn(&Place) -> Vec<UserSession>,
    call: fn(SeaOrmUserSessionStore, Place) -> Call,
}

/// A call of an operation on the way.
pub type Call = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

impl Transition {
    /// All of them, cleanup excepted: that one does not stay in its partition.
    pub const ALL: &[Transition] = &[
        Transition {
            name: "get",
            reads: true,
            before: |place| vec![place.session("1")],
            after: |place| vec![place.session("1")],
            call: |store, place| {
                Box::pin(async move {
                    let session = place.session("1");
                    let found = store.get_user_session(&session.key).await?;
                    assert_eq!(found, Some(session));
                    Ok(())
                })
            },
        },
        Transition {
            name: "query",
            reads: true,
            before: Place::three,
            after: Place::three,
            call: |store, place| {
                Box::pin(async move {
                    let found = store
                        .get_user_sessions(&place.partition, &of_alice())
                        .await?;
                    assert_eq!(found, place.three());
                    Ok(())
                })
            },
        },
        Transition {
            name: "list",
            reads: true,
            before: Place::three,
            after: Place::three,
            call: |store, place| {
                Box::pin(async move {
                    let page = PageRequest::default();
                    let found = store.list_user_sessions(&place.partition, &page).await?;
                    assert_eq!(found.sessions.len(), 3);
                    Ok(())
                })
            },
        },
        Transition {
            name: "count",
            reads: true,
            before: Place::three,
            after: Place::three,
            call: |store, place| {
                Box::pin(async move {
                    assert_eq!(store.count_user_sessions(&place.partition, None).await?, 3);
                    Ok(())
                })
            },
        },
        Transition {
            name: "create",
            reads: false,
            before: |_| Vec::new(),
            after: |place| vec![place.session("new")],
            call: |store, place| {
                Box::pin(async move { store.create_user_session(place.session("new")).await })
            },
        },
        Transition {
            name: "create where expired rows make room",
            reads: false,
            before: |place| vec![place.expired("new"), place.with_sid(place.expired("old"))],
            after: |place| vec![place.with_sid(place.session("new"))],
            call: |store, place| {
                Box::pin(async move {
                    let new = place.with_sid(place.session("new"));
                    store.create_user_session(new).await
                })
            },
        },
        Transition {
            name: "update",
            reads: false,
            before: |place| vec![place.session("1")],
            after: |place| vec![place.changed("1")],
            call: |store, place| {
                Box::pin(async move {
                    let update = UserSessionUpdate::from(place.changed("1"));
                    let key = place.session("1").key;
                    assert!(store.update_user_session(&key, update).await?);
                    Ok(())
                })
            },
        },
        Transition {
            name: "update where an expired row makes room",
            reads: false,
            before: |place| vec![place.session("1"), place.with_sid(place.expired("old"))],
            after: |place| vec![place.with_sid(place.changed("1"))],
            call: |store, place| {
                Box::pin(async move {
                    let update = place.with_sid(place.changed("1")).into();
                    let key = place.session("1").key;
                    assert!(store.update_user_session(&key, update).await?);
                    Ok(())
                })
            },
        },
        Transition {
            name: "renew",
            reads: false,
            before: |place| vec![place.session("1")],
            after: |place| {
                let expires = place.clock.now() + LIFETIME * 2;
                let session = place.session("1").with_expires(expires);
                vec![UserSession {
                    version: 1,
                    ..session
                }]
            },
            call: |store, place| {
                Box::pin(async move {
                    let session = place.session("1");
                    let expires = Some(place.clock.now() + LIFETIME * 2);
                    let renewal = store.renew_user_session(&session.key, session.renewed, expires);
                    assert!(renewal.await?);
                    Ok(())
                })
            },
        },
        Transition {
            name: "rotate",
            reads: false,
            before: |place| vec![place.session("1")],
            after: |place| vec![place.rotated()],
            call: |store, place| place.rotate(store),
        },
        Transition {
            name: "rotate where an expired row makes room",
            reads: false,
            before: |place| vec![place.session("1"), place.expired("new")],
            after: |place| vec![place.rotated()],
            call: |store, place| place.rotate(store),
        },
        Transition {
            name: "delete",
            reads: false,
            before: |place| vec![place.session("1")],
            after: |_| Vec::new(),
            call: |store, place| {
                Box::pin(async move {
                    assert!(store.delete_user_session(&place.session("1").key).await?);
                    Ok(())
                })
            },
        },
        Transition {
            name: "delete by filter",
            reads: false,
            before: Place::three,
            after: |_| Vec::new(),
            call: |store, place| {
                Box::pin(async move {
                    let alices = of_alice();
                    assert_eq!(
                        store
                            .delete_user_sessions(&place.partition, &alices)
                            .await?,
                        3
                    );
                    Ok(())
                })
            },
        },
        Transition {
            name: "end by filter",
            reads: false,
            before: Place::three,
            after: |_| Vec::new(),
            call: |store, place| {
                Box::pin(async move {
                    let ended = store
                        .end_user_sessions(&place.partition, &of_alice())
                        .await?;
                    assert_eq!(ended, place.three());
                    Ok(())
                })
            },
        },
        Transition {
            name: "start where a session id is replaced, a cap is met and an expired row makes room",
            reads: false,
            before: |place| {
                let mut before = place.three();
                before.push(place.with_sid(place.session("4")));
                before.push(place.expired("new"));
                before
            },
            after: |place| {
                let mut after = place.three().split_off(2);
                after.push(place.with_sid(place.session("new")));
                after
            },
            call: |store, place| {
                Box::pin(async move {
                    let policy = StartPolicy {
                        max_sessions_per_subject: NonZeroU32::new(2),
                        ..StartPolicy::default()
                    };
                    let new = place.with_sid(place.session("new"));
                    assert_eq!(store.start_user_session(new, &policy).await?.len(), 4);
                    Ok(())
                })
            },
        },
    ];

    /// The rows before it, in this place, ordered by key.
    pub fn before(&self, place: &Place) -> Vec<UserSession> {
        sorted((self.before)(place))
    }

    /// The rows after it, in this place, ordered by key.
    pub fn after(&self, place: &Place) -> Vec<UserSession> {
        sorted((self.after)(place))
    }

    /// The call. It panics if the store answers what it must not.
    pub fn call(&self, store: &SeaOrmUserSessionStore, place: &Place) -> Call {
        (self.call)(store.clone(), place.clone())
    }
}

fn sorted(mut sessions: Vec<UserSession>) -> Vec<UserSession> {
    sessions.sort_by(|one, other| one.key.cmp(&other.key));
    sessions
}

/// Where a [`Transition`] happens: a partition that nothing else is in.
#[derive(Clone, Debug)]
pub struct Place {
    /// The partition.
    pub partition: PartitionKey,
    clock: Arc<ManualClock>,
}

impl Place {
    /// A place of this name. Its sessions are those of a store on a [`manual_clock`].
    pub fn new(name: &str) -> Self {
        Self {
            partition: partition(name),
            clock: manual_clock(),
        }
    }

    fn session(&self, name: &str) -> UserSession {
        session(&*self.clock, &self.partition, name)
    }

    fn expired(&self, name: &str) -> UserSession {
        self.session(name).with_expires(self.clock.now())
    }

    /// What [`session`] is after an update.
    fn changed(&self, name: &str) -> UserSession {
        UserSession {
            ticket: "changed".into(),
            version: 1,
            ..self.session(name)
        }
    }

    fn with_sid(&self, session: UserSession) -> UserSession {
        session.with_session_id(session_id("sid"))
    }

    /// Sessions of Alice's, the oldest first.
    fn three(&self) -> Vec<UserSession> {
        let sessions = ["1", "2", "3"].into_iter().zip((1..=3).rev());
        let older = sessions.map(|(name, minutes)| {
            let session = self.session(name);
            UserSession {
                created: session.created - Duration::from_secs(60 * minutes),
                ..session
            }
        });
        older.collect()
    }

    fn rotated(&self) -> UserSession {
        let mut rotated = self.changed("1");
        rotated.key.user_key = user_key("new");
        rotated
    }

    fn rotate(self, store: SeaOrmUserSessionStore) -> Call {
        Box::pin(async move {
            let update = UserSessionUpdate::from(self.rotated());
            let (key, new) = (self.session("1").key, user_key("new"));
            assert!(store.rotate_user_key(&key, &new, update).await?);
            Ok(())
        })
    }
}

/// A call of an operation that may have been cut off.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The operation.
    pub transition: &'static Transition,
    /// Where it was called.
    pub place: Place,
    /// Whether it has answered that it is done.
    pub completed: bool,
}

/// Checks that each attempt has happened as a whole or not at all, and as a whole if it was
/// completed.
///
/// # Panics
/// Where one has not.
pub async fn check_attempts(db: &DatabaseConnection, attempts: Vec<Attempt>) {
    let all = rows(db).await;
    for Attempt {
        transition,
        place,
        completed,
    } in attempts
    {
        let its_own = |row: &&UserSession| row.key.partition_key == place.partition;
        let rows: Vec<_> = all.iter().filter(its_own).cloned().collect();
        let after = transition.after(&place);
        let is_whole = rows == after || (!completed && rows == transition.before(&place));
        assert!(is_whole, "{place:?}: between before and after: {rows:#?}");
    }
}

/// Waits until no row has changed for so long: what was cut off may still run to its end.
pub async fn settle(db: &DatabaseConnection, quiet: Duration) {
    let mut last = rows(db).await;
    let mut since = Instant::now();
    while since.elapsed() < quiet {
        sleep(quiet / 15).await;
        let now = rows(db).await;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
