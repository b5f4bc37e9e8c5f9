//! `clearing`: what waits for a person, who has taken it, and what they decide.

use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::clearing::{Act, Reason};
use amtsbote_domain::identity::HubId;
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::commands::act::{Where, Wish};
use crate::commands::why::Wait;
use crate::outcome::{Exit, Outcome};
use crate::timeline;
use crate::ui::{Tone, Ui};

/// See what waits for a person, and decide
#[derive(Debug, Subcommand)]
pub(crate) enum Clearing {
    /// List cases, those that wait longest first
    #[command(after_help = "Example:\n  amtsbote clearing list --cause outcome-unknown")]
    List(List),
    /// Show a case: why, what to look at, what may be done, its history
    #[command(
        after_help = "Example:\n  amtsbote clearing show 0197a2c4-0000-7000-8000-000000000001"
    )]
    Show(One),
    /// Take a case: nobody else acts on it
    #[command(
        after_help = "Example:\n  amtsbote clearing take 0197a2c4-0000-7000-8000-000000000001"
    )]
    Take(Take),
    /// Give a case back to everybody
    #[command(
        after_help = "Example:\n  amtsbote clearing release 0197a2c4-0000-7000-8000-000000000001"
    )]
    Release(One),
    /// Write a note into the history of a message
    #[command(
        after_help = "Example:\n  amtsbote clearing note 0197a2c4-0000-7000-8000-000000000001 'Rückruf um 14 Uhr'"
    )]
    Note(Note),
    /// Send again under the same id, by the way that the directory has now
    #[command(
        after_help = "Example:\n  amtsbote clearing resubmit --cause attempts-exhausted --channel peer:kdn --dry-run"
    )]
    Resubmit(Chosen),
    /// Send again under the same id, by a way that you name
    #[command(
        after_help = "Example:\n  amtsbote clearing reroute 0197a2c4-0000-7000-8000-000000000001 --via peer:kdn --reason 'Leitung gestört'"
    )]
    Reroute(Reroute),
    /// Reject back to the Author
    #[command(
        after_help = "Example:\n  amtsbote clearing reject 0197a2c4-0000-7000-8000-000000000001 --reason 'Leser aufgelöst'"
    )]
    Reject(Chosen),
    /// Close as delivered: you know that it arrived
    #[command(
        after_help = "Example:\n  amtsbote clearing close 0197a2c4-0000-7000-8000-000000000001 --reason 'Eingang telefonisch bestätigt'"
    )]
    Close(Chosen),
}

/// List cases.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    selected: Where,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
    /// Go on after this page: its `next`
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

/// One case.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Hub id
    id: HubId,
}

/// Take a case.
#[derive(Debug, Args)]
pub(crate) struct Take {
    /// Hub id
    id: HubId,
    /// Take it over from whoever has it
    #[arg(long, requires = "reason")]
    over: bool,
    /// Why it is taken over
    #[arg(long, value_name = "TEXT", requires = "over", value_parser = Reason::parse)]
    reason: Option<Reason>,
}

/// Write a note.
#[derive(Debug, Args)]
pub(crate) struct Note {
    /// Hub id
    id: HubId,
    /// The note, at most 500 characters; operators see it
    #[arg(value_parser = Reason::parse)]
    text: Reason,
}

/// An act on ids, or on the cases that words select.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    selected: Where,
}

/// Send by another way.
#[derive(Debug, Args)]
pub(crate) struct Reroute {
    #[command(flatten)]
    chosen: Chosen,
    /// The way: inbox, or peer: and a name
    #[arg(long, value_name = "WAY")]
    via: String,
}

