//! Step five: message, evidence and work item are durable, and there is an answer.

use std::sync::atomic::Ordering;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::Rules;
use amtsbote_domain::delivery::conversation::Conversation;
use amtsbote_domain::delivery::lane::LaneName;
use amtsbote_domain::delivery::lifetime::Bound;
use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence;
use amtsbote_domain::fault::Fault;
use amtsbote_domain::identity::{BusinessId, HubId, MessageUuid};
use amtsbote_domain::message::Metadata;
use amtsbote_domain::ports::{Acceptance, AcceptedReceipt, ForReader, Hint};
use amtsbote_domain::state::{State, WaitingFor};

use crate::hub::Hub;
use crate::step::addressed::Addressed;
use crate::step::refused::store_fault;
use crate::step::routed::{Routed, RoutedTo};

/// A message that is safe: only the store's answer to the acceptance makes one.
pub(crate) struct Accepted(AcceptedReceipt);

/// What a sender may be told. It can be had from [`Accepted`], and from the receipt that the store
/// kept of an earlier acceptance.
#[derive(Debug)]
pub(crate) struct Answer {
    receipt: AcceptedReceipt,
}

impl Accepted {
    /// The answer.
    pub(crate) fn into_answer(self) -> Answer {
        Answer { receipt: self.0 }
    }
}

impl Answer {
    /// The stored receipt of an identical message accepted before.
    pub(super) fn repeated(receipt: AcceptedReceipt) -> Self {
        Self { receipt }
    }

    /// The hub's id.
    pub(crate) fn hub_id(&self) -> &HubId {
        &self.receipt.hub_id
    }

    /// Whether this is the answer to an identical repeat.
    pub(crate) fn is_repeat(&self) -> bool {
        self.receipt.repeated
    }

    /// The receipt, byte for byte as stored.
    pub(crate) fn into_receipt(self) -> Vec<u8> {
        self.receipt.receipt
    }
}

/// Stores message, evidence and work item in one transaction (P1).
pub(crate) async fn accept(hub: &Hub, routed: Routed) -> Result<Accepted, Fault> {
    let acceptance = acceptance(hub, routed);
    let others = acceptance.others.iter().map(|other| &other.record);
    let hints = hints([&acceptance.record].into_iter().chain(others));
    let under_grace = !acceptance.record.under_grace.is_empty();
    let receipt = hub.store.accept(acceptance).await.map_err(|error| store_fault(&error))?;
    if under_grace {
        hub.under_grace.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(hub_id = %receipt.hub_id, "accepted under grace: a source of revocation is away");
    }
    for hint in hints {
        hub.tell(hint);
    }
    tracing::debug!(hub_id = %receipt.hub_id, repeated = receipt.repeated, "message accepted");
    Ok(Accepted(receipt))
}

/// Where to look: once for each inbox, and once for all that goes on.
fn hints<'r>(records: impl Iterator<Item = &'r evidence::Accepted>) -> Vec<Hint> {
    let is_inbox = |record: &&evidence::Accepted| record.channel == Channel::Inbox.as_str();
    let (inboxes, onwards): (Vec<_>, Vec<_>) = records.partition(is_inbox);
    let inboxes = inboxes.into_iter().map(|record| Hint::Inbox(record.metadata.reader.clone()));
    inboxes.chain(onwards.first().map(|_| Hint::Work)).collect()
}

