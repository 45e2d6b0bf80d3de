//! The application before and after the move, on one database. A real Django writes the sessions.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../../totp/tests/browser/mod.rs"]
mod browser;

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use browser::{Browser, Reply, Server};
use sqlx::SqlitePool;

/// The cookie of Django, that of its CSRF middleware, and ours.
const OLD: &str = "sessionid";
const CSRF: &str = "csrftoken";
const NEW: &str = "__Host-Http-session";

const SECRET: &str = "django-insecure-a-secret-of-django";
/// `SECRET_KEY` after it was changed, with the old one in `SECRET_KEY_FALLBACKS`.
const SECRETS: &str = "another-secret,django-insecure-a-secret-of-django";
const PERIOD: Duration = Duration::from_hours(14 * 24);

struct Site {
    folder: tempfile::TempDir,
    address: String,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            address: "127.0.0.1:0".to_owned(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Serves at the address at which the first program has served.
    fn start(&mut self, program: &mut Command) -> Server {
        let server = Server::start(program, 1);
        self.address = server.lines[0].replace("http://", "");
        server
    }

    fn before(&mut self) -> Server {
        let python = std::env::var("HALLPASS_TEST_DJANGO")
            .expect("HALLPASS_TEST_DJANGO is a Python that has what before/requirements.txt names");
        let mut program = Command::new(python);
        program.env("PYTHONDONTWRITEBYTECODE", "1");
        program.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/before/site.py"));
        program.args([&self.address, &self.path("site.db"), SECRET]);
        self.start(&mut program)
    }

    fn after(&mut self, secrets: &str, period: Duration) -> Server {
        self.after_with(secrets, period, &[])
    }

    fn after_with(&mut self, secrets: &str, period: Duration, choices: &[&str]) -> Server {
        let until = (now() + period).as_secs().to_string();
        let mut program = Command::new(env!("CARGO_BIN_EXE_after"));
        program.args([&self.address, &self.path("site.db"), secrets]);
        program.args([&self.path("keys.json"), &until]);
        program.args(choices);
        self.start(&mut program)
    }

    /// Changes one row, as somebody would who looks after the database.
    fn change(&self, query: &'static str, values: &[&str]) {
        assert_eq!(self.affected(query, values), 1);
    }

    fn has_row(&self, key: &str) -> bool {
        let query = "UPDATE django_session SET session_key = session_key WHERE session_key = ?";
        self.affected(query, &[key]) == 1
    }

    fn affected(&self, query: &'static str, values: &[&str]) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let url = format!("sqlite:{}", self.path("site.db"));
            let pool = SqlitePool::connect(&url).await.unwrap();
            let mut query = sqlx::query(query);
            for value in values {
                query = query.bind(*value);
            }
            let done = query.execute(&pool).await.unwrap();
            pool.close().await;
            done.rows_affected()
        })
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Sends a form as a page of Django has it, with the token of its CSRF middleware.
fn post(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
    let token = browser.cookies.get(CSRF).cloned().unwrap_or_default();
    let mut fields = fields.to_vec();
    fields.push(("csrfmiddlewaretoken", &token));
    browser.post(path, &fields)
}

fn log_in_with(server: &Server, name: &str, password: &str) -> Browser {
    let mut browser = server.browser();
    assert_eq!(browser.get("/login").status, 200);
    let fields = [("name", name), ("password", password)];
    let reply = post(&mut browser, "/login", &fields);
    assert_eq!(reply.location, "/", "{name}: {reply:?}");
    browser
}

fn log_in(server: &Server, name: &str) -> Browser {
    log_in_with(server, name, "wonderland")
}

/// The name that the first page greets, or nothing if it leads to the login.
fn greeted(browser: &mut Browser) -> Option<String> {
    let reply = browser.get("/");
    match reply.status {
        200 => Some(reply.body),
        302 | 303 => {
            assert_eq!(reply.location, "/login?next=/");
            None
        }
        _ => panic!("{reply:?}"),
    }
}

/// The cookies beside that of the CSRF middleware, which stays.
fn session_cookies(browser: &Browser) -> Vec<&str> {
    let names = browser.cookies.keys().map(|name| &**name);
    names.filter(|name| *name != CSRF).collect()
}

fn with_cookie(server: &Server, value: &str) -> Browser {
    let mut browser = server.browser();
    browser.cookies.insert(OLD.to_owned(), value.to_owned());
    browser
}

#[test]
fn those_who_were_logged_in_still_are_and_nobody_else_is() {
    let mut site = Site::new();
    let server = site.before();
    let mut alice = log_in(&server, "alice");
    for notes in 1..=3 {
        let reply = post(&mut alice, "/notes", &[]);
        assert_eq!(reply.body, notes.to_string());
    }
    let mut bob = log_in(&server, "bob");
    let mut bob_elsewhere = log_in(&server, "bob");
    // A change of the password ends every other session: its row stays.
    let reply = post(&mut bob, "/password", &[("password", "builder")]);
    assert_eq!(reply.location, "/", "{reply:?}");
    let mut out = log_in(&server, "carol");
    let mut logged_out = out.clone();
    assert_eq!(post(&mut out, "/logout", &[]).location, "/login");
    let mut carol = log_in(&server, "carol");
    let mut unseen = log_in(&server, "carol");
    let mut expired = log_in(&server, "carol");
    let mut ends_soon = log_in(&server, "carol");
    let mut tampered = log_in(&server, "carol");
    let mut dave = log_in(&server, "dave");
    let mut guest = server.browser();
    assert_eq!(guest.get("/login").status, 200);
    drop(server);
    let set_end =
        "UPDATE django_session SET expire_date = datetime(?, 'unixepoch') WHERE session_key = ?";
    let soon = now().as_secs() + 3600;
    for (browser, end) in [(&expired, now().as_secs() - 1), (&ends_soon, soon)] {
        site.change(set_end, &[&end.to_string(), &browser.cookies[OLD]]);
    }
    // Somebody who can write to the database, and does not know the secret, gives this session to alice.
    site.change(
        "UPDATE django_session SET session_data = (SELECT substr(data, 1, length(data) - 43) FROM \
         (SELECT session_data AS data FROM django_session WHERE session_key = ?1)) || \
         substr(session_data, -43) WHERE session_key = ?2",
        &[&alice.cookies[OLD], &tampered.cookies[OLD]],
    );
    site.change(
        "UPDATE auth_user SET is_active = 0 WHERE username = ?",
        &["dave"],
    );

    // Under another secret nothing is genuine.
    let server = site.after("another-secret", PERIOD);
    assert_eq!(greeted(&mut carol.clone()), None);
    drop(server);

    let server = site.after(SECRETS, PERIOD);
    let mut tab = alice.clone();
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    assert_eq!(session_cookies(&alice), [NEW], "the old one is deleted");
    assert_eq!(alice.post("/notes", &[]).body, "4");
    assert_eq!(greeted(&mut tab).as_deref(), Some("alice"));
    assert_eq!(tab.cookies, alice.cookies, "one session for both tabs");
    assert_eq!(greeted(&mut bob).as_deref(), Some("bob"));
    assert_eq!(greeted(&mut carol).as_deref(), Some("carol"));
    assert_eq!(greeted(&mut guest), None);
    assert_eq!(greeted(&mut ends_soon).as_deref(), Some("carol"));
    let session = ends_soon.get("/auth/session").body;
    assert!(
        session.contains(&format!(r#""expires_at":{soon}"#)),
        "{session}"
    );

    let key = unseen.cookies[OLD].clone();
    let mut spelling = with_cookie(&server, &key.to_uppercase());
    let mut nonsense = with_cookie(&server, "x' OR 1=1");
    // What cannot be read stays in the browser: a setting may be wrong.
    for (why, browser, kept) in [
        ("the password was changed before", &mut bob_elsewhere, false),
        ("logged out before the move", &mut logged_out, false),
        ("expired", &mut expired, false),
        ("its data was changed", &mut tampered, true),
        ("the user was switched off", &mut dave, false),
        ("another spelling", &mut spelling, true),
        (
            "made up",
            &mut with_cookie(&server, &"a1".repeat(16)),
            false,
        ),
        ("not a key", &mut nonsense, true),
    ] {
        assert_eq!(greeted(browser), None, "{why}");
        assert_eq!(session_cookies(browser) == [OLD], kept, "{why}");
    }

    // A logout wins over the old cookie, and a change of the password over all of them.
    let mut copied = unseen.clone();
    assert_eq!(greeted(&mut unseen).as_deref(), Some("carol"));
    assert_eq!(unseen.post("/logout", &[]).status, 303);
    assert_eq!(greeted(&mut copied), None);
    let reply = alice.post("/password", &[("password", "mirror")]);
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    assert_eq!(greeted(&mut tab), None);
    let mut again = log_in_with(&server, "alice", "mirror");
    assert_eq!(greeted(&mut again).as_deref(), Some("alice"));
    // A password of before, in the form in which Django has stored it.
    log_in_with(&server, "bob", "builder");
    drop(server);

    // Back to Django: it has never heard of the logout, but it knows the new password.
    let server = site.before();
    let mut stayed = with_cookie(&server, &key);
    assert_eq!(greeted(&mut stayed).as_deref(), Some("carol"));
    log_in_with(&server, "alice", "mirror");
    log_in_with(&server, "bob", "builder");
    drop(server);

    // After the period nothing of before is read.
    let _server = site.after(SECRETS, Duration::ZERO);
    let mut late = stayed;
    assert_eq!(greeted(&mut late), None);
    assert_eq!(session_cookies(&late), [OLD]);
}

/// The choice to delete: what is needed stays until it is not, and then the old cookie is good nowhere.
#[test]
fn rows_go_if_the_application_wants_that() {
    let mut site = Site::new();
    let server = site.before();
    let mut alice = log_in(&server, "alice");
    let mut carol = log_in(&server, "carol");
    let mut unseen = log_in(&server, "carol");
    drop(server);
    let row = |browser: &Browser| browser.cookies[OLD].clone();
    let rows = [row(&alice), row(&carol), row(&unseen)];

    let server = site.after_with(SECRETS, PERIOD, &["delete"]);
    // An answer that is lost, and a tab that knows nothing yet.
    let (mut lost, mut tab) = (alice.clone(), alice.clone());
    assert_eq!(greeted(&mut lost).as_deref(), Some("alice"));
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    assert_eq!(session_cookies(&alice), [NEW, OLD]);
    // The grace of the policy.
    std::thread::sleep(Duration::from_secs(31));
    assert!(site.has_row(&rows[0]));
    assert_eq!(greeted(&mut tab).as_deref(), Some("alice"));
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    assert_eq!(session_cookies(&alice), [NEW]);
    assert!(!site.has_row(&rows[0]));
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    assert_eq!(greeted(&mut tab).as_deref(), Some("alice"));
    // A logout that is the first request of its session.
    assert_eq!(carol.post("/logout", &[]).location, "/login");
    assert!(!site.has_row(&rows[1]) && site.has_row(&rows[2]));
    // A change of the password that is one.
    let reply = unseen.post("/password", &[("password", "mirror")]);
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(greeted(&mut unseen).as_deref(), Some("carol"));
    drop(server);

    // Back to Django: what was copied is good no more, and a logout holds.
    let server = site.before();
    for key in &rows {
        assert_eq!(greeted(&mut with_cookie(&server, key)), None);
    }
    log_in_with(&server, "carol", "mirror");
}
