//! Sessions and changes to values and arguments.

use token_core::session::{
    Bind, EarlierRotations, Epoch, Permit, Revocation, Rights, RotatedBy, Rotation, Slide, Touch,
};
use token_core::types::TokenHash;
use token_core::{Authentication, CustomClaims, Session, Transport, UnixTime};

use super::{
    AUTHENTICATION, BINDING, CLAIMS, CONSTANT, EARLIER_ROTATIONS, ENDED, Field, HASHES, KEY_ID,
    LAYOUT, MOST_PIECES, PIECE, REMEMBER, SCOPE, STATE, STEP_UP,
};
use crate::bytes::Writer;
use crate::user_agent;

/// The fields and values of a new session, by turns.
pub(crate) fn encode(session: &Session) -> Vec<Vec<u8>> {
    let mut fields = Vec::with_capacity(16);
    push(&mut fields, STATE, state(session));
    push(
        &mut fields,
        HASHES,
        hashes(session.token_hash, session.previous_hash),
    );
    push(&mut fields, KEY_ID, session.rotation_kid.as_str().into());
    push(&mut fields, CONSTANT, constant(session));
    if session.authentication != Authentication::password(session.created_at) {
        push(
            &mut fields,
            AUTHENTICATION,
            authentication(&session.authentication),
        );
    }
    if session.claims != CustomClaims::default() {
        push(&mut fields, CLAIMS, claims(&session.claims));
    }
    if let Some(revocation) = session.revocation {
        push(&mut fields, ENDED, ended(revocation));
    }
    push_earlier(&mut fields, session.earlier_rotations);
    if !session.binding.is_unbound() {
        push(&mut fields, BINDING, session.binding.to_bytes());
    }
    fields
}

/// The arguments of the rotation script.
pub(crate) fn rotation(rotation: &Rotation) -> Vec<Vec<u8>> {
    let mut made = Writer::default();
    made.number(rotation.to.0).instant(rotation.at);
    let mut used = Writer::default();
    used.instant(rotation.last_seen_at)
        .raw(rotation.nonce.as_bytes());
    let by = match rotation.by {
        RotatedBy::Refresh => 0,
        RotatedBy::StepUp => STEP_UP,
    };
    let due = rotation.rotated_before.map(decimal).unwrap_or_default();
    let mut args = vec![
        decimal(rotation.at),
        rotation.from.0.to_be_bytes().into(),
        rotation.from_hash.as_bytes().into(),
        due,
        slide(rotation.slide),
        slide(rotation.remember_slide),
        by.to_string().into_bytes(),
        made.finish(),
        used.finish(),
        rotation.proof.prefix().into_owned(),
    ];
    let hashes = hashes(rotation.to_hash, Some(rotation.previous_hash));
    push(&mut args, HASHES, hashes);
    push(&mut args, KEY_ID, rotation.kid.as_str().into());
    if let Some(changed) = &rotation.authentication {
        push(&mut args, AUTHENTICATION, authentication(changed));
    }
    push_rights(&mut args, &rotation.rights);
    push_earlier(&mut args, rotation.earlier_rotations);
    args
}

/// The arguments of the touch script.
pub(crate) fn touch(touch: &Touch) -> Vec<Vec<u8>> {
    vec![
        decimal(touch.at),
        touch.generation.0.to_be_bytes().into(),
        slide(touch.slide),
        instant(touch.last_seen_at),
        touch.proof.prefix().into_owned(),
    ]
}

/// The arguments of the binding script.
pub(crate) fn bind(bind: &Bind) -> Vec<Vec<u8>> {
    vec![decimal(bind.at), bind.from.to_bytes(), bind.to.to_bytes()]
}

/// The arguments of the script that changes what a session may do.
pub(crate) fn permit(permit: &Permit) -> Vec<Vec<u8>> {
    let mut args = vec![decimal(permit.at)];
    push_rights(&mut args, &permit.rights);
    args
}

/// The value of an ended session's last field.
pub(crate) fn ended(revocation: Revocation) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .instant(revocation.at)
        .raw(revocation.reason.as_str().as_bytes());
    writer.finish()
}

