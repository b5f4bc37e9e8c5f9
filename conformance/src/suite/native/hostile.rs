//! Requests that are broken, too large, too slow, or meant to do harm: each ends in a clear error
//! while the hub serves others.

use std::time::Duration;

use amtsbote_adapters::probe::{Draft, Flaw};
use amtsbote_domain::fault::Code;
use amtsbote_domain::message::Metadata;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use super::{World, answer, case};
use crate::content::notice;
use crate::report::Report;
use crate::town::Answer;

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "wrong-media-type", media_type(world)).await;
    case(report, "not-multipart-at-all", no_parts(world)).await;
    case(report, "body-breaks-off", truncated(world)).await;
    case(report, "envelope-too-large", large_envelope(world)).await;
    case(report, "announced-too-large", announced(world)).await;
    case(report, "stalled-sender", stalled(world)).await;
    case(report, "large-attachment", attachment(world)).await;
    case(report, "octets-changed-at-rest", changed_at_rest(world)).await;
    case(report, "no-client-certificate", stranger(world)).await;
    case(report, "canary-values-stay-inside", canary(world)).await;
}

async fn media_type(world: &World) -> Result<String> {
    let refused = world.lemgo.post_body("application/xml", b"<x/>".to_vec()).await?;
    ensure!(refused.code() == Some(Code::UnsupportedMediaType), "{refused:?}");
    Ok(String::new())
}

async fn no_parts(world: &World) -> Result<String> {
    let kind = "multipart/related; boundary=b";
    for body in ["", "nothing", "--b\r\n", "--b--\r\n", "--b\r\nContent-ID: <x>\r\n\r\nx\r\n--b--"]
    {
        let refused = world.lemgo.post_body(kind, body.into()).await?;
        let code = refused.code();
        ensure!(matches!(code, Some(Code::MalformedRequest | Code::Truncated)), "{refused:?}");
    }
    Ok(String::new())
}

async fn truncated(world: &World) -> Result<String> {
    let (_, wired) = world.notice()?;
    let (kind, mut body) = wired.body("b")?;
    body.truncate(body.len() - 30);
    let refused = world.lemgo.post_body(&kind, body).await?;
    ensure!(refused.code() == Some(Code::Truncated), "{refused:?}");
    world.accept(&wired).await?;
    Ok(String::new())
}

async fn large_envelope(world: &World) -> Result<String> {
    let (_, mut wired) = world.notice()?;
    wired.envelope.resize(1 << 20, b' ');
    let refused = world.lemgo.post(&wired).await?;
    ensure!(refused.code() == Some(Code::TooLarge), "{refused:?}");
    Ok(String::new())
}

/// A body that says it is larger than allowed is refused before it is read.
async fn announced(world: &World) -> Result<String> {
    let pieces = futures_util::stream::unfold(0u32, |n| async move {
        // Never more than a few MiB, whatever was announced.
        (n < 64).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536])), n + 1))
    });
    let request = world
        .lemgo
        .request(reqwest::Method::POST, "/v1/messages")
        .header("content-type", "multipart/related; boundary=b")
        .header("content-length", (1u64 << 40).to_string())
        .body(reqwest::Body::wrap_stream(pieces));
    match answer(request).await {
        Ok((status, _, octets)) => {
            ensure!(status == 413, "{status} {}", String::from_utf8_lossy(&octets));
        }
        // The connection may be closed while the rest was still announced; the hub must live.
        Err(error) => ensure!(error.downcast_ref::<reqwest::Error>().is_some(), "{error}"),
    }
    world.accepted().await?;
    Ok(String::new())
}

async fn stalled(world: &World) -> Result<String> {
    let (_, wired) = world.notice()?;
    let (kind, body) = wired.body("b")?;
    let half = Bytes::from(body[..body.len() / 2].to_vec());
    let pieces = futures_util::stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) => Some((Ok::<_, std::io::Error>(half), None)),
            None => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                None
            }
        }
    });
    let request = world
        .lemgo
        .request(reqwest::Method::POST, "/v1/messages")
        .header("content-type", kind)
        .body(reqwest::Body::wrap_stream(pieces));
    let (slow, others) = tokio::join!(answer(request), world.accepted());
    others?;
    let (status, _, octets) = slow?;
    ensure!(status == 408, "{status} {}", String::from_utf8_lossy(&octets));
    Ok(String::new())
}

