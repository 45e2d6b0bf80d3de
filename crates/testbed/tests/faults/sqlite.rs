//! SQLite on a disk that is full for a while.
//!
//! The limit on the size of files stands for it: the system refuses writes beyond it in the
//! same way. It is that of a child, which is this test program again.

use std::path::PathBuf;
use std::process::{Command, Stdio, id};
use std::time::Duration;

use store_sql::sqlite::SqliteStoreOptions;
use token_core::Policy;

use crate::load::{Load, opened};

const FILE: &str = "HALLPASS_TEST_FILE";
const MOMENT: Duration = Duration::from_millis(400);

#[test]
fn a_disk_that_is_full_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    // Without the trap the signal would end the process; with it the write fails.
    let child = Command::new("sh")
        .args([
            "-c",
            r#"trap '' XFSZ; exec "$0" --exact sqlite::child --nocapture"#,
        ])
        .arg(std::env::current_exe().unwrap())
        .env(FILE, folder.path().join("sessions.db"))
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    println!("{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success());
    assert!(said.contains("of which failed"));
}

/// Not a test of its own: what the child does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else {
        return;
    };
    let open = async || {
        let options = SqliteStoreOptions::new().busy_timeout(Duration::from_millis(600));
        options.open(&file).await
    };
    let nodes = [opened(open).await, opened(open).await];
    let mut load = Load::start(nodes, &Policy::default());
    for _ in 0..3 {
        load.work().await;
        limit_files("16384");
        load.suffer(MOMENT).await;
        limit_files("unlimited");
    }
    load.work().await;
    load.check().await;
}

/// To so many bytes, for this process.
fn limit_files(bytes: &str) {
    let limit = Command::new("prlimit")
        .args([
            "--pid",
            &id().to_string(),
            &format!("--fsize={bytes}:unlimited"),
        ])
        .status();
    assert!(limit.unwrap().success());
}
