//! The context of a rule: a match pattern of XSLT 2.0 (5.5).
//!
//! Most patterns are names of elements along a path with conditions in brackets. They are matched
//! from the node upwards, beginning with the nodes of the last name. What is written otherwise is
//! evaluated as an expression over the whole document, which finds the same nodes (5.5.3).

use xsd_schema::ids::NameId;
use xsd_schema::navigator::{DomNavigator, DomNodeType};

use super::compile::Expr;
use super::navigator::Nav;
use super::scan::{closing, is_name_char, outside_predicates};

/// One alternative of a context.
pub(super) enum Alternative {
    /// `/`.
    Root,
    /// A path of names.
    Steps {
        steps: Vec<Step>,
        /// The same as an expression, should a condition turn out to be a number.
        otherwise: Expr,
    },
    /// An expression that finds the nodes.
    Expression(Expr),
}

/// A step of a path of names.
pub(super) struct Step {
    pub(super) attribute: bool,
    pub(super) local: Option<(NameId, Box<str>)>,
    /// `None`: any; empty: no namespace.
    pub(super) namespace: Option<Box<str>>,
    pub(super) conditions: Vec<Expr>,
    pub(super) before: Before,
}

/// What stands before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing, or `//` at the very beginning.
    Anything,
    /// `/` at the very beginning.
    Root,
    /// The step before it is the parent.
    Parent,
    /// The step before it is an ancestor.
    Ancestor,
}

impl Step {
    /// Whether the node has the kind and name of the step.
    pub(super) fn names(&self, node: &Nav<'_>) -> bool {
        let kind = if self.attribute { DomNodeType::Attribute } else { DomNodeType::Element };
        node.node_type() == kind
            && self.local.as_ref().is_none_or(|(_, local)| node.local_name() == &**local)
            && self.namespace.as_ref().is_none_or(|uri| node.namespace_uri() == &**uri)
    }
}

/// A step as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub(super) attribute: bool,
    /// `None`: `*`.
    pub(super) prefix: Option<&'a str>,
    /// `None`: `*`.
    pub(super) local: Option<&'a str>,
    pub(super) conditions: Vec<&'a str>,
    pub(super) before: Before,
}

/// Reads an alternative as a path of names. `None`: it is none.
pub(super) fn path_of_names(text: &str) -> Option<Vec<Written<'_>>> {
    let mut steps = Vec::new();
    let mut at = text.len() - text.trim_start().len();
    let mut before = Before::Anything;
    if text[at..].starts_with("//") {
        at += 2;
    } else if text[at..].starts_with('/') {
        (at, before) = (at + 1, Before::Root);
    }
    loop {
        let rest = text[at..].trim_start();
        let attribute = rest.starts_with('@');
        let name = if attribute { rest[1..].trim_start() } else { rest };
        at = text.len() - name.len();
        let end = name.find(|c| !is_name_char(c) && c != ':' && c != '*').unwrap_or(name.len());
        let (prefix, local) = match name[..end].split_once(':') {
            _ if name[..end].contains("::") => return None,
            Some((prefix, local)) => (prefix, local),
            None if &name[..end] == "*" => ("*", "*"),
            None => ("", &name[..end]),
        };
        let word = |text: &str| {
            text == "*"
                || (!text.contains('*')
                    && text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
        };
        if !word(local) || !(prefix.is_empty() || word(prefix)) || local.contains(':') {
            return None;
        }
        at += end;
        let mut conditions = Vec::new();
        loop {
            let skipped = text[at..].len() - text[at..].trim_start().len();
            if !text[at + skipped..].starts_with('[') {
                at += skipped;
                break;
            }
            let close = closing(text, at + skipped)?;
            conditions.push(&text[at + skipped + 1..close]);
            at = close + 1;
        }
        steps.push(Written {
            attribute,
            prefix: (prefix != "*").then_some(prefix),
            local: (local != "*").then_some(local),
            conditions,
            before,
        });
        let rest = &text[at..];
        if rest.is_empty() {
            return Some(steps);
        }
        (at, before) = match rest.strip_prefix("//") {
            Some(_) => (at + 2, Before::Ancestor),
            None if rest.starts_with('/') => (at + 1, Before::Parent),
            None => return None,
        };
    }
}

/// What makes an alternative no pattern of XSLT 2.0: an axis that leads elsewhere than down.
pub(super) fn not_a_pattern(text: &str) -> Option<String> {
    let plain = outside_predicates(text);
    for (at, _) in plain.match_indices("::") {
        let before = plain[..at].trim_end();
        let axis = before.rsplit(|c| !is_name_char(c)).next().unwrap_or_default();
        if !["child", "attribute"].contains(&axis) {
            return Some(format!("the axis '{axis}'"));
        }
    }
    let dot = |step: &str| matches!(step.trim(), "." | "..");
    plain
        .split(['/', '|', '(', ')'])
        .find(|step| dot(step))
        .map(|step| format!("'{}'", step.trim()))
}

/// The expression that finds the nodes an alternative matches.
pub(super) fn as_expression(text: &str) -> String {
    if text.trim_start().starts_with('/') {
        text.to_owned()
    } else {
        format!("/descendant-or-self::node()/({text})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named<'a> = (Option<&'a str>, Option<&'a str>, usize, Before);

    fn names(text: &str) -> Option<Vec<Named<'_>>> {
        let steps = path_of_names(text)?;
        Some(steps.iter().map(|s| (s.prefix, s.local, s.conditions.len(), s.before)).collect())
    }

    #[test]
    fn paths_of_names_are_recognised() {
        assert_eq!(
            names("//t:a[b = ']'][2] / *:c//@d"),
            Some(vec![
                (Some("t"), Some("a"), 2, Before::Anything),
                (None, Some("c"), 0, Before::Parent),
                (Some(""), Some("d"), 0, Before::Ancestor),
            ])
        );
        assert_eq!(names("/*"), Some(vec![(None, None, 0, Before::Root)]));
        assert_eq!(names("t:*"), Some(vec![(Some("t"), None, 0, Before::Anything)]));
        for other in
            ["text()", "a/text()", "child::a", "(a|b)/c", "id('x')", "a[", "a b", "", ".", "a/.."]
        {
            assert_eq!(names(other), None, "{other}");
        }
    }

    #[test]
    fn only_downward_steps_make_a_pattern() {
        assert_eq!(not_a_pattern("a[../b and ancestor::c]/child::d"), None);
        assert_eq!(not_a_pattern("a/../b").as_deref(), Some("'..'"));
        assert_eq!(not_a_pattern("ancestor::a").as_deref(), Some("the axis 'ancestor'"));
        assert_eq!(not_a_pattern(".").as_deref(), Some("'.'"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text: String) {
            let _ = (path_of_names(&text), not_a_pattern(&text), as_expression(&text));
        }
    }
}
