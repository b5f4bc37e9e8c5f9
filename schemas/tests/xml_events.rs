//! Places, node numbers, and that neither depends on how the bytes come in.

use std::io::{self, BufRead, Read};

use amtsbote_schemas::xml::{Event, Limits, Position, Reader, StartTag, XmlError, XmlErrorKind};
use proptest::prelude::*;

/// Events that outlive the reader.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Start(StartTag),
    End(StartTag, Position),
    Text(u64, String, Position),
    Comment(u64, String, Position),
    Instruction(u64, String, String, Position),
}

fn read(input: impl BufRead, limits: &Limits) -> (Vec<Seen>, Result<(), XmlError>) {
    let mut reader = Reader::new(input, limits.clone());
    let mut seen = Vec::new();
    loop {
        seen.push(match reader.next() {
            Err(error) => {
                assert_eq!(reader.next(), Err(error.clone()), "an error stays");
                return (seen, Err(error));
            }
            Ok(Event::EndOfDocument) => {
                assert_eq!(reader.next(), Ok(Event::EndOfDocument), "the end stays");
                return (seen, Ok(()));
            }
            Ok(Event::Start(tag)) => Seen::Start(tag.clone()),
            Ok(Event::End(tag, at)) => Seen::End(tag.clone(), at),
            Ok(Event::Text(node, text, at)) => Seen::Text(node.0, text.to_owned(), at),
            Ok(Event::Comment(node, text, at)) => Seen::Comment(node.0, text.to_owned(), at),
            Ok(Event::ProcessingInstruction(node, target, data, at)) => {
                Seen::Instruction(node.0, target.to_owned(), data.to_owned(), at)
            }
        });
    }
}

fn place(at: Position) -> (u64, u64, u64) {
    (at.offset, at.line, at.column)
}

/// Hands out `bytes` in pieces of the given lengths, over and over.
struct Pieces<'a> {
    bytes: &'a [u8],
    lengths: Vec<usize>,
    turn: usize,
    left: usize,
}

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], lengths: Vec<usize>) -> Self {
        Self { bytes, lengths, turn: 0, left: 0 }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            self.left = self.lengths[self.turn % self.lengths.len()];
            self.turn += 1;
            if self.turn.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(&self.bytes[..self.left.min(self.bytes.len())])
    }

    fn consume(&mut self, count: usize) {
        self.bytes = &self.bytes[count..];
        self.left -= count;
    }
}

#[test]
fn every_node_has_its_number_in_document_order() {
    let document =
        b"<?xml version='1.0'?><!--1--><?p 2?>\n<r xmlns='u' a='4' b='5'>6<![CDATA[6]]>&#54;\
        <c d='8'/>9<!--10-->11<?q 12?><e>14</e><![CDATA[]]><f/></r><!--16-->";
    let (seen, result) = read(&document[..], &Limits::default());
    result.expect("well-formed");
    let mut next = 1;
    let mut text = None;
    for event in &seen {
        let (node, own) = match event {
            Seen::Start(tag) => {
                let mut number = tag.node.0 + 1;
                for attribute in &tag.attributes {
                    assert_eq!(attribute.node.0, number);
                    assert_eq!(attribute.value, number.to_string());
                    number += 1;
                }
                assert_eq!(tag.node.0, next);
                next = number;
                text = None;
                continue;
            }
            Seen::End(..) => {
                text = None;
                continue;
            }
            Seen::Text(node, value, _) => {
                assert!(value.chars().all(|c| c == '6') || *value == node.to_string(), "{value}");
                if text == Some(*node) {
                    continue;
                }
                text = Some(*node);
                (*node, None)
            }
            Seen::Comment(node, value, _) => (*node, Some(value)),
            Seen::Instruction(node, _, value, _) => (*node, Some(value)),
        };
        assert_eq!(node, next, "{event:?}");
        if let Some(value) = own {
            assert_eq!(*value, node.to_string());
            text = None;
        }
        next = node + 1;
    }
    assert_eq!(next, 17);
}

