//! Whose order it is, and whether what came is what was signed: before anything takes effect.

use std::io::Write;

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_wire::osci::dialogue::{self, Caller, SignIn, Travel};
use amtsbote_wire::osci::feedback::{self, Code as Said};
use amtsbote_wire::osci::mime::TransferEncoding;
use amtsbote_wire::osci::signature::{Claimed, IfUnsigned, Means, Received, Seal, Side};
use amtsbote_wire::osci::{ContentRule, Message, MessageType, OrderHead};

use super::answer::{Answer, Cover, ours};
use super::arriving::{self, Order};
use super::delivery::Attachment;
use super::desk::Work;
use super::pieces::Pieces;
use super::says::Refusal;
use super::spool::{Spool, unreadable};
use super::visitor::{Claimant, claimant};
use super::{Memory, Office};
use crate::hub::Hub;

impl Office {
    /// Takes one order and writes its answer.
    pub(super) async fn take(&self, source: &mut Pieces) -> Result<Answer, Refusal> {
        let hub = &*self.hub;
        let (tables, arrival) = (hub.tables(), hub.clock.now());
        let own = tables.intermediary.as_ref();
        let own = own.ok_or_else(|| Refusal::fault(Said::SupplierError))?;
        let mut memory = Memory::begin(&self.places).await?;
        let unknown = |refusal| {
            hub.noise.count();
            refusal
        };
        let order = arriving::receive(hub, own, source, &mut memory).await;
        let mut order = order.map_err(unknown)?;
        // What any partner may use; what this one may is asked when it is known.
        let any = tables.standings.allowed(true, arrival);
        let limits = arriving::limits();
        let claimed = Claimed::read(&order.root[..], Side::Client, &limits, &any);
        let mut claimed = claimed.map_err(|fault| unknown(fault.into()))?;
        let Some(who) = claimant(&tables.directory, &claimed) else {
            hub.noise.count();
            return Err(Refusal::fault(Said::ClientSigningCertificateNotGenuine));
        };

        // Nothing more is read from who did not sign it, or has too much under way.
        let allowed = tables.standings.allowed(who.account.is_legacy(arrival), arrival);
        if claimed.is_signed() {
            if let Err(fault) = claimed.signed_by(&who.partner.signature, arrival, &allowed) {
                hub.noise.count();
                return Err(fault.into());
            }
        } else if who.partner.signed {
            hub.noise.count();
            return Err(Refusal::fault(Said::OrderUnsigned));
        }
        let turn = hub.quotas.begin(&who.account.id, &hub.limits, arrival)?;
        let signed = claimed.is_signed();
        let judged = async {
            admitted(&who, &claimed, &order)?;
            let attachments = attachments(hub, &mut order, &mut claimed).await?;
            let unsigned = if who.partner.signed { IfUnsigned::Refuse } else { IfUnsigned::Permit };
            let trusted = &who.partner.signature[..];
            let means = Means { trusted, at: arrival, allowed: &allowed, unsigned };
            let (received, seal) = claimed.verify(&means)?.into_parts();
            sound(&who, &received, arrival)?;
            Ok::<_, Refusal>((attachments, received, seal))
        };
        let (attachments, received, seal) = match judged.await {
            Ok(judged) => judged,
            Err(refusal) => return Err(refusal.recorded(hub, &who.account.id, signed).await),
        };
        // The pipeline counts a delivery itself.
        drop(turn);

        let head = head(&received.message).ok_or_else(|| Refusal::fault(Said::NotAnOrder))?;
        let languages = head.languages.iter().map(|language| language.as_str());
        let cover = Cover { own, signed, seal: None, iv: order.iv };
        let mut work = Work {
            hub,
            tables: &tables,
            who,
            arrival,
            cover,
            languages: feedback::languages(languages),
        };
        let caller =
            Caller { certificates: sign_in(&received, seal.as_ref()), travel: order.travel };
        let came = Came { root: order.root, received, seal, attachments };
        work.answer(came, caller).await
    }
}

