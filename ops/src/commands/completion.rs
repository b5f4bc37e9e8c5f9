//! `completion SHELL`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::outcome::{Exit, Outcome};
use crate::ui::Ui;

/// Write the completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote completion bash > /etc/bash_completion.d/amtsbote")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "amtsbote", &mut script);
        ui.line(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::Yes)
    }
}
