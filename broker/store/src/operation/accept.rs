//! Acceptance: message, sealed octets, evidence, receipt and work item in one transaction (P1).

use std::sync::Arc;

use amtsbote_domain::delivery::conversation::Conversation;
use amtsbote_domain::delivery::lane::LaneName;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{HubId, Transport};
use amtsbote_domain::notice::Kind;
use amtsbote_domain::ports::{AcceptedReceipt, ENVELOPE_CID, Sent, StoreError};
use amtsbote_domain::state::State;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::error::unreadable;
use crate::group::{Group, ReceiptOf, Receipts};
use crate::intake::{Body, SealedIntake};
use crate::keys;
use crate::notices;
use crate::operation::change::{Lists, peer_of};
use crate::operation::order::{arrange, write_lane};
use crate::parts::Depot;
use crate::prior::{SameId, same_id};
use crate::rows::{micros_up, write_state};
use crate::sql::{Db, params};
use crate::writer::{Task, not_run, take_receipt};

/// At most so many earlier messages with the same business id are named.
const SAME_BUSINESS_ID: usize = 10;

/// The word of the receipt over an acceptance.
pub(crate) const ACCEPTED: &str = "accepted";

/// The acceptance of one message.
pub(crate) struct Accept {
    record: Accepted,
    transport: Transport,
    intake: SealedIntake,
    state: State,
    due: Option<Timestamp>,
    lane: Option<LaneName>,
    conversation: Option<String>,
    warn: Option<Timestamp>,
    outcome: Option<Outcome>,
    sender: oneshot::Sender<Result<AcceptedReceipt, StoreError>>,
}

/// What the transaction says.
struct Outcome {
    hub_id: HubId,
    receipt: ReceiptOf,
    repeated: bool,
}

impl Accept {
    /// Checks that the octets taken in are those of the record (P4), and prepares.
    pub(crate) fn new(
        acceptance: amtsbote_domain::ports::Acceptance,
        depot: &Arc<Depot>,
        sender: oneshot::Sender<Result<AcceptedReceipt, StoreError>>,
    ) -> Result<Self, StoreError> {
        let amtsbote_domain::ports::Acceptance {
            record,
            transport,
            intake,
            state,
            due,
            lane,
            conversation,
            warn,
        } = acceptance;
        let conversation = conversation.as_ref().map(Conversation::key);
        let intake = intake
            .into_any()
            .downcast::<SealedIntake>()
            .ok()
            .filter(|intake| intake.is_of(depot))
            .ok_or_else(|| crate::error::misuse("an intake of another store"))?;
        check_parts(&record, &intake)?;
        let intake = *intake;
        let outcome = None;
        Ok(Self {
            record,
            transport,
            intake,
            state,
            due,
            lane,
            conversation,
            warn,
            outcome,
            sender,
        })
    }

    fn accept(&mut self, group: &mut Group<'_>) -> Result<Outcome, StoreError> {
        if let Some(prior) = self.prior(group)? {
            return Ok(prior);
        }
        self.record.same_business_id = self.same_business_id(group.db)?;
        let seq = self.insert_message(group)?;
        self.insert_delivery(group, seq)?;
        self.insert_payload(group, seq)?;
        let evidence = Evidence::Accepted(Box::new(self.record.clone()));
        let leaf = group.append_stored(&evidence, seq, ACCEPTED)?;
        if let Some(about) = &self.record.about {
            notices::made(group, about, seq, &self.record)?;
        }
        if let Some(warn) = self.warn {
            notices::ask(group, seq, Kind::ExpiresSoon, warn, None)?;
        }
        let hub_id = self.record.hub_id.clone();
        Ok(Outcome { hub_id, receipt: ReceiptOf::Leaf(leaf), repeated: false })
    }

    /// The same transport id once more: the stored receipt, or a refusal (P3).
    fn prior(&self, group: &Group<'_>) -> Result<Option<Outcome>, StoreError> {
        let sent = Sent { transport: self.transport, ..Sent::of(&self.record) };
        let Some(SameId { seq, hub_id, content_digest }) = same_id(group.db, &sent)? else {
            return Ok(None);
        };
        if content_digest != sent.content_digest {
            return Err(StoreError::OtherContent);
        }
        let receipt =
            group.receipt(seq, ACCEPTED)?.ok_or_else(|| unreadable("a missing receipt"))?;
        Ok(Some(Outcome { hub_id, receipt, repeated: true }))
    }

    fn same_business_id(&self, db: &Db) -> Result<Vec<HubId>, StoreError> {
        let Some(id) = &self.record.business_id else { return Ok(Vec::new()) };
        db.query_all(
            "SELECT hub_id FROM message WHERE business_uuid = ?1 AND business_author = ?2
             ORDER BY seq DESC LIMIT ?3",
            params![id.uuid.as_str(), id.author.as_str(), SAME_BUSINESS_ID as i64],
            |row| HubId::parse(&row.get::<String>(0)?).map_err(|_| unreadable("a hub id")),
        )
    }

