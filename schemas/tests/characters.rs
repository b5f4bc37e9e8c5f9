//! Characters: our tables of DIN 91379 against the patterns of the official schema, where the
//! corpus is there; packs that demand data types and normal form C.

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::characters::Datatype;
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Finding, Verdict};
use amtsbote_schemas::xml::Limits;

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

const TYPES: [(&str, Datatype); 5] = [
    ("datatypeA", Datatype::A),
    ("datatypeB", Datatype::B),
    ("datatypeC", Datatype::C),
    ("datatypeD", Datatype::D),
    ("datatypeE", Datatype::E),
];

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(beside, PathBuf::from);
    let there = folder.join("EXPECTED.tsv").is_file();
    if !there {
        skipped::skipped("no corpus of real schemas in AMTSBOTE_CORPUS, nor beside the checkout");
    }
    there.then_some(folder)
}

/// The official patterns as patterns of the Rust engine, anchored.
fn patterns() -> Option<Vec<(Datatype, regex_automata::meta::Regex)>> {
    let corpus = corpus()?;
    let file = corpus.join("xoev-basis/datentypen/din-norm-91379-datatypes.xsd");
    let text = fs::read_to_string(file).expect("the schema");
    let mut all = Vec::new();
    for (name, datatype) in TYPES {
        let from = text.find(&format!("name=\"{name}\"")).expect("the type");
        let pattern = text[from..].split("pattern value=\"").nth(1).expect("its pattern");
        let pattern = pattern.split('"').next().expect("its end");
        // One of the dots is escaped, which changes nothing in a class.
        let pattern = pattern.replace("\\&#x", "&#x").replace("&#x", "\\x{").replace(';', "}");
        let regex = regex_automata::meta::Regex::new(&format!("^(?:{pattern})$"));
        all.push((datatype, regex.expect("a pattern")));
    }
    Some(all)
}

#[test]
fn single_characters_agree() {
    let Some(patterns) = patterns() else { return };
    let mut held = [0; 5];
    for (n, (datatype, pattern)) in patterns.iter().enumerate() {
        for character in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            let text: &str = character.encode_utf8(&mut buffer);
            let official = pattern.is_match(text);
            let code = character as u32;
            assert_eq!(datatype.check(text).is_ok(), official, "{datatype:?} U+{code:04X}");
            held[n] += usize::from(official);
        }
    }
    assert_eq!(held, [518, 578, 588, 695, 761]);
}

/// Every letter with one and two of the marks, and joined letters.
#[test]
fn sequences_agree() {
    let Some(patterns) = patterns() else { return };
    let bases = (0x20..0x250).chain(0x1E00..0x1F00).filter_map(char::from_u32);
    let marks: Vec<char> = ('\u{300}'..='\u{331}').chain(['\u{35F}']).collect();
    let (mut tried, mut held) = (0, 0);
    for base in bases {
        let singles = marks.iter().map(|one| format!("{base}{one}"));
        let pairs = marks.iter().flat_map(|one| {
            let after = ['\u{304}', '\u{306}', '\u{308}', 'H', 'h', 'x'];
            after.map(|other| format!("{base}{one}{other}"))
        });
        for text in singles.chain(pairs) {
            for (datatype, pattern) in [&patterns[0], &patterns[4]] {
                let official = pattern.is_match(&text);
                assert_eq!(datatype.check(&text).is_ok(), official, "{datatype:?} {text:?}");
                tried += 1;
                held += usize::from(official);
            }
        }
    }
    assert!(tried > 300_000 && held > 149, "{tried} {held}");
}

