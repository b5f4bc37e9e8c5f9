//! Clauses that are easily missed, and what costs too much when done for every item: small schemas
//! through the whole run.

use crate::validate::{Checked, Schemas, Verdict};
use crate::xml::Limits;

const XSI: &str = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
    xmlns:xs='http://www.w3.org/2001/XMLSchema'";

fn load(inside: &str) -> Schemas {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.xsd");
    let xs = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";
    std::fs::write(&file, format!("<xs:schema {xs}>{inside}</xs:schema>")).expect("written");
    Schemas::load_single(&file, None).expect("it loads")
}

fn tables(inside: &str) -> Schemas {
    let schemas = load(inside);
    assert_eq!(schemas.facts().by_library, None, "{inside}");
    schemas
}

fn check(schemas: &Schemas, message: &str) -> Checked {
    // `xsi` and `xs` are bound at the root of every message.
    let at = message.find([' ', '/', '>']).expect("a start tag");
    let (name, rest) = message.split_at(at);
    let message = format!("{name} {XSI}{rest}");
    schemas.check(message.as_bytes(), &Limits::default(), &|| false)
}

#[track_caller]
fn judged(schemas: &Schemas, message: &str, rule: Option<&str>) {
    let checked = check(schemas, message);
    let rules: Vec<_> = checked.findings.iter().map(|finding| &*finding.rule).collect();
    assert_eq!(rules, rule.into_iter().collect::<Vec<_>>(), "{message}");
    let verdict = if rule.is_none() { Verdict::Valid } else { Verdict::Invalid };
    assert_eq!(checked.verdict, verdict, "{message}");
}

#[test]
fn a_list_of_references_far_down_costs_no_path_for_each() {
    let schemas = tables("<xs:element name='r'/>");
    let name = "n".repeat(1_000);
    let (down, up) = (format!("<{name}>").repeat(250), format!("</{name}>").repeat(250));
    let items = "a ".repeat(1 << 20);
    let message = format!("<r>{down}<q xsi:type='xs:IDREFS'>{items}</q>{up}</r>");
    let checked = check(&schemas, &message);
    assert_eq!(checked.verdict, Verdict::Invalid);
    // All of them have one place, so that they are one finding; a place of its own for each would
    // soon have no room for its path, and that be another finding.
    assert_eq!(checked.findings.len(), 1);
    assert_eq!(checked.findings[0].rule, "cvc-id.1");
    assert!(!checked.findings[0].path.is_empty());
}

#[test]
fn references_of_keys_far_down_cost_no_path_for_each() {
    let schemas = tables(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:any processContents='lax'/>\
         </xs:sequence></xs:complexType>\
         <xs:key name='k'><xs:selector xpath='.//k'/><xs:field xpath='.'/></xs:key>\
         <xs:keyref name='z' refer='k'><xs:selector xpath='.//z'/><xs:field xpath='.'/></xs:keyref>\
         </xs:element><xs:element name='z' type='xs:int'/>",
    );
    let name = "n".repeat(1_000);
    let (down, up) = (format!("<{name}>").repeat(250), format!("</{name}>").repeat(250));
    let all: String = (0..20_000).map(|n| format!("<z>{n}</z>")).collect();
    let checked = check(&schemas, &format!("<r>{down}{all}{up}</r>"));
    assert_eq!(checked.verdict, Verdict::Invalid);
    let last = checked.findings.last().expect("a finding");
    assert_eq!((&*last.rule, &*last.path), ("cvc-identity-constraint.4.3", ""));
    assert!(last.message_en.contains("'z'"), "{}", last.message_en);
}

