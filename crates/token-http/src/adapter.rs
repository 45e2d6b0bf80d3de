//! What an adapter is made with: macros that write the same methods for each framework, and the
//! types that they name.

mod custom_renewals;

pub use token_core::session::{Denial, IssueError};
pub use token_core::{Authentication, NoClaims};
pub use token_core::{Session, Subject, UnixTime};
#[cfg(feature = "password")]
pub use token_password::PasswordError;
pub use token_session::signer::SignerError;
pub use token_session::{
    AccessError, LoginError, LoginTicket, ManagerError, NewSession, PermitError, RefreshError,
    StepUp, StoreError, WriteDataError,
};

pub use crate::either::{either, either_or_none};
pub use crate::private_data::DataError;
pub use crate::rejection::{Rejection, optional};
pub use crate::renewal::RenewalTicket;
pub use crate::rule::{Found, Ruled};
pub use crate::visitor::NotLocal;
pub use token_session::to_end;

/// Lets `?` convert every error of the library that has an answer into a variant of an application's own
/// error type.
/// The variant holds the adapter's rejection. The adapters' `from_errors!` call it.
#[doc(hidden)]
#[macro_export]
macro_rules! from_errors {
    ($error:ty, $variant:expr, $rejection:ty) => {
        $crate::from_errors!(
            $error,
            $variant;
            $rejection,
            $crate::adapter::AccessError,
            $crate::adapter::DataError,
            $crate::adapter::Denial,
            $crate::adapter::IssueError,
            $crate::adapter::LoginError,
            $crate::adapter::ManagerError,
            $crate::adapter::NotLocal,
            $crate::adapter::PermitError,
            $crate::adapter::RefreshError,
            $crate::adapter::Rejection,
            $crate::adapter::SignerError,
            $crate::adapter::StoreError,
            $crate::adapter::WriteDataError
        );
        $crate::from_password_error!($error, $variant);
    };
    ($error:ty, $variant:expr; $($from:ty),+) => {$(
        impl ::core::convert::From<$from> for $error {
            fn from(error: $from) -> Self {
                $variant(error.into())
            }
        }
    )+};
}

/// The part of [`from_errors!`](crate::from_errors) for the feature `password`.
#[cfg(feature = "password")]
#[doc(hidden)]
#[macro_export]
macro_rules! from_password_error {
    ($error:ty, $variant:expr) => {
        $crate::from_errors!($error, $variant; $crate::adapter::PasswordError);
    };
}

#[cfg(not(feature = "password"))]
#[doc(hidden)]
#[macro_export]
macro_rules! from_password_error {
    ($error:ty, $variant:expr) => {};
}

