//! The methods of step-ups and changes of password by any proof.

/// Writes the methods of an adapter's `CustomStepUp` and `CustomPassword`, as
/// [`request_methods!`](crate::request_methods) does for the other requests.
#[doc(hidden)]
#[macro_export]
macro_rules! custom_renewal_methods {
    ($answer:ident, $rejection:ident) => {
        impl<A> CustomStepUp<A> {
            /// Begins the step-up: finds the session of the refresh token or, without one, of the
            /// cookie that came with the request, and counts an attempt. An access token alone is
            /// not enough. Call it before the proof is checked, and change nothing before: a
            /// request with a cookie has to pass the CSRF rule here.
            ///
            /// A client in transport `header` sends its refresh token in the body: give it here.
            /// Others send none.
            ///
            /// # Errors
            /// 403 `csrf_failed`; 400 `invalid_grant` as at the refresh route, and `invalid_request`
            /// without a credential; 429 by the application's limit; 503 if the store fails.
            pub async fn begin(
                &self,
                refresh_token: ::core::option::Option<&str>,
            ) -> ::core::result::Result<$crate::adapter::RenewalTicket, $rejection> {
                Ok(self.0.begin(refresh_token).await?)
            }

            /// The time by the server's clock, for
            /// [`Authentication`]($crate::adapter::Authentication).
            pub fn at(&self) -> $crate::adapter::UnixTime {
                self.0.at()
            }

            /// Counts one more attempt, for a handler that checks several proofs which can be
            /// guessed. The request itself was counted when the step-up began.
            ///
            /// # Errors
            /// 429 if the application's limit says so.
            pub fn attempt(
                &self,
                ticket: &$crate::adapter::RenewalTicket,
            ) -> ::core::result::Result<(), $rejection> {
                Ok(self.0.attempt(ticket)?)
            }

            /// Renews the session's credential with the new authentication, once the user has
            /// proven who they are, and answers with it.
            ///
            /// # Errors
            /// 400 `invalid_grant` if the session has ended meanwhile, 503 if the store fails.
            pub async fn renew(
                &self,
                ticket: &$crate::adapter::RenewalTicket,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
            ) -> ::core::result::Result<$answer, $rejection> {
                Ok(self.0.renew(ticket, step_up).await?.into())
            }

            /// The same for a browser that followed a link or sent a form: 303 to this address,
            /// with the session's cookie.
            ///
            /// The address is the application's choice. One that came with the request may lead
            /// anywhere: compare it with the pages that you have.
            ///
            /// # Errors
            /// As [`renew`](Self::renew), and 500 if the address cannot stand in a header or the
            /// session is one of transport `header`, since a redirect has no body for tokens.
            pub async fn redirect(
                &self,
                ticket: &$crate::adapter::RenewalTicket,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
                to: &str,
            ) -> ::core::result::Result<$answer, $rejection> {
                let redirected = self.0.redirect(ticket, step_up, to);
                Ok(redirected.await?.into())
            }

            /// The answer to a wrong proof. Nothing has changed. A handler of forms shows the form
            /// again instead.
            pub fn invalid_credentials(&self) -> $rejection {
                self.0.invalid_credentials().into()
            }
        }

        impl<A> CustomPassword<A> {
            /// Begins the change: finds the session of the refresh token or, without one, of the
            /// cookie that came with the request, and counts an attempt. An access token alone is
            /// not enough. Call it before the proof is checked, and change nothing before: a
            /// request with a cookie has to pass the CSRF rule here.
            ///
            /// A client in transport `header` sends its refresh token in the body: give it here.
            /// Others send none.
            ///
            /// # Errors
            /// 403 `csrf_failed`; 400 `invalid_grant` as at the refresh route, and `invalid_request`
            /// without a credential; 429 by the application's limit; 503 if the store fails.
            pub async fn begin(
                &self,
                refresh_token: ::core::option::Option<&str>,
            ) -> ::core::result::Result<$crate::adapter::RenewalTicket, $rejection> {
                Ok(self.0.begin(refresh_token).await?)
            }

            /// The time by the server's clock, for
            /// [`Authentication`]($crate::adapter::Authentication).
            pub fn at(&self) -> $crate::adapter::UnixTime {
                self.0.at()
            }

            /// Counts one more attempt, for a handler that checks several proofs which can be
            /// guessed. The request itself was counted when the change began.
            ///
            /// # Errors
            /// 429 if the application's limit says so.
            pub fn attempt(
                &self,
                ticket: &$crate::adapter::RenewalTicket,
            ) -> ::core::result::Result<(), $rejection> {
                Ok(self.0.attempt(ticket)?)
            }

            /// Stores the new password with `store`, then ends every other session of the subject,
            /// renews the credential of this one, and answers with it. All of it goes on in a task of
            /// its own if the client closes the connection. If `store` fails, nothing else is done.
            ///
            /// Check the proof first. Only if the process ends in between, or the store of the
            /// sessions cannot be asked (503), the client has to ask again. If the session has ended
            /// meanwhile, every session of the subject is ended, as by
            /// [`PasswordRequest::changed`](crate::PasswordRequest::changed).
            ///
            /// # Errors
            /// Those of `store`; 400 `invalid_grant` if the session has ended meanwhile; 503 if the
            /// store of the sessions cannot be asked.
            pub async fn changed<E>(
                &self,
                ticket: &$crate::adapter::RenewalTicket,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
                store: impl ::core::future::Future<Output = ::core::result::Result<(), E>>
                + ::core::marker::Send
                + 'static,
            ) -> ::core::result::Result<$answer, E>
            where
                E: ::core::convert::From<$rejection> + ::core::marker::Send + 'static,
            {
                match self.0.changed(ticket, step_up, store).await {
                    Ok(changed) => changed.map(::core::convert::Into::into),
                    Err(rejection) => Err($rejection::from(rejection).into()),
                }
            }

            /// The same for a browser that sent a form: 303 to this address, with the cookie.
            ///
            /// # Errors
            /// As [`changed`](Self::changed), and 500 if the address cannot stand in a header or the
            /// session is one of transport `header`, since a redirect has no body for tokens. In both
            /// cases nothing has changed.
            pub async fn redirect<E>(
                &self,
                ticket: &$crate::adapter::RenewalTicket,
                step_up: impl ::core::convert::Into<$crate::adapter::StepUp>,
                to: &str,
                store: impl ::core::future::Future<Output = ::core::result::Result<(), E>>
                + ::core::marker::Send
                + 'static,
            ) -> ::core::result::Result<$answer, E>
            where
                E: ::core::convert::From<$rejection> + ::core::marker::Send + 'static,
            {
                match self.0.redirect(ticket, step_up, to, store).await {
                    Ok(changed) => changed.map(::core::convert::Into::into),
                    Err(rejection) => Err($rejection::from(rejection).into()),
                }
            }

            /// The answer to a wrong proof. Nothing has changed. A handler of forms shows the form
            /// again instead.
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
