//! A client that knows what it was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use token_core::session::{Credentials, Denial};
use token_core::{Authentication, NoClaims, RevokeReason, Subject, Transport};
use token_session::test_util::TestClock;
use token_session::{
    AccessError, Issued, LoginError, NewSession, Presented, RefreshError, SessionCredential,
    SessionManager, StoreError,
};

/// How long a request may take beyond the store's time-out, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(8);

/// Half of the grace, so that a retry is always within it, however long a fault lasts: the
/// clocks of this client and its servers move by hand.
const PATIENCE: u64 = 15;

/// Somebody with a session in each kind of transport. A refusal that was not asked for, a
/// second branch or a request that hangs is a panic.
pub(crate) struct Client {
    pub(crate) managers: [SessionManager; 2],
    pub(crate) clock: TestClock,
    /// While it is up, a request that fails is not repeated.
    pub(crate) gives_up: Arc<AtomicBool>,
    rng: Rng,
    name: String,
    /// Whether it never logs out.
    stays: bool,
    logins: u32,
    pub(crate) tokens: Option<Tokens>,
    cookie: Option<String>,
    /// The last refresh token of each session whose end it was told.
    pub(crate) ended: Vec<String>,
    count: Arc<Count>,
}

/// What all clients have asked by now.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) requests: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// The refresh tokens of one session, each by its generation.
pub(crate) struct Tokens(pub(crate) BTreeMap<u64, String>);

impl Tokens {
    pub(crate) fn newest(&self) -> String {
        let (_, newest) = self.0.last_key_value().expect("the first one");
        newest.clone()
    }

    /// Takes an answer in: for each generation there is one token.
    fn learn(&mut self, issued: &Issued) {
        let generation = issued.session().generation.0;
        let token = text(issued);
        let known = self.0.entry(generation).or_insert_with(|| token.clone());
        assert_eq!(*known, token, "two branches");
    }
}

/// An answer that says nothing of the credential.
pub(crate) trait Fault {
    fn is_fault(&self) -> bool;
}

impl Fault for RefreshError {
    fn is_fault(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Contended { .. })
    }
}

