//! Each clause by hand, and the library as the judge.

mod judge;
mod model;

use judge::{judge, judge_within, schemas};
use xsd_schema::SchemaSet;
use xsd_schema::arenas::IdentityConstraintData;

use crate::validate::tables::Symbols;
use crate::validate::tables::identity::{Constraints, Keys, Value};
use crate::validate::{MAX_FINDINGS, Schemas};

const MISSING: &str = "cvc-identity-constraint.4.2.1";
const TWICE: &str = "cvc-identity-constraint.4.2.2";
const NILLABLE: &str = "cvc-identity-constraint.4.2.3";
const NOT_UNIQUE: &str = "cvc-identity-constraint.4.1";
const DANGLING: &str = "cvc-identity-constraint.4.3";
const UNFIT: &str = "cvc-identity-constraint.3";

/// `r` and `s` may hold `r`, `s`, `i`, `f` (text), `d` (decimal), `n` (nillable text), and `skip`
/// and `lax` around anything; the constraints given are those of `r`, then those of `s`.
fn schema(r: &str, s: &str) -> Schemas {
    schemas(&schema_text(r, s))
}

fn schema_text(r: &str, s: &str) -> String {
    let any = |name: &str| {
        format!(
            "<xs:element name='{name}'><xs:complexType><xs:sequence>
             <xs:any processContents='{name}' minOccurs='0' maxOccurs='unbounded'/>
             </xs:sequence></xs:complexType></xs:element>"
        )
    };
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t'
         xmlns='urn:wrong' xmlns:t='urn:t' elementFormDefault='unqualified'>
         <xs:element name='r' type='t:any'>{r}</xs:element>
         <xs:element name='q' type='xs:string'/>
         <xs:complexType name='any'><xs:choice minOccurs='0' maxOccurs='unbounded'>
         <xs:element ref='t:r'/><xs:element ref='t:q'/>
         <xs:element name='s' type='t:any'>{s}</xs:element>
         <xs:element name='i' type='t:any'/>
         <xs:element name='f' type='xs:string' default='usual'/>
         <xs:element name='d' type='xs:decimal'/>
         <xs:element name='n' type='xs:string' nillable='true'/>
         {}{}</xs:choice>
         <xs:attribute name='k' type='xs:string'/><xs:attribute name='v' type='xs:decimal'/>
         <xs:attribute name='e' type='xs:string' default='same'/><xs:attribute ref='t:a'/>
         <xs:attribute name='id' type='xs:ID'/><xs:attribute name='to' type='xs:IDREFS'/>
         </xs:complexType><xs:attribute name='a' type='xs:string'/></xs:schema>",
        any("skip"),
        any("lax")
    )
}

/// A constraint: kind, name, what it refers to (or nothing), selector, fields.
fn rule(kind: &str, name: &str, refer: &str, selector: &str, fields: &[&str]) -> String {
    let refer = if refer.is_empty() { String::new() } else { format!("refer='t:{refer}'") };
    let fields: String =
        fields.iter().map(|field| format!("<xs:field xpath='{field}'/>")).collect();
    format!(
        "<xs:{kind} name='{name}' {refer}><xs:selector xpath='{selector}'/>{fields}</xs:{kind}>"
    )
}

fn key(selector: &str, fields: &[&str]) -> String {
    rule("key", "key", "", selector, fields)
}

fn unique(selector: &str, fields: &[&str]) -> String {
    rule("unique", "unique", "", selector, fields)
}

fn keyref(selector: &str, fields: &[&str]) -> String {
    rule("keyref", "keyref", "key", selector, fields)
}

fn root(content: &str) -> String {
    format!(
        "<t:r xmlns:t='urn:t' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>{content}</t:r>"
    )
}

/// Our rules; the library must find the same.
fn both(schemas: &Schemas, content: &str) -> Vec<&'static str> {
    let said = judge(schemas, &root(content));
    assert_eq!(said.others, [""; 0], "{content}");
    assert_eq!(said.rules(), said.theirs, "{content}");
    said.rules()
}

/// Our rules where the library's answer is another.
fn ours(schemas: &Schemas, content: &str) -> Vec<&'static str> {
    let said = judge(schemas, &root(content));
    assert_eq!(said.others, [""; 0], "{content}");
    assert_ne!(said.rules(), said.theirs, "{content}: the library agrees by now");
    said.rules()
}

fn places(schemas: &Schemas, content: &str) -> Vec<(&'static str, String, u32)> {
    judge(schemas, &root(content)).ours
}

const NONE: [&str; 0] = [];

