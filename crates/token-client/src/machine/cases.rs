//! The cases that the web client runs too.

use serde_json::{Map, Value};

use super::{
    AccessToken, Answer, Body, Flight, Fraction, Now, Question, Record, Verdict, View, Write,
};

/// Both clients run this file.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases.json");

/// Wall less monotonic time at the beginning.
const OFFSET: i64 = 1_700_000_000_000;

/// A client and its store, whose every action takes no time.
struct World<'a> {
    case: &'a Value,
    now: Now,
    random: Fraction,
    store: Option<Record>,
    view: View,
    flight: Option<Flight>,
    /// Since when a caller waits, and the token that it brought.
    waiting: (i64, Option<AccessToken>),
}

impl World<'_> {
    fn write(&mut self, write: &Write) -> bool {
        let next = write.apply(self.store.as_ref(), self.now);
        let won = next.is_some();
        self.store = next.or(self.store.take());
        self.view.adopt(self.store.clone(), self.now, self.random);
        won
    }

    /// Asks for the caller that waits, and does what follows. What the caller gets, and whether a request begins.
    fn ask(&mut self) -> (Value, bool) {
        let (since, rejected) = self.waiting.clone();
        let rejected = rejected.as_ref();
        let (verdict, renew) = self.view.ask(&Question { rejected, since }, self.now);
        let mut begun = false;
        if renew && self.flight.is_none() {
            let claim = Write::Claim {
                generation: self.view.record().unwrap().generation,
                locked: self.case["unlocked"] != true,
                online: self.view.is_online_again(),
            };
            begun = self.write(&claim);
            if begun {
                let record = self.store.clone().unwrap();
                let sent = self.now.wall;
                self.flight = Some(Flight { record, sent });
            } else {
                self.view.yield_to_claim(self.now);
            }
        }
        let gets = match verdict {
            Verdict::Give(token) => token.secret().into(),
            Verdict::LogIn { reason } => object("LoginRequired", reason.into()),
            Verdict::Unavailable { retry_at } => object("RefreshUnavailable", retry_at.into()),
            Verdict::Wait { .. } => "wait".into(),
        };
        (gets, begun)
    }

    fn answer(&mut self, answer: &Value) {
        let flight = self.flight.take().expect("a request is in flight");
        let answer = Answer {
            status: u16::try_from(answer["status"].as_u64().unwrap()).unwrap(),
            body: Body::read(answer["body"].to_string().as_bytes()),
            retry_after: answer["retryAfterMs"].as_i64().unwrap_or(0),
            offline: answer["offline"] == true,
        };
        let write = answer.sort(&flight, self.now, self.random);
        let won = self.write(&write);
        if won && matches!(write, Write::Fail { .. }) {
            self.view.note_failure();
        }
    }

    fn step(&mut self, step: &Value) {
        self.now.mono = step["at"].as_i64().unwrap();
        self.now.wall += step["clock"].as_i64().unwrap_or(0);
        if let Value::Object(changes) = &step["others"] {
            let mut record = serde_json::to_value(&self.store).unwrap();
            let members = record.as_object_mut().unwrap();
            for (name, value) in changes {
                members.insert(name.clone(), value.clone());
            }
            self.store = Some(serde_json::from_value(record).unwrap());
        }
        if step["online"] == true {
            self.view.note_online();
        }
        if !step["answer"].is_null() {
            self.answer(&step["answer"]);
        }
        if let Value::Object(ask) = &step["ask"] {
            let rejected = ask.get("rejected").map(|token| token.as_str().unwrap());
            self.waiting = (self.now.mono, rejected.map(|t| t.to_owned().into()));
        }
        if step["ask"].is_object() || step["look"] == true {
            let (gets, renews) = self.ask();
            if !step["gets"].is_null() {
                assert_eq!(gets, step["gets"]);
            }
            assert_eq!(renews, step["renews"] == true, "renews");
        }
        if let Value::Object(wanted) = &step["record"] {
            has(&serde_json::to_value(&self.store).unwrap(), wanted);
        }
    }
}

fn object(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Whether a record has these members.
fn has(record: &Value, wanted: &Map<String, Value>) {
    for (name, value) in wanted {
        match value {
            Value::Object(inner) => has(&record[name], inner),
            value => assert_eq!(&record[name], value, "{name} of {record}"),
        }
    }
}

/// In parts of 2³², exactly: the cases have fractions of powers of two.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0 and 1"
)]
fn fraction(number: &Value) -> Fraction {
    Fraction((number.as_f64().unwrap() * f64::from(2_u32.pow(31)) * 2.0) as u32)
}

fn run(case: &Value) {
    let steps = case["steps"].as_array().unwrap();
    let starts_late = !case["record"].is_null();
    let mono = if starts_late {
        &steps[0]["at"]
    } else {
        &Value::Null
    }
    .as_i64();
    let mono = mono.unwrap_or(0);
    let wall = OFFSET + mono;
    let mut world = World {
        case,
        now: Now { wall, mono },
        random: fraction(&case["random"]),
        store: Record::read(case["record"].to_string().as_bytes()),
        view: View::default(),
        flight: None,
        waiting: (0, None),
    };
    world
        .view
        .adopt(world.store.clone(), world.now, world.random);
    if !case["tokens"].is_null() {
        let body = Body::read(case["tokens"].to_string().as_bytes());
        let tokens = body.tokens(OFFSET).unwrap();
        world.write(&Write::Set { tokens });
    }
    for step in steps {
        world.now.wall += step["at"].as_i64().unwrap() - world.now.mono;
        eprintln!("{step}");
        world.step(step);
    }
}

#[test]
fn the_cases_that_both_clients_share_hold() {
    let cases: Value = serde_json::from_slice(&std::fs::read(CASES).unwrap()).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        // Shown if a step fails.
        eprintln!("\n{}", case["name"]);
        run(case);
    }
}
