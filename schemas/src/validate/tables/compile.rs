//! From the library's components to tables.

use std::collections::{HashMap, HashSet};

use xsd_schema::arenas::ElementDeclData;
use xsd_schema::compiler::{NfaTerm, build_substitution_group_map};
use xsd_schema::parser::frames::{ComplexContentResult, DerivationMethod, ParticleResult};
use xsd_schema::schema::model::DerivationSet;
use xsd_schema::{ComplexTypeKey, ElementKey, NameId, SchemaSet, SimpleTypeKey, TypeKey};

use super::attributes;
use super::components::{
    ANY_TYPE, AttributeUse, Block, Complex, Content, Derivations, Element, Globals, ValueConstraint,
};
use super::content::{self, Contents, Source};
use super::identity::Constraints;
use super::run::Scope;
use super::simple::SimpleTypes;
use super::{
    ComplexId, ElementId, NotCompiled, SimpleId, Symbol, Symbols, Tables, TypeId, Wildcard,
    WildcardId,
};
use crate::validate::unions;

/// Most types from one to its last ancestor.
const MAX_ANCESTORS: usize = 100;

impl Tables {
    /// Compiles a set that the library has checked.
    pub(in crate::validate) fn compile(set: &SchemaSet) -> Result<Self, NotCompiled> {
        let mut symbols = Symbols::default();
        let simple = SimpleTypes::compile(set)?;
        let constraints = Constraints::compile(set, &mut symbols)?;
        let mut compiler = Compiler {
            set,
            symbols,
            simple,
            elements: HashMap::new(),
            made: Vec::new(),
            complex: HashMap::new(),
            wildcards: Vec::new(),
        };
        compiler.number();
        let tables = compiler.tables(constraints)?;
        Ok(tables)
    }
}

struct Compiler<'s> {
    set: &'s SchemaSet,
    symbols: Symbols,
    simple: SimpleTypes,
    elements: HashMap<ElementKey, ElementId>,
    /// Declarations in the order of their numbers: in the set, or only a name and a type.
    made: Vec<Declared>,
    complex: HashMap<ComplexTypeKey, ComplexId>,
    wildcards: Vec<Wildcard>,
}

enum Declared {
    InSet(ElementKey),
    /// A local element of which the library kept no more.
    Local((Option<NameId>, NameId), Option<TypeKey>),
}