#[test]
fn unique_values_and_missing_ones() {
    let set = schema(&unique("i", &["@k"]), "");
    assert_eq!(both(&set, "<i k='1'/><i k='2'/><i/><i/>"), NONE);
    assert_eq!(both(&set, "<i k='1'/><i k='2'/><i k='1'/><i k='1'/>"), [NOT_UNIQUE; 2]);
    assert_eq!(
        places(&set, "<i k='1'/><s k='1'/><i k='1'/>"),
        [(NOT_UNIQUE, "unique".to_owned(), 3)],
        "the rule's number is that of unique, the place that of the second"
    );
    let several = schema(&unique("i", &["@k", "f"]), "");
    assert_eq!(both(&several, "<i k='1'><f>a</f></i><i k='1'><f>b</f></i>"), NONE);
    assert_eq!(both(&several, "<i k='1'><f>a</f></i><i k='1'/>"), NONE);
    assert_eq!(both(&several, "<i k='1'><f>a</f></i><i k='1'><f>a</f></i>"), [NOT_UNIQUE]);
    // What stands for a value may hold anything, even what stands for another.
    let (x, y) = ("xSome(String) y", "ySome(String) z");
    let shifted = format!("<i k='x'><f>{y}</f></i><i k='{x}'><f>z</f></i>");
    assert_eq!(both(&several, &shifted), NONE);
}

#[test]
fn a_key_is_there_once_and_complete() {
    let set = schema(&key("i", &["@k", "d"]), "");
    assert_eq!(both(&set, "<i k='1'><d>1</d></i><i k='1'><d>2</d></i>"), NONE);
    assert_eq!(both(&set, "<i k='1'><d>1</d></i><i k='1'><d>1.00</d></i>"), [TWICE]);
    assert_eq!(both(&set, "<i k='1'/><i/><i k='2'><d>1</d></i>"), [MISSING, MISSING]);
    assert_eq!(both(&set, "<i><i/></i>"), [MISSING], "children only");
}

#[test]
fn a_field_is_one_node_with_a_simple_type() {
    let several = schema(&key("i", &["f|d"]), "");
    assert_eq!(both(&several, "<i><f>a</f></i><i><d>1</d></i>"), NONE);
    assert_eq!(both(&several, "<i><f>a</f><d>1</d></i>"), [UNFIT]);
    let complex = schema(&unique("s", &["i"]), "");
    assert_eq!(both(&complex, "<s/><s><f/></s>"), NONE);
    assert_eq!(both(&complex, "<s><i/></s>"), [UNFIT]);
    let every = schema(&unique("i", &["@*"]), "");
    // Each element has the attribute `e` by default.
    assert_eq!(both(&every, "<i/>"), NONE);
    assert_eq!(both(&every, "<i/><i/>"), [NOT_UNIQUE]);
    assert_eq!(both(&every, "<i k='1'/>"), [UNFIT]);
    // One node, found in two ways, is one node.
    assert_eq!(both(&schema(&key("i", &["f|./f|*"]), ""), "<i><f>a</f></i>"), NONE);
}

#[test]
fn values_are_compared_not_texts() {
    let set = schema(&unique("i|s", &["@v|@k"]), "");
    assert_eq!(both(&set, "<i v='1'/><i v='1.0'/>"), [NOT_UNIQUE]);
    assert_eq!(both(&set, "<i v='1'/><i k='1'/>"), NONE, "decimal and string");
    assert_eq!(both(&set, "<i k='1'/><i k='1.0'/><s k='1'/>"), [NOT_UNIQUE]);
}

#[test]
fn defaults_are_values() {
    let set = schema(&unique("i", &["@e", "f"]), "");
    assert_eq!(both(&set, "<i><f/></i><i e='same'><f>usual</f></i>"), [NOT_UNIQUE]);
    assert_eq!(both(&set, "<i><f/></i><i e='other'><f/></i>"), NONE);
}

#[test]
fn nilled_fields() {
    let unique = schema(&unique("i", &["n"]), "");
    assert_eq!(both(&unique, "<i><n>a</n></i><i><n xsi:nil='true'/></i>"), NONE);
    assert_eq!(both(&unique, "<i><n xsi:nil='true'/></i><i><n xsi:nil='true'/></i>"), [NOT_UNIQUE]);
    // Clause 4.2.3: a field of a key must not be declared nillable. The library lacks it.
    let key = schema(&key("i", &["n"]), "");
    assert_eq!(ours(&key, "<i><n>a</n></i>"), [NILLABLE]);
    assert_eq!(ours(&key, "<i><n xsi:nil='true'/></i>"), [NILLABLE]);
    assert_eq!(both(&key, "<i/>"), [MISSING]);
}

