//! The header of a token: three members, and a name for each reason to refuse another.

use std::borrow::Cow;

use serde::de::MapAccess;
use smallvec::SmallVec;

use crate::jose::error::FormError;
use crate::jose::json::{self, Refused, Value};

/// The `typ` of an access token ([RFC 9068 section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";

/// The names of members that may be there and say nothing to us.
pub(crate) type Ignored = &'static [&'static str];

/// What an accepted header says. Nothing of it is trusted: it is only compared.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Cow<'a, str>,
    pub(crate) key_id: Cow<'a, str>,
    /// `typ`, if there is one.
    pub(crate) kind: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    /// Reads a decoded header: `alg` and `kid`, both required, and `typ`, each a string, and nothing
    /// else but strings, or lists of them, of these names.
    pub(crate) fn parse(json: &'a [u8], ignored: Ignored) -> Result<Self, FormError> {
        // > Verify that the resulting octet sequence is a UTF-8-encoded representation of a completely
        // > valid JSON object conforming to RFC 7159 [RFC7159]; let the JWS Protected Header be this
        // > JSON object.
        // RFC 7515 section 5.2
        let mut members = Members {
            ignored,
            ..Members::default()
        };
        json::object(json, &mut members).map_err(|refused| refused.or_json(FormError::Json))?;
        let require =
            |value: Option<Cow<'a, str>>, member| value.ok_or(FormError::Missing { member });
        Ok(Self {
            algorithm: require(members.algorithm, "alg")?,
            key_id: require(members.key_id, "kid")?,
            kind: members.kind,
        })
    }

    /// `typ`, of a token that must have one.
    pub(crate) fn kind(&self) -> Result<&str, FormError> {
        self.kind
            .as_deref()
            .ok_or(FormError::Missing { member: "typ" })
    }
}

/// Whether `typ` names the media type `application/{kind}`: any case, with or without the prefix.
pub(crate) fn media_type_is(typ: &str, kind: &str) -> bool {
    // > To keep messages compact in common situations, it is RECOMMENDED that producers omit an
    // > "application/" prefix of a media type value in a "typ" Header Parameter when no other '/'
    // > appears in the media type value. A recipient using the media type value MUST treat it as if
    // > "application/" were prepended to any "typ" value not containing a '/'.
    // RFC 7515 section 4.1.9; media types have no case (RFC 6838 section 4.2).
    const PREFIX: &str = "application/";
    let bare = match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => typ.get(PREFIX.len()..),
        _ => Some(typ),
    };
    bare.is_some_and(|bare| bare.eq_ignore_ascii_case(kind))
}

/// The members while they are read.
#[derive(Default)]
struct Members<'a> {
    algorithm: Option<Cow<'a, str>>,
    key_id: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    ignored: Ignored,
    /// Those of them that were there.
    seen: SmallVec<[&'static str; 2]>,
}

impl<'a> Members<'a> {
    fn put(&mut self, name: &str, value: Value<'a>) -> Result<(), FormError> {
        let (member, place) = match name {
            "alg" => ("alg", &mut self.algorithm),
            "kid" => ("kid", &mut self.key_id),
            "typ" => ("typ", &mut self.kind),
            // > If any of the listed extension Header Parameters are not understood and
            // > supported by the recipient, then the JWS is invalid.
            // RFC 7515 section 4.1.11
            "crit" => return Err(FormError::Critical),
            // > Upon decryption, recipients are expected to decompress the payload before further
            // > processing.
            // draft-ietf-oauth-rfc8725bis section 2.12, of how little can become very much; and
            // > Compression of data SHOULD NOT be done before encryption, because such compressed
            // > data often reveals information about the plaintext.
            // RFC 8725 section 3.6; and a JWS knows no compression at all.
            "zip" => return Err(FormError::Compressed),
            // > For interoperability reasons, JSON Web Tokens [JWT] MUST NOT use "b64" with a
            // > "false" value.
            // RFC 7797 section 7 ("b64" with "true" says nothing, and nobody writes it)
            "b64" => return Err(FormError::Unencoded),
            // > Attackers can use a very large count, thereby imposing an unreasonable computational
            // > burden on recipients.
            // draft-ietf-oauth-rfc8725bis section 2.10, of "p2c". Nothing here decrypts.
            "enc" | "epk" | "apu" | "apv" | "iv" | "tag" | "p2s" | "p2c" => {
                return Err(FormError::Encrypted);
            }
            // > In the normal case in which nested signing or encryption operations are not
            // > employed, the use of this Header Parameter is NOT RECOMMENDED.
            // RFC 7519 section 5.2
            "cty" => return Err(FormError::ContentType),
            // > Similarly, blindly following a "jku" (JWK set URL) or "x5u" (X.509 URL) header,
            // > which may contain an arbitrary URL, could result in server-side request forgery
            // > (SSRF) attacks.
            // RFC 8725 section 3.10. A key is found by its id among those configured, or not at all.
            _ => {
                if let Some(member) = self.ignored.iter().find(|member| **member == name) {
                    return self.ignore(member, &value);
                }
                return Err(match KEY_MEMBERS.iter().find(|member| **member == name) {
                    Some(member) => FormError::KeyReference { member },
                    None => FormError::UnknownMember,
                });
            }
        };
        // > The Header Parameter names within the JOSE Header MUST be unique; JWS parsers MUST
        // > either reject JWSs with duplicate Header Parameter names or use a JSON parser that
        // > returns only the lexically last duplicate member name [...].
        // RFC 7515 section 4
        if place.is_some() {
            return Err(FormError::Duplicate { member });
        }
        match value {
            Value::Text(text) => *place = Some(text),
            _ => return Err(FormError::Type { member }),
        }
        Ok(())
    }

