//! One pack, loaded: what it knows and what it judges beyond its schemas.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::manifest::{DecidedBy, HeaderForm, Manifest, MessageInfo};
use super::set::{MANIFEST, PackFault};
use super::validity::Days;
use crate::characters;
use crate::codelist::{self, Lists, Used};
use crate::genericode::{CodeList, CodeListError};
use crate::header::{HEADER, HeaderFacts};
use crate::rules::{MAX_RULE_BYTES, Rules};
use crate::validate::{
    Amendment, Beside, Checked, Finding, Judge, Knowledge, MAX_FINDINGS, Schemas, Verdict,
};
use crate::xml::StartTag;

/// How far a message's date may lie after its arrival and still count: clocks differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A pack with everything it needs to judge.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) folder: String,
    pub(super) manifest: Manifest,
    pub(super) schemas: Schemas,
    pub(super) code_lists: Vec<CodeList>,
    lists: Lists,
    knowledge: Knowledge,
    rules: Option<Rules>,
}

/// What `pack list` and `pack show` tell about a pack.
#[derive(Clone, Debug, Serialize)]
pub struct PackInfo {
    /// Its folder's name.
    pub folder: String,
    /// The standard.
    pub standard: String,
    /// Its version.
    pub version: String,
    /// First and last day.
    #[serde(flatten)]
    pub days: Days,
    /// What decides whether it applies.
    pub decided_by: DecidedBy,
    /// How many days a message's own date may lie back.
    pub window_days: u16,
    /// How the header is written.
    pub header: HeaderForm,
    /// The schemas it begins with.
    pub entry: Vec<String>,
    /// The namespace of its messages.
    pub namespace: String,
    /// Its messages.
    pub messages: Vec<MessageInfo>,
    /// Schema documents.
    pub documents: usize,
    /// Global elements.
    pub elements: usize,
    /// Canonical version URIs of its code lists.
    pub code_lists: Vec<String>,
    /// Checks of its rule files; 0 where it has none.
    pub rule_checks: usize,
    /// Elements whose values may be shown.
    pub harmless: Vec<String>,
    /// Keys of `pack.toml` that an import guessed and nobody has confirmed yet.
    pub unconfirmed: Vec<String>,
    /// Namespaces that its schemas import and that it does without.
    pub left_out: Vec<String>,
    /// Errata of its schemas that are read otherwise than published.
    pub tolerated: Vec<Amendment>,
    /// Who judges its messages: `tables`, or `library`, which is slower.
    pub validated_by: &'static str,
    /// Why it is the library: construct and place.
    pub by_library: Option<String>,
}

impl Manifest {
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> {
        let own = self.messages.iter().filter_map(|message| message.namespace.as_deref());
        own.chain(std::iter::once(self.namespace.as_str()))
    }
}

