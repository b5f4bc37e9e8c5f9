//! `cert request`: a new key in the key store, and the request for its certificate. How a change of
//! the node's own certificates begins; `cert accept` ends it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use amtsbote_domain::text::Language;
use amtsbote_trust::TrustError;
use amtsbote_trust::keystore::{Keys, NewKey, Place, Request, Subject, Usage};
use amtsbote_trust::policy::{Judgement, Key, KeyKind, Purpose};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::config::certificate;
use crate::config::node::NodeFile;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// Make a new key and the request for its certificate
///
/// The key goes into the key store under a new name, and nothing uses it yet. The request (PKCS#10,
/// PEM) goes to stdout, and lies beside the key as NAME.csr.pem. Send it to your authority; 'cert
/// accept' takes the certificate that comes back. What the policy does not admit is refused, with
/// exit code 1, and no key is made.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    amtsbote cert request tls-2027 --kind p-256 --for server --dns hub.example.org \\\n    \
    --subject \"CN=hub.example.org,O=Rechenzentrum Beispiel,C=DE\" > tls-2027.csr.pem\n  \
    amtsbote cert request sig-2027 --kind rsa-3072 --for content \\\n    \
    --subject \"CN=Stadt Beispiel\" --to sig-2027.csr.pem")]
pub(crate) struct CertRequest {
    /// Name of the new key: letters, digits, - _ and full stops, at most 64
    name: String,
    /// Its kind: rsa-3072, rsa-4096, p-256, p-384, brainpool-p256r1, ed25519
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: NewKey,
    /// Whom the certificate shall name: CN, OU, O, L, C; a backslash stands before , + " ; < > \
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    subject: Subject,
    /// What the certificate shall be for
    #[arg(long = "for", value_enum, value_name = "USE")]
    purpose: For,
    /// DNS name of the server; may be repeated
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// IP address of the server; may be repeated
    #[arg(long, value_name = "ADDR")]
    ip: Vec<IpAddr>,
    /// Write the request to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What the certificate shall be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    /// TLS server, and client
    Server,
    /// TLS client
    Client,
    /// Signatures of content
    Content,
    /// What is encrypted for the key
    Encryption,
}

impl For {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Content => "content",
            Self::Encryption => "encryption",
        }
    }

    /// By what purpose policy judges the key.
    fn purpose(self) -> Purpose {
        match self {
            Self::Server | Self::Client => Purpose::Tls,
            Self::Content => Purpose::ContentSignature,
            Self::Encryption => Purpose::KeyTransport,
        }
    }
}

fn kind(text: &str) -> Result<NewKey, String> {
    NewKey::from_name(text)
        .ok_or_else(|| format!("one of: {}", NewKey::ALL.map(NewKey::name).join(", ")))
}

/// What policy wants to know of a kind of keys.
fn key(kind: NewKey) -> Key {
    let (kind, bits, curve) = match kind {
        NewKey::Rsa3072 => (KeyKind::Rsa, 3072, None),
        NewKey::Rsa4096 => (KeyKind::Rsa, 4096, None),
        NewKey::P256 => (KeyKind::Ec, 256, Some("P-256")),
        NewKey::P384 => (KeyKind::Ec, 384, Some("P-384")),
        NewKey::BrainpoolP256r1 => (KeyKind::Ec, 256, Some("brainpoolP256r1")),
        NewKey::Ed25519 => (KeyKind::Ed25519, 256, None),
    };
    Key { kind, bits, curve }
}

/// Reads `CN=…,O=…` (RFC 4514, 2.4, without hexadecimal and multi-valued forms).
fn subject(text: &str) -> Result<Subject, NoSubject> {
    let mut subject = Subject::default();
    for (name, value) in parts(text)? {
        let place = match name.to_ascii_uppercase().as_str() {
            "CN" if subject.common_name.is_empty() => {
                subject.common_name = value;
                continue;
            }
            "OU" => &mut subject.unit,
            "O" => &mut subject.organization,
            "L" => &mut subject.locality,
            "C" => &mut subject.country,
            "CN" => return Err(NoSubject::Twice),
            _ => return Err(NoSubject::Unknown),
        };
        if place.replace(value).is_some() {
            return Err(NoSubject::Twice);
        }
    }
    if subject.common_name.is_empty() { Err(NoSubject::NoName) } else { Ok(subject) }
}

