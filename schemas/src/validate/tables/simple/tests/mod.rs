//! Simple types, compiled from schemas and judged by the specification.

mod differential;

use std::collections::HashMap;

use xsd_schema::{SchemaSet, SchemaSetBuilder, TypeKey};

use super::super::{NotCompiled, SimpleId};
use super::{Identity, Scope, SimpleTypes};

/// Begins the reason where the library takes a schema and we do not.
const NOT_COMPILED: &str = "not compiled: ";

/// A schema set with its simple types compiled.
struct Compiled {
    set: SchemaSet,
    types: SimpleTypes,
}

/// The types of a schema with this body; namespace `urn:t` under the prefix `t`.
fn compile(body: &str) -> Result<Compiled, String> {
    let schema = format!(
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t"
             targetNamespace="urn:t">{body}</xs:schema>"#
    );
    let set = SchemaSetBuilder::new()
        .add_source(&schema, "mem:test.xsd")
        .and_then(SchemaSetBuilder::compile)
        .map_err(|error| error.to_string())?
        .into_schema_set();
    let types = SimpleTypes::compile(&set).map_err(|NotCompiled { construct, place }| {
        format!("{NOT_COMPILED}{construct} at {place}")
    })?;
    Ok(Compiled { set, types })
}

/// A schema with the one type `T`.
fn one(body: &str) -> Compiled {
    compile(&format!(r#"<xs:simpleType name="T">{body}</xs:simpleType>"#)).unwrap()
}

/// A restriction of a built-in type.
fn restricted(base: &str, facets: &str) -> Compiled {
    one(&format!(r#"<xs:restriction base="xs:{base}">{facets}</xs:restriction>"#))
}

/// The namespaces in scope: some prefixes.
struct Prefixes(HashMap<&'static str, &'static str>);

impl Scope for Prefixes {
    fn namespace(&self, prefix: &str) -> Option<&str> {
        self.0.get(prefix).copied()
    }
}

fn scope() -> Prefixes {
    Prefixes(HashMap::from([("a", "urn:a"), ("b", "urn:a"), ("c", "urn:c"), ("t", "urn:t")]))
}

impl Compiled {
    fn key_of(&self, name: &str) -> TypeKey {
        let namespace = self.set.name_table.get("urn:t");
        let name = self.set.name_table.get(name).unwrap();
        self.set.lookup_type(namespace, name).unwrap()
    }

    fn id(&self, name: &str) -> SimpleId {
        match self.key_of(name) {
            TypeKey::Simple(key) => self.types.id_of(key).unwrap(),
            TypeKey::Complex(key) => self.types.id_of_content(key).unwrap(),
        }
    }

    fn rule(&self, name: &str, raw: &str) -> Option<&'static str> {
        self.types.check(self.id(name), raw, &scope()).err().map(|broken| broken.rule)
    }

    fn equality(&self, name: &str, raw: &str) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        let judged = self.types.value(self.id(name), raw, &scope(), &mut key);
        assert_eq!(judged.is_ok(), self.rule(name, raw).is_none(), "{raw:?}");
        judged.is_ok().then_some(key)
    }

    #[track_caller]
    fn good(&self, values: &[&str]) -> &Self {
        for value in values {
            assert_eq!(self.rule("T", value), None, "{value:?}");
        }
        self
    }

    #[track_caller]
    fn bad(&self, rule: &str, values: &[&str]) -> &Self {
        for value in values {
            assert_eq!(self.rule("T", value), Some(rule), "{value:?}");
        }
        self
    }

    fn found(&self, name: &str, raw: &str) -> Vec<(Identity, String)> {
        let mut found = Vec::new();
        let id = self.id(name);
        let note = &mut |identity, text: &str| found.push((identity, text.to_owned()));
        self.types.identities(id, raw, &scope(), note);
        assert!(found.is_empty() || self.types.identifies(id));
        found
    }
}

#[test]
fn lengths_count_characters_octets_and_items() {
    restricted("string", r#"<xs:minLength value="2"/><xs:maxLength value="4"/>"#)
        .good(&["ää", "𝄞𝄞𝄞𝄞", "    "])
        .bad("cvc-minLength-valid", &["", "ä", "𝄞"])
        .bad("cvc-maxLength-valid", &["abcde", "äöüßx"]);
    restricted("token", r#"<xs:length value="3"/>"#)
        .good(&["  a  b ", "𝄞ßx"])
        .bad("cvc-length-valid", &["  a  ", "𝄞"]);
    restricted("hexBinary", r#"<xs:length value="2"/>"#)
        .good(&["00ff", " 00FF "])
        .bad("cvc-length-valid", &["00", ""])
        .bad("cvc-datatype-valid", &["0", "00 ff"]);
    restricted("base64Binary", r#"<xs:maxLength value="3"/>"#)
        .good(&["TWFu", "", " T W F u "])
        .bad("cvc-maxLength-valid", &["TWFuTQ=="]);
    restricted("NMTOKENS", r#"<xs:maxLength value="2"/>"#)
        .good(&["a", " a \n b "])
        .bad("cvc-maxLength-valid", &["a b c"])
        .bad("cvc-minLength-valid", &["", "  "])
        .bad("cvc-datatype-valid", &["a b/"]);
    // 4.3.1: for names the facets of length have no effect.
    restricted("QName", r#"<xs:maxLength value="1"/>"#).good(&["a:bcd"]);
}

#[test]
fn white_space_is_what_the_type_says() {
    let of = |base: &str| restricted(base, r#"<xs:enumeration value="a b"/>"#);
    of("string").good(&["a b"]).bad("cvc-enumeration-valid", &["a\tb", " a b", "a  b"]);
    of("normalizedString").good(&["a b", "a\tb"]).bad("cvc-enumeration-valid", &[" a b", "a  b"]);
    of("token").good(&["a b", "\n a\t\r b "]).bad("cvc-enumeration-valid", &["ab", "a\u{a0}b"]);
    restricted("string", r#"<xs:whiteSpace value="collapse"/><xs:maxLength value="3"/>"#)
        .good(&["  a   b  "]);
}

#[test]
fn numbers_are_exact() {
    restricted("decimal", r#"<xs:maxInclusive value="79228162514264337593543950335.5"/>"#)
        .good(&["79228162514264337593543950335.50", "-1"])
        .bad("cvc-maxInclusive-valid", &["79228162514264337593543950335.500000000000000000001"])
        .bad("cvc-datatype-valid", &["1e1", "", "NaN"]);
    restricted("decimal", r#"<xs:totalDigits value="3"/><xs:fractionDigits value="2"/>"#)
        .good(&["1.23", "000123", "1.2300", "-.05"])
        .bad("cvc-totalDigits-valid", &["1234", "12.34"])
        .bad("cvc-fractionDigits-valid", &["0.123"]);
    restricted("unsignedByte", "")
        .good(&["0", "255", "+00255", "-0"])
        .bad("cvc-maxInclusive-valid", &["256"])
        .bad("cvc-minInclusive-valid", &["-1"])
        .bad("cvc-datatype-valid", &["1.0", "1.", "0x1"]);
    restricted("integer", r#"<xs:minExclusive value="10"/><xs:maxExclusive value="12"/>"#)
        .good(&["11"])
        .bad("cvc-minExclusive-valid", &["10", "-11"])
        .bad("cvc-maxExclusive-valid", &["12", "999999999999999999999999999999999999999"]);
    restricted("double", r#"<xs:minInclusive value="0"/>"#)
        .good(&["0", "-0", "INF", "1e-400"])
        .bad("cvc-minInclusive-valid", &["-1e-300", "-INF", "NaN"]);
    // 3.2.4: NaN equals itself.
    restricted("float", r#"<xs:maxInclusive value="NaN"/>"#)
        .good(&["NaN"])
        .bad("cvc-maxInclusive-valid", &["1"]);
}

#[test]
fn dates_and_durations_are_ordered_partially() {
    restricted("date", r#"<xs:minInclusive value="2026-01-01"/>"#)
        .good(&["2026-01-01", "12026-01-01", "2026-01-02-14:00"])
        .bad("cvc-minInclusive-valid", &["2025-12-31", "-2026-01-01", "2026-01-01Z"]);
    restricted("dateTime", r#"<xs:enumeration value="2026-01-01T00:00:00Z"/>"#)
        .good(&["2025-12-31T24:00:00Z", "2026-01-01T02:00:00.000+02:00"])
        .bad("cvc-enumeration-valid", &["2026-01-01T00:00:00"]);
    restricted("duration", r#"<xs:maxExclusive value="P1M"/>"#)
        .good(&["P27D", "-P1Y"])
        .bad("cvc-maxExclusive-valid", &["P28D", "P30D", "P1M", "P32D"]);
}

#[test]
fn patterns_of_one_step_are_alternatives_and_steps_add_up() {
    let body = r#"
        <xs:simpleType name="Base"><xs:restriction base="xs:token">
            <xs:pattern value="a+|b+"/><xs:pattern value="c+"/></xs:restriction></xs:simpleType>
        <xs:simpleType name="T"><xs:restriction base="t:Base">
            <xs:pattern value=".."/></xs:restriction></xs:simpleType>"#;
    compile(body)
        .unwrap()
        .good(&["aa", "bb", "cc", " aa "])
        .bad("cvc-pattern-valid", &["a", "ab", "dd", "aaa"]);
    // 4.3.4 speaks of the literal, white space gone, not of the value.
    restricted("integer", r#"<xs:pattern value="\d{3}"/>"#)
        .good(&["007", " 007 "])
        .bad("cvc-pattern-valid", &["7", "+07"]);
}

#[test]
fn where_the_library_reads_patterns_otherwise() {
    // Appendix F: a regular expression is anchored as a whole, whatever its branches.
    restricted("string", r#"<xs:pattern value="a|b"/>"#)
        .good(&["a", "b"])
        .bad("cvc-pattern-valid", &["ax", "xb"]);
    // Appendix F, production charClassSub.
    restricted("string", r#"<xs:pattern value="[a-z-[aeiou]]+"/>"#)
        .good(&["xyz"])
        .bad("cvc-pattern-valid", &["a", "-"]);
    // Appendix F: `.` is [^\n\r]; \s knows four characters; `^` and `$` are plain.
    restricted("string", r#"<xs:pattern value=".\s"/>"#)
        .good(&["a\n", "ä\t"])
        .bad("cvc-pattern-valid", &["\r ", "a\u{a0}", "a\u{b}"]);
    restricted("string", r#"<xs:pattern value="\i\c*"/>"#).good(&["ä·", "Ærø"]);
}

#[test]
fn where_the_library_reads_base64_otherwise() {
    // 3.2.16, production Base64Binary: white space may follow every character.
    restricted("base64Binary", r#"<xs:enumeration value="TWFu"/>"#)
        .good(&["TW\nFu", "T W F u"])
        .bad("cvc-enumeration-valid", &["TWFv"]);
}

#[test]
fn where_the_library_reads_numbers_and_dates_otherwise() {
    // 3.3.13.1: digits and a sign.
    restricted("integer", "").good(&["51"]).bad("cvc-datatype-valid", &["5_1", "_1"]);
    // 3.2.7.1: a year may have more digits than four; 3.2.6.1: so may all numbers of a duration.
    restricted("gYear", "").good(&["2149483647", "-99999999999"]);
    restricted("duration", "").good(&["P99999999999Y", "PT99999999999S"]);
}

#[test]
fn enumerations_compare_values() {
    restricted("decimal", r#"<xs:enumeration value="1.0"/><xs:enumeration value="-7"/>"#)
        .good(&["1", "+1.00", "01", "-7.0"])
        .bad("cvc-enumeration-valid", &["7", "1.01"]);
    restricted("hexBinary", r#"<xs:enumeration value="ab"/>"#).good(&["AB", "aB"]);
    restricted("anyURI", r#"<xs:enumeration value="urn:x"/>"#)
        .good(&[" urn:x "])
        .bad("cvc-enumeration-valid", &["URN:x"]);
    restricted("QName", r#"<xs:enumeration value="t:x"/>"#)
        .good(&["t:x"])
        .bad("cvc-enumeration-valid", &["a:x", "x"])
        .bad("cvc-datatype-valid.1.2.1", &["nowhere:x"])
        .bad("cvc-datatype-valid", &[":x", "t:", "t:x:y", "1", ""]);
    let codes: String =
        (0..10_000).map(|n| format!(r#"<xs:enumeration value="{:08}"/>"#, n * 3)).collect();
    restricted("token", &codes)
        .good(&["00000000", "00029997", " 00000003 "])
        .bad("cvc-enumeration-valid", &["00000001", "3", ""]);
}

#[test]
fn lists() {
    let list =
        one(r#"<xs:restriction><xs:simpleType><xs:list itemType="xs:decimal"/></xs:simpleType>
           <xs:minLength value="2"/><xs:enumeration value="1 2"/><xs:enumeration value="1 2 3"/>
           </xs:restriction>"#);
    list.good(&["1 2", " 1.0\n+2 ", "01 02 03.00"])
        .bad("cvc-minLength-valid", &["1", ""])
        .bad("cvc-enumeration-valid", &["2 1", "12 3", "1 2 3 4"])
        .bad("cvc-datatype-valid", &["1 x"]);
    assert_eq!(list.equality("T", "1 2"), list.equality("T", "1.0  2.0"));
    assert_ne!(list.equality("T", "1 2"), list.equality("T", "1 2 3"));
}

#[test]
fn items_of_a_list_do_not_run_together() {
    let list = one(r#"<xs:list itemType="xs:NMTOKEN"/>"#);
    let [apart, together, more] =
        ["a b", "asb", "a b c"].map(|value| list.equality("T", value).unwrap());
    assert!(apart != together && apart != more && together != more);
}

#[test]
fn the_same_text_may_be_two_values_of_a_union() {
    // 2.5.1.3: the member types are tried in their order, each with its own white space.
    let union = compile(
        r#"<xs:simpleType name="Five"><xs:restriction base="xs:string"><xs:pattern value="5"/>
           </xs:restriction></xs:simpleType>
           <xs:simpleType name="U"><xs:union memberTypes="t:Five xs:integer"/></xs:simpleType>
           <xs:simpleType name="T"><xs:restriction base="t:U"><xs:enumeration value="5"/>
           </xs:restriction></xs:simpleType>"#,
    )
    .unwrap();
    assert_ne!(union.equality("U", "5"), union.equality("U", " 5 "));
    union.good(&["5"]).bad("cvc-enumeration-valid", &[" 5 ", "+5"]);
}

#[test]
fn unions_go_by_their_active_member() {
    let union = compile(
        r#"<xs:simpleType name="T"><xs:union memberTypes="xs:integer xs:date xs:token"/>
           </xs:simpleType>
           <xs:simpleType name="Few"><xs:restriction base="t:T">
             <xs:enumeration value="1"/><xs:enumeration value="2026-01-01Z"/>
             <xs:enumeration value="x"/></xs:restriction></xs:simpleType>
           <xs:simpleType name="Digits"><xs:restriction base="t:T">
             <xs:pattern value="\d+"/></xs:restriction></xs:simpleType>
           <xs:simpleType name="Numbers"><xs:union memberTypes="xs:byte xs:boolean"/>
           </xs:simpleType>"#,
    )
    .unwrap();
    assert_eq!(union.equality("T", "01"), union.equality("T", " 1 "));
    assert_ne!(union.equality("T", "1.0"), union.equality("T", "1"));
    for good in ["+1", " 01 ", "x", " x "] {
        assert_eq!(union.rule("Few", good), None, "{good}");
    }
    assert_eq!(union.rule("Few", "2026-01-01"), Some("cvc-enumeration-valid"));
    assert_eq!(union.rule("Few", "2026-01-01+00:00"), None);
    assert_eq!(union.rule("Few", "2"), Some("cvc-enumeration-valid"));
    assert_eq!(union.rule("Digits", " 12 "), None);
    assert_eq!(union.rule("Digits", "x"), Some("cvc-pattern-valid"));
    assert_eq!(union.rule("Numbers", "true"), None);
    assert_eq!(union.rule("Numbers", "128"), Some("cvc-simple-type"));
}

#[test]
fn where_the_library_reads_white_space_of_unions_otherwise() {
    // 4.3.6: white space of a union is that of the member type that admits the value.
    let union = compile(
        r#"<xs:simpleType name="U"><xs:union memberTypes="xs:string"/></xs:simpleType>
           <xs:simpleType name="T"><xs:restriction base="t:U"><xs:pattern value="a b"/>
           </xs:restriction></xs:simpleType>"#,
    )
    .unwrap();
    union.good(&["a b"]).bad("cvc-pattern-valid", &[" a b", "a  b"]);
}

#[test]
fn identities() {
    let types = compile(
        r#"<xs:simpleType name="Ref"><xs:restriction base="xs:IDREF"/></xs:simpleType>
           <xs:simpleType name="Refs"><xs:list itemType="t:Ref"/></xs:simpleType>
           <xs:simpleType name="Either"><xs:union memberTypes="xs:integer xs:ID"/></xs:simpleType>
           <xs:simpleType name="Plain"><xs:restriction base="xs:NCName"/></xs:simpleType>
           <xs:complexType name="Content"><xs:simpleContent><xs:extension base="xs:ENTITY"/>
           </xs:simpleContent></xs:complexType>"#,
    )
    .unwrap();
    let of = |identity, texts: &[&str]| -> Vec<(Identity, String)> {
        texts.iter().map(|text| (identity, (*text).to_owned())).collect()
    };
    assert_eq!(types.found("Ref", " a "), of(Identity::IdRef, &["a"]));
    assert_eq!(types.found("Refs", " a\tb "), of(Identity::IdRef, &["a", "b"]));
    assert_eq!(types.found("Either", "a"), of(Identity::Id, &["a"]));
    assert_eq!(types.found("Either", "1"), []);
    assert_eq!(types.found("Plain", "a"), []);
    assert!(!types.types.identifies(types.id("Plain")));
    assert_eq!(types.found("Content", "a"), of(Identity::Entity, &["a"]));
}

#[test]
fn notations_need_a_list() {
    let types = compile(
        r#"<xs:notation name="gif" public="image/gif"/><xs:notation name="png" public="image/png"/>
           <xs:simpleType name="T"><xs:restriction base="xs:NOTATION">
             <xs:enumeration value="t:gif"/></xs:restriction></xs:simpleType>"#,
    )
    .unwrap();
    types.good(&["t:gif"]).bad("cvc-enumeration-valid", &["t:png", "gif"]);
}

#[test]
fn simple_content_of_complex_types() {
    let types = compile(
        r#"<xs:complexType name="Base"><xs:simpleContent><xs:extension base="xs:string">
             <xs:attribute name="x"/></xs:extension></xs:simpleContent></xs:complexType>
           <xs:complexType name="T"><xs:simpleContent><xs:restriction base="t:Base">
             <xs:whiteSpace value="collapse"/><xs:maxLength value="3"/><xs:enumeration value="ab"/>
             <xs:enumeration value="abc"/></xs:restriction></xs:simpleContent></xs:complexType>
           <xs:complexType name="Inner"><xs:simpleContent><xs:restriction base="t:Base">
             <xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="\d*"/>
             </xs:restriction></xs:simpleType><xs:length value="2"/>
             </xs:restriction></xs:simpleContent></xs:complexType>
           <xs:complexType name="Elements"><xs:sequence/></xs:complexType>"#,
    )
    .unwrap();
    types.good(&["ab", " abc "]).bad("cvc-enumeration-valid", &["a"]);
    types.bad("cvc-maxLength-valid", &["abcd"]);
    assert_eq!(types.rule("Base", "anything"), None);
    assert_eq!(types.rule("Inner", "12"), None);
    assert_eq!(types.rule("Inner", "1"), Some("cvc-length-valid"));
    assert_eq!(types.rule("Inner", "ab"), Some("cvc-pattern-valid"));
    let TypeKey::Complex(elements) = types.key_of("Elements") else { panic!() };
    assert_eq!(types.types.id_of_content(elements), None);
}

#[test]
fn every_built_in_type_is_there() {
    let types = compile("").unwrap();
    let builtin = types.set.builtin_types();
    for key in [builtin.any_simple_type, builtin.string, builtin.positive_integer, builtin.notation]
    {
        assert!(types.types.id_of(key).is_some());
    }
    let id = types.types.id_of(builtin.any_simple_type).unwrap();
    assert!(types.types.check(id, " anything\n", &scope()).is_ok());
    let id = types.types.id_of(builtin.notation).unwrap();
    assert!(types.types.check(id, "a:b", &scope()).is_err());
}
