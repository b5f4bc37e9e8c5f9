//! Sources of revocation are away: grace, recorded, and its end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{DETMOLD, LONG, MINDEN, Use, World, text};

/// How long the list lasts that runs out, in seconds.
const SHORT: u32 = 2;

/// A list in a file runs out and the file is gone: one partner is under grace, on record; another
/// has none and is asked to come again.
pub(super) async fn away(world: &World) -> Result<String> {
    let file = world.folder.path().join("second.crl");
    let signers: Vec<_> = [(DETMOLD, 1), (MINDEN, 0)]
        .into_iter()
        .map(|(ags, hours)| {
            let name = format!("{ags}-second");
            let signer = world.issue(&world.second, &name, Use::Signature)?;
            world.pin("party", ags, &[&signer.certificate])?;
            world.entry("party", ags, |entry| {
                entry.insert("grace_hours".into(), toml::Value::from(hours));
            })?;
            world.town_with(&name, ags, None, Some(&signer))
        })
        .collect::<Result<_>>()?;
    let [graced, strict] = signers.as_slice() else { anyhow::bail!("two towns") };
    world.must(&["reload"], 0)?;
    let good = world.send(graced).await?;
    ensure!(world.record(&good).await?["under_grace"].is_null(), "grace while the list is fresh");
    let counted = world.metric("amtsbote_accepted_under_grace").await?;

    std::fs::write(&file, world.second.list(SHORT)?)?;
    world.must(&["cert", "refresh"], 0)?;
    std::fs::remove_file(&file)?;
    tokio::time::sleep(Duration::from_millis(u64::from(SHORT) * 1000 + 1100)).await;
    let failing = text(&world.must(&["cert", "refresh"], 1)?);
    ensure!(failing.contains("second.crl"), "{failing}");

    let late = world.send(graced).await?;
    let record = world.record(&late).await?;
    let signer = &record["signature"]["certificate"];
    let [grace] = record["under_grace"].as_array().context("no grace on record")?.as_slice() else {
        anyhow::bail!("not one grace: {record}");
    };
    ensure!(grace["certificate"] == *signer && grace["purpose"] == "content", "{grace}");
    let time = |name: &str| -> Result<amtsbote_domain::Timestamp> {
        Ok(grace[name].as_str().context("no time")?.parse()?)
    };
    let hour = jiff::SignedDuration::from_hours(1);
    ensure!(time("fresh_until")? + hour == time("ends")?, "{grace}");
    let why = text(&world.must(&["why", late.as_str()], 0)?);
    ensure!(why.contains("accepted under grace"), "{why}");
    let counted = world.metric("amtsbote_accepted_under_grace").await? - counted;
    ensure!(counted == 1, "the metric counts {counted}");

    let (_, wired) = strict.notice(&world.detmold)?;
    let (content_type, body) = wired.body("b-1")?;
    let request = strict.request(reqwest::Method::POST, "/v1/messages");
    let answer = request.header("content-type", content_type).body(body).send().await?;
    let wait = answer.headers().get("retry-after").context("no Retry-After")?.to_str()?.to_owned();
    ensure!(answer.status().as_u16() == 503 && wait.parse::<u32>()? > 0, "{answer:?}");
    let body = super::body(answer).await?;
    ensure!(body.contains("AB2011"), "{body}");
    let check = world.check("revocation").await?;
    ensure!(check["status"] == "critical", "{check}");
    let line = check["text_en"].as_str().unwrap_or_default();
    ensure!(line.contains(MINDEN) && line.contains(DETMOLD), "{line}");

    // The source is back.
    std::fs::write(&file, world.second.list(LONG)?)?;
    world.must(&["cert", "refresh"], 0)?;
    let back = world.send(strict).await?;
    ensure!(world.record(&back).await?["under_grace"].is_null(), "grace although it is back");
    ensure!(world.check("revocation").await?["status"] == "ok", "red although it is back");
    Ok(line.to_owned())
}

/// List server and responder that are away change nothing while the last word is fresh; the hub says
/// that they are away.
pub(super) async fn all_away(world: &mut World) -> Result<String> {
    world.server.leave();
    let port = world.responder.take().context("no responder")?.port;
    let failing = text(&world.must(&["cert", "refresh"], 1)?);
    ensure!(failing.contains("first.crl") && failing.contains(&format!(":{port}/")), "{failing}");
    let sources = world.check("revocation-sources").await?;
    ensure!(sources["status"] == "warning", "{sources}");
    let lemgo = world.town(super::LEMGO)?;
    let id = world.send(&lemgo).await?;
    ensure!(world.record(&id).await?["under_grace"].is_null(), "grace while the word is fresh");
    world.responder = Some(world.first.responder(port)?);
    world.refresh()?;
    ensure!(world.check("revocation-sources").await?["status"] == "ok", "they are back");
    Ok(sources["text_en"].to_string())
}
