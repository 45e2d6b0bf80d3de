//! Two nodes on one store whose calls take their time: a request takes its time when it arrives,
//! and what it reads and writes happens later.

use token_core::binding::Proof;
use token_core::session::rule::{
    self, CookieDecision, Decision, Granted, Pending, PendingReuse, SessionToken,
};
use token_core::session::{Change, Committed, Denial, Rotation, StepUp, Touch};
use token_core::{Authentication, Transport, UnixTime};

use crate::actions::Try;
use crate::support::World;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Page,
    Refresh,
    StepUp,
}

/// A request that a node works on.
pub(crate) struct Job {
    pub(crate) token: String,
    pub(crate) route: Route,
    pub(crate) attempt: Try,
    /// What the bound cookie that came along is worth.
    proof: Proof,
    /// The node's clock when the request arrived.
    now: UnixTime,
    /// What the store is asked next.
    call: Call,
    calls: usize,
}

/// A call to the store that has not had its effect yet.
#[expect(clippy::large_enum_variant, reason = "a schedule has a few of them")]
enum Call {
    Commit(Rotation, Pending),
    End(PendingReuse),
    Load,
    Replay(Touch, Pending),
    Touch(Touch),
}

/// What is sent back.
#[derive(Debug)]
pub(crate) enum Answer {
    Denied(Denial),
    /// What the client has from now on; `None` if it keeps what it has presented.
    Granted(Option<String>),
}

/// What a call to the store leads to.
#[expect(clippy::large_enum_variant, reason = "a schedule has a few of them")]
pub(crate) enum Next {
    Answer(Answer),
    /// One more call to the store.
    Call(Job),
}

impl Job {
    /// Takes the time, and asks the store for the first time.
    pub(crate) fn arrive(
        world: &mut World,
        route: Route,
        token: String,
        proof: Proof,
        attempt: Try,
        now: UnixTime,
    ) -> Next {
        let mut job = Self {
            token,
            route,
            attempt,
            proof,
            now,
            call: Call::Load,
            calls: 0,
        };
        if route == Route::Refresh {
            let (mut claims, entropy) = (world.claims(&job.token), world.entropy.draw());
            claims.proof = proof;
            let (policy, keys) = (&world.issuer.policy, &world.issuer.refresh_keys);
            match rule::attempt(&claims, policy, keys, now, entropy) {
                Ok((rotation, pending)) => job.call = Call::Commit(rotation, pending),
                Err(denial) => return Next::Answer(Answer::Denied(denial)),
            }
        }
        Next::Call(job)
    }

    /// How long the next call to the store takes.
    pub(crate) fn hang(&self) -> u64 {
        self.attempt.hangs.get(self.calls).copied().unwrap_or(0)
    }

    /// The call to the store has its effect. Where it does not match, it shows the row as it is.
    pub(crate) fn run(mut self, world: &mut World, resends: bool) -> Next {
        self.calls += 1;
        match std::mem::replace(&mut self.call, Call::Load) {
            Call::Load => self.decide(world, resends),
            Call::Commit(rotation, pending) => {
                let Some(next) = Change::Rotate(rotation).apply(&world.row) else {
                    return self.decide(world, resends);
                };
                world.row = next.clone();
                world.rotations += 1;
                let granted = pending.committed(Committed::assertion(next)).unwrap();
                let text = world.text(&granted, self.now);
                Next::Answer(Answer::Granted(Some(text)))
            }
            Call::End(reuse) => match reuse.ending.apply(&world.row) {
                None => self.decide(world, resends),
                Some(ended) => {
                    world.row = ended.clone();
                    world.reuses += 1;
                    let denial = reuse.committed(&Committed::assertion(ended)).unwrap();
                    Next::Answer(Answer::Denied(denial))
                }
            },
            Call::Replay(touch, pending) => {
                let Some(next) = Change::Touch(touch).apply(&world.row) else {
                    return self.decide(world, resends);
                };
                world.row = next.clone();
                let granted = pending.committed(Committed::assertion(next)).unwrap();
                Next::Answer(self.replayed(&granted, world, resends))
            }
            Call::Touch(touch) => match Change::Touch(touch).apply(&world.row) {
                None => self.decide(world, resends),
                Some(next) => {
                    world.row = next;
                    // With the new `Max-Age`, the value that the request brought.
                    let token = std::mem::take(&mut self.token);
                    Next::Answer(Answer::Granted(Some(token)))
                }
            },
        }
    }

    fn replayed(&self, granted: &Granted, world: &mut World, resends: bool) -> Answer {
        let text = world.text(granted, self.now);
        // A browser that presented the cookie in force has it already.
        let kept = world.row.transport != Transport::Header && text == self.token;
        Answer::Granted((resends || !kept).then_some(text))
    }

    fn decide(mut self, world: &mut World, resends: bool) -> Next {
        let decision = match self.decision(world) {
            Ok(decision) => decision,
            Err(CookieDecision::Accept(None)) => return Next::Answer(Answer::Granted(None)),
            Err(CookieDecision::Accept(Some(touch))) => {
                self.call = Call::Touch(touch);
                return Next::Call(self);
            }
            Err(CookieDecision::Deny(denial)) => Decision::Deny(denial),
            Err(CookieDecision::Revoke(reuse)) => Decision::Revoke(reuse),
        };
        match decision {
            Decision::Deny(denial) => Next::Answer(Answer::Denied(denial)),
            Decision::Replay(granted) => Next::Answer(self.replayed(&granted, world, resends)),
            Decision::Revoke(reuse) => {
                self.call = Call::End(reuse);
                Next::Call(self)
            }
            Decision::Rotate(rotation, pending) => {
                self.call = Call::Commit(rotation, pending);
                Next::Call(self)
            }
            Decision::Touch(touch, pending) => {
                self.call = Call::Replay(touch, pending);
                Next::Call(self)
            }
        }
    }

    /// What the token means by the row as it is now; `Err` if it is a session cookie that is used.
    fn decision(&self, world: &mut World) -> Result<Decision, CookieDecision> {
        let row = Committed::assertion(world.row.clone());
        let entropy = world.entropy.draw();
        let (policy, keys) = (&world.issuer.policy, &world.issuer.refresh_keys);
        let authentication = Authentication::password(self.now);
        let now = self.now;
        if world.row.transport == Transport::Session {
            let mut cookie = self.token.parse::<SessionToken>().unwrap();
            cookie.proof = self.proof;
            if self.route == Route::Page {
                return Err(cookie.decide(&row, policy, keys, now));
            }
            let decision =
                cookie.decide_step_up(&row, &authentication.into(), policy, keys, now, entropy);
            return Ok(decision.unwrap());
        }
        let step_up = StepUp::from(authentication);
        let step_up = (self.route == Route::StepUp).then_some(&step_up);
        let mut claims = world.claims(&self.token);
        claims.proof = self.proof;
        Ok(rule::decide(&claims, &row, step_up, policy, keys, now, entropy).unwrap())
    }
}
