//! `message export`: one message with everything that is known about it, as a folder.
//!
//! What comes is compared with the receipt of its acceptance, under the hub's key that the client knows
//! from elsewhere. The folder appears under its name when it is whole, or not at all: what was written goes
//! away with every error and every signal that can be heard.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use amtsbote_adapters::folder::file_name;
use amtsbote_adapters::receipt;
use amtsbote_archive::dossier::{Dossier, MAX_DOSSIER};
use amtsbote_archive::note::VerifierKey;
use amtsbote_domain::clearing::Reason;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::HubId;
use amtsbote_wire::native::multipart::{Event, Parser};
use clap::Args;
use openssl::sha::{Sha256, sha256};
use reqwest::header::CONTENT_TYPE;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::operations::Operations;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::Ui;

/// Longest document before the parts, in octets: the dossier in it has at most half of it.
const MAX_DOCUMENT: usize = 2 * MAX_DOSSIER;

/// Open a message: envelope, parts, receipts and timeline into a folder of your own
///
/// That you open it, and why, is evidence before anything leaves the hub. Content that is encrypted
/// for its Reader stays encrypted.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  amtsbote message export 0197a2c4-0000-7000-8000-000000000001 --to fall-17 --reason 'Klärung mit der Stadt Lage'"
)]
pub(crate) struct Export {
    /// Hub id, transport id or business id; it must mean one message
    id: String,
    /// The folder to write; must not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Why, in your words; becomes evidence
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    reason: Reason,
}

/// What the hub says about the message.
#[derive(Deserialize)]
struct Document {
    id: HubId,
    status: Value,
    record: Value,
    timeline: Value,
    receipt: String,
    dossier: String,
}

/// One file that was written.
struct Written {
    file: String,
    cid: String,
    size: u64,
    sha256: Digest,
}

impl Export {
    pub(crate) fn run(&self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let config = super::client_config(config)?;
        let key = config.verifier()?;
        // Asked before the hub is: an opening that leads to nothing would still be on record.
        if self.to.symlink_metadata().is_ok() {
            return Err(there_already(&self.to));
        }
        let parent = match self.to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let (id, written) = super::block_on(async {
            // Heard from here on: a signal must not leave plaintext behind.
            let ended = Ended::listen()?;
            // Its owner alone may look into it, and it goes away if anything fails.
            let staging = tempfile::Builder::new()
                .prefix(".amtsbote-export-")
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)
                .or_not_now_at(parent)?;
            let operations = Operations::new(&config)?;
            let taken = tokio::select! {
                taken = self.fetch(&operations, key, staging.path()) => taken?,
                () = ended.heard() => return Err(broken_off()),
            };
            sync(staging.path())?;
            move_to(staging.path(), &self.to)?;
            // What it named is there under the new name; there is nothing left to remove.
            let _moved = staging.keep();
            sync(parent)?;
            Ok(taken)
        })?;
        self.print(ui, &id, &written);
        Ok(Exit::Yes)
    }

    /// Reads the answer as it comes and writes it into `folder`.
    async fn fetch(
        &self,
        operations: &Operations,
        key: &VerifierKey,
        folder: &Path,
    ) -> Result<(HubId, Vec<Written>), Failure> {
        let asked = json!({ "reason": self.reason });
        let mut answer = operations.ask_with(&["messages", &self.id, "export"], &asked).await?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let mut parser = Parser::new(kind.unwrap_or_default()).or_not_now(FORM.0, FORM.1)?;
        let mut taking = Taking { folder, key, document: Vec::new(), message: None, part: None };
        let mut written = Vec::new();
        while let Some(chunk) = answer.chunk().await.or_not_now(BROKEN.0, BROKEN.1)? {
            let mut input: &[u8] = &chunk;
            while let Some(event) = parser.next_event(&mut input).or_not_now(FORM.0, FORM.1)? {
                match event {
                    Event::PartBegin(_) => taking.begin(written.len())?,
                    Event::Data(octets) => taking.octets(octets)?,
                    Event::PartEnd => written.extend(taking.end()?),
                    Event::End => {}
                }
            }
        }
        parser.finish().or_not_now(BROKEN.0, BROKEN.1)?;
        match taking.message {
            Some((id, record)) if record.parts.len() == written.len() => Ok((id, written)),
            _ => Err(differs("parts")),
        }
    }

    fn print(&self, ui: &Ui, id: &HubId, written: &[Written]) {
        let shown = self.to.display();
        if ui.is_json() {
            let files = written.iter().map(|one| {
                json!({ "file": one.file, "cid": one.cid, "size": one.size, "sha256": one.sha256 })
            });
            let files: Vec<_> = files.collect();
            return ui.json(&json!({ "id": id, "dir": self.to, "verified": true, "files": files }));
        }
        let word = ui.t("geöffnet und geprüft:", "opened and verified:");
        ui.line(format!("{id} {word} {shown}"));
        for one in written {
            ui.line(format!("  {}  {} {}", one.file, one.size, ui.t("Bytes", "octets")));
        }
        ui.note(ui.t(
            "Die Öffnung steht mit Ihrem Namen und Grund im Nachweis. Den Ordner löschen, sobald er nicht \
             mehr gebraucht wird.",
            "The opening is evidence, with your name and reason. Delete the folder when it is no longer \
             needed.",
        ));
    }
}

/// The signals that end a command.
struct Ended([Signal; 3]);

