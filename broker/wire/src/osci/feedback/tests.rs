//! Tests of the codes.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::testing::material;

#[test]
fn every_number_has_four_digits_and_stands_once_in_order() {
    let numbers: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    for code in Code::ALL {
        assert_eq!(code.number().to_string(), code.as_str());
        assert_eq!(code.number().known(), Some(*code));
        assert_eq!(code.number().class(), Some(code.class()));
    }
}

#[test]
fn codes_are_those_of_the_list_and_the_sentences_are_ours() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let list = corpus.join("osci-transport/1.2/FEEDBACK-CODES.de.txt");
    let list = std::fs::read_to_string(list).expect("the list");
    let list: BTreeMap<_, _> = list.lines().filter_map(|line| line.split_once(" = ")).collect();
    let own: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(own, list.keys().copied().collect());
    for code in Code::ALL {
        assert_ne!(code.text().de, list[code.as_str()]);
    }
}

#[test]
fn texts_are_whole_sentences_of_their_own() {
    let mut seen = BTreeSet::new();
    for code in Code::ALL {
        let Text { de, en } = code.text();
        for text in [de, en] {
            assert!(text.ends_with('.') && text.len() > 20, "{code}: {text}");
            assert!(seen.insert(text), "{code}: {text}");
        }
    }
}

#[test]
fn the_level_is_that_of_the_standard() {
    let at = |level| -> Vec<_> {
        Code::ALL.iter().filter(|c| c.level() == level).map(|c| c.as_str()).collect()
    };
    let client = ["9100", "9200", "9201", "9202", "9300", "9400", "9500", "9501", "9502"];
    assert_eq!(at(Level::Message(Side::Client)), client);
    assert_eq!(at(Level::Message(Side::Server)), ["9000", "9503"]);
    let ours: Vec<_> =
        Code::ALL.iter().filter(|c| c.side() == Side::Server).map(|c| c.as_str()).collect();
    assert_eq!(ours, ["9000", "9503", "9603", "9710", "9808", "9809", "9810", "9811"]);
    assert_eq!(Code::MoreDeliveries.class(), Class::Warning);
    assert_eq!(Code::DoneDialogueOpen.class(), Class::Done);
    assert_eq!(Code::NoDelivery.class(), Class::NotExecuted);
}

fn spoken(list: &str) -> Vec<Language> {
    languages(list.split(' '))
}

#[test]
fn each_language_asked_for_has_its_row() {
    assert_eq!(spoken("en de-AT fr EN"), [Language::En, Language::De]);
    assert_eq!(spoken("fr"), [Language::De]);
    assert_eq!(spoken(""), [Language::De]);
    assert_eq!(spoken("deutsch"), [Language::De]);
    let rows = entries(&[Code::MoreDeliveries, Code::DoneDialogueOpen], &spoken("de en"));
    let rows: Vec<_> = rows
        .iter()
        .map(|e| {
            let language = e.language.as_ref().expect("a language");
            (e.code.expect("a code").to_string(), language.as_str())
        })
        .collect();
    let row = |code: &str, lang| (code.to_owned(), lang);
    assert_eq!(rows, [row("3800", "de"), row("3800", "en"), row("0801", "de"), row("0801", "en")]);
}

#[test]
fn all_rows_say_what_became_of_an_order() {
    let entry = |code: &str| Entry { language: None, code: code.parse().ok(), text: String::new() };
    let of = |codes: &[&str]| outcome(&codes.iter().map(|code| entry(code)).collect::<Vec<_>>());
    assert_eq!(of(&["0801"]), Some(Class::Done));
    assert_eq!(of(&["3800", "0801"]), Some(Class::Warning));
    assert_eq!(of(&["0801", "9999", "3800"]), Some(Class::NotExecuted));
    assert_eq!(of(&["0801", "5000"]), None);
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["0801", "801"]), None);
    for wrong in ["", "980", "98001", "98a0", "+980", "９８００"] {
        assert_eq!(wrong.parse::<Number>(), Err(NotACode), "{wrong}");
    }
    assert_eq!(entry("9950").code.and_then(Number::known), None);
    assert_eq!(Number::new(800), Some(Code::DoneDialogueEnded.number()));
    assert_eq!((Number::new(9999).map(Number::get), Number::new(10000)), (Some(9999), None));
}
