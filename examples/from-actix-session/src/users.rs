//! The users, whom both programs know.

/// Whether this is the user's password. A real application has hashes, and looks at them slowly.
pub(crate) fn is_password(name: &str, password: &str) -> bool {
    is_user(name) && password == "wonderland"
}

/// Whether there is such a user.
pub(crate) fn is_user(name: &str) -> bool {
    ["alice", "bob", "carol"].contains(&name)
}