    /// A member that an issuer writes although no verifier of ours needs it.
    fn ignore(&mut self, member: &'static str, value: &Value<'a>) -> Result<(), FormError> {
        if self.seen.contains(&member) {
            return Err(FormError::Duplicate { member });
        }
        if matches!(value, Value::Other) {
            return Err(FormError::Type { member });
        }
        self.seen.push(member);
        Ok(())
    }
}

const KEY_MEMBERS: [&str; 6] = ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"];

impl<'a> json::Members<'a> for Members<'a> {
    type Fault = FormError;

    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), Refused<FormError, A::Error>> {
        let value = map.next_value()?;
        self.put(name, value).map_err(Refused::Rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::json::JsonError;

    fn fault(json: &str) -> FormError {
        Header::parse(json.as_bytes(), &[]).unwrap_err()
    }

    #[test]
    fn three_members_in_any_order_are_read() {
        let header = Header::parse(
            br#" {"typ":"at+jwt" , "kid":"\u006b1","alg":"ES256"} "#,
            &[],
        )
        .unwrap();
        assert_eq!(
            (&*header.algorithm, &*header.key_id, header.kind()),
            ("ES256", "k1", Ok("at+jwt"))
        );
    }

    #[test]
    fn ignored_members_are_texts_that_appear_once() {
        let parse = |members: &str| {
            let json = format!(r#"{{"alg":"ES256","kid":"k"{members}}}"#);
            Header::parse(json.as_bytes(), &["x5t", "x5c"]).map(|header| header.kind.is_none())
        };
        assert_eq!(parse(""), Ok(true));
        assert_eq!(parse(r#","x5t":"a","x5c":["b","c"]"#), Ok(true));
        let member = "x5t";
        let twice = parse(r#","x5t":"a","x5t":"a""#);
        assert_eq!(twice, Err(FormError::Duplicate { member }));
        assert_eq!(parse(r#","x5t":{}"#), Err(FormError::Type { member }));
        let member = "jku";
        assert_eq!(
            parse(r#","jku":"a""#),
            Err(FormError::KeyReference { member })
        );
    }

    #[test]
    fn each_member_is_required_once_and_a_string() {
        let all = [("alg", "ES256"), ("kid", "k1"), ("typ", "at+jwt")];
        for (member, _) in all {
            let rest: Vec<_> = all
                .iter()
                .filter(|(name, _)| *name != member)
                .map(|(name, value)| format!(r#""{name}":"{value}""#))
                .collect();
            let rest = rest.join(",");
            let without = format!("{{{rest}}}");
            let header = Header::parse(without.as_bytes(), &[]);
            let kind = header.and_then(|header| header.kind().map(drop));
            assert_eq!(kind, Err(FormError::Missing { member }));
            for other in ["1", "null", "true", "[\"ES256\"]", "{}", "1.5"] {
                assert_eq!(
                    fault(&format!(r#"{{{rest},"{member}":{other}}}"#)),
                    FormError::Type { member }
                );
            }
            assert_eq!(
                fault(&format!(r#"{{"{member}":"a",{rest},"{member}":"b"}}"#)),
                FormError::Duplicate { member }
            );
        }
        // An escape does not hide a second member of the same name.
        assert_eq!(
            fault(r#"{"alg":"ES256","\u0061lg":"none"}"#),
            FormError::Duplicate { member: "alg" }
        );
    }

    #[test]
    fn dangerous_and_unknown_members_are_refused_by_name() {
        let with = |member: &str, value: &str| {
            fault(&format!(
                r#"{{"alg":"ES256","kid":"k","typ":"at+jwt","{member}":{value}}}"#
            ))
        };
        assert_eq!(with("crit", r#"["exp"]"#), FormError::Critical);
        assert_eq!(with("crit", "[]"), FormError::Critical);
        assert_eq!(with("zip", r#""DEF""#), FormError::Compressed);
        assert_eq!(with("b64", "false"), FormError::Unencoded);
        assert_eq!(with("enc", r#""A128GCM""#), FormError::Encrypted);
        assert_eq!(with("epk", "{}"), FormError::Encrypted);
        assert_eq!(with("cty", r#""JWT""#), FormError::ContentType);
        assert_eq!(with("nonce", r#""x""#), FormError::UnknownMember);
        for member in KEY_MEMBERS {
            let fault = with(member, r#"{"a":{"b":["c"]}}"#);
            assert_eq!(fault, FormError::KeyReference { member });
        }
    }

    #[test]
    fn a_header_is_one_json_object() {
        for other in ["[]", "1", "null", "\"alg\""] {
            let not_an_object = FormError::Json(JsonError::NotAnObject);
            assert_eq!(fault(other), not_an_object, "{other}");
        }
        for broken in ["", "{", "{}}", "{\"alg\":}", "{,}", "{} {}", "\u{feff}{}"] {
            assert!(matches!(fault(broken), FormError::Json(_)), "{broken}");
        }
        assert_eq!(
            Header::parse(b"{\"alg\":\"\xff\"}", &[]).unwrap_err(),
            FormError::Json(JsonError::NotUtf8)
        );
    }

    #[test]
    fn typ_is_a_media_type_with_or_without_its_prefix() {
        for good in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/At+Jwt",
        ] {
            assert!(media_type_is(good, "at+jwt"), "{good}");
        }
        for bad in [
            "",
            "JWT",
            "at+jwt ",
            "rt+jwt",
            "application/",
            "application/application/at+jwt",
            "text/at+jwt",
            "at+jwt; charset=utf-8",
            "é application/",
        ] {
            assert!(!media_type_is(bad, "at+jwt"), "{bad}");
        }
    }
}
