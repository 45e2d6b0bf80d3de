//! The operations: what each accepts, and everything that it may answer.

use std::time::Duration;

use token_session::binding::BindingMode;
use utoipa::ToSchema as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::schema::{ArrayBuilder, ComponentsBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Required, ResponseBuilder};

use super::body::{
    answer, cookies, described, form, json, json_or_form, object, reference, text, token_form,
    tokens, value, words,
};
use super::media::JSON;
use super::refused::{self, INVALID_GRANT, INVALID_TOKEN};
use super::schema;
use super::security::{self, Credential};
use crate::auth::Auth;
use crate::config::AuthConfig;
use crate::login;
use crate::refusal::Refusal;
use crate::renewal::{PasswordBody, StepUpBody};
use crate::resource::Document;
use crate::route::{Route, introspect, logout, metadata, refresh, sessions};
use crate::token_response::{SessionBody, TokenBody};

pub(super) const OAUTH: &str = "oauth";
pub(super) const SESSIONS: &str = "sessions";

/// The operations of one of the library's routes; none if it is disabled.
pub(super) fn of(route: Route, auth: &Auth) -> Vec<(HttpMethod, Operation)> {
    match route {
        Route::Device if auth.manager().binding().mode() == BindingMode::Off => Vec::new(),
        Route::Device => vec![(HttpMethod::Post, bind_to_browser())],
        Route::Introspect if !auth.config().introspects() => Vec::new(),
        Route::Introspect => vec![(HttpMethod::Post, introspect_token(auth))],
        Route::Jwks => vec![(HttpMethod::Get, jwks())],
        Route::Logout => vec![(HttpMethod::Post, log_out(auth))],
        Route::Metadata => vec![(HttpMethod::Get, describe("metadata"))],
        Route::OpenIdConfiguration => vec![(HttpMethod::Get, describe("openid_configuration"))],
        Route::ProtectedResource => vec![(HttpMethod::Get, describe_resource())],
        Route::OneSession => vec![(HttpMethod::Delete, end_session())],
        Route::Refresh => vec![(HttpMethod::Post, renew(auth))],
        Route::Revoke => vec![(HttpMethod::Post, revoke_token(auth))],
        Route::Session => vec![(HttpMethod::Get, session())],
        Route::Sessions => vec![
            (HttpMethod::Delete, end_sessions()),
            (HttpMethod::Get, list_sessions()),
        ],
    }
}

/// The operation of a handler that takes [`LoginRequest`](crate::LoginRequest).
pub fn login(auth: &Auth) -> Operation {
    let operation = operation("login", "Logs a user in", SESSIONS)
        .description(Some("Checks a password and opens a session."))
        .parameter(origin(auth.config()))
        .request_body(Some(json::<login::Body>()))
        .response("200", tokens(auth, "Logged in."));
    let refusals = [
        Refusal::InvalidCredentials,
        Refusal::Csrf,
        Refusal::GatewayTimeout,
    ];
    finish(
        proven(auth, operation),
        &limited(auth, with_proof(auth, refusals)),
    )
}

/// The operation of a handler that takes [`StepUpRequest`](crate::StepUpRequest).
pub fn step_up(auth: &Auth) -> Operation {
    let operation = operation("step_up", "Authenticates again", SESSIONS)
        .request_body(Some(json::<StepUpBody>()))
        .response(
            "200",
            tokens(auth, "A new credential, and a new `auth_time`."),
        );
    renewal(auth, operation)
}

/// The operation of a handler that takes [`PasswordRequest`](crate::PasswordRequest).
pub fn change_password(auth: &Auth) -> Operation {
    let operation = operation("change_password", "Changes the password", SESSIONS)
        .request_body(Some(json::<PasswordBody>()))
        .response(
            "200",
            tokens(auth, "Every other session is ended; a new credential."),
        );
    renewal(auth, operation)
}

/// The schemas that operations refer to by name.
pub(super) fn schemas(config: &AuthConfig) -> ComponentsBuilder {
    let offered = config
        .transports()
        .iter()
        .map(|transport| transport.as_str());
    let offered = words(&offered.collect::<Vec<_>>());
    ComponentsBuilder::new()
        .schema(schema::Offered::name(), offered)
        .schema_from::<login::Body>()
        .schema_from::<StepUpBody>()
        .schema_from::<PasswordBody>()
        .schema_from::<refresh::Body>()
        .schema_from::<logout::Body>()
        .schema_from::<introspect::Active>()
        .schema_from::<introspect::Cnf>()
        .schema_from::<introspect::Inactive>()
        .schema_from::<metadata::Metadata<'_>>()
        .schema_from::<sessions::Item<'_>>()
        .schema_from::<sessions::List<'_>>()
        .schema_from::<SessionBody>()
        .schema_from::<schema::Device>()
        .schema_from::<schema::Transport>()
        .schema_from::<TokenBody<'_>>()
}

