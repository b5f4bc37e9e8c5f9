//! Data types and sequences by hand; the whole standard is compared in `tests/characters.rs`.

use super::*;

fn first(datatype: Datatype, text: &str) -> Option<(usize, String)> {
    let offence = datatype.check(text).err()?;
    Some((offence.before, offence.code_points.into_iter().collect()))
}

#[test]
fn names_are_names() {
    for name in
        ["", "Ana-María d’Été", "Šćekić", "C\u{328}\u{306}elik", "K\u{35F}han", "K\u{35F}Han"]
    {
        assert_eq!(first(Datatype::A, name), None, "{name}");
    }
    assert_eq!(first(Datatype::A, "Haus 7"), Some((5, "7".to_owned())));
    assert_eq!(first(Datatype::B, "Haus 7"), None);
    assert_eq!(first(Datatype::C, "a\n\u{A0}"), None);
    assert_eq!(first(Datatype::D, "a\n"), Some((1, "\n".to_owned())));
    assert_eq!(first(Datatype::C, "Жуков"), Some((0, "Ж".to_owned())));
    assert_eq!(first(Datatype::E, "Жуков"), None);
    assert_eq!(first(Datatype::E, "a\u{1F600}"), Some((1, "\u{1F600}".to_owned())));
}

#[test]
fn sequences_are_judged_as_one_character() {
    for (text, place, named) in [
        ("Mu\u{308}ller", 1, "u\u{308}"),
        ("\u{301}a", 0, "\u{301}"),
        ("axC\u{328}y", 2, "C\u{328}"),
        ("axC\u{328}", 2, "C\u{328}"),
        ("k\u{35F}H", 0, "k\u{35F}"),
        ("K\u{35F}h\u{304}", 3, "\u{304}"),
        ("S\u{31B}", 0, "S\u{31B}"),
        ("L\u{325}\u{304}\u{304}", 0, "L\u{325}\u{304}\u{304}"),
    ] {
        assert_eq!(first(Datatype::E, text), Some((place, named.to_owned())), "{text}");
    }
}

#[test]
fn every_sequence_is_held_alone_and_in_a_row() {
    let all: Vec<String> = table::sequences().collect();
    assert_eq!(all.len(), 149);
    for one in &all {
        assert_eq!(first(Datatype::A, one), None, "{one}");
        assert!(is_alone(one), "{one}");
    }
    assert_eq!(first(Datatype::A, &all.concat()), None);
    assert!(!is_alone(&all.concat()));
}

#[test]
fn a_character_is_alone_where_nothing_else_is_seen() {
    for text in
        ["", " \n", "Ж", " Ж\u{A0}", "C\u{328}", "\u{301}", "\u{5D0}\u{5BC}\u{5B8}", "\u{FEFF}Ж"]
    {
        assert!(is_alone(text), "{text:?}");
    }
    for text in ["ab", "a b", "\u{5D0}\u{5BC}\u{5D0}", "K\u{35F}hx"] {
        assert!(!is_alone(text), "{text:?}");
    }
    let mut count = Count::default();
    for (piece, alone) in [(" ", true), ("C", true), ("\u{328}", true), (" x", false)] {
        count.add(piece);
        assert_eq!(count.alone(), alone, "{piece:?}");
    }
}

#[test]
fn characters_are_named() {
    assert_eq!(
        describe(&['u', '\u{308}']),
        "U+0075 U+0308 (LATIN SMALL LETTER U, COMBINING DIAERESIS)"
    );
    assert_eq!(describe(&['\u{7}']), "U+0007 (control character)");
    assert_eq!(describe(&['\u{10FFFF}']), "U+10FFFF (no name)");
}

proptest::proptest! {
    #[test]
    fn pieces_say_what_the_whole_says(text in "[aKHhCS7Ж\u{300}-\u{331}\u{35F}]{0,10}", cut in 0..10usize) {
        let cut = text.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(text.len());
        let mut scan = Scan::new(Datatype::A, false);
        let mut read = |piece: &str| {
            scan.plain(piece) || piece.chars().all(|one| scan.step(one).is_ok())
        };
        let good = read(&text[..cut]) && read(&text[cut..]);
        let good = good && scan.finish().is_ok();
        proptest::prop_assert_eq!(good, Datatype::A.check(&text).is_ok());
    }
}
