//! What schemas may cost: those that would explode are refused, or take little time and memory, and
//! judge messages rightly. All limits: `docs/limits.md`.

use std::fs;

use amtsbote_schemas::validate::{
    MAX_AMENDMENTS, MAX_SCHEMA_BYTES, MAX_SCHEMA_DOCUMENTS, MAX_UNION_MEMBERS, Schemas,
    SchemasError, Verdict,
};
use amtsbote_schemas::xml::Limits;

const XS: &str = "xmlns:xs='http://www.w3.org/2001/XMLSchema'";

fn load(body: &str) -> Result<Schemas, SchemasError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.xsd");
    fs::write(&file, format!("<xs:schema {XS}>{body}</xs:schema>")).expect("written");
    Schemas::load_single(&file, None)
}

#[track_caller]
fn judged(body: &str, message: &str) -> Verdict {
    let schemas = load(body).expect("compiles");
    schemas.check(message.as_bytes(), &Limits::default(), &|| false).verdict
}

#[track_caller]
fn refused(body: &str, part: &str) {
    let error = load(body).expect_err(part).to_string();
    assert!(error.contains(part), "{part}: {error}");
}

fn root(model: &str) -> String {
    format!("<xs:element name='r'><xs:complexType>{model}</xs:complexType></xs:element>")
}

fn pattern(pattern: &str) -> String {
    format!(
        "<xs:element name='r'><xs:simpleType><xs:restriction base='xs:string'>\
         <xs:pattern value='{pattern}'/></xs:restriction></xs:simpleType></xs:element>"
    )
}

/// `count` definitions, each made from its own number and that before it.
fn chain(count: usize, one: impl Fn(usize, Option<usize>) -> String) -> String {
    (0..count).map(|n| one(n, n.checked_sub(1))).collect()
}

#[test]
fn patterns_that_would_explode() {
    let value = |value: &str| format!("<r>{value}</r>");
    for (text, good, bad) in [
        ("(a+)+", "a".repeat(20_000), "a".repeat(20_000) + "b"),
        ("(a|aa)+", "a".repeat(20_000), "a".repeat(20_000) + "b"),
        ("(.*a){12}", "ba".repeat(5_000), "b".repeat(10_000)),
        ("a{1000}(b{20}){20}", "a".repeat(1_000) + &"b".repeat(400), "a".repeat(1_400)),
        (r"(\p{L}+\s?)+\p{Lu}{3,9}", "Ä".repeat(5_000), "ä".repeat(5_000)),
    ] {
        let schemas = load(&pattern(text)).expect("compiles");
        let check =
            |value: String| schemas.check(value.as_bytes(), &Limits::default(), &|| false).verdict;
        assert_eq!(check(value(&good)), Verdict::Valid, "{text}");
        assert_eq!(check(value(&bad)), Verdict::Invalid, "{text}");
    }
    let words: String = (0..2_000).map(|n| format!("w{n}x|")).collect();
    assert_eq!(judged(&pattern(&(words.clone() + "y")), "<r>w1999x</r>"), Verdict::Valid);
    assert_eq!(judged(&pattern(&(words + "y")), "<r>w2000x</r>"), Verdict::Invalid);
    // Too large for an automaton: the library judges such a set, and says so.
    for large in ["((a{1000}){1000}){1000}", &"a".repeat(65 * 1024)] {
        let by_library = load(&pattern(large)).expect("compiles").facts().by_library.clone();
        assert!(by_library.is_some_and(|why| why.starts_with("a pattern")));
    }
    assert_eq!(load(&pattern(&"a".repeat(64 * 1024))).expect("compiles").facts().by_library, None);
    refused(&pattern(&format!("{}a{}", "(".repeat(20_000), ")".repeat(20_000))), "pattern");
    refused(&pattern(&format!("{}a{}", "[a-z-".repeat(3_000), "]".repeat(3_000))), "pattern");
}

