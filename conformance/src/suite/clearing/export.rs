//! Opening a message: with a reason, on record before anything leaves, whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use amtsbote_adapters::probe::{Draft, Wired};
use amtsbote_domain::identity::HubId;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::native::answer;
use super::cases::Causes;
use super::{LEMGO, Manner, World};
use crate::content::notice;
use crate::operations::Operator;

const REASON: &str = "TEST Klärung mit der Stadt";

/// What was sent comes out as it went in, with what proves it; who opened it and why is on record.
pub(super) async fn opened(world: &World) -> Result<String> {
    let (id, wired) = sent(world).await?;
    let scratch = tempfile::tempdir()?;
    let to = scratch.path().join("fall");
    let target = to.to_str().context("no UTF-8")?;
    let export = ["message", "export", id.as_str(), "--to", target, "--reason", REASON];
    let said = world.must("anna", &export, 0)?;
    ensure!(said.objects.first().is_some_and(|one| one["verified"] == true), "{}", said.text);

    let files = files(&to)?;
    for (cid, _, octets) in &wired.parts {
        let found = files.iter().find(|(name, _)| name.ends_with(cid.as_str()));
        ensure!(found.is_some_and(|(_, found)| found == octets), "{cid} is another one (P4)");
    }
    ensure!(files.get("envelope.xml") == Some(&wired.envelope), "another envelope (P4)");
    ensure!(files.len() == wired.parts.len() + 5, "{:?}", files.keys());
    let kept = world.lemgo.client.receipt(&id, "accepted").await?;
    ensure!(files.get("receipt.json") == Some(&kept.octets), "another receipt");
    let timeline: Value = serde_json::from_slice(&files["timeline.json"])?;
    let last = timeline["entries"].as_array().and_then(|all| all.last()).context("no timeline")?;
    let act =
        json!([last["evidence"]["act"], last["evidence"]["name"], last["evidence"]["reason"]]);
    ensure!(act == json!(["message export", "anna", REASON]), "{last}");
    let dossier = to.join("dossier.json");
    let dossier = dossier.to_str().context("no UTF-8")?;
    world.must("anna", &["archive", "check-dossier", dossier, "--key", &key(world).await?], 0)?;

    // Nobody else may look, nothing is left beside it, and nothing is overwritten or put on record.
    ensure!(mode(&to)? == 0o700, "the folder's mode");
    for file in fs::read_dir(&to)? {
        ensure!(mode(&file?.path())? == 0o600, "a file's mode");
    }
    alone(scratch.path(), 1)?;
    world.must("anna", &export, 2)?;
    world.must("anna", &export[..5], 2)?;
    ensure!(openings(world, &id).await? == 1, "what did not happen is on record");

    // Whoever is no operator opens nothing, and nobody does without a reason.
    let path = format!("/ops/v1/messages/{id}/export");
    let stranger = Operator::named(world.folder.path(), LEMGO, &world.node.operations)?;
    let body = json!({ "reason": REASON }).to_string();
    let (status, ..) = answer(stranger.request(Method::POST, &path).body(body)).await?;
    ensure!(status == 403, "{status} for a stranger");
    let anna = world.clerk("anna")?;
    let (status, _) = world.post(&anna, &path, &json!({})).await?;
    ensure!(status == 400, "{status} without a reason");
    let unknown = "/ops/v1/messages/0197a2c4-0000-7000-8000-0000000000ff/export";
    let (status, _) = world.post(&anna, unknown, &json!({ "reason": REASON })).await?;
    ensure!(status == 404, "{status} for what is not there");
    ensure!(openings(world, &id).await? == 1, "what did not happen is on record");
    Ok(format!("{} files", files.len()))
}

/// Octets that changed at rest do not come out as if they were those accepted.
pub(super) async fn changed(world: &World, causes: &Causes) -> Result<String> {
    let id = &causes.mismatch;
    let scratch = tempfile::tempdir()?;
    let to = scratch.path().join("fall");
    let target = to.to_str().context("no UTF-8")?;
    let export = ["message", "export", id.as_str(), "--to", target, "--reason", REASON];
    world.must("berta", &export, 3)?;
    alone(scratch.path(), 0)?;
    // That somebody tried to open it stays on record: octets may have left.
    ensure!(openings(world, id).await? == 1, "the attempt is not on record");
    Ok(String::new())
}

/// A case with an attachment that does not fit into a row.
async fn sent(world: &World) -> Result<(HubId, Wired)> {
    world.partner.is(Manner::Refuses);
    let metadata = world.lemgo.metadata(&world.detmold);
    let large: Vec<u8> = (0..700_000u32).map(|n| (n % 253) as u8).collect();
    let draft = Draft { metadata, content: &notice };
    let wired = draft.sign_with("anlage.bin", large, &world.lemgo.signer)?;
    let id = world.send(&wired).await?;
    world.becomes(&id, "in-clearing").await?;
    Ok((id, wired))
}

fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        files.insert(file.file_name().to_string_lossy().into_owned(), fs::read(file.path())?);
    }
    Ok(files)
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// So many entries are in a folder: nothing half-written lies beside.
fn alone(folder: &Path, entries: usize) -> Result<()> {
    let found = fs::read_dir(folder)?.count();
    ensure!(found == entries, "{found} entries instead of {entries}");
    Ok(())
}

/// How often it was opened, by its timeline.
async fn openings(world: &World, id: &HubId) -> Result<usize> {
    let why = world.clerk("berta")?.get(&format!("/ops/v1/why/{id}")).await?;
    let timeline = why["messages"][0]["timeline"].as_array().context("no timeline")?;
    let opened = |entry: &&Value| entry["evidence"]["act"] == "message export";
    Ok(timeline.iter().filter(opened).count())
}

/// The hub's public key.
async fn key(world: &World) -> Result<String> {
    let status = world.clerk("berta")?.get("/ops/v1/status").await?;
    status["verifier"].as_str().map(str::to_owned).context("the hub names no key")
}