/// Writes an adapter's types of callers, so that both frameworks have the same ones. Each wraps the one
/// of this crate by the same name. `A` is the type under which the application keeps the
/// [`Auth`](crate::Auth), or what stands for it, that is asked.
#[doc(hidden)]
#[macro_export]
macro_rules! caller {
    ($(#[$doc:meta])* $name:ident) => {
        $crate::caller! { $(#[$doc])* $name, Auth }
    };
    ($(#[$doc:meta])* $name:ident, $auth:ident) => {
        $(#[$doc])*
        pub struct $name<C = $crate::adapter::NoClaims, A = $crate::$auth>(
            $crate::$name<C>,
            ::core::marker::PhantomData<fn() -> A>,
        );

        impl<C, A> $name<C, A> {
            const fn new(caller: $crate::$name<C>) -> Self {
                Self(caller, ::core::marker::PhantomData)
            }
        }

        impl<C: ::core::fmt::Debug, A> ::core::fmt::Debug for $name<C, A> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<C, A> ::core::ops::Deref for $name<C, A> {
            type Target = $crate::$name<C>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    };
}

/// Writes an adapter's type of a request, as [`caller!`](crate::caller) does for callers.
#[doc(hidden)]
#[macro_export]
macro_rules! request {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<A = $crate::Auth>($crate::$name, ::core::marker::PhantomData<fn() -> A>);

        impl<A> $name<A> {
            const fn new(request: $crate::$name) -> Self {
                Self(request, ::core::marker::PhantomData)
            }
        }

        impl<A> ::core::fmt::Debug for $name<A> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Writes the methods of an adapter's request types, so that both frameworks have the same ones.
/// Each type wraps the one of this crate by the same name; its methods answer with the adapter's
/// own `Answer` and `Rejection`, so that a handler returns what it gets.
#[doc(hidden)]
#[macro_export]
macro_rules! request_methods {
    ($answer:ident, $rejection:ident) => {
        impl<A> LoginRequest<A> {
            /// The user name as it was typed.
            pub fn username(&self) -> &str {
                self.0.username()
            }

            /// The password as it was typed. A secret.
            pub fn password(&self) -> &str {
                self.0.password()
            }

            /// Begins the login of a user. Call it before the password is checked, so that a
            /// login which is overtaken by "end all sessions" opens none.
            ///
            /// `subject` is the user that the tokens will be about, usually the id in your table: 1 to
            /// 255 bytes that never change and are never given to another user. Read the stored hash
            /// after this call, so that a change of the password in between ends this login.
            ///
            /// # Errors
            /// 401 `invalid_credentials` if the text cannot be a
            /// [`Subject`]($crate::adapter::Subject), 503 if the store cannot be asked.
            pub async fn begin(
                &self,
                subject: impl ::core::convert::TryInto<$crate::adapter::Subject>,
            ) -> ::core::result::Result<$crate::adapter::LoginTicket, $rejection> {
                Ok(self.0.begin(subject).await?)
            }

            /// Begins the login of a user whose password was found right already, because the id and the
            /// hash were read together, and asks once more whether that holds.
            ///
            /// [`begin`](Self::begin) alone would lose something here: if the password is changed
            /// between the check and `begin`, which ends all sessions of the user, the login opens a
            /// session all the same. `still_holds` is asked after the login has begun. It reads the
            /// stored hash again, and compares it with the one that was checked.
            ///
            /// # Errors
            /// As [`begin`](Self::begin), and 401 `invalid_credentials` if it does not hold any more.
            pub async fn begin_checked(
                &self,
                subject: impl ::core::convert::TryInto<$crate::adapter::Subject>,
                still_holds: impl ::core::future::Future<
                    Output = ::core::result::Result<bool, $rejection>,
                >,
            ) -> ::core::result::Result<$crate::adapter::LoginTicket, $rejection> {
                self.0.begin_checked(subject, still_holds).await
            }

            /// What the request says of the session: transport, client, device, and whether to
            /// remember the user. Add scope and claims:
            /// `NewSession { scope, claims, ..login.new_session() }`.
            pub fn new_session(&self) -> $crate::adapter::NewSession {
                self.0.new_session()
            }

            /// Opens the session once the password was found right, ends those whose cookies came
            /// with the request, and answers with the credentials.
            ///
            /// # Errors
            /// 503 if the store cannot be asked, or if all sessions of the subject were ended
            /// since the login began; 500 if the tokens cannot be made.
            pub async fn open(
                &self,
                ticket: $crate::adapter::LoginTicket,
                session: $crate::adapter::NewSession,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.open(ticket, session).await?.into())
            }

            /// The answer to an unknown user and to a wrong password, which is the same.
            pub fn invalid_credentials(&self) -> $rejection {
                self.0.invalid_credentials().into()
            }
        }

        impl<A> CustomLogin<A> {
            /// Leaves the sessions alone whose cookies came with the request: for an administrator
            /// who opens a session of another user and goes on with their own. By default a login
            /// ends them.
            ///
            /// Call it only if the request has proven who sends it, for example with `Require` in
            /// the same handler. Otherwise a user could be given a session beforehand that somebody
            /// else knows. A browser keeps one session cookie: in the transport `session` the new
            /// one replaces the administrator's in the browser, although that session goes on.
            pub fn beside_current(self) -> Self {
                Self::new(self.0.beside_current())
            }

            /// Counts an attempt at a password, or at anything else that can be guessed, for this
            /// name as it was sent. Call it before the check.
            ///
            /// # Errors
            /// 429 if the application's limit says so.
            pub fn attempt(&self, name: &str) -> ::core::result::Result<(), $rejection> {
                Ok(self.0.attempt(name)?)
            }

            /// Begins the login of a user. Call it before the last proof is checked, so that a
            /// login which is overtaken by "end all sessions" opens none.
            ///
            /// # Errors
            /// 401 `invalid_credentials` if the text cannot be a
            /// [`Subject`]($crate::adapter::Subject), 503 if the store cannot be asked.
            pub async fn begin(
                &self,
                subject: impl ::core::convert::TryInto<$crate::adapter::Subject>,
            ) -> ::core::result::Result<$crate::adapter::LoginTicket, $rejection> {
                Ok(self.0.begin(subject).await?)
            }

            /// Begins the login of a user who is known only after the proof was checked, such as by
            /// a one-time code or the word of another site, and asks once more whether it holds.
            ///
            /// [`begin`](Self::begin) alone would lose something here: if all sessions of the user
            /// are ended between the check and `begin`, because the password was changed for
            /// example, the login opens a session all the same. `still_holds` is asked after the
            /// login has begun. It reads again what the proof was checked against, such as the
            /// stored hash or its version, and compares it with what it was.
            ///
            /// # Errors
            /// As [`begin`](Self::begin), and 401 `invalid_credentials` if it does not hold any more.
            pub async fn begin_checked(
                &self,
                subject: impl ::core::convert::TryInto<$crate::adapter::Subject>,
                still_holds: impl ::core::future::Future<
                    Output = ::core::result::Result<bool, $rejection>,
                >,
            ) -> ::core::result::Result<$crate::adapter::LoginTicket, $rejection> {
                self.0.begin_checked(subject, still_holds).await
            }

            /// The time by the server's clock, for
            /// [`Authentication`]($crate::adapter::Authentication).
            pub fn at(&self) -> $crate::adapter::UnixTime {
                self.0.at()
            }

            /// A session on the device that the request came from, of a user who authenticated in
            /// this way. Add the rest:
            /// `NewSession { remember, scope, claims, ..login.new_session(authentication) }`.
            pub fn new_session(
                &self,
                authentication: $crate::adapter::Authentication,
            ) -> $crate::adapter::NewSession {
                self.0.new_session(authentication)
            }

            /// Opens the session once the user has proven who they are, ends those whose cookies
            /// came with the request, and answers with the credentials.
            ///
            /// # Errors
            /// 503 if the store cannot be asked, or if all sessions of the subject were ended
            /// since the login began; 500 if the tokens cannot be made.
            pub async fn open(
                &self,
                ticket: $crate::adapter::LoginTicket,
                session: $crate::adapter::NewSession,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.open(ticket, session).await?.into())
            }

            /// The same with the credentials as values, for an answer of another shape. The
            /// application writes the body, and adds the header fields that
            /// [`Issued::fields`]($crate::Issued::fields) names, which have the cookies.
            ///
            /// # Errors
            /// As [`open`](Self::open).
            pub async fn issue(
                &self,
                ticket: $crate::adapter::LoginTicket,
                session: $crate::adapter::NewSession,
            ) -> ::core::result::Result<$crate::Issued, $rejection> {
                Ok(self.0.issue(ticket, session).await?)
            }

            /// The same for a browser that followed a link or sent a form: 303 to this address,
            /// with the session's cookie. The transport is the one that the new session names, or
            /// else `session`, if the settings offer it. With `cookie` the page at that address
            /// asks the refresh route for its first access token.
            ///
            /// The address is the application's choice. One that came with the request may lead
            /// anywhere: compare it with the pages that you have.
            ///
            /// # Errors
            /// As [`open`](Self::open), and 500 if the address cannot stand in a header or the
            /// transport is `header`, since a redirect has no body for tokens.
            pub async fn redirect(
                &self,
                ticket: $crate::adapter::LoginTicket,
                session: $crate::adapter::NewSession,
                to: &str,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.redirect(ticket, session, to).await?.into())
            }

            /// Begins a pending login, once the first proof was found right: these methods, by their
            /// names in `amr` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)), are still to be
            /// proven. Answers 303 to the page that asks for the next proof, with a cookie. No session
            /// is opened, and those whose cookies came with the request go on.
            ///
            /// It lives for 10 minutes (`VisitorPolicy::pending_lifetime`) and 5 attempts.
            ///
            /// # Errors
            /// 503 if the store cannot be asked or there is no room; 500 if no method is missing, or
            /// the address cannot stand in a header.
            pub async fn pend(
                &self,
                ticket: $crate::adapter::LoginTicket,
                authentication: $crate::adapter::Authentication,
                missing: &[&str],
                to: &str,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self
                    .0
                    .pend(ticket, authentication, missing, to)
                    .await?
                    .into())
            }

            /// The same for a client that sent JSON: 200 with
            /// `{"pending":["otp"],"expires_in":600}`.
            ///
            /// # Errors
            /// As [`pend`](Self::pend).
            pub async fn pend_json(
                &self,
                ticket: $crate::adapter::LoginTicket,
                authentication: $crate::adapter::Authentication,
                missing: &[&str],
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self
                    .0
                    .pend_json(ticket, authentication, missing)
                    .await?
                    .into())
            }

            /// The answer to an unknown user and to a wrong proof, which is the same. A handler of
            /// forms shows the form again instead.
            pub fn invalid_credentials(&self) -> $rejection {
                self.0.invalid_credentials().into()
            }
        }

        impl<A> LogoutRequest<A> {
            /// Ends the session of each genuine credential, deletes the cookies, and answers 204
            /// whether or not there was a session.
            ///
            /// # Errors
            /// 503 if the store cannot be asked: the cookies stay, and the client asks again.
            pub async fn end(&self) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.end().await?.into())
            }

            /// The same for a browser that sent a form: 303 to this address.
            ///
            /// # Errors
            /// As [`end`](Self::end), and 500 if the address cannot stand in a header.
            pub async fn redirect(&self, to: &str) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.redirect(to).await?.into())
            }
        }

        impl<A> StepUpRequest<A> {
            /// The session, which says whose password it has to be.
            pub fn session(&self) -> &$crate::adapter::Session {
                self.0.session()
            }

            /// The password as it was typed. A secret.
            pub fn password(&self) -> &str {
                self.0.password()
            }

            /// The time of the request, for [`Authentication`]($crate::adapter::Authentication).
            pub fn at(&self) -> $crate::adapter::UnixTime {
                self.0.at()
            }

            /// Renews the session's credential with the new authentication, once the password was
            /// found right, and answers with it.
            ///
            /// # Errors
            /// 400 `invalid_grant` if the session has ended meanwhile, 503 if the store cannot
            /// be asked.
            pub async fn renew(
                &self,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.renew(step_up).await?.into())
            }

            /// The answer to a wrong password. Nothing has changed.
            pub fn invalid_credentials(&self) -> $rejection {
                self.0.invalid_credentials().into()
            }
        }

        impl<A> PasswordRequest<A> {
            /// The session, which says whose password it is.
            pub fn session(&self) -> &$crate::adapter::Session {
                self.0.session()
            }

            /// The present password as it was typed. A secret.
            pub fn password(&self) -> &str {
                self.0.password()
            }

            /// The new password as it was typed. A secret.
            pub fn new_password(&self) -> &str {
                self.0.new_password()
            }

            /// The time of the request, for [`Authentication`]($crate::adapter::Authentication).
            pub fn at(&self) -> $crate::adapter::UnixTime {
                self.0.at()
            }

            /// Stores the new password with `store`, then does what [`changed`](Self::changed)
            /// does: both to the end in a task of their own, also if the client closes the
            /// connection meanwhile. A thief's session does not live on with the new password
            /// stored, also not if it has ended this session meanwhile. If `store` fails, nothing
            /// else is done. Only if the process ends in between, or the store of the sessions
            /// cannot be asked (503), the client has to ask again.
            ///
            /// `store` is given this request. It checks the present password, and returns
            /// [`invalid_credentials`](Self::invalid_credentials) or
            /// [`unacceptable`](Self::unacceptable) as an error.
            ///
            /// # Errors
            /// Those of `store`, and as [`changed`](Self::changed).
            pub async fn changed_with<E, F>(
                self,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
                store: impl ::core::ops::FnOnce(::std::sync::Arc<Self>) -> F,
            ) -> ::core::result::Result<$answer, E>
            where
                A: 'static,
                E: ::core::convert::From<$rejection> + ::core::marker::Send + 'static,
                F: ::core::future::Future<Output = ::core::result::Result<(), E>>
                    + ::core::marker::Send
                    + 'static,
            {
                let step_up = step_up.into();
                let request = ::std::sync::Arc::new(self);
                let stored = store(::std::sync::Arc::clone(&request));
                let both = async move {
                    if let Err(error) = stored.await {
                        return Ok(Err(error));
                    }
                    let changed = request.0.changed(step_up).await?;
                    Ok::<_, $crate::adapter::Rejection>(Ok(changed.into()))
                };
                match $crate::adapter::to_end(both).await {
                    Ok(done) => done,
                    Err(rejection) => Err($rejection::from(rejection).into()),
                }
            }

            /// Ends every other session of the subject, renews the credential of this one, and
            /// answers with it. The new password has to be stored already: prefer
            /// [`changed_with`](Self::changed_with), which stores it.
            ///
            /// # Errors
            /// 400 `invalid_grant` if the session has ended meanwhile, 504 if the store fails: the
            /// password is stored, and the other sessions may have been ended or not. The client asks again.
            pub async fn changed(
                &self,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.changed(step_up).await?.into())
            }

            /// Counts one more attempt at the session's password, for a handler that tries another
            /// password than the present one. The request itself was counted when it was read.
            ///
            /// # Errors
            /// 429 if the application's limit says so.
            pub fn attempt(&self) -> ::core::result::Result<(), $rejection> {
                Ok(self.0.attempt()?)
            }

            /// The answer to a wrong present password. Nothing has changed.
            pub fn invalid_credentials(&self) -> $rejection {
                self.0.invalid_credentials().into()
            }

            /// The answer to a new password that the application does not accept.
            pub fn unacceptable(&self) -> $rejection {
                self.0.unacceptable().into()
            }
        }
    };
}
