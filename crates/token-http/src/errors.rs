//! The library's errors in an application's own error type.

pub use token_session::{LoginError, StoreError};

pub use crate::rejection::Rejection;
pub use crate::server_session::DataError;

/// Lets `?` take every error of the library into a variant of an application's own error type, which
/// has an adapter's rejection: what the adapters' `from_errors!` do.
#[doc(hidden)]
#[macro_export]
macro_rules! from_errors {
    ($error:ty, $variant:expr, $rejection:ty) => {
        $crate::from_errors!(
            $error,
            $variant;
            $rejection,
            $crate::errors::DataError,
            $crate::errors::LoginError,
            $crate::errors::Rejection,
            $crate::errors::StoreError
        );
    };
    ($error:ty, $variant:expr; $($from:ty),+) => {$(
        impl ::core::convert::From<$from> for $error {
            fn from(error: $from) -> Self {
                $variant(error.into())
            }
        }
    )+};
}
