//! Where the library's model is not what the schema says, and where a set breaks the rule of
//! unique attribution.

use xsd_schema::compiler::{FragmentBuilder, NfaTable, NfaTerm, fragment_to_table};
use xsd_schema::types::complex::{NamespaceConstraint, ProcessContents};

use super::{Expected, World};
use crate::validate::tables::content::labels::Namer;
use crate::validate::tables::content::{Model, Run, Source, Term, build};
use crate::validate::tables::{ContentId, ElementId, Symbols, WildcardId};

const ALL: &str = "<xs:complexType name='Base'><xs:all>
    <xs:element name='a' type='xs:string'/><xs:element name='b' type='xs:string'/>
    </xs:all></xs:complexType>";

fn extension(name: &str, base: &str, content: &str) -> String {
    format!(
        "<xs:complexType name='{name}'><xs:complexContent><xs:extension base='x:{base}'>{content}
         </xs:extension></xs:complexContent></xs:complexType>"
    )
}

/// Structures 3.4.2, complex content, clause 3.2.1: an extension whose explicit content is empty
/// has the content of its base. The library makes a repeated choice of it, which takes `a` twice.
#[test]
fn an_extension_that_adds_nothing_keeps_the_all_group() {
    for nothing in ["", "<xs:sequence/>", "<xs:choice minOccurs='0'/>", "<xs:attribute name='n'/>"]
    {
        let types = format!("{ALL}{}", extension("T", "Base", nothing));
        let mut world = World::load(&types).expect("a valid schema");
        let id = world.compile("T").expect("compiled");
        assert!(world.admits(id, &["a", "b"]) && world.admits(id, &["b", "a"]), "{nothing}");
        assert!(!world.admits(id, &["a"]) && !world.admits(id, &["a", "a"]), "{nothing}");
        assert!(!world.admits(id, &["a", "b", "a"]), "{nothing}");
    }
}

/// Structures 3.4.2, clause 3.2.2: where the base is empty, the own content is the content.
#[test]
fn an_all_group_that_extends_nothing() {
    let all = "<xs:all><xs:element name='a' type='xs:string'/>
        <xs:element name='b' type='xs:string' minOccurs='0'/></xs:all>";
    let base = "<xs:complexType name='Base'><xs:attribute name='n'/></xs:complexType>";
    let types = format!("{base}{}", extension("T", "Base", all));
    let mut world = World::load(&types).expect("a valid schema");
    let id = world.compile("T").expect("compiled");
    assert!(world.admits(id, &["b", "a"]) && world.admits(id, &["a"]));
    assert!(!world.admits(id, &["b"]) && !world.admits(id, &["a", "a"]));
}

/// cos-all-limited: no content model has `xs:all` within something else. A library that lets it
/// pass is not followed.
#[test]
fn an_all_group_within_another_group_is_not_compiled() {
    let group = "<xs:group name='G'><xs:all><xs:element name='a' type='xs:string'/>
        <xs:element name='b' type='xs:string'/></xs:all></xs:group>";
    let within = "<xs:complexType name='T'><xs:sequence>
        <xs:group ref='x:G'/><xs:element name='c' type='xs:string'/></xs:sequence></xs:complexType>";
    let more = "<xs:sequence><xs:element name='c' type='xs:string'/></xs:sequence>";
    for types in [format!("{group}{within}"), format!("{ALL}{}", extension("T", "Base", more))] {
        if let Some(mut world) = World::load(&types) {
            let why = world.compile("T").expect_err("never lenient");
            assert_eq!(why.construct, "xs:all within another group");
        }
    }
}

/// A model of the terms given, whether the rules allow it or not: a choice of sequences.
fn tolerated(choice: &[&[&str]]) -> World {
    let mut world = World::load("").expect("a valid schema");
    let table = table(&world, choice);
    let (mut elements, mut wildcards) = (0, 0);
    let source = Source { set: &world.set, groups: &world.groups };
    let target = world.set.name_table.get(super::TARGET);
    let mut symbols = Symbols::default();
    let mut element = |_: &NfaTerm, _| {
        elements += 1;
        ElementId(elements - 1)
    };
    let kept = std::cell::RefCell::new(Vec::new());
    let mut wildcard = |one| {
        kept.borrow_mut().push(one);
        wildcards += 1;
        WildcardId(wildcards - 1)
    };
    let mut namer = Namer::new(source, target, &mut symbols, &mut element, &mut wildcard);
    let automaton = build::compile(&table, &mut namer).expect("compiles");
    world.contents.models.push(Model::Automaton(automaton));
    world.symbols = symbols;
    world.wildcards = kept.into_inner();
    world
}

fn table(world: &World, choice: &[&[&str]]) -> NfaTable {
    let names = &world.set.name_table;
    let term = |name: &str| match name {
        "any" => NfaTerm::wildcard(NamespaceConstraint::Any, ProcessContents::Lax),
        "other" => NfaTerm::wildcard(NamespaceConstraint::Other, ProcessContents::Lax),
        name => NfaTerm::element(names.add(name), None, None),
    };
    let sequences = choice.iter().map(|sequence| {
        let terms =
            sequence.iter().map(|name| FragmentBuilder::new().single_term(term(name), None));
        terms.reduce(|before, after| before.concat(after)).expect("a term")
    });
    fragment_to_table(sequences.reduce(|one, other| one.alternate(other)).expect("a sequence"))
}

#[test]
fn a_set_that_breaks_unique_attribution_goes_all_ways_at_once() {
    let world = tolerated(&[&["a", "b"], &["a", "c"]]);
    let id = ContentId(0);
    assert!(world.admits(id, &["a", "b"]) && world.admits(id, &["a", "c"]));
    assert!(!world.admits(id, &["a"]) && !world.admits(id, &["b"]));
}

/// The rule (cos-nonambig) forbids a name beside a wildcard that admits it, so there is no right
/// answer; the first in document order is given, and both go on.
#[test]
fn the_first_in_document_order_wins_where_a_wildcard_overlaps() {
    for (choice, first) in [
        ([&["any", "b"], &["a", "c"]], Term::Wildcard(WildcardId(0))),
        ([&["a", "c"], &["any", "b"]], Term::Element(ElementId(0))),
    ] {
        let choice: Vec<&[&str]> = choice.iter().map(|one| &one[..]).collect();
        let world = tolerated(&choice);
        let id = ContentId(0);
        assert!(world.admits(id, &["a", "b"]) && world.admits(id, &["a", "c"]));
        assert!(world.admits(id, &["z", "b"]) && !world.admits(id, &["z", "c"]));
        let mut run = Run::default();
        world.contents.start(id, &mut run);
        let symbol = world.symbols.find("", "a");
        assert_eq!(world.contents.step(id, &mut run, symbol, ""), Some(first));
    }
}

#[test]
fn overlapping_wildcards_part_the_namespaces() {
    let world = tolerated(&[&["other", "b"], &["any", "c"]]);
    let id = ContentId(0);
    assert!(world.admits(id, &["y:z", "b"]) && world.admits(id, &["y:z", "c"]));
    assert!(world.admits(id, &["z", "c"]) && !world.admits(id, &["z", "b"]));
    assert!(world.admits(id, &["x:z", "c"]) && !world.admits(id, &["x:z", "b"]));
    let mut run = Run::default();
    world.contents.start(id, &mut run);
    let expected = world.contents.expected(id, &run);
    assert_eq!(expected, [Expected::Wildcard(WildcardId(0)), Expected::Wildcard(WildcardId(1))]);
}
