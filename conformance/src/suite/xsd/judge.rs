//! One set of schemas and the documents judged by it.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

use amtsbote_schemas::validate::{Checked, Schemas, Verdict};
use amtsbote_schemas::xml::{Event, Limits, Reader};

use super::case::{Case, Kind};

/// Time for one document by one judge.
const TIME_PER_DOCUMENT: Duration = Duration::from_secs(20);
/// Attributes of one element. The suite judges validity, and one document has 2,000 of them; the
/// reader's own limit has tests of its own.
const MAX_ATTRIBUTES: usize = 2_048;
/// The namespace of `xsi:schemaLocation`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A set of schemas and the cases that ask about it.
pub(super) struct Job {
    /// Its documents, from the folder of the suite.
    pub documents: Vec<String>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// What a judge says of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is valid; a schema: it loads.
    Valid,
    /// It is not.
    Invalid,
    /// It was not judged; why.
    Nothing(&'static str),
    /// A time limit was reached, or the judge failed.
    Failed,
}

impl Said {
    /// As the list of disagreements writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Nothing(_) => "not-judged",
            Self::Failed => "failed",
        }
    }
}

/// The answers for one case.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// What our tables say; the library's answer where the set goes by the library.
    pub ours: Said,
    /// What the library says.
    pub library: Said,
    /// The first finding of each, as far as there is one.
    pub why: String,
}

/// The answers for one set.
pub(super) struct Judged {
    /// The set was loaded, and why it goes by the library; or why it was refused.
    pub set: Result<Option<String>, String>,
    /// One for each case.
    pub answers: Vec<Answer>,
}

impl Judged {
    /// A set that never came back.
    pub(super) fn hanging(cases: usize) -> Self {
        let why = "no answer within the time limit".to_owned();
        let answer = Answer { ours: Said::Failed, library: Said::Failed, why: why.clone() };
        Self { set: Err(why), answers: vec![answer; cases] }
    }

    /// A set that does not load.
    pub(super) fn refused(why: &str, cases: usize) -> Self {
        let answer = Answer { ours: Said::Invalid, library: Said::Invalid, why: why.to_owned() };
        Self { set: Err(why.to_owned()), answers: vec![answer; cases] }
    }
}

/// Loads the set and asks it everything.
pub(super) fn judge(root: &Path, job: &Job) -> Judged {
    let schemas = Schemas::load_folder(root, &job.documents, None);
    let schemas = match schemas {
        Ok(schemas) => schemas,
        Err(error) => return refused(root, job, &error.to_string()),
    };
    let mut hinted = BTreeMap::new();
    let answers = job.cases.iter().map(|case| match case.kind {
        Kind::Schema => Answer { ours: Said::Valid, library: Said::Valid, why: String::new() },
        Kind::Instance => instance(root, case, Some(&schemas), &mut hinted),
    });
    Judged { answers: answers.collect(), set: Ok(schemas.facts().by_library.clone()) }
}

/// Sets with documents that an instance names, by those documents.
type Hinted = BTreeMap<Vec<String>, Option<Schemas>>;

/// The set is refused. So is nothing known of its documents, except where they name others.
fn refused(root: &Path, job: &Job, why: &str) -> Judged {
    let mut judged = Judged::refused(why, job.cases.len());
    for (case, answer) in job.cases.iter().zip(&mut judged.answers) {
        if case.kind == Kind::Instance {
            *answer = instance(root, case, None, &mut Hinted::new());
            if answer.why.is_empty() {
                why.clone_into(&mut answer.why);
            }
        }
    }
    judged
}

