//! Acceptance: message, sealed octets, evidence, receipt and work item in one transaction (P1).

use std::sync::Arc;

use amtsbote_domain::delivery::conversation::Conversation;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{HubId, Scope, Transport};
use amtsbote_domain::message::MAX_READERS;
use amtsbote_domain::notice::Kind;
use amtsbote_domain::ports::{AcceptedReceipt, ENVELOPE_CID, ForReader, Sent, StoreError};
use tokio::sync::oneshot;

use crate::error::unreadable;
use crate::group::{Group, ReceiptOf, Receipts};
use crate::intake::{Body, SealedIntake};
use crate::issued;
use crate::keys;
use crate::notices;
use crate::operation::change::{Lists, peer_of};
use crate::operation::order::{arrange, write_lane};
use crate::parts::Depot;
use crate::prior::{SameId, is_taken, same_id};
use crate::rows::{micros_up, write_state};
use crate::sql::{Db, Row, params};
use crate::writer::{Task, not_run, take_receipt};

/// At most so many earlier messages with the same business id are named.
const SAME_BUSINESS_ID: usize = 10;

/// The word of the receipt over an acceptance.
pub(crate) const ACCEPTED: &str = "accepted";

/// The acceptance of one message.
pub(crate) struct Accept {
    /// For its first Reader, whose receipt is the answer.
    first: ForReader,
    /// For every other one.
    others: Vec<ForReader>,
    transport: Transport,
    intake: SealedIntake,
    issued: bool,
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
            issued,
            mut others,
        } = acceptance;
        let mut first = ForReader { record, state, due, lane, conversation, warn };
        let intake = intake
            .into_any()
            .downcast::<SealedIntake>()
            .ok()
            .filter(|intake| intake.is_of(depot))
            .ok_or_else(|| crate::error::misuse("an intake of another store"))?;
        check_parts(&first.record, &intake)?;
        if others.len() >= MAX_READERS {
            return Err(crate::error::misuse("more Readers than a message may have"));
        }
        // All of them, unless it is brought for one alone.
        let whole = first.record.scope.reader().is_none();
        if whole && others.len() != first.record.metadata.other_readers.len() {
            return Err(crate::error::misuse("a Reader without a delivery"));
        }
        for other in &others {
            check_parts(&other.record, &intake)?;
            check_sibling(&first.record, &other.record)?;
        }
        name_siblings(&mut first, &mut others);
        Ok(Self { first, others, transport, intake: *intake, issued, outcome: None, sender })
    }

    fn accept(&mut self, group: &mut Group<'_>) -> Result<Outcome, StoreError> {
        if self.issued {
            // Used once: there is no repeat, and nothing to be given a second time.
            let record = &self.first.record;
            issued::take(group, &record.account, self.transport, &record.metadata.transport_id)?;
        } else if let Some(prior) = self.prior(group)? {
            return Ok(prior);
        }
        for other in &self.others {
            if is_taken(group.db, &self.sent(&other.record))? {
                return Err(StoreError::OtherContent);
            }
        }
        let same = self.same_business_id(group.db)?;
        for other in &mut self.others {
            other.record.same_business_id.clone_from(&same);
        }
        self.first.record.same_business_id = same;
        let (seq, leaf) = self.accept_for(group, &self.first)?;
        for sealed in self.intake.parts()? {
            // Once, however many rows name it.
            if let Body::Placed(reserved) = &sealed.body {
                reserved.refer(group)?;
            }
        }
        if let Some(about) = &self.first.record.about {
            notices::made(group, about, seq, &self.first.record)?;
        }
        for other in &self.others {
            self.accept_for(group, other)?;
        }
        let hub_id = self.first.record.hub_id.clone();
        Ok(Outcome { hub_id, receipt: ReceiptOf::Leaf(leaf), repeated: false })
    }

    /// The rows and the record of one Reader's delivery; says the number of the message and the leaf.
    fn accept_for(&self, group: &mut Group<'_>, one: &ForReader) -> Result<(i64, u64), StoreError> {
        let seq = self.insert_message(group, one)?;
        self.insert_delivery(group, seq, one)?;
        self.insert_payload(group, seq)?;
        let evidence = Evidence::Accepted(Box::new(one.record.clone()));
        let leaf = group.append_stored(&evidence, seq, ACCEPTED)?;
        if let Some(warn) = one.warn {
            notices::ask(group, seq, Kind::ExpiresSoon, warn, None)?;
        }
        Ok((seq, leaf))
    }

    fn sent(&self, record: &Accepted) -> Sent {
        Sent { transport: self.transport, ..Sent::of(record) }
    }

    /// The same transport id once more: the stored receipt, or a refusal (P3).
    fn prior(&self, group: &Group<'_>) -> Result<Option<Outcome>, StoreError> {
        let sent = self.sent(&self.first.record);
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
        let record = &self.first.record;
        let Some(id) = &record.business_id else { return Ok(Vec::new()) };
        // What another hub brought for other Readers of the same message is no re-send of it.
        let beside = match record.scope {
            Scope::OfReader { .. } => MAX_READERS,
            _ => 0,
        };
        let most = (SAME_BUSINESS_ID + beside) as i64;
        let found: Vec<Option<HubId>> = db.query_all(
            "SELECT hub_id, account, transport_id, content_digest, scope FROM message
             WHERE business_uuid = ?1 AND business_author = ?2 ORDER BY seq DESC LIMIT ?3",
            params![id.uuid.as_str(), id.author.as_str(), most],
            |row| {
                let hub_id =
                    HubId::parse(&row.get::<String>(0)?).map_err(|_| unreadable("a hub id"));
                match beside > 0 && is_beside(record, row)? {
                    true => Ok(None),
                    false => hub_id.map(Some),
                }
            },
        )?;
        Ok(found.into_iter().flatten().take(SAME_BUSINESS_ID).collect())
    }

    fn insert_message(&self, group: &mut Group<'_>, one: &ForReader) -> Result<i64, StoreError> {
        let (record, metadata) = (&one.record, &one.record.metadata);
        let now = group.now();
        let (period, wrapped) = keys::wrap(group, record, self.intake.key())?;
        let first_state = write_state(one.state)?;
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
                one.due.map(micros_up),
                metadata.expires.map(micros_up),
                period,
                wrapped,
                record.scope.to_string(),
            ],
        )
    }

    fn insert_delivery(
        &self,
        group: &mut Group<'_>,
        seq: i64,
        one: &ForReader,
    ) -> Result<(), StoreError> {
        let (metadata, now) = (&one.record.metadata, group.now());
        let due = one.due.map(micros_up);
        let expires = metadata.expires.map(micros_up);
        let state = write_state(one.state)?;
        let (reader, conversation) =
            (metadata.reader.as_str(), one.conversation.as_ref().map(Conversation::key));
        let conversation = conversation.as_deref();
        let lists = Lists::new(one.state, reader, conversation, due, expires, now);
        group.db.write(
            "INSERT INTO delivery (seq, state, word, since, due, revision, attempts, peer,
                inbox, ready, ends, lane, conversation, queue, lease, lease_until, open_attempt)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, NULL, 0)",
            params![
                seq,
                state,
                one.state.as_str(),
                now.as_microsecond(),
                due,
                peer_of(&one.record.channel),
                lists.inbox,
                lists.ready,
                lists.ends,
                write_lane(one.lane.as_ref()),
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

/// Whether a row is of the same message for another Reader.
fn is_beside(record: &Accepted, row: &Row<'_>) -> Result<bool, StoreError> {
    let (account, transport_id): (String, String) = (row.get(1)?, row.get(2)?);
    let (content, scope): (Vec<u8>, String) = (row.get(3)?, row.get(4)?);
    let scope = Scope::try_from(scope).map_err(|_| unreadable("a scope"))?;
    Ok(account == record.account.as_str()
        && transport_id == record.metadata.transport_id.as_str()
        && content == record.content_digest.0
        && scope.of_message() == record.scope.of_message())
}

/// Whether a record is of the same message for another Reader, in the scope of that one.
fn check_sibling(first: &Accepted, other: &Accepted) -> Result<(), StoreError> {
    let (metadata, reader) = (&other.metadata, &other.metadata.reader);
    let same = first.metadata.for_reader(reader).is_some_and(|of_first| {
        of_first.other_readers == metadata.other_readers
            && of_first.author == metadata.author
            && of_first.transport_id == metadata.transport_id
    });
    let scope = first.scope.clone().of_reader(reader.clone());
    let sent = (&first.account, &first.content_digest) == (&other.account, &other.content_digest);
    let plain = first.about.is_none() && other.about.is_none();
    match same && sent && plain && scope == other.scope && *reader != first.metadata.reader {
        true => Ok(()),
        false => Err(crate::error::misuse("a further Reader of another message")),
    }
}

/// Each record names the deliveries to all other Readers, in the order in which it names these.
fn name_siblings(first: &mut ForReader, others: &mut [ForReader]) {
    if others.is_empty() {
        return;
    }
    let mut all = vec![&mut *first];
    all.extend(others);
    let ids: Vec<HubId> = all.iter().map(|one| one.record.hub_id.clone()).collect();
    for one in all {
        let own = &one.record.hub_id;
        one.record.siblings = ids.iter().filter(|id| *id != own).cloned().collect();
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
