//! Events that need no lease: confirmations, cancellations, decisions.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::{Event, State};

use crate::group::{Group, ReceiptOf};
use crate::operation::change::{DeliveryRow, Why, not_applicable};

/// Applies the event. Says the new state, and which receipt proves it.
pub(crate) fn apply(
    group: &mut Group<'_>,
    hub_id: &HubId,
    event: Event,
    by: Option<String>,
    digest: Option<Digest>,
) -> Result<(State, ReceiptOf), StoreError> {
    let mut row = DeliveryRow::of(group.db, hub_id)?;
    if needs_lease(event) || (event == Event::DigestMismatch && row.open_attempt) {
        return Err(not_applicable(row.state, event));
    }
    if event == Event::Acknowledge {
        let agrees = matches!((digest, row.payload_digest), (Some(d), Some(p)) if d.0 == p);
        if !agrees {
            return Err(StoreError::DigestMismatch);
        }
        if row.state == State::Acknowledged
            && let Some(receipt) = group.receipt(row.seq, State::Acknowledged.as_str())?
        {
            return Ok((row.state, receipt));
        }
        // What is not visible yet cannot have been received. (Expired and not swept is: the
        // confirmation of octets handed out before is the truth.)
        let now = group.now().as_microsecond();
        if matches!(row.state, State::Waiting { .. }) && row.due.is_some_and(|due| due > now) {
            return Err(StoreError::NotFound);
        }
    }
    let leaf = row.change_and_record(group, event, Why { by, digest, ..Why::default() })?;
    Ok((row.state, ReceiptOf::Leaf(leaf)))
}

/// Events that only a worker with a lease, the hand-out, a rule or the clock may bring.
fn needs_lease(event: Event) -> bool {
    matches!(
        event,
        Event::AttemptBegun
            | Event::AttemptConfirmed
            | Event::AttemptFailed { .. }
            | Event::AttemptsExhausted
            | Event::AttemptRefused
            | Event::AttemptLost
            | Event::CollectionBegun
            | Event::ExpiryReached
            | Event::Detour { .. }
    )
}
