//! The answers to refused requests, by status.

use std::collections::BTreeMap;

use http::StatusCode;
use token_core::session::DenialReason;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, RefOr, Response, ResponseBuilder, Responses, Schema,
};

use super::media::JSON;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::explain;

pub(super) const INVALID_GRANT: Refusal = Refusal::InvalidGrant(DenialReason::Malformed);
pub(super) const INVALID_TOKEN: Refusal = Refusal::InvalidToken(TokenFault::Invalid);

/// The reasons that the holder of a refused credential may learn.
const REASONS: [DenialReason; 6] = [
    DenialReason::Expired,
    DenialReason::Malformed,
    DenialReason::Reused,
    DenialReason::Revoked,
    DenialReason::Unbound,
    DenialReason::Unknown,
];

/// Adds the answers to these refusals, one for each status. Existing answers stay.
pub(super) fn add(responses: &mut Responses, refusals: &[Refusal]) {
    add_by(responses, refusals, Refusal::status);
}

/// The same for a protected resource, which refuses a proof with a challenge.
pub(super) fn add_at_resource(responses: &mut Responses, refusals: &[Refusal]) {
    add_by(responses, refusals, |refusal| match refusal {
        Refusal::InvalidDpopProof | Refusal::UseDpopNonce(_) => StatusCode::UNAUTHORIZED,
        refusal => refusal.status(),
    });
}

fn add_by(responses: &mut Responses, refusals: &[Refusal], status: fn(&Refusal) -> StatusCode) {
    let mut by_status: BTreeMap<u16, Vec<&Refusal>> = BTreeMap::new();
    for refusal in refusals {
        let same = by_status.entry(status(refusal).as_u16()).or_default();
        if !same.iter().any(|other| other.code() == refusal.code()) {
            same.push(refusal);
        }
    }
    for (status, refusals) in by_status {
        let there = responses.responses.entry(status.to_string());
        there.or_insert_with(|| RefOr::T(response(status, &refusals)));
    }
}

fn response(status: u16, refusals: &[&Refusal]) -> Response {
    let reasons: Vec<String> = refusals
        .iter()
        .map(|refusal| format!("`{}`: {}.", refusal.code(), meaning(refusal)))
        .collect();
    let content = ContentBuilder::new().schema(Some(body(refusals))).build();
    let response = ResponseBuilder::new()
        .description(reasons.join(" "))
        .content(JSON, content);
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let seconds = || ObjectBuilder::new().schema_type(Type::Integer);
    let header = |schema: ObjectBuilder, description: &str| {
        HeaderBuilder::new()
            .schema(Some(schema.build()))
            .description(Some(description))
            .build()
    };
    let response = match status {
        401 => response.header(
            "WWW-Authenticate",
            header(text(), "The challenge (RFC 6750, RFC 9470)."),
        ),
        429 | 503 | 504 => response.header(
            "Retry-After",
            header(seconds().minimum(Some(1)), "When to try again, in seconds."),
        ),
        _ => response,
    };
    response.build()
}

/// The sentence of a refusal, without the reason of a denial.
fn meaning(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InsufficientScope { .. } => "a scope is missing".to_owned(),
        Refusal::InvalidGrant(_) => "the credential does not hold".to_owned(),
        Refusal::InvalidToken(_) => "the token does not hold".to_owned(),
        refusal => refusal.to_string(),
    }
}

fn body(refusals: &[&Refusal]) -> RefOr<Schema> {
    let words = |words: Vec<&'static str>| {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        schema.enum_values(Some(words)).build()
    };
    let codes = refusals.iter().map(|refusal| refusal.code()).collect();
    let body = ObjectBuilder::new()
        .property("error", words(codes))
        .required("error");
    // Only a denied grant has a reason.
    let denied = refusals
        .iter()
        .any(|refusal| matches!(refusal, Refusal::InvalidGrant(_)));
    if !denied {
        return RefOr::T(body.build().into());
    }
    let reasons = REASONS;
    let explained = reasons.iter().map(|reason| explain(*reason)).collect();
    let reasons = reasons.iter().map(|reason| reason.as_str()).collect();
    let body = body
        .property("error_description", words(explained))
        .property("reason", words(reasons));
    RefOr::T(body.build().into())
}
