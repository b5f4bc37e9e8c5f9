//! What `signature verify` says of one signature, or of a document without any.

use amtsbote_domain::text::Language;
use amtsbote_trust::policy::Rule;
use amtsbote_wire::signature::{
    CoveredNode, CoveredPart, SignatureFault, SignatureReport, SignedContent,
};
use serde_json::{Value, json};

use super::judge::{Judge, Trust};
use crate::ui::{Tone, Ui};

/// One signature with what was found about it.
pub(super) struct Judged<'a> {
    report: &'a SignatureReport,
    /// What it signs, if it holds, and whether its signer is trusted.
    outcome: Result<(&'a SignedContent, Trust), &'a SignatureFault>,
    /// The rule of policy against it.
    against: Option<&'a Rule>,
}

impl<'a> Judged<'a> {
    pub(super) fn new(judge: &'a Judge, report: &'a SignatureReport) -> Self {
        let outcome = report.outcome.as_ref().map(|content| (content, judge.trust(content)));
        Self { report, outcome, against: judge.against(report) }
    }

    /// Whether it holds, and its signer is trusted where that was asked.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.outcome, Ok((_, Trust::Trusted | Trust::NotAsked)))
    }

    /// Prints it; `file` is the document.
    pub(super) fn print(&self, ui: &Ui, file: &str) {
        if ui.is_json() {
            ui.json(&self.json(file));
        } else {
            self.print_text(ui, file);
        }
    }

    fn json(&self, file: &str) -> Value {
        let mut object = json!({
            "file": file, "ok": self.is_good(), "path": self.report.path,
            "line": self.report.position.line, "column": self.report.position.column,
        });
        match &self.outcome {
            Ok((SignedContent { verification, .. }, trust)) => {
                let facts = verification.facts();
                object["signer"] = facts.subject.into();
                object["certificate"] = facts.certificate.to_string().into();
                object["algorithm"] = facts.algorithm.into();
                let node = |node: &CoveredNode| {
                    json!({
                        "path": node.path, "without_signature": node.without_signature,
                        "text_only": node.text_only,
                    })
                };
                object["covered"] = verification.nodes().iter().map(node).collect();
                let part = |part: &CoveredPart| json!({ "uri": part.uri, "bytes": part.bytes });
                object["covered_parts"] = verification.parts().iter().map(part).collect();
                object["trust"] = match trust {
                    Trust::Trusted => "trusted",
                    Trust::NotAsked => "not-asked",
                    Trust::Untrusted(_) => "untrusted",
                }
                .into();
                if let Trust::Untrusted(fault) = trust {
                    object["reason"] = fault.text(Language::En).into();
                }
            }
            Err(fault) => {
                object["code"] = fault.code().as_str().into();
                object["reason"] = fault.to_string().into();
            }
        }
        if let Some(rule) = self.against {
            object["policy_rule"] = rule.id.as_str().into();
        }
        object
    }

    fn print_text(&self, ui: &Ui, file: &str) {
        let (word, tone) = match &self.outcome {
            Ok((_, Trust::Untrusted(_))) => (
                ui.t(
                    "gültig, aber dem Unterzeichner wird nicht vertraut",
                    "holds, but its signer is not trusted",
                ),
                Tone::Bad,
            ),
            Ok(_) => (ui.t("gültig", "holds"), Tone::Good),
            Err(_) => (ui.t("ungültig", "does not hold"), Tone::Bad),
        };
        ui.line(format!(
            "{file}: {} {} ({} {}): {}",
            ui.t("Signatur", "signature"),
            self.report.path,
            ui.t("Zeile", "line"),
            self.report.position.line,
            ui.tint(tone, word)
        ));
        match &self.outcome {
            Ok((content, trust)) => {
                print_content(ui, content);
                print_trust(ui, trust);
            }
            Err(fault) => {
                ui.line(format!("  {}", fault.code().title().get(ui.language)));
                print_reason(ui, fault);
            }
        }
        if let Some(rule) = self.against {
            let head = match &self.outcome {
                Ok(_) => ui.t("nur wegen --legacy gelesen", "read only because of --legacy"),
                Err(_) => ui.t("Richtlinie", "policy"),
            };
            ui.line(format!("  {head} ({}): {}", rule.id, rule.reason(ui.language)));
        }
    }
}

/// A document in which no signature could be looked at.
pub(super) fn print_fault(ui: &Ui, file: &str, fault: &SignatureFault) {
    let code = fault.code();
    if ui.is_json() {
        ui.json(&json!({
            "file": file, "ok": false, "code": code.as_str(), "reason": fault.to_string(),
            "line": fault.place().map(|p| p.line), "column": fault.place().map(|p| p.column),
        }));
    } else {
        let title = code.title().get(ui.language);
        ui.line(format!("{file}: {}", ui.tint(Tone::Bad, title)));
        print_reason(ui, fault);
    }
}

fn print_reason(ui: &Ui, fault: &SignatureFault) {
    let place = fault
        .place()
        .map(|place| format!("{} {}:{}: ", ui.t("Zeile", "line"), place.line, place.column));
    ui.line(format!("  {}{fault}", place.unwrap_or_default()));
}

fn print_content(ui: &Ui, content: &SignedContent) {
    let facts = content.verification.facts();
    ui.line(format!("  {} {}", ui.t("signiert von", "signed by"), facts.subject));
    ui.line(format!("  {} {}", ui.t("Zertifikat", "certificate"), facts.certificate));
    ui.line(format!("  {} {}", ui.t("Verfahren", "algorithm"), facts.algorithm));
    for node in content.verification.nodes() {
        let how = match (node.text_only, node.without_signature) {
            (true, _) => ui.t(" (nur den Inhalt des Textes)", " (only what its text stands for)"),
            (false, true) => ui.t(" (ohne Signaturen darin)", " (without signatures in it)"),
            (false, false) => "",
        };
        ui.line(format!("  {} {}{how}", ui.t("deckt ab", "covers"), node.path));
    }
    for part in content.verification.parts() {
        let bytes = ui.t("Bytes", "bytes");
        ui.line(format!(
            "  {} {} ({} {bytes})",
            ui.t("deckt Teil ab", "covers part"),
            part.uri,
            part.bytes
        ));
    }
}

fn print_trust(ui: &Ui, trust: &Trust) {
    let said = match trust {
        Trust::Trusted => ui.t("dem Unterzeichner wird vertraut", "signer is trusted").to_owned(),
        Trust::NotAsked => {
            ui.t("Vertrauen nicht geprüft (--trust)", "trust was not checked (--trust)").to_owned()
        }
        Trust::Untrusted(fault) => {
            format!("{} {}", ui.t("nicht vertraut:", "not trusted:"), fault.text(ui.language))
        }
    };
    ui.line(format!("  {said}"));
}
