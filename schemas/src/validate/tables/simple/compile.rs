//! From the components of a schema set to [`SimpleTypes`].

use std::collections::HashMap;

use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::namespace::table::NameTable;
use xsd_schema::parser::frames::{ComplexContentResult, DerivationMethod, SimpleTypeVariety};
use xsd_schema::types::facets::{FacetSet, WhitespaceMode};
use xsd_schema::{ComplexTypeKey, SchemaSet, SimpleTypeKey, TypeKey, XmlTypeCode};

use super::super::{NotCompiled, SimpleId};
use super::atomic::Kind;
use super::codes::Codes;
use super::expected::Expected;
use super::facets::{Bound, Digits, Enumeration, Facets, Lengths, Side};
use super::names::Form;
use super::pattern::Patterns;
use super::space::Space;
use super::{Identity, Nowhere, Scope, Simple, SimpleTypes, Variety, moment};
use crate::validate::unions;

/// Longest chain of types, one made of the other.
const MAX_CHAIN: usize = 100;

impl SimpleTypes {
    /// Compiles all simple types of a set.
    pub(in crate::validate) fn compile(set: &SchemaSet) -> Result<Self, NotCompiled> {
        let types = Self {
            types: Vec::new(),
            patterns: Patterns::default(),
            of_simple: HashMap::new(),
            of_complex: HashMap::new(),
        };
        let mut compiler = Compiler { set, types, facets: Vec::new() };
        let keys: Vec<SimpleTypeKey> = set.arenas.simple_types.keys().collect();
        for key in keys {
            if !compiler.is_foreign(key) {
                compiler.simple(key, 0)?;
            }
        }
        let keys: Vec<ComplexTypeKey> = set.arenas.complex_types.keys().collect();
        for key in keys {
            compiler.content(key, 0)?;
        }
        compiler.types.patterns.finish();
        Ok(compiler.types)
    }
}

struct Compiler<'s> {
    set: &'s SchemaSet,
    types: SimpleTypes,
    /// For each type its facets, inherited ones as well.
    facets: Vec<FacetSet>,
}

/// What a type is called, for a refusal.
fn place(names: &NameTable, name: Option<xsd_schema::NameId>) -> String {
    name.map_or_else(|| "a type without a name".to_owned(), |name| names.resolve(name))
}

