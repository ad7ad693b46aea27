//! A host's own queries, on the table as an entity.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sea_orm::entity::prelude::*;
use sea_orm::{
    ActiveValue::Set, DbBackend, FromQueryResult, JoinType, QueryOrder as _, QuerySelect as _,
    Schema,
};
use store_core::{Error, PartitionKey, UserSession, UserSessionStore as _, UserSessionsFilter};
use store_seaorm::entity::{self, Text, Timestamp};
use store_tests::sample::{at, session};
use store_tests::{TestDatabase, TestStore, on_every_database};

/// Three sessions, of which two are alice's: with everything set, without what need not be, and one
/// of somebody else.
fn sessions() -> [UserSession; 3] {
    let mut bare = UserSession::new(
        session("bare").key,
        "alice".parse().ok(),
        at("2026-03-02T09:00:00.000001Z"),
        "".into(),
    );
    bare.renewed = at("2026-03-02T09:30:00.999999Z");
    let full = session("full").with_expires(at("9999-12-31T23:59:59.999999Z"));
    let mut others = session("else");
    others.subject_id = "Alice".parse().ok();
    others.created = at("2026-03-02T10:00:00Z");
    [full, bare, others]
}

async fn with_sessions(db: TestDatabase) -> TestStore {
    let store = TestStore::new(db).await;
    for session in sessions() {
        store.create_user_session(session).await.unwrap();
    }
    store
}

fn timestamp(text: &str, db: &sea_orm::DatabaseConnection) -> Timestamp {
    Timestamp::new(at(text), db.get_database_backend())
}

/// What the entity finds is what the store answers with.
async fn finds_what_the_store_keeps(db: TestDatabase) {
    let store = with_sessions(db).await;
    let alice = UserSessionsFilter::for_subject("alice".parse().unwrap());
    let by_store = store
        .get_user_sessions(&PartitionKey::default(), &alice)
        .await
        .unwrap();

    let rows = entity::Entity::find()
        .filter(entity::Column::SubjectId.eq("alice"))
        .order_by_asc(entity::Column::Created)
        .all(store.connection())
        .await
        .unwrap();
    let by_entity: Vec<UserSession> = rows
        .into_iter()
        .map(|row| row.try_into().unwrap())
        .collect();
    assert_eq!(by_entity, by_store);
    let [full, bare, _] = sessions();
    assert_eq!(by_entity, [full, bare]);
}

/// A row is found by its primary key, and by keys that are compared as the store compares them.
async fn compares_as_the_store_does(db: TestDatabase) {
    let store = with_sessions(db).await;
    let by_key = |user_key: &str| {
        entity::Entity::find_by_id((Text::from(""), Text::from(user_key))).one(store.connection())
    };
    let found = by_key("full").await.unwrap().unwrap();
    assert_eq!(found.user_key.as_str(), "full");
    assert_eq!(found.version, 0);
    assert!(by_key("FULL").await.unwrap().is_none());
    assert!(by_key("full ").await.unwrap().is_none());
    let starting_with = entity::Entity::find()
        .filter(entity::Column::SessionId.is_in(["sid of full", "sid of else", "sid of bare"]))
        .count(store.connection())
        .await
        .unwrap();
    assert_eq!(starting_with, 2, "one has none");
}

/// Times are compared with a [`Timestamp`] for the database at hand, to the microsecond.
async fn compares_times(db: TestDatabase) {
    let store = with_sessions(db).await;
    let db = store.connection();
    let count = async |from: &str, to: &str| {
        entity::Entity::find()
            .filter(entity::Column::Created.between(timestamp(from, db), timestamp(to, db)))
            .count(db)
            .await
            .unwrap()
    };
    let [first, second, third] = sessions().map(|session| session.created.format("%+").to_string());
    assert_eq!(count(&first, &third).await, 3);
    assert_eq!(count(&second, &second).await, 1);
    assert_eq!(count("2026-03-02T09:00:00.000002Z", &third).await, 1);
    assert_eq!(
        count("2026-03-02T08:15:30.123457Z", "2026-03-02T09:00:00Z").await,
        0
    );

    let expiring = entity::Entity::find()
        .filter(entity::Column::Expires.is_not_null())
        .filter(entity::Column::Expires.gt(timestamp("9999-12-31T23:59:59.999998Z", db)))
        .all(db)
        .await
        .unwrap();
    assert_eq!(expiring.len(), 1);
    let expires = expiring[0].expires.map(chrono::DateTime::from);
    assert_eq!(expires, sessions()[0].expires);
}

