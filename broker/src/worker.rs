//! The worker: looks for what is due, hands it to the pipeline, mends what was left open.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::ports::{Delivery, Slots, StoreError};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use crate::hub::Hub;
use crate::outlet::{Outlets, resolve};
use crate::pipeline::dispatch;
use crate::stop::Stop;

/// Most deliveries that one sweep changes.
const SWEEP: u32 = 500;
/// Uncertain deliveries that are resolved at the same time, in one commit if the store likes.
const TOGETHER: usize = 64;
/// Longest pause while the store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

type Ended = Result<Result<(), StoreError>, JoinError>;

/// Runs until `stop` says so; then lets attempts under way end, for `grace` at most.
pub(crate) async fn run(hub: Arc<Hub>, stop: Stop, grace: Duration) {
    let mut worker =
        Worker { hub, under_way: JoinSet::new(), holders: Vec::new(), mend_at: Instant::now() };
    let mut failures = 0;
    loop {
        let pause = match worker.go_round().await {
            Ok(more) => {
                failures = 0;
                if more { Duration::ZERO } else { worker.hub.delivery.idle }
            }
            Err(error) => {
                tracing::error!(%error, "the worker could not go round; it tries again");
                failures = (failures + 1).min(16);
                let pause = worker.hub.delivery.idle.saturating_mul(1 << failures);
                pause.min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            // While the store fails nobody's bell makes it better.
            () = worker.hub.work.notified(), if failures == 0 => {}
            Some(ended) = worker.under_way.join_next() => report(ended),
            () = tokio::time::sleep(pause) => {}
            () = stop.said() => break,
        }
    }
    worker.end(grace).await;
}

struct Worker {
    hub: Arc<Hub>,
    under_way: JoinSet<Result<(), StoreError>>,
    /// Whom each of them is for.
    holders: Vec<(String, AbortHandle)>,
    mend_at: Instant,
}

impl Worker {
    /// Mends if it is time to, starts what is due. Says whether there may be more at once.
    async fn go_round(&mut self) -> Result<bool, StoreError> {
        self.hub.pulse.beat(self.hub.clock.now());
        let mut more = false;
        if Instant::now() >= self.mend_at {
            more = mend(&self.hub).await?;
            if !more {
                self.mend_at = Instant::now() + self.hub.delivery.idle;
            }
        }
        self.lease().await?;
        Ok(more)
    }

    /// Leases as many as there are free slots and starts them. Each one that ends wakes the worker
    /// again: what finds no slot now is not forgotten.
    async fn lease(&mut self) -> Result<(), StoreError> {
        while let Some(ended) = self.under_way.try_join_next() {
            report(ended);
        }
        self.holders.retain(|(_, task)| !task.is_finished());
        let peers = self.holders.iter().map(|(peer, _)| peer.as_str());
        let slots = slots(self.hub.delivery.parallel, peers);
        if slots.free == 0 || self.hub.tables().outlets.is_empty() {
            return Ok(());
        }
        let leases = self.hub.store.lease_due(slots, self.hub.delivery.lease).await?;
        for lease in leases {
            let (hub, peer) = (self.hub.clone(), lease.peer.clone());
            let task = async move { dispatch(&hub, lease).await };
            self.holders.push((peer, self.under_way.spawn(task)));
        }
        Ok(())
    }

    /// What outlasts the grace is broken off: the attempt stays open, and the next start makes the
    /// delivery uncertain, which is the truth (P2).
    async fn end(mut self, grace: Duration) {
        let ended = async {
            while let Some(ended) = self.under_way.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!(open = self.under_way.len(), "attempts outlast the grace period");
            self.under_way.shutdown().await;
        }
    }
}

/// What is free of `parallel` slots while one delivery is under way to each of `peers`. One peer
/// gets half of all: while it hangs, the others have the rest.
fn slots<'p>(parallel: u32, peers: impl Iterator<Item = &'p str>) -> Slots {
    let mut taken: HashMap<&str, u32> = HashMap::new();
    for peer in peers {
        *taken.entry(peer).or_default() += 1;
    }
    Slots {
        free: parallel.saturating_sub(taken.values().sum()),
        per_peer: (parallel / 2).max(1),
        taken: taken.into_iter().map(|(peer, count)| (peer.to_owned(), count)).collect(),
    }
}

