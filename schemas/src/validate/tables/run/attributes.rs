//! Attributes of an element (Structures 3.4.4, clauses 3 to 5; 3.2.4).

use crate::validate::finding::{Finding, Subject, explain};
use crate::xml::{Attribute, StartTag};

use super::super::components::{ANY_TYPE, AttributeUse, Complex};
use super::super::identity::Value;
use super::super::simple::Broken;
use super::super::{Process, SimpleId, Symbol, TypeId, XSI};
use super::{GaveUp, Run, Within};

/// Who judges an attribute.
enum Judge<'t> {
    /// A declaration.
    By(&'t AttributeUse),
    /// Nobody: it may stand there whatever it says.
    Nobody,
    /// Nobody, and it counts as not there.
    Skipped,
}

impl<'t> Run<'t> {
    pub(super) fn attributes(&mut self, tag: &StartTag) -> Result<(), GaveUp> {
        let tables = self.tables;
        let complex = match self.open[self.depth - 1].kind {
            Some(TypeId::Complex(id)) => Some(tables.complex(id)),
            Some(TypeId::Simple(_)) => None,
            // Nobody declared it: anything may stand there, and what is declared is followed.
            None => Some(tables.complex(ANY_TYPE)),
        };
        let wanted = self.keys.wants_attributes();
        let (mut required, mut ids) = (0, 0);
        for attribute in &tag.attributes {
            if attribute.namespace == XSI && self.instance_attribute(attribute, wanted) {
                continue;
            }
            let symbol = tables.symbols.find(&attribute.namespace, &attribute.local);
            let judge = complex.map(|complex| self.judge(complex, symbol, &attribute.namespace));
            match judge {
                Some(Ok(Judge::By(declared))) => {
                    required += usize::from(declared.required);
                    ids += usize::from(tables.simple.identifies_element(declared.kind));
                    self.declared_attribute(declared, attribute, symbol, wanted)?;
                }
                Some(Ok(Judge::Nobody)) => {
                    self.field(attribute, symbol, wanted, Value::NoSimpleType);
                }
                Some(Ok(Judge::Skipped)) => {}
                Some(Err(rule)) => self.unwanted(rule, attribute),
                None => self.unwanted("cvc-complex-type.3.2.1", attribute),
            }
        }
        let Some(complex) = complex else { return Ok(()) };
        if ids > 1 {
            self.report("cvc-complex-type.5", tag.position, &[]);
        }
        if required < complex.required {
            self.missing(complex, tag);
        }
        if complex.has_defaults {
            self.defaults(complex, tag, wanted)?;
        }
        Ok(())
    }

    /// The type that governs an attribute of the innermost open element.
    pub(super) fn type_of(&self, attribute: &Attribute) -> Option<SimpleId> {
        let open = &self.open[self.depth - 1];
        let complex = match open.kind {
            _ if open.content == Within::Skip => return None,
            Some(TypeId::Simple(_)) => return None,
            Some(TypeId::Complex(id)) => self.tables.complex(id),
            None => self.tables.complex(ANY_TYPE),
        };
        let symbol = self.tables.symbols.find(&attribute.namespace, &attribute.local);
        match self.judge(complex, symbol, &attribute.namespace) {
            Ok(Judge::By(declared)) => Some(declared.kind),
            _ => None,
        }
    }

    fn judge(
        &self,
        complex: &'t Complex,
        symbol: Option<Symbol>,
        namespace: &str,
    ) -> Result<Judge<'t>, &'static str> {
        let tables = self.tables;
        if let Some(symbol) = symbol
            && let Ok(n) = complex.uses.binary_search_by_key(&symbol, |one| one.name)
        {
            return Ok(Judge::By(&complex.uses[n]));
        }
        let wildcard = complex.wildcard.map(|id| tables.wildcard(id));
        let wildcard = wildcard.filter(|wildcard| wildcard.allows(namespace));
        let global = tables.global(symbol).attribute.map(|n| &tables.attributes[n as usize]);
        match (wildcard.map(|wildcard| wildcard.process), global) {
            (None, _) => Err("cvc-complex-type.3.2.2"),
            (Some(Process::Skip), _) => Ok(Judge::Skipped),
            (Some(_), Some(declared)) => Ok(Judge::By(declared)),
            (Some(Process::Lax), None) => Ok(Judge::Nobody),
            (Some(Process::Strict), None) => Err("cvc-assess-attr.1.2"),
        }
    }

