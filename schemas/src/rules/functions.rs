//! Functions that a rule file defines: `xsl:function` with parameters and one `xsl:sequence`.
//! That much is XPath with a name; everything beyond it is refused.

use xsd_schema::types::sequence::SequenceType;
use xsd_schema::xpath::functions::{
    BuiltinEvaluator, DynamicFunctionSignature, FunctionEvaluator, FunctionHandle, FunctionSet,
};
use xsd_schema::xpath::{DynamicContext, XPathContext, XPathError, XPathExpr, XPathValue};

use super::RulesError;
use super::assemble::XSLT;
use super::document::{Child, Element};
use super::navigator::Nav;

/// The functions of one schema. A function may call those before it, so none calls itself.
#[derive(Default)]
pub(super) struct Functions {
    /// Tells the compiler of expressions their names; it never calls them.
    pub(super) catalog: FunctionSet<Nav<'static>>,
    bodies: Vec<(FunctionHandle, XPathExpr)>,
    depth: usize,
}

impl Functions {
    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
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
        compile: impl FnOnce(&Self, &str, &[&str]) -> Result<(XPathExpr, usize), RulesError>,
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

/// Calls functions of the rule file, and the built-in ones.
pub(super) struct Caller<'d> {
    pub(super) functions: &'d Functions,
    pub(super) context: &'d XPathContext<'d>,
}

impl<'d> FunctionEvaluator<Nav<'d>> for Caller<'d> {
    fn eval(
        &self,
        handle: FunctionHandle,
        ctx: &mut DynamicContext<'_, Nav<'d>>,
        args: Vec<XPathValue<Nav<'d>>>,
    ) -> Result<XPathValue<Nav<'d>>, XPathError> {
        let known = self.functions.bodies.iter().find(|(known, _)| *known == handle);
        let Some((_, body)) = known else { return BuiltinEvaluator.eval(handle, ctx, args) };
        let now = ctx.current_datetime.clone();
        body.evaluator(self.context).run_with(|run| {
            for (slot, value) in (0..).zip(args) {
                run.set_variable(slot, value);
            }
            run.context().current_datetime = now;
            run.context().set_function_evaluator(Some(self));
        })
    }
}
