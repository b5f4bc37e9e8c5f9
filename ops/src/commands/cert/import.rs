//! `cert import`: a new certificate of a partner beside the old one, so that both count for a while.

mod file;

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::Directory;
use amtsbote_trust::TrustError;
use amtsbote_trust::pem::{self, Certificate};
use amtsbote_trust::policy::{CertificateFacts, Judgement};
use amtsbote_trust::validity::judge;
use clap::Args;
use serde_json::json;

use self::file::{Held, NotReplaced};
use super::edit::{self, Entry, NotEdited};
use crate::config::directory;
use crate::config::fleet::{Item, Use};
use crate::config::node::NodeFile;
use crate::config::table::Source;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// Enter a new certificate of a partner beside the old one
///
/// Copies the certificate into the node's folder and adds it to directory.toml (to the file of
/// authorities for a peer); the old one stays and both count, until one of them ends. Comments and
/// order of the file are kept. A file with a private key is refused, and nothing of it is kept.
/// 'amtsbote reload' puts it in force.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  amtsbote cert import new.pem --party ags:05766044\n  \
                  amtsbote cert import new.pem --account verfahren-05766044 --dry-run")]
pub(crate) struct Import {
    /// The certificate, PEM
    file: PathBuf,
    #[command(flatten)]
    whose: Whose,
    /// Change nothing, say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Whose certificate it is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// For content signatures of this party
    #[arg(long, value_name = "PARTY")]
    party: Option<String>,
    /// TLS client certificate of this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Authority of the server certificate of this peer
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,
}

/// What was done, or would be.
struct Done {
    /// The certificate was there already.
    present: bool,
    /// The file that was changed.
    changed: PathBuf,
    /// The new file with the certificate.
    file: Option<PathBuf>,
}

impl Import {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let certificate = load(&self.file)?;
        let node = super::node(config)?;
        let (purpose, owner) = match &self.whose {
            Whose { party: Some(party), .. } => (Use::Content, party),
            Whose { account: Some(account), .. } => (Use::Account, account),
            Whose { peer: Some(peer), .. } => (Use::PeerAuthority, peer),
            _ => {
                return Err(Failure::usage(
                    "--party, --account, --peer?",
                    "--party, --account, --peer?",
                ));
            }
        };
        // Before anything is read that will be written: two at once take turns.
        let held = match purpose {
            _ if self.dry_run => None,
            Use::PeerAuthority => {
                node.peer_authority(owner).as_deref().map(Held::of).transpose()?
            }
            _ => Some(Held::of(node.directory_source()?.path())?),
        };
        let held = held.as_ref();
        let old: Vec<Item> = node
            .fleet()?
            .into_iter()
            .filter(|item| item.purpose == purpose && item.owner == *owner)
            .collect();
        if let Some(refused) = refused(ui, &node, purpose, &certificate, &old)? {
            return Ok(refused);
        }
        let done = match purpose {
            Use::PeerAuthority => peer(&node, owner, &certificate, &old, held)?,
            Use::Account => listed(&node, Entry::Account, owner, &certificate, &old, held)?,
            _ => listed(&node, Entry::Party, owner, &certificate, &old, held)?,
        };
        self.say(ui, owner, &certificate, &done);
        Ok(Exit::Yes)
    }

    fn say(&self, ui: &Ui, owner: &str, certificate: &Certificate, done: &Done) {
        if ui.is_json() {
            ui.json(&json!({
                "owner": owner,
                "subject": certificate.subject(),
                "sha256": certificate.fingerprint().to_string(),
                "valid_from": certificate.validity().from,
                "valid_until": certificate.validity().until,
                "already_there": done.present,
                "dry_run": self.dry_run,
                "file": done.file,
                "changed": (!done.present).then_some(&done.changed),
            }));
            return;
        }
        if done.present {
            ui.line(ui.t(
                "Dieses Zertifikat ist bereits eingetragen; nichts geändert.",
                "This certificate is there already; nothing was changed.",
            ));
            return;
        }
        let until = certificate.validity().until.map_or_else(String::new, |at| ui.time(at));
        ui.line(format!(
            "{} {owner}: {} ({} {until})",
            if self.dry_run {
                ui.t("würde eingetragen für", "would be entered for")
            } else {
                ui.t("eingetragen für", "entered for")
            },
            certificate.subject().replace(char::is_control, "?"),
            ui.t("gültig bis", "valid until"),
        ));
        if let Some(file) = &done.file {
            ui.line(format!("  {} {}", ui.t("Zertifikat:", "certificate:"), file.display()));
        }
        ui.line(format!("  {} {}", ui.t("geändert:", "changed:"), done.changed.display()));
        if !self.dry_run {
            ui.note(ui.t(
                "  In Kraft setzen, ohne Neustart: amtsbote reload",
                "  Put it in force, without a restart: amtsbote reload",
            ));
        }
    }
}

