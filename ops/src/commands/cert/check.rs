//! `cert check`: what ends soon or is no longer allowed, the most urgent first, and what to do.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::inventory::Line;
use crate::commands::doctor::unknown;
use crate::config::fleet::Use;
use crate::outcome::{Exit, Failure, Outcome};
use crate::ui::{Tone, Ui};

/// Warn of what ends soon or is no longer allowed
///
/// Groups by urgency: ended, not allowed, 7, 30, 60 and 90 days. What a newer certificate replaces is
/// no trouble. Exit code 1 when something has ended, ends within 7 days, is not allowed or cannot be
/// read; else 0. With --monitor as monitoring systems expect it: 0 ok, 1 warning, 2 critical,
/// 3 unknown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote cert check\n  amtsbote cert check --monitor -q")]
pub(crate) struct Check {
    /// Exit codes for monitoring, and one line
    #[arg(long)]
    monitor: bool,
    /// Only what belongs to this party, account, person or peer
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
}

/// What the line for monitoring begins with.
const MONITORED: &str = "AMTSBOTE CERT";
/// Most that the line for monitoring names; the others are counted.
const NAMED: usize = 10;

/// How urgent it is; the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Cannot be read.
    Unknown,
    /// Its time is over.
    Ended,
    /// The policy refuses it.
    Refused,
    /// Ends within 7 days.
    Days7,
    /// Ends within 30 days.
    Days30,
    /// Ends within 60 days.
    Days60,
    /// Ends within 90 days.
    Days90,
    /// The policy warns.
    Warned,
    /// Its time has not come, and nothing else stands in for it.
    NotYet,
    /// A key that waits for its certificate.
    Pending,
    /// Over, and replaced: to be tidied away.
    Leftover,
    /// All is well.
    Fine,
}

/// How an urgency weighs, as monitoring counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Ok,
    Warning,
    Critical,
}

impl Urgency {
    /// Of one line. What a newer one replaces is not urgent, whatever it is; a refusal by policy
    /// that stands beside its successor is over with it.
    fn of(line: &Line, not_yet: bool) -> Self {
        if !line.problem.is_empty() {
            return Self::Unknown;
        }
        if line.pending {
            return Self::Pending;
        }
        match (line.days_left, line.judgement) {
            (Some(..0), _) if line.replaced => Self::Leftover,
            _ if line.replaced => Self::Fine,
            (Some(..0), _) => Self::Ended,
            (_, "refuse") => Self::Refused,
            (Some(..=7), _) => Self::Days7,
            (Some(..=30), _) => Self::Days30,
            (Some(..=60), _) => Self::Days60,
            (Some(..=90), _) => Self::Days90,
            (_, "warn") => Self::Warned,
            _ if not_yet => Self::NotYet,
            _ => Self::Fine,
        }
    }

    fn weight(self) -> Weight {
        match self {
            Self::Unknown | Self::Ended | Self::Refused | Self::Days7 => Weight::Critical,
            Self::Days30 | Self::Days60 | Self::Days90 | Self::Warned | Self::NotYet => {
                Weight::Warning
            }
            Self::Pending | Self::Leftover | Self::Fine => Weight::Ok,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unreadable",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Days7 => "7-days",
            Self::Days30 => "30-days",
            Self::Days60 => "60-days",
            Self::Days90 => "90-days",
            Self::Warned => "warned",
            Self::NotYet => "not-yet-valid",
            Self::Pending => "pending",
            Self::Leftover => "leftover",
            Self::Fine => "ok",
        }
    }

    fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Unknown => ("nicht lesbar", "cannot be read"),
            Self::Ended => ("abgelaufen", "ended"),
            Self::Refused => ("von der Richtlinie abgelehnt", "refused by the policy"),
            Self::Days7 => ("läuft in höchstens 7 Tagen ab", "ends within 7 days"),
            Self::Days30 => ("läuft in höchstens 30 Tagen ab", "ends within 30 days"),
            Self::Days60 => ("läuft in höchstens 60 Tagen ab", "ends within 60 days"),
            Self::Days90 => ("läuft in höchstens 90 Tagen ab", "ends within 90 days"),
            Self::Warned => ("die Richtlinie warnt", "the policy warns"),
            Self::NotYet => ("noch nicht gültig", "not yet valid"),
            Self::Pending => ("wartet auf sein Zertifikat", "waits for its certificate"),
            Self::Leftover => ("abgelaufen und ersetzt", "ended and replaced"),
            Self::Fine => ("in Ordnung", "all is well"),
        }
    }
}

