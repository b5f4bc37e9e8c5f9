//! Which nodes the context of a rule matches.

use xsd_schema::navigator::{DomNavigator, DomNodeType};
use xsd_schema::xpath::XmlItem;
use xsd_schema::xpath::functions::effective_boolean_value;

use super::compile::{Expr, Rule};
use super::context::{Alternative, Before, Step};
use super::navigator::Nav;
use super::run::{Fault, Frame, Run, Value, fault, nodes};
use super::tree::{Index, Tree};

/// What a condition said.
enum Said {
    Yes,
    No,
    /// A number: a place among siblings.
    Place,
}

impl<'d> Run<'d, '_> {
    /// The nodes that the context of a rule matches, in document order, none twice.
    pub(super) fn matched(&mut self, rule: &Rule) -> Vec<Nav<'d>> {
        let mut nodes = Vec::new();
        for alternative in &rule.context {
            match alternative {
                Alternative::Root => nodes.push(self.root.clone()),
                Alternative::Steps { steps, otherwise } => {
                    let by_name = self.by_name(rule, steps);
                    match by_name {
                        Some(mut found) => nodes.append(&mut found),
                        None => nodes.append(&mut self.by_expression(rule, otherwise)),
                    }
                }
                Alternative::Expression(expr) => {
                    nodes.append(&mut self.by_expression(rule, expr));
                }
            }
        }
        if rule.context.len() > 1 {
            nodes.sort_by_key(Nav::node);
            nodes.dedup_by_key(|node| node.node());
        }
        nodes
    }

    fn by_expression(&mut self, rule: &Rule, expr: &Expr) -> Vec<Nav<'d>> {
        let root = self.root.clone();
        let mut frame = Frame { node: root.clone(), lets: &[], values: Vec::new() };
        match self.value(expr, &root, &mut frame) {
            Ok(value) => nodes(value),
            Err(Fault(code)) => {
                // Whatever it would have found after the error is lost: that is grave.
                self.could_not(&rule.id, &root, code);
                Vec::new()
            }
        }
    }

    /// `None`: a condition is a number.
    fn by_name(&mut self, rule: &Rule, steps: &[Step]) -> Option<Vec<Nav<'d>>> {
        let Some(last) = steps.last() else { return Some(Vec::new()) };
        let mut found = Vec::new();
        let mut reported = false;
        for node in self.candidates(last) {
            self.budget.take(1);
            match self.fits(steps, &node) {
                Ok(Said::Yes) => found.push(node),
                Ok(Said::No) => {}
                Ok(Said::Place) => return None,
                // XSLT 2.0, 5.5.4: such a node does not match; but somebody should know.
                Err(Fault(code)) => {
                    if !reported {
                        self.did_not_match(&rule.id, &node, code);
                    }
                    reported = true;
                }
            }
        }
        Some(found)
    }

    fn candidates(&self, last: &Step) -> Vec<Nav<'d>> {
        let (tree, budget): (&'d Tree<'d>, _) = (self.tree, self.budget);
        let Some(document) = tree.document() else { return Vec::new() };
        let index: &'d Index = tree.index();
        if last.attribute {
            let attributes = match &last.local {
                Some((name, _)) => index.attributes_named(name.0),
                None => &index.attributes,
            };
            let at = |(owner, attribute): &(u32, u32)| {
                let mut nav = Nav::new(document.create_navigator_at(*owner), budget);
                let mut there = nav.move_to_first_attribute();
                while there && nav.node() != *attribute {
                    there = nav.move_to_next_attribute();
                }
                there.then_some(nav)
            };
            attributes.iter().filter_map(at).collect()
        } else {
            let elements = match &last.local {
                Some((name, _)) => index.named(name.0),
                None => &index.elements,
            };
            let at = |node: &u32| Nav::new(document.create_navigator_at(*node), budget);
            elements.iter().map(at).collect()
        }
    }

    /// Whether the node fits the last step and the way to it the steps before.
    fn fits(&mut self, steps: &[Step], node: &Nav<'d>) -> Result<Said, Fault> {
        let Some((step, before)) = steps.split_last() else { return Ok(Said::Yes) };
        if !step.names(node) {
            return Ok(Said::No);
        }
        let mut parent = node.clone();
        let has_parent = step.before != Before::Anything && parent.move_to_parent();
        let way = match step.before {
            Before::Anything => Said::Yes,
            Before::Root if has_parent && parent.node_type() == DomNodeType::Root => Said::Yes,
            Before::Root => Said::No,
            Before::Parent if has_parent => self.fits(before, &parent)?,
            Before::Ancestor if has_parent => loop {
                match self.fits(before, &parent)? {
                    Said::No if parent.move_to_parent() => {}
                    said => break said,
                }
            },
            Before::Parent | Before::Ancestor => Said::No,
        };
        if !matches!(way, Said::Yes) {
            return Ok(way);
        }
        for condition in &step.conditions {
            let mut frame = Frame { node: node.clone(), lets: &[], values: Vec::new() };
            let value = self.value(condition, node, &mut frame)?;
            if is_number(&value) {
                return Ok(Said::Place);
            }
            if !effective_boolean_value(&value).map_err(|error| fault(&error))? {
                return Ok(Said::No);
            }
        }
        Ok(Said::Yes)
    }
}

/// One number alone: such a condition asks for a place among siblings.
fn is_number(value: &Value<'_>) -> bool {
    match value.as_slice() {
        [XmlItem::Atomic(atom)] => atom.type_code.is_numeric(),
        _ => false,
    }
}
