//! Hears hints, rings, and acknowledges: in this order.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use amtsbote_domain::ports::Hint;
use futures_util::stream::{self, Stream};
use futures_util::{FutureExt, StreamExt};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use tokio::time::MissedTickBehavior;

use crate::stop::Stop;

use super::form::{self, Came};
use super::link::{Broken, Link, within};
use super::supervisor::{Ears, Role, Serve, Shared};
use super::topology::name;
use super::{PREFETCH, REST};

/// The connection that hears.
pub(super) struct Listener {
    shared: Arc<Shared>,
    ears: Ears,
}

impl Listener {
    pub(super) fn new(shared: Arc<Shared>, ears: Ears) -> Self {
        Self { shared, ears }
    }
}

impl Serve for Listener {
    async fn serve(&mut self, stop: &Stop) -> Result<(), Broken> {
        let (shared, answer) = (&self.shared, self.shared.timing.answer);
        let bells = shared.topology.new_bells();
        let begin = async {
            let link = Link::open(&shared.place, "hears", answer).await?;
            let channel = link.channel().await?;
            shared.topology.declare_bells(&channel, &bells).await?;
            let rung = consume(&channel, &bells).await?;
            Ok::<_, Broken>((link, channel, rung))
        };
        let (link, channel, rung) = tokio::select! {
            begun = tokio::time::timeout(answer, begin) => {
                begun.unwrap_or_else(|_| Err(Broken::no_answer()))?
            }
            () = stop.said() => return Ok(()),
        };
        shared.begun(Role::Hears);
        // Whatever was told while nobody heard it.
        (self.ears)(&Hint::Everything);
        let ended = tokio::select! {
            broken = self.hear_bells(&link, &channel, &bells, rung) => Err(broken),
            () = self.hear_work(&link) => Ok(()),
            () = stop.said() => Ok(()),
        };
        shared.ended(Role::Works, None);
        if ended.is_ok() {
            link.end().await;
        }
        ended
    }
}

impl Listener {
    /// Hears what is for every node, until it breaks.
    async fn hear_bells(
        &self,
        link: &Link,
        channel: &Channel,
        bells: &str,
        mut rung: impl Stream<Item = Result<Delivery, Broken>> + Unpin,
    ) -> Broken {
        let (shared, timing) = (&self.shared, self.shared.timing);
        let mut renew = tokio::time::interval(timing.renew);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renew.reset();
        loop {
            let declare = shared.topology.declare_bells(channel, bells);
            let done = tokio::select! {
                Some(first) = rung.next() => self.take(first, &mut rung).await,
                _ = renew.tick() => match link.check() {
                    Ok(()) => within(timing.answer, declare).await,
                    Err(broken) => Err(broken),
                },
                () = shared.astray.notified() => {
                    let declared = within(timing.answer, declare).await;
                    (self.ears)(&Hint::Everything);
                    // However many go astray.
                    tokio::time::sleep(timing.everything).await;
                    declared
                }
            };
            if let Err(broken) = done {
                return broken;
            }
        }
    }

    /// Hears what is for any one node, for as long as the connection lives. The shared queue has a
    /// fate of its own, which is not to be that of the bells: more than half of its copies may be
    /// away.
    async fn hear_work(&self, link: &Link) {
        loop {
            let broken = match self.work(link).await {
                Ok(never) => match never {},
                Err(broken) => broken,
            };
            if broken.is_no_answer() {
                // A queue that was made shortly before its broker lost power may come back without a
                // leader and stay so. Nothing in it is worth keeping; the next round makes a new one.
                let deleted = self.delete_work(link).await;
                tracing::debug!(?deleted, "the shared queue did not answer");
            }
            self.shared.ended(Role::Works, Some(broken));
            tokio::time::sleep(self.shared.timing.renew).await;
        }
    }

    async fn work(&self, link: &Link) -> Result<std::convert::Infallible, Broken> {
        let (shared, answer) = (&self.shared, self.shared.timing.answer);
        let channel = link.channel().await?;
        let begin = async {
            shared.topology.declare_work(&channel).await?;
            consume(&channel, &shared.topology.work).await
        };
        let mut due = within(answer, begin).await?;
        shared.begun(Role::Works);
        let mut renew = tokio::time::interval(shared.timing.renew);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renew.reset();
        loop {
            tokio::select! {
                Some(first) = due.next() => self.take(first, &mut due).await?,
                _ = renew.tick() => within(answer, shared.topology.declare_work(&channel)).await?,
            }
        }
    }

    async fn delete_work(&self, link: &Link) -> Result<u32, Broken> {
        let channel = link.channel().await?;
        let (queue, options) = (name(&self.shared.topology.work), QueueDeleteOptions::default());
        within(self.shared.timing.answer, channel.queue_delete(queue, options)).await
    }

    /// Takes what has come: rings, then acknowledges, then rests.
    async fn take(
        &self,
        first: Result<Delivery, Broken>,
        queue: &mut (impl Stream<Item = Result<Delivery, Broken>> + Unpin),
    ) -> Result<(), Broken> {
        let mut came = vec![first?];
        while came.len() < usize::from(PREFETCH)
            && let Some(Some(next)) = queue.next().now_or_never()
        {
            came.push(next?);
        }
        self.ring(&came);
        for delivery in came {
            within(self.shared.timing.answer, delivery.ack(BasicAckOptions::default())).await?;
        }
        tokio::time::sleep(REST).await;
        Ok(())
    }

    /// Each bell once, however many hints came for it.
    fn ring(&self, came: &[Delivery]) {
        let figures = &self.shared.figures;
        let mut hints = HashSet::new();
        for delivery in came {
            match form::read(&self.shared.own, &delivery.data) {
                Came::Hint(hint) => {
                    figures.heard.fetch_add(1, Ordering::Relaxed);
                    hints.insert(hint);
                }
                Came::Own => {}
                Came::Nothing => {
                    figures.ignored.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        for hint in hints {
            (self.ears)(&hint);
        }
    }
}

/// What comes from a queue. That it comes to an end is an error: the queue was deleted, or its
/// leader lost.
async fn consume(
    channel: &Channel,
    queue: &str,
) -> lapin::Result<impl Stream<Item = Result<Delivery, Broken>> + Unpin + use<>> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = channel.basic_consume(name(queue), "".into(), options, none).await?;
    let ended = async { Err(Broken::new("the broker has ended a queue")) };
    Ok(consumer.map(|delivery| delivery.map_err(Broken::from)).chain(stream::once(ended.boxed())))
}
