//! A message that came before: it is answered as it was then (P3).

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::ports::{AcceptedReceipt, Sent};

use crate::hub::Hub;
use crate::step::accepted::Answer;
use crate::step::refused::store_fault;

/// The answer that a message got the first time, if this is not the first time; the Author's signature is
/// verified. The same id with other content is refused.
///
/// The acceptance itself finds a repeat. So this is asked only where something stands against
/// the message by now that did not then, or where its octets would be kept in vain.
pub(crate) async fn answered(hub: &Hub, sent: &Sent) -> Result<Option<Answer>, Fault> {
    let prior = hub.store.prior(sent).await.map_err(|error| store_fault(&error))?;
    let Some(prior) = prior else { return Ok(None) };
    if prior.content_digest != sent.content_digest {
        return Err(Fault::new(Code::SameIdOtherContent));
    }
    Ok(Some(Answer::repeated(AcceptedReceipt {
        hub_id: prior.hub_id,
        receipt: prior.receipt,
        repeated: true,
    })))
}
