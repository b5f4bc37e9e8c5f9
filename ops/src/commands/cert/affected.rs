//! `cert affected`: which messages under way a revoked certificate hits. Asked of the running hub,
//! under a personal certificate.

use std::path::Path;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_wire::native::status::MessageStatus;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::operations::Operations;
use crate::outcome::{Exit, Failure, Outcome};
use crate::timeline;
use crate::ui::{Tone, Ui};

/// Messages that are asked for at once.
const PAGE: u32 = 1_000;

/// List the messages under way that a revoked certificate hits
///
/// Those that have not ended and were signed with it, or came in over a connection made with it.
/// Nothing is done to them: a person decides. Without a fingerprint all certificates count that the
/// hub saw to be revoked. Asks a running hub. Exit code 0 when none is hit, 1 when some are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote cert affected\n  \
                  amtsbote cert affected 3b0e9c5d…(64 digits)…71aa -o json")]
pub(crate) struct Affected {
    /// SHA-256 of a certificate, revoked or not; 64 digits, colons do not matter
    #[arg(value_parser = fingerprint)]
    fingerprint: Option<Digest>,
    /// At most so many messages
    #[arg(long, default_value_t = PAGE, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    limit: u32,
}

fn fingerprint(text: &str) -> Result<Digest, String> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    Digest::parse(&digits).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Page {
    revoked: Vec<Revoked>,
    messages: Vec<Hit>,
    next: Option<String>,
}

/// A certificate that the hub saw to be revoked.
#[derive(Deserialize, Serialize)]
struct Revoked {
    sha256: Digest,
    issuer: String,
    serial: String,
    revoked_at: Timestamp,
    reason: String,
    seen: Timestamp,
}

/// A message, and by which certificates it is hit.
#[derive(Deserialize, Serialize)]
struct Hit {
    status: MessageStatus,
    account: String,
    signer_certificate: Option<Digest>,
    account_certificate: Option<Digest>,
}

impl Affected {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let operations = crate::commands::operations(config)?;
        let Found { revoked, messages, more } =
            crate::commands::block_on(async { self.ask(&operations).await })?;
        if ui.is_json() {
            messages.iter().for_each(|message| ui.json(message));
            ui.json(&json!({ "revoked": revoked, "affected": messages.len(), "more": more }));
        } else {
            revoked.iter().for_each(|revoked| print_revoked(ui, revoked));
            messages.iter().for_each(|hit| print_hit(ui, hit));
            print_sum(ui, messages.len(), more);
        }
        Ok(Exit::answer(messages.is_empty()))
    }

    /// Page by page, up to the limit.
    async fn ask(&self, operations: &Operations) -> Result<Found, Failure> {
        let fingerprint = self.fingerprint.map(|fingerprint| fingerprint.to_string());
        let (mut messages, mut after) = (Vec::new(), None);
        loop {
            let left = self.limit.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
            let query = [
                ("fingerprint", fingerprint.clone()),
                ("after", after),
                ("limit", Some(left.min(PAGE).to_string())),
            ];
            let page: Page = operations.get(&["certificates", "affected"], &query).await?;
            messages.extend(page.messages);
            let full = messages.len() >= self.limit as usize;
            if page.next.is_none() || full {
                return Ok(Found { revoked: page.revoked, messages, more: page.next.is_some() });
            }
            after = page.next;
        }
    }
}

struct Found {
    revoked: Vec<Revoked>,
    messages: Vec<Hit>,
    /// Not all that are under way were looked at.
    more: bool,
}

fn print_revoked(ui: &Ui, revoked: &Revoked) {
    let Revoked { sha256, issuer, serial, revoked_at, reason, .. } = revoked;
    let word = ui.tint(Tone::Bad, ui.t("gesperrt", "revoked"));
    ui.line(format!("{word}  {sha256}"));
    ui.line(format!(
        "  {} {} ({reason}), {} {issuer}, {} {serial}",
        ui.t("seit", "since"),
        ui.time(*revoked_at),
        ui.t("Aussteller", "issuer"),
        ui.t("Seriennummer", "serial number"),
    ));
}

fn print_hit(ui: &Ui, hit: &Hit) {
    let Hit { status, account, signer_certificate, account_certificate } = hit;
    ui.line("");
    timeline::print_status(ui, status);
    if let Some(certificate) = signer_certificate {
        ui.line(format!("  {} {certificate}", ui.t("signiert mit", "signed with")));
    }
    if let Some(certificate) = account_certificate {
        let by = ui.t("eingeliefert über", "handed in over");
        ui.line(format!("  {by} {account}, {certificate}"));
    }
}

fn print_sum(ui: &Ui, count: usize, more: bool) {
    let text = match (count, more) {
        (0, false) => ui.t("keine Nachricht betroffen", "no message is hit").to_owned(),
        (count, more) => format!(
            "{}: {count}{}",
            ui.t("betroffene Nachrichten", "messages hit"),
            if more { ui.t(", vielleicht mehr: --limit", ", perhaps more: --limit") } else { "" }
        ),
    };
    ui.note(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_taken_as_programs_write_them() {
        let plain = "0a".repeat(32);
        let colons = vec!["0A"; 32].join(":");
        assert_eq!(fingerprint(&plain), fingerprint(&colons));
        assert!(fingerprint(&plain).is_ok());
        for wrong in ["", "0a", "zz", &plain[1..]] {
            assert!(fingerprint(wrong).is_err(), "{wrong}");
        }
    }
}