impl Compiler<'_> {
    /// Gives types and declarations their numbers.
    fn number(&mut self) {
        let any = self.set.any_type_key();
        self.complex.insert(any, ANY_TYPE);
        for key in self.set.arenas.complex_types.keys() {
            let next = ComplexId(self.complex.len() as u32);
            self.complex.entry(key).or_insert(next);
        }
        for (key, declared) in &self.set.arenas.elements {
            // A reference is what it refers to.
            if declared.resolved_ref.is_none() {
                self.elements.insert(key, ElementId(self.made.len() as u32));
                self.made.push(Declared::InSet(key));
            }
        }
    }

    fn tables(mut self, constraints: Constraints) -> Result<Tables, NotCompiled> {
        let set = self.set;
        let groups = build_substitution_group_map(set);
        let source = Source { set, groups: &groups };
        let mut contents = Contents::default();
        let mut complex: Vec<(ComplexId, Complex)> = Vec::new();
        let keys: Vec<(ComplexTypeKey, ComplexId)> =
            self.complex.iter().map(|(key, id)| (*key, *id)).collect();
        for (key, id) in keys {
            let compiled = self.complex_type(source, &mut contents, key)?;
            complex.push((id, compiled));
        }
        complex.sort_by_key(|(id, _)| *id);
        let mut elements = Vec::new();
        for n in 0..self.made.len() {
            elements.push(self.element(&constraints, n)?);
        }
        let derivations = self.derivations();
        let attributes = self.global_attributes()?;
        let globals = self.globals(&attributes);
        let attributes = attributes.into_iter().map(|(_, attribute)| attribute).collect();
        let complex = complex.into_iter().map(|(_, complex)| complex).collect();
        let Self { symbols, simple, wildcards, .. } = self;
        Ok(Tables {
            symbols,
            simple,
            contents,
            constraints,
            elements,
            complex,
            wildcards,
            attributes,
            globals,
            derivations,
        })
    }

    fn symbol(&mut self, namespace: Option<NameId>, local: NameId) -> Symbol {
        let names = &self.set.name_table;
        let namespace = namespace.map(|id| names.resolve(id)).unwrap_or_default();
        self.symbols.add(&namespace, names.resolve_ref(local))
    }

    /// A type's number; none stands for the ur-type.
    fn kind(&self, key: Option<TypeKey>) -> Option<TypeId> {
        match key {
            Some(TypeKey::Simple(key)) => self.simple.id_of(key).map(TypeId::Simple),
            Some(TypeKey::Complex(key)) => self.complex.get(&key).copied().map(TypeId::Complex),
            None => Some(TypeId::Complex(ANY_TYPE)),
        }
    }

    /// The type of a declaration.
    fn declared_kind(&self, key: Option<TypeKey>, name: Symbol) -> Result<TypeId, NotCompiled> {
        self.kind(key).ok_or_else(|| self.unknown_type(name))
    }

    fn unknown_type(&self, name: Symbol) -> NotCompiled {
        let place = self.symbols.local(name).to_owned();
        NotCompiled { construct: "a type that XSD 1.0 does not have", place }
    }

    fn complex_type(
        &mut self,
        source: Source<'_>,
        contents: &mut Contents,
        key: ComplexTypeKey,
    ) -> Result<Complex, NotCompiled> {
        let set = self.set;
        let definition = &set.arenas.complex_types[key];
        let content = if set.any_type_key() == key {
            Content::Any
        } else if let Some(simple) = self.simple.id_of_content(key) {
            Content::Simple(simple)
        } else {
            self.element_content(source, contents, key)?
        };
        let mut uses = Vec::new();
        for written in attributes::uses(set, key) {
            uses.push(self.attribute_use(written)?);
        }
        uses.sort_by_key(|one| one.name);
        let wildcard = match attributes::wildcard(set, key, 0) {
            Some(wildcard) => Some(self.wildcard(wildcard)),
            // The ur-type admits every attribute, and follows what is declared.
            None if content == Content::Any => Some(self.wildcard(super::anything())),
            None => None,
        };
        Ok(Complex {
            content,
            required: uses.iter().filter(|one| one.required).count(),
            has_defaults: uses.iter().any(|one| one.value.is_some() && !one.required),
            uses: uses.into(),
            wildcard,
            is_abstract: definition.is_abstract,
            block: block(definition.block),
        })
    }

    fn element_content(
        &mut self,
        source: Source<'_>,
        contents: &mut Contents,
        key: ComplexTypeKey,
    ) -> Result<Content, NotCompiled> {
        let set = self.set;
        let kind = content_kind(set, key, 0);
        if kind == Kind::Empty {
            return Ok(Content::Empty);
        }
        let (elements, made, wildcards) = (&mut self.elements, &mut self.made, &mut self.wildcards);
        let mut element = |term: &NfaTerm, member: Option<ElementKey>| {
            let (name, declared, kind) = match term {
                NfaTerm::Element { name, namespace, element_key, resolved_type } => {
                    ((*namespace, *name), *element_key, *resolved_type)
                }
                // Asked for elements only.
                NfaTerm::Wildcard { .. } => ((None, NameId(0)), None, None),
            };
            let declared = member.or(declared).map(|key| {
                set.arenas.elements.get(key).and_then(|one| one.resolved_ref).unwrap_or(key)
            });
            if let Some(known) = declared.and_then(|key| elements.get(&key)) {
                return *known;
            }
            let id = ElementId(made.len() as u32);
            made.push(Declared::Local(name, kind));
            id
        };
        let mut wildcard = |wildcard: Wildcard| add_wildcard(wildcards, wildcard);
        let id =
            contents.compile_one(source, key, &mut self.symbols, &mut element, &mut wildcard)?;
        Ok(match kind {
            Kind::Mixed => Content::Mixed(id),
            Kind::Empty | Kind::Elements => Content::Elements(id),
        })
    }

    fn wildcard(&mut self, wildcard: Wildcard) -> WildcardId {
        add_wildcard(&mut self.wildcards, wildcard)
    }

    fn attribute_use(&mut self, written: attributes::Use) -> Result<AttributeUse, NotCompiled> {
        let (namespace, local) = written.name;
        let name = self.symbol(namespace, local);
        let kind = match written.kind {
            Some(TypeKey::Simple(key)) => self.simple.id_of(key),
            _ => self.simple.id_of(self.set.builtin_types().any_simple_type),
        };
        let kind = kind.ok_or_else(|| self.unknown_type(name))?;
        let value = written
            .value
            .map(|(fixed, text)| self.value(fixed, &text, Some(kind), name))
            .transpose()?;
        Ok(AttributeUse { name, kind, required: written.required, value })
    }

    fn value(
        &self,
        fixed: bool,
        text: &str,
        kind: Option<SimpleId>,
        name: Symbol,
    ) -> Result<ValueConstraint, NotCompiled> {
        let mut key = Vec::new();
        let refuse =
            |construct| Err(NotCompiled { construct, place: self.symbols.local(name).to_owned() });
        if let Some(kind) = kind {
            // With or without a prefix: the library alone knows the namespaces in scope there.
            if self.simple.holds_names(kind) {
                return refuse("a default or fixed value that may be a qualified name");
            }
            if self.simple.value(kind, text, &Scope::default(), &mut key).is_err() {
                return refuse("a default or fixed value that is none of its type, or too long");
            }
        }
        let key = kind.map(|_| key.into_boxed_slice());
        Ok(ValueConstraint { fixed, text: text.into(), key })
    }

    fn element(&mut self, constraints: &Constraints, n: usize) -> Result<Element, NotCompiled> {
        let set = self.set;
        let key = match self.made[n] {
            Declared::InSet(key) => key,
            Declared::Local((namespace, local), kind) => {
                let name = self.symbol(namespace, local);
                return Ok(Element {
                    kind: self.declared_kind(kind, name)?,
                    nillable: false,
                    is_abstract: false,
                    block: Block::default(),
                    value: None,
                    constraints: Box::default(),
                });
            }
        };
        let declared: &ElementDeclData = &set.arenas.elements[key];
        let name = match declared.name {
            Some(name) => self.symbol(declared.target_namespace, name),
            None => self.symbols.add("", ""),
        };
        if declared.deferred_type_error.is_some() {
            let place = self.symbols.local(name).to_owned();
            return Err(NotCompiled { construct: "an element whose type is missing", place });
        }
        let kind = self.declared_kind(declared.resolved_type, name)?;
        let simple = match (kind, declared.resolved_type) {
            (TypeId::Simple(simple), _) => Some(simple),
            (_, Some(TypeKey::Complex(key))) => self.simple.id_of_content(key),
            _ => None,
        };
        let written = declared.fixed_value.as_deref().map(|text| (true, text));
        let written = written.or(declared.default_value.as_deref().map(|text| (false, text)));
        let value =
            written.map(|(fixed, text)| self.value(fixed, text, simple, name)).transpose()?;
        let constraints: Option<Box<[_]>> =
            declared.identity_constraints.iter().map(|key| constraints.id_of(*key)).collect();
        Ok(Element {
            kind,
            nillable: declared.nillable,
            is_abstract: declared.is_abstract,
            block: block(declared.block),
            value,
            constraints: constraints.unwrap_or_default(),
        })
    }

    fn global_attributes(&mut self) -> Result<Vec<(Symbol, AttributeUse)>, NotCompiled> {
        let set = self.set;
        let mut all = Vec::new();
        for (namespace, table) in &set.namespaces {
            for (name, key) in &table.attributes {
                let Some(declared) = set.arenas.attributes.get(*key) else { continue };
                let fixed = declared.fixed_value.clone().map(|text| (true, text));
                let value =
                    fixed.or_else(|| declared.default_value.clone().map(|text| (false, text)));
                let written = attributes::Use {
                    name: (*namespace, *name),
                    kind: declared.resolved_type,
                    required: false,
                    value,
                };
                all.push((self.symbol(*namespace, *name), self.attribute_use(written)?));
            }
        }
        Ok(all)
    }

    fn globals(&mut self, attributes: &[(Symbol, AttributeUse)]) -> Vec<Globals> {
        let set = self.set;
        let mut found: Vec<(Symbol, Globals)> = Vec::new();
        for (namespace, table) in &set.namespaces {
            for (name, key) in &table.elements {
                let meant = set.arenas.elements.get(*key).and_then(|one| one.resolved_ref);
                let element = self.elements.get(&meant.unwrap_or(*key)).copied();
                found.push((
                    self.symbol(*namespace, *name),
                    Globals { element, ..Globals::default() },
                ));
            }
            for (name, key) in &table.types {
                let kind = self.kind(Some(*key));
                let globals = Globals { kind, ..Globals::default() };
                found.push((self.symbol(*namespace, *name), globals));
            }
        }
        for (n, (symbol, _)) in attributes.iter().enumerate() {
            found.push((*symbol, Globals { attribute: Some(n as u32), ..Globals::default() }));
        }
        for (local, key) in super::builtin_types(set) {
            let symbol = self.symbols.add(super::XSD, local);
            let kind = self.kind(Some(key));
            found.push((symbol, Globals { kind, ..Globals::default() }));
        }
        let mut globals = vec![Globals::default(); self.symbols.len()];
        for (symbol, one) in found {
            let known = &mut globals[symbol.index()];
            known.element = known.element.or(one.element);
            known.attribute = known.attribute.or(one.attribute);
            known.kind = known.kind.or(one.kind);
        }
        globals
    }

    /// Which named types may stand in for which: asked of the library once for each pair.
    fn derivations(&self) -> Derivations {
        let set = self.set;
        let mut pairs = HashMap::new();
        let named = set.namespaces.values().flat_map(|table| table.types.values().copied());
        let builtin = super::builtin_types(set).map(|(_, key)| key);
        let of_union = |key| (key, unions::within(set, key).into_iter().collect::<HashSet<_>>());
        let unions: HashMap<SimpleTypeKey, HashSet<SimpleTypeKey>> = set
            .arenas
            .simple_types
            .iter()
            .filter(|(_, one)| !one.resolved_member_types.is_empty())
            .map(|(key, _)| of_union(key))
            .collect();
        let derives = |derived, base, barred| match (derived, base) {
            (TypeKey::Simple(derived), TypeKey::Simple(base)) if unions.contains_key(&base) => {
                unions::stands_in(set, derived, &unions[&base], barred)
            }
            _ => set.is_type_derived_from(derived, base, barred),
        };
        for derived in named.chain(builtin) {
            let mut bases = ancestors(set, derived);
            if matches!(derived, TypeKey::Simple(_)) {
                bases.extend(unions.keys().copied().map(TypeKey::Simple));
            }
            for base in bases {
                // What may not stand in with nothing barred may not at all.
                if !derives(derived, base, DerivationSet::empty()) {
                    continue;
                }
                let mut ways = 0;
                for (n, barred) in subsets().enumerate() {
                    ways |= u8::from(derives(derived, base, barred)) << n;
                }
                let pair = self.kind(Some(derived)).zip(self.kind(Some(base)));
                if let Some(pair) = pair.filter(|_| ways != 0) {
                    pairs.insert(pair, ways);
                }
            }
        }
        Derivations { pairs }
    }
}

