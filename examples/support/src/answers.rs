//! What the demo's own routes answer, for the handlers and for the OpenAPI document.

use hallpass::openapi::utoipa::{self, ToSchema};
use hallpass::{Scope, SessionId, Subject, UnixTime};
use serde::Serialize;

/// Who is calling.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::exhaustive_structs, reason = "made by handlers")]
pub struct Me {
    /// The user.
    #[schema(value_type = String)]
    pub sub: Subject,
    /// The session.
    #[schema(value_type = String)]
    pub session_id: SessionId,
    /// What the session may do.
    #[schema(value_type = String)]
    pub scope: Scope,
    /// When a password was last typed.
    #[schema(value_type = i64)]
    pub auth_time: UnixTime,
}

/// Reports, for those who may read them.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::exhaustive_structs, reason = "made by handlers")]
pub struct Reports {
    /// Whose they are.
    pub title: String,
    /// Their names.
    pub reports: Vec<&'static str>,
}

/// A note was written.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::exhaustive_structs, reason = "made by handlers")]
pub struct Note {
    /// By whom.
    pub written_by: String,
}

/// The money is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::exhaustive_structs, reason = "made by handlers")]
pub struct Transfer {
    /// Nothing else is answered.
    pub transferred: bool,
}