/// Some of the columns, and sums over them.
async fn selects_parts(db: TestDatabase) {
    #[derive(Debug, PartialEq, FromQueryResult)]
    struct OfSubject {
        subject_id: Option<Text>,
        sessions: i64,
        newest: Timestamp,
    }

    let store = with_sessions(db).await;
    let keys: Vec<(Text, Option<Text>)> = entity::Entity::find()
        .select_only()
        .columns([entity::Column::UserKey, entity::Column::SessionId])
        .order_by_asc(entity::Column::UserKey)
        .into_tuple()
        .all(store.connection())
        .await
        .unwrap();
    let keys: Vec<_> = keys
        .iter()
        .map(|(key, id)| (key.as_str(), id.is_some()))
        .collect();
    assert_eq!(keys, [("bare", false), ("else", true), ("full", true)]);

    let of_subjects = entity::Entity::find()
        .select_only()
        .column(entity::Column::SubjectId)
        .column_as(entity::Column::UserKey.count(), "sessions")
        .column_as(entity::Column::Created.max(), "newest")
        .group_by(entity::Column::SubjectId)
        .order_by_asc(entity::Column::SubjectId)
        .into_model::<OfSubject>()
        .all(store.connection())
        .await
        .unwrap();
    let [_, bare, others] = sessions().map(|session| session.created.to_rfc3339());
    let db = store.connection();
    assert_eq!(
        of_subjects,
        [
            OfSubject {
                subject_id: Some("Alice".into()),
                sessions: 1,
                newest: timestamp(&others, db)
            },
            OfSubject {
                subject_id: Some("alice".into()),
                sessions: 2,
                newest: timestamp(&bare, db)
            },
        ]
    );
}

mod user {
    use super::*;

