//! `pack list`, `pack show`, `pack import`: the standards that messages are checked against.

mod import;
mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::config::node::load_packs;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::Ui;

/// Show the standards a hub knows, and bring in new ones
#[derive(Debug, Subcommand)]
pub(crate) enum Pack {
    /// List the packs of a running hub, or of a folder
    List(List),
    /// Show one pack of a running hub, or of a folder, with what is to be looked at
    Show(show::Show),
    /// Make a pack of a standard as it was published; needs no hub and no network
    Import(import::Import),
}

/// List the packs of a running hub, or of a folder
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  amtsbote pack list\n  amtsbote pack list --packs schemas/packs"
)]
pub(crate) struct List {
    /// Read this folder instead of asking the hub
    #[arg(long, value_name = "DIR")]
    packs: Option<PathBuf>,
}

impl Pack {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        match self {
            Self::List(list) => list.run(ui, config),
            Self::Show(show) => show.run(ui, config),
            Self::Import(import) => import.run(ui),
        }
    }
}

impl List {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let packs = packs(self.packs.as_deref(), config)?;
        if ui.is_json() {
            packs.iter().for_each(|pack| ui.json(pack));
            return Ok(Exit::Yes);
        }
        let mut table = ui.table(&[
            ui.t("Standard", "Standard"),
            ui.t("Version", "Version"),
            ui.t("gültig ab", "valid from"),
            ui.t("gültig bis", "valid until"),
            ui.t("Nachrichten", "Messages"),
            ui.t("Ordner", "Folder"),
        ]);
        for pack in &packs {
            let word = |key: &str| pack[key].as_str().unwrap_or("-").to_owned();
            let messages = pack["messages"].as_array().into_iter().flatten();
            let types: Vec<&str> =
                messages.filter_map(|message| message["type"].as_str()).collect();
            table.add_row([
                word("standard"),
                word("version"),
                word("valid_from"),
                word("valid_until"),
                types.join(", "),
                word("folder"),
            ]);
        }
        ui.print_table(&table);
        Ok(Exit::Yes)
    }
}

/// The packs of a folder, or of the running hub.
fn packs(folder: Option<&Path>, config: Option<&Path>) -> Result<Vec<Value>, Failure> {
    let value = match folder {
        Some(folder) => serde_json::to_value(load_packs(folder)?.list())
            .or_not_now("Ausgabe der Pakete", "output of packs")?,
        None => {
            let answer: Value =
                super::block_on(async { super::operations(config)?.get(&["packs"], &[]).await })?;
            answer["packs"].clone()
        }
    };
    serde_json::from_value(value).or_not_now(
        "Die Antwort des Knotens ist nicht lesbar",
        "The answer of the hub cannot be read",
    )
}
