//! Deletes sessions from the old store once nobody needs them there.

use std::time::Duration;

use http::HeaderValue;
use token_core::{PRODUCT, Session};
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use zeroize::Zeroizing;

use super::adoption::Adoption;
use super::reader::Reading;
use super::request::OldRequest;
use crate::auth::Auth;
use crate::head::Head;

/// How long a request waits for the old store. Its user is logged in here, and needs nothing from there.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long an old store that gave no answer in that time is left alone.
const PAUSE: Duration = Duration::from_secs(30);

impl Auth {
    /// The fields that delete the old cookies of a request whose session this reader has read. Also those of other
    /// readers, whose sessions must not come back once this one has ended.
    ///
    /// A cookie whose record is deleted later goes with it: until then it is known whose record that is.
    pub(super) fn deletions_beside(
        &self,
        adopting: &Adoption,
        request: &OldRequest,
    ) -> Vec<HeaderValue> {
        let stays = |adoption: &&Adoption| adoption.deletes() && adoption.name() == adopting.name();
        let adoptions = self.config().adoptions().iter();
        let gone = adoptions.filter(|adoption| !stays(adoption));
        gone.flat_map(|adoption| adoption.deletions(request))
            .collect()
    }

    /// Deletes the old session whose place this one has taken, now that a request has come with both cookies:
    /// nobody needs the old one any more. Returns the fields that delete its cookie.
    ///
    /// Not within the grace: a request that was sent with the old cookie alone may still be under way. And not
    /// while the old store gives no answer: then a later request does it.
    pub(crate) async fn delete_old(&self, head: &Head<'_>, session: &Session) -> Vec<HeaderValue> {
        let mut deletions = Vec::new();
        if !self.config().adoptions().iter().any(Adoption::deletes) {
            return deletions;
        }
        let (Some(request), manager) = (self.old_request(head.headers), self.manager()) else {
            return deletions;
        };
        if manager.now() < session.created_at + manager.policy().grace() {
            return deletions;
        }
        for adoption in self.config().adoptions() {
            let Some(mut again) = adoption.deletes_again() else {
                continue;
            };
            if again.is_some_and(|again| Instant::now() < again) {
                continue;
            }
            let deadline = self.old_deadline().min(Instant::now() + PATIENCE);
            let gone = match self.read_old(adoption, &request, deadline).await {
                // Another request was faster.
                Ok(Reading::Dead(_)) => true,
                Ok(Reading::Live(old)) => {
                    manager.adopted_id(adoption.name(), &old) == session.id
                        && adoption.delete_ended(old.stored_under, deadline).await
                }
                Ok(Reading::Absent | Reading::Unknown(_)) | Err(_) => false,
            };
            let is_late = Instant::now() >= deadline;
            *again = is_late.then(|| Instant::now() + PAUSE);
            if gone {
                deletions.extend(adoption.deletions(&request));
            }
        }
        deletions
    }
}

impl Adoption {
    /// Deletes a session of the old system that is not needed any more, before this instant; whether that was done, or
    /// is not wanted.
    pub(super) async fn delete_ended(
        &self,
        key: Option<Zeroizing<String>>,
        deadline: Instant,
    ) -> bool {
        let deleted = timeout_at(deadline, self.delete(key)).await;
        let Err(error) = deleted.unwrap_or_else(|elapsed| Err(elapsed.into())) else {
            return true;
        };
        let (reader, error) = (self.name(), &*error as &dyn std::error::Error);
        warn!(target: PRODUCT, reader, error, "an old session was not deleted from its store");
        false
    }
}
