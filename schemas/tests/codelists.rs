//! Codes looked up in the lists of a pack: XÖV codes of types 1 to 4, several key columns, versions
//! of limited time, files that are no lists.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Finding, Verdict};
use amtsbote_schemas::xml::Limits;

const SCHEMA: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:probe"
    targetNamespace="urn:probe">
  <xs:complexType name="Code"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence><xs:attribute name="listURI" type="xs:anyURI"/>
    <xs:attribute name="listVersionID" type="xs:normalizedString"/></xs:complexType>
  <xs:complexType name="Two"><xs:complexContent><xs:restriction base="p:Code"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence><xs:attribute name="listURI" type="xs:anyURI" fixed="urn:list:farbe"/>
    <xs:attribute name="listVersionID" type="xs:normalizedString" fixed="1"/>
  </xs:restriction></xs:complexContent></xs:complexType>
  <xs:complexType name="One"><xs:complexContent><xs:restriction base="p:Two"><xs:sequence>
    <xs:element name="code"><xs:simpleType><xs:restriction base="xs:token">
      <xs:enumeration value="rot"/><xs:enumeration value="grün"/></xs:restriction></xs:simpleType>
    </xs:element><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:restriction></xs:complexContent></xs:complexType>
  <xs:complexType name="Three"><xs:complexContent><xs:restriction base="p:Code"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence><xs:attribute name="listURI" type="xs:anyURI" fixed="urn:list:farbe"/>
    <xs:attribute name="listVersionID" type="xs:normalizedString"/>
  </xs:restriction></xs:complexContent></xs:complexType>
  <xs:complexType name="Elsewhere"><xs:complexContent><xs:restriction base="p:Code"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence><xs:attribute name="listURI" type="xs:anyURI" fixed="urn:list:anderswo"/>
  </xs:restriction></xs:complexContent></xs:complexType>
  <xs:element name="probe"><xs:complexType><xs:choice maxOccurs="unbounded">
    <xs:element name="one" type="p:One"/><xs:element name="two" type="p:Two"/>
    <xs:element name="three" type="p:Three"/><xs:element name="four" type="p:Code"/>
    <xs:element name="elsewhere" type="p:Elsewhere"/>
    <xs:element name="free"><xs:complexType><xs:sequence>
      <xs:any processContents="skip"/></xs:sequence></xs:complexType></xs:element>
  </xs:choice></xs:complexType></xs:element>
</xs:schema>"#;

const PACK: &str = r#"
standard = "XProbe"
version = "1"
valid_from = 2026-01-01
decided_by = "arrived"
header = "none"
entry = ["probe.xsd"]
namespace = "urn:probe"
code_lists = ["farbe_1.xml", { file = "farbe_2.xml", key = "code", valid_until = 2026-06-30 }]
#unknown
[[message]]
root = "probe"
type = "1"
name = "Probe"
"#;

/// A list with two keys: `code` and `alt`.
fn list(version: &str, rows: &[(&str, &str)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(code, alt)| {
            format!(
                "<Row><Value ColumnRef='code'><SimpleValue>{code}</SimpleValue></Value>
                 <Value ColumnRef='alt'><SimpleValue>{alt}</SimpleValue></Value></Row>"
            )
        })
        .collect();
    format!(
        "<gc:CodeList xmlns:gc='http://docs.oasis-open.org/codelist/ns/genericode/1.0/'>
         <Identification><ShortName>farbe</ShortName><Version>{version}</Version>
         <CanonicalUri>urn:list:farbe</CanonicalUri>
         <CanonicalVersionUri>urn:list:farbe_{version}</CanonicalVersionUri></Identification>
         <ColumnSet><Column Id='code' Use='required'/><Column Id='alt' Use='required'/>
         <Key Id='k1'><ColumnRef Ref='code'/></Key><Key Id='k2'><ColumnRef Ref='alt'/></Key>
         </ColumnSet><SimpleCodeList>{rows}</SimpleCodeList></gc:CodeList>"
    )
}

