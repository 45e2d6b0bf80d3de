//! The [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.1.html) document of the routes, as this
//! application has configured them.
//!
//! [`Auth::openapi`] describes the routes that the library serves itself. An application adds its own:
//! [`login`], [`step_up`] and [`change_password`] describe the handlers that only it can write,
//! [`protected`] adds what a [`Rule`](crate::Rule) demands to one of its operations, and [`Document`]
//! serves the whole.
//!
//! The types of utoipa are part of this interface, so that an application can describe its routes with
//! all of them. They are re-exported as [`utoipa`].
//!
//! ```
//! use token_http::openapi::utoipa::openapi::path::{HttpMethod, OperationBuilder};
//! use token_http::openapi::{self, Credential, Document};
//! use token_http::{Auth, Rule};
//!
//! /// May write notes.
//! enum WriteNotes {}
//! impl Rule for WriteNotes {
//!     const SCOPE: &'static str = "notes:write";
//! }
//!
//! # fn document(auth: &Auth) -> Document {
//! let note = OperationBuilder::new().summary(Some("Writes a note")).build();
//! let note = openapi::protected::<WriteNotes>(note, Credential::Any);
//! let mut document = auth.openapi();
//! let post = [HttpMethod::Post].to_vec();
//! document.paths.add_path_operation("/auth/login", post.clone(), openapi::login(auth));
//! document.paths.add_path_operation("/api/notes", post, note);
//! Document::new(document)
//! # }
//! ```

mod body;
mod media;
mod operate;
mod operation;
mod refused;
pub(crate) mod schema;
mod security;

use std::fmt;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;
pub use utoipa;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};
use utoipa::openapi::server::Server;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, OpenApi, OpenApiBuilder, OpenApiVersion, Paths,
    ResponseBuilder, Tag,
};

#[cfg(feature = "keys")]
pub use operate::describe_key_admin;
pub use operate::{health, json_answer};
pub use operation::{change_password, login, step_up};
pub use security::{Credential, protected, protected_by_claims};

use self::media::JSON;
use crate::answer;
use crate::auth::Auth;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::route::Route;

/// The path of the document, at the root of the application.
pub const PATH: &str = "/openapi.json";

impl Auth {
    /// The document of every route that the library serves itself, as it is configured: the prefix, the
    /// origins, the transports on offer, and introspection if it is enabled.
    pub fn openapi(&self) -> OpenApi {
        let info = Info::new("Sessions and tokens", env!("CARGO_PKG_VERSION"));
        let mut paths = Paths::new();
        for route in Route::mounted(self) {
            for (method, operation) in operation::of(route, self) {
                paths.add_path_operation(route.path(self), vec![method], operation);
            }
        }
        let schemes = security::schemes(self.config());
        let components = schemes
            .into_iter()
            .fold(operation::schemas(self.config()), |all, (name, scheme)| {
                all.security_scheme(name, scheme)
            });
        OpenApiBuilder::new()
            .openapi(OpenApiVersion::Version31)
            .info(info)
            .servers(Some([Server::new(self.config().origin().as_str())]))
            .paths(paths)
            .components(Some(ComponentsBuilder::build(components)))
            .tags(Some([
                Tag::new(operation::SESSIONS),
                Tag::new(operation::OAUTH),
            ]))
            .build()
    }
}

/// A document to serve at [`PATH`]. Cheap to clone.
#[derive(Clone)]
pub struct Document(Bytes);

impl Document {
    /// Serializes the document, with the route that serves it. Credentials of transports that are not
    /// on offer are left out.
    pub fn new(mut document: OpenApi) -> Self {
        let content = ContentBuilder::new().schema(Some(body::object())).build();
        let ok = ResponseBuilder::new()
            .description("An OpenAPI 3.1 document.")
            .content(JSON, content);
        let own = OperationBuilder::new()
            .summary(Some("This document"))
            .operation_id(Some("openapi"))
            .response("200", ok.build())
            .build();
        document
            .paths
            .add_path_operation(PATH, vec![HttpMethod::Get], own);
        let mut document = serde_json::to_value(document).expect("texts and numbers are JSON");
        leave_out_unknown_credentials(&mut document);
        Self(document.to_string().into())
    }

    /// Answers a request for the document. The framework leaves out the body for `HEAD`.
    pub fn answer(&self, auth: &Auth, method: &Method) -> Response<Bytes> {
        if *method == Method::GET || *method == Method::HEAD {
            let max_age = auth.config().jwks_max_age().as_secs();
            return answer::public(JSON, self.0.clone(), max_age);
        }
        let allow = "GET, HEAD";
        Rejection::plain(Refusal::MethodNotAllowed { allow }).response()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("bytes", &self.0.len())
            .finish()
    }
}

/// Leaves out each way to call an operation whose security scheme is not in the document, unless none
/// would be left: an empty list would mean that anyone may call.
fn leave_out_unknown_credentials(document: &mut Value) {
    let schemes = document.pointer("/components/securitySchemes");
    let schemes = schemes.and_then(Value::as_object).cloned();
    let schemes = schemes.unwrap_or_default();
    let known = |way: &Value| {
        let names = way.as_object().into_iter().flat_map(|way| way.keys());
        names.into_iter().all(|name| schemes.contains_key(name))
    };
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|path| path.values_mut());
    for operation in operations {
        let ways = operation.get_mut("security").and_then(Value::as_array_mut);
        if let Some(ways) = ways.filter(|ways| ways.iter().any(known)) {
            ways.retain(known);
        }
    }
}