/// What to do about it, in both languages.
fn advice(line: &Line, urgency: Urgency) -> (String, String) {
    let owner = &line.owner;
    let both = |de: &str, en: &str| (de.to_owned(), en.to_owned());
    let import = |de: &str, en: &str, flag: &str| {
        let command = format!("amtsbote cert import DATEI {flag} {owner}");
        (format!("{de}: {command}"), format!("{en}: {}", command.replace("DATEI", "FILE")))
    };
    match (urgency, line.kind) {
        (Urgency::Fine, _) => both("", ""),
        (Urgency::Leftover, _) => both(
            "kann aus der Konfiguration entfernt werden",
            "can be taken out of the configuration",
        ),
        (Urgency::Pending, _) => {
            let name = &line.owner_name;
            (
                format!(
                    "das ausgestellte Zertifikat übernehmen: amtsbote cert accept {name} DATEI"
                ),
                format!("take the issued certificate: amtsbote cert accept {name} FILE"),
            )
        }
        (Urgency::Unknown, _) => {
            both("Datei, Rechte und Passphrase prüfen", "check file, rights and passphrase")
        }
        (Urgency::NotYet, _) => both(
            "bis dahin gilt kein anderes; mit dem Aussteller klären, warum es erst dann beginnt",
            "until then no other one counts; ask the issuer why it begins so late",
        ),
        (Urgency::Refused | Urgency::Warned, _) => (line.reason_de.clone(), line.reason_en.clone()),
        (_, Some(Use::Content)) => import(
            "neues Zertifikat bei der Behörde anfordern und daneben eintragen",
            "ask the authority for its new certificate and enter it beside the old one",
            "--party",
        ),
        (_, Some(Use::Account)) => import(
            "neues TLS-Zertifikat vom Betreiber des Fachverfahrens anfordern und daneben eintragen",
            "ask whoever runs the system for its new TLS certificate and enter it beside the old one",
            "--account",
        ),
        (_, Some(Use::PeerAuthority)) => import(
            "neues Ausstellerzertifikat beim anderen Knoten anfordern und daneben eintragen",
            "ask the other hub for its new authority and enter it beside the old one",
            "--peer",
        ),
        (_, Some(Use::PeerClient)) => both(
            "neues Client-Zertifikat beantragen, beim anderen Knoten anmelden, dann hier austauschen",
            "request a new client certificate, register it at the other hub, then exchange it here",
        ),
        (_, Some(Use::Operator)) => both(
            "neues persönliches Zertifikat ausstellen lassen und in amtsbote.toml eintragen",
            "have a new personal certificate issued and enter it in amtsbote.toml",
        ),
        (_, Some(Use::ClientAuthority)) => both(
            "Nachfolger unter tls.client_authorities in amtsbote.toml zusätzlich eintragen",
            "enter the successor under tls.client_authorities in amtsbote.toml as well",
        ),
        (_, Some(Use::Anchor | Use::Intermediate)) => both(
            "Nachfolger unter [trust] in amtsbote.toml zusätzlich eintragen",
            "enter the successor under [trust] in amtsbote.toml as well",
        ),
        (_, Some(Use::OwnTls)) => both(
            "unter neuem Namen beantragen (amtsbote cert request), übernehmen (amtsbote cert \
             accept), dann tls.identity umstellen und amtsbote reload",
            "request one under a new name (amtsbote cert request), take it (amtsbote cert accept), \
             then change tls.identity, and amtsbote reload",
        ),
        (_, Some(Use::OwnKey)) => both(
            "einen Nachfolger beantragen (amtsbote cert request) oder, wenn nichts ihn mehr \
             benutzt, Schlüssel und Zertifikat entfernen",
            "request a successor (amtsbote cert request) or, where nothing uses it any more, remove \
             key and certificate",
        ),
        (_, Some(Use::Log | Use::Master | Use::Wrapping) | None) => {
            both("Schlüssel wechseln", "change the key")
        }
    }
}

