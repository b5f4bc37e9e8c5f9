//! One pack, loaded: what it knows and what it judges beyond its schemas.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::manifest::{DecidedBy, HeaderForm, Manifest, MessageInfo};
use super::mark::Mark;
use super::rejection::Rejecting;
use super::set::{MANIFEST, PackFault};
use super::validity::{Days, instant};
use crate::characters;
use crate::codelist::{self, Lists, Used};
use crate::genericode::{CodeList, CodeListError};
use crate::header::{HEADER, HeaderFacts};
use crate::rules::{MAX_RULE_BYTES, RuleFile, Rules};
use crate::validate::{
    Amendment, Beside, Checked, Finding, Judge, Knowledge, MAX_FINDINGS, NotHarmless, Schemas,
    Verdict,
};
use crate::xml::StartTag;

/// How far a message's date may lie after its arrival and still count: clocks differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// A pack with everything it needs to judge.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) folder: String,
    pub(super) manifest: Manifest,
    /// The schema sets: one, but where messages have sets of their own.
    pub(super) sets: Vec<Set>,
    pub(super) code_lists: Vec<CodeList>,
    lists: Lists,
    rules: Vec<RuleSet>,
    pub(super) rejection: Option<Rejecting>,
}

/// Rule files that are asked together, of the message types that they are for.
#[derive(Debug)]
struct RuleSet {
    files: Vec<usize>,
    rules: Rules,
}

/// One schema set of a pack.
#[derive(Debug)]
pub(super) struct Set {
    entry: Vec<String>,
    pub(super) schemas: Schemas,
    knowledge: Knowledge,
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
    /// The schemas it begins with, of all its sets.
    pub entry: Vec<String>,
    /// Schema sets: more than one where messages have sets of their own.
    pub sets: usize,
    /// Where a message says its version, if the pack names the place.
    pub version_at: Option<String>,
    /// The namespace of its messages.
    pub namespace: String,
    /// Its messages.
    pub messages: Vec<MessageInfo>,
    /// Schema documents; with several sets, those of all of them together.
    pub documents: usize,
    /// Global elements; counted likewise.
    pub elements: usize,
    /// Canonical version URIs of its code lists.
    pub code_lists: Vec<String>,
    /// Checks of its rule files; 0 where it has none. Where files are for some messages only, those
    /// of a file are counted in each combination in which files are asked.
    pub rule_checks: usize,
    /// Types of its messages that are rejections; empty where the pack defines none.
    pub rejections: Vec<String>,
    /// Elements and attributes whose values may be told in findings.
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

    /// Positions of the rule files that a message is asked about.
    fn rule_files(&self, message: &MessageInfo) -> Vec<usize> {
        let files = self.rules_for.iter().enumerate();
        let meant =
            files.filter(|(_, types)| types.is_empty() || types.contains(&message.message_type));
        meant.map(|(at, _)| at).collect()
    }

    /// Namespace, root and what tells it from others of the pack.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&str, &str, Option<&Mark>)> {
        self.messages.iter().zip(&self.known_by).map(|(message, known_by)| {
            let namespace = message.namespace.as_ref().unwrap_or(&self.namespace);
            (namespace.as_str(), message.root.as_str(), known_by.as_ref())
        })
    }

    /// The schemas that a message is checked with.
    pub(super) fn entry_of<'a>(&'a self, message: &'a MessageInfo) -> &'a [String] {
        if message.entry.is_empty() { &self.entry } else { &message.entry }
    }
}

