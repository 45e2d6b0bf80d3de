//! What is wrong with a Redis is said by name, with what fixes it, and without secrets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use store_redis::{RedisStore, RedisStoreError, RowFault};
use testbed::proxy::Proxy;
use testbed::redis::Server;
use token_core::session::{Ending, Epoch, Revocation};
use token_core::{RevokeReason, Session, Subject, UnixTime};
use token_session::SessionStore;
use token_session::store::{Created, SubjectEnding};
use token_session::test_util::TestManager;

async fn refused(url: &str) -> RedisStoreError {
    let error = RedisStore::connect(url).await.unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    assert!(!text.contains("s3cret"), "{text}");
    error
}

#[tokio::test]
async fn a_wrong_address_is_named() {
    for url in [
        "",
        "localhost",
        "http://127.0.0.1/",
        "redis://:s3cret@/x/y",
        "redis://u:s3cret@host:port/",
    ] {
        let error = refused(url).await;
        assert!(
            matches!(error, RedisStoreError::Address(_)),
            "{url}: {error:?}"
        );
    }
    let nobody = format!("redis://:s3cret@127.0.0.1:{}/", testbed::free_port());
    let error = refused(&nobody).await;
    assert!(matches!(error, RedisStoreError::Connection(_)), "{error:?}");
    // No such database; no Redis at all.
    let server = Server::start(&[]);
    let error = refused(&format!("{}99", server.url())).await;
    assert!(matches!(error, RedisStoreError::Address(_)), "{error:?}");
    let postgres = testbed::postgres::Server::start();
    let error = refused(&format!("redis://127.0.0.1:{}/", postgres.port())).await;
    assert!(matches!(error, RedisStoreError::Connection(_)), "{error:?}");
    let none: [&str; 0] = [];
    for builder in [
        RedisStore::cluster(none),
        RedisStore::sentinel(none, "master"),
    ] {
        let error = builder.connect().await.unwrap_err();
        assert!(matches!(error, RedisStoreError::Address(_)), "{error:?}");
    }
    let error = RedisStore::builder(&nobody).prefix("a{b}").connect().await;
    assert!(matches!(error.unwrap_err(), RedisStoreError::Prefix));
}

