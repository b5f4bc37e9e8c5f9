//! Standards as they are published become packs, without a network.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::import::{Imported, Options, Refusal, import};
use amtsbote_schemas::pack::{HeaderForm, PackInfo, PackSet};
use amtsbote_schemas::validate::{Amendment, Checked, Severity, Verdict};
use amtsbote_schemas::xml::Limits;

/// The folder of real schemas, if it is there.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// One set: source, what it builds on, entries, namespaces left out, name and
/// version where the schemas do not say them.
struct Set {
    source: &'static str,
    with: &'static [&'static str],
    entry: &'static [&'static str],
    leave_out: &'static [&'static str],
    named: Option<(&'static str, &'static str)>,
}

const fn set(source: &'static str, with: &'static [&'static str]) -> Set {
    Set { source, with, entry: &[], leave_out: &[], named: None }
}

const BASE: &str = "xoev-basis/basisnachricht-1.1";
const TYPES: &str = "xoev-basis/datentypen";
const W3C: &str = "osci-transport/1.2/extern";
const XRECHNUNG: &str = "xrechnung/schematron";
const EN16931: &str = "xrechnung/en16931-schematron";
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
        ..set("_derived/ubl-2.1-xsd", &[W3C, XRECHNUNG, EN16931])
    },
    set("xrechnung/en16931-cii-xsd", &[XRECHNUNG, EN16931]),
    set("xta/2.1.1", &[]),
    Set { named: Some(("OSCI-Transport", "1.2")), ..set("osci-transport/1.2", &[]) },
];

/// The errata that the project publishes for OSCI-Transport 1.2.
#[derive(serde::Deserialize)]
struct Errata {
    tolerate: Vec<Amendment>,
}

fn errata() -> Vec<Amendment> {
    let errata = Path::new(env!("CARGO_MANIFEST_DIR")).join("errata/osci-1.2.toml");
    let errata = fs::read_to_string(errata).expect("there");
    toml::from_str::<Errata>(&errata).expect("errata").tolerate
}

fn options(corpus: &Path, set: &Set) -> Options {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Options {
        with: set.with.iter().map(|path| corpus.join(path)).collect(),
        entry: words(set.entry),
        leave_out: words(set.leave_out),
        standard: set.named.map(|(name, _)| name.to_owned()),
        version: set.named.map(|(_, version)| version.to_owned()),
        // Those of documents that are not there are left out.
        tolerate: errata(),
        valid_from: Some(jiff::civil::date(2000, 1, 1)),
        ..Options::default()
    }
}

/// What a set must give: standard, version, schema sets, documents, elements, messages, code lists,
/// rule files, header.
type Facts<'a> = (&'a str, &'a str, usize, usize, usize, usize, usize, usize, HeaderForm);

const EXPECTED: &[Facts<'_>] = &[
    ("XMeld", "2.4.3", 1, 34, 123, 122, 0, 0, HeaderForm::None),
    ("XJustiz", "3.6.2", 1, 74, 151, 151, 0, 18, HeaderForm::None),
    ("XJustiz", "3.2.1", 1, 67, 122, 122, 0, 13, HeaderForm::None),
    ("xdomea", "3.0.0", 1, 21, 64, 64, 0, 0, HeaderForm::None),
    ("xdomea", "2.4.0", 1, 18, 47, 47, 0, 0, HeaderForm::None),
    ("XWasser", "1.0.0", 1, 14, 36, 12, 72, 0, HeaderForm::G2gUnqualified),
    ("XBeteiligung", "1.2", 1, 20, 140, 69, 0, 0, HeaderForm::G2gUnqualified),
    ("XSchule", "1.2", 1, 9, 29, 5, 0, 1, HeaderForm::None),
    ("XHochschule", "1.2", 1, 11, 32, 8, 0, 1, HeaderForm::None),
    ("UBL", "2.1", 1, 13, 1581, 2, 0, 2, HeaderForm::None),
    ("CrossIndustryInvoice", "100.D16B", 1, 4, 1, 1, 0, 2, HeaderForm::None),
    ("XTA", "2.1.1", 1, 14, 124, 34, 0, 0, HeaderForm::None),
    ("OSCI-Transport", "1.2", 26, 306, 1290, 26, 0, 0, HeaderForm::None),
];

