//! Measures the tables of `docs/interop.md` again, with the software that they are about.

use std::process::Command;

use clap::ValueEnum;

use crate::error::Error;
use crate::install;
use crate::npm;
use crate::python;
use crate::run;
use crate::workspace::Workspace;

/// A table of the page.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Table {
    /// Who reads which algorithm.
    Verifiers,
    /// What OAuth clients do at the refresh route.
    Clients,
}

impl Table {
    /// What drives the programs and libraries of the table.
    const fn script(self) -> &'static str {
        match self {
            Self::Verifiers => "verifiers.mjs",
            Self::Clients => "clients.mjs",
        }
    }

    /// The packages of Debian that rows of the table are about, and what runs them.
    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Verifiers => &[
                "apache2",
                "dovecot-core",
                "erlang-jiffy", // JSON for erlang-jose
                "erlang-jose",
                "gcc",
                "golang-github-golang-jwt-jwt-dev",
                "golang-go",
                "golang-gopkg-square-go-jose.v2-dev",
                "haproxy",
                "jose",
                "libapache2-mod-auth-openidc",
                "libcrypt-jwt-perl",
                "libjwt-dev",
                "libmojo-jwt-perl",
                "openssl",
                "ruby-json-jwt",
                "ruby-jwt",
            ],
            Self::Clients => &[
                "golang-go",
                "golang-golang-x-oauth2-dev",
                "libgoogle-oauth-client-java",
                "liblwp-authen-oauth2-perl",
                "libnet-oauth2-perl",
                "openjdk-17-jdk-headless",
                "ruby-oauth2",
                "ruby-rack-oauth2",
            ],
        }
    }
}

/// Installs what registries and Debian have of it, builds the Rust crates, and drives all with a demo. Versions are those of the
/// page, except that Debian has one of each. Fails if something else is seen than the page says.
pub(crate) fn measure(workspace: &Workspace, table: Table) -> Result<(), Error> {
    let folder = workspace.root.join("crates/e2e/interop");
    install::packages(table.packages())?;
    npm::install(&folder)?;
    let environment = workspace.target.join("python/interop");
    let programs = python::environment(&environment, &folder.join("requirements.txt"))?;
    let mut build = run::cargo();
    build.args(["build", "--workspace", "--all-features", "--locked"]);
    run::run(build.args(["--bin", "demo-axum"]))?;
    let target = workspace.target.join("interop");
    let mut rust = run::cargo();
    rust.args(["build", "--locked", "--target-dir"])
        .arg(&target);
    run::run(rust.current_dir(folder.join("rust")))?;
    let mut measure = Command::new(npm::NODE.get()?);
    measure.arg(table.script()).current_dir(&folder);
    let server = workspace.target.join("debug/demo-axum");
    measure.env("HALLPASS_E2E_SERVER", server);
    measure.env("HALLPASS_PYTHON", programs.join("python"));
    measure.env("HALLPASS_RUST", target.join("debug/interop"));
    run::run(&mut measure)
}
