//! A server with a wrong setting says so and does not start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::server::{Files, Server, refused};

/// Each wrong flag is named, with exit code 2, and nothing is created.
pub fn wrong_flags_are_named(program: &str) {
    for (flags, expected) in [
        (&["--store", "mysql://localhost/x"][..], "--store"),
        (&["--store", "sqlite:"], "--store"),
        (&["--access-ttl", "five"], "--access-ttl"),
        (
            &["--access-ttl", "2h"],
            "`access_lifetime` of 7200s is not between",
        ),
        (&["--grace", "1h"], "`grace` of 3600s is not between"),
        (
            &["--idle", "1500ms"],
            "`idle_lifetime` of 1.5s is not in whole seconds",
        ),
        (&["--alg", "none"], "--alg"),
        (&["--listen", "nowhere"], "--listen"),
        (&["--origin", "http://localhost/path"], "--origin"),
        (&["--allow-origin", "*"], "--allow-origin"),
        (&["--trusted-proxy", "proxy.example"], "--trusted-proxy"),
        (&["--issuer", ""], "--issuer"),
        (&["--issuer", "id.example"], "--issuer"),
        (&["--issuer", "https://id.example?tenant=1"], "--issuer"),
        (&["--issuer", "https://id.example/#top"], "--issuer"),
        (&["--trusted-proxy", "10.0.0.0/33"], "--trusted-proxy"),
        (&["--rate-limit", "perhaps"], "--rate-limit"),
        (&["--revocation", "perhaps"], "--revocation"),
        (&["--introspection-key", "two words"], "introspection key"),
        (&["--user", "carol"], "--user"),
        (&["--user", "carol:hush-hush:a\"b"], "--user"),
        (&["--nonsense"], "--nonsense"),
    ] {
        let files = Files::new();
        let output = refused(program, &files, flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected), "{flags:?}: {said}");
        assert!(!said.contains("hush-hush"), "{said}");
        assert!(output.stdout.is_empty());
        assert!(!files.path("sessions.db").exists(), "{flags:?}");
        assert!(!files.keys().exists(), "{flags:?}");
    }
}

/// A key file is used only if it is well-formed, and if no other user can read it.
pub fn key_files_that_cannot_be_trusted_are_refused(program: &str) {
    let files = Files::new();
    drop(Server::start_on(program, &files, &[]));
    let mode = |file: &std::path::Path| file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.keys()), 0o600);

    let said = |flags: &[&str], expected: &str| {
        let output = refused(program, &files, flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    };
    for open in [0o644, 0o640, 0o604] {
        fs::set_permissions(files.keys(), Permissions::from_mode(open)).unwrap();
        said(&[], "chmod 600");
    }
    fs::set_permissions(files.keys(), Permissions::from_mode(0o600)).unwrap();
    said(&["--alg", "HS256"], "signs with ES256");
    // Unreadable for root too.
    let folder = files.path("folder");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    said(&["--keys", folder.to_str().unwrap()], "cannot be read");
    said(&["--keys", "/nowhere/keys.json"], "cannot be written");
    fs::write(files.keys(), "{}").unwrap();
    said(&[], "is not a key file");
}
