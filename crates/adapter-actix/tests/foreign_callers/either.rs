//! Routes that take a caller of the application's own or one of another issuer.

use std::net::{SocketAddr, TcpListener};

use adapter_axum::ForeignAuth;
use token_core::{Audience, Issuer, Policy};
use token_http::{Auth, AuthConfig};
use token_session::{MemoryStore, SessionManager, ephemeral_issuer};

use crate::client::{Reply, send};

mod on_axum {
    use std::net::TcpListener;

    use adapter_axum::{
        Answer, Any, Either, Foreign, ForeignAuth, LoginRequest, Rejection, Require, ServerSession,
    };
    use axum::Router;
    use axum::extract::FromRef;
    use axum::routing::{get, post};
    use token_http::Auth;

    use crate::ReadNotes;

    #[derive(Clone)]
    struct App {
        own: Auth,
        other: ForeignAuth,
    }

    impl FromRef<App> for Auth {
        fn from_ref(app: &App) -> Self {
            app.own.clone()
        }
    }

    impl FromRef<App> for ForeignAuth {
        fn from_ref(app: &App) -> Self {
            app.other.clone()
        }
    }

    async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
        let ticket = login.begin(login.username()).await?;
        login.open(ticket, login.new_session()).await
    }

    fn name(caller: &Either<Any, Foreign>) -> String {
        match caller {
            Either::First(user) => format!("own {}", user.subject()),
            Either::Second(other) => format!("other {}", other.subject()),
        }
    }

    async fn hello(caller: Either<Any, Foreign>) -> String {
        name(&caller)
    }

    async fn guest(caller: Option<Either<Any, Foreign>>) -> String {
        caller.map_or("guest".to_owned(), |caller| name(&caller))
    }

    async fn notes(
        caller: Either<Require<ReadNotes>, Require<ReadNotes, Foreign>>,
    ) -> &'static str {
        match caller {
            Either::First(_) => "own",
            Either::Second(_) => "other",
        }
    }

    async fn page(caller: Either<ServerSession, Foreign>) -> String {
        match caller {
            Either::First(user) => format!("own {}", user.subject()),
            Either::Second(other) => format!("other {}", other.subject()),
        }
    }

    pub(super) async fn serve(listener: TcpListener, own: Auth, other: ForeignAuth) {
        let app = Router::new()
            .route("/auth/login", post(login))
            .route("/hello", get(hello).post(hello))
            .route("/guest", get(guest))
            .route("/notes", get(notes))
            .route("/page", get(page))
            .merge(adapter_axum::routes(&own))
            .layer(adapter_axum::sessions())
            .with_state(App { own, other });
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, app).await.unwrap();
    }
}

mod on_actix {
    use std::net::TcpListener;

    use actix_web::{App, HttpServer, web};
    use adapter_actix::{
        Answer, Any, Either, Foreign, ForeignAuth, LoginRequest, Optional, Rejection, Require,
        ServerSession,
    };
    use token_http::Auth;

    use crate::ReadNotes;

    async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
        let ticket = login.begin(login.username()).await?;
        login.open(ticket, login.new_session()).await
    }

    fn name(caller: &Either<Any, Foreign>) -> String {
        match caller {
            Either::First(user) => format!("own {}", user.subject()),
            Either::Second(other) => format!("other {}", other.subject()),
        }
    }

    async fn hello(caller: Either<Any, Foreign>) -> String {
        name(&caller)
    }

    async fn guest(Optional(caller): Optional<Either<Any, Foreign>>) -> String {
        caller.map_or("guest".to_owned(), |caller| name(&caller))
    }

    async fn notes(
        caller: Either<Require<ReadNotes>, Require<ReadNotes, Foreign>>,
    ) -> &'static str {
        match caller {
            Either::First(_) => "own",
            Either::Second(_) => "other",
        }
    }

    async fn page(caller: Either<ServerSession, Foreign>) -> String {
        match caller {
            Either::First(user) => format!("own {}", user.subject()),
            Either::Second(other) => format!("other {}", other.subject()),
        }
    }

    pub(super) async fn serve(listener: TcpListener, own: Auth, other: ForeignAuth) {
        let server = HttpServer::new(move || {
            App::new()
                .wrap(adapter_actix::sessions())
                .configure(adapter_actix::routes(&own))
                .app_data(web::Data::new(other.clone()))
                .route("/auth/login", web::post().to(login))
                .route("/hello", web::get().to(hello))
                .route("/hello", web::post().to(hello))
                .route("/guest", web::get().to(guest))
                .route("/notes", web::get().to(notes))
                .route("/page", web::get().to(page))
        });
        let server = server.workers(1).disable_signals().listen(listener);
        server.unwrap().run().await.unwrap();
    }
}

/// An application with sessions, on each framework.
fn servers(issuer: &str) -> [SocketAddr; 2] {
    let own = || {
        let issuer = Issuer::new("https://own.example").unwrap();
        let audience = Audience::new("https://own.example").unwrap();
        let issuer = ephemeral_issuer(issuer, audience, Policy::default()).unwrap();
        let store = MemoryStore::with_capacity(100);
        let manager = SessionManager::builder(store, issuer).build().unwrap();
        let config = AuthConfig::builder("https://own.example".parse().unwrap()).realm("own");
        Auth::new(manager, config.build().unwrap())
    };
    [
        start(own(), crate::auth(issuer), |listener, own, other| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap()
                .block_on(on_axum::serve(listener, own, other));
        }),
        start(own(), crate::auth(issuer), |listener, own, other| {
            actix_web::rt::System::new().block_on(on_actix::serve(listener, own, other));
        }),
    ]
}

