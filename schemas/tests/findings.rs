//! Findings that people can act on: for every kind what was expected, in both languages; all of
//! them, each with its place; and where they end.

use std::collections::BTreeSet;
use std::fs;

use amtsbote_schemas::validate::{Checked, MAX_FINDINGS, Schemas, Verdict};
use amtsbote_schemas::xml::Limits;

const XSI: &str = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";

fn schemas(inside: &str) -> Schemas {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.xsd");
    let xs = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";
    fs::write(&file, format!("<xs:schema {xs}>{inside}</xs:schema>")).expect("written");
    Schemas::load_single(&file, None).expect("it compiles")
}

fn check(schemas: &Schemas, message: &str) -> Checked {
    schemas.check(message.as_bytes(), &Limits::default(), &|| false)
}

/// Of every kind one: schema, message, code, how the texts end.
#[test]
fn every_kind_says_what_was_expected() {
    let simple = |facets: &str| {
        format!(
            "<xs:element name='r'><xs:simpleType><xs:restriction {facets}</xs:restriction>\
             </xs:simpleType></xs:element>"
        )
    };
    let complex = |inside: &str| {
        format!("<xs:element name='r'><xs:complexType>{inside}</xs:complexType></xs:element>")
    };
    let types = "<xs:complexType name='A' abstract='true'/>\
        <xs:complexType name='B'><xs:complexContent><xs:extension base='A'/></xs:complexContent>\
        </xs:complexType><xs:complexType name='C'/><xs:element name='r' type='A'/>";
    let keys = "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='e' \
        maxOccurs='9'><xs:complexType><xs:attribute name='k'/><xs:attribute name='z'/>\
        </xs:complexType></xs:element></xs:sequence></xs:complexType>\
        <xs:key name='nummern'><xs:selector xpath='e'/><xs:field xpath='@k'/></xs:key>\
        <xs:keyref name='verweise' refer='nummern'><xs:selector xpath='e'/><xs:field xpath='@z'/>\
        </xs:keyref></xs:element>";
    let pair = "<xs:sequence><xs:element name='a'/><xs:element name='b'/></xs:sequence>\
        <xs:attribute name='k' use='required'/><xs:attribute name='n' type='xs:int'/>";
    let ids = "<xs:attribute name='i' type='xs:ID'/><xs:attribute name='z' type='xs:IDREF'/>";
    let listed = format!(
        "<xs:simpleType name='L'><xs:list itemType='xs:int'/></xs:simpleType>{}",
        simple("base='L'><xs:maxLength value='2'/>")
    );
    let inner = "<xs:sequence><xs:any processContents='strict'/></xs:sequence>";
    let tag = |attributes: &str| format!("<r {XSI} {attributes}/>");
    let cases: &[(String, String, &str, &str, &str)] = &[
        (
            complex(pair),
            "<r k='1'><b/></r>".into(),
            "element-not-allowed",
            "Erwartet: a.",
            "Expected: a.",
        ),
        (
            complex(pair),
            "<r k='1'><a/><b/><a/></r>".into(),
            "element-not-allowed",
            "Erwartet: kein weiteres Element.",
            "Expected: no further element.",
        ),
        (
            "<xs:element name='r' type='xs:int'/>".into(),
            "<r>1<a/></r>".into(),
            "element-not-allowed",
            "Erwartet: nur Text.",
            "Expected: text only.",
        ),
        (
            complex(
                "<xs:sequence><xs:any namespace='##other' processContents='skip' minOccurs='0'/></xs:sequence>",
            ),
            "<r><a/></r>".into(),
            "element-not-allowed",
            "Erwartet: ##other.",
            "Expected: ##other.",
        ),
        (
            complex(pair),
            "<r k='1'><a/></r>".into(),
            "content-incomplete",
            "Erwartet: b.",
            "Expected: b.",
        ),
        (
            complex(inner),
            "<r><x/></r>".into(),
            "element-unknown",
            "ist im Schema nicht vereinbart.",
            "is not declared in the schema.",
        ),
        (
            format!("<xs:element name='x' abstract='true'/>{}", complex(inner)),
            "<r><x/></r>".into(),
            "element-abstract",
            "muss eines seiner Ersatzelemente stehen.",
            "one of its substitutes must stand in its place.",
        ),
        (types.into(), "<r/>".into(), "type-abstract", "Erwartet: B.", "Expected: B."),
        (types.into(), tag("xsi:type='X'"), "type-unknown", "Erwartet: B.", "Expected: B."),
        (types.into(), tag("xsi:type='C'"), "type-not-derived", "Erwartet: B.", "Expected: B."),
        (
            "<xs:element name='r' type='xs:int'/>".into(),
            format!("<r {XSI} xsi:nil='false'>1</r>"),
            "nil-not-allowed",
            "xsi:nil ist an Element „r“ nicht zugelassen.",
            "Xsi:nil is not allowed on element 'r'.",
        ),
        (
            "<xs:element name='r' type='xs:int' nillable='true'/>".into(),
            format!("<r {XSI} xsi:nil='ja'>1</r>"),
            "value-wrong-type",
            "Erwartet: xs:boolean.",
            "Expected: xs:boolean.",
        ),
        (
            "<xs:element name='r' type='xs:int' nillable='true' fixed='1'/>".into(),
            tag("xsi:nil='true'"),
            "nil-not-empty",
            "oder es hat einen festen Wert.",
            "or has a fixed value.",
        ),
        (
            complex(""),
            "<r> </r>".into(),
            "content-not-empty",
            "muss leer sein, auch ohne Leerraum.",
            "must be empty, without white space too.",
        ),
        (
            complex("<xs:sequence><xs:element name='a' minOccurs='0'/></xs:sequence>"),
            "<r>x</r>".into(),
            "text-not-allowed",
            "darf nur Elemente enthalten, keinen Text.",
            "may hold elements only, no text.",
        ),
        (
            complex(pair),
            "<r k='1' x='1'><a/><b/></r>".into(),
            "attribute-not-allowed",
            "Erwartet: k, n.",
            "Expected: k, n.",
        ),
        (
            "<xs:element name='r' type='xs:int'/>".into(),
            "<r x='1'>1</r>".into(),
            "attribute-not-allowed",
            "Erwartet: kein Attribut.",
            "Expected: no attribute.",
        ),
        (
            complex(pair),
            "<r><a/><b/></r>".into(),
            "attribute-missing",
            "Erwartet: k.",
            "Expected: k.",
        ),
        (
            complex("<xs:attribute name='f' type='xs:int' fixed='7'/>"),
            "<r f='8'/>".into(),
            "value-not-fixed",
            "Erwartet: 7.",
            "Expected: 7.",
        ),
        (
            "<xs:element name='r' fixed='so'/>".into(),
            "<r>anders</r>".into(),
            "value-not-fixed",
            "Erwartet: so.",
            "Expected: so.",
        ),
        (
            simple("base='xs:token'><xs:pattern value='[0-9]{5}'/><xs:pattern value='x'/>"),
            "<r>y</r>".into(),
            "pattern-mismatch",
            "Erwartet: [0-9]{5} | x.",
            "Expected: [0-9]{5} | x.",
        ),
        (
            simple("base='xs:token'><xs:enumeration value='w'/><xs:enumeration value='m'/>"),
            "<r>x</r>".into(),
            "value-not-in-list",
            "Erwartet: m, w.",
            "Expected: m, w.",
        ),
        (
            simple("base='xs:token'><xs:minLength value='3'/>"),
            "<r>ab</r>".into(),
            "value-too-short",
            "Erwartet: ≥ 3 Zeichen.",
            "Expected: ≥ 3 characters.",
        ),
        (
            listed,
            "<r>1 2 3</r>".into(),
            "value-too-long",
            "Erwartet: ≤ 2 Einträge.",
            "Expected: ≤ 2 items.",
        ),
        (
            simple("base='xs:hexBinary'><xs:length value='32'/>"),
            "<r>00</r>".into(),
            "value-wrong-length",
            "Erwartet: = 32 Bytes.",
            "Expected: = 32 bytes.",
        ),
        (
            simple("base='xs:date'><xs:minInclusive value='1850-01-01'/>"),
            "<r>1849-12-31</r>".into(),
            "value-out-of-range",
            "Erwartet: ≥ 1850-01-01.",
            "Expected: ≥ 1850-01-01.",
        ),
        (
            simple("base='xs:decimal'><xs:totalDigits value='4'/><xs:fractionDigits value='2'/>"),
            "<r>1.234</r>".into(),
            "value-too-many-digits",
            "Erwartet: totalDigits ≤ 4, fractionDigits ≤ 2.",
            "Expected: totalDigits ≤ 4, fractionDigits ≤ 2.",
        ),
        (
            "<xs:element name='r' type='xs:date'/>".into(),
            "<r>2026-02-30</r>".into(),
            "value-wrong-type",
            "Erwartet: xs:date.",
            "Expected: xs:date.",
        ),
        (
            complex(ids),
            "<r z='x'/>".into(),
            "reference-dangling",
            "zeigt auf kein Element der Nachricht.",
            "points to no element of the message.",
        ),
        (
            format!(
                "<xs:complexType name='I'>{ids}</xs:complexType>{}",
                complex("<xs:sequence><xs:element name='e' type='I' maxOccurs='2'/></xs:sequence>")
            ),
            "<r><e i='x'/><e i='x'/></r>".into(),
            "id-repeated",
            "kommt in der Nachricht mehr als einmal vor.",
            "occurs more than once in the message.",
        ),
        (keys.into(), "<r><e/></r>".into(), "key-missing", "Regel: nummern.", "Rule: nummern."),
        (
            keys.into(),
            "<r><e k='1'/><e k='1'/></r>".into(),
            "key-repeated",
            "Regel: nummern.",
            "Rule: nummern.",
        ),
        (
            keys.into(),
            "<r><e k='1' z='2'/></r>".into(),
            "key-dangling",
            "Regel: verweise.",
            "Rule: verweise.",
        ),
    ];
    let mut kinds = BTreeSet::new();
    for (schema, message, code, de, en) in cases {
        let checked = check(&schemas(schema), message);
        let [finding] = &checked.findings[..] else {
            panic!("{message}: {:?}", checked.findings);
        };
        assert_eq!(finding.code, *code, "{message}");
        assert!(finding.message_de.ends_with(de), "{code}: {}", finding.message_de);
        assert!(finding.message_en.ends_with(en), "{code}: {}", finding.message_en);
        assert!(finding.line == 1 && finding.column > 0 && finding.path.starts_with("/r"));
        kinds.insert(*code);
    }
    assert_eq!(kinds.len(), 27);
}

