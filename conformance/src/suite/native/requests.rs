//! HTTP as such: what no route expects is answered as everything else is, and refused requests of
//! those who are known are evidence (P5).

use std::time::Duration;

use amtsbote_wire::native::problem::Problem;
use anyhow::{Context, Result, ensure};
use reqwest::Method;

use super::{World, answer, case};
use crate::report::Report;

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "malformed-requests-are-explained", malformed(world)).await;
    case(report, "wrong-methods-are-explained", methods(world)).await;
    case(report, "asking-for-the-head-hands-nothing-out", head(world)).await;
    case(report, "who-asks-before-sending-is-told-no", expect(world)).await;
    case(report, "answers-are-private", private(world)).await;
    case(report, "unchanged-state-is-not-sent-again", unchanged(world)).await;
    case(report, "range-of-something-else", if_range(world)).await;
    case(report, "refused-requests-are-evidence", evidence(world)).await;
    case(report, "operations-refusals-are-explained", operations(world)).await;
}

async fn refused(request: reqwest::RequestBuilder, wanted: u16) -> Result<Problem> {
    let (status, headers, octets) = answer(request).await?;
    ensure!(status == wanted, "{status} instead of {wanted}");
    ensure!(headers["content-type"] == "application/problem+json", "no problem document");
    let problem = Problem::parse(&octets).context("not a problem document")?;
    ensure!(problem.status == status && !problem.error_id.is_empty(), "{problem:?}");
    Ok(problem)
}

async fn malformed(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    let party = &world.lemgo.party;
    for (path, status) in [
        ("/v1/inbox".to_owned(), 400),
        ("/v1/inbox?party=nobody".to_owned(), 400),
        (format!("/v1/inbox?party={party}&limit=-1"), 400),
        (format!("/v1/inbox?party={party}&limit=many"), 400),
        (format!("/v1/inbox?party={party}&wait=1&wait=2"), 400),
        (format!("/v1/inbox?party={party}&after=zzz"), 400),
        (format!("/v1/inbox?party={party}&after=ffffffffffffffffffffffff"), 400),
        (format!("/v1/inbox?party={party}&after=%ff"), 400),
        (format!("/v1/messages/{hub_id}/receipt?kind=a&kind=b"), 400),
        (format!("/v1/messages/{hub_id}/receipt?kind=%00"), 404),
        ("/v1/messages/%ff".to_owned(), 404),
        ("/v1/inbox/%ff%fe/parts/%00".to_owned(), 404),
        ("/log/tile/0/x999/x999/x999/x999/x999/x999/999".to_owned(), 404),
        ("/log/tile/0/%ff".to_owned(), 404),
    ] {
        refused(world.lemgo.request(Method::GET, &path), status).await.context(path)?;
    }
    let whole = format!("/v1/inbox?party={party}&limit=0&after=7fffffffffffffff");
    ensure!(answer(world.lemgo.request(Method::GET, &whole)).await?.0 == 200);
    Ok(String::new())
}

async fn methods(world: &World) -> Result<String> {
    for (method, path) in [
        (Method::GET, "/v1/messages"),
        (Method::DELETE, "/v1/messages/0197a2c4"),
        (Method::PUT, "/v1/inbox"),
        (Method::OPTIONS, "/v1/limits"),
        (Method::TRACE, "/v1/limits"),
    ] {
        let request = world.lemgo.request(method.clone(), path);
        let (status, headers, _) = answer(request).await?;
        ensure!(status == 405, "{method} {path}: {status}");
        ensure!(headers.contains_key("allow"), "{method} {path}: nothing is allowed");
    }
    refused(world.lemgo.request(Method::PUT, "/v1/inbox"), 405).await?;
    Ok(String::new())
}

async fn head(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    for path in [format!("/v1/inbox/{hub_id}"), format!("/v1/inbox/{hub_id}/parts/envelope.xml")] {
        let (status, ..) = answer(world.detmold.request(Method::HEAD, &path)).await?;
        ensure!(status == 405, "{path}: {status}");
    }
    // Nothing left, so it can still be withdrawn.
    ensure!(world.lemgo.client.cancel(&hub_id).await?.state == "cancelled");
    Ok(String::new())
}

/// A sender who waits for "100 Continue" gets its refusal at once and writes nothing in vain.
async fn expect(world: &World) -> Result<String> {
    let begun = tokio::time::Instant::now();
    let body = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>>>());
    let request = world
        .lemgo
        .request(Method::POST, "/v1/messages")
        .header("content-type", "multipart/related; boundary=b")
        .header("content-length", u64::from(u32::MAX) * 2)
        .header("expect", "100-continue")
        .body(body);
    refused(request, 413).await?;
    ensure!(begun.elapsed() < Duration::from_secs(4), "the hub wanted to read it first");
    Ok(String::new())
}

