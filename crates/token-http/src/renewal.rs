//! A step-up and a change of password: all of it except the check of the proof.
//!
//! [`StepUpRequest`] and [`PasswordRequest`] read a password in JSON. [`CustomStepUp`] and
//! [`CustomPassword`] leave the body to the handler. What they have in common is in `proven`.

mod body;
mod custom_password;
mod custom_step_up;
mod password;
mod proven;
mod step_up;
mod ticket;

pub use custom_password::CustomPassword;
pub use custom_step_up::CustomStepUp;
#[cfg(feature = "openapi")]
pub(crate) use password::PasswordBody;
pub use password::PasswordRequest;
#[cfg(feature = "openapi")]
pub(crate) use step_up::StepUpBody;
pub use step_up::StepUpRequest;
pub use ticket::RenewalTicket;
