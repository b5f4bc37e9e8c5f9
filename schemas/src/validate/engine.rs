//! The engine's push interface, fed with the events of our reader.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use xsd_schema::SchemaSet;
use xsd_schema::ids::TypeKey;
use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::parser::location::SourceLocation;
use xsd_schema::validation::{
    ContentType, InstancePath, PathStep, SchemaValidator, ValidationError, ValidationRuntime,
    ValidationSink, ValidationSubject, ValidationWarning,
};

use super::finding::{Finding, Subject, explain};
use crate::xml::{Attribute, NodeNumber, Position, StartTag};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// What the engine reported and nobody has looked at yet.
#[derive(Default)]
pub(super) struct Reported(RefCell<Vec<ValidationError>>);

struct Reporter<'b>(&'b Reported);

impl ValidationSink for Reporter<'_> {
    fn on_error(&mut self, error: ValidationError) {
        self.0.0.borrow_mut().push(error);
    }

    fn on_warning(&mut self, _: ValidationWarning) {
        // Switched off by the flags of the validator: a warning changes no verdict.
    }
}

/// The engine cannot go on with this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It came to a limit of its own.
    Limit,
    /// It panicked. Its set must not be used again.
    Panicked,
}

/// One message on its way through the engine.
pub(super) struct Engine<'b> {
    runtime: ValidationRuntime<'b, Reporter<'b>>,
    reported: &'b Reported,
    set: &'b SchemaSet,
    scopes: Vec<(u32, NamespaceContextSnapshot)>,
    open: Vec<Open>,
    text: Option<(NodeNumber, Position)>,
    pub(super) findings: Vec<Finding>,
}

/// An element that has not ended.
struct Open {
    content: Option<ContentType>,
    /// Its type is a simple one.
    is_simple: bool,
    /// A child did not fit; what follows from it is not reported again.
    broken: bool,
    /// The finding about this element not fitting, until the parent can say what would have.
    misplaced: Option<usize>,
    /// Its own text so far.
    text_bytes: usize,
    /// Its local name.
    name: String,
}

