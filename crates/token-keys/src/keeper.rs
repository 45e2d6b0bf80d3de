//! Keys that change while the server runs: on schedule, with the file, or on request.

use std::panic::resume_unwind;
use std::time::Duration;

use token_core::{KeyId, KeyRing, PRODUCT, UnixTime};
use token_session::SessionManager;
use token_session::clock::ClockWatch;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::error::KeysError;
use crate::keys::Keys;
use crate::rotations::Rotations;
use crate::source::{KeySource, Stamp};

/// Keeps the keys of a manager as the schedule and the source say.
#[derive(Clone, Debug)]
#[must_use = "it does nothing before `start`"]
pub struct KeyKeeper {
    source: KeySource,
    keys: Keys,
    rotations: Rotations,
    publishes: bool,
}

/// A keeper that runs, until all clones of this are dropped.
#[derive(Clone, Debug)]
#[must_use = "the keeper ends when it is dropped"]
pub struct RunningKeeper(mpsc::Sender<Asked>);

/// A change of keys.
#[derive(Debug)]
enum Command {
    Promote,
    PromoteRefresh,
    Remove(KeyId),
    Reread,
}

/// A change of keys, and the channel for its result.
type Asked = (Command, oneshot::Sender<Result<KeyId, KeysError>>);

impl KeyKeeper {
    /// A keeper of keys that were opened from this source.
    pub const fn new(source: KeySource, keys: Keys, rotations: Rotations) -> Self {
        Self {
            source,
            keys,
            rotations,
            publishes: true,
        }
    }

    /// Publishes no keys on schedule: they change only with the source and on request. With a source in the
    /// environment that is so without this, since nothing can be written there.
    pub const fn without_rotation(mut self) -> Self {
        self.publishes = false;
        self
    }

    /// Keeps the keys of this manager in a task of its own. Once a second it looks whether the file has
    /// changed and whether a new key is due. If a file cannot be used, the keys before it stay, and the log says
    /// why. Must be called in a Tokio runtime, with the manager that was built with these keys.
    pub fn start(self, manager: &SessionManager) -> RunningKeeper {
        let (commands, received) = mpsc::channel(1);
        let publishes = self.publishes && self.source.is_file();
        let running = Running {
            keeper: Self { publishes, ..self },
            manager: manager.clone(),
            read: None,
            changed: false,
            reported: None,
            failed: None,
            clock: ClockWatch::new(manager.now()),
        };
        tokio::spawn(running.keep(received));
        RunningKeeper(commands)
    }
}

impl RunningKeeper {
    /// Lets the next access key of each algorithm sign now, ahead of schedule. Gives the id of the key that signs.
    ///
    /// # Errors
    /// [`KeysError`] if that cannot be done. Nothing has changed then.
    pub async fn promote(&self) -> Result<KeyId, KeysError> {
        self.ask(Command::Promote).await
    }

    /// Lets the next refresh key sign now, ahead of schedule: the one before it may have leaked, and is good for
    /// nothing but its refresh tokens a day later. Nobody is logged out. Gives the id of the key that signs.
    ///
    /// # Errors
    /// As [`promote`](Self::promote).
    pub async fn promote_refresh(&self) -> Result<KeyId, KeysError> {
        self.ask(Command::PromoteRefresh).await
    }

    /// Removes a key that has leaked, at once. For a refresh key, users whose token it signed have to log in
    /// again. Gives the id of the access key that signs.
    ///
    /// # Errors
    /// As [`promote`](Self::promote).
    pub async fn remove(&self, id: KeyId) -> Result<KeyId, KeysError> {
        self.ask(Command::Remove(id)).await
    }

    /// Reads the source now, whether it looks changed or not: for a signal, say. Gives the id of the key
    /// that signs.
    ///
    /// # Errors
    /// [`KeysError`] if it cannot be used. The keys before it stay then.
    pub async fn reread(&self) -> Result<KeyId, KeysError> {
        self.ask(Command::Reread).await
    }

    async fn ask(&self, command: Command) -> Result<KeyId, KeysError> {
        let (reply, done) = oneshot::channel();
        let sent = self.0.send((command, reply)).await;
        sent.map_err(|_| KeysError::Stopped)?;
        done.await.map_err(|_| KeysError::Stopped)?
    }
}

struct Running {
    keeper: KeyKeeper,
    manager: SessionManager,
    /// The file that was read last.
    read: Option<Stamp>,
    /// Whether they were read or changed since they were last given to the manager: a key may have
    /// been replaced under its id.
    changed: bool,
    /// What was last reported: said once, and not each second.
    reported: Option<String>,
    /// When a key could last not be published, and how long the pause after that is.
    failed: Option<(Instant, Duration)>,
    /// By a clock that is ahead, keys that sign are old ones, which go when a new one is published.
    clock: ClockWatch,
}

