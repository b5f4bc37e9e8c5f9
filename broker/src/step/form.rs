//! How a message says who wrote it, for whom, under which id and what its parts are; and how that is
//! proven. Each transport has a form of its own; the steps know none of them.

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::Account;
use amtsbote_domain::evidence::CameBy;
use amtsbote_domain::fault::Fault;
use amtsbote_domain::identity::Scope;
use amtsbote_domain::message::{Metadata, OpaqueReason, Part, SignatureFacts, UnderGrace};
use amtsbote_domain::party::PartyId;

use crate::tables::InForce;

/// The form of one message. Called in this order, each once: `read`, then `claim`.
pub(crate) trait Form: Send {
    /// Reads the envelope; nothing of it is believed yet.
    fn read(&mut self, envelope: &[u8]) -> Result<(), Fault>;

    /// What the message says, all of it proven by the hour of arrival. Its parts need not be in: what
    /// comes is compared with what is claimed here.
    fn claim(&mut self, envelope: &[u8], ground: &Ground<'_>) -> Result<Claim, Fault>;
}

/// By what a message is judged.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// The tables in force when it came.
    pub(crate) tables: &'a InForce,
    /// Who handed it in.
    pub(crate) account: &'a Account,
    /// When it came.
    pub(crate) arrival: Timestamp,
}

/// What a message says about itself.
pub(crate) struct Claim {
    /// What routing and permission look at.
    pub(crate) metadata: Metadata,
    /// Its parts, the payload first: what comes must be just that.
    pub(crate) parts: Vec<Part>,
    /// The one of its several Readers for whom it is brought here; none: for all of them.
    pub(crate) alone: Option<PartyId>,
    /// Within what its transport id is one.
    pub(crate) scope: Scope,
    /// Its transport id is one that the hub gave out, and good for one message only: a second one is
    /// refused, whatever its content.
    pub(crate) issued: bool,
    /// Who signed, and how.
    pub(crate) signature: SignatureFacts,
    /// How the certificate of who signed stands. It does not stand against a repeat.
    pub(crate) standing: Result<Option<UnderGrace>, Fault>,
    /// What evidence says about its coming, where its form is not the Author's envelope.
    pub(crate) came_by: Option<Box<CameBy>>,
    /// Why its content must not be read, whatever it is.
    pub(crate) closed: Option<OpaqueReason>,
}