impl Fault for LoginError {
    fn is_fault(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

impl Fault for AccessError {
    fn is_fault(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

impl Fault for StoreError {
    fn is_fault(&self) -> bool {
        true
    }
}

impl Client {
    pub(crate) fn new(
        managers: [SessionManager; 2],
        clock: TestClock,
        gives_up: Arc<AtomicBool>,
        count: Arc<Count>,
        number: u64,
        seed: u64,
    ) -> Self {
        Self {
            managers,
            clock,
            gives_up,
            rng: Rng::with_seed(seed.wrapping_add(number)),
            name: format!("client-{number}"),
            stays: number.is_multiple_of(2),
            logins: 0,
            tokens: None,
            cookie: None,
            ended: Vec::new(),
            count,
        }
    }

    /// Does one thing that users do, until it is done. `None` where it gave up.
    pub(crate) async fn step(&mut self) -> Option<()> {
        // After that the last rotation is a while ago, and a refresh rotates.
        self.clock
            .advance(Duration::from_secs(self.rng.u64(46..100)));
        if self.tokens.is_none() || self.cookie.is_none() {
            self.log_in().await?;
        }
        let first = if self.stays { 2 } else { 0 };
        match self.rng.u8(first..60) {
            0 => self.log_out().await,
            1 => self.log_out_everywhere().await,
            2..8 => self.step_up().await,
            8..20 => self.visit().await,
            20..36 => Box::pin(self.refresh_in_two_tabs()).await,
            36..40 => self.list().await,
            _ => self.refresh().await,
        }
    }

    async fn log_in(&mut self) -> Option<()> {
        self.logins += 1;
        self.tokens = None;
        self.cookie = None;
        let issued = self.open(None).await?;
        let mut tokens = Tokens(BTreeMap::new());
        tokens.learn(&issued);
        self.tokens = Some(tokens);
        let issued = self.open(Some(Transport::Session)).await?;
        self.cookie = Some(text(&issued));
        Some(())
    }

    /// A login that failed may have opened a session, of which nobody has the credentials.
    async fn open(&mut self, transport: Option<Transport>) -> Option<Issued> {
        let subject = Subject::new(format!("{}-{}", self.name, self.logins)).unwrap();
        let opened = self.ask("a login", |manager| {
            let subject = subject.clone();
            async move {
                let ticket = manager.begin_login(subject).await?;
                let new = NewSession {
                    transport,
                    ..NewSession::default()
                };
                manager.login(ticket, new).await
            }
        });
        Some(opened.await?.expect("a login is not refused"))
    }

    async fn refresh(&mut self) -> Option<()> {
        let token = self.tokens.as_ref()?.newest();
        let issued = honest(self.present(&token).await?);
        self.tokens.as_mut()?.learn(&issued);
        let access = issued.tokens().expect("header").access_token.secret();
        let access = access.to_owned();
        let used = self.ask("a use", |manager| {
            let access = access.clone();
            async move { manager.authenticate::<NoClaims>(&access).await }
        });
        let _ = used.await?.expect("an access token of a live session");
        Some(())
    }

    /// Both present the same token to a node each, at the same time.
    async fn refresh_in_two_tabs(&mut self) -> Option<()> {
        let token = self.tokens.as_ref()?.newest();
        let [one, other] = self.managers.clone();
        let start = Instant::now();
        let tabs = tokio::join!(one.refresh(&token, None), other.refresh(&token, None));
        self.asked(start, "two refreshes");
        for tab in [tabs.0, tabs.1] {
            match tab {
                Err(error) if error.is_fault() => self.failed(),
                answer => self.tokens.as_mut()?.learn(&honest(answer)),
            }
        }
        // Whichever failed asks again.
        self.refresh().await
    }

    async fn step_up(&mut self) -> Option<()> {
        let token = self.tokens.as_ref()?.newest();
        let renewed = self.ask("a step-up", |manager| {
            let token = token.clone();
            async move {
                let authentication = Authentication::password(manager.now());
                let credential = manager.verify_refresh_token(&token)?;
                let credential = SessionCredential::Refresh(credential);
                manager.step_up(&credential, authentication).await
            }
        });
        let issued = honest(renewed.await?);
        self.tokens.as_mut()?.learn(&issued);
        Some(())
    }

    async fn visit(&mut self) -> Option<()> {
        let cookie = self.cookie.clone()?;
        honest(self.show(&cookie).await?);
        Some(())
    }

    /// There may be more of them: a login that failed may have opened one.
    async fn list(&mut self) -> Option<()> {
        let subject = Subject::new(format!("{}-{}", self.name, self.logins)).unwrap();
        let listed = self.ask("a list", |manager| {
            let subject = subject.clone();
            async move { manager.sessions(&subject).await }
        });
        let listed = listed.await?.expect("a list is not refused");
        assert!(listed.len() >= 2, "a session is lost: {listed:?}");
        Some(())
    }

    async fn log_out(&mut self) -> Option<()> {
        let token = self.tokens.take()?.newest();
        let ended = self.ask("a logout", |manager| {
            let token = token.clone();
            async move { manager.logout(Presented::Refresh(&token)).await }
        });
        ended.await?.expect("a logout is not refused");
        self.refused(&token).await?;
        self.ended.push(token);
        Some(())
    }

    async fn log_out_everywhere(&mut self) -> Option<()> {
        let subject = Subject::new(format!("{}-{}", self.name, self.logins)).unwrap();
        let ended = self.ask("a logout everywhere", |manager| {
            let subject = subject.clone();
            async move { manager.revoke_all(&subject, RevokeReason::LogoutAll).await }
        });
        ended.await?.expect("a logout is not refused");
        // The next login is another subject's: a request that was given up may still be on
        // its way, and would end that session too.
        let (token, cookie) = (self.tokens.take()?.newest(), self.cookie.take()?);
        self.refused(&token).await?;
        let visit = self.show(&cookie).await?;
        assert!(matches!(visit, Err(RefreshError::Denied(_))), "{visit:?}");
        self.ended.push(token);
        Some(())
    }

    async fn refused(&mut self, token: &str) -> Option<()> {
        match self.present(token).await? {
            Err(RefreshError::Denied(_)) => Some(()),
            other => panic!("a session that was ended lives: {other:?}"),
        }
    }

    /// Sees that everything is as it was told, on both nodes, once all faults have ended.
    pub(crate) async fn check(mut self) -> Self {
        self.clock.advance(Duration::from_secs(46));
        for token in std::mem::take(&mut self.ended) {
            self.refused(&token).await;
            self.ended.push(token);
        }
        for _ in 0..2 {
            if self.tokens.is_some() {
                Box::pin(self.refresh_in_two_tabs()).await;
                self.clock.advance(Duration::from_secs(46));
            }
            if self.cookie.is_some() {
                self.visit().await;
            }
        }
        self
    }

    /// Presents a refresh token.
    pub(crate) async fn present(&mut self, token: &str) -> Option<Result<Issued, RefreshError>> {
        self.ask("a refresh", |manager| {
            let token = token.to_owned();
            async move { manager.refresh(&token, None).await }
        })
        .await
    }

    /// Presents a session cookie.
    async fn show(&mut self, cookie: &str) -> Option<Result<(), RefreshError>> {
        self.ask("a visit", |manager| {
            let cookie = cookie.to_owned();
            async move { manager.touch(&cookie).await.map(drop) }
        })
        .await
    }

    /// Asks one node or the other, and again as long as the answer is a fault.
    async fn ask<T, E: Fault, F: Future<Output = Result<T, E>>>(
        &mut self,
        what: &str,
        request: impl Fn(SessionManager) -> F,
    ) -> Option<Result<T, E>> {
        let mut waited = 0;
        loop {
            let manager = self.managers[self.rng.usize(..2)].clone();
            let start = Instant::now();
            let result = request(manager).await;
            self.asked(start, what);
            match result {
                Err(error) if error.is_fault() => self.failed(),
                result => return Some(result),
            }
            if self.gives_up.load(Ordering::SeqCst) {
                return None;
            }
            if waited < PATIENCE {
                let seconds = self.rng.u64(..3);
                self.clock.advance(Duration::from_secs(seconds));
                waited += seconds;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn failed(&self) {
        self.count.failures.fetch_add(1, Ordering::SeqCst);
    }

    fn asked(&self, start: Instant, what: &str) {
        self.count.requests.fetch_add(1, Ordering::SeqCst);
        let limit = self.managers[0].store_timeout() + SLACK;
        let took = start.elapsed();
        assert!(took < limit, "{what} hung for {took:?}");
    }
}

fn honest<T>(result: Result<T, RefreshError>) -> T {
    match result {
        Ok(answer) => answer,
        Err(RefreshError::Denied(denial @ Denial::Reused { .. })) => {
            panic!("an honest client was taken for a thief: {denial}")
        }
        Err(error) => panic!("an honest client was refused: {error}"),
    }
}

/// The long-lived credential.
fn text(issued: &Issued) -> String {
    match issued.credentials() {
        Credentials::Tokens(pair) => pair.refresh_token.secret().to_owned(),
        Credentials::Session(cookie) => cookie.to_secret_text().to_string(),
    }
}
