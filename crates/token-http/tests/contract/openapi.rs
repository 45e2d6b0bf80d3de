//! The document says what the routes do, as they are configured.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use token_http::openapi::utoipa::openapi::path::Operation;
use token_http::openapi::{self, Credential, Document};
use token_http::{Route, Rule};

use crate::world::{OWN, World};

fn document(world: &World) -> Value {
    let served = Document::new(world.auth.openapi()).answer(&world.auth, &Method::GET);
    assert_eq!(served.headers()["content-type"], "application/json");
    serde_json::from_slice(served.body()).unwrap()
}

/// The methods of a path, as `Allow` has them.
fn methods(path: &Value) -> String {
    let names = path.as_object().unwrap().keys();
    let mut names: BTreeSet<_> = names.map(|name| name.to_uppercase()).collect();
    if names.contains("GET") {
        names.insert("HEAD".to_owned());
    }
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[test]
fn every_route_stands_in_the_document_with_its_methods_and_nothing_else_does() {
    let resource = token_http::ProtectedResource::new(OWN).unwrap();
    let world = World::with(|config| {
        let config = config.prefix("/id").introspection_key("k".repeat(22));
        config.openid_configuration().protected_resource(resource)
    });
    let document = document(&world);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], OWN);
    let mut paths = document["paths"].as_object().unwrap().clone();
    for route in Route::mounted(&world.auth) {
        let path = route.path(&world.auth);
        let described = paths.remove(&path);
        let described = described.unwrap_or_else(|| panic!("{path} is not described"));
        assert_eq!(methods(&described), route.allow(), "{path}");
    }
    assert_eq!(paths.keys().collect::<Vec<_>>(), [openapi::PATH]);
}

#[test]
fn what_is_switched_off_is_not_described() {
    let document = document(&World::new());
    let text = document.to_string();
    assert!(document["paths"].get("/auth/introspect").is_none());
    assert!(!text.contains("introspection_key"), "{text}");
}

#[test]
fn transports_that_are_not_on_offer_are_not_described() {
    use token_core::Transport;
    let names = |document: &Value, pointer: &str| {
        let found = document.pointer(pointer).unwrap().as_object().unwrap();
        found.keys().cloned().collect::<Vec<_>>()
    };
    let schemes = "/components/securitySchemes";
    let all = document(&World::new());
    let every = ["access_token", "refresh_cookie", "session_cookie"];
    assert_eq!(names(&all, schemes), every);
    for (offered, scheme, ways) in [
        (
            Transport::Header,
            &["access_token"][..],
            r#"[{"access_token":[]}]"#,
        ),
        (
            Transport::Cookie,
            &["access_token", "refresh_cookie"],
            r#"[{"access_token":[]}]"#,
        ),
        (
            Transport::Session,
            &["session_cookie"],
            r#"[{"session_cookie":[]}]"#,
        ),
    ] {
        let world = World::with(|config| config.transports([offered]));
        let document = document(&world);
        assert_eq!(names(&document, schemes), scheme);
        let asked = &document["components"]["schemas"]["Offered"]["enum"];
        assert_eq!(*asked, serde_json::json!([offered.as_str()]));
        let current = &document["paths"]["/auth/session"]["get"]["security"];
        assert_eq!(current.to_string(), ways);
    }
}

#[test]
fn origins_stand_where_the_csrf_rule_is_told() {
    let spa = "https://spa.example";
    let world = World::with(|config| config.allow_origin(spa.parse().unwrap()));
    let document = document(&world);
    let cookie = &document["components"]["securitySchemes"]["session_cookie"];
    assert_eq!(cookie["in"], "cookie");
    let told = cookie["description"].as_str().unwrap();
    assert!(told.contains(OWN) && told.contains(spa), "{told}");
    let login = serde_json::to_value(openapi::login(&world.auth)).unwrap();
    let allowed = &login["parameters"][0]["schema"]["enum"];
    assert_eq!(*allowed, serde_json::json!([OWN, spa]));
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let world = World::with(|config| config.introspection_key("k".repeat(22)));
    let document = document(&world);
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let ids: Vec<_> = text.split("\"operationId\":\"").skip(1).collect();
    let ids: Vec<_> = ids.iter().map(|id| id.split('"').next().unwrap()).collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    // And every requirement names a scheme.
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            let demanded = operation["security"].as_array().into_iter().flatten();
            for scheme in demanded.flat_map(|demand| demand.as_object().unwrap().keys()) {
                assert!(schemes.contains_key(scheme), "{scheme}");
            }
        }
    }
}

#[test]
fn a_rule_becomes_scopes_and_answers() {
    enum FreshNotes {}
    impl Rule for FreshNotes {
        const SCOPE: &'static str = "notes:read notes:write";
        const MAX_AGE: Option<std::time::Duration> = Some(std::time::Duration::from_secs(60));
    }
    enum Moderator {}
    impl Rule<String> for Moderator {}
    let moderated =
        openapi::protected_by_claims::<Moderator, String>(Operation::new(), Credential::Any);
    let moderated = serde_json::to_value(&moderated).unwrap();
    let forbidden = moderated["responses"]["403"].to_string();
    assert!(forbidden.contains("`forbidden`"), "{forbidden}");
    let plain = Operation::new();
    let operation = openapi::protected::<FreshNotes>(plain, Credential::Access);
    let operation = serde_json::to_value(operation).unwrap();
    let scopes = serde_json::json!([{ "access_token": ["notes:read", "notes:write"] }]);
    assert_eq!(operation["security"], scopes);
    let codes = |status: &str| {
        let schema = "/content/application~1json/schema/properties/error/enum";
        let codes = operation["responses"][status].pointer(schema).unwrap();
        codes.to_string()
    };
    assert!(codes("401").contains("insufficient_user_authentication"));
    assert_eq!(codes("403"), r#"["insufficient_scope"]"#);
}

#[test]
fn the_document_answers_to_get_and_head_alone() {
    let world = World::new();
    let document = Document::new(world.auth.openapi());
    let answer = |method| document.answer(&world.auth, &method);
    assert_eq!(answer(Method::HEAD).status(), 200);
    let refused = answer(Method::POST);
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
}