#[tokio::test]
async fn a_node_of_a_cluster_and_a_server_alone_are_told_apart() {
    let nodes = testbed::redis::cluster(3, &[]);
    let error = refused(&nodes[0].url()).await;
    assert!(matches!(error, RedisStoreError::ClusterNode), "{error:?}");
    assert!(error.to_string().contains("RedisStore::cluster"), "{error}");
    let alone = Server::start(&[]);
    let error = RedisStore::cluster([alone.url()])
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, RedisStoreError::NoCluster(_)), "{error:?}");
    assert!(error.to_string().contains("RedisStore::connect"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let server = Server::start(&["--requirepass", "s3cret-of-the-server"]);
    let wrong = format!("redis://:s3cret@127.0.0.1:{}/", server.port);
    for url in [server.url(), wrong] {
        let error = refused(&url).await;
        assert!(
            matches!(error, RedisStoreError::Authentication(_)),
            "{error:?}"
        );
    }
    let right = format!("redis://:s3cret-of-the-server@127.0.0.1:{}/", server.port);
    let builder = RedisStore::builder(&right);
    assert!(!format!("{builder:?}").contains("s3cret"));
    let store = builder.connect().await.unwrap();
    assert!(!format!("{store:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_redis_that_evicts_is_refused() {
    let server = Server::start(&["--maxmemory-policy", "volatile-ttl"]);
    let error = refused(&server.url()).await;
    assert!(matches!(&error, RedisStoreError::Evicts { policy } if policy == "volatile-ttl"));
    assert!(
        error
            .to_string()
            .contains("set `maxmemory-policy noeviction`")
    );
    let _: () = server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    RedisStore::connect(&server.url()).await.unwrap();
}

#[tokio::test]
async fn where_config_is_forbidden_info_is_asked_and_then_the_operator() {
    let server = Server::start(&["--maxmemory-policy", "volatile-lru"]);
    let user = |name: &str, more: &[&str]| {
        let mut words = vec![
            "ACL",
            "SETUSER",
            name,
            "on",
            ">pw",
            "~hallpass*",
            "&hallpass:*",
            "+@all",
            "-config",
        ];
        words.extend(more);
        let _: () = server.ask(&words);
        format!("redis://{name}:pw@127.0.0.1:{}/", server.port)
    };
    let error = refused(&user("no-config", &[])).await;
    assert!(matches!(error, RedisStoreError::Evicts { .. }), "{error:?}");
    let blind = user("no-info", &["-info"]);
    let error = refused(&blind).await;
    assert!(
        matches!(error, RedisStoreError::EvictionUnknown(_)),
        "{error:?}"
    );
    let store = RedisStore::builder(&blind).danger_assume_noeviction();
    store.connect().await.unwrap();
    let foreign = RedisStore::builder(&blind)
        .danger_assume_noeviction()
        .prefix("other");
    let error = foreign.connect().await.unwrap_err();
    assert!(matches!(error, RedisStoreError::Permission(_)), "{error:?}");
}

#[tokio::test]
async fn the_buckets_stay_the_same_when_the_store_is_opened_again() {
    let server = Server::start(&[]);
    let subject = Subject::new("alice").unwrap();
    let buckets = async || {
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let other = RedisStore::builder(&server.url()).prefix("other");
        (
            store.bucket(&subject),
            other.connect().await.unwrap().bucket(&subject),
        )
    };
    let first = buckets().await;
    assert_eq!(buckets().await, first);
    let _: () = server.ask(&["SET", "hallpass:key", "short"]);
    let error = refused(&server.url()).await;
    assert!(matches!(&error, RedisStoreError::Secret { key } if key == "hallpass:key"));
}

/// Between what a node reads before it makes the secret, another node makes it and marks the buckets.
#[tokio::test]
async fn a_node_that_starts_while_another_opens_the_empty_redis_takes_its_secret() {
    let server = Server::start(&[]);
    let subject = Subject::new("alice").unwrap();
    let mut buckets = Vec::new();
    for said in [b"\nHGET\r\n".as_slice(), b"\nNX\r\n", b"\nEVALSHA\r\n"] {
        let _: () = server.ask(&["FLUSHALL"]);
        let proxy = Proxy::start(server.port);
        let (url, other) = (server.url(), Arc::new(OnceLock::new()));
        let opened = Arc::clone(&other);
        proxy.before(said, move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let store = runtime.block_on(RedisStore::connect(&url)).unwrap();
            opened.set((store, runtime)).unwrap();
        });
        let url = format!("redis://127.0.0.1:{}/", proxy.port());
        let store = RedisStore::connect(&url).await.unwrap();
        let (first, runtime) = Arc::into_inner(other).unwrap().into_inner().unwrap();
        assert_eq!(store.bucket(&subject), first.bucket(&subject));
        buckets.push(store.bucket(&subject));
        drop(first);
        runtime.shutdown_background();
    }
    buckets.dedup();
    assert_ne!(buckets.len(), 1, "each time another secret");
}

#[tokio::test]
async fn a_key_of_another_type_is_named_with_its_type() {
    let server = Server::start(&[]);
    let _: () = server.ask(&["LPUSH", "hallpass:key", "x"]);
    let error = refused(&server.url()).await;
    assert_eq!(
        error.to_string(),
        "the key `hallpass:key` is of type `list`, not `string`; another program uses it: \
         choose another prefix, or delete the key"
    );
    let _: () = server.ask(&["DEL", "hallpass:key"]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let session = opened(&store).await;
    let bucket = format!("hallpass{{{:02x}}}", session.id.bucket().0);

    let row = row_key(&bucket, &session);
    let mut connection = server.connection().unwrap();
    let set = |connection: &mut redis::Connection, key: &[u8]| {
        redis::cmd("DEL").arg(key).exec(connection).unwrap();
        redis::cmd("SET")
            .arg(key)
            .arg("x")
            .exec(connection)
            .unwrap();
    };
    set(&mut connection, &row);
    let end = ending(&session);
    let expected = row.escape_ascii().to_string();
    let everything = subject_ending(&session);
    for error in [
        store.load(session.id).await.unwrap_err(),
        store.revoke(&end).await.unwrap_err(),
        store.list(&session.subject).await.unwrap_err(),
        store.revoke_subject(&everything).await.unwrap_err(),
    ] {
        let RedisStoreError::WrongType {
            key,
            expected: kind,
            found,
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (key.as_str(), kind, found.as_str()),
            (expected.as_str(), "hash", "string")
        );
    }
    for (kind, name) in [("e", "hash"), ("l", "zset")] {
        redis::cmd("DEL").arg(&row).exec(&mut connection).unwrap();
        let key = format!("{bucket}{kind}");
        set(&mut connection, key.as_bytes());
        let error = store.revoke_subject(&everything).await.unwrap_err();
        let RedisStoreError::WrongType {
            key: named,
            expected,
            ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((named, *expected), (&key, name));
        redis::cmd("DEL").arg(key).exec(&mut connection).unwrap();
    }
}

#[tokio::test]
async fn a_row_edited_by_hand_is_named_with_its_field() {
    let server = Server::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let session = opened(&store).await;
    let bucket = format!("hallpass{{{:02x}}}", session.id.bucket().0);
    let row = row_key(&bucket, &session);
    let mut connection = server.connection().unwrap();
    let state: Vec<u8> = redis::cmd("HGET")
        .arg(&row)
        .arg("1")
        .query(&mut connection)
        .unwrap();
    let mut later = state.clone();
    later[0] = 2;
    for (field, value, fault) in [
        ("1", &later, RowFault::Layout { found: 2 }),
        ("1", &b"junk".to_vec(), RowFault::Layout { found: b'j' }),
        (
            "4",
            &b"junk".to_vec(),
            RowFault::Field {
                field: "4, constant",
            },
        ),
        (
            "3",
            &b"\xff".to_vec(),
            RowFault::Field { field: "3, key id" },
        ),
        (
            "7",
            &b"12345sometimes".to_vec(),
            RowFault::Field { field: "7, ended" },
        ),
    ] {
        let backup: Vec<(Vec<u8>, Vec<u8>)> = redis::cmd("HGETALL")
            .arg(&row)
            .query(&mut connection)
            .unwrap();
        redis::cmd("HSET")
            .arg(&row)
            .arg(field)
            .arg(value)
            .exec(&mut connection)
            .unwrap();
        let error = store.load(session.id).await.unwrap_err();
        let RedisStoreError::Corrupt { key, fault: found } = error else {
            panic!("{field}: {error:?}");
        };
        assert_eq!((key, found), (row.escape_ascii().to_string(), fault));
        redis::cmd("DEL").arg(&row).exec(&mut connection).unwrap();
        redis::cmd("HSET")
            .arg(&row)
            .arg(backup)
            .exec(&mut connection)
            .unwrap();
    }
    redis::cmd("HDEL")
        .arg(&row)
        .arg("2")
        .exec(&mut connection)
        .unwrap();
    let error = store.load(session.id).await.unwrap_err();
    let missing = RowFault::Missing { field: "2, hashes" };
    assert!(matches!(error, RedisStoreError::Corrupt { fault, .. } if fault == missing));
}

async fn opened(store: &RedisStore) -> Session {
    let memory = TestManager::new(token_core::Policy::default());
    let login = memory.login("alice", "notes:read").await;
    let mut session = login.session().clone();
    let mut id = *session.id.as_bytes();
    id[0] = store.bucket(&session.subject).0;
    session.id = token_core::SessionId::from_bytes(id);
    session.subject_epoch = Epoch::default();
    assert!(matches!(
        store.create(&session, None).await,
        Ok(Created::Applied(_))
    ));
    session
}

fn row_key(bucket: &str, session: &Session) -> Vec<u8> {
    [bucket.as_bytes(), session.id.as_bytes()].concat()
}

fn revocation(session: &Session) -> Revocation {
    Revocation {
        at: session.created_at,
        reason: RevokeReason::Admin,
    }
}

fn ending(session: &Session) -> Ending {
    Ending {
        id: session.id,
        revocation: revocation(session),
        purge_at: UnixTime::MAX,
    }
}

fn subject_ending(session: &Session) -> SubjectEnding {
    SubjectEnding::new(
        session.subject.clone(),
        None,
        revocation(session),
        UnixTime::MAX,
    )
}