/// All standards of the corpus in one folder, loaded together: real messages get the verdict of the
/// specification from the pack, the version and the schema set that they belong to.
#[test]
fn real_standards_become_packs_and_judge_real_messages() {
    let Some(corpus) = corpus() else { return skipped::skipped("the corpus is not there") };
    let folder = tempfile::tempdir().expect("a folder");
    for (set, expected) in SETS.iter().zip(EXPECTED) {
        let made = import(&corpus.join(set.source), folder.path(), &options(&corpus, set));
        let made = made.unwrap_or_else(|error| panic!("{} {:?}: {error}", set.source, set.entry));
        let PackInfo {
            standard,
            version,
            sets,
            documents,
            elements,
            messages,
            code_lists,
            header,
            ..
        } = &made.pack;
        let (lists, rules) = (code_lists.len(), made.rules.len());
        let facts = (
            &**standard,
            &**version,
            *sets,
            *documents,
            *elements,
            messages.len(),
            lists,
            rules,
            *header,
        );
        assert_eq!(facts, *expected);
        assert_eq!(made.pack.by_library, None, "{}", set.source);
        let version_at = (standard == "XJustiz").then_some("nachrichtenkopf/@xjustizVersion");
        assert_eq!(made.pack.version_at.as_deref(), version_at, "{standard}");
        assert_eq!(made.pack.tolerated.is_empty(), standard != "OSCI-Transport", "{standard}");
        assert_eq!(made.pack.rule_checks == 0, rules == 0, "{standard}");
        if set.source == "xjustiz/3.2.1" {
            confirm(&made);
        }
    }
    let packs = PackSet::load(folder.path()).expect("all load side by side");
    judges_the_table(&packs, &corpus);
    judges_osci(&packs, &corpus);
    tells_versions_of_xjustiz(&packs, &corpus);
}

/// What a person does with `rules` under `unconfirmed`: this one rule file names no message of its
/// part, and so is written as for all of them.
fn confirm(made: &Imported) {
    let file = made.path.join("pack.toml");
    let text = fs::read_to_string(&file).expect("there");
    let types = made.pack.messages.iter().map(|message| message.message_type.as_str());
    let types: Vec<&str> = types.filter(|number| number.starts_with("26")).collect();
    let open = "zvstr_1_0.sch\"\n# messages = []  # CONFIRM: for all messages\n";
    assert!(text.contains(open) && !types.is_empty());
    let text = text.replace(open, &format!("zvstr_1_0.sch\"\nmessages = {types:?}\n"));
    fs::write(file, text).expect("written");
}

fn check(packs: &PackSet, octets: &[u8]) -> Checked {
    // The code lists of XWasser say of themselves that they apply from 1 May 2026.
    let arrival = "2026-07-01T00:00:00Z".parse().expect("an instant");
    packs.check(octets, arrival, &Limits::default(), &|| false)
}

/// Messages that their schema allows and a code list or rule does not: folder, code, how many.
const BEYOND: &[(&str, &str, i32)] =
    &[("xrechnung", "rule-broken", 2), ("xwasser", "code-not-in-list", 2)];

/// The table knows schemas alone; lists and rules may find more.
fn judges_the_table(packs: &PackSet, corpus: &Path) {
    let table = fs::read_to_string(corpus.join("EXPECTED.tsv")).expect("the table");
    let (mut judged, mut beyond, mut differ) = (0, BTreeMap::new(), Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _, verdict, ..] = columns.as_slice() else { continue };
        let checked = check(packs, &fs::read(corpus.join(file)).expect("a message"));
        judged += 1;
        let errors = checked.findings.iter().filter(|one| one.severity == Severity::Error);
        let codes: BTreeSet<&str> = errors.map(|finding| finding.code).collect();
        let only = codes.first().copied().filter(|_| codes.len() == 1).unwrap_or_default();
        let is_beyond = matches!(only, "code-not-in-list" | "rule-broken");
        if checked.verdict == Verdict::Invalid && is_beyond && *verdict == "valid" {
            let home = file.split('/').next().unwrap_or_default().to_owned();
            *beyond.entry((home, only)).or_insert(0) += 1;
        } else if (checked.verdict == Verdict::Valid) != (*verdict == "valid") {
            differ.push(format!(
                "{file}: {:?}, {verdict}: {:?}",
                checked.verdict,
                checked.findings.first().map(|f| (f.code, &f.path))
            ));
        }
        let told = checked.standard.is_some() && checked.message_type.is_some();
        assert!(told, "{file}: {:?}", checked.findings);
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    let counted: Vec<(&str, &str, i32)> =
        beyond.iter().map(|((home, code), count)| (&**home, *code, *count)).collect();
    assert_eq!(counted, BEYOND);
    assert_eq!(judged, 145);
}

