//! A login at another site by OpenID Connect, and its back-channel logout, which ends our sessions. `docs/proofs.md` walks
//! through it.
//!
//! The provider is named in the environment: `OIDC_ISSUER`, `OIDC_CLIENT_ID` and `OIDC_CLIENT_SECRET`.

mod provider;

use axum::extract::{Extension, Form, State};
use axum::response::{Html, Redirect};
use axum::{Router, routing::get, routing::post};
use hallpass::axum::{Answer, Auth, CustomLogin, Refusal, Rejection, Visitor};
use hallpass::axum::{routes, sessions, visitors};
use hallpass::{Authentication, CustomClaims, RevokeReason::Logout};
use provider::{Provider, USED};

type Reply<T = Answer> = Result<T, Rejection>;
type At = Extension<Provider>;

/// What browsers and the provider send, each a part of it.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Sent {
    next: String,
    code: String,
    state: String,
    logout_token: String,
}

/// What our session remembers of the one at the provider.
fn claims(sid: Option<&str>) -> CustomClaims {
    CustomClaims::new(&serde_json::json!({ "at_provider": sid })).expect("a short text")
}

async fn go(visitor: Visitor, at: At, Form(sent): Form<Sent>) -> Reply<Redirect> {
    let departure = visitor.depart(sent.next.parse()?).await?; // only a path of this site
    Ok(Redirect::to(&at.address(&departure)))
}

async fn back(visitor: Visitor, login: CustomLogin, at: At, Form(sent): Form<Sent>) -> Reply {
    let arrival = visitor.arrive(&sent.state).await?;
    let user = at.redeem(sent.code, &arrival).await.inspect_err(log);
    let (user, sid, time, _) = user.map_err(|_| login.invalid_credentials())?;
    let ticket = login.begin(user).await?;
    let (time, acr, amr) = (time.unwrap_or(login.at()), None, Vec::new());
    let mut new = login.new_session(Authentication { time, acr, amr });
    new.claims = claims(sid.as_deref());
    login.redirect(ticket, new, arrival.next().as_str()).await
}

/// From the provider itself, without a browser: a session has ended there.
async fn ended(auth: State<Auth>, at: At, Form(sent): Form<Sent>) -> Reply<()> {
    let ended = at.logout(&sent.logout_token).inspect_err(log);
    let (user, sid, _, jti) = ended.map_err(|_| Rejection::new(&auth, Refusal::InvalidRequest))?;
    for session in auth.manager().sessions(&user).await? {
        if sid.is_none() || session.claims == claims(sid.as_deref()) {
            auth.manager().revoke(session.id, Logout).await?;
        }
    }
    USED.lock().expect("nobody panics with it").insert(jti); // not before: an error is repeated
    Ok(())
}

/// Your log goes here.
fn log(error: &provider::Failure) {
    eprintln!("{error}");
}

#[tokio::main]
async fn main() -> Result<(), provider::Failure> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    println!("{origin}");
    let auth = Auth::in_memory(&origin)?;
    let app = Router::new()
        .route("/", get(async || Html(include_str!("../page.html"))))
        .route("/login", get(go))
        .route("/login/return", get(back))
        .route("/provider/logout", post(ended))
        .merge(routes(&auth))
        .layer((sessions(), visitors()))
        .layer(Extension(Provider::discover(&origin).await?))
        .with_state(auth);
    Ok(axum::serve(listener, app).await?)
}
