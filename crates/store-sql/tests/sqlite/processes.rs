//! Other processes on the same file, and processes that die.
//!
//! A child is this test program again, told by environment variables what to do.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use store_sql::{SqliteStore, SqliteStoreError};
use token_core::session::Generation;
use token_core::{Session, SessionId};
use token_session::SessionStore;
use token_session::store::{Commit, Created, Revoke};

use crate::folder;
use crate::sessions::{at, ending, rotation, session, stored};

const FILE: &str = "HALLPASS_TEST_FILE";
const ROLE: &str = "HALLPASS_TEST_ROLE";

#[tokio::test]
async fn what_was_reported_outlives_a_kill() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    drop(SqliteStore::open(&file).await.unwrap());
    for reports in [1, 30, 100] {
        let mut child = start("write", &file, "");
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = output.lines().map(Result::unwrap);
        let reported: Vec<String> = reports_in(lines).take(reports).collect();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        assert_eq!(reported.len(), reports);
        assert_stored(&file, &reported).await;
    }
}

/// The limit on file sizes makes the write-ahead log fail while a commit is written to it.
#[tokio::test]
async fn a_disk_that_fails_at_the_commit_loses_nothing_that_was_reported() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    drop(SqliteStore::open(&file).await.unwrap());
    for blocks in [1000, 2000] {
        // Without the trap the signal ends the process; with it the write fails.
        let child = start(
            "write",
            &file,
            &format!("trap '' XFSZ; ulimit -f {blocks};"),
        );
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let reported: Vec<String> = reports_in(text.lines().map(str::to_owned)).collect();
        assert!(
            text.contains("failed: reading or writing the database file"),
            "{text}"
        );
        assert!(reported.len() > 10, "{text}");
        assert_stored(&file, &reported).await;
    }
}

#[tokio::test]
async fn two_processes_never_both_win_a_generation() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let row = stored(&store, "alice").await;
    let children = [(); 3].map(|()| start("rotate", &file, ""));
    let mut won = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        won.extend(reports_in(text.lines().map(str::to_owned)));
    }
    won.sort_by_key(|generation| generation.parse::<u64>().unwrap());
    let expected: Vec<String> = (1..=won.len()).map(|n| n.to_string()).collect();
    assert_eq!(won, expected);
    let row = store.load(row.id).await.unwrap().unwrap();
    assert_eq!(row.generation, Generation(won.len() as u64));
    assert_eq!(won.len(), 300);
}

/// Not a test of its own: what a child does.
#[tokio::test]
async fn child() {
    let (Ok(role), Ok(file)) = (env::var(ROLE), env::var(FILE)) else {
        return;
    };
    let store = SqliteStore::open(&file).await.unwrap();
    match role.as_str() {
        "rotate" => rotate_until(&store, 300).await,
        "write" => write_until_it_fails(&store).await,
        role => panic!("no role {role}"),
    }
}

/// Logs in and ends every other session, and reports each once the store has.
async fn write_until_it_fails(store: &SqliteStore) {
    loop {
        let next = session(store, "alice").await;
        match store.create(&next, None).await {
            Ok(Created::Applied(row)) => report(&format!("live {}", row.id)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return println!("failed: {error}"),
        }
        if fastrand::bool() {
            match store.revoke(&ending(next.id, at(1))).await {
                Ok(Revoke::Applied(row)) => report(&format!("over {}", row.id)),
                Ok(other) => panic!("{other:?}"),
                Err(error) => return println!("failed: {error}"),
            }
        }
    }
}

/// Rotates the one session against other processes, and reports each generation it made.
async fn rotate_until(store: &SqliteStore, last: u64) {
    let rows = store
        .list(&crate::sessions::subject("alice"))
        .await
        .unwrap();
    let mut row = Session::clone(rows.first().unwrap());
    while row.generation < Generation(last) {
        row = match store.commit(&rotation(&row, at(1))).await {
            Ok(Commit::Applied(row)) => {
                report(&row.generation.0.to_string());
                Session::clone(&row)
            }
            Ok(Commit::Missed(row)) => Session::clone(&row.unwrap()),
            // The others were faster again and again: nothing was written.
            Err(SqliteStoreError::Busy(_)) => row,
            Err(error) => panic!("{error:?}"),
        };
    }
}

fn report(text: &str) {
    println!("report {text}");
    std::io::stdout().flush().unwrap();
}

fn reports_in(lines: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    // The first report may stand behind the name of the test.
    lines.filter_map(|line| Some(line.split_once("report ")?.1.to_owned()))
}

fn start(role: &str, file: &Path, prelude: &str) -> Child {
    let program = env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{prelude} exec \"$0\" --exact processes::child --nocapture"
        ))
        .arg(program)
        .env(ROLE, role)
        .env(FILE, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn assert_stored(file: &Path, reported: &[String]) {
    let store = SqliteStore::open(file).await.unwrap();
    for report in reported {
        let (state, id) = report.split_once(' ').unwrap();
        let id: SessionId = id.parse().unwrap();
        let row = store.load(id).await.unwrap().unwrap();
        assert!(state == "live" || row.revocation.is_some(), "{report}");
    }
    // And it can be written again.
    stored(&store, "bob").await;
}
