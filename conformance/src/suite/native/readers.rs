//! Several Readers: a delivery each, all of them accepted or none (P1, P2, P3).

use amtsbote_adapters::probe::{Draft, UNKNOWN_READER};
use amtsbote_adapters::submit::{Content, Source, Submission};
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::Metadata;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::digest::sha256;
use amtsbote_wire::native::hop;
use amtsbote_wire::native::problem::Problem;
use amtsbote_wire::native::status::{InboxEntry, LimitsDocument};
use anyhow::{Context, Result, ensure};
use reqwest::Method;

use super::{World, answer, case};
use crate::content::notice;
use crate::report::Report;
use crate::town::{Answer, Town};

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "several-readers", several(world)).await;
    case(report, "several-readers-repeated", repeated(world)).await;
    case(report, "several-readers-all-or-none", all_or_none(world)).await;
    case(report, "no-reader-twice", twice(world)).await;
    case(report, "header-names-a-reader", header(world)).await;
    case(report, "one-of-several-readers-by-relay-only", by_relay_only(world)).await;
}

/// For Detmold and Lage.
fn for_both(world: &World) -> Metadata {
    let both = world.lemgo.metadata(&world.detmold.party);
    Metadata { other_readers: vec![world.lage.party.clone()], ..both }
}

/// What an inbox shows of a transport id.
async fn entries(town: &Town, metadata: &Metadata) -> Result<Vec<InboxEntry>> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = town.client.inbox_page(&town.party, after.as_deref(), 1_000, 0).await?;
        let of_it = |entry: &InboxEntry| entry.transport_id == metadata.transport_id;
        found.extend(page.entries.into_iter().filter(of_it));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Submitted with the client of the product, which verifies the receipt; each Reader collects and confirms for
/// itself.
async fn several(world: &World) -> Result<String> {
    let metadata = for_both(world);
    let payload = notice(&metadata);
    let submission = Submission {
        metadata: &metadata,
        payload: Content {
            cid: "payload".to_owned(),
            media_type: "application/xml".to_owned(),
            source: Source::Octets(payload.clone().into()),
        },
        attachments: vec![],
        signer: &world.lemgo.signer,
    };
    let outcome = world.lemgo.client.submit(submission).await?;
    let siblings = outcome.accepted.siblings.clone();
    ensure!(siblings.len() == 1, "{} siblings on the receipt", siblings.len());
    let ids = [outcome.hub_id, siblings[0].clone()];
    let towns = [&world.detmold, &world.lage];
    for (n, (town, id)) in towns.iter().zip(&ids).enumerate() {
        let (other, sibling) = (towns[1 - n].party.clone(), ids[1 - n].clone());
        let found = entries(town, &metadata).await?;
        let [entry] = found.as_slice() else { anyhow::bail!("{} in the inbox", found.len()) };
        ensure!((&entry.id, &entry.reader) == (id, &town.party), "{entry:?}");
        ensure!(entry.other_readers == [other.clone()], "{:?}", entry.other_readers);
        let status = world.lemgo.client.status(id).await?;
        ensure!(status.other_readers == [other] && status.siblings == [sibling], "{status:?}");
        world.lemgo.client.receipt(id, "accepted").await?;
        let (_, _, octets) = answer(town.request(Method::GET, &format!("/v1/inbox/{id}"))).await?;
        ensure!(octets == payload, "the payload was altered (P4)");
        let (status, ..) =
            answer(towns[1 - n].request(Method::GET, &format!("/v1/inbox/{id}"))).await?;
        ensure!(status == 404, "another Reader's delivery is answered with {status}");
    }
    world.lage.client.acknowledge(&ids[1], &sha256(&payload)).await?;
    ensure!(world.state(&ids[1]).await? == "acknowledged");
    ensure!(world.state(&ids[0]).await? == "waiting", "one Reader confirmed for the other");
    ensure!(entries(&world.lage, &metadata).await?.is_empty(), "still in the inbox");
    world.detmold.client.acknowledge(&ids[0], &sha256(&payload)).await?;
    ensure!(world.state(&ids[0]).await? == "acknowledged");
    Ok(String::new())
}

async fn repeated(world: &World) -> Result<String> {
    let metadata = for_both(world);
    let wired = Draft { metadata: metadata.clone(), content: &notice }.sign(&world.lemgo.signer)?;
    let (hub_id, receipt) = world.accept(&wired).await?;
    let again = world.lemgo.post(&wired).await?;
    let wanted = Answer::Accepted { hub_id: hub_id.to_string(), receipt, repeated: true };
    ensure!(again == wanted, "{again:?}");
    // A Reader less is another message.
    let fewer = Metadata { other_readers: vec![], ..metadata.clone() };
    let fewer = Draft { metadata: fewer, content: &notice }.sign(&world.lemgo.signer)?;
    let refused = world.lemgo.post(&fewer).await?;
    ensure!(refused.code() == Some(Code::SameIdOtherContent), "{refused:?}");
    for town in [&world.detmold, &world.lage] {
        ensure!(entries(town, &metadata).await?.len() == 1, "not once for {}", town.party);
    }
    Ok(String::new())
}