/// The suite counts on documents that `xsi:schemaLocation` names. Our validator never loads them,
/// so the runner puts them into the set beforehand, as an operator would. A set that does not load
/// with them is used without.
fn instance(root: &Path, case: &Case, schemas: Option<&Schemas>, hinted: &mut Hinted) -> Answer {
    let refused = Said::Nothing("its schema is refused");
    let nothing = Answer { ours: refused, library: refused, why: String::new() };
    let file = case.instance.as_deref().unwrap_or_default();
    let Ok(octets) = std::fs::read(root.join(file)) else {
        let absent = Said::Nothing("its document is not in the suite");
        return Answer { ours: absent, library: absent, why: String::new() };
    };
    let mut documents = case.schemas.clone();
    for location in locations(&octets) {
        let Some(document) = beside(file, &location) else { continue };
        if root.join(&document).is_file() && !documents.contains(&document) {
            documents.push(document);
        }
    }
    let mut schemas = schemas;
    if documents.len() > case.schemas.len() {
        let load = || Schemas::load_folder(root, &documents, None).ok();
        let more = hinted.entry(documents.clone()).or_insert_with(load);
        schemas = more.as_ref().or(schemas);
    }
    let Some(schemas) = schemas else { return nothing };
    let timed = |check: &dyn Fn(&dyn Fn() -> bool) -> Checked| {
        let began = Instant::now();
        check(&|| began.elapsed() > TIME_PER_DOCUMENT)
    };
    let limits = limits();
    let ours = timed(&|expired| schemas.check(&octets[..], &limits, expired));
    let library = timed(&|expired| schemas.check_by_library(&octets[..], &limits, expired));
    let mut why = first(&ours);
    if said(&library) != said(&ours) {
        why = format!("tables: {why}; library: {}", first(&library));
    }
    Answer { ours: said(&ours), library: said(&library), why }
}

fn limits() -> Limits {
    Limits { attributes: MAX_ATTRIBUTES, ..Limits::default() }
}

fn said(checked: &Checked) -> Said {
    match checked.verdict {
        Verdict::Valid => Said::Valid,
        Verdict::NotWellFormed => match checked.findings.first().map(|f| f.code) {
            Some("dtd") => Said::Nothing("it has a document type declaration"),
            Some("encoding" | "utf-16") => Said::Nothing("it is not in UTF-8"),
            Some("version") => Said::Nothing("it is XML 1.1"),
            _ => Said::Invalid,
        },
        Verdict::Invalid | Verdict::UnknownStandard | Verdict::NotInForce => Said::Invalid,
        Verdict::Error => Said::Failed,
    }
}

fn first(checked: &Checked) -> String {
    checked.findings.first().map_or_else(
        || checked.verdict.as_str().to_owned(),
        |f| format!("{} {}:{} {}", f.rule, f.line, f.column, f.message_en),
    )
}

/// What the document's `xsi:schemaLocation` and `xsi:noNamespaceSchemaLocation` name, in order.
fn locations(octets: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = Reader::new(octets, limits());
    // Where it is not well-formed the judge says so.
    while let Ok(event) = reader.next() {
        match event {
            Event::Start(tag) => {
                if let Some(pairs) = tag.attribute_ns(XSI, "schemaLocation") {
                    let odd = pairs.split_ascii_whitespace().skip(1).step_by(2);
                    found.extend(odd.map(str::to_owned));
                }
                let alone = tag.attribute_ns(XSI, "noNamespaceSchemaLocation");
                found.extend(alone.map(|location| location.trim().to_owned()));
            }
            Event::EndOfDocument => break,
            _ => {}
        }
    }
    found
}

/// A relative location from the folder of the suite, given the document it stands in.
fn beside(document: &str, location: &str) -> Option<String> {
    if location.is_empty() || location.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in Path::new(location).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_found_and_resolved() {
        let document = format!(
            "<a xmlns:i='{XSI}' i:schemaLocation='urn:a a.xsd\n urn:b ../b.xsd'>\
             <b i:noNamespaceSchemaLocation=' c.xsd '/></a>"
        );
        assert_eq!(locations(document.as_bytes()), ["a.xsd", "../b.xsd", "c.xsd"]);
        assert_eq!(beside("x/y/d.xml", "../b.xsd").as_deref(), Some("x/b.xsd"));
        assert_eq!(beside("x/y/d.xml", "./b.xsd").as_deref(), Some("x/y/b.xsd"));
        for elsewhere in ["http://example.test/b.xsd", "/etc/b.xsd", "../../../b.xsd", ""] {
            assert_eq!(beside("x/y/d.xml", elsewhere), None, "{elsewhere}");
        }
    }
}
