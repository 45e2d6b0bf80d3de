//! The thief's routes in the OpenAPI document of a demo.

use hallpass::Rule;
use hallpass::openapi::utoipa::openapi::path::{HttpMethod, OperationBuilder};
use hallpass::openapi::utoipa::openapi::request_body::RequestBodyBuilder;
use hallpass::openapi::utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use hallpass::openapi::utoipa::openapi::{
    ContentBuilder, OpenApi, Required, Response, ResponseBuilder,
};
use hallpass::openapi::{Credential, protected};

/// Adds both routes.
pub fn describe(document: &mut OpenApi) {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    let flag = ObjectBuilder::new().schema_type(Type::Boolean);
    let bound = ObjectBuilder::new()
        .property("lifetime", number)
        .required("lifetime")
        .property("required", flag)
        .required("required");
    let look = operation("device", "What the session is bound to, and until when")
        .response("200", answer("What it is bound to.", bound));

    let word = ObjectBuilder::new().schema_type(Type::String);
    let command = ObjectBuilder::new()
        .property("do", word.enum_values(Some(["copy", "try"])))
        .required("do")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let content = ContentBuilder::new().schema(Some(command)).build();
    let body = RequestBodyBuilder::new()
        .content("application/json", content)
        .required(Some(Required::True));
    let failed = || {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let failed = ObjectBuilder::new().property("error", text);
        failed.required("error")
    };
    let act = operation(
        "thief",
        "Copies the cookies of this request, or uses the copy",
    )
    .request_body(Some(body.build()))
    .response("200", answer("What came of it.", ObjectBuilder::new()))
    .response("400", answer("The body is not a command.", failed()))
    .response("409", answer("There is no copy yet.", failed()))
    .response("503", answer("The server cannot be reached.", failed()));

    for (path, method, operation) in [
        ("/demo/device", HttpMethod::Get, look),
        ("/demo/thief", HttpMethod::Post, act),
    ] {
        let operation = protected::<AnyCaller>(operation.build(), Credential::Any);
        let paths = &mut document.paths;
        paths.add_path_operation(path, vec![method], operation);
    }
}

/// Any caller with a session.
enum AnyCaller {}
impl Rule for AnyCaller {}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .tag("example")
}

fn answer(description: &str, body: ObjectBuilder) -> Response {
    let content = ContentBuilder::new().schema(Some(body.build())).build();
    let response = ResponseBuilder::new().description(description);
    response.content("application/json", content).build()
}
