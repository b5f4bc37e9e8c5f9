//! From plain patterns to compiled rules.

mod compiler;
mod rule;

use std::collections::HashMap;
use std::sync::Mutex;

use xsd_schema::ids::NameId;
use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::namespace::table::NameTable;
use xsd_schema::xpath::{VarSlotId, XPathContext};

use super::assemble::{Files, Plan, assemble};
use super::context::Alternative;
use super::expression::{Expression, XS};
use super::finding::RuleSeverity;
use super::functions::Functions;
use super::regex::Patterns;
use super::text::Text;
use super::{MAX_MOVES, RulesError, meter};
use compiler::Compiler;

/// A file of rules and the phase that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFile {
    /// Its name in the pack, with `/` between folders.
    pub file: String,
    /// `None`: the phase that the file says, or all patterns.
    pub phase: Option<String>,
}

/// How many of what a set of rules holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulesFacts {
    /// Patterns in force.
    pub patterns: usize,
    /// Rules in them.
    pub rules: usize,
    /// Assertions and reports in them, those of abstract rules where they are used.
    pub checks: usize,
    /// Expressions compiled.
    pub expressions: usize,
    /// Contexts that are matched by name.
    pub contexts_by_name: usize,
    /// Contexts that are evaluated over the whole document.
    pub contexts_by_expression: usize,
}

/// Compiled rules; they are not changed by being used and serve several threads at once.
pub struct Rules {
    /// Names the expressions were compiled with, in the order of their numbers.
    names: Vec<String>,
    pub(in crate::rules) schemas: Vec<Schema>,
    /// Regular expressions, kept between messages.
    pub(in crate::rules) regexes: Mutex<Vec<Patterns>>,
    facts: RulesFacts,
    /// Moves for one message.
    pub(in crate::rules) moves: u64,
}

/// One rule file.
pub(in crate::rules) struct Schema {
    pub(in crate::rules) namespaces: NamespaceContextSnapshot,
    pub(in crate::rules) functions: Functions,
    /// Variables with one value per message: of the schema, the phase and the patterns.
    pub(in crate::rules) globals: Vec<Expr>,
    pub(in crate::rules) patterns: Vec<Vec<Rule>>,
}

/// A compiled expression and the variables it needs.
pub(in crate::rules) struct Expr {
    pub(in crate::rules) xpath: Expression,
    pub(in crate::rules) needs: Vec<(VarSlotId, Var)>,
    /// How many variables must be known one after the other before it.
    chain: usize,
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Var {
    /// The node of the rule.
    Current,
    /// One of [`Schema::globals`].
    Global(usize),
    /// One of [`Rule::lets`].
    Local(usize),
}

/// A compiled rule.
pub(in crate::rules) struct Rule {
    pub(in crate::rules) id: String,
    pub(in crate::rules) context: Vec<Alternative>,
    pub(in crate::rules) lets: Vec<Expr>,
    pub(in crate::rules) checks: Vec<Check>,
}

/// An assertion or report.
pub(in crate::rules) struct Check {
    pub(in crate::rules) id: String,
    pub(in crate::rules) test: Expr,
    /// It speaks when the test is true.
    pub(in crate::rules) report: bool,
    pub(in crate::rules) severity: RuleSeverity,
    pub(in crate::rules) text: Text,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Rules {
    /// Reads and compiles rule files. `fetch` gets a file by its name in the pack.
    ///
    /// Supported: `include`, `extends`, abstract patterns and rules, phases, `let` everywhere,
    /// `diagnostics`, `name`, `value-of` (as a mark), `current()`, and `xsl:function` with
    /// parameters without a type and one `xsl:sequence`.
    ///
    /// # Errors
    /// The first thing that cannot be used, with its place.
    pub fn load(
        files: &[RuleFile],
        fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, RulesError> {
        let names = NameTable::new();
        let mut facts = RulesFacts::default();
        let mut read = Files::new(fetch);
        let mut schemas = Vec::new();
        for file in files {
            let plan = assemble(&file.file, file.phase.as_deref(), &mut read)?;
            schemas.push(schema(plan, &names, &mut facts)?);
        }
        let number = |n: usize| NameId(u32::try_from(n).unwrap_or(u32::MAX));
        let names = (0..names.len()).map(|n| names.resolve(number(n))).collect();
        Ok(Self { names, schemas, regexes: Mutex::new(Vec::new()), facts, moves: MAX_MOVES })
    }

    /// The same with another budget of moves for one message, at most [`MAX_MOVES`].
    #[must_use]
    pub fn with_moves(mut self, moves: u64) -> Self {
        self.moves = moves.clamp(1, MAX_MOVES);
        self
    }

    /// What it holds.
    pub fn facts(&self) -> RulesFacts {
        self.facts
    }

    /// A table of names in which the compiled expressions find theirs under the same numbers.
    pub(in crate::rules) fn name_table(&self) -> NameTable {
        let table = NameTable::new();
        for name in &self.names {
            table.add(name);
        }
        table
    }
}

fn schema(plan: Plan, names: &NameTable, facts: &mut RulesFacts) -> Result<Schema, RulesError> {
    let mut prefixes = plan.prefixes;
    if !prefixes.iter().any(|(prefix, _)| prefix == "xs") {
        prefixes.push(("xs".to_owned(), XS.to_owned()));
    }
    let ours = (meter::PREFIX.to_owned(), meter::NAMESPACE.to_owned());
    let bindings = prefixes
        .iter()
        .chain([&ours])
        .map(|(prefix, uri)| (names.add(prefix), names.add(uri)))
        .collect();
    let namespaces = NamespaceContextSnapshot { default_ns: None, bindings };
    let mut functions = Functions::new();
    for element in &plan.functions {
        functions.add(element, &prefixes, |before, body, parameters| {
            let context = XPathContext::new(names)
                .with_namespaces(namespaces.clone())
                .with_function_catalog(&before.catalog);
            Expression::compile(body, parameters, &context, &element.place, before.depth())
        })?;
    }
    let context = XPathContext::new(names)
        .with_namespaces(namespaces.clone())
        .with_function_catalog(&functions.catalog);
    let called = functions.depth();
    let mut compiler = Compiler::new(names, prefixes, context, called, facts);
    for element in &plan.lets {
        compiler.global(element, None)?;
    }
    for (number, pattern) in plan.patterns.iter().enumerate() {
        for element in &pattern.lets {
            compiler.global(element, Some(number))?;
        }
    }
    let mut diagnostics = HashMap::new();
    for element in &plan.diagnostics {
        diagnostics.insert(element.required("id")?, element);
    }
    let mut patterns = Vec::new();
    for (number, pattern) in plan.patterns.iter().enumerate() {
        compiler.facts.patterns += 1;
        let rules =
            pattern.rules.iter().map(|rule| compiler.rule(rule, pattern, number, &diagnostics));
        patterns.push(rules.collect::<Result<_, _>>()?);
    }
    let globals = compiler.globals;
    Ok(Schema { namespaces, functions, globals, patterns })
}
