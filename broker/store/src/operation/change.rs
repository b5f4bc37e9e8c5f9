//! The row of a delivery while an operation works on it. State changes only here, and only as
//! [`next`] says.

use amtsbote_domain::clearing::Grounds;
use amtsbote_domain::delivery::alternative::Detour;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::notice::{Kind, is_notice};
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::{Event, NotApplicable, State, WaitingFor, next};
use jiff::Timestamp;

use crate::clearing::cases;
use crate::group::Group;
use crate::notices;
use crate::operation::order::{arrange, is_for_a_worker, is_in_line};
use crate::rows::{micros_up, read_digest, read_state, read_time, write_state};
use crate::sql::{Db, Row, params};

/// A delivery as stored, with what of its message decides about it.
pub(crate) struct DeliveryRow {
    pub(crate) seq: i64,
    pub(crate) hub_id: String,
    pub(crate) reader: String,
    pub(crate) channel: String,
    pub(crate) payload_digest: Option<[u8; 32]>,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) state: State,
    pub(crate) due: Option<i64>,
    pub(crate) attempts: u32,
    pub(crate) lease: u64,
    pub(crate) lease_until: Option<i64>,
    pub(crate) open_attempt: bool,
    pub(crate) revision: u64,
    pub(crate) by_hand: bool,
    pub(crate) conversation: Option<String>,
    /// Its Author is told of bad endings: it is no notice itself.
    pub(crate) told: bool,
}

const COLUMNS: &str = "SELECT m.seq, m.hub_id, m.reader, coalesce(d.channel, m.channel),
        m.payload_digest, m.not_before, m.expires, d.state, d.due, d.attempts, d.lease,
        d.lease_until, d.open_attempt, d.revision, d.by_hand, d.conversation, m.transport, m.service
    FROM message m JOIN delivery d ON d.seq = m.seq";

impl DeliveryRow {
    /// The delivery of a message.
    pub(crate) fn of(db: &Db, hub_id: &HubId) -> Result<Self, StoreError> {
        db.query_one(&format!("{COLUMNS} WHERE m.hub_id = ?1"), params![hub_id.as_str()], raw)
    }

    /// The delivery with this number.
    pub(crate) fn numbered(db: &Db, seq: i64) -> Result<Self, StoreError> {
        db.query_one(&format!("{COLUMNS} WHERE m.seq = ?1"), params![seq], raw)
    }

    /// The hub id, read back.
    pub(crate) fn hub_id(&self) -> Result<HubId, StoreError> {
        HubId::parse(&self.hub_id).map_err(|_| crate::error::unreadable("a hub id"))
    }

    /// To whom it goes.
    pub(crate) fn peer(&self) -> &str {
        peer_of(&self.channel)
    }

    /// Whether its time has run out, be it swept or not. Where an expiry does not apply it never
    /// does.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now.as_microsecond()) && can_expire(self.state, now)
    }

    /// Whether the peer may have it from an earlier attempt.
    pub(crate) fn is_repeat(&self) -> bool {
        self.state == State::Waiting { on: WaitingFor::Repeat }
    }

    /// Goes this way from its next change on, with all its attempts before it: those of before were
    /// another decision's.
    pub(crate) fn go_by(&mut self, channel: &str, by_hand: bool) {
        self.channel = channel.to_owned();
        self.by_hand = by_hand;
        self.attempts = 0;
    }

    /// Changes the state as the table says and writes the row; a lease that is not needed by the
    /// new state ends. Says the state before. The caller appends the evidence.
    pub(crate) fn change(
        &mut self,
        group: &mut Group<'_>,
        event: Event,
    ) -> Result<State, StoreError> {
        let from = self.state;
        let now = group.now();
        let to = next(from, event, now)?;
        self.state = to.state;
        self.due = to.due.map(micros_up);
        if matches!(to.state, State::Waiting { on: WaitingFor::Turn | WaitingFor::Collection })
            && let Some(not_before) = self.not_before
            && not_before > self.due.unwrap_or(now.as_microsecond())
        {
            // Held and released, or sent again, it is still not to be handed over before.
            self.due = Some(not_before);
        }
        self.open_attempt = matches!(to.state, State::InDelivery { .. });
        if !self.open_attempt {
            self.lease_until = None;
        }
        self.write(group.db, now)?;
        if let Some(conversation) = &self.conversation {
            arrange(group, conversation)?;
        }
        if matches!(from, State::InClearing { .. }) {
            cases::forget(group, self.seq)?;
        }
        group.touch();
        Ok(from)
    }

    /// Changes the state and records it, with a stored receipt, and with the intent to tell the Author
    /// where that asks for it. Says the index of the leaf.
    pub(crate) fn change_and_record(
        &mut self,
        group: &mut Group<'_>,
        event: Event,
        why: Why,
    ) -> Result<u64, StoreError> {
        let from = self.change(group, event)?;
        let hub_id = self.hub_id()?;
        let to = self.state;
        let Why { by, code, digest, grounds, detour } = why;
        let notice = Kind::of_change(to, grounds.is_some()).filter(|_| self.told);
        let evidence =
            Evidence::Changed { hub_id, from, event, to, by, code, digest, grounds, detour };
        let leaf = group.append_stored(&evidence, self.seq, to.as_str())?;
        if let Some(kind) = notice {
            notices::ask(group, self.seq, kind, group.now(), Some(leaf))?;
        }
        Ok(leaf)
    }

    /// Writes what changed; `since` moves only with the state.
    fn write(&self, db: &Db, now: Timestamp) -> Result<(), StoreError> {
        let state = write_state(self.state)?;
        let lists = Lists::of(self.state, self, now);
        let cause = match self.state {
            State::InClearing { cause } => Some(cause.as_str()),
            _ => None,
        };
        db.write(
            "UPDATE delivery SET state = ?2, word = ?3,
                since = CASE WHEN state = ?2 THEN since ELSE ?4 END, due = ?5,
                revision = revision + 1, attempts = ?6, inbox = ?7, ready = ?8, ends = ?9,
                lease_until = ?10, open_attempt = ?11, cause = ?12, peer = ?13, channel = ?14,
                by_hand = ?15, queue = ?16
             WHERE seq = ?1",
            params![
                self.seq,
                state,
                self.state.as_str(),
                now.as_microsecond(),
                self.due,
                self.attempts,
                lists.inbox,
                lists.ready,
                lists.ends,
                self.lease_until,
                self.open_attempt,
                cause,
                self.peer(),
                self.channel,
                self.by_hand,
                lists.queue,
            ],
        )
    }
}

