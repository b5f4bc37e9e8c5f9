//! `cert issue`: a certificate of the test CA that `init --dev` made, to try a change of
//! certificates on. Never for real messages: every name in it begins with TEST.

use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_trust::TrustError;
use amtsbote_trust::keystore::{KeyStore, Passphrase};
use amtsbote_trust::testca::{KeyKind, Purpose, Span, TestCa};
use clap::Args;
use serde_json::json;

use crate::config::certificate;
use crate::config::fleet::Use;
use crate::node::files;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::Ui;

/// Make a certificate with the test CA of a node made by 'init --dev'
///
/// For trying a change of certificates on. Writes key and certificate into the folder of clients;
/// 'cert import' enters the certificate. Refused for any other node.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote cert issue --party ags:05766044 --days 5\n  \
                  amtsbote cert issue --account verfahren-05766044 --from 2027-01-01 --until 2027-06-30")]
pub(crate) struct Issue {
    #[command(flatten)]
    for_whom: ForWhom,
    /// Valid from now on for so many days
    #[arg(long, value_name = "N", default_value_t = 365, conflicts_with_all = ["from", "until"],
          value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// First instant
    #[arg(long, value_name = "TIME", value_parser = time::instant, requires = "until")]
    from: Option<Timestamp>,
    /// First instant after
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    until: Option<Timestamp>,
    /// An RSA key of 3072 bits instead of one on P-256
    #[arg(long)]
    rsa: bool,
    /// Folder for key and certificate, instead of that of the clients
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// For whom.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ForWhom {
    /// For content signatures of this party
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// TLS client certificate of this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

impl Issue {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let node = super::node(config)?;
        let ca = test_ca(node.folder())?;
        let (kind, purpose, owner, flag) = match &self.for_whom {
            ForWhom { party: Some(party), .. } => {
                (Use::Content, Purpose::Signature, party, "--party")
            }
            ForWhom { account: Some(account), .. } => {
                (Use::Account, Purpose::Client, account, "--account")
            }
            _ => return Err(Failure::usage("--party, --account?", "--party, --account?")),
        };
        let known = node.fleet()?.iter().any(|i| i.purpose == kind && i.owner == *owner);
        if !known {
            return Err(Failure::usage(
                format!("\"{owner}\" steht nicht mit einem Zertifikat in directory.toml"),
                format!("\"{owner}\" is not in directory.toml with a certificate"),
            ));
        }
        let word = if kind == Use::Content { "sig" } else { "tls" };
        let key_kind = if self.rsa { KeyKind::Rsa3072 } else { KeyKind::EcP256 };
        let name: String = format!("{owner} {word}").chars().take(MAX_NAME).collect();
        let issued = ca.issue(&name, purpose, key_kind, self.span()?).map_err(trouble)?;
        let short: String =
            issued.certificate().fingerprint().to_string().chars().take(12).collect();
        let here = node.folder().strip_prefix(".").unwrap_or(node.folder());
        let folder = self.to.clone().unwrap_or_else(|| here.join("clients"));
        files::private_folder(&folder)?;
        let stem = format!("{}-{word}-{short}", super::import::file_name(owner));
        let key_file = folder.join(format!("{stem}.key.pem"));
        let certificate_file = folder.join(format!("{stem}.cert.pem"));
        files::private(&key_file, &issued.key_pem().map_err(trouble)?)?;
        let pem = issued.certificate().to_pem().map_err(trouble)?;
        files::public(&certificate_file, &pem)?;
        let validity = issued.certificate().validity();
        if ui.is_json() {
            ui.json(&json!({
                "owner": owner,
                "subject": issued.certificate().subject(),
                "sha256": issued.certificate().fingerprint().to_string(),
                "valid_from": validity.from,
                "valid_until": validity.until,
                "certificate": certificate_file,
                "key": key_file,
            }));
            return Ok(Exit::Yes);
        }
        let until = validity.until.map_or_else(String::new, |at| ui.time(at));
        ui.line(format!(
            "{} {} ({} {until})",
            ui.t("ausgestellt:", "issued:"),
            issued.certificate().subject(),
            ui.t("gültig bis", "valid until")
        ));
        ui.line(format!(
            "  {} {}",
            ui.t("Zertifikat:", "certificate:"),
            certificate_file.display()
        ));
        ui.line(format!("  {} {}", ui.t("Schlüssel:", "key:"), key_file.display()));
        let shown = certificate_file.display();
        ui.note(format!("  amtsbote cert import {shown} {flag} {owner}"));
        Ok(Exit::Yes)
    }

    fn span(&self) -> Result<Span, Failure> {
        const DAY: i64 = 24 * 3600;
        let at = |second| Timestamp::from_second(second).or_usage("--days", "--days");
        let now = time::now().as_second();
        let from = match self.from {
            Some(from) => from,
            // A clock that is a little late does not matter.
            None => at(now - 60)?,
        };
        let until = match self.until {
            Some(until) => until,
            None => at(now + self.days * DAY)?,
        };
        if until <= from {
            return Err(Failure::usage(
                "--until liegt nicht nach --from",
                "--until is not after --from",
            ));
        }
        Ok(Span { from, until })
    }
}

/// Longest name that still fits a subject behind `TEST `, in characters.
const MAX_NAME: usize = 59;

fn trouble(error: TrustError) -> Failure {
    certificate::failure(&error)
}

/// The test CA of a node made by `init --dev`.
fn test_ca(folder: &Path) -> Result<TestCa, Failure> {
    let ca = folder.join("ca");
    if !ca.join("ca.key.pem").exists() {
        return Err(Failure::usage(
            "Dieser Knoten hat keine Test-Zertifizierungsstelle: ausgestellt wird nur auf Knoten, \
             die 'amtsbote init --dev' angelegt hat.",
            "This node has no test CA: certificates are issued only on nodes that 'amtsbote init \
             --dev' has made.",
        ));
    }
    let store = KeyStore::open(&ca, Passphrase::None).map_err(trouble)?;
    let identity = store.identity("ca").map_err(trouble)?;
    // Whatever else lies there: what does not call itself a test is not used as one.
    if !identity.certificate().subject().contains("CN=TEST ") {
        return Err(Failure::usage(
            "Die Zertifizierungsstelle im Ordner ca ist keine zum Testen.",
            "The authority in the folder ca is none for tests.",
        ));
    }
    TestCa::from_identity(identity).map_err(trouble)
}
