//! `route explain`: may this be sent, by which rule, and which way would it take.

use std::path::Path;

use amtsbote_domain::identity::{MessageType, ServiceUri};
use amtsbote_domain::party::PartyId;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::outcome::{Exit, Outcome};
use crate::ui::{Tone, Ui};

/// Explain the way of a message
#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// Say whether a message may be sent, by which rule, and which way it takes
    Explain(Explain),
}

/// Say whether a message may be sent, by which rule, and which way it takes
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote route explain --from ags:05766044 --to ags:05766020 \
                  --service urn:amtsbote:service:xummeldung")]
pub(crate) struct Explain {
    /// Author
    #[arg(long, value_name = "PARTY")]
    from: PartyId,
    /// Reader
    #[arg(long, value_name = "PARTY")]
    to: PartyId,
    /// Service
    #[arg(long, value_name = "URI")]
    service: ServiceUri,
    /// Message type
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<MessageType>,
    /// As a test message
    #[arg(long)]
    test: bool,
}

#[derive(Deserialize, Serialize)]
struct Answer {
    permitted: bool,
    rule: Option<String>,
    channel: Option<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize, Serialize)]
struct Step {
    ok: bool,
    text_de: String,
    text_en: String,
}

impl Route {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let Self::Explain(explain) = self;
        let query = [
            ("from", Some(explain.from.to_string())),
            ("to", Some(explain.to.to_string())),
            ("service", Some(explain.service.to_string())),
            ("type", explain.message_type.as_ref().map(ToString::to_string)),
            ("test", explain.test.then(|| "true".to_owned())),
        ];
        let answer: Answer =
            super::block_on(async { super::operations(config)?.get(&["route"], &query).await })?;
        if ui.is_json() {
            ui.json(&answer);
        } else {
            for step in &answer.steps {
                let mark = if step.ok { ui.tint(Tone::Good, "+") } else { ui.tint(Tone::Bad, "-") };
                ui.line(format!("{mark} {}", ui.t(&step.text_de, &step.text_en)));
            }
            ui.line(if answer.permitted {
                ui.tint(
                    Tone::Good,
                    ui.t("Die Nachricht würde angenommen.", "The message would be accepted."),
                )
            } else {
                ui.tint(
                    Tone::Bad,
                    ui.t("Die Nachricht würde abgelehnt.", "The message would be refused."),
                )
            });
        }
        Ok(Exit::answer(answer.permitted))
    }
}
