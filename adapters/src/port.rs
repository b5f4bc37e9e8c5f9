//! The port to procedure systems: what a connector must be able to do, whatever it speaks with the
//! system behind it.
//!
//! The promises are those of the hub, one hop further. What [`Inbound::hand_over`] has taken is
//! confirmed to the hub only afterwards, so a crash in between leads to the same message once more
//! under the same id: connectors take a repetition as what it is. What [`Outbound::collect`] gives
//! stays with the system until [`Outbound::confirm`] or [`Outbound::abort`] is done, so a crash
//! leads to the same order once more under the same transport id, which the hub answers with the
//! same receipt.

use std::io;
use std::path::{Path, PathBuf};

use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::{Metadata, Part, SignatureFacts};
use amtsbote_wire::native::problem::Problem;

use crate::submit::{Content, SubmitOutcome};

/// Why a procedure system did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It cannot just now; the same again later.
    #[error("the procedure system is not available: {0}")]
    Unavailable(#[from] io::Error),
    /// It will never take this one; a person must look.
    #[error("the procedure system does not take the message: {0}")]
    Rejected(String),
}

/// A part of a message, in a file of the staging folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFile {
    /// As the Author signed it; the file was found to be this.
    pub part: Part,
    /// The file.
    pub path: PathBuf,
}

/// A message for the procedure system. Signature and digests have been verified.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The hub's id: the same message has the same one.
    pub id: &'a HubId,
    /// What it says about itself.
    pub metadata: &'a Metadata,
    /// Who signed it.
    pub signature: &'a SignatureFacts,
    /// Payload first, then attachments.
    pub files: &'a [PartFile],
    /// The folder that [`Inbound::stage`] gave; besides the parts it holds `envelope.xml`.
    pub staging: &'a Path,
}

/// From the hub to a procedure system.
pub trait Inbound: Send {
    /// Whether the system took this message before, whole and unchanged. It is then only
    /// confirmed to the hub once more.
    fn holds(&mut self, id: &HubId, parts: &[Part]) -> Result<bool, GatewayError>;

    /// An empty folder for the files of a message; what an earlier try left there is gone.
    fn stage(&mut self, id: &HubId) -> Result<PathBuf, GatewayError>;

    /// Gives the message to the system. When it returns `Ok`, a power cut loses nothing. It may
    /// take the files out of the staging folder, or the folder itself.
    fn hand_over(&mut self, incoming: &Incoming<'_>) -> Result<(), GatewayError>;
}

/// A message that a procedure system wants to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The connector's name for the order.
    pub name: String,
    /// What the message says about itself. Author and transport id are the system's: the same
    /// order has the same id each time.
    pub metadata: Metadata,
    /// What it is about.
    pub payload: Content,
    /// What goes with it.
    pub attachments: Vec<Content>,
}

/// From a procedure system to the hub.
pub trait Outbound: Send {
    /// The next order, or none. The same one again until it is confirmed or aborted.
    fn collect(&mut self) -> Result<Option<Outgoing>, GatewayError>;

    /// The hub has it: the order is done, and the system keeps the receipt. Idempotent.
    fn confirm(&mut self, order: &Outgoing, outcome: &SubmitOutcome) -> Result<(), GatewayError>;

    /// The hub refused it for good: the order is taken out of the way, with the reason. Idempotent.
    fn abort(&mut self, order: &Outgoing, problem: &Problem) -> Result<(), GatewayError>;
}

/// A connector for both directions.
pub trait Gateway: Inbound + Outbound {}

impl<T: Inbound + Outbound> Gateway for T {}