#[test]
fn where_no_path_has_room_the_name_is_told() {
    let schemas = tables(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:any processContents='lax' \
         maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>\
         <xs:element name='e' type='xs:IDREF'/>\
         <xs:element name='f'><xs:complexType><xs:attribute name='g' type='xs:IDREF'/>\
         </xs:complexType></xs:element>",
    );
    let name = "n".repeat(1_000);
    let (down, up) = (format!("<{name}>").repeat(250), format!("</{name}>").repeat(250));
    let inside = format!("{}<f g='x'/><h xsi:type='xs:IDREF'>x</h>", "<e>x</e>".repeat(8));
    let checked = check(&schemas, &format!("<r>{down}{inside}{up}</r>"));
    let found = |from: usize| {
        let finding = &checked.findings[from];
        (&*finding.message_en, finding.path.is_empty())
    };
    assert_eq!(checked.findings.len(), 10);
    assert!(found(0).0.contains("'e'") && !found(0).1, "{:?}", found(0));
    assert!(found(7).0.contains("'e'") && found(7).1, "{:?}", found(7));
    assert!(found(8).0.contains("'g'") && found(8).1, "{:?}", found(8));
    assert!(found(9).0.contains("'*'") && found(9).1, "{:?}", found(9));
}

#[test]
fn names_in_values_are_looked_up_soon_among_many_bindings() {
    let schemas = tables(
        "<xs:simpleType name='Q'><xs:list itemType='xs:QName'/></xs:simpleType>\
         <xs:element name='r'/>",
    );
    let level = |n: usize| -> String {
        (0..64).map(|m| format!(" xmlns:p{n}_{m}='urn:{n}:{m}'")).collect()
    };
    let down: String = (0..240).map(|n| format!("<d{}>", level(n))).collect();
    let items = "p0_0:a ".repeat(300_000);
    let message = format!("<r>{down}<q xsi:type='Q'>{items}</q>{}</r>", "</d>".repeat(240));
    judged(&schemas, &message, None);
}

#[test]
fn an_abstract_type_is_no_type_of_an_element_whoever_names_it() {
    let schemas = tables(
        "<xs:complexType name='A' abstract='true'/><xs:complexType name='B'><xs:complexContent>\
         <xs:extension base='A'/></xs:complexContent></xs:complexType><xs:element name='r'/>\
         <xs:element name='s'><xs:complexType><xs:sequence><xs:any/></xs:sequence></xs:complexType>\
         </xs:element><xs:element name='a' type='A'/>",
    );
    judged(&schemas, "<r><u xsi:type='A'/></r>", Some("cvc-type.2"));
    judged(&schemas, "<r><u xsi:type='B'/></r>", None);
    judged(&schemas, "<s><u xsi:type='A'/></s>", Some("cvc-type.2"));
    judged(&schemas, "<s><u xsi:type='B'/></s>", None);
    judged(&schemas, "<s><a/></s>", Some("cvc-type.2"));
    judged(&schemas, "<s><a xsi:type='B'/></s>", None);
}

#[test]
fn an_undeclared_element_may_name_its_type() {
    let schemas = tables("<xs:complexType name='B'/><xs:element name='r'/>");
    judged(&schemas, "<u/>", Some("cvc-elt.1"));
    judged(&schemas, "<u xsi:type='B'/>", None);
    judged(&schemas, "<u xsi:type='B'><x/></u>", Some("cvc-complex-type.2.4"));
    judged(&schemas, "<r><u xsi:type='B'/></r>", None);
}

