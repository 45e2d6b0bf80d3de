//! A script that is cut off half-way leaves the row as it was or as it becomes, and the same
//! call, made again, brings it to its end.
//!
//! Here a proxy cuts it off: it sends the script with a `redis.call` that fails at a write.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use store_redis::RedisStore;
use testbed::redis::Server;
use token_core::binding::{Binding, Thumbprint};
use token_core::session::{Bind, Change, Ending, Epoch, Nonce, Revocation, Rotation, Slide, Touch};
use token_core::types::TokenHash;
use token_core::{Policy, RevokeReason, Session, SessionId, Subject, UnixTime};
use token_session::SessionStore;
use token_session::store::{
    Commit, Created, DataWrite, DataWritten, Notice, Revoke, SubjectEnding,
};
use token_session::test_util::TestManager;

/// Scripts run to their end.
const WHOLE: u64 = u64::MAX;

/// Stands before each script. `redis` is another one from there on.
const CUT: &str = "
local left, real = {left}, redis
local writes = {HSET = 1, HDEL = 1, EXPIRE = 1, ZADD = 1, ZREM = 1, PUBLISH = 1, SET = 1, DEL = 1}
local function cut(how)
  return function(name, ...)
    if writes[name] then
      if left == 0 then
        error('cut off')
      end
      left = left - 1
    end
    return how(name, ...)
  end
end
local redis = {pcall = cut(real.pcall), call = cut(real.call)}
";

/// A proxy before a server. Returns its port; after as many writes as `left` says it cuts a
/// script off.
fn proxy(server: u16, left: Arc<AtomicU64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let mut answers = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers.0, &mut answers.1));
            let left = Arc::clone(&left);
            thread::spawn(move || pass_on(client, server, &left));
        }
    });
    port
}

fn pass_on(client: TcpStream, mut server: TcpStream, left: &AtomicU64) {
    let mut client = BufReader::new(client);
    // The scripts, by their digests: the store loads them all.
    let mut scripts = HashMap::new();
    while let Some(mut words) = read(&mut client) {
        if words[0] == b"SCRIPT" && words[1] == b"LOAD" {
            let code = String::from_utf8(words[2].clone()).unwrap();
            let digest = redis::Script::new(&code).get_hash().to_owned();
            scripts.insert(digest.into_bytes(), code);
        }
        let left = left.load(Ordering::SeqCst);
        if words[0] == b"EVALSHA" && left != WHOLE {
            words[0] = b"EVAL".to_vec();
            words[1] = (CUT.replace("{left}", &left.to_string()) + &scripts[&words[1]]).into();
        }
        if write(&mut server, &words).is_err() {
            return;
        }
    }
}

/// Reads one command: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
fn read(from: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let count = number(from, '*')?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let mut word = vec![0; number(from, '$')? + 2];
        from.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(word);
    }
    Some(words)
}

fn number(from: &mut BufReader<TcpStream>, kind: char) -> Option<usize> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    line.strip_prefix(kind)?.trim().parse().ok()
}

fn write(to: &mut TcpStream, words: &[Vec<u8>]) -> std::io::Result<()> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    to.write_all(&bytes)
}

struct World {
    _server: Server,
    store: RedisStore,
    manager: TestManager,
    left: Arc<AtomicU64>,
}

impl World {
    async fn new() -> Self {
        let server = Server::start(&[]);
        let left = Arc::new(AtomicU64::new(WHOLE));
        let port = proxy(server.port, Arc::clone(&left));
        let url = format!("redis://127.0.0.1:{port}/");
        Self {
            store: RedisStore::connect(&url).await.unwrap(),
            manager: TestManager::new(Policy::default()),
            _server: server,
            left,
        }
    }

    /// Makes a call that is cut off after so many writes, and then the same one again. Says
    /// whether it was cut off, too.
    async fn twice<T, E: std::fmt::Debug>(
        &self,
        writes: u64,
        call: impl AsyncFn(&RedisStore) -> Result<T, E>,
        between: impl AsyncFn(&RedisStore),
    ) -> (T, bool) {
        self.left.store(writes, Ordering::SeqCst);
        let first = call(&self.store).await;
        self.left.store(WHOLE, Ordering::SeqCst);
        between(&self.store).await;
        (call(&self.store).await.unwrap(), first.is_err())
    }