/// What a clearing clerk needs: not the first mistake but all, each where it is.
#[test]
fn three_mistakes_are_three_findings() {
    let schemas = schemas(
        "<xs:element name='r'><xs:complexType><xs:sequence>
         <xs:element name='plz'><xs:simpleType><xs:restriction base='xs:token'>
         <xs:pattern value='[0-9]{5}'/></xs:restriction></xs:simpleType></xs:element>
         <xs:element name='person' maxOccurs='9'><xs:complexType><xs:sequence>
         <xs:element name='name' type='xs:token'/><xs:element name='geburt' type='xs:date'/>
         <xs:element name='rang' type='xs:int' minOccurs='0'/>
         </xs:sequence><xs:attribute name='id' type='xs:ID' use='required'/></xs:complexType>
         </xs:element></xs:sequence></xs:complexType></xs:element>",
    );
    let found = |message: &str| -> Vec<(&'static str, u64, u64, String)> {
        let checked = check(&schemas, message);
        assert_eq!((checked.verdict, checked.truncated), (Verdict::Invalid, false));
        let each = checked.findings.into_iter();
        each.map(|one| (one.code, one.line, one.column, one.path)).collect()
    };
    let message = "<r>\n  <plz>3265</plz>\n  <person>\n    <name>A</name>\n    \
                   <geburt>1990-13-01</geburt>\n  </person>\n</r>";
    assert_eq!(
        found(message),
        [
            ("pattern-mismatch", 2, 3, "/r/plz".to_owned()),
            ("attribute-missing", 3, 3, "/r/person".to_owned()),
            ("value-wrong-type", 5, 5, "/r/person/geburt".to_owned()),
        ]
    );
    // Something is missing, and what follows in the same parent is judged all the same.
    let message = "<r>\n  <plz>32657</plz>\n  <person id='a'>\n    <geburt>gestern</geburt>\n    \
                   <rang>x</rang>\n  </person>\n  <person id='a'><name>B</name></person>\n</r>";
    assert_eq!(
        found(message),
        [
            ("element-not-allowed", 4, 5, "/r/person/geburt".to_owned()),
            ("value-wrong-type", 4, 5, "/r/person/geburt".to_owned()),
            ("value-wrong-type", 5, 5, "/r/person/rang".to_owned()),
            ("id-repeated", 7, 11, "/r/person[2]/@id".to_owned()),
            ("content-incomplete", 7, 32, "/r/person[2]".to_owned()),
        ]
    );
}

#[test]
fn findings_end_at_the_limit_and_say_so() {
    let schemas = schemas(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='n' type='xs:int' \
         maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>",
    );
    for (wrong, truncated) in [
        (MAX_FINDINGS - 1, false),
        (MAX_FINDINGS, false),
        (MAX_FINDINGS + 1, true),
        (100_000, true),
    ] {
        let checked = check(&schemas, &format!("<r>{}<n>1</n></r>", "<n>x</n>".repeat(wrong)));
        assert_eq!(checked.verdict, Verdict::Invalid);
        assert_eq!(checked.findings.len(), wrong.min(MAX_FINDINGS));
        assert_eq!(checked.truncated, truncated, "{wrong}");
        let last = &checked.findings[checked.findings.len() - 1];
        let place = wrong.min(MAX_FINDINGS);
        assert_eq!(last.path, format!("/r/n[{place}]"), "the first ones, in order");
    }
}
