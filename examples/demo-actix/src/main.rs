//! The demo server on actix-web. If you read one file, read this one: everything about sessions is in
//! the handlers' signatures. What does not depend on actix is in `example-support`.

mod cors;
mod methods;
mod operate;
mod thief;

use std::process::ExitCode;

use actix_web::middleware::{self, Condition};
use actix_web::web::Json;
use actix_web::{HttpResponse, HttpServer, web};
use example_support::events::EVENT_STREAM;
use example_support::{
    App, Flags, HEAD_TIMEOUT, JustAuthenticated, Me, Note, Page, PasswordChange, Profile,
    ReadReports, Reports, StartError, Transfer, Users, WriteNotes, events, log, openapi::document,
    shutdown,
};
use hallpass::actix::{
    Answer, Any, LoginRequest, PasswordRequest, Rejection, Require, StepUpRequest, openapi, routes,
    sessions,
};
use hallpass::{Authentication, CustomClaims, NewSession};

use crate::cors::cors;
use crate::methods::{get, not_found, post};
use crate::operate::{healthz, keys, log_request, lose_answer, metrics};

async fn login(users: web::Data<Users>, login: LoginRequest) -> Result<Answer, Rejection> {
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

async fn step_up(users: web::Data<Users>, request: StepUpRequest) -> Result<Answer, Rejection> {
    let name = request.session().subject.as_str();
    let user = users.authenticate(name, request.password()).await?;
    user.ok_or_else(|| request.invalid_credentials())?;
    request.renew(Authentication::password(request.at())).await
}

async fn password(users: web::Data<Users>, request: PasswordRequest) -> Result<Answer, Rejection> {
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

async fn stream(caller: Any) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(EVENT_STREAM);
    response.streaming(events(caller.ended()))
}

fn application(page: Page) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        for path in Page::paths() {
            let file = move || async move { page.file(path).map(Answer::from) };
            config.service(get(path, file));
        }
        config
            .service(post("/auth/login", login))
            .service(post("/auth/step-up", step_up))
            .service(post("/auth/password", password))
            .service(get("/api/me", me))
            .service(get("/api/reports", reports))
            .service(post("/api/notes", write_note))
            .service(post("/api/transfer", transfer))
            .service(post("/admin/keys", keys))
            .service(get("/api/events", stream))
            .service(get("/healthz", healthz))
            .service(get("/metrics", metrics));
    }
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
    let listener = listener.into_std().map_err(StartError::Serve)?;
    let document = document(&auth, key_admin.is_some(), thief.is_on());
    let server = HttpServer::new(move || {
        let allowed = auth.config().allowed_origins();
        actix_web::App::new()
            .app_data(web::Data::new(users.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(key_admin.clone()))
            .configure(routes(&auth))
            .configure(openapi(&auth, document.clone()))
            .configure(application(page))
            .configure(thief::routes(&thief))
            .default_service(web::to(not_found))
            .wrap(sessions())
            .wrap(Condition::new(!allowed.is_empty(), cors(allowed)))
            .wrap(middleware::from_fn(lose_answer))
            .wrap(middleware::from_fn(log_request))
    });
    #[cfg(feature = "tls")]
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, (*tls).clone()),
        None => server.listen(listener),
    };
    #[cfg(not(feature = "tls"))]
    let server = server.listen(listener);
    let server = server.map_err(StartError::Serve)?;
    // Clients that send half a head could hold every file descriptor of the process.
    let server = server.client_request_timeout(HEAD_TIMEOUT);
    let server = server.shutdown_timeout(shutdown::LONGEST.as_secs());
    let served = server.shutdown_signal(shutdown::requested()).run().await;
    background.end().await;
    served.map_err(StartError::Serve)
}
