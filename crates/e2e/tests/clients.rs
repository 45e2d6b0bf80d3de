//! Several processes with the Rust client, which share one file of tokens and one session.
//!
//! Each process is this test program, started again as `a_process_that_shares_the_file`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test suite: it fails by panicking"
)]

use std::env;
use std::fs::{self, File};
use std::future::pending;
use std::io::{Read as _, Write as _, stdin};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use e2e::patience::soon;
use e2e::reply::Reply;
use e2e::server::{Server, run};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use token_client::{AccessToken, Client, TokenError};
use tokio::runtime::{Builder, Runtime};
use url::Url;

/// How many lifetimes of a token a test lasts; `cargo xtask test long` asks for a hundred.
const LIFETIMES: &str = "HALLPASS_LIFETIMES";

/// What a process of this test needs to know.
const FILE: &str = "E2E_TOKEN_FILE";
const ADDRESS: &str = "E2E_ADDRESS";
const ROLE: &str = "E2E_ROLE";

/// The role of a process whose answers are kept from it.
const VICTIM: &str = "victim";

/// The shortest time after which a token of 4 s is renewed: half of its life, less the jitter.
const LIFETIME: Duration = Duration::from_millis(1_750);

const TASKS: usize = 20;

#[test]
fn three_processes_with_twenty_tasks_each_renew_once_a_lifetime() {
    // What is presented again a second after its successor was issued ends the session.
    let world = World::start("1s", false);
    let workers = world.start_workers();
    let wanted = lifetimes();
    world.wait_for(wanted);
    world.finish(workers, 0);
}

#[test]
fn a_process_that_is_killed_while_it_holds_the_lock_blocks_nobody_and_costs_no_session() {
    kill_those_that_hold_the_lock(false);
}

#[test]
fn a_killed_process_costs_no_session_that_is_bound_to_a_key() {
    kill_those_that_hold_the_lock(true);
}

fn kill_those_that_hold_the_lock(dpop: bool) {
    let (world, answers) = World::start_behind_relay("10s", dpop);
    let workers = world.start_workers();
    let kills = lifetimes() / 4;
    for _ in 0..kills {
        let before = world.renewals();
        world.kill_one_that_holds_the_lock(&answers);
        // That of the killed process, which reached the server, and one of the others.
        world.wait_for(before + 2);
    }
    world.wait_for(lifetimes());
    world.finish(workers, kills);
}

#[test]
fn processes_that_share_a_file_prove_the_same_key() {
    let world = World::start("1s", true);
    let workers = world.start_workers();
    world.wait_for(lifetimes());
    world.finish(workers, 0);
}

#[test]
fn tokens_that_were_copied_without_their_key_are_worth_nothing() {
    for program in ["demo-axum", "demo-actix"] {
        let (server, files) = Server::start(program, &["--dpop", "required"]);
        let runtime = runtime();
        let address = format!("{}/auth", server.url());
        let open = |name: &str| {
            let client = Client::builder(&*address).file(files.path(name));
            client.dpop().build().unwrap()
        };
        let token = |client: &Client| runtime.block_on(client.access_token()).unwrap();
        let [honest, other] = ["honest.json", "other.json"].map(open);
        for client in [&honest, &other] {
            let login = client.login("alice", "wonderland");
            runtime.block_on(login).unwrap();
        }
        // A proof is good once.
        let (first, field, proof) = ask(&server, &honest, &token(&honest));
        assert_eq!(first.status, 200);
        let fields = [("authorization", &*field), ("dpop", &*proof)];
        let client = server.client().unrecorded();
        let replayed = client.send(&Method::GET, "/api/me", &fields, None);
        assert_eq!(replayed.status, 401);
        assert!(
            replayed
                .header("www-authenticate")
                .contains("invalid_dpop_proof")
        );
        // The file without the key, and with the key of another session.
        let kept = |name: &str| -> Value {
            serde_json::from_slice(&fs::read(files.path(name)).unwrap()).unwrap()
        };
        for key in [Value::Null, kept("other.json")["key"].clone()] {
            let mut stolen = kept("honest.json");
            stolen["key"] = key;
            fs::write(files.path("stolen.json"), stolen.to_string()).unwrap();
            let thief = open("stolen.json");
            let stolen = token(&thief);
            let (refused, ..) = ask(&server, &thief, &stolen);
            assert_eq!(refused.status, 401);
            assert!(refused.header("www-authenticate").contains("invalid_token"));
            let renewal = thief.access_token_instead_of(&stolen);
            let refused = runtime.block_on(renewal).unwrap_err();
            assert!(
                matches!(&refused, TokenError::LoginRequired { reason } if &**reason == "unbound"),
                "{refused:?}"
            );
        }
        assert!(server.output().contains("event=unbound_credential "));
        // A nonce that the server does not accept any more costs a repetition, and the session goes on.
        let proof = honest.proof(&token(&honest), &Method::GET, &url(server.url()));
        let mut fields = HeaderMap::new();
        fields.insert("dpop-nonce", HeaderValue::from_static("old"));
        honest.learn(&proof.unwrap(), StatusCode::OK, &fields);
        let old = token(&honest);
        let renewal = honest.access_token_instead_of(&old);
        runtime.block_on(renewal).unwrap();
        assert_eq!(ask(&server, &honest, &token(&honest)).0.status, 200);
        runtime.block_on(honest.logout()).unwrap();
        assert_eq!(ask(&server, &other, &token(&other)).0.status, 200);
    }
}

