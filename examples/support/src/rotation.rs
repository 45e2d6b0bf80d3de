//! Keys that change while the server runs: on schedule, with the file, on SIGHUP, or on request.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use hallpass::{KeyId, KeyRing, SessionManager, UnixTime};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::keys::{KeySource, Keys, KeysError, Stamp};
use crate::rotations::Rotations;

/// A change of keys that an administrator asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "the two changes that there are")]
pub enum KeyCommand {
    /// Lets the next access key sign now, ahead of schedule.
    Promote,
    /// Removes an access key that has leaked, at once.
    Remove {
        /// The id of the key.
        kid: KeyId,
    },
}

/// The key that an administrator sends as `Authorization: Bearer KEY`.
#[derive(Clone)]
pub struct AdminKey(Arc<Zeroizing<String>>);

impl FromStr for AdminKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 128 bits in base64url, in characters that a header can carry.
        let fits = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < 22 || !fits {
            return Err("use at least 128 random bits, as base64url");
        }
        Ok(Self(Arc::new(text.to_owned().into())))
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey([redacted])")
    }
}

/// A change of keys, and the channel for its result.
type Asked = (KeyCommand, oneshot::Sender<Result<KeyId, KeysError>>);

/// Asks the keeper for a change of keys. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    key: Option<AdminKey>,
    commands: mpsc::Sender<Asked>,
}

impl KeyAdmin {
    /// Whether the server has an administrator's key.
    pub const fn is_on(&self) -> bool {
        self.key.is_some()
    }

    /// Changes keys if the request has the administrator's key, and says which access key signs now.
    /// The answer is 404 if the server has no such key, 401 if the request has another, 400 if the
    /// body is not a command, and 409 with the reason if the change is not possible.
    pub async fn act(&self, authorization: Option<&[u8]>, body: &[u8]) -> Response<Bytes> {
        let Some(AdminKey(key)) = &self.key else {
            return answer(404, &json!({ "error": "not_found" }));
        };
        let presented = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
        let presented = presented.unwrap_or_default();
        if verify_slices_are_equal(key.as_bytes(), presented).is_err() {
            let mut refused = answer(401, &json!({ "error": "unauthorized" }));
            let challenge = HeaderValue::from_static("Bearer realm=\"api\"");
            refused.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return refused;
        }
        let Ok(command) = serde_json::from_slice(body) else {
            return answer(400, &json!({ "error": "invalid_request" }));
        };
        let (reply, done) = oneshot::channel();
        let sent = self.commands.send((command, reply)).await;
        match (sent, done.await) {
            (Ok(()), Ok(Ok(kid))) => answer(200, &json!({ "kid": kid })),
            (Ok(()), Ok(Err(error))) => {
                let why = error.to_string();
                answer(
                    409,
                    &json!({ "error": "conflict", "error_description": why }),
                )
            }
            // The server is shutting down; another one will be there soon.
            _ => {
                let mut away = answer(503, &json!({ "error": "temporarily_unavailable" }));
                let soon = HeaderValue::from_static("1");
                away.headers_mut().insert(RETRY_AFTER, soon);
                away
            }
        }
    }
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "no-store")
        .body(body.to_string().into());
    response.expect("every part is well-formed")
}

/// Keeps the manager's keys up to date with the schedule and the file.
pub(crate) struct Keeper {
    pub(crate) source: KeySource,
    pub(crate) keys: Keys,
    pub(crate) rotations: Rotations,
    /// Whether new keys are made.
    pub(crate) rotates: bool,
    pub(crate) manager: SessionManager,
    pub(crate) admin_key: Option<AdminKey>,
}

impl Keeper {
    /// Spawns the keeper.
    pub(crate) fn start(self) -> KeyAdmin {
        let (commands, received) = mpsc::channel(1);
        let key = self.admin_key.clone();
        tokio::spawn(self.keep(received));
        KeyAdmin { key, commands }
    }

