//! The application on axum.

mod bound;
mod steps;

use std::net::SocketAddr;
use std::time::Duration;

use adapter_axum::{
    Access, Answer, Any, CustomLogin, CustomPassword, CustomStepUp, LoginRequest, LogoutRequest,
    OrNobody, PasswordRequest, Rejection, Require, Rule, ServerSession, StepUpRequest, Untouched,
    Visitor,
};
use axum::Router;
use axum::extract::{Form, RawForm};
use axum::http::HeaderName;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::middleware::from_extractor_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use token_core::session::Rights;
use token_core::{Authentication, CustomClaims};
use token_http::Auth;
use token_session::{NewSession, StepUp};

enum WriteNotes {}
impl Rule for WriteNotes {
    const SCOPE: &'static str = "notes:write";
}

enum Reports {}
impl Rule for Reports {
    const SCOPE: &'static str = "reports:read";
}

#[derive(serde::Deserialize)]
struct Profile {
    #[serde(default)]
    role: String,
}

enum Moderator {}
impl Rule<Profile> for Moderator {
    fn permits(claims: &Profile) -> bool {
        claims.role == "moderator"
    }
}

enum JustAuthenticated {}
impl Rule for JustAuthenticated {
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(60));
}

#[derive(serde::Deserialize)]
struct Fields {
    name: String,
    password: String,
}

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials());
    }
    let claims = match login.username() {
        "moderator" => r#"{"role":"moderator"}"#,
        _ => "{}",
    };
    let session = NewSession {
        scope: "notes:write".parse().unwrap(),
        claims: CustomClaims::from_json(claims).unwrap(),
        ..login.new_session()
    };
    login.open(ticket, session).await
}

async fn form_login(login: CustomLogin, Form(form): Form<Fields>) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let ticket = login.begin(form.name.as_str()).await?;
    if form.password != "wonderland" {
        return Err(login.invalid_credentials());
    }
    let session = login.new_session(Authentication::password(login.at()));
    login.redirect(ticket, session, "/page").await
}

/// Another site sends the browser here with a form. The redirect is followed by `GET`.
async fn return_by_post(RawForm(form): RawForm) -> Response {
    let to = format!("/return?{}", String::from_utf8_lossy(&form));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

async fn return_by_get(login: CustomLogin) -> Result<Answer, Rejection> {
    let ticket = login.begin("alice").await?;
    let session = login.new_session(Authentication::password(login.at()));
    login.redirect(ticket, session, "/page").await
}

async fn form_logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    logout.redirect("/bye").await
}

async fn step_up(request: StepUpRequest) -> Result<Answer, Rejection> {
    if request.password() != "wonderland" {
        return Err(request.invalid_credentials());
    }
    let authentication = Authentication::password(request.at());
    request.renew(authentication).await
}

async fn password(request: PasswordRequest) -> Result<Answer, Rejection> {
    if request.new_password().is_empty() {
        return Err(request.unacceptable());
    }
    let authentication = Authentication::password(request.at());
    request.changed(authentication).await
}

#[derive(serde::Deserialize)]
struct Proof {
    code: String,
    refresh_token: Option<String>,
    scope: Option<String>,
}

/// What a renewed session may do: the same, unless a form asks for a scope.
fn rights(scope: Option<&str>) -> Rights {
    Rights {
        scope: scope.map(|scope| scope.parse().unwrap()),
        ..Rights::default()
    }
}

async fn form_step_up(step_up: CustomStepUp, Form(form): Form<Proof>) -> Result<Answer, Rejection> {
    let ticket = step_up.begin(form.refresh_token.as_deref()).await?;
    step_up.attempt(&ticket)?;
    if form.code != "123456" {
        return Err(step_up.invalid_credentials());
    }
    let authentication = Authentication {
        time: step_up.at(),
        acr: None,
        amr: vec!["pwd".into(), "otp".into()],
    };
    let changes = StepUp {
        authentication,
        rights: rights(form.scope.as_deref()),
    };
    if form.refresh_token.is_some() {
        return step_up.renew(&ticket, changes).await;
    }
    let renewed = step_up.redirect(&ticket, changes, "/transfer");
    renewed.await
}

#[derive(serde::Deserialize)]
struct Passwords {
    old: String,
    new: String,
    refresh_token: Option<String>,
    scope: Option<String>,
}

