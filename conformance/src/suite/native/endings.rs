//! Good messages to their end, flawed ones to their refusal.

use amtsbote_adapters::probe::{Draft, Flaw};
use amtsbote_domain::fault::Code;
use anyhow::{Context, Result, ensure};

use super::{World, answer, case};
use crate::content::notice;
use crate::report::Report;
use crate::town::Answer;

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "accepted-collected-acknowledged", whole_way(world)).await;
    for flaw in Flaw::ALL {
        case(report, &format!("refused-{}", flaw.name()), flawed(world, *flaw)).await;
    }
    case(report, "refused-foreign-author", foreign_author(world)).await;
    case(report, "refused-foreign-signer", foreign_signer(world)).await;
    case(report, "refused-test-to-production", test_to_production(world)).await;
    case(report, "refused-header-contradiction", contradiction(world)).await;
    case(report, "refusal-speaks-german", german(world)).await;
    case(report, "cancelled", cancelled(world)).await;
    case(report, "not-cancelled-after-collection", too_late(world)).await;
    case(report, "expires-in-the-inbox", expires(world)).await;
    case(report, "uncertain-when-collected-and-expired", uncertain(world)).await;
    case(report, "not-before", not_before(world)).await;
}

async fn whole_way(world: &World) -> Result<String> {
    let (metadata, wired, hub_id, receipt) = world.accepted().await?;
    let status = world.lemgo.client.status(&hub_id).await?;
    ensure!(status.state == "waiting" && status.transport_id == metadata.transport_id);
    let kept = world.lemgo.client.receipt(&hub_id, "accepted").await?;
    ensure!(kept.octets == receipt, "the stored receipt is another one");
    let envelope = world.detmold.client.fetch_envelope(&hub_id).await?;
    ensure!(envelope == wired.envelope, "the envelope was altered (P4)");
    let (_, _, payload) =
        answer(world.detmold.request(reqwest::Method::GET, &format!("/v1/inbox/{hub_id}"))).await?;
    ensure!(payload == wired.parts[0].2, "the payload was altered (P4)");
    let digest = amtsbote_wire::native::digest::sha256(&payload);
    let first = world.detmold.client.acknowledge(&hub_id, &digest).await?;
    let again = world.detmold.client.acknowledge(&hub_id, &digest).await?;
    ensure!(first.octets == again.octets, "a repeated confirmation got another receipt");
    ensure!(world.state(&hub_id).await? == "acknowledged");
    ensure!(!world.in_inbox(&hub_id).await?, "still in the inbox");
    Ok(String::new())
}

async fn flawed(world: &World, flaw: Flaw) -> Result<String> {
    let metadata = world.lemgo.metadata(&world.detmold.party);
    let id = metadata.transport_id.clone();
    let draft = Draft { metadata, content: &notice };
    let wired = flaw.apply(draft, &world.lemgo.signer)?;
    let refused = match world.lemgo.post(&wired).await? {
        Answer::Refused(problem) => problem,
        accepted => anyhow::bail!("accepted: {accepted:?}"),
    };
    let code = refused.code().context("an unknown code")?;
    ensure!(flaw.codes().contains(&code), "{code} ({})", refused.detail);
    ensure!(!refused.advice.is_empty() && !refused.error_id.is_empty(), "it explains nothing");
    if [Code::ContentInvalid, Code::ContentNotWellFormed].contains(&code) {
        let finding = refused.findings.first().context("no finding")?;
        ensure!(finding.line > 0 && finding.column > 0, "a finding without a place");
    }
    if code == Code::ContentInvalid {
        let rejection = refused.business_rejection.as_ref().context("no business rejection")?;
        ensure!((&*rejection.standard, &*rejection.message_type) == ("XUmmeldung", "0199"));
        let (_, reader) = rejection.content.split_once("<leser>").context("no reader")?;
        let author = world.lemgo.party.as_str();
        let first = reader.find(author).context("it is not for the Author")?;
        ensure!(reader.find("</leser>").is_some_and(|end| first < end), "it is not for the Author");
    }
    // A refusal uses up no id (P3): the good message goes through under the same one.
    let mut metadata = world.lemgo.metadata(&world.detmold.party);
    metadata.transport_id = id;
    let good = Draft { metadata, content: &notice }.sign(&world.lemgo.signer)?;
    world.accept(&good).await.context("the id was used up by the refusal")?;
    Ok(code.to_string())
}

async fn refused_with(world: &World, answer: Answer, code: Code) -> Result<String> {
    ensure!(answer.code() == Some(code), "{answer:?}");
    ensure!(world.operator.get("/ops/v1/status").await?.is_object());
    Ok(code.to_string())
}

