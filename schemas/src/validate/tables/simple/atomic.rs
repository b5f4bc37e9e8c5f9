//! Atomic values: which of the primitive types, and what a text means there.

use std::cmp::Ordering;

use super::decimal::{self, Decimal};
use super::duration::{self, Duration};
use super::moment::{self, Moment};
use super::names::{Form, is_ncname};
use super::{Scope, binary, float};

/// A primitive type, or one built in that narrows its lexical space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `anySimpleType`: any text.
    Any,
    /// `string` and its kin.
    Text(Form),
    /// `boolean`
    Boolean,
    /// `decimal`
    Decimal,
    /// `integer` and its kin.
    Integer,
    /// `float`
    Float,
    /// `double`
    Double,
    /// `dateTime` and its kin.
    Moment(moment::Kind),
    /// `duration`
    Duration,
    /// `hexBinary`
    Hex,
    /// `base64Binary`
    Base64,
    /// `anyURI`
    Uri,
    /// `QName`
    QName,
    /// `NOTATION`
    Notation,
}

/// What a text means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Itself.
    Text(&'a str),
    Boolean(bool),
    Decimal(Decimal<&'a str>),
    Float(f64),
    Moment(Moment<&'a str>),
    Duration(Duration<&'a str>),
    /// So many octets, still as text.
    Octets(usize, &'a str),
    /// Namespace (empty for none) and local name.
    Name(&'a str, &'a str),
}

/// Why a text means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// It is not in the lexical space.
    Lexical,
    /// Its prefix is bound to nothing.
    Prefix,
}

/// The end of a range that a facet sets.
#[derive(Clone, Debug)]
pub(super) enum Limit {
    Decimal(Decimal<Box<str>>),
    Float(f64),
    Moment(Moment<Box<str>>),
    Duration(Duration<Box<str>>),
}

impl Kind {
    /// Reads a normalized value.
    #[inline]
    pub(super) fn read<'a>(
        self,
        text: &'a str,
        scope: &'a dyn Scope,
    ) -> Result<Value<'a>, NoValue> {
        let value = match self {
            Self::Any | Self::Uri => Some(Value::Text(text)),
            Self::Text(form) => form.admits(text).then_some(Value::Text(text)),
            Self::Boolean => match text {
                "true" | "1" => Some(Value::Boolean(true)),
                "false" | "0" => Some(Value::Boolean(false)),
                _ => None,
            },
            Self::Decimal => decimal::parse(text, false).map(Value::Decimal),
            Self::Integer => decimal::parse(text, true).map(Value::Decimal),
            Self::Float => float::parse_float(text).map(Value::Float),
            Self::Double => float::parse_double(text).map(Value::Float),
            Self::Moment(kind) => moment::parse(kind, text).map(Value::Moment),
            Self::Duration => duration::parse(text).map(Value::Duration),
            Self::Hex => binary::hex_length(text).map(|length| Value::Octets(length, text)),
            Self::Base64 => binary::base64_length(text).map(|length| Value::Octets(length, text)),
            Self::QName | Self::Notation => return name(text, scope),
        };
        value.ok_or(NoValue::Lexical)
    }

    /// Writes the octets that just the texts of the same value share. The first one tells the
    /// primitive type: values of two of them are never equal (2.2.3).
    pub(super) fn key(self, value: &Value<'_>, into: &mut Vec<u8>) {
        into.push(self.family());
        match value {
            Value::Text(text) => into.extend_from_slice(text.as_bytes()),
            Value::Boolean(value) => into.push(u8::from(*value)),
            Value::Decimal(value) => value.key(into),
            Value::Float(value) => float::key(*value, into),
            Value::Moment(value) => value.key(into),
            Value::Duration(value) => value.key(into),
            Value::Octets(_, text) if self == Self::Hex => binary::hex_key(text, into),
            Value::Octets(_, text) => binary::base64_key(text, into),
            Value::Name(namespace, local) => {
                // A local name holds no brace.
                into.push(b'{');
                into.extend_from_slice(namespace.as_bytes());
                into.push(b'}');
                into.extend_from_slice(local.as_bytes());
            }
        }
    }

    fn family(self) -> u8 {
        match self {
            Self::Any | Self::Text(_) => b's',
            Self::Boolean => b'b',
            Self::Decimal | Self::Integer => b'd',
            Self::Float => b'f',
            Self::Double => b'F',
            Self::Moment(moment::Kind::DateTime) => b'1',
            Self::Moment(moment::Kind::Date) => b'2',
            Self::Moment(moment::Kind::Time) => b'3',
            Self::Moment(moment::Kind::YearMonth) => b'4',
            Self::Moment(moment::Kind::Year) => b'5',
            Self::Moment(moment::Kind::MonthDay) => b'6',
            Self::Moment(moment::Kind::Day) => b'7',
            Self::Moment(moment::Kind::Month) => b'8',
            Self::Duration => b'p',
            Self::Hex => b'x',
            Self::Base64 => b'B',
            Self::Uri => b'u',
            Self::QName => b'q',
            Self::Notation => b'n',
        }
    }
}

impl Value<'_> {
    /// How many octets it is, where it is binary.
    #[inline]
    pub(super) fn octets(&self) -> Option<usize> {
        match self {
            Self::Octets(length, _) => Some(*length),
            _ => None,
        }
    }

    /// The same value, to be kept as the end of a range.
    pub(super) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Decimal(value) => Some(Limit::Decimal(value.owned())),
            Self::Float(value) => Some(Limit::Float(*value)),
            Self::Moment(value) => Some(Limit::Moment(value.owned())),
            Self::Duration(value) => Some(Limit::Duration(value.owned())),
            Self::Text(_) | Self::Boolean(_) | Self::Octets(..) | Self::Name(..) => None,
        }
    }

    /// The order to the end of a range; `None` where the two cannot be compared.
    #[inline]
    pub(super) fn compare(&self, limit: &Limit) -> Option<Ordering> {
        match (self, limit) {
            (Self::Decimal(value), Limit::Decimal(limit)) => Some(value.compare(limit)),
            (Self::Float(value), Limit::Float(limit)) => float::compare(*value, *limit),
            (Self::Moment(value), Limit::Moment(limit)) => value.compare(limit),
            (Self::Duration(value), Limit::Duration(limit)) => value.compare(limit),
            _ => None,
        }
    }
}

fn name<'a>(text: &'a str, scope: &'a dyn Scope) -> Result<Value<'a>, NoValue> {
    let (prefix, local) = text.split_once(':').unwrap_or(("", text));
    let bad_prefix = prefix.is_empty() && text.starts_with(':');
    if bad_prefix || !(prefix.is_empty() || is_ncname(prefix)) || !is_ncname(local) {
        return Err(NoValue::Lexical);
    }
    match scope.namespace(prefix) {
        Some(namespace) => Ok(Value::Name(namespace, local)),
        None if prefix.is_empty() => Ok(Value::Name("", local)),
        None => Err(NoValue::Prefix),
    }
}
