//! What a delivery waits for, and what waits for it: the order of its conversation, the time, and what
//! its peer bears as the node that is asked sees it.

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::breaker::Standing;
use amtsbote_domain::delivery::window::Maintenance;
use amtsbote_domain::ports::{Delivery, MAX_HELD_BACK, Place, StoreError};
use amtsbote_domain::state::{State, WaitingFor};
use serde::Serialize;

use crate::hub::Hub;
use crate::worker::gates::Look;

/// One thing, in both languages.
#[derive(Debug, Serialize)]
pub(super) struct Wait {
    pub(super) kind: &'static str,
    /// Until when, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    pub(super) de: String,
    pub(super) en: String,
}

/// All of them, those that last longest first; none for what has ended.
pub(super) async fn waits(
    hub: &Hub,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Vec<Wait>, StoreError> {
    if delivery.state.is_final() {
        return Ok(Vec::new());
    }
    let place = hub.store.place(&delivery.record.hub_id).await?;
    let mut found = among_others(&place);
    let turn =
        matches!(delivery.state, State::Waiting { on: WaitingFor::Turn | WaitingFor::Repeat });
    if let Some(peer) = delivery.channel.strip_prefix("peer:").filter(|_| turn) {
        found.extend(due(delivery, now));
        let tables = hub.tables();
        let look = hub.gates.look(&tables.delivery.traffic, peer, now);
        found.extend(at_peer(peer, &look, hub.known_as()));
        let lanes = &tables.delivery.lanes;
        let lane = lanes.iter().nth(lanes.place(place.lane.as_ref()));
        found.extend(lane.map(|(lane, weight)| Wait {
            kind: "lane",
            until: None,
            de: format!("In Spur {lane} (Gewicht {weight})."),
            en: format!("In lane {lane} (weight {weight})."),
        }));
    }
    Ok(found)
}

/// The order of its conversation.
pub(super) fn among_others(place: &Place) -> Vec<Wait> {
    let mut found = Vec::new();
    if let Some(before) = &place.behind {
        found.push(Wait {
            kind: "order",
            until: None,
            de: format!("Wartet auf die frühere Nachricht {before} derselben Nachrichtenfolge."),
            en: format!("Waits for the earlier message {before} of the same conversation."),
        });
    }
    if place.holds_back > 0 {
        let count = match place.holds_back {
            MAX_HELD_BACK => format!("{MAX_HELD_BACK}+"),
            count => count.to_string(),
        };
        found.push(Wait {
            kind: "holds-back",
            until: None,
            de: format!("Hält spätere Nachrichten derselben Nachrichtenfolge zurück: {count}."),
            en: format!("Holds back later messages of the same conversation: {count}."),
        });
    }
    found
}

fn due(delivery: &Delivery, now: Timestamp) -> Option<Wait> {
    let until = delivery.due.filter(|due| *due > now)?;
    let early = delivery.record.metadata.not_before.is_some_and(|earliest| earliest > now);
    let (kind, de, en) = match (early, delivery.attempts) {
        (true, _) => (
            "not-before",
            format!("Laut Autor nicht vor {until}."),
            format!("Not before {until}, says the Author."),
        ),
        (false, attempts) => (
            "retry",
            format!("Nächster Versuch nicht vor {until}; bisher {attempts}."),
            format!("Next attempt not before {until}; {attempts} so far."),
        ),
    };
    Some(Wait { kind, until: Some(until), de, en })
}

/// What the peer bears, as this node sees it: another one has a breaker and a rate of its own.
pub(super) fn at_peer(peer: &str, look: &Look, node: &str) -> Vec<Wait> {
    let mut found = Vec::new();
    if let Some(Maintenance { until, window }) = look.maintenance {
        found.push(Wait {
            kind: "maintenance",
            until: Some(until),
            de: format!("{peer} ist in Wartung bis {until} ({window})."),
            en: format!("{peer} is in maintenance until {until} ({window})."),
        });
    }
    let since = |de| match (look.out_since, de) {
        (Some(since), true) => format!(" seit {since}"),
        (Some(since), false) => format!(" since {since}"),
        (None, _) => String::new(),
    };
    let (since_de, since_en) = (since(true), since(false));
    let by_de = format!("So sieht es Knoten {node}.");
    let by_en = format!("So node {node} sees it.");
    match look.standing {
        Standing::Closed => {}
        Standing::Open { until } => found.push(Wait {
            kind: "breaker",
            until: Some(until),
            de: format!(
                "{peer} ist{since_de} nicht erreichbar; nächste Probe um {until}. {by_de}"
            ),
            en: format!("{peer} is out{since_en}; next probe at {until}. {by_en}"),
        }),
        Standing::HalfOpen => found.push(Wait {
            kind: "breaker",
            until: None,
            de: format!(
                "{peer} ist{since_de} nicht erreichbar; die nächste Nachricht ist die Probe. {by_de}"
            ),
            en: format!("{peer} is out{since_en}; the next message is the probe. {by_en}"),
        }),
        Standing::Draining { pace } => found.push(Wait {
            kind: "breaker",
            until: None,
            de: format!("{peer} ist wieder da; in dieser Sekunde gehen {pace}. {by_de}"),
            en: format!("{peer} is back; {pace} go in this second. {by_en}"),
        }),
    }
    if let Some(until) = look.rate_opens {
        found.push(Wait {
            kind: "rate",
            until: Some(until),
            de: format!("Die Rate von {peer} lässt um {until} die nächste zu. {by_de}"),
            en: format!("The rate of {peer} lets the next one go at {until}. {by_en}"),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use amtsbote_domain::delivery::Rules;
    use amtsbote_domain::delivery::breaker::{Outcome, Settings};
    use amtsbote_domain::delivery::policy::{Policies, Policy};
    use amtsbote_domain::delivery::traffic::{Limits, Traffic};
    use tempfile::tempdir;

    use crate::config::DeliveryPolicy;
    use crate::outlet::Outlets;
    use crate::testing::{self, PEER};

    #[tokio::test]
    async fn everything_that_a_delivery_waits_for_is_told() {
        let dir = tempdir().expect("a folder");
        let policy = Policy { in_order: true, ..Policy::default() };
        let hour = std::time::Duration::from_secs(3_600);
        let breaker =
            Settings { failures: 1, first_pause: hour, longest_pause: hour, ..Settings::default() };
        let limits = Limits { rate: Some(1), breaker, ..Limits::default() };
        let traffic = Traffic::new(vec![], limits);
        let policies = Policies::new(vec![], policy).expect("policies");
        let rules = Rules { policies, traffic: traffic.clone(), ..Rules::default() };
        let (mut hub, _stopper) =
            testing::hub_with(dir.path(), DeliveryPolicy::default(), rules, Outlets::new());
        // What is said here is what one node sees, not all that share the log's name.
        Arc::get_mut(&mut hub).expect("nobody else has it").node = Some("b".to_owned());
        for n in 1..=3 {
            testing::accepted_for(&hub, n, PEER).await;
        }
        let now = hub.clock.now();
        let ticket = hub.gates.begin(&traffic, PEER, now);
        hub.gates.end(PEER, ticket, Outcome::NothingLeft, now);
        let told = async |hub: &Arc<Hub>, n| {
            let delivery = hub.store.delivery(&testing::hub_id(n)).await.expect("is there");
            waits(hub, &delivery, now).await.expect("tells")
        };
        let kinds = |waits: &[Wait]| waits.iter().map(|wait| wait.kind).collect::<Vec<_>>();
        let first = told(&hub, 1).await;
        assert_eq!(kinds(&first), ["holds-back", "breaker", "rate", "lane"]);
        assert!(first[0].en.ends_with(": 2."), "{first:?}");
        assert_eq!(first[1].until, Some(now + hour));
        assert!(first[1].en.contains(&format!("since {now}")), "{first:?}");
        assert!(first[1].de.ends_with("So sieht es Knoten b."), "{first:?}");
        let second = told(&hub, 2).await;
        assert_eq!(kinds(&second), ["order", "holds-back", "breaker", "rate", "lane"]);
        assert!(second[0].de.contains(testing::hub_id(1).as_str()), "{second:?}");
        assert_eq!(kinds(&told(&hub, 3).await), ["order", "breaker", "rate", "lane"]);
    }
}
