//! `harmless` of a pack: values that findings may tell, in their place and nowhere else (P7).

use std::fs;

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Finding};
use amtsbote_schemas::xml::Limits;

/// A standard with a number that is harmless and a name that is not, and with every way round the
/// content model that XML Schema has.
const SCHEMA: &str = r###"
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:p" targetNamespace="urn:p">
 <xs:simpleType name="Nr"><xs:restriction base="xs:token"><xs:pattern value="[0-9]{1,8}"/>
 </xs:restriction></xs:simpleType>
 <xs:simpleType name="KurzeNr"><xs:restriction base="p:Nr"><xs:maxLength value="2"/>
 </xs:restriction></xs:simpleType>
 <xs:complexType name="Kopf"><xs:sequence>
  <xs:element name="nr" type="p:Nr"/>
  <xs:element name="vorname" type="p:Nr" minOccurs="0"/>
  <xs:element name="fest" type="xs:int" fixed="7" minOccurs="0"/>
  <xs:element name="null" type="p:Nr" nillable="true" minOccurs="0"/>
  <xs:element name="mitAttribut" minOccurs="0"><xs:complexType><xs:simpleContent>
   <xs:extension base="p:Nr"><xs:attribute name="v" type="p:Nr"/></xs:extension>
  </xs:simpleContent></xs:complexType></xs:element>
 </xs:sequence><xs:attribute name="v" type="p:Nr"/><xs:attribute name="geheim" type="p:Nr"/>
 <xs:anyAttribute namespace="##other" processContents="lax"/>
 </xs:complexType>
 <xs:complexType name="LangerKopf"><xs:complexContent><xs:extension base="p:Kopf"><xs:sequence>
  <xs:element name="mehr" type="p:Nr"/></xs:sequence></xs:extension></xs:complexContent>
 </xs:complexType>
 <xs:complexType name="Code"><xs:sequence><xs:element name="code" type="xs:token"/></xs:sequence>
  <xs:attribute name="listURI" type="xs:anyURI" fixed="urn:liste"/>
  <xs:attribute name="listVersionID" type="xs:token" fixed="1"/></xs:complexType>
 <xs:element name="global" type="p:Kopf"/>
 <xs:element name="nr" type="p:Nr"/>
 <xs:attribute name="v" type="p:Nr"/>
 <xs:element name="r"><xs:complexType><xs:sequence>
  <xs:element name="kopf" type="p:Kopf"/>
  <xs:element name="grund" type="p:Code" minOccurs="0"/>
  <xs:element name="staat" type="p:Code" minOccurs="0"/>
  <xs:element name="frei" minOccurs="0"/>
  <xs:any namespace="##targetNamespace" minOccurs="0" processContents="lax"/>
 </xs:sequence></xs:complexType></xs:element>
</xs:schema>"###;

const LIST: &str = r###"<CodeList xmlns="http://docs.oasis-open.org/codelist/ns/genericode/1.0/">
<Identification xmlns=""><ShortName>L</ShortName><Version>1</Version>
<CanonicalUri>urn:liste</CanonicalUri><CanonicalVersionUri>urn:liste_1</CanonicalVersionUri>
</Identification><ColumnSet xmlns=""><Column Id="code" Use="required"><ShortName>code</ShortName>
<Data Type="string"/></Column><Key Id="k"><ShortName>k</ShortName><ColumnRef Ref="code"/></Key>
</ColumnSet><SimpleCodeList xmlns=""><Row><Value ColumnRef="code"><SimpleValue>01</SimpleValue>
</Value></Row></SimpleCodeList></CodeList>"###;

const XMLNS: &str = "xmlns:p='urn:p' xmlns:xs='http://www.w3.org/2001/XMLSchema' \
                     xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";

fn load(harmless: &str) -> Result<PackSet, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("pack");
    fs::create_dir(&pack).expect("a folder");
    fs::write(pack.join("s.xsd"), SCHEMA).expect("written");
    fs::write(pack.join("l.xml"), LIST).expect("written");
    let manifest = format!(
        "standard = \"P\"\nversion = \"1\"\nnamespace = \"urn:p\"\nvalid_from = 2026-01-01\n\
         decided_by = \"arrived\"\nheader = \"none\"\nentry = [\"s.xsd\"]\n\
         code_lists = [\"l.xml\"]\nharmless = [{harmless}]\n\
         [[message]]\nroot = \"r\"\ntype = \"1\"\nname = \"R\"\n"
    );
    fs::write(pack.join("pack.toml"), manifest).expect("written");
    PackSet::load(folder.path()).map_err(|error| error.cause.to_string())
}

