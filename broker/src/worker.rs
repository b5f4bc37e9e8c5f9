//! The worker: looks for what is due, hands it to the pipeline, mends what was left open.

use std::sync::Arc;

use amtsbote_domain::ports::{Delivery, StoreError};
use amtsbote_domain::state::Event;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::outlet::Outlets;
use crate::pipeline::dispatch;

/// Most deliveries that one sweep changes.
const SWEEP: u32 = 500;

/// Runs until `stop` says so; then lets attempts under way end.
pub(crate) async fn run(hub: Arc<Hub>, outlets: Arc<Outlets>, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(hub.delivery.parallel as usize));
    let mut under_way = JoinSet::new();
    while !*stop.borrow() {
        if let Err(error) = mend(&hub, &outlets).await {
            tracing::error!(%error, "sweep failed; it is tried again");
        }
        let leased = match lease(&hub, &outlets, &slots, &mut under_way).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(%error, "nothing could be leased; it is tried again");
                0
            }
        };
        while let Some(ended) = under_way.try_join_next() {
            report(ended);
        }
        if leased > 0 {
            continue;
        }
        tokio::select! {
            () = hub.work.notified() => {}
            () = tokio::time::sleep(hub.delivery.idle) => {}
            _ = stop.changed() => {}
        }
    }
    while let Some(ended) = under_way.join_next().await {
        report(ended);
    }
}

/// An attempt that could not be settled keeps its lease; when that ends, the sweep makes the
/// delivery uncertain. Nothing is guessed here.
fn report(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "an attempt could not be settled"),
        Err(error) => tracing::error!(%error, "an attempt ended in a fault of the program"),
    }
}

/// Leases as many as there are free slots and starts them.
async fn lease(
    hub: &Arc<Hub>,
    outlets: &Arc<Outlets>,
    slots: &Arc<Semaphore>,
    under_way: &mut JoinSet<Result<(), StoreError>>,
) -> Result<usize, StoreError> {
    if outlets.is_empty() {
        return Ok(0);
    }
    let free = u32::try_from(slots.available_permits()).unwrap_or(u32::MAX);
    if free == 0 {
        return Ok(0);
    }
    let leases = hub.store.lease_due(free, hub.delivery.lease).await?;
    let leased = leases.len();
    for lease in leases {
        let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (hub, outlets) = (hub.clone(), outlets.clone());
        under_way.spawn(async move {
            let ended = dispatch(&hub, &outlets, lease).await;
            drop(slot);
            hub.work.notify_one();
            ended
        });
    }
    Ok(leased)
}

/// Ends what has expired, makes uncertain what was left open, and resolves what is uncertain by
/// declared capability.
async fn mend(hub: &Hub, outlets: &Outlets) -> Result<(), StoreError> {
    hub.store.sweep(SWEEP).await?;
    for delivery in hub.store.uncertain(SWEEP).await? {
        let event = resolve(hub, outlets, &delivery);
        match hub.store.apply(&delivery.record.hub_id, event, None, None).await {
            Ok((state, _)) => {
                tracing::warn!(hub_id = %delivery.record.hub_id, ?state, "uncertain delivery resolved");
            }
            // Somebody was faster, e.g. a late acknowledgement.
            Err(StoreError::NotApplicable(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// P2: send again where the peer is idempotent, else a person decides.
fn resolve(hub: &Hub, outlets: &Outlets, delivery: &Delivery) -> Event {
    let peer = delivery.record.channel.strip_prefix("peer:").and_then(|name| outlets.get(name));
    match peer {
        Some(outlet) if outlet.is_idempotent() => {
            let wait = hub.delivery.first_wait;
            Event::ResendAllowed {
                retry_at: hub.clock.now().checked_add(wait).unwrap_or(amtsbote_domain::Timestamp::MAX),
            }
        }
        _ => Event::OutcomeUnknowable,
    }
}
