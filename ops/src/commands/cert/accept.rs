//! `cert accept`: the certificate that an authority issued for a key of `cert request`.

use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_domain::text::Language;
use amtsbote_trust::TrustError;
use amtsbote_trust::keystore::Keys;
use amtsbote_trust::path::{Anchors, Demands, Purpose};
use amtsbote_trust::pem::{self, Certificate};
use amtsbote_trust::policy;
use amtsbote_trust::policy::{AlgorithmPolicy, CertificateFacts, Judgement, KeyKind};
use amtsbote_trust::validity::{NotValid, days_left, judge};
use clap::Args;
use serde_json::json;

use super::inventory::printable;
use super::request::{brainpool, no, shown};
use crate::config::certificate;
use crate::config::node::NodeFile;
use crate::outcome::{Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// Put the issued certificate beside its key
///
/// The file holds the certificate, and after it, best, its issuers; their order is put right. Checked
/// first: that key and certificate belong together, that it has not ended, and the policy; on a no
/// (exit code 1) nothing is kept. A file with a private key is refused. Says what to do next.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote cert accept tls-2027 tls-2027.pem\n  \
                  amtsbote cert accept sig-2027 sig-2027.pem -o json")]
pub(crate) struct Accept {
    /// Name of the key, as it was given to 'cert request'
    name: String,
    /// The certificate with its issuers, PEM (or DER, without issuers)
    file: PathBuf,
}

/// Days from which on an end is worth a warning; as `cert check` has it.
const WARN_DAYS: i64 = 90;

/// What a certificate can be used for, its name in JSON and those for people.
const USES: [(Purpose, &str, &str, &str); 4] = [
    (Purpose::TlsServer, "server", "TLS-Server", "TLS server"),
    (Purpose::TlsClient, "client", "TLS-Client", "TLS client"),
    (Purpose::Content, "content", "Inhaltssignatur", "content signature"),
    (Purpose::Encryption, "encryption", "Entschlüsselung", "decryption"),
];

/// A certificate that is checked and, when all is well, taken.
struct Checked<'a> {
    ui: &'a Ui,
    policy: AlgorithmPolicy,
    now: Timestamp,
    /// What it suits, in the order of [`USES`].
    uses: Vec<Purpose>,
    warnings: Vec<String>,
}

