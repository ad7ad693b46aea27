//! Every operation there is, for what is true of each.

use store_core::{
    MAX_LIMIT, PageRequest, PartitionKey, Result, StartPolicy, SubjectId, UserSessionDirectory,
    UserSessionStore, UserSessionStoreCleanup, UserSessionsFilter,
};

use crate::sample::{at, key, session};

/// Does everything that a store can do, in an order in which all of it succeeds on an empty store,
/// and says what each operation came to. Leaves no session behind.
///
/// # Panics
/// Never: the samples are legal.
pub async fn every_operation<S>(store: &S) -> Vec<(&'static str, Result<()>)>
where
    S: UserSessionStore + UserSessionStoreCleanup + UserSessionDirectory,
{
    let partition = PartitionKey::default();
    let alice = SubjectId::try_from("alice").expect("a subject");
    let filter = UserSessionsFilter::for_subject(alice.clone());
    let (policy, page) = (StartPolicy::default(), PageRequest::default());
    let (first, second, third) = (session("first"), session("second"), key("third"));
    let renewed = at("2026-03-02T09:00:00Z");

    vec![
        ("create", store.create_user_session(first.clone()).await),
        ("get", store.get_user_session(&first.key).await.map(drop)),
        (
            "update",
            store
                .update_user_session(&first.key, first.clone().into())
                .await
                .map(drop),
        ),
        (
            "renew",
            store
                .renew_user_session(&first.key, renewed, None)
                .await
                .map(drop),
        ),
        (
            "start",
            store
                .start_user_session(second.clone(), &policy)
                .await
                .map(drop),
        ),
        (
            "rotate",
            store
                .rotate_user_key(&second.key, &third.user_key, second.clone().into())
                .await
                .map(drop),
        ),
        (
            "query",
            store.get_user_sessions(&partition, &filter).await.map(drop),
        ),
        (
            "list",
            store.list_user_sessions(&partition, &page).await.map(drop),
        ),
        (
            "count",
            store
                .count_user_sessions(&partition, Some(&alice))
                .await
                .map(drop),
        ),
        ("delete", store.delete_user_session(&third).await.map(drop)),
        (
            "end",
            store.end_user_sessions(&partition, &filter).await.map(drop),
        ),
        (
            "delete by filter",
            store
                .delete_user_sessions(&partition, &filter)
                .await
                .map(drop),
        ),
        (
            "end expired",
            store.end_expired_sessions(MAX_LIMIT).await.map(drop),
        ),
        (
            "delete expired",
            store.delete_expired_sessions().await.map(drop),
        ),
    ]
}
