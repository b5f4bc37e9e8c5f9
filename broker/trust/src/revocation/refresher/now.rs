//! Asking now, and waiting for the answers: for people who cannot wait for the rhythm, and for
//! certificates that are new.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Key, Refresher, Report};

/// How often it is looked whether the answers are there.
const LOOK: Duration = Duration::from_millis(10);

/// How it ended that sources were asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Sources that were asked.
    pub sources: usize,
    /// Of them, those whose last exchange failed.
    pub failing: usize,
    /// Of them, those that had not answered when the time was over; they may still.
    pub open: usize,
}

impl Refresher {
    /// Has every source asked now, whatever its rhythm, and waits for the answers, at most for
    /// `patience`. An exchange that was under way before does not count: the source may have
    /// changed since. [`Refresher::run`] must be at work.
    pub async fn refresh(&self, patience: Duration) -> Asked {
        let wanted = {
            let now = self.0.clock.now();
            let mut sources = self.0.sources();
            let wanted = sources.iter_mut().map(|(key, source)| {
                source.again = source.busy;
                source.report.next = now;
                (key.clone(), ended(&source.report) + 1 + u64::from(source.busy))
            });
            wanted.collect()
        };
        self.await_answers(wanted, patience).await
    }

    /// Waits until every source that was never asked has been, at most for `patience`.
    /// [`Refresher::run`] must be at work.
    pub async fn settle(&self, patience: Duration) -> Asked {
        let wanted = {
            let sources = self.0.sources();
            let new = sources.iter().filter(|(_, source)| ended(&source.report) == 0);
            new.map(|(key, _)| (key.clone(), 1)).collect()
        };
        self.await_answers(wanted, patience).await
    }

