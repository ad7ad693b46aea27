//! The macros that stamp the contract as tests. A behaviour that is not listed here does not run;
//! a test below compares the lists with the files.

/// Stamps the behaviours of a [`UserSessionStore`](crate::UserSessionStore) as tests. See
/// [`contract`](crate::contract).
#[macro_export]
macro_rules! user_session_store_contract {
    ($factory:path) => {
        $crate::__stamp_contract! { ($factory) (store)
            create: [
                a_created_session_is_found,
                what_is_optional_may_be_absent,
                a_live_session_with_the_same_key_is_in_the_way,
                a_live_session_with_the_same_session_id_is_in_the_way,
                a_session_is_in_the_way_until_it_expires,
                sessions_without_a_session_id_are_not_in_each_others_way,
                an_expired_row_with_the_same_key_is_displaced,
                an_expired_row_with_the_same_session_id_is_displaced,
                two_expired_rows_are_displaced_at_once,
                a_refused_creation_displaces_nothing,
                a_session_that_has_expired_already_is_accepted,
                a_removed_session_leaves_its_key_and_session_id_free,
            ],
            get: [
                an_unknown_key_is_absent,
                a_session_is_found_until_it_expires,
                a_session_without_expiry_stays,
                reading_changes_nothing,
            ],
            update: [
                an_update_replaces_the_six_fields,
                a_field_may_change_by_itself,
                what_is_optional_may_be_taken_away,
                an_updated_session_is_found_by_its_new_fields,
                every_update_counts,
                an_absent_session_is_not_inserted,
                an_expired_session_is_not_updated,
                an_update_may_let_a_session_expire,
                the_stored_version_is_the_condition,
                another_version_is_a_mismatch,
                a_session_id_in_use_is_refused,
                its_own_session_id_may_be_kept,
                an_expired_row_with_the_session_id_is_displaced,
                an_update_in_vain_displaces_nothing,
                bad_input_is_told_first,
                absence_is_told_second,
                a_mismatch_is_told_before_a_session_id_in_use,
            ],
            renew: [
                a_renewal_changes_its_fields_only,
                a_renewed_session_outlives_its_first_expiry,
                an_expiry_may_come_and_go,
                a_renewal_may_let_a_session_expire,
                an_absent_session_is_not_inserted,
                an_expired_session_is_not_renewed,
                a_renewal_makes_what_was_read_before_it_stale,
            ],
            rotate: [
                a_rotated_session_is_found_by_its_new_key,
                a_session_id_may_be_kept_and_the_old_key_is_free,
                onto_its_own_key_it_is_an_update,
                an_absent_session_is_not_inserted,
                an_expired_session_is_not_rotated,
                a_key_or_session_id_in_use_is_refused,
                an_expired_row_with_the_new_key_is_displaced,
                two_expired_rows_are_displaced_at_once,
                a_rotation_in_vain_displaces_nothing,
                the_stored_version_is_the_condition,
                checks_answer_in_order,
            ],
            delete: [
                a_deleted_session_is_gone,
                a_deletion_is_answered_once,
                an_expired_session_is_deleted_too,
            ],
            query: [
                every_field_of_the_filter_must_match,
                sessions_come_in_full,
                sessions_are_ordered_by_creation_and_key,
                only_live_sessions_are_found,
            ],
            delete_by_filter: [
                every_field_of_the_filter_must_match,
                expired_sessions_are_deleted_too,
                a_session_is_counted_once,
            ],
            end: [
                every_field_of_the_filter_must_match,
                expired_sessions_end_too,
                ended_sessions_come_in_full,
                a_session_is_handed_back_once,
            ],
            start: [
                a_started_session_is_found,
                the_session_with_the_same_session_id_ends,
                an_expired_session_with_the_same_session_id_is_handed_back,
                without_replacement_a_live_session_id_is_in_the_way,
                without_a_session_id_and_a_cap_nothing_ends,
                the_key_of_an_ended_session_may_be_used_again,
                any_other_live_key_is_in_the_way,
                an_expired_row_with_the_same_key_is_handed_back,
                displaced_sessions_are_ordered_by_creation_and_key,
                a_full_subject_loses_its_oldest_session,
                keys_decide_among_sessions_created_at_once,
                a_lowered_cap_ends_several,
                the_largest_cap_ends_nothing,
                a_full_subject_may_be_refused,
                the_replaced_session_does_not_count,
                expired_sessions_do_not_count,
                anonymous_sessions_have_no_cap,
                others_sessions_do_not_count,
                a_session_counts_until_it_expires,
            ],
            partitions: [
                each_has_its_own_keys_and_session_ids,
                changes_stay_within,
                nothing_is_in_the_way_of_another_partition,
                queries_stay_within,
                endings_by_filter_stay_within,
                starts_stay_within,
            ],
            keys: [
                user_keys_that_look_alike_differ,
                session_ids_that_look_alike_differ,
                subjects_that_look_alike_differ,
                partitions_that_look_alike_differ,
                an_exception_is_one_key,
                a_start_replaces_one_session_id,
                all_keys_may_be_of_full_length,
            ],
            tickets: [
                a_ticket_may_be_empty,
                a_ticket_may_be_any_bytes,
                a_ticket_may_be_as_long_as_the_limit,
                a_longer_ticket_begins_no_session,
                a_longer_ticket_changes_no_session,
            ],
            time: [
                microseconds_come_back,
                finer_digits_are_floored,
                time_is_floored_before_it_is_compared,
                timestamps_may_be_in_any_order,
                an_invalid_timestamp_begins_no_session,
                an_invalid_timestamp_changes_no_session,
            ],
            races: [
                one_key_is_created_once,
                one_session_id_is_created_once,
                an_expired_row_makes_room_for_one,
                one_deletion_is_told,
                each_session_is_handed_to_one,
                counts_of_deletions_add_up,
                each_ending_is_told_by_one,
                a_cap_holds,
                a_cap_that_rejects_holds,
                starts_with_one_session_id_leave_one,
                one_key_is_started_once,
                no_change_brings_a_deleted_session_back,
                an_ending_does_not_miss_a_rotation,
                one_rotation_takes_a_key,
                a_session_is_rotated_once,
                one_update_takes_a_session_id,
                one_update_meets_a_version,
                no_change_is_lost_that_looks_at_the_version,
                versions_of_renewals_add_up,
                no_change_keeps_a_session_from_being_replaced,
                a_logout_everywhere_ends_what_it_tells,
                a_logout_ends_the_old_session_or_the_new,
            ],
            dropped: [
                a_start_happens_as_a_whole,
                an_ending_happens_as_a_whole,
                a_rotation_happens_as_a_whole,
                a_creation_happens_as_a_whole,
                later_calls_are_not_kept_waiting,
            ],
        }
    };
}

