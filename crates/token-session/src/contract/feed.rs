//! A model of what must be refused, beside two nodes on one store.

use std::time::{Duration, Instant};

use fastrand::Rng;
use token_core::session::Credentials;
use token_core::{Authentication, NoClaims, RevokeReason, SessionId, Subject, Transport};

use super::world::PATIENCE;
use crate::error::RefreshError;
use crate::manager::{AccessError, NewSession, Presented, SessionCredential, SessionManager};

/// Opens, steps up and ends sessions on one node, and knows which access tokens and session cookies
/// another node must refuse from then on.
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
    refused: Vec<Refused>,
}

#[derive(Clone, Debug)]
struct Login {
    subject: Subject,
    session: SessionId,
    credential: Credential,
}

/// What a client has.
#[derive(Clone, Debug)]
enum Credential {
    Cookie(String),
    Tokens { access: String, refresh: String },
}

/// A credential that must be refused.
#[derive(Debug)]
struct Refused {
    credential: Credential,
    /// When the logout or the step-up was answered.
    since: Instant,
    /// Whether it was refused once.
    seen: bool,
}

/// What the other node says to a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    /// It says that it does not know.
    Unknown,
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
            refused: Vec::new(),
        }
    }

    /// Opens two sessions for each of so many new subjects, one with tokens and one with a cookie.
    pub async fn open(&mut self, subjects: usize) {
        for _ in 0..subjects {
            self.subjects += 1;
            let name = format!("feed-{:016x}-{}", self.run, self.subjects);
            let subject = Subject::new(name).expect("a name");
            for transport in [Transport::Header, Transport::Session] {
                let ticket = self.here.begin_login(subject.clone()).await.expect("login");
                let new = NewSession {
                    transport: Some(transport),
                    ..NewSession::default()
                };
                let issued = self.here.login(ticket, new).await.expect("login");
                self.live.push(Login {
                    subject: subject.clone(),
                    session: issued.session().id,
                    credential: Credential::of(issued.credentials()),
                });
            }
        }
    }

    /// Ends some session, or all but one of its subject, or all of it; and steps one up, if there is one
    /// with a cookie.
    pub async fn end(&mut self) {
        let one = self.live.swap_remove(self.rng.usize(..self.live.len()));
        let mut ended_here = vec![one.clone()];
        match self.rng.u8(..3) {
            0 => {
                let presented = match &one.credential {
                    Credential::Cookie(cookie) => Presented::Session(cookie),
                    Credential::Tokens { refresh, .. } => Presented::Refresh(refresh),
                };
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
                ended_here.extend(self.live.extract_if(.., gone));
            }
        }
        for login in ended_here {
            self.must_refuse(login.credential);
        }
        self.step_up().await;
    }

    /// Steps up some session with a cookie. The cookie that it had is refused from then on, and the new
    /// one is not.
    async fn step_up(&mut self) {
        let mut cookies = self.live.iter_mut();
        let cookie = cookies.find_map(|login| match &mut login.credential {
            Credential::Cookie(cookie) => Some(cookie),
            Credential::Tokens { .. } => None,
        });
        let Some(cookie) = cookie else {
            return;
        };
        let token = SessionManager::read_session_cookie(cookie).expect("a cookie");
        let authentication = Authentication::password(self.here.now());
        let issued = self
            .here
            .step_up(&SessionCredential::Session(token), authentication)
            .await;
        let issued = issued.expect("step-up");
        let Credential::Cookie(new) = Credential::of(issued.credentials()) else {
            panic!("the transport has changed");
        };
        let old = std::mem::replace(cookie, new);
        self.must_refuse(Credential::Cookie(old));
    }

    fn must_refuse(&mut self, credential: Credential) {
        self.refused.push(Refused {
            credential,
            since: Instant::now(),
            seen: false,
        });
    }

    /// Uses every credential there.
    ///
    /// What lives is never refused. What was ended or replaced is: once it was refused, for good; from `bound` after the answer on; and at once while the node knows that its
    /// view is behind, unless the policy is to accept (`None`).
    pub async fn check(&mut self, bound: Option<Duration>) {
        for login in &self.live {
            let answer = login.credential.shown_to(&self.there).await;
            assert_ne!(answer, Answer::Refused, "a live session was refused");
        }
        for one in &mut self.refused {
            let behind = !self.there.revocations_are_live();
            let age = one.since.elapsed();
            let answer = one.credential.shown_to(&self.there).await;
            let behind = behind && !self.there.revocations_are_live();
            match answer {
                Answer::Refused => one.seen = true,
                Answer::Accepted => {
                    assert!(!one.seen, "refused before, and accepted now");
                    if let Some(bound) = bound {
                        assert!(!behind, "behind, and accepted");
                        assert!(age <= bound, "accepted {age:?} after the logout's answer");
                    }
                }
                Answer::Unknown => {}
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
        for one in self.refused.iter().filter(|one| one.since < since) {
            let answer = one.credential.shown_to(&self.there).await;
            assert_eq!(answer, Answer::Refused, "missed: {one:?}");
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
        for one in &mut self.refused {
            while !one.seen {
                one.seen = one.credential.shown_to(&self.there).await == Answer::Refused;
                assert!(since.elapsed() < PATIENCE, "never heard of");
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Credential {
    fn of(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::Session(token) => Self::Cookie(token.to_secret_text().to_string()),
            Credentials::Tokens(tokens) => Self::Tokens {
                access: tokens.access_token.secret().to_owned(),
                refresh: tokens.refresh_token.secret().to_owned(),
            },
        }
    }

    /// A request with the cookie or the access token.
    async fn shown_to(&self, node: &SessionManager) -> Answer {
        match self {
            Self::Cookie(cookie) => match node.touch(cookie).await {
                Ok(_) => Answer::Accepted,
                Err(RefreshError::Denied(_)) => Answer::Refused,
                Err(_) => Answer::Unknown,
            },
            Self::Tokens { access, .. } => match node.authenticate::<NoClaims>(access).await {
                Ok(_) => Answer::Accepted,
                Err(AccessError::Revoked { .. } | AccessError::Invalid(_)) => Answer::Refused,
                Err(_) => Answer::Unknown,
            },
        }
    }
}
