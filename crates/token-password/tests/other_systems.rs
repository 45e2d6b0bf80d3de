//! Hashes that other systems have left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::convert::Infallible;
use std::fmt;

use token_password::{OtherForm, PasswordError, Passwords};

/// What was used, and what it made of the password `wonderland` with the least cost that it allows.
const HASHES: &[(&str, &str)] = &[
    (
        "bcrypt 5.0.0 (PyPI)",
        "$2b$04$qLzmevaiblWbMnl7uVLq3.zkPDuTxj8WCRQg86DCwx.Anu84vacPW",
    ),
    (
        "bcrypt 5.0.0 (PyPI)",
        "$2a$04$XNagjJaf3xu0FmHxkwdcbu64uoySFfv3o7J2WusQBTSQ7QCYYkQ9a",
    ),
    (
        "as PHP writes it",
        "$2y$04$qLzmevaiblWbMnl7uVLq3.zkPDuTxj8WCRQg86DCwx.Anu84vacPW",
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2id$v=19$m=64,t=2,p=1$ukFmA3no0QduMRXpUUqVBA$3L4n8gJvKMy+IE3NMu2GIInKg3m609JL3LLjaj0BVag",
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2i$v=19$m=64,t=2,p=1$B1o8XRkfkcRpynKcbtcTPw$mYElMN63V0sf/HyWFqZrEGReKK6HxUOkZcZI/j1f2Xc",
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2d$v=19$m=64,t=2,p=1$PBoM7Mm7HwDb1qojHvobWQ$Kfhso/9OXGPcXizsNeTAblc43HE02sO0YIc9efS92x0",
    ),
    (
        "argon2-cffi 25.1.0",
        "$argon2i$v=16$m=64,t=2,p=1$c29tZXNhbHRzYWx0$SQ6cIkRqT7qLd2jsoMBgp210gtoI3TJmHDOh19/a0d8",
    ),
    (
        "the same without its version",
        "$argon2i$m=64,t=2,p=1$c29tZXNhbHRzYWx0$SQ6cIkRqT7qLd2jsoMBgp210gtoI3TJmHDOh19/a0d8",
    ),
    (
        "passlib 1.7.4",
        "$scrypt$ln=4,r=8,p=1$XOtdK0WolbI2RijlHOO8Vw$2SwSRxMkEnH1+PJF4XeJ/+QETqRlhE/7k47F+lLcm44",
    ),
    (
        "hashlib of Python",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$b0FaKDULMkLlg4NThBeBNEp1S6xlfQTtaZwup0NyE5Q",
    ),
    (
        "hashlib of Python",
        "$pbkdf2-sha512$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$GBQV0aUMYbiyELyBOq6WBd4dDN58zrZ+z4OumtmTSVs",
    ),
    (
        "Django 5.2.19",
        "pbkdf2_sha256$1000$saltsaltsaltsaltsalt12$d0rOMnQFEMxURhiro7ZRodsheyNHwAbh+ns7EYi1rP0=",
    ),
    (
        "Django 5.2.19",
        "scrypt$16$saltsaltsaltsaltsalt12$8$1$Cj0DmvZliZoot7IfBFyBYGQ8dld1ZHslUcUgL4yyTtYe4nbpxNzAvqf11xryTNHbzU2017SGura9SYu81bFY7Q==",
    ),
    (
        "Django 5.2.19",
        "bcrypt$$2b$04$F1/C82OsAXZBJ7cHPLLBn.Pl4Mu4bwUoB4py9xkzf9b4p1qwiWrAu",
    ),
    (
        "Django 5.2.19",
        "bcrypt_sha256$$2b$04$/5.foNXbre.JbHD2AXbxaeUNMnDiqu4I8f7cPo.hveQkQTR4.QBPy",
    ),
    (
        "Django 5.2.19",
        "argon2$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0$BH/F2wIBdZvFx/+08m1MbP+NVKPXxRDmOV3y5OafpPY",
    ),
    (
        "Werkzeug 3.1.9",
        "scrypt:1024:8:1$0QIvS0K8Q9hjBm7t$07ebce183d64fdcc92592fdc8a9b5de9ff7f8b9624e268b34a915aa0fb0908d882866dc793267ab28ba5eb9a3802e57cc1d869e5a888eea239a50be2aacfa10a",
    ),
    (
        "Werkzeug 3.1.9",
        "pbkdf2:sha256:1000$hNCbpzYdTMkkvPs0$4e8eb2c41ec25dd3134b871f2764cf34783463ff5f29942e011675cc45f79d1d",
    ),
    (
        "Werkzeug 3.1.9",
        "pbkdf2:sha512:1000$X7kGDlLhlWJSUkUL$f8115803b02d6479fa6d490ec6faab666908f01a56248f47e7945cfcea1d4df9188607e914c091482a0dfbc1b77eaaa57f0713544d5a7520722da586134e176e",
    ),
    (
        "hashlib of Python, as Django with a short salt",
        "pbkdf2_sha256$1000$salt$iAgWHEYHNPx7uRodGibnout17wsYzoU4wFIY1QPiPDY=",
    ),
    (
        "hashlib of Python, as Werkzeug with a long salt",
        "pbkdf2:sha512:1000$ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss$3dd350199fe5633d31bc47811c3a6bd2ce7a700fd2feec72402ac186ca3451a0aaccb1e16eb10818f8ca2b8b74a13bbf06e17f86f6115f425be4dc3055d13f13",
    ),
    (
        "hashlib of Python, as Werkzeug with a short salt",
        "scrypt:1024:8:1$salt$7a04a4a6848ef8e802361b9255a809306bef8cb7febe4f70586f449a3e4c272320e4846483f6e4b823e212f2eb1add23cb3d68bc478ad61196782b2139098b8d",
    ),
    (
        "the form of better-auth",
        "00112233445566778899aabbccddeeff:ce17f07eefd9482fded9f96c76fd1386917b2e1d90dff8631ed981d6bc891d67c9c7c11dcbf6c2b3f2c2ef39d9fb7c887320da7206d062ac5e2c04c85eed0b46",
    ),
];