impl Pack {
    pub(super) fn load(folder: &Path) -> Result<Self, PackFault> {
        let manifest = Manifest::parse(&fs::read_to_string(folder.join(MANIFEST))?)?;
        let catalog = manifest.catalog.as_deref();
        let mut sets: Vec<Set> = Vec::new();
        for message in &manifest.messages {
            let entry = manifest.entry_of(message);
            let known = sets.iter().position(|set| set.entry == entry);
            let index = known.unwrap_or(sets.len());
            if known.is_none() {
                let schemas = Schemas::load_amended(folder, entry, catalog, &manifest.tolerate)?;
                let unread = schemas.facts().unread.iter();
                let unread = unread.filter(|name| !manifest.left_out.contains(name));
                let unread: Vec<&str> = unread.map(String::as_str).collect();
                if !unread.is_empty() {
                    return Err(PackFault::Unread(unread.join(", ")));
                }
                let knowledge = schemas.knowledge(&manifest.characters);
                sets.push(Set { entry: entry.to_vec(), schemas, knowledge });
            }
            let namespace = message.namespace.as_deref().unwrap_or(&manifest.namespace);
            if !sets[index].schemas.declares(namespace, &message.root) {
                return Err(PackFault::NoSuchRoot(message.root.clone()));
            }
        }
        mark_harmless(&mut sets, &manifest.harmless)?;
        let mut code_lists = Vec::new();
        let mut lists = Lists::new(manifest.unknown_lists, manifest.unknown_versions);
        for entry in &manifest.code_lists {
            let fault = |cause| PackFault::CodeList { file: entry.file.clone(), cause };
            let list = CodeList::load(&folder.join(&entry.file)).map_err(fault)?;
            lists.add(&list, &entry.said).map_err(|what| fault(CodeListError::Use(what)))?;
            code_lists.push(list);
        }
        let mut types = manifest.characters.types.keys();
        let by_library = sets.iter().find_map(|set| set.schemas.facts().by_library.clone());
        if let (Some(why), false) = (by_library, types.len() == 0) {
            return Err(PackFault::TypesByLibrary(why));
        }
        let known = |name: &String| sets.iter().any(|set| set.schemas.has_simple_type(name));
        if let Some(name) = types.find(|name| !known(name)) {
            return Err(PackFault::NoSuchType(name.clone()));
        }
        let rules = rules(folder, &manifest)?;
        let folder_name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut pack =
            Self { folder: folder_name, manifest, sets, code_lists, lists, rules, rejection: None };
        pack.rejection = pack.load_rejection(folder)?;
        Ok(pack)
    }

    pub(super) fn knows(&self, namespace: &str) -> bool {
        self.manifest.namespaces().any(|known| known == namespace)
    }

    /// See [`super::PackSet::is_linear`].
    pub(super) fn is_linear(&self) -> bool {
        let compiled = |set: &Set| set.schemas.facts().by_library.is_none();
        self.rules.is_empty() && self.sets.iter().all(compiled)
    }

    /// Who is to judge a message of the pack.
    pub(super) fn judges<'a>(
        &'a self,
        message: &MessageInfo,
        used: &'a Used,
        arrival: Timestamp,
    ) -> Judge<'a> {
        let Set { schemas, knowledge, .. } = self.set_of(message);
        let policy = &self.manifest.characters;
        let watched = policy.all.is_some() || policy.nfc || knowledge.has_datatypes();
        let characters = watched.then(|| characters::Watch::new(policy));
        let codes = self.lists.watches().then(|| codelist::Watch::new(&self.lists, used));
        let files = self.manifest.rule_files(message);
        let rules = self.rules.iter().find(|set| set.files == files);
        let rules = rules.map(|set| (&set.rules, arrival));
        if characters.is_none() && codes.is_none() && rules.is_none() {
            return Judge::By(schemas);
        }
        let beside = Beside { knowledge, characters, codes, rules };
        Judge::With(schemas, Box::new(beside))
    }

    /// Its messages with this root: several only where each has a place that tells it.
    pub(super) fn messages<'a>(
        &'a self,
        root: &StartTag,
    ) -> impl Iterator<Item = (&'a MessageInfo, Option<&'a Mark>)> {
        let marks = self.manifest.known_by.iter().map(Option::as_ref);
        self.manifest.messages.iter().zip(marks).filter(|(message, _)| {
            let namespace = message.namespace.as_ref().unwrap_or(&self.manifest.namespace);
            root.is(namespace, &message.root)
        })
    }

    /// Whether it is in force for a message made at one time, if it says so, that came at another.
    pub(super) fn is_in_force(&self, created: Option<Timestamp>, arrival: Timestamp) -> bool {
        let created = created.filter(|_| self.manifest.header != HeaderForm::None);
        self.manifest.days.holds(self.decisive(created, arrival))
    }

    /// The set that judges a message of the table.
    fn set_of(&self, message: &MessageInfo) -> &Set {
        let entry = self.manifest.entry_of(message);
        self.sets.iter().find(|set| set.entry == entry).unwrap_or(&self.sets[0])
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
        let created = header.and_then(|header| instant(header.created.as_deref()?));
        let decisive = self.decisive(created, arrival);
        let named = header.filter(|_| self.manifest.type_agrees).zip(message);
        // Only of a valid message is it certain that the code stands where the schemas have it.
        let tells = checked.verdict == Verdict::Valid
            && message.is_some_and(|m| self.set_of(m).schemas.tells(&way_to_type(&m.root)));
        if let Some(finding) = named.and_then(|(h, m)| contradicting_type(h, m, tells)) {
            checked.verdict = Verdict::Invalid;
            checked.findings.push(finding);
        }
        if self.manifest.days.holds(decisive) {
            let expired = self.lists.judge(used, decisive);
            if !expired.is_empty() {
                checked.verdict = Verdict::Invalid;
                checked.findings.extend(expired);
            }
        } else {
            // That lists of the version ended with it is no fault of the message beside this one,
            // which comes first: beyond the limit nobody would see it.
            if checked.verdict == Verdict::Valid {
                checked.verdict = Verdict::NotInForce;
            }
            checked.findings.insert(0, self.not_in_force());
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
            namespace,
            messages,
            harmless,
            unconfirmed,
            left_out,
            tolerate,
            rejection,
            version_mark,
            version_named,
            ..
        } = self.manifest.clone();
        let facts = || self.sets.iter().map(|set| set.schemas.facts());
        let by_library = facts().find_map(|facts| facts.by_library.clone());
        PackInfo {
            folder: self.folder.clone(),
            standard,
            version,
            days,
            decided_by,
            window_days,
            header,
            entry: self.sets.iter().flat_map(|set| set.entry.iter().cloned()).collect(),
            sets: self.sets.len(),
            version_at: version_named.then(|| version_mark.to_string()),
            namespace,
            messages,
            documents: facts().map(|facts| facts.documents).sum(),
            elements: facts().map(|facts| facts.elements).sum(),
            code_lists: self.code_lists.iter().map(|l| l.canonical_version_uri.clone()).collect(),
            rule_checks: self.rules.iter().map(|set| set.rules.facts().checks).sum(),
            rejections: rejection.map_or_else(Vec::new, |rejection| rejection.types),
            harmless,
            unconfirmed,
            left_out,
            tolerated: tolerate,
            validated_by: if by_library.is_some() { "library" } else { "tables" },
            by_library,
        }
    }
}

