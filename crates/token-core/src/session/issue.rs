//! Makes what leaves the server: token pairs and session cookies, from a committed session and nothing
//! else.

use crate::access::custom::CustomClaims;
use crate::access::sign::{self, AccessToken};
use crate::binding::confirmation::Confirmation;
use crate::binding::record::Binding;
use crate::jose::object::Object;
use crate::keys::error::IssueError;
use crate::keys::ring::KeyRing;
use crate::session::change::{Granted, Pending};
use crate::session::cookie::SessionToken;
use crate::session::credentials::{Credentials, TokenPair, Uncommitted, UnsignedPair};
use crate::session::policy::Policy;
use crate::session::record::{Session, Transport};
use crate::session::refresh_token::{RefreshKeyRing, RefreshToken};
use crate::types::id::TokenId;
use crate::types::name::{Audience, Issuer};
use crate::types::scope::Scope;
use crate::types::secret::{Entropy, TokenSecret};
use crate::types::time::UnixTime;

/// Issues credentials with one issuer's name, keys and policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenIssuer {
    /// The `iss` of every token.
    pub issuer: Issuer,
    /// The `aud` of every token.
    pub audience: Audience,
    /// Signs access tokens.
    pub access_keys: KeyRing,
    /// Signs and derives refresh tokens.
    pub refresh_keys: RefreshKeyRing,
    /// Lifetimes and tolerances.
    pub policy: Policy,
}

