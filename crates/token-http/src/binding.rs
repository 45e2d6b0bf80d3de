//! Sessions that are bound to the browser that opened them, as browsers see them: the bound cookie, and
//! what the answer to a login offers
//! ([Device Bound Session Credentials](https://w3c.github.io/webappsec-dbsc/)).

use std::iter;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue};
use token_core::binding::Unproven;
use token_core::session::Denial;
use token_core::{Session, SessionId};
use token_session::{BoundCookie, RefreshError, ShownCookie};
use zeroize::Zeroizing;

use crate::auth::Auth;
use crate::cookies;
use crate::head::Head;
use crate::rejection::Rejection;

/// The attributes that a browser compares with those of the cookie: exactly these, and not `Max-Age` and
/// `Priority`, with which it refuses the registration.
pub(crate) const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// How the name of each bound cookie begins. Browsers refuse to bind one whose name begins with `__Host-Http-`.
const PREFIX: &str = "__Host-bound-";

/// So many values of one session's cookie are looked at. A browser sends one.
const MOST_VALUES: usize = 8;

const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");

/// The name of a session's bound cookie. It differs between sessions: a renewal of one that is answered after the
/// login of another must not replace that one's value.
pub(crate) fn cookie_name(session: SessionId) -> String {
    let hash = digest::digest(&digest::SHA256, session.as_bytes());
    let hash = hash
        .as_ref()
        .first_chunk::<6>()
        .expect("SHA-256 has 32 bytes");
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(hash))
}

/// The field that sets the bound cookie.
pub(crate) fn set(session: SessionId, cookie: &BoundCookie) -> HeaderValue {
    field(session, cookie.value.secret(), cookie.max_age)
}

fn field(session: SessionId, value: &str, max_age: Duration) -> HeaderValue {
    let (name, max_age) = (cookie_name(session), max_age.as_secs());
    let text = format!("{name}={value}; {ATTRIBUTES}; Max-Age={max_age}; Priority=High");
    let text = Zeroizing::new(text);
    let mut field = HeaderValue::from_str(&text).expect("base64url and numbers are visible ASCII");
    field.set_sensitive(true);
    field
}

/// What the request shows of the session's bound cookie.
pub(crate) fn shown(auth: &Auth, head: &Head<'_>, session: SessionId) -> ShownCookie {
    let sent = || {
        let fields = head.headers.get_all(COOKIE).iter();
        let pairs = fields.flat_map(|field| cookies::pairs(field.as_bytes()));
        pairs.filter(|(name, _)| name.starts_with(PREFIX.as_bytes()))
    };
    let read = |values: &mut dyn Iterator<Item = &[u8]>| {
        let values = values.map(|value| std::str::from_utf8(value).unwrap_or_default());
        auth.manager().shown_cookie(session, values)
    };
    let mut first_two = sent();
    match (first_two.next(), first_two.next()) {
        (None, _) => return read(&mut iter::empty()),
        // The usual case. Its MAC says for which session it was made, which saves the hash for its name.
        (Some((_, value)), None) => {
            let shown = read(&mut iter::once(value));
            if shown.until().is_some() {
                return shown;
            }
        }
        (Some(_), Some(_)) => {}
    }
    let own = cookie_name(session);
    let values = sent().filter(|(name, _)| *name == own.as_bytes());
    read(&mut values.map(|(_, value)| value).take(MOST_VALUES))
}

/// Adds to the answer to a login or a step-up what lets the browser bind the session. A browser does so over
/// TLS alone.
pub(crate) fn offer(auth: &Auth, session: &Session, headers: &mut HeaderMap) {
    if !auth.config().origin().as_str().starts_with("https:") {
        return;
    }
    let Some(offered) = auth.manager().offer_binding(session) else {
        return;
    };
    let (path, challenge) = (path(auth), &offered.offer.challenge);
    let authorization = offered.offer.authorization.secret();
    let text = Zeroizing::new(format!(
        r#"(ES256);path="{path}";challenge="{challenge}";authorization="{authorization}""#
    ));
    let mut value = HeaderValue::from_str(&text).expect("a path and base64url are visible ASCII");
    value.set_sensitive(true);
    headers.insert(REGISTRATION, value);
    if let Some(first) = &offered.first {
        cookies::append(headers, set(session.id, first));
    }
}

/// The other answer has what the first offers.
pub(crate) fn copy_offer(from: &HeaderMap, to: &mut HeaderMap) {
    if let Some(value) = from.get(REGISTRATION) {
        to.insert(REGISTRATION, value.clone());
    }
}

/// Where browsers register and renew.
pub(crate) fn path(auth: &Auth) -> String {
    format!("{}/device", auth.config().prefix())
}

/// The refusal of a credential that came with this bound cookie. A value that cannot get better is deleted, as
/// the browser takes its cookie for good and would not renew otherwise. If there was none, or an older one, the
/// browser may have a good one by now, which a late answer must not delete.
pub(crate) fn refused(
    auth: &Auth,
    error: RefreshError,
    session: SessionId,
    reject: impl FnOnce(RefreshError) -> Rejection,
) -> Rejection {
    let bad = matches!(
        error,
        RefreshError::Denied(Denial::Unbound(
            Unproven::Expired | Unproven::Invalid | Unproven::UnknownKey
        ))
    );
    let rejection = reject(error).in_realm(auth.config().shared_realm());
    if bad {
        rejection.with_cookie(field(session, "", Duration::ZERO))
    } else {
        rejection
    }
}
