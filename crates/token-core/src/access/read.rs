//! Reading claims in one pass, without an allocation if nothing is escaped or nested.
//!
//! serde's `flatten` would copy every claim before the application's type sees one. Here that type
//! drives the reading: it is shown an object without the claims of the library, which are put aside as
//! they come by.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer,
    MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::access::claims::BorrowedClaims;
use crate::access::error::ClaimsError;
use crate::binding::confirmation::{AnyConfirmation, Confirmation};
use crate::jose::json::{self, JsonError, Text, Texts, Value};
use crate::types::time::UnixTime;

/// Claims with a meaning of their own, which the application's type does not see.
pub(crate) trait KnownClaims<'a> {
    /// Takes a claim out of the object; `false` if it is one of the application's. If a claim breaks a
    /// rule, `fault` says which, and the error only ends the reading.
    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
        fault: &mut Option<ClaimsError>,
    ) -> Result<bool, A::Error>;
}

/// Every claim is the application's.
pub(crate) struct NoneKnown;

impl<'a> KnownClaims<'a> for NoneKnown {
    fn take<A: MapAccess<'a>>(
        &mut self,
        _: &str,
        _: &mut A,
        _: &mut Option<ClaimsError>,
    ) -> Result<bool, A::Error> {
        Ok(false)
    }
}

/// Reads a claims set: the known claims by type into `claims`, the others as `C`. What `claims`
/// has already stood before `json`, in so many bytes.
pub(crate) fn read<'a, C: Deserialize<'a>>(
    json: &'a [u8],
    taken: usize,
    claims: &mut impl KnownClaims<'a>,
) -> Result<C, ClaimsError> {
    // > Verify that the resulting octet sequence is a UTF-8-encoded representation of a completely valid
    // > JSON object conforming to RFC 7159 [RFC7159]; let the JWT Claims Set be this JSON object.
    // RFC 7519 section 7.2
    let text = std::str::from_utf8(json).map_err(|_| ClaimsError::Json(JsonError::NotUtf8))?;
    let mut state = State::new(claims);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer
        .deserialize_map(ClaimsVisitor {
            state: &mut state,
            custom: std::marker::PhantomData,
        })
        .and_then(|custom| deserializer.end().map(|()| custom));
    let custom = match read {
        Ok(custom) => custom,
        Err(error) if !error.is_data() => {
            return Err(ClaimsError::Json(JsonError::after(taken, &error)));
        }
        Err(error) => {
            let unknown = if state.is_object {
                let claim = odd_field(&error.to_string()).unwrap_or(OTHER).into();
                ClaimsError::Custom { claim }
            } else {
                ClaimsError::Json(JsonError::NotAnObject)
            };
            return Err(state.fault.unwrap_or(unknown));
        }
    };
    // > The Claim Names within a JWT Claims Set MUST be unique; JWT parsers MUST either reject JWTs
    // > with duplicate Claim Names or use a JSON parser that returns only the lexically last
    // > duplicate member name [...].
    // RFC 7519 section 4. The pass above saw the top level; what is nested is walked again.
    // The known claims hold no objects, so only another claim can.
    //
    // The walk also refuses half of a surrogate pair and values that are nested too deeply. serde_json
    // does so only if the type of the application reads the value, and two services with two types
    // would not agree about one token.
    let nested = || text.rfind('{') > text.find('{') || text.matches('[').count() > MAX_ARRAYS;
    let escaped = || memchr::memchr(b'\\', json).is_some();
    if state.has_others() && (nested() || escaped()) {
        json::check(text).map_err(|error| match error {
            JsonError::DuplicateMember => ClaimsError::Duplicate { claim: OTHER },
            error => ClaimsError::Json(error),
        })?;
    }
    Ok(custom)
}

/// The field that an application's type lacks or does not allow, by serde's message.
fn odd_field(message: &str) -> Option<&str> {
    let known = ["missing field `", "unknown field `"];
    let rest = known.iter().find_map(|start| message.strip_prefix(start))?;
    let (name, _) = rest.split_once('`')?;
    is_loggable(name).then_some(name)
}

/// Whether the name of a claim may stand in a log as it is: an unknown one was chosen by the issuer or its user.
fn is_loggable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    name.len() <= 64 && name.bytes().all(plain)
}

/// More arrays than this may be nested more deeply than serde_json reads, which is 127 levels.
const MAX_ARRAYS: usize = 100;

/// How errors call a claim that is not the library's.
const OTHER: &str = "another";

/// So many other names are compared as they come by; those after them are put into a set.
const REMEMBERED: usize = 16;