fn renew(auth: &Auth) -> Operation {
    let form = form()
        .property("grant_type", words(&["refresh_token"]))
        .required("grant_type")
        .property("refresh_token", value())
        .required("refresh_token")
        .property("scope", text());
    let mut body = json_or_form::<refresh::Body>(form.build());
    body.description = Some("None where the refresh cookie is sent.".to_owned());
    let operation = operation("refresh", "Renews the tokens", OAUTH)
        .description(Some(
            "Rotates the refresh token; as a form, the token endpoint of RFC 6749 section 6.",
        ))
        .request_body(Some(body))
        .response("200", tokens(auth, "New tokens."));
    let operation = optional(proven(auth, operation), &[security::REFRESH_COOKIE]);
    let refusals = [
        INVALID_GRANT,
        Refusal::Unbound,
        Refusal::InvalidScope,
        Refusal::UnsupportedGrantType,
        Refusal::AccessDenied,
        Refusal::Csrf,
        Refusal::GatewayTimeout,
    ];
    finish(operation, &limited(auth, with_proof(auth, refusals)))
}

fn bind_to_browser() -> Operation {
    let field = |name: &str, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(text()))
            .build()
    };
    let content = ContentBuilder::new().schema(Some(object())).build();
    let registered = ResponseBuilder::new()
        .description("The key is registered; what the browser does with it.")
        .content(JSON, content);
    let operation = operation("device", "Binds a session to its browser", SESSIONS)
        .description(Some(
            "Device Bound Session Credentials. Browsers call it by themselves.",
        ))
        .parameter(field(
            "Sec-Secure-Session-Id",
            "Renews, and does not register.",
        ))
        .parameter(field("Secure-Session-Response", "The proof of the key."))
        .response("200", registered.build())
        .response("204", cookies("The key is proven."))
        .response("403", described("A challenge that has to be signed."));
    finish(operation, &[])
}

fn log_out(auth: &Auth) -> Operation {
    let form = form().property("refresh_token", text());
    let body = json_or_form::<logout::Body>(form.build());
    let operation = operation("logout", "Logs out", SESSIONS)
        .description(Some("Ends the session of each genuine credential."))
        .request_body(Some(body))
        .response(
            "204",
            cookies("Logged out, whether or not there was a session."),
        );
    let names = [
        security::ACCESS_TOKEN,
        security::REFRESH_COOKIE,
        security::SESSION_COOKIE,
    ];
    let refusals = [Refusal::Csrf, Refusal::GatewayTimeout];
    finish(optional(operation, &names), &limited(auth, refusals))
}

