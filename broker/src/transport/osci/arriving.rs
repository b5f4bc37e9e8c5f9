//! From a body to the order in it: the parts of the message, its encryption for us undone.

use std::collections::VecDeque;

use amtsbote_domain::fault::{Code, Fault};
use amtsbote_wire::encryption::{Keys, NoRandomness};
use amtsbote_wire::osci::dialogue::Travel;
use amtsbote_wire::osci::encrypted::{self, IvOctets};
use amtsbote_wire::osci::mime::{self, Event, PartHeaders, Reader};
use amtsbote_wire::osci::{Limits, MessageType, identify};
use bytes::Bytes;

use super::pieces::Pieces;
use super::says::Refusal;
use super::spool::{Spool, Spooled};
use super::{Memory, ROOT_BYTES};
use crate::config;
use crate::hub::Hub;
use crate::tables::Intermediary;

/// Randomness of OpenSSL.
pub(super) fn random(octets: &mut [u8]) -> Result<(), NoRandomness> {
    openssl::rand::rand_bytes(octets).map_err(|_| NoRandomness)
}

/// An order as it came, up to its root part; its attachments follow.
pub(super) struct Order<'s> {
    /// The root part.
    pub(super) root: Vec<u8>,
    /// Which message it says it is.
    pub(super) kind: MessageType,
    /// How it came to us.
    pub(super) travel: Travel,
    /// How long the initialization vectors of the client are; those of the answer are as long.
    pub(super) iv: IvOctets,
    /// What follows the root part.
    pub(super) parts: Parts<'s>,
}

/// Reads on until the order is in.
pub(super) async fn receive<'s>(
    hub: &Hub,
    own: &Intermediary,
    source: &'s mut Pieces,
    memory: &mut Memory,
) -> Result<Order<'s>, Refusal> {
    if source.announced().is_some_and(|octets| octets > hub.limits.request_bytes) {
        return Err(Fault::new(Code::TooLarge).because("request_bytes").into());
    }
    let mut outer = Parts::new(Origin::Request(source), &hub.limits);
    let root = outer.root(memory).await?;
    let kind = identify(&root[..], &limits())?;
    if kind != MessageType::MessageEncrypted {
        let (travel, iv) = (Travel::Clear, IvOctets::default());
        return Ok(Order { root, kind, travel, iv, parts: outer });
    }
    let (spooled, iv) = open(hub, own, &root, outer).await?;
    let pieces = Pieces::of_spool(spooled.open()?, spooled.octets, hub.limits);
    let mut parts = Parts::new(Origin::Spool(Box::new(pieces), spooled), &hub.limits);
    let root = parts.root(memory).await?;
    let kind = identify(&root[..], &limits())?;
    if kind == MessageType::MessageEncrypted {
        // Once is what the standard knows.
        return Err(Refusal::fault(amtsbote_wire::osci::feedback::Code::NotAnOrder));
    }
    Ok(Order { root, kind, travel: Travel::Encrypted, iv, parts })
}

/// How much of a root part is read.
pub(super) fn limits() -> Limits {
    Limits { document_bytes: ROOT_BYTES, ..Limits::default() }
}

/// Undoes the encryption for us. The plaintext is let out only after its tag has verified.
async fn open(
    hub: &Hub,
    own: &Intermediary,
    envelope: &[u8],
    mut outer: Parts<'_>,
) -> Result<(Spooled, IvOctets), Refusal> {
    let allowed = encrypted::policy();
    let message = encrypted::read(envelope, &allowed)?;
    let spool = Spool::new(hub)?;
    let mut opener = {
        let decryptor: &dyn amtsbote_wire::encryption::Decryptor = &**own.decryptor;
        let decryptors = [decryptor];
        let keys = Keys::of(&decryptors);
        tokio::task::block_in_place(|| message.open(keys, &allowed, None, &mut random, spool))?
    };
    while let Some(found) = outer.next().await? {
        opener.event(&match &found {
            Found::Begin(head) => Event::PartBegin(head.clone()),
            Found::Data(octets) => Event::Data(octets),
            Found::EndOfPart(octets) => Event::PartEnd { octets: *octets },
        })?;
    }
    let spool = opener.finish()?.into_inner();
    Ok((spool.finish()?, message.iv()))
}

/// Where the octets of a message come from.
enum Origin<'s> {
    Request(&'s mut Pieces),
    /// With the spool that they lie in.
    Spool(Box<Pieces>, #[expect(dead_code, reason = "it goes when it is dropped")] Spooled),
}

/// The parts of a message, one after the other.
pub(super) struct Parts<'s> {
    from: Origin<'s>,
    reader: Reader,
    /// What was read and not yet asked for; never more than one piece.
    found: VecDeque<Found>,
    whole: bool,
}

enum Found {
    Begin(PartHeaders),
    Data(Bytes),
    EndOfPart(u64),
}

impl<'s> Parts<'s> {
    fn new(from: Origin<'s>, limits: &config::Limits) -> Self {
        let limits = mime::Limits {
            root_bytes: ROOT_BYTES,
            part_bytes: limits.request_bytes,
            // The root part is one of them.
            parts: limits.parts.saturating_add(1),
            ..mime::Limits::default()
        };
        Self { from, reader: Reader::new(limits), found: VecDeque::new(), whole: false }
    }

    /// The root part, whole.
    async fn root(&mut self, memory: &mut Memory) -> Result<Vec<u8>, Refusal> {
        if self.next_part().await?.is_none() {
            return Err(Fault::new(Code::Truncated).into());
        }
        let mut root = Vec::new();
        while let Some(data) = self.chunk().await? {
            memory.hold(root.len() + data.len())?;
            root.extend_from_slice(&data);
        }
        Ok(root)
    }

    /// Begins the next part; none where the message has ended, completely.
    pub(super) async fn next_part(&mut self) -> Result<Option<PartHeaders>, Refusal> {
        match self.next().await? {
            None => Ok(None),
            Some(Found::Begin(head)) => Ok(Some(head)),
            Some(Found::Data(_) | Found::EndOfPart(_)) => Err(Fault::new(Code::Internal).into()),
        }
    }

    /// The next octets of the part that was begun; none at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        match self.next().await? {
            Some(Found::Data(octets)) => Ok(Some(octets)),
            Some(Found::EndOfPart(_)) => Ok(None),
            Some(Found::Begin(_)) | None => Err(Fault::new(Code::Internal).into()),
        }
    }

    async fn next(&mut self) -> Result<Option<Found>, Refusal> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            if self.whole {
                return Ok(None);
            }
            let Some(piece) = self.next_piece().await? else {
                self.reader.finish()?;
                self.whole = true;
                continue;
            };
            let mut input: &[u8] = &piece;
            while let Some(event) = self.reader.next_event(&mut input)? {
                self.found.push_back(match event {
                    Event::PartBegin(head) => Found::Begin(head),
                    Event::Data(octets) => Found::Data(Bytes::copy_from_slice(octets)),
                    Event::PartEnd { octets } => Found::EndOfPart(octets),
                    Event::Headers(_) | Event::End => continue,
                });
            }
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, Fault> {
        match &mut self.from {
            Origin::Request(pieces) => pieces.next().await,
            Origin::Spool(pieces, _) => pieces.next().await,
        }
    }
}