async fn foreign_author(world: &World) -> Result<String> {
    let (_, wired) = world.detmold.notice(&world.lemgo.party)?;
    refused_with(world, world.lemgo.post(&wired).await?, Code::AccountNotForAuthor).await
}

async fn foreign_signer(world: &World) -> Result<String> {
    let metadata = world.lemgo.metadata(&world.detmold.party);
    let wired = Draft { metadata, content: &notice }.sign(&world.detmold.signer)?;
    refused_with(world, world.lemgo.post(&wired).await?, Code::SignerNotTrusted).await
}

async fn test_to_production(world: &World) -> Result<String> {
    let mut metadata = world.lemgo.metadata(&world.detmold.party);
    metadata.test = true;
    let wired = Draft { metadata, content: &notice }.sign(&world.lemgo.signer)?;
    refused_with(world, world.lemgo.post(&wired).await?, Code::TestAndProduction).await
}

async fn contradiction(world: &World) -> Result<String> {
    let metadata = world.lemgo.metadata(&world.detmold.party);
    let other = world.lemgo.metadata(&world.lemgo.party);
    let content = |_: &_| notice(&other);
    let wired = Draft { metadata, content: &content }.sign(&world.lemgo.signer)?;
    refused_with(world, world.lemgo.post(&wired).await?, Code::HeaderContradiction).await
}

async fn german(world: &World) -> Result<String> {
    let (_, mut wired) = world.notice()?;
    wired.parts.clear();
    let (content_type, body) = wired.body("grenze")?;
    let request = world
        .lemgo
        .request(reqwest::Method::POST, "/v1/messages")
        .header("content-type", content_type)
        .header("accept-language", "de-DE,de;q=0.9,en;q=0.5")
        .body(body);
    let (_, headers, octets) = answer(request).await?;
    ensure!(headers["content-type"] == "application/problem+json");
    let problem: serde_json::Value = serde_json::from_slice(&octets)?;
    ensure!(problem["title"] == Code::PartMissing.title().de, "{problem}");
    Ok(String::new())
}

async fn cancelled(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    let status = world.lemgo.client.cancel(&hub_id).await?;
    ensure!(status.state == "cancelled");
    ensure!(world.lemgo.client.cancel(&hub_id).await?.state == "cancelled", "not repeatable");
    ensure!(!world.in_inbox(&hub_id).await?, "a cancelled message can be collected");
    let fetched = world.detmold.request(reqwest::Method::GET, &format!("/v1/inbox/{hub_id}"));
    let (status, _, _) = answer(fetched).await?;
    ensure!(status >= 400, "a cancelled message was handed out");
    Ok(String::new())
}

async fn too_late(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    world.detmold.client.fetch_envelope(&hub_id).await?;
    let path = format!("/v1/messages/{hub_id}/cancel");
    let (status, _, octets) = answer(world.lemgo.request(reqwest::Method::POST, &path)).await?;
    ensure!(status == 409, "{status} {}", String::from_utf8_lossy(&octets));
    ensure!(world.state(&hub_id).await? == "waiting");
    Ok(String::new())
}

/// A message that expires soon after it arrives.
async fn short_lived(world: &World) -> Result<amtsbote_domain::identity::HubId> {
    let mut metadata = world.lemgo.metadata(&world.detmold.party);
    let soon = std::time::Duration::from_secs(3);
    metadata.expires = Some(metadata.created.checked_add(soon)?);
    let wired = Draft { metadata, content: &notice }.sign(&world.lemgo.signer)?;
    Ok(world.accept(&wired).await?.0)
}

async fn expires(world: &World) -> Result<String> {
    let hub_id = short_lived(world).await?;
    world.becomes(&hub_id, "expired").await?;
    ensure!(!world.in_inbox(&hub_id).await?, "an expired message can be collected");
    Ok(String::new())
}

async fn uncertain(world: &World) -> Result<String> {
    let hub_id = short_lived(world).await?;
    world.detmold.client.fetch_envelope(&hub_id).await?;
    // Nobody can be asked, so it ends with a person.
    world.becomes(&hub_id, "in-clearing").await?;
    Ok(String::new())
}

async fn not_before(world: &World) -> Result<String> {
    let mut metadata = world.lemgo.metadata(&world.detmold.party);
    let later = std::time::Duration::from_secs(3_600);
    metadata.not_before = Some(metadata.created.checked_add(later)?);
    let wired = Draft { metadata, content: &notice }.sign(&world.lemgo.signer)?;
    let (hub_id, _) = world.accept(&wired).await?;
    ensure!(!world.in_inbox(&hub_id).await?, "shown before its time");
    let fetched = world.detmold.request(reqwest::Method::GET, &format!("/v1/inbox/{hub_id}"));
    let (status, _, _) = answer(fetched).await?;
    ensure!(status >= 400, "handed out before its time");
    Ok(String::new())
}
