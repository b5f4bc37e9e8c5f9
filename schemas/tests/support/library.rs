//! The crate `xsd-schema` as a judge of its own: its loading of schemas and its validator, driven as
//! its own driver does it, with nothing between but the events of our reader.

use std::cell::RefCell;
use std::convert::Infallible;
use std::path::Path;

use amtsbote_schemas::validate::Catalog;
use amtsbote_schemas::xml::{self, Event, EventSink, Limits, StartTag};
use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::validation::{
    SchemaValidator, ValidationError, ValidationFlags, ValidationRuntime, ValidationSink,
    ValidationWarning,
};
use xsd_schema::{LocationRequest, SchemaResolver, SchemaSet, SchemaSetBuilder, XsdVersion};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

struct Addresses(Catalog);

impl xsd_schema::LocationRewriter for Addresses {
    fn rewrite(&self, request: &LocationRequest<'_>, _: &SchemaResolver) -> Option<String> {
        self.0.resolve(request.location)
    }
}

/// The schemas, as the library loads them.
pub(crate) fn load(schema: &Path, catalog: Option<&Path>) -> SchemaSet {
    let mut resolver = SchemaResolver::new();
    resolver.catalog_mut().add_xml_catalog();
    if let Some(catalog) = catalog {
        resolver.set_location_rewriter(Addresses(Catalog::load(catalog).expect("a catalog")));
    }
    let mut builder = SchemaSetBuilder::with_resolver(resolver, XsdVersion::V1_0);
    builder.try_add(&schema.to_string_lossy()).expect("a schema");
    builder.compile().expect("it compiles").into_schema_set()
}

/// A judge over one set.
pub(crate) struct Judge<'s> {
    set: &'s SchemaSet,
    validator: SchemaValidator<'s>,
}

impl<'s> Judge<'s> {
    /// Prepares the set.
    pub(crate) fn new(set: &'s SchemaSet) -> Self {
        Self { set, validator: SchemaValidator::new(set, ValidationFlags::empty()) }
    }

    /// What is wrong with a well-formed message, a text for each mistake: its rule first.
    pub(crate) fn ask(&self, message: &str) -> Vec<String> {
        let errors = Errors::default();
        let mut sink = Sink {
            set: self.set,
            runtime: self.validator.start_run(Reporter(&errors)),
            scopes: vec![NamespaceContextSnapshot::default()],
            text: String::new(),
        };
        xml::drive(message.as_bytes(), &Limits::default(), &mut sink).expect("well-formed");
        let ended = sink.runtime.end_validation().is_ok();
        drop(sink);
        let mut errors = errors.0.into_inner();
        if !ended {
            errors.push("it gave up".to_owned());
        }
        errors
    }
}

#[derive(Default)]
struct Errors(RefCell<Vec<String>>);

struct Reporter<'e>(&'e Errors);

impl ValidationSink for Reporter<'_> {
    fn on_error(&mut self, error: ValidationError) {
        self.0.0.borrow_mut().push(format!("{}: {}", error.constraint, error.message));
    }

    fn on_warning(&mut self, _: ValidationWarning) {}
}

struct Sink<'r> {
    set: &'r SchemaSet,
    runtime: ValidationRuntime<'r, Reporter<'r>>,
    /// The namespaces in scope, innermost last.
    scopes: Vec<NamespaceContextSnapshot>,
    /// Character data so far: the library wants to see a run of it at once.
    text: String,
}

impl Sink<'_> {
    fn start(&mut self, tag: &StartTag) {
        let names = &self.set.name_table;
        let mut scope = self.scopes.last().cloned().unwrap_or_default();
        for declaration in &tag.declarations {
            let uri = (!declaration.uri.is_empty()).then(|| names.add(&declaration.uri));
            if declaration.prefix.is_empty() {
                scope.default_ns = uri;
            } else {
                let prefix = names.add(&declaration.prefix);
                scope.bindings.retain(|(known, _)| *known != prefix);
                scope.bindings.extend(uri.map(|uri| (prefix, uri)));
            }
        }
        let (kind, nil) = (tag.attribute_ns(XSI, "type"), tag.attribute_ns(XSI, "nil"));
        self.runtime.validate_element(&tag.local, &tag.namespace, kind, nil, &scope);
        self.scopes.push(scope);
        for one in &tag.attributes {
            self.runtime.validate_attribute(&one.local, &one.namespace, &one.value);
        }
        self.runtime.validate_end_of_attributes();
    }

    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        if self.text.chars().all(char::is_whitespace) {
            self.runtime.validate_whitespace(&self.text);
        } else {
            self.runtime.validate_text(&self.text);
        }
        self.text.clear();
    }
}

impl EventSink for Sink<'_> {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        if let Event::Text(_, piece, _) = event {
            self.text.push_str(piece);
            return Ok(());
        }
        self.flush();
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(..) => {
                self.runtime.validate_end_element();
                self.scopes.pop();
            }
            _ => {}
        }
        Ok(())
    }
}
