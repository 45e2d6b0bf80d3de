//! The key of a browser and its bound cookie: when it renews, and what a node does about it.

use std::rc::Rc;

use token_core::binding::{
    Binding, BindingGeneration, BindingKeys, BoundValue, DeviceKey, Offer, Proof,
};
use token_core::session::{Bind, Change};
use token_core::{SessionId, UnixTime};

use crate::actions::Try;
use crate::software_key::SoftwareKey;
use crate::support::{World, secs};

/// How long a bound cookie lives, in seconds.
const LIFETIME: u64 = 600;
/// The one of a registration.
const REGISTRATION_LIFETIME: u64 = 110;
/// A browser renews beside its requests if the cookie lives for less than so many milliseconds.
const EARLY: u64 = 120_000;
/// After so many milliseconds the requests that wait for a renewal go out without it.
pub(crate) const UNREACHABLE: u64 = 20_000;
/// For so many milliseconds a copied value is good at most, by the clock of the node that made it.
pub(crate) const COPY: u64 = (LIFETIME + 60) * 1000;
/// So many more, if a proof was copied too: its challenge is good for three slots.
pub(crate) const COPIED_PROOF: u64 = 3 * 60_000;

/// What a browser has of a bound session.
pub(crate) struct Device {
    keys: BindingKeys,
    session: SessionId,
    key: Option<Rc<SoftwareKey>>,
    cookie: Option<(String, u64)>,
    /// The proof that was sent last.
    pub(crate) proof: Option<String>,
    /// The renewal that is under way.
    pub(crate) renewal: Option<u64>,
    /// How many proofs in a row were refused.
    refused: u32,
}

/// What a browser does before it sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    RenewBeside,
    Wait,
}

impl Device {
    /// After a login, whose answer sets a first cookie.
    pub(crate) fn new(world: &World, now: UnixTime, clock: u64) -> Self {
        let mut device = Self {
            keys: world.issuer.refresh_keys.binding_keys(),
            session: world.row.id,
            key: None,
            cookie: None,
            proof: None,
            renewal: None,
            refused: 0,
        };
        device.offered(now, clock);
        device
    }

    /// An answer that offers a registration sets the first cookie.
    pub(crate) fn offered(&mut self, now: UnixTime, clock: u64) {
        let (any, lifetime) = (BindingGeneration::ANY, secs(LIFETIME));
        let first = self.keys.value(self.session, any, lifetime, now);
        self.cookie = Some((first.secret().to_owned(), clock + LIFETIME * 1000));
    }

    /// Whether the browser has no key yet, and no cookie that would do without.
    pub(crate) fn has_nothing(&self, clock: u64) -> bool {
        self.key.is_none() && self.cookie(clock).is_none()
    }

    /// The bound cookie, if it has not ended by the browser's clock.
    pub(crate) fn cookie(&self, clock: u64) -> Option<String> {
        let live = self.cookie.as_ref().filter(|(_, ends)| clock < *ends);
        live.map(|(value, _)| value.clone())
    }

    pub(crate) fn before_request(&self, clock: u64) -> Before {
        match &self.cookie {
            _ if self.key.is_none() => Before::Nothing,
            Some((_, ends)) if clock + EARLY < *ends => Before::Nothing,
            Some((_, ends)) if clock < *ends => Before::RenewBeside,
            _ => Before::Wait,
        }
    }

    /// A key of its own, and the proof that registers it.
    pub(crate) fn register(&self, now: UnixTime) -> (Rc<SoftwareKey>, String) {
        let Offer {
            challenge,
            authorization,
            ..
        } = self.keys.offer(self.session, now);
        let key = SoftwareKey::new();
        let proof = key.registration(&challenge, authorization.secret());
        (Rc::new(key), proof)
    }

    /// The challenge of a node.
    pub(crate) fn challenge(&self, now: UnixTime) -> String {
        self.keys.renewal_challenge(self.session, now)
    }

    pub(crate) fn sign(&mut self, challenge: &str) -> Option<String> {
        self.proof = self.key.as_ref().map(|key| key.renew(challenge));
        self.proof.clone()
    }

    pub(crate) fn registered(&mut self, key: Rc<SoftwareKey>, value: String, clock: u64) {
        self.key = Some(key);
        self.refused = 0;
        self.cookie = Some((value, clock + REGISTRATION_LIFETIME * 1000));
    }

