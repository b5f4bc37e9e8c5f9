//! Variables and expressions of a schema.

use xsd_schema::namespace::table::NameTable;
use xsd_schema::xpath::XPathContext;

use super::super::document::{Element, Place};
use super::super::expression::Expression;
use super::super::scan::{CURRENT, replace_current};
use super::super::{MAX_EXPRESSIONS, MAX_VARIABLE_CHAIN, RulesError};
use super::{Expr, RulesFacts, Var};

/// Compiles what a schema holds, and knows what its names mean.
pub(super) struct Compiler<'a> {
    pub(super) names: &'a NameTable,
    pub(super) prefixes: Vec<(String, String)>,
    context: XPathContext<'a>,
    pub(super) globals: Vec<Expr>,
    /// Name and pattern of each global; schema and phase have none.
    global_names: Vec<(String, Option<usize>)>,
    /// The chains of the variables of the rule in hand.
    pub(super) locals: Vec<usize>,
    /// The depth of the deepest function of the file.
    called: usize,
    pub(super) facts: &'a mut RulesFacts,
}

/// Names that an expression may use.
pub(super) struct Scope<'s> {
    pub(super) pattern: Option<usize>,
    pub(super) locals: &'s [String],
    pub(super) current: bool,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        names: &'a NameTable,
        prefixes: Vec<(String, String)>,
        context: XPathContext<'a>,
        called: usize,
        facts: &'a mut RulesFacts,
    ) -> Self {
        Self {
            names,
            prefixes,
            context,
            globals: Vec::new(),
            global_names: Vec::new(),
            locals: Vec::new(),
            called,
            facts,
        }
    }

    pub(super) fn global(
        &mut self,
        element: &Element,
        pattern: Option<usize>,
    ) -> Result<(), RulesError> {
        let scope = Scope { pattern, locals: &[], current: false };
        let (name, expr) = self.variable(element, &scope)?;
        if self.global_names.contains(&(name.clone(), pattern)) {
            return Err(element.place.refuse(format_args!("the variable '{name}' is there twice")));
        }
        self.globals.push(expr);
        self.global_names.push((name, pattern));
        Ok(())
    }

    pub(super) fn variable(
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

    pub(super) fn expression(
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
        let (xpath, _) = Expression::compile(text, &variables, &self.context, place, self.called)?;
        let used = xpath.uses.iter().filter_map(|(at, slot)| Some((*slot, meant.get(*at)?.1)));
        let needs: Vec<_> = used.collect();
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
}
