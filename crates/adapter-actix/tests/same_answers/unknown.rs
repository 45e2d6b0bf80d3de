//! What clients are told if a write of the store fails: whether it may have been done.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use token_core::Policy;
use token_http::{Auth, AuthConfig};
use token_session::MemoryStore;
use token_session::test_util::{
    Injected, SeededEntropy, TestClock, TestManager, Trouble, TroubledStore,
};

use crate::OWN;
use crate::client::{Reply, send};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const RIGHT: &str = r#"{"username":"alice","password":"wonderland","transport":"TRANSPORT"}"#;

/// Writes are not carried out.
static REFUSED: AtomicBool = AtomicBool::new(false);
/// Writes are carried out, and their answers are lost.
static LOST: AtomicBool = AtomicBool::new(false);

/// The first write is carried out, and after it nothing can be asked any more.
static CUT_OFF: AtomicBool = AtomicBool::new(false);
static HAS_WRITTEN: AtomicBool = AtomicBool::new(false);

struct Writes;

impl Writes {
    fn fails(call: &str, when: &AtomicBool) -> Result<(), Injected> {
        if Self::is_one(call) && when.load(Ordering::SeqCst) {
            return Err(Injected);
        }
        Ok(())
    }

    fn is_one(call: &str) -> bool {
        matches!(call, "commit" | "create" | "revoke" | "revoke_subject")
    }
}

impl Trouble for Writes {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        if CUT_OFF.load(Ordering::SeqCst) && HAS_WRITTEN.load(Ordering::SeqCst) {
            return Err(Injected);
        }
        Self::fails(call, &REFUSED)
    }

    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        if Self::is_one(call) {
            HAS_WRITTEN.store(true, Ordering::SeqCst);
        }
        Self::fails(call, &LOST)
    }
}

pub(crate) fn application() -> (Auth, TestClock) {
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), Writes);
    let TestManager { manager, clock } =
        TestManager::with_store(store, Policy::default(), |builder| {
            builder.entropy(SeededEntropy::new(1)).store_retries(0)
        });
    let config = AuthConfig::builder(OWN.parse().unwrap()).build().unwrap();
    (Auth::new(manager, config), clock)
}

struct Client {
    server: SocketAddr,
    replies: Vec<(String, Reply)>,
}

impl Client {
    fn ask(&mut self, line: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(self.server, method, path, fields, body);
        self.replies
            .push((format!("{line} {fields:?} {body}"), reply.clone()));
        reply
    }

    fn login(&mut self, transport: &str) -> Reply {
        let body = RIGHT.replace("TRANSPORT", transport);
        self.ask("POST /auth/login", &[JSON, SAME], &body)
    }

    /// Asks while writes fail.
    fn ask_in_trouble(
        &mut self,
        trouble: &AtomicBool,
        line: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        trouble.store(true, Ordering::SeqCst);
        let reply = self.ask(line, fields, body);
        trouble.store(false, Ordering::SeqCst);
        reply
    }
}

fn assert_told(reply: &Reply, status: u16, error: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.text("error"), error);
    let has = |name: &str, value: &str| {
        let mut fields = reply.fields.iter();
        fields.any(|field| *field == (name.to_owned(), value.to_owned()))
    };
    assert!(has("retry-after", "1"), "{reply:?}");
    assert!(has("cache-control", "no-store"), "{reply:?}");
    let cookie = reply.fields.iter().find(|(name, _)| name == "set-cookie");
    assert_eq!(cookie, None);
}

/// A write that was not carried out is 503, one that may have been is 504.
pub(crate) fn run(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let replies = Vec::new();
    let mut client = Client { server, replies };
    for (trouble, status, error) in [
        (&REFUSED, 503, "temporarily_unavailable"),
        (&LOST, 504, "gateway_timeout"),
    ] {
        let login = RIGHT.replace("TRANSPORT", "header");
        let told = client.ask_in_trouble(trouble, "POST /auth/login", &[JSON], &login);
        assert_told(&told, status, error);

        // With the same token the same successor, whatever the first answer would have been.
        let first = client.login("header");
        let refresh = format!(r#"{{"refresh_token":"{}"}}"#, first.text("refresh_token"));
        clock.advance(Duration::from_secs(60));
        let told = client.ask_in_trouble(trouble, "POST /auth/refresh", &[JSON], &refresh);
        assert_told(&told, status, error);
        let next = client.ask("POST /auth/refresh", &[JSON], &refresh);
        assert_eq!(next.status, 200, "{next:?}");
        assert_ne!(next.text("refresh_token"), first.text("refresh_token"));
        let again = client.ask("POST /auth/refresh", &[JSON], &refresh);
        assert_eq!(again.text("refresh_token"), next.text("refresh_token"));

        let cookie = client.login("cookie").cookie();
        let fields = [SAME, ("Cookie", &*cookie)];
        let told = client.ask_in_trouble(trouble, "POST /auth/refresh", &fields, "");
        assert_told(&told, status, error);
        assert_eq!(client.ask("POST /auth/refresh", &fields, "").status, 200);

        // The same credential may repeat them, since the password comes along.
        for (line, new) in [
            ("POST /auth/step-up", ""),
            ("POST /auth/password", r#","new_password":"mirror""#),
        ] {
            // The new password is stored before anything can fail.
            let (status, error) = match line {
                "POST /auth/password" => (504, "gateway_timeout"),
                _ => (status, error),
            };
            let token = client.login("header").text("refresh_token");
            let body = format!(r#"{{"password":"wonderland"{new},"refresh_token":"{token}"}}"#);
            clock.advance(Duration::from_secs(60));
            let told = client.ask_in_trouble(trouble, line, &[JSON], &body);
            assert_told(&told, status, error);
            assert_eq!(client.ask(line, &[JSON], &body).status, 200, "{line}");
        }

        let session = client.login("session").cookie();
        let fields = [SAME, ("Cookie", &*session)];
        let told = client.ask_in_trouble(trouble, "POST /auth/logout", &fields, "");
        assert_told(&told, status, error);
        assert_eq!(client.ask("POST /auth/logout", &fields, "").status, 204);

        let bearer = format!("Bearer {}", client.login("header").text("access_token"));
        let fields = [("Authorization", &*bearer)];
        let told = client.ask_in_trouble(trouble, "DELETE /auth/sessions", &fields, "");
        assert_told(&told, status, error);

        // RFC 7009 has one status for both.
        let token = format!("token={}", client.login("header").text("refresh_token"));
        let told = client.ask_in_trouble(trouble, "POST /auth/revoke", &[FORM], &token);
        assert_told(&told, 503, "temporarily_unavailable");
    }

    // 503 says that nothing was done; of two effects the first was.
    let (old, session) = (client.login("session").cookie(), "session");
    let (fields, login) = (
        [JSON, SAME, ("Cookie", &*old)],
        RIGHT.replace("TRANSPORT", session),
    );
    HAS_WRITTEN.store(false, Ordering::SeqCst);
    let told = client.ask_in_trouble(&CUT_OFF, "POST /auth/login", &fields, &login);
    assert_told(&told, 504, "gateway_timeout");

    let both = format!("{old}; {}", client.login("cookie").cookie());
    let fields = [SAME, ("Cookie", &*both)];
    HAS_WRITTEN.store(false, Ordering::SeqCst);
    let told = client.ask_in_trouble(&CUT_OFF, "POST /auth/logout", &fields, "");
    assert_told(&told, 504, "gateway_timeout");
    assert_eq!(client.ask("POST /auth/logout", &fields, "").status, 204);
    client.replies
}
