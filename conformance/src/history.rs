//! The history checker, one for all suites: compares what senders were told and what readers got with
//! what the hubs say afterwards. Pure, so that each rule is shown to be able to fail.
//!
//! A client's view is truth: a receipt in a client's hand is a promise of the hub (P1). The hubs'
//! view is what their operations APIs list after the dust has settled, their figures, and the
//! timelines of messages ([`timeline`]). What the simulation saw comes here too ([`course`]).
//!
//! It is fed piece by piece and keeps digests and names, no octets: some hundred octets a message.

pub(crate) mod course;
#[cfg(test)]
mod samples;
pub(crate) mod timeline;

use std::collections::HashMap;

use amtsbote_domain::digest::Digest;

/// What a message consists of, by digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// SHA-256 of the payload.
    pub payload: Digest,
    /// SHA-256 over the SHA-256 of every attachment, in order.
    pub attachments: Digest,
}

impl Content {
    /// From the digests of the parts, payload first.
    pub(crate) fn of(parts: &[Digest]) -> Self {
        let payload = parts.first().copied().unwrap_or(Digest([0; 32]));
        Self { payload, attachments: Self::attachments(parts.get(1..).unwrap_or_default()) }
    }

    /// From the octets of the parts.
    pub(crate) fn of_octets<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Self {
        let parts: Vec<Digest> = parts.map(|part| Digest(openssl::sha::sha256(part))).collect();
        Self::of(&parts)
    }

    /// The one over attachments.
    pub(crate) fn attachments(parts: &[Digest]) -> Digest {
        let mut hash = openssl::sha::Sha256::new();
        parts.iter().for_each(|part| hash.update(&part.0));
        Digest(hash.finish())
    }
}

/// What a sender knows of one message it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Who wrote it.
    pub author: String,
    /// Its transport id. Two accounts may use the same one for the same author.
    pub transport_id: String,
    /// What was in it.
    pub content: Content,
    /// Its reader is at the next hub, whose list is fed as well.
    pub relayed: bool,
    /// What became of it in the eyes of the sender.
    pub seen: Seen,
    /// The hub confirmed to its sender that it is cancelled.
    pub cancelled: bool,
}

/// What a sender saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A receipt, for this hub id; SHA-256 of every receipt it got for it.
    Accepted {
        /// The hub's id.
        hub_id: String,
        /// One for each positive answer.
        receipts: Vec<Digest>,
    },
    /// A refusal that says that nothing was kept, and never anything else.
    Refused,
    /// No answer, and no later repetition succeeded either.
    Unknown,
}

/// One hand-over: what a reader got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    /// The hub's id under which it was collected.
    pub hub_id: String,
    /// SHA-256 of the payload that arrived.
    pub payload: Digest,
    /// SHA-256 over those of the attachments that arrived, where they were fetched.
    pub attachments: Option<Digest>,
    /// The inbox said, before it was fetched, that it had been handed out already.
    pub flagged: bool,
    /// The hub confirmed the acknowledgement.
    pub acknowledged: bool,
}

/// What a hub says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The hub's id.
    pub hub_id: String,
    /// Who wrote it.
    pub author: String,
    /// The sender's id.
    pub transport_id: String,
    /// What is in it, as recorded.
    pub content: Content,
    /// The word of the state.
    pub state: String,
}

/// Which hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// The one where senders hand in.
    First,
    /// The one to which it forwards.
    Next,
}

/// The words of states that have ended.
pub(crate) const FINAL: [&str; 5] =
    ["delivered", "acknowledged", "rejected-back", "expired", "cancelled"];
/// The words of states that are still open.
const OPEN: [&str; 4] = ["waiting", "in-delivery", "uncertain", "in-clearing"];
/// Breaches that are told in words; the rest is counted.
const TOLD: usize = 50;

/// Figures of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// Messages that clients made.
    pub sent: usize,
    /// Messages the first hub has.
    pub accepted: usize,
    /// Of these, ended.
    pub ended: usize,
    /// Of these, still open.
    pub open: usize,
    /// Messages whose outcome the sender never learned.
    pub unknown: usize,
    /// Messages that were refused.
    pub refused: usize,
    /// Messages that the next hub has.
    pub forwarded: usize,
    /// Messages that readers collected.
    pub collected: usize,
    /// Hand-overs of messages that had been handed over before.
    pub again: usize,
}

impl Tally {
    /// Those of other hubs as well.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.ended += other.ended;
        self.open += other.open;
        self.unknown += other.unknown;
        self.refused += other.refused;
        self.forwarded += other.forwarded;
        self.collected += other.collected;
        self.again += other.again;
    }
}

/// The first octets of a SHA-256 over a name: what is kept of it.
type Name = [u8; 16];

fn name(parts: &[&str]) -> Name {
    let mut hash = openssl::sha::Sha256::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut name = [0; 16];
    name.copy_from_slice(&hash.finish()[..16]);
    name
}

