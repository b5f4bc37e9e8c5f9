//! Each bad ending, and what its Author reads about it.

use amtsbote_domain::identity::HubId;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{FREE_SERVICE, QUIET, SERVICE, TEST_SERVICE, WARNED_SERVICE, World, in_seconds};

/// The service of notices that are in no standard.
const NOTICES: &str = "urn:amtsbote:notice:1";
/// A value of a message that must not come out anywhere.
const CANARY: &str = "TEST-WERT";

/// The monitoring knows in whose name Authors are told.
pub(super) fn doctor(world: &World) -> Result<String> {
    let said = doctor_line(world)?;
    ensure!(said.contains("\"ok\"") && said.contains("kop:beispiel-rz"), "{said}");
    Ok(String::new())
}

/// What `doctor` says of notices.
fn doctor_line(world: &World) -> Result<String> {
    let mut command = world.folder.shipped().command(&["-o", "json", "doctor"]);
    command.env("AMTSBOTE_CLIENT", world.folder.path().join("clients/operator.toml"));
    command.env("AMTSBOTE_OPERATIONS_URL", &world.node.operations);
    let output = tokio::task::block_in_place(|| command.output())?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find(|line| line.contains("\"notices\""));
    Ok(line.with_context(|| format!("no line in {text}"))?.to_owned())
}

/// A clerk rejects: the Author first learns that it is in clearing, then gets the business rejection of
/// its own standard and version, which names its message. Both histories name each other.
pub(super) async fn rejected(world: &World) -> Result<String> {
    let id = world.stuck().await?;
    let (payload, said) = world.fetched(&world.is_told(&id, "in-clearing").await?)?;
    ensure!(said["checked"]["standard"] == "Amtsbote-Benachrichtigung", "{said}");
    ensure!(payload.contains("<cause>attempts-exhausted</cause>"), "{payload}");
    let reject = ["clearing", "reject", id.as_str(), "--reason", "TEST Leser aufgelöst"];
    world.operate("anna", &reject)?;
    let entry = world.is_told(&id, "rejected-back").await?;
    ensure!(entry.service.as_str() == SERVICE, "{entry:?}");
    is_rejection_of(world, &id, &entry).await?;

    let noticed = world.noticed(&id).await?;
    let forms: Vec<&Value> = noticed.iter().map(|one| &one["form"]).collect();
    ensure!(forms == ["generic", "business-rejection"], "{noticed:?}");
    ensure!(noticed[1]["by"] == entry.id.as_str(), "{noticed:?}");
    let shown = world.operate("berta", &["message", "show", id.as_str()])?;
    ensure!(shown["notices"][1]["evidence"]["by"] == entry.id.as_str(), "{shown}");
    let shown = world.operate("berta", &["message", "show", entry.id.as_str()])?;
    ensure!(shown["status"]["about"]["hub_id"] == id.as_str(), "{shown}");
    ensure!(shown["record"]["about"]["notice"] == "rejected-back", "{shown}");
    ensure!(shown["status"]["author"] == "kop:beispiel-rz", "{shown}");
    Ok(String::new())
}

/// It is a Rückweisung of the sender's standard about this very message.
async fn is_rejection_of(
    world: &World,
    id: &HubId,
    entry: &amtsbote_wire::native::status::InboxEntry,
) -> Result<()> {
    let (payload, said) = world.fetched(entry)?;
    let checked = &said["checked"];
    ensure!(checked["standard"] == "XUmmeldung" && checked["version"] == "1.1", "{checked}");
    ensure!(checked["message_type"] == "0199", "{checked}");
    ensure!(said["about"]["hub_id"] == id.as_str() && said["verified"] == true, "{said}");
    let original = world.lemgo.client.status(id).await?;
    let uuid = original.business_id.context("the original has no id of its own")?;
    ensure!(payload.contains(uuid.as_str()), "{uuid} is not named: {payload}");
    let own = entry.business_id.as_ref().context("the rejection has no id of its own")?;
    ensure!(*own != uuid && payload.contains(own.as_str()), "{own}");
    Ok(())
}

