//! The issuer of an application's credentials: its name, keys and policy. How it issues is in `session/rule/issue`.

use crate::access::sign::AccessToken;
use crate::keys::error::IssueError;
use crate::keys::ring::KeyRing;
use crate::session::change::Committed;
use crate::session::policy::Policy;
use crate::session::record::Session;
use crate::session::refresh_token::RefreshKeyRing;
use crate::types::name::{Audience, Issuer};
use crate::types::scope::Scope;
use crate::types::secret::Entropy;
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
