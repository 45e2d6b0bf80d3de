//! What a PEM text must be before it is parsed.

use crate::keys::error::KeyError;

/// One block, and its label ends in this. jsonwebtoken reads the first block of several, and takes
/// a certificate for a key.
pub(super) fn check(pem: &str, label: &str, form: KeyError) -> Result<(), KeyError> {
    let mut begins = pem
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN "));
    let (Some(begin), None) = (begins.next(), begins.next()) else {
        return Err(form);
    };
    let begin = begin.strip_suffix("-----").ok_or(form)?;
    if begin == "CERTIFICATE" {
        Err(KeyError::Certificate)
    } else if begin == label || begin == format!("RSA {label}") {
        Ok(())
    } else {
        Err(form)
    }
}
