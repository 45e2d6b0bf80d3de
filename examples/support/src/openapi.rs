//! The OpenAPI document of a demo: the library's routes, and the demo's own.

use hallpass::openapi::utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use hallpass::openapi::utoipa::openapi::request_body::RequestBodyBuilder;
use hallpass::openapi::utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Type,
};
use hallpass::openapi::utoipa::openapi::security::{
    HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use hallpass::openapi::utoipa::openapi::{
    ContentBuilder, Info, OpenApi, Required, Response, ResponseBuilder,
};
use hallpass::openapi::{Credential, Document, change_password, login, protected, step_up};
use hallpass::{Auth, Rule};
use serde_json::json;

use crate::demands::{JustAuthenticated, ReadReports, WriteNotes};
use crate::events::EVENT_STREAM;
use crate::page::Page;

/// Every route that a demo serves. `admin` says whether keys can be changed on request, `thief` whether copied cookies
/// can be used.
pub fn document(auth: &Auth, admin: bool, thief: bool) -> Document {
    let mut document = auth.openapi();
    document.info = Info::new("A demo of hallpass", env!("CARGO_PKG_VERSION"));
    let mut add = |path: &str, method, operation| {
        document
            .paths
            .add_path_operation(path, vec![method], operation);
    };
    let (get, post) = (|| HttpMethod::Get, || HttpMethod::Post);
    add("/auth/login", post(), login(auth));
    add("/auth/step-up", post(), step_up(auth));
    add("/auth/password", post(), change_password(auth));
    let any = Credential::Any;
    add("/api/me", get(), protected::<AnyCaller>(me(), any));
    add(
        "/api/reports",
        get(),
        protected::<ReadReports>(reports(), any),
    );
    add("/api/notes", post(), protected::<WriteNotes>(note(), any));
    add(
        "/api/transfer",
        post(),
        protected::<JustAuthenticated>(transfer(), any),
    );
    add("/api/events", get(), protected::<AnyCaller>(events(), any));
    add("/healthz", get(), health());
    if cfg!(feature = "metrics") {
        add("/metrics", get(), metrics());
    }
    for (path, content_type) in Page::files() {
        add(path, get(), file(path, content_type));
    }
    if thief {
        let look = protected::<AnyCaller>(device(), any);
        add("/demo/device", get(), look);
        let steal = protected::<AnyCaller>(thief_of_cookies(), any);
        add("/demo/thief", post(), steal);
    }
    if admin {
        add("/admin/keys", post(), keys());
        add_admin_key(&mut document);
    }
    Document::new(document)
}

/// Any caller with a session.
enum AnyCaller {}
impl Rule for AnyCaller {}

const ADMIN_KEY: &str = "admin_key";

fn add_admin_key(document: &mut OpenApi) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The administrator's key."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(ADMIN_KEY, SecurityScheme::Http(scheme));
}

fn me() -> Operation {
    let body = texts(&["sub", "session_id", "scope"])
        .property("auth_time", ObjectBuilder::new().schema_type(Type::Integer))
        .required("auth_time");
    answering("me", "Who is calling", body)
}

fn reports() -> Operation {
    let list = ArrayBuilder::new().items(text());
    let body = texts(&["title"])
        .property("reports", list)
        .required("reports");
    answering("reports", "Reports", body)
}

fn note() -> Operation {
    answering("write_note", "Writes a note", texts(&["written_by"]))
}

fn transfer() -> Operation {
    let done = ObjectBuilder::new().schema_type(Type::Boolean);
    let body = ObjectBuilder::new()
        .property("transferred", done)
        .required("transferred");
    answering(
        "transfer",
        "Needs a password that was typed within the last minute",
        body,
    )
}

fn events() -> Operation {
    let content = ContentBuilder::new().schema(Some(text())).build();
    let ok = ResponseBuilder::new()
        .description("Server-sent events, until the session ends.")
        .content(EVENT_STREAM, content);
    operation("events", "Stays open until the session ends")
        .response("200", ok.build())
        .build()
}

fn device() -> Operation {
    let number = || ObjectBuilder::new().schema_type(Type::Integer);
    let flag = ObjectBuilder::new().schema_type(Type::Boolean);
    let body = ObjectBuilder::new()
        .property("lifetime", number())
        .required("lifetime")
        .property("required", flag)
        .required("required");
    answering(
        "device",
        "What the session is bound to, and until when",
        body,
    )
}

