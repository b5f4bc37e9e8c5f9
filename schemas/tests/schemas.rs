//! Loading schemas from files, and judging by them: what is read, what is refused, and the corners
//! of the specification that the engine leaves to us.

use std::fs;
use std::path::Path;

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Schemas, SchemasError, Verdict};
use amtsbote_schemas::xml::Limits;
use tempfile::TempDir;

const XS: &str = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn single(body: &str) -> (TempDir, Schemas) {
    let folder = folder(&[("s.xsd", &format!("<xs:schema {XS}>{body}</xs:schema>"))]);
    let schemas = Schemas::load_single(&folder.path().join("s.xsd"), None).expect("compiles");
    (folder, schemas)
}

fn check(schemas: &Schemas, message: &str) -> Checked {
    schemas.check(message.as_bytes(), &Limits::default(), &|| false)
}

fn codes(schemas: &Schemas, message: &str) -> Vec<&'static str> {
    check(schemas, message).findings.iter().map(|finding| finding.code).collect()
}

const LIST: &str = "<xs:element name='liste'><xs:complexType><xs:sequence>
    <xs:element name='a' type='xs:token'/><xs:element name='b' type='xs:int' minOccurs='0'/>
    <xs:element name='c' maxOccurs='9'><xs:complexType><xs:attribute name='id' type='xs:ID'/>
    <xs:attribute name='zu' type='xs:IDREFS'/></xs:complexType></xs:element>
    </xs:sequence></xs:complexType></xs:element>";

#[test]
fn every_fault_is_reported_once_and_in_its_place() {
    let (_folder, schemas) = single(LIST);
    assert_eq!(codes(&schemas, "<liste><a/><c/></liste>"), [""; 0]);
    let checked = check(
        &schemas,
        "<liste>\n<a/>\n<b>x</b>\n<c id='1'/>\n<c zu='k l' x=''/>\n<d><e/></d>\n<f/>\n</liste>",
    );
    let found: Vec<_> =
        checked.findings.iter().map(|f| (f.code, f.line, f.column, f.path.as_str())).collect();
    assert_eq!(
        found,
        [
            ("value-wrong-type", 3, 1, "/liste/b"),
            ("value-wrong-type", 4, 4, "/liste/c/@id"),
            ("attribute-not-allowed", 5, 13, "/liste/c[2]/@x"),
            ("element-not-allowed", 6, 1, "/liste/d"),
            ("element-not-allowed", 7, 1, "/liste/f"),
            ("reference-dangling", 5, 4, "/liste/c[2]/@zu"),
        ]
    );
    assert_eq!(
        checked.findings[3].message_de,
        "Element „d“ ist an dieser Stelle nicht zugelassen. Erwartet: c."
    );
}

#[test]
fn what_is_missing_hides_nothing_that_comes_after_it() {
    let (_folder, schemas) = single(LIST);
    // No a; b is wrong; one c too many of a name that nobody knows; an unknown reference.
    let found = codes(&schemas, "<liste><b>x</b><c/><z/><c zu='k'/></liste>");
    let expected =
        ["element-not-allowed", "value-wrong-type", "element-not-allowed", "reference-dangling"];
    assert_eq!(found, expected);
    // What was skipped and comes late is no second mistake, and nor is what follows.
    assert_eq!(codes(&schemas, "<liste><b>1</b><a/><c/></liste>"), ["element-not-allowed"]);
}

#[test]
fn an_end_that_comes_too_early_says_what_was_expected() {
    let (_folder, schemas) = single(LIST);
    let checked = check(&schemas, "<liste><a/>\n\n</liste>");
    let finding = &checked.findings[0];
    assert_eq!((finding.code, finding.line), ("content-incomplete", 3));
    assert_eq!(
        finding.message_en,
        "Element 'liste' lacks something: its content ends before it is complete. Expected: b, c."
    );
}

#[test]
fn hints_of_the_message_load_nothing_and_refuse_nothing() {
    let (_folder, schemas) = single(LIST);
    let xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";
    for hint in [
        "xsi:schemaLocation='nur-ein-wort'",
        "xsi:schemaLocation='urn:a http://localhost:9/a.xsd'",
        "xsi:schemaLocation=''",
        "xsi:noNamespaceSchemaLocation='/etc/passwd'",
        "xsi:noNamespaceSchemaLocation='zwei worte'",
    ] {
        let message = format!("<liste {xsi} {hint}><a/><c {hint}/></liste>");
        assert_eq!(check(&schemas, &message).verdict, Verdict::Valid, "{hint}");
    }
}

