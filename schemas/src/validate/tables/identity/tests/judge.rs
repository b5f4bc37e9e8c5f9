//! A runner for the tests: the library reads along, says which declaration an element has and what
//! its values are, and judges the same constraints itself.

use std::cell::RefCell;

use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::types::value::{XmlValue, XmlValueKind};
use xsd_schema::validation::{
    ContentType, SchemaInfo, SchemaValidator, SchemaValidity, ValidationError, ValidationFlags,
    ValidationRuntime, ValidationSink, ValidationWarning,
};
use xsd_schema::{PrimitiveTypeCode, SchemaSet, XmlTypeCode};

use crate::validate::Schemas;
use crate::validate::tables::identity::{Broken, Constraints, GaveUp, Ids, Keys, Value};
use crate::validate::tables::{ConstraintId, Symbol, Symbols};
use crate::xml::{self, Event, EventSink, Limits, StartTag};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// What both said about a document.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Ours: the rule, the name of the constraint (empty for IDs) and the number of the element.
    pub(super) ours: Vec<(&'static str, String, u32)>,
    /// The library's rules about keys and IDs, by our names for them.
    pub(super) theirs: Vec<&'static str>,
    /// Other rules that the library found broken.
    pub(super) others: Vec<&'static str>,
    /// Whether we gave up.
    pub(super) gave_up: bool,
}

impl Said {
    /// Our rules, sorted.
    pub(super) fn rules(&self) -> Vec<&'static str> {
        let mut rules: Vec<_> = self.ours.iter().map(|(rule, ..)| *rule).collect();
        rules.sort_unstable();
        rules
    }
}

/// Compiles a schema document.
pub(super) fn schemas(text: &str) -> Schemas {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.xsd");
    std::fs::write(&file, text).expect("written");
    Schemas::load_single(&file, None).expect("compiles")
}

pub(super) fn judge(schemas: &Schemas, document: &str) -> Said {
    let ready = schemas.take().expect("a set");
    judge_set(&ready.set, document.as_bytes(), None)
}

/// The same with a limit on the bytes of keys.
pub(super) fn judge_within(schemas: &Schemas, document: &str, limit: usize) -> Said {
    let ready = schemas.take().expect("a set");
    judge_set(&ready.set, document.as_bytes(), Some(limit))
}

pub(super) fn judge_set(set: &SchemaSet, document: &[u8], limit: Option<usize>) -> Said {
    let mut symbols = Symbols::default();
    let constraints = Constraints::compile(set, &mut symbols).expect("compiles");
    let validator = SchemaValidator::new(set, ValidationFlags::BUILD_PSVI_TYPED_VALUES);
    let errors = RefCell::new(Vec::new());
    let keys = match limit {
        None => Keys::new(&constraints),
        Some(limit) => Keys::with_limit(&constraints, limit),
    };
    let ids = limit.map_or_else(Ids::default, Ids::with_limit);
    let mut runner = Runner {
        set,
        symbols: &symbols,
        constraints: &constraints,
        runtime: validator.start_run(Reporter(&errors)),
        keys,
        ids,
        scopes: Vec::new(),
        open: Vec::new(),
        count: 0,
        found: Vec::new(),
        said: Said::default(),
    };
    let read = xml::drive(document, &Limits::default(), &mut runner);
    let mut said = runner.said;
    said.gave_up = read.is_err();
    for error in errors.into_inner() {
        match named(&error) {
            Some(rule) => said.theirs.push(rule),
            None => said.others.push(error.constraint),
        }
    }
    said.theirs.sort_unstable();
    said
}

/// The rule as the specification numbers it; the library has other numbers for some.
fn named(error: &ValidationError) -> Option<&'static str> {
    Some(match error.constraint {
        "cvc-identity-constraint.4" => "cvc-identity-constraint.3",
        "cvc-identity-constraint.4.2.1" if error.message.contains("more than one") => {
            "cvc-identity-constraint.3"
        }
        "cvc-identity-constraint.4.2.2" if error.message.starts_with("Unique") => {
            "cvc-identity-constraint.4.1"
        }
        rule if rule.starts_with("cvc-identity-constraint") || rule.starts_with("cvc-id.") => rule,
        _ => return None,
    })
}