#[test]
fn places_count_bytes_lines_and_characters() {
    let document = "\u{feff}<!--ä\r\n-->\r<rä b='ü\n' \r\n  c=\"€\"\n>ß\r\nz&#x41;<e/>\r<![CDATA[x]]></rä >\n<?p?>";
    let (seen, result) = read(document.as_bytes(), &Limits::default());
    result.expect("well-formed");
    let mut places = Vec::new();
    for event in &seen {
        match event {
            Seen::Start(tag) => {
                places.push(("start", place(tag.position)));
                places.extend(tag.attributes.iter().map(|a| ("attribute", place(a.position))));
            }
            Seen::End(_, at) => places.push(("end", place(*at))),
            Seen::Text(_, _, at) => places.push(("text", place(*at))),
            Seen::Comment(_, _, at) => places.push(("comment", place(*at))),
            Seen::Instruction(_, _, _, at) => places.push(("instruction", place(*at))),
        }
    }
    let offset = |text: &str| document.find(text).expect("there") as u64;
    assert_eq!(
        places,
        [
            ("comment", (3, 1, 1)),
            ("start", (offset("<r"), 3, 1)),
            ("attribute", (offset("b="), 3, 5)),
            ("attribute", (offset("c="), 5, 3)),
            ("text", (offset("ß"), 6, 2)),
            ("start", (offset("<e/"), 7, 8)),
            ("end", (offset("/>"), 7, 10)),
            ("text", (offset("\r<!"), 7, 12)),
            ("text", (offset("x]]"), 8, 10)),
            ("end", (offset("</r"), 8, 14)),
            ("instruction", (offset("<?p"), 9, 1)),
        ]
    );
}

#[test]
fn errors_name_the_place() {
    for (input, expected) in [
        ("<a>\n ä\u{1}</a>", (7, 2, 3)),
        ("<a>\nxx]]></a>", (8, 2, 5)),
        ("<a>\n<b c='1'\n   c='2'/></a>", (16, 3, 4)),
        ("<a>\n<b c='ä&x;'/></a>", (12, 2, 8)),
        ("<a\n b='1'c='2'/>", (9, 2, 7)),
        ("<a>\n  <b></a>", (9, 2, 6)),
        ("<a>\n  <b>", (9, 2, 6)),
        ("<a>\n  <b", (6, 2, 3)),
        ("<a>\r\r\n  &x;</a>", (8, 3, 3)),
        ("<a/>\n x", (6, 2, 2)),
        ("<!--\n a--b-->", (7, 2, 3)),
        ("<?xml version='1.0' bad='1'?><a/>", (20, 1, 21)),
        ("<a>\n <p:b/></a>", (5, 2, 2)),
        ("<a\n p:b='1'/>", (4, 2, 2)),
    ] {
        let (_, result) = read(input.as_bytes(), &Limits::default());
        let error = result.expect_err("refused");
        assert_eq!(place(error.position), expected, "{input:?}: {error}");
    }
    let (_, result) = read(&b"<a>\nab\xff"[..], &Limits::default());
    assert_eq!(place(result.expect_err("refused").position), (6, 2, 3));
    let (_, result) = read(&b"<a\n b='\xff'/>"[..], &Limits::default());
    assert_eq!(place(result.expect_err("refused").position), (7, 2, 5));
}

#[test]
fn long_text_comes_in_pieces_of_one_node() {
    let long = "ä€x\r\n&amp;".repeat(40_000);
    let document = format!("<a>{long}<b/>{long}<![CDATA[x]]>y</a>");
    let (seen, result) = read(document.as_bytes(), &Limits::default());
    result.expect("well-formed");
    let mut runs: Vec<(u64, usize, String)> = Vec::new();
    for event in &seen {
        if let Seen::Text(node, piece, _) = event {
            assert!(piece.len() <= 64 * 1024 + 8);
            match runs.last_mut().filter(|run| run.0 == *node) {
                Some(run) => {
                    run.1 += 1;
                    run.2.push_str(piece);
                }
                None => runs.push((*node, 1, piece.clone())),
            }
        }
    }
    let expected = "ä€x\n&".repeat(40_000);
    assert_eq!(runs.len(), 2);
    assert!(runs[0].1 > 5 && runs[0].2 == expected);
    assert_eq!(runs[1].2, expected + "xy");
}