/// Stamps the behaviours of a [`UserSessionStoreCleanup`](crate::UserSessionStoreCleanup) as tests.
/// See [`contract`](crate::contract).
#[macro_export]
macro_rules! user_session_store_cleanup_contract {
    ($factory:path) => {
        $crate::__stamp_contract! { ($factory) (store, store)
            delete_expired: [
                every_expired_session_is_removed,
                live_sessions_stay,
                a_renewed_session_stays,
                an_earlier_expiry_holds,
                one_call_removes_more_than_a_batch,
                what_is_removed_at_once_adds_up,
                a_session_renewed_meanwhile_stays,
            ],
            end_expired: [
                every_expired_session_is_handed_back,
                batches_keep_to_the_limit,
                a_batch_is_no_larger_than_a_thousand,
                live_sessions_stay,
                each_session_is_handed_to_one,
            ],
        }
    };
}

/// Stamps the behaviours of a [`UserSessionDirectory`](crate::UserSessionDirectory) as tests. See
/// [`contract`](crate::contract).
#[macro_export]
macro_rules! user_session_directory_contract {
    ($factory:path) => {
        $crate::__stamp_contract! { ($factory) (store, store)
            list: [
                sessions_are_listed_newest_first,
                a_summary_has_all_but_the_ticket,
                pages_make_up_the_whole,
                the_last_page_has_no_next,
                a_page_is_no_larger_than_a_thousand,
                a_subjects_sessions_may_be_listed,
                only_live_sessions_are_listed,
                changes_between_pages_do_no_harm,
                a_cursor_is_a_place,
                an_invalid_cursor_is_refused,
                partitions_are_listed_apart,
            ],
            count: [
                everybodys_or_a_subjects_sessions_are_counted,
                only_live_sessions_are_counted,
                partitions_are_counted_apart,
            ],
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_contract {
    ($factory:tt $arguments:tt $($file:ident: [$($behaviour:ident),* $(,)?],)*) => {$(
        mod $file {
            #[allow(unused_imports)]
            use super::*;

            $crate::__stamp_behaviours! { $factory $arguments $file [$($behaviour)*] }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stamp_behaviours {
    (($factory:path) $arguments:tt $file:ident [$($behaviour:ident)*]) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            let clock = $crate::contract::clock();
            let made = $factory(::std::sync::Arc::clone(&clock)).await;
            if let Some(store) = $crate::contract::Provided::provided(made) {
                $crate::__check_behaviour!($file $behaviour store clock $arguments);
            }
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __check_behaviour {
    ($file:ident $behaviour:ident $store:ident $clock:ident (store)) => {
        $crate::contract::$file::$behaviour(&*$store, &$clock).await
    };
    ($file:ident $behaviour:ident $store:ident $clock:ident (store, store)) => {
        $crate::contract::$file::$behaviour(&*$store, &*$store, &$clock).await
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// The behaviours that the lists name, as `file::behaviour`.
    fn listed() -> BTreeSet<String> {
        let mut file = "";
        let mut listed = BTreeSet::new();
        let lists = include_str!("macros.rs").lines().map(str::trim);
        for line in lists.take_while(|line| *line != "#[doc(hidden)]") {
            if let Some(name) = line.strip_suffix(": [") {
                file = name;
            } else if let Some(behaviour) = line.strip_suffix(',') {
                let is_new = listed.insert(format!("{file}::{behaviour}"));
                assert!(is_new, "{file}::{behaviour} is listed twice");
            }
        }
        listed.retain(|behaviour| !behaviour.ends_with(']'));
        listed
    }

    /// The behaviours that the files define, as `file::behaviour`.
    fn defined() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract");
        let mut defined = BTreeSet::new();
        for file in folder.read_dir().unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.file_stem().unwrap().to_str().unwrap();
            let functions = text
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "));
            let names = functions.filter_map(|function| function.split_once('('));
            defined.extend(names.map(|(name, _)| format!("{file}::{name}")));
        }
        defined
    }

    #[test]
    fn every_behaviour_is_listed() {
        assert_eq!(listed(), defined());
    }
}
