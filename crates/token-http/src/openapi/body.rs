//! The bodies of requests and answers.

use token_core::Transport;
use utoipa::ToSchema;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema};

use super::media::{FORM, JSON};
use crate::auth::Auth;
use crate::token_response::{SessionBody, TokenBody};

/// A JSON object without further description.
pub(super) fn object() -> Object {
    ObjectBuilder::new().schema_type(Type::Object).build()
}

pub(super) fn text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

pub(super) fn words(words: &[&str]) -> Object {
    let words = words.iter().map(|word| (*word).to_owned());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .build()
}

/// A form, in which every parameter is a text.
pub(super) fn form() -> ObjectBuilder {
    let values = Schema::Object(text());
    let form = ObjectBuilder::new().schema_type(Type::Object);
    form.additional_properties(Some(RefOr::T(values)))
}

/// A text that must not be empty:
///
/// > Parameters sent without a value MUST be treated as if they were omitted from the request.
///
/// [RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2).
pub(super) fn value() -> Object {
    let value = ObjectBuilder::new().schema_type(Type::String);
    value.min_length(Some(1)).build()
}

/// The form of RFC 7009 and RFC 7662.
pub(super) fn token_form() -> RequestBody {
    let form = form()
        .property("token", value())
        .required("token")
        .property("token_type_hint", text());
    let content = ContentBuilder::new().schema(Some(form.build())).build();
    RequestBodyBuilder::new()
        .content(FORM, content)
        .required(Some(Required::True))
        .build()
}

pub(super) fn json<T: ToSchema>() -> RequestBody {
    let content = ContentBuilder::new().schema(Some(reference::<T>())).build();
    RequestBodyBuilder::new()
        .content(JSON, content)
        .required(Some(Required::True))
        .build()
}

/// A body that may be left out.
pub(super) fn json_or_form<T: ToSchema>(form: Object) -> RequestBody {
    let json = ContentBuilder::new().schema(Some(reference::<T>())).build();
    let form = ContentBuilder::new().schema(Some(form)).build();
    RequestBodyBuilder::new()
        .content(JSON, json)
        .content(FORM, form)
        .required(Some(Required::False))
        .build()
}

pub(super) fn reference<T: ToSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

pub(super) fn described(description: &str) -> Response {
    ResponseBuilder::new().description(description).build()
}

pub(super) fn answer<T: ToSchema>(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(reference::<T>())).build();
    let response = ResponseBuilder::new().description(description);
    response.content(JSON, content).build()
}

/// A token response, which differs by transport.
pub(super) fn tokens(auth: &Auth, description: &str) -> Response {
    let offered = auth.config().transports();
    let mut either = OneOfBuilder::new();
    if offered.iter().any(|one| *one != Transport::Session) {
        either = either.item(reference::<TokenBody<'_>>());
    }
    if offered.contains(&Transport::Session) {
        either = either.item(reference::<SessionBody>());
    }
    let content = ContentBuilder::new().schema(Some(either)).build();
    let response = ResponseBuilder::new().description(description);
    response
        .content(JSON, content)
        .header("Set-Cookie", set_cookie())
        .build()
}

pub(super) fn cookies(description: &str) -> Response {
    let response = ResponseBuilder::new().description(description);
    response.header("Set-Cookie", set_cookie()).build()
}

fn set_cookie() -> Header {
    HeaderBuilder::new()
        .schema(Some(text()))
        .description(Some("In transports `cookie` and `session`."))
        .build()
}
