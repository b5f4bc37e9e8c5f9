//! Many deliveries by one act: selected by words, granted by another person, and carried out although
//! the node is killed in the middle.

use std::collections::BTreeMap;

use amtsbote_domain::clearing::LARGE;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::acts::grant;
use super::{Manner, World, ids, now};
use crate::town::Town;

/// More than one person may decide alone.
const MANY: usize = 24;
/// Several transactions' worth.
const HUNDREDS: usize = 650;

const WORDS: [&str; 4] = ["--cause", "attempts-exhausted", "--channel", "peer:far"];

/// First looked at, then done with the digest of what was seen, if nothing has changed since.
pub(super) async fn selected(world: &World) -> Result<String> {
    let sent = world.cases(MANY).await?;
    let reject = |more: &[&str]| -> Vec<String> {
        let words = [&["clearing", "reject"], &WORDS[..], more].concat();
        words.into_iter().map(str::to_owned).collect()
    };
    let run = |clerk: &str, arguments: &[String], code| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        world.must(clerk, &arguments, code)
    };
    let dry = reject(&["--dry-run"]);
    let seen = run("anna", &dry, 0)?.objects.remove(0);
    ensure!(seen["count"] == MANY, "{seen}");
    ensure!(seen["needs_approval"] == true, "{seen}");
    ensure!(seen["sample"].as_array().is_some_and(|sample| sample.len() == 10), "{seen}");
    ensure!(seen["effect_de"].is_string() && seen["effect_en"].is_string(), "{seen}");
    let digest = seen["digest"].as_str().context("no digest")?;
    run("anna", &reject(&["--reason", "TEST"]), 2)?;
    // Nothing was done by looking.
    let still = world.must("anna", &[&["clearing", "list"], &WORDS[..]].concat(), 0)?;
    ensure!(ids(&still).len() == MANY, "a dry run has done something");

    // One of them is decided meanwhile.
    let first = sent[0].id.as_str();
    world.must("berta", &["clearing", "reject", first, "--reason", "TEST"], 0)?;
    let refused = run("anna", &reject(&["--reason", "TEST", "--digest", digest]), 1)?;
    ensure!(refused.text.contains("AB5011"), "{}", refused.text);

    let seen = run("anna", &dry, 0)?.objects.remove(0);
    let digest = seen["digest"].as_str().context("no digest")?.to_owned();
    let reject = reject(&["--reason", "TEST Stau", "--digest", &digest]);
    let (proposal, kept) = world.proposed(&run("anna", &reject, 0)?)?;
    ensure!(kept == digest, "the proposal has another digest");
    // And one between proposal and grant: it is left alone, the others are not.
    let second = sent[1].id.as_str();
    world.partner.is(Manner::Takes);
    world.must("berta", &["clearing", "resubmit", second, "--reason", "TEST"], 0)?;
    world.becomes(&sent[1].id, "delivered").await?;
    grant(world, "berta", &proposal, &digest, 0)?;
    let shown = world.carried_out(&proposal).await?;
    let results = results(&shown)?;
    ensure!(results.len() == MANY - 1, "{} settled", results.len());
    for (id, result) in &results {
        let wanted = if *id == second { "changed-meanwhile" } else { "done" };
        ensure!(result == wanted, "{id}: {result} instead of {wanted}");
    }
    for sent in &sent[2..] {
        world.becomes(&sent.id, "rejected-back").await?;
        ensure!(world.partner.seen(&sent.transport_id) == (0, 0), "sent although rejected");
    }
    ensure!(world.partner.seen(&sent[1].transport_id) == (1, 1), "not delivered once");
    Ok(format!("{MANY} deliveries"))
}

