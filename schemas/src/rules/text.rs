//! The text of an assertion. What it would take from the message is left out (P7).

use xsd_schema::navigator::DomNavigator;

use super::RulesError;
use super::assemble::refuse_xslt;
use super::compile::Expr;
use super::document::{Child, Element};
use super::navigator::Nav;

/// Stands in the text where the rule file would have a value of the message.
pub(super) const PLACEHOLDER: &str = "[…]";
/// Bytes of one text; a longer one is cut.
const MAX_TEXT: usize = 4_000;

/// The text of an assertion.
pub(super) struct Text(Vec<Piece>);

enum Piece {
    Fixed(String),
    /// The local name of the node of the rule.
    Name,
    /// The local name of another node.
    NameOf(Box<Expr>),
}

impl Text {
    /// Reads the text; `compile` compiles the path of `name`.
    pub(super) fn read(
        element: &Element,
        compile: &mut dyn FnMut(&Element, &str) -> Result<Expr, RulesError>,
    ) -> Result<Self, RulesError> {
        let mut pieces = Vec::new();
        collect(element, compile, &mut pieces)?;
        Ok(Self(pieces))
    }

    /// Adds another text behind this one.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.push(Piece::Fixed(" ".to_owned()));
        self.0.append(&mut other.0);
    }

    /// Says it for a node. `name_of` finds another node.
    pub(super) fn say<'d>(
        &self,
        node: &Nav<'d>,
        mut name_of: impl FnMut(&Expr) -> Option<Nav<'d>>,
    ) -> String {
        let mut said = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Fixed(text) => said.push_str(text),
                Piece::Name => said.push_str(node.local_name()),
                Piece::NameOf(expr) => match name_of(expr) {
                    Some(other) => said.push_str(other.local_name()),
                    None => said.push_str(PLACEHOLDER),
                },
            }
        }
        let mut words = String::new();
        for word in said.split_whitespace() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        if words.len() > MAX_TEXT {
            let cut = (0..=MAX_TEXT).rev().find(|at| words.is_char_boundary(*at)).unwrap_or(0);
            words.truncate(cut);
            words.push('…');
        }
        words
    }
}

fn collect(
    element: &Element,
    compile: &mut dyn FnMut(&Element, &str) -> Result<Expr, RulesError>,
    pieces: &mut Vec<Piece>,
) -> Result<(), RulesError> {
    for child in &element.children {
        match child {
            Child::Text(text) => pieces.push(Piece::Fixed(text.clone())),
            Child::Element(inner) => {
                refuse_xslt(inner)?;
                match (inner.local.as_str(), inner.attribute("path")) {
                    ("value-of", _) => {
                        // It is compiled all the same: a bad file is refused.
                        compile(inner, inner.required("select")?)?;
                        pieces.push(Piece::Fixed(PLACEHOLDER.to_owned()));
                    }
                    ("name", None) => pieces.push(Piece::Name),
                    ("name", Some(path)) => {
                        pieces.push(Piece::NameOf(Box::new(compile(inner, path)?)));
                    }
                    _ => collect(inner, compile, pieces)?,
                }
            }
        }
    }
    Ok(())
}
