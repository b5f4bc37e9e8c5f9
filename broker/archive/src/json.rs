//! Reading JSON strictly: no name twice in an object, no floating-point numbers.
//!
//! `serde_json` keeps the last of two equal names; another reader may keep the first. A record on
//! which two readers disagree proves nothing, so such a text is refused here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not JSON we take; says where, never what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not acceptable JSON at line {line}, column {column}: {reason}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1; 0 at a line's end.
    pub column: usize,
    /// What is wrong, without the text itself.
    pub reason: &'static str,
}

const TWICE: &str = "a name occurs twice in an object";
const FLOAT: &str = "numbers are whole numbers";

/// Reads one JSON value. Depth is limited to 128 by the reader.
pub(crate) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| describe(&error))
}

/// The library's message may quote the text; only ours and the kind are passed on.
fn describe(error: &serde_json::Error) -> JsonError {
    let message = error.to_string();
    let reason = if message.starts_with(TWICE) {
        TWICE
    } else if message.starts_with(FLOAT) {
        FLOAT
    } else if error.is_eof() {
        "the text ends too early"
    } else {
        "the text does not follow RFC 8259, or is nested too deeply"
    };
    JsonError { line: error.line(), column: error.column(), reason }
}

/// Builds a [`Value`], refusing what this module refuses.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom(FLOAT))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(TWICE));
            }
            let value = entries.next_value_seed(Strict)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(text: &str) -> &'static str {
        parse(text.as_bytes()).expect_err("must be refused").reason
    }

    #[test]
    fn a_name_occurs_once() {
        assert_eq!(reason(r#"{"a":1,"a":1}"#), TWICE);
        assert_eq!(reason(r#"[{"b":{"a":1,"\u0061":2}}]"#), TWICE);
        assert!(parse(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn numbers_are_whole() {
        for text in ["1.0", "-0", "1e2", "[0.5]", "18446744073709551616"] {
            assert_eq!(reason(text), FLOAT, "{text}");
        }
        assert_eq!(parse(b"-7").expect("number"), Value::from(-7));
    }

    #[test]
    fn an_error_never_quotes_the_text() {
        for text in [r#"{"Geheim":Geheim}"#, r#"{"Geheim":1,"Geheim":2}"#, r#""Geheim"#] {
            let shown = parse(text.as_bytes()).expect_err("refused").to_string();
            assert!(!shown.contains("Geheim"), "{shown}");
        }
    }

    #[test]
    fn depth_is_limited() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&octets);
        }

        #[test]
        fn agrees_with_the_library_where_both_take_it(text in r#"[\[\]{}":,a0-9 .e-]{0,24}"#) {
            if let Ok(ours) = parse(text.as_bytes()) {
                prop_assert_eq!(ours, serde_json::from_str::<Value>(&text).expect("ours took it"));
            }
        }
    }
}