    /// Waits until as many exchanges have ended with each source; one that went away meanwhile is
    /// waited for no longer.
    async fn await_answers(&self, wanted: BTreeMap<Key, u64>, patience: Duration) -> Asked {
        self.0.changed.notify_one();
        let until = tokio::time::Instant::now() + patience;
        loop {
            let asked = self.answers(&wanted);
            if asked.open == 0 || tokio::time::Instant::now() >= until {
                return asked;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn answers(&self, wanted: &BTreeMap<Key, u64>) -> Asked {
        let sources = self.0.sources();
        let mut asked = Asked { sources: wanted.len(), ..Asked::default() };
        for (key, count) in wanted {
            let Some(source) = sources.get(key) else { continue };
            asked.open += usize::from(ended(&source.report) < *count);
            asked.failing += usize::from(source.report.failures_in_a_row > 0);
        }
        asked
    }
}

/// Exchanges that have ended.
fn ended(report: &Report) -> u64 {
    report.successes + report.failures
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amtsbote_domain::Timestamp;
    use amtsbote_domain::ports::Clock;

    use super::super::Ready;
    use super::*;
    use crate::revocation::{Book, Grace, Override, Place, Settings, Standing, Watched};
    use crate::testca::{Entry, KeyKind, List, Purpose, Span, TestCa};

    const PATIENCE: Duration = Duration::from_secs(30);

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            "2026-11-23T12:00:00Z".parse().expect("an instant")
        }
    }

    #[tokio::test]
    async fn other_settings_are_in_force_at_once() {
        let day = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let span = Span { from: day("2026-01-01T00:00:00Z"), until: day("2027-01-01T00:00:00Z") };
        let ca = TestCa::new("ca", KeyKind::EcP256, span).expect("a CA");
        let leaf = ca.issue("a", Purpose::Client, KeyKind::EcP256, span).expect("issued");
        let dir = tempfile::tempdir().expect("a folder");
        let named = |file: &str| {
            let lists = vec![Place::File(dir.path().join(file))];
            let own = Override { issuer: ca.certificate().fingerprint(), lists, ocsp: vec![] };
            Settings { overrides: vec![own], ..Settings::default() }
        };
        let (missing, there) = (named("missing.crl"), named("ca.crl"));
        let list = List::new(Noon.now(), day("2026-11-30T00:00:00Z"));
        let list = ca.sign_list(&list).expect("signed");
        std::fs::write(dir.path().join("ca.crl"), list).expect("written");
        let (book, clock) = (Arc::new(Book::new()), Arc::new(Noon));
        let refresher = Refresher::new(missing, book, None, clock).expect("a refresher");
        let (certificate, issuer) = (leaf.certificate().clone(), ca.certificate().clone());
        let watched = [Watched { certificate, issuer, staple: false }];
        refresher.watch(&watched).expect("watched");
        assert_eq!((refresher.turn().await, refresher.counters().failing), (1, 1));
        assert_eq!(refresher.turn().await, 0, "it is not asked again so soon");

        let ready = |settings| Ready::new(settings).expect("they work");
        refresher.reconfigure(ready(named("missing.crl")), &watched).expect("taken");
        assert_eq!(refresher.turn().await, 1, "what never brought anything is asked again");
        refresher.reconfigure(ready(there), &watched).expect("taken");
        assert_eq!((refresher.turn().await, refresher.counters().failing), (1, 0));
        let none = Settings { lists: false, ..named("ca.crl") };
        refresher.reconfigure(ready(none), &watched).expect("taken");
        assert_eq!(refresher.counters().sources, 0);
        let proxy = Some("no address".to_owned());
        assert!(Ready::new(Settings { proxy, ..Settings::default() }).is_err());
    }

    #[tokio::test]
    async fn sources_are_asked_now_and_waited_for() {
        let day = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let span = Span { from: day("2026-01-01T00:00:00Z"), until: day("2027-01-01T00:00:00Z") };
        let ca = TestCa::new("ca", KeyKind::EcP256, span).expect("a CA");
        let leaf = ca.issue("a", Purpose::Client, KeyKind::EcP256, span).expect("issued");
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("ca.crl");
        let mut list = List::new(Noon.now(), day("2026-11-30T00:00:00Z"));
        std::fs::write(&file, ca.sign_list(&list).expect("signed")).expect("written");
        let (lists, ocsp) = (vec![Place::File(file.clone())], vec![]);
        let own = Override { issuer: ca.certificate().fingerprint(), lists, ocsp };
        let settings = Settings { overrides: vec![own], ..Settings::default() };
        let book = Arc::new(Book::new());
        let refresher =
            Refresher::new(settings, book.clone(), None, Arc::new(Noon)).expect("a refresher");
        let (certificate, issuer) = (leaf.certificate().clone(), ca.certificate().clone());
        let watched = Watched { certificate, issuer, staple: false };
        refresher.watch(std::slice::from_ref(&watched)).expect("watched");
        // Nobody is at work yet: the time runs out, and it is said.
        let open = Asked { sources: 1, failing: 0, open: 1 };
        assert_eq!(refresher.settle(Duration::ZERO).await, open);

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let run = tokio::spawn(refresher.clone().run(async move { drop(stopped.await) }));
        let done = Asked { sources: 1, failing: 0, open: 0 };
        assert_eq!(refresher.settle(PATIENCE).await, done);
        assert_eq!(refresher.settle(PATIENCE).await, Asked::default(), "none is new");
        let standing = || {
            let Watched { certificate, issuer, .. } = &watched;
            book.standing(certificate, issuer, Noon.now(), &Grace::NONE)
        };
        assert!(matches!(standing(), Standing::Good { .. }));

        // Hours before the rhythm would have it.
        list.number = Some(2);
        list.entries.push(Entry::new(&watched.certificate, Noon.now(), Some(1)));
        std::fs::write(&file, ca.sign_list(&list).expect("signed")).expect("written");
        assert_eq!(refresher.refresh(PATIENCE).await, done);
        assert!(matches!(standing(), Standing::Revoked { .. }));
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(refresher.refresh(PATIENCE).await, Asked { failing: 1, ..done });
        drop(stop);
        run.await.expect("it ends");
    }
}
