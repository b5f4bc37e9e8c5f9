//! Receipts: what the hub hands out about one record, and how anyone checks it.
//!
//! A receipt is JSON: the record, its salt, its index, the inclusion proof and the signed head. All
//! of it hangs on the head's signature; nothing in a receipt is merely asserted, so fields this
//! version does not know are refused. It proves that the hub recorded this, unaltered since. It does
//! not prove that the hub shows everyone the same log: see [`crate::dossier`].

use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::json::{self, JsonError};
use crate::note::{MAX_NOTE, VerifierKey};
use crate::record::{self, RecordError, Salt};
use crate::tree::{self, MAX_PROOF, MAX_SIZE, VerifyError};

/// Longest receipt, in octets.
pub const MAX_RECEIPT: usize = 1024 * 1024;

/// The form this package writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Why a receipt is none, or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Over [`MAX_RECEIPT`] octets.
    #[error("a receipt has at most {MAX_RECEIPT} octets")]
    TooLarge,
    /// No JSON, or JSON two readers could read differently.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A field is missing, unknown or of the wrong type, or a limit is passed.
    #[error(
        "the fields of a receipt are schema_version, record, salt, index, proof and head, each in \
         its form"
    )]
    Form,
    /// Another `schema_version` than [`SCHEMA_VERSION`].
    #[error("the receipt has schema_version {0}; this program reads {SCHEMA_VERSION}")]
    Version(u64),
    /// The record has no canonical form.
    #[error("the record of the receipt: {0}")]
    Record(#[from] RecordError),
    /// The head is not one of this log under this key.
    #[error("the head of the receipt: {0}")]
    Head(#[from] CheckpointError),
    /// The record is not in the tree the head signs.
    #[error("the record is not what the signed head covers: {0}")]
    Proof(#[from] VerifyError),
    /// The record names another log than the head, or none.
    #[error("the record names another log than the head")]
    OtherLog,
}

/// A receipt as it is stored and handed out. Made or read, not yet believed: see
/// [`Receipt::verify`].
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    record: Value,
    canonical: Vec<u8>,
    salt: Salt,
    index: u64,
    proof: Vec<Hash>,
    head: String,
}

/// What a receipt proves once it has been verified.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedReceipt<'r> {
    /// What the hub recorded.
    pub record: &'r Value,
    /// The head that covers it.
    pub checkpoint: Checkpoint,
    /// The record's place in the log.
    pub index: u64,
}

/// The fields in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(rename = "schema_version")]
    _schema_version: u32,
    record: Value,
    salt: Salt,
    index: u64,
    proof: Vec<Hash>,
    head: String,
}

impl Receipt {
    /// Puts a receipt together. The record is an object whose `log` names the head's origin.
    pub fn new(
        record: Value,
        salt: Salt,
        index: u64,
        proof: Vec<Hash>,
        head: String,
    ) -> Result<Self, ReceiptError> {
        let fits = proof.len() <= MAX_PROOF && head.len() <= MAX_NOTE && index < MAX_SIZE;
        if !fits || !record.is_object() {
            return Err(ReceiptError::Form);
        }
        let canonical = record::canonical(&record)?;
        Ok(Self { record, canonical, salt, index, proof, head })
    }

    /// Reads a receipt of at most [`MAX_RECEIPT`] octets. White space and the order of fields do
    /// not matter; what is proven is the content.
    pub fn parse(octets: &[u8]) -> Result<Self, ReceiptError> {
        if octets.len() > MAX_RECEIPT {
            return Err(ReceiptError::TooLarge);
        }
        Self::from_value(json::parse(octets)?)
    }

    /// Reads a receipt that stands inside another document. The value must come from
    /// [`json::parse`], which refuses doubled names.
    pub(crate) fn from_value(value: Value) -> Result<Self, ReceiptError> {
        let version = value.get("schema_version").and_then(Value::as_u64);
        match version {
            Some(version) if version == u64::from(SCHEMA_VERSION) => {}
            Some(other) => return Err(ReceiptError::Version(other)),
            None => return Err(ReceiptError::Form),
        }
        let Ok(fields) = serde_json::from_value::<Fields>(value) else {
            return Err(ReceiptError::Form);
        };
        Self::new(fields.record, fields.salt, fields.index, fields.proof, fields.head)
    }

    /// The stored form: canonical JSON and a newline; the same receipt gives the same octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        written(&self.canonical, self.salt, self.index, &self.proof, &self.head)
    }

    /// The stored form of a receipt over a record that is canonical already. What is given must be
    /// what [`Receipt::new`] would take.
    pub fn write(
        canonical_record: &[u8],
        salt: Salt,
        index: u64,
        proof: &[Hash],
        head: &str,
    ) -> Result<Vec<u8>, ReceiptError> {
        let fits = proof.len() <= MAX_PROOF && head.len() <= MAX_NOTE && index < MAX_SIZE;
        match fits && canonical_record.first() == Some(&b'{') {
            true => Ok(written(canonical_record, salt, index, proof, head)),
            false => Err(ReceiptError::Form),
        }
    }

    /// Checks everything: the head's signature, that the record is the leaf at `index` under it,
    /// and that record and head speak of the same log.
    pub fn verify(&self, key: &VerifierKey) -> Result<VerifiedReceipt<'_>, ReceiptError> {
        let checkpoint = checkpoint::verify(&self.head, key)?;
        let leaf = tree::leaf_hash(&record::leaf(&self.salt, &self.canonical));
        tree::verify_inclusion(&leaf, self.index, checkpoint.size, &self.proof, &checkpoint.root)?;
        if self.record.get("log").and_then(Value::as_str) != Some(&checkpoint.origin) {
            return Err(ReceiptError::OtherLog);
        }
        Ok(VerifiedReceipt { record: &self.record, checkpoint, index: self.index })
    }

    /// The record, not yet believed.
    pub fn record(&self) -> &Value {
        &self.record
    }

    /// The salt of the leaf.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The place in the log, not yet believed.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, not yet believed.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The signed head, not yet believed.
    pub fn head(&self) -> &str {
        &self.head
    }
}

fn written(record: &[u8], salt: Salt, index: u64, proof: &[Hash], head: &str) -> Vec<u8> {
    // A hash with its quotes and comma has 47 octets; the rest is salt and names.
    let mut out = Vec::with_capacity(record.len() + head.len() + 47 * proof.len() + 192);
    out.extend_from_slice(b"{\"head\":");
    record::write_string(head, &mut out);
    out.extend(format!(",\"index\":{index},\"proof\":[").bytes());
    for (position, hash) in proof.iter().enumerate() {
        let comma = if position > 0 { ",\"" } else { "\"" };
        out.extend_from_slice(comma.as_bytes());
        out.extend_from_slice(hash.to_string().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"record\":");
    out.extend_from_slice(record);
    let salt = String::from(salt);
    out.extend(format!(",\"salt\":\"{salt}\",\"schema_version\":{SCHEMA_VERSION}}}\n").bytes());
    out
}
