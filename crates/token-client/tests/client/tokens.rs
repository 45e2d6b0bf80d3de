//! The client against a server that answers as each test says.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::support::{Reply, Request, Server, refusal, tokens};
use serde_json::{Map, Value, json};
use token_client::{BuildError, Client, LoginError, LogoutError, StoreError, TokenError};

/// A server of which every request for tokens gets new ones, and every other request gets 204.
async fn generous() -> Server {
    Server::start(give).await
}

fn give(number: usize, request: &Request) -> Reply {
    match &*request.path {
        "/auth/login" | "/auth/refresh" => tokens(number, "s"),
        _ => refusal(204, ""),
    }
}

fn in_memory(server: &Server) -> Client {
    Client::builder(server.address()).build().unwrap()
}

fn in_file(server: &Server, file: &Path) -> Client {
    Client::builder(server.address())
        .file(file)
        .build()
        .unwrap()
}

async fn logged_in(client: Client) -> Client {
    client.login("alice", "wonderland").await.unwrap();
    client
}

/// The access token that a client gives out.
async fn token(client: &Client) -> String {
    client.access_token().await.unwrap().secret().to_owned()
}

/// The access token that a client gives out after its present one was refused.
async fn renewed(client: &Client) -> Result<String, TokenError> {
    let token = client.access_token().await.unwrap();
    let token = client.access_token_instead_of(&token).await?;
    Ok(token.secret().to_owned())
}

#[track_caller]
fn requires_login(error: &TokenError, because: &str) {
    let TokenError::LoginRequired { reason } = error else {
        panic!("{error:?}");
    };
    assert_eq!(&**reason, because);
}

#[tokio::test]
async fn a_login_sends_the_credentials_as_json_and_keeps_the_tokens() {
    let server = generous().await;
    let client = Client::builder(server.address()).client_id("notes");
    let client = logged_in(client.user_agent("notes/1.4").build().unwrap()).await;
    assert_eq!(token(&client).await, "a0");
    let login = &server.requests("login")[0];
    let body: Value = serde_json::from_str(&login.body).unwrap();
    let wanted = json!({
        "username": "alice", "password": "wonderland", "transport": "header", "client_id": "notes"
    });
    assert_eq!(body, wanted);
    assert!(login.head.contains("user-agent: notes/1.4"), "{login:?}");
    assert!(server.requests("refresh").is_empty());
}

