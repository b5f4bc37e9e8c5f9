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
pub(super) struct Text {
    pieces: Vec<Piece>,
    /// Bytes in them, a name counted as one. Beyond [`MAX_TEXT`] nothing more is taken up: it would
    /// be cut when it is said.
    bytes: usize,
}

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
        let mut text = Self { pieces: Vec::new(), bytes: 0 };
        text.collect(element, compile)?;
        Ok(text)
    }

    /// Adds another text behind this one.
    pub(super) fn append(&mut self, other: Self) {
        self.fixed(" ");
        for piece in other.pieces {
            self.push(piece);
        }
    }

    /// Adds words; white space between them becomes one space.
    fn fixed(&mut self, text: &str) {
        let mut words = String::new();
        if text.starts_with(char::is_whitespace) {
            words.push(' ');
        }
        for word in text.split_whitespace() {
            if !words.is_empty() && !words.ends_with(' ') {
                words.push(' ');
            }
            words.push_str(word);
            if words.len() > MAX_TEXT {
                break;
            }
        }
        if text.ends_with(char::is_whitespace) && !words.ends_with(' ') {
            words.push(' ');
        }
        self.push(Piece::Fixed(words));
    }

    fn push(&mut self, piece: Piece) {
        if self.bytes > MAX_TEXT {
            return;
        }
        self.bytes += match &piece {
            Piece::Fixed(text) => text.len(),
            Piece::Name | Piece::NameOf(_) => 1,
        };
        self.pieces.push(piece);
    }

    /// Says it for a node. `name_of` finds another node.
    pub(super) fn say<'d>(
        &self,
        node: &Nav<'d>,
        mut name_of: impl FnMut(&Expr) -> Option<Nav<'d>>,
    ) -> String {
        let mut said = String::new();
        for piece in &self.pieces {
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

    fn collect(
        &mut self,
        element: &Element,
        compile: &mut dyn FnMut(&Element, &str) -> Result<Expr, RulesError>,
    ) -> Result<(), RulesError> {
        for child in &element.children {
            match child {
                Child::Text(_) if self.bytes > MAX_TEXT => {}
                Child::Text(text) => self.fixed(text),
                Child::Element(inner) => {
                    refuse_xslt(inner)?;
                    match (inner.local.as_str(), inner.attribute("path")) {
                        ("value-of", _) => {
                            // It is compiled all the same: a bad file is refused.
                            compile(inner, inner.required("select")?)?;
                            self.fixed(PLACEHOLDER);
                        }
                        ("name", None) => self.push(Piece::Name),
                        ("name", Some(path)) => {
                            self.push(Piece::NameOf(Box::new(compile(inner, path)?)));
                        }
                        _ => self.collect(inner, compile)?,
                    }
                }
            }
        }
        Ok(())
    }
}
