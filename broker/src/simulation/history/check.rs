//! The rules, one after the other.

use std::collections::BTreeMap;

use amtsbote_domain::clearing::Act;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::Entry;
use amtsbote_domain::state::{ClearingCause, Event, State};

use super::{Carried, Collected, Confirmed, Heard, History, Listed, Sent, Tally};

type Key<'h> = (&'h str, &'h HubId);

/// The history, by the ids that must be unique.
struct Index<'h> {
    history: &'h History,
    by_id: BTreeMap<Key<'h>, &'h Listed>,
    by_transport: BTreeMap<(&'h str, &'h str, &'h str), &'h Listed>,
    breaches: Vec<String>,
}

/// Every broken promise, in words; figures where there is none.
pub fn check(history: &History) -> Result<Tally, Vec<String>> {
    let mut index = Index::new(history);
    history.sent.iter().for_each(|sent| index.sent_holds(sent));
    history.listed.iter().for_each(|listed| index.listed_holds(listed));
    index.attempts_hold();
    history.collected.iter().for_each(|collected| index.collected_holds(collected));
    history.confirmed.iter().for_each(|confirmed| index.confirmed_holds(confirmed));
    index.time_holds();
    let breaches = index.breaches;
    if !breaches.is_empty() {
        return Err(breaches);
    }
    let ended = history.listed.iter().filter(|listed| listed.state.is_final()).count();
    Ok(Tally {
        sent: history.sent.len(),
        accepted: history.listed.len(),
        ended,
        open: history.listed.len() - ended,
        attempts: history.carried.len(),
        repetitions: history.carried.iter().filter(|carried| carried.repeated).count(),
        collected: history.collected.len(),
    })
}

impl<'h> Index<'h> {
    fn new(history: &'h History) -> Self {
        let (mut by_id, mut by_transport) = (BTreeMap::new(), BTreeMap::new());
        let mut breaches = history.seen.clone();
        for listed in &history.listed {
            let id = (listed.hub.as_str(), &listed.hub_id);
            if by_id.insert(id, listed).is_some() {
                breaches.push(format!("{}: the hub id is there twice", name(listed)));
            }
            let id = (&*listed.hub, &*listed.account, &*listed.transport_id);
            if by_transport.insert(id, listed).is_some() {
                breaches.push(format!("{}: accepted twice under one id (P3)", name(listed)));
            }
        }
        Self { history, by_id, by_transport, breaches }
    }

    fn breach(&mut self, place: &str, what: &str) {
        self.breaches.push(format!("{place}: {what}"));
    }

    /// What a sender was told stays true (P1, P3).
    fn sent_holds(&mut self, sent: &Sent) {
        let place = format!("{} {}", sent.hub, sent.transport_id);
        let id = (&*sent.hub, &*sent.account, &*sent.transport_id);
        let listed = self.by_transport.get(&id).copied();
        if sent.answers.windows(2).any(|pair| pair[0] != pair[1]) {
            self.breach(&place, "a repeat got another answer (P3)");
        }
        match (listed, sent.answers.first()) {
            (None, Some(_)) => self.breach(&place, "accepted, then lost (P1)"),
            (Some(listed), Some((hub_id, receipt))) => {
                if listed.hub_id != *hub_id {
                    self.breach(&place, "kept under another id than the sender was told (P3)");
                } else if listed.receipt != *receipt {
                    self.breach(&place, "the stored receipt is not the one given (P5)");
                }
            }
            (_, None) => {}
        }
        if let Some(listed) = listed {
            if listed.payload != sent.payload {
                self.breach(&place, "its payload was swapped for another (P4)");
            }
            // Late copies may be judged by another hour.
            if sent.refused.is_some_and(|code| code != Code::ExpiredAtArrival) {
                self.breach(&place, "refused for good, and kept (P3)");
            }
        } else if sent.answers.is_empty() && sent.refused.is_none() {
            self.breach(&place, "its sender never got an answer");
        }
    }