fn pack(root: &Path, manifest: &str) {
    let folder = root.join("probe");
    fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
    write("pack.toml", manifest);
    write("probe.xsd", SCHEMA);
    write("farbe_1.xml", &list("1", &[("rot", "1"), ("grün", "2")]));
    write("farbe_2.xml", &list("2", &[("rot", "1"), ("dunkel blau", "3")]));
}

fn load(manifest: &str) -> PackSet {
    let root = tempfile::tempdir().expect("a folder");
    pack(root.path(), manifest);
    PackSet::load(root.path()).expect("loads")
}

fn check(packs: &PackSet, content: &str, arrival: &str) -> Checked {
    let message = format!("<p:probe xmlns:p='urn:probe'>{content}</p:probe>");
    let arrival = arrival.parse().expect("an instant");
    packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false)
}

const MARCH: &str = "2026-03-01T08:00:00Z";
const JULY: &str = "2026-07-01T08:00:00Z";

fn codes(checked: &Checked) -> Vec<(&'static str, &str)> {
    checked.findings.iter().map(|one: &Finding| (one.code, one.path.as_str())).collect()
}

#[test]
fn codes_of_all_four_types_are_looked_up() {
    let strict = PACK.replace("#unknown", "unknown_lists = \"finding\"");
    let (strict, lenient) = (load(&strict), load(PACK));
    let good = [
        "<one><code>rot</code></one>",
        "<two><code> rot </code><name>Rot</name></two>",
        "<two listURI='urn:list:farbe' listVersionID='1'><code>2</code></two>",
        "<three listVersionID='1'><code>grün</code></three>",
        "<three listVersionID='2'><code>dunkel <!-- --> blau</code></three>",
        "<four listURI='urn:list:farbe' listVersionID='1'><code><![CDATA[rot]]></code></four>",
        "<free><x listURI='urn:list:farbe' listVersionID='1'><code>rot</code></x></free>",
    ];
    for content in good.iter().copied().chain([&*good.concat()]) {
        for packs in [&strict, &lenient] {
            let checked = check(packs, content, MARCH);
            assert_eq!(checked.verdict, Verdict::Valid, "{content}: {:?}", checked.findings);
        }
    }
    for (content, code, path, always) in [
        ("<one><code>1</code></one>", "value-not-in-list", "/probe/one/code", true),
        ("<two><code>blau</code></two>", "code-not-in-list", "/probe/two/code", true),
        ("<three><code>rot</code></three>", "codelist-version-not-named", "/probe/three", true),
        (
            "<three listVersionID=''><code>rot</code></three>",
            "codelist-version-not-named",
            "/probe/three",
            true,
        ),
        (
            "<three listVersionID='2'><code>3</code></three>",
            "code-not-in-list",
            "/probe/three/code",
            true,
        ),
        (
            "<three listVersionID='9'><code>rot</code></three>",
            "codelist-version-unknown",
            "/probe/three",
            true,
        ),
        (
            "<four listURI='urn:list:farbe' listVersionID='1'><code/></four>",
            "code-not-in-list",
            "/probe/four/code",
            true,
        ),
        ("<four><code>rot</code></four>", "codelist-not-named", "/probe/four", false),
        ("<elsewhere><code>1</code></elsewhere>", "codelist-unknown", "/probe/elsewhere", false),
        (
            "<four listURI='urn:list:fremd'><code>rot</code></four>",
            "codelist-unknown",
            "/probe/four",
            false,
        ),
    ] {
        let checked = check(&strict, content, MARCH);
        assert_eq!(checked.verdict, Verdict::Invalid, "{content}");
        assert_eq!(codes(&checked), [(code, path)], "{content}");
        assert!(checked.findings[0].line == 1 && checked.findings[0].column > 1, "{content}");
        let expected = if always { Verdict::Invalid } else { Verdict::Valid };
        assert_eq!(check(&lenient, content, MARCH).verdict, expected, "{content}");
    }
}

