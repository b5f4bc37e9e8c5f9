//! A dossier: everything needed to prove, without the hub, what became of one message.
//!
//! `amtsbote archive prove` writes it, `amtsbote archive check-dossier` checks it. It holds all
//! receipts of the message, the signed Author envelope where wanted, the list of parts (their octets
//! lie beside it), the hub's verifier keys, heads that were anchored outside, and consistency proofs.
//!
//! It proves one or two things, and [`DossierReport`] says which:
//!
//! 1. *Unaltered since receipt*, by the hub's key. With the key from the dossier alone this is the
//!    dossier's own word: whoever checks must compare the key with one from elsewhere, or give it.
//! 2. *No second history*: the hub showed everyone this log. Only a head that the checker got from
//!    outside (a witness, a time stamp, the own archive) can prove it, when the receipts' heads are
//!    consistent with it and it covers their records.
//!
//! The Author's signature inside the envelope is not checked here: `amtsbote signature verify` does.

mod check;
mod report;

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::check::Trusted;
pub use self::report::{DossierReport, Fault, History, ReceiptLine, Unaltered};
use crate::hash::Hash;
use crate::json::{self, JsonError};
use crate::note::VerifierKey;
use crate::receipt::{Receipt, ReceiptError};

/// Longest dossier, in octets.
pub const MAX_DOSSIER: usize = 64 * 1024 * 1024;

/// Most receipts, parts, keys or consistency proofs, each.
pub const MAX_ITEMS: usize = 4096;

/// Most anchored heads.
pub const MAX_ANCHORS: usize = 16;

/// The form this package writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// All proof about one message.
#[derive(Clone, Debug, PartialEq)]
pub struct Dossier {
    /// The hub's id of the message; every receipt must be about it.
    pub hub_id: String,
    /// The hub's verifier keys, one for each log (epoch) the receipts are from.
    pub keys: Vec<VerifierKey>,
    /// The receipts in the order of their records.
    pub receipts: Vec<Receipt>,
    /// The signed Author envelope, octet by octet, as it was received.
    pub envelope: Option<Vec<u8>>,
    /// The parts of the message, payload first.
    pub parts: Vec<Part>,
    /// Heads said to be anchored outside.
    pub anchors: Vec<Anchor>,
    /// Proofs between heads.
    pub consistency: Vec<Consistency>,
}

/// One part of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its Content-ID without angle brackets.
    pub cid: String,
    /// Octets.
    pub size: u64,
    /// SHA-256 over them, 64 small hexadecimal digits.
    pub sha256: String,
}

/// A head that somebody outside keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Where to ask for it, in words for people.
    pub kept_by: String,
    /// The signed head.
    pub head: String,
}

/// Proof that one head is the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consistency {
    /// The log (origin) both heads belong to.
    pub log: String,
    /// Size of the older head.
    pub old: u64,
    /// Size of the newer head.
    pub new: u64,
    /// The hashes of [`crate::tree::consistency_proof`].
    pub proof: Vec<Hash>,
}

/// Why a text is no dossier. A dossier that proves nothing is no error but a [`DossierReport`].
#[derive(Debug, thiserror::Error)]
pub enum DossierError {
    /// Over [`MAX_DOSSIER`] octets, or a list over [`MAX_ITEMS`] or [`MAX_ANCHORS`].
    #[error(
        "a dossier has at most {MAX_DOSSIER} octets, {MAX_ITEMS} items in a list and \
         {MAX_ANCHORS} anchors"
    )]
    TooLarge,
    /// No JSON, or JSON two readers could read differently.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A field is missing, unknown or of the wrong form.
    #[error("the fields of the dossier are not those of this version")]
    Form,
    /// Another `schema_version` than [`SCHEMA_VERSION`].
    #[error("the dossier has schema_version {0}; this program reads {SCHEMA_VERSION}")]
    Version(u64),
    /// A key is no verifier key.
    #[error("verifier key number {0} of the dossier is malformed")]
    Key(usize),
    /// A receipt is malformed.
    #[error("receipt number {position} of the dossier: {error}")]
    Receipt {
        /// From 1.
        position: usize,
        /// What is wrong.
        #[source]
        error: ReceiptError,
    },
}

/// How octets beside the dossier compare with the part it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartComparison {
    /// Size and digest agree.
    Same,
    /// Size or digest differ.
    Different,
    /// The dossier lists no such part.
    Unlisted,
}

/// The fields in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "schema_version")]
    _schema_version: u32,
    hub_id: String,
    keys: Vec<String>,
    receipts: Vec<Value>,
    envelope: Option<String>,
    parts: Vec<Part>,
    anchors: Vec<Anchor>,
    consistency: Vec<Consistency>,
}

impl Dossier {
    /// A dossier over receipts; the list of parts is taken from the acceptance among them.
    pub fn new(hub_id: String, keys: Vec<VerifierKey>, receipts: Vec<Receipt>) -> Self {
        let accepted = receipts.iter().map(Receipt::record).find(|record| is_acceptance(record));
        let parts = accepted.and_then(recorded_parts).unwrap_or_default();
        Self {
            hub_id,
            keys,
            receipts,
            envelope: None,
            parts,
            anchors: Vec::new(),
            consistency: Vec::new(),
        }
    }

