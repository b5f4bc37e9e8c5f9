//! One line of the Krypto-Kataster: what is known of a key or certificate, and what policy says.

use amtsbote_domain::Timestamp;
use amtsbote_domain::text::Language;
use amtsbote_domain::validity::Validity;
use amtsbote_trust::policy::{
    Algorithm, AlgorithmPolicy, CertificateFacts, Judgement, Key, KeyKind, Since,
};
use amtsbote_trust::validity::days_left;
use serde::Serialize;

use crate::config::fleet::{Item, Material, Use};
use crate::ui::Ui;

/// One key or certificate. The names of the fields are those of the columns in CSV.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Line {
    pub(super) purpose: &'static str,
    #[serde(skip)]
    pub(super) title: (&'static str, &'static str),
    #[serde(skip)]
    pub(super) kind: Option<Use>,
    pub(super) owner: String,
    pub(super) owner_name: String,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) serial: String,
    pub(super) sha256: String,
    pub(super) algorithm: String,
    pub(super) bits: Option<u32>,
    pub(super) curve: String,
    pub(super) signed_with: String,
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) days_left: Option<i64>,
    /// The file.
    pub(super) place: String,
    pub(super) key_here: bool,
    /// What holds the key: a file, or nothing of ours.
    pub(super) software: String,
    /// `good`, `warn`, `refuse` or, where there is nothing to judge, `unknown`.
    pub(super) judgement: &'static str,
    pub(super) rule: String,
    pub(super) rule_since: Option<Timestamp>,
    pub(super) clause: String,
    pub(super) reason_de: String,
    pub(super) reason_en: String,
    pub(super) legacy: bool,
    pub(super) legacy_until: Option<Timestamp>,
    /// A newer certificate of the same owner for the same purpose is there.
    pub(super) replaced: bool,
    /// Why nothing more is known.
    pub(super) problem: String,
    #[serde(skip)]
    pub(super) problem_de: String,
    /// The key has no certificate yet, and nothing uses it.
    pub(super) pending: bool,
}

impl Line {
    /// Algorithm and length in a few words.
    pub(super) fn strength(&self) -> String {
        match self.bits {
            _ if self.algorithm.is_empty() => "-".to_owned(),
            // A curve has its length in its name.
            Some(bits) if self.curve.is_empty() && self.algorithm != "Ed25519" => {
                format!("{} {bits}", self.algorithm)
            }
            _ => self.algorithm.clone(),
        }
    }

    /// What policy says, in words.
    pub(super) fn verdict(&self, ui: &Ui) -> String {
        let word = match self.judgement {
            "good" => return "ok".to_owned(),
            "warn" => ui.t("Warnung", "warned"),
            "refuse" => ui.t("abgelehnt", "refused"),
            _ => return ui.t("unbekannt", "unknown").to_owned(),
        };
        format!("{word}: {}", self.rule)
    }

    /// Key and name of the owner; of an anchor what it is there for.
    pub(super) fn owner_in_words(&self, ui: &Ui) -> String {
        let name = match (self.kind, self.owner_name.as_str()) {
            (_, "") => return self.owner.clone(),
            (Some(Use::Anchor), "content") => ui.t("für Inhalte", "for content"),
            (Some(Use::Anchor), "tls-client") => ui.t("für TLS-Clients", "for TLS clients"),
            (_, name) => name,
        };
        format!("{} {name}", self.owner)
    }

    /// The owner; where a node has several for one purpose, with what tells them apart.
    pub(super) fn owner_in_short(&self, ui: &Ui) -> String {
        match self.kind {
            Some(Use::OwnTls | Use::OwnKey | Use::Anchor) => self.owner_in_words(ui),
            _ => self.owner.clone(),
        }
    }

    fn judged(&mut self, judgement: Judgement<'_>) {
        self.judgement = judgement.word();
        let (Judgement::Warn { rule, since } | Judgement::Refuse { rule, since }) = judgement
        else {
            return;
        };
        self.rule.clone_from(&rule.id);
        self.clause.clone_from(&rule.clause);
        rule.reason(Language::De).clone_into(&mut self.reason_de);
        rule.reason(Language::En).clone_into(&mut self.reason_en);
        self.rule_since = match since {
            Since::Ever => None,
            Since::From(at) => Some(at),
        };
    }
}

/// What is known of every item at `now`.
pub(super) fn lines(items: &[Item], policy: &AlgorithmPolicy, now: Timestamp) -> Vec<Line> {
    items
        .iter()
        .map(|item| Line { replaced: is_replaced(item, items, now), ..line(item, policy, now) })
        .collect()
}