/// What stands against one of them stands against all; the refusal says against which.
async fn all_or_none(world: &World) -> Result<String> {
    let mut codes = Vec::new();
    for (bad, code) in [("zzz:nobody", Code::NotPermitted), (UNKNOWN_READER, Code::UnknownReader)] {
        let mut metadata = for_both(world);
        metadata.other_readers.push(PartyId::parse(bad)?);
        let wired =
            Draft { metadata: metadata.clone(), content: &notice }.sign(&world.lemgo.signer)?;
        let refused = match world.lemgo.post(&wired).await? {
            Answer::Refused(problem) => problem,
            accepted => anyhow::bail!("accepted: {accepted:?}"),
        };
        ensure!(refused.code() == Some(code), "{refused:?}");
        ensure!(refused.place.as_deref() == Some("Reader 3"), "place {:?}", refused.place);
        for town in [&world.detmold, &world.lage] {
            ensure!(entries(town, &metadata).await?.is_empty(), "{} got it", town.party);
        }
        // It used up no id (P3).
        metadata.other_readers.pop();
        let wired = Draft { metadata, content: &notice }.sign(&world.lemgo.signer)?;
        world.accept(&wired).await.context("the id was used up by the refusal")?;
        codes.push(code.to_string());
    }
    Ok(codes.join(" "))
}

async fn twice(world: &World) -> Result<String> {
    let draft = Draft { metadata: for_both(world), content: &notice };
    let mut wired = draft.sign(&world.lemgo.signer)?;
    let text = String::from_utf8(wired.envelope)?;
    let (detmold, lage) = (world.detmold.party.as_str(), world.lage.party.as_str());
    let other = format!("<OtherReader>{lage}</OtherReader>");
    let named = format!("<OtherReader>{detmold}</OtherReader>");
    ensure!(text.contains(&other), "the envelope names no other Reader");
    wired.envelope = text.replacen(&other, &named, 1).into_bytes();
    let refused = world.lemgo.post(&wired).await?;
    ensure!(refused.code() == Some(Code::EnvelopeInvalid), "{refused:?}");
    let limits = answer(world.lemgo.request(Method::GET, "/v1/limits")).await?.2;
    let limits: LimitsDocument = serde_json::from_slice(&limits)?;
    ensure!(limits.max_readers > 1, "the limits do not say how many Readers there may be");
    Ok(format!("at most {}", limits.max_readers))
}

/// The header of the content names one Reader: any of the envelope's will do, and no other.
async fn header(world: &World) -> Result<String> {
    for (named, accepted) in [(&world.lage.party, true), (&world.lemgo.party, false)] {
        let metadata = for_both(world);
        let shown = Metadata { reader: named.clone(), ..metadata.clone() };
        let content = |_: &_| notice(&shown);
        let wired = Draft { metadata, content: &content }.sign(&world.lemgo.signer)?;
        let answer = world.lemgo.post(&wired).await?;
        match accepted {
            true => ensure!(matches!(answer, Answer::Accepted { .. }), "{answer:?}"),
            false => ensure!(answer.code() == Some(Code::HeaderContradiction), "{answer:?}"),
        }
    }
    Ok(String::new())
}

/// A system sends to all Readers of its envelope; to choose one is the right of hubs that relay.
async fn by_relay_only(world: &World) -> Result<String> {
    let metadata = for_both(world);
    let wired = Draft { metadata: metadata.clone(), content: &notice }.sign(&world.lemgo.signer)?;
    let (content_type, body) = wired.body("grenze")?;
    let request = world
        .lemgo
        .request(Method::POST, "/v1/messages")
        .header("content-type", content_type)
        .header(hop::READER, world.lage.party.as_str())
        .body(body);
    let (status, _, octets) = answer(request).await?;
    let problem = Problem::parse(&octets)?;
    ensure!(
        (status, problem.code()) == (400, Some(Code::MalformedRequest)),
        "{status} {problem:?}"
    );
    for town in [&world.detmold, &world.lage] {
        ensure!(entries(town, &metadata).await?.is_empty(), "{} got it", town.party);
    }
    let (hub_id, _): (HubId, _) = world.accept(&wired).await?;
    ensure!(world.state(&hub_id).await? == "waiting");
    Ok(String::new())
}
