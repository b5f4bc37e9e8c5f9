//! The history of a message in words: every decision, rule, certificate, attempt.

use amtsbote_domain::clearing::Grounds;
use amtsbote_domain::evidence::{Accepted, CameBy, Evidence, Refused, SenderProof};
use amtsbote_domain::identity::{HubId, Scope};
use amtsbote_domain::message::{ContentVerdict, OpaqueReason};
use amtsbote_domain::notice::{About, Form, Kind, Told, Withheld};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::state::{Event, State};
use amtsbote_domain::text::Text;
use amtsbote_wire::native::status::{MessageStatus, TimelineEntry, state_detail};

use crate::operations::explained;
use crate::ui::{Tone, Ui};

/// A state in words.
pub(crate) fn state(ui: &Ui, state: &str, detail: Option<&str>) -> String {
    let word = match state {
        "waiting" => ui.t("wartet", "waiting"),
        "in-delivery" => ui.t("in Zustellung", "in delivery"),
        "delivered" => ui.t("zugestellt", "delivered"),
        "acknowledged" => ui.t("vom Leser bestätigt", "acknowledged"),
        "uncertain" => ui.t("ungewiss", "uncertain"),
        "in-clearing" => ui.t("in Klärung", "in clearing"),
        "rejected-back" => ui.t("zurückgewiesen", "rejected back"),
        "expired" => ui.t("abgelaufen", "expired"),
        "cancelled" => ui.t("zurückgezogen", "cancelled"),
        other => other,
    };
    match detail.map(|word| detail_text(ui, word)) {
        Some(detail) if state == "waiting" => format!("{word} {detail}"),
        Some(detail) => format!("{word} ({detail})"),
        None => word.to_owned(),
    }
}

/// What a state waits for, or why it is in clearing, in words.
fn detail_text<'a>(ui: &Ui, detail: &'a str) -> &'a str {
    match detail {
        "turn" => ui.t("auf Zustellung", "for delivery"),
        "repeat" => ui.t("auf Wiederholung der Zustellung", "for a repeated delivery"),
        "collection" => ui.t("auf Abholung", "for collection"),
        "acknowledgement" => ui.t("auf Bestätigung des Lesers", "for the Reader's acknowledgement"),
        "release" => ui.t("auf Freigabe", "for release"),
        "refused" => ui.t("vom nächsten Knoten abgelehnt", "refused by the next node"),
        "repeat-refused" => ui.t(
            "Wiederholung vom nächsten Knoten abgelehnt, ein früherer Versuch kam vielleicht an",
            "repetition refused by the next node, an earlier attempt may have arrived",
        ),
        "attempts-exhausted" => ui.t("alle Versuche gescheitert", "all attempts failed"),
        "outcome-unknown" => ui.t("Ausgang unbekannt", "outcome unknown"),
        "digest-mismatch" => ui.t("Inhalt verändert", "content changed"),
        "no-way" => ui.t("kein Weg mehr", "no way any more"),
        other => other,
    }
}

/// A state of the table, in words.
pub(crate) fn state_text(ui: &Ui, value: &State) -> String {
    state(ui, value.as_str(), state_detail(value))
}

/// A state in a table: for what is in clearing, why.
pub(crate) fn brief(ui: &Ui, status: &MessageStatus) -> String {
    match (status.state.as_str(), status.state_detail.as_deref()) {
        ("in-clearing", Some(cause)) => detail_text(ui, cause).to_owned(),
        (word, detail) => state(ui, word, detail),
    }
}

/// What somebody said, in the quotation marks of the language.
pub(crate) fn quoted(ui: &Ui, words: impl std::fmt::Display) -> String {
    let (open, close) = (ui.t("„", "“"), ui.t("“", "”"));
    format!("{open}{words}{close}")
}

/// Columns of a terminal that prose keeps to.
const COLUMNS: usize = 96;

/// Prose, broken between words.
pub(crate) fn print_prose(ui: &Ui, tone: Tone, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            ui.line(format!("  {}", ui.tint(tone, &line)));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    ui.line(format!("  {}", ui.tint(tone, &line)));
}

/// Who, to whom, what, and the state.
pub(crate) fn print_status(ui: &Ui, status: &MessageStatus) {
    print_status_and(ui, status, Vec::new());
}