impl Compiler<'_> {
    /// Types of XPath that the library keeps beside those of XSD 1.0; no schema can name them.
    fn is_foreign(&self, key: SimpleTypeKey) -> bool {
        self.set.get_type_code(key).is_some_and(|code| {
            matches!(
                code,
                XmlTypeCode::AnyAtomicType
                    | XmlTypeCode::UntypedAtomic
                    | XmlTypeCode::YearMonthDuration
                    | XmlTypeCode::DayTimeDuration
            )
        })
    }

    fn simple(&mut self, key: SimpleTypeKey, depth: usize) -> Result<SimpleId, NotCompiled> {
        if let Some(known) = self.types.of_simple.get(&key) {
            return Ok(*known);
        }
        let set = self.set;
        let Some(data) = set.arenas.simple_types.get(key) else {
            return Err(refuse("a simple type that is missing", String::new()));
        };
        let place = place(&set.name_table, data.name);
        let refuse = |construct| refuse(construct, place.clone());
        if depth > MAX_CHAIN {
            return Err(refuse("a long chain of types"));
        }
        let variety = match data.variety {
            SimpleTypeVariety::Atomic => {
                let code =
                    self.code(key).ok_or_else(|| refuse("a type without a primitive one"))?;
                let kind = kind(code).ok_or_else(|| refuse("a primitive type of XSD 1.1"))?;
                Variety::Atomic(kind, identity(code))
            }
            SimpleTypeVariety::List => match data.resolved_item_type {
                Some(TypeKey::Simple(item)) => Variety::List(self.simple(item, depth + 1)?),
                _ => return Err(refuse("a list whose item type is missing")),
            },
            SimpleTypeVariety::Union => {
                let mut members = Vec::new();
                for member in unions::members(set, key) {
                    let TypeKey::Simple(member) = member else {
                        return Err(refuse("a union with a complex type"));
                    };
                    members.push(self.simple(member, depth + 1)?);
                }
                Variety::Union(members.into())
            }
        };
        let mut facets = data.facets.clone();
        let mut base = data.resolved_base_type;
        for _ in 0..MAX_CHAIN {
            let Some(TypeKey::Simple(key)) = base else { break };
            let Some(data) = set.arenas.simple_types.get(key) else { break };
            facets.inherit_from(&data.facets);
            base = data.resolved_base_type;
        }
        let form = self.form(key, &variety);
        let id = self.add(variety, facets, &form, &place)?;
        self.types.of_simple.insert(key, id);
        Ok(id)
    }

    /// The type of the simple content of a complex type.
    fn content(
        &mut self,
        key: ComplexTypeKey,
        depth: usize,
    ) -> Result<Option<SimpleId>, NotCompiled> {
        if let Some(known) = self.types.of_complex.get(&key) {
            return Ok(Some(*known));
        }
        let set = self.set;
        let Some(data) = set.arenas.complex_types.get(key) else { return Ok(None) };
        let ComplexContentResult::Simple(content) = &data.content else { return Ok(None) };
        let place = place(&set.name_table, data.name);
        if depth > MAX_CHAIN {
            return Err(refuse("a long chain of types", place));
        }
        let base = match data.resolved_simple_content_type.or(data.resolved_base_type) {
            Some(TypeKey::Simple(base)) => Some(self.simple(base, depth + 1)?),
            Some(TypeKey::Complex(base)) => self.content(base, depth + 1)?,
            None => None,
        };
        let Some(base) = base else {
            return Err(refuse("simple content without a simple type", place));
        };
        let own = &content.facets;
        let id = if content.derivation == DerivationMethod::Restriction && !own.is_empty() {
            // Structures 3.4.2: as if a simple type were derived.
            let mut facets = own.clone();
            facets.inherit_from(&self.facets[base.0 as usize]);
            let base = self.types.get(base);
            let (variety, form) = (base.variety.clone(), base.expected.form().to_owned());
            self.add(variety, facets, &form, &place)?
        } else {
            base
        };
        self.types.of_complex.insert(key, id);
        Ok(Some(id))
    }

    /// The nearest built-in type that a type is derived from.
    fn code(&self, mut key: SimpleTypeKey) -> Option<XmlTypeCode> {
        for _ in 0..MAX_CHAIN {
            if let Some(code) = self.set.get_type_code(key) {
                return Some(code);
            }
            match self.set.arenas.simple_types.get(key)?.resolved_base_type {
                Some(TypeKey::Simple(base)) => key = base,
                _ => return None,
            }
        }
        None
    }

    /// The built-in types that values of a type are of, as schemas name them.
    fn form(&self, key: SimpleTypeKey, variety: &Variety) -> String {
        match variety {
            Variety::Atomic(..) => {
                let name = self.code(key).and_then(|code| code.local_name());
                name.map(|name| format!("xs:{name}")).unwrap_or_default()
            }
            Variety::List(item) => format!("{}*", self.types.get(*item).expected.form()),
            Variety::Union(members) => {
                let mut forms: Vec<&str> = Vec::new();
                for form in members.iter().map(|id| self.types.get(*id).expected.form()) {
                    if !forms.contains(&form) {
                        forms.push(form);
                    }
                }
                forms.join(" | ")
            }
        }
    }

    /// Adds a type made of its variety and all its facets.
    fn add(
        &mut self,
        variety: Variety,
        facets: FacetSet,
        form: &str,
        place: &str,
    ) -> Result<SimpleId, NotCompiled> {
        let refuse = |construct| refuse(construct, place.to_owned());
        if !facets.assertions.is_empty() || facets.explicit_timezone.is_some() {
            return Err(refuse("a facet of XSD 1.1"));
        }
        let kind = match &variety {
            Variety::Atomic(kind, _) => Some(*kind),
            Variety::List(_) | Variety::Union(_) => None,
        };
        let mut patterns = Vec::new();
        for step in facets.patterns.iter().filter(|step| !step.is_empty()) {
            let mut alternatives = Vec::new();
            for pattern in step {
                let id = self.types.patterns.add(&pattern.value);
                alternatives.push(id.ok_or_else(|| refuse("a pattern"))?);
            }
            patterns.push(alternatives.into_boxed_slice());
        }
        let compiled = Facets {
            length: Lengths {
                exact: facets.length.as_ref().map(|facet| facet.value),
                min: facets.min_length.as_ref().map_or(0, |facet| facet.value),
                max: facets.max_length.as_ref().map_or(u64::MAX, |facet| facet.value),
            },
            digits: kind.and_then(|kind| digits(kind, &facets)),
            bounds: match kind {
                Some(kind) => bounds(kind, &facets).ok_or_else(|| refuse("a range"))?,
                None => Box::default(),
            },
            patterns: patterns.into(),
            enumeration: None,
        };
        let identifies = match &variety {
            Variety::Atomic(_, identity) => *identity != Identity::None,
            Variety::List(item) => self.types.get(*item).identifies,
            Variety::Union(members) => members.iter().any(|id| self.types.get(*id).identifies),
        };
        let exact_text = !compiled.patterns.is_empty();
        let space = space(kind, facets.whitespace.as_ref().map(|facet| facet.value), exact_text);
        let id = u32::try_from(self.types.types.len()).map_err(|_| refuse("very many types"))?;
        let id = SimpleId(id);
        let list = matches!(variety, Variety::List(_));
        let expected = Expected::of(form, &facets, list);
        self.types.types.push(Simple { variety, space, facets: compiled, identifies, expected });
        if facets.enumeration.is_some() {
            let enumeration = self.enumeration(id, &facets);
            self.types.types[id.0 as usize].facets.enumeration = Some(enumeration);
        }
        self.facets.push(facets);
        Ok(id)
    }

    /// The values listed, read as values of the type, which has no enumeration yet.
    fn enumeration(&self, id: SimpleId, facets: &FacetSet) -> Enumeration {
        let this = self.types.get(id);
        let Some(listed) = &facets.enumeration else {
            return Enumeration { texts: Codes::default(), keys: None };
        };
        let by_text = match &this.variety {
            Variety::Atomic(kind, _) => !matches!(kind, Kind::QName | Kind::Notation),
            Variety::List(item) => {
                let item = &self.types.get(*item).variety;
                matches!(item, Variety::Atomic(kind, _) if !matches!(kind, Kind::QName | Kind::Notation))
            }
            // The same text may be of one member type here and of another there.
            Variety::Union(_) => false,
        };
        let space = this.space.full();
        let texts = match by_text {
            true => Codes::new(listed.values.iter().map(|text| space.normal(text).into_owned())),
            false => Codes::default(),
        };
        if let Variety::Atomic(Kind::Text(_) | Kind::Uri | Kind::Any, _) = this.variety {
            return Enumeration { texts, keys: None };
        }
        let mut contexts: HashMap<&str, Vec<&NamespaceContextSnapshot>> = HashMap::new();
        for (text, context) in &listed.qname_contexts {
            contexts.entry(text.as_str()).or_default().push(context);
        }
        let nowhere = NamespaceContextSnapshot::default();
        let mut keys = Vec::new();
        for text in &listed.values {
            let written = contexts.get(text.as_str()).cloned().unwrap_or_else(|| vec![&nowhere]);
            for context in written {
                let scope = Written { context, names: &self.set.name_table };
                let mut key = Vec::new();
                // What is no value of the type equals none.
                let read = match &this.variety {
                    Variety::Atomic(..) => self.types.key(id, text, &scope, &mut key),
                    _ => self.types.value(id, text, &scope, &mut key),
                };
                if read.is_ok() {
                    keys.push(key);
                }
            }
        }
        Enumeration { texts, keys: Some(Codes::new(keys)) }
    }
}