async fn form_password(
    password: CustomPassword,
    Form(form): Form<Passwords>,
) -> Result<Answer, Rejection> {
    let ticket = password.begin(form.refresh_token.as_deref()).await?;
    password.attempt(&ticket)?;
    if form.old != "wonderland" {
        return Err(password.invalid_credentials());
    }
    if form.new.is_empty() {
        return Err(password.unacceptable());
    }
    let stored = form.new != "unstored";
    let store = async move {
        if stored {
            Ok(())
        } else {
            Err(token_http::Rejection::server_error().into())
        }
    };
    let changes = StepUp {
        authentication: Authentication::password(password.at()),
        rights: rights(form.scope.as_deref()),
    };
    if form.refresh_token.is_some() {
        return password.changed(&ticket, changes, store).await;
    }
    password
        .redirect(&ticket, changes, "/settings", store)
        .await
}

async fn me(caller: Any) -> String {
    format!("{} {}", caller.subject(), caller.session_id())
}

async fn page(session: ServerSession) -> ([(HeaderName, &'static str); 1], String) {
    let caching = [(CACHE_CONTROL, "public, max-age=60")];
    (caching, session.subject().to_string())
}

async fn guest(caller: Option<Access>) -> String {
    caller.map_or("guest".to_owned(), |caller| caller.subject().to_string())
}

async fn note(_caller: Require<WriteNotes>) -> &'static str {
    "written"
}

async fn reports(_caller: Require<Reports, Access>) -> &'static str {
    "reports"
}

enum ModeratorNow {}
impl Rule<Profile> for ModeratorNow {
    const CURRENT: bool = true;

    fn permits(claims: &Profile) -> bool {
        claims.role == "moderator"
    }
}

async fn moderate_now(_caller: Require<ModeratorNow, Any<Profile>>) -> &'static str {
    "hidden"
}

/// Takes the role from `moderator`.
async fn demote(axum::extract::State(auth): axum::extract::State<Auth>) -> &'static str {
    let nothing = CustomClaims::from_json("{}").unwrap();
    let moderator = "moderator".parse().unwrap();
    let changed = auth.manager().permit_all(&moderator, nothing).await;
    assert_eq!(changed.unwrap().len(), 2);
    "demoted"
}

async fn moderate(_caller: Require<Moderator, Any<Profile>>) -> &'static str {
    "hidden"
}

async fn transfer(_caller: Require<JustAuthenticated>) -> &'static str {
    "transferred"
}

async fn count(session: ServerSession) -> Result<String, Rejection> {
    let visits = session.get::<u32>("visits").await?.unwrap_or(0) + 1;
    session.set("visits", &visits).await?;
    Ok(visits.to_string())
}

/// A page that greets guests too.
async fn home(session: Result<ServerSession, Rejection>) -> String {
    session.map_or("guest".to_owned(), |session| session.subject().to_string())
}

async fn look(Untouched(caller): Untouched<Option<Any>>) -> &'static str {
    if caller.is_some() { "yes" } else { "no" }
}

/// Changes the data and then fails.
async fn fail(session: ServerSession) -> Result<String, Rejection> {
    session.set("visits", &0).await?;
    Err(token_http::Rejection::server_error().into())
}

async fn update(session: ServerSession) -> Result<String, Rejection> {
    let visits = session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1);
    Ok(visits.await?.to_string())
}

/// Changes the data beside the session that the handler has: the end of the request finds it.
async fn race(
    session: ServerSession,
    auth: axum::extract::State<Auth>,
) -> Result<String, Rejection> {
    session.set("visits", &0).await?;
    let id = session.session().id;
    let data = auth.manager().session_data(id).await?.expect("it is live");
    let json = Some("{\"visits\":100}".into());
    let _ = auth
        .manager()
        .write_session_data(id, data.version, json)
        .await?;
    Ok("lost".to_owned())
}

/// Stores an article for the visitor.
async fn add(visitor: Visitor, article: String) -> Result<String, Rejection> {
    let mut basket: Vec<String> = visitor.get("basket").await?.unwrap_or_default();
    basket.push(article);
    visitor.set("basket", &basket).await?;
    Ok(basket.join(" "))
}

/// What is stored for the visitor, and nothing without a cookie.
async fn basket(visitor: Visitor) -> Result<String, Rejection> {
    let basket: Option<Vec<String>> = visitor.get("basket").await?;
    Ok(basket.unwrap_or_default().join(" "))
}