#[test]
fn a_fixed_value_is_compared_as_one_of_the_actual_type() {
    let schemas = tables(
        "<xs:element name='e' type='xs:anyType' fixed='5'/>\
         <xs:complexType name='M' mixed='true'><xs:sequence><xs:element name='x' minOccurs='0'/>\
         </xs:sequence></xs:complexType>\
         <xs:complexType name='N'><xs:simpleContent><xs:restriction base='M'><xs:simpleType>\
         <xs:restriction base='xs:int'/></xs:simpleType></xs:restriction></xs:simpleContent>\
         </xs:complexType><xs:element name='m' type='M' fixed='5'/>\
         <xs:complexType name='L'><xs:sequence><xs:element name='x'/></xs:sequence></xs:complexType>\
         <xs:simpleType name='U'><xs:union memberTypes='xs:int xs:string'/></xs:simpleType>\
         <xs:element name='u' type='U' fixed='1'/>",
    );
    judged(&schemas, "<e xsi:type='xs:int'>6</e>", Some("cvc-elt.5.2.2"));
    judged(&schemas, "<e xsi:type='xs:int'> 05 </e>", None);
    judged(&schemas, "<e xsi:type='xs:string'>05</e>", Some("cvc-elt.5.2.2"));
    judged(&schemas, "<e xsi:type='xs:boolean'>true</e>", Some("cvc-elt.5.2.2"));
    judged(&schemas, "<e xsi:type='xs:boolean'/>", Some("cvc-elt.5.1.1"));
    judged(&schemas, "<e xsi:type='L'><x/></e>", Some("cvc-elt.5.2.2.1"));
    judged(&schemas, "<m xsi:type='N'>6</m>", Some("cvc-elt.5.2.2"));
    judged(&schemas, "<m xsi:type='N'>+5</m>", None);
    judged(&schemas, "<u xsi:type='xs:string'>1</u>", None);
    judged(&schemas, "<u xsi:type='xs:string'>2</u>", Some("cvc-elt.5.2.2"));
    judged(&schemas, "<u>1</u>", None);
    judged(&schemas, "<u>2</u>", Some("cvc-elt.5.2.2"));
}

#[test]
fn a_default_need_only_be_valid_by_the_actual_type() {
    let schemas = tables(
        "<xs:element name='e' type='xs:anySimpleType' default='1'/>\
         <xs:simpleType name='U'><xs:union memberTypes='xs:int xs:string'/></xs:simpleType>\
         <xs:element name='u' type='U' default='1'/>",
    );
    for kind in ["xs:int", "xs:string", "xs:boolean"] {
        judged(&schemas, &format!("<e xsi:type='{kind}'/>"), None);
    }
    judged(&schemas, "<e xsi:type='xs:date'/>", Some("cvc-elt.5.1.1"));
    judged(&schemas, "<u xsi:type='xs:string'/>", None);
    judged(&schemas, "<u/>", None);
}

#[test]
fn a_default_that_may_be_a_qualified_name_goes_by_the_library() {
    let list = "<xs:simpleType name='L'><xs:list itemType='xs:QName'/></xs:simpleType>\
        <xs:simpleType name='U'><xs:union memberTypes='xs:int L'/></xs:simpleType>";
    for kind in ["xs:QName", "L", "U"] {
        let element = format!("{list}<xs:element name='e' type='{kind}' fixed='a'/>");
        assert!(load(&element).facts().by_library.is_some(), "{kind}");
        let attribute = format!(
            "{list}<xs:element name='e'><xs:complexType><xs:attribute name='a' type='{kind}' \
             default='a'/></xs:complexType></xs:element>"
        );
        assert!(load(&attribute).facts().by_library.is_some(), "{kind}");
        tables(&format!("{list}<xs:element name='e' type='{kind}'/>"));
    }
}

