//! Patterns of names.

/// Whether a pattern, stands for this name.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |start| name.starts_with(start))
}
