//! Tells Authors what became of messages that did not end well after they were accepted.
//!
//! The intent is durable since the change that asks for it (`domain::notice`). Here it becomes a message of
//! the hub's own: in the standard's own words where its pack has some for that cause, else a generic notice;
//! signed like any other, routed like any other, accepted together with the end of the intent. Its transport
//! id follows from what it tells, so that whoever is faster wins and nothing is told twice.
//!
//! A task of its own does it, beside the worker: no delivery waits for a key in a token or a silent object
//! store. Nodes of one store share the intents: each takes some for a time, and what it has not settled by
//! then is due again.

mod content;
mod party;
mod way;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence::Accepted;
use amtsbote_domain::identity::{AccountId, HubId, Scope, Transport, TransportId};
use amtsbote_domain::message::{Metadata, Part, SignatureFacts, UnderGrace};
use amtsbote_domain::notice::{About, Kind};
use amtsbote_domain::ports::{
    Acceptance, DueNotice, ENVELOPE_CID, Hint, Instead, Intake, Intent, Store, StoreError,
};
use amtsbote_domain::state::{State, WaitingFor};
use amtsbote_trust::policy::Purpose;
use amtsbote_wire::native::digest::{content_digest, sha256};
use amtsbote_wire::native::envelope::{self, write_signed};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;

use crate::hub::Hub;
use crate::step::accepted::{applied, treated};
use crate::stop::Stop;
use crate::tables::InForce;

use self::content::Content;
pub use self::party::{OwnParty, finding};

/// Intents that are taken at a time. Few: other nodes get none of them for the time of the lease.
const PAGE: u32 = 16;
/// Notices that are made at the same time, in one commit if the store likes.
const TOGETHER: usize = 8;
/// Longest that one notice may take: others wait behind it.
const LIMIT: Duration = Duration::from_secs(10);
/// How long those taken are nobody else's: until all of them have had their time, and some more.
const LEASE: Duration = Duration::from_secs(30);
const _: () = assert!(LEASE.as_secs() > LIMIT.as_secs() * (PAGE as u64).div_ceil(TOGETHER as u64));
/// Longest pause while the store fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long one that could not be made waits.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// The account of what the hub writes itself. Its transport keeps it apart from any account of that name.
const ACCOUNT: &str = "hub";
/// What stands in the record where another message has the rule that permitted it.
const RULE: &str = "notice";
/// The Content-ID of what is told.
const PAYLOAD_CID: &str = "payload";

/// Runs until `stop` says so; then lets what is being told end, for `grace` at most. What outlasts that is
/// told when its lease has ended, by whoever takes it then.
pub(crate) async fn run(hub: Arc<Hub>, stop: Stop, grace: Duration) {
    let mut failures = 0;
    loop {
        let round = tell_all(&hub);
        tokio::pin!(round);
        let told = tokio::select! {
            // In this order, so that a simulation can repeat a course of events.
            biased;
            told = &mut round => told,
            () = stop.said() => {
                if tokio::time::timeout(grace, round).await.is_err() {
                    tracing::warn!("notices outlast the grace period");
                }
                return;
            }
        };
        let idle = hub.delivery.idle;
        let pause = match told {
            Ok(more) => {
                failures = 0;
                if more { Duration::ZERO } else { idle }
            }
            Err(error) => {
                tracing::error!(%error, "intents to tell Authors could not be taken; it is tried again");
                failures = (failures + 1).min(16);
                idle.saturating_mul(1 << failures).min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            biased;
            () = stop.said() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Makes the notices that are due. Says whether there may be more at once. One that fails stops no other,
/// and its intent stays. Without a party all of them stay: nobody can be told in nobody's name.
pub(crate) async fn tell_all(hub: &Hub) -> Result<bool, StoreError> {
    if hub.tables().writes_as.is_none() {
        return Ok(false);
    }
    let taken = hub.store.take_notices(PAGE, LEASE).await?;
    let full = taken.len() == PAGE as usize;
    let told = stream::iter(taken)
        .map(|intent| async move { tell_one(hub, &intent).await })
        .buffer_unordered(TOGETHER);
    // All of them, whatever becomes of one.
    let made = told.fold(true, |all, one| std::future::ready(all && one)).await;
    Ok(full && made)
}

/// Makes one notice, puts it off, or sets it aside. Says whether it is out of the way.
async fn tell_one(hub: &Hub, intent: &Intent) -> bool {
    let due = match hub.store.notice(intent).await {
        Ok(Some(due)) => due,
        // Somebody was faster.
        Ok(None) => return true,
        Err(error @ StoreError::Corrupt(_)) => {
            let Intent { message, kind } = intent;
            tracing::error!(message, %kind, %error, "what an Author is to be told cannot be read");
            if let Err(error) = hub.store.set_aside_notice(intent).await {
                tracing::error!(message, %kind, %error, "it could not be set aside; it comes again");
                return false;
            }
            return true;
        }
        Err(error) => {
            tracing::error!(%error, "an intent to tell an Author could not be read; it comes again");
            return false;
        }
    };
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
}

/// Makes one notice, or settles its intent otherwise.
async fn tell(hub: &Hub, due: DueNotice) -> Result<(), StoreError> {
    let tables = hub.tables();
    let (about, kind) = (&due.about.record.hub_id, due.kind);
    let settle = |instead| hub.store.settle_notice(about, kind, instead);
    let Some(own) = tables.writes_as.clone() else {
        // Its tables were read again just now, and name no party any more.
        return Ok(());
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
        other_readers: vec![],
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
        issued: false,
        others: Vec::new(),
        intake,
        record: Accepted {
            hub_id: hub.new_id(),
            account: AccountId::parse(ACCOUNT).expect("the constant is an account"),
            account_certificate: None,
            scope: Scope::Account,
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
            siblings: vec![],
            about: Some(Box::new(About { hub_id: about, notice: kind })),
            came_by: None,
        },
    }
}