const SCHEMA: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:probe"
    xmlns:d="urn:xoev-de:kosit:xoev:datentyp:din-91379_2022-08" targetNamespace="urn:probe">
  <xs:import namespace="urn:xoev-de:kosit:xoev:datentyp:din-91379_2022-08" schemaLocation="d.xsd"/>
  <xs:simpleType name="Name"><xs:restriction base="xs:string"><xs:pattern value="[^0-9]*"/>
  </xs:restriction></xs:simpleType>
  <xs:simpleType name="Nachname"><xs:restriction base="p:Name"/></xs:simpleType>
  <xs:simpleType name="Free"><xs:restriction base="xs:string"/></xs:simpleType>
  <xs:simpleType name="Token"><xs:restriction base="xs:token"/></xs:simpleType>
  <xs:simpleType name="Names"><xs:list itemType="p:Free"/></xs:simpleType>
  <xs:simpleType name="Either"><xs:union memberTypes="xs:int p:Free"/></xs:simpleType>
  <xs:simpleType name="Many"><xs:restriction><xs:simpleType><xs:list itemType="p:Either"/>
    </xs:simpleType><xs:maxLength value="9"/></xs:restriction></xs:simpleType>
  <xs:complexType name="Long"><xs:simpleContent><xs:extension base="p:Free"/></xs:simpleContent>
  </xs:complexType>
  <xs:element name="probe"><xs:complexType><xs:choice maxOccurs="unbounded">
    <xs:element name="name" type="p:Nachname"/>
    <xs:element name="official" type="d:datatypeA"/>
    <xs:element name="extended"><xs:complexType><xs:simpleContent>
      <xs:extension base="d:datatypeA"><xs:attribute name="art" type="xs:string"/></xs:extension>
    </xs:simpleContent></xs:complexType></xs:element>
    <xs:element name="free" type="xs:string"/>
    <xs:element name="with"><xs:complexType><xs:attribute name="a" type="p:Nachname"/>
      <xs:attribute name="l" type="p:Names"/><xs:attribute name="u" type="p:Either"/>
      <xs:attribute name="s" type="xs:string"/></xs:complexType></xs:element>
    <xs:element name="names" type="p:Names"/><xs:element name="either" type="p:Either"/>
    <xs:element name="many" type="p:Many"/><xs:element name="token" type="p:Token"/>
    <xs:element name="short"><xs:complexType><xs:simpleContent>
      <xs:restriction base="p:Long"><xs:maxLength value="5"/></xs:restriction>
    </xs:simpleContent></xs:complexType></xs:element>
  </xs:choice></xs:complexType></xs:element>
</xs:schema>"#;

/// A type of the official name; what it holds, our tables say.
const OFFICIAL: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="urn:xoev-de:kosit:xoev:datentyp:din-91379_2022-08">
  <xs:simpleType name="datatypeA"><xs:restriction base="xs:string"/></xs:simpleType></xs:schema>"#;

const PACK: &str = r#"
standard = "XProbe"
version = "1"
valid_from = 2026-01-01
decided_by = "arrived"
header = "none"
entry = ["probe.xsd"]
namespace = "urn:probe"
[characters]
types = { Name = "A", Free = "A", Token = "A" }
#more
[[message]]
root = "probe"
type = "1"
name = "Probe"
"#;

fn try_load(manifest: &str) -> Result<PackSet, String> {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("probe");
    fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in [("pack.toml", manifest), ("probe.xsd", SCHEMA), ("d.xsd", OFFICIAL)] {
        fs::write(folder.join(name), text).expect("written");
    }
    PackSet::load(root.path()).map_err(|error| error.to_string())
}

fn load(more: &str) -> PackSet {
    try_load(&PACK.replace("#more", more)).expect("loads")
}

fn check(packs: &PackSet, content: &str) -> Checked {
    let message = format!("<p:probe xmlns:p='urn:probe'>\n{content}\n</p:probe>");
    let arrival = "2026-03-01T08:00:00Z".parse().expect("an instant");
    packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false)
}

/// Code, line, column and path of the findings.
fn found(packs: &PackSet, content: &str) -> Vec<(&'static str, u64, u64, String)> {
    let findings = check(packs, content).findings.into_iter();
    findings.map(|one| (one.code, one.line, one.column, one.path)).collect()
}

#[test]
fn a_finding_names_the_character_and_its_place() {
    let packs = load("");
    let not_allowed =
        |line, column, path: &str| vec![("character-not-allowed", line, column, path.to_owned())];
    for (content, expected) in [
        ("<name>Šćekić</name>", vec![]),
        ("<free>Жуков</free>", vec![]),
        ("<name>Жуков</name>", not_allowed(2, 7, "/probe/name")),
        ("<name>Müller-Жук</name>", not_allowed(2, 14, "/probe/name")),
        ("<official>C\u{328}\u{306}e\u{301}</official>", not_allowed(2, 14, "/probe/official")),
        ("<extended art='Ж'>ab7</extended>", not_allowed(2, 21, "/probe/extended")),
        ("<name>Ana <!-- Ж -->Ж x</name>", not_allowed(2, 21, "/probe/name")),
        // The pattern of the schema says the same with fewer words.
        ("<name>Haus 7</name>", not_allowed(2, 12, "/probe/name")),
        // Behind a reference the place is that of the text.
        ("<name>a&apos;Ж</name>", not_allowed(2, 7, "/probe/name")),
        ("<name>ab C\u{328}</name>", not_allowed(2, 12, "/probe/name")),
    ] {
        assert_eq!(found(&packs, content), expected, "{content}");
    }
    let checked = check(&packs, "<name>Müller-Жук</name>");
    assert_eq!(checked.verdict, Verdict::Invalid);
    let finding = &checked.findings[0];
    let name = "U+0416 (CYRILLIC CAPITAL LETTER ZHE)";
    assert!(finding.message_de.contains(name) && finding.message_en.contains(name), "{finding:?}");
}