#[test]
fn depth_of_schemas_is_bounded() {
    let nested = |depth: usize| {
        root(&format!(
            "{}<xs:element name='a'/>{}",
            "<xs:sequence>".repeat(depth),
            "</xs:sequence>".repeat(depth)
        ))
    };
    assert_eq!(judged(&nested(90), "<r><a/></r>"), Verdict::Valid);
    for depth in [128, 10_000] {
        refused(&nested(depth), "depth");
    }
    type Body = fn(usize, Option<usize>) -> String;
    let group: Body = |n, before| {
        let inner = before
            .map_or("<xs:element name='a'/>".to_owned(), |n| format!("<xs:group ref='t{n}'/>"));
        format!("<xs:group name='t{n}'><xs:sequence>{inner}</xs:sequence></xs:group>")
    };
    let attributes: Body = |n, before| {
        let inner = before.map_or("<xs:attribute name='a'/>".to_owned(), |n| {
            format!("<xs:attributeGroup ref='t{n}'/>")
        });
        format!("<xs:attributeGroup name='t{n}'>{inner}</xs:attributeGroup>")
    };
    let restricted: Body = |n, before| {
        let base = before.map_or("xs:int".to_owned(), |n| format!("t{n}"));
        format!("<xs:simpleType name='t{n}'><xs:restriction base='{base}'/></xs:simpleType>")
    };
    let union: Body = |n, before| {
        let member = before.map_or("xs:int".to_owned(), |n| format!("t{n}"));
        format!(
            "<xs:simpleType name='t{n}'><xs:union memberTypes='{member} xs:date'/></xs:simpleType>"
        )
    };
    let extended: Body = |n, before| match before {
        None => "<xs:complexType name='t0'/>".to_owned(),
        Some(base) => format!(
            "<xs:complexType name='t{n}'><xs:complexContent><xs:extension base='t{base}'/>\
             </xs:complexContent></xs:complexType>"
        ),
    };
    let substitute: Body = |n, before| {
        let head = before.map_or(String::new(), |n| format!(" substitutionGroup='t{n}'"));
        format!("<xs:element name='t{n}' type='xs:int'{head}/>")
    };
    for (one, used, message) in [
        (group, root("<xs:group ref='t30'/>"), "<r><a/></r>"),
        (attributes, root("<xs:attributeGroup ref='t30'/>"), "<r a=''/>"),
        (restricted, "<xs:element name='r' type='t30'/>".to_owned(), "<r>1</r>"),
        (union, "<xs:element name='r' type='t30'/>".to_owned(), "<r>1</r>"),
        (extended, "<xs:element name='r' type='t30'/>".to_owned(), "<r/>"),
        (
            substitute,
            root("<xs:sequence><xs:element ref='t0'/></xs:sequence>"),
            "<r><t30>1</t30></r>",
        ),
    ] {
        assert_eq!(judged(&(chain(31, one) + &used), message), Verdict::Valid, "{used}");
        refused(&(chain(1_000, one) + &used), "max_depth");
    }
}

#[test]
fn circles_are_refused() {
    let group = |n: u32, m: u32| {
        format!(
            "<xs:group name='g{n}'><xs:sequence><xs:group ref='g{m}'/></xs:sequence></xs:group>"
        )
    };
    refused(&(group(1, 2) + &group(2, 1) + &root("<xs:group ref='g1'/>")), "contains itself");
    let attributes = |n: u32, m: u32| {
        format!(
            "<xs:attributeGroup name='g{n}'><xs:attributeGroup ref='g{m}'/></xs:attributeGroup>"
        )
    };
    refused(&(attributes(1, 2) + &attributes(2, 1) + &root("")), "ircular");
    let simple =
        |inner: &str, n: u32| format!("<xs:simpleType name='t{n}'>{inner}</xs:simpleType>");
    for (one, other) in [
        ("<xs:restriction base='t2'/>", "<xs:restriction base='t1'/>"),
        ("<xs:union memberTypes='t2'/>", "<xs:union memberTypes='xs:int t1'/>"),
        ("<xs:list itemType='t2'/>", "<xs:restriction base='t1'/>"),
    ] {
        refused(&(simple(one, 1) + &simple(other, 2) + &root("")), "ircular");
    }
    let element = |n: u32, m: u32| format!("<xs:element name='e{n}' substitutionGroup='e{m}'/>");
    refused(&(element(1, 2) + &element(2, 1)), "cycle");
    refused(
        "<xs:redefine schemaLocation='s.xsd'><xs:simpleType name='t'><xs:restriction base='t'/></xs:simpleType></xs:redefine>",
        "not found",
    );
}

#[test]
fn unions_of_unions_have_a_limit() {
    // Two unions of the two before, so that each level doubles the members.
    let double = |n: usize, before: Option<usize>| {
        let members = before.map_or("xs:int xs:date".to_owned(), |n| format!("t{n} s{n}"));
        let one = |name: &str| {
            format!(
                "<xs:simpleType name='{name}{n}'><xs:union memberTypes='{members}'/></xs:simpleType>"
            )
        };
        one("t") + &one("s")
    };
    let body = |count: usize| {
        chain(count, double) + &format!("<xs:element name='r' type='t{}'/>", count - 1)
    };
    // 2 to the power of 13 are 8,192 members.
    let within = MAX_UNION_MEMBERS.ilog2() as usize;
    assert_eq!(judged(&body(within), "<r>x</r>"), Verdict::Invalid);
    assert_eq!(judged(&body(within), "<r>2026-11-23</r>"), Verdict::Valid);
    refused(&body(within + 1), "more than 10000 members");
    refused(&body(60), "more than 10000 members");
    // A member named twice counts once, however deep.
    let twice = |n: usize, before: Option<usize>| {
        let member = before.map_or("xs:int".to_owned(), |n| format!("t{n}"));
        format!(
            "<xs:simpleType name='t{n}'><xs:union memberTypes='{member} {member}'/></xs:simpleType>"
        )
    };
    let body = chain(60, twice) + "<xs:element name='r' type='t59'/>";
    assert_eq!(judged(&body, "<r>x</r>"), Verdict::Invalid);
    let xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";
    let named = |name: &str| judged(&body, &format!("<r {xsi} xsi:type='{name}'>1</r>"));
    assert_eq!((named("t0"), named("t59")), (Verdict::Valid, Verdict::Valid));
}