    async fn keep(mut self, mut commands: mpsc::Receiver<Asked>) {
        let mut hangup = signal(SignalKind::hangup())
            .inspect_err(|error| warn!(%error, "SIGHUP cannot be waited for"))
            .ok();
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stamp = None;
        loop {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = seconds.tick() => {}
                _ = hung_up => {
                    info!("SIGHUP: reading the keys again");
                    stamp = None;
                }
                command = commands.recv() => {
                    let Some((command, reply)) = command else { return };
                    let done = self.obey(command).await;
                    // The client may have closed the connection.
                    let _ = reply.send(done);
                }
            }
            self.reread(&mut stamp).await;
            self.publish().await;
            self.apply();
        }
    }

    /// Reads the file if it has changed, and takes its keys if they can be used.
    async fn reread(&mut self, last: &mut Option<Stamp>) {
        let stamp = self.source.stamp();
        if stamp == *last && stamp.is_some() {
            return;
        }
        *last = stamp;
        let (source, now) = (self.source.clone(), self.manager.now());
        let rotations = self.rotations;
        let read = spawn_blocking(move || {
            let keys = source.read(now)?;
            // Keys that cannot be used together must not replace keys that can.
            drop(keys.rings(&rotations, now)?);
            Ok::<_, KeysError>(keys)
        });
        match read.await {
            Ok(Ok(keys)) => self.keys = keys,
            Ok(Err(error)) => warn!(%error, source = %self.source, "the old keys stay"),
            Err(error) => warn!(%error, "the old keys stay"),
        }
    }

    /// Publishes a new key if one is due.
    async fn publish(&mut self) {
        let (now, rotations) = (self.manager.now(), self.rotations);
        if !self.rotates || !self.keys.is_due(&rotations, now) {
            return;
        }
        match self
            .change(now, move |keys| keys.publish(&rotations, now))
            .await
        {
            Ok(()) => info!("a new key is published"),
            Err(error) => warn!(%error, source = %self.source, "no new key was published"),
        }
    }

    async fn obey(&mut self, command: KeyCommand) -> Result<KeyId, KeysError> {
        let (now, rotations) = (self.manager.now(), self.rotations);
        self.change(now, move |mut keys| {
            keys.access = match command {
                KeyCommand::Promote => keys.access.promote(&rotations.access, now)?,
                KeyCommand::Remove { kid } => {
                    let removed = keys.access.remove(&kid, &rotations.access, now)?;
                    let (schedule, unknown_until) = removed;
                    if let Some(until) = unknown_until {
                        warn!(%until, "verifiers may not know the key that stands in");
                    }
                    schedule
                }
            };
            keys.publish(&rotations, now)
        })
        .await?;
        self.apply();
        Ok(self.manager.issuer().access_keys.current().id().clone())
    }

    async fn change(
        &mut self,
        now: UnixTime,
        change: impl FnOnce(Keys) -> Result<Keys, KeysError> + Send + 'static,
    ) -> Result<(), KeysError> {
        let source = self.source.clone();
        let changed = spawn_blocking(move || source.change(now, change)).await;
        self.keys = changed.map_err(|_| KeysError::Form)??;
        Ok(())
    }

    /// Gives the manager the keys that apply now, if they have changed.
    fn apply(&self) {
        let replaced = self.keys.rings(&self.rotations, self.manager.now());
        let (access, refresh) = match replaced {
            Ok(rings) => rings,
            Err(error) => return warn!(%error, "the old keys stay"),
        };
        let issuer = self.manager.issuer();
        let ids = |ring: &KeyRing| -> Vec<KeyId> {
            ring.verifying_keys().map(|key| key.id().clone()).collect()
        };
        // The key that signs comes first in both.
        let same = ids(&access) == ids(&issuer.access_keys)
            && refresh.kids().eq(issuer.refresh_keys.kids());
        if same {
            return;
        }
        if let Err(error) = self.manager.replace_keys(access, refresh) {
            warn!(%error, "the old keys stay");
        }
    }
}
