//! Ending sessions together with their refresh tokens.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use store_core::{BoxError, ManualClock, UserSessionKey, UserSessionsFilter};

use super::TicketStoreBase;
use super::sample::*;
use crate::{EndReason, RefreshTokenRevoker, RevocationOptions, Revoked, SessionRevocation, Token};

/// What a revoker does when it is asked to.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Revokes,
    FailsAtFirst(u32),
    Hangs,
    Panics,
}

#[derive(Debug)]
struct Revoker {
    manner: Manner,
    asked: AtomicU32,
    revoked: Mutex<Vec<String>>,
}

impl Revoker {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            asked: AtomicU32::new(0),
            revoked: Mutex::default(),
        })
    }

    fn revoked(&self) -> Vec<String> {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut revoked = revoked.clone();
        revoked.sort();
        revoked
    }
}

#[async_trait]
impl RefreshTokenRevoker for Revoker {
    async fn revoke_refresh_token(
        &self,
        token: &Token,
        _: &UserSessionKey,
    ) -> Result<(), BoxError> {
        let asked_before = self.asked.fetch_add(1, Ordering::Relaxed);
        match self.manner {
            Manner::FailsAtFirst(times) if asked_before < times => return Err("not now".into()),
            Manner::Hangs => return std::future::pending().await,
            Manner::Panics => panic!("this revoker always panics"),
            Manner::Revokes | Manner::FailsAtFirst(_) => {}
        }
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.push(token.expose().to_owned());
        Ok(())
    }
}

fn impatient() -> RevocationOptions {
    RevocationOptions {
        patience: Duration::from_millis(100),
        attempts: 2,
        attempt_timeout: Duration::from_millis(50),
        ..RevocationOptions::default()
    }
}

/// Refresh tokens are revoked with their sessions, by whichever way these end.
pub async fn refresh_tokens_are_revoked_with_their_sessions<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [tickets, ..] = four_nodes(&store, &clock, &recorder);
    let revoker = Revoker::new(Manner::Revokes);
    let revocation = SessionRevocation::new(
        tickets.clone(),
        revoker.clone(),
        RevocationOptions::default(),
    );
    let mut secrets = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let ticket = ticket_with_refresh_token("alice", name).with_session_id(session_id(name));
        secrets.push(super::sample::store(&tickets, ticket).await);
    }
    let done = |revoked: Revoked| {
        assert_eq!(revoked.refresh_tokens_pending, 0);
        (revoked.sessions.len(), revoked.refresh_tokens)
    };

    assert_eq!(done(revocation.log_out(&secrets[0]).await.unwrap()), (1, 1));
    assert_eq!(done(revocation.log_out(&secrets[0]).await.unwrap()), (0, 0));
    let sid = UserSessionsFilter::for_session(session_id("b"));
    let back_channel = revocation.back_channel_logout(&sid).await;
    assert_eq!(done(back_channel.unwrap()), (1, 1));
    let everywhere = revocation.revoke(&of("alice"), EndReason::Revoked).await;
    assert_eq!(done(everywhere.unwrap()), (2, 2));
    assert_eq!(revoker.revoked(), ["a", "b", "c", "d"]);

    // Without a session id, and without a refresh token.
    let secret = super::sample::store(&tickets, ticket_with_refresh_token("bob", "e")).await;
    assert_eq!(done(revocation.log_out(&secret).await.unwrap()), (1, 1));
    let secret = log_in(&tickets, "bob").await;
    assert_eq!(done(revocation.log_out(&secret).await.unwrap()), (1, 0));

    tickets.observers().flush().await;
    assert_eq!(
        recorder.reasons(),
        [
            EndReason::LoggedOut,
            EndReason::BackChannel,
            EndReason::Revoked,
            EndReason::Revoked,
            EndReason::LoggedOut,
            EndReason::LoggedOut,
        ]
    );
}

/// A revoker that fails is tried again after the sessions have ended, until it succeeds.
pub async fn a_revoker_that_fails_is_tried_again<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let revoker = Revoker::new(Manner::FailsAtFirst(1));
    let revocation = SessionRevocation::new(tickets.clone(), revoker.clone(), impatient());
    let secret = super::sample::store(&tickets, ticket_with_refresh_token("alice", "a")).await;
    let revoked = revocation.log_out(&secret).await.unwrap();
    assert_eq!(revoked.sessions.len(), 1);
    assert_eq!(revoked.refresh_tokens_pending, 1);
    assert!(!is_live(&tickets, &secret).await);
    revocation.finish().await;
    assert_eq!(revoker.revoked(), ["a"]);

    // One that never succeeds is given up.
    let revoker = Revoker::new(Manner::FailsAtFirst(u32::MAX));
    let revocation = SessionRevocation::new(tickets.clone(), revoker.clone(), impatient());
    let secret = super::sample::store(&tickets, ticket_with_refresh_token("alice", "b")).await;
    assert_eq!(revocation.log_out(&secret).await.unwrap().sessions.len(), 1);
    revocation.finish().await;
    assert_eq!(revoker.asked.load(Ordering::Relaxed), 2);
}

/// A revoker that hangs delays the end of sessions by its patience, and no more however many there
/// are.
pub async fn a_revoker_that_hangs_keeps_no_session_alive<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    ends_all_sessions_with(store, clock, Manner::Hangs).await;
}

/// A revoker that panics keeps no session alive.
pub async fn a_revoker_that_panics_keeps_no_session_alive<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    ends_all_sessions_with(store, clock, Manner::Panics).await;
}

