//! The proof: suites that drive the shipped `amtsbote` as a process and judge what it does.

mod client_file;
mod content;
mod history;
mod node;
mod operations;
mod peer;
mod report;
mod shipped;
mod suite;
mod town;
mod undo;

use std::path::PathBuf;
use std::process::ExitCode;

use amtsbote_domain::text::Language;
use clap::{Parser, Subcommand};

use report::Summary;
use suite::{Settings, Suite};

/// Suites that drive the shipped `amtsbote` and judge what it does.
#[derive(Parser)]
#[command(
    name = "amtsbote-conformance",
    version,
    after_help = "Example:\n  amtsbote-conformance run native crash --seed 7"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the suites
    List,
    /// Runs suites; the exit code is 0 when nothing failed
    Run {
        /// Which; all when none is named
        suites: Vec<String>,
        /// Writes SUITE.jsonl into this folder
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        /// Makes random choices repeatable
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Rounds of suites that repeat themselves
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// Messages of the suite mixup
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        messages: u64,
        /// How often the suite prove kills a hub
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        kill: Option<u32>,
        /// Language of what is told in words: de or en [default: that of the environment]
        #[arg(long, env = "AMTSBOTE_LANG", value_parser = ["de", "en"])]
        lang: Option<String>,
        /// text or json
        #[arg(short, long, default_value = "text")]
        output: String,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Whoever closed standard error does not want to know.
            use std::io::Write as _;
            let _closed = writeln!(std::io::stderr(), "amtsbote-conformance: {error:#}");
            ExitCode::from(3)
        }
    }
}

/// The language that was asked for, else that of the environment, else English.
fn language(asked: Option<String>) -> Language {
    let environment = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter();
    let mut said = environment.filter_map(|name| std::env::var(name).ok());
    match asked.or_else(|| said.find(|value| !value.is_empty())) {
        Some(word) if word.starts_with("de") => Language::De,
        _ => Language::En,
    }
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::List => {
            for suite in Suite::ALL {
                report::say(&format!("{:<8} {}", suite.name(), suite.about()));
            }
            Ok(0)
        }
        Command::Run { suites, report, seed, rounds, messages, kill, lang, output } => {
            let named: Result<Vec<Suite>, _> = suites.iter().map(|name| name.parse()).collect();
            let Ok(mut chosen) = named else {
                anyhow::bail!("there is no such suite; `list` names them");
            };
            if chosen.is_empty() {
                chosen = Suite::ALL.to_vec();
            }
            let settings = Settings {
                shipped: shipped::Shipped::find()?,
                seed,
                rounds,
                messages,
                kill,
                language: language(lang),
                json: output == "json",
                report,
            };
            let run = undo::begin()?;
            let summaries: Result<Vec<Summary>, _> =
                chosen.iter().map(|suite| suite.run(&settings)).collect();
            let summaries = summaries?;
            run.end()?;
            let empty = summaries.iter().any(|summary| summary.total == 0);
            let failed = summaries.iter().any(|summary| summary.failed > 0);
            Ok(u8::from(failed || empty))
        }
    }
}
