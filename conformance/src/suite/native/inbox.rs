//! The inbox: order, pages, ranges, digests, and who may not look.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::HubId;
use anyhow::{Result, ensure};
use base64::Engine;
use reqwest::Method;

use super::{World, answer, case};
use crate::report::Report;

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "inbox-order-and-pages", pages(world)).await;
    case(report, "inbox-wait", wait(world)).await;
    case(report, "fetch-ranges", ranges(world)).await;
    case(report, "acknowledge-wrong-digest", wrong_digest(world)).await;
    case(report, "what-is-not-yours-does-not-exist", not_yours(world)).await;
    case(report, "unknown-ids", unknown(world)).await;
    case(report, "public-log", public_log(world)).await;
}

async fn pages(world: &World) -> Result<String> {
    let mut sent = Vec::new();
    for _ in 0..7 {
        sent.push(world.accepted().await?.2);
    }
    let mut seen: Vec<HubId> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page =
            world.detmold.client.inbox_page(&world.detmold.party, after.as_deref(), 3, 0).await?;
        ensure!(page.entries.len() <= 3, "more than asked for");
        seen.extend(page.entries.into_iter().map(|entry| entry.id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let tail = &seen[seen.len().saturating_sub(sent.len())..];
    ensure!(tail == sent, "not in the order of acceptance");
    Ok(format!("{} entries", seen.len()))
}

async fn wait(world: &World) -> Result<String> {
    let client = &world.detmold.client;
    let page = client.inbox_page(&world.detmold.party, None, 1_000, 0).await?;
    // Past the last entry there is nothing, so this waits until something comes.
    let (_, _, last, _) = world.accepted().await?;
    let mut after = page.next;
    loop {
        let page = client.inbox_page(&world.detmold.party, after.as_deref(), 1_000, 20).await?;
        if page.entries.iter().any(|entry| entry.id == last) {
            return Ok(String::new());
        }
        ensure!(page.next.is_some(), "a message that waits was not shown");
        after = page.next;
    }
}

async fn ranges(world: &World) -> Result<String> {
    let (_, wired, hub_id, _) = world.accepted().await?;
    let payload = &wired.parts[0].2;
    let path = format!("/v1/inbox/{hub_id}");
    let (status, headers, whole) = answer(world.detmold.request(Method::GET, &path)).await?;
    ensure!(status == 200 && whole == *payload);
    let digest = openssl::sha::sha256(payload);
    let digest = base64::engine::general_purpose::STANDARD.encode(digest);
    ensure!(headers["content-digest"] == format!("sha-256=:{digest}:").as_str());
    let middle = payload.len() / 2;
    let mut joined = Vec::new();
    for range in [format!("bytes=0-{}", middle - 1), format!("bytes={middle}-")] {
        let request = world.detmold.request(Method::GET, &path).header("range", range);
        let (status, _, octets) = answer(request).await?;
        ensure!(status == 206, "{status}");
        joined.extend(octets);
    }
    ensure!(joined == *payload, "the ranges do not make the whole");
    let past = format!("bytes={}-", payload.len());
    let (status, ..) =
        answer(world.detmold.request(Method::GET, &path).header("range", past)).await?;
    ensure!(status == 416, "{status}");
    Ok(String::new())
}

async fn wrong_digest(world: &World) -> Result<String> {
    let (_, wired, hub_id, _) = world.accepted().await?;
    let path = format!("/v1/inbox/{hub_id}/acknowledge");
    let confirm = |digest: Digest| {
        world
            .detmold
            .request(Method::POST, &path)
            .header("content-type", "application/json")
            .body(format!("{{\"sha256\":\"{digest}\"}}"))
    };
    let (status, ..) = answer(confirm(Digest([7; 32]))).await?;
    ensure!(status == 409, "{status}");
    ensure!(world.state(&hub_id).await? == "waiting");
    let right = Digest(openssl::sha::sha256(&wired.parts[0].2));
    let (status, ..) = answer(confirm(right)).await?;
    ensure!(status == 200, "{status}");
    let garbage = world.detmold.request(Method::POST, &path).body("{");
    ensure!(answer(garbage).await?.0 == 400);
    Ok(String::new())
}

async fn not_yours(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    // The Reader is not the sender, and the sender is not the Reader.
    for path in [format!("/v1/messages/{hub_id}"), format!("/v1/messages/{hub_id}/receipt")] {
        let (status, ..) = answer(world.detmold.request(Method::GET, &path)).await?;
        ensure!(status == 404, "{path}: {status}");
    }
    for path in [format!("/v1/inbox/{hub_id}"), format!("/v1/inbox/{hub_id}/parts/envelope.xml")] {
        let (status, ..) = answer(world.lemgo.request(Method::GET, &path)).await?;
        ensure!(status == 404, "{path}: {status}");
    }
    let inbox = format!("/v1/inbox?party={}", world.detmold.party);
    let (status, ..) = answer(world.lemgo.request(Method::GET, &inbox)).await?;
    ensure!(status == 403, "{status}");
    Ok(String::new())
}

async fn unknown(world: &World) -> Result<String> {
    let paths = [
        "/v1/messages/00000000-0000-7000-8000-000000000000",
        "/v1/messages/%2e%2e%2fetc",
        "/v1/inbox/zzz",
        "/v1/nothing",
        "/log/tile/9/000",
        "/",
    ];
    for path in paths {
        let (status, headers, _) = answer(world.lemgo.request(Method::GET, path)).await?;
        ensure!(status == 404, "{path}: {status}");
        ensure!(headers["content-type"] == "application/problem+json", "{path}");
    }
    Ok(String::new())
}

/// Anybody with a certificate can recompute the head from the tiles.
async fn public_log(world: &World) -> Result<String> {
    use amtsbote_archive::checkpoint::Checkpoint;
    use amtsbote_archive::tile::TilePath;
    use amtsbote_archive::tree::Appender;
    let (_, _, note) = answer(world.lemgo.request(Method::GET, "/log/checkpoint")).await?;
    let note = String::from_utf8(note)?;
    let head = Checkpoint::unverified(&note)?;
    let mut tree = Appender::empty();
    let mut nodes = Vec::new();
    for tile in TilePath::all_of(head.size).filter(|tile| tile.level() == 0) {
        let (status, _, octets) =
            answer(world.lemgo.request(Method::GET, &format!("/log/{tile}"))).await?;
        ensure!(status == 200, "{tile}: {status}");
        for hash in tile.hashes(&octets)? {
            tree.append(hash, &mut nodes);
        }
    }
    ensure!(tree.size() == head.size && tree.root() == head.root, "the tiles give another head");
    Ok(format!("{} leaves", head.size))
}
