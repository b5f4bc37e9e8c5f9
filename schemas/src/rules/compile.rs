//! From plain patterns to compiled rules.

use std::collections::HashMap;
use std::sync::Mutex;

use xsd_schema::ids::NameId;
use xsd_schema::namespace::context::NamespaceContextSnapshot;
use xsd_schema::namespace::table::NameTable;
use xsd_schema::xpath::{
    RegexCache, VarSlotId, XPathContext, XPathError, XPathExpr, expression_depth, parse,
};

use super::assemble::{Files, PatternPlan, Plan, RulePlan, assemble};
use super::context::{Alternative, Step, Written, as_expression, not_a_pattern, path_of_names};
use super::document::{Element, Place};
use super::finding::RuleSeverity;
use super::functions::Functions;
use super::scan::{CURRENT, alternatives, replace_current};
use super::text::Text;
use super::{
    MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, MAX_EXPRESSIONS, MAX_MOVES, MAX_VARIABLE_CHAIN,
    RulesError,
};

/// The namespace of XML Schema, for `xs:` in expressions.
const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of the functions of XPath.
const FUNCTIONS: &str = "http://www.w3.org/2005/xpath-functions";
/// Functions of XPath that read something other than the message.
const OUTSIDE: &[&str] = &["doc", "doc-available", "collection"];

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
    pub(super) schemas: Vec<Schema>,
    /// Regular expressions, kept between messages.
    pub(super) regexes: Mutex<Vec<RegexCache>>,
    facts: RulesFacts,
    /// Moves for one message.
    pub(super) moves: u64,
}

/// One rule file.
pub(super) struct Schema {
    pub(super) namespaces: NamespaceContextSnapshot,
    pub(super) functions: Functions,
    /// Variables with one value per message: of the schema, the phase and the patterns.
    pub(super) globals: Vec<Expr>,
    pub(super) patterns: Vec<Vec<Rule>>,
}

/// A compiled expression and the variables it needs.
pub(super) struct Expr {
    pub(super) xpath: XPathExpr,
    pub(super) needs: Vec<(VarSlotId, Var)>,
    /// How many variables must be known one after the other before it.
    chain: usize,
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Var {
    /// The node of the rule.
    Current,
    /// One of [`Schema::globals`].
    Global(usize),
    /// One of [`Rule::lets`].
    Local(usize),
}

/// A compiled rule.
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) context: Vec<Alternative>,
    pub(super) lets: Vec<Expr>,
    pub(super) checks: Vec<Check>,
}

/// An assertion or report.
pub(super) struct Check {
    pub(super) id: String,
    pub(super) test: Expr,
    /// It speaks when the test is true.
    pub(super) report: bool,
    pub(super) severity: RuleSeverity,
    pub(super) text: Text,
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
    pub(super) fn name_table(&self) -> NameTable {
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
    let bindings =
        prefixes.iter().map(|(prefix, uri)| (names.add(prefix), names.add(uri))).collect();
    let namespaces = NamespaceContextSnapshot { default_ns: None, bindings };
    let mut functions = Functions::default();
    for element in &plan.functions {
        functions.add(element, &prefixes, |before, body, parameters| {
            let context = XPathContext::new(names)
                .with_namespaces(namespaces.clone())
                .with_function_catalog(&before.catalog);
            compiled(body, parameters, &context, &element.place, before.depth())
        })?;
    }
    let context = XPathContext::new(names)
        .with_namespaces(namespaces.clone())
        .with_function_catalog(&functions.catalog);
    let called = functions.depth();
    let mut compiler = Compiler {
        called,
        locals: Vec::new(),
        names,
        prefixes,
        context,
        globals: Vec::new(),
        global_names: Vec::new(),
        facts,
    };
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

struct Compiler<'a> {
    names: &'a NameTable,
    prefixes: Vec<(String, String)>,
    context: XPathContext<'a>,
    globals: Vec<Expr>,
    /// Name and pattern of each global; schema and phase have none.
    global_names: Vec<(String, Option<usize>)>,
    /// The chains of the variables of the rule in hand.
    locals: Vec<usize>,
    /// The depth of the deepest function of the file.
    called: usize,
    facts: &'a mut RulesFacts,
}

/// Names that an expression may use.
struct Scope<'s> {
    pattern: Option<usize>,
    locals: &'s [String],
    current: bool,
}

