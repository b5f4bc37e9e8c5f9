//! What was seen from outside, and what the hubs say in the end. Whether both agree with what the hub
//! promises is for the suites to judge, which have one judge for all histories.

use std::collections::BTreeSet;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::Entry;
use amtsbote_domain::state::State;

/// Everything that was seen.
#[derive(Default)]
pub struct History {
    /// What senders handed in.
    pub sent: Vec<Sent>,
    /// What hubs sent on.
    pub carried: Vec<Carried>,
    /// What partners that are no hubs got.
    pub arrived: Vec<Arrived>,
    /// What readers collected.
    pub collected: Vec<Collected>,
    /// What readers confirmed.
    pub confirmed: Vec<Confirmed>,
    /// What the hubs say in the end.
    pub listed: Vec<Listed>,
    /// Hubs whose files were changed at rest.
    pub rotten: BTreeSet<String>,
    /// Broken promises that were seen as they happened.
    pub seen: Vec<String>,
}

/// A message as its sender knows it.
pub struct Sent {
    /// The hub it was handed to.
    pub hub: String,
    /// By which account.
    pub account: String,
    /// Under which id; unique for the account.
    pub transport_id: String,
    /// SHA-256 of its payload; no other message has it.
    pub payload: Digest,
    /// Every positive answer: the hub's id, and the receipt.
    pub answers: Vec<(HubId, Vec<u8>)>,
    /// A refusal that was final.
    pub refused: Option<Code>,
}

/// An attempt whose octets left a hub.
pub struct Carried {
    /// Which hub.
    pub hub: String,
    /// Its id of the message.
    pub hub_id: HubId,
    /// The sender's id.
    pub transport_id: String,
    /// To whom.
    pub peer: Peer,
    /// What left.
    pub payload: Digest,
    /// It was flagged as a repetition.
    pub repeated: bool,
    /// What the hub heard of it.
    pub heard: Heard,
}

/// The next node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// It is a hub of the same history.
    pub is_hub: bool,
    /// It answers a repetition as it did the first time.
    pub idempotent: bool,
    /// What it says is not always true.
    pub lies: bool,
}

/// The answer to an attempt, as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// None, or one that says nothing.
    Nothing,
    /// It has it; the digest is that of what it said.
    Confirmed(Digest),
    /// It kept nothing.
    NotKept,
}

/// A message that came to a partner.
pub struct Arrived {
    /// Which.
    pub partner: String,
    /// The sender's id.
    pub transport_id: String,
    /// What came.
    pub payload: Digest,
    /// It kept it.
    pub kept: bool,
}

/// Octets that a reader got.
pub struct Collected {
    /// From which hub.
    pub hub: String,
    /// Its id.
    pub hub_id: HubId,
    /// What they got.
    pub payload: Digest,
    /// The inbox said before that it had been handed out already.
    pub flagged: bool,
}

/// A confirmation that a reader sent.
pub struct Confirmed {
    /// To which hub.
    pub hub: String,
    /// Its id.
    pub hub_id: HubId,
    /// With the digest of the payload.
    pub right: bool,
    /// The hub said that it has it.
    pub answered: bool,
}

/// A message as its hub has it in the end.
pub struct Listed {
    /// Which hub.
    pub hub: String,
    /// Its id.
    pub hub_id: HubId,
    /// Who handed it in.
    pub account: String,
    /// That account is another hub of the same history.
    pub relayed: bool,
    /// The sender's id.
    pub transport_id: String,
    /// Within what that is one, as recorded.
    pub scope: String,
    /// SHA-256 of the payload as recorded.
    pub payload: Digest,
    /// The state.
    pub state: State,
    /// The stored receipt over the acceptance.
    pub receipt: Vec<u8>,
    /// All evidence about it.
    pub timeline: Vec<Entry>,
}
