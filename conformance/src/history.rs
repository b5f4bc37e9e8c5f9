//! The history checker: compares what clients saw with what the hub says afterwards. Pure, so that
//! each rule is shown to be able to fail.
//!
//! A client's view is truth: a receipt in a client's hand is a promise of the hub (P1). The hub's
//! view is what its operations API lists after the dust has settled.

use std::collections::{BTreeMap, BTreeSet};

/// What a sender saw of one message it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its transport id; unique in a run.
    pub transport_id: String,
    /// SHA-256 of its payload, hexadecimal.
    pub payload: String,
    /// What became of it in the eyes of the sender.
    pub seen: Seen,
}

/// What a sender saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A receipt, for this hub id; the octets of every receipt it got for it.
    Accepted {
        /// The hub's id.
        hub_id: String,
        /// One receipt for each positive answer.
        receipts: Vec<Vec<u8>>,
    },
    /// No answer, and no later repetition succeeded either.
    Unknown,
}

/// What a reader collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collected {
    /// The hub's id under which it was collected.
    pub hub_id: String,
    /// SHA-256 of the payload that arrived, hexadecimal.
    pub payload: String,
    /// The hub confirmed the acknowledgement.
    pub acknowledged: bool,
}

/// What the hub says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The hub's id.
    pub hub_id: String,
    /// The sender's id.
    pub transport_id: String,
    /// SHA-256 of the payload as recorded, hexadecimal.
    pub payload: String,
    /// The word of the state.
    pub state: String,
}

/// The words of states that have ended.
const FINAL: [&str; 5] = ["delivered", "acknowledged", "rejected-back", "expired", "cancelled"];
/// The words of states that are still open.
const OPEN: [&str; 4] = ["waiting", "in-delivery", "uncertain", "in-clearing"];

/// Figures of a history that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// Messages that clients made.
    pub sent: usize,
    /// Messages the hub has.
    pub accepted: usize,
    /// Of these, ended.
    pub ended: usize,
    /// Of these, still open.
    pub open: usize,
    /// Messages whose outcome the sender never learned.
    pub unknown: usize,
    /// Messages that readers collected.
    pub collected: usize,
}

/// Every breach of a promise, in words.
pub(crate) fn check(
    sent: &[Sent],
    collected: &[Collected],
    listed: &[Listed],
) -> Result<Tally, Vec<String>> {
    let mut breaches = Vec::new();
    let by_transport = index(listed, |l| &l.transport_id, "transport id", &mut breaches);
    let by_hub = index(listed, |l| &l.hub_id, "hub id", &mut breaches);
    for message in sent {
        sent_holds(
            message,
            by_transport.get(message.transport_id.as_str()).copied(),
            &mut breaches,
        );
    }
    let made: BTreeSet<&str> = sent.iter().map(|m| m.transport_id.as_str()).collect();
    for message in listed {
        if !made.contains(message.transport_id.as_str()) {
            breaches.push(format!("{}: nobody sent this", message.hub_id));
        }
        if !FINAL.contains(&message.state.as_str()) && !OPEN.contains(&message.state.as_str()) {
            breaches.push(format!("{}: no state is called {}", message.hub_id, message.state));
        }
    }
    for message in collected {
        collected_holds(message, by_hub.get(message.hub_id.as_str()).copied(), &mut breaches);
    }
    if !breaches.is_empty() {
        return Err(breaches);
    }
    let ended = listed.iter().filter(|m| FINAL.contains(&m.state.as_str())).count();
    Ok(Tally {
        sent: sent.len(),
        accepted: listed.len(),
        ended,
        open: listed.len() - ended,
        unknown: sent.iter().filter(|m| m.seen == Seen::Unknown).count(),
        collected: collected.len(),
    })
}

/// Messages by an id that must be unique (P3).
fn index<'a>(
    listed: &'a [Listed],
    key: impl Fn(&'a Listed) -> &'a String,
    what: &str,
    breaches: &mut Vec<String>,
) -> BTreeMap<&'a str, &'a Listed> {
    let mut by_key = BTreeMap::new();
    for message in listed {
        if by_key.insert(key(message).as_str(), message).is_some() {
            breaches.push(format!("{what} {} is there twice", key(message)));
        }
    }
    by_key
}

