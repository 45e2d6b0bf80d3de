//! Access tokens as they are issued ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).

use std::fmt;

use zeroize::Zeroizing;

use crate::access::custom::CustomClaims;
use crate::jose::base64url;
use crate::jose::jws::{MAX_LENGTH, MAX_SIGNATURE};
use crate::jose::object::Object;
use crate::keys::error::SignError;
use crate::keys::public::VerifyingKey;
use crate::keys::ring::KeyRing;
use crate::types::id::{SessionId, TokenId};
use crate::types::name::{Audience, ClientId, Issuer, Subject};
use crate::types::scope::Scope;
use crate::types::time::UnixTime;

/// An access token in compact form. It is a credential: redacted in `Debug`, wiped when dropped,
/// and read through [`Self::secret`] alone.
///
/// ```compile_fail,E0277
/// fn answer(token: &token_core::AccessToken) -> String {
///     serde_json::to_string(token).unwrap()
/// }
/// ```
/// ```compile_fail,E0277
/// fn log(token: &token_core::AccessToken) {
///     println!("{token}");
/// }
/// ```
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The text for the client. Handle with care.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

/// What an access token says.
pub(crate) struct AccessGrant<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) audience: &'a Audience,
    pub(crate) subject: &'a Subject,
    pub(crate) client_id: &'a ClientId,
    pub(crate) session_id: SessionId,
    pub(crate) scope: &'a Scope,
    pub(crate) auth_time: UnixTime,
    pub(crate) acr: Option<&'a str>,
    pub(crate) amr: &'a [Box<str>],
    pub(crate) custom: &'a CustomClaims,
    pub(crate) issued_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    pub(crate) id: TokenId,
}

impl KeyRing {
    /// Signs an access token with the current key.
    pub(crate) fn sign_access(&self, grant: &AccessGrant<'_>) -> Result<AccessToken, SignError> {
        let unsigned = self.prepare_access(grant)?;
        let mut signature = [0; MAX_SIGNATURE];
        let input = unsigned.signing_input().as_bytes();
        let length = self.current().sign(input, &mut signature)?;
        Ok(unsigned.with(signature.get(..length).unwrap_or_default()))
    }

    /// All of an access token but its signature.
    pub(crate) fn prepare_access(
        &self,
        grant: &AccessGrant<'_>,
    ) -> Result<UnsignedToken, SignError> {
        let claims = grant.to_json();
        let signature_length = self.current().verifying_key().signature_length();
        let length = self.header().len()
            + base64url::encoded_length(claims.len())
            + base64url::encoded_length(signature_length)
            + 2;
        if length > MAX_LENGTH {
            return Err(SignError::TooLong { length });
        }
        let mut token = Zeroizing::new(String::with_capacity(length));
        token.push_str(self.header());
        token.push('.');
        base64url::encode(&claims, &mut token);
        Ok(UnsignedToken(token))
    }
}

/// The first two parts of a token, with room for the third.
pub(crate) struct UnsignedToken(Zeroizing<String>);

impl UnsignedToken {
    /// What is to be signed ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)).
    pub(crate) fn signing_input(&self) -> &str {
        &self.0
    }

    /// The token, with a signature that was made elsewhere and fits.
    pub(crate) fn signed(
        self,
        signature: &[u8],
        key: &VerifyingKey,
    ) -> Result<AccessToken, SignError> {
        if key.verify(self.0.as_bytes(), signature) {
            Ok(self.with(signature))
        } else {
            let id = key.id().clone();
            Err(SignError::Signature { id })
        }
    }

    fn with(mut self, signature: &[u8]) -> AccessToken {
        self.0.push('.');
        base64url::encode(signature, &mut self.0);
        AccessToken(self.0)
    }
}

impl AccessGrant<'_> {
    /// The claims of [RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2), then the application's own.
    fn to_json(&self) -> Vec<u8> {
        let mut json = Object::with_capacity(512 + self.custom.as_str().len());
        begin(&mut json, self.issuer, self.audience);
        json.text("sub", self.subject.as_str());
        json.text("client_id", self.client_id.as_str());
        json.text("sid", self.session_id.encode(&mut [0; 24]));
        json.text("jti", self.id.encode(&mut [0; 22]));
        json.number("iat", self.issued_at.as_secs());
        json.number("exp", self.expires_at.as_secs());
        json.number("auth_time", self.auth_time.as_secs());
        // > If an authorization request includes a scope parameter, the corresponding issued JWT
        // > access token SHOULD include a "scope" claim as defined in Section 4.2 of [RFC8693].
        // RFC 9068 section 2.2.3
        if !self.scope.is_empty() {
            json.text("scope", self.scope.as_str());
        }
        if let Some(acr) = self.acr {
            json.text("acr", acr);
        }
        if !self.amr.is_empty() {
            json.value("amr", self.amr);
        }
        json.finish(self.custom.members())
    }
}

