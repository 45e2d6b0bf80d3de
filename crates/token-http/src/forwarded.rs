//! The client's address, as trusted proxies report it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::auth::Auth;
use crate::head::Head;

impl Auth {
    /// The client's address: the other end of the connection. If that is a trusted proxy, it is the
    /// last address in `X-Forwarded-For` or `Forwarded`
    /// ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)) that is not a trusted proxy.
    pub fn client_address(&self, head: &Head<'_>) -> Option<IpAddr> {
        let peer = head.peer?.to_canonical();
        let trusted = self.config().trusted_proxies();
        if is_named(head.headers) && !trusts(trusted, peer) {
            self.warn_of_proxy(peer);
        }
        Some(client(peer, head.headers, trusted))
    }
}

/// A proxy writes one of the two fields and may pass the other on as its client sent it. If both are
/// there and differ, both are ignored, and the proxy counts as the client.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !trusts(trusted, peer) {
        return peer;
    }
    let named = |field, address: fn(&str) -> Option<IpAddr>| {
        let fields = headers.get_all(field).iter().rev();
        // In bytes, so that nothing that the client sent can hide what a proxy added.
        let hops = fields.flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b','));
        // Each proxy appends the address that it saw. From the end, everything before the first
        // untrusted address is what that client claims.
        let mut client = peer;
        for hop in hops {
            let text = std::str::from_utf8(hop).ok();
            let Some(address) = text.and_then(address) else {
                break;
            };
            client = address.to_canonical();
            if !trusts(trusted, client) {
                break;
            }
        }
        headers.contains_key(field).then_some(client)
    };
    match (
        named("x-forwarded-for", node),
        named("forwarded", forwarded_for),
    ) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

/// Whether a proxy, or somebody who plays one, names the client.
fn is_named(headers: &HeaderMap) -> bool {
    headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded")
}

fn trusts(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// > Forwarded: for=192.0.2.43, for="[2001:db8:cafe::17]:4711";proto=https
///
/// [RFC 7239 section 4](https://www.rfc-editor.org/rfc/rfc7239#section-4)
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node_text) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    node(node_text)
}

/// An address as both fields write it, with or without a port; `None` if a proxy hides it.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = within(text, '"', '"').unwrap_or(text);
    let address = within(text, '[', ']').unwrap_or(text).parse();
    let with_port = || text.parse().map(|socket: SocketAddr| socket.ip());
    address.or_else(|_| with_port()).ok()
}

fn within(text: &str, before: char, after: char) -> Option<&str> {
    text.strip_prefix(before)?.strip_suffix(after)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn client_of(fields: &[(&'static str, &str)], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client(PEER.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_a_proxy_is_the_client() {
        const XFF: &str = "x-forwarded-for";
        const FORWARDED: &str = "forwarded";
        for (fields, expected) in [
            (&[][..], PEER),
            (&[(XFF, "192.0.2.7")][..], "192.0.2.7"),
            (&[(XFF, "198.51.100.1, 192.0.2.7")], "192.0.2.7"),
            (&[(XFF, "192.0.2.7, 10.0.0.2")], "192.0.2.7"),
            (&[(XFF, "192.0.2.7"), (XFF, "10.0.0.2")], "192.0.2.7"),
            (&[(XFF, "10.0.0.2")], "10.0.0.2"),
            (&[(XFF, "192.0.2.7:4711")], "192.0.2.7"),
            (&[(XFF, "::ffff:192.0.2.7")], "192.0.2.7"),
            (&[(XFF, "2001:db8::7")], "2001:db8::7"),
            (&[(XFF, "[2001:db8::7]:4711")], "2001:db8::7"),
            (&[(XFF, "192.0.2.7, nonsense")], PEER),
            (&[(XFF, "192.0.2.7,")], PEER),
            (&[(XFF, "")], PEER),
            (&[(FORWARDED, "for=192.0.2.7")], "192.0.2.7"),
            (
                &[(FORWARDED, "For=192.0.2.7;proto=http;by=10.0.0.1")],
                "192.0.2.7",
            ),
            (
                &[(FORWARDED, "proto=http; for=\"192.0.2.7:4711\"")],
                "192.0.2.7",
            ),
            (
                &[(FORWARDED, "for=198.51.100.1, for=192.0.2.7")],
                "192.0.2.7",
            ),
            (&[(FORWARDED, "for=192.0.2.7, for=10.0.0.2")], "192.0.2.7"),
            (
                &[(FORWARDED, "for=\"[2001:db8:cafe::17]:4711\"")],
                "2001:db8:cafe::17",
            ),
            (
                &[(FORWARDED, "for=\"[2001:db8:cafe::17]\"")],
                "2001:db8:cafe::17",
            ),
            (&[(FORWARDED, "for=\"open, for=192.0.2.7")], "192.0.2.7"),
            (&[(FORWARDED, "for=192.0.2.7, for=_hidden")], PEER),
            (&[(FORWARDED, "for=unknown")], PEER),
            (&[(FORWARDED, "proto=https")], PEER),
        ] {
            assert_eq!(client_of(fields, &["10.0.0.0/8"]), expected, "{fields:?}");
            assert_eq!(client_of(fields, &["172.16.0.0/12"]), PEER, "{fields:?}");
        }
    }

    #[test]
    fn a_field_that_the_client_added_is_ignored() {
        let own = ("x-forwarded-for", "192.0.2.7");
        let planted = ("forwarded", "for=198.51.100.1");
        assert_eq!(client_of(&[own, planted], &["10.0.0.0/8"]), PEER);
        let same = ("forwarded", "for=192.0.2.7");
        assert_eq!(client_of(&[own, same], &["10.0.0.0/8"]), "192.0.2.7");
    }
}
