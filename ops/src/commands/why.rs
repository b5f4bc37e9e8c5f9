//! `why ID`: one timeline with every decision, and what comes next.

use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::outcome::{Exit, Outcome};
use crate::timeline;
use crate::ui::{Tone, Ui};

/// Tell what became of a message, and why
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote why lemgo-2026-0815")]
pub(crate) struct Why {
    /// Hub id, transport id or business id
    id: String,
}

/// What the hub answers.
#[derive(Deserialize)]
pub(crate) struct Answer {
    /// One for each message under the id.
    pub(crate) messages: Vec<Story>,
}

/// The story of one message.
#[derive(Deserialize, Serialize)]
pub(crate) struct Story {
    /// Where it stands.
    pub(crate) status: MessageStatus,
    /// What happened, in order.
    pub(crate) timeline: Vec<TimelineEntry>,
    /// What comes next, or who must do something.
    pub(crate) next_step: NextStep,
    /// How it is treated, by the rules in force now; none from a hub that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_rule: Option<Treatment>,
    /// What it waits for, and what waits for it, as the node that was asked sees it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waits: Vec<Wait>,
}

/// One thing that a delivery waits for.
#[derive(Deserialize, Serialize)]
pub(crate) struct Wait {
    kind: String,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    de: String,
    en: String,
}

impl Wait {
    /// Prints it for people.
    pub(crate) fn print(&self, ui: &Ui) {
        ui.line(format!("  {}", ui.t(&self.de, &self.en)));
    }
}

/// A rule, and what it says in both languages.
#[derive(Deserialize, Serialize)]
pub(crate) struct Treatment {
    rule: String,
    de: String,
    en: String,
}

/// In both languages.
#[derive(Deserialize, Serialize)]
pub(crate) struct NextStep {
    de: String,
    en: String,
}

impl Why {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let answer: Answer = super::block_on(async {
            super::operations(config)?.get(&["why", &self.id], &[]).await
        })?;
        for story in &answer.messages {
            if ui.is_json() {
                ui.json(story);
            } else {
                print(ui, story);
            }
        }
        Ok(Exit::answer(!answer.messages.is_empty()))
    }
}

/// Prints a story for people.
pub(crate) fn print(ui: &Ui, story: &Story) {
    timeline::print_status(ui, &story.status);
    ui.line("");
    story.timeline.iter().for_each(|entry| timeline::print_entry(ui, entry));
    ui.line("");
    if let Some(treatment) = &story.delivery_rule {
        ui.line(format!("  {}", ui.t(&treatment.de, &treatment.en)));
    }
    story.waits.iter().for_each(|wait| wait.print(ui));
    let next = ui.t(&story.next_step.de, &story.next_step.en);
    ui.line(format!("  {} {next}", ui.tint(Tone::Strong, ui.t("Nächster Schritt:", "Next step:"))));
}
