//! Process cards: what the history of a delivery says, in the words of the standard.

use amtsbote_domain::Timestamp;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::Transport;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Delivery, Query, StoreError};
use amtsbote_domain::state::State;
use amtsbote_wire::osci::dialogue::Taken;
use amtsbote_wire::osci::{
    DateTime, MessageId, ProcessCardBundle, ProcessCardCriteria, ProcessCardSelection,
    SelectionDate, SelectionRole, Stamped,
};
use jiff::tz::TimeZone;

use super::answer::ours;
use super::fetching;
use super::visitor::Claimant;
use crate::hub::Hub;
use crate::step::refused::store_fault;
use crate::tables::InForce;

/// Most process cards in one answer.
const MOST_CARDS: usize = 100;
/// Deliveries looked at in one question, and how many questions are asked for one party.
const PAGE: u32 = 100;
const PAGES: usize = 10;

/// The cards that are meant.
#[derive(Default)]
pub(super) struct Cards {
    /// As they were asked for.
    pub(super) criteria: ProcessCardCriteria,
    /// They, the newest delivery first.
    pub(super) bundles: Vec<ProcessCardBundle>,
    /// There are, or may be, more.
    pub(super) more: bool,
}

/// Whose cards an order may see: those of deliveries that its account sent, and of those in its mailbox.
struct Scope<'a> {
    who: &'a Claimant<'a>,
    mailbox: Option<PartyId>,
}

impl Scope<'_> {
    /// The client's part in a delivery that came by this transport.
    fn role(&self, delivery: &Delivery) -> Option<SelectionRole> {
        let record = &delivery.record;
        if record.transport() != Transport::Intermediary {
            return None;
        }
        if record.account == self.who.account.id {
            return Some(SelectionRole::Originator);
        }
        let is_theirs = self.mailbox.as_ref() == Some(&record.metadata.reader);
        is_theirs.then_some(SelectionRole::Addressee)
    }
}

/// Which deliveries a date stands for.
struct Dates {
    accepted: Option<Timestamp>,
    modified: Option<Timestamp>,
    not_received: bool,
    role: Option<SelectionRole>,
}

impl Dates {
    fn of(selection: Option<&ProcessCardSelection>) -> Result<Self, Fault> {
        let none = Self { accepted: None, modified: None, not_received: false, role: None };
        let by = |date: &SelectionDate| -> Result<(Option<Timestamp>, Self), Fault> {
            let local = TimeZone::get("Europe/Berlin").map_err(ours)?;
            let at = date.at.instant(&local);
            let at = at.ok_or_else(|| Fault::new(Code::MalformedRequest))?;
            let not_received = date.no_reception.unwrap_or(false);
            let (accepted, modified) = (None, None);
            Ok((Some(at), Self { accepted, modified, not_received, role: date.role }))
        };
        match selection {
            None | Some(ProcessCardSelection::MessageIds(_)) => Ok(none),
            Some(ProcessCardSelection::ReceptionOfDelivery(date)) => {
                by(date).map(|(accepted, dates)| Self { accepted, ..dates })
            }
            Some(ProcessCardSelection::RecentModification(date)) => {
                by(date).map(|(modified, dates)| Self { modified, ..dates })
            }
        }
    }

    fn fit(&self, delivery: &Delivery, role: SelectionRole) -> bool {
        self.accepted.is_none_or(|at| delivery.accepted_at >= at)
            && self.modified.is_none_or(|at| delivery.since >= at)
            && !(self.not_received && is_received(delivery.state))
            && self.role.is_none_or(|wanted| wanted == role)
    }
}

fn is_received(state: State) -> bool {
    matches!(state, State::Acknowledged | State::Delivered)
}

/// The cards that are meant, at most as many as asked for.
pub(super) async fn fetch(
    hub: &Hub,
    tables: &InForce,
    who: &Claimant<'_>,
    taken: &Taken,
    criteria: &ProcessCardCriteria,
) -> Result<Cards, Fault> {
    // Who has no mailbox has sent something all the same.
    let mailbox = fetching::reader(tables, who, taken).ok();
    let scope = Scope { who, mailbox };
    let most = criteria.limit.and_then(|limit| usize::try_from(limit).ok());
    let most = most.unwrap_or(MOST_CARDS).min(MOST_CARDS);
    let (mut found, more) = match &criteria.selection {
        Some(ProcessCardSelection::MessageIds(ids)) => (named(hub, &scope, ids).await?, false),
        selection => listed(hub, &scope, &Dates::of(selection.as_ref())?, most).await?,
    };
    let more = more || found.len() > most;
    found.truncate(most);
    let mut bundles = Vec::with_capacity(found.len());
    for delivery in &found {
        bundles.push(card(hub, delivery).await?);
    }
    Ok(Cards { criteria: criteria.clone(), bundles, more })
}