/// One by one, what one person decides alone counts together: the act that would be one too many waits
/// for another person, the dry run says so before and the command says why.
pub(super) async fn split(world: &World) -> Result<String> {
    let sent = world.cases(MANY).await?;
    // Nobody else counts, and neither does what another person does.
    let (clerk, other) = super::PAIRS[3];
    let reject = |clerk: &str, one: &super::Sent, more: &[&str]| {
        let act = [&["clearing", "reject", one.id.as_str()], more].concat();
        world.must(clerk, &act, 0)
    };
    let reason = ["--reason", "TEST einzeln"];
    for one in &sent[..LARGE] {
        let done = reject(clerk, one, &reason)?;
        ensure!(done.objects[0]["results"][0]["result"] == "done", "{}", done.text);
    }
    let next = &sent[LARGE];
    let seen = reject(clerk, next, &["--dry-run"])?.objects.remove(0);
    ensure!(seen["needs_approval"] == true && seen["approval_because"] == "sum", "{seen}");
    ensure!(seen["alone_before"] == json!({ "count": LARGE, "hours": 24 }), "{seen}");
    let free = reject(other, next, &["--dry-run"])?.objects.remove(0);
    ensure!(free["needs_approval"] == false && free["approval_because"].is_null(), "{free}");
    let said = reject(clerk, next, &reason)?;
    let (proposal, digest) = world.proposed(&said)?;
    for text in ["approval_de", "approval_en"] {
        let text = said.objects[0][text].as_str().unwrap_or_default();
        ensure!(text.contains("24") && text.contains("20"), "{}", said.text);
    }
    world.becomes(&next.id, "in-clearing").await?;
    grant(world, other, &proposal, &digest, 0)?;
    world.becomes(&next.id, "rejected-back").await?;
    // The other person has done nothing alone yet.
    for one in &sent[LARGE + 1..] {
        reject(other, one, &reason)?;
        world.becomes(&one.id, "rejected-back").await?;
    }
    Ok(format!("{LARGE} one by one"))
}

/// What became of each delivery of a proposal.
fn results(shown: &Value) -> Result<BTreeMap<String, String>> {
    let targets = shown["targets"].as_array().context("no targets")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(targets.iter().map(|one| (text(&one["hub_id"]), text(&one["decided"]["result"]))).collect())
}

/// SIGKILL right behind the grant: after the start it goes on, and every delivery has one ending, by
/// one record, on the word of the same two people.
pub(super) async fn killed(world: &mut World) -> Result<String> {
    let sent = world.cases(HUNDREDS).await?;
    let anna = world.clerk("anna")?;
    let listed: Vec<&str> = sent.iter().map(|one| one.id.as_str()).collect();
    let body = json!({ "act": "reject", "ids": listed, "reason": "TEST Stau" });
    let (status, answered) = world.post(&anna, "/ops/v1/clearing/acts", &body).await?;
    ensure!(status == 202, "{status} {answered}");
    let text = |name: &str| answered["proposal"][name].as_str().map(str::to_owned);
    let (proposal, digest) =
        (text("id").context("no proposal")?, text("digest").context("no digest")?);
    let word = json!({ "digest": digest, "reason": "TEST nachgesehen" });
    let path = format!("/ops/v1/approvals/{proposal}/grant");
    let (status, answered) = world.post(&world.clerk("berta")?, &path, &word).await?;
    ensure!(status == 200, "{status} {answered}");
    tokio::task::block_in_place(|| world.node.end())?;
    world.node = tokio::task::block_in_place(|| world.folder.serve())?;
    let started = now();
    world.lemgo = Town::load(world.folder.path(), super::LEMGO, &world.node.native)?;

    let shown = world.carried_out(&proposal).await?;
    let results = results(&shown)?;
    ensure!(results.len() == HUNDREDS, "{} settled", results.len());
    let berta = world.clerk("berta")?;
    let (mut before, mut after) = (0, 0);
    for one in &sent {
        ensure!(results[one.id.as_str()] == "done", "{}: {}", one.id, results[one.id.as_str()]);
        let why = berta.get(&format!("/ops/v1/why/{}", one.id)).await?;
        let message = &why["messages"][0];
        ensure!(message["status"]["state"] == "rejected-back", "{}", message["status"]["state"]);
        let timeline = message["timeline"].as_array().context("no timeline")?;
        let mut endings = timeline.iter().filter(|entry| {
            entry["evidence"]["grounds"]["granted"]["proposal"] == proposal.as_str()
        });
        let ending = endings.next().context("no record of the ending")?;
        ensure!(endings.next().is_none(), "{} has ended twice", one.id);
        ensure!(ending["evidence"]["grounds"]["by"]["name"] == "anna", "{ending}");
        ensure!(ending["evidence"]["grounds"]["granted"]["by"]["name"] == "berta", "{ending}");
        let at: jiff::Timestamp = ending["at"].as_str().context("no time")?.parse()?;
        if at < started {
            before += 1
        } else {
            after += 1
        }
        ensure!(world.partner.seen(&one.transport_id) == (0, 0), "sent although rejected");
    }
    Ok(format!("{HUNDREDS} deliveries, {before} before the node was up again, {after} after"))
}