/// An order that was judged, with all that came with it.
pub(super) struct Came {
    pub(super) root: Vec<u8>,
    pub(super) received: Received,
    pub(super) seal: Option<Seal>,
    pub(super) attachments: Vec<Attachment>,
}

/// Whether policy takes such an order at all; nothing of its content is known yet.
fn admitted(who: &Claimant<'_>, claimed: &Claimed, order: &Order<'_>) -> Result<(), Refusal> {
    use MessageType as T;
    if who.partner.encrypted && order.travel == Travel::Clear {
        return Err(Fault::new(Code::EncryptionDemanded).into());
    }
    match claimed.message_type() {
        T::GetMessageId
        | T::InitDialog
        | T::ExitDialog
        | T::StoreDelivery
        | T::FetchDelivery
        | T::FetchProcessCard => Ok(()),
        _ => Err(Refusal::fault(Said::NotAnOrder)),
    }
}

/// The certificates that the order names for itself are those of its sender.
fn sound(who: &Claimant<'_>, received: &Received, arrival: Timestamp) -> Result<(), Refusal> {
    let certificates = received.message.certificates();
    match certificates.and_then(|all| all.cipher_originator.as_ref()) {
        Some(cipher) if who.cipher(&cipher.der, arrival).is_none() => {
            Err(Refusal::fault(Said::ClientCipherCertificateNotGenuine))
        }
        _ => Ok(()),
    }
}

/// Takes the attachments down, and says the signatures what they are.
async fn attachments(
    hub: &Hub,
    order: &mut Order<'_>,
    claimed: &mut Claimed,
) -> Result<Vec<Attachment>, Refusal> {
    let mut attachments = Vec::new();
    let limits = &hub.limits;
    while let Some(head) = order.parts.next_part().await? {
        if order.kind.content() == ContentRule::Never {
            return Err(Refusal::fault(Said::NotAnOrder));
        }
        if attachments.len() + 1 >= limits.parts {
            return Err(Fault::new(Code::TooLarge).because("parts").into());
        }
        let (mut hasher, mut spool, mut size) = (claimed.hasher(), Spool::new(hub)?, 0u64);
        while let Some(octets) = order.parts.chunk().await? {
            size += octets.len() as u64;
            if size > limits.attachment_bytes {
                return Err(Fault::new(Code::TooLarge).because("attachment_bytes").into());
            }
            hasher.update(&octets);
            spool.write_all(&octets).map_err(unreadable)?;
        }
        let digest = hasher.finish().map_err(ours)?;
        let encoded = head.transfer_encoding == TransferEncoding::Base64;
        claimed.attachment(&head.content_id, encoded, digest)?;
        let content_id = head.content_id;
        attachments.push(Attachment { content_id, spooled: spool.finish()? });
    }
    Ok(attachments)
}

/// What every order that is taken here has at its head.
fn head(message: &Message) -> Option<&OrderHead> {
    match message {
        Message::GetMessageId(order) => Some(&order.head),
        Message::InitDialog(order) => Some(&order.head),
        Message::ExitDialog(order) => Some(&order.head),
        Message::StoreDelivery(order) => Some(&order.head),
        Message::FetchDelivery(order) => Some(&order.head),
        Message::FetchProcessCard(order) => Some(&order.head),
        _ => None,
    }
}

/// The certificates that an order comes with.
fn sign_in(received: &Received, seal: Option<&Seal>) -> SignIn {
    let certificate = |der: &[u8]| dialogue::Certificate::new(der.to_vec());
    let stated = received.message.certificates();
    let cipher = stated.and_then(|all| all.cipher_originator.as_ref());
    SignIn {
        signature: seal.and_then(|seal| certificate(seal.signer())),
        cipher: cipher.and_then(|cipher| certificate(&cipher.der)),
    }
}
