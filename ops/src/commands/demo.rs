//! `demo`: a whole region in one process, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use amtsbote_archive::dossier::{Dossier, Unaltered};
use amtsbote_broker::server::{self, Running};
use amtsbote_schemas::pack::PackSet;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::serve::not_started;
use super::why::{Answer, Story};
use crate::config::client;
use crate::config::node::{LogFormat, NodeFile, Overrides};
use crate::demo::content::Version;
use crate::demo::plan::{self, Case, MIN_MESSAGES, Planned};
use crate::demo::report::{self, Aftermath};
use crate::demo::run::{self, Happened, Progress};
use crate::evidence;
use crate::logging;
use crate::node::region::Region;
use crate::node::region_node::{self, Addresses};
use crate::operations::Operations;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::Ui;

/// Show a whole region at work: good and broken messages, receipts, evidence
///
/// A real hub with real TLS, store and signatures on loopback; the procedure systems of 36 towns
/// send good and broken messages and collect theirs. Exit code 0 only if every message ended as it
/// must.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  amtsbote demo\n  amtsbote demo --messages 1000 --keep region\n  amtsbote demo -o json"
)]
pub(crate) struct Demo {
    /// How many messages
    #[arg(long, default_value_t = 240, value_parser = messages, value_name = "N")]
    messages: usize,
    /// Keep the node, with everything it stored, in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn messages(text: &str) -> Result<usize, String> {
    const MAX: usize = 100_000;
    match text.parse() {
        Ok(count) if (MIN_MESSAGES..=MAX).contains(&count) => Ok(count),
        _ => Err(format!("{MIN_MESSAGES} to {MAX}")),
    }
}

impl Demo {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        if ui.verbose > 0 {
            logging::start(LogFormat::Text, "info".parse().unwrap_or_default(), ui)?;
        }
        let temporary = tempfile::tempdir().or_not_now("Ordner", "folder")?;
        let dir = self.keep.clone().unwrap_or_else(|| temporary.path().join("region"));
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        ui.note(ui.t("Region wird eingerichtet …", "setting up the region …"));
        region_node::write(&dir, Addresses { native: loopback, operations: loopback })?;
        let (happened, after) = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .or_not_now("Laufzeitumgebung", "runtime")?
            .block_on(self.play(ui, &dir))?;
        if ui.is_json() {
            report::print_json(ui, &happened, &after);
        } else {
            report::print_text(ui, &happened, &after);
        }
        if self.keep.is_some() {
            ui.note(format!("{} {}", ui.t("aufbewahrt in", "kept in"), dir.display()));
        }
        Ok(Exit::answer(report::all_well(&happened, &after)))
    }

    async fn play(&self, ui: &Ui, dir: &Path) -> Result<(Happened, Aftermath), Failure> {
        let file = NodeFile::read(&dir.join("amtsbote.toml"))?;
        let config = file.build(Overrides::default())?;
        let towns = Region::read()?.towns;
        let plan =
            plan::plan(self.messages, &towns, &versions(&config.tables.packs)?, time::now())?;
        let running = server::start(config).await.map_err(not_started)?;
        let native = format!("https://{}", running.native_address());
        ui.note(format!("{} {native}", ui.t("Knoten läuft auf", "hub runs at")));

        let begun = Instant::now();
        let progress = Arc::new(Progress::default());
        let shown = tokio::spawn(show(*ui, progress.clone(), plan.len(), expected_taken(&plan)));
        let happened = run::run(dir, &towns, &native, plan, progress).await;
        shown.abort();
        let happened = happened?;
        let seconds = begun.elapsed().as_secs_f64();

        let (story, dossier_proven) = one_message(dir, &running, &file, &happened).await?;
        running.stop().await;
        // Nothing of the hub runs any more: the files alone must prove it.
        let archive = evidence::verify_files(
            &file.database()?,
            &file.data_dir(),
            &file.large_parts()?,
            file.log_key()?.verifier(),
            &file.wrapping()?,
        )?;
        Ok((happened, Aftermath { story, dossier_proven, archive, seconds }))
    }
}

/// The versions of the example standard in force today.
fn versions(packs: &PackSet) -> Result<Vec<Version>, Failure> {
    let now = time::now();
    let in_force = |version: &Version| {
        packs.list().iter().any(|pack| {
            pack.standard == "XUmmeldung"
                && pack.version == version.as_str()
                && pack.days.holds(now)
        })
    };
    // Most use the newer one.
    let all = [Version::V1_1, Version::V1_1, Version::V1_0];
    let versions: Vec<Version> = all.into_iter().filter(in_force).collect();
    if versions.is_empty() {
        return Err(Failure::not_now(
            "Heute ist keine Version des Beispielstandards in Kraft; bitte die Uhr prüfen",
            "no version of the example standard is in force today; please check the clock",
        ));
    }
    Ok(versions)
}

fn expected_taken(plan: &[Planned]) -> usize {
    let taken =
        |planned: &&Planned| planned.case == Case::OtherContent || !run::is_refusal(planned.case);
    let waits = |planned: &&Planned| matches!(planned.case, Case::NotBefore | Case::Cancelled);
    plan.iter().filter(taken).count() - plan.iter().filter(waits).count()
}

/// A bar on a terminal, lines elsewhere.
async fn show(ui: Ui, progress: Arc<Progress>, total: usize, to_collect: usize) {
    const TICK: Duration = Duration::from_millis(100);
    let bar = if ui.bars() {
        ProgressBar::new((total + to_collect) as u64)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg}") {
        bar.set_style(style);
    }
    let (mut quarter, quarters) = (0, 4);
    loop {
        let sent = progress.sent.load(Ordering::Relaxed);
        let collected = progress.collected.load(Ordering::Relaxed);
        let text = format!(
            "{sent}/{total} {}, {collected}/{to_collect} {}",
            ui.t("gesendet", "sent"),
            ui.t("abgeholt und bestätigt", "collected and acknowledged")
        );
        bar.set_position((sent + collected) as u64);
        let now = (sent + collected) * quarters / (total + to_collect);
        if !ui.bars() && now > quarter {
            quarter = now;
            ui.note(&text);
        }
        bar.set_message(text);
        tokio::time::sleep(TICK).await;
    }
}

/// Asks the hub for the story of one message, and takes its dossier, which is checked here.
async fn one_message(
    dir: &Path,
    running: &Running,
    file: &NodeFile,
    happened: &Happened,
) -> Result<(Option<Story>, bool), Failure> {
    let of_case = |case| happened.messages.iter().find(|went| went.planned.case == case);
    let id = of_case(Case::Attachment).and_then(|went| went.hub_id.as_ref());
    let Some(id) = id else { return Ok((None, false)) };
    let url = format!("https://{}", running.operations_address());
    let config = client::read(&dir.join("clients").join("operator.toml"))?.operated_at(&url);
    let operations = Operations::new(&config)?;
    let mut octets = Vec::new();
    operations.copy(&["messages", id.as_str(), "dossier"], &mut octets).await?;
    let log_key = file.log_key()?;
    let proven = Dossier::parse(&octets).is_ok_and(|dossier| {
        dossier.check(Some(log_key.verifier())).unaltered == Unaltered::Proven
    });
    let answer: Answer = operations.get(&["why", id.as_str()], &[]).await?;
    Ok((answer.messages.into_iter().next(), proven))
}