    /// Reads a dossier of at most [`MAX_DOSSIER`] octets.
    pub fn parse(octets: &[u8]) -> Result<Self, DossierError> {
        if octets.len() > MAX_DOSSIER {
            return Err(DossierError::TooLarge);
        }
        let value = json::parse(octets)?;
        match value.get("schema_version").and_then(Value::as_u64) {
            Some(version) if version == u64::from(SCHEMA_VERSION) => {}
            Some(other) => return Err(DossierError::Version(other)),
            None => return Err(DossierError::Form),
        }
        let fields: Fields = serde_json::from_value(value).map_err(|_| DossierError::Form)?;
        Self::from_fields(fields)
    }

    /// The dossier as JSON, ending in a newline; the same dossier gives the same octets.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DossierError> {
        self.check_lengths()?;
        let receipts = self.receipts.iter().map(|receipt| json::parse(&receipt.to_bytes()));
        let mut value = json!({
            "schema_version": SCHEMA_VERSION,
            "hub_id": self.hub_id,
            "keys": self.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "receipts": receipts.collect::<Result<Vec<_>, _>>()?,
            "parts": self.parts,
            "anchors": self.anchors,
            "consistency": self.consistency,
        });
        if let Some(envelope) = &self.envelope {
            value["envelope"] = STANDARD.encode(envelope).into();
        }
        let mut octets = value.to_string().into_bytes();
        octets.push(b'\n');
        if octets.len() > MAX_DOSSIER { Err(DossierError::TooLarge) } else { Ok(octets) }
    }

    /// Checks the dossier; with the hub's key from elsewhere where there is one.
    pub fn check(&self, key: Option<&VerifierKey>) -> DossierReport {
        self.check_against(&Trusted { keys: key.map_or(&[], std::slice::from_ref), heads: &[] })
    }

    /// Checks the dossier against what the checker holds from elsewhere: keys and anchored heads.
    pub fn check_against(&self, trusted: &Trusted<'_>) -> DossierReport {
        check::check(self, trusted)
    }

    /// Compares octets beside the dossier with the part it lists under `cid`. The list itself is
    /// believed only as far as [`Dossier::check`] goes.
    pub fn compare_part(&self, cid: &str, mut octets: impl Read) -> io::Result<PartComparison> {
        let Some(part) = self.parts.iter().find(|part| part.cid == cid) else {
            return Ok(PartComparison::Unlisted);
        };
        let mut sha = openssl::sha::Sha256::new();
        let mut size = 0u64;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match octets.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            sha.update(&buffer[..count]);
            size = size.saturating_add(count as u64);
            if size > part.size {
                return Ok(PartComparison::Different);
            }
        }
        let same = size == part.size && hex(&sha.finish()) == part.sha256;
        Ok(if same { PartComparison::Same } else { PartComparison::Different })
    }

    fn from_fields(fields: Fields) -> Result<Self, DossierError> {
        let key = |(position, text): (usize, &String)| {
            VerifierKey::parse(text).map_err(|_| DossierError::Key(position + 1))
        };
        let receipt = |(position, value): (usize, Value)| {
            let position = position + 1;
            Receipt::from_value(value).map_err(|error| DossierError::Receipt { position, error })
        };
        let envelope = fields.envelope.map(|text| STANDARD.decode(text)).transpose();
        let dossier = Self {
            hub_id: fields.hub_id,
            keys: fields.keys.iter().enumerate().map(key).collect::<Result<_, _>>()?,
            receipts: fields
                .receipts
                .into_iter()
                .enumerate()
                .map(receipt)
                .collect::<Result<_, _>>()?,
            envelope: envelope.map_err(|_| DossierError::Form)?,
            parts: fields.parts,
            anchors: fields.anchors,
            consistency: fields.consistency,
        };
        dossier.check_lengths().map(|()| dossier)
    }

    fn check_lengths(&self) -> Result<(), DossierError> {
        let lists =
            [self.keys.len(), self.receipts.len(), self.parts.len(), self.consistency.len()];
        let fits = lists.into_iter().all(|length| length <= MAX_ITEMS);
        if fits && self.anchors.len() <= MAX_ANCHORS { Ok(()) } else { Err(DossierError::TooLarge) }
    }
}

/// The record says that the hub accepted a message.
fn is_acceptance(record: &Value) -> bool {
    record.get("kind").and_then(Value::as_str) == Some("accepted")
}

/// The parts an acceptance lists.
fn recorded_parts(record: &Value) -> Option<Vec<Part>> {
    let part = |part: &Value| {
        Some(Part {
            cid: part.get("cid")?.as_str()?.to_owned(),
            size: part.get("size")?.as_u64()?,
            sha256: part.get("sha256")?.as_str()?.to_owned(),
        })
    };
    record.get("parts")?.as_array()?.iter().map(part).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
