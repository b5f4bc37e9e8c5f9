//! The folder connector: for systems that can do no more than read and write files.
//!
//! ```text
//! IN/<hub id>/envelope.xml, 01-..., 02-..., message.json      a message that was taken
//! OUT/<name>/order.json and the files it names                an order
//! OUT/.sent/<name>/..., receipt.json                          the hub has it
//! OUT/.refused/<name>/..., problem.json                       the hub does not want it
//! OUT/.refused/<name>/..., business-rejection.xml             the answer in the standard, if any
//! ```
//!
//! A folder appears under its name only when it is whole. The system does the same with orders: it
//! fills `OUT/.something` and renames it. Names with a full stop in front are not looked at.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use amtsbote_domain::identity::HubId;
use amtsbote_domain::message::{Metadata, Part, SignatureFacts};
use amtsbote_wire::native::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::port::{GatewayError, Inbound, Incoming, Outbound, Outgoing};
use crate::submit::{Content, Source, SubmitOutcome, digest};

/// Longest `order.json`, in bytes.
pub const MAX_ORDER_BYTES: u64 = 256 * 1024;

/// `message.json`: what a system needs to know about a message, beside its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageFile {
    /// 1.
    pub schema_version: u32,
    /// The hub's id.
    pub id: HubId,
    /// What the message says about itself.
    pub metadata: Metadata,
    /// Who signed it; verified.
    pub signature: SignatureFacts,
    /// Payload first, then attachments.
    pub files: Vec<FileEntry>,
}

/// One file of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name in the folder.
    pub file: String,
    /// The part it is.
    #[serde(flatten)]
    pub part: Part,
}

/// Messages for a system, one folder each.
#[derive(Clone, Debug)]
pub struct FolderInbox {
    folder: PathBuf,
}

const STAGING: &str = ".staging";
const MESSAGE_FILE: &str = "message.json";

impl FolderInbox {
    /// Uses a folder that is there.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join(STAGING))?;
        sync_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where a message is, once it is there.
    pub fn place(&self, id: &HubId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    fn staging(&self, id: &HubId, suffix: &str) -> PathBuf {
        self.folder.join(STAGING).join(format!("{id}{suffix}"))
    }
}

impl Inbound for FolderInbox {
    fn holds(&mut self, id: &HubId, parts: &[Part]) -> Result<bool, GatewayError> {
        let place = self.place(id);
        for (number, part) in parts.iter().enumerate() {
            let mut file = match File::open(place.join(file_name(number, &part.cid))) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            if digest(&mut file)? != (part.size, part.sha256) {
                return Ok(false);
            }
        }
        Ok(place.join(MESSAGE_FILE).is_file())
    }

    fn stage(&mut self, id: &HubId) -> Result<PathBuf, GatewayError> {
        remove(&self.staging(id, ".old"))?;
        let staging = self.staging(id, "");
        remove(&staging)?;
        fs::create_dir(&staging)?;
        Ok(staging)
    }

    fn hand_over(&mut self, incoming: &Incoming<'_>) -> Result<(), GatewayError> {
        let message = MessageFile {
            schema_version: 1,
            id: incoming.id.clone(),
            metadata: incoming.metadata.clone(),
            signature: incoming.signature.clone(),
            files: entries(incoming),
        };
        write_json(&incoming.staging.join(MESSAGE_FILE), &message)?;
        sync_folder(incoming.staging)?;
        let place = self.place(incoming.id);
        // What stands there already was found to be damaged; it makes way. After a crash between
        // the two renames the message is not there and is fetched again.
        match fs::rename(&place, self.staging(incoming.id, ".old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::rename(incoming.staging, &place)?,
        }
        sync_folder(&self.folder)?;
        remove(&self.staging(incoming.id, ".old"))?;
        Ok(())
    }
}

fn entries(incoming: &Incoming<'_>) -> Vec<FileEntry> {
    let files = incoming.files.iter().enumerate();
    files
        .map(|(number, file)| FileEntry {
            file: file_name(number, &file.part.cid),
            part: file.part.clone(),
        })
        .collect()
}

/// The name of the file for a part: its number keeps it unique, and of its Content-ID only what is
/// harmless in a file name.
pub fn file_name(number: usize, cid: &str) -> String {
    const MOST: usize = 100;
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = cid.chars().map(harmless).take(MOST).collect();
    format!("{:02}-{name}", number + 1)
}

/// `order.json`: a message that a system wants to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What the message says about itself.
    pub metadata: Metadata,
    /// Payload first, then attachments.
    pub files: Vec<OrderFile>,
}

/// A file of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderFile {
    /// Its name beside `order.json`.
    pub file: String,
    /// The Content-ID of the part.
    pub cid: String,
    /// Its media type.
    pub media_type: String,
}