    /// A session that is not stored yet.
    async fn session(&self, subject: &str) -> Session {
        let login = self.manager.login(subject, "notes:read").await;
        let mut session = login.session().clone();
        let mut id = *session.id.as_bytes();
        id[0] = self.store.bucket(&session.subject).0;
        session.id = SessionId::from_bytes(id);
        session.subject_epoch = self.store.epoch(&session.subject).await.unwrap();
        session
    }

    async fn stored(&self, subject: &str) -> Session {
        let session = self.session(subject).await;
        let created = self.store.create(&session, None).await.unwrap();
        assert!(matches!(created, Created::Applied(_)));
        session
    }
}

async fn load(store: &RedisStore, id: SessionId) -> Option<Session> {
    store
        .load(id)
        .await
        .unwrap()
        .map(|row| Session::clone(&row))
}

fn later(session: &Session, seconds: u64) -> UnixTime {
    session.created_at + Duration::from_secs(seconds)
}

fn ending(session: &Session) -> Ending {
    Ending {
        id: session.id,
        revocation: Revocation {
            at: later(session, 10),
            reason: RevokeReason::Logout,
        },
        purge_at: later(session, 90_000),
    }
}

/// Moves the end of the row as well, to a later day.
fn slide(session: &Session) -> Slide {
    Slide {
        idle_expires_at: session.idle_expires_at + Duration::from_secs(25 * 3600),
        purge_at: session.purge_at + Duration::from_secs(48 * 3600),
    }
}

#[tokio::test]
async fn a_login() {
    let world = World::new().await;
    for cut in 0.. {
        let session = world.session(&format!("user-{cut}")).await;
        let between = async |store: &RedisStore| {
            let row = load(store, session.id).await;
            assert!(row.is_none_or(|row| row == session), "{cut}");
        };
        let created = world.twice(cut, async |s| s.create(&session, None).await, between);
        let (created, was_cut) = created.await;
        assert!(matches!(created, Created::Applied(_)), "{cut}");
        let listed = world.store.list(&session.subject).await.unwrap();
        assert_eq!(listed.len(), 1, "{cut}");
        assert_eq!(*listed[0], session, "{cut}");
        if !was_cut {
            // The index, the row, its end.
            return assert_eq!(cut, 3);
        }
    }
}

#[tokio::test]
async fn a_refresh_and_a_touch() {
    let world = World::new().await;
    for cut in 0.. {
        let session = world.stored(&format!("user-{cut}")).await;
        let (hash, nonce) = (TokenHash::from_bytes([9; 32]), Nonce::from_bytes([8; 16]));
        let mut rotation = Rotation::new(&session, hash, nonce, later(&session, 100));
        rotation.slide = slide(&session);
        rotation.remember_slide = slide(&session);
        let rotation = Change::Rotate(rotation);
        let (rotated, rotation_was_cut) = commit(&world, cut, &session, &rotation).await;
        let mut touch = Touch::new(&rotated, later(&rotated, 200));
        touch.slide = slide(&rotated);
        let touch = Change::Touch(touch);
        let (_, touch_was_cut) = commit(&world, cut, &rotated, &touch).await;
        if !rotation_was_cut && !touch_was_cut {
            // The ends of the row and of its data, and the row.
            return assert_eq!(cut, 3);
        }
    }
}

#[tokio::test]
async fn a_registration_of_a_key() {
    let world = World::new().await;
    for cut in 0.. {
        let session = world.stored(&format!("user-{cut}")).await;
        let bind = Change::Bind(Bind {
            id: session.id,
            from: session.binding,
            to: Binding::Key(Thumbprint::from_bytes([7; 32])),
            at: later(&session, 100),
        });
        let (_, was_cut) = commit(&world, cut, &session, &bind).await;
        if !was_cut {
            // The row, and the notice.
            return assert_eq!(cut, 2);
        }
    }
}

/// The row is the old one or the new one, and then the new one.
async fn commit(world: &World, cut: u64, old: &Session, change: &Change) -> (Session, bool) {
    let new = change.apply(old).unwrap();
    let between = async |store: &RedisStore| {
        let row = load(store, old.id).await.unwrap();
        assert!(row == *old || row == new, "{cut}: {row:?}");
    };
    let row = world.twice(cut, async |s| s.commit(change).await, between);
    let (row, was_cut) = row.await;
    match row {
        // What was done before comes back as the row that is in the way.
        Commit::Applied(row) | Commit::Missed(Some(row)) => assert_eq!(*row, new, "{cut}"),
        Commit::Missed(None) => panic!("{cut}: gone"),
    }
    (new, was_cut)
}