    fn insert_message(&self, group: &mut Group<'_>) -> Result<i64, StoreError> {
        let (record, metadata) = (&self.record, &self.record.metadata);
        let now = group.now();
        let (period, wrapped) = keys::wrap(group, record, self.intake.key())?;
        let first_state = write_state(self.state)?;
        group.db.insert(
            "seq",
            "INSERT INTO message (hub_id, account, transport, transport_id, content_digest,
                business_author, business_uuid, author, reader, service, channel,
                accepted_at, leaf, payload_digest, first_state, not_before, expires, period,
                wrapped_key, scope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                ?17, ?18, ?19, ?20)",
            params![
                record.hub_id.as_str(),
                record.account.as_str(),
                self.transport.as_str(),
                metadata.transport_id.as_str(),
                record.content_digest.0,
                record.business_id.as_ref().map(|id| id.author.as_str()),
                record.business_id.as_ref().map(|id| id.uuid.as_str()),
                metadata.author.as_str(),
                metadata.reader.as_str(),
                metadata.service.as_str(),
                record.channel,
                now.as_microsecond(),
                group.next_index() as i64,
                record.parts.first().map(|part| part.sha256.0),
                first_state,
                self.due.map(micros_up),
                metadata.expires.map(micros_up),
                period,
                wrapped,
                record.scope.to_string(),
            ],
        )
    }

    fn insert_delivery(&self, group: &mut Group<'_>, seq: i64) -> Result<(), StoreError> {
        let (metadata, now) = (&self.record.metadata, group.now());
        let due = self.due.map(micros_up);
        let expires = metadata.expires.map(micros_up);
        let state = write_state(self.state)?;
        let (reader, conversation) = (metadata.reader.as_str(), self.conversation.as_deref());
        let lists = Lists::new(self.state, reader, conversation, due, expires, now);
        group.db.write(
            "INSERT INTO delivery (seq, state, word, since, due, revision, attempts, peer,
                inbox, ready, ends, lane, conversation, queue, lease, lease_until, open_attempt)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, NULL, 0)",
            params![
                seq,
                state,
                self.state.as_str(),
                now.as_microsecond(),
                due,
                peer_of(&self.record.channel),
                lists.inbox,
                lists.ready,
                lists.ends,
                write_lane(self.lane.as_ref()),
                conversation,
                lists.queue,
            ],
        )?;
        conversation.map_or(Ok(()), |conversation| arrange(group, conversation))
    }

    fn insert_payload(&self, group: &Group<'_>, seq: i64) -> Result<(), StoreError> {
        for (number, sealed) in self.intake.parts()?.iter().enumerate() {
            let (file, body) = match &sealed.body {
                Body::Kept(octets) => (None, Some(&octets[..])),
                Body::Placed(reserved) => (Some(reserved.name()), None),
            };
            let part = &sealed.part;
            let (number, size) = (number as i64, part.size as i64);
            group.db.write(
                "INSERT INTO payload (message, part, cid, media_type, size, sha256, file, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![seq, number, part.cid, part.media_type, size, part.sha256.0, file, body],
            )?;
            if let Body::Placed(reserved) = &sealed.body {
                reserved.refer(group)?;
            }
        }
        Ok(())
    }
}

impl Task for Accept {
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        self.outcome = Some(self.accept(group)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        let Self { intake, outcome: done, sender, .. } = *self;
        // Before the answer: whoever is refused finds nothing left behind.
        match (&outcome, &done) {
            (Ok(_), Some(done)) if !done.repeated => intake.keep_parts(),
            // It may have been kept; if not, the parts still have their reservations.
            (Err(StoreError::OutcomeUnknown(_)), _) => intake.doubt_parts(),
            _ => drop(intake),
        }
        let answer = outcome.and_then(|receipts| {
            let Outcome { hub_id, receipt, repeated } = done.ok_or_else(not_run)?;
            let receipt = take_receipt(receipts, receipt)?;
            Ok(AcceptedReceipt { hub_id, receipt, repeated })
        });
        // Whoever asked may have gone; what was accepted stays accepted.
        let _ = sender.send(answer);
    }

    fn may_use_reserve(&self) -> bool {
        false
    }
}

/// Envelope first, then the parts of the record, exactly as they were counted at the door.
fn check_parts(record: &Accepted, intake: &SealedIntake) -> Result<(), StoreError> {
    let mut sealed = intake.parts()?.iter().map(|sealed| &sealed.part);
    let envelope = sealed
        .next()
        .is_some_and(|part| part.cid == ENVELOPE_CID && part.sha256 == record.envelope_sha256);
    if envelope && sealed.eq(record.parts.iter()) {
        Ok(())
    } else {
        Err(StoreError::Corrupt("the parts taken in are not those of the record".to_owned()))
    }
}
