//! Collecting what waits for a party: list, fetch, verify, hand over, acknowledge.
//!
//! Every step may be the last before a crash; the next run begins at the list again. The hub lists
//! a message until it is acknowledged, and the connector knows what it has taken, so nothing is
//! lost and nothing is handed over twice unseen.

use std::fs::File;
use std::io::Write;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::ENVELOPE_CID;
use amtsbote_wire::native::envelope::{self, VerifiedEnvelope};
use amtsbote_wire::native::status::InboxEntry;
use amtsbote_wire::signature::Allowed;
use tracing::{info, warn};

use crate::client::NativeClient;
use crate::error::ClientError;
use crate::folder::file_name;
use crate::port::{GatewayError, Inbound, Incoming, PartFile};
use crate::receipt::CheckedReceipt;

/// By what the signatures of a party are judged; its messages choose none of it.
pub trait TrustedSigners: Send + Sync {
    /// The certificates that count for this author.
    fn certificates(&self, author: &PartyId) -> Vec<TrustedCertificate>;

    /// The algorithms and keys with which this author may have signed at `at`.
    fn allowed(&self, author: &PartyId, at: Timestamp) -> Allowed;
}

/// Verifies the Author's signature of an envelope, with certificates and algorithms as of `at`.
pub fn verify_author(
    envelope: &[u8],
    signers: &dyn TrustedSigners,
    at: Timestamp,
) -> Result<VerifiedEnvelope, ClientError> {
    let read = envelope::read(envelope).map_err(|fault| ClientError::Content(fault.to_string()))?;
    let author = read.claimed_author();
    let (trusted, allowed) = (signers.certificates(author), signers.allowed(author, at));
    read.verify(envelope, &trusted, &allowed, at)
        .map_err(|fault| ClientError::Content(fault.to_string()))
}

/// Collects for one party.
pub struct Inbox<'a, I> {
    /// The hub.
    pub client: &'a NativeClient,
    /// For whom.
    pub party: &'a PartyId,
    /// Whose signatures count.
    pub signers: &'a dyn TrustedSigners,
    /// Where to.
    pub inbound: I,
}

/// What became of one message.
#[derive(Debug)]
pub struct Taken {
    /// Its id.
    pub id: HubId,
    /// The receipt over the acknowledgement, or why it was not taken.
    pub result: Result<CheckedReceipt, ClientError>,
}

/// What became of one page.
#[derive(Debug)]
pub struct TakenPage {
    /// One for each message, in order. A message that cannot be taken does not hold up the others.
    pub messages: Vec<Taken>,
    /// Continue after this.
    pub next: Option<String>,
}

impl<I: Inbound> Inbox<'_, I> {
    /// Takes what one page lists; waits up to `wait` seconds when there is nothing.
    pub async fn take_page(
        &mut self,
        after: Option<&str>,
        limit: u32,
        wait: u32,
    ) -> Result<TakenPage, ClientError> {
        let page = self.client.inbox_page(self.party, after, limit, wait).await?;
        let mut messages = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            let result = self.take(&entry).await;
            match &result {
                Ok(_) => info!(message = %entry.id, "taken and acknowledged"),
                Err(error) => warn!(message = %entry.id, %error, "not taken"),
            }
            messages.push(Taken { id: entry.id, result });
        }
        Ok(TakenPage { messages, next: page.next })
    }

    /// Takes one message: fetched, verified, handed over, acknowledged.
    pub async fn take(&mut self, entry: &InboxEntry) -> Result<CheckedReceipt, ClientError> {
        let verified = self.fetch(entry).await?;
        let payload = verified.parts().first().map(|part| part.sha256);
        let payload = payload.ok_or_else(|| differs("there is no payload"))?;
        self.client.acknowledge(&entry.id, &payload).await
    }

    /// Takes one message without acknowledging it. The files are only those the Author signed.
    pub async fn fetch(&mut self, entry: &InboxEntry) -> Result<VerifiedEnvelope, ClientError> {
        let octets = self.client.fetch_envelope(&entry.id).await?;
        // Certificates and algorithms are judged by arrival at the hub (P10).
        let verified = verify_author(&octets, self.signers, entry.accepted_at)?;
        let metadata = self.agrees(entry, &verified)?;
        if self.inbound.holds(&entry.id, verified.parts())? {
            return Ok(verified);
        }
        let staging = self.inbound.stage(&entry.id)?;
        let mut file = File::create_new(staging.join(ENVELOPE_CID))?;
        file.write_all(&octets)?;
        file.sync_all()?;
        let mut files = Vec::with_capacity(verified.parts().len());
        for (number, part) in verified.parts().iter().enumerate() {
            let path = staging.join(file_name(number, &part.cid));
            let mut file = File::create_new(&path)?;
            self.client.fetch(&entry.id, part, &mut file).await?;
            file.sync_all()?;
            files.push(PartFile { part: part.clone(), path });
        }
        self.inbound.hand_over(&Incoming {
            id: &entry.id,
            metadata: &metadata,
            signature: verified.signature(),
            files: &files,
            staging: &staging,
        })?;
        Ok(verified)
    }

    /// The list is the hub's word; the envelope is the Author's. They must say the same. What the Author says,
    /// as it is for this Reader.
    fn agrees(
        &self,
        entry: &InboxEntry,
        verified: &VerifiedEnvelope,
    ) -> Result<Metadata, ClientError> {
        let metadata = verified.metadata();
        let own = metadata.for_reader(self.party);
        let own = own.ok_or_else(|| differs("the envelope is for another Reader"))?;
        if own.other_readers != entry.other_readers {
            return Err(differs("the other Readers are not those listed"));
        }
        if verified.sha256() != entry.envelope_sha256 || verified.parts() != entry.parts {
            return Err(differs("the envelope is not the one listed"));
        }
        if metadata.author != entry.author || metadata.transport_id != entry.transport_id {
            return Err(differs("author or id differ from those listed"));
        }
        Ok(own)
    }
}

fn differs(what: &str) -> ClientError {
    ClientError::Content(what.to_owned())
}

impl From<GatewayError> for ClientError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Unavailable(error) => Self::Local(error),
            GatewayError::Rejected(why) => Self::Content(why),
        }
    }
}