/// The same, and more.
pub(crate) fn print_status_and(ui: &Ui, status: &MessageStatus, more: Vec<(&str, String)>) {
    let head = format!("{} → {}", status.author, status.reader);
    ui.line(format!("{}  {head}", ui.tint(Tone::Strong, status.id.as_str())));
    let mut facts = vec![(ui.t("Dienst", "service"), status.service.to_string())];
    if let Some(message_type) = &status.message_type {
        facts.push((ui.t("Nachrichtentyp", "message type"), message_type.to_string()));
    }
    for line in other_readers(&status.other_readers, &status.siblings) {
        facts.push((ui.t("weiterer Leser", "further Reader"), line));
    }
    facts.push((ui.t("Kennung des Absenders", "sender's id"), status.transport_id.to_string()));
    if let Some(id) = &status.business_id {
        facts.push((ui.t("Kennung des Inhalts", "business id"), id.to_string()));
    }
    if let Some(notice) = &status.about {
        facts.push((ui.t("Benachrichtigung", "notice"), about(ui, notice)));
    }
    if status.test {
        facts.push((ui.t("Test", "test"), ui.t("ja", "yes").to_owned()));
    }
    facts.push((
        ui.t("Zustand", "state"),
        format!(
            "{}, {} {}",
            state(ui, &status.state, status.state_detail.as_deref()),
            ui.t("seit", "since"),
            ui.time(status.since)
        ),
    ));
    facts.extend(more);
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in facts {
        ui.line(format!("  {name:width$}  {value}"));
    }
}

/// One entry, with its details below it.
pub(crate) fn print_entry(ui: &Ui, entry: &TimelineEntry) {
    let (what, details) = describe(ui, &entry.evidence);
    let place = ui.tint(Tone::Dim, &format!("[{} {}]", ui.t("Blatt", "leaf"), entry.index));
    ui.line(format!("  {}  {what}  {place}", ui.time(entry.at)));
    for detail in details {
        ui.line(format!("      {detail}"));
    }
}

fn describe(ui: &Ui, evidence: &Evidence) -> (String, Vec<String>) {
    match evidence {
        Evidence::Accepted(accepted) => {
            (ui.t("angenommen", "accepted").to_owned(), acceptance(ui, accepted))
        }
        Evidence::Refused(refused) => (
            format!("{} {}", ui.t("abgelehnt:", "refused:"), explained(refused.code, ui.language)),
            refusal(ui, refused),
        ),
        Evidence::Attempt { attempt, peer, repeated, node, .. } => {
            let again = if *repeated {
                ui.t(" (Wiederholung unter derselben Kennung)", " (repeated under the same id)")
            } else {
                ""
            };
            let by = node.iter().map(|node| format!("{} {node}", ui.t("durch Knoten", "by node")));
            (format!("{} {attempt}: {peer}{again}", ui.t("Versuch", "attempt")), by.collect())
        }
        Evidence::Changed { from, event, to, by, code, digest, grounds, detour, .. } => {
            let mut details = vec![format!("{} → {}", state_text(ui, from), state_text(ui, to))];
            if let Some(by) = by {
                details.push(format!("{} {by}", ui.t("durch", "by")));
            }
            if let Some(code) = code {
                details.push(explained(*code, ui.language));
            }
            if let Some(digest) = digest {
                details.push(format!("SHA-256 {digest}"));
            }
            if let Some(grounds) = grounds {
                details.extend(grounds_of(ui, grounds));
            }
            details.extend(detour.iter().map(|detour| detour.text(ui.language)));
            (event_text(event).get(ui.language).to_owned(), details)
        }
        Evidence::HandedOut { account, .. } => (
            format!("{} {account}", ui.t("ausgehändigt an Konto", "handed out to account")),
            vec![],
        ),
        Evidence::Operator { certificate, name, act, reason, .. } => {
            let mut details: Vec<String> = reason.iter().map(|reason| quoted(ui, reason)).collect();
            details.push(format!("{} {certificate}", ui.t("Zertifikat", "certificate")));
            let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            (format!("{}{name}: {act}", ui.t("Betreiber", "operator")), details)
        }
        Evidence::Proposed { proposal, act, count, by, reason, .. } => (
            format!("{} {proposal}: {act}, {count}", ui.t("Vorschlag", "proposal")),
            vec![format!("{} {}: {}", ui.t("von", "by"), by.name, quoted(ui, reason))],
        ),
        Evidence::Judged { proposal, granted, by, reason, .. } => {
            let word = match granted {
                true => ui.t("freigegeben", "granted"),
                false => ui.t("abgelehnt", "denied"),
            };
            (
                format!("{} {proposal} {word}", ui.t("Vorschlag", "proposal")),
                vec![format!("{} {}: {}", ui.t("von", "by"), by.name, quoted(ui, reason))],
            )
        }
        Evidence::Noticed { notice, told, .. } => noticed(ui, *notice, told),
        Evidence::Started { version, open_attempts } => (
            format!("{} {version}", ui.t("Knoten gestartet, Version", "hub started, version")),
            vec![format!("{open_attempts} {}", ui.t("offene Versuche", "open attempts"))],
        ),
    }
}