#[test]
fn white_space_is_what_xml_says() {
    let (_folder, schemas) = single(LIST);
    assert_eq!(codes(&schemas, "<liste>\t\r\n <a/><c/></liste>"), [""; 0]);
    for odd in ["\u{A0}", "\u{2003}", "&#x85;", " \u{3000} "] {
        let message = format!("<liste><a/>{odd}<c/></liste>");
        assert_eq!(codes(&schemas, &message), ["text-not-allowed"], "{odd:?}");
    }
    assert_eq!(codes(&schemas, "<liste><a/><c> </c></liste>"), ["content-not-empty"]);
}

#[test]
fn prefixes_in_values_are_resolved_where_they_stand() {
    let (_folder, schemas) = single(
        "<xs:complexType name='T'/><xs:complexType name='U'><xs:complexContent>
         <xs:extension base='T'><xs:attribute name='q' type='xs:QName'/></xs:extension>
         </xs:complexContent></xs:complexType>
         <xs:element name='r'><xs:complexType><xs:sequence>
         <xs:element name='t' type='T' maxOccurs='9'/></xs:sequence></xs:complexType></xs:element>",
    );
    let xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";
    let one = |inner: &str| codes(&schemas, &format!("<r {xsi}>{inner}</r>"));
    assert_eq!(one("<t xsi:type='U' xmlns:p='urn:p' q='p:x'/>"), [""; 0]);
    assert_eq!(one("<t xmlns:p='urn:p'/><t xsi:type='U' q='p:x'/>"), ["value-wrong-type"]);
    assert_eq!(one("<t xmlns='' xsi:type='U'/>"), [""; 0]);
    assert_eq!(one("<t xmlns:p='urn:p' xsi:type='p:U'/>"), ["type-unknown"]);
    assert_eq!(
        one("<t xsi:type='xs:int' xmlns:xs='http://www.w3.org/2001/XMLSchema'/>"),
        ["type-not-derived"]
    );
}

#[test]
fn an_unknown_root_is_invalid_and_bad_xml_is_not_well_formed() {
    let (_folder, schemas) = single(LIST);
    assert_eq!(codes(&schemas, "<anders><x/><y/></anders>"), ["element-unknown"]);
    assert_eq!(check(&schemas, "<liste>").verdict, Verdict::NotWellFormed);
    assert_eq!(check(&schemas, "").verdict, Verdict::NotWellFormed);
    let deep = "<a>".repeat(300);
    assert_eq!(check(&schemas, &deep).findings[0].code, "limit-depth");
}

#[test]
fn a_pack_reads_nothing_outside_its_folder() {
    let outside =
        folder(&[("geheim.xsd", &format!("<xs:schema {XS}><xs:element name='x'/></xs:schema>"))]);
    let absolute = outside.path().join("geheim.xsd");
    let relative =
        format!("../{}/geheim.xsd", outside.path().file_name().expect("a name").to_string_lossy());
    for location in [
        relative.clone(),
        absolute.to_string_lossy().into_owned(),
        format!("file://{}", absolute.display()),
        "http://localhost:9/geheim.xsd".to_owned(),
        "verweis.xsd".to_owned(),
    ] {
        let schema = format!(
            "<xs:schema {XS}><xs:include schemaLocation='{location}'/><xs:element name='r'/></xs:schema>"
        );
        let pack = folder(&[("p/r.xsd", &schema), ("p/pack.toml", MANIFEST)]);
        std::os::unix::fs::symlink(&absolute, pack.path().join("p/verweis.xsd")).expect("linked");
        let error = PackSet::load(pack.path()).expect_err(&location);
        assert!(error.to_string().contains("no document for"), "{location}: {error}");
    }
    let pack = folder(&[("p/pack.toml", MANIFEST)]);
    std::os::unix::fs::symlink(&absolute, pack.path().join("p/r.xsd")).expect("linked");
    let error = PackSet::load(pack.path()).expect_err("an entry that leads out").to_string();
    assert!(error.contains("outside"), "{error}");
}

const MANIFEST: &str = "standard = 'X'\nversion = '1'\nvalid_from = 2026-01-01\ndecided_by = 'arrived'\n\
    header = 'none'\nentry = ['r.xsd']\nnamespace = 'urn:r'\n[[message]]\nroot = 'r'\ntype = '1'\nname = 'R'\n";

fn schema(root: &str) -> String {
    format!(
        "<xs:schema {XS} targetNamespace='urn:r'><xs:element name='{root}' type='xs:int'/></xs:schema>"
    )
}

fn refused(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    PackSet::load(folder.path()).expect_err("refused").to_string()
}

