//! What every kind of caller is known by.

use token_core::binding::BindingLevel;
use token_core::{Scope, SessionId, Subject, UnixTime};

/// What every kind of caller is known by, for rules and handlers alike.
pub trait Caller {
    /// Who is calling.
    fn subject(&self) -> &Subject;
    /// In which session.
    fn session_id(&self) -> SessionId;
    /// What the caller may do.
    fn scope(&self) -> &Scope;
    /// When the user last authenticated, by the server's clock.
    fn auth_time(&self) -> UnixTime;
    /// The class of that authentication, in the application's words.
    fn acr(&self) -> Option<&str>;
    /// The key that this request has proven, beside its credential.
    fn binding(&self) -> Option<BindingLevel> {
        None
    }
    /// Its methods, such as `pwd` and `otp` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    fn amr(&self) -> &[Box<str>];
}