    fn listed_holds(&mut self, listed: &Listed) {
        let place = name(listed);
        let known =
            match listed.relayed {
                false => self.history.sent.iter().any(|sent| {
                    (&sent.hub, &sent.transport_id) == (&listed.hub, &listed.transport_id)
                }),
                true => self.history.carried.iter().any(|carried| {
                    carried.peer.is_hub
                        && (&carried.peer.name, &carried.transport_id, carried.payload)
                            == (&listed.hub, &listed.transport_id, listed.payload)
                }),
            };
        if !known {
            self.breach(&place, "nobody sent this");
        }
        let waits = matches!(listed.state, State::InClearing { .. });
        if !listed.state.is_final() && !waits {
            self.breach(&place, "neither ended nor waiting for a person (P2)");
        }
        let mismatch = State::InClearing { cause: ClearingCause::DigestMismatch };
        if listed.state == mismatch && !self.history.rotten.contains(&listed.hub) {
            self.breach(&place, "stopped for octets that nobody changed (P4)");
        }
        let accepted =
            listed.timeline.iter().filter(|e| matches!(e.evidence, Evidence::Accepted(_))).count();
        if accepted != 1 {
            self.breach(&place, "not accepted exactly once on record (P5)");
        }
        self.endings_hold(listed, &place);
    }

    /// One ending each, and one that is true (P2).
    fn endings_hold(&mut self, listed: &Listed, place: &str) {
        let mut state = None;
        let mut endings = 0;
        let mut proof = None;
        let mut by_person = false;
        for (from, event, to, digest) in changes(listed) {
            endings += u32::from(to.is_final() && !from.is_final());
            match event {
                Event::AttemptConfirmed => proof = digest,
                Event::CloseAsDelivered => by_person = true,
                _ => {}
            }
            state = Some(to);
        }
        if state != Some(listed.state) {
            self.breach(place, "its state is not the one its record leads to (P2)");
        }
        if endings != u32::from(listed.state.is_final()) {
            self.breach(place, "it did not end exactly once (P2)");
        }
        match listed.state {
            State::Delivered if !by_person => self.delivery_holds(listed, place, proof),
            State::Acknowledged => {
                let confirmed = self.history.confirmed.iter().any(|confirmed| {
                    confirmed.right && (&*confirmed.hub, &confirmed.hub_id) == key(listed)
                });
                if !confirmed {
                    self.breach(place, "acknowledged, but no reader confirmed it (P2)");
                }
            }
            State::Expired | State::Cancelled => {
                let left = self.carried_for(listed).any(|c| c.heard != Heard::NotKept);
                let collected =
                    self.history.collected.iter().any(|c| (&*c.hub, &c.hub_id) == key(listed));
                if left || collected {
                    self.breach(place, "ended as if nothing had left (P2)");
                }
            }
            _ => {}
        }
    }

    /// Delivered: the next node said so, and has it unless it lied.
    fn delivery_holds(&mut self, listed: &Listed, place: &str, proof: Option<Digest>) {
        let said = self
            .carried_for(listed)
            .find(|carried| matches!(carried.heard, Heard::Confirmed(d) if Some(d) == proof));
        let Some(said) = said else {
            return self.breach(place, "delivered, but the next node never said so (P2)");
        };
        let same = |id: &str, payload| id == listed.transport_id && payload == listed.payload;
        let has = match said.peer.is_hub {
            true => self.history.listed.iter().any(|other| {
                other.hub == said.peer.name && same(&other.transport_id, other.payload)
            }),
            false => self.history.arrived.iter().any(|arrived| {
                arrived.kept
                    && arrived.partner == said.peer.name
                    && same(&arrived.transport_id, arrived.payload)
            }),
        };
        if !has && !said.peer.lies {
            self.breach(place, "delivered, but the next node does not have it (P2)");
        }
    }

