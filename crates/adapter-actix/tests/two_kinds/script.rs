//! What is asked of the application, whatever the framework.

use std::net::SocketAddr;

use token_core::{NoClaims, VerifyError};
use token_remote::{RemoteError, RemoteJwks};

use crate::client::{Reply, send};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const KINDS: [(&str, &str); 2] = [("staff", "sam"), ("customers", "carol")];

fn login(server: SocketAddr, (kind, name): (&str, &str), transport: &str) -> Reply {
    let path = format!("/{kind}/auth/login");
    let body =
        format!(r#"{{"username":"{name}","password":"wonderland","transport":"{transport}"}}"#);
    let reply = send(server, "POST", &path, &[JSON, SAME], &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

/// The field with what a caller in this transport sends, and the body of a refresh.
struct Credential {
    field: (&'static str, String),
    refresh: Option<(Vec<(&'static str, String)>, String)>,
}

fn credential(reply: &Reply, transport: &str) -> Credential {
    if transport == "session" {
        let field = ("Cookie", reply.cookie());
        return Credential {
            field,
            refresh: None,
        };
    }
    let (fields, body) = if transport == "header" {
        let token = reply.text("refresh_token");
        let body = format!(r#"{{"refresh_token":"{token}"}}"#);
        (vec![("Content-Type", "application/json".to_owned())], body)
    } else {
        (vec![("Cookie", reply.cookie())], String::new())
    };
    Credential {
        field: (
            "Authorization",
            format!("Bearer {}", reply.text("access_token")),
        ),
        refresh: Some((fields, body)),
    }
}

fn get(server: SocketAddr, path: &str, (name, value): &(&str, String)) -> Reply {
    send(server, "GET", path, &[(name, value)], "")
}

pub(crate) fn each_kind_has_its_own_credentials(server: SocketAddr, transport: &str) {
    let logins = KINDS.map(|kind| login(server, kind, transport));
    for (at, (own, name)) in KINDS.iter().enumerate() {
        let (other, _) = KINDS[1 - at];
        let reply = &logins[at];
        let Credential { field, refresh } = credential(reply, transport);

        // Callers.
        let me = get(server, &format!("/{own}/me"), &field);
        assert_eq!((me.status, &*me.body), (200, *name), "{transport}");
        let report = get(server, &format!("/{own}/report"), &field);
        assert_eq!(report.status, 200, "{transport}: {report:?}");
        for route in ["me", "report"] {
            let refused = get(server, &format!("/{other}/{route}"), &field);
            assert_eq!(refused.status, 401, "{transport} {own}: {refused:?}");
            let challenge = format!("Bearer realm=\"{other}\"");
            let challenged = refused
                .fields
                .iter()
                .any(|(name, value)| name == "www-authenticate" && value.starts_with(&challenge));
            assert!(challenged, "{refused:?}");
        }
        // Without `Option`'s help: one that is not valid is refused, and one that is absent is not.
        let guest = get(server, &format!("/{other}/guest"), &field);
        let expected = if transport == "session" { 200 } else { 401 };
        assert_eq!(guest.status, expected, "{transport}: {guest:?}");

        // The library's routes.
        let list = get(server, &format!("/{own}/auth/sessions"), &field);
        assert_eq!(list.status, 200, "{transport}: {list:?}");
        let list = get(server, &format!("/{other}/auth/sessions"), &field);
        assert_eq!(list.status, 401, "{transport}: {list:?}");
        if let Some((fields, body)) = refresh {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (*name, &**value))
                .collect();
            let fields = [&fields[..], &[SAME]].concat();
            let refused = send(
                server,
                "POST",
                &format!("/{other}/auth/refresh"),
                &fields,
                &body,
            );
            assert_eq!(refused.status, 400, "{transport}: {refused:?}");
            let renewed = send(
                server,
                "POST",
                &format!("/{own}/auth/refresh"),
                &fields,
                &body,
            );
            assert_eq!(renewed.status, 200, "{transport}: {renewed:?}");
        }

        // Step-up: with the credential of the kind, and no other.
        let (fields, body) = if transport == "header" {
            let token = reply.text("refresh_token");
            let body = format!(r#"{{"password":"wonderland","refresh_token":"{token}"}}"#);
            (vec![JSON, SAME], body)
        } else {
            let body = r#"{"password":"wonderland"}"#.to_owned();
            (vec![JSON, SAME], body)
        };
        let cookie = reply.fields.iter().any(|(name, _)| name == "set-cookie");
        let cookie = cookie.then(|| reply.cookie());
        let mut fields = fields;
        fields.extend(cookie.as_deref().map(|cookie| ("Cookie", cookie)));
        let refused = send(
            server,
            "POST",
            &format!("/{other}/auth/step-up"),
            &fields,
            &body,
        );
        assert_eq!(refused.status, 400, "{transport}: {refused:?}");
        let stepped = send(
            server,
            "POST",
            &format!("/{own}/auth/step-up"),
            &fields,
            &body,
        );
        assert_eq!(stepped.status, 200, "{transport}: {stepped:?}");
    }
}

/// A browser that is logged in as staff and as a customer sends both cookies with each request.
pub(crate) fn one_browser_can_be_both(server: SocketAddr) {
    let cookies = KINDS.map(|kind| login(server, kind, "session").cookie());
    assert!(cookies[0].starts_with("__Host-Http-session-staff="));
    assert!(cookies[1].starts_with("__Host-Http-session-customers="));
    let both = ("Cookie", cookies.join("; "));
    for (kind, name) in KINDS {
        assert_eq!(get(server, &format!("/{kind}/me"), &both).body, name);
    }
    // One request may ask for both, and each has data of its own.
    for visit in ["1 1", "2 2"] {
        let reply = get(server, "/both", &both);
        assert_eq!((reply.status, &*reply.body), (200, visit), "{reply:?}");
    }
    let staff = ("Cookie", cookies[0].clone());
    assert_eq!(get(server, "/both", &staff).body, "3 -");

    // A logout ends one of them, and deletes one cookie.
    let fields = [SAME, ("Cookie", &*both.1)];
    let logout = send(server, "POST", "/customers/auth/logout", &fields, "");
    assert_eq!(logout.status, 204);
    let deleted = |name: &str| {
        let mut fields = logout.fields.iter();
        fields.any(|(field, value)| field == "set-cookie" && value.starts_with(name))
    };
    assert!(deleted("__Host-Http-session-customers=;"));
    assert!(!deleted("__Host-Http-session-staff") && !deleted("__Host-Http-session=;"));
    assert_eq!(get(server, "/staff/me", &both).status, 200);
    assert_eq!(get(server, "/customers/me", &both).status, 401);
}

/// A service in another process knows an issuer by its URL alone.
pub(crate) fn a_service_finds_the_keys_of_each(server: SocketAddr) {
    let origin = format!("http://{server}");
    let none = ("Accept", "*/*".to_owned());
    for name in ["oauth-authorization-server", "jwks.json"] {
        assert_eq!(
            get(server, &format!("/.well-known/{name}"), &none).status,
            404
        );
    }
    let tokens = KINDS.map(|kind| login(server, kind, "header").text("access_token"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for (at, (kind, name)) in KINDS.iter().enumerate() {
        let issuer = format!("{origin}/{kind}");
        let remote = RemoteJwks::builder(issuer.parse().unwrap(), issuer.parse().unwrap())
            .build()
            .unwrap();
        runtime.block_on(async {
            remote.fetch().await.unwrap();
            let caller = remote.verify::<NoClaims>(&tokens[at]).await.unwrap();
            assert_eq!(caller.claims().subject.as_str(), *name);
            let refused = remote
                .verify::<NoClaims>(&tokens[1 - at])
                .await
                .unwrap_err();
            assert!(
                matches!(refused, RemoteError::Invalid(VerifyError::UnknownKey)),
                "{refused:?}"
            );
        });
    }
}
