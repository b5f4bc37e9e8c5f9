//! Standards as they are published become packs, without a network.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::import::{ImportError, Imported, Options, Refusal, import};
use amtsbote_schemas::pack::{HeaderForm, PackInfo, PackSet};
use amtsbote_schemas::validate::{Amendment, Verdict};
use amtsbote_schemas::xml::Limits;

/// The folder of real schemas, if it is there.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// One set: source, what it builds on, entries, namespaces left out.
struct Set {
    source: &'static str,
    with: &'static [&'static str],
    entry: &'static [&'static str],
    leave_out: &'static [&'static str],
}

const fn set(source: &'static str, with: &'static [&'static str]) -> Set {
    Set { source, with, entry: &[], leave_out: &[] }
}

const BASE: &str = "xoev-basis/basisnachricht-1.1";
const TYPES: &str = "xoev-basis/datentypen";
const W3C: &str = "osci-transport/1.2/extern";
const BILDUNG: &str = "xbildung/validator-artefacts";

const SETS: &[Set] = &[
    set("xmeld/2.4.3", &["_derived/xinneres-8-shim", BASE, TYPES]),
    set("xjustiz/3.6.2", &[]),
    set("xjustiz/3.2.1", &[]),
    set("xdomea/3.0.0", &[]),
    set("xdomea/2.4.0", &[]),
    set("xwasser/1.0.0/xsd", &[BASE, TYPES, W3C, "codelists/xwasser-1.0.0"]),
    set("xbeteiligung/1.2/xsd", &[]),
    Set { entry: &["xschule/1.2"], ..set(BILDUNG, &[]) },
    Set { entry: &["xhochschule/1.2"], ..set(BILDUNG, &[]) },
    Set {
        leave_out: &["http://uri.etsi.org/01903/v1.3.2#", "http://uri.etsi.org/01903/v1.4.1#"],
        ..set("_derived/ubl-2.1-xsd", &[W3C])
    },
    set("xrechnung/en16931-cii-xsd", &[]),
    set("xta/2.1.1", &[]),
];

fn run(corpus: &Path, set: &Set, into: &Path) -> Result<Imported, ImportError> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let options = Options {
        with: set.with.iter().map(|path| corpus.join(path)).collect(),
        entry: words(set.entry),
        leave_out: words(set.leave_out),
        valid_from: Some(jiff::civil::date(2000, 1, 1)),
        ..Options::default()
    };
    import(&corpus.join(set.source), into, &options)
}

/// What a set must give: standard, version, documents, elements, messages, code lists, header.
type Facts<'a> = (&'a str, &'a str, usize, usize, usize, usize, HeaderForm);

const EXPECTED: &[Facts<'_>] = &[
    ("XMeld", "2.4.3", 34, 123, 122, 0, HeaderForm::None),
    ("XJustiz", "3.6.2", 74, 151, 151, 0, HeaderForm::None),
    ("XJustiz", "3.2.1", 67, 122, 122, 0, HeaderForm::None),
    ("xdomea", "3.0.0", 21, 64, 64, 0, HeaderForm::None),
    ("xdomea", "2.4.0", 18, 47, 47, 0, HeaderForm::None),
    ("XWasser", "1.0.0", 14, 36, 12, 72, HeaderForm::G2gUnqualified),
    ("XBeteiligung", "1.2", 20, 140, 69, 0, HeaderForm::G2gUnqualified),
    ("XSchule", "1.2", 9, 29, 5, 0, HeaderForm::None),
    ("XHochschule", "1.2", 11, 32, 8, 0, HeaderForm::None),
    ("UBL", "2.1", 13, 1581, 2, 0, HeaderForm::None),
    ("CrossIndustryInvoice", "100.D16B", 4, 1, 1, 0, HeaderForm::None),
    ("XTA", "2.1.1", 14, 124, 34, 0, HeaderForm::None),
];

