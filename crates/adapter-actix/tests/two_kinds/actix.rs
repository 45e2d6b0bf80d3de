//! The application on actix-web.

use std::net::TcpListener;

use actix_web::{App, HttpServer, web};
use adapter_actix::{
    Access, Answer, Any, LoginRequest, Optional, Rejection, Require, Rule, ServerSession,
    StepUpRequest,
};
use token_core::{Authentication, NoClaims};
use token_http::Auth;

use crate::{Customers, Staff};

enum Anybody {}
impl Rule for Anybody {}

/// The handlers of one kind of users.
fn of<A>(kind: &'static str) -> impl FnOnce(&mut web::ServiceConfig)
where
    A: Clone + Into<Auth> + 'static,
{
    move |config| {
        config
            .route(&format!("/{kind}/auth/login"), web::post().to(login::<A>))
            .route(
                &format!("/{kind}/auth/step-up"),
                web::post().to(step_up::<A>),
            )
            .route(&format!("/{kind}/me"), web::get().to(me::<A>))
            .route(&format!("/{kind}/guest"), web::get().to(guest::<A>))
            .route(&format!("/{kind}/report"), web::get().to(report::<A>));
    }
}

async fn login<A>(login: LoginRequest<A>) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials());
    }
    login.open(ticket, login.new_session()).await
}

async fn step_up<A>(request: StepUpRequest<A>) -> Result<Answer, Rejection> {
    if request.password() != "wonderland" {
        return Err(request.invalid_credentials());
    }
    request.renew(Authentication::password(request.at())).await
}

async fn me<A>(caller: Any<NoClaims, A>) -> String {
    caller.subject().to_string()
}

async fn guest<A: 'static>(Optional(caller): Optional<Access<NoClaims, A>>) -> String {
    caller.map_or("guest".to_owned(), |caller| caller.subject().to_string())
}

async fn report<A>(_caller: Require<Anybody, Any<NoClaims, A>>) -> &'static str {
    "report"
}

async fn both(
    Optional(staff): Optional<ServerSession<NoClaims, Staff>>,
    Optional(customer): Optional<ServerSession<NoClaims, Customers>>,
) -> Result<String, Rejection> {
    let staff = match &staff {
        Some(session) => count(session).await?,
        None => "-".to_owned(),
    };
    let customer = match &customer {
        Some(session) => count(session).await?,
        None => "-".to_owned(),
    };
    Ok(format!("{staff} {customer}"))
}

async fn count(session: &token_http::ServerSession) -> Result<String, Rejection> {
    let visits = session.get::<u32>("visits").await?.unwrap_or(0) + 1;
    session.set("visits", &visits).await?;
    Ok(visits.to_string())
}

pub(crate) fn start(listener: TcpListener, staff: Staff, customers: Customers) {
    std::thread::spawn(move || {
        let server = HttpServer::new(move || {
            App::new()
                .wrap(adapter_actix::sessions())
                .configure(adapter_actix::routes(&staff))
                .configure(adapter_actix::routes(&customers))
                .configure(of::<Staff>("staff"))
                .configure(of::<Customers>("customers"))
                .route("/both", web::get().to(both))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap();
        actix_web::rt::System::new().block_on(server.run()).unwrap();
    });
}
