//! What the tables in force say: directory, permissions, ways, packs.

use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::alternative::Alternative;
use amtsbote_domain::delivery::policy::Chosen;
use amtsbote_domain::delivery::successor::Successor;
use amtsbote_domain::delivery::window::Maintenance;
use amtsbote_domain::directory::{Channel, Directory, Party};
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::{MessageType, ServiceUri};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::text::Language;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::waits::at_peer;
use crate::hub::Hub;
use crate::step::routed::no_way;
use crate::tables::InForce;
use crate::transport::refusal::{Asked, Named, Refusal};

/// `GET /ops/v1/directory`.
pub(super) async fn directory(State(hub): State<Arc<Hub>>) -> Response {
    let directory = &hub.tables().directory;
    let parties: Vec<Value> = directory.parties().map(|party| describe(directory, party)).collect();
    super::json(&json!({ "schema_version": 1, "parties": parties }))
}

/// `GET /ops/v1/directory/{party}`.
pub(super) async fn party(
    State(hub): State<Arc<Hub>>,
    Named(id): Named<String>,
) -> Result<Response, Refusal> {
    let id = PartyId::parse(&id).map_err(|_| Refusal::from(Code::NotFound))?;
    let directory = &hub.tables().directory;
    let party = directory.party(&id).ok_or(Refusal::from(Code::UnknownReader))?;
    Ok(super::json(&describe(directory, party)))
}

fn describe(directory: &Directory, party: &Party) -> Value {
    let services: Vec<Value> = party
        .services
        .iter()
        .map(|service| {
            json!({
                "uri": service.uri, "via": service.channel.as_str(),
                "valid_from": service.validity.from, "valid_until": service.validity.until,
                "opaque": service.opaque, "test": service.test,
            })
        })
        .collect();
    let certificates: Vec<Value> = party
        .certificates
        .iter()
        .map(|certificate| {
            json!({
                "sha256": certificate.fingerprint,
                "valid_from": certificate.validity.from,
                "valid_until": certificate.validity.until,
            })
        })
        .collect();
    let accounts: Vec<&str> = directory
        .accounts()
        .iter()
        .filter(|account| account.parties.contains(&party.id))
        .map(|account| account.id.as_str())
        .collect();
    json!({
        "schema_version": 1, "id": party.id, "name": party.name, "services": services,
        "certificates": certificates, "accounts": accounts,
    })
}

/// `GET /ops/v1/route?from=&to=&service=&type=&test=`.
#[derive(Deserialize)]
pub(super) struct RouteQuery {
    from: PartyId,
    to: PartyId,
    service: ServiceUri,
    #[serde(rename = "type")]
    message_type: Option<MessageType>,
    #[serde(default)]
    test: bool,
}

/// One step of the explanation.
#[derive(Serialize)]
struct Step {
    ok: bool,
    text_de: String,
    text_en: String,
}

/// The same tables and the same functions as for a message, in the same order.
pub(super) async fn route(
    State(hub): State<Arc<Hub>>,
    Asked(asked): Asked<RouteQuery>,
) -> Response {
    let now = hub.clock.now();
    let tables = hub.tables();
    let permit = tables.permissions.explain(
        &asked.from,
        &asked.to,
        &asked.service,
        asked.message_type.as_ref(),
        now,
    );
    let way = tables.way_to(&asked.to, &asked.service, asked.test, now);
    let peer = way.as_ref().ok().and_then(|(way, _)| match &way.channel {
        Channel::Peer(name) => Some(name.as_str()),
        Channel::Inbox => None,
    });
    let treatment = treatment(&tables, &asked.service, &asked.to, peer, now);
    let author_known = tables.directory.party(&asked.from).is_some();
    let mut steps = vec![Step {
        ok: author_known,
        text_de: format!("Autor {} {} im Verzeichnis", asked.from, is_de(author_known)),
        text_en: format!("Author {} {} in the directory", asked.from, is_en(author_known)),
    }];
    steps.push(match &permit {
        Some(permit) => Step {
            ok: true,
            text_de: format!("erlaubt durch Regel {}", permit.rule()),
            text_en: format!("allowed by rule {}", permit.rule()),
        },
        None => refused(Code::NotPermitted),
    });
    steps.push(match &way {
        Ok((way, _)) => Step {
            ok: true,
            text_de: format!("Weg zum Leser {}: {}", asked.to, way.channel),
            text_en: format!("way to Reader {}: {}", asked.to, way.channel),
        },
        Err(reason) => refused(no_way(*reason).code),
    });
    for line in way.iter().flat_map(|(_, successors)| successors) {
        let Successor { name, old, new, note, .. } = line;
        steps.push(Step {
            ok: true,
            text_de: format!("{new} ist an die Stelle von {old} getreten: {note} (Regel {name})"),
            text_en: format!("{new} has taken the place of {old}: {note} (rule {name})"),
        });
    }
    if way.is_ok() {
        let (text_de, text_en) = (treatment.de.clone(), treatment.en.clone());
        steps.push(Step { ok: true, text_de, text_en });
    }
    if let Some(peer) = peer {
        let look = hub.gates.look(&tables.delivery.traffic, peer, now);
        let now = at_peer(peer, &look, hub.known_as()).into_iter();
        // Maintenance is told with the limits.
        let now = now.filter(|wait| wait.kind != "maintenance");
        steps.extend(now.map(|wait| Step { ok: true, text_de: wait.de, text_en: wait.en }));
    }
    super::json(&json!({
        "schema_version": 1,
        "permitted": permit.is_some() && way.is_ok() && author_known,
        "rule": permit.as_ref().map(|permit| permit.rule()),
        "channel": way.as_ref().ok().map(|(way, _)| way.channel.to_string()),
        "delivery_rule": way.is_ok().then_some(&treatment.rule),
        "steps": steps,
    }))
}

