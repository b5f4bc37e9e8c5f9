//! What rules found.

use std::borrow::Cow;

use serde::Serialize;

use crate::validate::{Finding, Severity};

/// The code of a rule that asks for something we lack.
pub(super) const UNANSWERED: &str = "rule-not-supported";
/// Codes of what leaves the question open whether the message is valid.
const OPEN: [&str; 3] = [UNANSWERED, "rules-gave-up", "rules-failed"];

/// How grave the rule file calls it (`role` or `flag`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleSeverity {
    /// It makes the message invalid; `fatal` counts as this, and so does what the rule file does
    /// not grade.
    Error,
    /// It is worth knowing.
    Warning,
    /// It is only said.
    Information,
}

impl RuleSeverity {
    /// What a word of a rule file means. `None`: none of the usual ones.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "fatal" | "error" => Some(Self::Error),
            "warning" | "warn" | "caution" => Some(Self::Warning),
            "information" | "info" | "informational" | "hint" => Some(Self::Information),
            _ => None,
        }
    }
}

/// One rule broken, or one that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleFinding {
    /// Our own stable code: `rule-broken`, `rule-error` (an assertion ended in a dynamic
    /// error), `rule-context-error` (a condition of a context did; the node does not match,
    /// XSLT 2.0, 5.5.4), `rule-not-supported` (it needs something that we lack), `rules-gave-up`
    /// (a limit), `rules-failed` (a fault of the engine).
    pub code: &'static str,
    /// How grave it is.
    pub severity: RuleSeverity,
    /// The `id` of the assertion, or of its rule or pattern; empty where there is none.
    pub rule: String,
    /// Line, from 1; 0 where the finding has no place in the document.
    pub line: u64,
    /// Column in characters, from 1; 0 where the finding has no place in the document.
    pub column: u64,
    /// Local names from the root to the node, `/a/b[2]/@c`; empty where there is none.
    pub path: String,
    /// What is wrong, in German; for `rule-broken` the text of the rule file in its language.
    pub message_de: String,
    /// The same in English.
    pub message_en: String,
}

impl RuleFinding {
    /// Whether it leaves open if the message is valid: a limit, a fault or a lack of ours.
    pub fn is_open(&self) -> bool {
        OPEN.contains(&self.code)
    }
}

impl From<RuleFinding> for Finding {
    fn from(found: RuleFinding) -> Self {
        let RuleFinding { code, severity, rule, line, column, path, message_de, message_en } =
            found;
        let severity = match severity {
            RuleSeverity::Error => Severity::Error,
            RuleSeverity::Warning => Severity::Warning,
            RuleSeverity::Information => Severity::Information,
        };
        let rule = Cow::Owned(rule);
        Self { code, severity, line, column, path, rule, message_de, message_en }
    }
}

/// What the rules say about one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesReport {
    /// What was found, in document order as far as it has a place there; of each severity at most
    /// [`super::MAX_RULE_FINDINGS`], and one more where the rules gave up or failed.
    pub findings: Vec<RuleFinding>,
    /// There would have been more findings.
    pub truncated: bool,
    /// Not all rules were asked: there were more errors than are kept, or a limit ended it.
    pub incomplete: bool,
    /// How often a rule met a node.
    pub fired: u64,
    /// Moves from node to node that it took.
    pub moves: u64,
}

impl RulesReport {
    /// Whether something of severity [`RuleSeverity::Error`] was found. Rules that gave up count.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == RuleSeverity::Error)
    }
}
