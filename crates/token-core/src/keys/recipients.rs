//! For whom a part of the keys signs.

use crate::types::name::{Audience, ClientId};

/// For whom the keys of another algorithm sign, beside those of everybody else
/// ([`KeyRing::with_recipients`](crate::KeyRing::with_recipients)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller makes it")]
pub struct Recipients {
    /// Clients: the `client_id` of the token.
    pub clients: Vec<ClientId>,
    /// Audiences: the `aud` of the token, which is that of the [`TokenIssuer`](crate::TokenIssuer).
    pub audiences: Vec<Audience>,
}

impl Recipients {
    /// A client or an audience that both name, such as `client reports`.
    pub fn shared(&self, other: &Self) -> Option<String> {
        let client = self.clients.iter().find(|own| other.clients.contains(own));
        let audience = || {
            self.audiences
                .iter()
                .find(|own| other.audiences.contains(own))
        };
        let client = client.map(|client| format!("client {client}"));
        client.or_else(|| audience().map(|audience| format!("audience {audience}")))
    }
}