struct Reporter<'e>(&'e RefCell<Vec<ValidationError>>);

impl ValidationSink for Reporter<'_> {
    fn on_error(&mut self, error: ValidationError) {
        self.0.borrow_mut().push(error);
    }

    fn on_warning(&mut self, _: ValidationWarning) {}
}

struct Runner<'r> {
    set: &'r SchemaSet,
    symbols: &'r Symbols,
    constraints: &'r Constraints,
    runtime: ValidationRuntime<'r, Reporter<'r>>,
    keys: Keys<'r, u32>,
    ids: Ids<u32>,
    scopes: Vec<(u32, NamespaceContextSnapshot)>,
    open: Vec<Open>,
    count: u32,
    found: Vec<Broken<u32>>,
    said: Said,
}

struct Open {
    number: u32,
    /// What is inside is skipped.
    skips: bool,
    skipped: bool,
    nillable: bool,
}

impl Runner<'_> {
    fn start(&mut self, tag: &StartTag) -> Result<(), GaveUp> {
        self.declare(tag);
        let none = NamespaceContextSnapshot::default();
        let scope = self.scopes.last().map_or(&none, |(_, scope)| scope);
        let kind = tag.attribute_ns(XSI, "type");
        let nil = tag.attribute_ns(XSI, "nil");
        let info = self.runtime.validate_element(&tag.local, &tag.namespace, kind, nil, scope);
        // Nothing of the library says what it skips; in the tests a name does.
        let skipped = self.open.last().is_some_and(|open| open.skips || open.skipped);
        let skips = tag.local == "skip";
        let declaration = info.element_decl.map(|key| &self.set.arenas.elements[key]);
        let declared: Vec<ConstraintId> = declaration
            .iter()
            .flat_map(|declaration| &declaration.identity_constraints)
            .map(|key| self.constraints.id_of(*key).expect("known"))
            .collect();
        let nillable = declaration.is_some_and(|declaration| declaration.nillable);
        self.open.push(Open { number: self.count, skips, skipped, nillable });
        self.count += 1;
        if !skipped {
            let name = self.symbols.find(&tag.namespace, &tag.local);
            self.keys.start(name, &tag.namespace, &declared)?;
        }
        for attribute in &tag.attributes {
            let (local, namespace) = (&attribute.local, &attribute.namespace);
            let info = self.runtime.validate_attribute(local, namespace, &attribute.value);
            let name = self.symbols.find(namespace, local);
            if !skipped {
                self.attribute(name, namespace, &attribute.value, &info);
            }
            self.identify(info.typed_value.as_ref())?;
        }
        self.runtime.validate_end_of_attributes();
        for default in self.runtime.take_default_attributes() {
            self.identify(default.typed_value.as_ref())?;
            let namespace = default.namespace.map(|n| self.set.name_table.resolve(n));
            let namespace = namespace.unwrap_or_default();
            let local = self.set.name_table.resolve(default.local_name);
            let name = self.symbols.find(&namespace, &local);
            if self.keys.wants_attribute(name, &namespace) {
                let octets = default.typed_value.as_ref().map(octets);
                let octets = octets.unwrap_or(default.value.into());
                self.keys.attribute(name, &namespace, Value::Octets(&octets));
            }
        }
        Ok(())
    }

    fn attribute(&mut self, name: Option<Symbol>, namespace: &str, text: &str, info: &SchemaInfo) {
        assert!(self.keys.wants_attributes() || !self.keys.wants_attribute(name, namespace));
        // An attribute that nobody looked at is skipped.
        if info.validity != SchemaValidity::NotKnown && self.keys.wants_attribute(name, namespace) {
            let octets = info.typed_value.as_ref().map(octets);
            let value = match &octets {
                Some(octets) => Value::Octets(octets),
                // Without a primitive type there is only the text.
                None if info.validity == SchemaValidity::Valid => Value::Octets(text.as_bytes()),
                None => Value::Invalid,
            };
            self.keys.attribute(name, namespace, value);
        }
    }

    fn end(&mut self) -> Result<(), GaveUp> {
        let info = self.runtime.validate_end_element();
        self.identify(info.typed_value.as_ref())?;
        let open = self.open.pop().expect("open");
        if open.skipped {
            return Ok(());
        }
        if self.keys.wants_content() {
            let octets = info.typed_value.as_ref().map(octets);
            self.keys.content(content(octets.as_deref(), &info), open.nillable);
        }
        self.keys.end(&mut || open.number, &mut self.found)?;
        for Broken { rule, constraint, place } in self.found.drain(..) {
            let name = self.constraints.name(constraint).to_owned();
            self.said.ours.push((rule, name, place));
        }
        Ok(())
    }

    fn identify(&mut self, value: Option<&XmlValue>) -> Result<(), GaveUp> {
        let Some(value) = value else { return Ok(()) };
        let number = self.open.last().map_or(0, |open| open.number);
        match (&value.value, value.type_code) {
            (XmlValueKind::Union(inner), _) => self.identify(Some(inner))?,
            (XmlValueKind::List { items, .. }, _) => {
                items.iter().try_for_each(|item| self.identify(Some(item)))?;
            }
            (_, XmlTypeCode::Id) => {
                let new = self.ids.id(&value.to_string_value())?;
                let broken = (!new).then(|| ("cvc-id.2", String::new(), number));
                self.said.ours.extend(broken);
            }
            (_, XmlTypeCode::IdRef) => self.ids.reference(&value.to_string_value(), || number)?,
            _ => {}
        }
        Ok(())
    }

    fn declare(&mut self, tag: &StartTag) {
        while self.scopes.last().is_some_and(|(depth, _)| *depth >= tag.depth) {
            self.scopes.pop();
        }
        let mut scope = self.scopes.last().map(|(_, scope)| scope.clone()).unwrap_or_default();
        for declaration in &tag.declarations {
            let names = &self.set.name_table;
            let uri = names.add(&declaration.uri);
            if declaration.prefix.is_empty() {
                scope.default_ns = (!declaration.uri.is_empty()).then_some(uri);
            } else {
                let prefix = names.add(&declaration.prefix);
                scope.bindings.retain(|(known, _)| *known != prefix);
                scope.bindings.push((prefix, uri));
            }
        }
        self.scopes.push((tag.depth, scope));
    }
}

