//! Our answers beside those of the schema library, over all built-in types with facets, valid
//! values and values that nearly are.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use xsd_schema::validation::validate_simple_type;

use super::{Compiled, NOT_COMPILED, compile, restricted};

/// A built-in type, values of it, and the facets it may have.
#[derive(Debug)]
struct Base {
    name: &'static str,
    values: &'static [&'static str],
    facets: &'static [&'static str],
}

const LENGTH: &[&str] = &["length", "minLength", "maxLength", "enumeration", "pattern"];
const RANGE: &[&str] =
    &["minInclusive", "maxInclusive", "minExclusive", "maxExclusive", "enumeration", "pattern"];
const NUMBER: &[&str] = &[
    "minInclusive",
    "maxInclusive",
    "minExclusive",
    "maxExclusive",
    "enumeration",
    "pattern",
    "totalDigits",
    "fractionDigits",
];
const INTEGER: &[&str] = &[
    "minInclusive",
    "maxInclusive",
    "minExclusive",
    "maxExclusive",
    "enumeration",
    "pattern",
    "totalDigits",
];

const fn base(
    name: &'static str,
    facets: &'static [&'static str],
    values: &'static [&'static str],
) -> Base {
    Base { name, values, facets }
}

static BASES: &[Base] = &[
    base("string", LENGTH, &["", "a", " a  b ", "ä𝄞", "x\ty", "abc", "DE"]),
    base("normalizedString", LENGTH, &["", "a", " a  b ", "ä𝄞", "abc"]),
    base("token", LENGTH, &["", "a", "a b", "ä𝄞", "abc", "DE"]),
    base("language", LENGTH, &["de", "de-DE", "x-klingon", "a-b-c-d"]),
    base("NMTOKEN", LENGTH, &["a", "1", "-a.b:c", "ä"]),
    base("Name", LENGTH, &["a", ":a", "_1", "ä-ö"]),
    base("NCName", LENGTH, &["a", "_1", "ä-ö", "abc"]),
    base("ID", LENGTH, &["a", "_1"]),
    base("IDREF", LENGTH, &["a", "_1"]),
    base("ENTITY", LENGTH, &["a", "_1"]),
    base("NMTOKENS", LENGTH, &["a", "a 1", "a b c"]),
    base("IDREFS", LENGTH, &["a", "a b", "a b c"]),
    base("boolean", &["pattern"], &["true", "false", "1", "0"]),
    base(
        "decimal",
        NUMBER,
        &["0", "-0.0", "1", "01.50", "-1.5", ".5", "12345678901234567890123456789012345.678", "99"],
    ),
    base("integer", INTEGER, &["0", "-1", "+7", "007", "99999999999999999999999999999999999999"]),
    base("nonPositiveInteger", INTEGER, &["0", "-1", "-007"]),
    base("negativeInteger", INTEGER, &["-1", "-007"]),
    base("long", INTEGER, &["0", "9223372036854775807", "-9223372036854775808"]),
    base("int", INTEGER, &["0", "2147483647", "-2147483648"]),
    base("short", INTEGER, &["0", "32767", "-32768"]),
    base("byte", INTEGER, &["0", "127", "-128"]),
    base("nonNegativeInteger", INTEGER, &["0", "7", "+7"]),
    base("unsignedLong", INTEGER, &["0", "18446744073709551615"]),
    base("unsignedInt", INTEGER, &["0", "4294967295"]),
    base("unsignedShort", INTEGER, &["0", "65535"]),
    base("unsignedByte", INTEGER, &["0", "255"]),
    base("positiveInteger", INTEGER, &["1", "7", "0007"]),
    base("float", RANGE, &["0", "-0", "1e3", "1000", "INF", "-INF", "NaN", "16777217", "1.5E-7"]),
    base("double", RANGE, &["0", "-0", "1e3", "1000", "INF", "-INF", "NaN", "16777217", "1.5E-7"]),
    base(
        "dateTime",
        RANGE,
        &[
            "2026-11-23T12:00:00",
            "2026-11-23T12:00:00Z",
            "2026-11-23T14:00:00.0+02:00",
            "2026-11-22T24:00:00",
            "2026-11-23T00:00:00",
            "-0001-12-31T23:59:59.5Z",
            "0001-01-01T00:00:00Z",
            "12026-02-28T01:02:03.000000000000000000000000000000004",
        ],
    ),
    base(
        "date",
        RANGE,
        &["2024-02-29", "2026-11-23Z", "2026-11-23+14:00", "-0044-03-15", "0001-01-01"],
    ),
    base(
        "time",
        RANGE,
        &["12:00:00", "12:00:00Z", "14:00:00+02:00", "24:00:00", "00:00:00", "23:59:59.999"],
    ),
    base("gYearMonth", RANGE, &["2026-11", "2026-11Z", "2026-12-05:00", "-0001-12"]),
    base("gYear", RANGE, &["2026", "2026Z", "-0001", "0001", "12026"]),
    base("gMonthDay", RANGE, &["--02-29", "--03-01Z", "--12-31", "--01-01+01:00"]),
    base("gDay", RANGE, &["---01", "---31", "---15-11:00", "---16+13:00"]),
    base("gMonth", RANGE, &["--01", "--12", "--12Z", "--11-05:00"]),
    base(
        "duration",
        RANGE,
        &[
            "P1Y", "P12M", "P365D", "P30D", "P1M", "-P1M", "PT0S", "-PT0S", "PT36H", "P1DT12H",
            "PT1.50S", "-PT0.5S", "P400Y", "P146097D",
        ],
    ),
    base("hexBinary", LENGTH, &["", "0a", "0A", "ffFF"]),
    base("base64Binary", LENGTH, &["", "TQ==", "TWE=", "TWFu", "TWFuTQ=="]),
    base("anyURI", LENGTH, &["", "urn:a", "http://a.example/ä?b#c", "../x y"]),
];