#[test]
fn a_version_of_limited_time_expires_at_midnight_in_germany() {
    let packs = load(PACK);
    let content = "<three listVersionID='2'><code>rot</code></three>".repeat(3);
    assert_eq!(check(&packs, &content, "2026-06-30T21:59:59Z").verdict, Verdict::Valid);
    let checked = check(&packs, &content, "2026-06-30T22:00:00Z");
    assert_eq!(checked.verdict, Verdict::Invalid);
    assert_eq!(codes(&checked), [("codelist-version-not-in-force", "/probe/three")]);
    let text = &checked.findings[0].message_de;
    assert!(text.contains("urn:list:farbe") && text.contains("bis 2026-06-30"), "{text}");
    let other = "<three listVersionID='1'><code>rot</code></three>";
    assert_eq!(check(&packs, other, JULY).verdict, Verdict::Valid, "the other one has no end");
}

/// P7: lists that the schema or the pack names are told, what the message wrote is not.
#[test]
fn no_value_of_a_message_comes_out() {
    let packs = load(&PACK.replace("#unknown", "unknown_lists = \"finding\""));
    for content in [
        "<two><code>Kanari</code></two>",
        "<three listVersionID='Kanari'><code>rot</code></three>",
        "<four listURI='urn:Kanari' listVersionID='Kanari'><code>Kanari</code></four>",
        "<elsewhere listVersionID='Kanari'><code>Kanari</code></elsewhere>",
    ] {
        let checked = check(&packs, content, JULY);
        assert_eq!(checked.findings.len(), 1, "{content}");
        assert!(!format!("{:?}", checked.findings).contains("Kanari"), "{content}");
    }
}

#[test]
fn what_is_no_list_or_used_wrongly_is_refused_at_load() {
    let root = tempfile::tempdir().expect("a folder");
    let refused = |file: &str, text: &str, from: &str, to: &str, part: &str| {
        pack(root.path(), &PACK.replace(from, to));
        if !file.is_empty() {
            fs::write(root.path().join("probe").join(file), text).expect("written");
        }
        let error = PackSet::load(root.path()).expect_err(part).to_string();
        assert!(error.contains(part) && error.contains("probe"), "{part}: {error}");
    };
    let page = "<!DOCTYPE html><html><body>Seite nicht gefunden<br></body></html>";
    refused("farbe_1.xml", page, "", "", "farbe_1.xml: this is no code list in genericode 1.0");
    refused("farbe_1.xml", "{\"error\":404}", "", "", "this is no code list");
    refused("farbe_1.xml", "<html/>", "", "", "but <html>");
    refused("farbe_2.xml", &list("1", &[]), "", "", "already");
    refused("", "", "key = \"code\"", "key = \"name\"", "no key of the list");
    refused("", "", "key = \"code\"", "kee = \"code\"", "did you mean 'key'");
    refused("", "", "{ file = \"farbe_2.xml\",", "{", "without file");
    refused("", "", "\"farbe_2.xml\"", "\"../farbe_2.xml\"", "inside the folder");
    refused("", "", "2026-06-30 }", "\"bald\" }", "are days");
    refused("", "", "#unknown", "unknown_lists = \"maybe\"", "\"finding\" or \"pass\"");
}

/// A list as long as that of all municipalities: as many codes as it has rows, in one message.
#[test]
fn a_long_list_costs_no_more_than_a_short_one() {
    let root = tempfile::tempdir().expect("a folder");
    pack(root.path(), PACK);
    let rows: Vec<(String, String)> =
        (0..10_000).map(|n| (format!("{n:08}"), format!("A{n:07}"))).collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    fs::write(root.path().join("probe/farbe_1.xml"), list("1", &rows)).expect("written");
    let packs = PackSet::load(root.path()).expect("loads");
    let content: String = rows
        .iter()
        .map(|(code, _)| format!("<three listVersionID='1'><code>{code}</code></three>"))
        .collect();
    assert_eq!(check(&packs, &content, MARCH).verdict, Verdict::Valid);
    let checked = check(&packs, &content.replace("00009999", "00010000"), MARCH);
    assert_eq!(codes(&checked), [("code-not-in-list", "/probe/three[10000]/code")]);
}

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(beside, PathBuf::from);
    let there = folder.join("EXPECTED.tsv").is_file();
    if !there {
        skipped::skipped(
            "no corpus of real code lists in AMTSBOTE_CORPUS, nor beside the checkout",
        );
    }
    there.then_some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// XWasser with its real lists, 72 of them: what a pack without lists finds stays as it is, and
