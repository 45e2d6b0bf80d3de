//! What OAuth clients send and look for, as `docs/interop.md` lists it.

use token_http::{MAX_BODY, ProtectedResource};

use crate::world::{OWN, Reply, World, get, post_form, post_json, refusal, with, with_bearer};

const REFRESH: &str = "/auth/refresh";

/// Refreshes with a form that has these parameters besides, and with these header fields.
async fn refresh(world: &World, token: &str, more: &str, fields: &[(&'static str, &str)]) -> Reply {
    let form = format!("grant_type=refresh_token&refresh_token={token}{more}");
    let request = post_form(REFRESH, &form);
    let request = fields
        .iter()
        .fold(request, |request, (name, value)| with(request, name, value));
    world.send(request).await
}

/// Each of these is sent by one client or another to every token endpoint.
#[tokio::test]
async fn what_clients_send_besides_is_ignored_at_the_refresh_route() {
    let world = World::new();
    let mut token = world.login("header").await.text("refresh_token");
    let basic = [("authorization", "Basic YXBwOg==")];
    let google = [("x-goog-api-client", "gl-python/3.11.7 auth/2.63.0")];
    let bearer = [("authorization", "Bearer an.expired.token")];
    for (more, fields) in [
        ("&client_id=app", &[][..]),
        ("", &basic),
        ("&client_id=app", &basic),
        ("&client_id=app&client_secret=", &[]),
        ("&client_secret&client_id=app", &[]),
        (
            "&client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback",
            &[],
        ),
        ("&client_id=app&response_type=code", &[]),
        ("&client_id=app&client_secret=", &google),
        (
            "&allow_redirects=True&json=%7B%22a%22%3A1%7D&params=page",
            &[],
        ),
        (
            "&audience=https%3A%2F%2Fapi.example&resource=x&a%20b=%FF",
            &[],
        ),
        ("", &bearer),
    ] {
        world.advance(60);
        let reply = refresh(&world, &token, more, fields).await;
        assert_eq!(reply.status, 200, "{more} {fields:?}: {}", reply.body);
        token = reply.text("refresh_token");
    }
    // Also a character set, and an empty scope; but a scope is what it says.
    let form = format!("grant_type=refresh_token&refresh_token={token}&scope=");
    let mut request = post_form(REFRESH, &form);
    let media_type = "application/x-www-form-urlencoded;charset=UTF-8";
    let media_type = media_type.parse().unwrap();
    request.headers_mut().insert("content-type", media_type);
    assert_eq!(world.send(request).await.status, 200);
    let reply = refresh(&world, &token, "&scope=undefined", &[]).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_scope", ""));
}

/// requests-oauthlib sends the body of the API call along that found its token expired.
#[tokio::test]
async fn a_form_at_the_refresh_route_may_have_64_kib_and_nothing_else_may() {
    let world = World::new();
    let token = world.login("header").await.text("refresh_token");
    let form = |length: usize| {
        let start = format!("grant_type=refresh_token&refresh_token={token}&json=");
        let rest = "x".repeat(length - start.len());
        start + &rest
    };
    world.advance(60);
    let reply = world.send(post_form(REFRESH, &form(64 * 1024))).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let too_large = refusal(413, "payload_too_large", "");
    let reply = world.send(post_form(REFRESH, &form(64 * 1024 + 1))).await;
    assert_eq!(reply.refusal(), too_large);
    let json = serde_json::json!({"refresh_token": token, "x": "x".repeat(MAX_BODY)});
    let reply = world.send(post_json(REFRESH, &json)).await;
    assert_eq!(reply.refusal(), too_large);
    for path in ["/auth/revoke", "/auth/introspect"] {
        let reply = world.send(post_form(path, &form(MAX_BODY + 1))).await;
        assert_ne!(reply.status, 200, "{path}");
    }
    let reply = world
        .send(post_form("/auth/revoke", &form(MAX_BODY + 1)))
        .await;
    assert_eq!(reply.refusal(), too_large);
    // The room is not for the token.
    let long = "a".repeat(8 * 1024 + 1);
    let reply = refresh(&world, &long, "", &[]).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
}

#[tokio::test]
async fn the_metadata_is_where_openid_has_it_only_if_that_was_chosen() {
    let plain = "/.well-known/oauth-authorization-server";
    let alias = "/.well-known/openid-configuration";
    let world = World::new();
    let mounted = |world: &World| {
        token_http::Route::mounted(&world.auth).any(|route| route.path(&world.auth) == alias)
    };
    assert!(!mounted(&world));
    let world = World::with(token_http::AuthConfigBuilder::openid_configuration);
    assert!(mounted(&world));
    let (plain, alias) = (world.send(get(plain)).await, world.send(get(alias)).await);
    assert_eq!(alias.status, 200);
    assert_eq!(alias.json(), plain.json());
    assert_eq!(alias.header("cache-control"), plain.header("cache-control"));
}

/// RFC 9728: a client that knows nothing but the address finds out where to get a token.
#[tokio::test]
async fn challenges_name_what_the_protected_resource_says_of_itself() {
    let api = format!("{OWN}/api");
    let resource = ProtectedResource::new(&api).unwrap();
    let resource = resource.authorization_server(OWN.parse().unwrap());
    let world = World::with(|config| config.protected_resource(resource));
    let url = format!("{OWN}/.well-known/oauth-protected-resource/api");
    let named = format!(r#"resource_metadata="{url}""#);

    let bare = world.send(get("/api/me")).await;
    assert_eq!(bare.status, 401);
    let challenge = bare.header("www-authenticate");
    assert_eq!(challenge, format!(r#"Bearer realm="api", {named}"#));
    let wrong = world.send(with_bearer(get("/api/me"), "a.b.c")).await;
    let challenge = wrong.header("www-authenticate");
    assert!(challenge.starts_with(r#"Bearer realm="api", error="invalid_token""#));
    assert!(challenge.ends_with(&named), "{challenge}");
    let cookie = "__Host-Http-session=nonsense";
    let request = with(get("/api/me"), "cookie", cookie);
    let wrong = world.send(request).await;
    assert!(wrong.header("www-authenticate").ends_with(&named));
    // A login is no protected resource.
    let body = serde_json::json!({"username": "alice", "password": "wrong"});
    let login = world.send(post_json("/auth/login", &body)).await;
    assert_eq!(login.header("www-authenticate"), r#"Bearer realm="api""#);

    let path = url.strip_prefix(OWN).unwrap();
    let document = world.send(get(path)).await;
    assert_eq!(
        document.json(),
        serde_json::json!({
            "resource": api, "authorization_servers": [OWN], "bearer_methods_supported": ["header"],
        })
    );
    let plain = World::new().send(get("/api/me")).await;
    assert_eq!(plain.header("www-authenticate"), r#"Bearer realm="api""#);
}
