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

/// Above this many octets of a part, writing may touch the disk.
const SMALL_PART: u64 = 64 << 10;

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
        compare_only(hub, door.inbound, verified.parts()).await?;
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
    let mut intake = hub.store.intake().map_err(|error| store_fault(&error))?;
    let envelope_sha256 = store_envelope(intake.as_mut(), &octets)?;
    take_parts(hub, door.inbound, verified.parts(), Some(intake.as_mut())).await?;

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
        intake,
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

fn store_envelope(intake: &mut dyn Intake, octets: &[u8]) -> Result<Digest, Fault> {
    let stored = (|| {
        intake.begin(ENVELOPE_CID, "application/xml")?;
        intake.write(octets)?;
        intake.end()
    })();
    stored.map(|part: Part| part.sha256).map_err(|error: StoreError| store_fault(&error))
}

async fn compare_only(
    hub: &Hub,
    inbound: &mut dyn Inbound,
    parts: &[Part],
) -> Result<(), Fault> {
    take_parts(hub, inbound, parts, None).await
}

/// Reads exactly the parts that the envelope names, in that order, and compares size and digest
/// with what it states; keeps them where there is an intake.
async fn take_parts(
    hub: &Hub,
    inbound: &mut dyn Inbound,
    parts: &[Part],
    mut intake: Option<&mut (dyn Intake + 'static)>,
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
        take_part(inbound, part, &place, intake.as_deref_mut()).await?;
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
    mut intake: Option<&mut (dyn Intake + 'static)>,
) -> Result<(), Fault> {
    let mismatch = |what: &str| Fault::new(Code::PartMismatch).at(place).because(what);
    if let Some(intake) = intake.as_deref_mut() {
        intake.begin(&part.cid, &part.media_type).map_err(|error| store_fault(&error))?;
    }
    let mut hash = openssl::sha::Sha256::new();
    let mut size = 0u64;
    while let Some(chunk) = inbound.chunk().await? {
        size += chunk.len() as u64;
        if size > part.size {
            return Err(mismatch("size"));
        }
        hash.update(&chunk);
        if let Some(intake) = intake.as_deref_mut() {
            // A small part stays in memory; a large one may wait for the disk.
            let written = if part.size <= SMALL_PART {
                intake.write(&chunk)
            } else {
                tokio::task::block_in_place(|| intake.write(&chunk))
            };
            written.map_err(|error| store_fault(&error))?;
        }
    }
    if size != part.size {
        return Err(mismatch("size"));
    }
    if Digest(hash.finish()) != part.sha256 {
        return Err(mismatch("SHA-256"));
    }
    if let Some(intake) = intake {
        let kept = if part.size <= SMALL_PART {
            intake.end()
        } else {
            tokio::task::block_in_place(|| intake.end())
        };
        let kept = kept.map_err(|error| store_fault(&error))?;
        // The store counted and hashed what it sealed; P4 begins here.
        if (kept.size, kept.sha256) != (part.size, part.sha256) {
            tracing::error!(cid = part.cid, "the store sealed other octets than it was given");
            return Err(Fault::new(Code::Internal));
        }
    }
    Ok(())
}
