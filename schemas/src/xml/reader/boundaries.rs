//! Where the text at hand ends changes nothing, whatever is cut there.

use super::Reader;
use crate::xml::{Event, Limits};

/// Fewest and most bytes at hand at once.
const PIECES: std::ops::RangeInclusive<usize> = 8..=40;

/// What a document holds, or why it is none, with all places. Text that comes in pieces is joined.
fn events(document: &[u8], piece: Option<usize>) -> Vec<String> {
    let mut reader = Reader::new(document, Limits::default());
    if let Some(piece) = piece {
        reader.source.in_pieces(piece);
    }
    let mut events = Vec::new();
    let mut text: Option<(String, String)> = None;
    loop {
        let event = reader.next();
        if let Ok(Event::Text(node, piece, position)) = &event {
            let node = format!("{node:?}");
            match &mut text {
                Some((known, all)) if *known == node => all.push_str(piece),
                _ => {
                    events
                        .extend(text.replace((node, format!("{position:?} {piece}"))).map(|t| t.1));
                }
            }
            continue;
        }
        events.extend(text.take().map(|(node, text)| format!("{node} {text}")));
        let ended = matches!(event, Err(_) | Ok(Event::EndOfDocument));
        events.push(format!("{event:?}"));
        if ended {
            return events;
        }
    }
}

/// Every construct comes to lie across every end: it is moved on byte by byte.
fn same_at_every_offset(document: &[u8]) {
    for piece in PIECES {
        for offset in 0..piece {
            let mut moved = b" ".repeat(offset);
            moved.extend_from_slice(document);
            let whole = events(&moved, None);
            let text = String::from_utf8_lossy(document);
            assert_eq!(events(&moved, Some(piece)), whole, "{piece} at a time, {offset}: {text}");
        }
    }
}

#[test]
fn every_construct_is_read_across_every_end() {
    let document = "<!-- a - b - --><?go on ? > now?>\n<p:r xmlns:p='urn:p' xmlns=\"urn:d\" \
        a='1&lt;2 &#228; \t&#x1F600;' p:b = \"'\r\n'\">text &amp; more&#13;\r\nline\rend ]] > \u{e4}\
        \u{20ac}\u{1f600}<![CDATA[<not>&amp; ]] ]]]><![CDATA[]]><!----><e/><e  /><p:e  f='>'></p:e \
        ><?x?><!-- \u{1f600}- --></p:r ><?last ??>\n<!--e-->\n";
    let read = events(document.as_bytes(), None);
    assert!(read.last().is_some_and(|last| last.contains("EndOfDocument")), "{read:?}");
    assert!(read.len() == 17, "{read:?}");
    same_at_every_offset(document.as_bytes());
}

#[test]
fn every_mistake_is_found_at_its_place_across_every_end() {
    let inside: [&[u8]; 16] = [
        b"<!-- a -- b -->",
        b"<!-- a --->",
        b"a ]]> b",
        b"<![CDATA[ a ]]",
        b"<![CDAT[ a ]]>",
        b"<?xml a?>",
        b"<?p a ?",
        b"&lt",
        b"&unknown;",
        b"&#x110000;",
        b"&#;",
        b"<e a='1' a='2'/>",
        b"<e a='<'/>",
        b"<q:e/>",
        b"</s>",
        b"\xc3\x28",
    ];
    for inside in inside {
        let document = [b"<r>\xc3\xa4".as_slice(), inside, b"\xe2\x82\xac</r>"].concat();
        let read = events(&document, None);
        assert!(read.last().is_some_and(|last| last.starts_with("Err")), "{read:?}");
        same_at_every_offset(&document);
    }
}
