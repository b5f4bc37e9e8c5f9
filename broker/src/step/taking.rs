//! Taking parts in: within the limits, as stated, into the store.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::Part;
use amtsbote_domain::ports::{ENVELOPE_CID, Intake, StoreError};

use crate::hub::Hub;
use crate::step::received::Inbound;
use crate::step::refused::store_fault;

/// Octets of a whole message up to which all of it stays in memory while it comes in.
const SMALL_MESSAGE: u64 = 64 << 10;

/// Hands the octets of a message to the store as they come.
pub(super) struct Keeper {
    pub(super) intake: Box<dyn Intake>,
    /// None of it goes to the disk yet, so nothing of it may block.
    pub(super) small: bool,
}

impl Keeper {
    /// For a message with an envelope of so many octets and these parts.
    pub(super) fn new(hub: &Hub, envelope: u64, parts: &[Part]) -> Result<Self, Fault> {
        let size = parts.iter().fold(envelope, |sum, part| sum.saturating_add(part.size));
        let intake = hub.store.intake().map_err(|error| store_fault(&error))?;
        Ok(Self { intake, small: size <= SMALL_MESSAGE })
    }

    /// Keeps the envelope as it came.
    pub(super) fn envelope(&mut self, octets: &[u8]) -> Result<Digest, Fault> {
        self.keep(|intake| {
            intake.begin(ENVELOPE_CID, "application/xml")?;
            intake.write(octets)?;
            intake.end().map(|part| part.sha256)
        })
    }

    fn keep<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Intake) -> Result<T, StoreError>,
    ) -> Result<T, Fault> {
        let kept = if self.small {
            work(self.intake.as_mut())
        } else {
            tokio::task::block_in_place(|| work(self.intake.as_mut()))
        };
        kept.map_err(|error| store_fault(&error))
    }
}

/// Reads exactly the parts that the envelope names, in that order, and compares size and digest
/// with what it states; keeps them where there is a keeper.
pub(super) async fn take_parts(
    hub: &Hub,
    inbound: &mut dyn Inbound,
    parts: &[Part],
    mut keeper: Option<&mut Keeper>,
) -> Result<(), Fault> {
    if parts.len() > hub.limits.parts {
        return Err(Fault::new(Code::TooLarge).because("parts"));
    }
    for (n, part) in parts.iter().enumerate() {
        let (limit, name) = if n == 0 {
            (hub.limits.payload_bytes, "payload_bytes")
        } else {
            (hub.limits.attachment_bytes, "attachment_bytes")
        };
        // The envelope is part 1.
        let place = format!("part {}", n + 2);
        if part.size > limit {
            return Err(Fault::new(Code::TooLarge).at(place).because(name));
        }
        let head = inbound.next_part().await?;
        if head.is_none_or(|head| head.cid != part.cid) {
            return Err(Fault::new(Code::PartMissing).at(place));
        }
        take_part(inbound, part, &place, keeper.as_deref_mut()).await?;
    }
    match inbound.next_part().await? {
        None => Ok(()),
        Some(_) => Err(Fault::new(Code::PartMissing).at(format!("part {}", parts.len() + 2))),
    }
}

async fn take_part(
    inbound: &mut dyn Inbound,
    part: &Part,
    place: &str,
    mut keeper: Option<&mut Keeper>,
) -> Result<(), Fault> {
    let mismatch = |what: &str| Fault::new(Code::PartMismatch).at(place).because(what);
    if let Some(keeper) = keeper.as_deref_mut() {
        keeper.keep(|intake| intake.begin(&part.cid, &part.media_type))?;
    }
    let mut hash = openssl::sha::Sha256::new();
    let mut size = 0u64;
    while let Some(chunk) = inbound.chunk().await? {
        size += chunk.len() as u64;
        if size > part.size {
            return Err(mismatch("size"));
        }
        hash.update(&chunk);
        if let Some(keeper) = keeper.as_deref_mut() {
            keeper.keep(|intake| intake.write(&chunk))?;
        }
    }
    if size != part.size {
        return Err(mismatch("size"));
    }
    if Digest(hash.finish()) != part.sha256 {
        return Err(mismatch("SHA-256"));
    }
    if let Some(keeper) = keeper {
        let kept = keeper.keep(|intake| intake.end())?;
        // The store counted and hashed what it sealed; P4 begins here.
        if (kept.size, kept.sha256) != (part.size, part.sha256) {
            tracing::error!(cid = part.cid, "the store sealed other octets than it was given");
            return Err(Fault::new(Code::Internal));
        }
    }
    Ok(())
}