impl EventSink for Runner<'_> {
    type Error = GaveUp;

    fn event(&mut self, event: &Event<'_>) -> Result<(), GaveUp> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(..) => self.end()?,
            Event::Text(_, text, _) if text.trim().is_empty() => {
                self.runtime.validate_whitespace(text);
            }
            Event::Text(_, text, _) => self.runtime.validate_text(text),
            Event::Comment(..) | Event::ProcessingInstruction(..) => {}
            Event::EndOfDocument => {
                self.runtime.end_validation().expect("ended");
                for place in self.ids.dangling() {
                    self.said.ours.push(("cvc-id.1", String::new(), place));
                }
            }
        }
        Ok(())
    }
}

/// The content of an element.
fn content<'v>(octets: Option<&'v [u8]>, info: &SchemaInfo) -> Value<'v> {
    match octets {
        _ if !matches!(info.content_type, None | Some(ContentType::TextOnly)) => {
            Value::NoSimpleType
        }
        Some(octets) => Value::Octets(octets),
        None if info.is_nil => Value::Nil,
        None if info.schema_type.is_none() => Value::NoSimpleType,
        None => Value::Invalid,
    }
}

/// A stand-in for the equality key of the compiled types: right for text, decimals and lists of
/// them, which is all the tests need.
fn octets(value: &XmlValue) -> Vec<u8> {
    match &value.value {
        XmlValueKind::Union(inner) => octets(inner),
        XmlValueKind::List { items, .. } => {
            items.iter().map(octets).collect::<Vec<_>>().join(&b'\n')
        }
        _ => {
            let mut text = value.to_string_value();
            let kind = value.primitive_type();
            if kind == Some(PrimitiveTypeCode::Decimal) && text.contains('.') {
                text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
            }
            format!("{kind:?} {text}").into_bytes()
        }
    }
}
