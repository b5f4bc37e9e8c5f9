//! Passes hints on, and sees that they are confirmed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use amtsbote_domain::ports::Hint;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Event};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::stop::Stop;

use super::form;
use super::link::{Broken, Link};
use super::supervisor::{Role, Serve, Shared};
use super::topology::{Topology, name};
use super::{POST, WINDOW};

/// How a hint fared at the broker.
enum Fared {
    Taken,
    NotTaken,
    /// There is no queue for it.
    Astray,
    /// Nothing was said about it in time.
    Withheld,
    Broken(Broken),
}

/// Hints passed on and not yet confirmed.
type Open = FuturesUnordered<BoxFuture<'static, (Hint, Fared)>>;

/// The connection that tells.
pub(super) struct Teller {
    shared: Arc<Shared>,
    post: mpsc::Receiver<Hint>,
    /// When the last hint for all was sent.
    everything: Option<Instant>,
}

impl Teller {
    pub(super) fn new(shared: Arc<Shared>, post: mpsc::Receiver<Hint>) -> Self {
        Self { shared, post, everything: None }
    }
}

impl Serve for Teller {
    async fn serve(&mut self, stop: &Stop) -> Result<(), Broken> {
        let (shared, answer) = (self.shared.clone(), self.shared.timing.answer);
        let begin = async {
            let link = Link::open(&shared.place, "tells", answer).await?;
            let channel = link.channel().await?;
            shared.topology.declare(&channel).await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, Broken>((link, channel))
        };
        let (link, channel) = tokio::select! {
            begun = tokio::time::timeout(answer, begin) => {
                begun.unwrap_or_else(|_| Err(Broken::no_answer()))?
            }
            () = stop.said() => return Ok(()),
        };
        // What has waited is told by one hint for all.
        let waited = self.take_all();
        if waited > 0 {
            shared.dropped(waited);
        }
        shared.begun(Role::Tells);
        let mut telling = Telling {
            teller: self,
            channel,
            open: Open::new(),
            work_open: false,
            work_again: false,
            silent: false,
        };
        let told = telling.tell(&link, stop).await;
        if told.is_err() && !telling.open.is_empty() {
            // They may have arrived, or not.
            shared.dropped(telling.open.len() as u64);
        }
        if told.is_ok() {
            link.end().await;
        }
        told
    }
}

impl Teller {
    /// Whether a hint for all is due, and the last one long enough ago.
    fn everything_due(&self) -> bool {
        let rested = self.everything.is_none_or(|at| at.elapsed() >= self.shared.timing.everything);
        rested && self.shared.missed.load(Ordering::Acquire)
    }

    /// Takes out what waits; says how many there were.
    fn take_all(&mut self) -> u64 {
        let mut count = 0;
        // No more than there is room for: others go on announcing.
        while count < POST as u64 && self.post.try_recv().is_ok() {
            count += 1;
        }
        count
    }
}

/// A connection at work.
struct Telling<'a> {
    teller: &'a mut Teller,
    channel: Channel,
    open: Open,
    /// A hint about work is under way: one at a time is enough, for it wakes whoever takes it for all
    /// there is.
    work_open: bool,
    /// There was another one since.
    work_again: bool,
    /// The broker has asked us to be silent: memory or disk are short.
    silent: bool,
}

impl Telling<'_> {
    async fn tell(&mut self, link: &Link, stop: &Stop) -> Result<(), Broken> {
        let shared = self.teller.shared.clone();
        let mut events = std::pin::pin!(link.events());
        let mut post = Vec::with_capacity(WINDOW);
        let mut look = tokio::time::interval(shared.timing.everything);
        loop {
            if !self.silent && self.open.len() < WINDOW && self.teller.everything_due() {
                shared.missed.store(false, Ordering::Release);
                // It stands for what waits here as well.
                shared.figures.dropped.fetch_add(self.teller.take_all(), Ordering::Relaxed);
                self.teller.everything = Some(Instant::now());
                self.pass_on(Hint::Everything);
            }
            let room = WINDOW.saturating_sub(self.open.len());
            tokio::select! {
                taken = self.teller.post.recv_many(&mut post, room), if room > 0 && !self.silent => {
                    if taken == 0 {
                        // The hub is gone; the word to stop comes next.
                        stop.said().await;
                        return Ok(());
                    }
                    // The same place twice at once is once.
                    let mut said = HashSet::new();
                    for hint in post.drain(..) {
                        if said.insert(hint.clone()) {
                            self.pass_on(hint);
                        }
                    }
                }
                Some((hint, fared)) = self.open.next() => self.fared(hint, fared)?,
                Some(event) = events.next() => match event {
                    Event::ConnectionBlocked(reason) => {
                        let reason = Broken::new(reason);
                        tracing::warn!(%reason, "hints between nodes: the broker takes none for now");
                        self.silent = true;
                    }
                    Event::ConnectionUnblocked => self.silent = false,
                    Event::Error(error) => return Err(error.into()),
                    _ => {}
                },
                () = shared.overflowed.notified() => {}
                _ = look.tick() => link.check()?,
                () = stop.said() => return Ok(()),
            }
        }
    }

    fn fared(&mut self, hint: Hint, fared: Fared) -> Result<(), Broken> {
        let shared = self.teller.shared.clone();
        if hint == Hint::Work {
            self.work_open = false;
            if std::mem::take(&mut self.work_again) {
                self.pass_on(Hint::Work);
            }
        }
        match fared {
            Fared::Taken => {
                shared.figures.sent.fetch_add(1, Ordering::Relaxed);
            }
            Fared::NotTaken => shared.dropped(1),
            Fared::Astray => {
                // Whoever should hear it declares its queue again, at once where that is us.
                shared.dropped(1);
                shared.astray.notify_one();
            }
            // Of the shared queue more than half of its copies may be away; the others go on.
            Fared::Withheld if self.silent || hint == Hint::Work => shared.dropped(1),
            Fared::Withheld => {
                shared.dropped(1);
                return Err(Broken::new("hints are not confirmed"));
            }
            Fared::Broken(broken) => {
                shared.dropped(1);
                return Err(broken);
            }
        }
        Ok(())
    }

    fn pass_on(&mut self, hint: Hint) {
        if hint == Hint::Work {
            if self.work_open {
                self.work_again = true;
                return;
            }
            self.work_open = true;
        }
        let shared = &self.teller.shared;
        let octets = form::write(&shared.own, &hint);
        let (exchange, confirm) = (name(&shared.topology.exchange), shared.timing.confirm);
        let sent = publish(self.channel.clone(), exchange, Topology::key(&hint), octets, confirm);
        self.open.push(async move { (hint, sent.await) }.boxed());
    }
}

async fn publish(
    channel: Channel,
    exchange: ShortString,
    key: &'static str,
    octets: Vec<u8>,
    time: Duration,
) -> Fared {
    let sent = async {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = BasicProperties::default().with_content_type("application/json".into());
        channel.basic_publish(exchange, key.into(), options, &octets, properties).await?.await
    };
    match tokio::time::timeout(time, sent).await {
        Ok(Ok(Confirmation::Ack(None) | Confirmation::NotRequested)) => Fared::Taken,
        Ok(Ok(Confirmation::Ack(Some(_)))) => Fared::Astray,
        Ok(Ok(Confirmation::Nack(_))) => Fared::NotTaken,
        Ok(Err(error)) => Fared::Broken(error.into()),
        Err(_) => Fared::Withheld,
    }
}
