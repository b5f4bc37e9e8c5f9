//! Codes looked up in the lists of a pack: XÖV codes of types 1 to 4, several key columns, versions
//! of limited time, files that are no lists.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::genericode::{CodeList, CodeListError};
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Finding, Schemas, Verdict};
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
  <xs:complexType name="Alt"><xs:annotation><xs:appinfo>
    <codeliste><nameKurz>Farbe</nameKurz><kennung>urn:list:farbe</kennung></codeliste>
    <!-- <genutzteCodeSpalte>code</genutzteCodeSpalte> -->
    <genutzteCodeSpalte> alt
    </genutzteCodeSpalte></xs:appinfo></xs:annotation>
    <xs:complexContent><xs:restriction base="p:Three"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:restriction></xs:complexContent></xs:complexType>
  <xs:complexType name="Old"><xs:annotation><xs:documentation/><xs:appinfo/><xs:appinfo>
    <codelistenspalten><codeSpalte>code</codeSpalte></codelistenspalten>
    </xs:appinfo></xs:annotation>
    <xs:complexContent><xs:restriction base="p:Three"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:restriction></xs:complexContent></xs:complexType>
  <xs:complexType name="Gone"><xs:annotation><xs:appinfo>
    <codelistenspalten><code><codeSpalte>true</codeSpalte></code></codelistenspalten>
    <genutzteCodeSpalte>Schluessel</genutzteCodeSpalte></xs:appinfo></xs:annotation>
    <xs:complexContent><xs:restriction base="p:Three"><xs:sequence>
    <xs:element name="code" type="xs:token"/><xs:element name="name" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:restriction></xs:complexContent></xs:complexType>
  <xs:element name="probe"><xs:complexType><xs:choice maxOccurs="unbounded">
    <xs:element name="alt" type="p:Alt"/><xs:element name="old" type="p:Old"/>
    <xs:element name="gone" type="p:Gone"/>
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
const NOT_IN_FORCE: &str = "codelist-version-not-in-force";
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
        ("<three><code>rot</code></three>", "codelist-version-not-named", "/probe/three", false),
        (
            "<three listVersionID=''><code>rot</code></three>",
            "codelist-version-not-named",
            "/probe/three",
            false,
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
            false,
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

/// What a pack says of versions that it does not carry: as of lists, if it says nothing.
#[test]
fn versions_that_the_pack_lacks_pass_or_are_found() {
    let unknown = "<three listVersionID='9'><code>rot</code></three>";
    let unnamed = "<three><code>rot</code></three>";
    let elsewhere = "<elsewhere><code>1</code></elsewhere>";
    for (keys, versions, lists) in [
        ("", false, false),
        ("unknown_lists = \"pass\"", false, false),
        ("unknown_lists = \"finding\"", true, true),
        ("unknown_versions = \"finding\"", true, false),
        ("unknown_versions = \"pass\"\nunknown_lists = \"finding\"", false, true),
    ] {
        let packs = load(&PACK.replace("#unknown", keys));
        let found = |content: &str| {
            let checked = check(&packs, content, MARCH);
            assert_eq!(checked.verdict == Verdict::Valid, checked.findings.is_empty());
            codes(&checked).iter().map(|(code, _)| *code).collect::<Vec<_>>()
        };
        let one = |code, is: bool| is.then_some(code).into_iter().collect::<Vec<_>>();
        assert_eq!(found(unknown), one("codelist-version-unknown", versions), "{keys}");
        assert_eq!(found(unnamed), one("codelist-version-not-named", versions), "{keys}");
        assert_eq!(found(elsewhere), one("codelist-unknown", lists), "{keys}");
        // The schema fixes list and version, and the pack has them: nothing is unknown there.
        assert_eq!(found("<two><code>blau</code></two>"), ["code-not-in-list"], "{keys}");
        assert_eq!(
            found("<three listVersionID='1'><code>blau</code></three>"),
            ["code-not-in-list"],
            "{keys}"
        );
    }
}

/// Every finding about a code says what to do, in both languages (P7).
#[test]
fn findings_about_codes_say_what_to_do() {
    let packs = load(&PACK.replace("#unknown", "unknown_lists = \"finding\""));
    for (content, code, de, en) in [
        (
            "<two><code>x</code></two>",
            "code-not-in-list",
            "Einen Code dieser Liste verwenden.",
            "Use a code",
        ),
        (
            "<three listVersionID='9'><code>rot</code></three>",
            "codelist-version-unknown",
            "(eingerichtet: 1, 2). Eine eingerichtete Version verwenden, oder die fehlende einrichten lassen.",
            "(set up: 1, 2). Use a version that is set up, or have the missing one set up.",
        ),
        (
            "<three><code>rot</code></three>",
            "codelist-version-not-named",
            "in listVersionID angeben.",
            "Give it in",
        ),
        (
            "<elsewhere><code>1</code></elsewhere>",
            "codelist-unknown",
            "einrichten lassen.",
            "have the list set up.",
        ),
        (
            "<four><code>rot</code></four>",
            "codelist-not-named",
            "in listURI angeben.",
            "Give the URI",
        ),
        (
            "<three listVersionID='2'><code>rot</code></three>",
            NOT_IN_FORCE,
            "Version verwenden (1).",
            "Use a version in force (1).",
        ),
    ] {
        let checked = check(&packs, content, JULY);
        let [finding] = &checked.findings[..] else { panic!("{content}: {:?}", checked.findings) };
        assert_eq!(finding.code, code, "{content}");
        assert!(finding.message_de.ends_with(de), "{}", finding.message_de);
        assert!(finding.message_en.contains(en), "{}", finding.message_en);
    }
}

#[test]
fn the_annotation_of_a_type_names_the_column_and_the_pack_another() {
    let packs = load(PACK);
    for (content, valid) in [
        ("<alt listVersionID='1'><code>1</code></alt>", true),
        ("<alt listVersionID='1'><code>rot</code></alt>", false),
        ("<old listVersionID='1'><code>rot</code></old>", true),
        ("<old listVersionID='1'><code>1</code></old>", false),
        // No column of this list: it is not taken at its word.
        ("<gone listVersionID='1'><code>rot</code></gone>", true),
        ("<gone listVersionID='1'><code>1</code></gone>", true),
        ("<gone listVersionID='1'><code>blau</code></gone>", false),
        // The pack says of version 2 that `code` holds the codes.
        ("<alt listVersionID='2'><code>rot</code></alt>", true),
        ("<alt listVersionID='2'><code>1</code></alt>", false),
    ] {
        let checked = check(&packs, content, MARCH);
        assert_eq!(checked.verdict == Verdict::Valid, valid, "{content}: {:?}", checked.findings);
    }
    let checked = check(&packs, "<alt listVersionID='1'><code>rot</code></alt>", MARCH);
    assert_eq!(codes(&checked), [("code-not-in-list", "/probe/alt/code")]);
    let (de, en) = (&checked.findings[0].message_de, &checked.findings[0].message_en);
    assert!(de.contains("Version 1 (Spalte „alt“)"), "{de}");
    assert!(en.contains("version 1 (column 'alt')"), "{en}");
}

#[test]
fn a_pack_says_which_column_of_a_key_holds_the_codes() {
    let compound = |text: String| {
        let both = "<Key Id='both'><ShortName>both</ShortName><ColumnRef Ref='code'/>\
                    <ColumnRef Ref='alt'/></Key>";
        let (head, rest) = text.split_once("<Key ").expect("keys");
        let (_, tail) = rest.split_once("</ColumnSet>").expect("their end");
        format!("{head}{both}</ColumnSet>{tail}")
    };
    let root = tempfile::tempdir().expect("a folder");
    let load = |entry: &str| {
        pack(root.path(), &PACK.replace("\"farbe_1.xml\"", entry));
        // No column is a key by itself.
        let rows = [("rot", "1"), ("rot", "2"), ("grün", "2")];
        let file = root.path().join("probe/farbe_1.xml");
        fs::write(file, compound(list("1", &rows))).expect("written");
        PackSet::load(root.path())
    };
    let found = |entry: &str, code: &str| {
        let content = format!("<three listVersionID='1'><code>{code}</code></three>");
        check(&load(entry).expect("loads"), &content, MARCH).verdict == Verdict::Valid
    };
    let named = "{ file = \"farbe_1.xml\", key = \"alt\" }";
    assert!(found(named, "2") && !found(named, "rot"));
    let any = "\"farbe_1.xml\"";
    assert!(found(any, "2") && found(any, "rot") && !found(any, "rot1"), "either");
    let error = load("{ file = \"farbe_1.xml\", key = \"both\" }").expect_err("two columns");
    assert!(error.to_string().contains("several columns (code, alt)"), "{error}");
}

/// Two versions, the second from a day on that it gives itself: in the night of the switch both are
/// judged by the clock in Germany, which is one hour ahead of UTC then.
#[test]
fn two_versions_change_over_at_midnight_in_germany() {
    let root = tempfile::tempdir().expect("a folder");
    let entries = "[\"farbe_2.xml\", { file = \"farbe_1.xml\", valid_until = 2026-10-31 }]";
    let manifest = |entries: &str| {
        let (head, rest) = PACK.split_once("code_lists = ").expect("lists");
        let (_, tail) = rest.split_once('\n').expect("a line");
        format!("{head}code_lists = {entries}\n{tail}")
    };
    let dated = |version: &str, day: &str| {
        let said = format!(
            "<Annotation><Description><x:validFrom xmlns:x='http://xoev.de/schemata/genericode/4'>\
             {day}</x:validFrom></Description></Annotation><Identification>"
        );
        list(version, &[("rot", "1")]).replace("<Identification>", &said)
    };
    let load = |entries: &str| {
        pack(root.path(), &manifest(entries));
        for (file, text) in
            [("farbe_1.xml", dated("1", "2025-03-30")), ("farbe_2.xml", dated("2", "2026-11-01"))]
        {
            fs::write(root.path().join("probe").join(file), text).expect("written");
        }
        PackSet::load(root.path()).expect("loads")
    };
    let packs = load(entries);
    let judge = |packs: &PackSet, version: &str, at: &str| {
        let content = format!("<three listVersionID='{version}'><code>rot</code></three>");
        let checked = check(packs, &content, at);
        let late = codes(&checked) == [("codelist-version-not-in-force", "/probe/three")];
        assert!(late || checked.verdict == Verdict::Valid, "{:?}", checked.findings);
        checked.verdict == Verdict::Valid
    };
    for (at, first, second) in [
        ("2026-10-31T22:59:59.999Z", true, false),
        ("2026-10-31T23:00:00Z", false, true),
        ("2026-11-01T00:00:00Z", false, true),
        ("2027-11-01T00:00:00Z", false, true),
    ] {
        assert_eq!(judge(&packs, "1", at), first, "1 at {at}");
        assert_eq!(judge(&packs, "2", at), second, "2 at {at}");
    }
    // The other end of the first version: on the day when summer time begins.
    let from = load(&entries.replace("2026-10-31", "2026-12-31"));
    assert!(judge(&from, "1", "2026-12-31T22:59:59Z"));
    let checked =
        check(&packs, "<three listVersionID='1'><code>rot</code></three>", "2026-11-20T00:00:00Z");
    let (de, en) = (&checked.findings[0].message_de, &checked.findings[0].message_en);
    assert!(de.contains("gültig ab 2025-03-30 bis 2026-10-31). Eine gültige Version"), "{de}");
    assert!(de.ends_with("verwenden (2)."), "{de}");
    assert!(en.contains("valid from 2025-03-30 to 2026-10-31") && en.ends_with("(2)."), "{en}");
    // The pack overrides the day that the list gives.
    let early = "[{ file = \"farbe_2.xml\", valid_from = 2026-06-01 }, \"farbe_1.xml\"]";
    let packs = load(early);
    assert!(!judge(&packs, "2", "2026-05-31T21:59:59Z"));
    assert!(
        judge(&packs, "2", "2026-05-31T22:00:00Z") && judge(&packs, "1", "2026-05-31T22:00:00Z")
    );
}

/// Schemas that do not go into the tables: codes are looked up where the message names the list.
#[test]
fn by_the_library_lists_that_the_message_names_are_looked_up() {
    let root = tempfile::tempdir().expect("a folder");
    let more = "left_out = [\"urn:far\"]\nunknown_versions = \"finding\"";
    let manifest = PACK.replace("#unknown", more);
    pack(root.path(), &manifest);
    let far = "><xs:import namespace=\"urn:far\"/>\
               <xs:element name=\"far\" type=\"f:T\" xmlns:f=\"urn:far\"/>";
    let schema = SCHEMA.replacen('>', far, 1);
    fs::write(root.path().join("probe/probe.xsd"), schema).expect("written");
    let packs = PackSet::load(root.path()).expect("loads");
    let why = packs.list()[0].by_library.clone();
    assert!(why.is_some_and(|why| why.contains("missing")), "the schemas go by the library");
    let named = "listURI='urn:list:farbe' listVersionID";
    for (content, code) in [
        (format!("<four {named}='1'><code>rot</code></four>"), None),
        (format!("<four {named}='1'><code>blau</code></four>"), Some("code-not-in-list")),
        (format!("<four {named}='9'><code>rot</code></four>"), Some("codelist-version-unknown")),
        (
            "<four listURI='urn:list:farbe'><code>rot</code></four>".to_owned(),
            Some("codelist-version-not-named"),
        ),
        (format!("<three {named}='1'><code>blau</code></three>"), Some("code-not-in-list")),
        (format!("<free><x {named}='1'><code>blau</code></x></free>"), Some("code-not-in-list")),
        // What the README says: a list that the schema alone names is not looked up.
        ("<two><code>blau</code></two>".to_owned(), None),
        ("<three listVersionID='1'><code>blau</code></three>".to_owned(), None),
    ] {
        let checked = check(&packs, &content, MARCH);
        let found: Vec<&str> = checked.findings.iter().map(|one| one.code).collect();
        assert_eq!(found, code.into_iter().collect::<Vec<_>>(), "{content}");
    }
    let late = format!("<four {named}='2'><code>rot</code></four>");
    let checked = check(&packs, &late, JULY);
    assert_eq!(codes(&checked), [("codelist-version-not-in-force", "/probe/four")]);
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
    assert!(text.contains("urn:list:farbe") && text.contains("(gültig bis 2026-06-30)"), "{text}");
    assert!(text.ends_with("Eine gültige Version verwenden (1)."), "{text}");
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
    refused("farbe_1.xml", "<html/>", "", "", "but a web page (HTML)");
    refused(
        "farbe_1.xml",
        "",
        "",
        "",
        "farbe_1.xml: this is no code list in genericode 1.0 but an",
    );
    refused("farbe_1.xml", SCHEMA, "", "", "but an XML schema");
    refused("farbe_2.xml", &list("1", &[("rot", "1")]), "", "", "already");
    refused("farbe_2.xml", &list("2", &[]), "", "", "farbe_2.xml: line 1: the list has no rows");
    refused("", "", "key = \"code\"", "key = \"nome\"", "neither a column nor a key 'nome'");
    refused("", "", "key = \"code\"", "kee = \"code\"", "did you mean 'key'");
    refused("", "", "{ file = \"farbe_2.xml\",", "{", "without file");
    refused("", "", "\"farbe_2.xml\"", "\"../farbe_2.xml\"", "inside the folder");
    refused("", "", "2026-06-30 }", "\"bald\" }", "are days");
    refused("", "", "#unknown", "unknown_lists = \"maybe\"", "\"finding\" or \"pass\"");
    let maybe = "unknown_versions = \"maybe\"";
    refused("", "", "#unknown", maybe, "unknown_versions: \"finding\" or \"pass\"");
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

/// Every file of the corpus: a code list that is read, or a file that is told what it is.
#[test]
fn every_real_list_is_read_and_every_other_file_refused_for_a_reason() {
    let Some(corpus) = corpus() else { return };
    let mut all = Vec::new();
    let mut folders = vec![corpus.clone()];
    while let Some(folder) = folders.pop() {
        for path in files(&folder) {
            if path.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    let (mut read, mut rows, mut dated, mut several) = (0, 0, 0, 0);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for file in &all {
        let listed = file.starts_with(corpus.join("codelists"));
        match CodeList::load(file) {
            Ok(list) => {
                read += 1;
                rows += list.rows.len();
                dated += usize::from(list.first_day().expect("a day").is_some());
                several += usize::from(list.code_columns().len() > 1);
                assert!(listed && !list.keys.is_empty(), "{}", file.display());
                let uri = format!("{}_{}", list.canonical_uri, list.version);
                assert_eq!(list.canonical_version_uri, uri, "{}", file.display());
            }
            Err(CodeListError::NoCodeList { found, .. }) if !listed => {
                // Roots are many, and reasons of the reader more.
                let kind = found.split([' ', '(']).take(2).collect::<Vec<_>>().join(" ");
                *refused.entry(kind).or_default() += 1;
            }
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }
    println!("{read} lists, {rows} rows, {dated} dated, {several} with several columns of codes");
    println!("refused: {refused:#?}");
    assert_eq!((read, dated, several), (197, 166, 8));
    assert_eq!(refused.values().sum::<usize>() + read, all.len());
    assert!(refused["an XML"] >= 400 && refused.contains_key("JSON"), "{refused:?}");
}

/// How many types of real sets name the column of their code list, in both ways of writing.
#[test]
fn columns_of_real_standards_are_known() {
    let Some(corpus) = corpus() else { return };
    for (schema, count) in [
        ("xdomea/2.4.0/xsd/xdomea-Nachrichten-Fachverfahren.xsd", 48),
        ("xdomea/3.0.0/xsd/xdomea-Nachrichten-Fachverfahren.xsd", 45),
        ("xwasser/1.0.0/xsd/xwasser.xsd", 35),
    ] {
        let catalog = corpus.join("catalog.xml");
        let schemas = Schemas::load_single(&corpus.join(schema), Some(&catalog)).expect(schema);
        assert_eq!(schemas.facts().by_library, None, "{schema}");
        assert_eq!(schemas.facts().code_columns, count, "{schema}");
    }
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
             unknown_versions = \"finding\"\n\
             entry = [\"xwasser/1.0.0/xsd/xwasser.xsd\"]\ncode_lists = [{lists}]\n\
             namespace = \"https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/V1_0_0\"\n{table}"
        );
        fs::write(folder.join("pack.toml"), manifest).expect("written");
        PackSet::load(root.path()).expect("loads")
    };
    let (without, with) = (load(""), load(&lists.join(", ")));
    assert_eq!(with.list()[0].code_lists.len(), lists.len());
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut early = 0;
    for message in &messages {
        let judge = |packs: &PackSet, arrival: &str| {
            let arrival = arrival.parse().expect("an instant");
            packs.check(&message[..], arrival, &Limits::default(), &|| false)
        };
        let (before, after) = (judge(&without, JULY), judge(&with, JULY));
        let soon = judge(&with, MARCH);
        early += soon.findings.iter().filter(|one| one.code == NOT_IN_FORCE).count();
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
    // Most of these lists say of themselves that they are valid from 1 May 2026, as the standard is.
    println!("{seen:?}, in March {early} of versions not yet in force");
    assert!(early > 0 && !seen.contains_key(NOT_IN_FORCE), "{early}, {seen:?}");
    assert!(!seen.contains_key("codelist-unknown"), "passed over by default: {seen:?}");
    assert!(seen.contains_key("codelist-version-unknown"), "{seen:?}");
}