/// A message that somebody made.
struct Kept {
    transport_id: Box<str>,
    content: Content,
    relayed: bool,
    seen: Outcome,
    cancelled: bool,
    first: Option<State>,
    next: Option<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accepted(Name),
    Refused,
    Unknown,
}

/// The state in which a hub listed a message.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(&'static str);

impl State {
    fn parse(word: &str) -> Option<Self> {
        FINAL.into_iter().chain(OPEN).find(|known| *known == word).map(Self)
    }

    fn is_final(self) -> bool {
        FINAL.contains(&self.0)
    }
}

/// What readers got under one hub id.
#[derive(Clone, Copy)]
struct Taken {
    payload: Digest,
    attachments: Option<Digest>,
    acknowledged: bool,
}

/// Takes a history in and judges it. Feed [`Checker::sent`] and [`Checker::handed`] first, then
/// [`Checker::listed`].
#[derive(Default)]
pub(crate) struct Checker {
    made: HashMap<Name, Vec<Kept>>,
    taken: HashMap<(u8, Name), Taken>,
    listed: HashMap<(u8, Name), ()>,
    states: HashMap<(u8, &'static str), u64>,
    tally: Tally,
    breaches: Vec<String>,
    count: usize,
}

impl Checker {
    /// A message that somebody made.
    pub(crate) fn sent(&mut self, sent: &Sent) {
        self.tally.sent += 1;
        let seen = match &sent.seen {
            Seen::Accepted { hub_id, receipts } => {
                if receipts.windows(2).any(|pair| pair[0] != pair[1]) {
                    self.breach(format!(
                        "{}: a repeat got another receipt (P3)",
                        sent.transport_id
                    ));
                }
                Outcome::Accepted(name(&[hub_id]))
            }
            Seen::Refused => {
                self.tally.refused += 1;
                Outcome::Refused
            }
            Seen::Unknown => {
                self.tally.unknown += 1;
                Outcome::Unknown
            }
        };
        self.made.entry(name(&[&sent.author, &sent.transport_id])).or_default().push(Kept {
            transport_id: sent.transport_id.as_str().into(),
            content: sent.content,
            relayed: sent.relayed,
            seen,
            cancelled: sent.cancelled,
            first: None,
            next: None,
        });
    }

    /// A hand-over; those of one message in the order in which they took place.
    pub(crate) fn handed(&mut self, at: At, handed: &Handed) {
        let key = (at as u8, name(&[&handed.hub_id]));
        let id = &handed.hub_id;
        let Some(before) = self.taken.get_mut(&key) else {
            let Handed { payload, attachments, acknowledged, .. } = *handed;
            self.taken.insert(key, Taken { payload, attachments, acknowledged });
            self.tally.collected += 1;
            return;
        };
        self.tally.again += 1;
        before.acknowledged |= handed.acknowledged;
        let same = before.payload == handed.payload
            && (before.attachments.is_none()
                || handed.attachments.is_none()
                || before.attachments == handed.attachments);
        before.attachments = before.attachments.or(handed.attachments);
        if !same {
            self.breach(format!("{id}: two hand-overs with different octets (P4)"));
        }
        if !handed.flagged {
            self.breach(format!("{id}: handed over again without saying so (P2, P3)"));
        }
    }

    /// What a hub says of a message.
    pub(crate) fn listed(&mut self, at: At, listed: &Listed) {
        let id = &listed.hub_id;
        let Some(state) = State::parse(&listed.state) else {
            return self.breach(format!("{id}: no state is called {}", listed.state));
        };
        let hub = name(&[id]);
        if self.listed.insert((at as u8, hub), ()).is_some() {
            self.breach(format!("{id}: this hub id is there twice (P3)"));
        }
        *self.states.entry((at as u8, state.0)).or_default() += 1;
        match at {
            At::First => {
                self.tally.accepted += 1;
                let ended =
                    if state.is_final() { &mut self.tally.ended } else { &mut self.tally.open };
                *ended += 1;
            }
            At::Next => self.tally.forwarded += 1,
        }
        let taken = self.taken.remove(&(at as u8, hub));
        let mut said = collected_holds(id, listed.content, state, taken);
        match self.made.get_mut(&name(&[&listed.author, &listed.transport_id])) {
            None => said.push(format!("{id}: nobody sent this (P1)")),
            Some(made) => said.extend(made_holds(made, at, hub, listed, state)),
        }
        said.into_iter().for_each(|breach| self.breach(breach));
    }

    /// How many messages a hub counts in a state. Those that the list shows must be as many.
    pub(crate) fn figures(&mut self, at: At, figures: &[(String, u64)]) {
        let mut counted: HashMap<&str, u64> = HashMap::new();
        for (word, count) in figures {
            *counted.entry(word).or_default() += count;
        }
        for word in FINAL.into_iter().chain(OPEN) {
            let listed = self.states.get(&(at as u8, word)).copied().unwrap_or(0);
            let figure = counted.remove(word).unwrap_or(0);
            if listed != figure {
                self.breach(format!(
                    "{figure} are {word} by the figures, {listed} are listed (P2)"
                ));
            }
        }
        counted.into_iter().filter(|(_, count)| *count > 0).for_each(|(word, _)| {
            self.breach(format!("the figures have a state {word} that is none"));
        });
    }