/// P7: of a value at most one character comes out, and never all of it.
#[test]
fn findings_do_not_spell_a_value() {
    let packs = load("");
    for (content, named) in [("<name>Ж</name>", 0), ("<name>Жуков</name>", 1)] {
        let checked = check(&packs, &content.repeat(3));
        assert_eq!(checked.findings.len(), 3, "{content}");
        for finding in &checked.findings {
            assert_eq!(finding.message_en.matches("U+").count(), named, "{content}");
            assert!(!format!("{finding:?}").contains('Ж'), "{content}");
        }
    }
}

#[test]
fn normal_form_and_a_data_type_for_everything() {
    let nfc = load("nfc = true");
    let not_normal = "<free>Mu\u{308}ller</free>";
    let place = ("character-not-normalised", 2, 8, "/probe/free".to_owned());
    assert_eq!(found(&nfc, not_normal), [place]);
    assert_eq!(found(&nfc, "<name>Mu\u{308}ller</name>").len(), 1, "one finding for one value");
    assert_eq!(found(&nfc, "<free>Жуков C\u{308}elik</free>"), []);
    assert_eq!(found(&load(""), not_normal), []);
    let all = load("all = \"C\"");
    assert_eq!(found(&all, "<free>a\tb\n</free>\n<free>Müller</free>"), []);
    let place = ("character-not-allowed", 2, 7, "/probe/free".to_owned());
    assert_eq!(found(&all, "<free>Жуков</free>"), [place]);
    let place = ("character-not-allowed", 2, 11, "/probe/extended/@art".to_owned());
    assert_eq!(found(&all, "<extended art='xЖ'>a</extended>"), [place]);
    assert_eq!(found(&load("all = \"E\""), "<free>Жуков</free>"), []);
}

/// Attributes, items of lists and members of unions are values of their types, too.
#[test]
fn every_value_of_a_type_is_judged() {
    for packs in [load(""), load("all = \"E\"")] {
        for (content, place) in [
            ("<with a='Šćekić' l='Ana  Maria' u='7' s='7Ж'/>", None),
            ("<with a='aЖ'/>", Some((2, 7, "/probe/with/@a"))),
            ("<with l='Ana M7'/>", Some((2, 7, "/probe/with/@l"))),
            ("<with u='a7Ж'/>", Some((2, 7, "/probe/with/@u"))),
            ("<names>Ana\n\tMaria </names>", None),
            ("<names>Ana\nMari7</names>", Some((2, 8, "/probe/names"))),
            ("<names>Ana<!-- --> a7</names>", Some((2, 8, "/probe/names"))),
            ("<either> 77 </either>", None),
            ("<either>abc</either>", None),
            ("<either>a7Ж</either>", Some((2, 9, "/probe/either"))),
            ("<many>77 abc -1</many>", None),
            ("<many>77 a7</many>", Some((2, 7, "/probe/many"))),
            ("<token>\n Ana\n</token>", None),
            ("<token>\n An7\n</token>", Some((3, 4, "/probe/token"))),
            ("<short>Ana</short>", None),
            ("<short>An7</short>", Some((2, 10, "/probe/short"))),
        ] {
            let expected: Vec<_> = place
                .map(|(line, column, path)| {
                    ("character-not-allowed", line, column, path.to_owned())
                })
                .into_iter()
                .collect();
            assert_eq!(found(&packs, content), expected, "{content}");
        }
    }
    let checked = check(&load(""), "<with a='a7Ж'/><names>ab Ж</names><either>7Ж</either>");
    let named = |n: usize| checked.findings[n].message_de.matches("U+").count();
    assert_eq!((named(0), named(1), named(2)), (1, 0, 1), "not an item that is one character");
    assert!(checked.findings[0].message_de.contains("Datentyp A"), "{:?}", checked.findings);
}