/// every further finding is about a code.
#[test]
fn real_messages_are_looked_up_in_real_lists() {
    let Some(corpus) = corpus() else { return };
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("xwasser");
    for part in [
        "xwasser/1.0.0/xsd",
        "xoev-basis/basisnachricht-1.1",
        "xoev-basis/datentypen",
        "osci-transport/1.2/extern",
    ] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
        for file in files(&corpus.join(part)).iter().filter(|file| file.is_file()) {
            fs::copy(file, folder.join(part).join(name(file))).expect("copied");
        }
    }
    fs::copy(corpus.join("catalog.xml"), folder.join("catalog.xml")).expect("copied");
    let mut lists = Vec::new();
    for (n, file) in files(&corpus.join("codelists/xwasser-1.0.0")).iter().enumerate() {
        fs::copy(file, folder.join(format!("list{n}.xml"))).expect("copied");
        lists.push(format!("\"list{n}.xml\""));
    }
    let messages: Vec<Vec<u8>> = files(&corpus.join("xwasser/1.0.0/messages"))
        .iter()
        .map(|file| fs::read(file).expect("read"))
        .collect();
    let mut roots: Vec<String> = messages
        .iter()
        .map(|message| {
            let text = String::from_utf8_lossy(message);
            let root = text.split_once("<xwas:").expect("a root").1;
            root.split_whitespace().next().expect("its name").to_owned()
        })
        .collect();
    roots.sort();
    roots.dedup();
    let table: String = roots
        .iter()
        .map(|root| format!("[[message]]\nroot = \"{root}\"\ntype = \"{root}\"\nname = \"-\"\n"))
        .collect();
    let load = |lists: &str| {
        let manifest = format!(
            "standard = \"XWasser\"\nversion = \"1.0.0\"\nvalid_from = 2024-01-01\n\
             decided_by = \"arrived\"\nheader = \"none\"\ncatalog = \"catalog.xml\"\n\
             entry = [\"xwasser/1.0.0/xsd/xwasser.xsd\"]\ncode_lists = [{lists}]\n\
             namespace = \"https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/V1_0_0\"\n{table}"
        );
        fs::write(folder.join("pack.toml"), manifest).expect("written");
        PackSet::load(root.path()).expect("loads")
    };
    let (without, with) = (load(""), load(&lists.join(", ")));
    assert_eq!(with.list()[0].code_lists.len(), lists.len());
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for message in &messages {
        let judge = |packs: &PackSet| {
            let arrival = MARCH.parse().expect("an instant");
            packs.check(&message[..], arrival, &Limits::default(), &|| false)
        };
        let (before, after) = (judge(&without), judge(&with));
        assert!(!after.truncated);
        let (about_codes, others): (Vec<_>, Vec<_>) =
            after.findings.into_iter().partition(|one| one.rule == "xoev-code");
        let count = |findings: &[Finding]| findings.len();
        assert_eq!(count(&others), count(&before.findings));
        for finding in about_codes {
            assert!(finding.path.starts_with('/') && finding.line > 1, "{finding:?}");
            *seen.entry(finding.code).or_default() += 1;
        }
    }
    // The messages are test data: they name versions that are none, and leave versions out.
    assert!(!seen.contains_key("codelist-unknown"), "passed over by default: {seen:?}");
    assert!(seen.contains_key("codelist-version-unknown"), "{seen:?}");
}
