//! The OpenAPI document that a server serves, and the check of each answer against it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::reply::Reply;

/// A document with its compiled schemas.
#[derive(Debug)]
pub(crate) struct Document {
    json: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    pub(crate) fn new(mut json: Value) -> Self {
        // Otherwise a member that is not described would go unnoticed.
        close(&mut json["components"]);
        close(&mut json["paths"]);
        Self {
            json,
            validators: Mutex::default(),
        }
    }

    /// Checks that the document describes the answer.
    #[track_caller]
    pub(crate) fn check(&self, method: &Method, target: &str, reply: &Reply) {
        // The CORS middleware answers preflights.
        if method == Method::OPTIONS {
            return;
        }
        let path = target.split('?').next().unwrap();
        let Some(template) = self.template(path) else {
            assert_eq!(reply.status, 404, "{path} is not described: {reply:?}");
            return;
        };
        let name = match *method {
            Method::HEAD => "get".to_owned(),
            _ => method.as_str().to_lowercase(),
        };
        let operation = &self.json["paths"][template][&name];
        if operation.is_null() {
            assert_eq!(reply.status, 405, "{method} {path} is not described");
            return;
        }
        let status = reply.status.to_string();
        let response = &operation["responses"][&status];
        assert!(
            !response.is_null(),
            "{method} {path} does not describe {reply:?}"
        );
        if method != Method::HEAD {
            self.check_body(&format!("{name} {template} {status}"), response, reply);
        }
    }

    fn check_body(&self, name: &str, response: &Value, reply: &Reply) {
        let Some(content) = response["content"].as_object() else {
            assert_eq!(reply.text, "", "{name} describes no body");
            return;
        };
        let media_type = reply.header("content-type").split(';').next().unwrap();
        let described = content.get(media_type);
        let described = described.unwrap_or_else(|| panic!("{name} describes no {media_type}"));
        if !media_type.ends_with("json") {
            return;
        }
        let validator = {
            let mut validators = self.validators.lock().unwrap();
            let validator = validators.entry(name.to_owned()).or_insert_with(|| {
                // References point to `#/components`.
                let schema = json!({
                    "allOf": [described["schema"]],
                    "components": self.json["components"],
                });
                Arc::new(jsonschema::draft202012::new(&schema).unwrap())
            });
            Arc::clone(validator)
        };
        let body = reply.json();
        if let Err(error) = validator.validate(&body) {
            panic!("{name}: {error} in {body}");
        }
    }

    /// The path template of the document that matches a request's path.
    fn template(&self, path: &str) -> Option<&str> {
        let paths = self.json["paths"].as_object().unwrap();
        let fits = |template: &str| {
            let (own, asked) = (template.split('/'), path.split('/'));
            own.clone().count() == asked.clone().count()
                && own
                    .zip(asked)
                    .all(|(own, asked)| own == asked || own.starts_with('{') && !asked.is_empty())
        };
        let exact = paths.get_key_value(path).map(|(path, _)| path);
        let found = exact.or_else(|| paths.keys().find(|template| fits(template)));
        found.map(String::as_str)
    }
}

/// Forbids members of objects that are not described.
fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("type") == Some(&json!("object")) && members.contains_key("properties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn document() -> Document {
        let body = json!({
            "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } },
        });
        Document::new(json!({
            "components": { "schemas": { "A": body } },
            "paths": { "/a/{id}": { "get": { "responses": {
                "200": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/A" },
                } } },
                "204": {},
            } } } },
        }))
    }

    fn holds(method: &Method, path: &str, status: u16, text: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let text = text.to_owned();
        let reply = Reply {
            status,
            headers,
            text,
        };
        let check = || document().check(method, path, &reply);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok()
    }

    #[test]
    fn only_answers_of_the_document_hold() {
        let get = |path, status, text| holds(&Method::GET, path, status, text);
        assert!(get("/a/1", 200, r#"{"a":1}"#) && get("/a/1?b", 204, ""));
        assert!(get("/b", 404, "") && holds(&Method::POST, "/a/1", 405, ""));
        assert!(holds(&Method::HEAD, "/a/1", 200, ""));
        for wrong in [r#"{"a":"1"}"#, "{}", r#"{"a":1,"b":1}"#, "[]"] {
            assert!(!get("/a/1", 200, wrong), "{wrong}");
        }
        assert!(!get("/a/1", 201, "") && !get("/a/1", 204, "{}"));
        assert!(!get("/b", 200, "") && !holds(&Method::POST, "/a/1", 200, ""));
    }
}