/// Orders of a system, one folder each.
#[derive(Clone, Debug)]
pub struct FolderOutbox {
    folder: PathBuf,
}

const ORDER_FILE: &str = "order.json";
const SENT: &str = ".sent";
const REFUSED: &str = ".refused";

impl FolderOutbox {
    /// Uses a folder that is there.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join(SENT))?;
        fs::create_dir_all(folder.join(REFUSED))?;
        sync_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The first order by name.
    fn first(&self) -> io::Result<Option<String>> {
        let mut first: Option<String> = None;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let ready = !name.starts_with('.') && entry.path().join(ORDER_FILE).is_file();
            if ready && first.as_ref().is_none_or(|first| name < *first) {
                first = Some(name);
            }
        }
        Ok(first)
    }

    fn read(&self, name: &str) -> Result<Outgoing, String> {
        let folder = self.folder.join(name);
        let order = read_order(&folder.join(ORDER_FILE))?;
        let mut contents = Vec::with_capacity(order.files.len());
        for OrderFile { file, cid, media_type } in order.files {
            let path = inside(&folder, &file).ok_or("a file is not beside order.json")?;
            contents.push(Content { cid, media_type, source: Source::File(path) });
        }
        let attachments = contents.split_off(contents.len().min(1));
        let payload = contents.pop().ok_or("an order needs a payload")?;
        Ok(Outgoing { name: name.to_owned(), metadata: order.metadata, payload, attachments })
    }

    /// Puts the proof beside the order and takes both out of the way. If the order is gone
    /// already, an earlier call was interrupted after its rename.
    fn finish(&self, name: &str, to: &str, file: &str, octets: &[u8]) -> io::Result<()> {
        let from = self.folder.join(name);
        if !from.is_dir() {
            return Ok(());
        }
        write_new(&from.join(file), octets)?;
        sync_folder(&from)?;
        let target = self.folder.join(to).join(name);
        // An order of an earlier day under the same name keeps its place.
        let target = match target.exists() {
            false => target,
            true => free_name(&self.folder.join(to), name),
        };
        fs::rename(&from, target)?;
        sync_folder(&self.folder.join(to))?;
        sync_folder(&self.folder)
    }
}

impl Outbound for FolderOutbox {
    fn collect(&mut self) -> Result<Option<Outgoing>, GatewayError> {
        while let Some(name) = self.first()? {
            match self.read(&name) {
                Ok(order) => return Ok(Some(order)),
                // An order that cannot be read must not hold up those behind it.
                Err(why) => {
                    let problem =
                        serde_json::json!({ "title": "the order cannot be read", "detail": why });
                    let octets = format!("{problem}\n");
                    self.finish(&name, REFUSED, "problem.json", octets.as_bytes())?;
                }
            }
        }
        Ok(None)
    }

    fn confirm(&mut self, order: &Outgoing, outcome: &SubmitOutcome) -> Result<(), GatewayError> {
        Ok(self.finish(&order.name, SENT, "receipt.json", &outcome.receipt)?)
    }

    fn abort(&mut self, order: &Outgoing, problem: &Problem) -> Result<(), GatewayError> {
        let folder = self.folder.join(&order.name);
        let target = folder.join("business-rejection.xml");
        // Whoever finds the order refused finds all of the answer; a file of the order's own stays.
        if let Some(rejection) = &problem.business_rejection
            && folder.is_dir()
            && !target.exists()
        {
            let half = folder.join(".business-rejection");
            write_new(&half, rejection.content.as_bytes())?;
            fs::rename(half, target)?;
        }
        Ok(self.finish(&order.name, REFUSED, "problem.json", &problem.to_bytes())?)
    }
}

fn read_order(path: &Path) -> Result<Order, String> {
    let mut octets = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_ORDER_BYTES + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() as u64 > MAX_ORDER_BYTES {
        return Err("order.json is longer than 256 KiB".to_owned());
    }
    // The text of the library could repeat values; line and column say enough.
    serde_json::from_slice(&octets)
        .map_err(|error| format!("order.json, line {}, column {}", error.line(), error.column()))
}

/// A regular file directly in the folder; no way out of it through `..` or a link.
fn inside(folder: &Path, file: &str) -> Option<PathBuf> {
    let mut components = Path::new(file).components();
    let plain = matches!(components.next(), Some(Component::Normal(_)));
    let path = folder.join(file);
    let regular = fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_file());
    (plain && components.next().is_none() && regular).then_some(path)
}

fn free_name(folder: &Path, name: &str) -> PathBuf {
    let names = (2u64..).map(|number| folder.join(format!("{name}-{number}")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut octets = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    octets.push(b'\n');
    write_new(path, &octets)
}

/// Writes a file whole and durably; a torn one of an earlier try is overwritten.
fn write_new(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
