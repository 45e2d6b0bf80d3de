//! The issuer of an application's credentials: its name, keys and policy, and the claims that it writes.

use crate::access::custom::CustomClaims;
use crate::access::sign::{self, AccessToken};
use crate::binding::confirmation::Confirmation;
use crate::binding::record::Binding;
use crate::jose::object::Object;
use crate::keys::error::IssueError;
use crate::keys::ring::KeyRing;
use crate::session::change::Committed;
use crate::session::policy::Policy;
use crate::session::record::Session;
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

    /// Makes an access token alone, whatever the session's transport: for a back end that keeps the
    /// session itself and calls others in the user's name. `session` is as the store has it
    /// (`SessionManager::session` of `token-session`), `now` and `scope` are as in [`Self::issue`].
    ///
    /// ```compile_fail,E0308
    /// # use token_core::{Entropy, Session, TokenIssuer, UnixTime};
    /// # fn f(issuer: TokenIssuer, session: &Session, now: UnixTime, entropy: Entropy) {
    /// let token = issuer.access_token(session, &session.scope, now, entropy);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`IssueError::NotLive`] if the session has ended, [`IssueError::Elsewhere`] if the key is in a KMS or HSM,
    /// and others if the signature fails.
    pub fn access_token<const N: usize>(
        &self,
        session: &Committed<Session>,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<AccessToken, IssueError> {
        if !session.is_live(now) {
            let session = session.id;
            return Err(IssueError::NotLive { session });
        }
        let claims = self.claims(session, &session.claims, scope, now, entropy);
        self.keys_for(session).sign_access(&claims)
    }

    /// The keys that sign access tokens of the session: its client, or the audience, may have their own.
    pub(super) fn keys_for(&self, session: &Session) -> &KeyRing {
        self.access_keys
            .for_recipient(&session.client_id, &self.audience)
    }

    pub(super) fn refresh_token(
        &self,
        session: &Session,
        secret: &TokenSecret,
    ) -> Result<RefreshToken, IssueError> {
        self.refresh_keys
            .sign(session, secret, &self.issuer, &self.audience)
    }

    /// The claims of [RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2), then
    /// the application's own.
    pub(super) fn claims<const N: usize>(
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
