//! What is measured, and what the audit log says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use store_core::{
    Clock, InMemoryUserSessionStore, ManualClock, UserSession, UserSessionStore, UserSessionUpdate,
};
use store_tickets::{
    AuditLog, AuthenticationTicket, CookieSecret, EndReason, KeyRing, Retrieved,
    ServerSideTicketStore, SessionObservers, TicketKey, telemetry,
};

struct Host {
    store: Arc<InMemoryUserSessionStore>,
    clock: Arc<ManualClock>,
    tickets: ServerSideTicketStore<()>,
}

impl Host {
    fn new(observers: SessionObservers) -> Self {
        let clock = Arc::new(ManualClock::new("2026-03-02T08:00:00Z".parse().unwrap()));
        let store = Arc::new(InMemoryUserSessionStore::with_clock(clock.clone()));
        let keys = KeyRing::new(TicketKey::generate().unwrap());
        let tickets = ServerSideTicketStore::builder(store.clone(), keys)
            .clock(clock.clone() as Arc<dyn Clock>)
            .observers(observers)
            .build();
        Self {
            store,
            clock,
            tickets,
        }
    }

    async fn log_in(&self) -> (CookieSecret, UserSession) {
        let ticket = AuthenticationTicket::new("alice".parse().unwrap(), ())
            .with_session_id(format!("sid-{}", fastrand::u64(..)).parse().unwrap());
        let (secret, stored) = self.tickets.store(ticket).await.unwrap();
        let row = self.store.get_user_session(stored.key()).await.unwrap();
        (secret, row.unwrap())
    }

    /// Two logins, a logout, a broken ticket, one of an unknown key, and an expiry.
    async fn live(&self) -> (CookieSecret, UserSession) {
        let (secret, row) = self.log_in().await;
        let _ = self.tickets.retrieve(&secret).await.unwrap();
        self.tickets.modify(&secret, |_| ()).await.unwrap().unwrap();
        self.tickets
            .remove(&secret, EndReason::LoggedOut)
            .await
            .unwrap();
        for ticket in [&b""[..], b"\x01unknown key"] {
            let (secret, row) = self.log_in().await;
            let key = row.key.clone();
            let update = UserSessionUpdate {
                ticket: ticket.into(),
                ..row.into()
            };
            self.store.update_user_session(&key, update).await.unwrap();
            let found = self.tickets.retrieve(&secret).await.unwrap();
            assert!(!matches!(found, Retrieved::Session(_)));
        }
        self.clock.set("2027-01-01T00:00:00Z".parse().unwrap());
        let cleanup = self.tickets.cleanup(self.store.clone()).build();
        let _ = cleanup.run_once().await.unwrap();
        self.tickets.observers().flush().await;
        (secret, row)
    }
}

#[test]
fn what_happens_is_counted() {
    for observers in [SessionObservers::none(), SessionObservers::default()] {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async { Host::new(observers).live().await })
        });

        let mut counters = BTreeMap::new();
        let mut histograms = BTreeMap::new();
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let key = key.key();
            let mut labels: Vec<_> = key.labels().map(|label| label.value()).collect();
            labels.sort_unstable();
            let name = format!("{} {}", key.name(), labels.join(" "));
            match value {
                DebugValue::Counter(count) => drop(counters.insert(name, count)),
                DebugValue::Histogram(values) => drop(histograms.insert(name, values.len())),
                DebugValue::Gauge(_) => panic!("there are no gauges"),
            }
        }
        let expected = [
            (format!("{} ", telemetry::SESSION_STARTED), 3),
            (format!("{} logged_out", telemetry::SESSION_ENDED), 1),
            (format!("{} undecipherable", telemetry::SESSION_ENDED), 1),
            (format!("{} expired", telemetry::SESSION_ENDED), 1),
            (format!("{} open undecipherable", telemetry::ERRORS), 1),
            (format!("{} open unknown_key", telemetry::ERRORS), 1),
            (format!("{} ", telemetry::CLEANUP_REMOVED), 1),
        ];
        assert_eq!(counters, expected.into());
        let duration = telemetry::OPERATION_DURATION;
        assert_eq!(histograms[&format!("{duration} store")], 3);
        assert_eq!(histograms[&format!("{duration} retrieve")], 3);
        assert_eq!(histograms[&format!("{duration} modify")], 1);
        let cleanup = format!("{} finished", telemetry::CLEANUP_DURATION);
        assert_eq!(histograms[&cleanup], 1);
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_audit_log_has_fingerprints_and_no_keys() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let salt = b"the salt of all nodes".to_vec();
    let audit = AuditLog::with_salt(salt.clone());
    let observers = SessionObservers::builder().observer(audit).build();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (secret, row) = tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async { Host::new(observers).live().await })
    });

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let audit = AuditLog::with_salt(salt);
    let session = audit.fingerprint(row.key.user_key.as_str());
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains(AuditLog::TARGET) && line.contains(&session))
        .collect();
    let events = ["created", "authenticated", "ended"];
    assert_eq!(lines.len(), events.len(), "{log}");
    for (line, event) in lines.iter().zip(events) {
        assert!(line.contains(&format!("event=\"{event}\"")), "{line}");
        assert!(line.contains(&audit.fingerprint("alice")), "{line}");
    }
    assert!(lines[2].contains("reason=\"logged_out\""), "{}", lines[2]);
    for reason in ["undecipherable", "expired"] {
        assert!(log.contains(&format!("reason=\"{reason}\"")), "{log}");
    }
    // Neither there nor in any other line.
    for hidden in [
        secret.to_cookie().as_str(),
        row.key.user_key.as_str(),
        row.session_id.as_ref().unwrap().as_str(),
        "alice",
    ] {
        assert!(!log.contains(hidden), "{hidden} stands in the log");
    }
    assert_ne!(
        AuditLog::new().fingerprint("alice"),
        AuditLog::new().fingerprint("alice")
    );
}
