//! What the targets for documents do with an input. Kept apart from the fuzzer, so that a plain test
//! runs every seed through the same functions.

pub mod edits;

use std::convert::Infallible;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use amtsbote_domain::Timestamp;
use amtsbote_schemas::header::HeaderSink;
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Finding, Schemas, Verdict};
use amtsbote_schemas::xml::{DriveError, Limits, drive};
use amtsbote_wire::c14n::{Apex, Canonicalizer, Method};

use edits::{apply, reshape};

/// A schema with every construct that the tables know, and a message that is valid by it.
const EVERYTHING: (&str, &str) =
    (include_str!("samples/everything.xsd"), include_str!("samples/everything.xml"));
/// A small schema, so that one edit meets much of it.
const SMALL: (&str, &str) = (include_str!("samples/small.xsd"), include_str!("samples/small.xml"));
/// Documents that import, include and redefine each other; the first one leads to the others.
const PARTS: [(&str, &str); 4] = [
    ("s.xsd", include_str!("samples/parts.xsd")),
    ("included.xsd", include_str!("samples/included.xsd")),
    ("redefined.xsd", include_str!("samples/redefined.xsd")),
    ("imported.xsd", include_str!("samples/imported.xsd")),
];
const PARTS_MESSAGE: &str = include_str!("samples/parts.xml");

/// The folder of our own packs.
fn packs() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.find_map(|folder| {
        let packs = folder.join("schemas/packs");
        packs.is_dir().then_some(packs)
    });
    found.expect("the checkout")
}

fn canonical(input: impl std::io::BufRead) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    let mut sink = (
        HeaderSink::default(),
        Canonicalizer::new(Method::EXCLUSIVE, Apex::Document, |piece: &[u8]| {
            out.extend_from_slice(piece);
        }),
    );
    let read: Result<(), DriveError<Infallible>> =
        drive::<(HeaderSink, _)>(input, &Limits::default(), &mut sink);
    let (header, mut canonicalizer) = sink;
    let _facts = header.into_facts();
    canonicalizer.flush();
    match read {
        Ok(()) => Ok(out),
        Err(DriveError::Xml(error)) => Err(error.code()),
        Err(DriveError::Sink(never)) => match never {},
    }
}

/// Any bytes: the reader answers, and canonical XML of what it accepts is accepted again and is its
/// own canonical form. How the input is cut into pieces changes nothing.
pub fn xml(octets: &[u8]) {
    let once = canonical(octets);
    let piece = 1 + octets.len() % 13;
    assert_eq!(once, canonical(BufReader::with_capacity(piece, octets)), "pieces of {piece}");
    if let Ok(once) = once {
        let twice = canonical(&once[..]);
        assert_eq!(Ok(once), twice, "canonical XML is its own canonical form");
    }
}

static PACKS: LazyLock<(PackSet, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let set = PackSet::load(&packs()).expect("our own packs load");
    let mut samples = Vec::new();
    for version in ["xummeldung-1.0", "xummeldung-1.1"] {
        for name in ["mitteilung-familie.xml", "antwort.xml", "rueckweisung.xml"] {
            let file = packs().join(version).join("samples/valid").join(name);
            samples.push(fs::read(file).expect("a sample"));
        }
    }
    (set, samples)
});

/// Any bytes as a message, and, where the first octet is no beginning of one, edits of a sample: our
/// own packs judge it (schema, code lists, characters) within their limits, without a panic.
pub fn pack(octets: &[u8]) {
    let (set, samples) = &*PACKS;
    let message = match octets.split_first() {
        Some((choice @ 0..=8, program)) => {
            reshape(&samples[usize::from(*choice) % samples.len()], program)
        }
        _ => octets.to_vec(),
    };
    let arrival: Timestamp = "2026-11-23T00:00:00Z".parse().expect("an instant");
    let checked = set.check(&message[..], arrival, &Limits::default(), &|| false);
    assert_eq!(checked.verdict == Verdict::Valid, checked.findings.is_empty());
}