/// better-auth's of `ｗonderlａnd`, with two letters of full width.
const FULL_WIDTH: &str = "00112233445566778899aabbccddeeff:ce17f07eefd9482fded9f96c76fd1386917b2e1d90dff8631ed981d6bc891d67c9c7c11dcbf6c2b3f2c2ef39d9fb7c887320da7206d062ac5e2c04c85eed0b46";

/// better-auth's of `café`, as one letter of Latin-1 ends it.
const NOT_ASCII: &str = "00112233445566778899aabbccddeeff:0b9a60406df7ee65e6eba05dfdd3ef650a9576a2fca7ae942670f27f6fa12326b1f7544136ee9e43e0b2a9b5e496d03139bc946153872dbad2a0aa8c2f601a87";

/// Checks a password as a login does. Gives whether it is right, and the new hash, if one was written.
async fn login(
    passwords: &Passwords,
    password: &str,
    stored: &str,
) -> Result<(bool, Option<String>), PasswordError> {
    let mut written = None;
    let write = async |new: &str| {
        written = Some(new.to_owned());
        Ok::<_, Infallible>(())
    };
    let right = passwords.verify_and_upgrade(password, Some(stored), write);
    Ok((right.await?, written))
}

#[tokio::test]
async fn each_is_read_and_replaced_by_a_new_one_in_the_same_login() {
    let passwords = Passwords::new().await.unwrap();
    for (from, stored) in HASHES {
        let wrong = login(&passwords, "Wonderland", stored).await;
        assert_eq!(wrong, Ok((false, None)), "{from}: {stored}");
        // What no person types is wrong, too, and no error of the server.
        // Zeros fill a password up (HMAC) or end it (bcrypt).
        for odd in [
            "",
            "wonder\0land",
            "wonderland\0",
            "wonderland\0wonderland",
            &"w".repeat(2000),
        ] {
            let wrong = login(&passwords, odd, stored).await;
            assert_eq!(wrong, Ok((false, None)), "{from}: {stored}");
        }
        let (right, new) = login(&passwords, "wonderland", stored).await.unwrap();
        assert!(right, "{from}: {stored}");
        let new = new.unwrap_or_else(|| panic!("{from}: {stored} is old"));
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        // Once: the new one stays.
        assert_eq!(
            login(&passwords, "wonderland", &new).await,
            Ok((true, None))
        );
    }
}

#[tokio::test]
async fn a_hash_that_is_stronger_than_a_new_one_stays() {
    let passwords = Passwords::new().await.unwrap();
    // argon2-cffi 25.1.0 with 3 passes.
    let strong = "$argon2id$v=19$m=19456,t=3,p=1$TD6/xuFNPvdp+fiF9DxABQ$CC/z4NvNPpim3MN/joezx2GJqpMif81iVlAfDe7jer0";
    // OWASP's other choice: more memory, in one pass.
    let wide = Passwords::builder().cost(47_104, 1).build().await.unwrap();
    let wide = wide.hash("wonderland").await.unwrap();
    for strong in [strong, &wide] {
        assert_eq!(
            login(&passwords, "wonderland", strong).await,
            Ok((true, None))
        );
    }
}

#[tokio::test]
async fn new_hashes_cost_what_the_application_says() {
    let dear = Passwords::builder().cost(20_000, 3).build().await.unwrap();
    let new = dear.hash("wonderland").await.unwrap();
    assert!(new.starts_with("$argon2id$v=19$m=20000,t=3,p=1$"), "{new}");
    assert_eq!(login(&dear, "wonderland", &new).await, Ok((true, None)));
    // What was enough by default is not here, and the other way round it stays.
    let default = Passwords::new().await.unwrap();
    let cheap = default.hash("wonderland").await.unwrap();
    let (right, upgraded) = login(&dear, "wonderland", &cheap).await.unwrap();
    assert!(right && upgraded.unwrap().contains("m=20000,t=3,p=1"));
    assert_eq!(login(&default, "wonderland", &new).await, Ok((true, None)));
    for (memory, passes) in [(7, 1), (8, 0)] {
        let built = Passwords::builder().cost(memory, passes).build().await;
        assert_eq!(built.err(), Some(PasswordError::Cost));
    }
}