    pub(crate) fn renewed(&mut self, value: String, clock: u64) {
        self.cookie = Some((value, clock + LIFETIME * 1000));
        self.renewal = None;
        self.refused = 0;
    }

    /// After four refused proofs a browser gives its key up.
    pub(crate) fn refused(&mut self) {
        self.refused += 1;
        if self.refused == 4 {
            self.key = None;
            self.renewal = None;
        }
    }

    /// What a bound cookie proves to a node.
    pub(crate) fn prove(&self, value: Option<&str>, now: UnixTime) -> Proof {
        let read = value.map(|value| self.keys.read_value(value, self.session, now));
        match read {
            None => Proof::default(),
            Some(Ok((generation, _))) => Proof::Device(generation),
            Some(Err(why)) => Proof::None(why),
        }
    }

    /// The registration or renewal that a proof asks a node for; `None` if the node refuses it at once.
    pub(crate) fn arrive(&self, proof: &str, attempt: Try, now: UnixTime) -> Option<DeviceJob> {
        let errand = if let Ok(registration) = self.keys.registration(proof, now) {
            Errand::Register(registration.key)
        } else if self.keys.renewal(proof, self.session, now).is_ok() {
            Errand::Renew(proof.to_owned())
        } else {
            return None;
        };
        Some(DeviceJob {
            keys: self.keys.clone(),
            errand,
            attempt,
            now,
            bind: None,
            calls: 0,
        })
    }
}

enum Errand {
    Register(DeviceKey),
    Renew(String),
}

/// A registration or a renewal that a node works on.
pub(crate) struct DeviceJob {
    keys: BindingKeys,
    errand: Errand,
    pub(crate) attempt: Try,
    now: UnixTime,
    bind: Option<Bind>,
    calls: usize,
}

/// What a call to the store leads to.
#[expect(clippy::large_enum_variant, reason = "a schedule has a few of them")]
pub(crate) enum DeviceNext {
    Answer(BoundValue),
    Call(DeviceJob),
    Refused,
}

impl DeviceJob {
    /// How long the next call to the store takes.
    pub(crate) fn hang(&self) -> u64 {
        self.attempt.hangs.get(self.calls).copied().unwrap_or(0)
    }

    /// The call to the store has its effect: the write, if there is one, or else the session is read. A write
    /// that does not match shows the session as it is.
    pub(crate) fn run(mut self, world: &mut World) -> DeviceNext {
        self.calls += 1;
        if let Some(bind) = self.bind.take()
            && let Some(bound) = Change::Bind(bind).apply(&world.row)
        {
            world.row = bound;
            return self.answer(world);
        }
        let (row, now) = (&world.row, self.now);
        let to = self.decide(world).filter(|_| row.is_live(now));
        match to {
            None => DeviceNext::Refused,
            Some(to) if to == row.binding => self.answer(world),
            Some(to) => {
                self.bind = Some(Bind {
                    id: row.id,
                    from: row.binding,
                    to,
                    at: now,
                });
                DeviceNext::Call(self)
            }
        }
    }

    /// What somebody gets who only repeats the proof.
    pub(crate) fn repeated(self, world: &World) -> Option<BoundValue> {
        self.decide(world)?;
        match self.answer(world) {
            DeviceNext::Answer(value) => Some(value),
            DeviceNext::Call(_) | DeviceNext::Refused => None,
        }
    }

    /// What the session is bound to from now on; `None` if the proof does not count.
    fn decide(&self, world: &World) -> Option<Binding> {
        let row = &world.row;
        let news = match &self.errand {
            Errand::Register(key) => row.binding.registered(*key).ok()?,
            Errand::Renew(proof) => {
                let Binding::Device(bound) = row.binding else {
                    return None;
                };
                let renewal = self.keys.renewal(proof, row.id, self.now).ok()?;
                renewal.verify(&bound.key).ok()?;
                row.binding.confirmed(true)
            }
        };
        Some(news.unwrap_or(row.binding))
    }

    fn answer(self, world: &World) -> DeviceNext {
        let Binding::Device(bound) = world.row.binding else {
            return DeviceNext::Refused;
        };
        let lifetime = match self.errand {
            Errand::Register(_) => REGISTRATION_LIFETIME,
            Errand::Renew(_) => LIFETIME,
        };
        let (id, generation) = (world.row.id, bound.generation);
        let value = self.keys.value(id, generation, secs(lifetime), self.now);
        DeviceNext::Answer(value)
    }
}