#[test]
fn packs_that_cannot_be_are_refused() {
    let good = schema("r");
    let packs = folder(&[("a/r.xsd", &good), ("a/pack.toml", MANIFEST), ("ohne/x", "")]);
    assert_eq!(PackSet::load(packs.path()).expect("good").len(), 1);
    let a = [("a/r.xsd", good.as_str()), ("a/pack.toml", MANIFEST)];
    let two =
        |manifest: &str| refused(&[a[0], a[1], ("b/r.xsd", &good), ("b/pack.toml", manifest)]);
    assert!(two(MANIFEST).contains("X 1 is already there, in a"));
    let later = MANIFEST.replace("2026-01-01", "2030-01-01");
    assert!(two(&later).contains("already there"), "also with another validity");
    assert!(two(&MANIFEST.replace("'X'", "'Y'")).contains("cannot be told from those of a"));
    let other_root = schema("s");
    assert!(refused(&[("a/r.xsd", &other_root), a[1]]).contains("'r' is no global element"));
    assert!(refused(&[a[1]]).starts_with("pack a: r.xsd: "));
    assert!(
        refused(&[a[0], ("a/pack.toml", "standart = 'X'")]).contains("did you mean 'standard'")
    );
    assert!(refused(&[("a/r.xsd", "<xs:schema"), a[1]]).starts_with("pack a: "));
    let listed = format!("code_lists = ['l.xml']\n{MANIFEST}");
    assert!(refused(&[a[0], ("a/pack.toml", &listed), ("a/l.xml", "<a/>")]).contains("l.xml"));
}

#[test]
fn versions_with_one_namespace_are_told_apart_by_the_version_attribute() {
    let schema = format!(
        "<xs:schema {XS} targetNamespace='urn:r'><xs:element name='r'><xs:complexType>
         <xs:attribute name='version' use='required'/></xs:complexType></xs:element></xs:schema>"
    );
    let second = MANIFEST.replace("version = '1'", "version = '2'");
    let folder = folder(&[
        ("a/r.xsd", &schema),
        ("a/pack.toml", MANIFEST),
        ("b/r.xsd", &schema),
        ("b/pack.toml", &second),
    ]);
    let packs = PackSet::load(folder.path()).expect("loads");
    let check = |version: &str| {
        let message = format!("<r xmlns='urn:r' version='{version}'/>");
        let arrival = "2026-06-01T00:00:00Z".parse().expect("an instant");
        let checked = packs.check(message.as_bytes(), arrival, &Limits::default(), &|| false);
        (checked.verdict, checked.version)
    };
    assert_eq!(check("1"), (Verdict::Valid, Some("1".to_owned())));
    assert_eq!(check("2"), (Verdict::Valid, Some("2".to_owned())));
    assert_eq!(check("3"), (Verdict::UnknownStandard, None));
}

#[test]
fn a_catalog_leads_to_documents_by_location_and_by_namespace() {
    let main = format!(
        "<xs:schema {XS} xmlns:o='urn:o' xmlns:p='urn:p'>
         <xs:import namespace='urn:o' schemaLocation='http://example.invalid/o.xsd'/>
         <xs:import namespace='urn:p' schemaLocation='gibt-es-nicht.xsd'/>
         <xs:element name='r'><xs:complexType><xs:attribute name='o' type='o:T'/>
         <xs:attribute name='p' type='p:T'/></xs:complexType></xs:element></xs:schema>"
    );
    let part = |name: &str| {
        format!(
            "<xs:schema {XS} targetNamespace='urn:{name}'><xs:simpleType name='T'>
            <xs:restriction base='xs:int'/></xs:simpleType></xs:schema>"
        )
    };
    let folder = folder(&[
        ("main/s.xsd", &main),
        ("teile/o.xsd", &part("o")),
        ("teile/p.xsd", &part("p")),
        (
            "catalog.xml",
            "<catalog xmlns='urn:oasis:names:tc:entity:xmlns:xml:catalog'>
            <rewriteURI uriStartString='http://example.invalid/' rewritePrefix='teile/'/>
            <uri name='urn:p' uri='teile/p.xsd'/></catalog>",
        ),
    ]);
    let (xsd, catalog) = (folder.path().join("main/s.xsd"), folder.path().join("catalog.xml"));
    let schemas = Schemas::load_single(&xsd, Some(&catalog)).expect("compiles");
    assert_eq!(check(&schemas, "<r o='1' p='2'/>").verdict, Verdict::Valid);
    assert_eq!(codes(&schemas, "<r o='x' p='y'/>"), ["value-wrong-type", "value-wrong-type"]);
    assert!(matches!(Schemas::load_single(&xsd, None), Err(SchemasError::Compile(_))));
    assert!(matches!(
        Schemas::load_single(Path::new("/gibt/es/nicht.xsd"), None),
        Err(SchemasError::Entry { .. })
    ));
}

#[test]
fn files_that_change_later_change_nothing() {
    let (folder, schemas) = single(LIST);
    fs::remove_file(folder.path().join("s.xsd")).expect("removed");
    // More at once than sets are kept ready: the others are compiled anew, without the file.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(check(&schemas, "<liste><a/><c/></liste>").verdict, Verdict::Valid);
                }
            });
        }
    });
}

