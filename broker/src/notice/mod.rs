//! Tells Authors what became of messages that did not end well after they were accepted.
//!
//! The intent is durable since the change that asks for it (`domain::notice`). Here it becomes a message of
//! the hub's own: in the standard's own words where its pack has some for that cause, else a generic notice;
//! signed like any other, routed like any other, accepted together with the end of the intent. Its transport
//! id follows from what it tells, so that whoever is faster wins and nothing is told twice.

mod content;
mod party;
mod way;

#[cfg(test)]
mod tests;

use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::{AccountId, HubId, Transport, TransportId};
use amtsbote_domain::message::{Metadata, Part, SignatureFacts, UnderGrace};
use amtsbote_domain::notice::{About, Kind};
use amtsbote_domain::ports::{
    Acceptance, DueNotice, ENVELOPE_CID, Hint, Instead, Intake, Store, StoreError,
};
use amtsbote_domain::state::{State, WaitingFor};
use amtsbote_trust::policy::Purpose;
use amtsbote_wire::native::digest::{content_digest, sha256};
use amtsbote_wire::native::envelope::{self, write_signed};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;

use crate::hub::Hub;
use crate::step::accepted::{applied, treated};
use crate::tables::InForce;

use self::content::Content;
pub use self::party::{OwnParty, finding};

/// Notices that are made in one round of the worker. Few: deliveries that are due wait for its end.
const PAGE: u32 = 32;
/// Notices that are made at the same time, in one commit if the store likes.
const TOGETHER: usize = 8;
/// Longest that one notice may take: deliveries wait meanwhile.
const LIMIT: Duration = Duration::from_secs(10);
/// How long one that could not be made waits.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// The account of what the hub writes itself. Its transport keeps it apart from any account of that name.
const ACCOUNT: &str = "hub";
/// What stands in the record where another message has the rule that permitted it.
const RULE: &str = "notice";
/// The Content-ID of what is told.
const PAYLOAD_CID: &str = "payload";

/// Makes the notices that are due. Says whether there may be more at once. What fails stops nothing
/// else: the intent stays.
pub(crate) async fn tell_all(hub: &Hub) -> bool {
    let due = match hub.store.notices_due(PAGE).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "intents to tell Authors could not be read; it is tried again");
            return false;
        }
    };
    let full = due.len() == PAGE as usize;
    let told = stream::iter(due)
        .map(|due| async move {
            let (hub_id, kind) = (due.about.record.hub_id.clone(), due.kind);
            let late = || StoreError::Unavailable(format!("not within {LIMIT:?}"));
            let told = tokio::time::timeout(LIMIT, tell(hub, due)).await;
            let Err(error) = told.unwrap_or_else(|_| Err(late())) else { return true };
            tracing::error!(%hub_id, kind = kind.as_str(), %error, "its Author could not be told");
            // It must not stand in the way of those behind it.
            let later = Instead::Later(hub.clock.now() + AGAIN);
            if let Err(error) = hub.store.settle_notice(&hub_id, kind, later).await {
                tracing::debug!(%hub_id, %error, "told after all, or not put off");
            }
            false
        })
        .buffer_unordered(TOGETHER);
    // All of them, whatever becomes of one.
    let made = told.fold(true, |all, one| std::future::ready(all && one)).await;
    full && made
}

