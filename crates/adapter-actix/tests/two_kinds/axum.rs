//! The application on axum.

use std::net::TcpListener;

use adapter_axum::{
    Access, Answer, Any, LoginRequest, Rejection, Require, Rule, ServerSession, StepUpRequest,
};
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use token_core::{Authentication, NoClaims};
use token_http::Auth;

use crate::{Customers, Staff};

#[derive(Clone)]
struct App {
    staff: Staff,
    customers: Customers,
}

impl FromRef<App> for Staff {
    fn from_ref(app: &App) -> Self {
        app.staff.clone()
    }
}

impl FromRef<App> for Customers {
    fn from_ref(app: &App) -> Self {
        app.customers.clone()
    }
}

enum Anybody {}
impl Rule for Anybody {}

/// The handlers of one kind of users.
fn of<A>(kind: &str) -> Router<App>
where
    A: FromRef<App> + Into<Auth> + Send + 'static,
{
    Router::new()
        .route(&format!("/{kind}/auth/login"), post(login::<A>))
        .route(&format!("/{kind}/auth/step-up"), post(step_up::<A>))
        .route(&format!("/{kind}/me"), get(me::<A>))
        .route(&format!("/{kind}/guest"), get(guest::<A>))
        .route(&format!("/{kind}/report"), get(report::<A>))
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

async fn guest<A>(caller: Option<Access<NoClaims, A>>) -> String {
    caller.map_or("guest".to_owned(), |caller| caller.subject().to_string())
}

async fn report<A>(_caller: Require<Anybody, Any<NoClaims, A>>) -> &'static str {
    "report"
}

async fn both(
    staff: Option<ServerSession<NoClaims, Staff>>,
    customer: Option<ServerSession<NoClaims, Customers>>,
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
    listener.set_nonblocking(true).unwrap();
    let app = Router::new()
        .merge(of::<Staff>("staff"))
        .merge(of::<Customers>("customers"))
        .route("/both", get(both))
        .merge(adapter_axum::routes(&staff))
        .merge(adapter_axum::routes(&customers))
        .layer(adapter_axum::sessions())
        .with_state(App { staff, customers });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
}
