//! The library's own content validator judges: over the same schemas and the same children both
//! must say the same, child by child, and attribute each to the same declaration.

mod cases;
mod corpus;
mod exact;
mod random;

use xsd_schema::compiler::{
    SubstitutionGroupMap, build_substitution_group_map, compile_content_model_matcher,
};
use xsd_schema::validation::content::{CompiledContentModel, ContentValidatorState};
use xsd_schema::{ComplexTypeKey, ElementKey, NameId, SchemaSet, TypeKey, XsdVersion};

use super::{Contents, Expected, Run, Source, Term};
use crate::validate::tables::{ContentId, ElementId, NotCompiled, Symbols, Wildcard, WildcardId};

/// The target namespace of all schemas here.
const TARGET: &str = "urn:x";

/// A schema set with what the closures of a compilation were told.
struct World {
    set: SchemaSet,
    groups: SubstitutionGroupMap,
    contents: Contents,
    symbols: Symbols,
    elements: Vec<Option<ElementKey>>,
    wildcards: Vec<Wildcard>,
}

/// A document with the components given, in the namespace `urn:x`; local names are unqualified.
fn schema(components: &str) -> String {
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:x='{TARGET}' \
         targetNamespace='{TARGET}'>{components}</xs:schema>"
    )
}

impl World {
    /// None where the library refuses the schema.
    fn load(components: &str) -> Option<Self> {
        let mut set = SchemaSet::xsd10();
        let text = schema(components);
        xsd_schema::pipeline::load_schema(text.as_bytes(), "mem.xsd", &mut set).ok()?;
        Some(Self::of(set))
    }

    fn of(set: SchemaSet) -> Self {
        let groups = build_substitution_group_map(&set);
        Self {
            set,
            groups,
            contents: Contents::default(),
            symbols: Symbols::default(),
            elements: Vec::new(),
            wildcards: Vec::new(),
        }
    }

    /// A global type of the target namespace.
    fn key(&self, name: &str) -> ComplexTypeKey {
        let names = &self.set.name_table;
        let found = self.set.lookup_type(names.get(TARGET), names.get(name).expect("a name"));
        match found {
            Some(TypeKey::Complex(key)) => key,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn compile(&mut self, name: &str) -> Result<ContentId, NotCompiled> {
        self.compile_key(self.key(name))
    }

    fn compile_key(&mut self, key: ComplexTypeKey) -> Result<ContentId, NotCompiled> {
        let source = Source { set: &self.set, groups: &self.groups };
        let (elements, wildcards) = (&mut self.elements, &mut self.wildcards);
        self.contents.compile_one(
            source,
            key,
            &mut self.symbols,
            &mut |term, member| {
                let own = match term {
                    xsd_schema::compiler::NfaTerm::Element { element_key, .. } => *element_key,
                    xsd_schema::compiler::NfaTerm::Wildcard { .. } => panic!("no element"),
                };
                elements.push(member.or(own));
                ElementId(elements.len() as u32 - 1)
            },
            &mut |wildcard| {
                wildcards.push(wildcard);
                WildcardId(wildcards.len() as u32 - 1)
            },
        )
    }

    /// A walk through the model of a type; none where the library has no verdict.
    fn walk(&mut self, name: &str) -> Option<Walk<'_>> {
        let id = self.compile(name).expect("compiled");
        let key = self.key(name);
        let definition = &self.set.arenas.complex_types[key];
        let matcher = compile_content_model_matcher(&self.set, definition).expect("compiles");
        let model = CompiledContentModel::try_from_matcher(matcher).ok()?;
        let judge = ContentValidatorState::from_compiled(&model);
        let mut run = Run::default();
        self.contents.start(id, &mut run);
        let target = definition.target_namespace;
        Some(Walk { world: self, id, run, judge, target, taken: Vec::new() })
    }

    /// Whether the children, by local name, are a whole content. Only ours is asked.
    fn admits(&self, id: ContentId, children: &[&str]) -> bool {
        let mut run = Run::default();
        self.contents.start(id, &mut run);
        children.iter().all(|child| {
            let (namespace, local) = split(child);
            let symbol = self.symbols.find(namespace, local);
            self.contents.step(id, &mut run, symbol, namespace).is_some()
        }) && self.contents.accepts(id, &run)
    }
}

/// `x:name` is in the target namespace, `y:name` in another, `name` in none.
fn split(name: &str) -> (&str, &str) {
    match name.split_once(':') {
        Some(("x", local)) => (TARGET, local),
        Some((_, local)) => ("urn:y", local),
        None => ("", name),
    }
}

/// Both validators side by side.
struct Walk<'a> {
    world: &'a World,
    id: ContentId,
    run: Run,
    judge: ContentValidatorState,
    target: Option<NameId>,
    taken: Vec<String>,
}

impl Walk<'_> {
    /// Gives both the next child and compares; says whether it was allowed. None where the
    /// library gives up.
    fn step(&mut self, child: &str) -> Option<bool> {
        let (world, place) = (self.world, format!("{child} after {:?}", self.taken));
        let (namespace, local) = split(child);
        let (name, within) = self.ids(child);
        let judged = self
            .judge
            .try_advance_element(name, within, self.target, XsdVersion::V1_0, Some(&world.groups))
            .ok()?;
        let symbol = world.symbols.find(namespace, local);
        let ours = world.contents.step(self.id, &mut self.run, symbol, namespace);
        assert_eq!(ours.is_some(), judged.is_some(), "{place}");
        match (ours, judged) {
            (Some(Term::Element(id)), Some(theirs)) => {
                assert!(theirs.process_contents.is_none(), "{place}: a wildcard took it");
                let key = world.elements[id.0 as usize];
                // Of a member of a substitution group the library does not say which.
                let global = world.set.lookup_element(within, name);
                assert_eq!(key, theirs.element_key.or(global), "{place}");
            }
            (Some(Term::Wildcard(_)), Some(theirs)) => {
                assert!(theirs.process_contents.is_some(), "{place}: an element took it");
            }
            _ => {}
        }
        if ours.is_some() {
            self.taken.push(child.to_owned());
        }
        let complete = world.contents.accepts(self.id, &self.run);
        assert_eq!(complete, self.judge.is_complete(), "complete, {place}");
        Some(ours.is_some())
    }

    /// The names of these that may come next. Compares with what is said to be expected. None
    /// where the library gives up.
    fn open<'n>(&self, names: &[&'n str]) -> Option<Vec<&'n str>> {
        let world = self.world;
        let expected = world.contents.expected(self.id, &self.run);
        let mut open = Vec::new();
        for child in names {
            let (namespace, local) = split(child);
            let (name, within) = self.ids(child);
            let (version, groups) = (XsdVersion::V1_0, Some(&world.groups));
            let mut judge = self.judge.clone();
            let judged = judge.try_advance_element(name, within, self.target, version, groups);
            let judged = judged.ok()?.is_some();
            let said = expected.iter().any(|one| match one {
                Expected::Element(symbol) => {
                    world.symbols.local(*symbol) == local
                        && world.symbols.namespace(*symbol) == namespace
                }
                Expected::Wildcard(id) => world.wildcards[id.0 as usize].allows(namespace),
            });
            assert_eq!(said, judged, "{child} after {:?}", self.taken);
            if judged {
                open.push(*child);
            }
        }
        Some(open)
    }

    fn ids(&self, child: &str) -> (NameId, Option<NameId>) {
        let (namespace, local) = split(child);
        let names = &self.world.set.name_table;
        (names.add(local), (!namespace.is_empty()).then(|| names.add(namespace)))
    }
}