struct State<'r, 'a, K> {
    claims: &'r mut K,
    /// Names of other claims; the first `count` are set.
    others: [&'a str; REMEMBERED],
    count: usize,
    /// Those that do not fit, or have an escape.
    more: BTreeSet<Cow<'a, str>>,
    /// The last of them that has no escape.
    last: &'a str,
    is_object: bool,
    fault: Option<ClaimsError>,
}

impl<'r, 'a, K> State<'r, 'a, K> {
    fn new(claims: &'r mut K) -> Self {
        Self {
            claims,
            others: [""; REMEMBERED],
            count: 0,
            more: BTreeSet::new(),
            last: OTHER,
            is_object: false,
            fault: None,
        }
    }

    /// Notes the name of a claim that is not the library's.
    #[expect(
        clippy::ptr_arg,
        reason = "only a borrowed name lives long enough to be kept as it is"
    )]
    fn note(&mut self, name: &Cow<'a, str>) -> Result<(), ClaimsError> {
        let first = self.others.get(..self.count).unwrap_or_default();
        let stands = first.iter().any(|other| other == name);
        let stands = stands || {
            match (name, self.others.get_mut(self.count)) {
                (Cow::Borrowed(name), Some(place)) => {
                    *place = name;
                    self.count += 1;
                    // It may have come before with an escape.
                    self.more.contains(*name)
                }
                _ => !self.more.insert(name.clone()),
            }
        };
        if stands {
            return Err(ClaimsError::Duplicate { claim: OTHER });
        }
        Ok(())
    }

    /// Whether there was a claim that is not the library's.
    fn has_others(&self) -> bool {
        self.count > 0 || !self.more.is_empty()
    }
}

impl<'a> KnownClaims<'a> for BorrowedClaims<'a> {
    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
        fault: &mut Option<ClaimsError>,
    ) -> Result<bool, A::Error> {
        let claims = self;
        match name {
            // > The "iss" value is a case-sensitive string containing a StringOrURI value.
            // RFC 7519 section 4.1.1, and so "sub" and "jti" in sections 4.1.2 and 4.1.7.
            "iss" => put_text("iss", &mut claims.issuer, map, fault),
            "sub" => put_text("sub", &mut claims.subject, map, fault),
            "client_id" => put_text("client_id", &mut claims.client_id, map, fault),
            "sid" => put_id("sid", &mut claims.session_id, map, fault),
            "jti" => put_id("jti", &mut claims.id, map, fault),
            "scope" => put_text("scope", &mut claims.scope, map, fault),
            "acr" => put_text("acr", &mut claims.acr, map, fault),
            // > Its value MUST be a number containing a NumericDate value.
            // RFC 7519 sections 4.1.4, 4.1.5 and 4.1.6; OpenID Connect Core section 2 of "auth_time"
            "iat" => put_time("iat", &mut claims.issued_at, map, fault),
            "exp" => put_time("exp", &mut claims.expires_at, map, fault),
            "nbf" => put_time("nbf", &mut claims.not_before, map, fault),
            "auth_time" => put_time("auth_time", &mut claims.auth_time, map, fault),
            // > In the general case, the "aud" value is an array of case-sensitive strings, each
            // > containing a StringOrURI value. In the special case when the JWT has one audience,
            // > the "aud" value MAY be a single case-sensitive string containing a StringOrURI
            // > value.
            // RFC 7519 section 4.1.3
            "aud" => put(
                "aud",
                &mut claims.audience,
                map,
                fault,
                |value| match value {
                    Value::Other => None,
                    texts => Some(texts),
                },
            ),
            "amr" => put_amr(&mut claims.amr, map, fault),
            // > JWK SHA-256 Thumbprint confirmation method. The value of the jkt member MUST be the
            // > base64url encoding (as defined in [RFC7515]) of the JWK SHA-256 Thumbprint (according to
            // > [RFC7638]) of the DPoP public key (in JWK format) to which the access token is bound.
            // RFC 9449 section 6.1. Bound in another way (RFC 8705, for example), it is refused.
            // Which key it is; whether it was proven is asked once the token is known to be genuine.
            "cnf" => {
                let other = ClaimsError::BoundToKey;
                put_or("cnf", other, &mut claims.key, map, fault, |key| match key {
                    AnyConfirmation::Key(Confirmation(key)) => Some(key),
                    AnyConfirmation::Other => None,
                })
            }
            _ => return Ok(false),
        }?;
        Ok(true)
    }
}

pub(crate) fn put_text<'a, A: MapAccess<'a>>(
    claim: &'static str,
    place: &mut Option<Cow<'a, str>>,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
) -> Result<(), A::Error> {
    put(claim, place, map, fault, |text: Text<'a>| Some(text.0))
}

fn put_id<'a, A: MapAccess<'a>, T: FromStr>(
    claim: &'static str,
    place: &mut Option<T>,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
) -> Result<(), A::Error> {
    let form = ClaimsError::Form { claim };
    put_or(claim, form, place, map, fault, |Text(text): Text<'a>| {
        text.parse().ok()
    })
}