/// A type's ancestors, the ur-type last.
fn ancestors(set: &SchemaSet, key: TypeKey) -> Vec<TypeKey> {
    let any = TypeKey::Complex(set.any_type_key());
    let mut chain = Vec::new();
    let mut next = Some(key);
    while let Some(here) = next.filter(|_| chain.len() < MAX_ANCESTORS) {
        next = match here {
            TypeKey::Simple(key) => {
                let written = set.arenas.simple_types.get(key);
                // Built-in types have their bases elsewhere.
                let built_in = || set.builtin_types().get_base_type(key).map(TypeKey::Simple);
                written.and_then(|one| one.resolved_base_type).or_else(built_in)
            }
            TypeKey::Complex(key) => {
                set.arenas.complex_types.get(key).and_then(|one| one.resolved_base_type)
            }
        }
        .filter(|base| *base != here);
        chain.extend(next);
    }
    if !chain.contains(&any) {
        chain.push(any);
    }
    chain
}

fn add_wildcard(wildcards: &mut Vec<Wildcard>, wildcard: Wildcard) -> WildcardId {
    let known = wildcards.iter().position(|known| *known == wildcard);
    let n = known.unwrap_or_else(|| {
        wildcards.push(wildcard);
        wildcards.len() - 1
    });
    WildcardId(n as u32)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    Elements,
    Mixed,
}

