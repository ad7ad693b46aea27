//! The macro that stamps the behaviours as tests. One that is not listed here does not run; a test
//! compares the lists with the files.

/// Stamps the behaviours of tickets as tests, on the stores that a factory makes. See
/// [`contract`](crate::contract).
#[macro_export]
macro_rules! ticket_contract {
    ($factory:path) => {
        $crate::__stamp_tickets! { ($factory)
            modify: [
                two_hundred_concurrent_changes_lose_nothing,
                a_change_that_is_refused_writes_nothing,
                everything_in_a_ticket_is_read_as_it_was_written,
                a_change_never_brings_back_an_ended_session,
                a_save_writes_only_what_nobody_has_changed,
                a_change_that_cannot_be_written_is_contended,
            ],
            envelope: [
                rows_moved_between_users_and_partitions_do_not_open,
                every_byte_of_an_envelope_matters,
                every_byte_of_a_plain_envelope_matters,
                a_broken_ticket_ends_its_session_once,
                what_this_node_cannot_read_stays,
                tickets_of_another_shape_stay,
                encrypted_and_plain_do_not_read_each_other,
                long_tickets_are_compressed_if_asked_for,
                a_thief_of_the_table_gets_nothing,
            ],
            key_rotation: [
                keys_rotate_under_load,
                rows_are_sealed_anew_when_next_written,
                a_node_without_the_new_key_logs_nobody_out,
            ],
            secret_rotation: [
                a_rotated_session_is_the_same_under_a_new_secret,
                of_racing_rotations_one_secret_opens_the_session,
                a_logout_that_races_a_rotation_says_whether_it_ended_the_session,
                a_rotation_that_races_changes_loses_none,
            ],
            events: [
                each_end_is_told_once_whatever_four_nodes_do,
                every_reason_is_told,
                observers_that_fail_hang_or_panic_harm_nobody,
                a_full_queue_loses_events_and_blocks_nobody,
                an_operation_that_is_dropped_goes_on,
            ],
            policy: [
                renewal_is_due_after_half_the_window,
                the_absolute_limit_never_moves,
                a_clock_that_goes_back_changes_nothing,
                a_session_expires_at_its_end_and_not_before,
                remembered_sessions_have_lifetimes_of_their_own,
                without_sliding_nothing_is_renewed,
                the_cap_ends_the_oldest_or_rejects,
                visitors_have_no_cap_and_no_subject,
                a_moved_expiry_does_not_outlive_the_absolute_limit,
            ],
            revocation: [
                refresh_tokens_are_revoked_with_their_sessions,
                a_revoker_that_fails_is_tried_again,
                a_revoker_that_hangs_keeps_no_session_alive,
                a_revoker_that_panics_keeps_no_session_alive,
                a_token_that_comes_in_during_the_logout_is_revoked,
                one_session_ends_and_the_others_live_on,
                a_session_id_leads_to_all_sessions_of_its_subject,
            ],
            cleanup: [
                expired_sessions_are_removed_and_told,
                without_observers_the_store_removes_them,
                four_cleanups_tell_each_end_once,
                the_worker_runs_and_shuts_down,
                a_lease_that_another_has_leaves_it_to_him,
            ],
        }
        $crate::__stamp_tickets_of_two! { ($factory)
            two_stores: [
                rows_moved_between_tables_do_not_open,
                rows_copied_to_another_table_do_not_open_for_another_purpose,
            ],
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_tickets {
    ($factory:tt $($file:ident: [$($behaviour:ident),* $(,)?],)*) => {$(
        mod $file {
            #[allow(unused_imports)]
            use super::*;

            $crate::__stamp_ticket_behaviours! { $factory $file [$($behaviour)*] }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_ticket_behaviours {
    (($factory:path) $file:ident [$($behaviour:ident)*]) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            use $crate::contract::Provided;

            let clock = $crate::contract::clock();
            let made = $factory(::std::sync::Arc::clone(&clock)).await;
            if let Some(made) = made.provided() {
                $crate::contract::$file::$behaviour(made.store, clock).await;
                drop(made.guard);
            }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_tickets_of_two {
    (($factory:path) $file:ident: [$($behaviour:ident),* $(,)?],) => {
        mod $file {
            #[allow(unused_imports)]
            use super::*;

            $crate::__stamp_ticket_behaviours_of_two! { ($factory) $file [$($behaviour)*] }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_ticket_behaviours_of_two {
    (($factory:path) $file:ident [$($behaviour:ident)*]) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            use $crate::contract::Provided;

            let clock = $crate::contract::clock();
            let one = $factory(::std::sync::Arc::clone(&clock)).await;
            let other = $factory(::std::sync::Arc::clone(&clock)).await;
            if let (Some(one), Some(other)) = (one.provided(), other.provided()) {
                $crate::contract::$file::$behaviour(one.store, other.store, clock).await;
                drop((one.guard, other.guard));
            }
        }
    )*};
}