/// The parts of a subject: what stands before the `=`, and what stands behind it, unescaped.
fn parts(text: &str) -> Result<Vec<(String, String)>, NoSubject> {
    let (mut parts, mut name, mut value) = (Vec::new(), None, String::new());
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => value.push(chars.next().ok_or(NoSubject::Escape)?),
            Some('=') if name.is_none() => name = Some(std::mem::take(&mut value)),
            end @ (Some(',') | None) => {
                let name = name.take().ok_or(NoSubject::NoPair)?;
                let value = std::mem::take(&mut value);
                parts.push((name.trim().to_owned(), value.trim().to_owned()));
                if end.is_none() {
                    return Ok(parts);
                }
            }
            Some('+' | '"' | ';' | '<' | '>') => return Err(NoSubject::Escape),
            Some(c) => value.push(c),
        }
    }
}

/// Why a text is no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoSubject {
    NoPair,
    Unknown,
    Twice,
    NoName,
    Escape,
}

impl fmt::Display for NoSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPair => "a subject is written CN=…,O=…,C=DE",
            Self::Unknown => "a subject has CN, OU, O, L and C",
            Self::Twice => "each part stands once",
            Self::NoName => "CN is missing",
            Self::Escape => "a backslash belongs before , + \" ; < > and \\ in a name",
        })
    }
}

impl std::error::Error for NoSubject {}

impl CertRequest {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let usage = self.usage()?;
        let node = super::node(config)?;
        if let Some(refused) = self.refused(ui, &node)? {
            return Ok(refused);
        }
        let store = node.key_store()?;
        let file = self.to.as_deref().map(create).transpose()?;
        let request = Request { key: self.kind, subject: self.subject.clone(), usage };
        let pem = match store.request(&self.name, &request) {
            Ok(pem) => pem,
            Err(error) => {
                if let Some(to) = &self.to {
                    // Made a moment ago, and empty.
                    drop(fs::remove_file(to));
                }
                return self.failed(ui, &error);
            }
        };
        if let (Some(mut file), Some(to)) = (file, &self.to) {
            file.write_all(&pem).and_then(|()| file.sync_all()).or_not_now_at(to)?;
        }
        let entry = store.entry(&self.name).map_err(|error| certificate::failure(&error))?;
        self.say(ui, &node, &String::from_utf8_lossy(&pem), &entry.place);
        Ok(Exit::Yes)
    }

    fn usage(&self) -> Result<Usage, Failure> {
        let addresses = self.ip.iter().map(IpAddr::to_string);
        let names: Vec<String> = self.dns.iter().cloned().chain(addresses).collect();
        if (self.purpose == For::Server) == names.is_empty() {
            return Err(Failure::usage(
                "--dns und --ip gehören zu --for server, das mindestens eines davon braucht",
                "--dns and --ip belong to --for server, which needs at least one of them",
            ));
        }
        Ok(match self.purpose {
            For::Server => Usage::TlsServer(names),
            For::Client => Usage::TlsClient,
            For::Content => Usage::Signature,
            For::Encryption => Usage::Encryption,
        })
    }

    /// Whether policy refuses the kind; says so.
    fn refused(&self, ui: &Ui, node: &NodeFile) -> Result<Option<Exit>, Failure> {
        let policy = node.policy()?;
        match policy.judge(self.purpose.purpose(), key(self.kind), time::now(), false) {
            Judgement::Refuse { rule, .. } => {
                let head = ui.t(
                    "Die Richtlinie lehnt diese Schlüsselart ab; kein Schlüssel erzeugt:",
                    "The policy refuses this kind of key; no key was made:",
                );
                let text = format!("{head} {} ({})", rule.reason(ui.language), rule.id);
                Ok(Some(no(ui, &self.name, &text)))
            }
            Judgement::Warn { rule, .. } => {
                let head = ui.t("Warnung der Richtlinie:", "the policy warns:");
                ui.note(format!("{head} {} ({})", rule.reason(ui.language), rule.id));
                Ok(None)
            }
            Judgement::Good => Ok(None),
        }
    }

    /// No key was made.
    fn failed(&self, ui: &Ui, error: &TrustError) -> Outcome {
        match error.reason() {
            TrustError::UnsuitableKey => {
                let head = ui.t("Kein Schlüssel erzeugt:", "No key was made:");
                Ok(no(ui, &self.name, &format!("{head} {}", error.text(ui.language))))
            }
            TrustError::Exists => Err(Failure::usage(
                format!(
                    "Einen Schlüssel mit dem Namen \"{0}\" gibt es bereits; er bleibt, wie er ist. \
                     Einen anderen Namen wählen.",
                    self.name
                ),
                format!(
                    "There is a key called \"{0}\" already; it stays as it is. Choose another name.",
                    self.name
                ),
            )),
            _ => Err(certificate::failure(error)),
        }
    }

    fn say(&self, ui: &Ui, node: &NodeFile, pem: &str, place: &Place) {
        let beside = node.key_store_dir().join(format!("{}.csr.pem", self.name));
        let (file, encrypted) = match place {
            Place::File { path, encrypted } => (path.as_path(), *encrypted),
            Place::Token { module, .. } => (module.as_path(), true),
        };
        if ui.is_json() {
            ui.json(&json!({
                "name": self.name,
                "kind": self.kind.name(),
                "for": self.purpose.name(),
                "key": file,
                "encrypted": encrypted,
                "request": self.to.as_ref().unwrap_or(&beside),
                "pem": pem,
            }));
            return;
        }
        match &self.to {
            None => ui.line(pem.trim_end()),
            Some(to) => ui.line(format!("{} {}", ui.t("Antrag:", "request:"), to.display())),
        }
        let shown = shown(file);
        ui.note(match encrypted {
            true => format!("{} {shown}", ui.t("Schlüssel (verschlüsselt):", "key (encrypted):")),
            false => format!(
                "{} {shown}",
                ui.t("Schlüssel (ohne Passphrase):", "key (without passphrase):")
            ),
        });
        if self.kind == NewKey::BrainpoolP256r1 && self.purpose.purpose() == Purpose::Tls {
            ui.note(format!("{} {}", ui.t("Warnung:", "warning:"), brainpool(ui)));
        }
        ui.note(format!(
            "{}\n  amtsbote cert accept {} {}",
            ui.t(
                "Den Antrag bei der Zertifizierungsstelle einreichen. Das ausgestellte Zertifikat \
                 übernehmen:",
                "Send the request to your authority. Take the certificate that it issues:"
            ),
            self.name,
            ui.t("DATEI", "FILE"),
        ));
    }
}

