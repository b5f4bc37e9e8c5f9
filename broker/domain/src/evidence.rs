//! What is recorded in the evidence log (P5): one typed record per act.
//!
//! The store adds hub, epoch, time and index; the archive makes the leaf. Records hold keys,
//! digests, codes and certificates, never a value from a message (P7).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clearing::{Act, Grounds, Person, Reason};
use crate::delivery::alternative::Detour;
use crate::digest::Digest;
use crate::fault::Code;
use crate::identity::{AccountId, BusinessId, HubId, ProposalId, Scope, Transport, TransportId};
use crate::message::{ContentVerdict, Metadata, Part, SignatureFacts, UnderGrace};
use crate::notice::{About, Kind, Told};
use crate::party::PartyId;
use crate::state::{Event, State};

/// One act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Evidence {
    /// A message was accepted.
    Accepted(Box<Accepted>),
    /// A message or another request of an authenticated party was refused.
    Refused(Box<Refused>),
    /// An attempt to deliver was begun.
    Attempt {
        /// The message.
        hub_id: HubId,
        /// The attempt's number, from 1.
        attempt: u32,
        /// To whom, as the configuration names it.
        peer: String,
        /// The peer may have it already; this is a flagged repetition under the same id.
        repeated: bool,
        /// Which node made it, where several share the store.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// A delivery changed its state.
    Changed {
        /// The message.
        hub_id: HubId,
        /// Its state before.
        from: State,
        /// What happened.
        event: Event,
        /// Its state after.
        to: State,
        /// Who made it happen: an account, an operator's certificate, or none for the hub itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// A refusal code where a fault was the reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
        /// Digest confirmed by the Reader, of the peer's receipt, or the like.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// On which grounds people decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Box<Grounds>>,
        /// Which way it went on by, where a rule sent it by another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detour: Option<Box<Detour>>,
    },
    /// Octets of a message were handed to the Reader's account.
    HandedOut {
        /// The message.
        hub_id: HubId,
        /// To which account.
        account: AccountId,
    },
    /// An operator looked at or did something.
    Operator {
        /// SHA-256 of the personal certificate; of the node's own where a signal had the tables
        /// read again.
        certificate: Digest,
        /// Their name as the node's configuration had it; none for a signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What: a word of the operations API.
        act: String,
        /// About which message, if one.
        #[serde(skip_serializing_if = "Option::is_none")]
        hub_id: Option<HubId>,
        /// Why, in the operator's words, where the act asks for a reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// A person proposed an act that another person must grant.
    Proposed {
        /// Which proposal.
        proposal: ProposalId,
        /// What is to be done.
        act: Act,
        /// To how many deliveries.
        count: u32,
        /// Over act and deliveries; see `Decision::canonical`.
        digest: Digest,
        /// Who proposes it.
        by: Person,
        /// Why.
        reason: Reason,
        /// Until when it can be granted.
        expires: Timestamp,
    },
    /// Another person granted or denied a proposal.
    Judged {
        /// Which proposal.
        proposal: ProposalId,
        /// Its digest, as the person named it.
        digest: Digest,
        /// Granted, or else denied.
        granted: bool,
        /// Who.
        by: Person,
        /// Why.
        reason: Reason,
    },
    /// The Author of a message was told what became of it, or could not be.
    Noticed {
        /// The message.
        hub_id: HubId,
        /// What there was to tell.
        notice: Kind,
        /// What became of it.
        #[serde(flatten)]
        told: Told,
    },
    /// The hub started; says what it found.
    Started {
        /// Version of the program.
        version: String,
        /// Attempts found open and made uncertain.
        open_attempts: u64,
    },
}

/// A message was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Ours.
    pub hub_id: HubId,
    /// Who handed it in.
    pub account: AccountId,
    /// SHA-256 over the DER of the client certificate that it was connected by; none in older
    /// records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_certificate: Option<Digest>,
    /// Within what its transport id is one, under the account and its transport (P3).
    #[serde(default, skip_serializing_if = "Scope::is_account")]
    pub scope: Scope,
    /// What it says about itself.
    pub metadata: Metadata,
    /// Author and `nachrichtenUUID` where readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_id: Option<BusinessId>,
    /// The digest that decides whether a repeat is one (P3).
    pub content_digest: Digest,
    /// SHA-256 of the envelope as it came.
    pub envelope_sha256: Digest,
    /// Payload first, then attachments.
    pub parts: Vec<Part>,
    /// Who signed.
    pub signature: SignatureFacts,
    /// What validation found.
    pub verdict: ContentVerdict,
    /// The permission rule that allowed it.
    pub rule: String,
    /// Rules of delivery that made a difference, each with what it did: successors of the Reader, a
    /// shorter time to live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<String>,
    /// The way: the word of the channel and, for a peer, its name.
    pub channel: String,
    /// Marked as test in the metadata or in the content (P11).
    pub test: bool,
    /// Certificates that were accepted although the last word about them had run out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub under_grace: Vec<UnderGrace>,
    /// Another message with the same business id was accepted before: hub ids of up to ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same_business_id: Vec<HubId>,
    /// The deliveries of the same message to its other Readers, in their order; all were accepted with this
    /// one, and each names all others. None where another hub brought it for this Reader alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<HubId>,
    /// For a notice: which message it is about. None: it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Box<About>>,
    /// How it came where that was not in an envelope that its Author signed; none: it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_by: Option<Box<CameBy>>,
}

/// How a message came whose sender and Author are proven each in a way of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameBy {
    /// By which transport.
    pub transport: Transport,
    /// What shows whose account it was.
    pub sender: SenderProof,
    /// Who signed the content; none where nobody did in clear, and the Author is that of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<SignatureFacts>,
}

/// What shows whose account it was that handed a message in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SenderProof {
    /// It signed the whole message: the signature of the record.
    Signed,
    /// Nobody signed the message. It named a certificate, and showed that it could read what was
    /// encrypted for that.
    Sealed,
    /// Nobody signed the message. It named a certificate, which proves nothing; the policy of the
    /// account admits that.
    Claimed,
}

impl Accepted {
    /// How it came in: what tells an Author something, the hub wrote itself.
    pub fn transport(&self) -> Transport {
        match (&self.about, &self.came_by) {
            (Some(_), _) => Transport::Hub,
            (None, Some(came_by)) => came_by.transport,
            (None, None) => Transport::Native,
        }
    }
}

/// A message of an authenticated party was refused, or what it asked about one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// What links log, answer and evidence.
    pub error_id: String,
    /// Who handed it in, or asked.
    pub account: AccountId,
    /// Why.
    pub code: Code,
    /// The message that was asked about, where there is one; a message that is refused gets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_id: Option<HubId>,
    /// The codes of the findings, each once, at most twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The sender's id, once it was read from a verified envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_id: Option<TransportId>,
    /// Author and reader, once read from a verified envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parties: Option<(PartyId, PartyId)>,
    /// Further Readers, where the envelope names several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_readers: Vec<PartyId>,
    /// SHA-256 of the envelope as far as it was received whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_sha256: Option<Digest>,
}