/// Each message finds the schema set of its order by an element that only this order has.
fn judges_osci(packs: &PackSet, corpus: &Path) {
    let golden = corpus.join("osci-transport/golden/xml");
    let mut kinds = BTreeSet::new();
    let mut judged = 0;
    for file in fs::read_dir(&golden).expect("a folder") {
        let path = file.expect("a file").path();
        // 02-StoreDelivery.req.xml
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let kind = name.split(['-', '.']).nth(1).unwrap_or_default();
        let answer = if name.contains(".rsp.") { "ResponseTo" } else { "" };
        let kind = format!("{answer}{kind}");
        let octets = fs::read(path).expect("a message");
        let checked = check(packs, &octets);
        assert_eq!(checked.verdict, Verdict::Valid, "{name}: {:?}", checked.findings);
        assert_eq!(checked.message_type.as_deref(), Some(&*kind), "{name}");
        // Without the element that every message must have, it is none.
        let text = String::from_utf8(octets).expect("text");
        let broken = check(packs, text.replacen("ControlBlock", "ControlBlok", 2).as_bytes());
        assert_eq!(broken.verdict, Verdict::Invalid, "{name}");
        assert_eq!(broken.message_type.as_deref(), Some(&*kind), "{name}");
        kinds.insert(kind);
        judged += 1;
    }
    assert_eq!((judged, kinds.len()), (39, 20));
    let nothing = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body/>\
                   </e:Envelope>";
    let checked = check(packs, nothing.as_bytes());
    assert_eq!(checked.verdict, Verdict::Invalid);
    assert_eq!(checked.findings[0].code, "message-type-unknown");
    assert_eq!(checked.standard.as_deref(), Some("OSCI-Transport"));
}

/// Both versions have one namespace and the same roots; an attribute of the header tells them.
fn tells_versions_of_xjustiz(packs: &PackSet, corpus: &Path) {
    let file = corpus.join("xjustiz/messages/xjustiz_nachricht_eeb1_v3_2.xml");
    let message = fs::read_to_string(file).expect("a message");
    let with = |version: &str| {
        let text = message.replace("xjustizVersion=\"3.2.1\"", version);
        assert!(version.contains("3.2.1") || text != message);
        let checked = check(packs, text.as_bytes());
        (checked.version, checked.verdict, checked.findings.first().map(|finding| finding.code))
    };
    let version = |version: &str| Some(version.to_owned());
    let good = (version("3.2.1"), Verdict::Valid, None);
    assert_eq!(with("xjustizVersion=\"3.2.1\""), good);
    let newer = with("xjustizVersion=\"3.6.2\"");
    assert_eq!((newer.0, newer.1), (version("3.6.2"), Verdict::Invalid));
    assert_ne!(newer.2, Some("value-not-fixed"), "judged by its own version");
    let unknown = (None, Verdict::UnknownStandard, Some("version-unknown"));
    assert_eq!(with("xjustizVersion=\"3.5.1\""), unknown);
    // Both are in force, and nothing else tells them.
    assert_eq!(with(""), (None, Verdict::Invalid, Some("version-unclear")));
}

/// Without the errata the official files are refused, and the rule that they break is named.
#[test]
fn osci_does_not_load_without_its_errata() {
    let Some(corpus) = corpus() else { return skipped::skipped("the corpus is not there") };
    let folder = tempfile::tempdir().expect("a folder");
    let set = SETS.last().expect("OSCI");
    let strict = Options { tolerate: Vec::new(), ..options(&corpus, set) };
    let error = import(&corpus.join(set.source), folder.path(), &strict).expect_err("refused");
    assert_eq!(error.kind, Refusal::NotLoaded, "{error}");
    let broken = ["cos-nonambig", "derivation-ok-restriction"];
    assert!(broken.iter().any(|rule| error.message_en.contains(rule)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}