/// A large act by two people: each Author's message has its own rejection, one each.
pub(super) async fn rejected_by_two(world: &World) -> Result<String> {
    const COUNT: usize = 21;
    let mut ids = Vec::new();
    for _ in 0..COUNT {
        ids.push(world.send(world.metadata(&world.detmold, SERVICE)?).await?);
    }
    for id in &ids {
        world.becomes(id, "in-clearing").await?;
    }
    let mut reject = vec!["clearing", "reject"];
    reject.extend(ids.iter().map(HubId::as_str));
    reject.extend(["--reason", "TEST Leser aufgelöst"]);
    let proposed = world.operate("anna", &reject)?;
    let proposal = &proposed["proposal"];
    let text = |name: &str| proposal[name].as_str().with_context(|| format!("no {name}"));
    let (proposal, digest) = (text("id")?, text("digest")?);
    let grant = ["approval", "grant", proposal, "--digest", digest, "--reason", "TEST gesehen"];
    tokio::time::sleep(QUIET).await;
    for id in &ids {
        let told = world.told(id).await?;
        ensure!(told.iter().all(|(kind, _)| kind == "in-clearing"), "acted alone: {told:?}");
    }
    world.operate("berta", &grant)?;
    for id in &ids {
        let entry = world.is_told(id, "rejected-back").await?;
        is_rejection_of(world, id, &entry).await?;
    }
    tokio::time::sleep(QUIET).await;
    for id in &ids {
        // Fetched and acknowledged: what waits now would be a second one.
        let told = world.told(id).await?;
        ensure!(told.iter().all(|(kind, _)| kind == "in-clearing"), "told twice: {told:?}");
    }
    Ok(format!("{COUNT} rejections"))
}

/// What was not collected in time comes back in the standard's words.
pub(super) async fn expired(world: &World) -> Result<String> {
    let id = world.late(SERVICE, false).await?;
    let entry = world.is_told(&id, "expired").await?;
    is_rejection_of(world, &id, &entry).await?;
    Ok(String::new())
}

/// Content of no standard: the generic notice, which says what, why and what to do in two languages, and
/// nothing of the content.
pub(super) async fn expired_without_standard(world: &World) -> Result<String> {
    let id = world.late(FREE_SERVICE, false).await?;
    let entry = world.is_told(&id, "expired").await?;
    ensure!(entry.service.as_str() == NOTICES, "{entry:?}");
    let (payload, said) = world.fetched(&entry)?;
    ensure!(said["checked"]["standard"] == "Amtsbote-Benachrichtigung", "{said}");
    let status = world.lemgo.client.status(&id).await?;
    for part in [
        "<kind>expired</kind>".to_owned(),
        format!("<hubId>{id}</hubId>"),
        format!("<transportId>{}</transportId>", status.transport_id),
        format!("<reader>{}</reader>", world.minden),
        format!("<service>{FREE_SERVICE}</service>"),
        "<state>expired</state>".to_owned(),
        "<mayHaveArrived>false</mayHaveArrived>".to_owned(),
        "language=\"de\"".to_owned(),
        "language=\"en\"".to_owned(),
    ] {
        ensure!(payload.contains(&part), "without {part}: {payload}");
    }
    ensure!(!payload.contains(CANARY), "a value of the message came out: {payload}");
    Ok(String::new())
}

/// The Author learns it when the operator withdraws, with the reason given; not when it did so itself.
pub(super) async fn cancelled(world: &World) -> Result<String> {
    let id = world.send(world.metadata(&world.minden, SERVICE)?).await?;
    world.operate("anna", &["message", "cancel", id.as_str(), "--reason", "TEST doppelt"])?;
    let (payload, _) = world.fetched(&world.is_told(&id, "cancelled").await?)?;
    ensure!(payload.contains("<reason>TEST doppelt</reason>"), "{payload}");
    let own = world.send(world.metadata(&world.minden, SERVICE)?).await?;
    let path = format!("/v1/messages/{own}/cancel");
    let (status, ..) =
        super::super::native::answer(world.lemgo.request(reqwest::Method::POST, &path)).await?;
    ensure!(status == 200, "{status}");
    tokio::time::sleep(QUIET).await;
    let told = world.told(&own).await?;
    ensure!(told.is_empty() && world.noticed(&own).await?.is_empty(), "{told:?}");
    Ok(String::new())
}