#[test]
fn the_example_logs_in_says_who_it_is_and_logs_out() {
    for program in ["demo-axum", "demo-actix"] {
        let (server, files) = Server::start(program, &[]);
        let tokens = files.path("tokens.json");
        let flags = [
            "--server",
            server.url(),
            "--tokens",
            tokens.to_str().unwrap(),
        ];
        let cli = |words: &[&str], typed: &str| {
            let output = run("cli", &[&flags, words].concat(), typed);
            let text =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            (output.status.success(), text)
        };
        let (done, [_, error]) = cli(&["whoami"], "");
        assert!(!done && error.contains("log in first"), "{error}");
        let (done, [_, error]) = cli(&["login", "alice"], "wrong\n");
        assert!(
            !done && error.contains("the name or the password is wrong"),
            "{error}"
        );
        let (done, [said, error]) = cli(&["login", "alice"], "wonderland\n");
        assert!(done, "{error}");
        assert_eq!(said, "logged in as alice\n");
        let (done, [said, error]) = cli(&["whoami"], "");
        assert!(done, "{error}");
        assert!(said.starts_with("alice may notes:read"), "{said}");
        // The file is all that a later process needs, and the server knows the tool by its name.
        let kept: Value = serde_json::from_slice(&fs::read(&tokens).unwrap()).unwrap();
        let access = kept.pointer("/access").and_then(Value::as_str).unwrap();
        let session = server.client().get("/auth/session", access).json();
        let label = session.pointer("/device/label").and_then(Value::as_str);
        assert_eq!(label, Some("cli"));
        let (done, [said, error]) = cli(&["login", "alice", "--dpop"], "wonderland\n");
        assert!(done && said == "logged in as alice\n", "{error}");
        let (done, [said, error]) = cli(&["whoami"], "");
        assert!(done && said.starts_with("alice may notes:read"), "{error}");
        assert!(fs::read_to_string(&tokens).unwrap().contains(r#""key":"#));
        let (done, [said, error]) = cli(&["logout"], "");
        assert!(done && said == "logged out\n", "{error}");
        let (done, [_, error]) = cli(&["whoami"], "");
        assert!(!done && error.contains("log in first"), "{error}");
        server.client().me(access).invalid_token("revoked");
    }
}

/// Not a test of its own: does what the other tests tell a process to do.
#[test]
#[ignore = "a process of the other tests"]
fn a_process_that_shares_the_file() {
    let (Ok(file), Ok(address)) = (env::var(FILE), env::var(ADDRESS)) else {
        return;
    };
    let role = env::var(ROLE).unwrap();
    let is_victim = role == VICTIM;
    let client = Client::builder(address).file(file).user_agent(role);
    let client = client.build().unwrap();
    runtime().block_on(async {
        if is_victim {
            // Until it is killed.
            loop {
                let token = client.access_token().await.unwrap();
                client.access_token_instead_of(&token).await.unwrap();
            }
        }
        for task in 0..TASKS {
            let client = client.clone();
            tokio::spawn(async move {
                loop {
                    // Nothing a task gets is anything but a token.
                    if let Err(error) = client.access_token().await {
                        eprintln!("task {task}: {error:?}");
                        std::process::exit(1);
                    }
                    tokio::time::sleep(Duration::from_millis(40 + task as u64)).await;
                }
            });
        }
        // Its parent closes it.
        thread::spawn(|| {
            let _ = stdin().read(&mut [0]);
            std::process::exit(0);
        });
        pending::<()>().await;
    });
}

struct World {
    server: Server,
    /// Where its clients find it.
    address: String,
    file: PathBuf,
    client: Client,
    runtime: Runtime,
    start: Instant,
    _files: e2e::server::Files,
}

impl World {
    /// A server with tokens of 4 s, at which somebody has logged in, with a key or without.
    fn start(grace: &str, dpop: bool) -> Self {
        let (server, files) = Server::start("demo-axum", &flags(grace, dpop));
        let address = server.url().to_owned();
        Self::log_in(server, files, address, dpop)
    }

    /// The same, through something that keeps answers to processes of the role `VICTIM` and says when there is one. All
    /// use its address, since tokens are kept with the address of their server.
    fn start_behind_relay(grace: &str, dpop: bool) -> (Self, Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        // Proofs name the address that clients use.
        let flags = [&flags(grace, dpop)[..], &["--origin", &address]].concat();
        let (server, files) = Server::start("demo-axum", &flags);
        let answers = relay(listener, server.url());
        (Self::log_in(server, files, address, dpop), answers)
    }

    fn log_in(server: Server, files: e2e::server::Files, address: String, dpop: bool) -> Self {
        let file = files.path("tokens.json");
        let mut client = Client::builder(format!("{address}/auth")).file(&file);
        if dpop {
            client = client.dpop();
        }
        let client = client.build().unwrap();
        let runtime = runtime();
        let start = Instant::now();
        runtime
            .block_on(client.login("alice", "wonderland"))
            .unwrap();
        Self {
            server,
            address,
            file,
            client,
            runtime,
            start,
            _files: files,
        }
    }

    fn start_workers(&self) -> Vec<Child> {
        let start = |_| process(&self.file, &self.address, "worker");
        (0..3).map(start).collect()
    }

    /// A process asks for new tokens, the server answers, and the process dies before the answer reaches it.
    fn kill_one_that_holds_the_lock(&self, answers: &Receiver<()>) {
        let mut victim = process(&self.file, &self.address, VICTIM);
        answers.recv().unwrap();
        let lock = File::open(self.file.with_extension("json.renewal")).unwrap();
        lock.try_lock().unwrap_err();
        victim.kill().unwrap();
        victim.wait().unwrap();
    }

    /// How often the server has given new tokens.
    fn renewals(&self) -> usize {
        self.events("refreshed") + self.events("replayed")
    }

    fn events(&self, name: &str) -> usize {
        let name = format!("event={name} ");
        let log = self.server.output();
        log.lines().filter(|line| line.contains(&name)).count()
    }

    fn wait_for(&self, renewals: usize) {
        // Each renewal has the patience of the other tests.
        for wanted in self.renewals()..=renewals {
            soon("the tokens are renewed", || self.renewals() >= wanted);
        }
    }

    /// No more renewals than lifetimes and a tenth, no token used twice, and a session that lives.
    fn finish(self, workers: Vec<Child>, kills: usize) {
        for worker in workers {
            let mut worker = worker;
            assert!(worker.try_wait().unwrap().is_none(), "a process has ended");
            drop(worker.stdin.take());
            assert!(worker.wait().unwrap().success());
        }
        let lifetimes = self.start.elapsed().as_secs_f64() / LIFETIME.as_secs_f64();
        let renewals = self.renewals();
        println!("{renewals} renewals in {lifetimes:.1} lifetimes, {kills} processes killed");
        // Each killed process adds one that nobody waited for. The living ask for its answer at once, so the last of these
        // may come before a lifetime has passed.
        let early = if kills == 0 { 0.0 } else { 1.0 };
        #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
        let own = (renewals - kills) as f64;
        assert!(own <= lifetimes * 1.1 + early, "{own} in {lifetimes}");
        assert_eq!(self.events("reused"), 0);
        let token = self.runtime.block_on(self.client.access_token()).unwrap();
        let (reply, ..) = ask_at(&self.address, &self.server, &self.client, &token);
        assert_eq!(reply.status, 200);
        self.runtime.block_on(self.client.logout()).unwrap();
        let ended = self.runtime.block_on(self.client.access_token());
        assert!(matches!(ended, Err(TokenError::LoginRequired { .. })));
        let kept = fs::read_to_string(&self.file).unwrap();
        assert!(!kept.contains("refresh"), "{kept}");
    }
}

/// The flags of a server with tokens of 4 s.
fn flags(grace: &str, dpop: bool) -> Vec<&str> {
    let how = if dpop { "required" } else { "optional" };
    let own = ["--access-ttl", "4s", "--grace", grace, "--tolerance", "0s"];
    [&own[..], &["--dpop", how]].concat()
}

/// Asks who has logged in. The answer, and the fields `Authorization` and `DPoP` that were sent.
fn ask(server: &Server, client: &Client, token: &AccessToken) -> (Reply, String, String) {
    ask_at(server.url(), server, client, token)
}

/// The same with a proof for the address that clients use.
fn ask_at(
    address: &str,
    server: &Server,
    client: &Client,
    token: &AccessToken,
) -> (Reply, String, String) {
    let field = format!("{} {}", token.scheme(), token.secret());
    let proof = client.proof(token, &Method::GET, &url(address));
    let proof = proof.map(|proof| proof.header_value());
    let proof = proof.as_ref().map(|proof| proof.to_str().unwrap());
    let mut fields = vec![("authorization", &*field)];
    fields.extend(proof.map(|proof| ("dpop", proof)));
    let client = server.client().unrecorded();
    let reply = client.send(&Method::GET, "/api/me", &fields, None);
    let proof = proof.unwrap_or_default().to_owned();
    (reply, field, proof)
}

fn url(address: &str) -> Url {
    format!("{address}/api/me").parse().unwrap()
}

/// Starts this program again.
fn process(file: &Path, address: &str, role: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_process_that_shares_the_file",
            "--ignored",
            "--nocapture",
        ])
        .env(FILE, file)
        .env(ADDRESS, format!("{address}/auth"))
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// A server in front of another that passes everything on but the answers to a `VICTIM`, which names itself in
/// `User-Agent`. It says when there is one.
fn relay(listener: TcpListener, url: &str) -> Receiver<()> {
    let target = url.strip_prefix("http://").unwrap().to_owned();
    let (answered, answers) = channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut forth = client.try_clone().unwrap();
            let mut server = TcpStream::connect(&target).unwrap();
            let mut back = server.try_clone().unwrap();
            let answered = answered.clone();
            let is_victim = Arc::new(AtomicBool::new(false));
            let known = Arc::clone(&is_victim);
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = back.read(&mut bytes) {
                    if known.load(Ordering::SeqCst) {
                        // Once, and the connection stays open.
                        let _ = answered.send(());
                        return;
                    } else if forth
                        .write_all(bytes.get(..length).unwrap_or_default())
                        .is_err()
                    {
                        break;
                    }
                }
                let _ = forth.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = client.read(&mut bytes) {
                    let sent = bytes.get(..length).unwrap_or_default();
                    if String::from_utf8_lossy(sent).contains(VICTIM) {
                        is_victim.store(true, Ordering::SeqCst);
                    }
                    if server.write_all(sent).is_err() {
                        break;
                    }
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    answers
}

fn lifetimes() -> usize {
    let named = env::var(LIFETIMES).ok();
    named.map_or(8, |number| number.parse().unwrap())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
