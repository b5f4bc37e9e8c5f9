//! What a type demands, in words of the schema: for whoever has to correct a value.

use xsd_schema::types::facets::FacetSet;

use crate::validate::finding::UNITS;

/// Most listed values that are named; the others are counted.
const MAX_LISTED: usize = 12;
/// Longest pattern or value that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// What a value should be like, by the rule that it may break. All of it comes from the schema.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// The built-in type that it is made of, or those of its members: `xs:date`.
    form: Box<str>,
    patterns: Box<str>,
    listed: Box<str>,
    lengths: [Box<str>; 3],
    range: Box<str>,
    digits: Box<str>,
}

impl Expected {
    /// Of a type made of this form, with these facets; `list`: its values are lists.
    pub(super) fn of(form: &str, facets: &FacetSet, list: bool) -> Self {
        // Datatypes 4.3.1.3: what a length counts.
        let unit = match form {
            _ if list => UNITS[2],
            "xs:hexBinary" | "xs:base64Binary" => UNITS[1],
            _ => UNITS[0],
        };
        let steps = facets.patterns.iter().filter(|step| !step.is_empty()).map(|step| {
            let texts = step.iter().map(|pattern| pattern.value.as_str());
            texts.collect::<Vec<_>>().join(" | ")
        });
        let range = [
            ("≥", facets.min_inclusive.as_ref().map(|facet| &facet.value)),
            (">", facets.min_exclusive.as_ref().map(|facet| &facet.value)),
            ("≤", facets.max_inclusive.as_ref().map(|facet| &facet.value)),
            ("<", facets.max_exclusive.as_ref().map(|facet| &facet.value)),
        ];
        let range = range.iter().filter_map(|(sign, value)| Some(format!("{sign} {}", (*value)?)));
        let digits = [
            facets.total_digits.as_ref().map(|facet| ("totalDigits", facet.value)),
            facets.fraction_digits.as_ref().map(|facet| ("fractionDigits", facet.value)),
        ];
        let digits = digits.iter().flatten().map(|(name, value)| format!("{name} ≤ {value}"));
        let length = |sign: &str, value: Option<u64>| {
            let text = value.map(|value| format!("{sign} {value} {unit}"));
            text.unwrap_or_default().into_boxed_str()
        };
        Self {
            form: form.into(),
            patterns: shown(&steps.collect::<Vec<_>>().join(" & ")),
            listed: listed(facets),
            lengths: [
                length("=", facets.length.as_ref().map(|facet| facet.value)),
                length("≥", facets.min_length.as_ref().map(|facet| facet.value)),
                length("≤", facets.max_length.as_ref().map(|facet| facet.value)),
            ],
            range: shown(&range.collect::<Vec<_>>().join(", ")),
            digits: digits.collect::<Vec<_>>().join(", ").into(),
        }
    }

    /// The form.
    pub(super) fn form(&self) -> &str {
        &self.form
    }

    /// What the rule asks for; empty where there is nothing to say.
    pub(super) fn by(&self, rule: &str) -> &str {
        match rule {
            "cvc-enumeration-valid" => &self.listed,
            "cvc-pattern-valid" => &self.patterns,
            "cvc-length-valid" => &self.lengths[0],
            "cvc-minLength-valid" => &self.lengths[1],
            "cvc-maxLength-valid" => &self.lengths[2],
            "cvc-totalDigits-valid" | "cvc-fractionDigits-valid" => &self.digits,
            "cvc-minInclusive-valid"
            | "cvc-minExclusive-valid"
            | "cvc-maxInclusive-valid"
            | "cvc-maxExclusive-valid" => &self.range,
            _ => &self.form,
        }
    }
}

/// The listed values in the order of their texts.
fn listed(facets: &FacetSet) -> Box<str> {
    let Some(listed) = &facets.enumeration else { return Box::default() };
    let mut values: Vec<&str> = listed.values.iter().map(String::as_str).collect();
    values.sort_unstable();
    let more = values.len().saturating_sub(MAX_LISTED);
    let first: Vec<_> = values.iter().take(MAX_LISTED).map(|value| shown(value)).collect();
    let mut text = first.join(", ");
    if more > 0 {
        text.push_str(&format!(", … (+{more})"));
    }
    text.into()
}

fn shown(text: &str) -> Box<str> {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]).into(),
        None => text.into(),
    }
}
