//! Every scenario, against both example servers.

use e2e::scenario::{
    deadlines, ending, forgery, input, logs, main_job, processes, rotation, start, step_up, stores,
};

/// Makes a test of each scenario.
macro_rules! suite {
    ($($module:ident::$scenario:ident,)*) => {
        $(
            #[test]
            fn $scenario() {
                e2e::both($module::$scenario);
            }
        )*
    };
}

suite! {
    deadlines::an_idle_session_ends,
    deadlines::no_use_outlives_the_absolute_deadline,
    ending::after_a_logout_nothing_works,
    ending::sessions_are_listed_and_ended_by_their_owner_alone,
    ending::log_out_everywhere_ends_every_session,
    forgery::every_single_fault_of_a_token_is_refused,
    input::bad_logins_open_nothing,
    input::bad_refreshes_change_nothing,
    input::other_sites_log_nobody_in,
    input::bad_credentials_are_refused_at_protected_routes,
    input::other_methods_and_paths_are_refused,
    logs::the_log_has_each_event_and_no_secret,
    main_job::log_in_call_refresh_log_out,
    main_job::scopes_decide,
    main_job::keys_and_metadata_are_public,
    main_job::the_page_is_there,
    main_job::attempts_are_limited,
    processes::killed_and_restarted_nobody_is_logged_out,
    processes::two_servers_on_one_file_are_one,
    processes::a_request_to_end_ends_it,
    rotation::fifty_refreshes_at_once_give_one_token,
    rotation::a_lost_answer_comes_again,
    rotation::a_spent_token_ends_the_session,
    rotation::the_previous_token_after_the_grace_ends_the_session,
    start::wrong_flags_are_named,
    start::key_files_that_cannot_be_trusted_are_refused,
    step_up::a_password_renews_the_session_in_place,
    step_up::a_change_of_password_ends_the_other_sessions,
    stores::two_servers_on_one_postgresql_are_one,
    stores::two_servers_on_one_redis_are_one,
    stores::a_store_that_is_away_logs_nobody_out,
    stores::stores_that_cannot_be_used_are_named,
}
