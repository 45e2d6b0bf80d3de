//! What an application sees that forgot the manager.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::Write;
use std::sync::{Arc, Mutex};

// Not the module: with the feature `macros` of another package `test` is an attribute as well.
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use adapter_actix::Access;

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

#[test]
fn a_missing_manager_is_a_500_and_a_line_that_names_the_fix() {
    actix_web::rt::System::new().block_on(check());
}

async fn check() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let app = init_service(App::new().route("/hello", web::get().to(hello))).await;
    let request = TestRequest::get().uri("/hello").to_request();
    let response = call_service(&app, request).await;
    assert_eq!(response.status(), 500);
    // Who tries things out may have no log yet; this is a debug build.
    let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
    assert!(body.starts_with(r#"{"error":"server_error","#), "{body}");
    assert!(body.contains("adapter_actix::routes"), "{body}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains(".configure(adapter_actix::routes(&auth))"),
        "{log}"
    );
}
