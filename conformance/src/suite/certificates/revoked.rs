//! Certificates are revoked: of a signer with messages under way, of an account that is connected.

use std::collections::BTreeSet;

use amtsbote_domain::fault::Code;
use anyhow::{Context, Result, ensure};

use super::line::Line;
use super::{LEMGO, Use, World, accepted, objects, text};
use crate::town::Answer;

/// A revoked signer is refused, on record; what it has under way is listed; a repeat of what was
/// accepted gets its receipt.
pub(super) async fn signer(world: &World) -> Result<String> {
    let old = world.client_file(&format!("{LEMGO}-sig.cert.pem"));
    let gone = world.issue(&world.first, "lemgo-sig-gone", Use::Signature)?;
    world.pin("party", LEMGO, &[&old, &gone.certificate])?;
    world.must(&["reload"], 0)?;
    let lemgo = world.town_with("lemgo-sig-gone", LEMGO, None, Some(&gone))?;
    let (_, first) = lemgo.notice(&world.detmold)?;
    let receipt = match lemgo.post(&first).await? {
        Answer::Accepted { hub_id, receipt, .. } => (hub_id, receipt),
        refused => anyhow::bail!("{refused:?}"),
    };
    let second = world.send(&lemgo).await?;
    let ended = world.send(&lemgo).await?;
    lemgo.client.cancel(&ended).await?;
    // Another signer's, which nothing happens to.
    let other = world.send(&world.town(LEMGO)?).await?;
    let none = world.must(&["cert", "affected", "-o", "json"], 0)?;
    ensure!(objects(&none)?.len() == 1, "{}", text(&none));
    ensure!(world.check("revocation").await?["status"] == "ok", "red before");

    world.first.revoke(&gone, "keyCompromise")?;
    world.refresh()?;
    let leaves = world.metric("amtsbote_log_leaves").await?;
    world.refused(&lemgo, Code::CertificateRevoked).await?;
    let more = world.metric("amtsbote_log_leaves").await? - leaves;
    ensure!(more == 1, "the refusal left {more} leaves");

    let wanted: BTreeSet<String> = [receipt.0.clone(), second.to_string()].into();
    let fingerprint = gone.fingerprint()?;
    for arguments in
        [&["cert", "affected", "-o", "json"][..], &["cert", "affected", &fingerprint, "-o", "json"]]
    {
        let mut lines = objects(&world.must(arguments, 1)?)?;
        let sum = lines.pop().context("no last line")?;
        let hit: Result<BTreeSet<String>> = lines
            .iter()
            .map(|line| {
                ensure!(line["signer_certificate"] == fingerprint.as_str(), "{line}");
                Ok(line["status"]["id"].as_str().context("no id")?.to_owned())
            })
            .collect();
        ensure!(hit? == wanted, "{arguments:?}: {lines:?}");
        ensure!(sum["affected"] == 2 && sum["revoked"][0]["reason"] == "keyCompromise", "{sum}");
    }
    pages(world, &fingerprint, &wanted).await?;
    let said = text(&world.must(&["--lang", "de", "cert", "affected"], 1)?);
    ensure!(said.contains("gesperrt") && !said.contains(other.as_str()), "{said}");

    let doctor = objects(&world.must(&["doctor", "-o", "json"], 1)?)?;
    let line = doctor.iter().find(|line| line["name"] == "revocation").context("no check")?;
    ensure!(line["status"] == "critical", "{line}");
    ensure!(line.to_string().contains(&fingerprint[..16]), "{line}");

    // It was accepted when it was good; whoever lost the answer may ask for it again (P3).
    let again = Answer::Accepted { hub_id: receipt.0, receipt: receipt.1, repeated: true };
    ensure!(lemgo.post(&first).await? == again, "a repeat gets another answer");

    world.pin("party", LEMGO, &[&old])?;
    world.must(&["reload"], 0)?;
    ensure!(world.check("revocation").await?["status"] == "ok", "red although it is gone");
    world.send(&world.town(LEMGO)?).await?;
    Ok(line["text_en"].to_string())
}

/// The same page by page from the operations API; what is no fingerprint is refused.
async fn pages(world: &World, fingerprint: &str, wanted: &BTreeSet<String>) -> Result<()> {
    let path = format!("/ops/v1/certificates/affected?limit=1&fingerprint={fingerprint}");
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = world.operator.get(&format!("{path}{after}")).await?;
        let messages = page["messages"].as_array().context("no list")?;
        ensure!(messages.len() <= 1, "{} on a page of one", messages.len());
        let ids = messages.iter().filter_map(|message| message["status"]["id"].as_str());
        found.extend(ids.map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    ensure!(found.len() == 2 && found.into_iter().collect::<BTreeSet<_>>() == *wanted, "pages");
    let wrong = "/ops/v1/certificates/affected?fingerprint=zz";
    let answer = world.operator.request(reqwest::Method::GET, wrong).send().await?;
    ensure!(answer.status().as_u16() == 400, "{}", answer.status());
    Ok(())
}

/// The next request over a connection that was made before is refused.
pub(super) async fn account(world: &World) -> Result<String> {
    let old = world.client_file(&format!("{LEMGO}-tls.cert.pem"));
    let gone = world.issue(&world.first, "lemgo-tls-gone", Use::Client)?;
    world.pin("account", LEMGO, &[&old, &gone.certificate])?;
    world.must(&["reload"], 0)?;
    let ca = world.folder.path().join("ca.pem");
    let mut line = tokio::task::block_in_place(|| Line::connect(&world.node.native, &ca, &gone))?;
    let mut ask = || tokio::task::block_in_place(|| line.get("/v1/limits"));
    let (status, _) = ask()?;
    ensure!(status == 200, "{status} before");
    let lemgo = world.town_with("lemgo-tls-gone", LEMGO, Some(&gone), None)?;
    let (_, wired) = lemgo.notice(&world.detmold)?;
    let sent = accepted(lemgo.post(&wired).await?)?;

    world.first.revoke(&gone, "superseded")?;
    world.refresh()?;
    let (status, body) = ask()?;
    ensure!(status == 403 && body.contains("AB2010"), "{status} {body}");
    let fingerprint = gone.fingerprint()?;
    let lines = objects(&world.must(&["cert", "affected", &fingerprint, "-o", "json"], 1)?)?;
    ensure!(lines.len() == 2 && lines[0]["status"]["id"] == sent.as_str(), "{lines:?}");
    ensure!(lines[0]["account_certificate"] == fingerprint.as_str(), "{lines:?}");
    world.pin("account", LEMGO, &[&old])?;
    world.must(&["reload"], 0)?;
    Ok(String::new())
}
