//! A course of events of the simulation before the one judge.
//!
//! What senders were told, what readers got and what hubs list is fed to the [`Checker`], once for each
//! hub where senders hand in; every timeline goes through [`timeline::check`]. A simulation sees more
//! than clients do: what left a hub, what came to a partner, what the hub heard of it, and all
//! timelines. What follows from that is here.

use std::collections::{BTreeMap, BTreeSet};

use amtsbote_broker::simulation::history::{
    Carried, Confirmed, Heard, History, Listed as Seen, Sent as Made,
};
use amtsbote_domain::clearing::Act;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::state::{ClearingCause, Event, State};

use super::timeline::{self, Entry, Known};
use super::{At, Checker, Content, Handed, Listed, Sent, Tally};

type Key<'h> = (&'h str, &'h HubId);

/// The course of events, by the ids of messages.
struct Course<'h> {
    history: &'h History,
    by_id: BTreeMap<Key<'h>, &'h Seen>,
    said: Vec<String>,
}

/// Every broken promise, in words; figures where there is none.
pub(crate) fn check(history: &History) -> Result<Tally, Vec<String>> {
    let mut course = Course::new(history);
    let mut tally = Tally::default();
    let hubs: BTreeSet<&str> = history
        .sent
        .iter()
        .map(|sent| &*sent.hub)
        .chain(history.listed.iter().map(|listed| &*listed.hub))
        .chain(history.collected.iter().map(|collected| &*collected.hub))
        .collect();
    for hub in hubs {
        match course.through(hub).finish() {
            Ok(of_hub) => tally.add(&of_hub),
            Err(said) => course.said.extend(said.iter().map(|one| format!("{hub} {one}"))),
        }
    }
    history.sent.iter().for_each(|sent| course.answers_hold(sent));
    history.listed.iter().for_each(|listed| course.listed_holds(listed));
    course.ids_hold();
    course.attempts_hold();
    history.confirmed.iter().for_each(|confirmed| course.confirmed_holds(confirmed));
    course.time_holds();
    if course.said.is_empty() { Ok(tally) } else { Err(course.said) }
}

impl<'h> Course<'h> {
    fn new(history: &'h History) -> Self {
        let listed = history.listed.iter().map(|listed| (key(listed), listed));
        Self { history, by_id: listed.collect(), said: history.seen.clone() }
    }

    fn breach(&mut self, place: &str, what: &str) {
        self.said.push(format!("{place}: {what}"));
    }

    /// What clients and hubs say of the messages that were handed in at one hub.
    fn through(&self, hub: &str) -> Checker {
        let history = self.history;
        let mut checker = Checker::default();
        for sent in history.sent.iter().filter(|sent| sent.hub == hub) {
            checker.sent(&self.sent(sent));
        }
        for collected in &history.collected {
            let listed = self.by_id.get(&(&*collected.hub, &collected.hub_id));
            let (from, at) = listed.map_or((&*collected.hub, At::First), |one| way(one));
            if from == hub {
                let acknowledged = self.was_confirmed((&*collected.hub, &collected.hub_id), true);
                checker.handed(
                    at,
                    &Handed {
                        hub_id: collected.hub_id.to_string(),
                        payload: collected.payload,
                        attachments: None,
                        flagged: collected.flagged,
                        acknowledged,
                    },
                );
            }
        }
        for listed in &history.listed {
            let (from, at) = way(listed);
            if from == hub {
                checker.listed(
                    at,
                    &Listed {
                        hub_id: listed.hub_id.to_string(),
                        author: self.account_of(listed).to_owned(),
                        transport_id: listed.transport_id.clone(),
                        content: content(listed.payload),
                        state: listed.state.as_str().to_owned(),
                    },
                );
            }
        }
        checker
    }

