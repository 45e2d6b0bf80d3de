//! Patterns of names.

/// Whether a pattern matches a name. If it ends in `*`, it matches all names with that beginning.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |start| name.starts_with(start))
}