#[test]
fn a_text_without_end_is_given_up() {
    let (_folder, schemas) = single("<xs:element name='t' type='xs:base64Binary'/>");
    let long = |size: usize| format!("<t>{}</t>", "QUJD".repeat(size / 4));
    assert_eq!(check(&schemas, &long(1 << 20)).verdict, Verdict::Valid);
    let checked = check(&schemas, &long((64 << 20) + 4));
    assert_eq!((checked.verdict, checked.findings[0].code), (Verdict::Error, "validation-gave-up"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_message_is_answered(parts in proptest::collection::vec(0..12usize, 0..40)) {
        const PARTS: [&str; 12] = ["<liste>", "</liste>", "<a>", "</a>", "<b>", "</b>", "<c id='x'>",
            "</c>", "<c zu='x y'/>", "text", "<x xmlns='urn:x'>", "</x>"];
        let (_folder, schemas) = single(LIST);
        let message: String = parts.into_iter().map(|part| PARTS[part]).collect();
        let checked = check(&schemas, &message);
        proptest::prop_assert_eq!(checked.verdict == Verdict::Valid, checked.findings.is_empty());
        proptest::prop_assert!(checked.verdict != Verdict::Error);
    }
}

#[test]
fn built_in_types_stand_in_for_those_they_derive_from() {
    let xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
               xmlns:xs='http://www.w3.org/2001/XMLSchema'";
    for (declared, named, fits) in [
        ("decimal", "integer", true),
        ("decimal", "unsignedByte", true),
        ("anySimpleType", "date", true),
        ("string", "NCName", true),
        ("integer", "decimal", false),
        ("date", "string", false),
    ] {
        let (_folder, schemas) = single(&format!("<xs:element name='r' type='xs:{declared}'/>"));
        let value = if named == "date" { "2026-11-23" } else { "1" };
        let value = if named == "NCName" { "a" } else { value };
        let message = format!("<r {xsi} xsi:type='xs:{named}'>{value}</r>");
        let found = codes(&schemas, &message);
        let first = found.first().copied();
        let expected = (!fits).then_some("type-not-derived");
        assert_eq!(first, expected, "{declared} {named}: {found:?}");
    }
}

#[test]
fn a_fixed_value_counts_without_a_type_as_well() {
    let (_folder, schemas) = single("<xs:element name='r' fixed='so'/>");
    assert_eq!(codes(&schemas, "<r>so</r>"), [""; 0]);
    assert_eq!(codes(&schemas, "<r/>"), [""; 0]);
    assert_eq!(codes(&schemas, "<r>anders</r>"), ["value-not-fixed"]);
    assert_eq!(codes(&schemas, "<r>so<a/></r>"), ["value-not-fixed"]);
}

#[test]
fn a_finding_says_what_the_schema_asks_for() {
    let types = "<xs:simpleType name='code'><xs:restriction base='xs:token'>
        <xs:enumeration value='m'/><xs:enumeration value='w'/></xs:restriction></xs:simpleType>
        <xs:simpleType name='plz'><xs:restriction base='xs:string'><xs:pattern value='[0-9]{5}'/>
        </xs:restriction></xs:simpleType>
        <xs:simpleType name='kurz'><xs:restriction base='xs:string'><xs:maxLength value='3'/>
        </xs:restriction></xs:simpleType>
        <xs:simpleType name='zahl'><xs:restriction base='xs:decimal'><xs:minInclusive value='1'/>
        <xs:maxExclusive value='9'/></xs:restriction></xs:simpleType>
        <xs:simpleType name='tag'><xs:union memberTypes='xs:date xs:gYear'/></xs:simpleType>
        <xs:simpleType name='liste'><xs:list itemType='code'/></xs:simpleType>";
    for (kind, value, expected) in [
        ("code", "x", "Expected: m, w."),
        ("plz", "x", "Expected: [0-9]{5}."),
        ("kurz", "lang", "Expected: ≤ 3 characters."),
        ("zahl", "9", "Expected: ≥ 1, < 9."),
        ("zahl", "x", "Expected: xs:decimal."),
        ("tag", "x", "Expected: xs:date | xs:gYear."),
        ("liste", "m x", "Expected: m, w."),
    ] {
        let (_folder, schemas) = single(&format!("{types}<xs:element name='r' type='{kind}'/>"));
        let checked = check(&schemas, &format!("<r>{value}</r>"));
        let message = &checked.findings[0].message_en;
        assert!(message.ends_with(expected), "{kind}: {message}");
    }
    let (_folder, schemas) = single("<xs:element name='r' type='xs:int' fixed='7'/>");
    let message = &check(&schemas, "<r>8</r>").findings[0].message_de;
    assert!(message.ends_with("Erwartet: 7."), "{message}");
}
