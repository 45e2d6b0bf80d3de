//! Registrations and renewals on their way between the browser and the nodes.

use std::rc::Rc;

use token_core::UnixTime;

use super::{Event, Simulation, Stolen};
use crate::actions::Try;
use crate::device::{DeviceJob, DeviceNext, UNREACHABLE};
use crate::software_key::SoftwareKey;

/// What happens on the way of a registration or a renewal. A renewal has a number, a registration a key.
pub(super) enum DeviceEvent {
    /// A node is asked for a challenge.
    Ask(u64, Try),
    Challenged(u64, String, Try),
    Arrive(Errand, String, Try),
    Store(Errand, Box<DeviceJob>),
    /// The value of the bound cookie; none if the node has refused the proof.
    Answer(Errand, Option<String>),
    Unanswered(u64),
}

#[derive(Clone)]
pub(super) enum Errand {
    Register(Rc<SoftwareKey>),
    Renew(u64),
}

/// What the browser does with its key.
impl Simulation {
    /// The browser makes a key, as the answer to a login or a step-up offers.
    pub(super) fn register(&mut self, attempt: Try) {
        let now = self.clock(attempt.node);
        if let Some(device) = &self.device {
            let (key, proof) = device.register(now);
            let errand = Errand::Register(key);
            let arrive = DeviceEvent::Arrive(errand, proof, attempt);
            self.post(attempt.there, Event::Bound(arrive));
        }
    }

    /// One renewal for all requests.
    pub(super) fn renew(&mut self) {
        let (id, attempt) = (self.count, self.renewal);
        let Some(device) = &mut self.device else {
            return;
        };
        if device.renewal.is_some() {
            return;
        }
        device.renewal = Some(id);
        self.post(UNREACHABLE, Event::Bound(DeviceEvent::Unanswered(id)));
        self.post(attempt.there, Event::Bound(DeviceEvent::Ask(id, attempt)));
    }

    pub(super) fn on_device_event(&mut self, event: DeviceEvent) {
        match event {
            DeviceEvent::Ask(id, attempt) => {
                let now = self.clock(attempt.node);
                if let Some(device) = &self.device {
                    let challenge = device.challenge(now);
                    let event = DeviceEvent::Challenged(id, challenge, attempt);
                    self.post(attempt.back, Event::Bound(event));
                }
            }
            DeviceEvent::Challenged(id, challenge, attempt) => {
                let device = self.device.as_mut();
                let device = device.filter(|device| device.renewal == Some(id));
                if let Some(proof) = device.and_then(|device| device.sign(&challenge)) {
                    // The other node answers.
                    let node = 1 - attempt.node;
                    let attempt = Try { node, ..attempt };
                    let event = DeviceEvent::Arrive(Errand::Renew(id), proof, attempt);
                    self.post(attempt.there, Event::Bound(event));
                }
            }
            DeviceEvent::Arrive(errand, proof, attempt) => {
                let now = self.clock(attempt.node);
                let device = self.device.as_ref();
                match device.and_then(|device| device.arrive(&proof, attempt, now)) {
                    Some(job) => self.call_store(errand, job),
                    None => self.answer_device(errand, None, attempt),
                }
            }
            DeviceEvent::Store(errand, job) => {
                let attempt = job.attempt;
                match job.run(&mut self.world) {
                    DeviceNext::Call(job) => self.call_store(errand, job),
                    DeviceNext::Refused => self.answer_device(errand, None, attempt),
                    DeviceNext::Answer(value) => {
                        let value = value.secret().to_owned();
                        self.answer_device(errand, Some(value), attempt);
                    }
                }
            }
            DeviceEvent::Answer(errand, value) => self.hear(errand, value),
            DeviceEvent::Unanswered(id) => {
                let device = self.device.as_mut();
                if let Some(device) = device.filter(|device| device.renewal == Some(id)) {
                    device.renewal = None;
                    self.release(true);
                }
            }
        }
    }

    pub(super) fn call_store(&mut self, errand: Errand, job: DeviceJob) {
        let hang = job.hang();
        let event = DeviceEvent::Store(errand, Box::new(job));
        self.post(hang, Event::Bound(event));
    }

    pub(super) fn answer_device(&mut self, errand: Errand, value: Option<String>, attempt: Try) {
        if !attempt.lost {
            let event = DeviceEvent::Answer(errand, value);
            self.post(attempt.back, Event::Bound(event));
        }
    }

    /// The browser hears an answer.
    pub(super) fn hear(&mut self, errand: Errand, value: Option<String>) {
        let Some(device) = &mut self.device else {
            return;
        };
        match (errand, value) {
            (Errand::Register(key), Some(value)) => {
                device.registered(key, value, self.now);
                self.registrations += 1;
                // Another registration came first and its key is in use. This answer is late, and the browser
                // gives the key up that counts.
                self.lost |= self.is_demanding();
            }
            (Errand::Renew(id), Some(value)) if device.renewal == Some(id) => {
                device.renewed(value, self.now);
                self.release(false);
            }
            // Another challenge, which is answered at once.
            (Errand::Renew(id), None) if device.renewal == Some(id) => {
                device.refused();
                if device.renewal.is_none() {
                    self.release(false);
                }
                let event = DeviceEvent::Ask(id, Try::default());
                self.post(1_000, Event::Bound(event));
            }
            (Errand::Register(_), None) | (Errand::Renew(_), _) => {}
        }
    }

    /// The requests that have waited go out.
    pub(super) fn release(&mut self, skipped: bool) {
        for mut request in std::mem::take(&mut self.waiting) {
            request.token.clone_from(&self.shared);
            request.skipped = skipped;
            self.dispatch(request);
        }
    }

    /// A thief who has seen a proof tries what it still buys.
    pub(super) fn use_seen_proof(&self, stolen: &Stolen, now: UnixTime) -> Option<String> {
        let (device, proof) = (self.device.as_ref()?, stolen.proof.as_ref()?);
        let job = device.arrive(proof, Try::default(), now)?;
        let value = job.repeated(&self.world)?;
        Some(value.secret().to_owned())
    }
}
