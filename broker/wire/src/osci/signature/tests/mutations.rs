//! Whatever is changed in a signed message: it is refused, or everything signed says the same.

use std::sync::LazyLock;

use amtsbote_schemas::xml::drive;
use proptest::prelude::*;

use super::*;
use crate::c14n::{Apex, Canonicalizer, Method};

static DRAFT: LazyLock<Draft> = LazyLock::new(|| Draft::store_delivery(&EC));
static MESSAGE: LazyLock<String> = LazyLock::new(|| DRAFT.signed_by(&EC));

/// The canonical form of the element with this Id.
fn canonical(document: &[u8], id: &str) -> String {
    let mut octets = Vec::new();
    let method = Method::new(Mode::Inclusive, false);
    let mut sink = Canonicalizer::new(method, Apex::Id(id.to_owned()), |piece: &[u8]| {
        octets.extend_from_slice(piece)
    });
    drive(document, &Limits::default(), &mut sink).expect("well-formed");
    assert_eq!(sink.matches(), 1, "{id}");
    sink.flush();
    String::from_utf8(octets).expect("UTF-8")
}

/// Whether everything that is signed still says what it said.
fn says_the_same(document: &[u8]) -> bool {
    let blocks = DRAFT.blocks.iter().map(|(id, octets)| (id.as_str(), octets));
    let mut all = blocks.chain([("body", &DRAFT.body)]);
    all.all(|(id, octets)| canonical(document, id) == *octets)
}

fn holds(document: &[u8]) -> bool {
    let trusted = [EC.trusted()];
    let allowed = Allowed::default();
    judge_with(document, Side::Client, &DRAFT.parts, &trusted, &allowed).is_ok()
}

#[test]
fn one_bit_of_each_octet() {
    assert!(holds(MESSAGE.as_bytes()) && says_the_same(MESSAGE.as_bytes()));
    let (mut refused, mut all) = (0, 0);
    for at in 0..MESSAGE.len() {
        let mut copy = MESSAGE.clone().into_bytes();
        copy[at] ^= 1 << (at % 7);
        all += 1;
        if holds(&copy) {
            assert!(says_the_same(&copy), "octet {at}");
        } else {
            refused += 1;
        }
    }
    // The declaration, the type of the message and the attributes of the block are not signed.
    assert!(refused * 20 > all * 17, "{refused} of {all}");
}

#[test]
fn every_attribute_and_every_element_counts() {
    let draft = &*DRAFT;
    for (id, block) in draft.blocks.iter().chain([&("body".to_owned(), draft.body.clone())]) {
        let name_end = block.find(' ').expect("attributes");
        let (tag, rest) = block.split_at(name_end);
        let mut copies = vec![
            format!("{tag} more=\"\"{rest}"),
            format!("{tag} xml:lang=\"de\"{rest}"),
            format!("{tag} xmlns:more=\"urn:more\"{rest}"),
            block.replacen('>', "> ", 1),
            block.replacen('>', "><osci:More></osci:More>", 1),
            block.replacen('>', "><?p i?>", 1),
            block.replacen(&format!("Id=\"{id}\""), &format!("Id=\"{id}x\""), 1),
            block.replacen(&format!(" Id=\"{id}\""), "", 1),
            block.replacen(&format!(" Id=\"{id}\""), &format!(" xml:id=\"{id}\""), 1),
            String::new(),
            block.repeat(2),
        ];
        // Each attribute away, and each declaration. One that repeats the envelope's does not
        // matter: the canonical form is the same.
        for (at, _) in block[..block.find('>').expect("it ends")].match_indices("=\"") {
            let from = block[..at].rfind(' ').expect("a blank");
            let to = at + 2 + block[at + 2..].find('"').expect("it ends") + 1;
            copies.push(format!("{}{}", &block[..from], &block[to..]));
        }
        for copy in copies {
            let changed = MESSAGE.replacen(block.as_str(), &copy, 1);
            assert_ne!(changed, *MESSAGE, "{copy}");
            if holds(changed.as_bytes()) {
                assert!(says_the_same(changed.as_bytes()), "{copy}");
                assert!(!copy.contains("ore=") && !copy.is_empty(), "{copy}");
            }
        }
    }
}

/// What was observed to be accepted by the reference library is accepted: the digests are over the
/// canonical form, not over what was written.
#[test]
fn another_way_of_writing_changes_nothing() {
    let (_, languages) = &DRAFT.blocks[1];
    for (from, to) in [
        (languages.as_str(), languages.replace("></osci:DesiredLanguages>", "/>")),
        (languages.as_str(), languages.replace(NS, "")),
        (languages.as_str(), languages.replace("LanguagesList=\"de\"", "LanguagesList='de'")),
        ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n", String::new()),
        ("<osci:Challenge>", "<!-- not signed --><osci:Challenge>".to_owned()),
        ("</soap:Header>", "</soap:Header>\n".to_owned()),
    ] {
        let copy = MESSAGE.replacen(from, &to, 1);
        assert_ne!(copy, *MESSAGE, "{to}");
        assert!(holds(copy.as_bytes()) && says_the_same(copy.as_bytes()), "{to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any octets are answered, as a message of either side.
    #[test]
    fn any_octets_are_answered(octets in prop::collection::vec(any::<u8>(), 0..300), client: bool) {
        let side = if client { Side::Client } else { Side::Supplier };
        let _ = read(octets.as_slice(), side);
        let (limits, allowed) = (osci::Limits::default(), Allowed::default());
        let _ = Claimed::read(octets.as_slice(), side, &limits, &allowed);
    }

    /// Pieces of a message in any order, changed and doubled, hold only where they say the same.
    #[test]
    fn pieces_put_together_otherwise(
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..4), 1..4),
    ) {
        // Cut at the tags, so that much of what comes out is well-formed.
        let mut pieces: Vec<&str> = MESSAGE.split_inclusive('>').collect();
        for (from, to, what) in moves {
            let (from, to) = (from.index(pieces.len()), to.index(pieces.len()));
            match what {
                0 => pieces.swap(from, to),
                1 => { let piece = pieces[from]; pieces.insert(to, piece); }
                2 => { pieces.remove(from); }
                _ => pieces[from] = pieces[to],
            }
        }
        let copy = pieces.concat();
        if holds(copy.as_bytes()) {
            prop_assert!(says_the_same(copy.as_bytes()), "{}", copy);
        }
    }
}