impl Accept {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let failed = |error: TrustError| certificate::failure(&error);
        let all = leaf_first(pem::load_certificates(&self.file).map_err(failed)?);
        let leaf = all.first().ok_or_else(|| failed(TrustError::NoCertificate))?;
        let node = super::node(config)?;
        let store = node.key_store()?;
        let before = store.entry(&self.name).map_err(failed)?;
        let present = before.chain.first() == Some(leaf);
        let now = time::now();
        let uses = uses(leaf, now);
        let mut checked = Checked { ui, policy: node.policy()?, now, uses, warnings: vec![] };
        if let Some(reason) = checked.refused(leaf) {
            return Ok(no(ui, &self.name, &reason));
        }
        if !present && let Err(error) = store.accept_certificate(&self.name, &all) {
            return self.not_kept(ui, &error);
        }
        let chain = store.entry(&self.name).map_err(failed)?.chain;
        checked.look_at_chain(&chain, &all);
        self.say(&node, &checked, &chain, present);
        if !ui.is_json() {
            ui.note(self.next(ui, &node, &checked.uses));
        }
        Ok(Exit::Yes)
    }

    /// The key store would not have it.
    fn not_kept(&self, ui: &Ui, error: &TrustError) -> Outcome {
        match error.reason() {
            TrustError::KeyMismatch => {
                let text = ui.t(
                    "Das Zertifikat gehört nicht zu diesem Schlüssel; nichts übernommen. Wurde es auf \
                     den Antrag dieses Namens hin ausgestellt?",
                    "The certificate does not belong to this key; nothing was kept. Was it issued on \
                     the request of this name?",
                );
                Ok(no(ui, &self.name, text))
            }
            TrustError::Exists => Err(Failure::usage(
                "Dieser Schlüssel hat bereits ein anderes Zertifikat; es bleibt. Ein neues kommt mit \
                 einem neuen Schlüssel: amtsbote cert request",
                "This key has another certificate already, which stays. A new one comes with a new \
                 key: amtsbote cert request",
            )),
            _ => Err(certificate::failure(error)),
        }
    }

    fn say(&self, node: &NodeFile, checked: &Checked<'_>, chain: &[Certificate], present: bool) {
        let Checked { ui, uses, warnings, .. } = checked;
        let [leaf, issuers @ ..] = chain else { return };
        let file = node.key_store_dir().join(format!("{}.cert.pem", self.name));
        let named = USES.iter().filter(|(purpose, ..)| uses.contains(purpose));
        if ui.is_json() {
            ui.json(&json!({
                "name": self.name,
                "subject": leaf.subject(),
                "issuer": leaf.issuer(),
                "sha256": leaf.fingerprint().to_string(),
                "valid_from": leaf.validity().from,
                "valid_until": leaf.validity().until,
                "issuers": issuers.len(),
                "usable_for": named.map(|(_, name, ..)| *name).collect::<Vec<_>>(),
                "already_there": present,
                "certificate": file,
                "warnings": warnings,
            }));
            return;
        }
        let head = match present {
            true => ui.t("bereits hinterlegt für", "there already for"),
            false => ui.t("übernommen für", "accepted for"),
        };
        ui.line(format!("{head} {}: {}", self.name, printable(leaf.subject())));
        let row = |de: &str, en: &str, text: &str| {
            ui.line(format!("  {:<15}{text}", ui.t(de, en)));
        };
        if let (Some(from), Some(until)) = (leaf.validity().from, leaf.validity().until) {
            row("gültig", "valid", &format!("{} – {}", ui.time(from), ui.time(until)));
        }
        row("Aussteller", "issuer", &printable(leaf.issuer()));
        for issuer in issuers {
            row("beigefügt", "enclosed", &printable(issuer.subject()));
        }
        let named: Vec<&str> = named.map(|(_, _, de, en)| ui.t(de, en)).collect();
        if !named.is_empty() {
            row("geeignet für", "suits", &named.join(", "));
        }
        row("Datei", "file", &printable(&shown(&file)));
        for warning in warnings {
            ui.line(format!("{} {warning}", ui.tint(Tone::Warning, ui.t("Warnung:", "warning:"))));
        }
    }

    /// What to do next, by what the certificate is for.
    fn next(&self, ui: &Ui, node: &NodeFile, uses: &[Purpose]) -> String {
        let (name, old) = (&self.name, node.tls_identity());
        if uses.contains(&Purpose::TlsServer) {
            return match (ui.language, name == old) {
                (Language::De, true) => {
                    "Nächster Schritt, ohne Neustart: amtsbote reload".to_owned()
                }
                (Language::En, true) => "Next, without a restart: amtsbote reload".to_owned(),
                (Language::De, false) => format!(
                    "Nächste Schritte, ohne Neustart:\n  \
                     1. in amtsbote.toml unter [tls] eintragen: identity = \"{name}\"\n  \
                     2. in Kraft setzen: amtsbote reload\n  \
                     3. nachsehen, was neue Verbindungen zeigen: openssl s_client -connect HOST:8443\n  \
                     4. erst danach {old}.key.pem und {old}.cert.pem aus dem Schlüsselordner nehmen"
                ),
                (Language::En, false) => format!(
                    "Next, without a restart:\n  \
                     1. enter in amtsbote.toml under [tls]: identity = \"{name}\"\n  \
                     2. put it in force: amtsbote reload\n  \
                     3. see what new connections show: openssl s_client -connect HOST:8443\n  \
                     4. only then take {old}.key.pem and {old}.cert.pem out of the folder of keys"
                ),
            };
        }
        let mut steps = vec![ui.t("Nächste Schritte:", "Next:").to_owned()];
        for (purpose, de, en) in [
            (
                Purpose::TlsClient,
                "als TLS-Client: das Zertifikat beim anderen Knoten anmelden, dann bei [[peer]] als \
                 certificate und key eintragen (Schlüssel ohne Passphrase); amtsbote reload",
                "as TLS client: register the certificate at the other hub, then enter it at [[peer]] \
                 as certificate and key (a key without passphrase); amtsbote reload",
            ),
            (
                Purpose::Content,
                "zum Signieren: das Zertifikat bei den Empfängern eintragen lassen (amtsbote cert \
                 import), dann in client.toml als signing_certificate und signing_key",
                "to sign: have the certificate entered by those who receive (amtsbote cert import), \
                 then in client.toml as signing_certificate and signing_key",
            ),
            (
                Purpose::Encryption,
                "zum Entschlüsseln: das Zertifikat an die Absender geben; den alten Schlüssel \
                 behalten, solange noch etwas für ihn verschlüsselt eintrifft",
                "to decrypt: give the certificate to those who send; keep the old key while anything \
                 encrypted for it still arrives",
            ),
        ] {
            if uses.contains(&purpose) {
                steps.push(format!("  {}", ui.t(de, en)));
            }
        }
        steps.join("\n")
    }
}