    /// Attempts are recorded before they leave, repetitions are flagged, and nothing but what came
    /// in goes out.
    fn attempts_hold(&mut self) {
        let mut by_message: BTreeMap<Key<'h>, Vec<&'h Carried>> = BTreeMap::new();
        for carried in &self.history.carried {
            by_message.entry((&carried.hub, &carried.hub_id)).or_default().push(carried);
        }
        for (key, attempts) in by_message {
            let Some(listed) = self.by_id.get(&key).copied() else {
                self.breach(
                    attempts[0].transport_id.as_str(),
                    "left a hub that has no such message",
                );
                continue;
            };
            let place = name(listed);
            let recorded = listed
                .timeline
                .iter()
                .filter(|entry| matches!(entry.evidence, Evidence::Attempt { .. }))
                .count();
            if attempts.len() > recorded {
                self.breach(&place, "more attempts left than were recorded (P2)");
            }
            let (mut maybe, mut blind) = (false, 0);
            for attempt in &attempts {
                if attempt.payload != listed.payload || attempt.transport_id != listed.transport_id
                {
                    self.breach(&place, "other octets left than came in (P4)");
                }
                if maybe && !attempt.repeated {
                    self.breach(&place, "sent again without being flagged (P2)");
                }
                if maybe && !attempt.peer.idempotent {
                    blind += 1;
                }
                maybe |= attempt.heard != Heard::NotKept;
            }
            if blind > sent_by_people(listed) {
                self.breach(&place, "sent again blindly to a node that cannot tell (P2)");
            }
        }
        for arrived in &self.history.arrived {
            let sent = self.history.sent.iter().any(|sent| {
                (&sent.transport_id, sent.payload) == (&arrived.transport_id, arrived.payload)
            });
            if !sent {
                self.breach(&arrived.partner, "got octets that nobody sent under this id (P4)");
            }
        }
    }

    fn collected_holds(&mut self, collected: &Collected) {
        let place = format!("{} {}", collected.hub, collected.hub_id);
        let Some(listed) = self.by_id.get(&(&*collected.hub, &collected.hub_id)).copied() else {
            return self.breach(&place, "collected, but the hub does not know it (P1)");
        };
        if listed.payload != collected.payload {
            self.breach(&place, "a reader got other octets (P4)");
        }
        if !listed.timeline.iter().any(|e| matches!(e.evidence, Evidence::HandedOut { .. })) {
            self.breach(&place, "collected, and nothing on record (P2)");
        }
    }

    fn confirmed_holds(&mut self, confirmed: &Confirmed) {
        if !confirmed.answered {
            return;
        }
        let place = format!("{} {}", confirmed.hub, confirmed.hub_id);
        if !confirmed.right {
            self.breach(&place, "a wrong digest was taken for a confirmation (P4)");
        }
        let listed = self.by_id.get(&(&*confirmed.hub, &confirmed.hub_id));
        if listed.is_none_or(|listed| listed.state != State::Acknowledged) {
            self.breach(&place, "the confirmation was taken, then lost (P1)");
        }
    }

    /// Evidence time never runs backwards (P10).
    fn time_holds(&mut self) {
        let mut by_hub: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for listed in &self.history.listed {
            by_hub.entry(&listed.hub).or_default().extend(&listed.timeline);
        }
        for (hub, mut entries) in by_hub {
            entries.sort_by_key(|entry| entry.index);
            if entries.windows(2).any(|pair| pair[1].at < pair[0].at) {
                self.breach(hub, "evidence time ran backwards (P10)");
            }
        }
    }

    fn carried_for(&self, listed: &'h Listed) -> impl Iterator<Item = &'h Carried> + use<'h> {
        let attempts = self.history.carried.iter();
        attempts.filter(|carried| (&*carried.hub, &carried.hub_id) == key(listed))
    }
}

fn key(listed: &Listed) -> Key<'_> {
    (&listed.hub, &listed.hub_id)
}

fn name(listed: &Listed) -> String {
    format!("{} {} ({})", listed.hub, listed.transport_id, listed.hub_id)
}

type Change = (State, Event, State, Option<Digest>);

/// The changes of a delivery on record.
fn changes(listed: &Listed) -> impl Iterator<Item = Change> {
    listed.timeline.iter().filter_map(|entry| match &entry.evidence {
        Evidence::Changed { from, event, to, digest, .. } => Some((*from, *event, *to, *digest)),
        _ => None,
    })
}

/// How often people had it sent.
fn sent_by_people(listed: &Listed) -> usize {
    let sent = |entry: &&Entry| match &entry.evidence {
        Evidence::Changed { grounds: Some(grounds), .. } => {
            matches!(grounds.act, Act::Resubmit | Act::Reroute)
        }
        _ => false,
    };
    listed.timeline.iter().filter(sent).count()
}