impl Compiler<'_> {
    fn global(&mut self, element: &Element, pattern: Option<usize>) -> Result<(), RulesError> {
        let scope = Scope { pattern, locals: &[], current: false };
        let (name, expr) = self.variable(element, &scope)?;
        if self.global_names.contains(&(name.clone(), pattern)) {
            return Err(element.place.refuse(format_args!("the variable '{name}' is there twice")));
        }
        self.globals.push(expr);
        self.global_names.push((name, pattern));
        Ok(())
    }

    fn variable(
        &mut self,
        element: &Element,
        scope: &Scope<'_>,
    ) -> Result<(String, Expr), RulesError> {
        let name = element.required("name")?;
        let value = element.attribute("value").ok_or_else(|| {
            element.place.refuse(format_args!(
                "the variable '{name}' has no attribute 'value'; values as elements are not supported"
            ))
        })?;
        Ok((name.to_owned(), self.expression(value, &element.place, scope)?))
    }

    /// What each name means, the nearest meaning last.
    fn visible(&self, scope: &Scope<'_>) -> Vec<(String, Var)> {
        let globals = |wanted: &dyn Fn(Option<usize>) -> bool| {
            let all = self.global_names.iter().enumerate();
            let wanted = all.filter(|(_, (_, pattern))| wanted(*pattern));
            wanted.map(|(n, (name, _))| (name.clone(), Var::Global(n))).collect::<Vec<_>>()
        };
        // As XSLT has it, what one pattern declares can be seen by the others.
        let mut visible = globals(&|pattern| pattern.is_some() && pattern != scope.pattern);
        visible.extend(globals(&|pattern| pattern.is_none()));
        visible.extend(globals(&|pattern| pattern.is_some() && pattern == scope.pattern));
        visible.extend(scope.locals.iter().cloned().zip((0..).map(Var::Local)));
        visible.push((CURRENT.to_owned(), Var::Current));
        visible
    }

    fn expression(
        &mut self,
        text: &str,
        place: &Place,
        scope: &Scope<'_>,
    ) -> Result<Expr, RulesError> {
        self.facts.expressions += 1;
        if self.facts.expressions > MAX_EXPRESSIONS {
            return Err(place.refuse(format_args!("more than {MAX_EXPRESSIONS} expressions")));
        }
        let replaced = replace_current(text);
        if replaced.is_some() && !scope.current {
            return Err(place.refuse("current() is supported inside a rule only, not here"));
        }
        let text = replaced.as_deref().unwrap_or(text);
        let mut meant: Vec<(String, Var)> = Vec::new();
        for (name, var) in self.visible(scope) {
            if !text.contains(name.as_str()) {
                continue;
            }
            match meant.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = var,
                None => meant.push((name, var)),
            }
        }
        let variables: Vec<&str> = meant.iter().map(|(name, _)| name.as_str()).collect();
        let (xpath, _) = compiled(text, &variables, &self.context, place, self.called)?;
        let needs: Vec<_> = xpath
            .external_vars()
            .iter()
            .zip(&meant)
            .filter(|(variable, _)| xpath.references_external_var(variable.slot))
            .map(|(variable, (_, var))| (variable.slot, *var))
            .collect();
        let chains = needs.iter().map(|(_, var)| match var {
            Var::Current => 0,
            Var::Global(n) => self.globals.get(*n).map_or(0, |expr| expr.chain),
            Var::Local(n) => self.locals.get(*n).copied().unwrap_or(0),
        });
        let chain = 1 + chains.max().unwrap_or(0);
        if chain > MAX_VARIABLE_CHAIN {
            return Err(place.refuse(format_args!(
                "more than {MAX_VARIABLE_CHAIN} variables that need each other one after the other"
            )));
        }
        Ok(Expr { xpath, needs, chain })
    }

    fn rule(
        &mut self,
        plan: &RulePlan,
        pattern: &PatternPlan,
        number: usize,
        diagnostics: &HashMap<&str, &Element>,
    ) -> Result<Rule, RulesError> {
        self.facts.rules += 1;
        let element = &plan.element;
        let scope = Scope { pattern: Some(number), locals: &[], current: false };
        let context = element.required("context")?;
        let mut alternative = |text| self.alternative(text, &element.place, &scope);
        let context =
            alternatives(context).into_iter().map(&mut alternative).collect::<Result<_, _>>()?;
        let id = element.attribute("id").unwrap_or(&pattern.id).to_owned();
        let mut rule = Rule { id, context, lets: Vec::new(), checks: Vec::new() };
        let mut locals: Vec<String> = Vec::new();
        self.locals.clear();
        for part in &plan.parts {
            let scope = Scope { pattern: Some(number), locals: &locals, current: true };
            if part.local == "let" {
                let (name, expr) = self.variable(part, &scope)?;
                self.locals.push(expr.chain);
                rule.lets.push(expr);
                locals.push(name);
                continue;
            }
            self.facts.checks += 1;
            let test = self.expression(part.required("test")?, &part.place, &scope)?;
            let mut compile = |e: &Element, text: &str| self.expression(text, &e.place, &scope);
            let mut text = Text::read(part, &mut compile)?;
            for id in part.attribute("diagnostics").unwrap_or_default().split_whitespace() {
                let diagnostic = diagnostics.get(id).ok_or_else(|| {
                    part.place.refuse(format_args!("there is no diagnostic '{id}'"))
                })?;
                text.append(Text::read(diagnostic, &mut compile)?);
            }
            let graded = [part, element]
                .into_iter()
                .flat_map(|e| [e.attribute("role"), e.attribute("flag")].into_iter().flatten());
            let severity =
                graded.filter_map(RuleSeverity::of).next().unwrap_or(RuleSeverity::Error);
            let id = part.attribute("id").unwrap_or(&rule.id).to_owned();
            let report = part.local == "report";
            rule.checks.push(Check { id, test, report, severity, text });
        }
        Ok(rule)
    }

    fn alternative(
        &mut self,
        text: &str,
        place: &Place,
        scope: &Scope<'_>,
    ) -> Result<Alternative, RulesError> {
        if text == "/" {
            return Ok(Alternative::Root);
        }
        if let Some(why) = not_a_pattern(text) {
            return Err(place.refuse(format_args!("the context is no pattern of XSLT 2.0: {why}")));
        }
        let whole = self.expression(&as_expression(text), place, scope)?;
        let by_name = match path_of_names(text) {
            Some(written) => self.steps(&written, place, scope)?,
            None => None,
        };
        Ok(match by_name {
            Some(steps) => {
                self.facts.contexts_by_name += 1;
                Alternative::Steps { steps, otherwise: whole }
            }
            None => {
                self.facts.contexts_by_expression += 1;
                Alternative::Expression(whole)
            }
        })
    }

    /// `None`: a condition asks for the place among the siblings.
    fn steps(
        &mut self,
        written: &[Written<'_>],
        place: &Place,
        scope: &Scope<'_>,
    ) -> Result<Option<Vec<Step>>, RulesError> {
        let mut steps = Vec::new();
        for step in written {
            let namespace = match step.prefix {
                None => None,
                Some("") => Some(String::new()),
                Some(prefix) => {
                    let known = self.prefixes.iter().find(|(known, _)| known == prefix);
                    Some(known.map(|(_, uri)| uri.clone()).ok_or_else(|| {
                        place.refuse(format_args!("the prefix '{prefix}' is not declared"))
                    })?)
                }
            };
            let mut conditions = Vec::new();
            for text in &step.conditions {
                let condition = self.expression(text, place, scope)?;
                if condition.xpath.uses_position() || condition.xpath.uses_last() {
                    return Ok(None);
                }
                conditions.push(condition);
            }
            steps.push(Step {
                attribute: step.attribute,
                local: step.local.map(|local| (self.names.add(local), local.into())),
                namespace: namespace.map(Into::into),
                conditions,
                before: step.before,
            });
        }
        Ok(Some(steps))
    }
}