    /// The account that handed it in first. At the next hub that cannot be told from the id, which several
    /// systems use; no two messages have one payload.
    fn account_of(&self, listed: &'h Seen) -> &'h str {
        let (origin, at) = way(listed);
        let of_it = |sent: &&Made| {
            sent.hub == origin
                && (&sent.transport_id, sent.payload) == (&listed.transport_id, listed.payload)
        };
        match at {
            At::First => &listed.account,
            At::Next => self.history.sent.iter().find(of_it).map_or("", |sent| &sent.account),
        }
    }

    /// As the judge knows a message: each account numbers its own.
    fn sent(&self, sent: &Made) -> Sent {
        let receipts =
            sent.answers.iter().map(|(_, receipt)| Digest(openssl::sha::sha256(receipt)));
        // Late copies may be judged by another hour, and be kept.
        let refused = sent.refused.is_some_and(|code| code != Code::ExpiredAtArrival);
        let seen = match sent.answers.first() {
            Some((hub_id, _)) => {
                super::Seen::Accepted { hub_id: hub_id.to_string(), receipts: receipts.collect() }
            }
            None if refused => super::Seen::Refused,
            None => super::Seen::Unknown,
        };
        let relayed = self.history.carried.iter().any(|carried| {
            carried.peer.is_hub
                && (&carried.hub, &carried.transport_id, carried.payload)
                    == (&sent.hub, &sent.transport_id, sent.payload)
        });
        Sent {
            author: sent.account.clone(),
            transport_id: sent.transport_id.clone(),
            content: content(sent.payload),
            relayed,
            seen,
            cancelled: false,
        }
    }

    /// The answers of a hub are one answer, it is the stored one, and there is one (P1, P3, P5).
    fn answers_hold(&mut self, sent: &Made) {
        let place = format!("{} {}", sent.hub, sent.transport_id);
        if sent.answers.windows(2).any(|pair| pair[0].0 != pair[1].0) {
            self.breach(&place, "a repeat got another id (P3)");
        }
        let kept = self.history.listed.iter().find(|listed| {
            !listed.relayed
                && (&listed.hub, &listed.account, &listed.transport_id)
                    == (&sent.hub, &sent.account, &sent.transport_id)
        });
        match (kept, sent.answers.first()) {
            (Some(kept), Some((hub_id, receipt))) => {
                if kept.hub_id == *hub_id && kept.receipt != *receipt {
                    self.breach(&place, "the stored receipt is not the one given (P5)");
                }
                if sent.refused.is_some_and(|code| code != Code::ExpiredAtArrival) {
                    self.breach(&place, "refused for good, and kept (P3)");
                }
            }
            (None, None) if sent.refused.is_none() => {
                self.breach(&place, "its sender never got an answer");
            }
            _ => {}
        }
    }

    fn listed_holds(&mut self, listed: &'h Seen) {
        let place = name(listed);
        let timeline: Vec<Entry> = listed
            .timeline
            .iter()
            .map(|one| Entry { index: one.index, at: one.at, evidence: one.evidence.clone() })
            .collect();
        let known = Known {
            hub_id: listed.hub_id.to_string(),
            state: listed.state.as_str().to_owned(),
            payload: Some(listed.payload),
            handed: self.was_collected(listed),
            acknowledged: self.was_confirmed(key(listed), true),
        };
        let said = timeline::check(&known, &timeline);
        self.said.extend(said.iter().map(|one| format!("{} {one}", listed.hub)));

        let waits = matches!(listed.state, State::InClearing { .. });
        if !listed.state.is_final() && !waits {
            self.breach(&place, "neither ended nor waiting for a person (P2)");
        }
        let mismatch = State::InClearing { cause: ClearingCause::DigestMismatch };
        if listed.state == mismatch && !self.history.rotten.contains(&listed.hub) {
            self.breach(&place, "stopped for octets that nobody changed (P4)");
        }
        match listed.state {
            State::Delivered => self.delivery_holds(listed, &place),
            State::Acknowledged if !self.was_confirmed(key(listed), false) => {
                self.breach(&place, "acknowledged, but no reader confirmed it (P2)");
            }
            State::Expired | State::Cancelled => {
                let left = self.carried_for(listed).any(|c| c.heard != Heard::NotKept);
                if left || self.was_collected(listed) {
                    self.breach(&place, "ended as if nothing had left (P2)");
                }
            }
            _ => {}
        }
    }

    /// One id of one scope names one message, one message has one id, and the next hub does not take it for
    /// another one (P3).
    fn ids_hold(&mut self) {
        let (mut ids, mut contents) = (BTreeSet::new(), BTreeSet::new());
        for listed in &self.history.listed {
            let id = (&listed.hub, &listed.account, &listed.transport_id, &listed.scope);
            if !ids.insert(id) {
                self.said.push(format!("{}: accepted twice under one id (P3)", name(listed)));
            }
            // Whatever it says of whose id it is.
            if !contents.insert((&listed.hub, &listed.transport_id, listed.payload)) {
                self.said.push(format!("{}: its content is there twice (P3)", name(listed)));
            }
            let collided = |entry: &amtsbote_domain::ports::Entry| match &entry.evidence {
                Evidence::Changed { code, .. } => *code == Some(Code::SameIdOtherContent),
                _ => false,
            };
            if listed.timeline.iter().any(collided) {
                let place = name(listed);
                self.breach(&place, "the next hub took it for another one under its id (P3)");
            }
        }
    }

    /// Delivered: a person knew, or the next node said so, and has it unless it lied. That another hub
    /// has it is the judge's.
    fn delivery_holds(&mut self, listed: &Seen, place: &str) {
        let mut proof = None;
        for entry in &listed.timeline {
            match &entry.evidence {
                Evidence::Changed { event: Event::CloseAsDelivered, .. } => return,
                Evidence::Changed { event: Event::AttemptConfirmed, digest, .. } => proof = *digest,
                _ => {}
            }
        }
        let said = self
            .carried_for(listed)
            .find(|carried| matches!(carried.heard, Heard::Confirmed(d) if Some(d) == proof));
        let Some(said) = said else {
            return self.breach(place, "delivered, but the next node never said so (P2)");
        };
        let has = self.history.arrived.iter().any(|arrived| {
            arrived.kept
                && arrived.partner == said.peer.name
                && arrived.transport_id == listed.transport_id
                && arrived.payload == listed.payload
        });
        if !has && !said.peer.is_hub && !said.peer.lies {
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
                self.breach(&attempts[0].transport_id, "left a hub that has no such message (P1)");
                continue;
            };
            let place = name(listed);
            let attempt = |entry: &&_| {
                let entry: &amtsbote_domain::ports::Entry = entry;
                matches!(entry.evidence, Evidence::Attempt { .. })
            };
            if attempts.len() > listed.timeline.iter().filter(attempt).count() {
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

    /// Evidence time never runs backwards, over all messages of a hub (P10).
    fn time_holds(&mut self) {
        let mut by_hub: BTreeMap<&str, Vec<_>> = BTreeMap::new();
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

    fn carried_for(&self, listed: &Seen) -> impl Iterator<Item = &'h Carried> + use<'h> {
        let (hub, hub_id) = (listed.hub.clone(), listed.hub_id.clone());
        let attempts = self.history.carried.iter();
        attempts.filter(move |carried| (&carried.hub, &carried.hub_id) == (&hub, &hub_id))
    }

    fn was_collected(&self, listed: &Seen) -> bool {
        self.history.collected.iter().any(|one| (&*one.hub, &one.hub_id) == key(listed))
    }

    /// A reader confirmed it with the right digest, and `heard` that this counts.
    fn was_confirmed(&self, message: Key<'_>, heard: bool) -> bool {
        self.history
            .confirmed
            .iter()
            .any(|one| one.right && (one.answered || !heard) && (&*one.hub, &one.hub_id) == message)
    }
}

/// The hub at which a listed message was handed in, and which of the judge's hubs lists it.
fn way(listed: &Seen) -> (&str, At) {
    match listed.account.strip_prefix("hub-").filter(|_| listed.relayed) {
        Some(origin) => (origin, At::Next),
        None => (&listed.hub, At::First),
    }
}

/// Only payloads are told apart here.
fn content(payload: Digest) -> Content {
    Content::of(&[payload])
}

fn key(listed: &Seen) -> Key<'_> {
    (&listed.hub, &listed.hub_id)
}

fn name(listed: &Seen) -> String {
    format!("{} {} ({})", listed.hub, listed.transport_id, listed.hub_id)
}

/// How often people had it sent.
fn sent_by_people(listed: &Seen) -> usize {
    let sent = |entry: &&amtsbote_domain::ports::Entry| match &entry.evidence {
        Evidence::Changed { grounds: Some(grounds), .. } => {
            matches!(grounds.act, Act::Resubmit | Act::Reroute)
        }
        _ => false,
    };
    listed.timeline.iter().filter(sent).count()
}

#[cfg(test)]
mod tests;