#[test]
fn real_standards_become_packs_and_judge_real_messages() {
    let Some(corpus) = corpus() else { return skipped::skipped("the corpus is not there") };
    let folder = tempfile::tempdir().expect("a folder");
    // Two versions of XJustiz have one namespace, and no attribute of the root tells them apart.
    let other = tempfile::tempdir().expect("a folder");
    for (set, expected) in SETS.iter().zip(EXPECTED) {
        let into = if set.source == "xjustiz/3.6.2" { &other } else { &folder };
        let made = run(&corpus, set, into.path());
        let pack =
            made.unwrap_or_else(|error| panic!("{} {:?}: {error}", set.source, set.entry)).pack;
        let PackInfo {
            standard, version, documents, elements, messages, code_lists, header, ..
        } = &pack;
        let lists = code_lists.len();
        let facts =
            (&**standard, &**version, *documents, *elements, messages.len(), lists, *header);
        assert_eq!(facts, *expected);
        assert_eq!(pack.by_library, None, "{}", set.source);
    }
    let packs = PackSet::load(folder.path()).expect("all load side by side");
    // The verdict of each real message is that of the specification.
    let table = fs::read_to_string(corpus.join("EXPECTED.tsv")).expect("the table");
    let arrival = "2026-01-01T00:00:00Z".parse().expect("an instant");
    let (mut judged, mut codes, mut differ) = (0, 0, Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, verdict, ..] = columns.as_slice() else { continue };
        let octets = fs::read(corpus.join(file)).expect("a message");
        let checked = packs.check(octets.as_slice(), arrival, &Limits::default(), &|| false);
        judged += 1;
        // The table knows schemas alone; two of the messages name codes that their list has not.
        let by_lists = checked.findings.iter().all(|finding| finding.code == "code-not-in-list");
        if checked.verdict == Verdict::Invalid && by_lists && *verdict == "valid" {
            codes += 1;
        } else if (checked.verdict == Verdict::Valid) != (*verdict == "valid") {
            differ.push(format!(
                "{file}: {:?}, {verdict}: {:?}",
                checked.verdict,
                checked.findings.first().map(|f| (f.code, &f.path))
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!((judged, codes), (145, 2));
}

/// The errata that the project publishes for OSCI-Transport 1.2.
#[derive(serde::Deserialize)]
struct Errata {
    tolerate: Vec<Amendment>,
}

#[test]
fn osci_loads_with_its_errata_named() {
    let Some(corpus) = corpus() else { return skipped::skipped("the corpus is not there") };
    let errata = Path::new(env!("CARGO_MANIFEST_DIR")).join("errata/osci-1.2.toml");
    let errata = fs::read_to_string(errata).expect("there");
    let errata: Errata = toml::from_str(&errata).expect("errata");
    let source = corpus.join("osci-transport/1.2");
    let golden = corpus.join("osci-transport/golden/xml");
    let names = fs::read_dir(&golden).expect("a folder");
    let names = names.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let messages: Vec<String> = names.collect();
    // 02-StoreDelivery.req.xml
    let told = |name: &str| {
        let kind = name.split(['-', '.']).nth(1).unwrap_or_default();
        if name.contains(".rsp.") { format!("ResponseTo{kind}") } else { kind.to_owned() }
    };
    let (mut failed, mut judged) = (Vec::new(), 0);
    let files = fs::read_dir(&source).expect("a folder");
    let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let mut files: Vec<String> = files.filter(|name| name.starts_with("soap")).collect();
    files.sort();
    assert_eq!(files.len(), 26);
    for file in files {
        // Each of them redefines the envelope for one message, so each is a pack of its own.
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = Options {
            entry: vec![file.clone()],
            standard: Some("OSCI-Transport".to_owned()),
            version: Some("1.2".to_owned()),
            valid_from: Some(jiff::civil::date(2002, 6, 1)),
            ..Options::default()
        };
        let strict = import(&source, folder.path(), &options).map_err(|error| error.kind);
        if file == "soapMessageFault.xsd" {
            assert!(strict.is_ok(), "the only one without an erratum");
            continue;
        }
        assert_eq!(strict.expect_err(&file), Refusal::NotLoaded, "{file}");
        options.tolerate = errata.tolerate.clone();
        match import(&source, folder.path(), &options) {
            Ok(made) => {
                assert!(!made.pack.tolerated.is_empty(), "{file}");
                assert_eq!(made.pack.by_library, None, "{file}");
            }
            Err(error) => failed.push(format!("{file}: {error}")),
        }
        let packs = PackSet::load(folder.path()).expect("it loads again");
        let kind = file.trim_start_matches("soap").trim_end_matches(".xsd");
        for message in messages.iter().filter(|name| told(name) == kind) {
            let octets = fs::read(golden.join(message)).expect("a message");
            let arrival = "2026-01-01T00:00:00Z".parse().expect("an instant");
            let limits = Limits::default();
            let checked = packs.check(octets.as_slice(), arrival, &limits, &|| false);
            assert_eq!(checked.verdict, Verdict::Valid, "{message}: {:?}", checked.findings);
            judged += 1;
            // Without the element that the message is about, it is none.
            let text = String::from_utf8(octets).expect("text");
            let broken = text.replacen("ControlBlock", "ControlBlok", 2);
            let checked = packs.check(broken.as_bytes(), arrival, &limits, &|| false);
            assert_eq!(checked.verdict, Verdict::Invalid, "{message}");
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(judged, 39);
}