#[test]
fn what_follows_from_a_wrong_value_is_not_said_again() {
    let set = schema(&key("i", &["d", "@v"]), "");
    let said = judge(&set, &root("<i v='1'><d>x</d></i><i v='x'><d>1</d></i><i v='x'/>"));
    assert_eq!(said.others.len(), 3, "{:?}", said.others);
    assert_eq!(said.ours, []);
}

#[test]
fn the_element_itself_and_all_below() {
    let dot = schema(&key(".", &["@k"]), "");
    assert_eq!(both(&dot, "<i/>"), [MISSING]);
    let leaves = schema(&unique(".//f|.//d", &["."]), "");
    assert_eq!(both(&leaves, "<f>1</f><i><d>1</d><s><f>2</f></s></i>"), NONE);
    assert_eq!(both(&leaves, "<f>1</f><i><d>1</d><s><f>1</f><d>1.</d></s></i>"), [NOT_UNIQUE; 2]);
    let below = schema(&key(".//i", &[".//f"]), "");
    assert_eq!(both(&below, "<i><s><f>1</f></s></i><s><i><f>2</f></i></s>"), NONE);
    // The outer target finds the field of the inner one as well.
    assert_eq!(both(&below, "<i><i><f>1</f></i></i>"), [TWICE]);
    let deep = schema(&unique("s/*/i", &["@k"]), "");
    assert_eq!(both(&deep, "<s><i><i k='1'/><i k='1'/></i></s>"), [NOT_UNIQUE]);
    assert_eq!(both(&deep, "<s><i k='1'><s><i k='1'/></s></i><i k='1'/></s><i k='1'/>"), NONE);
}

#[test]
fn namespaces_in_paths() {
    let set = schema(&unique("t:r|i", &["@t:a"]), "");
    assert_eq!(both(&set, "<t:r t:a='1'/><i t:a='1'/><s t:a='1'/>"), [NOT_UNIQUE]);
    let wild = schema(&unique(".//t:*", &["@t:*"]), "");
    assert_eq!(both(&wild, "<t:r t:a='1' k='1'/><i t:a='1'><t:r t:a='1'/></i>"), [NOT_UNIQUE]);
    // The default namespace of the schema does not apply to paths.
    assert_eq!(both(&schema(&key("q", &["."]), ""), "<t:q/><t:q/>"), NONE);
    assert_eq!(both(&schema(&key("t:q", &["."]), ""), "<t:q/><t:q/>"), [TWICE]);
}

#[test]
fn references_are_judged_where_their_scope_ends() {
    let set = schema(&(key("i", &["@k"]) + &keyref("s", &["@v|@k"])), "");
    assert_eq!(both(&set, "<s k='1'/><i k='1'/><s k='1'/><s/>"), NONE);
    assert_eq!(both(&set, "<s k='2'/><i k='1'/><s v='1'/>"), [DANGLING; 2]);
    assert_eq!(
        places(&set, "<s k='2'/><i k='1'/><s k='3'/><i/>"),
        [
            (MISSING, "key".to_owned(), 4),
            (DANGLING, "keyref".to_owned(), 1),
            (DANGLING, "keyref".to_owned(), 3),
        ]
    );
}

#[test]
fn references_know_their_key() {
    let other = rule("key", "other", "", "s", &["@k"]);
    let set = schema(&(other + &keyref("f", &["."]) + &key("i", &["@k"])), "");
    assert_eq!(both(&set, "<s k='1'/><i k='2'/><f>1</f><f>2</f>"), [DANGLING]);
}

#[test]
fn tables_rise_from_descendants_and_never_sink() {
    // The key belongs to `s`, the reference to `r` above it.
    let set = schema(&keyref(".//f", &["."]), &key("i", &["@k"]));
    assert_eq!(both(&set, "<f>1</f><i><s><i k='1'/></s></i><s><i k='2'/><f>2</f></s>"), NONE);
    assert_eq!(both(&set, "<f>1</f><i k='1'/>"), [DANGLING], "no key outside s");
    assert_eq!(both(&set, "<f>3</f><s><i k='1'/></s>"), [DANGLING]);
    // The other way round no key is seen.
    let set = schema(&key("i", &["@k"]), &keyref("f", &["."]));
    assert_eq!(both(&set, "<i k='1'/><s><f>1</f></s>"), [DANGLING]);
    // Scopes in scopes each have their own keys.
    let set = schema("", &(key("i", &["@k"]) + &keyref("f", &["."])));
    assert_eq!(both(&set, "<s><i k='1'/><f>1</f><s><i k='1'/><f>1</f></s></s>"), NONE);
    assert_eq!(both(&set, "<s><i k='1'/><s><f>1</f></s></s>"), [DANGLING]);
    assert_eq!(both(&set, "<s><f>1</f><s><i k='1'/></s></s>"), NONE);
    assert_eq!(both(&set, "<s><f>1</f></s><s><i k='1'/></s>"), [DANGLING]);
}

