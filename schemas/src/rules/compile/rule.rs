//! Rules, their contexts and their assertions.

use std::collections::HashMap;

use super::super::RulesError;
use super::super::assemble::{PatternPlan, RulePlan};
use super::super::context::{
    Alternative, Step, Written, as_expression, not_a_pattern, path_of_names,
};
use super::super::document::{Element, Place};
use super::super::finding::RuleSeverity;
use super::super::scan::alternatives;
use super::super::text::Text;
use super::compiler::{Compiler, Scope};
use super::{Check, Rule};

impl Compiler<'_> {
    pub(super) fn rule(
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
                if condition.xpath.asks_for_place {
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
