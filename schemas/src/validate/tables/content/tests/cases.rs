//! Models made by hand, judged by the library and by what the specification says.

use std::fmt::Write;

use super::{Expected, World};
use crate::validate::tables::content::{Model, Run};

/// The type `T` with this content.
fn content(content: &str) -> String {
    format!("<xs:complexType name='T'>{content}</xs:complexType>")
}

fn element(name: &str, min: u32, max: &str) -> String {
    format!("<xs:element name='{name}' type='xs:string' minOccurs='{min}' maxOccurs='{max}'/>")
}

/// Loads `T`, which must compile.
fn world(components: &str) -> World {
    World::load(components).expect("a valid schema")
}

/// Walks through the children with the library beside, and says which of them were allowed.
fn allowed(world: &mut World, children: &[&str]) -> Vec<bool> {
    let mut walk = world.walk("T").expect("a verdict");
    children.iter().map(|child| walk.step(child).expect("a verdict")).collect()
}

/// How many of a name may stand in a row, and from how many on the content may end.
fn row(world: &mut World, name: &str, most: usize) -> (usize, Option<usize>) {
    let id = world.compile("T").expect("compiled");
    let mut run = Run::default();
    world.contents.start(id, &mut run);
    let symbol = world.symbols.find("", name);
    let mut complete = None;
    for count in 0..=most {
        if complete.is_none() && world.contents.accepts(id, &run) {
            complete = Some(count);
        }
        if world.contents.step(id, &mut run, symbol, "").is_none() {
            return (count, complete);
        }
    }
    (most + 1, complete)
}

#[test]
fn a_plain_counter_counts() {
    for (min, max, most, complete) in [
        (0, "100000", 100_000, 0),
        (5, "100000", 100_000, 5),
        (99_999, "100000", 100_000, 99_999),
        (100_000, "100000", 100_000, 100_000),
        (17, "17", 17, 17),
        (0, "16", 16, 0),
        (2, "3", 3, 2),
    ] {
        let element = element("a", min, max);
        let mut world = world(&content(&format!("<xs:sequence>{element}</xs:sequence>")));
        assert_eq!(row(&mut world, "a", 100_001), (most, Some(complete)), "{min} {max}");
        let Some(Model::Automaton(automaton)) = world.contents.models.first() else { panic!() };
        assert!(!automaton.unsettled, "one counter, not a set: {min} {max}");
    }
}

#[test]
fn unbounded_with_a_large_minimum() {
    let types = content(&format!("<xs:sequence>{}</xs:sequence>", element("a", 20, "unbounded")));
    let mut world = world(&types);
    assert_eq!(row(&mut world, "a", 5_000), (5_001, Some(20)));
}

#[test]
fn groups_that_may_be_empty_are_counted_without_unrolling() {
    let (a, b) = (element("a", 0, "2"), element("b", 0, "1"));
    let group = format!("<xs:sequence minOccurs='0' maxOccurs='100000'>{a}{b}</xs:sequence>");
    let mut world = world(&content(&group));
    // 2 a and 1 b each time, so 200,000 a or 100,000 b at most.
    assert_eq!(row(&mut world, "a", 300_000), (200_000, Some(0)));
    assert_eq!(row(&mut world, "b", 300_000), (100_000, Some(0)));
    let children: Vec<&str> = "a b b a a a b a b b c a".split(' ').collect();
    let allowed = allowed(&mut world, &children);
    assert_eq!(allowed.iter().filter(|one| !**one).count(), 1, "only c is not");
}

#[test]
fn counts_that_a_name_does_not_settle() {
    // After 20 a it may have been 10 or 20 times.
    let (one, more) = (element("a", 1, "1"), element("a", 0, "1"));
    let group = format!("<xs:sequence minOccurs='20' maxOccurs='30'>{one}{more}</xs:sequence>");
    let types = content(&group);
    if let Some(mut world) = World::load(&types) {
        assert_eq!(row(&mut world, "a", 100), (60, Some(20)));
    }
    let pair = element("a", 1, "2");
    let group = format!("<xs:sequence minOccurs='20' maxOccurs='30'>{pair}</xs:sequence>");
    let mut world = world(&content(&group));
    assert_eq!(row(&mut world, "a", 100), (60, Some(20)));
    let _ = allowed(&mut world, &["a"; 62]);
}

#[test]
fn nested_counters() {
    let (a, b) = (element("a", 1, "1"), element("b", 18, "20"));
    let group = format!("<xs:sequence minOccurs='2' maxOccurs='30'>{a}{b}</xs:sequence>");
    let mut world = world(&content(&group));
    let mut children = Vec::new();
    for _ in 0..31 {
        children.push("a");
        children.extend(["b"; 21]);
    }
    let allowed = allowed(&mut world, &children);
    assert_eq!(allowed.iter().filter(|one| **one).count(), 30 * 21);
}

#[test]
fn what_cannot_be_settled_within_bounds_is_not_compiled() {
    let pair = element("a", 1, "2");
    let group = format!("<xs:sequence minOccurs='5000' maxOccurs='9000'>{pair}</xs:sequence>");
    let mut world = world(&content(&group));
    let why = world.compile("T").expect_err("5,000 numbers at a time");
    assert_eq!(why.construct, "counts that names do not settle");
    assert_eq!(why.place, "{urn:x}T");
}

