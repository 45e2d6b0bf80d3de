//! A PostgreSQL server for one run.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::{Server, data_folder, free_port};
use crate::error::{Doing, Error};
use crate::install;
use crate::program::Program;
use crate::run;

/// The variable that names a running server.
pub(super) const VARIABLE: &str = "HALLPASS_TEST_POSTGRES_URL";

pub(super) static INITDB: Program = Program {
    name: "PostgreSQL",
    package: "postgresql",
    files: &["initdb"],
    elsewhere: debian_versions,
    variable: Some(VARIABLE),
};

/// Makes a database cluster in a temporary folder and starts a server on it. Any local process may use
/// it while the tests run: it has no data but theirs.
pub(super) fn start() -> Result<Server, Error> {
    // If it is a link on PATH, the other programs are beside the real file.
    let initdb = fs::canonicalize(INITDB.get()?).doing("find PostgreSQL's programs")?;
    let programs = initdb.parent().unwrap_or(Path::new("/"));
    let data = data_folder()?;
    let owner = owner()?;
    if let Some((user, group)) = owner {
        chown(data.path(), Some(user), Some(group)).doing("give a folder away")?;
    }
    let command = |program: &str| {
        let mut command = Command::new(programs.join(program));
        if let Some((user, group)) = owner {
            command.uid(user).gid(group);
        }
        command.current_dir(data.path()).env("LC_ALL", "C");
        command
    };
    let cluster = data.path().join("cluster");
    run::output(
        command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(&cluster),
    )?;
    let port = free_port()?.to_string();
    let mut server = command("postgres");
    server.arg("-D").arg(&cluster).args(["-p", &port]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        // If the machine crashes, the data of tests may be lost.
        "fsync=off",
    ] {
        server.args(["-c", setting]);
    }
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let mut ready = command("pg_isready");
    ready.args(["--quiet", "--host=127.0.0.1", "--port", &port]);
    Server::start("PostgreSQL", url, data, &mut server, || {
        ready.status().is_ok_and(|status| status.success())
    })
}

/// The folders of the versions of PostgreSQL on Debian, which are not on PATH.
fn debian_versions() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    latest_first(versions.flatten().map(|v| v.path().join("bin")).collect())
}

/// Sorts the folders of a program's versions, the latest first.
fn latest_first(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let version = |folder: &PathBuf| {
        let mut numbers = folder
            .components()
            .filter_map(|part| part.as_os_str().to_str()?.parse::<u32>().ok());
        numbers.next().unwrap_or(0)
    };
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders
}

/// The user and group to run as if this is root, because PostgreSQL refuses to run as root.
fn owner() -> Result<Option<(u32, u32)>, Error> {
    if !install::is_root()? {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").doing("read /etc/passwd")?;
    let found = ["postgres", "nobody"]
        .iter()
        .find_map(|name| ids(&users, name));
    found.map(Some).ok_or(Error::NoUser)
}

/// The user id and group id of a user in the lines of passwd(5).
fn ids(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut lines = users.lines().map(|line| line.split(':'));
    let mut fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
    let user = fields.nth(1)?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some((user, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_user_are_its_third_and_fourth_fields() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:113:,,,:/var:/bin/bash\n";
        assert_eq!(ids(users, "postgres"), Some((107, 113)));
        assert_eq!(ids(users, "nobody"), None);
    }

    #[test]
    fn the_latest_version_comes_first() {
        let folders = ["/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/17/bin"];
        let folders = latest_first(folders.iter().map(PathBuf::from).collect());
        assert_eq!(folders[0], Path::new("/usr/lib/postgresql/17/bin"));
    }

    #[test]
    fn a_private_server_starts_and_ends() {
        let server = start().unwrap();
        let address = server.url().split(['@', '/']).nth(3).unwrap().to_owned();
        assert!(std::net::TcpStream::connect(&address).is_ok(), "{address}");
        drop(server);
        assert!(std::net::TcpStream::connect(&address).is_err());
    }
}