#[test]
fn content_that_is_empty_has_no_white_space() {
    let of = |inside: &str| {
        tables(&format!(
            "<xs:element name='e'><xs:complexType>{inside}</xs:complexType></xs:element>"
        ))
    };
    for empty in ["<xs:sequence/>", "<xs:all/>", "<xs:choice minOccurs='0'/>", ""] {
        let schemas = of(empty);
        judged(&schemas, "<e> </e>", Some("cvc-complex-type.2.1"));
        judged(&schemas, "<e><!-- --></e>", None);
        judged(&schemas, "<e><a/></e>", Some("cvc-complex-type.2.4"));
    }
    judged(&of("<xs:sequence><xs:sequence/></xs:sequence>"), "<e> </e>", None);
    let mixed = "<xs:element name='e'><xs:complexType mixed='true'><xs:sequence/></xs:complexType>\
        </xs:element>";
    judged(&tables(mixed), "<e> x </e>", None);
    let extended = "<xs:complexType name='B'><xs:sequence><xs:element name='a' minOccurs='0'/>\
        </xs:sequence></xs:complexType><xs:complexType name='C'><xs:sequence/></xs:complexType>";
    let by = |base: &str| {
        tables(&format!(
            "{extended}<xs:element name='e'><xs:complexType><xs:complexContent><xs:extension \
             base='{base}'><xs:sequence/></xs:extension></xs:complexContent></xs:complexType>\
             </xs:element>"
        ))
    };
    judged(&by("B"), "<e> <a/></e>", None);
    judged(&by("C"), "<e> </e>", Some("cvc-complex-type.2.1"));
}

#[test]
fn a_type_between_may_bar_the_way_to_the_head() {
    let derived = |name: &str, base: &str, way: &str, block: &str| {
        format!(
            "<xs:complexType name='{name}' {block}><xs:complexContent><xs:{way} base='{base}'/>\
             </xs:complexContent></xs:complexType>"
        )
    };
    let schemas = |block_between: &str, block_itself: &str| {
        let (e, re) = (
            derived("E", "B", "extension", block_between),
            derived("RE", "E", "restriction", block_itself),
        );
        tables(&format!(
            "<xs:complexType name='B'/>{e}{re}<xs:element name='b' type='B'/><xs:element name='re' \
             type='RE' substitutionGroup='b'/><xs:element name='e' type='E' substitutionGroup='b'/>\
             <xs:element name='root'><xs:complexType><xs:sequence><xs:element ref='b' minOccurs='0'/>\
             </xs:sequence></xs:complexType></xs:element>"
        ))
    };
    let barred = schemas("block='restriction'", "");
    judged(&barred, "<root><re/></root>", Some("cvc-complex-type.2.4"));
    judged(&barred, "<root><e/></root>", None);
    judged(&barred, "<root><b/></root>", None);
    judged(&schemas("block='extension'", ""), "<root><re/></root>", Some("cvc-complex-type.2.4"));
    judged(&schemas("", "block='#all'"), "<root><re/></root>", None);
}

#[test]
fn a_nilled_element_has_no_white_space() {
    let schemas = tables(
        "<xs:element name='e' nillable='true'><xs:complexType><xs:sequence><xs:element name='a' \
         minOccurs='0'/></xs:sequence></xs:complexType></xs:element>",
    );
    judged(&schemas, "<e xsi:nil='true'> </e>", Some("cvc-elt.3.2.1"));
    judged(&schemas, "<e xsi:nil='true'>\n</e>", Some("cvc-elt.3.2.1"));
    judged(&schemas, "<e xsi:nil='true'><![CDATA[]]><!-- --></e>", None);
    judged(&schemas, "<e xsi:nil='false'> </e>", None);
}

#[test]
fn a_key_that_is_too_long_gets_no_answer_and_a_fixed_value_one() {
    let schemas = tables(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='e' type='xs:NMTOKENS'/>\
         </xs:sequence></xs:complexType><xs:unique name='u'><xs:selector xpath='e'/><xs:field \
         xpath='.'/></xs:unique></xs:element>\
         <xs:element name='f' type='xs:NMTOKENS' fixed='a'/>",
    );
    let long = "a ".repeat(1 << 20);
    let checked = check(&schemas, &format!("<r><e>{long}</e></r>"));
    assert_eq!(checked.verdict, Verdict::Error, "{:?}", checked.findings);
    judged(&schemas, &format!("<r><e>{}</e></r>", &long[..1 << 16]), None);
    judged(&schemas, &format!("<f>{long}</f>"), Some("cvc-elt.5.2.2"));
    judged(&schemas, "<f> a </f>", None);
}
