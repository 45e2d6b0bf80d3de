//! Sessions in bulk, each with its refresh token, as logins would have made them.

use std::time::Duration;

use token_core::session::rule::{self, Granted, Login};
use token_core::session::{Change, Committed, Credentials, Device, Epoch};
use token_core::types::Bucket;
use token_core::{
    Algorithm, Authentication, ClientId, CustomClaims, Policy, Scope, Session, Subject,
    TokenIssuer, Transport, UnixTime,
};

use crate::world::{self, Key};

/// An issuer with the default policy, whose access tokens have this algorithm.
///
/// # Panics
/// Never: the names are valid.
pub fn issuer(algorithm: Algorithm) -> TokenIssuer {
    let mut issuer = world::issuer(&Key::new(algorithm));
    issuer.policy = Policy::default();
    issuer
}

/// A session from a browser as it is stored after its first refresh, which was just now, and its
/// refresh token. Every number has a subject of its own; `bucket` is the store's.
///
/// # Panics
/// Never: the names are valid.
pub fn session(
    issuer: &TokenIssuer,
    number: u32,
    now: UnixTime,
    bucket: impl Fn(&Subject) -> Bucket,
) -> (Session, String) {
    let keys = &issuer.refresh_keys;
    let granted = opened(issuer, number, now - AGE, bucket);
    let token = refresh_token(issuer, &granted, number, now);
    let claims = keys.verify(&token, &issuer.issuer, &issuer.audience);
    let claims = claims.expect("it was just made");
    let entropy = world::entropy(u64::from(number) << 32);
    let attempt = rule::attempt(&claims, &issuer.policy, keys, now, entropy);
    let (rotation, pending) = attempt.expect("it has not expired");
    let row = Change::Rotate(rotation).apply(granted.session());
    let row = row.expect("it is past the grace");
    // It is stored before the token is used.
    let granted = pending.committed(Committed::assertion(row.clone()));
    let granted = granted.expect("it is what is to be written");
    let token = refresh_token(issuer, &granted, number, now);
    (row, token)
}

/// How old the sessions are.
const AGE: Duration = Duration::from_mins(5);

fn opened(
    issuer: &TokenIssuer,
    number: u32,
    now: UnixTime,
    bucket: impl Fn(&Subject) -> Bucket,
) -> Granted {
    let agent = format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/{}.0.0.0 Safari/537.36",
        120 + number % 20
    );
    let login = Login {
        subject: Subject::new(format!("user-{number:08}")).expect("a name"),
        epoch: Epoch::default(),
        client_id: ClientId::new("web").expect("a name"),
        transport: Transport::Header,
        scope: "notes:read notes:write".parse::<Scope>().expect("a scope"),
        authentication: Authentication::password(now),
        remember: false,
        claims: CustomClaims::default(),
        device: Device::new(None, Some(&agent), Some("203.0.113.0/24")),
    };
    let bucket = bucket(&login.subject);
    let entropy = world::entropy(u64::from(number));
    let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
    let (session, pending) = rule::open(login, bucket, policy, keys, now, entropy);
    let granted = pending.committed(Committed::assertion(session));
    granted.expect("it is what is to be written")
}

fn refresh_token(issuer: &TokenIssuer, granted: &Granted, number: u32, now: UnixTime) -> String {
    let entropy = world::entropy(u64::MAX - u64::from(number));
    let issued = issuer.issue(granted, &granted.session().scope, now, entropy);
    let given = issued.and_then(|issued| issued.give_out(granted));
    match given.expect("the key is there") {
        Credentials::Tokens(pair) => pair.refresh_token.secret().to_owned(),
        Credentials::Session(_) => unreachable!("the transport is `header`"),
    }
}
