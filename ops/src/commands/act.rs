//! An act of a person on deliveries: what it would do, doing it, or keeping it for a second person.

use std::collections::BTreeMap;
use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::clearing::{Act, Alone, Decided, Proposal, Reason};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::party::PartyId;
use amtsbote_wire::native::status::MessageStatus;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::operations::explained;
use crate::outcome::{Exit, Failure, Outcome};
use crate::timeline;
use crate::ui::{Tone, Ui};

/// Which deliveries, and why.
#[derive(Debug, Args)]
pub(crate) struct Wish {
    /// Hub ids
    #[arg(value_name = "ID")]
    ids: Vec<HubId>,
    /// Why, in your words; becomes evidence, and the parties of the message may read it
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    reason: Option<Reason>,
    /// Only say what would be done: count, sample and effect
    #[arg(long)]
    dry_run: bool,
    /// What was shown: the digest that --dry-run printed; the act is refused if anything has changed
    #[arg(long, value_name = "SHA256", value_parser = Digest::parse)]
    digest: Option<Digest>,
}

/// Which cases, in words.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub(crate) struct Where {
    /// Why they are in clearing: refused, repeat-refused, attempts-exhausted, outcome-unknown,
    /// digest-mismatch, no-way
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Author or Reader
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) party: Option<PartyId>,
    /// Service
    #[arg(long, value_name = "URI")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// The way they were on: inbox, or peer: and a name
    #[arg(long, value_name = "WAY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<String>,
    /// In clearing at or after this time (2026-11-01T08:00:00Z) or day (2026-11-01)
    #[arg(long, value_parser = crate::time::instant, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Taken by me
    #[arg(long)]
    pub(crate) mine: bool,
}

impl Where {
    fn is_empty(&self) -> bool {
        let Self { cause, party, service, channel, since, mine } = self;
        cause.is_none()
            && party.is_none()
            && service.is_none()
            && channel.is_none()
            && since.is_none()
            && !mine
    }
}

#[derive(Deserialize, Serialize)]
struct Preview {
    dry_run: bool,
    act: Act,
    count: u64,
    digest: String,
    needs_approval: bool,
    #[serde(flatten)]
    approval: Approval,
    effect_de: String,
    effect_en: String,
    sample: Vec<Sample>,
    left_out_count: u64,
    left_out: Vec<LeftOut>,
}

/// Why a second person must grant it.
#[derive(Default, Deserialize, Serialize)]
struct Approval {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval_because: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval_de: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval_en: Option<String>,
    /// What counted beside the deliveries of the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alone_before: Option<Alone>,
}

impl Approval {
    /// A node that does not say why says that it is so.
    fn text<'a>(&'a self, ui: &'a Ui) -> &'a str {
        ui.t(
            self.approval_de.as_deref().unwrap_or("Eine zweite Person muss das freigeben."),
            self.approval_en.as_deref().unwrap_or("A second person must grant this."),
        )
    }
}

#[derive(Deserialize, Serialize)]
struct Sample {
    status: MessageStatus,
    from_channel: String,
    #[serde(default)]
    channel: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct LeftOut {
    hub_id: HubId,
    code: String,
}

#[derive(Deserialize, Serialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Outcomes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposal: Option<Proposal>,
    #[serde(flatten)]
    approval: Approval,
    #[serde(default)]
    left_out: Vec<LeftOut>,
}

#[derive(Deserialize, Serialize)]
struct Outcomes {
    hub_id: HubId,
    #[serde(flatten)]
    decided: Decided,
}

impl Wish {
    /// On the deliveries named.
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>, act: Act) -> Outcome {
        self.run_on(ui, config, act, &Where::default(), None)
    }

    /// On the deliveries named, or on the cases that words select.
    pub(crate) fn run_on(
        &self,
        ui: &Ui,
        config: Option<&Path>,
        act: Act,
        selected: &Where,
        channel: Option<&str>,
    ) -> Outcome {
        if self.ids.is_empty() == selected.is_empty() {
            return Err(Failure::usage(
                "Entweder Kennungen nennen oder Fälle auswählen (--cause, --party …)",
                "Name either ids or what selects cases (--cause, --party ...)",
            ));
        }
        if !self.dry_run && self.reason.is_none() {
            return Err(Failure::usage(
                "--reason fehlt: Jede Handlung braucht einen Grund",
                "--reason is missing: every act needs a reason",
            ));
        }
        if !self.dry_run && self.digest.is_none() && self.ids.is_empty() {
            return Err(Failure::usage(
                "Erst mit --dry-run ansehen, dann mit dessen --digest ausführen",
                "Look at it with --dry-run first, then act with its --digest",
            ));
        }
        let mut body = json!({ "act": act, "dry_run": self.dry_run });
        match self.ids.is_empty() {
            false => body["ids"] = json!(self.ids),
            true => body["where"] = json!(selected),
        }
        for (name, value) in [
            ("reason", self.reason.as_ref().map(ToString::to_string)),
            ("digest", self.digest.as_ref().map(ToString::to_string)),
            ("channel", channel.map(str::to_owned)),
        ] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let answer: Value = super::block_on(async {
            super::operations(config)?.send(&["clearing", "acts"], &body).await
        })?;
        if self.dry_run { preview(ui, read(answer)?) } else { done(ui, read(answer)?) }
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|error| anyhow::Error::from(error).into())
}

