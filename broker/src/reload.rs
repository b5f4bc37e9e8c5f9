//! Tables are read again and come into force while the hub runs, all or none; and what they watch
//! follows the calendar.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::text::Language;
use amtsbote_trust::TrustError;
use amtsbote_trust::revocation::Refused;
use amtsbote_trust::revocation::book::MAX_WATCHED;
use amtsbote_trust::revocation::refresher::Ready;
use amtsbote_trust::tls::Acceptor;
use tokio::task::spawn_blocking;

use crate::doors::acceptors;
use crate::hub::{FIRST_WORD, Hub};
use crate::outlet::outlets;
use crate::standing::{Pairs, Watch};
use crate::stop::Stop;
use crate::tables::{InForce, NotReread, Reread};

/// How often it is looked whether other certificates are to be watched.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Who has the tables read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The operator with this certificate.
    Operator(Digest),
    /// Whoever may send signals to the process: it is the node's own act.
    Signal,
}

/// Tables that can be put in force; nothing about it can fail any more.
struct Prepared {
    tables: InForce,
    acceptors: [Acceptor; 3],
    revocation: Ready,
    /// What the new tables watch.
    watch: Watch,
    /// The same with what the tables in force watch.
    union: Watch,
    digest: Digest,
}

impl Hub {
    /// Reads the tables again and puts them in force, all or none. Who did is on record, with the
    /// digest of the tables, before they are in force. It goes on to its end although nobody waits
    /// for it, and keeps no hub alive that has stopped.
    pub fn reload(
        self: &Arc<Self>,
        by: By,
    ) -> impl Future<Output = Result<(), NotReread>> + Send + use<> {
        let reading = tokio::spawn(self.clone().reread(by));
        async { reading.await.unwrap_or_else(|_| Err(NotReread::fault())) }
    }

    /// One after the other: what was read first must not come into force last.
    async fn reread(self: Arc<Self>, by: By) -> Result<(), NotReread> {
        let mut watching = self.watching.clone().lock_owned().await;
        let outcome = self.reread_alone(by, &mut watching).await;
        match &outcome {
            Ok(()) => {
                tracing::info!("the tables were read again and are in force");
                self.work.notify_one();
            }
            Err(error) => {
                tracing::error!(%error, "the tables in force stay: they were not read again")
            }
        }
        // In this order: whoever stops the node waits for the second, and must then find that
        // nobody else has its store.
        drop(self);
        drop(watching);
        outcome
    }

    async fn reread_alone(self: &Arc<Self>, by: By, watching: &mut Pairs) -> Result<(), NotReread> {
        if self.stop.is_said() {
            return Err(NotReread {
                de: "Der Knoten wird gerade beendet.".into(),
                en: "The node is stopping.".into(),
            });
        }
        let Some(source) = self.reread.clone() else {
            return Err(NotReread {
                de: "Dieser Knoten hat keine Dateien, die erneut gelesen werden könnten.".into(),
                en: "This node has no files that could be read again.".into(),
            });
        };
        let hub = self.clone();
        let prepared = spawn_blocking(move || hub.prepare(source.as_ref())).await;
        let prepared = prepared.unwrap_or_else(|_| Err(NotReread::fault()));
        self.record_reload(by, prepared.as_ref().ok().map(|prepared| prepared.digest)).await?;
        let Prepared { tables, acceptors, revocation, watch, union, .. } = prepared?;

        let refresher = self.refresher.clone();
        let begin = move || refresher.reconfigure(revocation, union.list());
        spawn_blocking(begin).await.unwrap_or(Err(Refused::Engine)).map_err(not_asked)?;
        // Nobody is to be refused because a certificate came into force before the first word about
        // it was there.
        tokio::select! {
            _ = self.refresher.settle(FIRST_WORD) => {}
            () = self.stop.said() => {}
        }
        for (door, acceptor) in self.doors.iter().zip(acceptors) {
            door.replace(acceptor);
        }
        self.mail.know(&tables.directory);
        self.tables.replace(tables);
        // Only now is what nobody needs any more let go.
        self.watch(watch, watching).await;
        Ok(())
    }

    /// All that can fail; nothing of it changes anything.
    fn prepare(&self, source: &dyn Reread) -> Result<Prepared, NotReread> {
        let tables = source.reread()?;
        let outlets = outlets(&tables.peers).map_err(|error| NotReread::english(&error))?;
        let acceptors = acceptors(&tables, &self.book, &self.clock).map_err(not_taken)?;
        let revocation = Ready::new(tables.revocation.clone()).map_err(not_asked)?;
        let digest = tables.digest;
        let tables = InForce::new(tables, outlets, self.book.clone());
        let (before, now) = (self.tables(), self.clock.now());
        let watch = |tables: &InForce| tables.standings.watched(tables, now);
        let (watch, union) = (watch(&tables), watch(&tables).and(watch(&before)));
        if union.list().len() > MAX_WATCHED {
            return Err(not_asked(Refused::Full));
        }
        Ok(Prepared { tables, acceptors, revocation, watch, union, digest })
    }

    /// Makes it evidence that somebody had the tables read again, and which ones come into force.
    async fn record_reload(&self, by: By, digest: Option<Digest>) -> Result<(), NotReread> {
        // An identity always has a certificate.
        let own = || self.tables().own.first().map_or(Digest([0; 32]), |own| own.fingerprint());
        let (certificate, by) = match by {
            By::Operator(certificate) => (certificate, "reload"),
            By::Signal => (own(), "reload by signal"),
        };
        let act = match digest {
            Some(digest) => format!("{by}: tables {digest}"),
            None => format!("{by}: refused, the tables in force stay"),
        };
        tracing::info!(%certificate, act);
        let record =
            Evidence::Operator { certificate, name: None, act, hub_id: None, reason: None };
        self.store.record(record).await.map(drop).map_err(|error| NotReread {
            de: format!("Das erneute Lesen ließ sich nicht aufzeichnen: {error}"),
            en: format!("Reading again could not be recorded: {error}"),
        })
    }

    /// Watches these from now on. There were at most as many before.
    async fn watch(&self, watch: Watch, watching: &mut Pairs) {
        let pairs = watch.pairs();
        let refresher = self.refresher.clone();
        let watched = spawn_blocking(move || refresher.watch(watch.list())).await;
        match watched.unwrap_or(Err(Refused::Engine)) {
            Ok(()) => *watching = pairs,
            Err(error) => tracing::error!(%error, "other certificates stay watched than should be"),
        }
    }

    /// Looks again and again, until the node stops.
    pub(crate) async fn keep_watch(self: Arc<Self>, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.said() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => self.watch_again().await,
            }
        }
    }

    /// Watches other certificates where the time has made others of them: one has become valid or
    /// has ended, an issuer has taken another's place.
    async fn watch_again(&self) {
        let mut watching = self.watching.lock().await;
        let (tables, now) = (self.tables(), self.clock.now());
        let watched = spawn_blocking(move || tables.standings.watched(&tables, now)).await;
        if let Ok(watch) = watched
            && watch.pairs() != *watching
        {
            self.watch(watch, &mut watching).await;
        }
    }
}

/// TLS cannot work with what was read.
fn not_taken(error: TrustError) -> NotReread {
    NotReread { de: error.text(Language::De), en: error.text(Language::En) }
}

/// Sources of revocation cannot be asked as configured.
fn not_asked(error: Refused) -> NotReread {
    let text = |language| format!("[revocation]: {}", error.text(language));
    NotReread { de: text(Language::De), en: text(Language::En) }
}

#[cfg(test)]
mod tests;