/// By policy: once, while it waits, and not about what was collected by then.
pub(super) async fn expires_soon(world: &World) -> Result<String> {
    let mut metadata = world.metadata(&world.minden, WARNED_SERVICE)?;
    metadata.expires = Some(in_seconds(3_000));
    let id = world.send(metadata).await?;
    let entry = world.is_told(&id, "expires-soon").await?;
    let (payload, _) = world.fetched(&entry)?;
    ensure!(payload.contains("<state>waiting</state>"), "{payload}");
    // Without an end there is nothing to warn about, and long before it neither.
    let endless = world.send(world.metadata(&world.minden, WARNED_SERVICE)?).await?;
    let mut metadata = world.metadata(&world.minden, WARNED_SERVICE)?;
    metadata.expires = Some(in_seconds(9_000));
    let later = world.send(metadata).await?;
    tokio::time::sleep(QUIET).await;
    for id in [&id, &endless, &later] {
        let told = world.told(id).await?;
        ensure!(told.is_empty(), "{id}: {told:?}");
    }
    ensure!(world.noticed(&id).await?.len() == 1, "told twice");
    Ok(String::new())
}

/// A production Author gets no test notice into its inbox; the history says why (P11).
pub(super) async fn test_stays_test(world: &World) -> Result<String> {
    let id = world.late(TEST_SERVICE, true).await?;
    let begun = tokio::time::Instant::now();
    loop {
        let noticed = world.noticed(&id).await?;
        if let Some(first) = noticed.first() {
            ensure!(first["told"] == "withheld", "{first}");
            ensure!(first["why"] == "test-and-production", "{first}");
            break;
        }
        ensure!(begun.elapsed() < super::PATIENCE, "nothing on record");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ensure!(world.told(&id).await?.is_empty(), "a test notice in a production inbox");
    Ok(String::new())
}

/// A notice that ends badly itself is nobody's news.
pub(super) async fn nothing_about_a_notice(world: &World) -> Result<String> {
    let id = world.late(FREE_SERVICE, false).await?;
    let entry = world.is_told(&id, "expired").await?;
    let cancel = ["message", "cancel", entry.id.as_str(), "--reason", "TEST"];
    world.operate("anna", &cancel)?;
    world.becomes(&entry.id, "cancelled").await?;
    tokio::time::sleep(QUIET).await;
    ensure!(world.noticed(&entry.id).await?.is_empty(), "somebody was told");
    let about = world.inbox().await?.into_iter().filter_map(|entry| entry.about);
    ensure!(about.into_iter().all(|about| about.hub_id != entry.id), "a notice about a notice");
    Ok(String::new())
}

/// A node without a party of its own tells nobody, and says so and how many wait; they are told when it has
/// one again.
pub(super) async fn without_a_party(world: &World) -> Result<String> {
    let mut party = None;
    world.folder.edit("amtsbote.toml", |table| {
        party = table.remove("party");
        Ok(())
    })?;
    let party = party.context("the node has no party")?;
    world.operate("anna", &["reload"])?;
    let said = doctor_line(world)?;
    ensure!(said.contains("\"warning\"") && said.contains("party"), "{said}");
    let id = world.late(FREE_SERVICE, false).await?;
    tokio::time::sleep(QUIET).await;
    ensure!(world.told(&id).await?.is_empty() && world.noticed(&id).await?.is_empty(), "told");
    let said = doctor_line(world)?;
    ensure!(said.contains("notices that wait: 1"), "{said}");
    world.folder.edit("amtsbote.toml", |table| {
        table.insert("party".to_owned(), party);
        Ok(())
    })?;
    world.operate("anna", &["reload"])?;
    world.is_told(&id, "expired").await?;
    Ok(String::new())
}
