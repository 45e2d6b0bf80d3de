//! The rows of Rust of docs/interop.md. `verifiers` reads issuers and their tokens as JSON from standard input, and writes who
//! reads which of them. `client NAME ENDPOINT TOKEN` renews a token.

mod clients;
mod verifiers;

use std::error::Error;

/// Why a token is not read, or not renewed.
type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["verifiers"] => verifiers::measure(),
        ["client", name, endpoint, token] => clients::renew(name, endpoint, token),
        _ => Err("usage: verifiers | client NAME ENDPOINT TOKEN".into()),
    }
}
