//! Step two: who wrote it and who may send it is proven, and the octets are those that were meant.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::CameBy;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::{Metadata, OpaqueReason, Part, SignatureFacts, UnderGrace};
use amtsbote_domain::policy::RoutePermit;
use amtsbote_domain::ports::{Intake, Sent};
use amtsbote_wire::native::digest::content_digest;

use crate::hub::Hub;
use crate::quota::Turn;
use crate::step::accepted::Answer;
use crate::step::addressed::{Addressed, addressed};
use crate::step::form::{Claim, Ground};
use crate::step::received::{Door, Received};
use crate::step::refused::Seen;
use crate::step::repeat::answered;
use crate::step::taking::{Keeper, take_parts};
use crate::tables::InForce;

/// A message whose Author is proven as its form demands, and whose parts are those that it speaks of.
pub(crate) struct Authenticated {
    pub(crate) sent: Sent,
    /// Its transport id was given out by the hub.
    pub(crate) issued: bool,
    pub(super) account_certificate: Digest,
    pub(super) arrival: Timestamp,
    /// As it is for its first Reader, or for the one that it is brought for.
    pub(super) metadata: Metadata,
    pub(super) parts: Vec<Part>,
    pub(super) signature: SignatureFacts,
    pub(super) came_by: Option<Box<CameBy>>,
    /// Why its content must not be read.
    pub(super) closed: Option<OpaqueReason>,
    pub(super) envelope_sha256: Digest,
    /// For that Reader.
    pub(super) permit: RoutePermit,
    /// As it is for every other Reader who gets a delivery of it here.
    pub(super) others: Vec<Addressed>,
    pub(super) under_grace: Vec<UnderGrace>,
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

/// Asks the form of the message who wrote it, then permission, then takes the parts in.
pub(crate) async fn authenticate(
    hub: &Hub,
    received: Received<'_>,
    seen: &mut Seen,
) -> Result<Arrived, Fault> {
    let Received { door, octets, turn } = received;
    let tables = hub.tables();
    let ground = Ground { tables: &tables, account: door.account, arrival: door.arrival };
    let claim = door.inbound.form().claim(&octets, &ground)?;
    let brought = claim.alone.as_ref().and_then(|reader| claim.metadata.for_reader(reader));
    seen.metadata(brought.as_ref().unwrap_or(&claim.metadata));
    if !door.account.may_send_for(&claim.metadata.author) {
        return Err(Fault::new(Code::AccountNotForAuthor));
    }
    let sent = Sent {
        account: door.account.id.clone(),
        transport: door.transport,
        id: claim.metadata.transport_id.clone(),
        scope: claim.scope.clone(),
        content_digest: content_digest(&claim.metadata, &claim.parts),
    };

    // A repeat is answered as the first time, whatever has changed since: permissions may be
    // withdrawn, expiry may have passed, the signer's certificate may be revoked or nothing known
    // of it. Its octets are compared all the same.
    let admitted = admit(hub, &tables, &door, &claim, &octets);
    if !claim.issued
        && !admitted.as_ref().is_ok_and(|admitted| admitted.keeper.small)
        && let Some(answer) = answered(hub, &sent).await?
    {
        take_parts(hub, door.inbound, &claim.parts, None).await?;
        return Ok(Arrived::Again(answer));
    }
    let Admitted { first, others, author_grace, mut keeper } = admitted?;
    let envelope_sha256 = keeper.envelope(&octets)?;
    if let Err(fault) = take_parts(hub, door.inbound, &claim.parts, Some(&mut keeper)).await {
        // A small one was not looked for before its parts. That its id is used up counts for more than
        // what is wrong with them: putting that right would not help.
        if keeper.small && !claim.issued {
            answered(hub, &sent).await?;
        }
        return Err(fault);
    }

    let Claim { parts, issued, signature, came_by, closed, .. } = claim;
    let Addressed { metadata, permit } = first;
    Ok(Arrived::New(Box::new(Authenticated {
        sent,
        issued,
        account_certificate: door.certificate,
        arrival: door.arrival,
        metadata,
        parts,
        signature,
        came_by,
        closed,
        envelope_sha256,
        permit,
        others,
        under_grace: door.under_grace.into_iter().chain(author_grace).collect(),
        intake: keeper.intake,
        _turn: turn,
    })))
}

/// What speaks for a message, and where its octets go.
struct Admitted {
    first: Addressed,
    others: Vec<Addressed>,
    author_grace: Option<UnderGrace>,
    keeper: Keeper,
}

/// Judges what is claimed by the hour of arrival; nothing of the parts is read yet.
fn admit(
    hub: &Hub,
    tables: &InForce,
    door: &Door<'_>,
    claim: &Claim,
    octets: &[u8],
) -> Result<Admitted, Fault> {
    let author_grace = claim.standing.clone()?;
    let alone = claim.alone.as_ref();
    let (first, others) = addressed(&tables.permissions, &claim.metadata, alone, door.arrival)?;
    if claim.metadata.expires.is_some_and(|expires| expires <= door.arrival) {
        return Err(Fault::new(Code::ExpiredAtArrival));
    }
    let keeper = Keeper::new(hub, octets.len() as u64, &claim.parts)?;
    Ok(Admitted { first, others, author_grace, keeper })
}
