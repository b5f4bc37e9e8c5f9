//! Business rejections (Rückweisungen): the answer of a standard to a message that it refuses.
//!
//! A pack brings a template, an XML document of its standard in which values stand as processing
//! instructions. It is compiled and tried when the pack is loaded. A rejection goes out only if it
//! is valid against the author's own version, whether that is still in force or not; where none
//! can be made the caller falls back to a generic notice and knows the reason. A rejection holds
//! values of the original's header and words about its findings, never its content (P7).

mod description;
mod fault;
mod render;
mod specimen;
mod template;
mod values;

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

pub(super) use description::{Description, REJECTION_KEYS, Raw, cause_names};
pub use fault::{NoRejection, RejectionFault};
use template::Template;
use values::{Slot, Values};

use super::loaded::{Pack, contradicting_type};
use super::manifest::HeaderForm;
use super::set::{MANIFEST, PackFault, PackSet};
use crate::codelist::Used;
use crate::validate::{Checked, Finding, Judge, Pass, Verdict};
use crate::xml::Limits;

/// Longest template in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 64 * 1024;
/// Longest rejection in bytes.
pub const MAX_REJECTION_BYTES: usize = 1024 * 1024;
/// Deepest element of a template.
const MAX_DEPTH: u32 = 64;
/// The finding that says that a version is not in force.
const NOT_IN_FORCE: &str = "standard-not-in-force";

/// Why a message is rejected, in our words; a pack gives each the code of its standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It breaks a rule of its standard.
    Invalid,
    /// It follows a version that is not in force at the time that counts (P10).
    VersionNotInForce,
    /// It could not be delivered to its reader.
    Undeliverable,
    /// Its time was over before it was delivered.
    Expired,
    /// The author may not send this to the reader.
    NotPermitted,
    /// Anything else; also where the standard has no code of its own for a cause.
    Other,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Invalid,
        Self::VersionNotInForce,
        Self::Undeliverable,
        Self::Expired,
        Self::NotPermitted,
        Self::Other,
    ];

    /// Its name in `pack.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::VersionNotInForce => "version-not-in-force",
            Self::Undeliverable => "undeliverable",
            Self::Expired => "expired",
            Self::NotPermitted => "not-permitted",
            Self::Other => "other",
        }
    }

    /// The cause that lies in a message itself; none where validation has nothing against it, or
    /// did not come to its end.
    pub fn of(checked: &Checked) -> Option<Self> {
        match checked.verdict {
            Verdict::Invalid => Some(Self::Invalid),
            Verdict::NotInForce => Some(Self::VersionNotInForce),
            _ => None,
        }
    }

    /// Whether validation says the same, as far as it has a say.
    fn agrees(self, checked: &Checked) -> bool {
        match self {
            Self::Invalid => checked.verdict == Verdict::Invalid,
            Self::VersionNotInForce => {
                checked.findings.iter().any(|finding| finding.code == NOT_IN_FORCE)
            }
            _ => true,
        }
    }
}

/// A business rejection, valid against the version of the standard that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The standard, that of the original.
    pub standard: String,
    /// Its version, that of the original.
    pub version: String,
    /// The type of the rejection as the pack names it, e.g. `0199`.
    pub message_type: String,
    /// The document in UTF-8, at most [`MAX_REJECTION_BYTES`].
    pub xml: String,
}

/// What a pack needs to reject: description and compiled template.
#[derive(Debug)]
pub(super) struct Rejecting {
    description: Description,
    template: Template,
}

impl PackSet {
    /// Whether the pack for this version of a standard defines a rejection.
    pub fn has_rejection(&self, standard: &str, version: &str) -> bool {
        self.pack_of(standard, version).is_some_and(|pack| pack.rejection.is_some())
    }

    /// The rejection of a message in the author's own version of the standard, from the template
    /// of the pack that recognised it.
    ///
    /// `id` is the UUID of the rejection, `now` the time on the hub's clock. The text of the cause
    /// and of the first findings is German. A test message gets a rejection marked as test (P11).
    /// Where the whole would not be valid it is tried once more without findings and names.
    ///
    /// # Errors
    /// [`NoRejection`] says why there is none; the author then gets a generic notice.
    pub fn rejection(
        &self,
        checked: &Checked,
        cause: Cause,
        id: &str,
        now: Timestamp,
    ) -> Result<Rejection, NoRejection> {
        let named = checked.standard.as_deref().zip(checked.version.as_deref());
        let pack = named.and_then(|(standard, version)| self.pack_of(standard, version));
        let pack = pack.ok_or(NoRejection::NotRecognised)?;
        let rejecting = pack.rejection.as_ref().ok_or(NoRejection::NotDefined)?;
        if matches!(checked.verdict, Verdict::NotWellFormed | Verdict::Error) {
            return Err(NoRejection::NotRead);
        }
        if checked.verdict == Verdict::UnknownStandard {
            return Err(NoRejection::NotRecognised);
        }
        let named = checked.header.as_ref().and_then(|header| header.message_type.as_ref());
        let types = &rejecting.description.types;
        if checked.message_type.as_ref().or(named).is_some_and(|one| types.contains(one)) {
            return Err(NoRejection::OfRejection);
        }
        if !cause.agrees(checked) {
            return Err(NoRejection::CauseContradicts);
        }
        if !is_uuid(id) {
            return Err(NoRejection::Id);
        }
        let mut values = pack.values(rejecting, checked, cause, id, now);
        match pack.reject(rejecting, &values, now) {
            Err(NoRejection::Invalid(_) | NoRejection::TooLarge) => {
                values.simplify();
                pack.reject(rejecting, &values, now)
            }
            done => done,
        }
    }
}