fn sent_holds(message: &Sent, listed: Option<&Listed>, breaches: &mut Vec<String>) {
    let id = &message.transport_id;
    match (&message.seen, listed) {
        (Seen::Accepted { .. }, None) => {
            breaches.push(format!("{id}: accepted, then lost (P1)"));
        }
        (Seen::Accepted { hub_id, receipts }, Some(listed)) => {
            if listed.hub_id != *hub_id {
                breaches.push(format!("{id}: accepted as {hub_id}, kept as {}", listed.hub_id));
            }
            if receipts.windows(2).any(|pair| pair[0] != pair[1]) {
                breaches.push(format!("{id}: a repeat got another receipt (P3)"));
            }
        }
        (Seen::Unknown, _) => {}
    }
    if let Some(listed) = listed
        && listed.payload != message.payload
    {
        breaches.push(format!("{id}: its payload was swapped for another (P4)"));
    }
}

fn collected_holds(message: &Collected, listed: Option<&Listed>, breaches: &mut Vec<String>) {
    let id = &message.hub_id;
    match listed {
        None => breaches.push(format!("{id}: collected, but the hub does not know it")),
        Some(listed) => {
            if listed.payload != message.payload {
                breaches.push(format!("{id}: a reader got other octets (P4)"));
            }
            if message.acknowledged && listed.state != "acknowledged" {
                breaches.push(format!("{id}: acknowledged, yet {} (P2)", listed.state));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> (Vec<Sent>, Vec<Collected>, Vec<Listed>) {
        let accepted = |hub_id: &str| Seen::Accepted {
            hub_id: hub_id.into(),
            receipts: vec![b"r".to_vec(), b"r".to_vec()],
        };
        let sent = |id: &str, payload: &str, seen| Sent {
            transport_id: id.into(),
            payload: payload.into(),
            seen,
        };
        let listed = |hub: &str, id: &str, payload: &str, state: &str| Listed {
            hub_id: hub.into(),
            transport_id: id.into(),
            payload: payload.into(),
            state: state.into(),
        };
        (
            vec![
                sent("a", "1", accepted("h1")),
                sent("b", "2", accepted("h2")),
                sent("d", "4", Seen::Unknown),
                sent("e", "5", Seen::Unknown),
            ],
            vec![Collected { hub_id: "h1".into(), payload: "1".into(), acknowledged: true }],
            vec![
                listed("h1", "a", "1", "acknowledged"),
                listed("h2", "b", "2", "waiting"),
                listed("h4", "d", "4", "waiting"),
            ],
        )
    }

    #[test]
    fn a_good_history_holds() {
        let (sent, collected, listed) = good();
        let tally = check(&sent, &collected, &listed).expect("holds");
        let wanted = Tally { sent: 4, accepted: 3, ended: 1, open: 2, unknown: 2, collected: 1 };
        assert_eq!(tally, wanted);
    }

    type Break = fn(&mut Vec<Sent>, &mut Vec<Collected>, &mut Vec<Listed>);

    #[test]
    fn every_breach_is_found() {
        let cases: [(&str, Break); 9] = [
            ("lost (P1)", |_, _, l| drop(l.remove(1))),
            ("kept as h9", |_, _, l| l[1].hub_id = "h9".into()),
            ("another receipt", |s, _, _| {
                s[0].seen = Seen::Accepted {
                    hub_id: "h1".into(),
                    receipts: vec![b"r".to_vec(), b"x".to_vec()],
                }
            }),
            ("swapped", |_, _, l| l[1].payload = "1".into()),
            ("other octets", |_, c, _| c[0].payload = "2".into()),
            ("acknowledged, yet waiting", |_, _, l| l[0].state = "waiting".into()),
            ("nobody sent", |s, _, _| drop(s.remove(2))),
            ("there twice", |_, _, l| l.push(l[0].clone())),
            ("no state is called", |_, _, l| l[1].state = "lost".into()),
        ];
        for (wanted, breaking) in cases {
            let (mut sent, mut collected, mut listed) = good();
            breaking(&mut sent, &mut collected, &mut listed);
            let breaches = check(&sent, &collected, &listed).expect_err(wanted);
            assert!(breaches.iter().any(|b| b.contains(wanted)), "{wanted}: {breaches:?}");
        }
    }

    #[test]
    fn a_reader_who_knows_more_than_the_hub_is_a_breach() {
        let (sent, mut collected, listed) = good();
        collected[0].hub_id = "h7".into();
        assert!(check(&sent, &collected, &listed).is_err());
    }
}