/// What becomes of a Brainpool certificate in TLS. It was tried: OpenSSL 3.0 offers these curves
/// only where they are switched on, in TLS 1.2 (RFC 7027), and has no RFC 8734.
pub(super) fn brainpool(ui: &Ui) -> &'static str {
    match ui.language {
        Language::De => {
            "Mit einem Brainpool-Zertifikat verbinden sich nur Gegenstellen, die diese Kurven \
             eingeschaltet haben, und nur mit TLS 1.2; auch die Befehle dieses Programms erreichen \
             einen Knoten nicht, der sich so ausweist. Für TLS besser p-256 oder p-384."
        }
        Language::En => {
            "With a Brainpool certificate only those connect who have these curves switched on, and \
             with TLS 1.2 only; the commands of this program do not reach a hub that shows one. \
             For TLS p-256 or p-384 is better."
        }
    }
}

/// A path as people write it.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// The answer is no, and why.
pub(super) fn no(ui: &Ui, name: &str, text: &str) -> Exit {
    if ui.is_json() {
        ui.json(&json!({ "name": name, "refused": text }));
    } else {
        ui.line(ui.tint(Tone::Bad, text));
    }
    Exit::No
}

/// The file for the request; one that is there is not overwritten.
fn create(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).open(path).or_usage_at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read() {
        let read = subject("CN=hub.example.org, O=Kreis A\\, Kreis B ,ou=IT,L=Lemgo,C=DE");
        let expected = Subject {
            common_name: "hub.example.org".to_owned(),
            unit: Some("IT".to_owned()),
            organization: Some("Kreis A, Kreis B".to_owned()),
            locality: Some("Lemgo".to_owned()),
            country: Some("DE".to_owned()),
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(subject("CN=a=b").map(|s| s.common_name), Ok("a=b".to_owned()));
    }

    #[test]
    fn what_is_no_subject_is_refused() {
        for (text, why) in [
            ("", NoSubject::NoPair),
            ("CN=a,", NoSubject::NoPair),
            ("hub.example.org", NoSubject::NoPair),
            ("O=a", NoSubject::NoName),
            ("CN=", NoSubject::NoName),
            ("CN=a,CN=b", NoSubject::Twice),
            ("CN=a,O=b,o=c", NoSubject::Twice),
            ("CN=a,ST=b", NoSubject::Unknown),
            ("CN=a+O=b", NoSubject::Escape),
            ("CN=a\\", NoSubject::Escape),
        ] {
            assert_eq!(subject(text), Err(why), "{text}");
        }
    }

    #[test]
    fn every_kind_is_known_to_policy_under_its_name() {
        for made in NewKey::ALL {
            assert_eq!(kind(made.name()), Ok(made));
            assert_ne!(key(made).algorithm(), "?");
        }
        assert!(kind("rsa-2048").is_err_and(|text| text.contains("rsa-3072")));
    }
}
