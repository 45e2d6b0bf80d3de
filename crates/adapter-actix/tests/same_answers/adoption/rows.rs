//! What becomes of the old store.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use super::{DELETED, FORM, JSON, SAME, gone, set, taken_over};
use crate::client::{Reply, send};

/// What becomes of the sessions in the store of the old system, if the application wants them deleted.
pub(crate) fn rows(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let old = |value: &'static str| ("Cookie", value);
    // Our cookie of an answer that leaves the old one alone.
    let adopted = |reply: &Reply| {
        let set = set(reply);
        assert_eq!(set.len(), 1, "{reply:?}");
        set[0].split(';').next().unwrap().to_owned()
    };

    // As long as an answer may be lost or another tab may come, the row is there.
    let own = adopted(&ask(200, "GET /me", &[old("sid=bob.1")], ""));
    let both = format!("{own}; sid=bob.1");
    let both = [("Cookie", &*both)];
    let reply = ask(200, "GET /me", &both, "");
    assert_eq!((set(&reply).len(), gone().len()), (0, 0), "{reply:?}");
    let tab = ask(200, "GET /page", &[old("sid=bob.1")], "");
    assert_eq!(adopted(&tab), own);
    // Later the browser shows that it has both: now neither row nor cookie is needed.
    clock.advance(Duration::from_secs(30));
    assert_eq!(adopted(&ask(200, "GET /me", &[old("sid=bob.1")], "")), own);
    assert!(gone().is_empty());
    assert_eq!(taken_over(&ask(200, "GET /me", &both, "")), own);
    assert_eq!(gone(), ["bob.1"]);
    // Another request that was under way with both.
    assert_eq!(taken_over(&ask(200, "GET /me", &both, "")), own);
    let reply = ask(200, "GET /me", &[("Cookie", &own)], "");
    assert!(set(&reply).is_empty(), "{reply:?}");
    let reply = ask(401, "GET /me", &[old("sid=bob.1")], "");
    assert_eq!(set(&reply), [DELETED]);

    // The row of another session is left alone.
    let carol = format!("{own}; sid=carol.1");
    let reply = ask(200, "GET /me", &[("Cookie", &carol)], "");
    assert!(set(&reply).is_empty(), "{reply:?}");
    let away = format!("{own}; sid=away");
    let reply = ask(200, "GET /me", &[("Cookie", &away)], "");
    assert!(set(&reply).is_empty(), "{reply:?}");
    // If a row cannot be deleted, the next request tries again.
    let own = adopted(&ask(200, "GET /me", &[old("sid=stuck.1")], ""));
    clock.advance(Duration::from_secs(30));
    let both = format!("{own}; sid=stuck.1");
    let reply = ask(200, "GET /me", &[("Cookie", &both)], "");
    assert!(set(&reply).is_empty(), "{reply:?}");
    let reply = ask(200, "GET /me", &[("Cookie", &both)], "");
    assert_eq!(taken_over(&reply), own);

    // A logout and a login delete it at once, a step-up does not.
    let logout = ask(204, "POST /auth/logout", &[SAME, old("sid=bob.2")], "");
    assert!(set(&logout).contains(&DELETED), "{logout:?}");
    let right = "name=alice&password=wonderland";
    let login = [FORM, SAME, old("sid=alice.1")];
    taken_over(&ask(303, "POST /form/login", &login, right));
    assert_eq!(gone(), ["bob.1", "stuck.1", "bob.2", "alice.1"]);
    let step_up = [JSON, SAME, old("sid=bob.3")];
    let reply = ask(
        200,
        "POST /auth/step-up",
        &step_up,
        r#"{"password":"wonderland"}"#,
    );
    let own = adopted(&reply);
    clock.advance(Duration::from_secs(30));
    let both = format!("{own}; sid=bob.3");
    let reply = ask(200, "GET /me", &[("Cookie", &both)], "");
    assert_eq!(taken_over(&reply), own);
    assert_eq!(gone().len(), 5);
    replies
}