/// The first certificate of a file; what follows are its issuers. Wrong use where there is none, or
/// a private key.
fn load(file: &Path) -> Result<Certificate, Failure> {
    let first = pem::load_certificates(file)
        .and_then(|all| all.into_iter().next().ok_or(TrustError::NoCertificate));
    first.map_err(|error| crate::config::certificate::failure(&error))
}

/// Whether the certificate must not be entered: it is over, or policy refuses it. Says so.
fn refused(
    ui: &Ui,
    node: &NodeFile,
    purpose: Use,
    certificate: &Certificate,
    old: &[Item],
) -> Result<Option<Exit>, Failure> {
    let now = time::now();
    let no = |text: &str| {
        if ui.is_json() {
            ui.json(&json!({ "refused": text }));
        } else {
            ui.line(ui.tint(Tone::Bad, text));
        }
        Ok(Some(Exit::No))
    };
    // One that begins later may be entered early; one that is over helps nobody.
    let over = certificate.validity().until.is_some_and(|until| until <= now);
    if over && judge(&certificate.validity(), now).is_err() {
        return no(ui.t(
            "Das Zertifikat ist abgelaufen; nichts eingetragen.",
            "The certificate has ended; nothing was entered.",
        ));
    }
    let legacy = old.iter().any(|item| item.legacy.is_some_and(|profile| profile.holds(now)));
    let policy = node.policy()?;
    let facts = CertificateFacts::of(certificate.x509());
    match policy.judge_certificate(purpose.purpose(), &facts, now, legacy) {
        Judgement::Refuse { rule, .. } => {
            let head = ui.t(
                "Die Richtlinie lehnt das Zertifikat ab; nichts eingetragen:",
                "The policy refuses the certificate; nothing was entered:",
            );
            no(&format!("{head} {} ({})", rule.reason(ui.language), rule.id))
        }
        Judgement::Warn { rule, .. } => {
            let head = ui.t("Warnung der Richtlinie:", "the policy warns:");
            ui.note(format!("{head} {} ({})", rule.reason(ui.language), rule.id));
            Ok(None)
        }
        Judgement::Good => Ok(None),
    }
}