/// Makes one notice, or settles its intent otherwise.
async fn tell(hub: &Hub, due: DueNotice) -> Result<(), StoreError> {
    let tables = hub.tables();
    let (about, kind) = (&due.about.record.hub_id, due.kind);
    let settle = |instead| hub.store.settle_notice(about, kind, instead);
    let Some(own) = tables.writes_as.clone() else {
        return settle(Instead::Dropped).await;
    };
    if !kind.holds(due.about.state) {
        return settle(Instead::Dropped).await;
    }
    let now = hub.clock.now();
    let content = match content::of(hub, &tables, &own, &due, now).await? {
        Ok(content) => content,
        Err(why) => {
            tracing::warn!(hub_id = %about, why = why.as_str(), "there is no way to tell its Author");
            return settle(Instead::Withheld(why)).await;
        }
    };
    let metadata = Metadata {
        author: own.id.clone(),
        reader: due.about.record.metadata.author.clone(),
        service: content.service.clone(),
        message_type: content.message_type.clone(),
        transport_id: transport_id(&due),
        business_id: content.business_id.as_ref().map(|id| id.uuid.clone()),
        created: now,
        not_before: None,
        expires: None,
        test: due.about.record.test,
    };
    let (store, octets) = (hub.store.clone(), content.octets.clone());
    let judged = tables.clone();
    // A key in a token takes its time, and large parts go to a file.
    let signed =
        tokio::task::spawn_blocking(move || sign(&*store, &judged, &own, metadata, &octets, now));
    let signed = match signed.await {
        Ok(Ok(signed)) => signed,
        Ok(Err(Trouble::Store(error))) => return Err(error),
        Ok(Err(Trouble::Signature(reason))) => {
            tracing::error!(%reason, "the hub cannot sign for its party; Authors are told later");
            return settle(Instead::Later(now + AGAIN)).await;
        }
        Err(error) => {
            tracing::error!(%error, "a notice ended in a fault of the program");
            return settle(Instead::Later(now + AGAIN)).await;
        }
    };
    let acceptance = acceptance(hub, due.about.record.hub_id.clone(), kind, content, signed);
    let for_inbox = acceptance.record.channel == Channel::Inbox.as_str();
    let reader = acceptance.record.metadata.reader.clone();
    match hub.store.accept(acceptance).await {
        Ok(receipt) => {
            tracing::info!(hub_id = %receipt.hub_id, %about, kind = kind.as_str(), "its Author is told");
            hub.tell(if for_inbox { Hint::Inbox(reader) } else { Hint::Work });
            Ok(())
        }
        // Another node was faster, or it has just ceased to be true: the next round sees.
        Err(error @ (StoreError::NotFound | StoreError::OtherContent)) => {
            tracing::debug!(hub_id = %about, %error, "not told");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The same for the same notice, whoever makes it.
fn transport_id(due: &DueNotice) -> TransportId {
    let id = format!("notice-{}-{}", due.kind.as_str(), due.about.record.hub_id);
    TransportId::parse(&id).expect("a word and a hub id make a transport id")
}

/// Why a notice was not made.
enum Trouble {
    Store(StoreError),
    Signature(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A notice with its envelope, taken in.
struct Signed {
    metadata: Metadata,
    part: Part,
    signature: SignatureFacts,
    envelope: Part,
    under_grace: Option<UnderGrace>,
    intake: Box<dyn Intake>,
}

/// Signs it and takes it in. What the hub signs is judged as the signature of any other Author is: what
/// the directory or the policy would not let in does not leave.
fn sign(
    store: &dyn Store,
    tables: &InForce,
    own: &OwnParty,
    metadata: Metadata,
    octets: &[u8],
    now: Timestamp,
) -> Result<Signed, Trouble> {
    let bad = |error: &dyn std::fmt::Display| Trouble::Signature(error.to_string());
    let part = Part {
        cid: PAYLOAD_CID.to_owned(),
        media_type: "application/xml".to_owned(),
        size: octets.len() as u64,
        sha256: sha256(octets),
    };
    let text = write_signed(&metadata, std::slice::from_ref(&part), &*own.signer)
        .map_err(|error| bad(&error))?;
    let party = tables.directory.party(&own.id);
    let party = party.ok_or_else(|| bad(&"the directory does not know the hub's party"))?;
    let allowed = tables.policy.allowed(Purpose::ContentSignature, party.is_legacy(now), now);
    let read = envelope::read(&text).map_err(|error| bad(&error))?;
    let verified =
        read.verify(&text, &party.certificates, &allowed, now).map_err(|error| bad(&error))?;
    let signature = verified.signature().clone();
    let standing = tables.standings.author(party, &signature.certificate, now);
    let under_grace = standing.map_err(|fault| bad(&fault.code.as_str()))?;
    let mut intake = store.intake()?;
    let mut keep = |cid: &str, octets: &[u8]| -> Result<Part, StoreError> {
        intake.begin(cid, "application/xml")?;
        intake.write(octets)?;
        intake.end()
    };
    let envelope = keep(ENVELOPE_CID, &text)?;
    let kept = keep(PAYLOAD_CID, octets)?;
    if kept != part {
        return Err(StoreError::Corrupt("a notice was sealed otherwise".to_owned()).into());
    }
    Ok(Signed { metadata, part, signature, envelope, under_grace, intake })
}

fn acceptance(hub: &Hub, about: HubId, kind: Kind, content: Content, signed: Signed) -> Acceptance {
    let Signed { metadata, part, signature, envelope, under_grace, intake } = signed;
    let parts = vec![part];
    let on = match &content.way.channel {
        Channel::Inbox => WaitingFor::Collection,
        Channel::Peer(_) => WaitingFor::Turn,
    };
    let (lane, conversation) =
        treated(&hub.tables().delivery, &metadata, metadata.test, hub.clock.now());
    Acceptance {
        transport: Transport::Hub,
        state: State::Waiting { on },
        due: None,
        lane,
        conversation,
        warn: None,
        intake,
        record: Accepted {
            hub_id: hub.new_id(),
            account: AccountId::parse(ACCOUNT).expect("the constant is an account"),
            account_certificate: None,
            business_id: content.business_id,
            content_digest: content_digest(&metadata, &parts),
            envelope_sha256: envelope.sha256,
            test: metadata.test,
            metadata,
            parts,
            signature,
            verdict: content.verdict,
            rule: RULE.to_owned(),
            applied: applied(&content.successors, None),
            channel: content.way.channel.to_string(),
            under_grace: under_grace.into_iter().collect(),
            same_business_id: Vec::new(),
            about: Some(Box::new(About { hub_id: about, notice: kind })),
        },
    }
}
