//! `amtsbote`: the one binary people use. Parses the command line, runs one command, ends with
//! one of five exit codes.

mod bench;
mod cli;
mod commands;
mod config;
mod demo;
mod evidence;
mod logging;
mod node;
mod operations;
mod outcome;
mod time;
mod timeline;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use outcome::Outcome;
use ui::Ui;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| say_where(panic.location())));
    let cli = Cli::parse();
    let global = &cli.global;
    let ui = Ui::new(global.output, global.lang, global.quiet, global.verbose);
    match run(&ui, cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui.failure(failure.text(ui.language));
            failure.exit.into()
        }
    }
}

/// A fault of the program says where it happened and nothing else: the message of a panic may hold
/// a value from a message (P7). The XSD engine is caught when it panics; the hub lives on.
fn say_where(location: Option<&std::panic::Location<'_>>) {
    use std::io::Write as _;
    let place = location.map_or_else(|| "unknown place".to_owned(), ToString::to_string);
    // There is nowhere else to say it.
    let _closed = writeln!(std::io::stderr(), "amtsbote: fault of the program at {place}");
}

fn run(ui: &Ui, cli: Cli) -> Outcome {
    let config = cli.global.config.as_deref();
    match cli.command {
        Command::Demo(command) => command.run(ui),
        Command::Init(command) => command.run(ui),
        Command::Serve(command) => command.run(ui, config),
        Command::Reload(reload) => reload.run(ui, config),
        Command::Doctor(command) => command.run(ui, config),
        Command::Send(command) => command.run(ui, config),
        Command::Inbox(command) => command.run(ui, config),
        Command::Why(command) => command.run(ui, config),
        Command::Message(command) => command.run(ui, config),
        Command::Clearing(command) => command.run(ui, config),
        Command::Approval(command) => command.run(ui, config),
        Command::Schema(command) => command.run(ui),
        Command::Pack(command) => command.run(ui, config),
        Command::Signature(command) => command.run(ui),
        Command::Directory(command) => command.run(ui, config),
        Command::Route(command) => command.run(ui, config),
        Command::Key(command) => command.run(ui, config),
        Command::Cert(command) => command.run(ui, config),
        Command::Archive(command) => command.run(ui, config),
        #[cfg(feature = "postgres")]
        Command::MigrateStore(command) => command.run(ui, config),
        Command::Conformance(command) => command.run(ui),
        Command::Bench(command) => command.run(ui),
        Command::Completion(command) => command.run(ui),
        Command::Version(command) => command.run(ui),
    }
}