/// {content type} of a type without simple content (Structures 3.4.2).
fn content_kind(set: &SchemaSet, key: ComplexTypeKey, depth: usize) -> Kind {
    let definition = &set.arenas.complex_types[key];
    let ComplexContentResult::Complex(written) = &definition.content else {
        return if definition.mixed { Kind::Mixed } else { Kind::Empty };
    };
    let nothing = |particle: &ParticleResult| {
        particle.max_occurs == Some(0) || content::says_nothing(particle)
    };
    let nothing = written.particle.as_ref().is_none_or(nothing);
    let mixed = definition.mixed || written.mixed;
    if mixed {
        return Kind::Mixed;
    }
    if !nothing {
        return Kind::Elements;
    }
    let extends = definition.derivation_method == Some(DerivationMethod::Extension);
    match definition.resolved_base_type {
        Some(TypeKey::Complex(base)) if extends && depth < MAX_ANCESTORS => {
            if base == set.any_type_key() {
                Kind::Mixed
            } else {
                content_kind(set, base, depth + 1)
            }
        }
        _ => Kind::Empty,
    }
}

/// The ways that `xsi:type` may be barred by, as ours; lists and unions are none of them.
fn block(set: DerivationSet) -> Block {
    let bit = |way: DerivationSet, bit: u8| if set.contains(way) { bit } else { 0 };
    Block(
        bit(DerivationSet::EXTENSION, 1)
            | bit(DerivationSet::RESTRICTION, 2)
            | bit(DerivationSet::SUBSTITUTION, 4),
    )
}

/// All subsets of those ways, as the library's, in the order of their numbers as [`Block`].
fn subsets() -> impl Iterator<Item = DerivationSet> {
    let ways = [DerivationSet::EXTENSION, DerivationSet::RESTRICTION, DerivationSet::SUBSTITUTION];
    (0..Block::SUBSETS).map(move |n| {
        let chosen = ways.iter().enumerate().filter(|(bit, _)| n & (1 << bit) != 0);
        chosen.fold(DerivationSet::empty(), |all, (_, way)| all | *way)
    })
}
