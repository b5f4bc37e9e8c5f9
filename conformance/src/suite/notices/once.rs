//! Killed while it writes: every Author is told of every message, and of none twice.

use std::collections::BTreeMap;
use std::time::Duration;

use amtsbote_domain::Timestamp;
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
/// Messages by which it is seen how fast this machine is.
const SEEN: usize = 24;
/// Seconds until they expire, at least; so many times as long as they should take where that is longer.
const SECONDS: i64 = 10;
const SPARE: f64 = 4.0;
/// A kill comes so many milliseconds after the node is ready and they have expired; ...
const KILL_AFTER_MS: std::ops::Range<u64> = 10..200;
/// ... the first one before much can have been written.
const FIRST_KILL_AFTER_MS: std::ops::Range<u64> = 10..60;

/// Many messages expire at once; while their Authors are told, the node is killed again and again.
pub(super) async fn killed(world: &mut World, seed: u64, rounds: u32) -> Result<String> {
    let begun = tokio::time::Instant::now();
    send(world, SEEN, None).await?;
    let long = begun.elapsed().as_secs_f64() * COUNT as f64 / SEEN as f64 * SPARE;
    let seconds = SECONDS.max(long.ceil() as i64);
    let expires = in_seconds(seconds);
    let sent = send(world, COUNT, Some(expires)).await.context("not all were accepted in time")?;
    let left = expires.duration_since(in_seconds(0));
    ensure!(left.is_positive(), "they took longer than {seconds} s");
    tokio::time::sleep(Duration::try_from(left)?).await;

    let mut random = Random(seed);
    let mut told_at_kill = Vec::new();
    for round in 0..rounds {
        let after = if round == 0 { FIRST_KILL_AFTER_MS } else { KILL_AFTER_MS };
        tokio::time::sleep(Duration::from_millis(random.between(after))).await;
        told_at_kill.push(counted(world, &sent).await?.len());
        world.node.end()?;
        world.node = tokio::task::block_in_place(|| world.folder.serve())?;
        world.lemgo = Town::load(world.folder.path(), LEMGO, &world.node.native)?;
    }
    // Otherwise nothing was shown.
    let amid = told_at_kill.iter().filter(|told| **told < COUNT).count();
    ensure!(amid > 0, "all were told before the first kill");
    let (mut most, mut since) = (0, tokio::time::Instant::now());
    while most < COUNT {
        let told = counted(world, &sent).await?.len();
        if told > most {
            (most, since) = (told, tokio::time::Instant::now());
        }
        ensure!(since.elapsed() < PATIENCE, "some Authors are never told: {told} of {COUNT}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Time for whoever would tell it once more.
    tokio::time::sleep(super::QUIET).await;
    let told = counted(world, &sent).await?;
    for id in &sent {
        let count = told.get(id).copied().unwrap_or(0);
        ensure!(count == 1, "{id}: told {count} times");
    }
    Ok(format!(
        "{COUNT} notices, {amid} of {rounds} kills amid them; told before each: {told_at_kill:?}"
    ))
}

/// Sends so many, several at a time.
async fn send(world: &World, count: usize, expires: Option<Timestamp>) -> Result<Vec<HubId>> {
    let send = async |_| -> Result<HubId> {
        let mut metadata = world.metadata(&world.minden, SERVICE)?;
        metadata.expires = expires;
        world.send(metadata).await
    };
    stream::iter(0..count).map(send).buffer_unordered(SENDERS).try_collect().await
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