#[test]
fn a_choice_of_five_hundred() {
    let mut choice = String::new();
    for n in 0..500 {
        let _ = write!(choice, "<xs:element name='e{n}' type='xs:string'/>");
    }
    for occurs in ["", "maxOccurs='unbounded'", "maxOccurs='1000'"] {
        let mut world = world(&content(&format!("<xs:choice {occurs}>{choice}</xs:choice>")));
        let children = ["e0", "e499", "e250", "e500", "e7"];
        let expected = match occurs {
            "" => [true, false, false, false, false],
            _ => [true, true, true, false, true],
        };
        assert_eq!(allowed(&mut world, &children), expected, "{occurs}");
        let Some(Model::Automaton(automaton)) = world.contents.models.first() else { panic!() };
        assert!(automaton.nodes.len() <= 3 && automaton.edges.len() <= 1_500, "{occurs}");
        let id = world.compile("T").expect("compiled");
        let mut run = Run::default();
        world.contents.start(id, &mut run);
        let names = world.contents.expected(id, &run);
        let names: Vec<&str> = names
            .iter()
            .map(|one| match one {
                Expected::Element(symbol) => world.symbols.local(*symbol),
                Expected::Wildcard(_) => panic!("no wildcard"),
            })
            .collect();
        assert_eq!(names.len(), 500);
        assert!(names.iter().enumerate().all(|(n, name)| *name == format!("e{n}")), "in order");
    }
}

#[test]
fn an_all_group_of_forty() {
    let mut members = String::new();
    for n in 0..70 {
        let _ = write!(members, "{}", element(&format!("e{n}"), n % 2, "1"));
    }
    let mut world = world(&content(&format!("<xs:all>{members}</xs:all>")));
    let names: Vec<String> = (0..70).rev().map(|n| format!("e{n}")).collect();
    let mut children: Vec<&str> = names.iter().map(String::as_str).collect();
    children.push("e3");
    let allowed = allowed(&mut world, &children);
    assert!(allowed[..70].iter().all(|one| *one) && !allowed[70]);
    let id = world.compile("T").expect("compiled");
    let odd: Vec<&str> = children[..70].iter().copied().step_by(2).collect();
    assert!(world.admits(id, &odd), "the optional ones may be missing");
    assert!(!world.admits(id, &odd[1..]), "a required one may not");
}

#[test]
fn substitution_groups() {
    let globals = "<xs:element name='head' type='x:A' abstract='true' block='restriction'/>
        <xs:element name='late' type='x:A' substitutionGroup='x:head'/>
        <xs:element name='blocked' type='x:B' substitutionGroup='x:head'/>
        <xs:element name='between' type='x:A' abstract='true' substitutionGroup='x:head'/>
        <xs:element name='deep' type='x:A' substitutionGroup='x:between'/>
        <xs:element name='final' type='x:A' block='substitution'/>
        <xs:element name='no' type='x:A' substitutionGroup='x:final'/>
        <xs:complexType name='A'><xs:sequence/><xs:attribute name='n'/></xs:complexType>
        <xs:complexType name='B'><xs:complexContent><xs:restriction base='x:A'><xs:sequence/>
        </xs:restriction></xs:complexContent></xs:complexType>";
    let model = "<xs:sequence><xs:element ref='x:head' maxOccurs='20'/>
        <xs:element ref='x:final'/></xs:sequence>";
    let mut world = world(&format!("{globals}{}", content(model)));
    let children = [
        "x:head",
        "x:blocked",
        "x:between",
        "late",
        "x:final",
        "x:late",
        "x:deep",
        "x:no",
        "x:final",
    ];
    let expected = [false, false, false, false, false, true, true, false, true];
    assert_eq!(allowed(&mut world, &children), expected);
    let id = world.compile("T").expect("compiled");
    let mut run = Run::default();
    world.contents.start(id, &mut run);
    let names: Vec<Expected> = world.contents.expected(id, &run);
    let late = world.symbols.find("urn:x", "late").expect("known");
    let deep = world.symbols.find("urn:x", "deep").expect("known");
    assert_eq!(names, [Expected::Element(late), Expected::Element(deep)]);
}

#[test]
fn empty_contents_share_a_model() {
    let types = "<xs:complexType name='T'><xs:sequence/></xs:complexType>
        <xs:complexType name='U'><xs:attribute name='n'/></xs:complexType>
        <xs:complexType name='V'><xs:simpleContent><xs:extension base='xs:string'/>
        </xs:simpleContent></xs:complexType>";
    let mut world = world(types);
    let id = world.compile("T").expect("compiled");
    assert_eq!(world.compile("U"), Ok(id));
    assert_eq!(world.compile("V"), Ok(id));
    assert!(world.admits(id, &[]) && !world.admits(id, &["a"]));
    assert_eq!(allowed(&mut world, &["a"]), [false]);
}

#[test]
fn a_choice_without_particles_admits_nothing_not_even_nothing() {
    let mut world = world(&content("<xs:choice/>"));
    let id = world.compile("T").expect("compiled");
    assert!(!world.admits(id, &[]), "Structures 3.8.1: a choice of none is never satisfied");
    assert_eq!(allowed(&mut world, &["a"]), [false]);
}

#[test]
fn any_type_admits_everything() {
    let mut world = world(&content("<xs:sequence/>"));
    let key = world.set.any_type_key();
    let id = world.compile_key(key).expect("compiled");
    assert!(world.admits(id, &[]) && world.admits(id, &["a", "x:b", "y:c"]));
}

#[test]
fn wildcards_by_namespace() {
    let any =
        |namespaces: &str| format!("<xs:any namespace='{namespaces}' processContents='lax'/>");
    let model = format!(
        "<xs:sequence>{}{}{}</xs:sequence>",
        any("##other"),
        any("##targetNamespace urn:y"),
        any("##local")
    );
    let mut world = world(&content(&model));
    let children = ["a", "x:a", "y:a", "a", "x:T", "y:a", "x:a", "a", "a"];
    let expected = [false, false, true, false, true, false, false, true, false];
    assert_eq!(allowed(&mut world, &children), expected);
}
