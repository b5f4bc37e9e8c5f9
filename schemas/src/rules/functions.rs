//! Functions that a rule file defines: `xsl:function` with parameters and one `xsl:sequence`.
//! That much is XPath with a name; everything beyond it is refused.

use xsd_schema::types::sequence::SequenceType;
use xsd_schema::xpath::functions::{
    BuiltinEvaluator, DynamicFunctionSignature, FunctionEvaluator, FunctionHandle, FunctionId,
    FunctionSet,
};
use xsd_schema::xpath::{DynamicContext, XPathContext, XPathError};

use super::RulesError;
use super::assemble::XSLT;
use super::distinct;
use super::document::{Child, Element};
use super::expression::Expression;
use super::meter::{self, MAX_ITEMS, MAX_STRING, Meter, Sides};
use super::navigator::{Budget, Nav};
use super::regex::{self, Patterns};
use super::run::Value;

/// The functions of one schema. A function may call those before it, so none calls itself.
pub(super) struct Functions {
    /// Tells the compiler of expressions their names; it never calls them.
    pub(super) catalog: FunctionSet<Nav<'static>>,
    meters: Vec<(FunctionHandle, Meter)>,
    bodies: Vec<(FunctionHandle, Expression)>,
    depth: usize,
}

impl Functions {
    /// None of its own yet, but those that keep the budget.
    pub(super) fn new() -> Self {
        let mut catalog = FunctionSet::default();
        let meters = meter::register(&mut catalog);
        Self { catalog, meters, bodies: Vec::new(), depth: 0 }
    }

    /// How deep the deepest of them is nested, with what it calls.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Adds a function; `compile` gets the text of its body and the names of its parameters.
    pub(super) fn add(
        &mut self,
        element: &Element,
        prefixes: &[(String, String)],
        compile: impl FnOnce(&Self, &str, &[&str]) -> Result<(Expression, usize), RulesError>,
    ) -> Result<(), RulesError> {
        let name = element.required("name")?;
        let refuse = |what: &str| {
            element.place.refuse(format_args!(
                "xsl:function {name}: {what}; only parameters without a type and one xsl:sequence \
                 with a select are supported"
            ))
        };
        let (prefix, local) = name.split_once(':').ok_or_else(|| refuse("it has no prefix"))?;
        let namespace = prefixes.iter().find(|(known, _)| known == prefix).map(|(_, uri)| uri);
        let namespace = namespace.ok_or_else(|| refuse("its prefix is not declared"))?;
        let mut parameters = Vec::new();
        let mut body = None;
        for child in &element.children {
            match child {
                Child::Text(text) if text.trim().is_empty() => {}
                Child::Element(e) if e.is(XSLT, "param") && body.is_none() => {
                    if e.attributes.len() != 1 || e.elements().next().is_some() {
                        return Err(refuse("a parameter has a type or a value"));
                    }
                    parameters.push(e.required("name")?);
                }
                Child::Element(e) if e.is(XSLT, "sequence") && body.is_none() => {
                    body = Some(e.required("select")?);
                }
                Child::Element(e) => {
                    return Err(refuse(&format!("it holds the element '{}'", e.local)));
                }
                Child::Text(_) => return Err(refuse("it holds text")),
            }
        }
        let body = body.ok_or_else(|| refuse("it has no body"))?;
        let body = match element.attribute("as") {
            Some(kind) => format!("({body}) treat as {kind}"),
            None => body.to_owned(),
        };
        let (body, depth) = compile(self, &body, &parameters)?;
        self.depth = self.depth.max(depth);
        let types = parameters.iter().map(|_| SequenceType::any()).collect();
        let signature =
            DynamicFunctionSignature::new(namespace.as_str(), local, types, SequenceType::any());
        let never = |_: &mut DynamicContext<'_, Nav<'static>>, _| {
            Err(XPathError::Internal("called by its description".to_owned()))
        };
        let handle = self.catalog.register(signature, never);
        self.bodies.push((handle, body));
        Ok(())
    }
}

