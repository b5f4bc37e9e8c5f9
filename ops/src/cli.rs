//! The command line: what can be said, with an example for everything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::ui::{Format, Lang};

/// A message broker between authorities: takes signed messages, checks them, finds the way,
/// keeps evidence, delivers, and answers with a signed receipt.
#[derive(Debug, Parser)]
#[command(
    name = "amtsbote",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 yes, 1 no, 2 wrong use, 3 not possible now, 4 outcome unknown \
                  (repeat with the same --id).\n\nExample:\n  amtsbote demo"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Configuration file: of the node (else AMTSBOTE_CONFIG, ./amtsbote.toml,
    /// /etc/amtsbote/amtsbote.toml), for clients of the client (else AMTSBOTE_CLIENT,
    /// ~/.config/amtsbote/client.toml)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the output; json is one object per line
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Format,
    /// Language of texts [default: LC_ALL, LC_MESSAGES, LANG, else en]
    #[arg(long, global = true, value_enum)]
    pub(crate) lang: Option<Lang>,
    /// Say nothing but data and failures
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice, still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one value of it in the whole run")]
pub(crate) enum Command {
    /// Show a whole region at work: good and broken messages, receipts, evidence
    Demo(commands::demo::Demo),
    /// Write a new node: configuration, keys, directory, packs
    Init(commands::init::Init),
    /// Run the hub
    Serve(commands::serve::Serve),
    /// Have a running hub read directory, permissions, packs, peers and certificates again
    Reload(commands::reload::Reload),
    /// Check everything that must be right
    Doctor(commands::doctor::Doctor),
    /// Sign a message, hand it in, verify and print the receipt
    Send(commands::send::Send),
    /// Collect what waits for a party
    #[command(subcommand)]
    Inbox(commands::inbox::Inbox),
    /// Tell what became of a message, and why
    Why(commands::why::Why),
    /// Search and show messages
    #[command(subcommand)]
    Message(commands::message::Message),
    /// See what waits for a person, and decide
    #[command(subcommand)]
    Clearing(commands::clearing::Clearing),
    /// See and grant what two people must decide
    #[command(subcommand)]
    Approval(commands::approval::Approval),
    /// Check documents against their standard; needs no hub
    #[command(subcommand)]
    Schema(commands::schema::Schema),
    /// Show the standards a hub knows, and bring in new ones
    #[command(subcommand)]
    Pack(commands::pack::Pack),
    /// Verify and make XML signatures; needs no hub
    #[command(subcommand)]
    Signature(commands::signature::Signature),
    /// Show who is reachable
    #[command(subcommand)]
    Directory(commands::directory::DirectoryCommand),
    /// Explain the way of a message
    #[command(subcommand)]
    Route(commands::route::Route),
    /// Rotate and back up the keys that everything at rest depends on; the hub is stopped
    #[command(subcommand)]
    Key(commands::key::Key),
    /// Look after certificates and keys: what there is, until when, and whether policy has it
    #[command(subcommand)]
    Cert(commands::cert::Cert),
    /// Verify the evidence, take proof out of it, check proof
    #[command(subcommand)]
    Archive(commands::archive::Archive),
    /// Move the store to another database; all nodes are stopped
    #[cfg(feature = "postgres")]
    MigrateStore(commands::migrate_store::MigrateStore),
    /// Run the suites that drive this very program
    Conformance(commands::conformance::Conformance),
    /// Measure, on this machine, on loopback
    Bench(commands::bench::Bench),
    /// Write the completion script for a shell
    Completion(commands::completion::Completion),
    /// Say which version this is
    Version(commands::version::Version),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn leaves(command: &clap::Command, found: &mut Vec<clap::Command>) {
        if command.get_subcommands().next().is_none() {
            found.push(command.clone());
        }
        command.get_subcommands().for_each(|child| leaves(child, found));
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut all = Cli::command();
        all.build();
        let mut commands = Vec::new();
        leaves(&all, &mut commands);
        assert!(commands.len() > 20);
        for command in &mut commands {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{name}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
