//! What is deleted from the store of the system that was used before.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use token_core::Subject;
use token_http::adopt::{
    ActixSessionReader, Adoption, OldState, OldUser, Reader, TowerSessionsReader,
};

use crate::world::{World, get, with_cookie};

/// Adopts with this cookie, and comes back with both cookies later than the grace. Returns what was deleted.
async fn deleted_of(reader: impl Reader, old: &str) -> Vec<String> {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let deleted = Arc::clone(&rows);
    let delete = move |key| {
        let rows = Arc::clone(&rows);
        async move {
            rows.lock().unwrap().push(key);
            Ok(())
        }
    };
    let adoption = Adoption::of(reader).trust_sister_hosts().remember(false);
    let world = World::adopting(|config| config.adopt(adoption.delete_old(delete)));
    let reply = world.send(with_cookie(get("/api/me"), old)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let own = reply.set_cookies();
    assert_eq!(own.len(), 1, "{own:?}");
    let own = own[0].split(';').next().unwrap();
    world.advance(30);
    let both = format!("{own}; {old}");
    let reply = world.send(with_cookie(get("/api/me"), &both)).await;
    assert_eq!((reply.status, reply.set_cookies().len()), (200, 2));
    let reply = world.send(with_cookie(get("/api/me"), own)).await;
    assert_eq!(reply.status, 200);
    Arc::try_unwrap(deleted).map_or_else(
        |shared| shared.lock().unwrap().clone(),
        |own| own.into_inner().unwrap(),
    )
}

/// The application deletes what the old store knows by this key. The formats are those of the real stores, as the
/// examples that move from them have them.
#[tokio::test]
async fn a_record_is_deleted_by_the_key_that_its_store_knows() {
    let alice = async |_| Ok(Some(OldUser::new(Subject::new("alice").unwrap())));

    let id = URL_SAFE_NO_PAD.encode(7_i128.to_le_bytes());
    let expiry = (2999, 1_u16, 0_u8, 0_u8, 0_u8, 0_u32, 0_i8, 0_i8, 0_i8);
    let record = rmp_serde::to_vec(&(7_i128, json!({ "user": 1 }), expiry)).unwrap();
    let load = move |_| {
        let record = record.clone();
        async move { Ok(Some(record)) }
    };
    let tower = TowerSessionsReader::new(load, alice);
    assert_eq!(deleted_of(tower, &format!("id={id}")).await, [id]);

    let (key, name) = ([5; 64], "the-session-key");
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &key[..32]),
        name.as_bytes(),
    );
    let cookie = format!("id={}{name}", STANDARD.encode(tag).replace('=', "%3D"));
    let load = async |_| {
        let (json, lives_for) = (r#"{"user":"1"}"#.to_owned(), None);
        Ok(Some(OldState { json, lives_for }))
    };
    let actix = ActixSessionReader::new(&key, load, alice).unwrap().signed();
    assert_eq!(deleted_of(actix, &cookie).await, [name]);
    // In its cookie alone a session has no record.
    let state = r#"{"user":"1"}"#;
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &key[..32]),
        state.as_bytes(),
    );
    let cookie = format!("id={}{}", STANDARD.encode(tag), state.replace('"', "%22"));
    let actix = ActixSessionReader::cookie_store(&key, alice)
        .unwrap()
        .signed();
    assert!(deleted_of(actix, &cookie).await.is_empty());
}
