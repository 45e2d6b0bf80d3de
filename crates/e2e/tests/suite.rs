//! Every scenario, against both example servers.

/// Makes a test of each scenario.
macro_rules! suite {
    ($($module:ident::$scenario:ident,)*) => {
        $(
            #[test]
            fn $scenario() {
                e2e::both(e2e::scenario::$module::$scenario);
            }
        )*
    };
}

suite! {
    cookies::cookies_have_the_attributes_of_the_contract,
    cookies::remembered_cookies_last_as_long_as_the_session,
    cookies::a_session_cookie_slides,
    cookies::two_cookies_of_one_name_are_refused,
    cookies::a_self_made_cookie_is_never_adopted,
    cookies::a_login_is_safe_from_fixation,
    cookies::long_and_many_cookies_are_put_up_with,
    cookies::a_bearer_token_goes_before_a_cookie,
    cookies::a_refresh_token_counts_only_in_its_own_carrier,
    cors::named_origins_may_read_and_no_others,
    cors::without_named_origins_there_is_no_cors,
    csrf::every_combination_of_fields_at_every_route,
    csrf::forwarded_fields_prove_no_origin,
    csrf::reading_and_bearer_tokens_need_no_proof,
    deadlines::no_use_outlives_the_absolute_deadline,
    ending::after_a_logout_nothing_works,
    ending::sessions_are_listed_and_ended_by_their_owner_alone,
    ending::log_out_everywhere_ends_every_session,
    ending::devices_have_names,
    flags::every_flag_is_an_environment_variable_too,
    flags::lifetimes_are_as_the_flags_say,
    flags::the_origin_is_what_the_flag_says,
    flags::revocation_is_checked_as_the_flag_says,
    forgery::every_single_fault_of_a_token_is_refused,
    input::bad_logins_open_nothing,
    input::other_sites_log_nobody_in,
    input::bad_refreshes_change_nothing,
    input::bad_credentials_are_refused_at_protected_routes,
    input::other_methods_and_paths_are_refused,
    input::other_and_long_bodies_are_refused,
    limits::guesses_at_an_account_are_limited,
    limits::guesses_from_an_address_are_limited,
    limits::refreshes_from_an_address_are_limited,
    limits::only_a_trusted_proxy_names_the_address,
    logs::the_log_has_each_event_and_no_secret,
    main_job::log_in_call_refresh_log_out,
    main_job::scopes_decide,
    main_job::keys_and_metadata_are_public,
    main_job::the_page_is_there,
    processes::killed_and_restarted_nobody_is_logged_out,
    processes::two_servers_on_one_file_are_one,
    processes::a_request_to_end_ends_it,
    public::introspection_tells_the_holder_of_the_key,
    public::revocation_takes_either_token_and_any_hint,
    public::public_documents_can_be_cached,
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
    transports::a_session_lives_and_ends_in_each_transport,
    transports::idle_sessions_end_in_each_transport,
    transports::each_transport_survives_a_crash,
    transports::sessions_end_across_transports,
    transports::nobody_reaches_anothers_session,
    transports::a_step_up_renews_in_each_transport,
    transports::a_change_of_password_in_each_transport,
    transports::a_stolen_refresh_cookie_ends_the_session,
    transports::a_logout_holds_against_requests_in_flight,
    transports::a_forgotten_session_is_unknown,
    transports::a_step_up_needs_the_long_lived_credential,
}
