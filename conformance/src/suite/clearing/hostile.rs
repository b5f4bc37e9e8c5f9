//! Bad input to every route of clearing, and clients that are no operators.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::native::answer;
use super::{LEMGO, Manner, World};
use crate::operations::Operator;

/// An id that nothing has.
const NONE: &str = "0197a2c4-0000-7000-8000-0000000000ff";
/// More than a document may have.
const HUGE: usize = 2 << 20;

/// Every answer has the status that belongs to it and, below 500, a code; nothing changes.
pub(super) async fn input(world: &World) -> Result<String> {
    let anna = world.clerk("anna")?;
    let one = world.case(Manner::Refuses).await?;
    let id = one.id.as_str();
    let close = super::asking("close", &[&one.id], "TEST");
    let (status, made) = world.post(&anna, "/ops/v1/clearing/acts", &close).await?;
    ensure!(status == 202, "{status} {made}");
    let proposal = made["proposal"]["id"].as_str().unwrap_or_default().to_owned();
    let digest = &made["proposal"]["digest"];
    let before = world.status(&one.id).await?;

    let (acts, case, approval) =
        ("/ops/v1/clearing/acts", format!("/ops/v1/clearing/{id}"), "/ops/v1/approvals");
    let mut tried = 0;
    let mut posts: Vec<(String, String, u16)> = Vec::new();
    let mut post = |path: &str, body: &str, status| {
        posts.push((path.to_owned(), body.to_owned(), status));
    };
    let judged = format!("{approval}/{proposal}/grant");
    let everywhere = [
        acts.to_owned(),
        format!("{case}/take"),
        format!("{case}/note"),
        format!("/ops/v1/messages/{id}/export"),
        judged.clone(),
        format!("{approval}/{proposal}/deny"),
    ];
    for path in &everywhere {
        for (body, status) in [
            ("{", 400),
            ("[]", 400),
            ("null", 400),
            ("\"\"", 400),
            ("{\"unknown\":1}", 400),
            ("{\"reason\":7}", 400),
            ("{\"reason\":\"a\\u0007b\"}", 400),
            ("{\"reason\":\" \"}", 400),
            ("\u{0}", 400),
            ("<a/>", 400),
        ] {
            post(path, body, status);
        }
        let long = json!({ "reason": "ä".repeat(501) }).to_string();
        post(path, &long, 400);
        post(path, &"[".repeat(100_000), 400);
        post(path, &" ".repeat(HUGE), 413);
        post(path, &format!("{{\"reason\":\"{}\"}}", "a".repeat(HUGE)), 413);
    }
    let act = |value: Value| value.to_string();
    let ids = |count: usize| -> Vec<String> {
        (0..count).map(|n| format!("0197a2c4-0000-7000-8000-{n:012x}")).collect()
    };
    for (body, status) in [
        (json!({}), 400),
        (json!({ "act": "resubmit", "reason": "TEST" }), 400),
        (json!({ "act": "resubmit", "ids": [], "reason": "TEST" }), 400),
        (json!({ "act": "delete", "ids": [id], "reason": "TEST" }), 400),
        (json!({ "act": "resubmit", "ids": ["../x"], "reason": "TEST" }), 400),
        (json!({ "act": "resubmit", "ids": [id], "where": {}, "reason": "TEST" }), 400),
        (json!({ "act": "resubmit", "ids": [id] }), 400),
        (json!({ "act": "resubmit", "ids": [id], "channel": "inbox", "reason": "TEST" }), 400),
        (json!({ "act": "reroute", "ids": [id], "reason": "TEST" }), 400),
        (json!({ "act": "reroute", "ids": [id], "channel": "", "reason": "TEST" }), 400),
        (json!({ "act": "reject", "where": {}, "reason": "TEST" }), 400),
        (json!({ "act": "reject", "where": { "cause": "no" }, "dry_run": true }), 400),
        (json!({ "act": "reject", "where": { "limit": 5 }, "dry_run": true }), 400),
        (json!({ "act": "reject", "where": { "after": "1-1" }, "dry_run": true }), 400),
        (json!({ "act": "reject", "where": { "unknown": 1 }, "dry_run": true }), 400),
        (json!({ "act": "reject", "ids": [id], "digest": "00", "reason": "TEST" }), 400),
        (json!({ "act": "reject", "ids": [id], "digest": "0".repeat(64), "reason": "T" }), 409),
        (json!({ "act": "resubmit", "ids": [NONE], "reason": "TEST" }), 404),
        (json!({ "act": "hold", "ids": [id], "reason": "TEST" }), 409),
        (json!({ "act": "resubmit", "ids": ids(10_001), "reason": "TEST" }), 413),
    ] {
        post(acts, &act(body), status);
    }
    for (path, body, status) in [
        (format!("{case}/take"), json!({ "over": true }), 400),
        (format!("{case}/take"), json!({ "reason": "TEST" }), 400),
        (format!("{case}/note"), json!({}), 400),
        (format!("{case}/release"), json!({}), 409),
        (format!("{case}/forget"), json!({}), 404),
        (format!("/ops/v1/clearing/{NONE}/take"), json!({}), 404),
        (format!("/ops/v1/clearing/{NONE}/note"), json!({ "reason": "TEST" }), 404),
        (format!("/ops/v1/clearing/{NONE}/release"), json!({}), 404),
        ("/ops/v1/clearing/%2e%2e/take".to_owned(), json!({}), 404),
        (format!("/ops/v1/clearing/{}/take", "a".repeat(5_000)), json!({}), 404),
        (format!("{approval}/{NONE}/grant"), json!({ "digest": digest, "reason": "T" }), 404),
        (format!("{approval}/{id}/grant"), json!({ "digest": digest, "reason": "T" }), 404),
        (format!("{approval}/{proposal}/burn"), json!({ "digest": digest, "reason": "T" }), 404),
        (format!("{approval}/no-id/grant"), json!({ "digest": digest, "reason": "T" }), 404),
        (judged.clone(), json!({ "digest": digest }), 400),
        (judged.clone(), json!({ "reason": "TEST" }), 400),
        (judged.clone(), json!({ "digest": digest, "reason": "TEST" }), 403),
        (
            format!("{approval}/{proposal}/deny"),
            json!({ "digest": "0".repeat(64), "reason": "T" }),
            409,
        ),
    ] {
        post(&path, &body.to_string(), status);
    }
    for (path, body, wanted) in posts {
        let request = anna.request(Method::POST, &path).body(body.clone());
        expect(request, wanted, &format!("{path} {}", shortened(&body))).await?;
        tried += 1;
    }
    for (path, wanted) in [
        ("/ops/v1/clearing?cause=no", 400),
        ("/ops/v1/clearing?unknown=1", 400),
        ("/ops/v1/clearing?limit=-1", 400),
        ("/ops/v1/clearing?limit=99999999999", 400),
        ("/ops/v1/clearing?since=yesterday", 400),
        ("/ops/v1/clearing?party=%00", 400),
        ("/ops/v1/clearing?after=invented", 404),
        ("/ops/v1/clearing?after=1-x", 404),
        ("/ops/v1/clearing?after=-5--5", 404),
        ("/ops/v1/clearing/no-id", 404),
        ("/ops/v1/clearing/0197a2c4-0000-7000-8000-0000000000ff", 404),
        ("/ops/v1/approvals?all=maybe", 400),
        ("/ops/v1/approvals?unknown=1", 400),
        ("/ops/v1/approvals/no-id", 404),
        ("/ops/v1/approvals/0197a2c4-0000-7000-8000-0000000000ff", 404),
    ] {
        expect(anna.request(Method::GET, path), wanted, path).await?;
        tried += 1;
    }
    let path = format!("{approval}/{proposal}?from=-1");
    expect(anna.request(Method::GET, &path), 400, &path).await?;
    let delete = anna.request(Method::DELETE, &case);
    expect(delete, 405, "DELETE").await?;

    // Ten thousand have room; none of them is there, so nothing is done.
    let most = json!({ "act": "resubmit", "ids": ids(10_000), "dry_run": true });
    let (status, seen) = world.post(&anna, acts, &most).await?;
    ensure!(status == 200 && seen["count"] == 0 && seen["left_out_count"] == 10_000, "{status}");
    ensure!(seen["left_out"].as_array().is_some_and(|named| named.len() == 100), "{seen}");
    // The same delivery twice is one delivery.
    let twice = json!({ "act": "reject", "ids": [id, id], "dry_run": true });
    let (status, seen) = world.post(&anna, acts, &twice).await?;
    ensure!(status == 200 && seen["count"] == 1, "{status} {seen}");

    let after = world.status(&one.id).await?;
    ensure!(before == after, "{before} became {after}");
    let shown = anna.get(&format!("{approval}/{proposal}")).await?;
    ensure!(shown["proposal"]["standing"] == "open", "{shown}");
    let berta = world.clerk("berta")?;
    let word = json!({ "digest": digest, "reason": "TEST" });
    let (status, answer) = world.post(&berta, &judged, &word).await?;
    ensure!(status == 200, "{status} {answer}");
    world.becomes(&one.id, "delivered").await?;
    Ok(format!("{tried} requests"))
}