impl Pack {
    /// Everything that a template may use for one message.
    fn values(
        &self,
        rejecting: &Rejecting,
        checked: &Checked,
        cause: Cause,
        id: &str,
        now: Timestamp,
    ) -> Values {
        let manifest = &self.manifest;
        let mut values = Values::default();
        values.rejection(id, now, &manifest.standard, &manifest.version);
        values.set(Slot::OriginalType, checked.message_type.as_deref());
        if let Some(header) = &checked.header {
            values.set(Slot::Test, header.test.then_some("true"));
            if manifest.header != HeaderForm::None {
                values.header(header);
            }
        }
        values.set(Slot::CauseCode, Some(rejecting.description.code(cause)));
        values.cause(cause, checked);
        values
    }

    /// Fills the template, and gives the result out only if it is what it must be.
    fn reject(
        &self,
        rejecting: &Rejecting,
        values: &Values,
        now: Timestamp,
    ) -> Result<Rejection, NoRejection> {
        let xml = rejecting.template.render(values)?;
        let (used, mut message) = (Used::default(), None);
        let limits = Limits { document_bytes: MAX_REJECTION_BYTES as u64, ..Limits::default() };
        let checked = Pass::run(xml.as_bytes(), &limits, &|| false, |root| {
            // A pack whose messages are told apart deeper inside than at the root has no template.
            message = self.messages(root).find(|(_, mark)| mark.is_none()).map(|(one, _)| one);
            match message {
                Some(message) => self.judges(message, &used, now),
                None => Judge::Nobody(Verdict::Invalid, strange_root()),
            }
        });
        let wrong = || checked.findings.first().cloned().unwrap_or_else(strange_root);
        let message = message.filter(|_| checked.verdict == Verdict::Valid);
        let message = message.ok_or_else(|| NoRejection::Invalid(Box::new(wrong())))?;
        let header = checked.header.as_ref();
        let contradiction = header
            .filter(|_| self.manifest.type_agrees)
            .and_then(|header| contradicting_type(header, message, false));
        if let Some(finding) = contradiction {
            return Err(NoRejection::Invalid(Box::new(finding)));
        }
        if header.is_some_and(|header| header.test) != values.has(Slot::Test, None) {
            return Err(NoRejection::Test);
        }
        if !rejecting.description.types.contains(&message.message_type) {
            return Err(NoRejection::Invalid(Box::new(strange_root())));
        }
        Ok(Rejection {
            standard: self.manifest.standard.clone(),
            version: self.manifest.version.clone(),
            message_type: message.message_type.clone(),
            xml,
        })
    }

    /// Compiles the template of a pack and tries it. `self` has everything else already.
    pub(super) fn load_rejection(&self, folder: &Path) -> Result<Option<Rejecting>, PackFault> {
        let Some(description) = self.manifest.rejection.clone() else { return Ok(None) };
        let file = description.template.clone();
        let fault = |cause| PackFault::Rejection { file: file.clone(), cause };
        let template =
            read(folder, &file).and_then(|text| Template::compile(&text)).map_err(fault)?;
        let rejecting = Rejecting { description, template };
        self.try_rejection(&rejecting).map_err(fault)?;
        Ok(Some(rejecting))
    }
}

/// A template lies inside the folder of its pack.
fn read(folder: &Path, name: &str) -> Result<Vec<u8>, RejectionFault> {
    let io = |error: std::io::Error| RejectionFault::File(error.to_string());
    let root = folder.canonicalize().map_err(io)?;
    let file = root.join(name).canonicalize().map_err(io)?;
    if !file.starts_with(&root) {
        return Err(RejectionFault::File("it lies outside the pack".to_owned()));
    }
    if fs::metadata(&file).map_err(io)?.len() > MAX_TEMPLATE_BYTES as u64 {
        return Err(RejectionFault::File(format!("more than {MAX_TEMPLATE_BYTES} bytes")));
    }
    fs::read(&file).map_err(io)
}

/// The form of RFC 9562, section 4, in either case.
fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn strange_root() -> Finding {
    Finding::error(
        "message-type-unknown",
        MANIFEST,
        "Das Wurzelelement der Vorlage ist keine Rückweisung des Pakets.",
        "The root element of the template is no rejection of the pack.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_and_nothing_else() {
        assert!(is_uuid("6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f248"));
        assert!(is_uuid("6A1F0C7E-2B4D-4E93-8C55-90D3B7E1F248"));
        for bad in [
            "",
            "6a1f0c7e2b4d4e938c5590d3b7e1f248",
            "6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f24",
            "6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f2480",
            "6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f24g",
            "6a1f0c7e-2b4d-4e93-8c55-90d3b7e1f2é",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }

    #[test]
    fn causes_are_named_as_in_the_description() {
        for cause in Cause::ALL {
            let table = format!("cause = \"{}\"", cause.as_str());
            let read: std::collections::BTreeMap<String, Cause> =
                toml::from_str(&table).expect("a cause");
            assert_eq!(read["cause"], cause);
        }
    }
}