fn start(own: Auth, other: ForeignAuth, serve: fn(TcpListener, Auth, ForeignAuth)) -> SocketAddr {
    crate::start(move |listener| serve(listener, own, other))
}

/// Logs in at the application.
fn login(server: SocketAddr, transport: &str) -> Reply {
    let body = format!(r#"{{"username":"bob","password":"any","transport":"{transport}"}}"#);
    let fields = [
        ("Content-Type", "application/json"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    let reply = send(server, "POST", "/auth/login", &fields, &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    format!("{input}.{other}{}", signature.get(1..).unwrap())
}

#[test]
fn a_route_takes_callers_of_its_own_and_of_another_issuer() {
    let issuer = crate::issuer();
    let other = |more: &str| format!("Bearer {}", crate::token(&issuer, more));
    let good = other(r#""jti":"one","exp":SOON,"scope":"notes:read""#);
    let idle = other(r#""jti":"two","exp":SOON"#);
    let expired = other(r#""jti":"three","exp":PAST"#);
    for server in servers(&issuer) {
        let own = format!("Bearer {}", login(server, "header").text("access_token"));
        let cookie = login(server, "session").cookie();
        let ended = format!("Bearer {}", login(server, "header").text("access_token"));
        let logout = [("Authorization", &*ended)];
        assert_eq!(
            send(server, "POST", "/auth/logout", &logout, "").status,
            204
        );
        let (strange, mine) = (forged(&good), forged(&own));

        let invalid = r#"Bearer realm="own", error="invalid_token", error_description="invalid""#;
        let revoked = r#"Bearer realm="own", error="invalid_token", error_description="revoked""#;
        let old = r#"Bearer realm="notes", error="invalid_token", error_description="expired""#;
        let of_other =
            r#"Bearer realm="notes", error="invalid_token", error_description="invalid""#;
        let own_scope = r#"Bearer realm="own", error="insufficient_scope", scope="notes:read""#;
        let scope = r#"Bearer realm="notes", error="insufficient_scope", scope="notes:read""#;
        let malformed = r#"Bearer realm="own", error="invalid_request""#;
        let bare = r#"Bearer realm="own""#;
        let token = |value| ("Authorization", value);
        let session = ("Cookie", &*cookie);
        for (path, fields, status, expected) in [
            ("/hello", &[token(&*own)][..], 200, "own bob"),
            ("/hello", &[session], 200, "own bob"),
            ("/hello", &[token(&*good)], 200, "other alice"),
            ("/hello", &[session, token(&*good)], 200, "other alice"),
            ("/hello", &[], 401, bare),
            ("/hello", &[token("Basic YTpi")], 401, bare),
            ("/hello", &[token(&*strange)], 401, invalid),
            ("/hello", &[token(&*mine)], 401, invalid),
            ("/hello", &[token(&*ended)], 401, revoked),
            ("/hello", &[token(&*expired)], 401, old),
            ("/hello", &[token("Bearer a b")], 400, malformed),
            ("/guest", &[token(&*own)], 200, "own bob"),
            ("/guest", &[token(&*good)], 200, "other alice"),
            ("/guest", &[], 200, "guest"),
            ("/guest", &[token(&*strange)], 401, invalid),
            ("/guest", &[token(&*ended)], 401, revoked),
            ("/notes", &[token(&*good)], 200, "other"),
            ("/notes", &[token(&*idle)], 403, scope),
            ("/notes", &[token(&*own)], 403, own_scope),
            ("/notes", &[], 401, bare),
            ("/page", &[session], 200, "own bob"),
            ("/page", &[token(&*good)], 200, "other alice"),
            // The first finds nothing, and the second knows that the token is not valid.
            ("/page", &[token(&*strange)], 401, of_other),
        ] {
            let reply = send(server, "GET", path, fields, "");
            let said = match reply.status {
                200 => &*reply.body,
                _ => challenge(&reply),
            };
            assert_eq!(
                (reply.status, said),
                (status, expected),
                "{path} {fields:.60?}"
            );
        }
        // A cookie of another site's page is refused, whatever the second would say.
        let reply = send(server, "POST", "/hello", &[session], "");
        assert_eq!(reply.status, 403, "{reply:?}");
    }
}

#[test]
fn own_callers_are_served_while_the_other_issuer_is_away() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let other = format!(
        "Bearer {}",
        crate::token(&issuer, r#""jti":"one","exp":SOON"#)
    );
    for server in servers(&issuer) {
        let own = format!("Bearer {}", login(server, "header").text("access_token"));
        let ask = |value| send(server, "GET", "/hello", &[("Authorization", value)], "");
        assert_eq!(ask(&own).body, "own bob");
        assert_eq!(ask(&other).status, 503);
    }
}

fn challenge(reply: &Reply) -> &str {
    let mut fields = reply.fields.iter();
    let field = fields.find(|(name, _)| name == "www-authenticate");
    &field.expect("a challenge").1
}
