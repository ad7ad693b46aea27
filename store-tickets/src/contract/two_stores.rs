//! Encryption at rest, with two tables.

use std::sync::Arc;

use store_core::ManualClock;

use super::TicketStoreBase;
use super::sample::*;

/// Tickets swapped between two tables do not open, though both are sealed with the same keys.
pub async fn rows_moved_between_tables_do_not_open<S: TicketStoreBase>(
    store: Arc<S>,
    other: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let [here, there] = [node(&store, &clock), node(&other, &clock)];
    let [alice, mallory] = [log_in(&here, "alice").await, log_in(&there, "alice").await];
    let alices = session(&here, &alice).await.key().clone();
    let mallorys = session(&there, &mallory).await.key().clone();
    let [ticket, other_ticket] = [
        row(&store, &alices).await.ticket,
        row(&other, &mallorys).await.ticket,
    ];
    tamper(&store, &alices, other_ticket).await;
    tamper(&other, &mallorys, ticket).await;
    assert!(!is_live(&here, &alice).await);
    assert!(!is_live(&there, &mallory).await);
}

/// A whole row copied to another table, its key included, does not open where tickets have another
/// purpose.
pub async fn rows_copied_to_another_table_do_not_open_for_another_purpose<S: TicketStoreBase>(
    store: Arc<S>,
    other: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let shop = builder(&store, &clock).purpose("shop").build();
    let back_office = builder(&other, &clock).purpose("back office").build();
    let secret = log_in(&shop, "alice").await;
    let copy = row(&store, session(&shop, &secret).await.key()).await;
    other.create_user_session(copy).await.unwrap();
    assert!(!is_live(&back_office, &secret).await);
    assert!(is_live(&shop, &secret).await);
}
