//! Rules of a standard beyond its schema: ISO/IEC 19757-3 Schematron with the query binding
//! `xslt2` or `xpath2`.
//!
//! [`Rules`] are compiled once, when a pack is loaded; [`Tree`] is built from the events of our own
//! reader; [`Rules::check`] says what a message breaks. XPath is the engine of `xsd-schema`.
//! Nothing of what is found holds a value of the message (P7): `value-of` becomes a mark.
//!
//! Time and memory for one message are bounded: what moves through the tree, goes round a loop,
//! calls a function or makes a text takes from one budget ([`MAX_MOVES`]), which also asks the clock
//! of the caller. That holds for loops that never touch the message, too (`for $i in 1 to …`), and
//! for regular expressions, whose time grows with the text only. One sequence of numbers or texts has
//! at most a million items, one text 16 MiB, one number 4,096 digits (FOCA0003). A hostile rule file
//! could hold some 2 GB with a hostile message of 128 MiB before the budget ends; rule files come
//! with a pack, and messages alone cannot do that.
//!
//! Not supported: references back in patterns (`\1`) and patterns that are too large. They are refused
//! at import where the pattern stands in the expression; where it is only known when the rule runs,
//! the question stays open (`rule-not-supported`). `subject` is read over: a finding stands at the node of
//! its rule. Several diagnostics are said one behind the other, whatever their `xml:lang`.
//!
//! What is not plain Schematron on XPath 2.0 is refused when rules are loaded, with its place:
//! XSLT in a rule file (but for plain functions, see [`Rules::load`]), functions that read
//! other documents, an unknown query binding, an expression that does not compile.

mod assemble;
mod compile;
mod context;
mod distinct;
mod document;
mod expression;
mod finding;
mod functions;
mod matching;
mod meter;
mod navigator;
mod regex;
mod run;
mod scan;
mod text;
mod tree;

use std::fmt;

pub use compile::{RuleFile, Rules, RulesFacts};
pub use finding::{RuleFinding, RuleSeverity, RulesReport};
pub use tree::{Store, TooLarge, Tree};

/// Bytes of all rule files of one set, included ones counted as often as they are included. 32 MiB.
pub const MAX_RULE_BYTES: usize = 32 << 20;
/// Rule files of one set, included ones counted as often as they are included.
pub const MAX_RULE_FILES: usize = 500;
/// Bytes of what abstract patterns and rules become where they are filled in, over all of a set;
/// an element counts as 256 beside its attributes and text. 64 MiB.
pub const MAX_FILLED_BYTES: usize = 64 << 20;
/// Files included one by the other.
pub const MAX_INCLUDE_DEPTH: usize = 16;
/// Expressions of one set after all abstract rules and patterns are filled in.
pub const MAX_EXPRESSIONS: usize = 100_000;
/// Bytes of one expression. 1 MiB.
pub const MAX_EXPRESSION_BYTES: usize = 1 << 20;
/// Expressions inside each other in one expression, and in the functions it calls: the engine
/// recurses over them, and a debug build has used up two megabytes of stack at about 80.
pub const MAX_EXPRESSION_DEPTH: usize = 64;
/// Variables that need each other one after the other.
pub const MAX_VARIABLE_CHAIN: usize = 100;
/// Bytes of the tree of one message. 128 MiB.
pub const MAX_TREE_BYTES: usize = 128 << 20;
/// Moves from node to node (and steps of 32 bytes through text; 16 for each time round a loop and
/// each call of a function, 8 for each item made) that all rules may take together for one message.
/// The largest message of the corpus with the most rules takes 2.1 million.
pub const MAX_MOVES: u64 = 50_000_000;
/// Bytes of the path of one finding; a longer one is cut. 8 KiB.
pub const MAX_RULE_PATH: usize = 8 << 10;
/// Findings of rules of one severity kept for one message. Errors beyond them end the evaluation;
/// warnings and infos never do.
pub const MAX_RULE_FINDINGS: usize = 1_000;

/// Why a set of rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// The file as the pack names it.
    pub file: String,
    /// Line, from 1; 0 where it is about the whole file.
    pub line: u64,
    /// Column in characters, from 1; 0 where it is about the whole file.
    pub column: u64,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.reason)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.reason)
        }
    }
}

impl std::error::Error for RulesError {}