fn session() -> Operation {
    let operation = operation("session", "The current session", SESSIONS)
        .response("200", answer::<sessions::Item<'_>>("The session."));
    for_caller(operation, &[])
}

fn list_sessions() -> Operation {
    let operation = operation("sessions", "The user's live sessions", SESSIONS)
        .response("200", answer::<sessions::List<'_>>("Each with its device."));
    for_caller(operation, &[])
}

fn end_sessions() -> Operation {
    let keep = words(&["current"]);
    let keep = ParameterBuilder::new()
        .name("keep")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("With `current`, all but the current one."))
        .schema(Some(keep));
    let operation = operation("end_sessions", "Ends the user's sessions", SESSIONS)
        .parameter(keep.build())
        .response("204", cookies("They are ended."));
    for_caller(
        operation,
        &[Refusal::PayloadTooLarge, Refusal::RequestTimeout],
    )
}

fn end_session() -> Operation {
    let id = ParameterBuilder::new()
        .name("session_id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    let operation = operation("end_session", "Ends one of the user's sessions", SESSIONS)
        .parameter(id.build())
        .response("204", cookies("It is ended."));
    let refusals = [
        Refusal::NotFound,
        Refusal::PayloadTooLarge,
        Refusal::RequestTimeout,
    ];
    for_caller(operation, &refusals)
}

fn revoke_token(auth: &Auth) -> Operation {
    let operation = operation("revoke", "Revokes a token", OAUTH)
        .description(Some("RFC 7009: ends the session of either kind of token."))
        .request_body(Some(token_form()))
        .response("200", described("Whatever it was."));
    finish(operation, &limited(auth, []))
}

fn introspect_token(auth: &Auth) -> Operation {
    let either = OneOfBuilder::new()
        .item(reference::<introspect::Active>())
        .item(reference::<introspect::Inactive>());
    let content = ContentBuilder::new().schema(Some(either)).build();
    let ok = ResponseBuilder::new()
        .description("What is not live has no other member than `active`.")
        .content(JSON, content);
    let operation = operation("introspect", "Tells whether a token is live", OAUTH)
        .description(Some("RFC 7662, for resource servers with a key."))
        .request_body(Some(token_form()))
        .response("200", ok.build())
        .securities(Some(security::introspection()));
    let refusals = [Refusal::Unauthorized, INVALID_TOKEN, Refusal::InvalidClient];
    finish(operation, &limited(auth, refusals))
}

fn jwks() -> Operation {
    let keys = ObjectBuilder::new()
        .property("keys", ArrayBuilder::new().items(object()))
        .required("keys");
    let content = ContentBuilder::new().schema(Some(keys)).build();
    let etag = HeaderBuilder::new().schema(Some(text())).build();
    let ok = ResponseBuilder::new()
        .description("The public keys in force (RFC 7517).")
        .content("application/jwk-set+json", content)
        .header("ETag", etag);
    let same = ParameterBuilder::new()
        .name("If-None-Match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(text()));
    operation("jwks", "The public keys", OAUTH)
        .parameter(same.build())
        .response("200", ok.build())
        .response("304", described("As the client has them."))
        .build()
}

fn describe_resource() -> Operation {
    operation("protected_resource", "Where to get a token", OAUTH)
        .description(Some("RFC 9728."))
        .response("200", answer::<Document<'_>>("The metadata."))
        .build()
}

fn describe(id: &str) -> Operation {
    operation(id, "What this server offers", OAUTH)
        .description(Some("RFC 8414."))
        .response("200", answer::<metadata::Metadata<'_>>("The metadata."))
        .build()
}

pub(super) fn operation(id: &str, summary: &str, tag: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .tag(tag)
}

/// Adds these refusals, and those of every route with a body.
fn finish(operation: OperationBuilder, refusals: &[Refusal]) -> Operation {
    let mut operation = operation.build();
    let always = [
        Refusal::InvalidRequest,
        Refusal::PayloadTooLarge,
        Refusal::RequestTimeout,
        Refusal::UnsupportedMediaType,
        Refusal::ServerError,
        Refusal::TemporarilyUnavailable,
    ];
    let refusals: Vec<Refusal> = refusals.iter().cloned().chain(always).collect();
    refused::add(&mut operation.responses, &refusals);
    operation
}

/// A step-up or a change of password, by the long-lived credential.
fn renewal(auth: &Auth, operation: OperationBuilder) -> Operation {
    let names = [security::REFRESH_COOKIE, security::SESSION_COOKIE];
    let refusals = [
        INVALID_GRANT,
        Refusal::Unbound,
        Refusal::InvalidCredentials,
        Refusal::AccessDenied,
        Refusal::Csrf,
        Refusal::GatewayTimeout,
    ];
    let operation = optional(proven(auth, operation), &names);
    finish(operation, &limited(auth, with_proof(auth, refusals)))
}

/// These refusals, and those of a proof if clients may prove a key.
fn with_proof(
    auth: &Auth,
    refusals: impl IntoIterator<Item = Refusal>,
) -> impl Iterator<Item = Refusal> {
    let nonce = auth.next_nonce().map(Refusal::UseDpopNonce);
    let proof = auth.config().dpop().map(|_| Refusal::InvalidDpopProof);
    refusals.into_iter().chain(proof).chain(nonce)
}

/// Adds the field with the proof of a key, if clients may prove one.
fn proven(auth: &Auth, operation: OperationBuilder) -> OperationBuilder {
    if auth.config().dpop().is_none() {
        return operation;
    }
    let proof = ParameterBuilder::new()
        .name("DPoP")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Proves a key of the client's in the transport `header` (RFC 9449). `DPoP-Nonce` of an answer \
             has the nonce for the next one.",
        ))
        .schema(Some(text()));
    operation.parameter(proof.build())
}

/// A route for a caller by access token or session cookie.
fn for_caller(operation: OperationBuilder, refusals: &[Refusal]) -> Operation {
    let by = Credential::Any;
    let mut all = security::caller(by);
    all.extend_from_slice(refusals);
    security::demand(operation.build(), by, "", &all)
}

/// Lets an operation be called with or without these credentials.
fn optional(operation: OperationBuilder, names: &[&str]) -> OperationBuilder {
    let none = std::iter::once(SecurityRequirement::default());
    let named = names
        .iter()
        .map(|name| SecurityRequirement::new(*name, [""; 0]));
    operation.securities(Some(none.chain(named)))
}

/// These refusals, and 429 if attempts are limited.
fn limited(auth: &Auth, refusals: impl IntoIterator<Item = Refusal>) -> Vec<Refusal> {
    let too_many = auth.config().limit().map(|_| Refusal::TooManyRequests {
        retry_after: Duration::from_secs(1),
    });
    refusals.into_iter().chain(too_many).collect()
}

/// The `Origin` field of a login, which is checked in every transport.
fn origin(config: &AuthConfig) -> Parameter {
    ParameterBuilder::new()
        .name("Origin")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Browsers send it. Another site's is refused unless `Sec-Fetch-Site` is `same-origin`.",
        ))
        .schema(Some(words(&security::origins(config))))
        .build()
}