/// Marks what is harmless in every set that has it; one at least must.
fn mark_harmless(sets: &mut [Set], names: &[String]) -> Result<(), NotHarmless> {
    if let [set] = sets {
        return set.schemas.mark_harmless(names);
    }
    let mut known = vec![false; names.len()];
    for set in sets {
        let mut here = Vec::new();
        for (name, known) in names.iter().zip(&mut known) {
            match set.schemas.mark_harmless(std::slice::from_ref(name)) {
                Ok(()) => {
                    *known = true;
                    here.push(name.clone());
                }
                Err(NotHarmless::Unknown(_)) => {}
                Err(other) => return Err(other),
            }
        }
        set.schemas.mark_harmless(&here)?;
    }
    match names.iter().zip(known).find(|(_, known)| !known) {
        Some((name, _)) => Err(NotHarmless::Unknown(name.clone())),
        None => Ok(()),
    }
}

/// Rule files of a pack, compiled. They lie inside its folder, as what they include does.
fn rules(folder: &Path, manifest: &Manifest) -> Result<Vec<RuleSet>, PackFault> {
    let mut sets: Vec<RuleSet> = Vec::new();
    if manifest.rules.is_empty() {
        return Ok(sets);
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
    for message in &manifest.messages {
        let files = manifest.rule_files(message);
        if !files.is_empty() && !sets.iter().any(|set| set.files == files) {
            let named: Vec<RuleFile> = files.iter().map(|at| manifest.rules[*at].clone()).collect();
            sets.push(RuleSet { files, rules: Rules::load(&named, &mut fetch)? });
        }
    }
    Ok(sets)
}

/// The way from the root to the type of message in the header.
fn way_to_type(root: &str) -> [&str; 5] {
    [root, HEADER, "identifikation.nachricht", "nachrichtentyp", "code"]
}

/// The header names another type of message than the root element is. Not every standard forbids
/// that, and real messages do it; so a pack says whether its standard does.
pub(super) fn contradicting_type(
    header: &HeaderFacts,
    message: &MessageInfo,
    tells: bool,
) -> Option<Finding> {
    let (said, place) = header.message_type.as_ref().zip(header.places.message_type)?;
    let finding = Finding::error(
        "message-type-contradiction",
        MANIFEST,
        "Der Nachrichtentyp im Nachrichtenkopf passt nicht zum Wurzelelement. Eines von beiden \
         berichtigen.",
        "The message type in the header does not fit the root element. Correct one of the two.",
    )
    .expecting(&message.message_type, &message.message_type);
    let finding = if tells { finding.found(said) } else { finding };
    let path = format!("/{}", way_to_type(&message.root).join("/"));
    (*said != message.message_type).then(|| finding.at(place.position, &path))
}
