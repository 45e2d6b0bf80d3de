//! Three tabs of one Chromium that use the application while it is replaced.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

pub(crate) struct Tabs {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Tabs {
    /// Logs in at this address, and returns once all tabs are at work.
    pub(crate) fn start(origin: &str) -> Self {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../from-axum-login/tests/tabs/tabs.mjs"
        );
        let mut node = Command::new("node");
        node.args([script, origin]);
        let mut process = node
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut tabs = Self { process, output };
        assert_eq!(tabs.line(), "at work");
        tabs
    }

    /// Says that the application has moved, and returns once each tab has used it as it is now.
    pub(crate) fn moved(mut self) -> String {
        let mut input = self.process.stdin.take().unwrap();
        input.write_all(b"moved\n").unwrap();
        let said = self.line();
        assert!(self.process.wait().unwrap().success(), "{said}");
        said
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Tabs {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
