//! `/api/me` on actix-web, behind actix-session with its Redis store.

#[path = "../../me.rs"]
mod me;

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::error::ErrorUnauthorized;
use actix_web::web::{Json, get, post};
use actix_web::{App, Error, HttpResponse, HttpServer, rt};

use self::me::Me;

fn main() {
    let url = std::env::args().nth(1).expect("it is told where Redis is");
    rt::System::new().block_on(async {
        let store = RedisSessionStore::new(url).await.expect("Redis answers");
        let key = Key::generate();
        let app = move || {
            App::new()
                .wrap(SessionMiddleware::new(store.clone(), key.clone()))
                .route("/login", post().to(login))
                .route("/api/me", get().to(answer))
        };
        let server = HttpServer::new(app).workers(1);
        let server = server.listen(me::listen("login")).expect("it listens");
        server.run().await.expect("it serves");
    });
}

async fn login(session: Session) -> Result<HttpResponse, Error> {
    session.insert("user", Me::anybody())?;
    Ok(HttpResponse::NoContent().finish())
}

async fn answer(session: Session) -> Result<Json<Me>, Error> {
    let user = session.get("user")?;
    user.map(Json)
        .ok_or_else(|| ErrorUnauthorized("nobody is logged in"))
}
