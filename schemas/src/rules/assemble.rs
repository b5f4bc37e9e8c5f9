//! From the files of a Schematron schema to a plain list of patterns: included files read, the
//! phase chosen, abstract patterns and rules filled in.

use std::cell::Cell;

use super::document::{Child, Element, Place};
use super::scan::fill_in;
use super::{
    MAX_EXPRESSION_BYTES, MAX_EXPRESSIONS, MAX_FILLED_BYTES, MAX_INCLUDE_DEPTH, MAX_RULE_BYTES,
    MAX_RULE_FILES, RulesError,
};

/// The namespace of ISO Schematron.
const SCHEMATRON: &str = "http://purl.oclc.org/dsdl/schematron";
/// Bytes that an element counts for beside its attributes and its text.
const ELEMENT_BYTES: usize = 256;
/// The namespace of XSLT.
pub(super) const XSLT: &str = "http://www.w3.org/1999/XSL/Transform";

/// One schema, plain.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Prefixes and namespaces for expressions.
    pub(super) prefixes: Vec<(String, String)>,
    /// `xsl:function` elements.
    pub(super) functions: Vec<Element>,
    /// Variables of the schema and of the phase.
    pub(super) lets: Vec<Element>,
    /// Patterns in force.
    pub(super) patterns: Vec<PatternPlan>,
    /// `diagnostic` elements.
    pub(super) diagnostics: Vec<Element>,
}

/// A pattern without anything abstract.
#[derive(Debug)]
pub(super) struct PatternPlan {
    pub(super) id: String,
    pub(super) lets: Vec<Element>,
    pub(super) rules: Vec<RulePlan>,
}

/// A rule without anything abstract.
#[derive(Debug)]
pub(super) struct RulePlan {
    pub(super) element: Element,
    /// `let`, `assert` and `report`, those of the rules it extends at their place.
    pub(super) parts: Vec<Element>,
}

/// Gets a file by its name in the pack.
pub(super) type Fetch<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// Reads files within the limits of a set.
pub(super) struct Files<'a> {
    fetch: Fetch<'a>,
    bytes: usize,
    count: usize,
    /// What may still be made of abstract patterns and rules.
    room: Room,
}

/// Bytes left of [`MAX_FILLED_BYTES`].
struct Room(Cell<usize>);