fn refuse(construct: &'static str, place: String) -> NotCompiled {
    NotCompiled { construct, place }
}

/// The namespaces in scope at a place of a schema document.
struct Written<'s> {
    context: &'s NamespaceContextSnapshot,
    names: &'s NameTable,
}

impl Scope for Written<'_> {
    fn namespace(&self, prefix: &str) -> Option<&str> {
        let id = match prefix {
            "" => self.context.default_ns,
            prefix => self.names.get(prefix).and_then(|id| self.context.resolve_prefix(id)),
        };
        id.map(|id| self.names.resolve_ref(id))
    }
}

/// What is done with white space. Only strings and unions say something of their own; all else
/// collapses, and where white space inside a value makes it invalid it is enough to cut the ends.
fn space(kind: Option<Kind>, facet: Option<WhitespaceMode>, exact_text: bool) -> Space {
    match kind {
        Some(Kind::Text(_)) => match facet {
            Some(WhitespaceMode::Preserve) | None => Space::Preserve,
            Some(WhitespaceMode::Replace) => Space::Replace,
            Some(WhitespaceMode::Collapse) => Space::Collapse,
        },
        Some(Kind::Any) => Space::Preserve,
        None | Some(Kind::Uri) => Space::Collapse,
        // White space may stand inside; the octets are the same without a copy.
        Some(Kind::Base64) if exact_text => Space::Collapse,
        Some(_) => Space::Trim,
    }
}

