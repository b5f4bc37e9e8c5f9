//! The life of a message, from top to bottom.
//!
//! ```text
//! receive -> authenticate -> validate -> route -> accept (message + evidence + work, one transaction) -> answer
//! lease   -> record attempt -> deliver -> settle (outcome + evidence + receipt, one transaction)
//! ```
//!
//! Every step before acceptance is a type that only its own file can make and that the next step
//! consumes: an [`Answer`] can be had from an acceptance that is durable and from nothing else, so
//! answering before storing does not compile. After acceptance there are only stored states.

use amtsbote_domain::delivery::breaker::Outcome as About;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::ports::{Lease, StoreError};

use crate::hub::Hub;
use crate::outlet::{Ready, deliver, prepare, settle};
use crate::step::accepted::{Answer, accept};
use crate::step::authenticated::{Arrived, Authenticated, authenticate};
use crate::step::received::{Door, receive};
use crate::step::refused::{Refused, Seen, refuse};
use crate::step::repeat::answered;
use crate::step::routed::route;
use crate::step::validated::validate;

/// Takes one message in: the answer after it is safe, or a refusal that explains itself and, for
/// an authenticated party, is evidence.
pub(crate) async fn ingest(hub: &Hub, door: Door<'_>) -> Result<Answer, Refused> {
    let mut seen = Seen::at(&door);
    match take_in(hub, door, &mut seen).await {
        Ok(answer) => Ok(answer),
        Err(fault) => Err(refuse(hub, seen, fault).await),
    }
}

async fn take_in(hub: &Hub, door: Door<'_>, seen: &mut Seen) -> Result<Answer, Fault> {
    // Identity and quota, then the envelope; nothing of the payload yet.
    let received = receive(hub, door, seen).await?;
    // Who wrote it, as its form proves that; permission; then the octets, and what is proven by them.
    let authenticated = match authenticate(hub, received, seen).await? {
        Arrived::New(authenticated) => authenticated,
        Arrived::Again(answer) => return Ok(answer),
    };
    let (sent, issued) = (authenticated.sent.clone(), authenticated.issued);
    match keep(hub, *authenticated).await {
        // It may stand against a message now, and not have stood against it the first time. After a
        // fault of the hub nothing is released that was not released before.
        Err(fault) if fault.code != Code::Internal && !issued => {
            answered(hub, &sent).await?.ok_or(fault)
        }
        answer => answer,
    }
}

async fn keep(hub: &Hub, authenticated: Authenticated) -> Result<Answer, Fault> {
    // Content the hub may read is read; the rest is opaque, with a reason.
    let content = validate(hub, authenticated).await?;
    // The way, or why there is none.
    let routed = route(hub, content)?;
    // Message, evidence and work item in one transaction (P1).
    let accepted = accept(hub, routed).await?;
    Ok(accepted.into_answer())
}

/// Delivers one leased message to its next node and records what became of it (P2). Says what was
/// learnt about that node; nothing where there was no attempt.
pub(crate) async fn dispatch(hub: &Hub, lease: Lease) -> Result<Option<About>, StoreError> {
    // The way is judged again, now; without one the lease goes back and a person decides.
    let Ready { parcel, outlet } = match prepare(hub, &lease).await? {
        Some(ready) => ready,
        None => return Ok(None),
    };
    // Durable before the first byte leaves.
    let attempt = hub.store.begin_attempt(&lease).await?;
    let outcome = deliver(hub, &lease, outlet.as_ref(), parcel).await;
    let about = outcome.about_peer();
    settle(hub, &lease, attempt, outcome).await?;
    Ok(Some(about))
}