#[tokio::test]
async fn a_logout() {
    let world = World::new().await;
    for cut in 0.. {
        let session = world.stored(&format!("user-{cut}")).await;
        let end = ending(&session);
        let ended = end.apply(&session).unwrap();
        let between = async |store: &RedisStore| {
            let row = load(store, session.id).await.unwrap();
            assert!(row == session || row == ended, "{cut}: {row:?}");
        };
        let revoked = world.twice(cut, async |s| s.revoke(&end).await, between);
        let (revoked, was_cut) = revoked.await;
        assert!(!matches!(revoked, Revoke::Absent), "{cut}");
        assert_eq!(load(&world.store, session.id).await, Some(ended), "{cut}");
        let log = world.store.revocations(end.revocation.at).await.unwrap();
        assert!(log.iter().any(|one| one.id == session.id), "{cut}");
        if !was_cut {
            // The log and its end, the row, the ends of both, and the notice.
            return assert_eq!(cut, 6);
        }
    }
}

#[tokio::test]
async fn a_logout_everywhere() {
    let world = World::new().await;
    for cut in 0.. {
        let name = format!("user-{cut}");
        let subject = Subject::new(name.as_str()).unwrap();
        let sessions = [world.stored(&name).await, world.stored(&name).await];
        let end = SubjectEnding::new(
            subject.clone(),
            None,
            ending(&sessions[0]).revocation,
            ending(&sessions[0]).purge_at,
        );
        let ended = sessions.each_ref().map(|s| ending(s).apply(s).unwrap());
        let mut notices = world.store.subscribe();
        let between = async |store: &RedisStore| {
            for (session, ended) in sessions.iter().zip(&ended) {
                let row = load(store, session.id).await.unwrap();
                assert!(row == *session || row == *ended, "{cut}: {row:?}");
            }
        };
        let told = world.twice(cut, async |s| s.revoke_subject(&end).await, between);
        let (_, was_cut) = told.await;
        for (session, ended) in sessions.iter().zip(&ended) {
            let row = load(&world.store, session.id).await.unwrap();
            assert_eq!(row, *ended, "{cut}");
        }
        let epoch = world.store.epoch(&subject).await.unwrap();
        assert_ne!(epoch, Epoch::default(), "{cut}");
        let log = world.store.revocations(end.revocation.at).await.unwrap();
        for session in &sessions {
            assert!(log.iter().any(|one| one.id == session.id), "{cut}");
        }
        let mut untold = sessions.each_ref().map(|session| session.id).to_vec();
        while !untold.is_empty() {
            let notice = tokio::time::timeout(Duration::from_secs(10), notices.recv()).await;
            if let Notice::Ended(one) = notice.expect("told whenever it is cut off").unwrap() {
                untold.retain(|id| *id != one.id);
            }
        }
        if !was_cut {
            // The log with both and its end, the epoch, the notice, each row with two ends.
            return assert_eq!(cut, 11);
        }
    }
}

#[tokio::test]
async fn private_data() {
    let world = World::new().await;
    for cut in 0.. {
        let session = world.stored(&format!("user-{cut}")).await;
        let write = DataWrite::new(session.id, 0, Some(r#"{"n":1}"#.into()), later(&session, 1));
        let nothing = async |_: &RedisStore| {};
        let written = world.twice(cut, async |s| s.write_data(&write).await, nothing);
        let (written, was_cut) = written.await;
        let moved = match written {
            DataWritten::Applied => None,
            DataWritten::Moved(data) => Some(data),
            DataWritten::NotLive => panic!("{cut}: it has ended"),
        };
        let stored = world.store.load_data(session.id).await.unwrap().unwrap();
        assert!(moved.is_none_or(|moved| moved == stored), "{cut}");
        assert_eq!(stored.json.as_deref(), Some(r#"{"n":1}"#), "{cut}");
        if !was_cut {
            return assert_eq!(cut, 1);
        }
    }
}