/// The claims that every access token of an issuer for an audience begins with.
fn begin(json: &mut Object, issuer: &Issuer, audience: &Audience) {
    json.text("iss", issuer.as_str());
    json.text("aud", audience.as_str());
}

/// What stands between one member of an object and the name of the next.
pub(crate) const BEFORE_NAME: &[u8] = b",\"";

/// The text with which the claims of every such token begin, up to the name of the next claim.
pub(crate) fn beginning(issuer: &Issuer, audience: &Audience) -> Vec<u8> {
    let mut json = Object::with_capacity(64);
    begin(&mut json, issuer, audience);
    let mut text = json.finish("");
    text.pop(); // the brace that closes it
    text.extend_from_slice(BEFORE_NAME);
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;
    use crate::access::token::{ClaimsBuffer, UntrustedToken};
    use crate::access::verify::Verifier;
    use crate::keys::algorithm::Algorithm;
    use crate::keys::private::SigningKey;
    use crate::keys::testing;
    use crate::types::secret::Entropy;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Profile<'a> {
        #[serde(borrow)]
        name: &'a str,
    }

    #[test]
    fn what_is_signed_is_what_is_verified_with_every_algorithm() {
        let now = UnixTime::from_secs(1_700_000_000).unwrap();
        let issuer = Issuer::new("https://id.example").unwrap();
        let audience = Audience::new("https://api.example").unwrap();
        for algorithm in Algorithm::ALL {
            let ring = KeyRing::new(testing::key(algorithm));
            let subject = Subject::new(r#"ali"ce\ Zoë"#).unwrap();
            let grant = AccessGrant {
                issuer: &issuer,
                audience: &audience,
                subject: &subject,
                client_id: &ClientId::new("web").unwrap(),
                session_id: SessionId::from_bytes([3; 18]),
                scope: &"notes:read notes:write".parse().unwrap(),
                auth_time: now - Duration::from_mins(1),
                acr: Some("1"),
                amr: &["pwd".into(), "otp".into()],
                custom: &CustomClaims::from_json(r#"{ "name":"Alice", "x":[1,{"iss":2}] }"#)
                    .unwrap(),
                issued_at: now,
                expires_at: now + Duration::from_mins(5),
                id: TokenId::new(Entropy::new([4; 64])),
            };
            let token = ring.sign_access(&grant).unwrap();
            let verifier = Verifier::builder(issuer.clone(), audience.clone())
                .keys(&ring)
                .build()
                .unwrap();
            let untrusted = UntrustedToken::parse(token.secret()).unwrap();
            let mut buffer = ClaimsBuffer::new();
            let accepted = verifier.verify_borrowed::<Profile<'_>>(untrusted, now, &mut buffer);
            let accepted = accepted.unwrap();
            let claims = accepted.claims();
            assert_eq!(claims.subject, subject.as_str());
            assert_eq!(claims.custom, Profile { name: "Alice" });
            assert_eq!((claims.id, claims.session_id), (grant.id, grant.session_id));
            assert_eq!(*claims.amr, ["pwd", "otp"]);
            let owned = accepted.into_owned().into_claims();
            assert_eq!((&owned.subject, &owned.scope), (&subject, grant.scope));
        }
    }

    #[test]
    fn a_token_that_would_be_refused_is_not_issued() {
        let key = SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap();
        let long = "\"".repeat(255); // each takes two bytes in JSON
        let amr: Vec<Box<str>> = (0..40).map(|_| long.as_str().into()).collect();
        let now = UnixTime::EPOCH;
        let grant = AccessGrant {
            issuer: &Issuer::new("i").unwrap(),
            audience: &Audience::new("a").unwrap(),
            subject: &Subject::new("s").unwrap(),
            client_id: &ClientId::new("c").unwrap(),
            session_id: SessionId::from_bytes([3; 18]),
            scope: &Scope::default(),
            auth_time: now,
            acr: None,
            amr: &amr,
            custom: &CustomClaims::default(),
            issued_at: now,
            expires_at: now,
            id: TokenId::new(Entropy::new([4; 64])),
        };
        let refused = KeyRing::new(key).sign_access(&grant);
        assert!(matches!(refused, Err(SignError::TooLong { .. })));
    }
}
