//! The function with events of API Gateway and of a load balancer, as their documentation has them.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod runtime;

use runtime::Function;
use serde_json::{Value, json};

const SESSION: &str = "__Host-Http-session=";
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
const FOREIGN: (&str, &str) = ("sec-fetch-site", "cross-site");

/// What hands its requests to the function.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gateway {
    /// An HTTP API of API Gateway, with the stage of this name.
    HttpApi(&'static str),
    /// A REST API of API Gateway, whose stage is `prod`.
    RestApi,
    /// An Application Load Balancer, with `lambda.multi_value_headers.enabled` or without.
    LoadBalancer { multi_value: bool },
}

const ALL: [Gateway; 5] = [
    Gateway::HttpApi("$default"),
    Gateway::HttpApi("prod"),
    Gateway::RestApi,
    Gateway::LoadBalancer { multi_value: true },
    Gateway::LoadBalancer { multi_value: false },
];

impl Gateway {
    /// The event of a request.
    fn event(self, line: &str, fields: &[(&str, &str)], body: &str) -> Value {
        let (method, path) = line.split_once(' ').unwrap();
        let text = match self {
            Self::HttpApi(_) => include_str!("events/http_api.json"),
            Self::RestApi => include_str!("events/rest_api.json"),
            Self::LoadBalancer { .. } => include_str!("events/load_balancer.json"),
        };
        let mut event: Value = serde_json::from_str(text).unwrap();
        event["body"] = json!(body);
        match self {
            Self::HttpApi(stage) => {
                let path = match stage {
                    "$default" => path.to_owned(),
                    stage => format!("/{stage}{path}"),
                };
                event["rawPath"] = json!(path);
                event["requestContext"]["stage"] = json!(stage);
                event["requestContext"]["http"]["path"] = json!(path);
                event["requestContext"]["http"]["method"] = json!(method);
                for (name, value) in fields {
                    if *name == "cookie" {
                        event["cookies"] = json!([value]);
                    } else {
                        event["headers"][name] = json!(value);
                    }
                }
            }
            Self::RestApi => {
                event["path"] = json!(path);
                event["httpMethod"] = json!(method);
                event["requestContext"]["httpMethod"] = json!(method);
                event["requestContext"]["path"] = json!(format!("/prod{path}"));
                for (name, value) in fields {
                    event["multiValueHeaders"][name] = json!([value]);
                }
                let fields = event["multiValueHeaders"].as_object().unwrap().clone();
                for (name, values) in fields {
                    event["headers"][name] = values[0].clone();
                }
            }
            Self::LoadBalancer { multi_value } => {
                event["path"] = json!(path);
                event["httpMethod"] = json!(method);
                for (name, value) in fields {
                    event["headers"][name] = json!(value);
                }
                if multi_value {
                    let fields = event["headers"].as_object_mut().unwrap();
                    for value in fields.values_mut() {
                        *value = json!([value.take()]);
                    }
                    event["multiValueHeaders"] = event["headers"].take();
                    event.as_object_mut().unwrap().remove("headers");
                }
            }
        }
        event
    }

    /// The `Set-Cookie` fields that the client gets of an answer.
    fn set_cookies(self, answer: &Value) -> Vec<String> {
        let fields = match self {
            Self::HttpApi(_) => answer["cookies"].clone(),
            Self::RestApi | Self::LoadBalancer { multi_value: true } => {
                answer["multiValueHeaders"]["set-cookie"].clone()
            }
            Self::LoadBalancer { multi_value: false } => match &answer["headers"]["set-cookie"] {
                Value::Null => Value::Null,
                one => json!([one]),
            },
        };
        let fields = fields.as_array().cloned().unwrap_or_default();
        let fields = fields
            .iter()
            .map(|field| field.as_str().unwrap().to_owned());
        fields.collect()
    }
}

/// Our cookie of an answer that opens a session.
fn cookie(set: &[String]) -> String {
    let own = set.iter().find(|field| field.starts_with(SESSION)).unwrap();
    own.split(';').next().unwrap().to_owned()
}

const ORIGIN: &str = "https://shop.example";

fn start(ignores_stage: bool) -> (Function, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (
        Function::start(ORIGIN, folder.path(), ignores_stage),
        folder,
    )
}

fn log_in(transport: &str, password: &str) -> String {
    json!({ "username": "alice", "password": password, "transport": transport }).to_string()
}

