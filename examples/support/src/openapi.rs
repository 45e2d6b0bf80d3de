//! The OpenAPI document of a demo: the library's routes, and the demo's own.

use hallpass::openapi::utoipa::PartialSchema;
use hallpass::openapi::utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use hallpass::openapi::utoipa::openapi::{ContentBuilder, Info, Response, ResponseBuilder};
use hallpass::openapi::{
    Credential, Document, change_password, describe_key_admin, health, json_answer, login,
    protected, step_up,
};
use hallpass::{Auth, Rule};

use crate::answers::{Me, Note, Reports, Transfer};
use crate::demands::{JustAuthenticated, ReadReports, WriteNotes};
use crate::events::EVENT_STREAM;
use crate::page::Page;

/// Every route that a demo serves. `admin` says whether keys can be changed on request, `thief` whether copied cookies
/// can be used.
pub fn document(auth: &Auth, admin: bool, thief: bool) -> Document {
    let mut document = auth.openapi();
    document.info = Info::new("A demo of hallpass", env!("CARGO_PKG_VERSION"));
    let paths = &mut document.paths;
    let mut get = |path: &str, get: Operation| {
        paths.add_path_operation(path, vec![HttpMethod::Get], get);
    };
    get(
        "/api/me",
        for_caller::<AnyCaller, Me>("me", "Who is calling"),
    );
    let reports = for_caller::<ReadReports, Reports>("reports", "Reports");
    get("/api/reports", reports);
    let events = operation("events", "Stays open until the session ends");
    let until = text(EVENT_STREAM, "Server-sent events, until the session ends.");
    let events = events.response("200", until).build();
    get(
        "/api/events",
        protected::<AnyCaller>(events, Credential::Any),
    );
    get("/healthz", health());
    if cfg!(feature = "metrics") {
        let ok = text("text/plain", "In Prometheus' text format.");
        let metrics = operation("metrics", "What this process counts");
        get("/metrics", metrics.response("200", ok).build());
    }
    for (path, content_type) in Page::files() {
        let id = format!("page{}", path.replace(['/', '.'], "_"));
        let media_type = content_type.split(';').next().unwrap_or_default();
        let file = operation(&id, "A file of the page");
        let file = file.response("200", text(media_type, "A file of the page."));
        get(path, file.build());
    }
    let mut post = |path: &str, post: Operation| {
        paths.add_path_operation(path, vec![HttpMethod::Post], post);
    };
    post("/auth/login", login(auth));
    post("/auth/step-up", step_up(auth));
    post("/auth/password", change_password(auth));
    let note = for_caller::<WriteNotes, Note>("write_note", "Writes a note");
    post("/api/notes", note);
    let summary = "Needs a password that was typed within the last minute";
    let transfer = for_caller::<JustAuthenticated, Transfer>("transfer", summary);
    post("/api/transfer", transfer);
    if thief {
        example_thief::describe(&mut document);
    }
    if admin {
        describe_key_admin(&mut document, "/admin/keys");
    }
    Document::new(document)
}

/// Any caller with a session.
enum AnyCaller {}
impl Rule for AnyCaller {}

/// An operation for callers whom a rule permits, which answers with this type.
fn for_caller<R: Rule, T: PartialSchema>(id: &str, summary: &str) -> Operation {
    let operation = operation(id, summary).response("200", json_answer::<T>(summary));
    protected::<R>(operation.build(), Credential::Any)
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .tag("example")
}

fn text(media_type: &str, description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(String::schema())).build();
    let response = ResponseBuilder::new().description(description);
    response.content(media_type, content).build()
}