#[test]
fn keys_of_two_children_cancel_each_other() {
    // 3.11.5: entries in conflict that come from children are not in the table. The library
    // keeps them.
    let set = schema(&keyref("f", &["."]), &key("i", &["@k"]));
    let (one, two) = ("<s><i k='1'/></s>", "<s><i k='2'/></s>");
    assert_eq!(both(&set, &format!("<f>1</f>{one}{two}")), NONE);
    assert_eq!(ours(&set, &format!("<f>1</f><f>2</f>{one}{two}{one}")), [DANGLING]);
    assert_eq!(ours(&set, &format!("<f>1</f>{one}{one}{one}")), [DANGLING]);
    // A conflict further down leaves the key free for a child further up.
    assert_eq!(both(&set, &format!("<f>1</f><i>{one}{one}</i>{one}")), NONE);
    assert_eq!(ours(&set, &format!("<f>1</f><i>{one}{one}</i>{one}<i>{one}</i>")), [DANGLING]);
    assert_eq!(both(&set, &format!("<f>1</f><i>{one}<i>{one}{one}</i></i>")), NONE);
    // The element's own keys stand against those of its children.
    let own = schema(&keyref("s/f", &["."]), &key(".//i", &["@k"]));
    assert_eq!(both(&own, &format!("<s><f>1</f><f>2</f>{one}{two}</s>")), NONE, "one node each");
    let own = schema(&keyref("s/f", &["."]), &key("i", &["@k"]));
    assert_eq!(both(&own, &format!("<s><f>1</f>{one}<i k='1'/>{one}</s>")), NONE);
    assert_eq!(ours(&own, &format!("<s><f>1</f>{one}{one}</s>")), [DANGLING]);
}

#[test]
fn what_is_skipped_is_not_there() {
    let set = schema(&key(".//t:q", &["."]), "");
    assert_eq!(both(&set, "<skip><t:q/><t:q/></skip><t:q/>"), NONE);
    assert_eq!(both(&set, "<lax><t:q/></lax><t:q/>"), [TWICE]);
}

#[test]
fn attributes_of_outer_targets_below_inner_ones() {
    // Both `i` are targets, and the inner one's attribute is a field of the outer one only. The
    // library shows attributes to the innermost target alone.
    let set = schema(&key(".//i", &["s/i/@k|i/@k|f"]), "");
    assert_eq!(ours(&set, "<i><i k='1'><f>a</f></i></i>"), NONE);
    // `.//@k` starts at the target itself; the library finds it nowhere.
    let set = schema(&unique("i", &[".//@k"]), "");
    assert_eq!(ours(&set, "<i k='1'/><i><s k='1'/></i>"), [NOT_UNIQUE]);
}

#[test]
fn ids_and_references_to_them() {
    let set = schema("", "");
    assert_eq!(both(&set, "<i to='b a'/><i id='a'/><s id='b' to='a'/>"), NONE);
    assert_eq!(both(&set, "<i id='a'/><s><i id='a'/></s>"), ["cvc-id.2"]);
    assert_eq!(both(&set, "<i id='a' to='a x'/><i to='y y'/>"), ["cvc-id.1"; 3]);
    let said = places(&set, "<i to='x'/><i id='a'/><i id='a'/>");
    assert_eq!(said, [("cvc-id.2", String::new(), 3), ("cvc-id.1", String::new(), 1)]);
}

