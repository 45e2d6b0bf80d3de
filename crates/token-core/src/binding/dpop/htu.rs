//! Whether a proof was made for the address that was asked.

use std::fmt;

/// What a request was sent to: the server's configured origin, and the path that was asked.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what RFC 9449 compares")]
pub struct Target<'a> {
    /// Scheme, host and port, as in `https://api.example` or `https://api.example:8443`. It comes from the
    /// configuration and never from the request.
    pub origin: &'a str,
    /// The path as the client sent it, with or without a query, which is ignored.
    pub path: &'a str,
}

/// In which part an address differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the parts of an address")]
pub enum TargetPart {
    /// It is not an address of the form `https://host:port/path`.
    Form,
    /// The host.
    Host,
    /// The path; its case counts.
    Path,
    /// The port.
    Port,
    /// The scheme.
    Scheme,
}

impl fmt::Display for TargetPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "form",
            Self::Host => "host",
            Self::Path => "path",
            Self::Port => "port",
            Self::Scheme => "scheme",
        })
    }
}

impl Target<'_> {
    /// Compares with the `htu` of a proof.
    ///
    /// > The htu claim matches the HTTP URI value for the HTTP request in which the JWT was received,
    /// > ignoring any query and fragment parts. [...] To reduce the likelihood of false negatives, servers
    /// > SHOULD employ syntax-based normalization (Section 6.2.2 of [RFC3986]) and scheme-based
    /// > normalization (Section 6.2.3 of [RFC3986]) before comparing the htu claim.
    ///
    /// RFC 9449 section 4.3
    pub(super) fn matches(&self, htu: &str) -> Result<(), TargetPart> {
        let own = Address::read(self.origin).ok_or(TargetPart::Form)?;
        let other = Address::read(htu).ok_or(TargetPart::Form)?;
        if !own.scheme.eq_ignore_ascii_case(other.scheme) {
            return Err(TargetPart::Scheme);
        }
        if !own.host.eq_ignore_ascii_case(other.host) {
            return Err(TargetPart::Host);
        }
        if own.port() != other.port() {
            return Err(TargetPart::Port);
        }
        if !normal(path(self.path)).eq(normal(other.path)) {
            return Err(TargetPart::Path);
        }
        Ok(())
    }
}

/// The parts of an address that count.
struct Address<'a> {
    scheme: &'a str,
    host: &'a str,
    port: &'a str,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        // An IPv6 address has colons of its own, in brackets.
        let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let colon = authority.get(host_end..)?.find(':');
        let (host, port) = match colon {
            Some(colon) => {
                let (host, port) = authority.split_at_checked(host_end + colon)?;
                (host, port.get(1..)?)
            }
            None => (authority, ""),
        };
        let clean = !host.is_empty()
            && !authority.contains('@')
            && port.bytes().all(|byte| byte.is_ascii_digit());
        clean.then_some(Self {
            scheme,
            host,
            port,
            path: path(rest),
        })
    }

    /// > Normalizers should remove the port component and its ":" delimiter if port is empty or if its
    /// > value would be the same as that of the scheme's default.
    ///
    /// RFC 3986 section 3.2.3
    fn port(&self) -> &str {
        let default = match self.port {
            "443" => "https",
            "80" => "http",
            port => return port,
        };
        if self.scheme.eq_ignore_ascii_case(default) {
            ""
        } else {
            self.port
        }
    }
}

/// The path without query and fragment; a slash if it is empty.
fn path(text: &str) -> &str {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    match text.get(..end) {
        Some("") | None => "/",
        Some(path) => path,
    }
}

/// The bytes of a path, so that equivalent spellings are the same: what is escaped and need not be counts as
/// the character itself, and the case of hexadecimal digits does not count. Other escaped bytes stay
/// distinct from the plain ones (`%2F` is no `/`).
///
/// RFC 3986 sections 6.2.2.1 and 6.2.2.2
fn normal(path: &str) -> impl Iterator<Item = (bool, u8)> {
    let mut rest = path.as_bytes();
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let escaped = (*first == b'%').then(|| {
            let (digits, after) = after.split_first_chunk::<2>()?;
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            let byte = u8::try_from(high? * 16 + low?).ok()?;
            Some((byte, after))
        });
        let Some((byte, after)) = escaped.flatten() else {
            rest = after;
            return Some((false, *first));
        };
        rest = after;
        // `unreserved` of RFC 3986 section 2.3
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        Some((!unreserved, byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(htu: &str) -> Result<(), TargetPart> {
        let target = Target {
            origin: "https://api.example",
            path: "/Notes/a~b%2fc?page=2",
        };
        target.matches(htu)
    }

    #[test]
    fn equivalent_spellings_of_the_address_are_the_same() {
        for same in [
            "https://api.example/Notes/a~b%2fc",
            "HTTPS://API.Example/Notes/a~b%2fc",
            "https://api.example:443/Notes/a~b%2Fc",
            "https://api.example:/Notes/a~b%2Fc",
            "https://api.example/%4eotes/a%7Eb%2fc",
            "https://api.example/Notes/a~b%2fc?",
            "https://api.example/Notes/a~b%2fc?page=3#top",
            "https://api.example/Notes/a~b%2fc#x?y",
        ] {
            assert_eq!(compare(same), Ok(()), "{same}");
        }
        let root = Target {
            origin: "http://[::1]:80",
            path: "",
        };
        for same in ["http://[::1]", "http://[::1]/", "http://[::1]:80?x"] {
            assert_eq!(root.matches(same), Ok(()), "{same}");
        }
    }

    #[test]
    fn another_address_is_refused_by_the_part_that_differs() {
        for (part, other) in [
            (TargetPart::Scheme, "http://api.example/Notes/a~b%2fc"),
            (TargetPart::Host, "https://api.example.net/Notes/a~b%2fc"),
            (TargetPart::Host, "https://api.example./Notes/a~b%2fc"),
            (TargetPart::Port, "https://api.example:80/Notes/a~b%2fc"),
            (TargetPart::Port, "https://api.example:8443/Notes/a~b%2fc"),
            (TargetPart::Path, "https://api.example/notes/a~b%2fc"),
            (TargetPart::Path, "https://api.example/Notes/a~b/c"),
            (TargetPart::Path, "https://api.example/Notes/a~b%2fc/"),
            (TargetPart::Path, "https://api.example/Notes//a~b%2fc"),
            (TargetPart::Path, "https://api.example/./Notes/a~b%2fc"),
            (TargetPart::Path, "https://api.example"),
            (TargetPart::Form, "https:/api.example/Notes/a~b%2fc"),
            (TargetPart::Form, "/Notes/a~b%2fc"),
            (TargetPart::Form, "https:///Notes/a~b%2fc"),
            (TargetPart::Form, "https://me@api.example/Notes/a~b%2fc"),
            (TargetPart::Form, "https://api.example:x/Notes/a~b%2fc"),
            (TargetPart::Form, ""),
        ] {
            assert_eq!(compare(other), Err(part), "{other}");
        }
    }

    #[test]
    fn a_broken_escape_is_itself() {
        let target = Target {
            origin: "https://a",
            path: "/%zz%4",
        };
        assert_eq!(target.matches("https://a/%zz%4"), Ok(()));
        assert_eq!(target.matches("https://a/zz4"), Err(TargetPart::Path));
    }
}
