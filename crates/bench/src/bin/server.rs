//! One route, `/api/me`, behind one kind of check: `bench requests` puts them under load.
//!
//! Every server answers the same JSON on one thread. `bare` answers it to everybody, so that the difference
//! to the others is the check.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adapter_axum::Auth;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::{Json, Router, routing::get};
use bench::operations::manager::{access_token, cookie, login};
use bench::operations::request::{self, Me, UNCHECKED};
use bench::world::{self, AUDIENCE, ISSUER, Key};
use clap::{Parser, ValueEnum};
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;
use store_redis::RedisStore;
use store_sql::PostgresStore;
use store_sql::sqlite::SqliteStoreOptions;
use token_core::{Algorithm, UnixTime};
use token_session::clock::Clock;
use token_session::{MemoryStore, RevocationCheck, SessionManager, WhenBehind};

#[derive(Debug, Parser)]
struct Arguments {
    /// How a caller is authenticated.
    check: Check,
    /// The URL of Redis or of an SQLite file, if sessions are stored there.
    store: Option<String>,
    /// How many sessions there are.
    #[arg(long, default_value_t = 1)]
    sessions: u64,
    /// Where to write the header of each, if there are several.
    #[arg(long)]
    headers: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Not at all, on axum.
    AxumBare,
    /// By an extractor written by hand, with `jsonwebtoken::decode`.
    AxumJsonwebtoken,
    /// By this library.
    AxumHallpass,
    /// By this library, with a server session in a cookie instead of a token.
    AxumSession,
    /// The same, and sessions are remembered between requests.
    AxumSessionRemembered,
    /// By this library, with server sessions in Redis.
    AxumSessionRedis,
    /// The same, and sessions are remembered between requests.
    AxumSessionRedisRemembered,
    /// By this library, with server sessions in an SQLite file.
    AxumSessionSqlite,
    /// The same, and sessions are remembered between requests.
    AxumSessionSqliteRemembered,
    /// By this library, with server sessions in PostgreSQL.
    AxumSessionPostgres,
    /// The same, and sessions are remembered between requests.
    AxumSessionPostgresRemembered,
    /// Not at all: as `AxumHallpass`, with the check removed.
    AxumHallpassUnchecked,
    /// By this library, every signature verified.
    AxumHallpassUncached,
    /// Not at all, on actix-web.
    ActixBare,
    /// By this library.
    ActixHallpass,
    /// Not at all: as `ActixHallpass`, with the check removed.
    ActixHallpassUnchecked,
}

impl Check {
    /// Whether the caller has a session cookie instead of a token.
    const fn is_session(self) -> bool {
        matches!(
            self,
            Self::AxumSession
                | Self::AxumSessionRemembered
                | Self::AxumSessionRedis
                | Self::AxumSessionRedisRemembered
                | Self::AxumSessionSqlite
                | Self::AxumSessionSqliteRemembered
                | Self::AxumSessionPostgres
                | Self::AxumSessionPostgresRemembered
        )
    }

    const fn remembers(self) -> bool {
        matches!(
            self,
            Self::AxumSessionRemembered
                | Self::AxumSessionRedisRemembered
                | Self::AxumSessionSqliteRemembered
                | Self::AxumSessionPostgresRemembered
        )
    }
}

/// The machine's clock, back by some seconds.
#[derive(Clone, Debug, Default)]
struct Back(Arc<AtomicU64>);

impl Clock for Back {
    fn now(&self) -> UnixTime {
        world::now() - Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// The touch interval in seconds: the logins of many sessions are spread over as long, so that their touches are
/// as well.
const SPREAD: u64 = 60;

/// The header of each session, the last of which was opened now.
async fn headers(manager: &SessionManager, clock: &Back, sessions: u64) -> Vec<String> {
    let mut headers = Vec::new();
    for number in 0..sessions {
        let ago = SPREAD * (sessions - 1 - number) / sessions;
        clock.0.store(ago, Ordering::Relaxed);
        let cookie = cookie(manager, number + 1).await;
        headers.push(format!("Cookie: __Host-Http-session={cookie}"));
    }
    headers
}

fn main() {
    let Arguments {
        check,
        store,
        sessions,
        headers: file,
    } = Arguments::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.set_nonblocking(true).expect("a socket can be so");
    let address = listener.local_addr().expect("a bound socket has one");
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let key = Key::new(Algorithm::EdDSA);
        let clock = Back::default();
        let manager = manager(&key, check, store.as_deref(), &clock).await;
        let header = if check.is_session() {
            let headers = headers(&manager, &clock, sessions).await;
            if let Some(file) = file {
                std::fs::write(file, headers.join("\n")).expect("the file can be written");
            }
            headers.into_iter().next().unwrap_or_default()
        } else {
            let token = access_token(&login(&manager, 1).await);
            format!("Authorization: Bearer {token}")
        };
        // Not before the clock stands still: a view whose clock was set back is behind until it was read again.
        manager.catch_up().await.expect("the store answers");
        tokio::spawn(manager.clone().follow_revocations());
        println!("http://{address}/api/me\n{header}");
        let auth = request::auth(manager);
        match check {
            Check::ActixBare | Check::ActixHallpass | Check::ActixHallpassUnchecked => {
                actix(check, listener, auth).await;
            }
            _ => axum(check, listener, auth, &key).await,
        }
    });
}

