//! What API Gateway and a load balancer know of a request, put where a server on axum finds it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use lambda_http::http::Uri;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};

/// The request as the client has sent it: with its address, and without the stage in the path.
pub(crate) fn as_sent(mut request: Request) -> Request {
    let (address, stage) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => (
            address(context.http.source_ip.as_deref()),
            context.stage.clone(),
        ),
        Some(RequestContext::ApiGatewayV1(context)) => (
            address(context.identity.source_ip.as_deref()),
            context.stage.clone(),
        ),
        _ => (behind_balancer(&request), None),
    };
    if let Some(address) = address {
        let connection = ConnectInfo(SocketAddr::new(address, 0));
        request.extensions_mut().insert(connection);
    }
    // Anybody can begin this field, and what counts of it has just been read.
    request.headers_mut().remove("x-forwarded-for");
    if let Some(uri) = stage.and_then(|stage| without(&stage, request.uri())) {
        *request.uri_mut() = uri;
    }
    request
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    text?.trim().parse().ok()
}

/// A load balancer appends the address that it sees.
fn behind_balancer(request: &Request) -> Option<IpAddr> {
    let last = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .next_back()?;
    address(last.to_str().ok()?.rsplit(',').next())
}

/// The address without the stage, if its path begins with it. A REST API leaves it out of the path and `lambda_http` puts it
/// there; in an HTTP API it is part of the path, unless its name is `$default`.
fn without(stage: &str, uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str();
    let rest = path.strip_prefix('/')?.strip_prefix(stage)?;
    let rest = match rest.as_bytes().first() {
        Some(b'/') => rest.to_owned(),
        None | Some(b'?') => format!("/{rest}"),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().ok()?);
    Uri::from_parts(parts).ok()
}