#[test]
fn failing_input_is_told_apart_from_a_bad_document() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone"))
        }
    }
    for beginning in ["", "<a>", "<a", "<a>text", "<a>&am", "<!--", "<!", "<a><![C", "<a/>"] {
        let input = io::BufReader::new(beginning.as_bytes().chain(Broken));
        let (_, result) = read(input, &Limits::default());
        let error = result.expect_err("broken");
        assert_eq!(error.kind, XmlErrorKind::Input(io::ErrorKind::ConnectionReset), "{beginning}");
        let source = std::error::Error::source(&error).expect("the input's own error");
        assert_eq!(source.to_string(), "gone");
        assert!(error.is_input() && !error.is_limit());
    }
}

#[test]
fn many_attributes_prefixes_and_levels_are_read_within_the_limits() {
    let attributes: String = (0..256).map(|n| format!(" a{n}='{n}'")).collect();
    let declarations: String = (0..64).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
    let open: String = (0..256).map(|n| format!("<p{}:e{n}{declarations}>", n % 64)).collect();
    let close: String = (0..256).rev().map(|n| format!("</p{}:e{n}>", n % 64)).collect();
    let (seen, result) = read(format!("{open}{close}").as_bytes(), &Limits::default());
    result.expect("well-formed");
    assert_eq!(seen.len(), 512);
    for event in &seen {
        if let Seen::Start(tag) | Seen::End(tag, _) = event {
            let n = u64::from(tag.depth) - 1;
            assert_eq!(tag.local, format!("e{n}"));
            assert_eq!(tag.namespace, format!("urn:{}", n % 64));
        }
    }
    let (seen, result) =
        read(format!("<a{attributes}><b c=''/></a>").as_bytes(), &Limits::default());
    result.expect("well-formed");
    assert!(matches!(&seen[0], Seen::Start(tag) if tag.attributes.len() == 256));
    assert!(matches!(&seen[1], Seen::Start(tag) if tag.attributes.len() == 1));
}

/// Something like XML, so that more than the first byte is looked at.
fn xml_like() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "<a>", "</a>", "<a/>", "<p:b xmlns:p='u' c=\"&lt;\r\n\">", "</p:b>", "<a b='1' b='2'/>",
            "<!-- c -->", "<!--", "-->", "--", "<![CDATA[", "]]>", "]", ">", "<?p d?>", "<?", "?>",
            "&amp;", "&#x41;", "&", ";", "\r", "\n", "\r\n", "ä", "€", "\u{10000}", "text ",
            "<?xml version='1.0'?>", "<!DOCTYPE a>", "\u{feff}", "'", "\"", " ", "=", "xmlns=''",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    (any::<bool>(), prop::collection::vec(part, 0..30)).prop_map(|(wrapped, parts)| {
        let inner = parts.concat();
        if wrapped { [&b"<r>"[..], &inner, b"</r>"].concat() } else { inner }
    })
}

