//! The same attacks as real requests: a running node refuses each, records it, and accepts nothing.

use std::collections::BTreeMap;

use amtsbote_adapters::probe::Wired;
use anyhow::{Context, Result, anyhow, bail, ensure};

use super::map::Map;
use super::{samples, shapes, tricks};
use crate::node::Folder;
use crate::operations::Operator;
use crate::report::Report;
use crate::suite::Settings;
use crate::town::{Answer, Town};

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("node");
    let folder = Folder::init(&settings.shipped, &path)?;
    let node = folder.serve()?;
    let lemgo = Town::load(&path, "05766044", &node.native)?;
    let detmold = Town::load(&path, "05766020", &node.native)?;
    let operator = Operator::load(&path, &node.operations)?;
    let before = operator.everything().await?.len();
    let (_, good) = lemgo.notice(&detmold.party)?;
    let attacked = attacked(&good)?;
    let mut codes = BTreeMap::new();
    for (name, envelope) in &attacked {
        let wired = Wired { envelope: envelope.clone(), ..good.clone() };
        let told = refused(&lemgo, &wired, &operator).await.with_context(|| name.clone());
        match told {
            Ok(code) => *codes.entry(code).or_insert(0) += 1,
            Err(error) => report.add(format!("door/{name}"), Err(error)),
        }
    }
    let refusals: usize = codes.values().sum();
    let codes: Vec<_> = codes.into_iter().map(|(code, n)| format!("{code} {n}")).collect();
    let refused = if refusals == attacked.len() && refusals > 0 {
        Ok(format!("{refusals} requests, each on record: {}", codes.join(", ")))
    } else {
        Err(anyhow!("{refusals} of {} were refused as they must be", attacked.len()))
    };
    report.add("door/refused", refused);
    let after = operator.everything().await?.len();
    let nothing = match after.checked_sub(before) {
        Some(0) => Ok(String::new()),
        _ => Err(anyhow!("{before} messages became {after}")),
    };
    report.add("door/nothing-was-accepted", nothing);
    // The refusals have used up nothing, not even the transport id.
    let accepted = match lemgo.post(&good).await? {
        Answer::Accepted { repeated: false, .. } => Ok(String::new()),
        Answer::Accepted { .. } => Err(anyhow!("it counts as a repeat")),
        Answer::Refused(problem) => Err(anyhow!("{}", problem.detail)),
    };
    report.add("door/the-original-is-still-accepted", accepted);
    tokio::task::block_in_place(|| node.stop())?;
    report.add("door/archive-holds", folder.verify_archive().map(|found| found.to_string()));
    Ok(())
}

/// Every attacked copy of a message that says what was forged, with the name of its shape.
fn attacked(good: &Wired) -> Result<Vec<(String, Vec<u8>)>> {
    let sample = samples::envelope("door".to_owned(), good.envelope.clone());
    let map = Map::of(&sample.document)?;
    let (targets, _) = sample.targets(&map)?;
    let target = targets.first().context("the envelope holds nothing to forge")?;
    let ground = sample.ground(&map, target, None);
    let forged = sample.forged.as_bytes();
    let says = |document: &[u8]| document.windows(forged.len()).any(|window| window == forged);
    let mut attacked = Vec::new();
    for shape in shapes::all().into_iter().chain(tricks::all()) {
        let made = (shape.make)(&ground).into_iter().filter(|document| says(document));
        attacked.extend(made.map(|document| (shape.name.clone(), document)));
    }
    Ok(attacked)
}

/// Sends it; the code of the refusal, which must be on record and show nothing.
async fn refused(from: &Town, wired: &Wired, operator: &Operator) -> Result<String> {
    let before = leaves(operator).await?;
    let refused = match from.post(wired).await? {
        Answer::Refused(problem) => problem,
        Answer::Accepted { hub_id, .. } => bail!("accepted as {hub_id}"),
    };
    let code = refused.code().context("an unknown code")?.to_string();
    ensure!(code.starts_with("AB1") || code.starts_with("AB2"), "{code}: {}", refused.detail);
    let said = String::from_utf8_lossy(&refused.to_bytes()).into_owned();
    ensure!(!said.contains(samples::FORGED_READER), "the answer shows a value of the message");
    let recorded = leaves(operator).await? - before;
    ensure!(recorded == 1, "{recorded} leaves for one refusal");
    Ok(code)
}

async fn leaves(operator: &Operator) -> Result<u64> {
    let status = operator.get("/ops/v1/status").await?;
    status["figures"]["leaves"].as_u64().context("no figure")
}
