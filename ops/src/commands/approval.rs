//! `approval`: what two people must decide.

use std::path::Path;

use amtsbote_domain::clearing::{Decided, Proposal, Reason};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{HubId, ProposalId};
use amtsbote_wire::native::status::MessageStatus;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::commands::act::print_proposal;
use crate::outcome::{Exit, Outcome};
use crate::timeline;
use crate::ui::Ui;

/// See and grant what two people must decide
#[derive(Debug, Subcommand)]
pub(crate) enum Approval {
    /// List proposals, newest first
    #[command(after_help = "Example:\n  amtsbote approval list")]
    List(List),
    /// Show a proposal and what it is about
    #[command(
        after_help = "Example:\n  amtsbote approval show 0197a2c4-0000-7000-8000-00000000000a"
    )]
    Show(Show),
    /// Grant a proposal of another person
    #[command(
        after_help = "Example:\n  amtsbote approval grant 0197a2c4-0000-7000-8000-00000000000a --digest 9f86… --reason 'geprüft'"
    )]
    Grant(Word),
    /// Deny a proposal, or take your own back
    #[command(
        after_help = "Example:\n  amtsbote approval deny 0197a2c4-0000-7000-8000-00000000000a --digest 9f86… --reason 'falsche Auswahl'"
    )]
    Deny(Word),
}

/// List proposals.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Also those that were decided
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
}

/// Show a proposal.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its id
    id: ProposalId,
    /// From this position on
    #[arg(long, default_value_t = 0, value_name = "N")]
    from: u32,
    /// At most so many deliveries
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
}

/// The word of the second person.
#[derive(Debug, Args)]
pub(crate) struct Word {
    /// The proposal's id
    id: ProposalId,
    /// What you looked at: the SHA-256 that `approval show` prints
    #[arg(long, value_name = "SHA256", value_parser = Digest::parse)]
    digest: Digest,
    /// Why, in your words; becomes evidence
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    reason: Reason,
}

#[derive(Deserialize)]
struct Listed {
    proposals: Vec<Proposal>,
}

#[derive(Deserialize, Serialize)]
struct Shown {
    proposal: Proposal,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<TargetShown>,
}

#[derive(Deserialize, Serialize)]
struct TargetShown {
    hub_id: HubId,
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    decided: Option<Decided>,
    /// How it is now; none for what is no more.
    #[serde(default)]
    status: Option<MessageStatus>,
    /// Nothing was decided yet, and it is not as it was proposed any more.
    #[serde(default)]
    changed: bool,
}

impl Approval {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        match self {
            Self::List(list) => list.run(ui, config),
            Self::Show(show) => show.run(ui, config),
            Self::Grant(word) => word.say(ui, config, "grant"),
            Self::Deny(word) => word.say(ui, config, "deny"),
        }
    }
}

impl List {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let query =
            [("all", self.all.then(|| "true".to_owned())), ("limit", Some(self.limit.to_string()))];
        let listed: Listed = super::block_on(async {
            super::operations(config)?.get(&["approvals"], &query).await
        })?;
        for proposal in &listed.proposals {
            match ui.is_json() {
                true => ui.json(proposal),
                false => print_proposal(ui, proposal),
            }
        }
        if listed.proposals.is_empty() && !ui.is_json() {
            ui.note(ui.t("Keine Vorschläge.", "No proposals."));
        }
        Ok(Exit::Yes)
    }
}

impl Show {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let query =
            [("from", Some(self.from.to_string())), ("limit", Some(self.limit.to_string()))];
        let shown: Shown = super::block_on(async {
            super::operations(config)?.get(&["approvals", self.id.as_str()], &query).await
        })?;
        if ui.is_json() {
            ui.json(&shown);
            return Ok(Exit::Yes);
        }
        print_proposal(ui, &shown.proposal);
        for TargetShown { hub_id, channel, decided, status, changed, .. } in &shown.targets {
            let parties = status.as_ref().map(|status| {
                let (author, reader) = (&status.author, &status.reader);
                format!("  {author} → {reader}  {}", timeline::brief(ui, status))
            });
            let way = channel.as_ref().map(|way| format!("  → {way}")).unwrap_or_default();
            let decided = match (decided, changed) {
                (Some(Decided::Done { .. }), _) => ui.t("  ausgeführt", "  carried out"),
                (Some(_), _) => ui.t("  nicht ausgeführt", "  not carried out"),
                (None, true) => ui.t("  hat sich geändert", "  has changed"),
                (None, false) => "",
            };
            ui.line(format!("  {hub_id}{}{way}{decided}", parties.unwrap_or_default()));
        }
        let more = u64::from(shown.proposal.count)
            .saturating_sub(u64::from(self.from) + shown.targets.len() as u64);
        if more > 0 && !shown.targets.is_empty() {
            let next = u64::from(self.from) + shown.targets.len() as u64;
            ui.note(format!("{} --from {next}", ui.t("weiter mit", "more with")));
        }
        Ok(Exit::Yes)
    }
}

impl Word {
    fn say(&self, ui: &Ui, config: Option<&Path>, word: &str) -> Outcome {
        let body = json!({ "digest": self.digest, "reason": self.reason });
        let shown: Shown = super::block_on(async {
            super::operations(config)?.send(&["approvals", self.id.as_str(), word], &body).await
        })?;
        match ui.is_json() {
            true => ui.json(&shown),
            false => print_proposal(ui, &shown.proposal),
        }
        Ok(Exit::Yes)
    }
}