/// What its Author was told, by which message; or why not.
fn noticed(ui: &Ui, kind: Kind, told: &Told) -> (String, Vec<String>) {
    let what = notice(ui, kind);
    match told {
        Told::Sent { by, form } => {
            let form = match form {
                Form::BusinessRejection => ui.t("Rückweisung des Standards", "business rejection"),
                Form::Generic => ui.t("Benachrichtigung", "notice"),
            };
            let head =
                format!("{} {what}", ui.t("Autor wird benachrichtigt:", "its Author is told:"));
            (head, vec![format!("{form} {by}")])
        }
        Told::Withheld { why } => {
            let head = format!(
                "{} {what}",
                ui.t("Autor kann nicht benachrichtigt werden:", "its Author cannot be told:")
            );
            (head, vec![withheld(ui, *why).to_owned()])
        }
    }
}

/// What a notice tells, in words.
pub(crate) fn notice(ui: &Ui, kind: Kind) -> &str {
    match kind {
        Kind::RejectedBack => ui.t("zurückgewiesen", "rejected back"),
        Kind::Expired => ui.t("abgelaufen", "expired"),
        Kind::Cancelled => ui.t("vom Betreiber zurückgezogen", "withdrawn by the operator"),
        Kind::InClearing => ui.t("in Klärung", "in clearing"),
        Kind::ExpiresSoon => ui.t("läuft bald ab", "expires soon"),
    }
}

/// Which message a notice is about, in words.
pub(crate) fn about(ui: &Ui, about: &About) -> String {
    format!("{} {}: {}", ui.t("zu", "about"), about.hub_id, notice(ui, about.notice))
}

fn withheld(ui: &Ui, why: Withheld) -> &str {
    match why {
        Withheld::UnknownAuthor => ui.t(
            "Das Verzeichnis kennt den Autor nicht, und kein Konto holt für ihn ab.",
            "The directory does not know the Author, and no account collects for it.",
        ),
        Withheld::ServiceNotOffered => ui.t(
            "Der Autor bietet den Dienst für Benachrichtigungen nicht an, und kein Konto holt hier für ihn ab.",
            "The Author does not offer the service of notices, and no account collects for it here.",
        ),
        Withheld::NotAtThisTime => ui.t(
            "Der Autor ist nach dem Verzeichnis jetzt nicht erreichbar.",
            "By the directory the Author cannot be reached now.",
        ),
        Withheld::TestAndProduction => ui.t(
            "Test bleibt Test: Der Autor hat kein System dieser Art.",
            "Test is test: the Author has no system of this kind.",
        ),
        Withheld::Unreadable => ui.t(
            "Was dem Autor zu sagen wäre, ist in der Datenbank nicht mehr zu lesen (archive verify).",
            "What the Author is to be told cannot be read in the database any more (archive verify).",
        ),
    }
}

/// Who decided, why, and who granted it.
fn grounds_of(ui: &Ui, grounds: &Grounds) -> Vec<String> {
    let Grounds { act, by, reason, granted, channel, together: _, alone: _ } = grounds;
    let reason = quoted(ui, reason);
    let mut details = vec![format!("{} {} ({act}): {reason}", ui.t("durch", "by"), by.name)];
    if let Some(granted) = granted {
        details.push(format!(
            "{} {} ({} {})",
            ui.t("freigegeben von", "granted by"),
            granted.by.name,
            ui.t("Vorschlag", "proposal"),
            granted.proposal
        ));
    }
    if let Some(channel) = channel {
        details.push(format!("{} {channel}", ui.t("Weg:", "way:")));
    }
    details
}

