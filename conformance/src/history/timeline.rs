//! One message's timeline against the table of states: every act has its record, every record leads
//! from the state before to the next, and there is one ending (P2, P5).

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::state::{Event, State, WaitingFor, next};

/// One record, with its time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Index of the leaf.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub evidence: Evidence,
}

/// What clients know about the message, and what the hub lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The hub's id.
    pub hub_id: String,
    /// The word of the state as listed.
    pub state: String,
    /// SHA-256 of the payload as it was sent.
    pub payload: Option<Digest>,
    /// Its octets were handed to a reader.
    pub handed: bool,
    /// A reader knows that its confirmation counts.
    pub acknowledged: bool,
}

/// What does not hold, in words.
pub(crate) fn check(known: &Known, entries: &[Entry]) -> Vec<String> {
    let id = &known.hub_id;
    let mut said = Vec::new();
    if entries.windows(2).any(|pair| pair[0].index >= pair[1].index) {
        said.push(format!("{id}: its records are not in the order of the log (P5)"));
    }
    if entries.windows(2).any(|pair| pair[0].at > pair[1].at) {
        said.push(format!("{id}: evidence time runs backwards (P10)"));
    }
    let Some((Entry { evidence: Evidence::Accepted(accepted), .. }, rest)) = entries.split_first()
    else {
        said.push(format!("{id}: no record of its acceptance comes first (P5)"));
        return said;
    };
    if let Some(breach) = acceptance_holds(known, accepted) {
        said.push(breach);
    }
    match replay(accepted, rest) {
        Err(breach) => said.push(format!("{id}: {breach}")),
        Ok(state) if state.as_str() != known.state => {
            said.push(format!(
                "{id}: {} by its records, {} as listed (P5)",
                state.as_str(),
                known.state
            ));
        }
        Ok(_) => {}
    }
    let has = |what: fn(&Evidence) -> bool| rest.iter().any(|entry| what(&entry.evidence));
    if known.handed && !has(|evidence| matches!(evidence, Evidence::HandedOut { .. })) {
        said.push(format!("{id}: handed over without a record (P2, P5)"));
    }
    let confirmed = rest.iter().any(|entry| {
        matches!(&entry.evidence,
            Evidence::Changed { to: State::Acknowledged, digest, .. } if *digest == known.payload)
    });
    if known.acknowledged && !confirmed {
        said.push(format!("{id}: no record of its confirmation with this digest (P5)"));
    }
    said
}

fn acceptance_holds(known: &Known, accepted: &Accepted) -> Option<String> {
    let id = &known.hub_id;
    if HubId::parse(id).ok().as_ref() != Some(&accepted.hub_id) {
        return Some(format!("{id}: the record is about another message (P5)"));
    }
    let recorded = accepted.parts.first().map(|part| part.sha256);
    let same = known.payload.is_none() || known.payload == recorded;
    (!same).then(|| format!("{id}: another payload is on record (P4, P5)"))
}

/// The state to which the records lead from the acceptance.
fn replay(accepted: &Accepted, rest: &[Entry]) -> Result<State, String> {
    let collected = accepted.channel == "inbox";
    let on = if collected { WaitingFor::Collection } else { WaitingFor::Turn };
    let mut state = State::Waiting { on };
    for Entry { at, evidence, .. } in rest {
        let (from, event, to) = match evidence {
            Evidence::Accepted(_) => return Err("accepted twice (P3)".to_owned()),
            Evidence::Attempt { repeated, .. } => {
                (state, Event::AttemptBegun, State::InDelivery { repeated: *repeated })
            }
            // What is acknowledged may be read again.
            Evidence::HandedOut { .. } if state == State::Acknowledged => continue,
            Evidence::HandedOut { .. } => {
                let on = WaitingFor::Acknowledgement;
                (state, Event::CollectionBegun, State::Waiting { on })
            }
            Evidence::Changed { from, event, to, .. } => (*from, *event, *to),
            _ => continue,
        };
        if from != state {
            return Err(format!("a record leads from {from:?}, but it was {state:?} (P5)"));
        }
        if state.is_final() && event != Event::Acknowledge {
            return Err(format!("it had ended {}, then {event:?} (P2)", state.as_str()));
        }
        let said = next(state, event, *at).map_err(|error| format!("{error} (P2)"))?;
        if said.state != to {
            return Err(format!("{event:?} leads to {:?}, not to {to:?} (P2)", said.state));
        }
        state = to;
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
