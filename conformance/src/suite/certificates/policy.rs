//! The policy for algorithms and keys, over certificates that connect.

use amtsbote_domain::fault::Code;
use anyhow::{Result, ensure};

use super::line::Line;
use super::{LEMGO, Use, World};

/// RSA as it was in use until 2023.
const SHORT_KEY: &[&str] = &["-newkey", "rsa:2048", "-nodes"];

/// An account with a short key is refused, on record; under the legacy profile it is let in, and the
/// log says why. The profile of one helps nobody else.
pub(super) async fn account(world: &World) -> Result<String> {
    let old = world.client_file(&format!("{LEMGO}-tls.cert.pem"));
    let clients = world.folder.path().join("clients");
    let valid = ["-days", "20"];
    let weak =
        world.first.issue_with(&clients, "lemgo-tls-short", Use::Client, SHORT_KEY, &valid)?;
    world.pin("account", LEMGO, &[&old, &weak.certificate])?;
    world.must(&["reload"], 0)?;
    let ca = world.folder.path().join("ca.pem");
    let ask = || {
        tokio::task::block_in_place(|| {
            Line::connect(&world.node.native, &ca, &weak)?.get("/v1/limits")
        })
    };
    let leaves = world.metric("amtsbote_log_leaves").await?;
    let (status, body) = ask()?;
    let code = Code::AlgorithmNotAllowed.to_string();
    ensure!(status == 422 && body.contains(&code), "{status} {body}");
    ensure!(body.contains("rsa-3000"), "no rule: {body}");
    let more = world.metric("amtsbote_log_leaves").await? - leaves;
    ensure!(more == 1, "the refusal left {more} leaves");
    let check = world.check("revocation").await?;
    let line = check["text_en"].as_str().unwrap_or_default().to_owned();
    ensure!(check["status"] == "critical" && line.contains("too weak"), "{check}");
    world.send(&world.town(LEMGO)?).await?;

    world.entry("account", LEMGO, |entry| {
        entry.insert("legacy".into(), true.into());
    })?;
    world.must(&["reload"], 0)?;
    let (status, body) = ask()?;
    ensure!(status == 200, "{status} {body}");
    let log = std::fs::read_to_string(world.folder.log())?;
    ensure!(log.contains("under the legacy profile of the partner"), "the log is silent");

    world.entry("account", LEMGO, |entry| drop(entry.remove("legacy")))?;
    world.must(&["reload"], 0)?;
    let (status, _) = ask()?;
    ensure!(status == 422, "{status} after the profile");
    world.pin("account", LEMGO, &[&old])?;
    world.must(&["reload"], 0)?;
    Ok(line)
}
