//! A browser with several tabs, a network that delays, loses and reorders, and a thief. The browser may have a
//! key for the session, and then it renews a bound cookie.

mod renewals;

use std::collections::{BTreeMap, BTreeSet};

use token_core::binding::{BindingGeneration, Proof, Unproven};
use token_core::session::rule::{CookieDecision, Decision, SessionToken};
use token_core::session::{Committed, Denial, DenialReason};
use token_core::{Policy, Transport, UnixTime};

use crate::actions::{Action, Kind, PATIENCE, Try};
use crate::device::{Before, COPIED_PROOF, COPY, Device};
use crate::server::{Answer, Job, Next, Route};
use crate::support::{World, at, secs};
use renewals::DeviceEvent;

pub(crate) const GRACE: u64 = 30;
pub(crate) const TOLERANCE: u64 = 5;
pub(crate) const ACCESS: u64 = 300;
/// How far the clocks of the nodes differ, in milliseconds. Times are whole seconds, so the
/// tolerance has to be one second longer.
pub(crate) const SKEW: i64 = 4_000;
/// A browser gives a request up after this long; an answer that comes later is not stored.
const LIMIT: u64 = 7_000;
/// What every bound session accepts.
const PROVEN: Proof = Proof::Device(BindingGeneration::ANY);
/// A browser that is awake needs the next access token before the last one expires.
const AWAKE: u64 = 240_000;

/// What is shown by a schedule; `Simulation::run` tries one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) transport: Transport,
    /// The policy's `store_margin`, in seconds.
    pub(crate) margin: u64,
    /// Node 1's clock runs ahead or behind by so many milliseconds.
    pub(crate) skew: i64,
    /// Whether an answer sets the refresh cookie also if the browser presented the one in force.
    pub(crate) resends: bool,
    /// How the registration of the browser's key goes, if the browser makes one.
    pub(crate) registration: Option<Try>,
}