fn check(packs: &PackSet, inside: &str) -> Checked {
    let message = format!("<p:r {XMLNS}>{inside}</p:r>");
    let arrival = "2026-06-01T00:00:00Z".parse().expect("an instant");
    packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false)
}

const MARKS: &str =
    r#""kopf/nr", "fest", "null", "mitAttribut", "kopf/@v", "grund/code", "global/nr""#;

fn only(checked: &Checked) -> &Finding {
    assert_eq!(checked.findings.len(), 1, "{:?}", checked.findings);
    &checked.findings[0]
}

#[test]
fn a_value_is_told_in_its_place() {
    let packs = load(MARKS).expect("it loads");
    for (inside, found) in [
        ("<kopf><nr>zwölf</nr></kopf>", "„zwölf“"),
        ("<kopf><nr><![CDATA[zw]]>ö<!-- x -->lf</nr></kopf>", "„zwölf“"),
        ("<kopf><nr></nr></kopf>", "nichts"),
        ("<kopf><nr>1</nr><fest>8</fest></kopf>", "„8“"),
        ("<kopf><nr>1</nr><mitAttribut>x</mitAttribut></kopf>", "„x“"),
        ("<kopf v='x'><nr>1</nr></kopf>", "„x“"),
        ("<kopf xsi:type='p:LangerKopf' v='x'><nr>1</nr><mehr>1</mehr></kopf>", "„x“"),
        ("<kopf xsi:type='p:LangerKopf'><nr>x</nr><mehr>1</mehr></kopf>", "„x“"),
        ("<kopf><nr>1</nr></kopf><grund><code>Kode</code></grund>", "„Kode“"),
    ] {
        let checked = check(&packs, inside);
        let finding = only(&checked);
        let end = format!(" Gefunden: {found}.");
        assert!(finding.message_de.ends_with(&end), "{inside}: {}", finding.message_de);
        assert!(finding.message_en.contains(" Found: "), "{}", finding.message_en);
    }
    // A mark reaches nobody else.
    for inside in [
        "<kopf><nr>1</nr><vorname>KANARIE</vorname></kopf>",
        "<kopf geheim='KANARIE'><nr>1</nr></kopf>",
        "<kopf><nr>1</nr><mitAttribut v='KANARIE'>1</mitAttribut></kopf>",
        "<kopf><nr>1</nr></kopf><staat><code>KANARIE</code></staat>",
    ] {
        let text = format!("{:?}", only(&check(&packs, inside)));
        assert!(!text.contains("KANARIE") && !text.contains("Gefunden"), "{text}");
    }
}

