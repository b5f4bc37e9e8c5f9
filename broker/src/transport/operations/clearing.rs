//! What waits for people, and their acts. Without `dry_run` an act is carried out, or kept until
//! another person grants it.

use std::sync::Arc;

use amtsbote_domain::Timestamp;
use amtsbote_domain::clearing::{Act, Decided, NeedsTwo, Person, Reason};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Channel;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Case, CaseQuery};
use amtsbote_domain::state::{ClearingCause, State as DeliveryState};
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::json as answer;
use super::waits::among_others;
use crate::clearing::{self, Done, Plan, Which, Wish};
use crate::config::Operator;
use crate::hub::Hub;
use crate::transport::refusal::{Asked, Named, Refusal, Told};

/// Cases of a list where the request names no number, and at most.
const LIST: (u32, u32) = (50, 1_000);
/// Deliveries that a dry run shows.
const SAMPLE: usize = 10;
/// Deliveries that a dry run names as left out.
const LEFT_OUT: usize = 100;

/// The operator as a person who decides.
pub(super) fn person(operator: &Operator) -> Person {
    Person { name: operator.name.clone(), certificate: operator.certificate.fingerprint }
}

/// `GET /ops/v1/clearing?cause=&party=&service=&channel=&since=&mine=&limit=&after=`; the same
/// words select cases for an act.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Where {
    cause: Option<String>,
    party: Option<PartyId>,
    service: Option<String>,
    channel: Option<String>,
    since: Option<Timestamp>,
    #[serde(default)]
    mine: bool,
    limit: Option<u32>,
    after: Option<String>,
}

impl Where {
    fn query(self, operator: &Operator) -> Result<CaseQuery, Fault> {
        let cause = match self.cause.as_deref() {
            None => None,
            Some(word) => Some(
                ClearingCause::parse(word)
                    .ok_or_else(|| Fault::new(Code::MalformedRequest).at("cause"))?,
            ),
        };
        Ok(CaseQuery {
            cause,
            party: self.party,
            service: self.service,
            channel: self.channel,
            since: self.since,
            taken_by: self.mine.then_some(operator.certificate.fingerprint),
            after: self.after,
            limit: self.limit.unwrap_or(LIST.0).clamp(1, LIST.1),
        })
    }
}

/// Those that wait longest first.
pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Asked(asked): Asked<Where>,
) -> Result<Response, Refusal> {
    let query = asked.query(&operator)?;
    super::note(&hub, &operator, "clearing list", None).await?;
    let page = hub.store.cases(query).await?;
    let cases: Vec<Value> = page.cases.iter().map(describe).collect();
    Ok(answer(&json!({ "schema_version": 1, "cases": cases, "next": page.next })))
}

/// `GET /ops/v1/clearing/{id}`: one case with its history.
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<HubId>,
) -> Result<Response, Refusal> {
    let case = hub.store.case(&id).await?;
    super::note(&hub, &operator, "clearing show", Some(id.clone())).await?;
    let timeline = hub.store.timeline(&id).await?;
    let timeline: Vec<_> = timeline.iter().map(TimelineEntry::new).collect();
    let mut shown = describe(&case);
    shown["schema_version"] = json!(1);
    shown["timeline"] = json!(timeline);
    shown["waits"] = json!(among_others(&hub.store.place(&id).await?));
    Ok(answer(&shown))
}

/// What a person needs to decide: the delivery, why, what to look at, what may be done.
fn describe(case: &Case) -> Value {
    let Case { delivery, taken } = case;
    let cause = match delivery.state {
        DeliveryState::InClearing { cause } => Some(cause),
        _ => None,
    };
    let advice = cause.map(ClearingCause::advice);
    let acts: Vec<_> = Act::ALL
        .into_iter()
        .filter(|act| act.applies(delivery.state))
        .map(|act| json!({ "act": act, "needs_approval": act.is_grave(delivery.state) }))
        .collect();
    json!({
        "status": MessageStatus::new(delivery),
        "cause": cause, "channel": delivery.channel, "attempts": delivery.attempts,
        "advice_de": advice.map(|advice| advice.de), "advice_en": advice.map(|advice| advice.en),
        "taken_by": taken.as_ref().map(|taken| &taken.by.name),
        "taken_at": taken.as_ref().map(|taken| taken.at),
        "acts": acts,
    })
}

/// What is said with taking a case, and with a note.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    reason: Option<Reason>,
    /// Take it even if another person has it.
    #[serde(default)]
    over: bool,
}

/// `POST /ops/v1/clearing/{id}/take`.
pub(super) async fn take(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<HubId>,
    Told(words): Told<Words>,
) -> Result<Response, Refusal> {
    // Taking needs no reason, taking over does; one that would go nowhere is refused.
    if words.over != words.reason.is_some() {
        return Err(Fault::new(Code::MalformedRequest).at("reason").into());
    }
    let case = hub.store.take(&id, &person(&operator), words.reason.as_ref()).await?;
    Ok(answer(&describe(&case)))
}

/// `POST /ops/v1/clearing/{id}/release`: gives the case back.
pub(super) async fn release(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<HubId>,
) -> Result<Response, Refusal> {
    let case = hub.store.hand_back(&id, &person(&operator)).await?;
    Ok(answer(&describe(&case)))
}