#[test]
fn a_session_lives_behind_each_of_them() {
    let (function, _folder) = start(false);
    for gateway in ALL {
        let ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
            let answer = function.invoke(gateway.event(line, fields, body));
            assert_eq!(
                answer["statusCode"], expected,
                "{gateway:?} {line}: {answer}"
            );
            answer
        };
        ask(401, "GET /hello", &[], "");
        ask(401, "POST /auth/login", &[SAME], &log_in("session", "x"));
        ask(
            403,
            "POST /auth/login",
            &[FOREIGN],
            &log_in("session", "wonderland"),
        );
        let opened = ask(
            200,
            "POST /auth/login",
            &[SAME],
            &log_in("session", "wonderland"),
        );
        let set = gateway.set_cookies(&opened);
        assert_eq!(set.len(), 1, "{gateway:?}: {opened}");
        let own = cookie(&set);
        let own = ("cookie", &*own);
        let hello = ask(200, "GET /hello?x=y", &[own], "");
        assert_eq!(hello["body"], "Hello, alice!\n");
        // The CSRF rule: a page of another site, and one that says nothing.
        ask(200, "POST /hello", &[own, SAME], "");
        ask(200, "POST /hello", &[own, ("origin", ORIGIN)], "");
        ask(403, "POST /hello", &[own, FOREIGN], "");
        ask(403, "POST /hello", &[own], "");

        // The client's address is that of the gateway's own knowledge, and not what the client has sent.
        let session = ask(200, "GET /auth/sessions", &[own], "");
        let session: Value = serde_json::from_str(session["body"].as_str().unwrap()).unwrap();
        let devices = session["sessions"].as_array().unwrap();
        let current = devices.iter().find(|session| session["current"] == true);
        let device = &current.unwrap()["device"];
        assert_eq!(
            device["ip_prefix"], "203.0.113.0/24",
            "{gateway:?}: {session}"
        );

        // Of an answer with several cookies, a balancer that knows one value of each name passes one on.
        let out = ask(204, "POST /auth/logout", &[own, SAME], "");
        let deleted = gateway.set_cookies(&out);
        let one = gateway == Gateway::LoadBalancer { multi_value: false };
        assert_eq!(deleted.len(), if one { 1 } else { 2 }, "{gateway:?}: {out}");
        ask(401, "GET /hello", &[own], "");

        // And with tokens.
        let pair = ask(
            200,
            "POST /auth/login",
            &[],
            &log_in("header", "wonderland"),
        );
        let pair: Value = serde_json::from_str(pair["body"].as_str().unwrap()).unwrap();
        let bearer = format!("Bearer {}", pair["access_token"].as_str().unwrap());
        ask(200, "POST /hello", &[("authorization", &bearer)], "");
        let refresh = json!({ "refresh_token": pair["refresh_token"] }).to_string();
        ask(200, "POST /auth/refresh", &[], &refresh);
    }
}

#[test]
fn the_limit_counts_clients_and_not_the_gateway() {
    let (function, _folder) = start(false);
    let attempt = |address: &str| {
        let mut event = Gateway::HttpApi("$default").event(
            "POST /auth/login",
            &[SAME],
            &log_in("session", "x"),
        );
        event["requestContext"]["http"]["sourceIp"] = json!(address);
        function.invoke(event)["statusCode"].clone()
    };
    for _ in 0..20 {
        assert_eq!(attempt("203.0.113.7"), 401);
    }
    assert_eq!(attempt("203.0.113.7"), 429);
    assert_eq!(attempt("203.0.113.8"), 401);
}

/// `lambda_http` puts the stage of a REST API into the path, unless it is told not to. That of an HTTP API is there in
/// any case.
#[test]
fn a_path_is_found_whatever_is_said_of_the_stage() {
    for ignores_stage in [false, true] {
        let (function, _folder) = start(ignores_stage);
        for gateway in ALL {
            let answer = function.invoke(gateway.event("GET /hello", &[], ""));
            assert_eq!(answer["statusCode"], 401, "{gateway:?}: {answer}");
            let answer = function.invoke(gateway.event("GET /produce", &[], ""));
            assert_eq!(answer["statusCode"], 404, "{gateway:?}: {answer}");
        }
        // A domain of one's own has no stage in its paths.
        let mut event = Gateway::HttpApi("$default").event("GET /hello", &[], "");
        event["requestContext"]["stage"] = json!("prod");
        assert_eq!(function.invoke(event)["statusCode"], 401);
    }
}