/// Files of schemas, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn with<'t>(files: impl IntoIterator<Item = (&'t str, &'t [u8])>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("amtsbote-fuzz-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).expect("a folder");
        for (name, text) in files {
            fs::write(folder.0.join(name), text).expect("written");
        }
        folder
    }

    fn load(&self) -> Option<Schemas> {
        Schemas::load_folder(&self.0, &["s.xsd".to_owned()], None).ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// Rules that the library does not see broken in every case: an abstract type named by `xsi:type` where
/// nothing is declared (Structures 3.4.4, cvc-type, 2), white space in a nilled element (3.3.4, 3.2.1)
/// and in content that is an empty group (3.4.2), elements beside a fixed value (3.3.4, 5.2.2.1).
const OVERLOOKED: [&str; 4] =
    ["cvc-type.2", "cvc-elt.3.2.1", "cvc-complex-type.2.1", "cvc-elt.5.2.2.1"];

/// Whether the library is known to overlook this: one of those rules, or the element of the sample that a type between its own and the head's keeps out of the
/// substitution group (3.3.6, Substitution Group OK (Transitive), 2.3).
fn overlooked(finding: &Finding) -> bool {
    let last = finding.path.rsplit('/').next().unwrap_or_default();
    match &*finding.rule {
        "cvc-complex-type.2.4" => last.split('[').next() == Some("barred"),
        rule => OVERLOOKED.contains(&rule),
    }
}

/// Tables and library come to one verdict.
fn agree(schemas: &Schemas, message: &[u8]) {
    let ours = schemas.check(message, &Limits::default(), &|| false);
    assert_eq!(ours.verdict == Verdict::Valid, ours.findings.is_empty());
    let theirs = schemas.check_by_library(message, &Limits::default(), &|| false);
    // The library refuses a default that is valid by the actual type, but another value there; 3.3.4,
    // 5.1.1 does not.
    let refused = |finding: &Finding| finding.rule == "cvc-elt.5.1.1";
    let known = match ours.verdict {
        Verdict::Valid => theirs.findings.iter().all(refused),
        Verdict::Invalid => {
            theirs.verdict == Verdict::Valid && ours.findings.iter().all(overlooked)
        }
        _ => false,
    };
    // A limit of the library's own is no verdict.
    if theirs.verdict != Verdict::Error && ours.verdict != theirs.verdict && !known {
        let (ours, theirs) = (&ours.findings, &theirs.findings);
        let message = String::from_utf8_lossy(message);
        panic!("the tables find {ours:?}, the library {theirs:?} in {message}");
    }
}

fn edited(structure: bool, original: &[u8], program: &[u8]) -> Vec<u8> {
    if structure { reshape(original, program) } else { apply(original, program) }
}

/// Any edit of a schema, and of a message for it: loading, compiling and judging come to an end, and
/// what the tables say is what the library says of the same set.
///
/// The first octet chooses the schema (bits 0 and 1), the document of a set that is edited (bits 2
/// and 3) and how schema (bit 4) and message (bit 5) are edited; the second says how much of the
/// rest is for the schema.
pub fn schema(octets: &[u8]) {
    let [choice, cut, rest @ ..] = octets else { return };
    let (program, rest) = rest.split_at(usize::from(*cut).min(rest.len()));
    let (schema_octets, message_octets) = (choice & 16 != 0, choice & 32 != 0);
    let one = |schema: &str| vec![("s.xsd", edited(!schema_octets, schema.as_bytes(), program))];
    let (files, message) = match choice % 4 {
        0 | 1 => (one(EVERYTHING.0), EVERYTHING.1),
        2 => (one(SMALL.0), SMALL.1),
        _ => {
            let at = usize::from(choice >> 2 & 3);
            let file = |(n, (name, text)): (usize, &(&'static str, &str))| {
                let program = if n == at { program } else { &[] };
                (*name, edited(!schema_octets, text.as_bytes(), program))
            };
            (PARTS.iter().enumerate().map(file).collect(), PARTS_MESSAGE)
        }
    };
    let folder = Folder::with(files.iter().map(|(name, text)| (*name, text.as_slice())));
    let Some(schemas) = folder.load() else { return };
    agree(&schemas, &edited(!message_octets, message.as_bytes(), rest));
}

static SCHEMAS: LazyLock<[(Schemas, Vec<u8>); 2]> = LazyLock::new(|| {
    let pack = packs().join("xummeldung-1.1");
    let ours = Schemas::load_folder(&pack, &["ummeldung.xsd".to_owned()], None);
    let ours = ours.expect("our own pack loads");
    let message = fs::read(pack.join("samples/valid/mitteilung-familie.xml")).expect("a sample");
    let everything = Folder::with([("s.xsd", EVERYTHING.0.as_bytes())]).load().expect("loads");
    let both = [(ours, message), (everything, EVERYTHING.1.as_bytes().to_vec())];
    for (schemas, message) in &both {
        assert_eq!(schemas.facts().by_library, None, "all of it is in the tables");
        let checked = schemas.check(&message[..], &Limits::default(), &|| false);
        assert_eq!(checked.verdict, Verdict::Valid, "{:?}", checked.findings);
    }
    both
});

/// Any bytes, and any edit of a valid message: tables and library come to one verdict.
///
/// Of the first octet bit 0 says that the rest is a message; else it edits one, by octets or, with
/// bit 2, by elements. Bit 1 chooses the schema of everything instead of our pack's.
pub fn validator(octets: &[u8]) {
    let Some((choice, rest)) = octets.split_first() else { return };
    let (schemas, message) = &SCHEMAS[usize::from(choice >> 1 & 1)];
    match choice & 1 {
        0 => agree(schemas, &edited(choice & 4 != 0, message, rest)),
        _ => agree(schemas, rest),
    }
}