/// An attempt that could not be settled keeps its lease; when that ends, the sweep makes the
/// delivery uncertain. Nothing is guessed here.
fn report(ended: Ended) {
    match ended {
        Ok(Ok(())) => {}
        // Cancelled, expired or held between lease and attempt.
        Ok(Err(error @ (StoreError::NotApplicable(_) | StoreError::LeaseLost))) => {
            tracing::debug!(%error, "somebody was faster");
        }
        Ok(Err(error)) => tracing::error!(%error, "an attempt could not be begun or settled"),
        Err(error) => tracing::error!(%error, "an attempt ended in a fault of the program"),
    }
}

/// Ends what has expired, makes uncertain what was left open, and resolves what is uncertain by
/// declared capability. Says whether there may be more.
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
        .try_for_each_concurrent(TOGETHER, |delivery| settle_doubt(hub, &tables.outlets, delivery))
        .await?;
    Ok(more)
}

async fn settle_doubt(hub: &Hub, outlets: &Outlets, delivery: Delivery) -> Result<(), StoreError> {
    let hub_id = &delivery.record.hub_id;
    let event = resolve(&hub.delivery, outlets, &delivery, hub.clock.now());
    match hub.store.apply(hub_id, event, None, None).await {
        Ok((state, _)) => tracing::warn!(%hub_id, ?state, "uncertain delivery resolved"),
        // Somebody was faster, e.g. a late acknowledgement.
        Err(StoreError::NotApplicable(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::clearing::{Act, Decision, Person, Reason, Target};
    use amtsbote_domain::digest::Digest;
    use amtsbote_domain::identity::{HubId, ProposalId};
    use amtsbote_domain::ports::Pending;
    use amtsbote_domain::state::State;
    use tempfile::tempdir;
    use tokio::sync::Notify;

    use crate::config::DeliveryPolicy;
    use crate::outlet::{Outcome, Outlet, Parcel};
    use crate::{stop, testing};

    /// Longest that a test waits for what must come.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes a message and never answers; the peer of that name is not idempotent.
    #[derive(Default)]
    struct Silent {
        begun: Notify,
    }

    impl Outlet for Silent {
        fn deliver<'a>(&'a self, _: &'a Parcel) -> Pending<'a, Outcome> {
            self.begun.notify_one();
            Box::pin(std::future::pending())
        }

        fn is_idempotent(&self) -> bool {
            false
        }
    }

    fn outlets(silent: &Arc<Silent>) -> Outlets {
        let outlet: Arc<dyn Outlet> = silent.clone();
        [(testing::PEER.to_owned(), outlet)].into()
    }

    async fn state(hub: &Hub, hub_id: &HubId) -> State {
        hub.store.delivery(hub_id).await.expect("is there").state
    }

    #[tokio::test]
    async fn an_attempt_that_outlasts_the_grace_does_not_hold_the_node_up() {
        let dir = tempdir().expect("a folder");
        let policy = DeliveryPolicy {
            attempt: Duration::from_secs(3_600),
            lease: Duration::from_secs(7_200),
            ..DeliveryPolicy::default()
        };
        let silent = Arc::new(Silent::default());
        let (hub, _stopper) = testing::hub(dir.path(), policy, outlets(&silent));
        let hub_id = testing::accepted(&hub).await;
        let (stopper, stop) = stop::channel();
        let grace = Duration::from_millis(10);
        let running = tokio::spawn(run(hub.clone(), stop, grace));
        tokio::time::timeout(PATIENCE, silent.begun.notified()).await.expect("it is tried");
        stopper.stop();
        let ended = tokio::time::timeout(PATIENCE, running).await;
        ended.expect("it stops").expect("it does not panic");
        // The truth: octets may have left, and nobody has settled it.
        assert_eq!(state(&hub, &hub_id).await, State::InDelivery { repeated: false });
    }

    #[test]
    fn a_peer_gets_half_of_the_slots_at_most() {
        for (parallel, peers, free, far, near) in [
            (16, vec![], 16, 8, 8),
            (16, vec!["far"; 8], 8, 0, 8),
            (16, [vec!["far"; 8], vec!["near"; 5]].concat(), 3, 0, 3),
            (16, vec!["far"; 16], 0, 0, 0),
            (3, vec!["far"], 2, 0, 1),
            (1, vec![], 1, 1, 1),
        ] {
            let slots = slots(parallel, peers.iter().copied());
            let got = (slots.free, slots.room_for("far"), slots.room_for("near"));
            assert_eq!(got, (free, far, near), "{parallel} {peers:?}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_hangs_does_not_starve_another() {
        let dir = tempdir().expect("a folder");
        let policy = DeliveryPolicy {
            attempt: Duration::from_secs(3_600),
            lease: Duration::from_secs(7_200),
            parallel: 4,
            ..DeliveryPolicy::default()
        };
        let [first, second] = [(), ()].map(|()| Arc::new(Silent::default()));
        let mut outlets = HashMap::new();
        for (peer, outlet) in [(testing::PEER, &first), (testing::OTHER_PEER, &second)] {
            let outlet: Arc<dyn Outlet> = outlet.clone();
            outlets.insert(peer.to_owned(), outlet);
        }
        let (hub, _stopper) = testing::hub(dir.path(), policy, outlets);
        for number in 1..=6 {
            testing::accepted_for(&hub, number, testing::PEER).await;
        }
        let other = testing::accepted_for(&hub, 7, testing::OTHER_PEER).await;
        let (stopper, stop) = stop::channel();
        let grace = Duration::from_millis(10);
        let running = tokio::spawn(run(hub.clone(), stop, grace));
        let begun = tokio::time::timeout(PATIENCE, second.begun.notified()).await;
        begun.expect("the youngest message is tried although six before it hang");
        assert_eq!(state(&hub, &other).await, State::InDelivery { repeated: false });
        stopper.stop();
        running.await.expect("it does not panic");
        let mut under_way = 0;
        for number in 1..=6 {
            let state = state(&hub, &testing::hub_id(number)).await;
            under_way += u32::from(state == State::InDelivery { repeated: false });
        }
        assert!(under_way <= 2, "{under_way} of 4 slots");
    }

    #[tokio::test]
    async fn an_attempt_ends_before_its_lease() {
        let dir = tempdir().expect("a folder");
        let policy = DeliveryPolicy {
            attempt: Duration::from_secs(3_600),
            lease: Duration::from_millis(50),
            ..DeliveryPolicy::default()
        };
        let silent = Arc::new(Silent::default());
        let (hub, _stopper) = testing::hub(dir.path(), policy, outlets(&silent));
        let hub_id = testing::accepted(&hub).await;
        let lease =
            hub.store.lease_due(Slots::any(1), policy.lease).await.expect("a lease").remove(0);
        let dispatched = tokio::time::timeout(PATIENCE, dispatch(&hub, lease)).await;
        dispatched.expect("it does not outlast its lease").expect("settled");
        assert_eq!(state(&hub, &hub_id).await, State::Uncertain);
        // Not idempotent, and nobody can be asked: a person decides.
        assert!(!mend(&hub).await.expect("mends"));
        assert!(matches!(state(&hub, &hub_id).await, State::InClearing { .. }));
    }

    #[tokio::test]
    async fn a_proposal_that_cannot_be_carried_out_does_not_stop_the_traffic() {
        let dir = tempdir().expect("a folder");
        let (hub, _stopper) = testing::hub(dir.path(), DeliveryPolicy::default(), Outlets::new());
        let hub_id = testing::accepted(&hub).await;
        let person =
            |name: &str, octet| Person { name: name.to_owned(), certificate: Digest([octet; 32]) };
        let reason = Reason::parse("TEST").expect("a reason");
        let revision = hub.store.delivery(&hub_id).await.expect("is there").revision;
        // Nobody can make one like this: it names no way.
        let target = Target { hub_id, revision, channel: None };
        let decision = Decision {
            act: Act::Resubmit,
            by: person("anna", 1),
            reason: reason.clone(),
            targets: vec![target],
        };
        let id = ProposalId::parse("0197a2c4-0000-7000-8000-00000000000a").expect("an id");
        let digest = Digest([7; 32]);
        hub.store.propose(id.clone(), decision, digest).await.expect("proposes");
        let berta = person("berta", 2);
        hub.store.judge(&id, &berta, true, digest, &reason).await.expect("grants");
        assert!(hub.store.carry_out().await.is_err(), "the test needs one that fails");
        assert!(!mend(&hub).await.expect("mends what else there is"));
    }

    #[tokio::test]
    async fn a_node_that_was_dropped_does_not_spin() {
        let dir = tempdir().expect("a folder");
        let (hub, stopper) = testing::hub(dir.path(), DeliveryPolicy::default(), Outlets::new());
        let stop = hub.stop.clone();
        drop(stopper);
        let worker = run(hub, stop, PATIENCE);
        tokio::time::timeout(PATIENCE, worker).await.expect("it ends");
    }
}