async fn ends_all_sessions_with<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
    manner: Manner,
) {
    let tickets = node(&store, &clock);
    let revoker = Revoker::new(manner);
    let revocation = SessionRevocation::new(tickets.clone(), revoker.clone(), impatient());
    let mut secrets = Vec::new();
    for number in 0..20 {
        let ticket = ticket_with_refresh_token("alice", &format!("token-{number}"));
        secrets.push(super::sample::store(&tickets, ticket).await);
    }
    let before = Instant::now();
    let alone = revocation.log_out(&secrets[0]).await.unwrap();
    assert_eq!(alone.sessions.len(), 1);
    let revoked = revocation
        .revoke(&of("alice"), EndReason::Revoked)
        .await
        .unwrap();
    assert!(before.elapsed() < Duration::from_secs(20));
    assert_eq!(revoked.sessions.len(), 19);
    assert_eq!(revoked.refresh_tokens, 0);
    assert_eq!(revoked.refresh_tokens_pending, 19);
    for secret in &secrets {
        assert!(!is_live(&tickets, secret).await);
    }
    revocation.finish().await;
}

/// A refresh token that comes into a session while it is being logged out is revoked as well.
pub async fn a_token_that_comes_in_during_the_logout_is_revoked<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    /// Renews the tokens of the session whose token it is asked to revoke, as a request of another
    /// tab would.
    #[derive(Debug)]
    struct Meanwhile {
        tickets: Tickets,
        revoker: Arc<Revoker>,
    }

    #[async_trait]
    impl RefreshTokenRevoker for Meanwhile {
        async fn revoke_refresh_token(
            &self,
            token: &Token,
            session: &UserSessionKey,
        ) -> Result<(), BoxError> {
            if token.expose() == "old" {
                let renewed = self.tickets.modify(&session.user_key, |ticket| {
                    ticket.tokens.refresh = Some(Token::new("new"));
                });
                renewed.await?;
            }
            self.revoker.revoke_refresh_token(token, session).await
        }
    }

    let tickets = node(&store, &clock);
    let with_session_id =
        ticket_with_refresh_token("alice", "old").with_session_id(session_id("sid"));
    for ticket in [ticket_with_refresh_token("alice", "old"), with_session_id] {
        let revoker = Revoker::new(Manner::Revokes);
        let meanwhile = Arc::new(Meanwhile {
            tickets: tickets.clone(),
            revoker: revoker.clone(),
        });
        let revocation =
            SessionRevocation::new(tickets.clone(), meanwhile, RevocationOptions::default());
        let secret = super::sample::store(&tickets, ticket.clone()).await;
        assert_eq!(revocation.log_out(&secret).await.unwrap().sessions.len(), 1);
        revocation.finish().await;
        assert_eq!(revoker.revoked(), ["new", "old"]);

        super::sample::store(&tickets, ticket).await;
        let all = revocation.revoke(&of("alice"), EndReason::Revoked).await;
        assert_eq!(all.unwrap().sessions.len(), 1);
        revocation.finish().await;
        assert_eq!(revoker.revoked(), ["new", "new", "old", "old"]);
    }
}

/// A back-channel logout ends the session that it names, and the others live on.
pub async fn one_session_ends_and_the_others_live_on<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let revocation =
        SessionRevocation::without_refresh_tokens(tickets.clone(), RevocationOptions::default());
    let mut secrets = Vec::new();
    for sid in ["a", "b", "c"] {
        let ticket = ticket("alice").with_session_id(session_id(sid));
        secrets.push(super::sample::store(&tickets, ticket).await);
    }
    let filter = of("alice").and_session(session_id("a"));
    let revoked = revocation.back_channel_logout(&filter).await.unwrap();
    assert_eq!(revoked.sessions.len(), 1);
    let here = session(&tickets, &secrets[1]).await.key().user_key.clone();
    let elsewhere = of("alice").except(here);
    let revoked = revocation
        .revoke(&elsewhere, EndReason::Revoked)
        .await
        .unwrap();
    assert_eq!(revoked.sessions.len(), 1);
    let mut live = Vec::new();
    for secret in &secrets {
        live.push(is_live(&tickets, secret).await);
    }
    assert_eq!(live, [false, true, false]);
}

/// Where a back-channel logout ends all sessions of a user, a token that has only a session id
/// leads to its subject first, even if that session has expired.
pub async fn a_session_id_leads_to_all_sessions_of_its_subject<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = builder(&store, &clock)
        .policy(policy(HOUR, 12 * HOUR))
        .build();
    let revoker = Revoker::new(Manner::Revokes);
    let options = RevocationOptions {
        back_channel_logout_ends_all_sessions: true,
        ..RevocationOptions::default()
    };
    let revocation = SessionRevocation::new(tickets.clone(), revoker.clone(), options);
    let first = ticket_with_refresh_token("alice", "a").with_session_id(session_id("a"));
    super::sample::store(&tickets, first).await;
    clock.advance(HOUR / 2);
    let second = ticket_with_refresh_token("alice", "b").with_session_id(session_id("b"));
    super::sample::store(&tickets, second.clone()).await;
    clock.advance(HOUR / 2);
    let only_sid = UserSessionsFilter::for_session(session_id("a"));
    let revoked = revocation.back_channel_logout(&only_sid).await.unwrap();
    assert_eq!(revoked.sessions.len(), 2);
    revocation.finish().await;
    assert_eq!(revoker.revoked(), ["a", "b"]);

    super::sample::store(&tickets, second).await;
    let both = of("alice").and_session(session_id("unknown"));
    let revoked = revocation.back_channel_logout(&both).await.unwrap();
    assert_eq!(revoked.sessions.len(), 1);
    let unknown = UserSessionsFilter::for_session(session_id("unknown"));
    let revoked = revocation.back_channel_logout(&unknown).await.unwrap();
    assert_eq!(revoked, Revoked::default());
}