#[tokio::test]
async fn a_renewal_is_a_request_of_rfc_6749() {
    let server = generous().await;
    let client = Client::builder(server.address()).client_id("notes");
    let client = logged_in(client.build().unwrap()).await;
    assert_eq!(renewed(&client).await.unwrap(), "a1");
    let refresh = &server.requests("refresh")[0];
    let form = "grant_type=refresh_token&refresh_token=r0&client_id=notes";
    assert_eq!(refresh.body, form);
    let kind = "content-type: application/x-www-form-urlencoded";
    assert!(refresh.head.contains(kind), "{refresh:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_tasks_without_a_good_token_wait_for_one_renewal() {
    let server = generous().await;
    let client = logged_in(in_memory(&server)).await;
    let refused = client.access_token().await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (client, refused) = (client.clone(), refused.clone());
            tokio::spawn(async move { client.access_token_instead_of(&refused).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().secret(), "a1");
    }
    assert_eq!(server.requests("refresh").len(), 1);
}

#[tokio::test]
async fn a_refused_session_requires_a_login_and_nothing_is_asked_until_then() {
    let server = Server::start(|number, request| match &*request.path {
        "/auth/refresh" => refusal(400, r#"{"error":"invalid_grant","reason":"revoked"}"#),
        _ => give(number, request),
    });
    let server = server.await;
    let client = logged_in(in_memory(&server)).await;
    requires_login(&renewed(&client).await.unwrap_err(), "revoked");
    requires_login(&client.access_token().await.unwrap_err(), "revoked");
    assert_eq!(server.requests("refresh").len(), 1);
    client.login("alice", "wonderland").await.unwrap();
    assert_eq!(token(&client).await, "a2");
}

#[tokio::test]
async fn without_a_login_nothing_is_asked() {
    let server = generous().await;
    let client = in_memory(&server);
    requires_login(&client.access_token().await.unwrap_err(), "none");
    client.logout().await.unwrap();
    requires_login(&client.access_token().await.unwrap_err(), "logout");
    assert!(server.requests("logout").is_empty());
}

/// What a caller is told who waited for 10 s, by the answer of the server.
async fn told(status: u16, fields: &'static str, body: &'static str) -> TokenError {
    let server = Server::start(move |number, request| match &*request.path {
        "/auth/refresh" => Reply::Answer(status, fields, body.to_owned()),
        _ => give(number, request),
    });
    let client = logged_in(in_memory(&server.await)).await;
    renewed(&client).await.unwrap_err()
}

#[tokio::test]
async fn a_caller_without_a_good_token_is_told_after_10_s_what_to_do() {
    let date =
        "Date: Sun, 06 Nov 1994 08:00:00 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:10:00 GMT\r\n";
    let start = SystemTime::now();
    let (busy, dated, misconfigured) = tokio::join!(
        told(503, "Retry-After: 600\r\n", ""),
        told(429, date, ""),
        told(404, "Retry-After: 600\r\n", r#"{"error":"not_found"}"#),
    );
    for (error, wanted) in [(busy, 503), (dated, 429)] {
        let TokenError::Unavailable { status, retry_at } = error else {
            panic!("{error:?}");
        };
        assert_eq!(status, Some(wanted));
        assert!(retry_at >= start + Duration::from_secs(600), "{retry_at:?}");
    }
    let TokenError::Misconfigured { status, error, .. } = misconfigured else {
        panic!("{misconfigured:?}");
    };
    assert_eq!((status, error.as_deref()), (404, Some("not_found")));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token() {
    let server = Server::start(|number, request| match number {
        1 => Reply::Drop,
        _ => give(number, request),
    });
    let server = server.await;
    let client = logged_in(in_memory(&server)).await;
    assert_eq!(renewed(&client).await.unwrap(), "a2");
    let refreshes = server.requests("refresh");
    assert_eq!(refreshes.len(), 2);
    assert_eq!(refreshes[0].body, refreshes[1].body);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_within_the_grace_although_nobody_wants_a_token() {
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (arrived, wait) = (Mutex::new(Some(arrived)), Mutex::new(wait));
    let server = Server::start(move |number, request| {
        if number != 1 {
            return match give(number, request) {
                // Longer than a busy machine may take.
                Reply::Answer(status, fields, body) => {
                    let body = body.replace("\"refresh_grace\":2", "\"refresh_grace\":30");
                    Reply::Answer(status, fields, body)
                }
                Reply::Drop => Reply::Drop,
            };
        }
        arrived.lock().unwrap().take().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        Reply::Drop
    });
    let server = server.await;
    let client = logged_in(in_memory(&server)).await;
    let caller = {
        let client = client.clone();
        tokio::spawn(async move { renewed(&client).await })
    };
    arrival.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    client.settled().await;
    let refreshes = server.requests("refresh");
    assert_eq!(refreshes.len(), 2);
    assert_eq!(refreshes[0].body, refreshes[1].body);
    assert_eq!(token(&client).await, "a2");
}

#[tokio::test]
async fn the_session_lives_while_nothing_listens_and_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    // A port that is taken, and at which nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = format!("http://{}/auth", socket.local_addr().unwrap());
    let cut_off = Client::builder(nobody).file(&file).build().unwrap();
    let response = br#"{"access_token":"a","refresh_token":"r","expires_in":300}"#;
    let now = SystemTime::now();
    cut_off.set_tokens(response, now).await.unwrap();
    assert_eq!(token(&cut_off).await, "a");
    let refused = cut_off.access_token().await.unwrap();
    let error = cut_off.access_token_instead_of(&refused).await.unwrap_err();
    assert!(
        matches!(error, TokenError::Unavailable { status: None, .. }),
        "{error:?}"
    );
    let server = Server::at(socket.listen(8).unwrap(), give);
    let client = in_file(&server, &file);
    client.network_is_back();
    assert_eq!(renewed(&client).await.unwrap(), "a0");
}

#[tokio::test]
async fn tokens_are_for_the_server_that_gave_them_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let (server, other) = (generous().await, generous().await);
    let client = logged_in(in_file(&server, &file)).await;
    let kept = fs::read(&file).unwrap();

    // A client of another server has none of them, and does not end what is not its own.
    let stranger = in_file(&other, &file);
    requires_login(&stranger.access_token().await.unwrap_err(), "none");
    stranger.logout().await.unwrap();
    let error = stranger.login("alice", "wonderland").await.unwrap_err();
    let LoginError::Storage(StoreError::OtherServer { base }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(base.as_deref(), Some(server.address()));
    let response = br#"{"access_token":"x","refresh_token":"y","expires_in":60}"#;
    let now = SystemTime::now();
    stranger.set_tokens(response, now).await.unwrap_err();
    assert_eq!(fs::read(&file).unwrap(), kept);
    for route in ["login", "refresh", "logout"] {
        assert!(other.requests(route).is_empty(), "{route}");
    }
    // What was brought and could not be kept, and nothing of the first server.
    assert_eq!(other.requests("revoke")[0].body, "token=y");
    assert!(server.requests("revoke").is_empty());
    assert_eq!(renewed(&client).await.unwrap(), "a1");

    // The same server, written otherwise; and after a logout the place is free.
    let written = format!("{}/", server.address());
    let same = Client::builder(written).file(&file).build().unwrap();
    assert_eq!(token(&same).await, "a1");
    same.logout().await.unwrap();
    let stranger = logged_in(stranger).await;
    assert_eq!(token(&stranger).await, "a1");
}

/// Versions before the address was kept, and other programs, may have left such a file.
#[tokio::test]
async fn tokens_of_an_unknown_server_are_sent_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let server = generous().await;
    logged_in(in_file(&server, &file)).await;
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("base").unwrap();
    fs::write(&file, record.to_string()).unwrap();
    let client = in_file(&server, &file);
    requires_login(&client.access_token().await.unwrap_err(), "none");
    let error = client.login("alice", "wonderland").await.unwrap_err();
    assert!(matches!(
        error,
        LoginError::Storage(StoreError::OtherServer { base: None })
    ));
}

#[tokio::test]
async fn processes_share_the_file_of_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new").join("tokens.json");
    let server = generous().await;
    let first = logged_in(in_file(&server, &file)).await;
    let old = first.access_token().await.unwrap();
    let second = in_file(&server, &file);
    assert_eq!(token(&second).await, "a0");
    assert_eq!(renewed(&second).await.unwrap(), "a1");
    // The first finds the new token where the second put it.
    let next = first.access_token_instead_of(&old).await.unwrap();
    assert_eq!(next.secret(), "a1");
    assert_eq!(server.requests("refresh").len(), 1);
    first.logout().await.unwrap();
    requires_login(&renewed(&second).await.unwrap_err(), "logout");
    assert_eq!(server.requests("refresh").len(), 1);
    #[cfg(unix)]
    for name in ["tokens.json", "tokens.json.lock", "tokens.json.renewal"] {
        use std::os::unix::fs::PermissionsExt as _;
        let file = fs::metadata(file.with_file_name(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_holds_nonsense_is_replaced_at_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    fs::write(&file, "not JSON").unwrap();
    let server = generous().await;
    let client = in_file(&server, &file);
    requires_login(&client.access_token().await.unwrap_err(), "none");
    let client = logged_in(client).await;
    assert_eq!(token(&client).await, "a0");
}

#[tokio::test]
async fn a_renewal_goes_on_if_its_caller_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (arrived, wait) = (Mutex::new(Some(arrived)), Mutex::new(wait));
    let server = Server::start(move |number, request| {
        if request.path == "/auth/refresh" {
            let arrived = arrived.lock().unwrap().take();
            arrived.unwrap().send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
        give(number, request)
    });
    let client = logged_in(in_file(&server.await, &file)).await;
    let refused = client.access_token().await.unwrap();
    let caller = {
        let client = client.clone();
        tokio::spawn(async move { client.access_token_instead_of(&refused).await })
    };
    arrival.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go_on.send(()).unwrap();
    client.settled().await;
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept.contains("r1"), "{kept}");
    assert_eq!(token(&client).await, "a1");
}

/// Keeps a file from being replaced while `broken` is there.
struct BrokenDisk {
    draft: std::path::PathBuf,
}

impl BrokenDisk {
    fn of(file: &Path) -> Self {
        let draft = file.with_extension("json.new");
        fs::create_dir(&draft).unwrap();
        Self { draft }
    }
}

impl Drop for BrokenDisk {
    fn drop(&mut self) {
        fs::remove_dir(&self.draft).unwrap();
    }
}

#[tokio::test]
async fn nobody_gets_a_token_that_is_not_stored_yet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let broken = Arc::new(Mutex::new(None));
    let server = {
        let (broken, file) = (Arc::clone(&broken), file.clone());
        Server::start(move |number, request| {
            if request.path == "/auth/refresh" {
                *broken.lock().unwrap() = Some(BrokenDisk::of(&file));
            }
            give(number, request)
        })
    };
    let server = server.await;
    let client = logged_in(in_file(&server, &file)).await;
    let refused = client.access_token().await.unwrap();
    let repaired = AtomicBool::new(false);
    let (renewed, ()) = tokio::join!(
        async {
            let renewed = client.access_token_instead_of(&refused).await.unwrap();
            assert!(repaired.load(Ordering::SeqCst), "the token was not stored");
            renewed
        },
        async {
            while broken.lock().unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            // The answer arrives, and cannot be kept.
            tokio::time::sleep(Duration::from_millis(300)).await;
            repaired.store(true, Ordering::SeqCst);
            broken.lock().unwrap().take();
        }
    );
    assert_eq!(renewed.secret(), "a1");
    assert!(fs::read_to_string(&file).unwrap().contains("r1"));
    assert_eq!(server.requests("refresh").len(), 1);
}

#[tokio::test]
async fn a_token_that_could_not_be_stored_is_not_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let server = generous().await;
    let client = logged_in(in_file(&server, &file)).await;
    let _broken = BrokenDisk::of(&file);
    assert_eq!(token(&client).await, "a0");
    let error = renewed(&client).await.unwrap_err();
    let TokenError::Storage(source) = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(**source, StoreError::File { .. }), "{source:?}");
    assert!(server.requests("refresh").is_empty());
    // A login that cannot be kept is taken back.
    let error = client.login("alice", "wonderland").await.unwrap_err();
    assert!(matches!(error, LoginError::Storage(_)), "{error:?}");
    assert_eq!(server.requests("revoke")[0].body, "token=r1");
    // The server hears of a logout whatever the disk does.
    let error = client.logout().await.unwrap_err();
    assert!(matches!(error, LogoutError::Storage(_)), "{error:?}");
    assert_eq!(server.requests("logout")[0].body, "refresh_token=r0");
}

#[tokio::test]
async fn a_logout_is_forgotten_here_and_told_to_the_server() {
    let server = generous().await;
    let client = logged_in(in_memory(&server)).await;
    client.logout().await.unwrap();
    requires_login(&client.access_token().await.unwrap_err(), "logout");
    let logout = &server.requests("logout")[0];
    assert_eq!(logout.body, "refresh_token=r0");
    assert!(
        logout.head.contains("authorization: bearer a0"),
        "{logout:?}"
    );
}

#[tokio::test]
async fn a_logout_that_the_server_does_not_hear_of_is_reported() {
    let server = Server::start(|number, request| match &*request.path {
        "/auth/logout" => refusal(503, ""),
        _ => give(number, request),
    });
    let client = logged_in(in_memory(&server.await)).await;
    let error = client.logout().await.unwrap_err();
    assert!(
        matches!(
            error,
            LogoutError::Unavailable {
                status: Some(503),
                ..
            }
        ),
        "{error:?}"
    );
    requires_login(&client.access_token().await.unwrap_err(), "logout");
}

#[tokio::test]
async fn a_login_ends_the_session_that_it_replaces_and_no_other() {
    let server = Server::start(|number, request| match &*request.path {
        "/auth/login" => tokens(number, if number < 2 { "first" } else { "second" }),
        _ => give(number, request),
    });
    let server = server.await;
    let client = logged_in(logged_in(in_memory(&server)).await).await;
    // The same session again, as after a step-up.
    assert!(server.requests("revoke").is_empty());
    logged_in(client).await;
    assert_eq!(server.requests("revoke")[0].body, "token=r1");
}

#[tokio::test]
async fn tokens_may_come_from_elsewhere() {
    let server = generous().await;
    let client = in_memory(&server);
    let response = br#"{"access_token":"x","refresh_token":"y","expires_in":"60"}"#;
    client
        .set_tokens(response, SystemTime::now())
        .await
        .unwrap();
    assert_eq!(token(&client).await, "x");
    let old = SystemTime::now() - Duration::from_secs(3600);
    client.set_tokens(response, old).await.unwrap();
    assert_eq!(token(&client).await, "a0");
    let error = client.set_tokens(b"<html>", old).await.unwrap_err();
    assert!(matches!(error, LoginError::Answer { .. }), "{error:?}");
}

/// Why a login fails, by the answer of the server.
async fn login_error(reply: Reply) -> LoginError {
    let server = Server::start(move |_, _| reply.clone()).await;
    let client = in_memory(&server);
    let error = client.login_with(Map::new()).await.unwrap_err();
    requires_login(&client.access_token().await.unwrap_err(), "none");
    error
}

#[tokio::test]
async fn a_failed_login_says_what_to_do() {
    let error = login_error(refusal(401, r#"{"error":"invalid_credentials"}"#)).await;
    assert!(matches!(error, LoginError::InvalidCredentials), "{error:?}");
    let busy = Reply::Answer(429, "Retry-After: 30\r\n", String::new());
    let error = login_error(busy).await;
    let LoginError::TooManyAttempts { retry_after } = error else {
        panic!("{error:?}");
    };
    assert_eq!(retry_after, Duration::from_secs(30));
    let error = login_error(refusal(403, r#"{"error":"csrf_failed"}"#)).await;
    let LoginError::Refused {
        status: 403,
        error: Some(code),
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(&**code, "csrf_failed");
    let error = login_error(refusal(503, "")).await;
    assert!(
        matches!(
            error,
            LoginError::Unavailable {
                status: Some(503),
                ..
            }
        ),
        "{error:?}"
    );
    let error = login_error(Reply::Drop).await;
    assert!(
        matches!(error, LoginError::Unavailable { status: None, .. }),
        "{error:?}"
    );
    let error = login_error(refusal(200, "<html>")).await;
    assert!(error.to_string().contains("/auth/login"), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = generous().await;
    let location: &'static str = format!("Location: {}/login\r\n", other.address()).leak();
    let error = login_error(Reply::Answer(307, location, String::new())).await;
    assert!(
        matches!(error, LoginError::Refused { status: 307, .. }),
        "{error:?}"
    );
    assert!(other.requests("login").is_empty());
}

#[tokio::test]
async fn no_output_shows_a_token() {
    let server = generous().await;
    let client = logged_in(in_memory(&server)).await;
    let token = client.access_token().await.unwrap();
    let shown = format!("{client:?} {token:?}");
    assert!(
        !shown.contains("\"a0\"") && !shown.contains("r0"),
        "{shown}"
    );
    assert!(shown.contains("AccessToken([redacted])"), "{shown}");
}

#[test]
fn tokens_are_not_sent_in_the_clear() {
    let error = Client::builder("http://app.example/auth")
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::Insecure(_)), "{error:?}");
    let builder = Client::builder("http://app.example/auth");
    builder.danger_accept_http().build().unwrap();
}

/// A proxy would get the tokens in the clear.
#[tokio::test]
async fn requests_that_stay_on_this_machine_use_no_proxy() {
    let proxy = Server::start(|_, _| Reply::Drop).await;
    let address = proxy.address().trim_end_matches("/auth").to_owned();
    let mut program = std::process::Command::new(std::env::current_exe().unwrap());
    let test = "tokens::a_program_beside_its_server";
    program.args(["--ignored", "--exact", test]);
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        program.env_remove(name);
    }
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        program.env(name, &address);
    }
    // Beside the proxy, which is a task of this test.
    let output = tokio::task::spawn_blocking(move || program.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// Not a test of its own.
#[tokio::test]
#[ignore = "a process of the other test"]
async fn a_program_beside_its_server() {
    let server = generous().await;
    let client = logged_in(in_memory(&server)).await;
    assert_eq!(renewed(&client).await.unwrap(), "a1");
}

/// A runtime that has ended drops a task where it is spawned.
#[test]
fn a_renewal_that_no_runtime_takes_does_not_hang() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let client = runtime.block_on(async {
        let server = generous().await;
        logged_in(in_memory(&server)).await
    });
    let old = runtime.block_on(client.access_token()).unwrap();
    drop(runtime);
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        let asked = client.access_token_instead_of(&old);
        // Whatever it answers, or if it panics since there are no timers: it does not wait for itself.
        let asked = std::panic::AssertUnwindSafe(|| handle.block_on(asked));
        let _ = std::panic::catch_unwind(asked);
        done.send(()).unwrap();
    });
    let finished = finished.recv_timeout(Duration::from_secs(60));
    assert_eq!(finished, Ok(()));
}

/// A file that does not answer when it is read, as a locked keyring does not.
#[cfg(unix)]
struct Silent {
    file: std::path::PathBuf,
}

#[cfg(unix)]
impl Silent {
    fn instead_of(file: &Path) -> Self {
        let beside = file.with_extension("fifo");
        let made = std::process::Command::new("mkfifo").arg(&beside).status();
        assert!(made.unwrap().success());
        fs::rename(&beside, file).unwrap();
        let file = file.to_owned();
        Self { file }
    }
}

#[cfg(unix)]
impl Drop for Silent {
    /// What reads it goes on, or the runtime of the test would wait for it.
    fn drop(&mut self) {
        let mut options = fs::OpenOptions::new();
        let _ = options.read(true).write(true).open(&self.file);
    }
}

/// A runtime with few threads that may block, and a limit for the test, which would hang otherwise.
#[cfg(unix)]
fn with_two_blocking_threads(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    runtime.shutdown_background();
    done.unwrap();
}

#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(unix)]
#[test]
fn a_store_that_does_not_answer_is_an_error_and_blocks_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let silent = Silent::instead_of(&file);
    with_two_blocking_threads(async {
        let server = Server::start(|_, _| Reply::Drop).await;
        let client = in_file(&server, &file);
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.access_token().await })
            })
            .collect();
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err();
            let TokenError::Storage(source) = &error else {
                panic!("{error:?}");
            };
            assert!(matches!(**source, StoreError::Slow), "{source:?}");
        }
        // There is a thread left for others.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    });
    drop(silent);
}

#[cfg(unix)]
#[test]
fn a_good_token_is_given_out_while_the_store_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    with_two_blocking_threads(async {
        let server = generous().await;
        let client = logged_in(in_file(&server, &file)).await;
        let silent = Silent::instead_of(&file);
        // The store is looked at once a second.
        for _ in 0..5 {
            assert_eq!(token(&client).await, "a0");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        drop(silent);
    });
}
