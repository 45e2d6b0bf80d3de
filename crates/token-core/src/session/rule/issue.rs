//! Makes what leaves the server: token pairs and session cookies, from a committed session and nothing
//! else.

use std::fmt;

use crate::access::custom::CustomClaims;
use crate::access::sign::{self, UnsignedToken};
use crate::binding::confirmation::Confirmation;
use crate::binding::record::Binding;
use crate::jose::object::Object;
use crate::keys::error::IssueError;
use crate::keys::public::VerifyingKey;
use crate::keys::ring::KeyRing;
use crate::session::credentials::{Credentials, TokenPair};
use crate::session::issue::TokenIssuer;
use crate::session::record::{Session, Transport};
use crate::session::refresh_token::RefreshToken;
use crate::session::rule::cookie::SessionToken;
use crate::session::rule::granted::{Granted, Pending};
use crate::types::id::TokenId;
use crate::types::scope::Scope;
use crate::types::secret::{Entropy, TokenHash, TokenSecret};
use crate::types::time::UnixTime;

impl TokenIssuer {
    /// Makes the credentials of a session that the store has, as its transport wants them.
    ///
    /// `now` becomes the `iat` of the access token and `scope` its scope, usually the session's. The
    /// refresh token depends on the session alone: the same session gives the same token.
    ///
    /// # Errors
    /// [`IssueError`] if a key is missing or the signature fails. The session is committed all the same;
    /// the client asks again and gets the same refresh token.
    pub fn issue<const N: usize>(
        &self,
        granted: &Granted,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Prepared, IssueError> {
        let (session, secret, claims) = (granted.session(), granted.secret(), granted.claims());
        let made = self.make(session, secret, claims, scope, now, entropy)?;
        Ok(Prepared::new(made, session.token_hash))
    }

    /// Makes the credentials of a session before it is committed, so that nothing can fail after it.
    /// `session` is what the write makes of it ([`Change::apply`](crate::session::Change::apply)); for a login it is the write.
    ///
    /// It is stricter than [`Self::issue`]: an access token of such a session must not become too long
    /// with any key, so that a later refresh does not fail for its length.
    ///
    /// # Errors
    /// [`IssueError`] if a key is missing, the signature fails, or the token is too long.
    pub fn issue_ahead<const N: usize>(
        &self,
        pending: &Pending,
        session: &Session,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Prepared, IssueError> {
        self.measure(session, now)?;
        let (secret, claims) = (&pending.secret, &session.claims);
        let made = self.make(session, secret, claims, scope, now, entropy)?;
        Ok(Prepared::new(made, pending.hash))
    }

    fn make<const N: usize>(
        &self,
        session: &Session,
        secret: &TokenSecret,
        claims: &CustomClaims,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Made, IssueError> {
        if session.transport == Transport::Session {
            let token = SessionToken::new(session.id, secret);
            return Ok(Made::Ready(Credentials::Session(token)));
        }
        let claims = self.claims(session, claims, scope, now, entropy);
        let keys = self.keys_for(session);
        let access_expires_at = self.policy.access_expires_at(session, now);
        let refresh_token = self.refresh_token(session, secret)?;
        Ok(if keys.current().is_elsewhere() {
            Made::Unsigned(UnsignedPair {
                access_token: keys.prepare_access(&claims)?,
                access_expires_at,
                refresh_token,
                key: keys.current().verifying_key().clone(),
            })
        } else {
            Made::Ready(Credentials::Tokens(TokenPair {
                access_token: keys.sign_access(&claims)?,
                access_expires_at,
                refresh_token,
            }))
        })
    }

    /// Measures whether access tokens of the session fit, whatever key signs them and whatever their scope.
    ///
    /// # Errors
    /// [`IssueError`] if they do not: its own claims are too long.
    pub fn measure(&self, session: &Session, now: UnixTime) -> Result<(), IssueError> {
        if session.transport == Transport::Session {
            return Ok(());
        }
        let (scope, entropy) = (&session.scope, Entropy::new([0; 16]));
        let claims = self.claims(session, &session.claims, scope, now, entropy);
        sign::fits_any_key(claims.len())
    }

    /// The keys that sign access tokens of the session: its client, or the audience, may have their own.
    pub(in crate::session) fn keys_for(&self, session: &Session) -> &KeyRing {
        self.access_keys
            .for_recipient(&session.client_id, &self.audience)
    }

    fn refresh_token(
        &self,
        session: &Session,
        secret: &TokenSecret,
    ) -> Result<RefreshToken, IssueError> {
        self.refresh_keys
            .sign(session, secret, &self.issuer, &self.audience)
    }

    /// The claims of [RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2), then
    /// the application's own.
    pub(in crate::session) fn claims<const N: usize>(
        &self,
        session: &Session,
        custom: &CustomClaims,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Vec<u8> {
        let authentication = &session.authentication;
        let mut json = Object::with_capacity(512 + custom.as_str().len());
        sign::begin(&mut json, &self.issuer, &self.audience);
        json.text("sub", session.subject.as_str());
        json.text("client_id", session.client_id.as_str());
        json.text("sid", session.id.encode(&mut [0; 24]));
        json.text("jti", TokenId::new(entropy).encode(&mut [0; 22]));
        json.number("iat", now.as_secs());
        json.number("exp", self.policy.access_expires_at(session, now).as_secs());
        json.number("auth_time", authentication.time.as_secs());
        // > If an authorization request includes a scope parameter, the corresponding issued JWT
        // > access token SHOULD include a "scope" claim as defined in Section 4.2 of [RFC8693].
        // RFC 9068 section 2.2.3
        if !scope.is_empty() {
            json.text("scope", scope.as_str());
        }
        if let Some(acr) = &authentication.acr {
            json.text("acr", acr);
        }
        if !authentication.amr.is_empty() {
            json.value("amr", &authentication.amr);
        }
        if let Binding::Key(key) = session.binding {
            json.value("cnf", &Confirmation(key));
        }
        json.finish(custom.members())
    }
}

/// Credentials that nobody has yet. They can be used for nothing until [`give_out`](Self::give_out) is shown the
/// session that the store has; if the write does not happen, they are dropped.
///
/// If the private half of the key is in a KMS or HSM ([`SigningKey::elsewhere`](crate::SigningKey::elsewhere)), the
/// access token is still to be signed, and is not given out before that:
///
/// ```
/// # use token_core::session::rule::{Granted, Prepared};
/// # use token_core::session::{Credentials, IssueError};
/// /// `kms` signs with the key of that id.
/// fn give_out(
///     prepared: Prepared,
///     granted: &Granted,
///     kms: impl Fn(&str, &[u8]) -> Vec<u8>,
/// ) -> Result<Credentials, IssueError> {
///     let signature = prepared.to_sign().map(|(key, input)| kms(key.id().as_str(), input));
///     match signature {
///         Some(signature) => prepared.signed(&signature)?.give_out(granted),
///         None => prepared.give_out(granted),
///     }
/// }
/// ```
///
/// There is no other way to what is in it:
///
/// ```compile_fail,E0599
/// # use token_core::session::rule::Prepared;
/// # fn f(prepared: Prepared) {
/// prepared.credentials();
/// # }
/// ```
/// ```compile_fail,E0616
/// # use token_core::session::Credentials;
/// # use token_core::session::rule::Prepared;
/// # fn f(prepared: Prepared) -> Credentials {
/// prepared.credentials
/// # }
/// ```
/// and a session that may not be stored is not enough:
///
/// ```compile_fail,E0308
/// # use token_core::Session;
/// # use token_core::session::rule::Prepared;
/// # fn f(prepared: Prepared, session: &Session) {
/// let credentials = prepared.give_out(session);
/// # }
/// ```
#[must_use = "nobody has these credentials yet"]
pub struct Prepared {
    credentials: Made,
    hash: TokenHash,
}

/// Credentials with or without their signature.
enum Made {
    Ready(Credentials),
    Unsigned(UnsignedPair),
}

/// A pair of tokens whose access token is to be signed elsewhere.
struct UnsignedPair {
    access_token: UnsignedToken,
    access_expires_at: UnixTime,
    refresh_token: RefreshToken,
    key: VerifyingKey,
}

impl Prepared {
    /// `hash` is that of the credential's secret.
    const fn new(credentials: Made, hash: TokenHash) -> Self {
        Self { credentials, hash }
    }

    /// The key that has to sign, and what is to be signed: the first two parts of the access token
    /// ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)). `None` if nothing is left to
    /// sign: the key was here, or it is a session cookie.
    pub fn to_sign(&self) -> Option<(&VerifyingKey, &[u8])> {
        match &self.credentials {
            Made::Ready(_) => None,
            Made::Unsigned(pair) => Some((&pair.key, pair.access_token.signing_input().as_bytes())),
        }
    }

    /// The same with the signature of what [`to_sign`](Self::to_sign) gave, in the form of
    /// [RFC 7518 section 3](https://www.rfc-editor.org/rfc/rfc7518#section-3): of ECDSA that is R and S beside each
    /// other, not DER. If nothing is left to sign, it is not looked at.
    ///
    /// # Errors
    /// [`IssueError::Signature`] if it is not that of the key.
    pub fn signed(self, signature: &[u8]) -> Result<Self, IssueError> {
        let credentials = match self.credentials {
            Made::Ready(credentials) => credentials,
            Made::Unsigned(pair) => Credentials::Tokens(TokenPair {
                access_token: pair.access_token.signed(signature, &pair.key)?,
                access_expires_at: pair.access_expires_at,
                refresh_token: pair.refresh_token,
            }),
        };
        Ok(Self::new(Made::Ready(credentials), self.hash))
    }

    /// The credentials, for the session that they were made for, as the store has it.
    ///
    /// # Errors
    /// [`IssueError::CredentialMismatch`] if the session holds another credential, and [`IssueError::Elsewhere`]
    /// if the access token is still to be signed.
    pub fn give_out(self, granted: &Granted) -> Result<Credentials, IssueError> {
        let session = granted.session();
        // The hash of a random or derived secret: no other session and no other generation has it.
        if session.token_hash != self.hash {
            return Err(IssueError::CredentialMismatch {
                session: session.id,
                generation: session.generation,
            });
        }
        match self.credentials {
            Made::Ready(credentials) => Ok(credentials),
            Made::Unsigned(_) => Err(IssueError::Elsewhere),
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;
    use crate::access::bounds::Expiry;
    use crate::access::claims::BorrowedClaims;
    use crate::access::token::UntrustedToken;
    use crate::access::verify::Verifier;
    use crate::jose::base64url::Room;
    use crate::keys::algorithm::Algorithm;
    use crate::keys::private::SigningKey;
    use crate::keys::testing;
    use crate::session::change::Committed;
    use crate::session::record::{Authentication, Device};
    use crate::session::refresh_token::{RefreshKey, RefreshKeyRing};
    use crate::session::rule::rotation::{self, Login};
    use crate::types::count::Epoch;
    use crate::types::id::Bucket;
    use crate::types::name::{ClientId, Subject};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Profile<'a> {
        #[serde(borrow)]
        name: &'a str,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct OwnedProfile {
        name: String,
    }

    fn issuer(key: SigningKey) -> TokenIssuer {
        let refresh_key = RefreshKey::new("r1".parse().unwrap(), &[7; 32]).unwrap();
        let issuer = "https://id.example".parse().unwrap();
        TokenIssuer::builder(issuer, "https://api.example".parse().unwrap())
            .build(KeyRing::new(key), RefreshKeyRing::new(refresh_key))
    }

    fn granted(issuer: &TokenIssuer, amr: Vec<Box<str>>, claims: &str, now: UnixTime) -> Granted {
        let (session, pending) = pending(issuer, amr, claims, now, 3);
        pending.committed(Committed::assertion(session)).unwrap()
    }

    fn pending(
        issuer: &TokenIssuer,
        amr: Vec<Box<str>>,
        claims: &str,
        now: UnixTime,
        seed: u8,
    ) -> (Session, Pending) {
        let login = Login {
            subject: Subject::new(r#"ali"ce\ Zoë"#).unwrap(),
            epoch: Epoch::default(),
            client_id: ClientId::new("web").unwrap(),
            transport: Transport::Header,
            scope: "notes:read notes:write".parse().unwrap(),
            authentication: Authentication {
                time: now - Duration::from_mins(1),
                acr: Some("1".into()),
                amr,
            },
            remember: false,
            claims: CustomClaims::from_json(claims).unwrap(),
            device: Device::default(),
        };
        let bucket = Bucket(0);
        let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
        let entropy = Entropy::new([seed; 64]);
        rotation::open(login, bucket, policy, keys, now, entropy)
    }

    #[test]
    fn credentials_made_ahead_are_given_for_the_session_they_were_made_for() {
        let issuer = issuer(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap());
        let now = UnixTime::EPOCH + Duration::from_hours(1);
        let ahead = |(session, pending): &(Session, Pending)| {
            let entropy = Entropy::new([4; 64]);
            issuer.issue_ahead(pending, session, &Scope::default(), now, entropy)
        };
        let commit = |(session, pending): (Session, Pending)| {
            pending.committed(Committed::assertion(session)).unwrap()
        };
        let [own, other] = [3, 4].map(|seed| pending(&issuer, Vec::new(), "{}", now, seed));
        let (early, late) = (ahead(&own).unwrap(), ahead(&own).unwrap());
        assert_eq!(format!("{early:?}"), "Prepared { .. }");
        let refused = early.give_out(&commit(other));
        assert!(matches!(
            refused,
            Err(IssueError::CredentialMismatch { .. })
        ));
        let granted = commit(own);
        let Credentials::Tokens(pair) = late.give_out(&granted).unwrap() else {
            unreachable!("the transport is `header`")
        };
        let entropy = Entropy::new([4; 64]);
        let same = issuer.issue(&granted, &Scope::default(), now, entropy);
        let Credentials::Tokens(same) = same.unwrap().give_out(&granted).unwrap() else {
            unreachable!("the transport is `header`")
        };
        assert_eq!(pair.refresh_token.secret(), same.refresh_token.secret());
        assert_eq!(pair.access_token.secret(), same.access_token.secret());
    }

    #[test]
    fn a_pair_that_is_signed_elsewhere_is_given_out_once_it_is_signed() {
        let here = SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap();
        let elsewhere = SigningKey::elsewhere(here.verifying_key().clone()).unwrap();
        let issuer = issuer(elsewhere);
        let now = UnixTime::EPOCH + Duration::from_hours(1);
        let granted = granted(&issuer, Vec::new(), "{}", now);
        let issue = || {
            let entropy = Entropy::new([4; 64]);
            issuer.issue(&granted, &Scope::default(), now, entropy)
        };
        let unsigned = issue().unwrap();
        let refused = unsigned.give_out(&granted);
        assert!(matches!(refused, Err(IssueError::Elsewhere)));
        let wrong = issue().unwrap().signed(&[0; 64]);
        assert!(matches!(wrong, Err(IssueError::Signature { .. })));
        let prepared = issue().unwrap();
        let (key, input) = prepared.to_sign().unwrap();
        assert_eq!(key.id(), here.id());
        let mut signature = [0; 64];
        here.sign(input, &mut signature).unwrap();
        let prepared = prepared.signed(&signature).unwrap();
        assert!(prepared.to_sign().is_none());
        let Credentials::Tokens(pair) = prepared.give_out(&granted).unwrap() else {
            unreachable!("the transport is `header`")
        };
        let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone())
            .keys(issuer.access_keys.verifying_keys());
        let token = UntrustedToken::parse(pair.access_token.secret()).unwrap();
        verifier.build().unwrap().check(token, now).unwrap();
    }

    #[test]
    fn an_ended_session_gets_no_access_token_alone() {
        let issuer = issuer(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap());
        let now = UnixTime::EPOCH + Duration::from_hours(1);
        let granted = granted(&issuer, Vec::new(), "{}", now);
        let session = granted.session();
        let token = |now| {
            let entropy = Entropy::new([4; 64]);
            issuer.access_token(session, &session.scope, now, entropy)
        };
        let end = session.expires_at();
        assert!(token(end - Duration::from_secs(1)).is_ok());
        assert!(matches!(token(end), Err(IssueError::NotLive { .. })));
    }

    /// A refresh that only writes, and does not read before, relies on it.
    #[test]
    fn a_session_is_not_opened_whose_tokens_would_be_too_long_with_another_key() {
        let issuer = issuer(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap());
        let now = UnixTime::EPOCH + Duration::from_hours(1);
        let amr: Vec<Box<str>> = vec!["a".repeat(255).into(); 20];
        let granted = granted(&issuer, amr.clone(), "{}", now);
        let scope = Scope::default();
        assert!(
            issuer
                .issue(&granted, &scope, now, Entropy::new([4; 64]))
                .is_ok()
        );
        let (session, pending) = pending(&issuer, amr, "{}", now, 3);
        let entropy = Entropy::new([4; 64]);
        let refused = issuer.issue_ahead(&pending, &session, &scope, now, entropy);
        assert!(matches!(refused, Err(IssueError::TooLong { .. })));
    }

    #[test]
    fn an_issued_token_is_verified_with_every_algorithm() {
        let now = UnixTime::from_secs(1_700_000_000).unwrap();
        for &algorithm in Algorithm::ALL {
            let issuer = issuer(testing::key(algorithm));
            let amr = vec!["pwd".into(), "otp".into()];
            let claims = r#"{ "name":"Alice", "x":[1,{"iss":2}] }"#;
            let granted = granted(&issuer, amr, claims, now);
            let session = granted.session();
            let entropy = Entropy::new([4; 64]);
            let token = issuer.access_token(session, &session.scope, now, entropy);
            let token = token.unwrap();
            let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone())
                .keys(issuer.access_keys.verifying_keys())
                .build()
                .unwrap();
            let untrusted = UntrustedToken::parse(token.secret()).unwrap();
            let (mut buffer, mut claims) = (Room::new(), BorrowedClaims::default());
            let profile: Profile<'_> = verifier
                .accept(untrusted, now, Expiry::Enforce, &mut buffer, &mut claims)
                .unwrap();
            assert_eq!(profile, Profile { name: "Alice" });
            assert_eq!(claims.subject.as_deref(), Some(session.subject.as_str()));
            assert_eq!(claims.session_id, Some(session.id));
            assert_eq!(claims.id, Some(TokenId::new(Entropy::new([4; 64]))));
            assert_eq!(*claims.amr.unwrap(), ["pwd", "otp"]);
            let owned = verifier.verify::<OwnedProfile>(untrusted, now).unwrap();
            let owned = owned.into_claims();
            assert_eq!(owned.custom.name, "Alice");
            assert_eq!(
                (&owned.subject, &owned.scope),
                (&session.subject, &session.scope)
            );
        }
    }

    #[test]
    fn a_token_that_would_be_refused_is_not_issued() {
        let issuer = issuer(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap());
        let long = "\"".repeat(255); // each takes two bytes in JSON
        let amr = (0..40).map(|_| long.as_str().into()).collect();
        let now = UnixTime::EPOCH + Duration::from_hours(1);
        let granted = granted(&issuer, amr, "{}", now);
        let refused = issuer.issue(&granted, &Scope::default(), now, Entropy::new([4; 64]));
        assert!(matches!(refused, Err(IssueError::TooLong { .. })));
    }
}
