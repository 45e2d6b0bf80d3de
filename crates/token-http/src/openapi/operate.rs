//! What an application's own operations are made of: answers in JSON, and the routes for operators.

#[cfg(feature = "keys")]
use serde_json::json;
use utoipa::PartialSchema;
#[cfg(feature = "keys")]
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::path::Operation;
#[cfg(feature = "keys")]
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::ObjectBuilder;
#[cfg(feature = "keys")]
use utoipa::openapi::schema::{AdditionalProperties, OneOfBuilder, Type};
#[cfg(feature = "keys")]
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Response, ResponseBuilder};
#[cfg(feature = "keys")]
use utoipa::openapi::{OpenApi, Required};

use super::body::{text, words};
use super::media::JSON;
use super::operation::operation;

const OPERATORS: &str = "operators";

/// An answer whose body is this type as JSON. It is described in its place and not by a name, so nothing has to be
/// added to the components of the document.
pub fn json_answer<T: PartialSchema>(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(T::schema())).build();
    let response = ResponseBuilder::new().description(description);
    response.content(JSON, content).build()
}

/// The operation of a handler that answers with [`Auth::health`](crate::Auth::health).
pub fn health() -> Operation {
    let body = || {
        let status = words(&["ok", "unavailable"]);
        let body = object(&["feed"]).property("status", status);
        body.required("status")
    };
    operation("health", "Whether this node should get requests", OPERATORS)
        .response("200", answer("It should get requests.", body()))
        .response("503", answer("It should not get requests.", body()))
        .build()
}

/// Adds the operation of a handler that answers `POST` at this path with [`KeyAdmin`](crate::KeyAdmin), and the
/// administrator's key.
#[cfg(feature = "keys")]
pub fn describe_key_admin(document: &mut OpenApi, path: &str) {
    const ADMIN_KEY: &str = "admin_key";
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The administrator's key."));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(ADMIN_KEY, SecurityScheme::Http(scheme.build()));

    let command = |word: &str| {
        let command = ObjectBuilder::new().property("do", words(&[word]));
        let closed = AdditionalProperties::FreeForm(false);
        command.required("do").additional_properties(Some(closed))
    };
    let kid = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^[!#-\[\]-~]{1,64}$"));
    let remove = command("remove").property("kid", kid.build());
    let either = OneOfBuilder::new()
        .item(command("promote").build())
        .item(command("promote_refresh").build())
        .item(remove.required("kid").build())
        .examples([json!({ "do": "promote" })]);
    let content = ContentBuilder::new().schema(Some(either)).build();
    let body = RequestBodyBuilder::new()
        .content(JSON, content)
        .required(Some(Required::True));
    let failed = || object(&["error"]);
    let why = failed().property("error_description", text());
    let operation = operation(
        "change_keys",
        "Promotes or removes a signing key",
        OPERATORS,
    )
    .securities(Some([SecurityRequirement::new(ADMIN_KEY, [""; 0])]))
    .request_body(Some(body.build()))
    .response("200", answer("The key that signs now.", object(&["kid"])))
    .response("400", answer("The body is not a command.", failed()))
    .response("401", answer("The key is wrong.", failed()))
    .response("409", answer("The change is not possible.", why))
    .response("503", answer("The server is about to end.", failed()));
    let post = vec![HttpMethod::Post];
    let paths = &mut document.paths;
    paths.add_path_operation(path, post, operation.build());
}

fn answer(description: &str, body: ObjectBuilder) -> Response {
    let content = ContentBuilder::new().schema(Some(body.build())).build();
    let response = ResponseBuilder::new().description(description);
    response.content(JSON, content).build()
}

/// An object with these texts.
fn object(texts: &[&str]) -> ObjectBuilder {
    let empty = ObjectBuilder::new();
    texts.iter().fold(empty, |body, name| {
        body.property(*name, text()).required(*name)
    })
}