/// What an attacker, or a program with a fault, puts around a value so that it looks harmless.
#[test]
fn a_value_elsewhere_is_never_told() {
    let packs = load(MARKS).expect("it loads");
    for inside in [
        // In the wrong place, and after something was in the wrong place.
        "<nr>KANARIE</nr>",
        "<kopf><nr>1</nr><nr>KANARIE</nr></kopf>",
        "<kopf><vorname>1</vorname><nr>KANARIE</nr></kopf>",
        "<kopf><fest>KANARIE</fest></kopf>",
        "<kopf><vorname>1</vorname><fest>KANARIE</fest></kopf>",
        "<grund><code>KANARIE</code></grund>",
        "<kopf><nr>1</nr></kopf><staat><code>01</code></staat><grund><code>KANARIE</code></grund>",
        "<person><kopf v='KANARIE'><nr>KANARIE</nr></kopf></person>",
        // Inside another name, and another name inside.
        "<kopf><nr>1<nr>KANARIE</nr></nr></kopf>",
        "<kopf><nr>KANARIE<vorname>KANARIE</vorname></nr></kopf>",
        "<kopf><nr><vorname>KANARIE</vorname>x</nr></kopf>",
        "<kopf><nr>1</nr></kopf><grund><code>01<x>KANARIE</x></code></grund>",
        "<kopf><nr>1</nr></kopf><grund><code>KANARIE<x/></code></grund>",
        // In another namespace.
        "<kopf><p:nr>KANARIE</p:nr></kopf>",
        "<kopf p:v='KANARIE'><nr>1</nr></kopf>",
        "<kopf xmlns:q='urn:q' q:v='KANARIE'><nr>1</nr><x/></kopf>",
        // By a type that the message chooses.
        "<kopf><nr xsi:type='p:KurzeNr'>KANARIE</nr></kopf>",
        "<kopf><nr xsi:type='p:Kopf'>KANARIE</nr></kopf>",
        "<kopf xsi:type='p:Code'><nr>KANARIE</nr></kopf>",
        "<kopf xsi:type='p:Unsinn' v='KANARIE'><nr>KANARIE</nr></kopf>",
        "<kopf><nr>1</nr></kopf><frei xsi:type='p:Kopf' v='KANARIE'><nr>KANARIE</nr></frei>",
        // Where anything may stand.
        "<kopf><nr>1</nr></kopf><frei><kopf v='KANARIE'><nr>KANARIE</nr></kopf></frei><x/>",
        "<kopf><nr>1</nr></kopf><frei><p:global v='KANARIE'><nr>KANARIE</nr></p:global></frei>",
        "<kopf><nr>1</nr></kopf><p:global v='KANARIE'><nr>KANARIE</nr></p:global>",
        "<kopf><nr>1</nr></kopf><p:nr>KANARIE</p:nr>",
        // Without a value.
        "<kopf><nr>1</nr><null xsi:nil='true'>KANARIE</null></kopf>",
        "<kopf><nr>1</nr><null xsi:nil='KANARIE'>1</null></kopf>",
    ] {
        let checked = check(&packs, inside);
        assert!(!checked.findings.is_empty(), "{inside}");
        let text = format!("{checked:?}");
        assert!(!text.contains("KANARIE") && !text.contains("Gefunden"), "{inside}: {text}");
    }
}

/// A wildcard leads to an attribute of the same name that is declared globally.
#[test]
fn an_attribute_let_in_by_a_wildcard_is_never_told() {
    let packs = load("\"@v\"").expect("it loads");
    let text = |inside: &str| format!("{:?}", only(&check(&packs, inside)));
    assert!(text("<kopf v='KANARIE'><nr>1</nr></kopf>").contains("KANARIE"));
    for attributes in ["p:v='KANARIE'", "xsi:type='p:Kopf' v='KANARIE'"] {
        let told = text(&format!("<kopf><nr>1</nr></kopf><frei {attributes}><nr>1</nr></frei>"));
        assert!(!told.contains("KANARIE"), "{told}");
    }
}

#[test]
fn a_value_is_told_in_bounds_and_visibly() {
    let packs = load(MARKS).expect("it loads");
    let texts = |value: &str| {
        let checked = check(&packs, &format!("<kopf><nr>{value}</nr></kopf>"));
        let finding = only(&checked);
        let end = |text: &str, word: &str| text.split_once(word).expect("told").1.to_owned();
        (end(&finding.message_de, " Gefunden: "), end(&finding.message_en, " Found: "))
    };
    let same = |value: &str, shown: &str| {
        assert_eq!(texts(value), (format!("„{shown}“."), format!("'{shown}'.")));
    };
    same("a\tb\nc", "a\\tb\\nc");
    same("a&#13;b", "a\\rb");
    same("a\u{202e}b\u{200b}\u{a0}\u{feff}", "a\\u{202e}b\\u{200b}\\u{a0}\\u{feff}");
    same("\u{308}u\u{308}\u{2028}", "\\u{308}u\\u{308}\\u{2028}");
    same("Ü\\\"", "Ü\\\\\"");
    // A value cannot end its quotation.
    assert_eq!(texts("a“. Gültig.").0, "„a\\u{201c}. Gültig.“.");
    assert_eq!(texts("a'. Fine.").1, "'a\\'. Fine.'.");
    // 100 characters are told, of more the number.
    let long = "ä".repeat(100);
    same(&long, &long);
    let (de, en) = texts(&format!("{long}KANARIE"));
    assert_eq!(de, format!("„{long}“ … (107 Zeichen)."));
    assert_eq!(en, format!("'{long}' … (107 characters)."));
    let (de, _) = texts(&"\u{10ffff}".repeat(1_000_000).replace('\u{10ffff}', "\u{e000}"));
    assert!(de.len() < 1_500, "{}", de.len());
}