async fn private(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    for path in ["/v1/limits".to_owned(), format!("/v1/messages/{hub_id}"), "/nothing".to_owned()] {
        let (_, headers, _) = answer(world.lemgo.request(Method::GET, &path)).await?;
        ensure!(headers["cache-control"] == "no-store", "{path}");
        ensure!(headers["x-content-type-options"] == "nosniff", "{path}");
        ensure!(!headers.contains_key("server"), "{path} says what serves it");
    }
    let path = format!("/v1/inbox/{hub_id}");
    let (_, headers, _) = answer(world.detmold.request(Method::GET, &path)).await?;
    ensure!(headers["content-disposition"] == "attachment", "a browser would show it");
    Ok(String::new())
}

async fn unchanged(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    let path = format!("/v1/messages/{hub_id}");
    let (_, headers, _) = answer(world.lemgo.request(Method::GET, &path)).await?;
    let known = headers["etag"].clone();
    let again = || world.lemgo.request(Method::GET, &path).header("if-none-match", known.clone());
    let (status, headers, octets) = answer(again()).await?;
    ensure!(status == 304 && octets.is_empty() && headers["etag"] == known, "{status}");
    world.lemgo.client.cancel(&hub_id).await?;
    let (status, headers, _) = answer(again()).await?;
    ensure!(status == 200 && headers["etag"] != known, "{status}");
    Ok(String::new())
}

async fn if_range(world: &World) -> Result<String> {
    let (_, wired, hub_id, _) = world.accepted().await?;
    let path = format!("/v1/inbox/{hub_id}");
    let (_, headers, _) = answer(world.detmold.request(Method::GET, &path)).await?;
    for (tag, wanted) in [(headers["etag"].to_str()?, 206), ("\"other\"", 200)] {
        let request = world.detmold.request(Method::GET, &path);
        let request = request.header("range", "bytes=0-9").header("if-range", tag);
        let (status, _, octets) = answer(request).await?;
        ensure!(status == wanted, "{status} instead of {wanted}");
        ensure!(status == 206 || octets == wired.parts[0].2, "not the whole");
    }
    let past = world.detmold.request(Method::GET, &path).header("range", "bytes=99999999-");
    refused(past, 416).await?;
    Ok(String::new())
}

async fn leaves(world: &World) -> Result<u64> {
    let status = world.operator.get("/ops/v1/status").await?;
    status["figures"]["leaves"].as_u64().context("no figure")
}

/// Each of these adds exactly one leaf; a stranger's knock none.
async fn evidence(world: &World) -> Result<String> {
    let (_, _, hub_id, _) = world.accepted().await?;
    let wrong = format!("{{\"sha256\":\"{}\"}}", "07".repeat(32));
    let requests = [
        (
            world
                .detmold
                .request(Method::POST, &format!("/v1/inbox/{hub_id}/acknowledge"))
                .body(wrong),
            409,
        ),
        (world.detmold.request(Method::POST, &format!("/v1/messages/{hub_id}/cancel")), 404),
        (world.lemgo.request(Method::GET, &format!("/v1/inbox/{hub_id}")), 404),
        (
            world.lemgo.request(Method::GET, &format!("/v1/inbox?party={}", world.detmold.party)),
            403,
        ),
        (world.lemgo.request(Method::GET, "/v1/inbox?limit=x"), 400),
        (world.lemgo.request(Method::POST, "/v1/messages").body("x"), 415),
    ];
    for (request, status) in requests {
        let before = leaves(world).await?;
        refused(request, status).await?;
        let after = leaves(world).await?;
        ensure!(after == before + 1, "{status}: {} leaves", after - before);
    }
    let before = leaves(world).await?;
    let stranger = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build()?;
    ensure!(stranger.get(format!("{}/v1/limits", world.node.native)).send().await.is_err());
    ensure!(leaves(world).await? == before, "noise became evidence (P8)");
    Ok(String::new())
}

async fn operations(world: &World) -> Result<String> {
    for (path, status) in [
        ("/ops/v1/messages?limit=x", 400),
        ("/ops/v1/messages?since=yesterday", 400),
        ("/ops/v1/route?from=x", 400),
        ("/ops/v1/why/%ff", 404),
        ("/ops/v1/nothing", 404),
        ("/nothing", 404),
    ] {
        refused(world.operator.request(Method::GET, path), status).await.context(path)?;
    }
    refused(world.operator.request(Method::DELETE, "/ops/v1/status"), 405).await?;
    let metrics = answer(world.operator.request(Method::GET, "/metrics")).await?.2;
    ensure!(String::from_utf8(metrics)?.contains("amtsbote_strangers "), "noise is not counted");
    Ok(String::new())
}
