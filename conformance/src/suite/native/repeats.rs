//! Three identities (P3): repeats, collisions, business ids.

use std::collections::BTreeSet;

use amtsbote_adapters::probe::Draft;
use amtsbote_domain::fault::Code;
use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;

use super::{World, case};
use crate::content::notice;
use crate::report::Report;
use crate::town::Answer;

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "identical-repeat", identical(world)).await;
    case(report, "repeat-signed-anew", signed_anew(world)).await;
    case(report, "repeat-after-the-end", after_the_end(world)).await;
    case(report, "same-id-other-content", other_content(world)).await;
    case(report, "same-id-other-account", other_account(world)).await;
    case(report, "same-id-at-the-same-time", at_once(world)).await;
    case(report, "same-business-id", business_id(world)).await;
}

async fn identical(world: &World) -> Result<String> {
    let (_, wired, hub_id, receipt) = world.accepted().await?;
    let again = world.lemgo.post(&wired).await?;
    let wanted = Answer::Accepted { hub_id: hub_id.to_string(), receipt, repeated: true };
    ensure!(again == wanted, "{again:?}");
    Ok(String::new())
}

async fn signed_anew(world: &World) -> Result<String> {
    let (metadata, wired, _, receipt) = world.accepted().await?;
    let anew = Draft { metadata, content: &notice }.sign(&world.lemgo.signer)?;
    ensure!(anew.envelope != wired.envelope, "an ECDSA signature is never the same twice");
    let again = world.lemgo.post(&anew).await?;
    ensure!(
        matches!(&again, Answer::Accepted { receipt: r, repeated: true, .. } if *r == receipt),
        "{again:?}"
    );
    Ok(String::new())
}

async fn after_the_end(world: &World) -> Result<String> {
    let (_, wired, hub_id, receipt) = world.accepted().await?;
    world.lemgo.client.cancel(&hub_id).await?;
    let again = world.lemgo.post(&wired).await?;
    ensure!(
        matches!(&again, Answer::Accepted { receipt: r, repeated: true, .. } if *r == receipt),
        "{again:?}"
    );
    ensure!(world.state(&hub_id).await? == "cancelled", "a repeat woke it up");
    Ok(String::new())
}

async fn other_content(world: &World) -> Result<String> {
    let (metadata, ..) = world.accepted().await?;
    let mut other = world.lemgo.metadata(&world.detmold.party);
    other.transport_id = metadata.transport_id;
    let mut wired = Draft { metadata: other, content: &notice }.sign(&world.lemgo.signer)?;
    let refused = world.lemgo.post(&wired).await?;
    ensure!(refused.code() == Some(Code::SameIdOtherContent), "{refused:?}");
    // Nor does it help to put right what else is wrong with it: that is told, whatever its size.
    wired.parts.clear();
    let refused = world.lemgo.post(&wired).await?;
    ensure!(refused.code() == Some(Code::SameIdOtherContent), "without parts: {refused:?}");
    Ok(String::new())
}

async fn other_account(world: &World) -> Result<String> {
    let (metadata, _, hub_id, _) = world.accepted().await?;
    let mut other = world.detmold.metadata(&world.lemgo.party);
    other.transport_id = metadata.transport_id;
    let wired = Draft { metadata: other, content: &notice }.sign(&world.detmold.signer)?;
    match world.detmold.post(&wired).await? {
        Answer::Accepted { hub_id: theirs, repeated: false, .. } => {
            ensure!(theirs != hub_id.as_str());
            Ok(String::new())
        }
        other => anyhow::bail!("{other:?}"),
    }
}

async fn at_once(world: &World) -> Result<String> {
    let (_, wired) = world.notice()?;
    let answers = join_all((0..16).map(|_| world.lemgo.post(&wired))).await;
    let mut receipts = BTreeSet::new();
    let mut new = 0;
    for answer in answers {
        match answer? {
            Answer::Accepted { receipt, repeated, .. } => {
                receipts.insert(receipt);
                new += u32::from(!repeated);
            }
            refused => anyhow::bail!("{refused:?}"),
        }
    }
    ensure!(receipts.len() == 1 && new == 1, "{} receipts, {new} new", receipts.len());
    Ok(String::new())
}

async fn business_id(world: &World) -> Result<String> {
    let (metadata, _, first, _) = world.accepted().await?;
    let mut repeat = world.lemgo.metadata(&world.detmold.party);
    repeat.business_id = metadata.business_id;
    let wired = Draft { metadata: repeat, content: &notice }.sign(&world.lemgo.signer)?;
    let (second, _) = world.accept(&wired).await?;
    let page = world.detmold.client.inbox_page(&world.detmold.party, None, 1_000, 0).await?;
    let entry = page.entries.iter().find(|entry| entry.id == second).context("not in the inbox")?;
    ensure!(entry.same_business_id == [first], "not flagged: {:?}", entry.same_business_id);
    Ok(String::new())
}