/// Compiles an expression; also says how deep it and what it calls are nested. `called` is the
/// depth of the functions it may call.
fn compiled(
    text: &str,
    variables: &[&str],
    context: &XPathContext<'_>,
    place: &Place,
    called: usize,
) -> Result<(XPathExpr, usize), RulesError> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(
            place.refuse(format_args!("an expression of more than {MAX_EXPRESSION_BYTES} bytes"))
        );
    }
    let bad = |error: XPathError| {
        place.refuse(format_args!("the expression '{}' cannot be used: {error}", short(text)))
    };
    // The engine compiles and evaluates by recursion; how deep is known before.
    let parsed = parse(text).map_err(|error| bad(error.into()))?;
    let mut depth = expression_depth(&parsed.arena, parsed.root);
    let too_deep = || {
        place.refuse(format_args!(
            "the expression '{}' is nested deeper than {MAX_EXPRESSION_DEPTH}",
            short(text)
        ))
    };
    if depth > MAX_EXPRESSION_DEPTH {
        return Err(too_deep());
    }
    let xpath = XPathExpr::compile_with_vars(text, context, variables).map_err(bad)?;
    let own = |namespace: &str| namespace != XS && !namespace.starts_with(FUNCTIONS);
    if xpath.function_calls().iter().any(|call| own(&call.namespace)) {
        depth += called;
    }
    if depth > MAX_EXPRESSION_DEPTH {
        return Err(too_deep());
    }
    let outside = xpath.function_calls().iter().find(|call| OUTSIDE.contains(&&*call.local_name));
    match outside {
        Some(call) => Err(place.refuse(format_args!(
            "the function {}() reads more than the message, which rules may not",
            call.local_name
        ))),
        None => Ok((xpath, depth)),
    }
}

/// Enough of an expression to find it by.
fn short(text: &str) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = words.char_indices().nth(120) {
        words.truncate(at);
        words.push('…');
    }
    words
}