pub(crate) fn put_amr<'a, A: MapAccess<'a>>(
    place: &mut Option<Texts<'a>>,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
) -> Result<(), A::Error> {
    put("amr", place, map, fault, |value| match value {
        Value::Texts(texts) => Some(texts),
        Value::Text(_) | Value::Other => None,
    })
}

pub(crate) fn put_time<'a, A: MapAccess<'a>>(
    claim: &'static str,
    place: &mut Option<UnixTime>,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
) -> Result<(), A::Error> {
    // A NumericDate may have a fraction (RFC 7519 section 2). No access token needs one, and whole
    // numbers mean the same to every reader: 1e3, 1.5 and -1 are refused like "1000".
    let mut seconds = place.map(UnixTime::as_secs);
    put(claim, &mut seconds, map, fault, Some)?;
    *place = seconds.and_then(|seconds| UnixTime::from_secs(seconds).ok());
    if place.is_none() {
        *fault = Some(ClaimsError::Time { claim });
        return Err(A::Error::custom("refused"));
    }
    Ok(())
}

/// The same as [`put`] with another rule for a value that is of the right type and is not accepted.
pub(crate) fn put_or<'a, A: MapAccess<'a>, V: Deserialize<'a>, T>(
    claim: &'static str,
    otherwise: ClaimsError,
    place: &mut Option<T>,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
    accept: impl FnOnce(V) -> Option<T>,
) -> Result<(), A::Error> {
    let mut refused = false;
    let read = put(claim, place, map, fault, |value| {
        let accepted = accept(value);
        refused = accepted.is_none();
        accepted
    });
    if refused {
        *fault = Some(otherwise);
    }
    read
}

/// Reads one value, names the rule that it breaks, and refuses a second one.
pub(crate) fn put<'a, A: MapAccess<'a>, V: Deserialize<'a>, T>(
    claim: &'static str,
    place: &mut Option<T>,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
    accept: impl FnOnce(V) -> Option<T>,
) -> Result<(), A::Error> {
    if place.is_some() {
        *fault = Some(ClaimsError::Duplicate { claim });
        return Err(A::Error::custom("refused"));
    }
    *fault = Some(ClaimsError::Type { claim });
    *place = accept(map.next_value()?);
    if place.is_none() {
        return Err(A::Error::custom("refused"));
    }
    *fault = None;
    Ok(())
}

struct ClaimsVisitor<'s, 'r, 'a, K, C> {
    state: &'s mut State<'r, 'a, K>,
    custom: std::marker::PhantomData<C>,
}

impl<'a, K: KnownClaims<'a>, C: Deserialize<'a>> Visitor<'a> for ClaimsVisitor<'_, '_, 'a, K, C> {
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<C, A::Error> {
        self.state.is_object = true;
        let mut others = Others {
            map,
            state: self.state,
        };
        let custom = C::deserialize(OthersDeserializer(&mut others))?;
        while others.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {} // what `C` left
        Ok(custom)
    }
}

/// The object without the known claims.
struct Others<'s, 'r, 'a, K, A> {
    map: A,
    state: &'s mut State<'r, 'a, K>,
}

impl<'a, B: KnownClaims<'a>, A: MapAccess<'a>> MapAccess<'a> for Others<'_, '_, 'a, B, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Text(name)) = self.map.next_key()? {
            let State { claims, fault, .. } = &mut *self.state;
            if claims.take(&name, &mut self.map, fault)? {
                continue;
            }
            if let Err(fault) = self.state.note(&name) {
                self.state.fault = Some(fault);
                return Err(A::Error::custom("refused"));
            }
            let key = match name {
                Cow::Borrowed(name) => {
                    self.state.last = name;
                    seed.deserialize(BorrowedStrDeserializer::new(name))
                }
                Cow::Owned(name) => {
                    let name: StringDeserializer<A::Error> = name.into_deserializer();
                    seed.deserialize(name)
                }
            };
            return key.map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let value = self.map.next_value_seed(seed);
        if value.is_err() {
            let name = self.state.last;
            let claim = if is_loggable(name) { name } else { OTHER }.into();
            self.state.fault = Some(ClaimsError::Custom { claim });
        }
        value
    }
}

/// Shows the object to whatever `C` asks for.
struct OthersDeserializer<'o, 's, 'r, 'a, K, A>(&'o mut Others<'s, 'r, 'a, K, A>);

impl<'a, K: KnownClaims<'a>, A: MapAccess<'a>> Deserializer<'a>
    for OthersDeserializer<'_, '_, '_, 'a, K, A>
{
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
