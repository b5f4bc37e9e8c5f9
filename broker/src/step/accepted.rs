//! Step five: message, evidence and work item are durable, and there is an answer.

use std::sync::atomic::Ordering;

use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence;
use amtsbote_domain::fault::Fault;
use amtsbote_domain::identity::{BusinessId, HubId, MessageUuid};
use amtsbote_domain::ports::{Acceptance, AcceptedReceipt};
use amtsbote_domain::state::{State, WaitingFor};

use crate::hub::Hub;
use crate::step::refused::store_fault;
use crate::step::routed::Routed;

/// A message that is safe: only the store's answer to the acceptance makes one.
pub(crate) struct Accepted(AcceptedReceipt);

/// What a sender may be told. It can be had from [`Accepted`], and from the receipt that the store
/// kept of an earlier acceptance.
#[derive(Debug)]
pub(crate) struct Answer {
    receipt: AcceptedReceipt,
}

impl Accepted {
    /// The answer.
    pub(crate) fn into_answer(self) -> Answer {
        Answer { receipt: self.0 }
    }
}

impl Answer {
    /// The stored receipt of an identical message accepted before.
    pub(super) fn repeated(receipt: AcceptedReceipt) -> Self {
        Self { receipt }
    }

    /// The hub's id.
    pub(crate) fn hub_id(&self) -> &HubId {
        &self.receipt.hub_id
    }

    /// Whether this is the answer to an identical repeat.
    pub(crate) fn is_repeat(&self) -> bool {
        self.receipt.repeated
    }

    /// The receipt, byte for byte as stored.
    pub(crate) fn into_receipt(self) -> Vec<u8> {
        self.receipt.receipt
    }
}

/// Stores message, evidence and work item in one transaction (P1).
pub(crate) async fn accept(hub: &Hub, routed: Routed) -> Result<Accepted, Fault> {
    let acceptance = acceptance(hub, routed);
    let for_inbox = acceptance.record.channel == Channel::Inbox.as_str();
    let reader = acceptance.record.metadata.reader.clone();
    let under_grace = !acceptance.record.under_grace.is_empty();
    let receipt = hub.store.accept(acceptance).await.map_err(|error| store_fault(&error))?;
    if under_grace {
        hub.under_grace.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(hub_id = %receipt.hub_id, "accepted under grace: a source of revocation is away");
    }
    if for_inbox {
        hub.mail.ring(&reader);
    } else {
        hub.work.notify_one();
    }
    tracing::debug!(hub_id = %receipt.hub_id, repeated = receipt.repeated, "message accepted");
    Ok(Accepted(receipt))
}

fn acceptance(hub: &Hub, routed: Routed) -> Acceptance {
    let Routed { message, facts, verdict, way, test } = routed;
    let uuid: Option<MessageUuid> = facts.uuid.or_else(|| message.metadata.business_id.clone());
    let business_id = uuid.map(|uuid| BusinessId { author: message.metadata.author.clone(), uuid });
    let state = match &way.channel {
        Channel::Inbox => WaitingFor::Collection,
        Channel::Peer(_) => WaitingFor::Turn,
    };
    Acceptance {
        transport: message.transport,
        state: State::Waiting { on: state },
        due: message.metadata.not_before,
        intake: message.intake,
        record: evidence::Accepted {
            hub_id: hub.new_id(),
            account: message.account,
            account_certificate: Some(message.account_certificate),
            business_id,
            content_digest: message.content_digest,
            envelope_sha256: message.envelope_sha256,
            parts: message.parts,
            signature: message.signature,
            verdict,
            rule: message.permit.rule().to_owned(),
            channel: way.channel.to_string(),
            test,
            under_grace: message.under_grace,
            same_business_id: Vec::new(),
            metadata: message.metadata,
        },
    }
}