impl Check {
    /// What is checked; nothing at all would look like all is well.
    fn lines(&self, config: Option<&Path>) -> Result<Vec<Line>, Failure> {
        let lines = super::lines(config, self.owner.as_deref())?;
        match &self.owner {
            Some(owner) if lines.is_empty() => Err(Failure::usage(
                format!("{owner}: Kein Schlüssel und kein Zertifikat gehört zu diesem Namen."),
                format!("{owner}: No key and no certificate belongs to this name."),
            )),
            _ => Ok(lines),
        }
    }

    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let lines = match self.lines(config) {
            Ok(lines) => lines,
            // Monitoring knows no other word for it.
            Err(failure) if self.monitor => return unknown(ui, MONITORED, &failure),
            Err(failure) => return Err(failure),
        };
        let now = crate::time::now();
        let mut judged: Vec<(Urgency, &Line)> = lines
            .iter()
            .map(|line| {
                let not_yet =
                    line.valid_from.is_some_and(|from| now < from) && !stands_in(line, &lines, now);
                (Urgency::of(line, not_yet), line)
            })
            .collect();
        judged.sort_by_key(|(urgency, line)| (*urgency, line.valid_until));
        let worst = judged.iter().map(|(urgency, _)| urgency.weight()).max();
        let worst = worst.unwrap_or(Weight::Ok);
        if ui.is_json() {
            judged.iter().for_each(|(urgency, line)| json(ui, *urgency, line));
        } else if self.monitor {
            ui.line(summary(ui, &judged, worst));
        } else {
            print(ui, &judged);
        }
        Ok(match (self.monitor, worst) {
            (_, Weight::Ok) | (false, Weight::Warning) => Exit::Yes,
            (true, Weight::Warning) | (false, Weight::Critical) => Exit::No,
            (true, Weight::Critical) => Exit::Usage,
        })
    }
}

/// Whether another certificate of the same owner for the same purpose is valid now.
fn stands_in(line: &Line, lines: &[Line], now: amtsbote_domain::Timestamp) -> bool {
    lines.iter().any(|other| {
        (other.purpose, &other.owner) == (line.purpose, &line.owner)
            && other.valid_from.is_some_and(|from| from <= now)
            && other.valid_until.is_some_and(|until| now < until)
    })
}

fn json(ui: &Ui, urgency: Urgency, line: &Line) {
    let (de, en) = advice(line, urgency);
    ui.json(&json!({
        "urgency": urgency.name(),
        "purpose": line.purpose,
        "owner": line.owner,
        "subject": line.subject,
        "sha256": line.sha256,
        "valid_until": line.valid_until,
        "days_left": line.days_left,
        "judgement": line.judgement,
        "rule": line.rule,
        "replaced": line.replaced,
        "place": line.place,
        "advice_de": de,
        "advice_en": en,
    }));
}

fn print(ui: &Ui, judged: &[(Urgency, &Line)]) {
    let mut group = None;
    for (urgency, line) in judged.iter().filter(|(urgency, _)| *urgency != Urgency::Fine) {
        if group != Some(*urgency) {
            group = Some(*urgency);
            let tone = match urgency.weight() {
                Weight::Critical => Tone::Bad,
                Weight::Warning => Tone::Warning,
                Weight::Ok => Tone::Dim,
            };
            let title = urgency.title();
            ui.line(ui.tint(tone, ui.t(title.0, title.1)));
        }
        let when = match (line.valid_from, line.valid_until, line.days_left) {
            (Some(from), ..) if *urgency == Urgency::NotYet => {
                format!(", {} {}", ui.t("gültig ab", "valid from"), ui.time(from))
            }
            (_, Some(until), Some(days)) => format!(", {}", ends(ui, &ui.time(until), days)),
            _ => String::new(),
        };
        let title = ui.t(line.title.0, line.title.1);
        ui.line(format!("  {title}: {}{when}", line.owner_in_words(ui)));
        ui.line(format!("    {} {}", ui.t("Datei:", "file:"), line.place));
        if !line.rule.is_empty() {
            ui.line(format!("    {} {}, {}", ui.t("Regel:", "rule:"), line.rule, line.clause));
        }
        if !line.problem.is_empty() {
            let problem = ui.t(&line.problem_de, &line.problem);
            ui.line(format!("    {} {problem}", ui.t("Problem:", "problem:")));
        }
        let (de, en) = advice(line, *urgency);
        ui.line(format!("    {} {}", ui.t("Zu tun:", "to do:"), ui.t(&de, &en)));
    }
    let fine = judged.iter().filter(|(urgency, _)| *urgency == Urgency::Fine).count();
    let of = judged.len();
    ui.line(format!("{fine} {} {of} {}", ui.t("von", "of"), ui.t("in Ordnung", "in order")));
}