#[test]
fn names_are_checked_when_the_pack_is_loaded() {
    for (name, fault) in [
        ("nummer", "harmless: 'nummer' is no element or attribute of the schemas"),
        ("staat/nr", "harmless: 'staat/nr' is no element or attribute of the schemas"),
        ("@w", "harmless: '@w' is no element or attribute of the schemas"),
        ("grund/@v", "harmless: 'grund/@v' is no element or attribute of the schemas"),
        ("frei/kopf", "harmless: 'frei/kopf' is no element or attribute of the schemas"),
        ("kopf", "harmless: 'kopf' holds elements, not text; name the element inside it"),
        ("p:nr", "harmless: 'p:nr' is no name;"),
        ("", "harmless: '' is no name;"),
        ("@v/nr", "harmless: '@v/nr' is no name;"),
    ] {
        let error = load(&format!("{name:?}")).expect_err("refused");
        assert!(error.starts_with(fault), "{error}");
    }
    for name in
        ["nr", "kopf/nr", "r/kopf/nr", "kopf/mehr", "code", "@v", "mitAttribut/@v", "@listURI"]
    {
        load(&format!("{name:?}")).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let many = vec!["\"nr\""; 1_001].join(", ");
    assert_eq!(load(&many).expect_err("refused"), "harmless: more than 1000 names");
}

/// One name for several types would tell more than the pack meant.
#[test]
fn a_name_with_two_meanings_needs_a_path() {
    let packs = |name: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let of = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/xummeldung-1.1");
        let pack = folder.path().join("pack");
        fs::create_dir_all(pack.join("codelists")).expect("a folder");
        for part in ["", "codelists"] {
            for entry in fs::read_dir(of.join(part)).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    let to = pack.join(part).join(path.file_name().expect("a name"));
                    fs::copy(&path, to).expect("copied");
                }
            }
        }
        let manifest = fs::read_to_string(of.join("pack.toml")).expect("read");
        let (before, rest) = manifest.split_once("harmless = [").expect("marks");
        let (_, after) = rest.split_once(']').expect("its end");
        fs::write(pack.join("pack.toml"), format!("{before}harmless = [{name:?}]{after}"))
            .expect("written");
        PackSet::load(folder.path()).map(|_| ()).map_err(|error| error.cause.to_string())
    };
    for name in ["code", "name", "kennung"] {
        let error = packs(name).expect_err("refused");
        let start = format!("harmless: '{name}' stands for values of different types;");
        assert!(error.starts_with(&start), "{error}");
    }
    // In types that only xsi:type names, and in members of a substitution group.
    for name in ["grund/code", "person/kontakt/kennung", "nachweis.ausweis/art", "person/@id"] {
        packs(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Schemas that go through the library tell no values, and say so instead of ignoring the marks.
#[test]
fn the_library_tells_no_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("pack");
    fs::create_dir(&pack).expect("a folder");
    let xsd = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='r'>\
        <xs:complexType><xs:sequence maxOccurs='20'><xs:sequence maxOccurs='20'>\
        <xs:sequence maxOccurs='20'><xs:sequence maxOccurs='20'><xs:sequence maxOccurs='20'>\
        <xs:element name='nr' type='xs:int' maxOccurs='20'/></xs:sequence></xs:sequence>\
        </xs:sequence></xs:sequence></xs:sequence></xs:complexType></xs:element></xs:schema>";
    fs::write(pack.join("s.xsd"), xsd).expect("written");
    let manifest = |harmless: &str| {
        format!(
            "standard = \"P\"\nversion = \"1\"\nnamespace = \"urn:none\"\nvalid_from = 2026-01-01\n\
             decided_by = \"arrived\"\nheader = \"none\"\nentry = [\"s.xsd\"]\n\
             harmless = [{harmless}]\n\
             [[message]]\nroot = \"r\"\ntype = \"1\"\nname = \"R\"\nnamespace = \"\"\n"
        )
    };
    fs::write(pack.join("pack.toml"), manifest("")).expect("written");
    let packs = PackSet::load(folder.path()).expect("it loads");
    assert_eq!(packs.list()[0].validated_by, "library");
    fs::write(pack.join("pack.toml"), manifest("\"nr\"")).expect("written");
    let error = PackSet::load(folder.path()).expect_err("refused").cause.to_string();
    assert!(error.starts_with("harmless needs compiled schemas, and these are not ("), "{error}");
}