#[test]
fn a_pack_cannot_ask_for_what_is_not_there() {
    for (from, to, part) in [
        ("Name = \"A\"", "Nam = \"A\"", "'Nam' is no simple type"),
        ("Name = \"A\"", "Name = \"F\"", "unknown variant"),
        ("#more", "all = \"A\"", "\"C\" or \"E\""),
        ("#more", "nfd = true", "did you mean 'nfc'"),
    ] {
        let error = try_load(&PACK.replace(from, to)).expect_err(part);
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// The code points that a finding names.
fn named(finding: &Finding) -> String {
    let codes = finding.message_en.split("U+").skip(1);
    codes
        .filter_map(|rest| {
            let end = rest.find(|one: char| !one.is_ascii_hexdigit())?;
            char::from_u32(u32::from_str_radix(&rest[..end], 16).ok()?)
        })
        .collect()
}

#[test]
fn a_character_that_is_the_whole_value_is_not_named() {
    let packs = load("nfc = true");
    for value in ["C\u{328}", " Ж ", "\u{5D0}\u{5BC}\u{5B8}", "\n7\n", "u\u{308}", "\u{A0}Ж"] {
        for content in [
            format!("<official>{value}</official>"),
            format!("<official> <!-- -->{value}</official>"),
            format!("<with a='{value}'/>"),
            format!("<names>{value}</names>"),
            format!("<names>abc {value}</names>"),
        ] {
            let checked = check(&packs, &content);
            assert!(!checked.findings.is_empty(), "{content:?}");
            let finding = &checked.findings[0];
            // The normal form is that of the whole list, which has more than this item.
            if finding.code == "character-not-allowed" || !content.contains("abc") {
                assert_eq!(named(finding), "", "{content:?}");
            }
        }
    }
    for content in ["<official>ab C\u{328}</official>", "<official>a<!-- -->C\u{328}</official>"] {
        assert_eq!(named(&check(&packs, content).findings[0]), "C\u{328}", "{content}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(1000))]

    /// P7: whatever a value is and however it is cut: no finding tells all of it but its spaces.
    #[test]
    fn no_finding_is_a_whole_value(
        pieces in proptest::collection::vec(
            // Mostly one character: a base with its marks, and spaces.
            "[ \u{A0}\u{FEFF}\n]?[aCKSu7Ж\u{5D0}\u{1100}\u{1161}]?[\u{301}\u{304}\u{308}\u{31B}\u{328}\u{35F}\u{5B8}\u{5BC}]{0,2}",
            1..4,
        ),
        holder in 0..4usize,
    ) {
        static PACKS: std::sync::LazyLock<[PackSet; 3]> =
            std::sync::LazyLock::new(|| [load(""), load("nfc = true"), load("nfc = true\nall = \"C\"")]);
        let value = pieces.concat();
        let cut = pieces.join("<!-- -->");
        let content = match holder {
            0 => format!("<official>{cut}</official>"),
            1 => format!("<names>{cut}</names>"),
            2 => format!("<free>{cut}</free>"),
            _ => format!("<with a='{value}' l='{value}' u='{value}' s='{value}'/>"),
        };
        for packs in &*PACKS {
            for finding in check(packs, &content).findings {
                let named = named(&finding);
                let whole = value.trim_matches(|one: char| one.is_whitespace() || one == '\u{FEFF}');
                proptest::prop_assert!(
                    named.is_empty() || named.trim() != whole,
                    "{content:?}: {named:?} of {whole:?}"
                );
            }
        }
    }

    /// Whatever stands in a name: the verdict is that of the data type, and nothing else happens.
    #[test]
    fn the_watch_says_what_the_data_type_says(text in "[aKh7Ж \u{300}-\u{308}\u{328}]{0,8}") {
        static PACKS: std::sync::LazyLock<PackSet> = std::sync::LazyLock::new(|| load(""));
        let checked = check(&PACKS, &format!("<official>{text}</official>"));
        let good = Datatype::A.check(&text).is_ok();
        proptest::prop_assert_eq!(checked.verdict == Verdict::Valid, good);
        proptest::prop_assert_eq!(checked.findings.len(), usize::from(!good));
        if let Err(offence) = Datatype::A.check(&text) {
            proptest::prop_assert_eq!(checked.findings[0].column, 11 + offence.before as u64);
        }
    }
}
