//! Step one: somebody known is at the door, and the envelope is in.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Account;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::Transport;
use amtsbote_domain::message::UnderGrace;
use amtsbote_domain::ports::Pending;
use bytes::Bytes;

use crate::hub::Hub;
use crate::quota::Turn;
use crate::step::form::Form;
use crate::step::refused::Seen;

/// A message as a transport offers it: the envelope first, then its parts in order. Transports
/// have undone their own encoding; the octets are the author's.
pub(crate) trait Inbound: Send {
    /// The envelope, whole. More than `limit` octets are refused without being read.
    fn envelope(&mut self, limit: u64) -> Pending<'_, Result<Vec<u8>, Fault>>;
    /// Begins the next part, after the one before was read to its end.
    fn next_part(&mut self) -> Pending<'_, Result<Option<PartHead>, Fault>>;
    /// The next octets of the part that was begun; none at its end.
    fn chunk(&mut self) -> Pending<'_, Result<Option<Bytes>, Fault>>;
    /// Where a part is compressed or encrypted by the transport, its size cannot be known before;
    /// this says how many octets the sender announced for everything, if it did.
    fn announced(&self) -> Option<u64>;
    /// How the message says what it is, and how that is proven.
    fn form(&mut self) -> &mut dyn Form;
}

/// What a part says about itself on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartHead {
    /// Its content-id without angle brackets.
    pub(crate) cid: String,
    /// Its media type.
    pub(crate) media_type: String,
}

/// Who is at the door, with what, and since when.
pub(crate) struct Door<'a> {
    /// The account that a certificate identifies.
    pub(crate) account: &'a Account,
    /// That certificate.
    pub(crate) certificate: Digest,
    /// Its certificate is accepted under grace.
    pub(crate) under_grace: Option<UnderGrace>,
    /// The transport it came by.
    pub(crate) transport: Transport,
    /// When the request arrived.
    pub(crate) arrival: Timestamp,
    /// The message.
    pub(crate) inbound: &'a mut dyn Inbound,
}

/// The envelope is in and has the right form; nothing of it is believed yet.
pub(crate) struct Received<'a> {
    pub(super) door: Door<'a>,
    pub(super) octets: Vec<u8>,
    pub(super) turn: Turn,
}

/// Counts the message against the account's quota, then reads the envelope and nothing more.
pub(crate) async fn receive<'a>(
    hub: &Hub,
    door: Door<'a>,
    seen: &mut Seen,
) -> Result<Received<'a>, Fault> {
    let turn = hub.quotas.begin(&door.account.id, &hub.limits, door.arrival)?;
    if door.inbound.announced().is_some_and(|octets| octets > hub.limits.request_bytes) {
        return Err(Fault::new(Code::TooLarge).because("request_bytes"));
    }
    let octets = door.inbound.envelope(hub.limits.envelope_bytes).await?;
    seen.envelope(&octets);
    door.inbound.form().read(&octets)?;
    Ok(Received { door, octets, turn })
}
