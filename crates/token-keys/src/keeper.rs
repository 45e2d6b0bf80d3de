//! Keys that change while the server runs: on schedule, with the file, or on request.

use std::time::Duration;

use token_core::{KeyId, KeyRing, PRODUCT, UnixTime};
use token_session::SessionManager;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
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

    /// Publishes no keys on schedule: they change only with the source and on request. A source in the
    /// environment has no other way.
    pub const fn without_rotation(mut self) -> Self {
        self.publishes = false;
        self
    }

    /// Keeps the keys of this manager in a task of its own. Once a second it looks whether the file has
    /// changed and whether a new key is due. If a file cannot be used, the keys before it stay, and the log says
    /// why. Must be called in a Tokio runtime, with the manager that was built with these keys.
    pub fn start(self, manager: &SessionManager) -> RunningKeeper {
        let (commands, received) = mpsc::channel(1);
        let running = Running {
            keeper: self,
            manager: manager.clone(),
        };
        tokio::spawn(running.keep(received));
        RunningKeeper(commands)
    }
}

impl RunningKeeper {
    /// Lets the next access key sign now, ahead of schedule. Gives the id of the key that signs.
    ///
    /// # Errors
    /// [`KeysError`] if that cannot be done. Nothing has changed then.
    pub async fn promote(&self) -> Result<KeyId, KeysError> {
        self.ask(Command::Promote).await
    }

    /// Removes an access key that has leaked, at once. Gives the id of the key that signs.
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
}

impl Running {
    async fn keep(mut self, mut commands: mpsc::Receiver<Asked>) {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stamp = None;
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
            self.reread_if_changed(&mut stamp).await;
            self.publish_if_due().await;
            self.apply();
        }
    }

    async fn reread_if_changed(&mut self, last: &mut Option<Stamp>) {
        let stamp = self.keeper.source.stamp();
        if stamp == *last {
            return;
        }
        *last = stamp;
        if let Err(error) = self.reread().await {
            let (error, source) = (&error as &dyn std::error::Error, &self.keeper.source);
            warn!(target: PRODUCT, error, %source, "the keys cannot be used, and the old keys stay");
        }
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
        self.keeper.keys = read.await.unwrap_or(Err(KeysError::Stopped))?;
        Ok(())
    }

    async fn publish_if_due(&mut self) {
        let (now, rotations) = (self.manager.now(), self.keeper.rotations);
        if !self.keeper.publishes || !self.keeper.keys.is_due(&rotations, now) {
            return;
        }
        let publish = move |keys: Keys| keys.publish(&rotations, now);
        match self.change(now, publish).await {
            Ok(()) => {
                info!(target: PRODUCT, source = %self.keeper.source, "a new key is published");
            }
            Err(error) => {
                let (error, source) = (&error as &dyn std::error::Error, &self.keeper.source);
                warn!(target: PRODUCT, error, %source, "no new key was published");
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Result<KeyId, KeysError> {
        let (now, rotations) = (self.manager.now(), self.keeper.rotations);
        match command {
            Command::Reread => self.reread().await?,
            Command::Promote => {
                let promote = move |keys: Keys| keys.promote(&rotations, now);
                self.change(now, promote).await?;
            }
            Command::Remove(id) => {
                let remove = move |keys: Keys| keys.remove(&id, &rotations, now);
                self.change(now, remove).await?;
            }
        }
        self.apply();
        Ok(self.manager.issuer().access_keys.current().id().clone())
    }

    async fn change(
        &mut self,
        now: UnixTime,
        change: impl FnOnce(Keys) -> Result<Keys, KeysError> + Send + 'static,
    ) -> Result<(), KeysError> {
        let source = self.keeper.source.clone();
        let changed = spawn_blocking(move || source.change(now, change)).await;
        self.keeper.keys = changed.unwrap_or(Err(KeysError::Stopped))?;
        Ok(())
    }

    /// Gives the manager the keys that apply now, if they have changed.
    fn apply(&self) {
        let keeper = &self.keeper;
        let replaced = keeper.keys.rings(&keeper.rotations, self.manager.now());
        let (access, refresh) = match replaced {
            Ok(rings) => rings,
            Err(error) => return stay(&error),
        };
        let issuer = self.manager.issuer();
        let ids = |ring: &KeyRing| -> Vec<KeyId> {
            ring.verifying_keys().map(|key| key.id().clone()).collect()
        };
        // The key that signs comes first in both.
        let same = ids(&access) == ids(&issuer.access_keys)
            && refresh.kids().eq(issuer.refresh_keys.kids());
        if !same && let Err(error) = self.manager.replace_keys(access, refresh) {
            stay(&error);
        }
    }
}

fn stay(error: &(dyn std::error::Error + 'static)) {
    warn!(target: PRODUCT, error, "the keys cannot be used now, and the old keys stay");
}