/// Enters it in `directory.toml`; only says what would be done where that is not held.
fn listed(
    node: &NodeFile,
    entry: Entry,
    id: &str,
    certificate: &Certificate,
    old: &[Item],
    held: Option<&Held>,
) -> Result<Done, Failure> {
    let source = node.directory_source()?;
    let changed = source.path().to_owned();
    let present = old.iter().any(|item| item.certificate() == Some(certificate));
    // Beside the certificates that are there; relative, as people write it.
    let folder = old
        .first()
        .and_then(|item| item.place.parent())
        .and_then(|folder| folder.strip_prefix(source.folder()).ok())
        .map_or_else(|| PathBuf::from("certs"), Path::to_owned);
    let short: String = certificate.fingerprint().to_string().chars().take(SHORT).collect();
    let kind = if entry == Entry::Party { "sig" } else { "tls" };
    let path = folder.join(format!("{}-{kind}-{short}.pem", file_name(id)));
    let Some(relative) = path.to_str() else {
        let shown = path.display();
        return Err(Failure::usage(
            format!("{shown}: der Name ist kein UTF-8"),
            format!("{shown}: the name is no UTF-8"),
        ));
    };
    if present {
        return Ok(Done { present, changed, file: None });
    }
    let text = match edit::add(source.text(), entry, id, relative) {
        Ok(text) => text,
        Err(NotEdited::NoEntry) => return Err(no_entry(&changed, entry.table(), id)),
        Err(NotEdited::Unsafe) => return Err(by_hand(&changed, entry, id, relative)),
    };
    let file = source.resolve(relative);
    let done = Done { present: false, changed, file: Some(file.clone()) };
    let Some(held) = held else { return Ok(done) };
    let pem = certificate.to_pem().map_err(|e| crate::config::certificate::failure(&e))?;
    let made = held.create(&file, &pem).or_not_now_at(&file)?;
    let new = source.with_text(text);
    let sound = is_sound(&source, &new, &node.peers(), entry, id, certificate.fingerprint());
    let written = match sound {
        true => held.replace(source.text().as_bytes(), new.text().as_bytes()),
        false => Err(NotReplaced::Unchanged(by_hand(new.path(), entry, id, relative))),
    };
    settled(written, made.then_some(&file)).map(|()| done)
}

/// Takes the certificate that was made away again where nothing names it, and only there.
fn settled(written: Result<(), NotReplaced>, made: Option<&PathBuf>) -> Result<(), Failure> {
    written.map_err(|error| match error {
        NotReplaced::Unchanged(failure) => {
            if let Some(file) = made {
                drop(fs::remove_file(file));
            }
            failure
        }
        NotReplaced::Unconfirmed(failure) => failure,
    })
}

/// Digits of the fingerprint in the name of a file.
const SHORT: usize = 12;

/// What of an id can be a file's name: letters and digits, and a hyphen for all else.
pub(super) fn file_name(id: &str) -> String {
    let key = id.split_once(':').map_or(id, |(_, key)| key);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    key.chars().take(64).map(plain).collect()
}

/// Whether the changed directory can be read, has the certificate where it belongs, and is the same
/// as before in everything else.
fn is_sound(
    old: &Source,
    new: &Source,
    peers: &[&str],
    entry: Entry,
    id: &str,
    added: Digest,
) -> bool {
    let (Ok(before), Ok(mut after)) = (parts(old, peers), parts(new, peers)) else { return false };
    let mut found = false;
    match entry {
        Entry::Party => {
            for party in after.0.iter_mut().filter(|party| party.id.as_str() == id) {
                let count = party.certificates.len();
                party.certificates.retain(|certificate| certificate.fingerprint != added);
                found = party.certificates.len() + 1 == count;
            }
        }
        Entry::Account => {
            for account in after.1.iter_mut().filter(|account| account.id.as_str() == id) {
                let count = account.certificates.len();
                account.certificates.retain(|certificate| certificate.fingerprint != added);
                found = account.certificates.len() + 1 == count;
            }
        }
    }
    found && format!("{before:?}") == format!("{after:?}")
}

type Parts = (Vec<amtsbote_domain::directory::Party>, Vec<amtsbote_domain::directory::Account>);

fn parts(source: &Source, peers: &[&str]) -> Result<Parts, Failure> {
    let directory: Directory = directory::read(source, peers)?;
    Ok((directory.parties().cloned().collect(), directory.accounts().to_vec()))
}