    /// A table of the host's own: its users, by their subject.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub subject: String,
        pub name: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter)]
    pub enum Relation {
        Sessions,
    }

    impl RelationTrait for Relation {
        fn def(&self) -> RelationDef {
            Entity::has_many(entity::Entity).into()
        }
    }

    impl Related<entity::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Sessions.def()
        }
    }

    impl Related<Entity> for entity::Entity {
        fn to() -> RelationDef {
            entity::Entity::belongs_to(Entity)
                .from(entity::Column::SubjectId)
                .to(Column::Subject)
                .into()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A host joins its own tables to it.
async fn is_joined(db: TestDatabase) {
    let store = with_sessions(db).await;
    let db = store.connection();
    let backend = db.get_database_backend();
    let mut table = Schema::new(backend).create_table_from_entity(user::Entity);
    db.execute(&table.take()).await.unwrap();
    for (id, subject) in [(1, "alice"), (2, "Alice"), (3, "bob")] {
        let user = user::ActiveModel {
            id: Set(id),
            subject: Set(subject.to_owned()),
            name: Set(format!("{subject}'s name")),
        };
        user.insert(db).await.unwrap();
    }

    let joined = user::Entity::find()
        .find_also_related(entity::Entity)
        .order_by_asc(user::Column::Id)
        .order_by_asc(entity::Column::UserKey)
        .all(db)
        .await
        .unwrap();
    let joined: Vec<(i32, Option<String>)> = joined
        .into_iter()
        .map(|(user, row)| (user.id, row.map(|row| row.user_key.into())))
        .collect();
    let some = |key: &str| Some(key.to_owned());
    assert_eq!(
        joined,
        [
            (1, some("bare")),
            (1, some("full")),
            (2, some("else")),
            (3, None)
        ]
    );

    let names: Vec<String> = entity::Entity::find()
        .select_only()
        .column(user::Column::Name)
        .join(JoinType::InnerJoin, user::Relation::Sessions.def().rev())
        .filter(entity::Column::Created.gt(timestamp("2026-03-02T09:30:00Z", db)))
        .into_tuple()
        .all(db)
        .await
        .unwrap();
    assert_eq!(names, ["Alice's name"]);
}

/// What a host writes as an active model, the store reads.
async fn is_written_as_an_active_model(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let db = store.connection();
    let backend = db.get_database_backend();
    for session in sessions() {
        let time = |at| Timestamp::new(at, backend);
        let row = entity::ActiveModel {
            partition_key: Set("".into()),
            user_key: Set(session.key.user_key.as_str().into()),
            subject_id: Set(session.subject_id.as_ref().map(|id| id.as_str().into())),
            session_id: Set(session.session_id.as_ref().map(|id| id.as_str().into())),
            created: Set(time(session.created)),
            renewed: Set(time(session.renewed)),
            expires: Set(session.expires.map(time)),
            version: Set(7),
            ticket: Set(session.ticket.as_bytes().to_vec()),
        };
        entity::Entity::insert(row).exec(db).await.unwrap();
        let found = store.get_user_session(&session.key).await.unwrap();
        assert_eq!(
            found,
            Some(UserSession {
                version: 7,
                ..session
            })
        );
    }
}

/// A model that can be no session is `Corrupt`, as in the store.
async fn is_checked(db: TestDatabase) {
    let store = with_sessions(db).await;
    let rows = entity::Entity::find()
        .all(store.connection())
        .await
        .unwrap();
    let row = rows
        .into_iter()
        .find(|row| row.user_key.as_str() == "full")
        .unwrap();
    let corrupt = |column: &str, row: entity::Model| match UserSession::try_from(row) {
        Err(Error::Corrupt { what, .. }) => assert_eq!(what, column),
        other => panic!("{column}: {other:?}"),
    };
    let beyond = Timestamp::new(at("+10000-01-01T00:00:00Z"), DbBackend::Sqlite);
    corrupt(
        "version",
        entity::Model {
            version: -1,
            ..row.clone()
        },
    );
    corrupt(
        "user_key",
        entity::Model {
            user_key: "".into(),
            ..row.clone()
        },
    );
    corrupt(
        "partition_key",
        entity::Model {
            partition_key: "\0".into(),
            ..row.clone()
        },
    );
    corrupt(
        "subject_id",
        entity::Model {
            subject_id: Some("".into()),
            ..row.clone()
        },
    );
    corrupt(
        "session_id",
        entity::Model {
            session_id: Some("s".repeat(256).into()),
            ..row.clone()
        },
    );
    corrupt(
        "created",
        entity::Model {
            created: beyond,
            ..row.clone()
        },
    );
    corrupt(
        "renewed",
        entity::Model {
            renewed: beyond,
            ..row.clone()
        },
    );
    corrupt(
        "expires",
        entity::Model {
            expires: Some(beyond),
            ..row
        },
    );
}

/// Printing a row shows neither its key nor its ticket.
async fn shows_no_secrets(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let mut secret = session("the-secret-key");
    secret.session_id = None;
    secret.ticket = "the-secret-ticket".into();
    store.create_user_session(secret).await.unwrap();
    let row = entity::Entity::find()
        .one(store.connection())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.ticket, b"the-secret-ticket");
    let bytes = format!("{:?}", row.ticket);
    for shown in [format!("{row:?}"), format!("{row:#?}")] {
        assert!(shown.contains("alice"), "{shown}");
        assert!(
            !shown.contains("secret") && !shown.contains(&bytes),
            "{shown}"
        );
    }
}

on_every_database!(
    finds_what_the_store_keeps,
    compares_as_the_store_does,
    compares_times,
    selects_parts,
    is_joined,
    is_written_as_an_active_model,
    is_checked,
    shows_no_secrets,
);
