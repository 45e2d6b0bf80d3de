//! `/api/me` on actix-web, for anybody.

#[path = "../../me.rs"]
mod me;

use actix_web::web::{Json, get};
use actix_web::{App, HttpServer, rt};

use self::me::Me;

fn main() {
    let app = || App::new().route("/api/me", get().to(async || Json(Me::anybody())));
    rt::System::new().block_on(async {
        let server = HttpServer::new(app).workers(1);
        let server = server.listen(me::listen("Accept: */*"));
        let server = server.expect("it listens").run();
        server.await.expect("it serves");
    });
}