fn ends(ui: &Ui, until: &str, days: i64) -> String {
    if days < 0 {
        format!("{} {until}", ui.t("abgelaufen am", "ended on"))
    } else {
        let unit = match days {
            1 => ui.t("Tag", "day"),
            _ => ui.t("Tage", "days"),
        };
        format!("{} {until} ({days} {unit})", ui.t("gültig bis", "valid until"))
    }
}

fn summary(ui: &Ui, judged: &[(Urgency, &Line)], worst: Weight) -> String {
    let word = match worst {
        Weight::Ok => "OK",
        Weight::Warning => "WARNING",
        Weight::Critical => "CRITICAL",
    };
    let grave: Vec<String> = judged
        .iter()
        .filter(|(urgency, _)| urgency.weight() == worst && worst != Weight::Ok)
        .map(|(urgency, line)| {
            let (title, urgency) = (line.title, urgency.title());
            let title = ui.t(title.0, title.1);
            format!("{title} {}: {}", line.owner_in_short(ui), ui.t(urgency.0, urgency.1))
        })
        .collect();
    let detail = if grave.is_empty() {
        format!("{} {}", judged.len(), ui.t("Schlüssel und Zertifikate", "keys and certificates"))
    } else {
        let more = grave.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!("; +{more}") };
        format!("{}{more}", grave[..grave.len().min(NAMED)].join("; "))
    };
    format!("{MONITORED} {word} - {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urgency(days: Option<i64>, judgement: &'static str, replaced: bool) -> Urgency {
        let line = Line { days_left: days, judgement, replaced, ..Line::default() };
        Urgency::of(&line, false)
    }

    #[test]
    fn the_days_are_90_60_30_and_7() {
        for (days, expected) in [
            (91, Urgency::Fine),
            (90, Urgency::Days90),
            (61, Urgency::Days90),
            (60, Urgency::Days60),
            (31, Urgency::Days60),
            (30, Urgency::Days30),
            (8, Urgency::Days30),
            (7, Urgency::Days7),
            (0, Urgency::Days7),
            (-1, Urgency::Ended),
        ] {
            assert_eq!(urgency(Some(days), "good", false), expected, "{days}");
            let over = if days < 0 { Urgency::Leftover } else { Urgency::Fine };
            assert_eq!(urgency(Some(days), "good", true), over, "{days} replaced");
        }
        assert_eq!(urgency(None, "good", false), Urgency::Fine);
    }

    #[test]
    fn what_policy_says_counts_as_well() {
        assert_eq!(urgency(Some(500), "refuse", false), Urgency::Refused);
        assert_eq!(urgency(Some(3), "refuse", false), Urgency::Refused);
        assert_eq!(urgency(Some(-3), "refuse", false), Urgency::Ended);
        assert_eq!(urgency(Some(500), "warn", false), Urgency::Warned);
        assert_eq!(urgency(Some(5), "warn", false), Urgency::Days7);
        assert_eq!(urgency(Some(500), "refuse", true), Urgency::Fine);
        let line = Line { judgement: "good", ..Line::default() };
        assert_eq!(Urgency::of(&line, true), Urgency::NotYet);
        let broken = Line { problem: "x".to_owned(), ..Line::default() };
        assert_eq!(Urgency::of(&broken, false), Urgency::Unknown);
        let waiting = Line { judgement: "good", pending: true, ..Line::default() };
        assert_eq!(Urgency::of(&waiting, false), Urgency::Pending);
    }

    #[test]
    fn the_order_is_that_of_gravity() {
        use Urgency::{
            Days7, Days30, Days90, Ended, Fine, Leftover, NotYet, Pending, Refused, Unknown, Warned,
        };
        let order = [
            Unknown, Ended, Refused, Days7, Days30, Days90, Warned, NotYet, Pending, Leftover, Fine,
        ];
        assert!(order.is_sorted());
        assert!(order.map(Urgency::weight).is_sorted_by(|a, b| a >= b));
    }
}