fn small() -> impl Strategy<Value = Limits> {
    (1..200u64, 1..4u32, 0..80usize, 0..20u64).prop_map(|(bytes, depth, token, nodes)| Limits {
        document_bytes: bytes,
        depth,
        token_bytes: token,
        nodes,
        ..Limits::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes[..], &Limits::default());
    }

    #[test]
    fn the_cut_of_the_input_changes_nothing(
        bytes in xml_like(),
        lengths in prop::collection::vec(1..9usize, 1..5),
        limits in prop_oneof![3 => Just(Limits::default()), 1 => small()],
    ) {
        let whole = read(&bytes[..], &limits);
        let pieces = read(Pieces::new(&bytes, lengths), &limits);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn what_was_read_is_written_and_read_again_alike(
        texts in prop::collection::vec("[ -~äß€\u{10000}\t\r\n]{0,12}", 1..6),
    ) {
        let mut document = String::from("<r>");
        for text in &texts {
            let escaped: String = text.chars().map(|c| format!("&#{};", c as u32)).collect();
            document.push_str(&format!("<e a='{escaped}'>{escaped}</e>"));
        }
        document.push_str("</r>");
        let (seen, result) = read(document.as_bytes(), &Limits::default());
        prop_assert_eq!(result, Ok(()));
        let values: Vec<_> = seen
            .iter()
            .filter_map(|event| match event {
                Seen::Start(tag) => tag.attribute("a"),
                _ => None,
            })
            .collect();
        prop_assert_eq!(&values, &texts);
        let read_texts: Vec<_> = seen
            .iter()
            .filter_map(|event| match event {
                Seen::Text(_, text, _) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = texts.iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
        prop_assert_eq!(read_texts, expected);
    }
}

/// The borders of the reader's own buffer cut every construct somewhere.
/// A token longer than the buffer is read as a whole, and what follows it as well.
#[test]
fn tokens_longer_than_the_buffer_are_read() {
    let long = "\u{e4}-]?".repeat(60_000);
    let document = format!(
        "<?p {long}?><a b='{long}'>x<!--{long}--><![CDATA[{long}]]><c d='{long}'/>{long}</a >"
    );
    let (whole, result) = read(document.as_bytes(), &Limits::default());
    result.expect("well-formed");
    let texts = whole.iter().filter_map(|event| match event {
        Seen::Text(_, text, _) => Some(text.len()),
        _ => None,
    });
    assert_eq!(texts.sum::<usize>(), 1 + 2 * long.len());
    assert!(matches!(&whole[0], Seen::Instruction(_, _, data, _) if *data == long));
    assert!(matches!(&whole[3], Seen::Comment(_, text, _) if *text == long));
    let tags = |e: &&Seen| matches!(e, Seen::Start(tag) if tag.attributes[0].value == long);
    assert_eq!(whole.iter().filter(tags).count(), 2);
    let (cut, _) = read(Pieces::new(document.as_bytes(), vec![70_001, 3, 1]), &Limits::default());
    assert!(whole == cut, "the cut of the input changes nothing");
    let small = Limits { token_bytes: 100_000, ..Limits::default() };
    let (_, result) = read(document.as_bytes(), &small);
    assert_eq!(result.expect_err("refused").code(), "limit-token-bytes");
}

/// What stands before bytes that are no UTF-8 is read, wherever they stand.
#[test]
fn what_is_no_utf_8_is_told_where_it_stands() {
    for padding in [0, 1, 60, 65_500, 65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 200_000] {
        let mut document = format!("<a>{}<b/>", "y".repeat(padding)).into_bytes();
        let at = document.len() as u64;
        document.extend_from_slice(b"\xe2\x82x</a>");
        for lengths in [vec![1 << 20], vec![1], vec![4096, 1]] {
            let (seen, result) = read(Pieces::new(&document, lengths), &Limits::default());
            let error = result.expect_err("refused");
            assert_eq!((error.code(), error.position.offset), ("not-utf-8", at), "{padding}");
            assert!(matches!(seen.last(), Some(Seen::End(tag, _)) if tag.local == "b"));
        }
    }
}

#[test]
fn borders_of_the_buffer_cut_nothing() {
    let body = "<p:b xmlns:p='u' c='&lt;\r\nä'>€ &amp; ]]&gt;\r\n</p:b><!-- - --><?p ? > ?><![CDATA[ ]] ]]]]>x\r\n";
    for padding in 0..body.len() + 2 {
        let filler = "y".repeat(64 * 1024 - padding - 3);
        let document = format!("<a>{filler}{body}</a>");
        let (whole, result) = read(document.as_bytes(), &Limits::default());
        result.expect("well-formed");
        let (cut, result) = read(
            Pieces::new(document.as_bytes(), vec![64 * 1024 - padding / 2, 1, 2, 3]),
            &Limits::default(),
        );
        result.expect("well-formed");
        assert_eq!(whole, cut, "padding {padding}");
        let (_, short) = read(format!("<a>{body}</a>").as_bytes(), &Limits::default());
        short.expect("well-formed");
        assert_eq!(whole.iter().filter(|e| matches!(e, Seen::Comment(..))).count(), 1);
    }
}