/// Who and why, for the evidence of a change.
#[derive(Default)]
pub(crate) struct Why {
    pub(crate) by: Option<String>,
    pub(crate) code: Option<amtsbote_domain::fault::Code>,
    pub(crate) digest: Option<amtsbote_domain::digest::Digest>,
    pub(crate) grounds: Option<Box<Grounds>>,
    pub(crate) detour: Option<Box<Detour>>,
}

/// In which lists a delivery stands.
pub(crate) struct Lists<'r> {
    pub(crate) inbox: Option<&'r str>,
    pub(crate) ready: Option<i64>,
    pub(crate) ends: Option<i64>,
    pub(crate) queue: Option<&'r str>,
}

impl<'r> Lists<'r> {
    fn of(state: State, row: &'r DeliveryRow, now: Timestamp) -> Self {
        let conversation = row.conversation.as_deref();
        Self::new(state, &row.reader, conversation, row.due, row.expires, now)
    }

    /// For a delivery in `state` that nobody has leased. In a conversation [`arrange`] says what is
    /// ready.
    pub(crate) fn new(
        state: State,
        reader: &'r str,
        conversation: Option<&'r str>,
        due: Option<i64>,
        expires: Option<i64>,
        now: Timestamp,
    ) -> Self {
        let turn = is_for_a_worker(state) && conversation.is_none();
        let collect = matches!(
            state,
            State::Waiting { on: WaitingFor::Collection | WaitingFor::Acknowledgement }
        );
        Self {
            inbox: collect.then_some(reader),
            ready: turn.then(|| due.unwrap_or(now.as_microsecond())),
            ends: expires.filter(|_| can_expire(state, now)),
            queue: conversation.filter(|_| is_in_line(state)),
        }
    }
}

fn raw(row: &Row<'_>) -> Result<DeliveryRow, StoreError> {
    let state: String = row.get(7)?;
    let digest: Option<Vec<u8>> = row.get(4)?;
    let digest = digest.map(|octets| read_digest(&octets).map(|digest| digest.0)).transpose()?;
    Ok(DeliveryRow {
        seq: row.get(0)?,
        hub_id: row.get(1)?,
        reader: row.get(2)?,
        channel: row.get(3)?,
        payload_digest: digest,
        not_before: row.get(5)?,
        expires: row.get(6)?,
        state: read_state(&state)?,
        due: row.get(8)?,
        attempts: row.get(9)?,
        lease: row.get::<i64>(10)?.unsigned_abs(),
        lease_until: row.get(11)?,
        open_attempt: row.get(12)?,
        revision: row.get::<i64>(13)?.unsigned_abs(),
        by_hand: row.get(14)?,
        conversation: row.get(15)?,
        told: !is_notice(&row.get::<String>(16)?, &row.get::<String>(17)?),
    })
}

/// Whether an expiry applies is for the table to say.
fn can_expire(state: State, now: Timestamp) -> bool {
    next(state, Event::ExpiryReached, now).is_ok()
}

/// The configured name of the peer behind a channel. A message for an inbox names the channel.
pub(crate) fn peer_of(channel: &str) -> &str {
    channel.strip_prefix("peer:").unwrap_or(channel)
}

/// The event does not apply; for rules of the store beyond the table.
pub(crate) fn not_applicable(state: State, event: Event) -> StoreError {
    NotApplicable { state, event }.into()
}

/// A lease's end as a time.
pub(crate) fn time_of(micros: i64) -> Result<Timestamp, StoreError> {
    read_time(micros)
}
