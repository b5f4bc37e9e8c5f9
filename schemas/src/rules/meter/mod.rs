//! What an expression costs beside its moves through the tree. Loops over numbers and texts never
//! touch the tree, so functions of our own are put into them when an expression is compiled: around
//! what a loop or a condition repeats, around variables, in the place of `to`. They take from the
//! same budget as the moves, before anything large is made.

mod put;

use xsd_schema::types::sequence::SequenceType;
use xsd_schema::types::value::{XmlAtomicValue, XmlValue, XmlValueKind};
use xsd_schema::xpath::functions::{
    DynamicFunctionSignature, FunctionHandle, FunctionSet, XPathValue,
};
use xsd_schema::xpath::operators::eval_range;
use xsd_schema::xpath::{DomNavigator, DynamicContext, XPathError, XmlItem};

use super::navigator::{Budget, Nav};
use super::run::Value;

pub(super) use put::{longest_number, put_into};

/// The prefix of our functions; no expression can write it.
pub(super) const PREFIX: &str = "!";
/// Their namespace.
pub(super) const NAMESPACE: &str = "urn:amtsbote:meter";
/// Moves that one time round a loop, one look at a variable and one call of a function costs.
pub(super) const CALL: u64 = 16;
/// Moves that one item costs which is made and kept.
const ITEM: u64 = 8;
/// Bytes of a text made that count as one move.
const MADE_BYTES_PER_MOVE: usize = 8;
/// Bytes of an atomic value looked at that count as one move.
const READ_BYTES_PER_MOVE: usize = 32;
/// Items of one sequence of numbers or texts.
pub(super) const MAX_ITEMS: usize = 1_000_000;
/// Bytes of one text that an expression makes. 16 MiB.
pub(super) const MAX_STRING: usize = 16 << 20;
/// Digits (characters) of a text that becomes an integer or decimal.
pub(super) const MAX_DIGITS: usize = 4096;
/// Digits of an integer that is computed, in bits.
const MAX_BITS: u64 = 1 << 16;

/// A function of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meter {
    /// A variable, looked at.
    Look,
    /// What a loop or condition repeats; the second argument says how large it is.
    Round,
    /// A product.
    Product,
    /// `to`.
    Range,
    /// A text that becomes a number.
    Digits,
    /// The left side of a comparison of sequences.
    Left,
    /// The right side of `=` and `!=`, which the engine answers with an index.
    RightIndexed,
    /// The right side of `<` and its like, where every pair is compared.
    RightPairs,
}

const ALL: &[(Meter, &str, usize)] = &[
    (Meter::Look, "look", 1),
    (Meter::Round, "round", 2),
    (Meter::Product, "product", 1),
    (Meter::Range, "range", 2),
    (Meter::Digits, "digits", 1),
    (Meter::Left, "left", 1),
    (Meter::RightIndexed, "indexed", 1),
    (Meter::RightPairs, "pairs", 1),
];

impl Meter {
    fn name(self) -> &'static str {
        ALL.iter().find(|(meter, ..)| *meter == self).map_or("", |(_, name, _)| name)
    }
}

/// Tells a compiler of expressions our functions.
pub(super) fn register(catalog: &mut FunctionSet<Nav<'static>>) -> Vec<(FunctionHandle, Meter)> {
    let one = |(meter, name, arity): &(Meter, &str, usize)| {
        let types = (0..*arity).map(|_| SequenceType::any()).collect();
        let signature = DynamicFunctionSignature::new(NAMESPACE, *name, types, SequenceType::any());
        let never = |_: &mut DynamicContext<'_, Nav<'static>>, _| {
            Err(XPathError::Internal("called by its description".to_owned()))
        };
        (catalog.register(signature, never), *meter)
    };
    ALL.iter().map(one).collect()
}

/// What one evaluation keeps: sizes of left sides whose right sides are to come.
#[derive(Default)]
pub(super) struct Sides(std::cell::RefCell<Vec<u64>>);

impl Meter {
    pub(super) fn run<'d>(
        self,
        mut args: Vec<Value<'d>>,
        budget: &Budget<'_>,
        sides: &Sides,
    ) -> Result<Value<'d>, XPathError> {
        let second = if args.len() > 1 { args.pop() } else { None };
        let value = args.pop().unwrap_or(XPathValue::Empty);
        let length = value.len() as u64;
        match (self, second) {
            (Meter::Look, _) => {
                budget.take(CALL);
                read(&value, budget);
            }
            (Meter::Product, _) => made(&value, budget),
            (Meter::Round, size) => {
                let size = size.as_ref().and_then(XPathValue::first);
                if let Some(XmlItem::Atomic(XmlValue {
                    value: XmlValueKind::Atomic(XmlAtomicValue::Double(size)),
                    ..
                })) = size
                {
                    budget.take(CALL + *size as u64);
                }
                made(&value, budget);
            }
            (Meter::Range, Some(end)) => return range(&value, &end, budget),
            (Meter::Range, None) => {}
            (Meter::Digits, _) => digits(&value, budget)?,
            (Meter::Left, _) => sides.0.borrow_mut().push(length),
            (Meter::RightIndexed | Meter::RightPairs, _) => {
                let left = sides.0.borrow_mut().pop().unwrap_or(0);
                let pairs = left.saturating_mul(length);
                // Few pairs are less than what led here.
                budget.take(match self {
                    Meter::RightIndexed if !has_moments(&value) => left + length,
                    _ => pairs,
                });
            }
        }
        Ok(value)
    }
}