fn preview(ui: &Ui, preview: Preview) -> Outcome {
    let yes = Exit::answer(preview.count > 0);
    if ui.is_json() {
        ui.json(&preview);
        return Ok(yes);
    }
    let effect = ui.t(&preview.effect_de, &preview.effect_en);
    let count = preview.count;
    let number = ui.tint(Tone::Strong, &count.to_string());
    ui.line(match count {
        0 => ui.t("Es gibt nichts zu tun.", "There is nothing to do.").to_owned(),
        1 => format!("{number} {} {effect}", ui.t("Zustellung", "delivery")),
        _ => format!("{number} {} {effect}", ui.t("Zustellungen; jede", "deliveries; each")),
    });
    for Sample { status, from_channel, channel } in &preview.sample {
        let state = timeline::brief(ui, status);
        let way = match channel {
            Some(channel) if channel != from_channel => format!("{from_channel} → {channel}"),
            _ => from_channel.clone(),
        };
        let (author, reader) = (&status.author, &status.reader);
        ui.line(format!("  {}  {author} → {reader}  {state}  {way}", status.id));
    }
    let shown = preview.sample.len() as u64;
    if count > shown {
        ui.line(format!("  … {} {}", ui.t("und weitere", "and more:"), count - shown));
    }
    if preview.left_out_count > 0 {
        ui.line(ui.tint(
            Tone::Warning,
            &format!("{} {}", ui.t("Unverändert bleiben:", "Left alone:"), preview.left_out_count),
        ));
        left_out(ui, &preview.left_out);
    }
    if preview.needs_approval && count > 0 {
        timeline::print_prose(ui, Tone::Warning, preview.approval.text(ui));
    }
    if preview.count > 0 {
        ui.line(ui.t("Genau dies ausführen mit", "Do exactly this with"));
        ui.line(format!("  --digest {}", preview.digest));
    }
    Ok(yes)
}

/// The same reason is told once.
fn left_out(ui: &Ui, left_out: &[LeftOut]) {
    let mut by_code: BTreeMap<&str, Vec<&HubId>> = BTreeMap::new();
    for LeftOut { hub_id, code } in left_out {
        by_code.entry(code).or_default().push(hub_id);
    }
    for (code, ids) in by_code {
        let why = code.parse::<Code>().map_or(code.to_owned(), |code| explained(code, ui.language));
        timeline::print_prose(ui, Tone::Warning, &why);
        ids.iter().for_each(|hub_id| ui.line(format!("    {hub_id}")));
    }
}

fn done(ui: &Ui, answer: Answer) -> Outcome {
    let whole = answer.left_out.is_empty()
        && answer.results.iter().all(|one| matches!(one.decided, Decided::Done { .. }));
    if ui.is_json() {
        ui.json(&answer);
        return Ok(Exit::answer(whole));
    }
    for Outcomes { hub_id, decided } in &answer.results {
        let what = match decided {
            Decided::Done { state } => timeline::state_text(ui, state),
            Decided::ChangedMeanwhile => ui
                .t(
                    "hat sich inzwischen geändert, nichts getan",
                    "has changed meanwhile, nothing done",
                )
                .to_owned(),
            Decided::NotApplicable => ui
                .t(
                    "sein Zustand lässt das nicht zu, nichts getan",
                    "its state forbids this, nothing done",
                )
                .to_owned(),
            Decided::TakenBy { name } => {
                format!("{} {name}", ui.t("nichts getan; übernommen von", "nothing done; taken by"))
            }
            Decided::NotFound => ui.t("gibt es nicht", "does not exist").to_owned(),
        };
        ui.line(format!("{hub_id}  {what}"));
    }
    left_out(ui, &answer.left_out);
    if let Some(proposal) = &answer.proposal {
        print_proposal(ui, proposal);
        timeline::print_prose(ui, Tone::Warning, answer.approval.text(ui));
        ui.note(format!(
            "{}\n  amtsbote approval grant {} --digest {} --reason …",
            ui.t("Eine zweite Person gibt es frei mit", "A second person grants it with"),
            proposal.id,
            proposal.digest
        ));
    }
    Ok(Exit::answer(whole))
}

/// One proposal in a few lines.
pub(crate) fn print_proposal(ui: &Ui, proposal: &Proposal) {
    let standing = match proposal.standing.as_str() {
        "open" => ui.t("offen", "open"),
        "granted" => ui.t("freigegeben", "granted"),
        "denied" => ui.t("abgelehnt", "denied"),
        _ => ui.t("abgelaufen", "expired"),
    };
    let id = ui.tint(Tone::Strong, proposal.id.as_str());
    ui.line(format!(
        "{id}  {}  {} {}  {standing}",
        proposal.act,
        proposal.count,
        match proposal.count {
            1 => ui.t("Zustellung", "delivery"),
            _ => ui.t("Zustellungen", "deliveries"),
        }
    ));
    let said = |name: &str, reason: &str| format!("{name}: {}", timeline::quoted(ui, reason));
    let mut facts = vec![
        (ui.t("Wirkung", "effect"), proposal.act.effect().get(ui.language).to_owned()),
        (
            ui.t("vorgeschlagen von", "proposed by"),
            said(&proposal.by.name, proposal.reason.as_str()),
        ),
        (ui.t("am", "at"), ui.time(proposal.made_at)),
    ];
    match &proposal.judged {
        Some(judged) => {
            let by = said(&judged.by.name, judged.reason.as_str());
            facts.push((ui.t("entschieden von", "decided by"), by));
            facts.push((ui.t("am", "at"), ui.time(judged.at)));
        }
        None => facts.push((ui.t("Frist", "until"), ui.time(proposal.expires))),
    }
    if proposal.standing.as_str() == "granted" {
        let (settled, count) = (proposal.settled, proposal.count);
        facts.push((ui.t("ausgeführt", "carried out"), format!("{settled}/{count}")));
    }
    facts.push(("SHA-256", proposal.digest.to_string()));
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in facts {
        ui.line(format!("  {name:width$}  {value}"));
    }
}