/// The other Readers of a message, each with its delivery where that was accepted with this one.
pub(crate) fn other_readers(readers: &[PartyId], siblings: &[HubId]) -> Vec<String> {
    let delivery = |n: usize| siblings.get(n).map_or_else(String::new, |id| format!(" ({id})"));
    readers.iter().enumerate().map(|(n, reader)| format!("{reader}{}", delivery(n))).collect()
}

/// Who signed the message, or by what its sender was known where nobody did.
fn signed(ui: &Ui, accepted: &Accepted) -> String {
    let subject = &accepted.signature.subject;
    let by = match accepted.came_by.as_deref().map(|came_by| came_by.sender) {
        None | Some(SenderProof::Signed) => {
            let algorithm = algorithm(&accepted.signature.algorithm);
            return format!("{} {subject} ({algorithm})", ui.t("signiert von", "signed by"));
        }
        Some(SenderProof::Sealed) => ui.t(
            "nicht signiert; Absender konnte lesen, was verschlüsselt war für",
            "not signed; the sender could read what was encrypted for",
        ),
        Some(SenderProof::Claimed) => ui.t(
            "nicht signiert; Absender gab nur an, wer er ist:",
            "not signed; the sender only said who it is:",
        ),
    };
    format!("{by} {subject}")
}

fn acceptance(ui: &Ui, accepted: &Accepted) -> Vec<String> {
    let content = match &accepted.verdict {
        ContentVerdict::Valid { standard, version, message_type } => format!(
            "{} {standard} {version}, {message_type}",
            ui.t("geprüft und gültig:", "checked and valid:")
        ),
        ContentVerdict::Opaque { reason: OpaqueReason::Encrypted } => ui
            .t(
                "für den Leser verschlüsselt, nicht geöffnet",
                "encrypted for the Reader, not opened",
            )
            .to_owned(),
        ContentVerdict::Opaque { reason: OpaqueReason::NoStandard } => ui
            .t(
                "kein bekannter Standard, vom Dienst zugelassen",
                "no known standard, admitted by the service",
            )
            .to_owned(),
    };
    let mut details = vec![
        format!("{} {}", ui.t("von Konto", "from account"), accepted.account),
        signed(ui, accepted),
        format!("{} {}", ui.t("Zertifikat", "certificate"), accepted.signature.certificate),
        content,
        format!("{} {}", ui.t("erlaubt durch", "allowed by"), accepted.rule),
        format!("{} {}", ui.t("Weg:", "way:"), accepted.channel),
    ];
    if let Some(certificate) = &accepted.account_certificate {
        let by = ui.t("verbunden mit Zertifikat", "connected by certificate");
        details.insert(1, format!("{by} {certificate}"));
    }
    if let Some(CameBy { transport, author: Some(author), .. }) = accepted.came_by.as_deref() {
        let by = ui.t("Inhalt signiert von", "content signed by");
        details.push(format!("{by} {}, {}", author.subject, transport.as_str()));
    }
    let others = &accepted.metadata.other_readers;
    for line in other_readers(others, &accepted.siblings) {
        details.push(format!("{} {line}", ui.t("weiterer Leser", "further Reader")));
    }
    if !others.is_empty() && accepted.siblings.is_empty() {
        let alone = ui.t("weitergeleitet für diesen Leser allein", "relayed for this Reader alone");
        details.push(alone.to_owned());
    }
    if let Scope::Relayed { author, sender } = accepted.scope.of_message() {
        let unique = ui.t("weitergeleitet; Kennung einmalig je", "relayed; id unique by");
        let sender = sender.map(|sender| format!(", {} {sender}", ui.t("Absender", "sender")));
        details.push(format!(
            "{unique} {} {author}{}",
            ui.t("Autor", "Author"),
            sender.unwrap_or_default()
        ));
    }
    for rule in &accepted.applied {
        details.push(format!("{} {rule}", ui.t("Zustellregel", "rule of delivery")));
    }
    for grace in &accepted.under_grace {
        details.push(format!(
            "{} {}: {} {}, {} {}",
            ui.t(
                "Sperrauskunft nicht erreichbar, in der Übergangsfrist angenommen: Zertifikat",
                "source of revocation out of reach, accepted under grace: certificate"
            ),
            grace.certificate,
            ui.t("Auskunft galt bis", "last word was good until"),
            grace.fresh_until,
            ui.t("Frist endet", "grace ends"),
            grace.ends
        ));
    }
    for part in &accepted.parts {
        details.push(format!(
            "{} {}: {}, {} {}, SHA-256 {}",
            ui.t("Teil", "part"),
            part.cid,
            part.media_type,
            part.size,
            ui.t("Bytes", "bytes"),
            part.sha256
        ));
    }
    if let Some(notice) = &accepted.about {
        details.push(format!("{} {}", ui.t("Benachrichtigung", "notice"), about(ui, notice)));
    }
    for other in &accepted.same_business_id {
        details.push(format!(
            "{} {other}",
            ui.t("gleiche Kennung des Inhalts wie", "same business id as")
        ));
    }
    details
}

