//! Canonical JSON against RFC 8785, and the commitment.

use amtsbote_archive::record::{
    MAX_DEPTH, MAX_INTEGER, MAX_RECORD, RecordError, Salt, canonical, leaf,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    String::from_utf8(canonical(value).expect("canonical")).expect("UTF-8")
}

#[test]
fn names_are_sorted_as_rfc_8785_sorts_them() {
    // The names of the example in RFC 8785, 3.2.3, with the order it gives.
    let names = ["\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
    let value: Value = names.iter().rev().map(|name| ((*name).to_owned(), json!(1))).collect();
    let parsed = text(&value);
    let mut rest = parsed.as_str();
    for name in names {
        let quoted = serde_json::to_string(name).expect("name") + ":1";
        let at = rest.find(&quoted).unwrap_or_else(|| panic!("{name:?} is out of order"));
        rest = &rest[at + quoted.len()..];
    }
}

#[test]
fn nothing_but_the_value_is_written() {
    let value = json!({ "b": [1, -2, true, false, null, {}], "a": { "z": "", "y": [] } });
    assert_eq!(text(&value), r#"{"a":{"y":[],"z":""},"b":[1,-2,true,false,null,{}]}"#);
}

#[test]
fn escapes_are_the_shortest() {
    let value = json!("\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"\\/\u{7f}ä€\u{2028}\u{1f600}");
    let expected =
        concat!(r#""\u0000\u0001\b\t\n\u000b\f\r\u001f \"\\/"#, "\u{7f}ä€\u{2028}\u{1f600}\"");
    assert_eq!(text(&value), expected);
}

#[test]
fn numbers_are_whole_and_exact() {
    assert_eq!(text(&json!(9_007_199_254_740_991_i64)), "9007199254740991");
    assert_eq!(text(&json!(-9_007_199_254_740_991_i64)), "-9007199254740991");
    assert_eq!(MAX_INTEGER, 9_007_199_254_740_991);
    for bad in [
        json!(9_007_199_254_740_992_i64),
        json!(-9_007_199_254_740_992_i64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(1.0),
        json!(-0.0),
        json!([{ "a": 1e300 }]),
    ] {
        assert_eq!(canonical(&bad), Err(RecordError::Number), "{bad}");
    }
}

#[test]
fn depth_and_length_are_limited() {
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(canonical(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(canonical(&nested(MAX_DEPTH + 1)), Err(RecordError::TooDeep));
    assert!(canonical(&json!("x".repeat(MAX_RECORD - 2))).is_ok());
    assert_eq!(canonical(&json!("x".repeat(MAX_RECORD - 1))), Err(RecordError::TooLarge));
    assert_eq!(canonical(&json!("\u{1}".repeat(MAX_RECORD / 3))), Err(RecordError::TooLarge));
}

#[test]
fn the_commitment_is_the_one_documented() {
    let mut octets = b"amtsbote-leaf-v1\n".to_vec();
    octets.extend([7; 32]);
    octets.extend(b"{}");
    assert_eq!(leaf(&Salt([7; 32]), b"{}"), openssl::sha::sha256(&octets));
    assert_ne!(leaf(&Salt([7; 32]), b"{}"), leaf(&Salt([8; 32]), b"{}"));
}

#[test]
fn a_salt_does_not_show() {
    assert_eq!(format!("{:?}", Salt([65; 32])), "Salt(..)");
}

/// Values without floating-point numbers.
fn values() -> impl Strategy<Value = Value> {
    let limit = MAX_INTEGER as i64;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-limit..=limit).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_means_the_same_and_is_stable(value in values()) {
        let once = canonical(&value).expect("canonical");
        let again: Value = serde_json::from_slice(&once).expect("JSON");
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(canonical(&again).expect("canonical"), once);
    }

    #[test]
    fn strings_are_written_as_the_library_writes_them(text: String) {
        let ours = canonical(&Value::from(text.clone())).expect("canonical");
        prop_assert_eq!(ours, serde_json::to_vec(&text).expect("JSON"));
    }
}
