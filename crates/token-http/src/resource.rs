//! What a protected resource says of itself ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use serde::Serialize;
use thiserror::Error;
use token_core::{Issuer, Scope};

use crate::answer;
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// What a protected resource says of itself, so that a client which knows nothing but its address finds
/// out where to get a token: each challenge names the document in `resource_metadata`
/// ([RFC 9728 section 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
///
/// ```
/// use token_http::ProtectedResource;
///
/// let notes = ProtectedResource::new("https://api.example/notes")?
///     .authorization_server("https://id.example".parse()?)
///     .scopes(&"notes:read notes:write".parse()?);
/// assert_eq!(notes.path(), "/.well-known/oauth-protected-resource/notes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProtectedResource {
    resource: Box<str>,
    path: Box<str>,
    metadata_url: Arc<str>,
    authorization_servers: Vec<Issuer>,
    scopes: Vec<Box<str>>,
    name: Option<Box<str>>,
    max_age: u64,
}

impl ProtectedResource {
    /// Starts with the resource's identifier: its URL, which is also what tokens for it have as their
    /// audience. Beyond this machine it is `https`.
    ///
    /// # Errors
    /// [`ResourceError`] if it is not such a URL, has a query or a fragment, or needs escapes.
    pub fn new(resource: &str) -> Result<Self, ResourceError> {
        let rest = resource.find("://").map(|at| at + "://".len());
        let (host, path) = rest
            .and_then(|at| resource.get(at..)?.find('/').map(|slash| at + slash))
            .map_or((resource, ""), |at| resource.split_at(at));
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        let origin: Result<Origin, _> = host.parse();
        let origin = origin.map_err(|_| ResourceError)?;
        if !path.chars().all(plain) {
            return Err(ResourceError);
        }
        // > [...] any terminating slash (/) following the host component MUST be removed before inserting
        // > "/.well-known/" and the well-known URI path suffix between the host component and the path
        // > and/or query components.
        // RFC 9728 section 3.1
        let inserted = if path == "/" { "" } else { path };
        let path = format!("/.well-known/oauth-protected-resource{inserted}");
        Ok(Self {
            resource: resource.into(),
            metadata_url: format!("{origin}{path}").into(),
            path: path.into(),
            authorization_servers: Vec::new(),
            scopes: Vec::new(),
            name: None,
            max_age: 300,
        })
    }

    /// Names a server whose tokens are accepted; call it for each.
    pub fn authorization_server(mut self, issuer: Issuer) -> Self {
        self.authorization_servers.push(issuer);
        self
    }

    /// Names the scope values that a client may ask for. Default none.
    pub fn scopes(mut self, scopes: &Scope) -> Self {
        let values = scopes.as_str().split(' ').filter(|value| !value.is_empty());
        self.scopes = values.map(Into::into).collect();
        self
    }

    /// Names the resource for people. Default none.
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The path of the document, at the root of the resource's host.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL of the document, as challenges name it.
    pub fn metadata_url(&self) -> Arc<str> {
        Arc::clone(&self.metadata_url)
    }

    /// Answers a request for the document. For adapters.
    pub fn answer(&self, method: &Method) -> Response<Bytes> {
        if *method != Method::GET && *method != Method::HEAD {
            let allow = "GET, HEAD";
            return Rejection::plain(Refusal::MethodNotAllowed { allow }.logged()).response();
        }
        let servers = self.authorization_servers.iter().map(Issuer::as_str);
        let document = Document {
            resource: &self.resource,
            authorization_servers: servers.collect(),
            scopes_supported: &self.scopes,
            bearer_methods_supported: ["header"],
            resource_name: self.name.as_deref(),
        };
        let body = serde_json::to_vec(&document).expect("texts are JSON");
        answer::public("application/json", body, self.max_age)
    }
}

/// > Parameters with zero values MUST be omitted from the response.
///
/// RFC 9728 section 3.2
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = ProtectedResource))]
pub(crate) struct Document<'a> {
    resource: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    authorization_servers: Vec<&'a str>,
    #[serde(skip_serializing_if = "<[Box<str>]>::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, required = false))]
    scopes_supported: &'a [Box<str>],
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    resource_name: Option<&'a str>,
}

/// A text that cannot be the identifier of a protected resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a protected resource is named by a URL of scheme, host and plain path, such as https://api.example/notes"
)]
#[non_exhaustive]
pub struct ResourceError;

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> ProtectedResource {
        ProtectedResource::new(text).unwrap()
    }

    #[test]
    fn the_document_stands_between_the_host_and_the_path() {
        for (text, url) in [
            (
                "https://api.example",
                "https://api.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://api.example/",
                "https://api.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://api.example:8443/notes/v1",
                "https://api.example:8443/.well-known/oauth-protected-resource/notes/v1",
            ),
            (
                "http://127.0.0.1:3000/mcp",
                "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp",
            ),
        ] {
            assert_eq!(&*resource(text).metadata_url(), url, "{text}");
        }
        for wrong in [
            "",
            "api.example",
            "https://api.example/a?b",
            "https://api.example/{id}",
            "urn:x",
        ] {
            assert_eq!(
                ProtectedResource::new(wrong).unwrap_err(),
                ResourceError,
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_document_has_what_was_named_and_no_empty_lists() {
        let bare = resource("https://api.example").answer(&Method::GET);
        assert_eq!(
            bare.body(),
            r#"{"resource":"https://api.example","bearer_methods_supported":["header"]}"#
        );
        let whole = resource("https://api.example/notes")
            .authorization_server("https://id.example".parse().unwrap())
            .authorization_server("https://other.example".parse().unwrap())
            .scopes(&"notes:read notes:write".parse().unwrap())
            .name("Notes")
            .answer(&Method::GET);
        assert_eq!(
            whole.body(),
            concat!(
                r#"{"resource":"https://api.example/notes","#,
                r#""authorization_servers":["https://id.example","https://other.example"],"#,
                r#""scopes_supported":["notes:read","notes:write"],"#,
                r#""bearer_methods_supported":["header"],"resource_name":"Notes"}"#
            )
        );
        assert_eq!(whole.headers()["content-type"], "application/json");
        assert_eq!(whole.headers()["cache-control"], "public, max-age=300");
        let wrong = resource("https://api.example").answer(&Method::POST);
        assert_eq!(
            (wrong.status().as_u16(), &wrong.headers()["allow"]),
            (405, &"GET, HEAD".parse().unwrap())
        );
    }
}
