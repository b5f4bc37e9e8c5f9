//! The answer to "is this document what the standard says?".

use serde::{Serialize, Serializer};

use super::finding::{Finding, Severity};
use crate::header::HeaderFacts;

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is what the standard says, and the standard is in force.
    Valid,
    /// It breaks a rule of its standard.
    Invalid,
    /// It is no well-formed XML, or breaks a limit of the reader.
    NotWellFormed,
    /// No pack knows it.
    UnknownStandard,
    /// It follows its standard, but that version is not in force at the time that counts.
    NotInForce,
    /// It could not be judged: a limit of validation, a fault of the engine, an input that could
    /// not be read.
    Error,
}

impl Verdict {
    /// The word of `amtsbote schema check`. A version not in force reads `invalid` there, with
    /// the finding `standard-not-in-force`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid | Self::NotInForce => "invalid",
            Self::NotWellFormed => "not-well-formed",
            Self::UnknownStandard => "unknown-standard",
            Self::Error => "error",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Everything one pass over a message told. Its `Debug` output holds no value of the message but for
/// those that findings may tell (P7): of the header only whether it was read.
#[derive(Clone)]
pub struct Checked {
    /// The answer.
    pub verdict: Verdict,
    /// The name of the standard, once it was recognised.
    pub standard: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The type of message as the pack names it, e.g. `0100`.
    pub message_type: Option<String>,
    /// What the XÖV header says, where it could be read. Only under [`Verdict::Valid`] has it
    /// been checked against the schema.
    pub header: Option<HeaderFacts>,
    /// What is wrong, in document order as far as it was met, at most [`MAX_FINDINGS`]. What rules
    /// say begins with what decides the verdict, and then goes in document order.
    pub findings: Vec<Finding>,
    /// There would have been more findings.
    pub truncated: bool,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked")
            .field("verdict", &self.verdict)
            .field("standard", &self.standard)
            .field("version", &self.version)
            .field("message_type", &self.message_type)
            .field("header", &self.header.is_some())
            .field("findings", &self.findings)
            .field("truncated", &self.truncated)
            .finish()
    }
}

/// Most findings reported for one message.
pub const MAX_FINDINGS: usize = 100;

impl Checked {
    /// The line of `amtsbote schema check` for this result.
    pub fn report<'a>(&'a self, file: &'a str, german: bool) -> Report<'a> {
        Report {
            file,
            verdict: self.verdict,
            standard: self.standard.as_deref(),
            version: self.version.as_deref(),
            message_type: self.message_type.as_deref(),
            findings: self.findings.iter().map(|f| ReportedFinding::new(f, german)).collect(),
        }
    }
}

/// One file's line in the output of `amtsbote schema check`.
#[derive(Clone, Debug, Serialize)]
pub struct Report<'a> {
    /// As given on the command line.
    pub file: &'a str,
    /// The answer.
    pub verdict: Verdict,
    /// The name of the standard.
    pub standard: Option<&'a str>,
    /// Its version.
    pub version: Option<&'a str>,
    /// The type of message.
    pub message_type: Option<&'a str>,
    /// What is wrong.
    pub findings: Vec<ReportedFinding<'a>>,
}

/// A finding in one language.
#[derive(Clone, Debug, Serialize)]
pub struct ReportedFinding<'a> {
    code: &'a str,
    severity: Severity,
    line: u64,
    column: u64,
    path: &'a str,
    rule: &'a str,
    message: &'a str,
}

impl<'a> ReportedFinding<'a> {
    /// The finding with its German or its English text.
    pub fn new(finding: &'a Finding, german: bool) -> Self {
        Self {
            code: finding.code,
            severity: finding.severity,
            line: finding.line,
            column: finding.column,
            path: &finding.path,
            rule: &finding.rule,
            message: finding.message(german),
        }
    }
}
