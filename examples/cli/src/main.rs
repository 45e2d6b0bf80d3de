//! A command line tool that stays logged in at one of the demos:
//!
//! ```text
//! cli login alice    asks for the password, and keeps the tokens in a file
//! cli whoami         calls the API, with a token that is renewed in time
//! cli logout         forgets the tokens, and ends the session on the server
//! ```
//!
//! Several of it may run at once: they share the file, and renew once for all.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::Value;
use token_client::{Client, LoginError, LogoutError, TokenError, TokenMiddleware};

#[derive(Parser)]
#[command(about = "A command line tool that stays logged in")]
struct Flags {
    /// The server.
    #[arg(long, env = "CLI_SERVER", default_value = "http://127.0.0.1:3000")]
    server: String,
    /// The file with the tokens [default: one for each server, below $XDG_STATE_HOME or ~/.local/state].
    #[arg(long, env = "CLI_TOKENS")]
    tokens: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Logs in. The password is read from standard input.
    Login {
        /// Binds the session to a key, which is kept with the tokens, so that copied tokens are worth nothing (DPoP).
        #[arg(long)]
        dpop: bool,
        /// The user's name.
        name: String,
    },
    /// Ends the session.
    Logout,
    /// Shows who is logged in.
    Whoami,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(line) => {
            let _ = writeln!(io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "cli: {}", what_to_do(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<String, Box<dyn Error>> {
    let file = flags.tokens.or_else(|| default_file(&flags.server));
    let file = file.ok_or("there is no home folder; name a file with --tokens")?;
    let mut client = Client::builder(format!("{}/auth", flags.server))
        .user_agent(concat!("cli/", env!("CARGO_PKG_VERSION")))
        .file(file);
    if let Command::Login { dpop: true, .. } = flags.command {
        client = client.dpop();
    }
    let client = client.build()?;
    match flags.command {
        Command::Login { name, .. } => {
            client.login(&name, &password()?).await?;
            Ok(format!("logged in as {name}"))
        }
        Command::Logout => {
            client.logout().await?;
            Ok("logged out".to_owned())
        }
        Command::Whoami => whoami(client, &flags.server).await,
    }
}

/// Calls the API. The middleware adds the token, and repeats the request once if it is refused.
async fn whoami(client: Client, server: &str) -> Result<String, Box<dyn Error>> {
    let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(TokenMiddleware::new(client))
        .build();
    let response = http.get(format!("{server}/api/me")).send().await?;
    let response = response.error_for_status()?;
    let me: Value = serde_json::from_str(&response.text().await?)?;
    let text = |name: &str| me.get(name).and_then(Value::as_str).unwrap_or("nobody");
    Ok(format!("{} may {}", text("sub"), text("scope")))
}

/// A sentence that says what the user can do. Each error of the client has one; some become clearer here.
fn what_to_do(error: &(dyn Error + 'static)) -> String {
    // The middleware wraps what the client says.
    let wrapped = match error.downcast_ref() {
        Some(reqwest_middleware::Error::Middleware(inner)) => inner.downcast_ref(),
        _ => None,
    };
    if let Some(TokenError::LoginRequired { reason }) = wrapped {
        return format!("log in first: `cli login NAME` ({reason})");
    }
    if let Some(LoginError::Unavailable { .. }) = error.downcast_ref() {
        return format!("{error}; is it running?");
    }
    if let Some(LogoutError::Unavailable { .. }) = error.downcast_ref() {
        return format!("logged out here, but {error}");
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The terminal shows what is typed. A crate such as `rpassword` hides it.
fn password() -> io::Result<String> {
    write!(io::stderr(), "password: ")?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A file for the tokens of this server: one file keeps those of one server only.
fn default_file(server: &str) -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || env::home_dir().map(|home| home.join(".local/state"));
    // Host and port, without what a name of a file cannot have.
    let (_, place) = server.split_once("://").unwrap_or(("", server));
    let place = place.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let name = place.replace(|c| !plain(c), "_");
    let folder = state.or_else(home)?.join("hallpass-cli");
    Some(folder.join(format!("{name}.json")))
}
