//! Conversion of the library's errors into an application's own error type.

/// Lets `?` convert the errors of a session, a login, a password and the manager into a variant of an
/// application's own error type. The variant holds a [`Rejection`](crate::Rejection).
///
/// It does not go together with `impl<E: Into<anyhow::Error>> From<E>`: the compiler says
/// ``conflicting implementations of trait `From<StoreError>` ``. Replace that one by
/// `impl From<anyhow::Error>`.
///
/// ```
/// use adapter_actix::{Answer, LoginRequest, Rejection, ServerSession};
/// use actix_web::{HttpResponse, ResponseError};
///
/// #[derive(Debug)]
/// enum AppError {
///     Auth(Rejection),
///     NotFound,
/// }
///
/// adapter_actix::from_errors!(AppError, AppError::Auth);
///
/// impl std::fmt::Display for AppError {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         match self {
///             Self::Auth(rejection) => rejection.fmt(f),
///             Self::NotFound => f.write_str("not found"),
///         }
///     }
/// }
///
/// impl ResponseError for AppError {
///     fn error_response(&self) -> HttpResponse {
///         match self {
///             Self::Auth(rejection) => rejection.error_response(),
///             Self::NotFound => HttpResponse::NotFound().finish(),
///         }
///     }
/// }
///
/// async fn login(login: LoginRequest) -> Result<Answer, AppError> {
///     let ticket = login.begin(login.username()).await?;
///     Ok(login.open(ticket, login.new_session()).await?)
/// }
///
/// async fn visits(session: ServerSession) -> Result<String, AppError> {
///     let visits = session.get::<u32>("visits").await?.ok_or(AppError::NotFound)?;
///     Ok(visits.to_string())
/// }
/// ```
#[macro_export]
macro_rules! from_errors {
    ($error:ty, $variant:expr) => {
        $crate::token_http::from_errors!($error, $variant, $crate::Rejection);
    };
}
