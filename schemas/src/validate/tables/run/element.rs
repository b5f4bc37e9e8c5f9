//! Elements: who admits one, what type governs it, and what is known at its end.

use crate::validate::finding::{Subject, explain};
use crate::xml::{Position, StartTag};

use super::super::components::{Content, Derivation};
use super::super::content::Term;
use super::super::identity::Value;
use super::super::{ElementId, Process, Symbol, TypeId, XSI};
use super::value::place;
use super::{GaveUp, Named, Run, Within};

/// How a child is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    /// By this declaration, which the parent has at this place.
    Declared(ElementId),
    /// By this declaration of another place: of the root, or further on or back in the parent.
    Strayed(ElementId),
    /// There is no declaration, and there need not be one.
    Free,
    /// There is no declaration, but there should be.
    Undeclared,
    /// The same, and that it should not be here at all was reported.
    Misplaced,
    /// Not at all.
    Skipped,
}

impl Run<'_> {
    /// Asks the parent about an element that begins. The way leads to the element already.
    pub(super) fn admit(&mut self, tag: &StartTag, symbol: Option<Symbol>) -> Child {
        let tables = self.tables;
        let global = tables.global(symbol).element;
        let strictly = global.map_or(Child::Undeclared, Child::Strayed);
        let laxly = global.map_or(Child::Free, Child::Strayed);
        let Some(parent) = self.depth.checked_sub(1).map(|n| &mut self.open[n]) else {
            return global.map_or(Child::Undeclared, Child::Declared);
        };
        parent.has_children = true;
        let content = match parent.content {
            Within::Skip => return Child::Skipped,
            Within::Lax => return laxly,
            Within::Typed(content) => content,
        };
        if parent.nilled {
            self.report_above("cvc-elt.3.2.1", tag.position);
            return laxly;
        }
        let term = match content {
            Content::Any => return laxly,
            Content::Elements(model) | Content::Mixed(model) => {
                tables.contents.step(model, &mut parent.progress, symbol, &tag.namespace)
            }
            Content::Empty | Content::Simple(_) => None,
        };
        match term {
            Some(Term::Element(id)) => Child::Declared(id),
            Some(Term::Wildcard(id)) => match tables.wildcard(id).process {
                Process::Skip => Child::Skipped,
                Process::Lax => laxly,
                Process::Strict => strictly,
            },
            None => match self.misplaced(tag, content, symbol) {
                Some(Term::Element(id)) => Child::Strayed(id),
                _ => global.map_or(Child::Misplaced, Child::Strayed),
            },
        }
    }

    /// Reports an element that the parent does not admit here, and finds out what would admit it
    /// elsewhere. The parent's content goes on behind that place where it is further on: then
    /// something is missing before it. What was skipped so and comes later is no second mistake.
    fn misplaced(
        &mut self,
        tag: &StartTag,
        content: Content,
        symbol: Option<Symbol>,
    ) -> Option<Term> {
        let tables = self.tables;
        let expected = self.expected(content);
        let parent = &mut self.open[self.depth - 1];
        // Nor do those that come later in it stand where they should.
        parent.in_place = false;
        let elsewhere = match (content, symbol) {
            (Content::Elements(model) | Content::Mixed(model), Some(symbol)) => {
                tables.contents.resume(model, &mut parent.progress, symbol)
            }
            _ => None,
        };
        let late = parent.skipped && matches!(elsewhere, Some((_, false)));
        parent.skipped |= matches!(elsewhere, Some((_, true)));
        if !parent.broken && !late {
            let name = self.way.name();
            let subject = Subject { name, attribute: false, expected: &expected, at_end: false };
            let finding =
                explain("cvc-complex-type.2.4", &subject).at(tag.position, &self.way.path());
            self.add(match (content, expected.is_empty()) {
                (_, false) => finding,
                (Content::Simple(_), true) => finding.expecting("nur Text", "text only"),
                (_, true) => finding.expecting("kein weiteres Element", "no further element"),
            });
        }
        elsewhere.map(|(term, _)| term)
    }

    fn report_above(&mut self, rule: &'static str, position: Position) {
        let path = self.way.path_to(self.depth);
        let name = path.rsplit('/').next().and_then(|step| step.split('[').next());
        let subject = Subject {
            name: name.unwrap_or_default(),
            attribute: false,
            expected: &[],
            at_end: false,
        };
        let finding = explain(rule, &subject).at(position, &path);
        self.add(finding.expecting("ein leeres Element", "an empty element"));
    }

    /// Begins an element: its type, and whether it is nilled.
    pub(super) fn begin(&mut self, tag: &StartTag, child: Child) {
        let tables = self.tables;
        let declared = match child {
            Child::Declared(id) | Child::Strayed(id) => Some(id),
            _ => None,
        };
        let place = self.depth - 1;
        // A child that should not be here says nothing about what should be inside it.
        let misplaced = matches!(child, Child::Misplaced);
        let open = &mut self.open[place];
        open.declared = declared;
        open.kind = declared.map(|id| tables.element(id).kind);
        open.instance_type = false;
        open.nilled = false;
        open.broken = misplaced;
        open.in_place = false;
        open.skipped = false;
        open.has_children = false;
        open.has_text = false;
        open.text_reported = false;
        if child == Child::Skipped {
            open.content = Within::Skip;
            return;
        }
        let mut named = true;
        if !tag.attributes.is_empty()
            && let Some(value) = tag.attribute_ns(XSI, "type")
        {
            named = self.instance_type(value, tag.position);
        }
        let nil = if tag.attributes.is_empty() { None } else { tag.attribute_ns(XSI, "nil") };
        if declared.is_some_and(|id| tables.element(id).is_abstract) {
            self.report("cvc-elt.2", tag.position, &[]);
        }
        if named {
            self.concrete(tag.position);
        }
        // An element may have its type from `xsi:type` alone (cvc-assess-elt, 1.2), the root as well
        // (5.2): which roots a message may have is for its pack to say.
        let typed = self.open[place].kind.is_some();
        if let Some(id) = declared {
            self.nil(id, nil, tag.position);
        } else if child == Child::Undeclared && !typed {
            self.open[place].broken = true;
            if place == 0 || !self.open[place - 1].broken {
                self.report("cvc-elt.1", tag.position, &[]);
            }
        }
        let in_place = self.is_in_place(child);
        let open = &mut self.open[place];
        open.in_place = in_place;
        open.content = match open.kind {
            None => Within::Lax,
            Some(TypeId::Simple(simple)) => Within::Typed(Content::Simple(simple)),
            Some(TypeId::Complex(id)) => Within::Typed(tables.complex(id).content),
        };
        if let Within::Typed(Content::Elements(model) | Content::Mixed(model)) = open.content {
            tables.contents.start(model, &mut open.progress);
        }
    }

    /// `xsi:type` (Structures 3.3.4, clause 4). False where it names no type that may stand here.
    fn instance_type(&mut self, value: &str, position: Position) -> bool {
        let tables = self.tables;
        let place = self.depth - 1;
        let named = self.scope.name(value);
        let named = named.and_then(|(namespace, local)| tables.symbols.find(namespace, local));
        let Some(kind) = named.and_then(|symbol| tables.global(Some(symbol)).kind) else {
            let base = self.open[place].kind;
            self.unsuitable("cvc-elt.4.1", position, base);
            return false;
        };
        let open = &mut self.open[place];
        if let Some(base) = open.kind {
            let barred = open.declared.map(|id| tables.element(id).block).unwrap_or_default();
            let by_type = match base {
                TypeId::Complex(id) => tables.complex(id).block,
                TypeId::Simple(_) => Default::default(),
            };
            match tables.derivations.of(kind, base, barred.and(by_type)) {
                Derivation::Allowed => {}
                Derivation::Barred => {
                    self.unsuitable("cvc-elt.4.3", position, Some(base));
                    return false;
                }
                Derivation::None => {
                    self.unsuitable("cvc-elt.4.2", position, Some(base));
                    return false;
                }
            }
        }
        open.kind = Some(kind);
        open.instance_type = true;
        true
    }

    /// Without its type nobody knows what belongs inside.
    fn unsuitable(&mut self, rule: &'static str, position: Position, base: Option<TypeId>) {
        self.open[self.depth - 1].broken = true;
        let expected = self.types_for(base);
        self.report(rule, position, &expected);
    }

    /// Whoever gave the element its type, declaration or `xsi:type`: it is not abstract (cvc-type,
    /// clause 2).
    fn concrete(&mut self, position: Position) {
        if let Some(TypeId::Complex(kind)) = self.open[self.depth - 1].kind
            && self.tables.complex(kind).is_abstract
        {
            self.unsuitable("cvc-type.2", position, Some(TypeId::Complex(kind)));
        }
    }

    /// `xsi:nil`, as far as the declaration has a say (Structures 3.3.4, clause 3).
    fn nil(&mut self, id: ElementId, nil: Option<&str>, position: Position) {
        let element = self.tables.element(id);
        let place = self.depth - 1;
        let Some(nil) = nil else { return };
        if !element.nillable {
            self.report("cvc-elt.3.1", position, &[]);
        } else if matches!(nil.trim_matches([' ', '\t', '\n', '\r']), "true" | "1") {
            self.open[place].nilled = true;
            if element.value.as_ref().is_some_and(|value| value.fixed) {
                self.report("cvc-elt.3.2.2", position, &[]);
            }
        }
    }

    /// The end of an element that is judged.
    pub(super) fn finish(&mut self, tag: &StartTag, position: Position) -> Result<(), GaveUp> {
        let tables = self.tables;
        let place = self.depth - 1;
        let open = &self.open[place];
        let mut value = None;
        match open.content {
            Within::Typed(Content::Elements(model) | Content::Mixed(model)) if !open.nilled => {
                let complete = tables.contents.accepts(model, &open.progress);
                if !complete && !open.broken {
                    self.incomplete(position);
                }
                self.fixed_text(tag.position);
            }
            Within::Typed(Content::Any) if !open.nilled => self.fixed_text(tag.position),
            // Elements inside were reported; what text is around them is no value.
            Within::Typed(Content::Simple(_)) if !open.nilled && open.has_children => {
                value = Some(false);
            }
            Within::Typed(Content::Simple(simple)) if !open.nilled => {
                value = Some(self.simple_content(simple, tag.position)?);
            }
            _ => {}
        }
        self.default_of_other_type(tag.position);
        if self.keys.wants_content() {
            let open = &self.open[place];
            let nillable = open.declared.is_some_and(|id| tables.element(id).nillable);
            let simple = matches!(open.content, Within::Typed(Content::Simple(_)));
            let value = match value {
                Some(true) => Value::Octets(&self.octets),
                Some(false) => Value::Invalid,
                None if simple && open.nilled => Value::Nil,
                // It should not be here, or its type is not known; that was reported.
                None if open.broken => Value::Invalid,
                None => Value::NoSimpleType,
            };
            self.keys.content(value, nillable);
        }
        self.end_keys(tag)
    }

    fn incomplete(&mut self, position: Position) {
        let Within::Typed(content) = self.open[self.depth - 1].content else { return };
        let expected = self.expected(content);
        let subject =
            Subject { name: self.way.name(), attribute: false, expected: &expected, at_end: true };
        let finding = explain("cvc-complex-type.2.4", &subject).at(position, &self.way.path());
        self.add(finding);
    }

    /// Keys and references whose scope ends here.
    fn end_keys(&mut self, tag: &StartTag) -> Result<(), GaveUp> {
        let symbol = self.open[self.depth - 1].symbol;
        let Self { keys, broken_keys, paths, way, .. } = self;
        let mut known = None;
        let mut place = || {
            let name = Named::Element(symbol);
            *known.get_or_insert_with(|| place(paths, way, tag.position, name, ""))
        };
        keys.end(&mut place, broken_keys)?;
        if self.broken_keys.is_empty() {
            return Ok(());
        }
        for broken in std::mem::take(&mut self.broken_keys) {
            let expected = [self.tables.constraints.name(broken.constraint).to_owned()];
            self.told(broken.rule, broken.place, &expected);
        }
        Ok(())
    }
}
