//! Step two: the Author signed it, may send it, and the octets are those it signed.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::{AccountId, Transport};
use amtsbote_domain::message::{Metadata, Part, SignatureFacts};
use amtsbote_domain::policy::RoutePermit;
use amtsbote_domain::ports::{AcceptedReceipt, ENVELOPE_CID, Intake, StoreError};
use amtsbote_wire::native::digest::content_digest;
use amtsbote_wire::native::envelope::VerifiedEnvelope;

use crate::hub::Hub;
use crate::quota::Turn;
use crate::step::accepted::Answer;
use crate::step::received::{Door, Inbound, Received, in_envelope};
use crate::step::refused::{Seen, store_fault};

/// A message whose Author is proven: the whole envelope is signed, and every part has the size
/// and digest that the envelope states.
pub(crate) struct Authenticated {
    pub(super) account: AccountId,
    pub(super) transport: Transport,
    pub(super) arrival: Timestamp,
    pub(super) metadata: Metadata,
    pub(super) parts: Vec<Part>,
    pub(super) signature: SignatureFacts,
    pub(super) envelope_sha256: Digest,
    pub(super) content_digest: Digest,
    pub(super) permit: RoutePermit,
    pub(super) intake: Box<dyn Intake>,
    /// Held until the message is accepted or refused.
    pub(super) _turn: Turn,
}

/// What authentication finds.
pub(crate) enum Arrived {
    /// A message not seen before.
    New(Box<Authenticated>),
    /// An identical repeat: the answer it got the first time.
    Again(Answer),
}

/// Verifies the envelope, then permission, then takes the parts in and compares them.
pub(crate) async fn authenticate(
    hub: &Hub,
    received: Received<'_>,
    seen: &mut Seen,
) -> Result<Arrived, Fault> {
    let Received { door, envelope, octets, turn } = received;
    let verified = verify(hub, &door, envelope, &octets)?;
    seen.metadata(verified.metadata());
    if !door.account.may_send_for(&verified.metadata().author) {
        return Err(Fault::new(Code::AccountNotForAuthor));
    }
    let content_digest = content_digest(verified.metadata(), verified.parts());

    // A repeat is answered as the first time, whatever has changed since: permissions may be
    // withdrawn, expiry may have passed. Its octets are compared all the same.
    let prior = hub
        .store
        .prior(&door.account.id, door.transport, &verified.metadata().transport_id)
        .await
        .map_err(|error| store_fault(&error))?;
    if let Some(prior) = prior {
        if prior.content_digest != content_digest {
            return Err(Fault::new(Code::SameIdOtherContent));
        }
        take_parts(hub, door.inbound, verified.parts(), None).await?;
        return Ok(Arrived::Again(Answer::repeated(AcceptedReceipt {
            hub_id: prior.hub_id,
            receipt: prior.receipt,
            repeated: true,
        })));
    }

    let permit = hub
        .permissions
        .permit(verified.metadata(), door.arrival)
        .ok_or_else(|| Fault::new(Code::NotPermitted))?;
    if verified.metadata().expires.is_some_and(|expires| expires <= door.arrival) {
        return Err(Fault::new(Code::ExpiredAtArrival));
    }
    let mut keeper = Keeper::new(hub, octets.len() as u64, verified.parts())?;
    let envelope_sha256 = keeper.envelope(&octets)?;
    take_parts(hub, door.inbound, verified.parts(), Some(&mut keeper)).await?;

    let (metadata, parts, signature) = verified.into_parts();
    Ok(Arrived::New(Box::new(Authenticated {
        account: door.account.id.clone(),
        transport: door.transport,
        arrival: door.arrival,
        metadata,
        parts,
        signature,
        envelope_sha256,
        content_digest,
        permit,
        intake: keeper.intake,
        _turn: turn,
    })))
}

/// The signature of the author that the envelope claims, by a certificate that the directory
/// holds for that author. KeyInfo only chooses among those.
fn verify(
    hub: &Hub,
    door: &Door<'_>,
    envelope: amtsbote_wire::native::envelope::UnverifiedEnvelope,
    octets: &[u8],
) -> Result<VerifiedEnvelope, Fault> {
    let trusted = hub
        .directory
        .party(envelope.claimed_author())
        .map(|party| party.certificates.as_slice())
        .unwrap_or_default();
    envelope.verify(octets, trusted, door.arrival).map_err(in_envelope)
}

/// Octets of a whole message up to which all of it stays in memory while it comes in.
const SMALL_MESSAGE: u64 = 64 << 10;

/// Hands the octets of a message to the store as they come.
struct Keeper {
    intake: Box<dyn Intake>,
    /// None of it goes to the disk yet, so nothing of it may block.
    small: bool,
}

impl Keeper {
    fn new(hub: &Hub, envelope: u64, parts: &[Part]) -> Result<Self, Fault> {
        let size = parts.iter().fold(envelope, |sum, part| sum.saturating_add(part.size));
        let intake = hub.store.intake().map_err(|error| store_fault(&error))?;
        Ok(Self { intake, small: size <= SMALL_MESSAGE })
    }

    fn envelope(&mut self, octets: &[u8]) -> Result<Digest, Fault> {
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
async fn take_parts(
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