#[derive(Deserialize, Serialize)]
struct Page {
    cases: Vec<Case>,
    next: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Case {
    status: MessageStatus,
    cause: Option<String>,
    channel: String,
    attempts: u32,
    advice_de: Option<String>,
    advice_en: Option<String>,
    taken_by: Option<String>,
    taken_at: Option<Timestamp>,
    acts: Vec<AllowedAct>,
    /// What it holds back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waits: Vec<Wait>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    timeline: Vec<TimelineEntry>,
}

#[derive(Deserialize, Serialize)]
struct AllowedAct {
    act: Act,
    needs_approval: bool,
}

impl Clearing {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let chosen =
            |chosen: &Chosen, act, via| chosen.wish.run_on(ui, config, act, &chosen.selected, via);
        match self {
            Self::List(list) => list.run(ui, config),
            Self::Show(one) => show(ui, config, &one.id),
            Self::Take(take) => {
                let body = json!({ "over": take.over, "reason": take.reason });
                case_act(ui, config, &take.id, "take", &body)
            }
            Self::Release(one) => case_act(ui, config, &one.id, "release", &json!({})),
            Self::Note(note) => {
                case_act(ui, config, &note.id, "note", &json!({ "reason": note.text }))
            }
            Self::Resubmit(cases) => chosen(cases, Act::Resubmit, None),
            Self::Reroute(reroute) => chosen(&reroute.chosen, Act::Reroute, Some(&reroute.via)),
            Self::Reject(cases) => chosen(cases, Act::Reject, None),
            Self::Close(cases) => chosen(cases, Act::Close, None),
        }
    }
}

impl List {
    fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let Where { cause, party, service, channel, since, mine } = &self.selected;
        let query = [
            ("cause", cause.clone()),
            ("party", party.as_ref().map(ToString::to_string)),
            ("service", service.clone()),
            ("channel", channel.clone()),
            ("since", since.map(|at| at.to_string())),
            ("mine", mine.then(|| "true".to_owned())),
            ("limit", Some(self.limit.to_string())),
            ("after", self.after.clone()),
        ];
        let page: Page =
            super::block_on(async { super::operations(config)?.get(&["clearing"], &query).await })?;
        if ui.is_json() {
            page.cases.iter().for_each(|case| ui.json(case));
        } else {
            print(ui, &page.cases);
        }
        if let Some(next) = page.next {
            ui.note(format!("{} --after {next}", ui.t("weiter mit", "more with")));
        }
        Ok(Exit::Yes)
    }
}

fn print(ui: &Ui, cases: &[Case]) {
    if cases.is_empty() {
        return ui.note(ui.t("Nichts zu klären.", "Nothing to clear."));
    }
    let mut table = ui.table(&[
        ui.t("Kennung", "Id"),
        ui.t("wartet", "waits"),
        ui.t("Ursache", "cause"),
        ui.t("Leser", "Reader"),
        ui.t("Weg", "way"),
        ui.t("übernommen von", "taken by"),
    ]);
    let now = crate::time::now();
    for case in cases {
        table.add_row([
            case.status.id.to_string(),
            crate::time::span(now.duration_since(case.status.since)),
            case.cause.clone().unwrap_or_default(),
            case.status.reader.to_string(),
            case.channel.clone(),
            case.taken_by.clone().unwrap_or_default(),
        ]);
    }
    ui.print_table(&table);
}

fn show(ui: &Ui, config: Option<&Path>, id: &HubId) -> Outcome {
    let case: Case = super::block_on(async {
        super::operations(config)?.get(&["clearing", id.as_str()], &[]).await
    })?;
    if ui.is_json() {
        ui.json(&case);
    } else {
        print_case(ui, &case);
        case.timeline.iter().for_each(|entry| timeline::print_entry(ui, entry));
    }
    Ok(Exit::Yes)
}

fn case_act(
    ui: &Ui,
    config: Option<&Path>,
    id: &HubId,
    word: &str,
    body: &serde_json::Value,
) -> Outcome {
    let case: Case = super::block_on(async {
        super::operations(config)?.send(&["clearing", id.as_str(), word], body).await
    })?;
    if ui.is_json() {
        ui.json(&case);
    } else {
        print_case(ui, &case);
    }
    Ok(Exit::Yes)
}

fn print_case(ui: &Ui, case: &Case) {
    let mut facts = vec![(ui.t("Weg", "way"), case.channel.clone())];
    if let (Some(name), Some(at)) = (&case.taken_by, case.taken_at) {
        facts.push((ui.t("übernommen", "taken"), format!("{name}, {}", ui.time(at))));
    }
    let acts = case.acts.iter().map(|one| match one.needs_approval {
        true => format!("{} ({})", one.act, ui.t("zu zweit", "by two")),
        false => one.act.to_string(),
    });
    facts.push((ui.t("möglich", "possible"), acts.collect::<Vec<_>>().join(", ")));
    timeline::print_status_and(ui, &case.status, facts);
    if let (Some(de), Some(en)) = (&case.advice_de, &case.advice_en) {
        timeline::print_prose(ui, Tone::Warning, ui.t(de, en));
    }
    case.waits.iter().for_each(|wait| wait.print(ui));
}
