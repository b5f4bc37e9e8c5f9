//! What waits in a mailbox, on its way to the Reader.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::CameBy;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::{HubId, Transport};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Choice, Chosen, Delivery, ENVELOPE_CID, Store, StoreError};
use amtsbote_wire::osci::dialogue::{self, Mailbox, Taken};
use amtsbote_wire::osci::{
    DateTime, DeliverySelection, Enclosed, FetchDelivery, Message, NonIntermediaryCertificates,
    PackageItem, ProcessCardBundle, Stamped, read,
};
use jiff::tz::TimeZone;
use openssl::sha::sha256;

use super::answer::{Enclosure, ours};
use super::arriving::limits;
use super::visitor::Claimant;
use crate::hub::Hub;
use crate::step::refused::store_fault;
use crate::tables::InForce;
use crate::transport::octets;

/// Most octets of a delivery that is handed out in one answer, attachments included.
const MOST_BYTES: u64 = 32 << 20;
/// Deliveries looked at in one question.
const PAGE: u32 = 50;
/// Pages looked at until one comes that can be handed out here.
const PAGES: usize = 20;

/// A delivery that leaves in an answer.
#[derive(Default)]
pub(super) struct Fetched {
    /// The hub's name for it.
    pub(super) hub_id: String,
    /// There are more.
    pub(super) more: bool,
    pub(super) selection: Option<DeliverySelection>,
    pub(super) card: Option<ProcessCardBundle>,
    pub(super) certificates: Option<NonIntermediaryCertificates>,
    pub(super) enclosed: Enclosed,
    pub(super) attachments: Vec<Enclosure>,
}

/// The delivery that is meant, recorded as handed out; none where there is none.
pub(super) async fn fetch(
    hub: &Hub,
    tables: &InForce,
    who: &Claimant<'_>,
    taken: &Taken,
    order: &FetchDelivery,
) -> Result<Option<Fetched>, Fault> {
    let reader = reader(tables, who, taken)?;
    let selection = order.selection.clone();
    let chosen = match &selection {
        None => Chosen::All,
        Some(DeliverySelection::MessageId(id)) => match id.as_text() {
            Some(text) => Chosen::Named(text.to_owned()),
            // No id of ours.
            None => return Ok(None),
        },
        Some(DeliverySelection::ReceptionOfDelivery(at)) => {
            let local = TimeZone::get("Europe/Berlin").map_err(ours)?;
            let at = at.instant(&local).ok_or_else(|| Fault::new(Code::MalformedRequest))?;
            Chosen::Since(at)
        }
    };
    let Some((delivery, more)) = oldest(hub, reader, chosen).await? else { return Ok(None) };
    let record = &delivery.record;
    let size = record.parts.iter().skip(1).fold(0u64, |sum, part| sum.saturating_add(part.size));
    if size > MOST_BYTES {
        return Err(Fault::new(Code::TooLarge).because("attachments of a delivery fetched"));
    }
    // Durable before the first octet leaves (P2).
    let account = &who.account.id;
    hub.store.hand_out(&record.hub_id, account).await.map_err(|error| store_fault(&error))?;
    let mut fetched = opened(hub.store.as_ref(), &delivery, hub.clock.now()).await?;
    (fetched.selection, fetched.more) = (selection, more);
    Ok(Some(fetched))
}

/// Whose mailbox it is that was asked for: that of a cipher certificate of the account, of which it was
/// shown that it is the client's.
pub(super) fn reader(
    tables: &InForce,
    who: &Claimant<'_>,
    taken: &Taken,
) -> Result<PartyId, Fault> {
    let not_yours = || Fault::new(Code::NotPermitted);
    let cipher = match taken.mailbox().ok_or_else(not_yours)? {
        Mailbox::Of(cipher) => cipher,
        Mailbox::IfSigners { cipher, signature } => {
            who.signature(signature.der()).ok_or_else(not_yours)?;
            cipher
        }
    };
    let own = |cipher: &dialogue::Certificate| {
        who.partner.cipher.iter().any(|known| known.der == cipher.der())
    };
    let found = tables.directory.reader(&Digest(sha256(cipher.der())));
    match found {
        Some((party, _)) if own(cipher) && who.account.may_collect_for(&party.id) => {
            Ok(party.id.clone())
        }
        _ => Err(not_yours()),
    }
}

/// The delivery that waits longest among those that came by this transport, and whether others wait.
/// What came by another one waits for whoever collects it there.
async fn oldest(
    hub: &Hub,
    reader: PartyId,
    chosen: Chosen,
) -> Result<Option<(Delivery, bool)>, Fault> {
    let mut choice = Choice { readers: vec![reader], chosen, after: None, limit: PAGE };
    let mut first = None;
    for _ in 0..PAGES {
        let page = hub.store.choose(choice.clone()).await.map_err(|error| store_fault(&error))?;
        for delivery in page.deliveries.into_iter().filter(is_ours) {
            match first.take() {
                None => first = Some(delivery),
                Some(first) => return Ok(Some((first, true))),
            }
        }
        choice.after = page.next;
        if choice.after.is_none() {
            return Ok(first.map(|first| (first, false)));
        }
    }
    // So many of others that nobody looks further; more may wait behind them.
    Ok(first.map(|first| (first, true)))
}

fn is_ours(delivery: &Delivery) -> bool {
    let came_by = |came_by: &CameBy| came_by.transport == Transport::Intermediary;
    delivery.record.came_by.as_deref().is_some_and(came_by)
}

/// The delivery as it came, under a header of ours.
async fn opened(
    store: &dyn Store,
    delivery: &Delivery,
    now: amtsbote_domain::Timestamp,
) -> Result<Fetched, Fault> {
    let hub_id: &HubId = &delivery.record.hub_id;
    let whole = async |cid: &str| -> Result<Vec<u8>, Fault> {
        let read = octets::whole(store, hub_id, cid).await;
        read.map_err(|error: StoreError| store_fault(&error))
    };
    let root = whole(ENVELOPE_CID).await?;
    let part = read(&root[..], &limits()).map_err(ours)?;
    let Message::StoreDelivery(stored) = part.message else {
        return Err(ours("what was accepted as a delivery is none"));
    };
    let package = part.package.unwrap_or_default();
    let clear = package.containers.iter().map(|container| &container.element);
    let items = package.encrypted.iter().chain(clear).map(|element| {
        let canonical = element.canonical_of(&root).map_err(ours)?;
        PackageItem::new(&canonical).map_err(ours)
    });
    let items = items.collect::<Result<Vec<_>, Fault>>()?;
    let mut attachments = Vec::new();
    for attachment in delivery.record.parts.iter().skip(1) {
        let octets = whole(&attachment.cid).await?;
        attachments.push(Enclosure { content_id: attachment.cid.clone(), octets });
    }
    let stamp = |at| DateTime::of(at).ok_or_else(|| Fault::new(Code::Internal));
    let (accepted, now) = (stamp(delivery.accepted_at)?, stamp(now)?);
    let card = ProcessCardBundle {
        message_id: stored.message_id,
        recent_modification: now.clone(),
        creation: Some(Stamped::Plain(accepted)),
        forwarding: Some(Stamped::Plain(now)),
        reception: None,
        subject: stored.subject,
        inspections: Vec::new(),
    };
    Ok(Fetched {
        hub_id: hub_id.to_string(),
        card: Some(card),
        certificates: stored.head.certificates,
        enclosed: Enclosed { package: Some(items), custom: Vec::new() },
        attachments,
        ..Fetched::default()
    })
}