impl Checked<'_> {
    /// Why the certificate must not be taken; what is less is a warning.
    fn refused(&mut self, leaf: &Certificate) -> Option<String> {
        let ui = self.ui;
        let validity = leaf.validity();
        match judge(&validity, self.now) {
            Err(NotValid::Expired { .. }) => {
                let text = "Das Zertifikat ist abgelaufen; nichts übernommen.";
                return Some(ui.t(text, "The certificate has ended; nothing was kept.").to_owned());
            }
            Err(NotValid::NotYet { from }) => self.warnings.push(format!(
                "{} {}",
                ui.t(
                    "noch nicht gültig; vorher nicht umstellen:",
                    "not yet valid; do not change over before"
                ),
                ui.time(from)
            )),
            Ok(()) => {}
        }
        if let Some(days) = days_left(&validity, self.now).filter(|days| *days <= WARN_DAYS) {
            self.warnings.push(format!("{} {days}", ui.t("Tage bis zum Ende:", "days left:")));
        }
        if self.uses.is_empty() {
            let text = ui.t(
                "nach seinen Schlüsselverwendungen für nichts geeignet, was ein Knoten tut",
                "by its key usages it suits nothing that a hub does",
            );
            self.warnings.push(text.to_owned());
        }
        let facts = CertificateFacts::of(leaf.x509());
        let is_brainpool = facts.key.curve.is_some_and(|curve| curve.starts_with("brainpool"));
        if is_brainpool && self.purpose() == policy::Purpose::Tls {
            self.warnings.push(brainpool(ui).to_owned());
        }
        match self.policy.judge_certificate(self.purpose(), &facts, self.now, false) {
            Judgement::Refuse { rule, .. } => {
                let head = ui.t(
                    "Die Richtlinie lehnt das Zertifikat ab; nichts übernommen:",
                    "The policy refuses the certificate; nothing was kept:",
                );
                Some(format!("{head} {} ({})", rule.reason(ui.language), rule.id))
            }
            Judgement::Warn { rule, .. } => {
                self.warnings.push(format!("{} ({})", rule.reason(ui.language), rule.id));
                None
            }
            Judgement::Good => None,
        }
    }

    /// By what purpose policy judges it.
    fn purpose(&self) -> policy::Purpose {
        match self.uses.first() {
            Some(Purpose::TlsServer | Purpose::TlsClient) => policy::Purpose::Tls,
            Some(Purpose::Encryption) => policy::Purpose::KeyTransport,
            _ => policy::Purpose::ContentSignature,
        }
    }

    /// What is worth knowing of the issuers that came along.
    fn look_at_chain(&mut self, chain: &[Certificate], all: &[Certificate]) {
        let ui = self.ui;
        let [leaf, issuers @ ..] = chain else { return };
        let left_out = all.iter().filter(|other| !chain.contains(other)).count();
        if left_out > 0 {
            self.warnings.push(format!(
                "{} {left_out}",
                ui.t(
                    "Zertifikate der Datei, die nicht zur Kette gehören und weggelassen sind:",
                    "certificates of the file that are not of the chain and were left out:"
                )
            ));
        }
        let Some(top) = issuers.last() else {
            if leaf.subject() != leaf.issuer() {
                let text = ui.t(
                    "Die Datei enthält keinen Aussteller. Steht zwischen Wurzel und Zertifikat ein \
                     weiterer, finden Gegenstellen den Weg nicht.",
                    "There is no issuer in the file. If there is one between the root and this \
                     certificate, the other side finds no path.",
                );
                self.warnings.push(text.to_owned());
            }
            return;
        };
        let purpose = self.uses.first().copied().unwrap_or(Purpose::Content);
        let demands = Demands {
            floors: self.policy.floors(self.purpose(), false, self.now),
            ..Demands::new(purpose, at_work(leaf, self.now))
        };
        let anchors = Anchors::builder().partial(purpose).trust(purpose, std::slice::from_ref(top));
        let judged = anchors.build().map(|anchors| anchors.judge(leaf, issuers, &demands));
        if let Ok(Err(fault)) = judged {
            let text = ui.t("Kette der Aussteller:", "chain of issuers:");
            self.warnings.push(format!("{text} {}", printable(&fault.text(ui.language))));
        }
    }
}

/// The certificate that is no other one's issuer comes first; the key store orders the rest.
fn leaf_first(mut all: Vec<Certificate>) -> Vec<Certificate> {
    let issued =
        |one: &Certificate| all.iter().any(|other| other != one && other.issuer() == one.subject());
    if let Some(place) = all.iter().position(|one| !issued(one)) {
        all.swap(0, place);
    }
    all
}

/// When it is to work: now, or when its time comes.
fn at_work(leaf: &Certificate, now: Timestamp) -> Timestamp {
    leaf.validity().from.map_or(now, |from| from.max(now))
}

/// What the certificate suits by its extensions and its key; of its strength says policy.
fn uses(leaf: &Certificate, now: Timestamp) -> Vec<Purpose> {
    let at = at_work(leaf, now);
    let is_for_both =
        matches!(CertificateFacts::of(leaf.x509()).key.kind, KeyKind::Rsa | KeyKind::Ec);
    let has_name = leaf.x509().subject_alt_names().is_some_and(|names| {
        names.iter().any(|name| name.dnsname().is_some() || name.ipaddress().is_some())
    });
    let suits = |purpose: &Purpose| {
        let able = match purpose {
            // Nobody connects to a server whose certificate names none.
            Purpose::TlsServer => is_for_both && has_name,
            Purpose::TlsClient | Purpose::Encryption => is_for_both,
            _ => true,
        };
        let alone =
            Anchors::builder().partial(*purpose).trust(*purpose, std::slice::from_ref(leaf));
        able && alone.build().is_ok_and(|alone| alone.validate(leaf, &[], *purpose, at).is_ok())
    };
    USES.iter().map(|(purpose, ..)| *purpose).filter(suits).collect()
}
