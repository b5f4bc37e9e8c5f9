//! The worker: looks for what is due, hands it to the pipeline, mends what was left open.

pub(crate) mod detours;
pub(crate) mod gates;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::delivery::breaker::{Outcome, Ticket};
use amtsbote_domain::delivery::fair::Fair;
use amtsbote_domain::ports::{Delivery, Slots, StoreError};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use crate::hub::Hub;
use crate::outlet::resolve;
use crate::pipeline::dispatch;
use crate::stop::Stop;
use crate::tables::InForce;

use self::detours::Rounds;
use self::shares::shares;

/// Most deliveries that one sweep changes.
const SWEEP: u32 = 500;
/// Uncertain deliveries that are resolved at the same time, in one commit if the store likes.
const TOGETHER: usize = 64;
/// Longest pause while the store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Shortest pause before it is looked again whether a peer has room by now.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// A delivery that was begun, and what was learnt about its peer.
struct Done {
    peer: String,
    ticket: Ticket,
    result: Result<Option<Outcome>, StoreError>,
}

/// Runs until `stop` says so; then lets attempts under way end, for `grace` at most.
pub(crate) async fn run(hub: Arc<Hub>, stop: Stop, grace: Duration) {
    let mut worker = Worker {
        hub,
        under_way: JoinSet::new(),
        holders: Vec::new(),
        fair: Fair::default(),
        rounds: Rounds::default(),
        mend_at: Instant::now(),
    };
    let mut failures = 0;
    loop {
        let pause = match worker.go_round().await {
            Ok(more) => {
                failures = 0;
                if more { Duration::ZERO } else { worker.pause() }
            }
            Err(error) => {
                tracing::error!(%error, "the worker could not go round; it tries again");
                failures = (failures + 1).min(16);
                let pause = worker.hub.delivery.idle.saturating_mul(1 << failures);
                pause.min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            // In this order, so that a simulation can repeat a course of events.
            biased;
            () = stop.said() => break,
            // While the store fails nobody's bell makes it better.
            () = worker.hub.work.notified(), if failures == 0 => {}
            Some(ended) = worker.under_way.join_next() => worker.ended(ended),
            () = tokio::time::sleep(pause) => {}
        }
    }
    worker.end(grace).await;
}

struct Worker {
    hub: Arc<Hub>,
    under_way: JoinSet<Done>,
    /// Whom each of them is for.
    holders: Vec<(String, AbortHandle)>,
    /// Whose turn it is among lanes and peers.
    fair: Fair,
    /// What waits for peers that are out.
    rounds: Rounds,
    mend_at: Instant,
}

impl Worker {
    /// Mends if it is time to, starts what is due. Says whether there may be more at once.
    async fn go_round(&mut self) -> Result<bool, StoreError> {
        self.hub.pulse.beat(self.hub.clock.now());
        let mut more = false;
        if Instant::now() >= self.mend_at {
            more = mend(&self.hub).await?;
            more |= self.rounds.go_on(&self.hub).await?;
            if !more {
                self.mend_at = Instant::now() + self.hub.delivery.idle;
            }
        }
        self.lease().await?;
        Ok(more)
    }

    /// Leases as many as there are free slots, of each lane and peer in its turn, and starts them. Each
    /// one that ends wakes the worker again: what finds no slot now is not forgotten.
    async fn lease(&mut self) -> Result<(), StoreError> {
        while let Some(ended) = self.under_way.try_join_next() {
            self.ended(ended);
        }
        self.holders.retain(|(_, task)| !task.is_finished());
        let tables = self.hub.tables();
        let (parallel, now) = (self.hub.delivery.parallel, self.hub.clock.now());
        let hub = self.hub.clone();
        hub.gates.know(&tables, now);
        self.fair.keep(|peer| tables.outlets.contains_key(peer));
        let peers = self.holders.iter().map(|(peer, _)| peer.as_str());
        let slots = hub.gates.slots(&tables.delivery.traffic, parallel, peers, now);
        if slots.free == 0 || tables.outlets.is_empty() {
            return Ok(());
        }
        let waiting = hub.store.waiting(slots.clone()).await?;
        let shares = shares(&mut self.fair, &tables.delivery.lanes, &slots, waiting);
        if shares.is_empty() {
            return Ok(());
        }
        let leases = hub.store.lease_due(Slots { shares, ..slots }, hub.delivery.lease).await?;
        for lease in leases {
            let (hub, peer) = (hub.clone(), lease.peer.clone());
            let ticket = hub.gates.begin(&tables.delivery.traffic, &peer, hub.clock.now());
            let task = async move {
                let peer = lease.peer.clone();
                Done { peer, ticket, result: dispatch(&hub, lease).await }
            };
            self.holders.push((peer, self.under_way.spawn(task)));
        }
        Ok(())
    }

    /// What came of a delivery goes into the log, and what it says about its peer to the peer's gate.
    /// One that ended in a fault of the program says nothing; the gate does not wait for it for ever.
    fn ended(&mut self, ended: Result<Done, JoinError>) {
        match ended {
            Ok(Done { peer, ticket, result }) => {
                let outcome = match &result {
                    Ok(Some(outcome)) => *outcome,
                    Ok(None) | Err(_) => Outcome::OwnFault,
                };
                self.hub.gates.end(&peer, ticket, outcome, self.hub.clock.now());
                report(result);
            }
            Err(error) => tracing::error!(%error, "an attempt ended in a fault of the program"),
        }
    }

    /// Until it is time to look again: as long as the worker may idle, or until a gate opens.
    fn pause(&mut self) -> Duration {
        let (tables, now) = (self.hub.tables(), self.hub.clock.now());
        let opens = self.hub.gates.wake_at(&tables.delivery.traffic, now);
        // What has opened since is negative here, and no wait.
        let opens = opens.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let idle = self.hub.delivery.idle;
        opens.map_or(idle, |opens| opens.max(SHORTEST_PAUSE).min(idle))
    }

    /// What outlasts the grace is broken off: the attempt stays open, and the next start makes the
    /// delivery uncertain, which is the truth (P2).
    async fn end(mut self, grace: Duration) {
        let ended = async {
            while let Some(ended) = self.under_way.join_next().await {
                match ended {
                    Ok(done) => report(done.result),
                    Err(error) => {
                        tracing::error!(%error, "an attempt ended in a fault of the program");
                    }
                }
            }
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!(open = self.under_way.len(), "attempts outlast the grace period");
            self.under_way.shutdown().await;
        }
    }
}

/// An attempt that could not be settled keeps its lease; when that ends, the sweep makes the
/// delivery uncertain. Nothing is guessed here.
fn report(result: Result<Option<Outcome>, StoreError>) {
    match result {
        Ok(_) => {}
        // Cancelled, expired or held between lease and attempt.
        Err(error @ (StoreError::NotApplicable(_) | StoreError::LeaseLost)) => {
            tracing::debug!(%error, "somebody was faster");
        }
        Err(error) => tracing::error!(%error, "an attempt could not be begun or settled"),
    }
}

/// Ends what has expired, makes uncertain what was left open, resolves what is uncertain by declared
/// capability. Says whether there may be more.
async fn mend(hub: &Hub) -> Result<bool, StoreError> {
    let tables = hub.tables();
    let swept = hub.store.sweep(SWEEP).await?;
    // What two people decided goes on, also after a crash in the middle of it.
    let granted = hub.store.carry_out().await.unwrap_or_else(|error| {
        // One proposal that cannot be carried out must not stop the traffic.
        tracing::error!(%error, "what was granted could not be carried out; it is tried again");
        false
    });
    let uncertain = hub.store.uncertain(SWEEP).await?;
    let more = granted || swept >= SWEEP || uncertain.len() >= SWEEP as usize;
    stream::iter(uncertain)
        .map(Ok)
        .try_for_each_concurrent(TOGETHER, |delivery| settle_doubt(hub, &tables, delivery))
        .await?;
    Ok(more)
}

async fn settle_doubt(hub: &Hub, tables: &InForce, delivery: Delivery) -> Result<(), StoreError> {
    let (hub_id, about) = (&delivery.record.hub_id, &delivery.record.metadata);
    let now = hub.clock.now();
    let policy = tables.delivery.policy(&about.service, &about.reader, now).policy;
    let event = resolve(policy, &tables.outlets, &delivery, now);
    match hub.store.apply(hub_id, event, None, None).await {
        Ok((state, _)) => tracing::warn!(%hub_id, ?state, "uncertain delivery resolved"),
        // Somebody was faster, e.g. a late acknowledgement.
        Err(StoreError::NotApplicable(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