fn digits(kind: Kind, facets: &FacetSet) -> Option<Digits> {
    let total = facets.total_digits.as_ref().map(|facet| facet.value as usize);
    // An integer has no fraction by its form already.
    let fraction = match kind {
        Kind::Decimal => facets.fraction_digits.as_ref().map(|facet| facet.value as usize),
        _ => None,
    };
    let any = total.is_some() || fraction.is_some();
    any.then(|| Digits {
        total: total.unwrap_or(usize::MAX),
        fraction: fraction.unwrap_or(usize::MAX),
    })
}

fn bounds(kind: Kind, facets: &FacetSet) -> Option<Box<[Bound]>> {
    let written = [
        (Side::MinInclusive, facets.min_inclusive.as_ref().map(|facet| &facet.value)),
        (Side::MaxInclusive, facets.max_inclusive.as_ref().map(|facet| &facet.value)),
        (Side::MinExclusive, facets.min_exclusive.as_ref().map(|facet| &facet.value)),
        (Side::MaxExclusive, facets.max_exclusive.as_ref().map(|facet| &facet.value)),
    ];
    let kind = if kind == Kind::Integer { Kind::Decimal } else { kind };
    let mut bounds = Vec::new();
    for (side, text) in written {
        let Some(text) = text else { continue };
        let limit = kind.read(super::space::trim(text), &Nowhere).ok()?.limit()?;
        bounds.push(Bound { side, limit });
    }
    Some(bounds.into())
}

fn identity(code: XmlTypeCode) -> Identity {
    match code {
        XmlTypeCode::Id => Identity::Id,
        XmlTypeCode::IdRef => Identity::IdRef,
        XmlTypeCode::Entity => Identity::Entity,
        _ => Identity::None,
    }
}

fn kind(code: XmlTypeCode) -> Option<Kind> {
    Some(match code {
        XmlTypeCode::AnySimpleType => Kind::Any,
        XmlTypeCode::String | XmlTypeCode::NormalizedString | XmlTypeCode::Token => {
            Kind::Text(Form::Any)
        }
        XmlTypeCode::Language => Kind::Text(Form::Language),
        XmlTypeCode::NmToken => Kind::Text(Form::Nmtoken),
        XmlTypeCode::Name => Kind::Text(Form::Name),
        XmlTypeCode::NCName | XmlTypeCode::Id | XmlTypeCode::IdRef | XmlTypeCode::Entity => {
            Kind::Text(Form::NcName)
        }
        XmlTypeCode::Boolean => Kind::Boolean,
        XmlTypeCode::Decimal => Kind::Decimal,
        XmlTypeCode::Integer
        | XmlTypeCode::NonPositiveInteger
        | XmlTypeCode::NegativeInteger
        | XmlTypeCode::Long
        | XmlTypeCode::Int
        | XmlTypeCode::Short
        | XmlTypeCode::Byte
        | XmlTypeCode::NonNegativeInteger
        | XmlTypeCode::UnsignedLong
        | XmlTypeCode::UnsignedInt
        | XmlTypeCode::UnsignedShort
        | XmlTypeCode::UnsignedByte
        | XmlTypeCode::PositiveInteger => Kind::Integer,
        XmlTypeCode::Float => Kind::Float,
        XmlTypeCode::Double => Kind::Double,
        XmlTypeCode::Duration => Kind::Duration,
        XmlTypeCode::DateTime => Kind::Moment(moment::Kind::DateTime),
        XmlTypeCode::Date => Kind::Moment(moment::Kind::Date),
        XmlTypeCode::Time => Kind::Moment(moment::Kind::Time),
        XmlTypeCode::GYearMonth => Kind::Moment(moment::Kind::YearMonth),
        XmlTypeCode::GYear => Kind::Moment(moment::Kind::Year),
        XmlTypeCode::GMonthDay => Kind::Moment(moment::Kind::MonthDay),
        XmlTypeCode::GDay => Kind::Moment(moment::Kind::Day),
        XmlTypeCode::GMonth => Kind::Moment(moment::Kind::Month),
        XmlTypeCode::HexBinary => Kind::Hex,
        XmlTypeCode::Base64Binary => Kind::Base64,
        XmlTypeCode::AnyUri => Kind::Uri,
        XmlTypeCode::QName => Kind::QName,
        XmlTypeCode::Notation => Kind::Notation,
        _ => return None,
    })
}