impl Room {
    fn take(&self, bytes: usize, place: &Place) -> Result<(), RulesError> {
        let left = self.0.get().checked_sub(bytes).ok_or_else(|| {
            place.refuse(format_args!(
                "abstract patterns and rules become more than {MAX_FILLED_BYTES} bytes"
            ))
        })?;
        self.0.set(left);
        Ok(())
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(fetch: Fetch<'a>) -> Self {
        Self { fetch, bytes: 0, count: 0, room: Room(Cell::new(MAX_FILLED_BYTES)) }
    }

    fn read(&mut self, file: &str, asked: &Place) -> Result<Element, RulesError> {
        self.count += 1;
        if self.count > MAX_RULE_FILES {
            return Err(asked.refuse(format_args!("more than {MAX_RULE_FILES} rule files")));
        }
        let bytes = (self.fetch)(file).map_err(|reason| {
            asked.refuse(format_args!("the rule file '{file}' cannot be read: {reason}"))
        })?;
        self.bytes += bytes.len();
        if self.bytes > MAX_RULE_BYTES {
            return Err(
                asked.refuse(format_args!("rule files of more than {MAX_RULE_BYTES} bytes"))
            );
        }
        Element::read(file, &bytes)
    }
}

/// Reads a schema and makes it plain.
pub(super) fn assemble(
    file: &str,
    phase: Option<&str>,
    files: &mut Files<'_>,
) -> Result<Plan, RulesError> {
    let mut schema = files.read(file, &Place { file: file.into(), ..Place::default() })?;
    if !schema.is(SCHEMATRON, "schema") {
        return Err(schema.place.refuse("no ISO Schematron schema: its root must be 'schema'"));
    }
    include(&mut schema, 0, files)?;
    match schema.attribute("queryBinding") {
        Some(binding) if ["xslt2", "xpath2"].contains(&binding.to_ascii_lowercase().as_str()) => {}
        binding => {
            let binding = binding.unwrap_or("xslt");
            return Err(schema.place.refuse(format_args!(
                "the query binding '{binding}' is not supported; xslt2 and xpath2 are"
            )));
        }
    }
    Assembler { schema: &schema, room: &files.room }.plan(phase)
}

/// Puts included elements in the place of `include`, and the content of external ones in that of
/// `extends` with `href`.
fn include(element: &mut Element, depth: usize, files: &mut Files<'_>) -> Result<(), RulesError> {
    if !element.children.iter().any(|c| matches!(c, Child::Element(_))) {
        return Ok(());
    }
    for child in std::mem::take(&mut element.children) {
        let Child::Element(mut inner) = child else {
            element.children.push(child);
            continue;
        };
        let extends = inner.is(SCHEMATRON, "extends") && inner.attribute("href").is_some();
        if !extends && !inner.is(SCHEMATRON, "include") {
            include(&mut inner, depth, files)?;
            element.children.push(Child::Element(inner));
            continue;
        }
        if depth >= MAX_INCLUDE_DEPTH {
            return Err(inner.place.refuse(format_args!(
                "rule files include each other deeper than {MAX_INCLUDE_DEPTH}"
            )));
        }
        let mut included = included(&inner, files)?;
        include(&mut included, depth + 1, files)?;
        if extends {
            element.children.append(&mut included.children);
        } else {
            element.children.push(Child::Element(included));
        }
    }
    Ok(())
}

fn included(asked: &Element, files: &mut Files<'_>) -> Result<Element, RulesError> {
    let href = asked.required("href")?;
    let (file, id) = match href.split_once('#') {
        Some((file, id)) => (file, Some(id)),
        None => (href, None),
    };
    let file = resolve(&asked.place.file, file).ok_or_else(|| {
        asked.place.refuse(format_args!("'{href}' is no file inside the folder of the pack"))
    })?;
    let root = files.read(&file, &asked.place)?;
    let Some(id) = id else { return Ok(root) };
    root.with_id(id).cloned().ok_or_else(|| {
        asked.place.refuse(format_args!("'{file}' has no element with the id '{id}'"))
    })
}

/// A file beside another one. `None`: it lies outside, or is no file name.
fn resolve(from: &str, href: &str) -> Option<String> {
    if href.is_empty() || href.starts_with('/') || href.contains([':', '\\', '\0', '?', '%']) {
        return None;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in href.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop()?;
            }
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}

struct Assembler<'a> {
    schema: &'a Element,
    room: &'a Room,
}

impl<'a> Assembler<'a> {
    fn plan(&self, phase: Option<&str>) -> Result<Plan, RulesError> {
        let mut plan = Plan { prefixes: Vec::new(), ..Plan::default() };
        let phase = self.phase(phase)?;
        for element in self.schema.elements() {
            if element.is(XSLT, "function") {
                plan.functions.push(element.clone());
                continue;
            }
            refuse_xslt(element)?;
            if element.namespace != SCHEMATRON {
                continue;
            }
            match element.local.as_str() {
                "ns" => {
                    let prefix = element.required("prefix")?.to_owned();
                    plan.prefixes.push((prefix, element.required("uri")?.to_owned()));
                }
                "let" => plan.lets.push(element.clone()),
                "diagnostics" => plan
                    .diagnostics
                    .extend(element.elements().filter(|e| e.is(SCHEMATRON, "diagnostic")).cloned()),
                "pattern" => {
                    if let Some(pattern) = self.pattern(element, phase)? {
                        plan.patterns.push(pattern);
                    }
                }
                "title" | "p" | "phase" | "properties" => {}
                other => {
                    return Err(element.place.refuse(format_args!("unknown element '{other}'")));
                }
            }
        }
        if let Some(phase) = phase {
            plan.lets.extend(phase.elements().filter(|e| e.is(SCHEMATRON, "let")).cloned());
        }
        // What the schema's root declares is there for prefixes that `ns` leaves out.
        for (prefix, uri) in &self.schema.prefixes {
            if !prefix.is_empty() && !plan.prefixes.iter().any(|(known, _)| known == prefix) {
                plan.prefixes.push((prefix.clone(), uri.clone()));
            }
        }
        Ok(plan)
    }