/// `POST /ops/v1/clearing/{id}/note`: a note in the history of the message.
pub(super) async fn note(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Named(id): Named<HubId>,
    Told(words): Told<Words>,
) -> Result<Response, Refusal> {
    let Some(reason) = words.reason else {
        return Err(Fault::new(Code::MalformedRequest).at("reason").into());
    };
    let case = hub.store.case(&id).await?;
    let record = Evidence::Operator {
        certificate: operator.certificate.fingerprint,
        name: Some(operator.name.clone()),
        act: "clearing note".to_owned(),
        hub_id: Some(id),
        reason: Some(reason),
    };
    hub.store.record(record).await?;
    Ok(answer(&describe(&case)))
}

/// `POST /ops/v1/clearing/acts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    act: Act,
    /// The deliveries ...
    #[serde(default)]
    ids: Vec<HubId>,
    /// ... or what selects them among the cases.
    #[serde(rename = "where")]
    selected: Option<Where>,
    channel: Option<String>,
    reason: Option<Reason>,
    #[serde(default)]
    dry_run: bool,
    /// The digest that a dry run gave. It must still be the same; an act on what was selected by
    /// words needs it.
    digest: Option<Digest>,
}

/// Says what an act would do, does it, or keeps it for another person.
pub(super) async fn act(
    State(hub): State<Arc<Hub>>,
    Extension(operator): Extension<Operator>,
    Told(asking): Told<Asking>,
) -> Result<Response, Refusal> {
    let malformed = |place: &'static str| Fault::new(Code::MalformedRequest).at(place);
    let channel = match asking.channel.as_deref() {
        None => None,
        Some(text) => Some(Channel::parse(text).ok_or_else(|| malformed("channel"))?),
    };
    let by_words = asking.selected.is_some();
    let which = match (asking.ids, asking.selected) {
        (ids, None) if !ids.is_empty() => Which::These(ids),
        (ids, Some(selected)) if ids.is_empty() => {
            // An act reaches everything that its words select, not a page of it.
            if selected.limit.is_some() || selected.after.is_some() {
                return Err(malformed("where").into());
            }
            Which::Cases(Box::new(selected.query(&operator)?))
        }
        _ => return Err(malformed("ids").into()),
    };
    let by = person(&operator);
    let plan = clearing::plan(&hub, Wish { act: asking.act, channel, which }, &by).await?;
    if asking.dry_run {
        super::note(&hub, &operator, &format!("clearing {} (dry run)", plan.act), None).await?;
        return Ok(answer(&preview(&hub, &plan).await?));
    }
    let Some(reason) = asking.reason else { return Err(malformed("reason").into()) };
    match asking.digest {
        Some(digest) if digest != plan.digest() => return Err(Code::OtherSelection.into()),
        None if by_words => return Err(malformed("digest").into()),
        _ => {}
    }
    if plan.targets.is_empty() {
        // One delivery that an act does not fit says why itself.
        let code = plan.left_out.first().map_or(Code::NotFound, |first| first.code);
        return Err(code.into());
    }
    let left_out = plan.left_out.clone();
    match clearing::act(&hub, plan, by, reason).await? {
        Done::Now(decided) => {
            let ok = decided.iter().all(|(_, one)| matches!(one, Decided::Done { .. }));
            let results: Vec<Value> = decided
                .iter()
                .map(|(hub_id, decided)| {
                    let mut shown = json!(decided);
                    shown["hub_id"] = json!(hub_id);
                    shown
                })
                .collect();
            Ok(answer(&json!({
                "schema_version": 1, "ok": ok && left_out.is_empty(), "results": results,
                "left_out": left_out,
            })))
        }
        Done::Proposed(proposal, why) => {
            let mut said =
                json!({ "schema_version": 1, "proposal": proposal, "left_out": left_out });
            tell_why(&mut said, Some(why));
            let mut response = answer(&said);
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response.into_response())
        }
    }
}

/// Count, sample and effect.
async fn preview(hub: &Hub, plan: &Plan) -> Result<Value, Refusal> {
    let mut sample = Vec::new();
    for target in plan.targets.iter().take(SAMPLE) {
        let delivery = hub.store.delivery(&target.hub_id).await?;
        sample.push(json!({
            "status": MessageStatus::new(&delivery), "from_channel": delivery.channel,
            "channel": target.channel,
        }));
    }
    let effect = plan.act.effect();
    let mut said = json!({
        "schema_version": 1, "dry_run": true, "act": plan.act, "count": plan.targets.len(),
        "digest": plan.digest(), "needs_approval": plan.needs_two.is_some(),
        "effect_de": effect.de, "effect_en": effect.en, "sample": sample,
        "left_out_count": plan.left_out.len(),
        "left_out": plan.left_out.iter().take(LEFT_OUT).collect::<Vec<_>>(),
    });
    tell_why(&mut said, plan.needs_two);
    Ok(said)
}

/// Why a second person must grant it: a word for scripts, words for people, and what counted.
fn tell_why(said: &mut Value, needs: Option<NeedsTwo>) {
    let Some(needs) = needs else { return };
    let (de, en) = needs.told();
    said["approval_because"] = json!(needs.as_str());
    said["approval_de"] = json!(de);
    said["approval_en"] = json!(en);
    if let NeedsTwo::Sum(before) = needs {
        said["alone_before"] = json!(before);
    }
}