fn acceptance(hub: &Hub, routed: Routed) -> Acceptance {
    let Routed { message, facts, verdict, way, successors, others, test } = routed;
    let rules = &hub.tables().delivery;
    let uuid: Option<MessageUuid> = facts.uuid.or_else(|| message.metadata.business_id.clone());
    let author = &message.metadata.author;
    let business_id = uuid.map(|uuid| BusinessId { author: author.clone(), uuid });
    let (arrival, scope) = (message.arrival, message.sent.scope.clone());
    let to = Addressed { metadata: message.metadata, permit: message.permit };
    let first = one(rules, RoutedTo { to, way, successors }, test, arrival);
    let record = evidence::Accepted {
        hub_id: hub.new_id(),
        account: message.sent.account,
        account_certificate: Some(message.account_certificate),
        scope: message.sent.scope,
        business_id,
        content_digest: message.sent.content_digest,
        envelope_sha256: message.envelope_sha256,
        parts: message.parts,
        signature: message.signature,
        verdict,
        rule: first.rule,
        applied: first.applied,
        channel: first.channel,
        test,
        under_grace: message.under_grace,
        same_business_id: Vec::new(),
        siblings: Vec::new(),
        about: None,
        came_by: message.came_by,
        metadata: first.metadata,
    };
    let others = others.into_iter().map(|other| {
        let one = one(rules, other, test, arrival);
        ForReader {
            record: evidence::Accepted {
                hub_id: hub.new_id(),
                scope: scope.clone().of_reader(one.metadata.reader.clone()),
                rule: one.rule,
                applied: one.applied,
                channel: one.channel,
                metadata: one.metadata,
                ..record.clone()
            },
            state: one.state,
            due: one.due,
            lane: one.lane,
            conversation: one.conversation,
            warn: one.warn,
        }
    });
    Acceptance {
        transport: message.sent.transport,
        state: first.state,
        due: first.due,
        lane: first.lane,
        conversation: first.conversation,
        warn: first.warn,
        issued: message.issued,
        intake: message.intake,
        others: others.collect(),
        record,
    }
}

/// What is of one Reader's delivery alone.
struct One {
    metadata: Metadata,
    rule: String,
    applied: Vec<String>,
    channel: String,
    state: State,
    due: Option<Timestamp>,
    lane: Option<LaneName>,
    conversation: Option<Conversation>,
    warn: Option<Timestamp>,
}

/// The rules of delivery, for one Reader.
fn one(rules: &Rules, routed: RoutedTo, test: bool, arrival: Timestamp) -> One {
    let RoutedTo { to, way, successors } = routed;
    let (metadata, shortened_by, warn) = in_force(rules, to.metadata, arrival);
    let (lane, conversation) = treated(rules, &metadata, test, arrival);
    let on = match &way.channel {
        Channel::Inbox => WaitingFor::Collection,
        Channel::Peer(_) => WaitingFor::Turn,
    };
    One {
        rule: to.permit.rule().to_owned(),
        applied: applied(&successors, shortened_by),
        channel: way.channel.to_string(),
        state: State::Waiting { on },
        due: metadata.not_before,
        metadata,
        lane,
        conversation,
        warn,
    }
}

/// Which lane a message goes in, and what it stays in order with. Both are kept with it: rules that
/// change later treat what comes later.
pub(crate) fn treated(
    rules: &Rules,
    metadata: &Metadata,
    test: bool,
    arrival: Timestamp,
) -> (Option<LaneName>, Option<Conversation>) {
    let policy = rules.policy(&metadata.service, &metadata.reader, arrival).policy;
    (policy.lane.clone(), policy.in_order.then(|| Conversation::of(metadata, test)))
}

/// The metadata with the expiry that holds, the rule that says so where it is not the Author, and from
/// when the Author is to be told that it comes. The record says what holds; what the Author said is in
/// the envelope, which is kept as it came.
fn in_force(
    rules: &Rules,
    metadata: Metadata,
    arrival: Timestamp,
) -> (Metadata, Option<String>, Option<Timestamp>) {
    match rules.lifetime(&metadata, arrival) {
        Ok((Some(life), rule)) if life.by != Bound::Author => {
            let by = format!("{rule} ({})", life.by.as_str());
            (Metadata { expires: Some(life.ends), ..metadata }, Some(by), life.notice_at)
        }
        Ok((life, _)) => (metadata, None, life.and_then(|life| life.notice_at)),
        Err(error) => {
            tracing::error!(%error, "a deadline in working days could not be found; none holds");
            (metadata, None, None)
        }
    }
}