/// A refusal with this status says its code, and repeats nothing of what was sent.
async fn expect(request: reqwest::RequestBuilder, wanted: u16, what: &str) -> Result<()> {
    let (status, headers, octets) = answer(request).await?;
    let said = String::from_utf8_lossy(&octets).into_owned();
    ensure!(status == wanted, "{what}: {status} instead of {wanted}: {}", shortened(&said));
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
    ensure!(kind == Some("application/problem+json"), "{what}: {kind:?}");
    let problem: Value = serde_json::from_slice(&octets)?;
    let code = problem["code"].as_str().unwrap_or_default();
    ensure!(code.starts_with("AB"), "{what}: no code in {said}");
    ensure!(octets.len() < 4_096, "{what}: {} octets of answer", octets.len());
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A procedure system that may send messages decides nothing, whatever it asks.
pub(super) async fn strangers(world: &World) -> Result<String> {
    let stranger = Operator::named(world.folder.path(), LEMGO, &world.node.operations)?;
    let mut tried = 0;
    for (method, path) in [
        (Method::GET, "/ops/v1/clearing".to_owned()),
        (Method::GET, format!("/ops/v1/clearing/{NONE}")),
        (Method::POST, "/ops/v1/clearing/acts".to_owned()),
        (Method::POST, format!("/ops/v1/clearing/{NONE}/take")),
        (Method::POST, format!("/ops/v1/clearing/{NONE}/release")),
        (Method::POST, format!("/ops/v1/clearing/{NONE}/note")),
        (Method::POST, format!("/ops/v1/messages/{NONE}/export")),
        (Method::GET, "/ops/v1/approvals".to_owned()),
        (Method::GET, format!("/ops/v1/approvals/{NONE}")),
        (Method::POST, format!("/ops/v1/approvals/{NONE}/grant")),
        (Method::POST, format!("/ops/v1/approvals/{NONE}/deny")),
    ] {
        expect(stranger.request(method, &path), 403, &path).await?;
        tried += 1;
    }
    Ok(format!("{tried} routes"))
}
