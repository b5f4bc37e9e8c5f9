//! A message that came before: it is answered as it was then (P3).

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::{AccountId, Transport, TransportId};
use amtsbote_domain::ports::AcceptedReceipt;

use crate::hub::Hub;
use crate::step::accepted::Answer;
use crate::step::refused::store_fault;

/// By what an identical repeat is recognised, once the Author's signature is verified.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(super) account: AccountId,
    pub(super) transport: Transport,
    pub(super) id: TransportId,
    pub(super) content_digest: Digest,
}

impl Sent {
    /// The answer that it got the first time, if this is not the first time. The same id with other
    /// content is refused.
    ///
    /// The acceptance itself finds a repeat. So this is asked only where something stands against
    /// the message by now that did not then, or where its octets would be kept in vain.
    pub(crate) async fn answered(&self, hub: &Hub) -> Result<Option<Answer>, Fault> {
        let prior = hub.store.prior(&self.account, self.transport, &self.id).await;
        let Some(prior) = prior.map_err(|error| store_fault(&error))? else { return Ok(None) };
        if prior.content_digest != self.content_digest {
            return Err(Fault::new(Code::SameIdOtherContent));
        }
        Ok(Some(Answer::repeated(AcceptedReceipt {
            hub_id: prior.hub_id,
            receipt: prior.receipt,
            repeated: true,
        })))
    }
}