    fn named(&self, local: &str, id: &str) -> Option<&'a Element> {
        let schema: &'a Element = self.schema;
        schema.elements().find(|e| e.is(SCHEMATRON, local) && e.attribute("id") == Some(id))
    }

    fn phase(&self, asked: Option<&str>) -> Result<Option<&'a Element>, RulesError> {
        let default = self.schema.attribute("defaultPhase").unwrap_or("#ALL");
        let name = match asked {
            None | Some("#DEFAULT") => default,
            Some(name) => name,
        };
        if name == "#ALL" {
            return Ok(None);
        }
        let phase = self.named("phase", name);
        let missing = || self.schema.place.refuse(format_args!("there is no phase '{name}'"));
        let phase = phase.ok_or_else(missing)?;
        for active in phase.elements().filter(|e| e.is(SCHEMATRON, "active")) {
            let pattern = active.required("pattern")?;
            if self.named("pattern", pattern).is_none() {
                return Err(active.place.refuse(format_args!(
                    "the phase names no pattern of this schema: '{pattern}'"
                )));
            }
        }
        Ok(Some(phase))
    }

    /// A pattern made plain; `None` where it is abstract or not in the phase.
    fn pattern(
        &self,
        element: &Element,
        phase: Option<&Element>,
    ) -> Result<Option<PatternPlan>, RulesError> {
        let id = element.attribute("id").unwrap_or_default();
        let in_phase = |phase: &Element| {
            let mut active = phase.elements().filter(|e| e.is(SCHEMATRON, "active"));
            active.any(|active| active.attribute("pattern") == Some(id))
        };
        if yes(element, "abstract") {
            return Ok(None);
        }
        if element.attribute("documents").is_some() {
            return Err(element.place.refuse("rules about other documents are not supported"));
        }
        // What is not in force is checked all the same: a bad file is refused whatever the phase.
        let plan = match element.attribute("is-a") {
            None => self.plain(id, element)?,
            Some(of) => {
                let pattern = self.named("pattern", of).filter(|p| yes(p, "abstract"));
                let pattern = pattern.ok_or_else(|| {
                    element.place.refuse(format_args!("there is no abstract pattern '{of}'"))
                })?;
                let mut parameters = Vec::new();
                for param in element.elements().filter(|e| e.is(SCHEMATRON, "param")) {
                    let value = param.required("value")?.to_owned();
                    parameters.push((param.required("name")?.to_owned(), value));
                }
                let mut filled = self.filled_in(pattern, &parameters)?;
                filled.children.extend(
                    element
                        .elements()
                        .filter(|e| !e.is(SCHEMATRON, "param"))
                        .cloned()
                        .map(Child::Element),
                );
                self.plain(id, &filled)?
            }
        };
        Ok(phase.is_none_or(in_phase).then_some(plan))
    }

    /// A copy of an element with the values of parameters in its attributes.
    fn filled_in(
        &self,
        element: &Element,
        parameters: &[(String, String)],
    ) -> Result<Element, RulesError> {
        self.room.take(own_weight(element), &element.place)?;
        let mut attributes = Vec::with_capacity(element.attributes.len());
        for (name, value) in &element.attributes {
            let filled = fill_in(value, parameters, MAX_EXPRESSION_BYTES).ok_or_else(|| {
                element.place.refuse(format_args!(
                    "the attribute '{name}' becomes more than {MAX_EXPRESSION_BYTES} bytes"
                ))
            })?;
            self.room.take(name.len() + filled.len(), &element.place)?;
            attributes.push((name.clone(), filled));
        }
        let mut children = Vec::with_capacity(element.children.len());
        for child in &element.children {
            children.push(match child {
                Child::Element(inner) => Child::Element(self.filled_in(inner, parameters)?),
                Child::Text(text) => {
                    self.room.take(text.len(), &element.place)?;
                    Child::Text(text.clone())
                }
            });
        }
        Ok(Element {
            namespace: element.namespace.clone(),
            local: element.local.clone(),
            attributes,
            prefixes: element.prefixes.clone(),
            children,
            place: element.place.clone(),
        })
    }

    fn plain(&self, id: &str, pattern: &Element) -> Result<PatternPlan, RulesError> {
        let mut plan = PatternPlan { id: id.to_owned(), lets: Vec::new(), rules: Vec::new() };
        for element in pattern.elements() {
            refuse_xslt(element)?;
            if element.namespace != SCHEMATRON {
                continue;
            }
            match element.local.as_str() {
                "let" => plan.lets.push(element.clone()),
                "rule" if yes(element, "abstract") => {}
                "rule" => {
                    let mut parts = Vec::new();
                    self.parts(pattern, element, 0, &mut parts)?;
                    let element = Element { children: Vec::new(), ..element.clone() };
                    plan.rules.push(RulePlan { element, parts });
                }
                "title" | "p" | "param" => {}
                other => {
                    return Err(element.place.refuse(format_args!("unknown element '{other}'")));
                }
            }
        }
        Ok(plan)
    }

    fn parts(
        &self,
        pattern: &Element,
        rule: &Element,
        depth: usize,
        into: &mut Vec<Element>,
    ) -> Result<(), RulesError> {
        if depth > MAX_INCLUDE_DEPTH {
            return Err(rule.place.refuse("rules extend each other in a circle or too deep"));
        }
        for element in rule.elements() {
            refuse_xslt(element)?;
            if element.namespace != SCHEMATRON {
                continue;
            }
            if into.len() >= MAX_EXPRESSIONS {
                return Err(rule.place.refuse("too many assertions in one rule"));
            }
            match element.local.as_str() {
                "let" | "assert" | "report" => {
                    self.room.take(weight(element), &element.place)?;
                    into.push(element.clone());
                }
                "extends" => {
                    self.room.take(ELEMENT_BYTES, &element.place)?;
                    let id = element.required("rule")?;
                    let base = abstract_rule(pattern, id)
                        .or_else(|| self.schema.elements().find_map(|p| abstract_rule(p, id)));
                    let base = base.ok_or_else(|| {
                        element.place.refuse(format_args!("there is no abstract rule '{id}'"))
                    })?;
                    self.parts(pattern, base, depth + 1, into)?;
                }
                "p" | "title" => {}
                other => {
                    return Err(element.place.refuse(format_args!("unknown element '{other}'")));
                }
            }
        }
        Ok(())
    }
}