    /// A breach that was found elsewhere.
    pub(crate) fn breach(&mut self, breach: String) {
        self.count += 1;
        if self.breaches.len() < TOLD {
            self.breaches.push(breach);
        }
    }

    /// The verdict: figures of a history that holds, or every breach of a promise, in words.
    pub(crate) fn finish(mut self) -> Result<Tally, Vec<String>> {
        let mut said = Vec::new();
        for kept in self.made.values().flatten() {
            let id = &kept.transport_id;
            match (kept.seen, kept.first) {
                (Outcome::Accepted(_), None) => {
                    said.push(format!("{id}: accepted, then lost (P1)"))
                }
                (Outcome::Refused, Some(_)) => said.push(format!("{id}: refused, yet kept (P3)")),
                _ => {}
            }
            let Some(State(state)) = kept.first else { continue };
            if kept.cancelled && state != "cancelled" {
                said.push(format!("{id}: its sender was told cancelled, yet it is {state} (P2)"));
            }
            if !kept.relayed {
                continue;
            }
            let kept_back = ["cancelled", "expired"].contains(&state);
            match kept.next {
                None if state == "delivered" => {
                    said.push(format!("{id}: delivered, but the next hub does not have it (P2)"));
                }
                Some(_) if kept_back => {
                    said.push(format!("{id}: {state}, but the next hub has it (P2)"));
                }
                _ => {}
            }
        }
        let strange = self.taken.len();
        if strange > 0 {
            said.push(format!("{strange} were collected, but no hub knows them (P1)"));
        }
        said.into_iter().for_each(|breach| self.breach(breach));
        let more = self.count - self.breaches.len();
        if more > 0 {
            self.breaches.push(format!("and {more} more"));
        }
        if self.breaches.is_empty() { Ok(self.tally) } else { Err(self.breaches) }
    }
}

/// What a reader got under a hub id, against what is recorded there.
fn collected_holds(id: &str, content: Content, state: State, taken: Option<Taken>) -> Vec<String> {
    let Some(taken) = taken else { return Vec::new() };
    let State(word) = state;
    let mut said = Vec::new();
    let attachments = taken.attachments.is_none_or(|it| it == content.attachments);
    if taken.payload != content.payload || !attachments {
        said.push(format!("{id}: a reader got other octets (P4)"));
    }
    if taken.acknowledged && word != "acknowledged" {
        said.push(format!("{id}: acknowledged, yet {word} (P2)"));
    }
    if ["cancelled", "expired"].contains(&word) {
        said.push(format!("{id}: {word}, although its reader got it (P2)"));
    }
    said
}

/// A listed message against those that were made under the same author and id.
fn made_holds(
    made: &mut [Kept],
    at: At,
    hub: Name,
    listed: &Listed,
    state: State,
) -> Option<String> {
    let id = &listed.hub_id;
    let free = |kept: &Kept| match at {
        At::First => kept.first.is_none(),
        At::Next => kept.next.is_none() && kept.relayed,
    };
    // The one that was told this hub id, else one of this content, else any.
    let told = |kept: &Kept| at == At::First && kept.seen == Outcome::Accepted(hub);
    let waits = |kept: &Kept| free(kept) && (at == At::Next || kept.seen == Outcome::Unknown);
    let which = made
        .iter()
        .position(told)
        .or_else(|| made.iter().position(|kept| waits(kept) && kept.content == listed.content))
        .or_else(|| made.iter().position(free));
    let Some(kept) = which.map(|which| &mut made[which]) else {
        return Some(match at {
            At::First => format!("{}: it is there twice (P3)", listed.transport_id),
            At::Next => format!("{id}: nobody sent this there, or it is there twice (P3)"),
        });
    };
    match at {
        At::First => kept.first = Some(state),
        At::Next => kept.next = Some(state),
    }
    if kept.content != listed.content {
        return Some(format!("{}: its content was swapped for another (P4)", listed.transport_id));
    }
    match kept.seen {
        Outcome::Accepted(told) if at == At::First && told != hub => {
            Some(format!("{}: accepted under another id, kept as {id}", listed.transport_id))
        }
        Outcome::Refused if at == At::Next => {
            Some(format!("{}: refused, yet forwarded (P3)", listed.transport_id))
        }
        _ => None,
    }
}

/// A history with one hub, all at once.
pub(crate) fn check(
    sent: &[Sent],
    handed: &[Handed],
    listed: &[Listed],
) -> Result<Tally, Vec<String>> {
    let mut checker = Checker::default();
    sent.iter().for_each(|sent| checker.sent(sent));
    handed.iter().for_each(|handed| checker.handed(At::First, handed));
    listed.iter().for_each(|listed| checker.listed(At::First, listed));
    checker.finish()
}

#[cfg(test)]
mod tests;