#[test]
fn memory_is_bounded() {
    let set = schema(&(key("i", &["@k"]) + &keyref("s", &["@k"])), "");
    let many = |element: &str, id: &str| {
        let one = |n: u32| format!("<{element} k='{n}' {id}{n}'/>");
        root(&(0..200).map(one).collect::<String>())
    };
    for document in [many("i", "e='"), many("s", "e='"), many("f", "x='").replace("k=", "y=")] {
        assert!(!judge_within(&set, &document, 1 << 20).gave_up);
    }
    assert!(judge_within(&set, &many("i", "e='"), 2_000).gave_up, "keys");
    assert!(judge_within(&set, &many("s", "e='"), 2_000).gave_up, "references");
    assert!(judge_within(&set, &many("t:r", "id='a"), 2_000).gave_up, "IDs");
    assert!(judge_within(&set, &many("t:r", "to='a"), 2_000).gave_up, "references to IDs");
    let long = root(&format!("<i k='{}'/>", "x".repeat(3_000)));
    assert!(judge_within(&set, &long, 2_000).gave_up, "one value");
    // Keys that nobody refers to are gone when their scope ends.
    let documents: String = (0..500).map(|n| format!("<s><i k='{n}'/><f>{n}</f></s>")).collect();
    let key = key("i", &["@k"]);
    for constraints in [key.clone(), key + &keyref("f", &["."])] {
        let scopes = schema("", &constraints);
        assert!(!judge_within(&scopes, &root(&documents), 2_000).gave_up);
    }
}

#[test]
fn findings_are_bounded() {
    let set = schema(&(key("i", &["@k"]) + &keyref("s", &["@k"])), "");
    let document: String = (0..300).map(|n| format!("<s k='{n}'/>")).collect();
    assert_eq!(places(&set, &document).len(), MAX_FINDINGS + 1);
}

#[test]
fn followed_paths_are_bounded() {
    let set = schema("", &key(".//*", &[".//f"]));
    let nested = |depth| root(&("<s>".repeat(depth) + &"</s>".repeat(depth)));
    assert!(!judge(&set, &nested(20)).gave_up);
    assert!(judge(&set, &nested(200)).gave_up);
}

fn copy(data: &IdentityConstraintData) -> IdentityConstraintData {
    IdentityConstraintData {
        kind: data.kind,
        name: data.name,
        ref_name: None,
        refer: data.refer.clone(),
        selector: data.selector.clone(),
        fields: data.fields.clone(),
        id: None,
        annotation: None,
        source: data.source.clone(),
    }
}

#[test]
fn copies_of_a_definition_share_their_table() {
    let set = schema(&keyref("f", &["@k"]), &key("i", &["@k"]));
    let mut ready = set.take().expect("a set");
    let known = &ready.set.arenas.identity_constraints;
    let named =
        |name| known.iter().find(|(_, data)| ready.set.name_table.resolve(data.name) == name);
    let (keyref, _) = named("keyref").expect("there");
    let (first, data) = named("key").expect("there");
    let (same, mut other) = (copy(data), copy(data));
    let second = ready.set.arenas.alloc_identity_constraint(same);
    let mut symbols = Symbols::default();
    let constraints = Constraints::compile(&ready.set, &mut symbols).expect("compiles");
    let id = |key| constraints.id_of(key).expect("known");
    let (i, f, k) = (symbols.find("", "i"), symbols.find("", "f"), symbols.find("", "k"));
    let (mut keys, mut found) = (Keys::new(&constraints), Vec::new());
    keys.start(None, "", &[id(keyref)]).expect("in bounds");
    for (scope, name, value) in [
        (vec![id(first)], i, b"1"),
        (vec![id(second)], i, b"2"),
        (vec![], f, b"1"),
        (vec![], f, b"2"),
        (vec![], f, b"3"),
    ] {
        let inner = !scope.is_empty();
        if inner {
            keys.start(None, "", &scope).expect("in bounds");
        }
        keys.start(name, "", &[]).expect("in bounds");
        keys.attribute(k, "", Value::Octets(value));
        for _ in 0..=usize::from(inner) {
            keys.end(&mut || value[0], &mut found).expect("in bounds");
        }
    }
    keys.end(&mut || 0, &mut found).expect("in bounds");
    let places: Vec<_> = found.iter().map(|broken| (broken.rule, broken.place)).collect();
    assert_eq!(places, [(DANGLING, b'3')]);
    // Two definitions of one name are an error that some sets hold; who refers to them is lost.
    other.selector.xpath = "s".to_owned();
    ready.set.arenas.alloc_identity_constraint(other);
    let error = Constraints::compile(&ready.set, &mut symbols).expect_err("not compiled");
    assert_eq!((error.construct, &*error.place), ("a keyref to one of two", "keyref"));
}

#[test]
fn paths_that_are_too_long_are_not_compiled() {
    let long = vec!["i/s"; 50].join("|");
    let set = schema(&key(&long, &["@k"]), "");
    let compile = |set: &SchemaSet| Constraints::compile(set, &mut Symbols::default());
    let error = compile(&set.take().expect("a set").set).expect_err("not compiled");
    assert_eq!((error.construct, &*error.place), ("path of an identity constraint", "key"));
}