#[tokio::test]
async fn a_password_of_better_auth_may_be_typed_in_either_width() {
    let passwords = Passwords::new().await.unwrap();
    let (right, new) = login(&passwords, "ｗonderlａnd", FULL_WIDTH).await.unwrap();
    // A new hash would be of that spelling alone.
    assert_eq!((right, new), (true, None));
    let (right, new) = login(&passwords, "wonderland", FULL_WIDTH).await.unwrap();
    assert!(right && new.is_some());
}

/// A Mac's keyboard may write `é` as two characters, another one as one. A new hash would be of one of both.
#[tokio::test]
async fn a_password_of_better_auth_that_is_not_ascii_stays_as_it_is() {
    let passwords = Passwords::new().await.unwrap();
    for form in ["caf\u{e9}", "cafe\u{301}"] {
        assert_eq!(
            login(&passwords, form, NOT_ASCII).await,
            Ok((true, None)),
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_password_that_bcrypt_cuts_off_is_not_replaced_by_what_is_typed_once() {
    let passwords = Passwords::new().await.unwrap();
    let long = "w".repeat(72);
    let stored = bcrypt::hash(&long, 4).unwrap();
    let slip = format!("{long} and a slip");
    assert_eq!(login(&passwords, &slip, &stored).await, Ok((true, None)));
    let (right, new) = login(&passwords, &long, &stored).await.unwrap();
    assert!(right && new.is_some());
}

#[tokio::test]
async fn a_user_without_a_password_is_refused_and_no_error() {
    let passwords = Passwords::new().await.unwrap();
    for stored in ["!", "!kIvtnaHbYRgSTZHvKXSp8cUkJ3B8mUZh1eGkLqXk"] {
        assert_eq!(login(&passwords, "", stored).await, Ok((false, None)));
        assert_eq!(login(&passwords, stored, stored).await, Ok((false, None)));
    }
}

#[tokio::test]
async fn a_login_works_if_the_new_hash_cannot_be_written() {
    let passwords = Passwords::new().await.unwrap();
    let (_, stored) = HASHES.first().unwrap();
    let write = async |_: &str| Err(fmt::Error);
    let right = passwords.verify_and_upgrade("wonderland", Some(stored), write);
    assert_eq!(right.await, Ok(true));
}

/// Hashes of an application's own, which nobody should imitate.
struct Reversed;

impl OtherForm for Reversed {
    fn verify(&self, password: &str, stored: &str) -> Option<bool> {
        let reversed = stored.strip_prefix("reversed:")?;
        Some(password.chars().rev().eq(reversed.chars()))
    }
}

#[tokio::test]
async fn an_application_adds_a_form_of_its_own() {
    let stored = "reversed:dnalrednow";
    let without = Passwords::new().await.unwrap();
    let unknown = login(&without, "wonderland", stored).await;
    assert_eq!(unknown, Err(PasswordError::Stored));
    let passwords = Passwords::builder().form(Reversed).build().await.unwrap();
    let wrong = login(&passwords, "wonder", stored).await;
    assert_eq!(wrong, Ok((false, None)));
    let (right, new) = login(&passwords, "wonderland", stored).await.unwrap();
    assert!(right && new.is_some());
    let (_, other) = HASHES.first().unwrap();
    assert!(login(&passwords, "wonderland", other).await.unwrap().0);
}

#[tokio::test]
async fn what_is_no_hash_is_an_error_and_not_a_wrong_password() {
    let passwords = Passwords::new().await.unwrap();
    for stored in [
        "",
        "wonderland",
        "$2b$",
        "$2b$04$short",
        "$argon2id$",
        "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0",
        "$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ",
        "$pbkdf2-md5$i=1,l=32$c2FsdHNhbHQ$c2FsdHNhbHQ",
        // Not in PHC form, although it looks like it.
        "$pbkdf2-sha256$1000$c2FsdHNhbHQ$c2FsdHNhbHQ",
        "pbkdf2_sha256$many$salt$AAAA",
        "pbkdf2_sha1$1000$salt$AAAA",
        // So short a hash would be that of many passwords.
        "pbkdf2_sha256$1000$salt$AAAA",
        "pbkdf2_sha256$0$salt$AAAAAAAAAAAAAAAAAAAAAA==",
        "scrypt$17$salt$8$1$AAAA",
        "scrypt:1024:8$salt$00",
        "00112233445566778899aabbccddeeff:0011",
        "unusable!",
    ] {
        let checked = login(&passwords, "wonderland", stored).await;
        assert_eq!(checked, Err(PasswordError::Stored), "{stored}");
    }
}