/// Calls functions of the rule file, and the built-in ones, and takes for them from the budget.
pub(super) struct Caller<'d> {
    pub(super) functions: &'d Functions,
    pub(super) context: &'d XPathContext<'d>,
    pub(super) budget: &'d Budget<'d>,
    pub(super) patterns: &'d Patterns,
    pub(super) sides: Sides,
}

impl<'d> FunctionEvaluator<Nav<'d>> for Caller<'d> {
    fn eval(
        &self,
        handle: FunctionHandle,
        ctx: &mut DynamicContext<'_, Nav<'d>>,
        args: Vec<Value<'d>>,
    ) -> Result<Value<'d>, XPathError> {
        if handle.is_builtin() {
            return self.builtin(handle, ctx, args);
        }
        if let Some((_, meter)) = self.functions.meters.iter().find(|(known, _)| *known == handle) {
            return meter.run(args, self.budget, &self.sides);
        }
        let known = self.functions.bodies.iter().find(|(known, _)| *known == handle);
        let Some((_, body)) = known else { return BuiltinEvaluator.eval(handle, ctx, args) };
        self.budget.take(meter::CALL);
        args.iter().for_each(|value| meter::read(value, self.budget));
        let now = ctx.current_datetime.clone();
        body.run(self, None, now, (0..).zip(args))
    }
}

impl<'d> Caller<'d> {
    fn builtin(
        &self,
        handle: FunctionHandle,
        ctx: &mut DynamicContext<'_, Nav<'d>>,
        args: Vec<Value<'d>>,
    ) -> Result<Value<'d>, XPathError> {
        let budget = self.budget;
        budget.take(meter::CALL);
        args.iter().for_each(|value| meter::read(value, budget));
        let value = match regex::function(handle) {
            Some(function) => regex::call(function, &args, self.patterns, budget, ctx)?,
            None if handle == FunctionId::DistinctValues.into() && args.len() == 1 => {
                distinct::values(args, budget, ctx)?
            }
            None => {
                self.before(handle, &args)?;
                BuiltinEvaluator.eval(handle, ctx, args)?
            }
        };
        meter::made(&value, budget);
        Ok(value)
    }

    /// What some functions cost beyond the size of what they are given.
    fn before(&self, handle: FunctionHandle, args: &[Value<'d>]) -> Result<(), XPathError> {
        let budget = self.budget;
        let is = |id: FunctionId| handle == id.into();
        let bytes = |at: usize| args.get(at).map_or(0, |value| meter::text_bytes(value, budget));
        let count = |at: usize| args.get(at).map_or(0, Value::len);
        if is(FunctionId::Concat) || is(FunctionId::StringJoin) {
            let all = (0..args.len()).map(bytes).fold(0, usize::saturating_add);
            let between =
                if is(FunctionId::StringJoin) { bytes(1).saturating_mul(count(0)) } else { 0 };
            if all.saturating_add(between) > MAX_STRING {
                budget.spend();
            }
        } else if is(FunctionId::Translate) {
            budget.take((bytes(0) as u64).saturating_mul(1 + bytes(1) as u64 / 4) / 32);
        } else if is(FunctionId::StringToCodepoints) {
            let items = bytes(0);
            if items > MAX_ITEMS {
                budget.spend();
            }
            budget.take(items as u64);
        } else if is(FunctionId::DistinctValues) {
            budget.take(distinct::pairs(count(0)));
        } else if is(FunctionId::CodepointsToString) {
            args.first().map_or(Ok(()), |value| meter::digits(value, budget))?;
        } else if is(FunctionId::Remove)
            || is(FunctionId::InsertBefore)
            || is(FunctionId::RoundHalfToEven)
        {
            args.get(1).map_or(Ok(()), |value| meter::digits(value, budget))?;
        }
        Ok(())
    }
}
