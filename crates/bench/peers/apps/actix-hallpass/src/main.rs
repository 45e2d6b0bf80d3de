//! `/api/me` on actix-web, behind this library: a token or a session cookie.

#[path = "../../me.rs"]
mod me;

use actix_web::web::{Json, get, resource};
use actix_web::{App, HttpServer, rt};
use adapter_actix::{Any, Auth, AuthConfig};
use token_core::Policy;
use token_session::{MemoryStore, NewSession, SessionManager, ephemeral_issuer};

use self::me::Me;

fn main() {
    rt::System::new().block_on(async {
        let name = "https://api.example";
        let names = (name.parse().expect("a name"), name.parse().expect("a name"));
        let issuer = ephemeral_issuer(names.0, names.1, Policy::default());
        let issuer = issuer.expect("there is entropy");
        let manager = SessionManager::builder(MemoryStore::with_capacity(1000), issuer);
        let manager = manager.build().expect("the settings are in range");

        let subject = Me::anybody().sub.parse().expect("a name");
        let ticket = manager.begin_login(subject).await.expect("it answers");
        let session = NewSession {
            scope: Me::anybody().scope.parse().expect("a scope"),
            ..NewSession::default()
        };
        let issued = manager.login(ticket, session).await.expect("there is room");
        let tokens = issued.tokens().expect("the transport is `header`");
        let header = format!("Authorization: Bearer {}", tokens.access_token.secret());

        let config = AuthConfig::builder(name.parse().expect("an origin")).build();
        let auth = Auth::new(manager, config.expect("the settings are in range"));
        let app = move || {
            let sessions = adapter_actix::sessions();
            let me = resource("/api/me").wrap(sessions).route(get().to(answer));
            App::new()
                .service(me)
                .configure(adapter_actix::routes(&auth))
        };
        let server = HttpServer::new(app).workers(1);
        let server = server.listen(me::listen(&header)).expect("it listens");
        server.run().await.expect("it serves");
    });
}

async fn answer(caller: Any) -> Json<Me> {
    Json(Me {
        sub: caller.subject().to_string(),
        session_id: caller.session_id().to_string(),
        scope: caller.scope().to_string(),
        auth_time: caller.auth_time().as_secs(),
    })
}