fn thief_of_cookies() -> Operation {
    let act = ObjectBuilder::new()
        .property("do", text_of(&["copy", "try"]))
        .required("do")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let content = ContentBuilder::new().schema(Some(act)).build();
    let body = RequestBodyBuilder::new()
        .content("application/json", content)
        .required(Some(Required::True));
    operation(
        "thief",
        "Copies the cookies of this request, or uses the copy",
    )
    .request_body(Some(body.build()))
    .response("200", json_answer("What came of it.", ObjectBuilder::new()))
    .response(
        "400",
        json_answer("The body is not a command.", texts(&["error"])),
    )
    .response(
        "409",
        json_answer("There is no copy yet.", texts(&["error"])),
    )
    .response(
        "503",
        json_answer("The server cannot be reached.", texts(&["error"])),
    )
    .build()
}

fn health() -> Operation {
    let body = || {
        let status = text_of(&["ok", "unavailable"]);
        let body = ObjectBuilder::new().property("status", status);
        body.property("feed", text())
            .required("status")
            .required("feed")
    };
    operation("health", "Whether this node should get requests")
        .response("200", json_answer("It should get requests.", body()))
        .response("503", json_answer("It should not get requests.", body()))
        .build()
}

fn metrics() -> Operation {
    let content = ContentBuilder::new().schema(Some(text())).build();
    let ok = ResponseBuilder::new()
        .description("In Prometheus' text format.")
        .content("text/plain", content);
    operation("metrics", "What this process counts")
        .response("200", ok.build())
        .build()
}

fn file(path: &str, content_type: &str) -> Operation {
    let content = ContentBuilder::new().schema(Some(text())).build();
    let media_type = content_type.split(';').next().unwrap_or_default();
    let ok = ResponseBuilder::new()
        .description("A file of the page.")
        .content(media_type, content);
    let id = format!("page{}", path.replace(['/', '.'], "_"));
    operation(&id, "A file of the page")
        .response("200", ok.build())
        .build()
}

fn keys() -> Operation {
    let (promote, remove) = (text_of(&["promote"]), text_of(&["remove"]));
    let promote = ObjectBuilder::new().property("do", promote).required("do");
    let remove = ObjectBuilder::new().property("do", remove).required("do");
    let kid = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^[!#-\[\]-~]{1,64}$"));
    let remove = remove.property("kid", kid.build()).required("kid");
    let closed = |schema: ObjectBuilder| {
        schema.additional_properties(Some(AdditionalProperties::FreeForm(false)))
    };
    let (promote, remove) = (closed(promote), closed(remove));
    let either = OneOfBuilder::new()
        .item(promote.build())
        .item(remove.build())
        .examples([json!({ "do": "promote" })]);
    let content = ContentBuilder::new().schema(Some(either)).build();
    let body = RequestBodyBuilder::new()
        .content("application/json", content)
        .required(Some(Required::True));
    let why = texts(&["error"]).property("error_description", text());
    operation("change_keys", "Promotes or removes a signing key")
        .securities(Some([SecurityRequirement::new(ADMIN_KEY, [""; 0])]))
        .request_body(Some(body.build()))
        .response(
            "200",
            json_answer("The key that signs now.", texts(&["kid"])),
        )
        .response(
            "400",
            json_answer("The body is not a command.", texts(&["error"])),
        )
        .response("401", json_answer("The key is wrong.", texts(&["error"])))
        .response("409", json_answer("The change is not possible.", why))
        .response(
            "503",
            json_answer("The server is shutting down.", texts(&["error"])),
        )
        .build()
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .tag("example")
}

fn answering(id: &str, summary: &str, body: ObjectBuilder) -> Operation {
    operation(id, summary)
        .response("200", json_answer(summary, body))
        .build()
}

fn json_answer(description: &str, body: ObjectBuilder) -> Response {
    let content = ContentBuilder::new().schema(Some(body.build())).build();
    let response = ResponseBuilder::new().description(description);
    response.content("application/json", content).build()
}

fn text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

fn text_of(words: &[&str]) -> Object {
    let words = words.iter().map(|word| (*word).to_owned());
    let schema = ObjectBuilder::new().schema_type(Type::String);
    schema.enum_values(Some(words)).build()
}

/// An object with these texts.
fn texts(names: &[&str]) -> ObjectBuilder {
    names.iter().fold(ObjectBuilder::new(), |body, name| {
        body.property(*name, text()).required(*name)
    })
}