/// About as many bytes as an element takes, with all that is in it.
fn weight(element: &Element) -> usize {
    let attributes = element.attributes.iter().map(|(name, value)| name.len() + value.len());
    let children = element.children.iter().map(|child| match child {
        Child::Element(inner) => weight(inner),
        Child::Text(text) => text.len(),
    });
    own_weight(element) + attributes.sum::<usize>() + children.sum::<usize>()
}

/// The same without its attributes and what is in it.
fn own_weight(element: &Element) -> usize {
    let prefixes = element.prefixes.iter().map(|(prefix, uri)| prefix.len() + uri.len());
    let names = element.namespace.len() + element.local.len();
    ELEMENT_BYTES + names + prefixes.sum::<usize>()
}

fn abstract_rule<'e>(pattern: &'e Element, id: &str) -> Option<&'e Element> {
    pattern.elements().find(|rule| {
        rule.is(SCHEMATRON, "rule") && yes(rule, "abstract") && rule.attribute("id") == Some(id)
    })
}

fn yes(element: &Element, attribute: &str) -> bool {
    element.attribute(attribute).is_some_and(|value| value.trim() == "true")
}

/// Refuses XSLT anywhere in an element.
pub(super) fn refuse_xslt(element: &Element) -> Result<(), RulesError> {
    if element.namespace == XSLT {
        return Err(element.place.refuse(format_args!(
            "XSLT in a rule file is not supported here: xsl:{} {}",
            element.local,
            element.attribute("name").unwrap_or_default()
        )));
    }
    element.elements().try_for_each(refuse_xslt)
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn files_are_found_inside_the_pack_only() {
        assert_eq!(
            resolve("rules/ubl/a.sch", "../common.sch").as_deref(),
            Some("rules/common.sch")
        );
        assert_eq!(resolve("a.sch", "b/./c.sch").as_deref(), Some("b/c.sch"));
        for bad in ["../c.sch", "/etc/passwd", "http://example.org/a.sch", "", "a\\b", "file:x"] {
            assert_eq!(resolve("a.sch", bad), None, "{bad}");
        }
    }
}
