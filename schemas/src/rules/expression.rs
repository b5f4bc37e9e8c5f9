//! A compiled expression, with the functions in it that keep the budget.

use xsd_schema::types::value::DateTimeValue;
use xsd_schema::xpath::ast::ValueNode;
use xsd_schema::xpath::{
    AstArena, AstNode, AstNodeId, DynamicContext, NameBinder, VarSlotId, XPathContext, XPathError,
    XPathExpr, bind_node, eval_node, expression_depth, parse,
};

use super::document::Place;
use super::functions::Caller;
use super::meter::{self, MAX_DIGITS};
use super::navigator::Nav;
use super::run::Value;
use super::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, RulesError, regex};

/// The namespace of XML Schema, for `xs:` in expressions.
pub(super) const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of the functions of XPath.
const FUNCTIONS: &str = "http://www.w3.org/2005/xpath-functions";
/// Functions of XPath that read something other than the message.
const OUTSIDE: &[&str] = &["doc", "doc-available", "collection"];
/// Functions that take a pattern as their second argument.
const PATTERNS: &[&str] = &["matches", "replace", "tokenize"];

/// A compiled expression.
pub(super) struct Expression {
    arena: AstArena,
    root: AstNodeId,
    /// Variables in it, those it is given first.
    slots: usize,
    /// It asks for the place among the items looked at, or for their number.
    pub(super) asks_for_place: bool,
    /// The variables given that it uses, by their place among those it could use.
    pub(super) uses: Vec<(usize, VarSlotId)>,
}

impl Expression {
    /// Compiles an expression; also says how deep it and what it calls are nested. `called` is the
    /// depth of the functions it may call.
    pub(super) fn compile(
        text: &str,
        variables: &[&str],
        context: &XPathContext<'_>,
        place: &Place,
        called: usize,
    ) -> Result<(Self, usize), RulesError> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(place
                .refuse(format_args!("an expression of more than {MAX_EXPRESSION_BYTES} bytes")));
        }
        let bad = |error: XPathError| {
            place.refuse(format_args!("the expression '{}' cannot be used: {error}", short(text)))
        };
        let too_deep = || {
            place.refuse(format_args!(
                "the expression '{}' is nested deeper than {MAX_EXPRESSION_DEPTH}",
                short(text)
            ))
        };
        // The engine compiles and evaluates by recursion; how deep is known before.
        let mut parsed = parse(text).map_err(|error| bad(error.into()))?;
        if expression_depth(&parsed.arena, parsed.root) > MAX_EXPRESSION_DEPTH {
            return Err(too_deep());
        }
        if meter::longest_number(&parsed.arena) > MAX_DIGITS {
            return Err(place.refuse(format_args!("a number of more than {MAX_DIGITS} digits")));
        }
        for (pattern, flags) in written_patterns(&parsed.arena) {
            let mut asked = DynamicContext::<Nav<'_>>::new(context, 0);
            if let Some(why) = regex::refusal(pattern, flags, &mut asked) {
                return Err(place.refuse(format_args!("the pattern '{}' {why}", short(pattern))));
            }
        }
        // As it is written, for what it says about itself.
        let written = XPathExpr::compile_with_vars(text, context, variables).map_err(bad)?;
        meter::put_into(&mut parsed.arena);
        let mut depth = expression_depth(&parsed.arena, parsed.root);
        let own = |namespace: &str| namespace != XS && !namespace.starts_with(FUNCTIONS);
        if written.function_calls().iter().any(|call| own(&call.namespace)) {
            depth += called;
        }
        if depth > MAX_EXPRESSION_DEPTH {
            return Err(too_deep());
        }
        let calls = written.function_calls();
        if let Some(call) = calls.iter().find(|call| OUTSIDE.contains(&&*call.local_name)) {
            return Err(place.refuse(format_args!(
                "the function {}() reads more than the message, which rules may not",
                call.local_name
            )));
        }
        let mut binder = NameBinder::new();
        for variable in written.external_vars() {
            binder.push_var(variable.name.clone());
        }
        binder.mark_external_boundary();
        bind_node(&mut parsed.arena, parsed.root, context, &mut binder).map_err(bad)?;
        let given = written.external_vars().iter().enumerate();
        let used = given.filter(|(_, variable)| written.references_external_var(variable.slot));
        let expression = Self {
            arena: parsed.arena,
            root: parsed.root,
            slots: binder.len(),
            asks_for_place: written.uses_position() || written.uses_last(),
            uses: used.map(|(at, variable)| (at, variable.slot)).collect(),
        };
        Ok((expression, depth))
    }

    /// Its value at a node, with what its variables stand for.
    pub(super) fn run<'c, 'd: 'c>(
        &self,
        caller: &'c Caller<'d>,
        at: Option<Nav<'d>>,
        now: Option<DateTimeValue>,
        variables: impl IntoIterator<Item = (VarSlotId, Value<'d>)>,
    ) -> Result<Value<'d>, XPathError> {
        let mut context = DynamicContext::<'c, Nav<'d>>::new(caller.context, self.slots);
        if let Some(at) = at {
            context = context.with_context_node(at);
        }
        for (slot, value) in variables {
            context.set_variable(slot, value);
        }
        context.current_datetime = now;
        context.set_function_evaluator(Some(caller));
        eval_node(&self.arena, self.root, &mut context)
    }
}

/// Patterns written as such in the expression, with their flags; a pattern whose flags are only
/// known later is not among them.
fn written_patterns(arena: &AstArena) -> impl Iterator<Item = (&str, &str)> {
    arena.iter().filter_map(|(_, node)| {
        let AstNode::FunctionCall(call) = node else { return None };
        let pattern = call.args.get(1).filter(|_| PATTERNS.contains(&&*call.local_name))?;
        let flags = call.args.get(if call.local_name == "replace" { 3 } else { 2 });
        let flags = flags.map_or(Some(""), |flags| literal(arena, *flags))?;
        Some((literal(arena, *pattern)?, flags))
    })
}

/// The text that an expression is, if it is nothing else.
fn literal(arena: &AstArena, id: AstNodeId) -> Option<&str> {
    let mut at = arena.get(id);
    loop {
        // What only holds one other thing.
        at = match at {
            AstNode::Expr(inner) if inner.items.len() == 1 => arena.get(inner.items[0]),
            AstNode::PathExpr(inner) if inner.steps.len() == 1 => arena.get(inner.steps[0]),
            AstNode::FilterExpr(inner) if inner.predicates.is_empty() => arena.get(inner.base),
            AstNode::Value(ValueNode::String(text)) => return Some(&**text),
            _ => return None,
        };
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