impl TokenIssuer {
    /// Starts with the `iss` and `aud` of every token, and the default [`Policy`].
    ///
    /// An application takes the rings from its key file (`Keys::rings` in `token-keys`) or makes them from
    /// keys of its own, gives the issuer to `SessionManager::builder` of `token-session`, and needs none
    /// of the other functions here. For a first try there is `ephemeral_issuer` in `token-session`.
    ///
    /// ```
    /// use token_core::types::InvalidValue;
    /// use token_core::{KeyRing, RefreshKeyRing, TokenIssuer};
    ///
    /// fn issuer(access: KeyRing, refresh: RefreshKeyRing) -> Result<TokenIssuer, InvalidValue> {
    ///     let (issuer, audience) = ("https://id.example".parse()?, "https://api.example".parse()?);
    ///     Ok(TokenIssuer::builder(issuer, audience).build(access, refresh))
    /// }
    /// # use token_core::{Algorithm, Entropy, RefreshKey, SigningKey};
    /// # let access = KeyRing::new(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64]))?);
    /// # issuer(access, RefreshKeyRing::new(RefreshKey::new("r1".parse()?, &[7; 32])?))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(issuer: Issuer, audience: Audience) -> TokenIssuerBuilder {
        TokenIssuerBuilder {
            issuer,
            audience,
            policy: Policy::default(),
        }
    }

    /// Makes the credentials of a session, as its transport wants them.
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
    ) -> Result<Credentials, IssueError> {
        self.make(Basis::of(granted), scope, now, entropy)
    }

    /// Makes the credentials of a session before it is committed, so that nothing can fail after it.
    /// `session` is what the write makes of it ([`Change::apply`](crate::session::Change::apply)); for a login it is the write.
    ///
    /// It is stricter than [`Self::issue`]: an access token of such a session must not become too long
    /// with any key, so that a later refresh does not fail for its length.
    ///
    /// # Errors
    /// [`IssueError`] if a key is missing, the signature fails, or the token is too long.
    pub fn issue_ahead<W, const N: usize>(
        &self,
        pending: &Pending<W>,
        session: &Session,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Uncommitted<Credentials>, IssueError> {
        let basis = Basis::ahead(pending, session);
        self.measure(session, now)?;
        let credentials = self.make(basis, scope, now, entropy)?;
        Ok(Uncommitted::new(credentials, pending))
    }

    /// The same as [`Self::issue_ahead`], but for the signature of the access token, as
    /// [`Self::prepare`].
    ///
    /// # Errors
    /// As [`Self::issue_ahead`].
    pub fn prepare_ahead<W, const N: usize>(
        &self,
        pending: &Pending<W>,
        session: &Session,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Uncommitted<Credentials<UnsignedPair>>, IssueError> {
        let basis = Basis::ahead(pending, session);
        self.measure(session, now)?;
        let credentials = self.make_unsigned(basis, scope, now, entropy)?;
        Ok(Uncommitted::new(credentials, pending))
    }

    fn make<const N: usize>(
        &self,
        basis: Basis<'_>,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Credentials, IssueError> {
        let session = basis.session;
        if session.transport == Transport::Session {
            let token = SessionToken::new(session.id, basis.secret);
            return Ok(Credentials::Session(token));
        }
        let claims = self.claims(session, basis.claims, scope, now, entropy);
        Ok(Credentials::Tokens(TokenPair {
            access_expires_at: self.policy.access_expires_at(session, now),
            refresh_token: self.refresh_token(&basis)?,
            access_token: self.keys_for(session).sign_access(&claims)?,
        }))
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

    /// Makes an access token alone, whatever the session's transport: for a back end that keeps the
    /// session itself and calls others in the user's name. `now` and `scope` are as in [`Self::issue`].
    ///
    /// # Errors
    /// [`IssueError`] if the signature fails.
    pub fn access_token<const N: usize>(
        &self,
        granted: &Granted,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<AccessToken, IssueError> {
        let claims = self.claims(granted.session(), granted.claims(), scope, now, entropy);
        self.keys_for(granted.session()).sign_access(&claims)
    }

    /// Makes all but the signature of the access token, for a key whose private half is in a
    /// KMS or HSM ([`SigningKey::elsewhere`](crate::SigningKey::elsewhere)).
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn prepare<const N: usize>(
        &self,
        granted: &Granted,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Credentials<UnsignedPair>, IssueError> {
        self.make_unsigned(Basis::of(granted), scope, now, entropy)
    }

    fn make_unsigned<const N: usize>(
        &self,
        basis: Basis<'_>,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Credentials<UnsignedPair>, IssueError> {
        let session = basis.session;
        if session.transport == Transport::Session {
            let token = SessionToken::new(session.id, basis.secret);
            return Ok(Credentials::Session(token));
        }
        let claims = self.claims(session, basis.claims, scope, now, entropy);
        let keys = self.keys_for(session);
        Ok(Credentials::Tokens(UnsignedPair {
            access_expires_at: self.policy.access_expires_at(session, now),
            refresh_token: self.refresh_token(&basis)?,
            access_token: keys.prepare_access(&claims)?,
            key: keys.current().verifying_key().clone(),
        }))
    }

    /// The keys that sign access tokens of the session: its client, or the audience, may have their own.
    pub fn keys_for(&self, session: &Session) -> &KeyRing {
        self.access_keys
            .for_recipient(&session.client_id, &self.audience)
    }

    fn refresh_token(&self, basis: &Basis<'_>) -> Result<RefreshToken, IssueError> {
        let (session, secret) = (basis.session, basis.secret);
        self.refresh_keys
            .sign(session, secret, &self.issuer, &self.audience)
    }

    /// The claims of [RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2), then
    /// the application's own.
    fn claims<const N: usize>(
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

/// What credentials are made of.
#[derive(Clone, Copy)]
struct Basis<'a> {
    session: &'a Session,
    secret: &'a TokenSecret,
    claims: &'a CustomClaims,
}

impl<'a> Basis<'a> {
    /// A session that the store has.
    fn of(granted: &'a Granted) -> Self {
        Self {
            session: granted.session(),
            secret: granted.secret(),
            claims: granted.claims(),
        }
    }

    /// A session as a write makes it.
    fn ahead<W>(pending: &'a Pending<W>, session: &'a Session) -> Self {
        Self {
            session,
            secret: &pending.secret,
            claims: &session.claims,
        }
    }
}

/// Builds a [`TokenIssuer`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenIssuerBuilder {
    issuer: Issuer,
    audience: Audience,
    policy: Policy,
}

impl TokenIssuerBuilder {
    /// Lifetimes and tolerances.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// An issuer that signs access tokens with the first keys, and refresh tokens with the others.
    pub fn build(self, access_keys: KeyRing, refresh_keys: RefreshKeyRing) -> TokenIssuer {
        TokenIssuer {
            issuer: self.issuer,
            audience: self.audience,
            access_keys,
            refresh_keys,
            policy: self.policy,
        }
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
    use crate::session::refresh_token::RefreshKey;
    use crate::session::rotation::{self, Login};
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
        let pending = pending(issuer, amr, claims, now, 3);
        let session = Committed::assertion(pending.write.clone());
        pending.committed(session).unwrap()
    }

    fn pending(
        issuer: &TokenIssuer,
        amr: Vec<Box<str>>,
        claims: &str,
        now: UnixTime,
        seed: u8,
    ) -> Pending<Session> {
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
        let bucket = Bucket::from_byte(0);
        let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
        let entropy = Entropy::new([seed; 64]);
        rotation::open(login, bucket, policy, keys, now, entropy)
    }

    #[test]
    fn credentials_made_ahead_are_given_for_the_session_they_were_made_for() {
        let issuer = issuer(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64])).unwrap());
        let now = UnixTime::EPOCH + Duration::from_hours(1);
        let ahead = |pending: &Pending<Session>| {
            let entropy = Entropy::new([4; 64]);
            issuer.issue_ahead(pending, &pending.write, &Scope::default(), now, entropy)
        };
        let commit = |pending: Pending<Session>| {
            let session = Committed::assertion(pending.write.clone());
            pending.committed(session).unwrap()
        };
        let [own, other] = [3, 4].map(|seed| pending(&issuer, Vec::new(), "{}", now, seed));
        let (early, late) = (ahead(&own).unwrap(), ahead(&own).unwrap());
        assert_eq!(format!("{early:?}"), "Uncommitted { .. }");
        let refused = early.committed(&commit(other));
        assert!(matches!(
            refused,
            Err(IssueError::CredentialMismatch { .. })
        ));
        let granted = commit(own);
        let Credentials::Tokens(pair) = late.committed(&granted).unwrap() else {
            unreachable!("the transport is `header`")
        };
        let entropy = Entropy::new([4; 64]);
        let same = issuer.issue(&granted, &Scope::default(), now, entropy);
        let Credentials::Tokens(same) = same.unwrap() else {
            unreachable!("the transport is `header`")
        };
        assert_eq!(pair.refresh_token.secret(), same.refresh_token.secret());
        assert_eq!(pair.access_token.secret(), same.access_token.secret());
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
        let pending = pending(&issuer, amr, "{}", now, 3);
        let entropy = Entropy::new([4; 64]);
        let refused = issuer.issue_ahead(&pending, &pending.write, &scope, now, entropy);
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
            let token = issuer.access_token(&granted, &session.scope, now, entropy);
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