/// What the reader was at when the engine reported something.
enum At<'t> {
    Start(&'t StartTag),
    Attribute(&'t Attribute),
    Text,
    End(&'t StartTag, Position),
    Finish,
}

impl<'b> Engine<'b> {
    pub(super) fn new(
        set: &'b SchemaSet,
        validator: &'b SchemaValidator<'_>,
        reported: &'b Reported,
    ) -> Self {
        Self {
            runtime: validator.start_run(Reporter(reported)),
            reported,
            set,
            scopes: Vec::new(),
            open: Vec::new(),
            text: None,
            findings: Vec::new(),
        }
    }

    /// A start tag with its attributes.
    pub(super) fn start(&mut self, tag: &StartTag) -> Result<(), Failure> {
        self.declare(tag);
        self.text = None;
        self.place(tag.position);
        let none = NamespaceContextSnapshot::default();
        let scope = self.scopes.last().map_or(&none, |(_, scope)| scope);
        let runtime = &mut self.runtime;
        let info = guarded(|| {
            let kind = tag.attribute_ns(XSI, "type");
            let nil = tag.attribute_ns(XSI, "nil");
            runtime.validate_element(&tag.local, &tag.namespace, kind, nil, scope)
        })?;
        self.open.push(Open {
            content: info.content_type,
            is_simple: matches!(info.schema_type, Some(TypeKey::Simple(_))),
            broken: false,
            misplaced: None,
            text_bytes: 0,
            name: tag.local.clone(),
        });
        self.settle(&At::Start(tag), &[])?;
        for attribute in &tag.attributes {
            self.attribute(attribute)?;
        }
        self.place(tag.position);
        let runtime = &mut self.runtime;
        guarded(|| runtime.validate_end_of_attributes_novalue())?;
        self.settle(&At::Start(tag), &[])
    }

    /// A piece of text.
    pub(super) fn text(
        &mut self,
        node: NodeNumber,
        piece: &str,
        position: Position,
    ) -> Result<(), Failure> {
        if self.text.is_none_or(|(known, _)| known != node) {
            self.text = Some((node, position));
            self.place(position);
        }
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.text_bytes += piece.len();
        if open.text_bytes > MAX_TEXT_BYTES && open.content != Some(ContentType::ElementOnly) {
            return Err(Failure::Limit);
        }
        // White space is what XML says it is; the engine would take Unicode's word for it.
        let blank = piece.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        let runtime = &mut self.runtime;
        guarded(|| {
            if blank { runtime.validate_whitespace(piece) } else { runtime.validate_text(piece) }
        })?;
        self.settle(&At::Text, &[])?;
        let elements_only =
            self.open.last().is_some_and(|open| open.content == Some(ContentType::ElementOnly));
        if elements_only && !blank && piece.trim().is_empty() {
            self.odd_space();
        }
        Ok(())
    }

    /// A comment or processing instruction: the next piece of text is a new one.
    pub(super) fn interrupt(&mut self) -> Result<(), Failure> {
        self.text = None;
        Ok(())
    }

    /// The end of an element.
    pub(super) fn end(&mut self, tag: &StartTag, position: Position) -> Result<(), Failure> {
        self.text = None;
        self.place(tag.position);
        let elements_only =
            self.open.last().is_some_and(|open| open.content == Some(ContentType::ElementOnly));
        let expected = if elements_only { self.expected()? } else { Vec::new() };
        let runtime = &mut self.runtime;
        guarded(|| runtime.validate_end_element_novalue())?;
        self.settle(&At::End(tag, position), &expected)?;
        let ended = self.open.pop();
        if let Some(finding) = ended.and_then(|open| open.misplaced) {
            // The parent is where it was before the child that did not fit.
            self.complete(finding, &tag.local)?;
        }
        while self.scopes.last().is_some_and(|(depth, _)| *depth >= tag.depth) {
            self.scopes.pop();
        }
        Ok(())
    }

    /// The end of the document: references that led nowhere.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let runtime = &mut self.runtime;
        let ended = guarded(|| runtime.end_validation().is_ok())?;
        self.settle(&At::Finish, &[])?;
        if ended { Ok(()) } else { Err(Failure::Limit) }
    }

    fn attribute(&mut self, attribute: &Attribute) -> Result<(), Failure> {
        if attribute.namespace == XSI
            && matches!(attribute.local.as_str(), "schemaLocation" | "noNamespaceSchemaLocation")
        {
            // Hints load nothing here, so whatever they say is no reason to refuse.
            return Ok(());
        }
        self.place(attribute.position);
        // The engine takes any other of this namespace where the type is simple (cvc-type, 3.1.1).
        let strange = attribute.namespace == XSI
            && !matches!(attribute.local.as_str(), "type" | "nil")
            && self.open.last().is_some_and(|open| open.is_simple && !open.broken);
        if strange {
            self.strange_attribute(attribute);
            return Ok(());
        }
        let runtime = &mut self.runtime;
        guarded(|| {
            let Attribute { local, namespace, value, .. } = attribute;
            runtime.validate_attribute(local, namespace, value);
        })?;
        self.settle(&At::Attribute(attribute), &[])
    }

    /// Keeps the namespaces in scope, for QNames in content and for `xsi:type`.
    fn declare(&mut self, tag: &StartTag) {
        if tag.declarations.is_empty() {
            return;
        }
        let mut scope = self.scopes.last().map(|(_, scope)| scope.clone()).unwrap_or_default();
        let names = &self.set.name_table;
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
        self.scopes.push((tag.depth, scope));
    }

    fn place(&mut self, position: Position) {
        self.runtime.set_location(SourceLocation {
            base_uri: String::new(),
            line: usize::try_from(position.line).unwrap_or(usize::MAX),
            column: usize::try_from(position.column).unwrap_or(usize::MAX),
        });
    }

    fn expected(&mut self) -> Result<Vec<String>, Failure> {
        let runtime = &self.runtime;
        let names = &self.set.name_table;
        guarded(|| {
            let expected = runtime.get_expected_elements();
            let mut list: Vec<String> =
                expected.iter().map(|e| names.resolve_ref(e.local_name).to_owned()).collect();
            list.sort();
            list.dedup();
            list.truncate(MAX_EXPECTED);
            list
        })
    }

    fn complete(&mut self, finding: usize, name: &str) -> Result<(), Failure> {
        let expected = self.expected()?;
        if let Some(finding) = self.findings.get_mut(finding) {
            let subject = Subject { expected: &expected, ..subject(name) };
            let text = explain("cvc-complex-type.2.4", &subject);
            finding.message_de = text.message_de;
            finding.message_en = text.message_en;
        }
        Ok(())
    }

    /// Turns what the engine reported into findings.
    fn settle(&mut self, at: &At<'_>, expected: &[String]) -> Result<(), Failure> {
        if self.reported.0.borrow().is_empty() {
            return Ok(());
        }
        let errors = self.reported.0.take();
        if errors.iter().any(|error| error.constraint.starts_with("validation-")) {
            return Err(Failure::Limit);
        }
        for error in &errors {
            if self.follows(error, at) {
                continue;
            }
            let finding = self.finding(error, at, expected);
            self.add(finding);
        }
        Ok(())
    }

    /// Whether an error only follows from one already reported. Keeps the books of that as well.
    fn follows(&mut self, error: &ValidationError, at: &At<'_>) -> bool {
        let Some((this, above)) = self.open.split_last_mut() else { return false };
        match (at, error.constraint) {
            (At::Start(_), "cvc-complex-type.2.4") => {
                let Some(parent) = above.last_mut() else { return false };
                let follows = parent.broken;
                parent.broken = true;
                this.misplaced = (!follows).then_some(self.findings.len());
                // Whatever stands inside it was not asked for either.
                this.broken = true;
                follows
            }
            (At::End(..), "cvc-complex-type.2.4") => this.broken,
            (At::Start(_), "cvc-elt.1") => {
                let follows = this.broken || above.last().is_some_and(|parent| parent.broken);
                this.broken = true;
                follows
            }
            (At::Start(_), "cvc-type.2" | "cvc-elt.4.1" | "cvc-elt.4.2" | "cvc-elt.4.3") => {
                // Without its type nobody knows what belongs inside.
                this.broken = true;
                false
            }
            _ => false,
        }
    }

    fn finding(&self, error: &ValidationError, at: &At<'_>, expected: &[String]) -> Finding {
        let rule = error.constraint;
        let named = error.subject().map(|subject| match subject {
            ValidationSubject::Attribute(name) => (name.local_name(), true),
            other => (other.name().local_name(), false),
        });
        let mut path = error.instance_path().map(path).unwrap_or_default();
        let mut position = error.location.as_ref().map_or(Position::default(), |place| Position {
            offset: 0,
            line: place.line as u64,
            column: place.column as u64,
        });
        let mut at_end = false;
        let named_rule: Vec<String> = name_in_schema(error).into_iter().collect();
        let (name, attribute) = match at {
            At::Start(tag) if rule == "cvc-complex-type.2.4" => {
                path = format!("{path}/{}", tag.local);
                (tag.local.as_str(), false)
            }
            At::Start(tag) => named.unwrap_or((&tag.local, false)),
            At::Attribute(attribute) => named.unwrap_or((&attribute.local, true)),
            At::End(tag, end) => {
                if rule == "cvc-complex-type.2.4" {
                    at_end = true;
                    position = *end;
                }
                if error.location.is_none() {
                    // References by key are judged where the element with the keys ends.
                    position = tag.position;
                }
                named.unwrap_or((&tag.local, false))
            }
            At::Text | At::Finish => named.unwrap_or(("", false)),
        };
        let expected = if at_end { expected } else { &named_rule[..] };
        explain(rule, &Subject { name, attribute, expected, at_end }).at(position, &path)
    }

    fn add(&mut self, finding: Finding) {
        let known = |old: &Finding| {
            (old.line, old.column, &old.message_en)
                == (finding.line, finding.column, &finding.message_en)
        };
        if !self.findings.iter().rev().take(4).any(known) {
            self.findings.push(finding);
        }
    }

    /// Characters that Unicode takes for white space and XML does not, where no text may stand.
    fn strange_attribute(&mut self, attribute: &Attribute) {
        let path = format!("{}/@{}", self.way(), attribute.local);
        let subject = Subject { attribute: true, ..subject(&attribute.local) };
        let finding = explain("cvc-complex-type.3.2.1", &subject).at(attribute.position, &path);
        self.add(finding);
    }

    /// Names from the root to the innermost element, without positions among equal ones.
    fn way(&self) -> String {
        let names: Vec<&str> = self.open.iter().map(|open| open.name.as_str()).collect();
        format!("/{}", names.join("/"))
    }

    fn odd_space(&mut self) {
        let name = self.open.last().map(|open| open.name.clone()).unwrap_or_default();
        let subject = subject(&name);
        let position = self.text.map(|(_, position)| position).unwrap_or_default();
        let path = self.way();
        let finding = explain("cvc-complex-type.2.3", &subject).at(position, &path);
        self.add(finding);
    }
}

/// Longest text of one element in bytes: the engine keeps it until the element ends.
const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;
/// Most names listed as expected.
const MAX_EXPECTED: usize = 12;

fn subject(name: &str) -> Subject<'_> {
    Subject { name, attribute: false, expected: &[], at_end: false }
}

/// The name of the schema that the engine says in its message only: the required attribute that is
/// missing, the key that does not hold. Other messages may hold values and are never looked at.
fn name_in_schema(error: &ValidationError) -> Option<String> {
    let rule = error.constraint;
    if rule != "cvc-complex-type.4" && !rule.starts_with("cvc-identity-constraint") {
        return None;
    }
    error.message.split('\'').nth(1).map(str::to_owned)
}

fn path(path: &InstancePath) -> String {
    let mut text = String::new();
    for step in path.steps() {
        text.push('/');
        if matches!(step, PathStep::Attribute { .. }) {
            text.push('@');
        }
        text.push_str(step.name().local_name());
        if let Some(position) = step.position().filter(|position| *position > 1) {
            text.push_str(&format!("[{position}]"));
        }
    }
    text
}

/// Calls the engine. A panic in it ends this message's validation and nothing else.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Failure::Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| panic!("on purpose")).map(|()| 0), Err(Failure::Panicked));
    }
}
