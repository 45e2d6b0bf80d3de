//! The example server on actix-web. Everything about sessions is in the handlers' signatures;
//! what does not concern actix is in `example-support`.

use std::process::ExitCode;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::middleware::{self, Condition, Next};
use actix_web::web::Json;
use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, guard, web,
};
use adapter_actix::{
    Answer, Any, Auth, LoginRequest, Origin, PasswordRequest, Refusal, Rejection, Require, Rule,
    StepUpRequest, routes, sessions,
};
use clap::Parser as _;
use example_support::events::EVENT_STREAM;
use example_support::{
    App, Flags, KeyAdmin, Metrics, Page, PasswordChange, StartError, Users, events, health, log,
    shutdown,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use token_core::session::Authentication;
use token_core::{CustomClaims, Subject};
use token_store::NewSession;

/// The claims of our own in each access token.
#[derive(Debug, Deserialize, Serialize)]
struct Profile {
    name: String,
}

/// May read reports.
enum ReadReports {}
impl Rule for ReadReports {
    const SCOPE: &'static str = "reports:read";
}

/// May write notes.
enum WriteNotes {}
impl Rule for WriteNotes {
    const SCOPE: &'static str = "notes:write";
}

/// Has typed the password within the last minute.
enum JustAuthenticated {}
impl Rule for JustAuthenticated {
    const MAX_AGE: Option<Duration> = Some(Duration::from_mins(1));
}

async fn login(users: web::Data<Users>, login: LoginRequest) -> Result<Answer, Rejection> {
    // Noted before the password is checked: where all sessions of the user are ended
    // meanwhile, this login opens none.
    let subject = Subject::new(login.username()).map_err(|_| login.invalid_credentials())?;
    let ticket = login.begin(subject).await?;
    let user = users.authenticate(login.username(), login.password());
    let user = user.await?.ok_or_else(|| login.invalid_credentials())?;
    let name = user.display_name();
    let session = NewSession {
        scope: user.scope.clone(),
        claims: CustomClaims::new(&Profile { name }).expect("a name is a claim"),
        ..login.new_session()
    };
    Ok(login.open(ticket, session).await?.into())
}

async fn step_up(users: web::Data<Users>, request: StepUpRequest) -> Result<Answer, Rejection> {
    let name = request.session().subject.as_str();
    let user = users.authenticate(name, request.password()).await?;
    user.ok_or_else(|| request.invalid_credentials())?;
    let authentication = Authentication::password(request.at());
    Ok(request.renew(authentication).await?.into())
}

async fn password(users: web::Data<Users>, request: PasswordRequest) -> Result<Answer, Rejection> {
    let subject = &request.session().subject;
    let changed = users.change_password(subject, request.password(), request.new_password());
    match changed.await? {
        PasswordChange::Done => {}
        PasswordChange::Unacceptable => return Err(request.unacceptable().into()),
        PasswordChange::WrongPassword => return Err(request.invalid_credentials().into()),
    }
    let authentication = Authentication::password(request.at());
    Ok(request.changed(authentication).await?.into())
}

async fn me(caller: Any) -> Json<Value> {
    Json(json!({
        "sub": caller.subject(),
        "session_id": caller.session_id(),
        "scope": caller.scope(),
        "auth_time": caller.auth_time(),
    }))
}

async fn reports(caller: Require<ReadReports, Any<Profile>>) -> Json<Value> {
    let title = format!("Reports for {}", caller.custom().name);
    Json(json!({ "title": title, "reports": ["Looking-glass sales", "Tea parties"] }))
}

async fn write_note(caller: Require<WriteNotes, Any<Profile>>) -> Json<Value> {
    Json(json!({ "written_by": caller.custom().name }))
}

async fn transfer(_caller: Require<JustAuthenticated>) -> Json<Value> {
    Json(json!({ "transferred": true }))
}

/// Changes keys, for whoever has the administrator's key.
async fn keys(admin: web::Data<KeyAdmin>, request: HttpRequest, body: web::Bytes) -> Answer {
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.map(HeaderValue::as_bytes);
    admin.act(authorization, &body).await.into()
}

async fn stream(caller: Any) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(EVENT_STREAM);
    response.streaming(events(caller.ended()))
}

async fn healthz(auth: web::Data<Auth>) -> Answer {
    health(auth.manager()).into()
}

async fn metrics(metrics: web::Data<Metrics>) -> Answer {
    metrics.answer().into()
}

async fn not_found(auth: web::Data<Auth>) -> Rejection {
    auth.reject(Refusal::NotFound).into()
}

async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    let request = response.request();
    let status = response.status().as_u16();
    log::request(request.method().as_str(), request.path(), status);
    Ok(response)
}

async fn only_get(auth: web::Data<Auth>) -> Rejection {
    let allow = "GET, HEAD";
    auth.reject(Refusal::MethodNotAllowed { allow }).into()
}

async fn only_post(auth: web::Data<Auth>) -> Rejection {
    let allow = "POST";
    auth.reject(Refusal::MethodNotAllowed { allow }).into()
}

/// Where `GET` is answered; for `HEAD`, actix leaves the body out.
fn get<A>(path: &str, handler: impl Handler<A, Output: Responder + 'static>) -> Resource
where
    A: FromRequest + 'static,
{
    let get_or_head = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(get_or_head).to(handler))
        .default_service(web::to(only_get))
}

/// Where `POST` is answered.
fn post<A>(path: &str, handler: impl Handler<A, Output: Responder + 'static>) -> Resource
where
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(only_post))
}

/// What pages of other origins may do: call with credentials, and read why not.
fn cors(allowed: &[Origin]) -> Cors {
    let cors = allowed.iter().fold(Cors::default(), |cors, origin| {
        cors.allowed_origin(origin.as_str())
    });
    cors.supports_credentials()
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
        .max_age(600)
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
    let flags = Flags::parse();
    log::init();
    match serve(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

async fn serve(flags: &Flags) -> Result<(), StartError> {
    let app = App::start(flags).await?;
    app.announce().map_err(StartError::Serve)?;
    let App {
        listener,
        auth,
        users,
        page,
        metrics,
        background,
        key_admin,
    } = app;
    let listener = listener.into_std().map_err(StartError::Serve)?;
    let server = HttpServer::new(move || {
        let allowed = auth.config().allowed_origins();
        actix_web::App::new()
            .app_data(web::Data::new(users.clone()))
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(key_admin.clone()))
            .configure(routes(&auth))
            .configure(application(page))
            .default_service(web::to(not_found))
            .wrap(middleware::from_fn(sessions))
            .wrap(Condition::new(!allowed.is_empty(), cors(allowed)))
            .wrap(middleware::from_fn(log_request))
    });
    let server = server.listen(listener).map_err(StartError::Serve)?;
    let server = server.shutdown_timeout(shutdown::LONGEST.as_secs());
    let served = server.shutdown_signal(shutdown::requested()).run().await;
    background.end().await;
    served.map_err(StartError::Serve)
}
