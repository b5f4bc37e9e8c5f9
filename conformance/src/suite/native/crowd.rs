//! Those who take more than their share: strangers who stand at the door, accounts that open
//! connections, readers that stop reading, all while others are served (P8).

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use reqwest::Method;
use tokio::net::TcpStream;

use super::{World, answer, case};
use crate::report::Report;

/// Connections that the node under test serves.
pub(super) const CONNECTIONS: usize = 128;
/// Silence that it puts up with, in milliseconds.
pub(super) const IDLE_MS: u32 = 2_000;
/// Longest that somebody innocent may wait.
const SERVED: Duration = Duration::from_secs(20);

pub(super) async fn run(world: &World, report: &mut Report) {
    case(report, "strangers-at-the-door", strangers(world)).await;
    case(report, "one-account-opens-many-connections", many_connections(world)).await;
    case(report, "reader-stops-reading", stopped_reader(world)).await;
}

/// More than all places, and for longer than anybody would wait.
async fn strangers(world: &World) -> Result<String> {
    let address = world.node.native.trim_start_matches("https://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS + 12 {
        silent.push(TcpStream::connect(&address).await?);
    }
    // A client of its own: no connection of before.
    let lage = crate::town::Town::load(world.folder.path(), "05766040", &world.node.native)?;
    let asked = answer(lage.request(Method::GET, "/v1/limits"));
    let (status, ..) = tokio::time::timeout(SERVED, asked).await??;
    ensure!(status == 200, "{status}");
    Ok(format!("{} strangers", silent.len()))
}

async fn many_connections(world: &World) -> Result<String> {
    let path = format!("/v1/inbox?party={}&wait=4&after=7fffffffffffffff", world.lemgo.party);
    let asked = (0..CONNECTIONS).map(|_| answer(world.lemgo.request(Method::GET, &path)));
    let all = tokio::spawn(join_all(asked.collect::<Vec<_>>()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = answer(world.detmold.request(Method::GET, "/v1/limits"));
    let (status, ..) = tokio::time::timeout(SERVED, other).await??;
    ensure!(status == 200, "another account is not served: {status}");
    let (mut served, mut refused, mut cut) = (0, 0, 0);
    for asked in all.await? {
        match asked {
            Ok((200, ..)) => served += 1,
            Ok((429, headers, _)) => {
                ensure!(headers["retry-after"] == "1", "it does not say when to come again");
                refused += 1;
            }
            Ok((other, ..)) => anyhow::bail!("{other}"),
            // For whom there is no place, and who asks nothing in time, gets no answer: this machine
            // may be slow to ask.
            Err(error) if is_cut(&error) => cut += 1,
            Err(error) => return Err(error),
        }
    }
    ensure!(served > 0 && served <= CONNECTIONS / 4, "{served} places for one account");
    ensure!(refused > 0, "nobody was told why");
    Ok(format!("{served} served, {refused} sent away, {cut} cut off"))
}

/// The hub ended the connection instead of answering.
fn is_cut(error: &anyhow::Error) -> bool {
    let request = error.chain().find_map(|cause| cause.downcast_ref::<reqwest::Error>());
    request.is_some_and(|error| error.is_request() && !error.is_timeout() && !error.is_connect())
}

/// Whoever asks for octets and does not take them loses the connection, not the hub its thread.
async fn stopped_reader(world: &World) -> Result<String> {
    let octets = vec![7u8; 48 << 20];
    let hub_id = world.accept_attachment(&octets).await?;
    let path = format!("/v1/inbox/{hub_id}/parts/anlage.bin");
    let mut reply = world.detmold.request(Method::GET, &path).send().await?;
    ensure!(reply.status() == 200, "{}", reply.status());
    tokio::time::sleep(Duration::from_millis(u64::from(IDLE_MS) + 2_000)).await;
    let mut taken = 0;
    let ended = loop {
        match reply.chunk().await {
            Ok(Some(chunk)) => taken += chunk.len(),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    ensure!(ended.is_err() && taken < octets.len(), "the hub waited for ever ({taken} octets)");
    let (status, _, whole) = answer(world.detmold.request(Method::GET, &path)).await?;
    ensure!(status == 200 && whole == octets, "another try does not get it");
    Ok(String::new())
}
