//! What an application sees that has no `Auth` of the type that an extractor asks for, or two.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::Write;
use std::sync::{Arc, Mutex};

// Not the module: with the feature `macros` of another package `test` is an attribute as well.
use actix_web::App;
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, ServiceConfig};
use adapter_actix::{Access, Auth, AuthConfig};
use token_core::NoClaims;
use token_core::session::Credentials;
use token_session::NewSession;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn hello(caller: Access) -> String {
    caller.subject().to_string()
}

/// The `Auth` of the staff, as the application's data has it.
#[derive(Clone)]
struct Staff(Auth);

impl From<Staff> for Auth {
    fn from(staff: Staff) -> Self {
        staff.0
    }
}

/// And that of others.
#[derive(Clone)]
struct Third(Auth);

impl From<Third> for Auth {
    fn from(third: Third) -> Self {
        third.0
    }
}

async fn staff(caller: Access<NoClaims, Staff>) -> String {
    caller.subject().to_string()
}

fn auth(port: u16) -> Auth {
    Auth::in_memory(&format!("http://127.0.0.1:{port}")).unwrap()
}

async fn token(auth: &Auth) -> String {
    let manager = auth.manager();
    let ticket = manager.begin_login("carol".parse().unwrap()).await.unwrap();
    let issued = manager.login(ticket, NewSession::default()).await.unwrap();
    let Credentials::Tokens(pair) = issued.credentials() else {
        unreachable!("the transport is `header`")
    };
    pair.access_token.secret().to_owned()
}

/// Asks a route with a token; gives the status, the body, and the log.
async fn ask(
    configure: impl FnOnce(&mut ServiceConfig),
    path: &str,
    token: &str,
) -> (u16, String, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = App::new()
        .route("/hello", web::get().to(hello))
        .route("/staff", web::get().to(staff));
    let app = init_service(app.configure(configure)).await;
    let bearer = ("authorization", format!("Bearer {token}"));
    let request = TestRequest::get()
        .uri(path)
        .insert_header(bearer)
        .to_request();
    let response = call_service(&app, request).await;
    let status = response.status().as_u16();
    let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (status, body, log)
}

#[test]
fn a_missing_auth_is_a_500_and_a_line_that_names_the_fix() {
    System::new().block_on(async {
        let (status, body, log) = ask(|_| (), "/hello", "x").await;
        assert_eq!(status, 500);
        // Who tries things out may have no log yet; this is a debug build.
        assert!(body.starts_with(r#"{"error":"server_error","#), "{body}");
        assert!(body.contains("hallpass::actix::routes"), "{body}");
        assert!(
            log.contains(".configure(hallpass::actix::routes(&auth))"),
            "{log}"
        );
    });
}

#[test]
fn the_auth_of_other_users_is_never_asked_instead() {
    System::new().block_on(async {
        let customers = auth(1);
        let token = token(&customers).await;
        let (status, _, _) = ask(adapter_actix::routes(&customers), "/hello", &token).await;
        assert_eq!(status, 200);
        let (status, body, log) = ask(adapter_actix::routes(&customers), "/staff", &token).await;
        assert_eq!(status, 500, "{body}");
        assert!(log.contains("web::Data<Staff>"), "{log}");
        // The other way round: there is an `Auth`, but in a type of its own.
        let (status, _, log) =
            ask(adapter_actix::routes(&Staff(customers)), "/hello", &token).await;
        assert_eq!(status, 500);
        assert!(log.contains("web::Data<Auth>"), "{log}");
    });
}

#[test]
fn two_auths_of_one_type_are_a_500_and_not_the_last_one() {
    System::new().block_on(async {
        for others_before in 0..2 {
            // Another App of this thread does not matter, however many it has registered.
            for _ in 0..others_before {
                let other = auth(9);
                let mine = token(&other).await;
                assert_eq!(
                    ask(adapter_actix::routes(&other), "/hello", &mine).await.0,
                    200
                );
            }
            let (staff, customers) = (auth(1), auth(2));
            let token = token(&customers).await;
            let both = |config: &mut ServiceConfig| {
                config
                    .configure(adapter_actix::routes(&staff))
                    .configure(adapter_actix::routes(&customers));
            };
            let (status, body, log) = ask(both, "/hello", &token).await;
            assert_eq!(status, 500, "{body}");
            assert!(log.contains("two different `Auth`s"), "{log}");
            let twice = |config: &mut ServiceConfig| {
                config
                    .configure(adapter_actix::routes(&customers))
                    .configure(adapter_actix::routes(&customers));
            };
            assert_eq!(ask(twice, "/hello", &token).await.0, 200);
        }
    });
}

/// actix serves the first of two routes with the same path. Here they are of two types, so each extractor finds its
/// own, and still nobody could log in to the second.
#[test]
fn two_auths_at_one_path_are_a_500_and_not_the_first_one() {
    System::new().block_on(async {
        let (staff, customers) = (auth(1), auth(2));
        let third = AuthConfig::builder("http://127.0.0.1:3".parse().unwrap())
            .prefix("/other/auth")
            .build()
            .unwrap();
        let third = Third(Auth::new(auth(3).manager().clone(), third));
        let token = token(&customers).await;
        let all = |config: &mut ServiceConfig| {
            config
                .configure(adapter_actix::routes(&customers))
                .configure(adapter_actix::routes(&Staff(staff)))
                .configure(adapter_actix::routes(&third));
        };
        let (status, body, log) = ask(all, "/auth/session", &token).await;
        assert_eq!(status, 500, "{body}");
        assert!(
            log.contains("two `Auth`s with the path /auth/session"),
            "{log}"
        );
        // Beside one with another prefix it is served, and in another App of the same thread.
        let two = |config: &mut ServiceConfig| {
            config
                .configure(adapter_actix::routes(&customers))
                .configure(adapter_actix::routes(&third));
        };
        assert_eq!(ask(two, "/auth/session", &token).await.0, 200);
    });
}

/// A plain value further out must not beat the `web::Data` of an inner scope.
#[test]
fn an_inner_scope_is_not_overruled_from_outside() {
    System::new().block_on(async {
        let (staff, customers) = (auth(1), auth(2));
        let token = token(&customers).await;
        let scoped = |config: &mut ServiceConfig| {
            let scope = web::scope("/inner")
                .app_data(web::Data::new(staff.clone()))
                .route("/hello", web::get().to(hello));
            config.app_data(customers.clone()).service(scope);
        };
        assert_eq!(ask(scoped, "/inner/hello", &token).await.0, 401);
    });
}

/// What is escaped in the path of a scope is the application's affair.
#[test]
fn our_routes_answer_below_a_scope_whose_path_is_escaped() {
    System::new().block_on(async {
        let auth = auth(1);
        let token = token(&auth).await;
        let scoped = |config: &mut ServiceConfig| {
            config.service(web::scope("/{place}").configure(adapter_actix::routes(&auth)));
        };
        assert_eq!(ask(scoped, "/caf%C3%A9/auth/session", &token).await.0, 200);
        let escaped = "/caf%C3%A9/auth/%73ession";
        assert_eq!(ask(scoped, escaped, &token).await.0, 404);
    });
}