/// The pauses after a key could not be published, the first and the longest: the folder may be read-only.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Running {
    async fn keep(mut self, mut commands: mpsc::Receiver<Asked>) {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = seconds.tick() => {}
                command = commands.recv() => {
                    let Some((command, reply)) = command else { return };
                    let done = self.obey(command).await;
                    // Nobody may wait for it any more.
                    let _ = reply.send(done);
                }
            }
            self.tick().await;
        }
    }

    async fn tick(&mut self) {
        let stamp = self.keeper.source.stamp();
        let read = if stamp == self.read {
            Ok(())
        } else {
            self.reread().await
        };
        if read.is_ok() {
            self.read = stamp;
        }
        let done = match read {
            Ok(()) => self.publish_if_due().await,
            Err(error) => Err(error),
        };
        let applied = self.apply();
        match done.and(applied) {
            // What was reported last may be why there is a pause.
            Ok(()) if self.failed.is_some() => {}
            Ok(()) => self.reported = None,
            Err(error) => self.report(&error),
        }
    }

    fn report(&mut self, error: &KeysError) {
        let text = error.to_string();
        if self.reported.as_ref() == Some(&text) {
            return;
        }
        self.reported = Some(text);
        let (error, source) = (error as &dyn std::error::Error, &self.keeper.source);
        warn!(
            target: PRODUCT,
            error, %source, "the keys cannot be used or changed, and the old keys stay; tried again"
        );
    }

    /// Reads the source, and takes its keys if they can be used.
    async fn reread(&mut self) -> Result<(), KeysError> {
        let (source, now) = (self.keeper.source.clone(), self.manager.now());
        let rotations = self.keeper.rotations;
        let read = spawn_blocking(move || {
            let keys = source.read(now)?;
            // Keys that cannot be used together must not replace keys that can.
            drop(keys.rings(&rotations, now)?);
            Ok(keys)
        });
        self.keeper.keys = finished(read.await)?;
        self.changed = true;
        Ok(())
    }

    async fn publish_if_due(&mut self) -> Result<(), KeysError> {
        let (now, rotations) = (self.manager.now(), self.keeper.rotations);
        let trusts = self.clock.trusts(now);
        if !self.keeper.publishes || !trusts || !self.keeper.keys.is_due(&rotations, now) {
            self.failed = None;
            return Ok(());
        }
        if self.failed.is_some_and(|(at, pause)| at.elapsed() < pause) {
            return Ok(());
        }
        let publish = move |keys: Keys| keys.publish(&rotations, now);
        let (first, longest) = PAUSES;
        let pause = self
            .failed
            .map_or(first, |(_, pause)| longest.min(pause * 2));
        let published = self.change(now, publish).await;
        self.failed = published.is_err().then(|| (Instant::now(), pause));
        published?;
        info!(target: PRODUCT, source = %self.keeper.source, "a new key is published");
        Ok(())
    }

    async fn obey(&mut self, command: Command) -> Result<KeyId, KeysError> {
        let (now, rotations) = (self.manager.now(), self.keeper.rotations);
        match command {
            Command::Reread => self.reread().await?,
            Command::Promote => {
                let promote = move |keys: Keys| keys.promote(&rotations, now);
                self.change(now, promote).await?;
            }
            Command::PromoteRefresh => {
                let promote = move |keys: Keys| keys.promote_refresh(&rotations, now);
                self.change(now, promote).await?;
                self.apply()?;
                let issuer = self.manager.issuer();
                let signs = issuer.refresh_keys.kids().next().cloned();
                return Ok(signs.expect("a ring is made with a key"));
            }
            Command::Remove(id) => {
                let remove = move |keys: Keys| keys.remove(&id, &rotations, now);
                self.change(now, remove).await?;
            }
        }
        self.apply()?;
        Ok(self.manager.issuer().access_keys.current().id().clone())
    }

    async fn change(
        &mut self,
        now: UnixTime,
        change: impl Fn(Keys) -> Result<Keys, KeysError> + Send + 'static,
    ) -> Result<(), KeysError> {
        let (source, rotations) = (self.keeper.source.clone(), self.keeper.rotations);
        let changed = spawn_blocking(move || {
            source.change(now, |keys| {
                let keys = change(keys)?;
                // What cannot be used is not written.
                drop(keys.rings(&rotations, now)?);
                Ok(keys)
            })
        });
        self.keeper.keys = finished(changed.await)?;
        self.changed = true;
        Ok(())
    }

    /// Gives the manager the keys that apply now, if they are others than before.
    fn apply(&mut self) -> Result<(), KeysError> {
        let keeper = &self.keeper;
        let (access, refresh) = keeper.keys.rings(&keeper.rotations, self.manager.now())?;
        let issuer = self.manager.issuer();
        let ids = |ring: &KeyRing| -> Vec<KeyId> {
            ring.verifying_keys().map(|key| key.id().clone()).collect()
        };
        // The key that signs comes first in both. Those of another algorithm begin to sign without a change of ids.
        let same = ids(&access) == ids(&issuer.access_keys)
            && access.recipients().eq(issuer.access_keys.recipients())
            && refresh.kids().eq(issuer.refresh_keys.kids())
            && refresh.binding_keys() == issuer.refresh_keys.binding_keys();
        if self.changed || !same {
            self.manager.replace_keys(access, refresh)?;
        }
        self.changed = false;
        Ok(())
    }
}

/// What a blocking task gave. A panic goes on here, where it is seen.
fn finished<T>(done: Result<Result<T, KeysError>, JoinError>) -> Result<T, KeysError> {
    done.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Err(KeysError::Stopped),
    })
}
