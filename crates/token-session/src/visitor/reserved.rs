//! The subjects of sessions of nobody, which no user can have.

use token_core::{PRODUCT, SessionId, Subject};

/// What a session of nobody is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "each has a cookie of its own")]
pub enum VisitorKind {
    /// A login of which a proof is still missing.
    PendingLogin,
    /// What a site remembers of a browser before anyone has logged in.
    Visitor,
}

impl VisitorKind {
    const fn word(self) -> &'static str {
        match self {
            Self::PendingLogin => "pending",
            Self::Visitor => "visitor",
        }
    }

    /// The subject of the session with these random bytes. Each session has its own, so that their buckets
    /// are spread as those of users are.
    pub(crate) fn subject(self, id: SessionId) -> Subject {
        let text = format!("urn:{PRODUCT}:{}:{id}", self.word());
        Subject::new(text).expect("short, and visible ASCII")
    }

    /// Whether it is the subject of a session of this kind.
    pub(crate) fn owns(self, subject: &Subject) -> bool {
        let rest = reserved(subject).and_then(|rest| rest.strip_prefix(self.word()));
        rest.is_some_and(|rest| rest.starts_with(':'))
    }
}

/// Whether the subject is kept for sessions of nobody. A login of such a subject is refused.
pub(crate) fn is_reserved(subject: &Subject) -> bool {
    reserved(subject).is_some()
}

fn reserved(subject: &Subject) -> Option<&str> {
    let rest = subject.as_str().strip_prefix("urn:")?;
    rest.strip_prefix(PRODUCT)?.strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_under_the_prefix_is_reserved_and_each_kind_knows_its_own() {
        let id = SessionId::from_bytes([7; SessionId::LENGTH]);
        for (kind, other) in [
            (VisitorKind::Visitor, VisitorKind::PendingLogin),
            (VisitorKind::PendingLogin, VisitorKind::Visitor),
        ] {
            let subject = kind.subject(id);
            assert!(is_reserved(&subject) && kind.owns(&subject) && !other.owns(&subject));
        }
        for (text, reserved) in [
            (format!("urn:{PRODUCT}:"), true),
            (format!("urn:{PRODUCT}:anything"), true),
            (format!("urn:{PRODUCT}"), false),
            (format!(" urn:{PRODUCT}:visitor:x"), false),
            ("visitor".to_owned(), false),
            ("urn:isbn:0".to_owned(), false),
        ] {
            let subject = Subject::new(text.as_str()).unwrap();
            assert_eq!(is_reserved(&subject), reserved, "{text}");
            assert!(!VisitorKind::Visitor.owns(&subject), "{text}");
        }
    }
}
