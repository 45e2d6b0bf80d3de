//! The servers that are put under load.

/// A server that is put under load.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// The one that it is compared with.
    pub(super) bare: &'static str,
    /// The same server with the check removed, if that is measured.
    pub(super) unchecked: Option<&'static str>,
    pub(super) program: Program,
    pub(super) store: Store,
}

/// Where a server has its sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// In its memory, or it has none.
    None,
    /// On Redis, whose CPU time is measured too.
    Redis,
    /// On PostgreSQL, whose CPU time is measured too.
    Postgres,
    /// In a file.
    Sqlite,
}

/// Where a server comes from.
#[derive(Clone, Copy)]
pub(super) enum Program {
    /// `src/bin/server.rs`, which is told how a caller is known.
    Own,
    /// A program of `crates/bench/peers`.
    Peer(&'static str),
    /// A file of `crates/bench/peers/node`, and how a caller is known.
    Node(&'static str, &'static str),
}

const fn kind(name: &'static str, bare: &'static str, program: Program) -> Kind {
    Kind {
        name,
        bare,
        unchecked: None,
        program,
        store: Store::None,
    }
}

const fn beside(mut kind: Kind, unchecked: &'static str) -> Kind {
    kind.unchecked = Some(unchecked);
    kind
}

const fn on(store: Store, mut kind: Kind) -> Kind {
    kind.store = store;
    kind
}

/// Those that others are compared with stand before them.
pub(super) const KINDS: &[Kind] = &[
    kind("axum-bare", "axum-bare", Program::Own),
    kind("axum-hallpass-unchecked", "axum-bare", Program::Own),
    beside(
        kind("axum-hallpass", "axum-bare", Program::Own),
        "axum-hallpass-unchecked",
    ),
    kind("axum-hallpass-uncached", "axum-bare", Program::Own),
    kind("axum-session", "axum-bare", Program::Own),
    kind("axum-session-remembered", "axum-bare", Program::Own),
    on(
        Store::Redis,
        kind("axum-session-redis", "axum-bare", Program::Own),
    ),
    on(
        Store::Redis,
        kind("axum-session-redis-remembered", "axum-bare", Program::Own),
    ),
    on(
        Store::Sqlite,
        kind("axum-session-sqlite", "axum-bare", Program::Own),
    ),
    on(
        Store::Sqlite,
        kind("axum-session-sqlite-remembered", "axum-bare", Program::Own),
    ),
    on(
        Store::Postgres,
        kind("axum-session-postgres", "axum-bare", Program::Own),
    ),
    on(
        Store::Postgres,
        kind(
            "axum-session-postgres-remembered",
            "axum-bare",
            Program::Own,
        ),
    ),
    kind("axum-jsonwebtoken", "axum-bare", Program::Own),
    kind(
        "axum, tower-sessions on memory",
        "axum-bare",
        Program::Peer("axum-tower-sessions"),
    ),
    on(
        Store::Redis,
        kind(
            "axum, tower-sessions on Redis",
            "axum-bare",
            Program::Peer("axum-tower-sessions-redis"),
        ),
    ),
    on(
        Store::Postgres,
        kind(
            "axum, tower-sessions on PostgreSQL",
            "axum-bare",
            Program::Peer("axum-tower-sessions-postgres"),
        ),
    ),
    on(
        Store::Sqlite,
        kind(
            "axum, tower-sessions on SQLite",
            "axum-bare",
            Program::Peer("axum-tower-sessions-sqlite"),
        ),
    ),
    kind(
        "axum, axum-login on memory",
        "axum-bare",
        Program::Peer("axum-axum-login"),
    ),
    kind("actix-bare", "actix-bare", Program::Own),
    kind("actix-hallpass-unchecked", "actix-bare", Program::Own),
    beside(
        kind("actix-hallpass", "actix-bare", Program::Own),
        "actix-hallpass-unchecked",
    ),
    on(
        Store::Redis,
        kind(
            "actix-web, actix-session on Redis",
            "actix-bare",
            Program::Peer("actix-actix-session"),
        ),
    ),
    kind(
        "fastify, bare",
        "fastify, bare",
        Program::Node("fastify.js", "bare"),
    ),
    kind(
        "fastify, fast-jwt with its cache",
        "fastify, bare",
        Program::Node("fastify.js", "fast-jwt"),
    ),
    kind(
        "express, bare",
        "express, bare",
        Program::Node("express.js", "bare"),
    ),
    on(
        Store::Redis,
        kind(
            "express, express-session on Redis",
            "express, bare",
            Program::Node("express.js", "session"),
        ),
    ),
];

impl Kind {
    /// Whether its sessions are in another process.
    pub(super) fn has_server(&self) -> bool {
        matches!(self.store, Store::Redis | Store::Postgres)
    }

    /// Whether it is measured with many sessions too: those on axum that have sessions, and the bare one.
    pub(super) fn is_asked_steadily(&self) -> bool {
        self.bare == "axum-bare" && (self.name == self.bare || self.name.contains("session"))
    }
}
