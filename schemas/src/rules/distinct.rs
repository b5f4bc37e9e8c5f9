//! `distinct-values` (XPath 2.0 functions, 15.1.6). The engine compares every value with every other
//! one; texts and whole numbers, which is nearly all there is, are looked for in a set instead.

use std::collections::HashSet;

use xsd_schema::types::value::{XmlAtomicValue, XmlValue, XmlValueKind};
use xsd_schema::xpath::functions::{BuiltinEvaluator, FunctionEvaluator, FunctionId};
use xsd_schema::xpath::{DynamicContext, XPathError, XPathValue, XmlItem};

use super::meter;
use super::navigator::{Budget, Nav};
use super::run::Value;

/// Moves that one look into the set costs.
const LOOK: u64 = 2;

/// Moves that it costs to compare every value with every other one.
pub(super) fn pairs(count: usize) -> u64 {
    (count as u64).saturating_mul(count as u64) / 8
}

/// What of a value is compared, where equal keys mean equal values and nothing else does.
#[derive(Hash, PartialEq, Eq)]
enum Key {
    /// A text (code points; F&O 7.3.1), an untyped value or a URI: all three compare as texts.
    Text(String),
    Integer(String),
}

fn key(item: &XmlItem<Nav<'_>>) -> Option<Key> {
    let XmlItem::Atomic(XmlValue { value, .. }) = item else { return None };
    match value {
        XmlValueKind::UntypedAtomic(text)
        | XmlValueKind::Atomic(XmlAtomicValue::String(text) | XmlAtomicValue::AnyUri(text)) => {
            Some(Key::Text(text.clone()))
        }
        XmlValueKind::Atomic(XmlAtomicValue::Integer(number)) => {
            Some(Key::Integer(number.to_string()))
        }
        _ => None,
    }
}

/// The function with one argument.
pub(super) fn values<'d>(
    args: Vec<Value<'d>>,
    budget: &Budget<'_>,
    ctx: &mut DynamicContext<'_, Nav<'d>>,
) -> Result<Value<'d>, XPathError> {
    let atoms = BuiltinEvaluator.eval(FunctionId::Data.into(), ctx, args)?;
    meter::made(&atoms, budget);
    budget.take((atoms.len() as u64).saturating_mul(LOOK));
    // Should one value be of another type, the engine compares them all.
    let keys: Option<Vec<Key>> = atoms.as_slice().iter().map(key).collect();
    let Some(keys) = keys else {
        budget.take(pairs(atoms.len()));
        return BuiltinEvaluator.eval(FunctionId::DistinctValues.into(), ctx, vec![atoms]);
    };
    let mut seen = HashSet::new();
    let both = atoms.into_vec().into_iter().zip(keys);
    let first = both.filter_map(|(atom, key)| seen.insert(key).then_some(atom)).collect();
    Ok(XPathValue::from_sequence(first))
}