impl Ended {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).or_not_now("Signale", "signals");
        Ok(Self([
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn heard(mut self) {
        let [terminate, interrupt, hang_up] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

fn broken_off() -> Failure {
    Failure::new(
        Exit::NotNow,
        "Abgebrochen; geschrieben wurde nichts. Die Öffnung steht im Nachweis, sobald der Knoten gefragt war",
        "Broken off; nothing was written. The opening is evidence once the hub was asked",
    )
}

const FORM: (&str, &str) =
    ("Die Antwort des Knotens ist nicht lesbar", "The answer of the hub cannot be read");
const BROKEN: (&str, &str) = (
    "Die Antwort des Knotens brach ab; geschrieben wurde nichts. Stimmen Bytes im Speicher nicht mehr \
     mit den angenommenen überein, bricht der Knoten so ab (archive verify)",
    "The answer of the hub broke off; nothing was written. The hub breaks off like this when octets at \
     rest are no longer those accepted (archive verify)",
);

/// What has come so far.
struct Taking<'a> {
    folder: &'a Path,
    key: &'a VerifierKey,
    document: Vec<u8>,
    /// Set when the document is whole: what the hub signed about the message.
    message: Option<(HubId, Box<Accepted>)>,
    part: Option<Part>,
}

/// A part that is being written.
struct Part {
    file: File,
    hash: Sha256,
    number: usize,
    size: u64,
}

impl Taking<'_> {
    fn begin(&mut self, number: usize) -> Result<(), Failure> {
        let Some((_, record)) = &self.message else { return Ok(()) };
        let part = record.parts.get(number).ok_or_else(|| differs("parts"))?;
        let file = create(&self.folder.join(file_name(number, &part.cid)))?;
        self.part = Some(Part { file, hash: Sha256::new(), number, size: 0 });
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let Some(part) = &mut self.part else {
            self.document.extend_from_slice(octets);
            let fits = self.document.len() <= MAX_DOCUMENT;
            return if fits { Ok(()) } else { Err(differs("size")) };
        };
        part.size += octets.len() as u64;
        part.hash.update(octets);
        part.file.write_all(octets).or_not_now_at(self.folder)
    }

    fn end(&mut self) -> Result<Option<Written>, Failure> {
        let Some(part) = self.part.take() else {
            self.message = Some(self.documents()?);
            return Ok(None);
        };
        let Some((_, record)) = &self.message else { return Err(differs("parts")) };
        let signed = &record.parts[part.number];
        let (size, sha256) = (part.size, Digest(part.hash.finish()));
        if (size, sha256) != (signed.size, signed.sha256) {
            return Err(differs("parts"));
        }
        part.file.sync_all().or_not_now_at(self.folder)?;
        let (file, cid) = (file_name(part.number, &signed.cid), signed.cid.clone());
        Ok(Some(Written { file, cid, size, sha256 }))
    }

    /// Writes what came before the parts, after the signature was verified.
    fn documents(&self) -> Result<(HubId, Box<Accepted>), Failure> {
        let document: Document =
            serde_json::from_slice(&self.document).or_not_now(FORM.0, FORM.1)?;
        let receipt = document.receipt.into_bytes();
        let checked = receipt::check(receipt.clone(), self.key).map_err(|_| differs("receipt"))?;
        let Evidence::Accepted(record) = checked.evidence else { return Err(differs("receipt")) };
        let dossier =
            Dossier::parse(document.dossier.as_bytes()).map_err(|_| differs("dossier"))?;
        let sound = dossier.check(Some(self.key)).is_sound();
        let envelope = dossier.envelope.unwrap_or_default();
        for (what, agrees) in [
            ("id", record.hub_id == document.id && dossier.hub_id == document.id.as_str()),
            ("dossier", sound),
            ("envelope", Digest(sha256(&envelope)) == record.envelope_sha256),
        ] {
            if !agrees {
                return Err(differs(what));
            }
        }
        let message = json!({
            "schema_version": 1, "id": document.id, "status": document.status,
            "record": document.record,
        });
        let timeline = json!({ "schema_version": 1, "entries": document.timeline });
        for (name, octets) in [
            ("message.json", pretty(&message)?),
            ("timeline.json", pretty(&timeline)?),
            ("receipt.json", receipt),
            ("dossier.json", document.dossier.into_bytes()),
            ("envelope.xml", envelope),
        ] {
            let path = self.folder.join(name);
            let mut file = create(&path)?;
            file.write_all(&octets).and_then(|()| file.sync_all()).or_not_now_at(&path)?;
        }
        Ok((document.id, record))
    }
}

fn pretty(document: &Value) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec_pretty(document).map_err(anyhow::Error::from)?)
}

/// A new file that its owner alone may read.
fn create(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).or_not_now_at(path)
}

fn sync(folder: &Path) -> Result<(), Failure> {
    File::open(folder).and_then(|folder| folder.sync_all()).or_not_now_at(folder)
}

/// Never onto something that has come there meanwhile, where the file system can promise it.
fn move_to(from: &Path, to: &Path) -> Result<(), Failure> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(there_already(to)),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fs::rename(from, to).or_not_now_at(to),
        Err(error) => Err(std::io::Error::from(error)).or_not_now_at(to),
    }
}

fn there_already(path: &Path) -> Failure {
    let shown = path.display();
    Failure::usage(
        format!("{shown} gibt es schon; es wird nichts überschrieben"),
        format!("{shown} is there already; nothing is overwritten"),
    )
}

/// What came is not what the hub signed when it accepted the message.
fn differs(what: &str) -> Failure {
    Failure::new(
        Exit::No,
        format!("Was der Knoten geliefert hat, stimmt nicht mit seiner Quittung überein: {what}"),
        format!("What the hub gave does not agree with its receipt: {what}"),
    )
}