/// Adds it to the file with the authorities of a peer.
fn peer(
    node: &NodeFile,
    name: &str,
    certificate: &Certificate,
    old: &[Item],
    held: Option<&Held>,
) -> Result<Done, Failure> {
    let Some(changed) = node.peer_authority(name) else {
        return Err(no_entry(Path::new("amtsbote.toml"), "peer", name));
    };
    let present = old.iter().any(|item| item.certificate() == Some(certificate));
    let done = Done { present, changed, file: None };
    let (false, Some(held)) = (present, held) else { return Ok(done) };
    let before = fs::read(&done.changed).or_not_now_at(&done.changed)?;
    let mut octets = before.clone();
    if !octets.ends_with(b"\n") {
        octets.push(b'\n');
    }
    let added = certificate.to_pem().map_err(|e| crate::config::certificate::failure(&e))?;
    octets.extend(added);
    let whole = pem::read_certificates(&octets).map_err(|e| e.about(&done.changed));
    whole.map_err(|e| crate::config::certificate::failure(&e))?;
    settled(held.replace(&before, &octets), None).map(|()| done)
}

fn no_entry(file: &Path, table: &str, id: &str) -> Failure {
    let file = file.display();
    Failure::usage(
        format!("{file}: [[{table}]] mit dem Namen \"{id}\" gibt es nicht"),
        format!("{file}: there is no [[{table}]] called \"{id}\""),
    )
}

/// The lines to enter, where the program does not dare to.
fn by_hand(file: &Path, entry: Entry, id: &str, path: &str) -> Failure {
    let (file, table) = (file.display(), entry.table());
    let quoted = toml::Value::String(path.to_owned());
    Failure::new(
        Exit::No,
        format!(
            "{file} lässt sich nicht sicher ändern; nichts geändert. Das Zertifikat als {path} \
             ablegen und bei [[{table}]] mit id = \"{id}\" in certificates = [ … ] eintragen: {quoted}"
        ),
        format!(
            "{file} cannot be changed safely; nothing was changed. Put the certificate at {path} and \
             enter it in certificates = [ … ] of the [[{table}]] with id = \"{id}\": {quoted}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    #[test]
    fn a_name_of_a_file_stays_in_its_folder() {
        assert_eq!(file_name("ags:05766044"), "05766044");
        assert_eq!(file_name("a:../../etc/x"), "------etc-x");
        assert_eq!(file_name("verfahren-1"), "verfahren-1");
        assert_eq!(file_name(&"x".repeat(500)).len(), 64);
    }

    #[test]
    fn a_certificate_stays_where_something_names_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let listed = dir.path().join("directory.toml");
        fs::write(&listed, "old").expect("written");
        let mut held = Held::of(&listed).expect("is held");
        let pem = dir.path().join("certs/x.pem");
        assert!(held.create(&pem, b"x").expect("made"));
        // Somebody else changed the directory: nothing happens to it, and nothing stays behind.
        let refused = settled(held.replace(b"older", b"new"), Some(&pem)).expect_err("changed");
        assert!(refused.text(Language::De).contains("inzwischen"), "{refused:?}");
        assert_eq!(fs::read(&listed).expect("there"), b"old");
        assert!(!pem.exists());
        // The disk fails after the change is in force.
        assert!(held.create(&pem, b"x").expect("made"));
        held.confirm = |_| Err(std::io::Error::other("made to fail"));
        let failed = settled(held.replace(b"old", b"new"), Some(&pem)).expect_err("is said");
        assert!(failed.text(Language::En).contains("made to fail"), "{failed:?}");
        assert_eq!(fs::read(&listed).expect("there"), b"new");
        assert!(pem.exists(), "the directory names it");
    }

    #[test]
    fn a_change_that_does_more_than_it_should_is_noticed() {
        let text = "[[party]]\nid = \"ags:1\"\nname = \"a\"\n";
        let (old, none) = (Source::from_text(text), Digest([0; 32]));
        // The certificate is not there.
        assert!(!is_sound(&old, &old, &[], Entry::Party, "ags:1", none));
        let broken = old.with_text("[[party]\n".to_owned());
        assert!(!is_sound(&old, &broken, &[], Entry::Party, "ags:1", none));
        assert!(
            by_hand(old.path(), Entry::Party, "ags:1", "certs/x.pem")
                .text(Language::En)
                .contains("\"certs/x.pem\"")
        );
    }
}
