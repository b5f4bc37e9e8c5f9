//! What leads into clearing, how it is found, and who has it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_domain::identity::HubId;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{LOST_SERVICE, Manner, SERVICE, Sent, WAY, World, ids, offer};
use crate::node::Folder;

/// Long enough to change something before the partner is tried, in seconds.
const LATER: i64 = 3;

/// One case of every cause.
pub(super) struct Causes {
    pub(super) exhausted: Sent,
    pub(super) unknown: Sent,
    pub(super) refused: Sent,
    pub(super) repeat_refused: Sent,
    pub(super) mismatch: HubId,
    pub(super) no_way: HubId,
    /// The file that was changed, and as it was.
    broken: (PathBuf, Vec<u8>),
}

/// Brings a delivery into clearing for every cause there is.
pub(super) async fn causes(world: &World) -> Result<Causes> {
    let exhausted = world.case(Manner::Away).await?;
    let unknown = world.case(Manner::Silent).await?;
    let refused = world.case(Manner::Refuses).await?;
    let repeat_refused = world.case(Manner::SilentThenRefuses).await?;

    // The octets at rest change between acceptance and delivery.
    world.partner.is(Manner::Takes);
    let before = files(&payloads(world))?;
    let mismatch = world.later(SERVICE, LATER, true).await?;
    let after = files(&payloads(world))?;
    let new: Vec<&PathBuf> = after.difference(&before).collect();
    let [file] = new.as_slice() else { anyhow::bail!("{} new payload files", new.len()) };
    let whole = fs::read(file)?;
    let mut octets = whole.clone();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(file, octets)?;
    let broken = ((*file).clone(), whole);
    world.becomes(&mismatch, "in-clearing").await?;

    // The directory loses the service before its time comes.
    let no_way = world.later(LOST_SERVICE, LATER, false).await?;
    offer(&world.folder, &[(SERVICE, false)])?;
    world.must("anna", &["reload"], 0)?;
    world.becomes(&no_way, "in-clearing").await?;

    let causes = Causes { exhausted, unknown, refused, repeat_refused, mismatch, no_way, broken };
    for (id, cause) in causes.all() {
        let detail = world.becomes(id, "in-clearing").await?;
        ensure!(detail == cause, "{detail} instead of {cause}");
    }
    Ok(causes)
}

impl Causes {
    /// The octets that were changed are as they were.
    pub(super) fn mend(&self) -> Result<()> {
        let (file, whole) = &self.broken;
        Ok(fs::write(file, whole)?)
    }

    fn all(&self) -> [(&HubId, &'static str); 6] {
        [
            (&self.exhausted.id, "attempts-exhausted"),
            (&self.unknown.id, "outcome-unknown"),
            (&self.refused.id, "refused"),
            (&self.repeat_refused.id, "repeat-refused"),
            (&self.mismatch, "digest-mismatch"),
            (&self.no_way, "no-way"),
        ]
    }
}

fn payloads(world: &World) -> PathBuf {
    world.folder.path().join("data/payload")
}

/// All files below a folder.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| folder.display().to_string()),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.metadata()?.len() > 0 {
                found.insert(entry.path());
            }
        }
    }
    Ok(found)
}

