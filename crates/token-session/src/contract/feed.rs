//! A model of what must be refused, beside two nodes on one store.

use std::time::{Duration, Instant};

use fastrand::Rng;
use token_core::{NoClaims, RevokeReason, SessionId, Subject};

use super::world::PATIENCE;
use crate::manager::{AccessError, NewSession, Presented, SessionManager};

/// Opens and ends sessions on one node, and knows which access tokens another node must
/// refuse from then on.
///
/// For tests of a store whose notices are cut, stopped or flooded: do that between the steps,
/// and [`check`](Self::check) as often as you like. Both managers need the machine's clock,
/// [`RevocationCheck::Feed`](crate::RevocationCheck::Feed), and access tokens that outlive the
/// test; `there` must be followed by the caller.
#[derive(Debug)]
pub struct FeedModel {
    here: SessionManager,
    there: SessionManager,
    rng: Rng,
    run: u64,
    subjects: u64,
    live: Vec<Login>,
    ended: Vec<Over>,
}

#[derive(Clone, Debug)]
struct Login {
    subject: Subject,
    session: SessionId,
    access: String,
    refresh: String,
}

#[derive(Debug)]
struct Over {
    access: String,
    answered: Instant,
    refused: bool,
}

impl FeedModel {
    /// Sessions are opened and ended `here`, and used `there`.
    pub fn new(here: SessionManager, there: SessionManager) -> Self {
        Self {
            here,
            there,
            rng: Rng::new(),
            run: fastrand::u64(..),
            subjects: 0,
            live: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Opens two sessions for each of so many new subjects.
    pub async fn open(&mut self, subjects: usize) {
        for _ in 0..subjects {
            self.subjects += 1;
            let name = format!("feed-{:016x}-{}", self.run, self.subjects);
            let subject = Subject::new(name).expect("a name");
            for _ in 0..2 {
                let ticket = self.here.begin_login(subject.clone()).await.expect("login");
                let issued = self.here.login(ticket, NewSession::default()).await;
                let issued = issued.expect("login");
                let tokens = issued.tokens().expect("header");
                self.live.push(Login {
                    subject: subject.clone(),
                    session: issued.session().id,
                    access: tokens.access_token.secret().to_owned(),
                    refresh: tokens.refresh_token.secret().to_owned(),
                });
            }
        }
    }

    /// Ends some session, or all but one of its subject, or all of it.
    pub async fn end(&mut self) {
        let one = self.live.swap_remove(self.rng.usize(..self.live.len()));
        let mut over = vec![one.clone()];
        match self.rng.u8(..3) {
            0 => {
                let presented = Presented::Refresh(&one.refresh);
                assert!(self.here.logout(presented).await.expect("logout"));
            }
            way => {
                let kept = self.live.iter().find(|other| other.subject == one.subject);
                let kept = kept.map(|other| other.session).filter(|_| way == 1);
                let ended = match kept {
                    Some(kept) => {
                        self.here
                            .revoke_others(&one.subject, kept, RevokeReason::LogoutOthers)
                            .await
                    }
                    None => {
                        self.here
                            .revoke_all(&one.subject, RevokeReason::LogoutAll)
                            .await
                    }
                };
                let ended = ended.expect("logout");
                let gone = |login: &mut Login| ended.contains(&login.session);
                over.extend(self.live.extract_if(.., gone));
            }
        }
        let answered = Instant::now();
        self.ended.extend(over.into_iter().map(|login| Over {
            access: login.access,
            answered,
            refused: false,
        }));
    }

    /// Uses every token there.
    ///
    /// What lives is never called revoked. What was ended is refused: once it was refused,
    /// for good; from `bound` after the answer on; and at once while the node knows that its
    /// view is behind, unless the policy is to accept (`None`).
    pub async fn check(&mut self, bound: Option<Duration>) {
        for login in &self.live {
            let answer = self.there.authenticate::<NoClaims>(&login.access).await;
            let refused = matches!(
                answer,
                Err(AccessError::Revoked { .. } | AccessError::Invalid(_))
            );
            assert!(!refused, "a live session was refused");
        }
        for over in &mut self.ended {
            let behind = !self.there.revocations_are_live();
            let age = over.answered.elapsed();
            let answer = self.there.authenticate::<NoClaims>(&over.access).await;
            let behind = behind && !self.there.revocations_are_live();
            match answer {
                Err(AccessError::Revoked { .. }) => over.refused = true,
                Ok(_) => {
                    assert!(!over.refused, "refused before, and accepted now");
                    if let Some(bound) = bound {
                        assert!(!behind, "behind, and accepted");
                        assert!(age <= bound, "accepted {age:?} after the logout's answer");
                    }
                }
                // Not accepted either: the node says that it does not know.
                Err(_) => {}
            }
        }
    }

    /// Waits until the node there counts its view as complete. From then on everything that
    /// was ended before is refused, and everything else accepted.
    pub async fn settle(&mut self) {
        let since = Instant::now();
        while !self.there.revocations_are_live() {
            assert!(since.elapsed() < PATIENCE, "it stays behind");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for over in self.ended.iter().filter(|over| over.answered < since) {
            let answer = self.there.authenticate::<NoClaims>(&over.access).await;
            let refused = matches!(answer, Err(AccessError::Revoked { .. }));
            assert!(refused, "missed: {answer:?}");
        }
        self.check(None).await;
    }

    /// Waits until the node there counts its view as behind.
    pub async fn fall_behind(&self) {
        let since = Instant::now();
        while self.there.revocations_are_live() {
            assert!(since.elapsed() < PATIENCE, "it does not notice");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until everything that was ended is refused there, as it must be soon.
    pub async fn hear(&mut self) {
        let since = Instant::now();
        for over in &mut self.ended {
            while !over.refused {
                let answer = self.there.authenticate::<NoClaims>(&over.access).await;
                over.refused = matches!(answer, Err(AccessError::Revoked { .. }));
                assert!(since.elapsed() < PATIENCE, "never heard of");
                tokio::task::yield_now().await;
            }
        }
    }
}