/// The deliveries with these ids that the client may see.
async fn named(hub: &Hub, scope: &Scope<'_>, ids: &[MessageId]) -> Result<Vec<Delivery>, Fault> {
    let mut found: Vec<Delivery> = Vec::new();
    for text in ids.iter().filter_map(MessageId::as_text) {
        let hub_ids = hub.store.find(text).await.map_err(fault)?;
        for hub_id in hub_ids {
            let delivery = hub.store.delivery(&hub_id).await.map_err(fault)?;
            let new = found.iter().all(|other| other.record.hub_id != hub_id);
            let is_meant = delivery.record.metadata.transport_id.as_str() == text;
            if new && is_meant && scope.role(&delivery).is_some() {
                found.push(delivery);
            }
        }
    }
    Ok(found)
}

/// The newest of those that fit, one more than asked for where there are more; and whether nobody
/// looked further.
async fn listed(
    hub: &Hub,
    scope: &Scope<'_>,
    dates: &Dates,
    most: usize,
) -> Result<(Vec<Delivery>, bool), Fault> {
    let (mut found, mut more) = (Vec::<Delivery>::new(), false);
    for party in &scope.who.account.parties {
        let mut query = Query {
            party: Some(party.clone()),
            since: dates.accepted,
            limit: PAGE,
            ..Query::default()
        };
        let mut own = 0;
        for page in 0..=PAGES {
            if own > most {
                break;
            }
            if page == PAGES {
                more = true;
                break;
            }
            let listed = hub.store.list(query.clone()).await.map_err(fault)?;
            let is_last = listed.len() < PAGE as usize;
            query.before = listed.last().map(|last| last.record.hub_id.clone());
            for delivery in listed {
                let fits = scope.role(&delivery).is_some_and(|role| dates.fit(&delivery, role));
                let hub_id = &delivery.record.hub_id;
                if fits && found.iter().all(|other| other.record.hub_id != *hub_id) {
                    own += 1;
                    found.push(delivery);
                }
            }
            if is_last {
                break;
            }
        }
    }
    // Ids of the hub sort by time.
    found.sort_by(|one, other| other.record.hub_id.as_str().cmp(one.record.hub_id.as_str()));
    Ok((found, more))
}

/// Creation is the acceptance, Forwarding the first hand-over or attempt, Reception the acknowledgement.
async fn card(hub: &Hub, delivery: &Delivery) -> Result<ProcessCardBundle, Fault> {
    let record = &delivery.record;
    let history = hub.store.timeline(&record.hub_id).await.map_err(fault)?;
    let first = |is: fn(&Evidence) -> bool| {
        history.iter().find(|entry| is(&entry.evidence)).map(|entry| entry.at)
    };
    let forwarding =
        first(|evidence| matches!(evidence, Evidence::HandedOut { .. } | Evidence::Attempt { .. }));
    let reception =
        first(|evidence| matches!(evidence, Evidence::Changed { to, .. } if is_received(*to)));
    let stamp = |at| DateTime::of(at).ok_or_else(|| Fault::new(Code::Internal));
    let plain = |at: Option<Timestamp>| at.map(stamp).transpose().map(|at| at.map(Stamped::Plain));
    let last = [Some(delivery.accepted_at), forwarding, reception].into_iter().flatten().max();
    let message_id = MessageId::new(record.metadata.transport_id.as_str());
    Ok(ProcessCardBundle {
        message_id: message_id.ok_or_else(|| Fault::new(Code::Internal))?,
        recent_modification: stamp(last.unwrap_or(delivery.accepted_at))?,
        creation: plain(Some(delivery.accepted_at))?,
        forwarding: plain(forwarding)?,
        reception: plain(reception)?,
        subject: None,
        inspections: Vec::new(),
    })
}

fn fault(error: StoreError) -> Fault {
    store_fault(&error)
}