impl Settings {
    pub(crate) const fn new(transport: Transport, skew: i64) -> Self {
        Self {
            transport,
            margin: 10,
            skew,
            resends: false,
            registration: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Browser,
    Thief,
}

/// A request, from its first attempt to its answer.
#[derive(Clone)]
struct Request {
    id: u64,
    who: Who,
    route: Route,
    token: String,
    /// The bound cookie that goes along.
    bound: Option<String>,
    /// The browser could not renew its bound cookie, and sends the request without it.
    skipped: bool,
    /// It was sent before the browser had a key, and after its first bound cookie had ended.
    early: bool,
    attempt: Try,
    /// The attempts that follow if this one is not answered.
    rest: Vec<Try>,
    sent: u64,
    /// Whether it repeats a step-up because the browser was refused.
    heals: bool,
}

enum Event {
    Arrive(Request),
    Store(Request, Box<Job>, Arrived),
    Answer(Request, Answer),
    Unanswered(Request),
    Bound(DeviceEvent),
}

/// When a request came to a node, and whether what it presented was superseded so long ago that
/// the session has to end.
#[derive(Clone, Copy)]
struct Arrived {
    at: u64,
    must_end: bool,
    /// The proof has to be good, and this is until when one of a thief can be.
    copy_ends: Option<u64>,
}

/// What a thief has copied.
#[derive(Clone)]
pub(crate) struct Stolen {
    pub(crate) token: String,
    bound: Option<String>,
    proof: Option<String>,
    at: u64,
}

/// A rotation, by the clock that no node has.
#[derive(Clone, Copy)]
struct Made {
    at: u64,
    by_step_up: bool,
}

pub(crate) struct Simulation {
    pub(crate) world: World,
    settings: Settings,
    pub(crate) now: u64,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    answered: BTreeSet<u64>,
    /// What the tabs share: the cookie, or the token of the latest generation that was heard of.
    pub(crate) shared: String,
    /// The latest generation that the browser has heard of.
    heard: u64,
    pub(crate) stolen: Option<Stolen>,
    device: Option<Device>,
    /// How the next renewals go.
    renewal: Try,
    /// How many answers to registrations the browser has heard.
    registrations: u32,
    /// Requests that wait for a renewal.
    waiting: Vec<Request>,
    /// Every credential that ever left the server, with its generation.
    issued: BTreeMap<String, u64>,
    /// When each generation was made.
    made: Vec<Made>,
    pub(crate) refused: Vec<DenialReason>,
    /// How often a browser was refused and the step-up, made again, helped.
    pub(crate) healed: u64,
    /// The browser has to log in again.
    pub(crate) lost: bool,
    /// A request came later than the grace because no answer was heard: nothing is promised then.
    late: bool,
}

impl Simulation {
    pub(crate) fn new(settings: Settings) -> Self {
        let policy = Policy::builder()
            .access_lifetime(secs(ACCESS))
            .grace(secs(GRACE))
            .tolerance(secs(TOLERANCE))
            .store_margin(secs(settings.margin))
            .build()
            .unwrap();
        let (world, token) = World::new(policy, settings.transport);
        let mut simulation = Self {
            world,
            settings,
            now: 1_000_000,
            events: BTreeMap::new(),
            count: 0,
            answered: BTreeSet::new(),
            shared: token.clone(),
            heard: 0,
            stolen: None,
            device: None,
            renewal: Try::default(),
            registrations: 0,
            waiting: Vec::new(),
            issued: BTreeMap::from([(token, 0)]),
            made: vec![Made {
                at: 0,
                by_step_up: false,
            }],
            refused: Vec::new(),
            healed: 0,
            lost: false,
            late: false,
        };
        if let Some(attempt) = settings.registration {
            let now = simulation.clock(0);
            simulation.device = Some(Device::new(&simulation.world, now, simulation.now));
            simulation.register(attempt);
        }
        simulation
    }

    /// Runs a schedule, and lets everything arrive that is under way.
    pub(crate) fn run(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.stay_awake_until(self.now + action.after);
            if self.has_stopped() {
                return;
            }
            self.renewal = action.renewal;
            self.act(action.kind);
            self.renewal = Try::default();
        }
        self.stay_awake_until(self.now + 600_000);
    }

    /// Whether the rest of the schedule says nothing.
    pub(crate) fn has_stopped(&self) -> bool {
        self.late || self.lost
    }

    pub(crate) fn is_live(&self) -> bool {
        self.world.row.revocation.is_none()
    }

    /// Whether each use of the session has to be proven.
    pub(crate) fn is_demanding(&self) -> bool {
        self.world.row.binding.check(Proof::default()).is_err()
    }

    /// Somebody refreshes, with everything that is demanded.
    pub(crate) fn use_at(&mut self, token: &str, now: UnixTime) {
        let mut claims = self.world.claims(token);
        claims.proof = PROVEN;
        let decision = self.world.peek_at(&claims, None, now);
        self.world.carry_out(decision, now);
    }

    /// Whether an honest client that does nothing else now would get in.
    pub(crate) fn gets_in(&mut self) -> bool {
        self.holds(&self.shared.clone(), self.clock(0))
    }

    fn stay_awake_until(&mut self, until: u64) {
        while self.now + AWAKE < until && !self.has_stopped() {
            self.run_until(self.now + AWAKE);
            let route = match self.settings.transport {
                Transport::Session => Route::Page,
                Transport::Cookie | Transport::Header => Route::Refresh,
            };
            self.ask(route, Vec::new());
        }
        self.run_until(until);
    }

    fn run_until(&mut self, until: u64) {
        while !self.has_stopped()
            && let Some(entry) = self.events.first_entry()
        {
            if entry.key().0 > until {
                break;
            }
            let ((time, _), event) = entry.remove_entry();
            self.now = time;
            match event {
                Event::Arrive(request) => self.arrive(request),
                Event::Store(request, job, arrived) => self.store(request, *job, arrived),
                Event::Answer(request, answer) => self.answer(&request, answer),
                Event::Unanswered(request) => self.unanswered(request),
                Event::Bound(event) => self.on_device_event(event),
            }
        }
        self.now = until;
    }

    pub(crate) fn act(&mut self, kind: Kind) {
        match kind {
            Kind::Logout => self.world.end(self.clock(0)),
            Kind::Page(tries) => self.ask(Route::Page, tries),
            Kind::Refresh(tries) => self.ask(Route::Refresh, tries),
            Kind::StepUp(tries) => self.ask(Route::StepUp, tries),
            Kind::Steal => {
                let device = self.device.as_ref();
                self.stolen = Some(Stolen {
                    token: self.shared.clone(),
                    bound: device.and_then(|device| device.cookie(self.now)),
                    proof: device.and_then(|device| device.proof.clone()),
                    at: self.now,
                });
            }
            Kind::Use(attempt) => {
                let route = match self.settings.transport {
                    Transport::Session => Route::Page,
                    Transport::Cookie | Transport::Header => Route::Refresh,
                };
                if let Some(stolen) = self.stolen.clone() {
                    self.send(Who::Thief, route, stolen.token, vec![attempt], false);
                }
            }
        }
    }

    /// A tab asks with what the browser has.
    fn ask(&mut self, route: Route, tries: Vec<Try>) {
        self.send(Who::Browser, route, self.shared.clone(), tries, false);
    }

    fn send(&mut self, who: Who, route: Route, token: String, tries: Vec<Try>, heals: bool) {
        let mut rest = tries;
        let attempt = if rest.is_empty() {
            Try::default()
        } else {
            rest.remove(0)
        };
        self.count += 1;
        let request = Request {
            id: self.count,
            who,
            route,
            token,
            bound: None,
            skipped: false,
            early: false,
            attempt,
            rest,
            sent: self.now,
            heals,
        };
        let before = match &self.device {
            Some(device) if who == Who::Browser => device.before_request(self.now),
            _ => Before::Nothing,
        };
        if before != Before::Nothing {
            self.renew();
        }
        if before == Before::Wait {
            self.waiting.push(request);
        } else {
            self.dispatch(request);
        }
    }

    /// The request goes out, with the cookies that there are by now.
    fn dispatch(&mut self, mut request: Request) {
        let attempt = request.attempt;
        request.sent = self.now;
        if request.who == Who::Browser {
            request.bound = self
                .device
                .as_ref()
                .and_then(|device| device.cookie(self.now));
            let device = self.device.as_ref();
            request.early = device.is_some_and(|device| device.has_nothing(self.now));
            let patience = if attempt.lost { 0 } else { LIMIT };
            let again = attempt.again.max(patience);
            self.post(again, Event::Unanswered(request.clone()));
        }
        self.post(attempt.there, Event::Arrive(request));
    }

    fn post(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now + delay, self.count), event);
    }

    fn clock(&self, node: usize) -> UnixTime {
        let skew = if node == 0 { 0 } else { self.settings.skew };
        at(self.now.checked_add_signed(skew).unwrap() / 1000)
    }

    fn arrive(&mut self, request: Request) {
        let now = self.clock(request.attempt.node);
        let mut copy_ends = None;
        let value = match (&request.who, &self.stolen) {
            (Who::Thief, Some(stolen)) => {
                let seen = COPIED_PROOF * u64::from(stolen.proof.is_some());
                let skew = self.settings.skew.unsigned_abs();
                let ends = stolen.at + COPY + seen + skew + 1000;
                copy_ends = Some(ends);
                self.use_seen_proof(stolen, now)
                    .or_else(|| stolen.bound.clone())
            }
            _ => request.bound.clone(),
        };
        let proof = match &self.device {
            None => Proof::default(),
            Some(device) => device.prove(value.as_deref(), now),
        };
        let binding = self.world.row.binding;
        let copy_ends = copy_ends.filter(|_| binding.check(Proof::default()).is_err());
        let must_end = match self.superseded(&request.token) {
            None => false,
            Some(made) => {
                let age = self.now - made.at;
                let unheard = self.issued[&request.token] >= self.heard;
                let honest = request.who == Who::Browser;
                // A tab that keeps its token repeats the request with it, whatever others heard.
                let keeps = self.settings.transport == Transport::Header;
                let unheard = keeps || (unheard && !made.by_step_up);
                if honest && unheard && age > GRACE * 1000 {
                    self.late = true;
                    return;
                }
                self.is_superseded_long_ago(&request.token, made)
            }
        };
        let arrived = Arrived {
            at: self.now,
            must_end,
            copy_ends,
        };
        let (token, attempt) = (request.token.clone(), request.attempt);
        let next = Job::arrive(&mut self.world, request.route, token, proof, attempt, now);
        self.go_on(request, next, arrived);
    }

    /// The rotation that superseded a credential.
    fn superseded(&self, token: &str) -> Option<Made> {
        let next = usize::try_from(self.issued[token] + 1).unwrap();
        self.made.get(next).copied()
    }

    /// The second half of invariant 2.
    fn is_superseded_long_ago(&self, token: &str, made: Made) -> bool {
        let transport = self.settings.transport;
        // A browser may have been given back what a step-up has replaced.
        let given_back = made.by_step_up && transport != Transport::Header;
        let bound = GRACE + 2 * TOLERANCE + if given_back { ACCESS } else { 0 };
        // A session cookie from before the last two step-ups cannot be told from garbage.
        let known = transport != Transport::Session
            || self.issued[token] + 1 == self.world.row.generation.0;
        known && self.now - made.at > bound * 1000
    }

    fn store(&mut self, request: Request, job: Job, arrived: Arrived) {
        let before = self.world.row.clone();
        let next = job.run(&mut self.world, self.settings.resends);
        if let Next::Answer(Answer::Denied(Denial::Unbound(_))) = &next {
            assert!(before == self.world.row, "a credential without its proof");
        }
        let rotated = self.world.row.generation != before.generation;
        if rotated {
            self.made.push(Made {
                at: arrived.at,
                by_step_up: request.route == Route::StepUp,
            });
        }
        self.go_on(request, next, arrived);
        if rotated {
            self.check_one_branch();
        }
    }

    fn go_on(&mut self, request: Request, next: Next, arrived: Arrived) {
        match next {
            Next::Call(job) => {
                let hang = job.hang();
                self.post(hang, Event::Store(request, Box::new(job), arrived));
            }
            Next::Answer(answer) => {
                if let Answer::Granted(Some(token)) = &answer {
                    let generation = self.world.row.generation.0;
                    self.issued.entry(token.clone()).or_insert(generation);
                }
                let unproven = matches!(answer, Answer::Denied(Denial::Unbound(_)));
                let excused = unproven || self.has_moved_on(&request);
                assert!(!arrived.must_end || !self.is_live() || excused);
                // Invariant 7.
                if let Some(ends) = arrived.copy_ends
                    && matches!(answer, Answer::Granted(_))
                {
                    assert!(arrived.at <= ends, "a copy is good for too long");
                }
                if !request.attempt.lost {
                    self.post(request.attempt.back, Event::Answer(request, answer));
                }
            }
        }
    }

    /// Whether one more step-up came while a session cookie was judged: it is garbage by now.
    fn has_moved_on(&self, request: &Request) -> bool {
        self.settings.transport == Transport::Session
            && self.issued[&request.token] + 1 != self.world.row.generation.0
    }

    fn answer(&mut self, request: &Request, answer: Answer) {
        if request.who == Who::Thief {
            if let Answer::Granted(Some(token)) = answer
                && let Some(stolen) = &mut self.stolen
            {
                stolen.token = token;
            }
            return;
        }
        if self.now > request.sent + LIMIT || !self.answered.insert(request.id) {
            return;
        }
        match answer {
            Answer::Granted(Some(token)) => {
                let generation = self.issued[&token];
                // A browser stores the cookies in the order in which they come. Tabs that keep a
                // token themselves know which is the latest.
                if self.settings.transport != Transport::Header || generation >= self.heard {
                    self.shared = token;
                }
                self.heard = self.heard.max(generation);
                self.healed += u64::from(request.heals);
                // As long as no key is in use, the answer to a step-up offers to register one.
                let offered = self.world.row.binding.level().is_none();
                if request.route == Route::StepUp && offered {
                    let now = self.clock(request.attempt.node);
                    if let Some(device) = &mut self.device {
                        device.offered(now, self.now);
                    }
                    self.register(request.attempt);
                }
            }
            Answer::Granted(None) => {}
            // It could not reach the server to renew. Nothing has changed, and its next request renews.
            Answer::Denied(Denial::Unbound(_)) if request.skipped => {}
            // Its first registration was lost, and a step-up has made another while this was under way.
            Answer::Denied(Denial::Unbound(Unproven::Missing)) if request.early => {}
            // It has registered twice, and this went out with the value of the first registration.
            Answer::Denied(Denial::Unbound(Unproven::Superseded)) if self.registrations > 1 => {}
            Answer::Denied(denial) => {
                self.refused.push(denial.reason());
                let replaced = self.shared != request.token;
                if replaced || self.settings.transport == Transport::Header {
                    return;
                }
                // The cookie that the browser has is refused, so the user gives the password again.
                self.lost = request.heals || denial.reason() != DenialReason::Revoked;
                if !self.lost && self.is_live() {
                    let token = self.shared.clone();
                    self.send(Who::Browser, Route::StepUp, token, Vec::new(), true);
                }
            }
        }
    }

    fn unanswered(&mut self, request: Request) {
        if self.answered.insert(request.id) {
            let Request {
                token,
                route,
                rest,
                heals,
                sent,
                ..
            } = request;
            let keeps = self.settings.transport == Transport::Header;
            let keeps = keeps && self.now - sent <= PATIENCE;
            let token = if keeps { token } else { self.shared.clone() };
            self.send(Who::Browser, route, token, rest, heals);
        }
    }

    /// Invariant 1: of all credentials ever issued, on both nodes, one at most would be accepted or
    /// rotated, and what is replayed is the one in force.
    pub(crate) fn check_one_branch(&mut self) {
        // The older ones are all alike, so a few of them stand for the rest.
        let latest = self.world.row.generation.0;
        let recent = self.issued.iter();
        let recent =
            recent.filter(|(_, generation)| **generation == 0 || **generation + 4 > latest);
        let tokens: Vec<String> = recent.map(|(token, _)| token.clone()).collect();
        for node in [0, 1] {
            let now = self.clock(node);
            let holding = tokens.iter().filter(|token| self.holds(token, now)).count();
            assert!(holding <= 1, "{holding} credentials hold");
            assert!(holding == 0 || self.is_live());
        }
    }

    /// Whether a credential would be accepted or rotated.
    fn holds(&mut self, token: &str, now: UnixTime) -> bool {
        if self.settings.transport == Transport::Session {
            let row = Committed::assertion(self.world.row.clone());
            let (policy, keys) = (&self.world.issuer.policy, &self.world.issuer.refresh_keys);
            let mut cookie = token.parse::<SessionToken>().unwrap();
            cookie.proof = PROVEN;
            let decision = cookie.decide(&row, policy, keys, now);
            return matches!(decision, CookieDecision::Accept(_));
        }
        let mut claims = self.world.claims(token);
        claims.proof = PROVEN;
        match self.world.peek_at(&claims, None, now) {
            Decision::Rotate(..) => true,
            Decision::Replay(granted) => {
                assert!(granted.session().token_hash == self.world.row.token_hash);
                false
            }
            Decision::Touch(_, pending) => {
                let granted = pending.committed(Committed::assertion(self.world.row.clone()));
                assert!(granted.is_ok());
                false
            }
            Decision::Deny(_) | Decision::Revoke(_) => false,
        }
    }
}
