//! `doctor`: one command that says whether all is well.

use std::path::Path;

use amtsbote_broker::{database, keys, notice, standing};
use amtsbote_domain::text::Language;
use amtsbote_domain::validity::Validity;
use amtsbote_store::Database;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::validity::days_left;
use amtsbote_trust::wrapping::WrappingFolder;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::node::{NodeFile, Overrides};
use crate::outcome::{Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// Check everything that must be right
///
/// Exit code 0 when nothing is critical, else 1; 3 when the hub cannot be asked. With --monitor as
/// monitoring systems expect it: 0 ok, 1 warning, 2 critical, 3 unknown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote doctor\n  amtsbote doctor --monitor -q\n  \
                  amtsbote doctor --offline --config /etc/amtsbote/amtsbote.toml")]
pub(crate) struct Doctor {
    /// Exit codes for monitoring, and one line
    #[arg(long)]
    monitor: bool,
    /// Check the files of a node that does not run
    #[arg(long)]
    offline: bool,
}

/// How a check ended; the order is that of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Critical,
}

#[derive(Debug, Deserialize, Serialize)]
struct Check {
    name: String,
    status: Status,
    text_de: String,
    text_en: String,
}

#[derive(Deserialize)]
struct Checks {
    checks: Vec<Check>,
}

impl Doctor {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let checked = if self.offline { offline(config) } else { online(config) };
        let checks = match checked {
            Ok(checks) => checks,
            // Monitoring knows no other word for it.
            Err(failure) if self.monitor => return unknown(ui, "AMTSBOTE", &failure),
            Err(failure) => return Err(failure),
        };
        let worst = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
        if ui.is_json() {
            checks.iter().for_each(|check| ui.json(check));
        } else if self.monitor {
            ui.line(summary(ui, &checks, worst));
        } else {
            checks.iter().for_each(|check| print(ui, check));
        }
        Ok(match (self.monitor, worst) {
            (_, Status::Ok) | (false, Status::Warning) => Exit::Yes,
            (true, Status::Warning) | (false, Status::Critical) => Exit::No,
            (true, Status::Critical) => Exit::Usage,
        })
    }
}

/// What monitoring is told when nothing is known: it reads stdout, and 3 is its word for that.
pub(super) fn unknown(ui: &Ui, what: &str, failure: &Failure) -> Outcome {
    if ui.is_json() {
        return Err(Failure::not_now(failure.text(Language::De), failure.text(Language::En)));
    }
    ui.line(format!("{what} UNKNOWN - {}", failure.text(ui.language)));
    Ok(Exit::NotNow)
}

fn print(ui: &Ui, check: &Check) {
    let word = match check.status {
        Status::Ok => ui.tint(Tone::Good, "ok      "),
        Status::Warning => ui.tint(Tone::Warning, ui.t("Warnung ", "warning ")),
        Status::Critical => ui.tint(Tone::Bad, ui.t("kritisch", "critical")),
    };
    ui.line(format!("{word}  {}: {}", check.name, ui.t(&check.text_de, &check.text_en)));
}

fn summary(ui: &Ui, checks: &[Check], worst: Status) -> String {
    let word = match worst {
        Status::Ok => "OK",
        Status::Warning => "WARNING",
        Status::Critical => "CRITICAL",
    };
    let grave: Vec<String> = checks
        .iter()
        .filter(|check| check.status == worst && worst != Status::Ok)
        .map(|check| format!("{}: {}", check.name, ui.t(&check.text_de, &check.text_en)))
        .collect();
    let detail = if grave.is_empty() {
        format!("{} {}", checks.len(), ui.t("Prüfungen", "checks"))
    } else {
        grave.join("; ")
    };
    format!("AMTSBOTE {word} - {detail}")
}

fn online(config: Option<&Path>) -> Result<Vec<Check>, Failure> {
    let client = super::client_config(config)?;
    super::block_on(async {
        let operations = crate::operations::Operations::new(&client)?;
        let mut checks = operations.get::<Checks>(&["checks"], &[]).await?.checks;
        checks.push(match operations.get::<Value>(&["status"], &[]).await {
            Ok(status) => verifier_check(&client, status["verifier"].as_str().unwrap_or_default()),
            // What the hub could say of itself is told all the same.
            Err(failure) => broken("verifier", &failure),
        });
        Ok(checks)
    })
}

/// Whether receipts are checked with the key that the hub really has.
fn verifier_check(client: &crate::config::client::ClientConfig, hub: &str) -> Check {
    let known = client.known_verifier().map(ToString::to_string);
    let (status, de, en) = match known {
        Some(known) if known == hub => (
            Status::Ok,
            format!("Prüfschlüssel für Quittungen stimmt überein: {hub}"),
            format!("verifier key for receipts agrees: {hub}"),
        ),
        Some(known) => (
            Status::Critical,
            format!("Der Knoten nennt den Prüfschlüssel {hub}, hinterlegt ist {known}"),
            format!("the hub names verifier key {hub}, the configuration has {known}"),
        ),
        None => (
            Status::Warning,
            format!(
                "In der Client-Konfiguration ist kein Prüfschlüssel hinterlegt; der Knoten nennt {hub}"
            ),
            format!("the client configuration has no verifier key; the hub names {hub}"),
        ),
    };
    Check { name: "verifier".to_owned(), status, text_de: de, text_en: en }
}