/// Every word that restricts a list does, pages neither repeat nor leave out, and a case says what
/// may be done with it.
pub(super) async fn list(world: &World, causes: &Causes) -> Result<String> {
    let all = world.must("anna", &["clearing", "list"], 0)?;
    ensure!(all.objects.len() == 6, "{} cases: {}", all.objects.len(), all.text);
    for (id, cause) in causes.all() {
        let found = world.must("berta", &["clearing", "list", "--cause", cause], 0)?;
        ensure!(ids(&found) == [id.to_string()], "{cause}: {}", found.text);
        ensure!(found.objects[0]["cause"] == cause, "{}", found.text);
    }
    let count = |arguments: &[&str]| -> Result<usize> {
        let arguments = [&["clearing", "list"], arguments].concat();
        Ok(world.must("anna", &arguments, 0)?.objects.len())
    };
    for (arguments, wanted) in [
        (&["--party", "ags:05766020"][..], 6),
        (&["--party", "ags:05766044", "--service", LOST_SERVICE], 1),
        (&["--party", "ags:05770004"], 0),
        (&["--channel", WAY], 6),
        (&["--channel", "inbox"], 0),
        (&["--since", "2026-01-01"], 6),
        (&["--since", "2999-01-01"], 0),
        (&["--mine"], 0),
    ] {
        let found = count(arguments)?;
        ensure!(found == wanted, "{arguments:?}: {found} instead of {wanted}");
    }
    let anna = world.clerk("anna")?;
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = anna.get(&format!("/ops/v1/clearing?limit=2{after}")).await?;
        let cases = page["cases"].as_array().context("no cases")?;
        ensure!(cases.len() <= 2, "{} cases on a page", cases.len());
        paged.extend(cases.iter().map(|case| case["status"]["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let distinct: BTreeSet<&String> = paged.iter().collect();
    ensure!(paged.len() == 6 && distinct.len() == 6, "pages showed {paged:?}");

    for (id, acts) in [
        (&causes.exhausted.id, json!([["resubmit", false], ["reroute", true], ["reject", false]])),
        (
            &causes.unknown.id,
            json!([["resubmit", true], ["reroute", true], ["reject", true], ["close", true]]),
        ),
        // What was collected or sent before it changed may have arrived.
        (&causes.mismatch, json!([["reject", true]])),
    ] {
        let shown = world.must("anna", &["clearing", "show", id.as_str()], 0)?;
        let case = &shown.objects[0];
        let offered = case["acts"].as_array().context("no acts")?.iter();
        let offered: Value = offered
            .map(|one| json!([one["act"], one["needs_approval"]]))
            .collect::<Vec<_>>()
            .into();
        ensure!(offered == acts, "{id}: {offered} instead of {acts}");
        ensure!(case["advice_de"].is_string() && case["advice_en"].is_string(), "no advice");
        ensure!(case["timeline"].as_array().is_some_and(|lines| lines.len() > 1), "no history");
    }
    Ok(format!("{} cases", distinct.len()))
}

/// One clerk has a case: the other neither takes it nor acts on it, but with a reason takes it over.
pub(super) async fn taken(world: &World, causes: &Causes) -> Result<String> {
    let id = causes.exhausted.id.as_str();
    world.must("anna", &["clearing", "take", id], 0)?;
    let mine = world.must("anna", &["clearing", "list", "--mine"], 0)?;
    ensure!(ids(&mine) == [id.to_owned()], "{}", mine.text);
    let refused = world.refused("berta", &["clearing", "take", id], "AB5006")?;
    ensure!(refused.text.contains("anna"), "nobody is named: {}", refused.text);
    let act = ["clearing", "reject", id, "--reason", "TEST"];
    let refused = world.must("berta", &act, 1)?;
    ensure!(refused.text.contains("anna"), "nobody is named: {}", refused.text);
    world.refused("berta", &["clearing", "release", id], "AB5006")?;
    // Another certificate of the same person is the same person.
    world.must("carl", &["clearing", "take", id], 0)?;
    world.must("berta", &["clearing", "take", id, "--over"], 2)?;
    world.must("berta", &["clearing", "take", id, "--reason", "TEST"], 2)?;
    let over = ["clearing", "take", id, "--over", "--reason", "TEST anna ist im Urlaub"];
    let over = world.must("berta", &over, 0)?;
    ensure!(over.objects[0]["taken_by"] == "berta", "{}", over.text);
    world.refused("anna", &["clearing", "release", id], "AB5006")?;
    world.must("berta", &["clearing", "note", id, "TEST Rückruf um 14 Uhr"], 0)?;
    world.must("berta", &["clearing", "note", id, ""], 2)?;
    world.must("berta", &["clearing", "release", id], 0)?;
    world.refused("berta", &["clearing", "release", id], "AB5007")?;
    let why = world.must("anna", &["why", id], 0)?;
    for words in ["TEST anna ist im Urlaub", "TEST Rückruf um 14 Uhr", "clearing take"] {
        ensure!(why.text.contains(words), "{words:?} is not in the history");
    }
    Ok(String::new())
}

/// The archive names the part whose octets were changed, and no other.
pub(super) fn named(folder: &Folder, causes: &Causes) -> Result<String> {
    let output = folder.command(&["archive", "verify", "--offline", "-o", "json"]).output()?;
    ensure!(output.status.code() == Some(1), "archive verify ended with {}", output.status);
    let found: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(found["problem_count"] == 1, "{found}");
    let place = found["problems"][0]["place"].as_str().unwrap_or_default().to_owned();
    ensure!(place.starts_with(causes.mismatch.as_str()), "{found}");
    Ok(place)
}