#[test]
fn small_groups_within_each_other_are_not_written_out_without_end() {
    // Each group may come 16 times: 16 times 16 times 16 places, each reached from nearly all.
    let nested = |depth: usize| {
        root(&format!(
            "{}<xs:element name='a'/>{}",
            "<xs:sequence maxOccurs='16'>".repeat(depth),
            "</xs:sequence>".repeat(depth)
        ))
    };
    let rows = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count));
    let two = load(&nested(2)).expect("compiles");
    let check =
        |count: usize| two.check(rows(count).as_bytes(), &Limits::default(), &|| false).verdict;
    assert_eq!((check(256), check(257)), (Verdict::Valid, Verdict::Invalid));
}

#[test]
fn large_models_and_many_values() {
    let each =
        |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let members = each(1_000, &|n| {
        let head = if n == 0 { "" } else { " substitutionGroup='s0'" };
        format!("<xs:element name='s{n}' type='xs:int'{head}/>")
    });
    let model = root("<xs:sequence><xs:element ref='s0' maxOccurs='unbounded'/></xs:sequence>");
    let message = format!("<r>{}</r>", each(1_000, &|n| format!("<s{n}>1</s{n}>")));
    assert_eq!(judged(&(members + &model), &message), Verdict::Valid);

    let values = each(20_000, &|n| format!("<xs:enumeration value='c{n}'/>"));
    let codes = format!(
        "<xs:element name='r'><xs:simpleType><xs:restriction base='xs:token'>{values}</xs:restriction>\
         </xs:simpleType></xs:element>"
    );
    let schemas = load(&codes).expect("compiles");
    for (code, verdict) in [("c19999", Verdict::Valid), ("c20000", Verdict::Invalid)] {
        let message = format!("<r>{code}</r>");
        let checked = schemas.check(message.as_bytes(), &Limits::default(), &|| false);
        assert_eq!(checked.verdict, verdict);
        // The values are not all named.
        assert!(checked.findings.iter().all(|finding| finding.message_de.len() < 1_000));
    }

    let all = each(300, &|n| format!("<xs:element name='e{n}' minOccurs='0'/>"));
    let message = format!("<r>{}</r>", each(300, &|n| format!("<e{0}/>", 299 - n)));
    assert_eq!(judged(&root(&format!("<xs:all>{all}</xs:all>")), &message), Verdict::Valid);
    let attributes = each(1_000, &|n| format!("<xs:attribute name='a{n}'/>"));
    assert_eq!(judged(&root(&attributes), "<r a0='' a999=''/>"), Verdict::Valid);
}

#[test]
fn documents_of_a_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: String| fs::write(folder.path().join(name), text).expect("written");
    let load = || Schemas::load_folder(folder.path(), &["s.xsd".to_owned()], None);
    let include = |n: usize| format!("<xs:include schemaLocation='i{n}.xsd'/>");
    let set = |count: usize| {
        let all: String = (1..count).map(include).collect();
        write("s.xsd", format!("<xs:schema {XS}>{all}<xs:element name='r'/></xs:schema>"));
    };
    for n in 1..=MAX_SCHEMA_DOCUMENTS {
        write(&format!("i{n}.xsd"), format!("<xs:schema {XS}/>"));
    }
    set(MAX_SCHEMA_DOCUMENTS);
    assert_eq!(load().expect("loads").facts().documents, MAX_SCHEMA_DOCUMENTS);
    set(MAX_SCHEMA_DOCUMENTS + 1);
    let error = load().expect_err("one too many").to_string();
    assert!(error.contains("one document too many"), "{error}");

    // One document, as long as it may be, and longer by one.
    let long = |more: usize| {
        let (head, tail) =
            (format!("<xs:schema {XS}><xs:element name='r'/><!--"), "--></xs:schema>");
        let room = usize::try_from(MAX_SCHEMA_BYTES).expect("small") - head.len() - tail.len();
        write("s.xsd", format!("{head}{}{tail}", " ".repeat(room + more)));
    };
    long(0);
    load().expect("loads");
    // The same beyond an include, which would otherwise be passed over.
    let include = "<xs:include schemaLocation='long.xsd'/><xs:element name='r'/>";
    let text = fs::read_to_string(folder.path().join("s.xsd")).expect("there");
    write("long.xsd", text.replace("<!--", "<!-- ").replace("name='r'", "name='q'"));
    write("s.xsd", format!("<xs:schema {XS}>{include}</xs:schema>"));
    let error = load().expect_err("too long").to_string();
    assert!(error.contains("long.xsd is larger than 16 MiB"), "{error}");
    long(1);
    load().expect_err("too long");
    // Entities of schema documents do not expand either.
    let laughs =
        "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
    write("s.xsd", format!("{laughs}<xs:schema {XS}><xs:element name='&b;'/></xs:schema>"));
    load().expect_err("entities");
    assert_eq!(MAX_AMENDMENTS, 200);
}