async fn attachment(world: &World) -> Result<String> {
    let octets: Vec<u8> = (0..8usize << 20).map(|n| (n * 31 % 251) as u8).collect();
    let hub_id = world.accept_attachment(&octets).await?;
    let path = format!("/v1/inbox/{hub_id}/parts/anlage.bin");
    let (status, _, back) = answer(world.detmold.request(reqwest::Method::GET, &path)).await?;
    ensure!(status == 200 && back == octets, "the attachment was altered (P4)");
    Ok(String::new())
}

/// P4: what is no longer as it was at the door is not handed out, and a person must decide.
async fn changed_at_rest(world: &World) -> Result<String> {
    let hub_id = world.accept_attachment(&vec![7; 3 << 20]).await?;
    // The newest file at rest is that of the attachment; put back in the end.
    let mut newest = None;
    for folder in std::fs::read_dir(world.folder.path().join("data/payload"))? {
        for entry in std::fs::read_dir(folder?.path())? {
            let entry = entry?;
            newest = newest.max(Some((entry.metadata()?.modified()?, entry.path())));
        }
    }
    let (_, path) = newest.context("no file at rest")?;
    let good = std::fs::read(&path)?;
    let mut changed = good.clone();
    changed[1_000] ^= 1;
    std::fs::write(&path, &changed)?;
    let part = format!("/v1/inbox/{hub_id}/parts/anlage.bin");
    let (status, ..) = answer(world.detmold.request(reqwest::Method::GET, &part)).await?;
    std::fs::write(&path, &good)?;
    ensure!(status == 500, "{status}");
    ensure!(world.state(&hub_id).await? == "in-clearing", "the delivery was not stopped");
    let whole = format!("/v1/inbox/{hub_id}");
    let (status, ..) = answer(world.detmold.request(reqwest::Method::GET, &whole)).await?;
    ensure!(status == 409, "it is still handed out: {status}");
    Ok(String::new())
}

async fn stranger(world: &World) -> Result<String> {
    let client =
        reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build()?;
    let native = client.get(format!("{}/v1/limits", world.node.native)).send().await;
    ensure!(native.is_err(), "served without a client certificate");
    let open = format!("{}/health/ready", world.node.operations);
    ensure!(client.get(open).send().await?.status() == 200);
    let closed = format!("{}/ops/v1/messages", world.node.operations);
    ensure!(client.get(closed).send().await?.status() == 403);
    Ok(String::new())
}

/// What no partner, log or metric may show.
const CANARY: &str = "Kanarienvogel4711";

/// P7: canary values in every text of a message must not come out anywhere.
async fn canary(world: &World) -> Result<String> {
    let metadata = world.lemgo.metadata(&world.detmold.party);
    let mut answers = Vec::new();
    for flaw in [Flaw::SchemaInvalid, Flaw::NotWellFormed, Flaw::Entity, Flaw::DeeplyNested] {
        let draft = Draft { metadata: metadata.clone(), content: &with_canaries };
        let wired = flaw.apply(draft, &world.lemgo.signer)?;
        match world.lemgo.post(&wired).await? {
            Answer::Refused(problem) => answers.extend(problem.to_bytes()),
            accepted => anyhow::bail!("accepted: {accepted:?}"),
        }
    }
    let open = world.operator.get("/ops/v1/messages?limit=100").await?.to_string();
    let log = std::fs::read_to_string(world.folder.path().join("node.log"))?;
    for (place, text) in [
        ("an answer", String::from_utf8_lossy(&answers).into_owned()),
        ("a list", open),
        ("the log", log),
    ] {
        ensure!(!text.contains(CANARY), "a value came out in {place}");
    }
    Ok(String::new())
}

/// A notice whose every text between tags, outside the header, is a canary.
fn with_canaries(metadata: &Metadata) -> Vec<u8> {
    let text = String::from_utf8_lossy(&notice(metadata)).into_owned();
    let body = text.find("</nachrichtenkopf.g2g>").expect("the sample has a header");
    let mut spoilt = text[..body].to_owned();
    for piece in text[body..].split_inclusive('>') {
        let (value, tag) = piece.split_at(piece.find('<').unwrap_or(0));
        spoilt.push_str(if value.trim().is_empty() { value } else { CANARY });
        spoilt.push_str(tag);
    }
    spoilt.into_bytes()
}