async fn manager(key: &Key, check: Check, store: Option<&str>, clock: &Back) -> SessionManager {
    let issuer = world::issuer(key);
    let url = || store.expect("it is told where sessions are stored");
    let mut manager = match check {
        Check::AxumSessionRedis | Check::AxumSessionRedisRemembered => {
            let store = RedisStore::connect(url()).await.expect("Redis answers");
            SessionManager::builder(store, issuer)
        }
        Check::AxumSessionSqlite | Check::AxumSessionSqliteRemembered => {
            let store = SqliteStoreOptions::new().connect(url()).await;
            SessionManager::builder(store.expect("the file can be written"), issuer)
        }
        Check::AxumSessionPostgres | Check::AxumSessionPostgresRemembered => {
            let store = PostgresStore::connect(url()).await;
            SessionManager::builder(store.expect("PostgreSQL answers"), issuer)
        }
        _ => SessionManager::builder(MemoryStore::with_capacity(100_000), issuer),
    };
    manager = manager.clock(clock.clone());
    manager = manager.revocation_check(RevocationCheck::Feed(WhenBehind::Refuse));
    if check.remembers() {
        manager = manager.session_cache(10_000);
    }
    if check == Check::AxumHallpassUncached {
        manager = manager.token_cache(0);
    }
    manager.build().expect("the settings are in range")
}

async fn axum(check: Check, listener: TcpListener, auth: Auth, key: &Key) {
    let app = match check {
        Check::AxumJsonwebtoken => {
            let state = ByHand::new(key);
            Router::new()
                .route("/api/me", get(by_hand))
                .with_state(state)
        }
        Check::AxumHallpassUnchecked => request::unchecked(auth),
        Check::AxumBare => request::bare(),
        _ => request::ours(auth),
    };
    let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
    axum::serve(listener, app).await.expect("it serves");
}

/// The state of the extractor that was written by hand.
#[derive(Clone)]
struct ByHand {
    key: DecodingKey,
    validation: Validation,
}

impl ByHand {
    fn new(key: &Key) -> Self {
        let mut validation = Validation::new(jsonwebtoken::Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        Self {
            key: DecodingKey::from_ed_der(&key.public),
            validation,
        }
    }
}

/// The claims that the extractor gives to a handler.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    scope: String,
    auth_time: u64,
}

impl FromRequestParts<ByHand> for Claims {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &ByHand) -> Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION);
        let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
        let decoded = jsonwebtoken::decode(token, &state.key, &state.validation);
        decoded
            .map(|decoded| decoded.claims)
            .map_err(|_| StatusCode::UNAUTHORIZED)
    }
}

async fn by_hand(State(_): State<ByHand>, claims: Claims) -> Json<Me> {
    Json(Me {
        sub: claims.sub,
        session_id: claims.sid,
        scope: claims.scope,
        auth_time: claims.auth_time,
    })
}

async fn actix(check: Check, listener: TcpListener, auth: Auth) {
    use actix_web::web;
    let server = actix_web::HttpServer::new(move || {
        let app = actix_web::App::new().app_data(web::Data::new(auth.clone()));
        let me = web::resource("/api/me");
        if check == Check::ActixBare {
            return app.service(me.route(web::get().to(async || web::Json(Me::anybody()))));
        }
        let sessions = adapter_actix::sessions();
        let answer = if check == Check::ActixHallpass {
            web::get().to(async |caller: adapter_actix::Any| web::Json(Me::of(&*caller)))
        } else {
            web::get().to(async || web::Json(Me::of(&*UNCHECKED)))
        };
        app.service(me.wrap(sessions).route(answer))
    });
    let server = server.workers(1).listen(listener).expect("it listens");
    server.run().await.expect("it serves");
}