/// Patterns that the library reads as the specification does.
const PATTERNS: &[&str] =
    &[".*", "[^5]*", "(.{0,3})", "([0-9]{1,4})", "([a-zA-Z]+)", "(.*[0-9Z])", "(P.*|-.*|[0-9].*)"];

/// A facet element.
fn facet(name: &'static str, values: &'static [&'static str]) -> BoxedStrategy<String> {
    let value = match name {
        "length" | "minLength" | "maxLength" => (0..5_u32).prop_map(|n| n.to_string()).boxed(),
        "totalDigits" => (1..9_u32).prop_map(|n| n.to_string()).boxed(),
        "fractionDigits" => (0..3_u32).prop_map(|n| n.to_string()).boxed(),
        "pattern" => select(PATTERNS).prop_map(str::to_owned).boxed(),
        _ => select(values).prop_map(str::to_owned).boxed(),
    };
    let count = if matches!(name, "enumeration" | "pattern") { 1..4 } else { 1..2_usize };
    proptest::collection::vec(value, count)
        .prop_map(move |values| {
            let one = |value: &String| {
                let value = value.replace('\t', "&#9;");
                format!(r#"<xs:{name} value="{value}"/>"#)
            };
            values.iter().map(one).collect()
        })
        .boxed()
}

/// A value, or one that differs from it a little.
fn nearly(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..5_u8, select(EDITS));
    (select(values), proptest::collection::vec(edit, 0..3)).prop_map(|(value, edits)| {
        let mut chars: Vec<char> = value.chars().collect();
        for (place, kind, c) in edits {
            let at = place.index(chars.len() + 1);
            match kind {
                0 if at < chars.len() => drop(chars.remove(at)),
                1 if at < chars.len() => chars[at] = c,
                2 => chars.insert(at, c),
                3 => chars.insert(0, ' '),
                _ => chars.push('\n'),
            }
        }
        chars.into_iter().collect()
    })
}

const EDITS: &[char] =
    &['0', '1', '5', '9', '-', '+', '.', ':', 'T', 'Z', 'P', 'e', 'a', 'ä', ' ', '\t', '=', '/'];

fn case() -> impl Strategy<Value = (&'static Base, String, Vec<String>)> {
    (0..BASES.len()).prop_flat_map(|n| {
        let base = &BASES[n];
        let facets =
            subsequence(base.facets, 0..=3.min(base.facets.len())).prop_flat_map(move |names| {
                names.into_iter().map(|name| facet(name, base.values)).collect::<Vec<_>>()
            });
        let facets = facets.prop_map(|facets| facets.concat());
        (Just(base), facets, proptest::collection::vec(nearly(base.values), 12))
    })
}

/// A list or a union of built-in types with facets, and values of it or nearly so.
fn composite() -> impl Strategy<Value = (String, Vec<String>)> {
    let one = (0..BASES.len()).prop_map(|n| &BASES[n]).prop_filter("judged apart", |base| {
        // Lists of lists are none; where the two differ is tested by hand.
        !matches!(base.name, "NMTOKENS" | "IDREFS" | "base64Binary" | "string" | "normalizedString")
    });
    let member = || one.clone().prop_flat_map(|base| (Just(base), nearly(base.values)));
    (proptest::collection::vec(member(), 1..4), any::<bool>()).prop_flat_map(|(members, list)| {
        let names: Vec<String> =
            members.iter().map(|(base, _)| format!("xs:{}", base.name)).collect();
        let union = format!(r#"<xs:union memberTypes="{}"/>"#, names.join(" "));
        let plain = match list {
            true => format!("<xs:list><xs:simpleType>{union}</xs:simpleType></xs:list>"),
            false => union,
        };
        let pool: Vec<&'static str> =
            members.iter().flat_map(|(base, _)| base.values.iter().copied()).collect();
        let items = proptest::collection::vec(select(pool), 0..4);
        let odd: Vec<String> = members.iter().map(|(_, value)| value.clone()).collect();
        let values = proptest::collection::vec(items, 1..8).prop_map(move |values| {
            let whole = values.iter().map(|items| match list {
                true => items.join("  "),
                false => items.first().copied().unwrap_or_default().to_owned(),
            });
            whole.chain(odd.iter().cloned()).collect::<Vec<String>>()
        });
        (Just((plain, list)), values, select(PATTERNS), 0..4_u8).prop_map(
            |((plain, list), values, pattern, facet)| {
                let escaped = values[0].replace('\t', "&#9;").replace('\n', "&#10;");
                let facets = match facet {
                    0 => String::new(),
                    1 => format!(r#"<xs:pattern value="{pattern}"/>"#),
                    2 if list => r#"<xs:maxLength value="2"/>"#.to_owned(),
                    _ => format!(r#"<xs:enumeration value="{escaped}"/>"#),
                };
                let body = format!(
                    r#"<xs:simpleType name="T"><xs:restriction><xs:simpleType>{plain}
                       </xs:simpleType>{facets}</xs:restriction></xs:simpleType>"#
                );
                (body, values)
            },
        )
    })
}

/// Whether the specification is on our side where the library says something else, of values of
/// types with these names.
fn explained(names: &str, value: &str) -> bool {
    // 3.2.16: white space may stand between the characters.
    let inside = value.trim_matches([' ', '\t', '\n']).contains([' ', '\t', '\n']);
    // 3.2.7.1 and 3.2.6.1: years and the numbers of durations have any length.
    let long = value.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 9);
    let timed = ["date", "gYear", "duration"].iter().any(|name| names.contains(name));
    // 3.3.13.1: an integer is made of digits; the library skips `_` between them.
    let integer = names.contains("nteger") && value.contains('_');
    (names.contains("base64Binary") && inside) || (timed && long) || integer
}

fn library(types: &Compiled, value: &str) -> bool {
    validate_simple_type(value, types.key_of("T"), &types.set).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn restrictions_are_judged_as_the_library_does((base, facets, values) in case()) {
        let body = format!(
            r#"<xs:simpleType name="T"><xs:restriction base="xs:{}">{facets}</xs:restriction>
               </xs:simpleType>"#,
            base.name,
        );
        // Facets that contradict one another make no schema.
        let types = match compile(&body) {
            Ok(types) => types,
            Err(reason) => {
                prop_assert!(!reason.starts_with(NOT_COMPILED), "{}", reason);
                return Err(TestCaseError::reject("no schema"));
            }
        };
        for value in values.iter().map(String::as_str).chain(base.values.iter().copied()) {
            let ours = types.rule("T", value);
            let theirs = library(&types, value);
            prop_assert!(
                ours.is_none() == theirs || explained(base.name, value),
                "{} {facets}\n{value:?}: {ours:?}, theirs {theirs}", base.name
            );
            types.equality("T", value);
        }
    }

    #[test]
    fn lists_and_unions_are_judged_as_the_library_does((body, values) in composite()) {
        let types = match compile(&body) {
            Ok(types) => types,
            Err(reason) => {
                prop_assert!(!reason.starts_with(NOT_COMPILED), "{}", reason);
                return Err(TestCaseError::reject("no schema"));
            }
        };
        for value in &values {
            let ours = types.rule("T", value);
            let theirs = library(&types, value);
            let agreed = ours.is_none() == theirs || explained(&body, value);
            prop_assert!(agreed, "{body}\n{value:?}: {ours:?}, theirs {theirs}");
            types.equality("T", value);
        }
    }

    #[test]
    fn nothing_written_makes_a_check_panic(n in 0..BASES.len(), value in any::<String>()) {
        let types = restricted(BASES[n].name, "");
        let ours = types.rule("T", &value).is_none();
        prop_assert!(ours == library(&types, &value) || explained(BASES[n].name, &value));
    }
}

/// Keys are equal just where the library finds a value in an enumeration of the other.
#[test]
fn equal_keys_are_equal_values() {
    for base in BASES.iter().filter(|base| base.facets.contains(&"enumeration")) {
        let all = restricted(base.name, "");
        for listed in base.values {
            let facet = format!(r#"<xs:enumeration value="{}"/>"#, listed.replace('\t', "&#9;"));
            let types = restricted(base.name, &facet);
            let key = all.equality("T", listed).unwrap();
            for value in base.values {
                let same = all.equality("T", value).unwrap() == key;
                assert_eq!(same, library(&types, value), "{} {listed:?} {value:?}", base.name);
                assert_eq!(same, types.rule("T", value).is_none(), "{listed:?} {value:?}");
            }
        }
    }
}

/// Values of different primitive types never have equal keys (2.2.3).
#[test]
fn families_are_apart() {
    let mut seen: Vec<(&str, Vec<u8>)> = Vec::new();
    let families =
        ["string", "boolean", "decimal", "float", "double", "gYear", "hexBinary", "anyURI"];
    for name in families {
        let types = restricted(name, "");
        for value in ["1", "0", "2026", "00"] {
            let Some(key) = types.equality("T", value) else { continue };
            assert!(seen.iter().all(|(other, known)| *other == name || *known != key), "{value}");
            seen.push((name, key));
        }
    }
}
