//! `conformance`: hands over to the program of the suites beside this one, as git does.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;

use crate::outcome::{Context, Failure, Outcome};
use crate::ui::Ui;

/// The program of the suites, in the same folder as this one.
const PROGRAM: &str = "amtsbote-conformance";

/// Run the suites that drive this very program
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:\n  amtsbote conformance list\n  amtsbote conformance run native crash --seed 7\n  amtsbote conformance run prove --kill 20"
)]
pub(crate) struct Conformance {
    /// What the suites are told: `list`, `run SUITE...`, `--help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Conformance {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        let own = std::env::current_exe().or_not_now("eigenes Programm", "own program")?;
        let program = own.with_file_name(PROGRAM);
        let mut command = Command::new(&program);
        command.args(&self.arguments).env("AMTSBOTE_BIN", &own);
        command.env("AMTSBOTE_LANG", ui.t("de", "en"));
        if ui.is_json() {
            command.args(["--output", "json"]);
        }
        // Comes back only when the program could not be started.
        let error = command.exec();
        let shown = program.display();
        Err(Failure::not_now(
            format!("{shown} startet nicht: {error}. Es gehört zum Paket der Prüfwerkzeuge."),
            format!(
                "{shown} does not start: {error}. It belongs to the package of the test tools."
            ),
        ))
    }
}
