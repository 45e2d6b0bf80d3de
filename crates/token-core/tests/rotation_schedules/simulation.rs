//! A browser with several tabs, a network that delays, loses and reorders, and a thief.

use std::collections::{BTreeMap, BTreeSet};

use token_core::session::{
    Committed, CookieDecision, Decision, DenialReason, Purpose, SessionToken,
};
use token_core::{Policy, Transport, UnixTime};

use crate::actions::{Action, Kind, PATIENCE, Try};
use crate::server::{Answer, Job, Next, Route};
use crate::support::{World, at, secs};

pub(crate) const GRACE: u64 = 30;
pub(crate) const TOLERANCE: u64 = 5;
pub(crate) const ACCESS: u64 = 300;
/// How far the clocks of the nodes differ, in milliseconds. Times are whole seconds, so the
/// tolerance has to be one second longer.
pub(crate) const SKEW: i64 = 4_000;
/// A browser gives a request up after this long; an answer that comes later is not stored.
const LIMIT: u64 = 7_000;
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
}

impl Settings {
    pub(crate) const fn new(transport: Transport, skew: i64) -> Self {
        Self {
            transport,
            margin: 10,
            skew,
            resends: false,
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
}

/// When a request came to a node, and whether what it presented was superseded so long ago that
/// the session has to end.
#[derive(Clone, Copy)]
struct Arrived {
    at: u64,
    must_end: bool,
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
    pub(crate) stolen: Option<String>,
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
        Self {
            world,
            settings,
            now: 1_000_000,
            events: BTreeMap::new(),
            count: 0,
            answered: BTreeSet::new(),
            shared: token.clone(),
            heard: 0,
            stolen: None,
            issued: BTreeMap::from([(token, 0)]),
            made: vec![Made {
                at: 0,
                by_step_up: false,
            }],
            refused: Vec::new(),
            healed: 0,
            lost: false,
            late: false,
        }
    }

    /// Runs a schedule, and lets everything arrive that is under way.
    pub(crate) fn run(&mut self, actions: Vec<Action>) {
        for Action { after, kind } in actions {
            self.stay_awake_until(self.now + after);
            if self.has_stopped() {
                return;
            }
            self.act(kind);
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
            Kind::Steal => self.stolen = Some(self.shared.clone()),
            Kind::Use(attempt) => {
                let route = match self.settings.transport {
                    Transport::Session => Route::Page,
                    Transport::Cookie | Transport::Header => Route::Refresh,
                };
                if let Some(token) = self.stolen.clone() {
                    self.send(Who::Thief, route, token, vec![attempt], false);
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
            attempt,
            rest,
            sent: self.now,
            heals,
        };
        if who == Who::Browser {
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
        };
        let now = self.clock(request.attempt.node);
        let (token, attempt) = (request.token.clone(), request.attempt);
        let next = Job::arrive(&mut self.world, request.route, token, attempt, now);
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
            || self.issued[token] + 1 == self.world.row.generation.as_u64();
        known && self.now - made.at > bound * 1000
    }

    fn store(&mut self, request: Request, job: Job, arrived: Arrived) {
        let before = self.world.row.generation;
        let next = job.run(&mut self.world, self.settings.resends);
        let rotated = self.world.row.generation != before;
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
                    let generation = self.world.row.generation.as_u64();
                    self.issued.entry(token.clone()).or_insert(generation);
                }
                assert!(!arrived.must_end || !self.is_live() || self.has_moved_on(&request));
                if !request.attempt.lost {
                    self.post(request.attempt.back, Event::Answer(request, answer));
                }
            }
        }
    }

    /// Whether one more step-up came while a session cookie was judged: it is garbage by now.
    fn has_moved_on(&self, request: &Request) -> bool {
        self.settings.transport == Transport::Session
            && self.issued[&request.token] + 1 != self.world.row.generation.as_u64()
    }

    fn answer(&mut self, request: &Request, answer: Answer) {
        if request.who == Who::Thief {
            if let Answer::Granted(Some(token)) = answer {
                self.stolen = Some(token);
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
            }
            Answer::Granted(None) => {}
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
        let latest = self.world.row.generation.as_u64();
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
            let cookie = SessionToken::parse(token).unwrap();
            let decision = cookie.decide(&row, policy, keys, now);
            return matches!(decision, CookieDecision::Accept(_));
        }
        let claims = self.world.claims(token);
        match self.world.peek_at(&claims, &Purpose::Refresh, now) {
            Decision::Rotate(_) => true,
            Decision::Replay(granted) => {
                assert!(granted.session().token_hash == self.world.row.token_hash);
                false
            }
            Decision::Deny(_) | Decision::Revoke(_) => false,
        }
    }
}