impl Pack {
    pub(super) fn load(folder: &Path) -> Result<Self, PackFault> {
        let manifest = Manifest::parse(&fs::read_to_string(folder.join(MANIFEST))?)?;
        let catalog = manifest.catalog.as_deref();
        let schemas = Schemas::load_amended(folder, &manifest.entry, catalog, &manifest.tolerate)?;
        let unread = schemas.facts().unread.iter();
        let unread: Vec<&str> =
            unread.filter(|name| !manifest.left_out.contains(name)).map(String::as_str).collect();
        if !unread.is_empty() {
            return Err(PackFault::Unread(unread.join(", ")));
        }
        for message in &manifest.messages {
            let namespace = message.namespace.as_deref().unwrap_or(&manifest.namespace);
            if !schemas.declares(namespace, &message.root) {
                return Err(PackFault::NoSuchRoot(message.root.clone()));
            }
        }
        let (mut code_lists, mut lists) = (Vec::new(), Lists::new(manifest.unknown_lists));
        for entry in &manifest.code_lists {
            let fault = |cause| PackFault::CodeList { file: entry.file.clone(), cause };
            let list = CodeList::load(&folder.join(&entry.file)).map_err(fault)?;
            lists
                .add(&list, entry.key.as_deref(), entry.days)
                .map_err(|what| fault(CodeListError::Use(what)))?;
            code_lists.push(list);
        }
        let mut types = manifest.characters.types.keys();
        if let (Some(why), false) = (&schemas.facts().by_library, types.len() == 0) {
            return Err(PackFault::TypesByLibrary(why.clone()));
        }
        if let Some(name) = types.find(|name| !schemas.has_simple_type(name)) {
            return Err(PackFault::NoSuchType(name.clone()));
        }
        let knowledge = schemas.knowledge(&manifest.characters);
        let rules = rules(folder, &manifest)?;
        let folder = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { folder, manifest, schemas, code_lists, lists, knowledge, rules })
    }

    pub(super) fn knows(&self, namespace: &str) -> bool {
        self.manifest.namespaces().any(|known| known == namespace)
    }

    /// Who is to judge a message of the pack.
    pub(super) fn judges<'a>(&'a self, used: &'a Used, arrival: Timestamp) -> Judge<'a> {
        let policy = &self.manifest.characters;
        let watched = policy.all.is_some() || policy.nfc || self.knowledge.has_datatypes();
        let characters = watched.then(|| characters::Watch::new(policy));
        let codes = self.lists.watches().then(|| codelist::Watch::new(&self.lists, used));
        let rules = self.rules.as_ref().map(|rules| (rules, arrival));
        if characters.is_none() && codes.is_none() && rules.is_none() {
            return Judge::By(&self.schemas);
        }
        let beside = Beside { knowledge: &self.knowledge, characters, codes, rules };
        Judge::With(&self.schemas, Box::new(beside))
    }

    pub(super) fn message(&self, root: &StartTag) -> Option<&MessageInfo> {
        self.manifest.messages.iter().find(|message| {
            let namespace = message.namespace.as_ref().unwrap_or(&self.manifest.namespace);
            root.is(namespace, &message.root)
        })
    }

    /// What the schemas cannot say: the version's time, and whether header and root agree.
    pub(super) fn judge(
        &self,
        checked: &mut Checked,
        message: Option<&MessageInfo>,
        arrival: Timestamp,
        used: &Used,
    ) {
        if !matches!(checked.verdict, Verdict::Valid | Verdict::Invalid) {
            return;
        }
        let header = checked.header.as_ref().filter(|_| self.manifest.header != HeaderForm::None);
        let created = header.and_then(|header| header.created.as_deref()?.parse().ok());
        let decisive = self.decisive(created, arrival);
        let named = header.filter(|_| self.manifest.type_agrees).zip(message);
        if let Some(finding) = named.and_then(|(h, m)| contradicting_type(h, m)) {
            checked.verdict = Verdict::Invalid;
            checked.findings.push(finding);
        }
        let expired = self.lists.judge(used, decisive);
        if !expired.is_empty() {
            checked.verdict = Verdict::Invalid;
            checked.findings.extend(expired);
        }
        if !self.manifest.days.holds(decisive) {
            if checked.verdict == Verdict::Valid {
                checked.verdict = Verdict::NotInForce;
            }
            checked.findings.push(self.not_in_force());
        }
        checked.truncated |= checked.findings.len() > MAX_FINDINGS;
        checked.findings.truncate(MAX_FINDINGS);
    }

    /// The instant that selects the version.
    fn decisive(&self, created: Option<Timestamp>, arrival: Timestamp) -> Timestamp {
        let window = SignedDuration::from_hours(24 * i64::from(self.manifest.window_days));
        created
            .filter(|_| self.manifest.decided_by == DecidedBy::Created)
            .filter(|created| (-AHEAD..=window).contains(&arrival.duration_since(*created)))
            .unwrap_or(arrival)
    }

    fn not_in_force(&self) -> Finding {
        let Manifest { standard, version, days, .. } = &self.manifest;
        let from = days.valid_from;
        let (until_de, until_en) = match days.valid_until {
            Some(day) => (format!(" bis {day}"), format!(" to {day}")),
            None => (" ohne Ende".to_owned(), " with no end".to_owned()),
        };
        Finding::error(
            "standard-not-in-force",
            MANIFEST,
            &format!(
                "{standard} {version} gilt zum maßgeblichen Zeitpunkt nicht (gültig von {from}{until_de}). \
                 Nachricht in der gültigen Version erzeugen."
            ),
            &format!(
                "{standard} {version} is not in force at the time that counts (valid from {from}{until_en}). \
                 Make the message in the version in force."
            ),
        )
    }

    pub(super) fn info(&self) -> PackInfo {
        let Manifest {
            standard,
            version,
            days,
            decided_by,
            window_days,
            header,
            entry,
            namespace,
            messages,
            harmless,
            unconfirmed,
            left_out,
            tolerate,
            ..
        } = self.manifest.clone();
        let facts = self.schemas.facts();
        PackInfo {
            folder: self.folder.clone(),
            standard,
            version,
            days,
            decided_by,
            window_days,
            header,
            entry,
            namespace,
            messages,
            documents: facts.documents,
            elements: facts.elements,
            code_lists: self.code_lists.iter().map(|l| l.canonical_version_uri.clone()).collect(),
            rule_checks: self.rules.as_ref().map_or(0, |rules| rules.facts().checks),
            harmless,
            unconfirmed,
            left_out,
            tolerated: tolerate,
            validated_by: if facts.by_library.is_some() { "library" } else { "tables" },
            by_library: facts.by_library.clone(),
        }
    }
}

/// Rule files of a pack, compiled. They lie inside its folder, as what they include does.
fn rules(folder: &Path, manifest: &Manifest) -> Result<Option<Rules>, PackFault> {
    if manifest.rules.is_empty() {
        return Ok(None);
    }
    let root = folder.canonicalize()?;
    let mut fetch = |name: &str| {
        let file = root.join(name).canonicalize().map_err(|error| error.to_string())?;
        if !file.starts_with(&root) {
            return Err("it lies outside the pack".to_owned());
        }
        let size = fs::metadata(&file).map_err(|error| error.to_string())?.len();
        if size > MAX_RULE_BYTES as u64 {
            return Err(format!("more than {MAX_RULE_BYTES} bytes"));
        }
        fs::read(&file).map_err(|error| error.to_string())
    };
    Ok(Some(Rules::load(&manifest.rules, &mut fetch)?))
}

/// The header names another type of message than the root element is. Not every standard forbids
/// that, and real messages do it; so a pack says whether its standard does.
fn contradicting_type(header: &HeaderFacts, message: &MessageInfo) -> Option<Finding> {
    let (said, place) = header.message_type.as_ref().zip(header.places.message_type)?;
    let finding = Finding::error(
        "message-type-contradiction",
        MANIFEST,
        "Der Nachrichtentyp im Nachrichtenkopf passt nicht zum Wurzelelement.",
        "The message type in the header does not fit the root element.",
    );
    let path = format!("/{}/{HEADER}/identifikation.nachricht/nachrichtentyp/code", message.root);
    (*said != message.message_type).then(|| finding.at(place.position, &path))
}
