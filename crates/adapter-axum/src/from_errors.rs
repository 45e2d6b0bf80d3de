//! Conversion of the library's errors into an application's own error type.

/// Lets `?` convert the errors of a session, a login, a password and the manager into a variant of an
/// application's own error type. The variant holds a [`Rejection`](crate::Rejection).
///
/// It does not go together with `impl<E: Into<anyhow::Error>> From<E>`: the compiler says
/// ``conflicting implementations of trait `From<StoreError>` ``. Replace that one by
/// `impl From<anyhow::Error>`.
///
/// ```
/// use adapter_axum::{Answer, LoginRequest, Rejection, ServerSession};
/// use axum::http::StatusCode;
/// use axum::response::{IntoResponse, Response};
///
/// enum AppError {
///     Auth(Rejection),
///     NotFound,
/// }
///
/// adapter_axum::from_errors!(AppError, AppError::Auth);
///
/// impl IntoResponse for AppError {
///     fn into_response(self) -> Response {
///         match self {
///             Self::Auth(rejection) => rejection.into_response(),
///             Self::NotFound => StatusCode::NOT_FOUND.into_response(),
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
