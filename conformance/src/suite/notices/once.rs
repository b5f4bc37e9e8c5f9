//! Killed while it writes: every Author is told of every message, and of none twice.

use std::collections::BTreeMap;
use std::time::Duration;

use amtsbote_domain::identity::HubId;
use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::super::crash::Random;
use super::{LEMGO, PATIENCE, SERVICE, World, in_seconds};
use crate::town::Town;

/// Messages that expire at the same time.
const COUNT: usize = 240;
/// How many are sent at the same time.
const SENDERS: usize = 8;
/// Seconds until they expire; long enough that all are accepted by then, on a slow machine too.
const SECONDS: i64 = 25;
/// A kill comes so many milliseconds after the node is ready and they have expired.
const KILL_AFTER_MS: std::ops::Range<u64> = 10..200;

/// Many messages expire at once; while their Authors are told, the node is killed again and again.
pub(super) async fn killed(world: &mut World, seed: u64, rounds: u32) -> Result<String> {
    let expires = in_seconds(SECONDS);
    let send = async |_| -> Result<HubId> {
        let mut metadata = world.metadata(&world.minden, SERVICE)?;
        metadata.expires = Some(expires);
        world.send(metadata).await
    };
    let sent = stream::iter(0..COUNT).map(send).buffer_unordered(SENDERS);
    let sent: Vec<HubId> = sent.try_collect().await.context("not all were accepted in time")?;
    let left = expires.duration_since(in_seconds(0));
    ensure!(left.is_positive(), "they took longer than {SECONDS} s");
    tokio::time::sleep(Duration::try_from(left)?).await;

    let mut random = Random(seed);
    let mut told_at_kill = Vec::new();
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(random.between(KILL_AFTER_MS))).await;
        world.node.end()?;
        world.node = tokio::task::block_in_place(|| world.folder.serve())?;
        world.lemgo = Town::load(world.folder.path(), LEMGO, &world.node.native)?;
        told_at_kill.push(counted(world, &sent).await?.len());
    }
    let begun = tokio::time::Instant::now();
    while counted(world, &sent).await?.len() < COUNT {
        ensure!(begun.elapsed() < PATIENCE, "some Authors are never told");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Time for whoever would tell it once more.
    tokio::time::sleep(super::QUIET).await;
    let told = counted(world, &sent).await?;
    for id in &sent {
        let count = told.get(id).copied().unwrap_or(0);
        ensure!(count == 1, "{id}: told {count} times");
    }
    Ok(format!("{COUNT} notices, {rounds} kills; told after each: {told_at_kill:?}"))
}

/// How often the Author was told that a message expired.
async fn counted(world: &World, sent: &[HubId]) -> Result<BTreeMap<HubId, usize>> {
    let mut told: BTreeMap<HubId, usize> = BTreeMap::new();
    for entry in world.inbox().await? {
        if let Some(about) = entry.about
            && sent.contains(&about.hub_id)
        {
            ensure!(about.notice.as_str() == "expired", "told {about:?}");
            *told.entry(about.hub_id).or_default() += 1;
        }
    }
    Ok(told)
}
