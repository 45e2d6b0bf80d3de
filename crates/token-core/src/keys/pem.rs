//! What a PEM text must be before it is parsed.

use base64_simd::STANDARD;
use zeroize::Zeroizing;

use crate::keys::der;
use crate::keys::error::KeyError;

/// One block, and its label ends in this. jsonwebtoken reads the first block of several, and takes
/// a certificate for a key.
pub(super) fn check(pem: &str, label: &str, form: KeyError) -> Result<(), KeyError> {
    refuse_byte_order_mark(pem)?;
    // As in a variable of the environment, or copied out of JSON.
    if pem.contains("-----\\n") {
        return Err(KeyError::EscapedLineBreaks);
    }
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
        let body = pem
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('-'));
        let body: Zeroizing<String> = Zeroizing::new(body.collect());
        let der = STANDARD.decode_to_vec(body.as_bytes()).map(Zeroizing::new);
        if der.is_ok_and(|der| der::is_on_secp256k1(&der)) {
            return Err(KeyError::Secp256k1);
        }
        Ok(())
    } else {
        Err(form)
    }
}

/// Some editors on Windows put one in front of a text.
pub(super) fn refuse_byte_order_mark(text: &str) -> Result<(), KeyError> {
    if text.starts_with('\u{feff}') {
        Err(KeyError::ByteOrderMark)
    } else {
        Ok(())
    }
}