/// The rules of delivery that made a difference, as evidence names them, each with what it did.
pub(crate) fn applied(successors: &[Successor], shortened_by: Option<String>) -> Vec<String> {
    let line =
        |line: &Successor| format!("{} ({} -> {}: {})", line.name, line.old, line.new, line.note);
    successors.iter().map(line).chain(shortened_by).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use amtsbote_domain::delivery::policy::{Policies, Policy};
    use amtsbote_domain::digest::Digest;
    use amtsbote_domain::party::PartyId;

    use crate::testing;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_rule_may_end_a_message_earlier_and_never_later() {
        let arrival = at("2026-05-08T08:00:00Z");
        let day = Duration::from_secs(24 * 3_600);
        let policy = |time_to_live, working_days| {
            let policy = Policy { time_to_live, working_days, ..Policy::default() };
            let policies = Policies::new(vec![], policy).expect("it can work");
            Rules { policies, ..Rules::default() }
        };
        let (none, life, days) =
            (policy(None, None), policy(Some(day), None), policy(None, Some(1)));
        let by = |bound: &str| Some(format!("default ({bound})"));
        for (rules, own, expires, rule) in [
            (&none, None, None, None),
            (&none, Some("2026-06-01T00:00:00Z"), Some("2026-06-01T00:00:00Z"), None),
            (&life, None, Some("2026-05-09T08:00:00Z"), by("time-to-live")),
            (&life, Some("2026-06-01T00:00:00Z"), Some("2026-05-09T08:00:00Z"), by("time-to-live")),
            (&life, Some("2026-05-08T09:00:00Z"), Some("2026-05-08T09:00:00Z"), None),
            (&days, None, Some("2026-05-11T22:00:00Z"), by("working-days")),
        ] {
            let metadata = Metadata { expires: own.map(at), ..testing::metadata() };
            let wanted = Metadata { expires: expires.map(at), ..metadata.clone() };
            assert_eq!(in_force(rules, metadata, arrival), (wanted, rule, None), "{own:?}");
        }
        // Beyond the calendar nothing is guessed, and nothing is refused.
        let own = Some(Timestamp::MAX);
        let metadata = Metadata { expires: own, ..testing::metadata() };
        let late = at("2101-01-01T00:00:00Z");
        assert_eq!(in_force(&days, metadata.clone(), late), (metadata, None, None));
    }

    /// One for each inbox, and one for all that the worker sends.
    #[test]
    fn every_inbox_is_told_and_the_worker_once() {
        let inbox = |n: u32| Hint::Inbox(PartyId::parse(&format!("ags:{n}")).expect("a party"));
        for (channels, wanted) in [
            (&["inbox"][..], vec![inbox(0)]),
            (&["peer:a", "peer:b"], vec![Hint::Work]),
            (&["peer:a", "inbox", "peer:a", "inbox"], vec![inbox(1), inbox(3), Hint::Work]),
        ] {
            let records = (0..).zip(channels).map(|(n, channel)| {
                let mut record = testing::record(vec![], Digest([0; 32]));
                record.channel = (*channel).to_owned();
                record.metadata.reader = PartyId::parse(&format!("ags:{n}")).expect("a party");
                record
            });
            let records: Vec<_> = records.collect();
            assert_eq!(hints(records.iter()), wanted, "{channels:?}");
        }
    }

    #[test]
    fn evidence_names_every_rule_that_made_a_difference() {
        assert!(applied(&[], None).is_empty());
        let party = |text| PartyId::parse(text).expect("a party");
        let merged = Successor {
            name: "delivery.toml:9".to_owned(),
            old: party("ags:05766000"),
            new: party("ags:05766044"),
            from: Timestamp::UNIX_EPOCH,
            note: "Eingemeindung".to_owned(),
        };
        assert_eq!(
            applied(&[merged], Some("delivery.toml:4 (working-days)".to_owned())),
            [
                "delivery.toml:9 (ags:05766000 -> ags:05766044: Eingemeindung)",
                "delivery.toml:4 (working-days)"
            ]
        );
    }
}