/// The files of a node: configuration, keys, packs; and its database server. The store has a check of its own
/// (`archive verify --offline`).
fn offline(config: Option<&Path>) -> Result<Vec<Check>, Failure> {
    let file = NodeFile::read(&crate::config::node_file(config)?)?;
    let node = match file.build(Overrides::default()) {
        Ok(node) => node,
        Err(failure) => return Ok(vec![broken("configuration", &failure)]),
    };
    let mut checks = vec![Check {
        name: "configuration".to_owned(),
        status: Status::Ok,
        text_de: "Konfiguration, Schlüssel und Pakete sind lesbar und ohne Widerspruch".to_owned(),
        text_en: "configuration, keys and packs can be read and do not contradict".to_owned(),
    }];
    checks.push(certificate("tls-certificate", &[node.tables.identity.certificate().validity()]));
    let authorities: Vec<Validity> =
        node.tables.client_authorities.iter().map(Certificate::validity).collect();
    checks.push(certificate("client-authorities", &authorities));
    let anchors = &node.tables.trust.anchors;
    checks.push(of_finding(standing::anchors(|purpose| anchors.any(purpose))));
    let count = node.tables.packs.len();
    checks.push(Check {
        name: "packs".to_owned(),
        status: if count == 0 { Status::Warning } else { Status::Ok },
        text_de: format!("{count} Pakete"),
        text_en: format!("{count} packs"),
    });
    let tables = &node.tables;
    let own = tables.writes_as.as_ref();
    checks.push(of_finding(notice::finding(own, &tables.directory, None, time::now())));
    checks.extend(at_rest(&file, &node.database, &node.data_dir));
    checks.extend(legacy_profiles(&file));
    Ok(checks)
}

/// Partners under the legacy profile, each with its end. What cannot be read was said before.
fn legacy_profiles(file: &NodeFile) -> Vec<Check> {
    let partners = file.legacy_partners(time::now()).unwrap_or_default();
    let check = |partner: crate::config::fleet::Legacy| {
        let who = format!("{} {}", partner.owner, partner.name);
        let who = who.trim_end();
        let (de, en) = match partner.profile.until.and_then(time::last_day) {
            Some(day) => (
                format!("bis einschließlich {}", day.strftime("%d.%m.%Y")),
                format!("up to and including {day}"),
            ),
            None => {
                ("ohne Ende; legacy_until setzen".to_owned(), "without end; set one".to_owned())
            }
        };
        Check {
            name: "legacy-profile".to_owned(),
            status: Status::Warning,
            text_de: format!("{who} darf veraltete Verfahren verwenden, {de}"),
            text_en: format!("{who} may use outdated algorithms, {en}"),
        }
    };
    partners.into_iter().map(check).collect()
}

/// Whether every wrapping key is there, and the master key above them has a backup; what the
/// database server says of itself, where there is one.
fn at_rest(file: &NodeFile, of: &Database, data: &Path) -> Vec<Check> {
    let findings = match WrappingFolder::read(&file.key_store_dir()) {
        Ok(folder) => keys::offline(&folder, of, data, time::now()),
        Err(error) => vec![keys::unusable(&error)],
    };
    findings.into_iter().chain(database::offline(of)).map(of_finding).collect()
}

fn broken(name: &str, failure: &Failure) -> Check {
    Check {
        name: name.to_owned(),
        status: Status::Critical,
        text_de: failure.text(Language::De).to_owned(),
        text_en: failure.text(Language::En).to_owned(),
    }
}

fn certificate(name: &str, validities: &[Validity]) -> Check {
    const WARNING_DAYS: i64 = 30;
    let days = validities.iter().filter_map(|validity| days_left(validity, time::now())).min();
    let status = match days {
        Some(..0) => Status::Critical,
        None | Some(0..WARNING_DAYS) => Status::Warning,
        Some(_) => Status::Ok,
    };
    let (text_de, text_en) = match days {
        None => ("keine vorhanden".to_owned(), "there is none".to_owned()),
        Some(..0) => ("abgelaufen".to_owned(), "has ended".to_owned()),
        Some(0) => {
            ("noch weniger als einen Tag gültig".to_owned(), "valid for less than a day".to_owned())
        }
        Some(1) => ("noch 1 Tag gültig".to_owned(), "valid for 1 more day".to_owned()),
        Some(days) => (format!("noch {days} Tage gültig"), format!("valid for {days} more days")),
    };
    Check { name: name.to_owned(), status, text_de, text_en }
}

/// What the hub's own parts find out, as a line of `doctor`.
fn of_finding(finding: keys::Finding) -> Check {
    let status = match finding.grade {
        keys::Grade::Good => Status::Ok,
        keys::Grade::Look => Status::Warning,
        keys::Grade::Grave => Status::Critical,
    };
    Check { name: finding.name.to_owned(), status, text_de: finding.de, text_en: finding.en }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_in_words() {
        let now = time::now();
        let validity = |hours: i64| Validity {
            from: None,
            until: now.checked_add(jiff::SignedDuration::from_hours(hours)).ok(),
        };
        // An hour more, so that the time the test takes does not matter.
        for (hours, status, text) in [
            (-1, Status::Critical, "has ended"),
            (2, Status::Warning, "valid for less than a day"),
            (25, Status::Warning, "valid for 1 more day"),
            (29 * 24 + 1, Status::Warning, "valid for 29 more days"),
            (30 * 24 + 1, Status::Ok, "valid for 30 more days"),
        ] {
            // Of several the first to end counts.
            let check = certificate("x", &[validity(40 * 24), validity(hours)]);
            assert_eq!((check.status, check.text_en.as_str()), (status, text), "{hours} h");
        }
        assert_eq!(certificate("x", &[]).status, Status::Warning);
        assert_eq!(certificate("x", &[validity(25)]).text_de, "noch 1 Tag gültig");
    }
}
