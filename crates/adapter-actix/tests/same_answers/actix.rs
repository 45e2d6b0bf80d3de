//! The application on actix-web.

mod bound;
mod steps;

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Form;
use actix_web::{App, HttpResponse, HttpServer, web};
use adapter_actix::{
    Access, Answer, Any, CustomLogin, CustomPassword, CustomStepUp, LoginRequest, LogoutRequest,
    Optional, OrNobody, PasswordRequest, Rejection, Require, Rule, ServerSession, StepUpRequest,
    Untouched, Visitor,
};
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

async fn form_login(login: CustomLogin, form: Form<Fields>) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let ticket = login.begin(form.name.as_str()).await?;
    if form.password != "wonderland" {
        return Err(login.invalid_credentials());
    }
    let session = login.new_session(Authentication::password(login.at()));
    login.redirect(ticket, session, "/page").await
}

/// Another site sends the browser here with a form. The redirect is followed by `GET`.
async fn return_by_post(form: String) -> HttpResponse {
    let to = format!("/return?{form}");
    HttpResponse::SeeOther()
        .insert_header((LOCATION, to))
        .finish()
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

async fn form_step_up(step_up: CustomStepUp, form: Form<Proof>) -> Result<Answer, Rejection> {
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
    form: Form<Passwords>,
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

async fn page(session: ServerSession) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=60"))
        .content_type("text/plain; charset=utf-8")
        .body(session.subject().to_string())
}

async fn guest(Optional(caller): Optional<Access>) -> String {
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
async fn demote(auth: web::Data<Auth>) -> &'static str {
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

async fn look(Untouched(caller): Untouched<Optional<Any>>) -> &'static str {
    if caller.0.is_some() { "yes" } else { "no" }
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
async fn race(session: ServerSession, auth: web::Data<Auth>) -> Result<String, Rejection> {
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
    form: Form<Fields>,
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

async fn guard(
    _: Require<Reports>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    next.call(request).await
}

async fn held(_session: ServerSession) -> &'static str {
    crate::overtaken::held().await
}

pub(crate) fn start(auth: Auth) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let server = HttpServer::new(move || {
            App::new()
                .configure(adapter_actix::routes(&auth))
                .configure(adapter_actix::protected_resource(&crate::resource::apart()))
                .route("/unlayered", web::get().to(me))
                .route("/unlayered/visitor", web::get().to(idle))
                .service(
                    web::scope("")
                        .wrap(adapter_actix::sessions())
                        .wrap(adapter_actix::visitors())
                        .app_data(web::Data::new(auth.clone()))
                        .service(web::resource("/auth/login").route(web::post().to(login)))
                        .service(web::resource("/form/login").route(web::post().to(form_login)))
                        .service(web::resource("/form/step-up").route(web::post().to(form_step_up)))
                        .service(
                            web::resource("/form/password").route(web::post().to(form_password)),
                        )
                        .service(
                            web::resource("/form/logout")
                                .route(web::get().to(form_logout))
                                .route(web::post().to(form_logout)),
                        )
                        .service(web::resource("/auth/step-up").route(web::post().to(step_up)))
                        .service(web::resource("/auth/password").route(web::post().to(password)))
                        .service(
                            web::resource("/me")
                                .route(web::get().to(me))
                                .route(web::post().to(me)),
                        )
                        .service(web::scope("/nested").route("/me", web::get().to(me)))
                        .service(web::resource("/guest").route(web::get().to(guest)))
                        .service(web::resource("/page").route(web::get().to(page)))
                        .service(web::resource("/notes").route(web::post().to(note)))
                        .service(web::resource("/reports").route(web::get().to(reports)))
                        .service(web::resource("/transfer").route(web::post().to(transfer)))
                        .service(web::resource("/moderate").route(web::post().to(moderate)))
                        .service(web::resource("/moderate-now").route(web::post().to(moderate_now)))
                        .service(web::resource("/demote").route(web::post().to(demote)))
                        .service(web::resource("/count").route(web::post().to(count)))
                        .service(web::resource("/race").route(web::post().to(race)))
                        .service(
                            web::resource("/return")
                                .route(web::get().to(return_by_get))
                                .route(web::post().to(return_by_post)),
                        )
                        .service(web::resource("/home").route(web::get().to(home)))
                        .service(web::resource("/look").route(web::get().to(look)))
                        .service(web::resource("/fail").route(web::post().to(fail)))
                        .service(web::resource("/update").route(web::post().to(update)))
                        .service(web::resource("/held").route(web::get().to(held)))
                        .service(web::resource("/leave").route(web::post().to(leave)))
                        .service(web::resource("/enter").route(web::post().to(enter)))
                        .service(
                            web::resource("/guarded")
                                .wrap(from_fn(guard))
                                .route(web::get().to(me)),
                        )
                        .configure(bound::routes)
                        .configure(steps::routes)
                        .service(
                            web::resource("/basket")
                                .route(web::get().to(basket))
                                .route(web::post().to(add)),
                        )
                        .service(web::resource("/basket/fail").route(web::post().to(add_and_fail)))
                        .service(
                            web::resource("/flash")
                                .route(web::get().to(heard))
                                .route(web::post().to(say)),
                        )
                        .service(
                            web::resource("/idle")
                                .route(web::get().to(idle))
                                .route(web::post().to(idle)),
                        )
                        .service(web::resource("/checkout").route(web::post().to(checkout)))
                        .service(web::resource("/bought").route(web::get().to(bought)))
                        .service(
                            web::resource("/welcome")
                                .route(web::get().to(welcome))
                                .route(web::post().to(welcome)),
                        ),
                )
        });
        let server = server
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap();
        actix_web::rt::System::new().block_on(server.run()).unwrap();
    });
    address
}
