//! The runtime API of Lambda, from which a function fetches its events
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The program as a function that runs, with an API that hands it events. Ended when dropped.
pub(crate) struct Function {
    program: Child,
    events: Sender<Value>,
    answers: Receiver<Value>,
}

impl Function {
    pub(crate) fn start(origin: &str, folder: &Path, ignores_stage: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, queue) = channel();
        let (answer, answers) = channel();
        let queue = Arc::new(Mutex::new(queue));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (queue, answer) = (Arc::clone(&queue), answer.clone());
                thread::spawn(move || serve(&stream.unwrap(), &queue, &answer));
            }
        });
        let mut program = Command::new(env!("CARGO_BIN_EXE_lambda"));
        program
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "lambda")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/lambda")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("ORIGIN", origin)
            .env("KEYS", folder.join("keys.json"));
        if ignores_stage {
            program.env("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true");
        }
        Self {
            program: program.spawn().unwrap(),
            events,
            answers,
        }
    }

    /// What the function answers to this event.
    pub(crate) fn invoke(&self, event: Value) -> Value {
        self.events.send(event).unwrap();
        let answer = self.answers.recv_timeout(Duration::from_secs(30));
        answer.expect("an answer of the function")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Serves one connection: hands out the next event, or takes an answer.
fn serve(stream: &TcpStream, queue: &Mutex<Receiver<Value>>, answers: &Sender<Value>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut stream = stream;
        if first.contains("/invocation/next ") {
            let Ok(event) = queue.lock().unwrap().recv() else {
                return;
            };
            let event = event.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                 lambda-runtime-deadline-ms: 4102444800000\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:lambda\r\n\
                 lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700\r\n\r\n{event}",
                event.len(),
            );
            stream.write_all(answer.as_bytes()).unwrap();
        } else {
            assert!(
                first.contains("/response "),
                "{first} {}",
                String::from_utf8_lossy(&body)
            );
            stream
                .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            answers
                .send(serde_json::from_slice(&body).unwrap())
                .unwrap();
        }
    }
}
