//! The demo server on axum. If you read one file, read this one: everything about sessions is in the
//! handlers' signatures. What does not depend on axum is in `example-support`.

mod cors;
mod files;
mod methods;
mod operate;
mod serve;
mod state;
mod thief;

use std::process::ExitCode;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware;
use axum::response::IntoResponse;
use axum::{Json, Router};
use example_support::events::EVENT_STREAM;
use example_support::{
    App, Flags, JustAuthenticated, Me, Note, PasswordChange, Profile, ReadReports, Reports,
    StartError, Transfer, Users, WriteNotes, events, log, openapi::document, shutdown,
};
use hallpass::axum::{
    Answer, Any, LoginRequest, PasswordRequest, Rejection, Require, StepUpRequest, openapi, routes,
    sessions,
};
use hallpass::{Authentication, CustomClaims, NewSession};

use crate::cors::with_cors;
use crate::files::files;
use crate::methods::{get, not_found, one_host, post};
use crate::operate::{healthz, keys, log_request, lose_answer, metrics};
use crate::state::Shared;

async fn login(State(users): State<Users>, login: LoginRequest) -> Result<Answer, Rejection> {
    // Before the password is checked: if all sessions of the user are ended meanwhile, this login
    // opens none.
    let ticket = login.begin(login.username()).await?;
    let user = users.authenticate(login.username(), login.password());
    let user = user.await?.ok_or_else(|| login.invalid_credentials())?;
    let name = user.display_name();
    let session = NewSession {
        scope: user.scope.clone(),
        claims: CustomClaims::new(&Profile { name }).expect("a name is a claim"),
        ..login.new_session()
    };
    login.open(ticket, session).await
}

async fn step_up(State(users): State<Users>, request: StepUpRequest) -> Result<Answer, Rejection> {
    let name = request.session().subject.as_str();
    let user = users.authenticate(name, request.password()).await?;
    user.ok_or_else(|| request.invalid_credentials())?;
    request.renew(Authentication::password(request.at())).await
}

async fn password(
    State(users): State<Users>,
    request: PasswordRequest,
) -> Result<Answer, Rejection> {
    let authentication = Authentication::password(request.at());
    // Both to the end, also if the client closes the connection: the new password is stored, and every
    // other session is ended.
    let changed = request.changed_with(authentication, async move |request| {
        let subject = &request.session().subject;
        let changed = users.change_password(subject, request.password(), request.new_password());
        match changed.await? {
            PasswordChange::Done => Ok(()),
            PasswordChange::Unacceptable => Err(request.unacceptable()),
            // The answer to a first request may have been lost. Another password is tried, so it counts.
            PasswordChange::WrongPassword => {
                request.attempt()?;
                let changed = users.has_changed(subject, request.new_password());
                let changed = changed.await?;
                changed
                    .then_some(())
                    .ok_or_else(|| request.invalid_credentials())
            }
        }
    });
    changed.await
}

async fn me(caller: Any) -> Json<Me> {
    Json(Me {
        sub: caller.subject().clone(),
        session_id: caller.session_id(),
        scope: caller.scope().clone(),
        auth_time: caller.auth_time(),
    })
}

async fn reports(caller: Require<ReadReports, Any<Profile>>) -> Json<Reports> {
    Json(Reports {
        title: format!("Reports for {}", caller.custom().name),
        reports: vec!["Looking-glass sales", "Tea parties"],
    })
}

async fn write_note(caller: Require<WriteNotes, Any<Profile>>) -> Json<Note> {
    let written_by = caller.custom().name.clone();
    Json(Note { written_by })
}

async fn transfer(_caller: Require<JustAuthenticated>) -> Json<Transfer> {
    Json(Transfer { transferred: true })
}

async fn stream(caller: Any) -> impl IntoResponse {
    let body = Body::from_stream(events(caller.ended()));
    ([(CONTENT_TYPE, EVENT_STREAM)], body)
}

fn router(shared: Shared) -> Router {
    let auth = shared.auth.clone();
    let document = document(&auth, shared.key_admin.is_some(), shared.thief.is_on());
    let router = Router::new()
        .route("/auth/login", post(login))
        .route("/auth/step-up", post(step_up))
        .route("/auth/password", post(password))
        .route("/api/me", get(me))
        .route("/api/reports", get(reports))
        .route("/api/notes", post(write_note))
        .route("/api/transfer", post(transfer))
        .route("/api/events", get(stream))
        .route("/admin/keys", post(keys))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .merge(files(shared.page))
        .merge(thief::routes(&shared.thief))
        .merge(routes(&auth))
        .merge(openapi(&auth, document))
        .layer(sessions())
        .fallback(not_found)
        .with_state(shared);
    let router = match auth.config().allowed_origins() {
        [] => router,
        allowed => with_cors(router, allowed),
    };
    let router = router
        .layer(middleware::from_fn(one_host))
        .layer(middleware::from_fn(lose_answer));
    router.layer(middleware::from_fn(log_request))
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::read();
    log::init();
    match serve(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

async fn serve(flags: &Flags) -> Result<(), StartError> {
    let app = App::start(flags).await?;
    app.announce(flags).map_err(StartError::Serve)?;
    let App {
        listener,
        #[cfg(feature = "tls")]
        tls,
        auth,
        users,
        page,
        metrics,
        background,
        key_admin,
        thief,
    } = app;
    let router = router(Shared {
        auth,
        users,
        page,
        metrics,
        key_admin,
        thief,
    });
    let server = serve::Server {
        listener,
        #[cfg(feature = "tls")]
        tls: tls.map(Into::into),
        router,
    };
    tokio::select! {
        () = server.serve(shutdown::requested()) => {}
        () = shutdown::overdue() => {}
    }
    background.end().await;
    Ok(())
}
