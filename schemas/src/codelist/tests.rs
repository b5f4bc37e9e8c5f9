//! Look-ups, and what a pack, a schema and a list say about columns and days.

use super::*;
use crate::genericode::Key;

fn list(keys: &[(&str, &[&str])], rows: &[(&str, &str)]) -> CodeList {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    CodeList {
        canonical_uri: "urn:probe".to_owned(),
        version: "1".to_owned(),
        columns: owned(&["code", "alt", "name"]),
        keys: keys
            .iter()
            .map(|(id, columns)| Key {
                id: (*id).to_owned(),
                columns: owned(columns),
                names: false,
            })
            .collect(),
        rows: rows
            .iter()
            .map(|(a, b)| vec![Some((*a).into()), Some((*b).into()), Some("Name".into())])
            .collect(),
        ..CodeList::default()
    }
}

fn two_keys() -> CodeList {
    list(&[("codeKey", &["code"]), ("altKey", &["alt"])], &[("01", "DE"), ("02\n x", "AT")])
}

fn named(key: &str) -> Said {
    Said { key: Some(key.to_owned()), ..Said::default() }
}

fn lists(list: &CodeList, said: &Said) -> Lists {
    let mut lists = Lists::new(Unknown::Pass, Unknown::Pass);
    lists.add(list, said).expect("added");
    lists
}

/// The codes of some that stand in a list, for a type whose schema names a column.
fn found<'c>(lists: &Lists, column: Option<&str>, codes: &[&'c str]) -> Vec<&'c str> {
    let listed = &lists.listed[0];
    let columns = listed.columns(column);
    codes.iter().copied().filter(|code| listed.has(code, columns)).collect()
}

#[test]
fn pack_then_schema_say_which_column_holds_the_codes() {
    let codes = ["01", "DE", " 02  x\n", "AT", "0", "", "Name"];
    let all = lists(&two_keys(), &Said::default());
    assert_eq!(found(&all, None, &codes), ["01", "DE", " 02  x\n", "AT"], "every key");
    assert_eq!(found(&all, Some("alt"), &codes), ["DE", "AT"], "the schema's column");
    assert_eq!(found(&all, Some("ALT"), &codes).len(), 4, "a column of another version");
    assert_eq!(found(&all, Some("name"), &codes).len(), 4, "no key: it is not believed");
    for key in ["alt", "altKey"] {
        let one = lists(&two_keys(), &named(key));
        assert_eq!(found(&one, None, &codes), ["DE", "AT"], "{key}");
        assert_eq!(found(&one, Some("code"), &codes), ["DE", "AT"], "{key} overrides the schema");
    }
    assert_eq!(found(&lists(&two_keys(), &named("name")), None, &codes), ["Name"], "as it says");
}

#[test]
fn a_key_over_several_columns_is_no_code() {
    let compound: (&str, &[&str]) = ("both", &["code", "alt"]);
    let codes = ["01", "DE", "01DE", "01 DE", "Name"];
    let alone = list(&[compound], &[("01", "DE"), ("01", "AT")]);
    assert_eq!(found(&lists(&alone, &Said::default()), None, &codes), ["01", "DE"]);
    assert_eq!(found(&lists(&alone, &Said::default()), Some("alt"), &codes), ["DE"]);
    assert_eq!(found(&lists(&alone, &named("code")), None, &codes), ["01"]);
    let beside = list(&[compound, ("n", &["alt"])], &[("01", "DE"), ("01", "AT")]);
    assert_eq!(found(&lists(&beside, &Said::default()), None, &codes), ["DE"]);
    let error = Lists::default().add(&alone, &named("both")).expect_err("two columns");
    assert!(error.contains("several columns (code, alt)"), "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_with_the_reason() {
    let mut lists = lists(&two_keys(), &Said::default());
    let error = lists.add(&two_keys(), &Said::default()).expect_err("twice");
    assert!(error.contains("already"), "{error}");
    let error = Lists::default().add(&two_keys(), &named("kode")).expect_err("no such column");
    assert!(error.contains("'kode' (columns: code, alt, name)"), "{error}");
    let keyless = list(&[], &[("01", "DE")]);
    let error = Lists::default().add(&keyless, &Said::default()).expect_err("no key");
    assert!(error.contains("name the one that holds the codes with key"), "{error}");
    assert_eq!(found(&self::lists(&keyless, &named("code")), None, &["01", "DE"]), ["01"]);
}

#[test]
fn the_pack_overrides_the_day_that_the_list_says() {
    let day = |text: &str| Some(text.parse::<Date>().expect("a day"));
    let mut list = two_keys();
    let span = |list: &CodeList, from, until| {
        let said = Said { key: None, valid_from: from, valid_until: until };
        days(list, &said).map(|days| days.map(|days| (Some(days.valid_from), days.valid_until)))
    };
    assert_eq!(span(&list, None, None), Ok(None), "always");
    assert_eq!(span(&list, None, day("2026-06-30")), Ok(Some((Some(LONG_AGO), day("2026-06-30")))));
    list.valid_from = Some("2026-05-01".to_owned());
    assert_eq!(span(&list, None, None), Ok(Some((day("2026-05-01"), None))));
    assert_eq!(span(&list, day("2025-01-01"), None), Ok(Some((day("2025-01-01"), None))));
    assert_eq!(
        span(&list, None, day("2026-06-30")),
        Ok(Some((day("2026-05-01"), day("2026-06-30"))))
    );
    let error = span(&list, None, day("2026-04-30")).expect_err("turned");
    assert!(error.contains("which the list gives as 2026-05-01"), "{error}");
    list.valid_from = Some("Mai".to_owned());
    assert!(span(&list, None, None).expect_err("no day").contains("valid_from in pack.toml"));
    assert_eq!(span(&list, day("2025-01-01"), None), Ok(Some((day("2025-01-01"), None))));
}