/// Values that the engine has no index for.
fn has_moments(value: &Value<'_>) -> bool {
    value.as_slice().iter().any(|item| match item {
        XmlItem::Atomic(value) => !matches!(
            &value.value,
            XmlValueKind::UntypedAtomic(_)
                | XmlValueKind::Atomic(
                    XmlAtomicValue::String(_)
                        | XmlAtomicValue::Integer(_)
                        | XmlAtomicValue::Decimal(_)
                        | XmlAtomicValue::Double(_)
                        | XmlAtomicValue::Boolean(_)
                )
        ),
        XmlItem::Node(_) => false,
    })
}

/// Bytes of an atomic value beyond its record; gives up where an integer has too many digits.
fn size(value: &XmlValue, budget: &Budget<'_>) -> usize {
    match &value.value {
        XmlValueKind::UntypedAtomic(text) | XmlValueKind::Atomic(XmlAtomicValue::String(text)) => {
            text.len()
        }
        XmlValueKind::Atomic(XmlAtomicValue::Integer(number)) => {
            if number.bits() > MAX_BITS {
                budget.spend();
            }
            usize::try_from(number.bits() / 8).unwrap_or(usize::MAX)
        }
        _ => 0,
    }
}

fn bytes(value: &Value<'_>, budget: &Budget<'_>) -> usize {
    let atoms = value.as_slice().iter().filter_map(|item| match item {
        XmlItem::Atomic(value) => Some(size(value, budget)),
        XmlItem::Node(_) => None,
    });
    atoms.fold(0, usize::saturating_add)
}

/// Takes for a value that is looked at.
pub(super) fn read(value: &Value<'_>, budget: &Budget<'_>) {
    let bytes = bytes(value, budget);
    budget.take(1 + value.len() as u64 + (bytes / READ_BYTES_PER_MOVE) as u64);
}

/// Takes for a value that was made; gives up where it is too large.
pub(super) fn made(value: &Value<'_>, budget: &Budget<'_>) {
    let bytes = bytes(value, budget);
    if value.len() <= 1 && bytes > MAX_STRING {
        budget.spend();
    }
    let items = if value.len() > 1 { value.len() as u64 * ITEM } else { 1 };
    budget.take(items + (bytes / MADE_BYTES_PER_MOVE) as u64);
}

/// Bytes of the texts of all items, those of nodes included.
pub(super) fn text_bytes(value: &Value<'_>, budget: &Budget<'_>) -> usize {
    let texts = value.as_slice().iter().map(|item| match item {
        XmlItem::Atomic(value) => size(value, budget),
        XmlItem::Node(node) => node.value_ref().len(),
    });
    texts.fold(0, usize::saturating_add)
}

/// FOCA0003: too long for an integer.
pub(super) fn digits(value: &Value<'_>, budget: &Budget<'_>) -> Result<(), XPathError> {
    let long = |item: &XmlItem<Nav<'_>>| match item {
        XmlItem::Atomic(value) => match &value.value {
            XmlValueKind::Atomic(XmlAtomicValue::Integer(_)) => false,
            _ => size(value, budget) > MAX_DIGITS,
        },
        XmlItem::Node(node) => node.value_ref().len() > MAX_DIGITS,
    };
    if value.as_slice().iter().any(long) {
        return Err(XPathError::FOCA0003 { message: "too many digits".to_owned() });
    }
    Ok(())
}

/// `to` (XPath 2.0, 3.3.1).
fn range<'d>(
    start: &Value<'d>,
    end: &Value<'d>,
    budget: &Budget<'_>,
) -> Result<Value<'d>, XPathError> {
    let (Some(start), Some(end)) = (integer(start, budget)?, integer(end, budget)?) else {
        return Ok(XPathValue::Empty);
    };
    let number = |value: &XmlValue| value.to_string_value().parse::<i128>().ok();
    let count = match (number(&start), number(&end)) {
        (Some(start), Some(end)) => end.saturating_sub(start).saturating_add(1).max(0),
        _ => return Err(XPathError::FOCA0003 { message: "too many digits".to_owned() }),
    };
    match usize::try_from(count) {
        Ok(count) if count <= MAX_ITEMS => budget.take(1 + count as u64 * ITEM),
        _ => budget.spend(),
    }
    let items = eval_range(&start, &end)?.into_iter().map(XmlItem::Atomic).collect();
    Ok(XPathValue::from_sequence(items))
}

/// The function conversion rules (3.1.5) for `xs:integer?`.
fn integer(value: &Value<'_>, budget: &Budget<'_>) -> Result<Option<XmlValue>, XPathError> {
    digits(value, budget)?;
    let text = match value.as_slice() {
        [] => return Ok(None),
        [XmlItem::Node(node)] => node.value(),
        [XmlItem::Atomic(XmlValue { value: XmlValueKind::UntypedAtomic(text), .. })] => {
            text.clone()
        }
        [XmlItem::Atomic(value)] => return Ok(Some(value.clone())),
        _ => return Err(XPathError::type_mismatch("xs:integer?", "a sequence")),
    };
    let number = text.trim_matches([' ', '\t', '\n', '\r']);
    let number = number.strip_prefix('+').filter(|n| !n.starts_with('-')).unwrap_or(number);
    match number.parse::<i64>() {
        Ok(number) => Ok(Some(XmlValue::integer(number.into()))),
        Err(_) => Err(XPathError::invalid_cast_value("", "xs:integer")),
    }
}