fn refusal(ui: &Ui, refused: &Refused) -> Vec<String> {
    let mut details = vec![
        format!("{} {}", ui.t("von Konto", "from account"), refused.account),
        format!("{} {}", ui.t("Fehlernummer", "error id"), refused.error_id),
    ];
    if !refused.findings.is_empty() {
        details.push(format!("{} {}", ui.t("Befunde:", "findings:"), refused.findings.join(", ")));
    }
    details
}

/// What stands behind `#` of an algorithm's URI.
fn algorithm(uri: &str) -> &str {
    uri.rsplit_once('#').map_or(uri, |(_, name)| name)
}

fn event_text(event: &Event) -> Text {
    match event {
        Event::AttemptBegun => Text { de: "Versuch begonnen", en: "attempt begun" },
        Event::AttemptConfirmed => {
            Text { de: "nächster Knoten hat bestätigt", en: "the next node confirmed" }
        }
        Event::AttemptFailed { .. } => Text {
            de: "Versuch gescheitert, nichts angekommen; wird wiederholt",
            en: "attempt failed, nothing arrived; will be repeated",
        },
        Event::AttemptsExhausted => {
            Text { de: "letzter Versuch gescheitert", en: "the last attempt failed" }
        }
        Event::AttemptRefused => {
            Text { de: "nächster Knoten hat abgelehnt", en: "the next node refused" }
        }
        Event::AttemptLost => {
            Text { de: "keine Antwort: Ausgang ungewiss", en: "no answer: outcome uncertain" }
        }
        Event::ResendAllowed { .. } => Text {
            de: "darf unter derselben Kennung wiederholt werden",
            en: "may be repeated under the same id",
        },
        Event::FoundAtPeer => Text { de: "nächster Knoten hat es", en: "the next node has it" },
        Event::NotFoundAtPeer { .. } => {
            Text { de: "nächster Knoten hat es nicht", en: "the next node does not have it" }
        }
        Event::OutcomeUnknowable => {
            Text { de: "niemand kann Auskunft geben", en: "nobody can tell" }
        }
        Event::CollectionBegun => {
            Text { de: "Leser hat die Abholung begonnen", en: "the Reader began to collect" }
        }
        Event::Acknowledge => Text {
            de: "Leser hat den Empfang mit dem Hashwert bestätigt",
            en: "the Reader acknowledged with the digest",
        },
        Event::ExpiryReached => Text { de: "Frist abgelaufen", en: "the expiry passed" },
        Event::Cancel => Text { de: "vom Autor zurückgezogen", en: "cancelled by the Author" },
        Event::Hold => Text { de: "angehalten", en: "put on hold" },
        Event::Release => Text { de: "freigegeben", en: "released" },
        Event::DigestMismatch => Text {
            de: "Inhalt hat nicht mehr den Hashwert vom Eingang",
            en: "the content no longer has the digest taken at the door",
        },
        Event::WayLost => {
            Text { de: "kein Weg mehr im Verzeichnis", en: "no way in the directory any more" }
        }
        Event::Detour { .. } => {
            Text { de: "geht auf einem anderen Weg weiter", en: "goes on by another way" }
        }
        Event::Resubmit { .. } => Text { de: "erneut gesendet", en: "sent again" },
        Event::Reject => {
            Text { de: "an den Autor zurückgewiesen", en: "rejected back to the Author" }
        }
        Event::CloseAsDelivered => {
            Text { de: "als zugestellt abgeschlossen", en: "closed as delivered" }
        }
    }
}