    fn declared_attribute(
        &mut self,
        declared: &'t AttributeUse,
        attribute: &Attribute,
        symbol: Option<Symbol>,
        wanted: bool,
    ) -> Result<(), GaveUp> {
        let tables = self.tables;
        let simple = &tables.simple;
        let fixed = declared.value.as_ref().filter(|value| value.fixed);
        let wanted = wanted && self.keys.wants_attribute(symbol, &attribute.namespace);
        let checked = if fixed.is_some() || wanted {
            self.octets.clear();
            simple.value(declared.kind, &attribute.value, &self.scope, &mut self.octets)
        } else {
            simple.check(declared.kind, &attribute.value, &self.scope)
        };
        let long = checked == Err(Broken::LONG_KEY);
        if long && wanted {
            return Err(GaveUp);
        }
        if let Err(broken) = checked
            && !long
        {
            let expected = simple.expected(declared.kind, broken.rule).map(str::to_owned);
            let expected: Vec<String> = expected.into_iter().collect();
            self.report_value(broken.rule, attribute, symbol, &expected);
            self.field(attribute, symbol, wanted, Value::Invalid);
            return Ok(());
        }
        if let Some(fixed) = fixed
            && (long || fixed.key.as_deref().is_some_and(|key| *key != *self.octets))
        {
            let expected = [fixed.text.to_string()];
            self.report_value("cvc-attribute.4", attribute, symbol, &expected);
        }
        if wanted {
            let octets = Value::Octets(&self.octets);
            self.keys.attribute(symbol, &attribute.namespace, octets);
        }
        if simple.identifies(declared.kind) {
            let name = Some(declared.name);
            self.identify(declared.kind, &attribute.value, attribute.position, name)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        attribute: &Attribute,
        symbol: Option<Symbol>,
        wanted: bool,
        value: Value<'_>,
    ) {
        if wanted {
            self.keys.attribute(symbol, &attribute.namespace, value);
        }
    }

    /// The attributes of `xsi` itself (Structures 2.6), which every element may have. False where
    /// it is none of the four.
    fn instance_attribute(&mut self, attribute: &Attribute, wanted: bool) -> bool {
        match attribute.local.as_str() {
            // Its value was judged when the type was looked for.
            "type" => {}
            "nil" => {
                let value = attribute.value.trim_matches([' ', '\t', '\n', '\r']);
                if !matches!(value, "true" | "false" | "1" | "0") {
                    let expected = ["xs:boolean".to_owned()];
                    let finding = self.explained("cvc-datatype-valid.1.2.1", attribute, &expected);
                    self.add(finding);
                }
            }
            // Hints load nothing here, so whatever they say is no reason to refuse.
            "schemaLocation" | "noNamespaceSchemaLocation" => {}
            _ => return false,
        }
        if wanted {
            let symbol = self.tables.symbols.find(&attribute.namespace, &attribute.local);
            self.field(attribute, symbol, wanted, Value::NoSimpleType);
        }
        true
    }

    fn missing(&mut self, complex: &'t Complex, tag: &StartTag) {
        let symbols = &self.tables.symbols;
        for one in complex.uses.iter().filter(|one| one.required) {
            let (namespace, local) = (symbols.namespace(one.name), symbols.local(one.name));
            if tag.attribute_ns(namespace, local).is_none() {
                let expected = [symbols.local(one.name).to_owned()];
                self.report("cvc-complex-type.4", tag.position, &expected);
            }
        }
    }

    /// Defaults of attributes that are not there: they are fields of keys, and IDs.
    fn defaults(
        &mut self,
        complex: &'t Complex,
        tag: &StartTag,
        wanted: bool,
    ) -> Result<(), GaveUp> {
        let tables = self.tables;
        for one in complex.uses.iter().filter(|one| !one.required) {
            let Some(value) = &one.value else { continue };
            let identifies = tables.simple.identifies(one.kind);
            if !wanted && !identifies {
                continue;
            }
            let (namespace, local) =
                (tables.symbols.namespace(one.name), tables.symbols.local(one.name));
            if tag.attribute_ns(namespace, local).is_some() {
                continue;
            }
            if wanted && let Some(key) = &value.key {
                self.keys.attribute(Some(one.name), namespace, Value::Octets(key));
            }
            if identifies {
                self.identify(one.kind, &value.text, tag.position, Some(one.name))?;
            }
        }
        Ok(())
    }

    /// An attribute that nobody asked for.
    fn unwanted(&mut self, rule: &'static str, attribute: &Attribute) {
        let expected = match self.open[self.depth - 1].kind {
            Some(TypeId::Complex(id)) => self.attributes_of(id),
            _ => Vec::new(),
        };
        let finding = self.explained(rule, attribute, &expected);
        self.add(if expected.is_empty() {
            finding.expecting("kein Attribut", "no attribute")
        } else {
            finding
        });
    }

    /// A value that is wrong.
    fn report_value(
        &mut self,
        rule: &'static str,
        attribute: &Attribute,
        symbol: Option<Symbol>,
        expected: &[String],
    ) {
        let finding = self.explained(rule, attribute, expected);
        self.add_about_attribute(finding, attribute, symbol);
    }

    fn explained(&self, rule: &'static str, attribute: &Attribute, expected: &[String]) -> Finding {
        let subject = Subject { name: &attribute.local, attribute: true, expected, at_end: false };
        let path = format!("{}/@{}", self.way.path(), attribute.local);
        explain(rule, &subject).at(attribute.position, &path)
    }
}