async fn say(visitor: Visitor, message: String) -> Result<&'static str, Rejection> {
    visitor.flash(message).await?;
    Ok("said")
}

async fn heard(visitor: Visitor) -> Result<String, Rejection> {
    Ok(visitor.take_flashes::<String>().await?.join(" "))
}

/// Stores something for the visitor and then fails.
async fn add_and_fail(visitor: Visitor, article: String) -> Result<String, Rejection> {
    visitor.set("basket", &[article]).await?;
    Err(token_http::Rejection::server_error().into())
}

/// Takes a visitor and asks it nothing.
async fn idle(_visitor: Visitor) -> &'static str {
    "idle"
}

/// What a login has copied of the visitor's basket.
async fn bought(session: ServerSession) -> Result<String, Rejection> {
    let basket: Option<Vec<String>> = session.get("basket").await?;
    let other: Option<String> = session.get("other").await?;
    Ok(format!("{:?} {other:?}", basket.unwrap_or_default()))
}

/// A page that greets guests, and those whose session has ended.
async fn welcome(OrNobody(caller): OrNobody<Any>) -> String {
    caller.map_or("guest".to_owned(), |caller| caller.subject().to_string())
}

/// A login that copies the basket and nothing else, and changes the visitor's data after it.
async fn checkout(
    visitor: Visitor,
    login: CustomLogin,
    Form(form): Form<Fields>,
) -> Result<Answer, Rejection> {
    let ticket = login.begin(form.name.as_str()).await?;
    if form.password != "wonderland" {
        return Err(login.invalid_credentials());
    }
    visitor.set("other", &"not copied").await?;
    let session = NewSession {
        kept: visitor.keep(&["basket"]).await?,
        ..login.new_session(Authentication::password(login.at()))
    };
    login.redirect(ticket, session, "/page").await
}

async fn leave(session: ServerSession, logout: LogoutRequest) -> Result<Answer, Rejection> {
    session.set("visits", &9).await?;
    logout.redirect("/bye").await
}

async fn enter(session: ServerSession, login: CustomLogin) -> Result<Answer, Rejection> {
    session.set("visits", &9).await?;
    let ticket = login.begin("bob").await?;
    let session = login.new_session(Authentication::password(login.at()));
    login.redirect(ticket, session, "/page").await
}

async fn held(_session: ServerSession) -> &'static str {
    crate::overtaken::held().await
}

pub(crate) fn start(auth: Auth) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let app = Router::new()
        .route("/auth/login", post(login))
        .route("/form/login", post(form_login))
        .route("/form/step-up", post(form_step_up))
        .route("/form/password", post(form_password))
        .route("/form/logout", get(form_logout).post(form_logout))
        .route("/auth/step-up", post(step_up))
        .route("/auth/password", post(password))
        .route("/me", get(me).post(me))
        .nest("/nested", Router::new().route("/me", get(me)))
        .route("/guest", get(guest))
        .route("/page", get(page))
        .route("/notes", post(note))
        .route("/reports", get(reports))
        .route("/transfer", post(transfer))
        .route("/moderate", post(moderate))
        .route("/moderate-now", post(moderate_now))
        .route("/demote", post(demote))
        .route("/count", post(count))
        .route("/race", post(race))
        .route("/return", get(return_by_get).post(return_by_post))
        .route("/home", get(home))
        .route("/look", get(look))
        .route("/fail", post(fail))
        .route("/update", post(update))
        .route("/held", get(held))
        .route("/leave", post(leave))
        .route("/enter", post(enter))
        .route(
            "/guarded",
            get(me).route_layer(from_extractor_with_state::<Require<Reports>, Auth>(
                auth.clone(),
            )),
        )
        .merge(bound::routes())
        .merge(steps::routes())
        .route("/basket", get(basket).post(add))
        .route("/basket/fail", post(add_and_fail))
        .route("/flash", get(heard).post(say))
        .route("/idle", get(idle).post(idle))
        .route("/checkout", post(checkout))
        .route("/bought", get(bought))
        .route("/welcome", get(welcome).post(welcome))
        .merge(adapter_axum::routes(&auth))
        .merge(adapter_axum::protected_resource(&crate::resource::apart()))
        .layer(adapter_axum::sessions())
        .layer(adapter_axum::visitors())
        .route("/unlayered", get(me))
        .route("/unlayered/visitor", get(idle))
        .with_state(auth);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.unwrap();
        });
    });
    address
}
