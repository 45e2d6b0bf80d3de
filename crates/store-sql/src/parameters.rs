//! The parameters of the statements that write: the name of each beside its value.
//!
//! A statement has `:name` where the value of that name belongs. Databases want numbers, which
//! [`Names::fill`](crate::statement::Names::fill) puts in by the place of the name in its list; the
//! values are bound in the same order. Both come from one list, so that they cannot differ.

use token_core::binding::Binding;
use token_core::session::{Bind, Ending, Permit, Rotation, Touch};
use token_core::{Authentication, CustomClaims, Scope, Session};
use token_session::store::{DataWrite, SubjectEnding};

use crate::value::{Value, count};

/// Defines the names of a statement's parameters, and the function that gives their values in the
/// same order.
macro_rules! parameters {
    ($(#[$doc:meta])* $names:ident, fn $values:ident($from:ident: &$type:ty) {
        $($name:ident: $value:expr,)*
    }) => {
        pub(crate) const $names: &[&str] = &[$(stringify!($name)),*];

        $(#[$doc])*
        pub(crate) fn $values($from: &$type) -> [Value<'_>; $names.len()] {
            [$($value),*]
        }
    };
}

parameters! {
    /// A new row: a parameter for each column.
    INSERT, fn insert(session: &Session) {
        id: (&session.id).into(),
        subject: session.subject.as_str().into(),
        subject_epoch: count(session.subject_epoch.0).into(),
        client_id: session.client_id.as_str().into(),
        transport: session.transport.as_str().into(),
        scope: session.scope.as_str().into(),
        created_at: session.created_at.into(),
        auth_time: session.authentication.time.into(),
        acr: Value::Text(session.authentication.acr.as_deref()),
        amr: Value::OwnedText(amr(&session.authentication)),
        generation: count(session.generation.0).into(),
        token_hash: session.token_hash.as_bytes().as_slice().into(),
        previous_hash: Value::Bytes(
            session.previous_hash.as_ref().map(|hash| hash.as_bytes().as_slice())
        ),
        nonce: session.nonce.as_bytes().as_slice().into(),
        rotated_at: session.rotated_at.into(),
        rotated_by: session.rotated_by.as_str().into(),
        earlier_rotations: session.earlier_rotations.into(),
        rotation_kid: session.rotation_kid.as_str().into(),
        idle_expires_at: session.idle_expires_at.into(),
        absolute_expires_at: session.absolute_expires_at.into(),
        remember: Value::Flag(session.remember),
        revoked_at: Value::Int(session.revocation.map(|revocation| revocation.at.into())),
        revoke_reason: Value::Text(
            session.revocation.map(|revocation| revocation.reason.as_str())
        ),
        last_seen_at: session.last_seen_at.into(),
        claims: session.claims.as_str().into(),
        device_label: Value::Text(session.device.label.as_deref()),
        device_user_agent: Value::Text(session.device.user_agent.as_deref()),
        device_ip_prefix: Value::Text(session.device.ip_prefix.as_deref()),
        purge_at: session.purge_at.into(),
        binding: session.binding.into(),
    }
}

parameters! {
    /// Of [`statement::BIND`](crate::statement::BIND).
    BIND, fn bind(bind: &Bind) {
        id: (&bind.id).into(),
        from: bind.from.into(),
        to: bind.to.into(),
        at: bind.at.into(),
    }
}

parameters! {
    /// Of [`statement::ROTATE`](crate::statement::ROTATE).
    ROTATE, fn rotate(rotation: &Rotation) {
        id: (&rotation.id).into(),
        from: count(rotation.from.0).into(),
        from_hash: rotation.from_hash.as_bytes().as_slice().into(),
        at: rotation.at.into(),
        rotated_before: Value::Int(rotation.rotated_before.map(i64::from)),
        demanding: Binding::DEMANDING.into(),
        proof: rotation.proof.into(),
        to: count(rotation.to.0).into(),
        to_hash: rotation.to_hash.as_bytes().as_slice().into(),
        previous_hash: rotation.previous_hash.as_bytes().as_slice().into(),
        nonce: rotation.nonce.as_bytes().as_slice().into(),
        kid: rotation.kid.as_str().into(),
        by: rotation.by.as_str().into(),
        earlier_rotations: rotation.earlier_rotations.into(),
        idle_expires_at: rotation.slide.idle_expires_at.into(),
        purge_at: rotation.slide.purge_at.into(),
        remember_idle_expires_at: rotation.remember_slide.idle_expires_at.into(),
        remember_purge_at: rotation.remember_slide.purge_at.into(),
        last_seen_at: rotation.last_seen_at.into(),
        auth_time: Value::Int(
            rotation.authentication.as_ref().map(|authentication| authentication.time.into())
        ),
        acr: Value::Text(
            rotation.authentication.as_ref().and_then(|authentication| authentication.acr.as_deref())
        ),
        amr: rotation.authentication.as_ref().map_or(
            Value::Text(None),
            |authentication| Value::OwnedText(amr(authentication))
        ),
        scope: Value::Text(rotation.rights.scope.as_ref().map(Scope::as_str)),
        claims: Value::Text(rotation.rights.claims.as_ref().map(CustomClaims::as_str)),
    }
}

parameters! {
    /// Of [`statement::PERMIT`](crate::statement::PERMIT).
    PERMIT, fn permit(permit: &Permit) {
        id: (&permit.id).into(),
        scope: Value::Text(permit.rights.scope.as_ref().map(Scope::as_str)),
        claims: Value::Text(permit.rights.claims.as_ref().map(CustomClaims::as_str)),
        at: permit.at.into(),
    }
}

parameters! {
    /// Of [`statement::TOUCH`](crate::statement::TOUCH).
    TOUCH, fn touch(touch: &Touch) {
        id: (&touch.id).into(),
        generation: count(touch.generation.0).into(),
        demanding: Binding::DEMANDING.into(),
        proof: touch.proof.into(),
        at: touch.at.into(),
        idle_expires_at: touch.slide.idle_expires_at.into(),
        purge_at: touch.slide.purge_at.into(),
        last_seen_at: touch.last_seen_at.into(),
    }
}

parameters! {
    /// Of the statements that end one session.
    REVOKE, fn revoke(ending: &Ending) {
        id: (&ending.id).into(),
        at: ending.revocation.at.into(),
        reason: ending.revocation.reason.as_str().into(),
        purge_at: ending.purge_at.into(),
    }
}

parameters! {
    /// Of the statements that end the sessions of a subject.
    REVOKE_SUBJECT, fn revoke_subject(ending: &SubjectEnding) {
        subject: ending.subject.as_str().into(),
        at: ending.revocation.at.into(),
        reason: ending.revocation.reason.as_str().into(),
        purge_at: ending.purge_at.into(),
        except: Value::Bytes(ending.except.as_ref().map(|id| id.as_bytes().as_slice())),
    }
}

parameters! {
    /// Of the statements that write private data.
    WRITE_DATA, fn write_data(write: &DataWrite) {
        session: (&write.id).into(),
        version: count(write.version).into(),
        next_version: count(write.version.saturating_add(1)).into(),
        json: Value::Text(write.json.as_deref()),
        now: write.at.into(),
    }
}

fn amr(authentication: &Authentication) -> String {
    serde_json::to_string(&authentication.amr).expect("texts are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;

    #[test]
    fn an_insert_has_a_parameter_for_each_column() {
        let mut columns: Vec<&str> = Column::LIST.split(", ").collect();
        let mut parameters = INSERT.to_vec();
        columns.sort_unstable();
        parameters.sort_unstable();
        assert_eq!(parameters, columns);
    }
}