/// An instant as it stands in values.
pub(crate) fn instant(at: UnixTime) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.instant(at);
    writer.finish()
}

/// An instant as scripts compare it.
pub(crate) fn decimal(at: UnixTime) -> Vec<u8> {
    at.as_secs().to_string().into_bytes()
}

fn state(session: &Session) -> Vec<u8> {
    let transport = match session.transport {
        Transport::Cookie => 0,
        Transport::Header => 1,
        Transport::Session => 2,
    };
    let remember = if session.remember { REMEMBER } else { 0 };
    let by = match session.rotated_by {
        RotatedBy::Refresh => 0,
        RotatedBy::StepUp => STEP_UP,
    };
    let mut writer = Writer::default();
    writer
        .byte(LAYOUT)
        .byte(transport | remember | by)
        .number(session.generation.0)
        .instant(session.rotated_at)
        .instant(session.idle_expires_at)
        .instant(session.absolute_expires_at)
        .instant(session.purge_at)
        .instant(session.last_seen_at)
        .raw(session.nonce.as_bytes());
    if session.subject_epoch != Epoch::default() {
        writer.number(session.subject_epoch.0);
    }
    writer.finish()
}

fn hashes(current: TokenHash, previous: Option<TokenHash>) -> Vec<u8> {
    let mut bytes = current.as_bytes().to_vec();
    if let Some(previous) = previous {
        bytes.extend_from_slice(previous.as_bytes());
    }
    bytes
}

fn constant(session: &Session) -> Vec<u8> {
    let device = &session.device;
    let agent = device.user_agent.as_deref().map(user_agent::shorten);
    let mut writer = Writer::default();
    let subject = session.subject.as_str().as_bytes();
    writer
        .byte(u8::try_from(subject.len()).expect("a subject has at most 255 bytes"))
        .raw(subject)
        .instant(session.created_at)
        .text(session.client_id.as_str().as_bytes())
        .text(session.scope.as_str().as_bytes())
        .optional(device.label.as_deref().map(str::as_bytes))
        .optional(agent.as_deref())
        .optional(device.ip_prefix.as_deref().map(str::as_bytes));
    writer.finish()
}

fn authentication(authentication: &Authentication) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .instant(authentication.time)
        .optional(authentication.acr.as_deref().map(str::as_bytes))
        .length(authentication.amr.len());
    for method in &authentication.amr {
        writer.text(method.as_bytes());
    }
    writer.finish()
}

/// No claims are a text of no bytes and not nothing: pieces of longer ones may stand behind it.
fn claims(claims: &CustomClaims) -> Vec<u8> {
    let none = *claims == CustomClaims::default();
    let text = if none { "" } else { claims.as_str() };
    let mut writer = Writer::default();
    writer.text(text.as_bytes());
    writer.finish()
}

fn slide(slide: Slide) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .instant(slide.idle_expires_at)
        .instant(slide.purge_at);
    writer.finish()
}

/// Appends what a session may do, as far as it changes.
fn push_rights(fields: &mut Vec<Vec<u8>>, rights: &Rights) {
    if let Some(changed) = &rights.scope {
        let mut writer = Writer::default();
        writer.text(changed.as_str().as_bytes());
        push(fields, SCOPE, writer.finish());
    }
    if let Some(changed) = &rights.claims {
        push(fields, CLAIMS, claims(changed));
    }
}

/// Appends what a step-up remembers; the script empties what another rotation does not.
fn push_earlier(fields: &mut Vec<Vec<u8>>, earlier: EarlierRotations) {
    if earlier != EarlierRotations::default() {
        let mut writer = Writer::default();
        writer.number(earlier.0);
        push(fields, EARLIER_ROTATIONS, writer.finish());
    }
}

/// Appends a field and its value, in pieces if it is long.
fn push(fields: &mut Vec<Vec<u8>>, field: Field, value: Vec<u8>) {
    if value.len() <= PIECE || value.len() > PIECE * MOST_PIECES {
        fields.push(field.0.into());
        fields.push(value);
        return;
    }
    for (number, piece) in value.chunks(PIECE).enumerate() {
        fields.push(field.piece(number).into_bytes());
        fields.push(piece.into());
    }
}