/// How a message is treated, and which rule says so.
#[derive(Serialize)]
pub(super) struct Treatment {
    rule: String,
    de: String,
    en: String,
}

/// By the rules in force now. What is about attempts is said of a way to a peer only: an inbox is
/// collected.
pub(super) fn treatment(
    tables: &InForce,
    service: &ServiceUri,
    reader: &PartyId,
    peer: Option<&str>,
    at: Timestamp,
) -> Treatment {
    let Chosen { policy, rule } = tables.delivery.policy(service, reader, at);
    let mut de = vec![format!("Zustellung nach Regel {rule}")];
    let mut en = vec![format!("delivery by rule {rule}")];
    if let Some(life) = policy.time_to_live {
        let hours = life.as_secs() / 3_600;
        de.push(format!("Lebensdauer {hours} h"));
        en.push(format!("time to live {hours} h"));
    }
    if let Some(days) = policy.working_days {
        de.push(format!("Frist in Arbeitstagen: {days}"));
        en.push(format!("deadline in working days: {days}"));
    }
    if policy.in_order {
        de.push("in der Reihenfolge der Annahme je Autor, Leser und Dienst".to_owned());
        en.push("in the order of acceptance by Author, Reader and service".to_owned());
    }
    if let Some(notice) = policy.notice {
        let hours = notice.as_secs() / 3_600;
        de.push(format!("der Autor erfährt {hours} h vorher vom Ablauf"));
        en.push(format!("the Author is told {hours} h before it expires"));
    }
    if let Some(peer) = peer {
        let lanes = &tables.delivery.lanes;
        if let Some((lane, weight)) = lanes.iter().nth(lanes.place(policy.lane.as_ref())) {
            de.push(format!("Spur {lane} (Gewicht {weight})"));
            en.push(format!("lane {lane} (weight {weight})"));
        }
        for way in policy.alternatives.iter() {
            let Alternative { channel, when } = way;
            de.push(format!("sonst {channel}, wenn {}", when.text(Language::De)));
            en.push(format!("else {channel}, if {}", when.text(Language::En)));
        }
        let attempts = policy.attempts;
        let (first, longest) =
            (policy.waits.first.as_secs_f64(), policy.waits.longest.as_secs_f64());
        de.push(format!("Versuche: höchstens {attempts}, Pausen {first} bis {longest} s"));
        en.push(format!("attempts: at most {attempts}, waits of {first} to {longest} s"));
        let (limits, line) = tables.delivery.traffic.of(peer);
        de.push(format!("Grenzen von {peer} nach Regel {line}"));
        en.push(format!("limits of {peer} by rule {line}"));
        if let Some(Maintenance { until, window }) = limits.windows.maintenance(at) {
            de.push(format!("Wartung bis {until} ({window})"));
            en.push(format!("maintenance until {until} ({window})"));
        }
    }
    Treatment { rule: rule.to_owned(), de: de.join("; "), en: en.join("; ") }
}

fn is_de(yes: bool) -> &'static str {
    if yes { "ist" } else { "ist nicht" }
}

fn is_en(yes: bool) -> &'static str {
    if yes { "is" } else { "is not" }
}

fn refused(code: Code) -> Step {
    let (title, advice) = (code.title(), code.advice());
    Step {
        ok: false,
        text_de: format!("{code}: {} {}", title.de, advice.de),
        text_en: format!("{code}: {} {}", title.en, advice.en),
    }
}

/// `GET /ops/v1/packs`.
pub(super) async fn packs(State(hub): State<Arc<Hub>>) -> Response {
    let packs: Vec<_> = hub.tables().packs.list();
    super::json(&json!({ "schema_version": 1, "packs": packs }))
}