fn line(item: &Item, policy: &AlgorithmPolicy, now: Timestamp) -> Line {
    let legacy = item.legacy.filter(|profile| profile.holds(now));
    let (purpose, is_legacy) = (item.purpose.purpose(), legacy.is_some());
    let software = if item.key_here { "OpenSSL, file" } else { "" };
    let mut line = Line {
        purpose: item.purpose.name(),
        title: item.purpose.title(),
        kind: Some(item.purpose),
        owner: printable(&item.owner),
        owner_name: printable(&item.name),
        place: printable(
            &item.place.strip_prefix(".").unwrap_or(&item.place).display().to_string(),
        ),
        key_here: item.key_here,
        software: software.to_owned(),
        judgement: "unknown",
        legacy: is_legacy,
        legacy_until: legacy.and_then(|profile| profile.until),
        ..Line::default()
    };
    match &item.material {
        Material::Certificate(certificate) => {
            let facts = CertificateFacts::of(certificate.x509());
            let validity = certificate.validity();
            line.subject = printable(certificate.subject());
            line.issuer = printable(certificate.issuer());
            line.serial = certificate.serial().unwrap_or_default();
            line.sha256 = certificate.fingerprint().to_string();
            line.signed_with = facts.signed_with.map_or("?", Algorithm::name).to_owned();
            (line.valid_from, line.valid_until) = (validity.from, validity.until);
            line.days_left = days_left(&validity, now);
            of_key(&mut line, facts.key);
            line.judged(policy.judge_certificate(purpose, &facts, now, is_legacy));
        }
        Material::Pending(key) => {
            of_key(&mut line, *key);
            line.pending = true;
            line.judged(policy.judge(purpose, *key, now, is_legacy));
        }
        Material::Ed25519 => {
            let key = Key { kind: KeyKind::Ed25519, bits: 256, curve: None };
            of_key(&mut line, key);
            line.judged(policy.judge(purpose, key, now, is_legacy));
        }
        Material::Symmetric(bits) => {
            (line.algorithm, line.bits) = ("AES".to_owned(), Some(*bits));
            if let Some(algorithm) = Algorithm::from_name(&format!("aes{bits}-gcm")) {
                line.judged(policy.judge(purpose, algorithm, now, is_legacy));
            }
        }
        Material::Unknown(error) => {
            line.problem = error.reason().text(Language::En);
            line.problem_de = error.reason().text(Language::De);
        }
    }
    line
}

fn of_key(line: &mut Line, key: Key) {
    line.algorithm = key.algorithm();
    line.bits = Some(key.bits);
    key.curve.unwrap_or_default().clone_into(&mut line.curve);
}

/// Whether another certificate of the same owner takes its place: it lasts longer, and there is no
/// gap between the two.
fn is_replaced(item: &Item, items: &[Item], now: Timestamp) -> bool {
    let Some(own) = item.certificate() else { return false };
    items.iter().filter(|other| (other.purpose, &other.owner) == (item.purpose, &item.owner)).any(
        |other| {
            other.certificate().is_some_and(|other| {
                let same = !item.purpose.is_authority() || own.subject() == other.subject();
                same && follows(&own.validity(), &other.validity(), now)
            })
        },
    )
}

fn follows(own: &Validity, other: &Validity, now: Timestamp) -> bool {
    let (Some(end), Some(other_end)) = (own.until, other.until) else { return false };
    // What begins after the end of the old one leaves a gap; what has begun fills it.
    let begins = other.from.is_none_or(|from| from <= end || from <= now);
    other_end > end && begins
}

/// Subjects come from partners: what would move the cursor of a terminal is shown as `?`.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, until: i64) -> Validity {
        let at = |day: i64| Timestamp::from_second(day * 86_400).ok();
        Validity { from: at(from), until: at(until) }
    }

    #[test]
    fn a_certificate_is_replaced_by_one_that_lasts_longer_without_a_gap() {
        let now = Timestamp::from_second(50 * 86_400).expect("an instant");
        let old = span(0, 100);
        assert!(follows(&old, &span(40, 200), now));
        assert!(follows(&old, &span(100, 200), now));
        assert!(!follows(&old, &span(101, 200), now), "a gap of a day");
        assert!(!follows(&old, &span(0, 100), now), "itself");
        assert!(!follows(&old, &span(0, 90), now));
        assert!(follows(&span(0, 10), &span(20, 200), now), "the gap is past");
    }

    #[test]
    fn a_subject_cannot_move_the_cursor() {
        assert_eq!(printable("CN=a\u{1b}[2J\r\n\u{9b}b ü"), "CN=a?[2J???b ü");
    }
}
