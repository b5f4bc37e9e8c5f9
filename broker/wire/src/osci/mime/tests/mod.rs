//! Reading any cut, refusing what is ambiguous, and writing what is read again.

mod corpus;
mod properties;
mod streams;

use super::*;

/// Headers, octets of each part.
pub(super) type Parts = Vec<(PartHeaders, Vec<u8>)>;

/// Reads a message cut at the given sizes, used in turn.
pub(super) fn read_with(
    body: &[u8],
    sizes: &[usize],
    limits: Limits,
) -> Result<(String, Parts), MimeFault> {
    let mut reader = Reader::new(limits);
    let (mut parts, mut boundary, mut open, mut ended) = (Parts::new(), None, false, false);
    let (mut rest, mut sizes) = (body, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = (*sizes.next().expect("a size")).clamp(1, rest.len());
        let (mut chunk, after) = rest.split_at(size);
        rest = after;
        loop {
            let event = match reader.next_event(&mut chunk) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(fault) => {
                    assert_eq!(reader.next_event(&mut &b"x"[..]), Err(fault), "an error stays");
                    assert_eq!(reader.finish(), Err(fault));
                    return Err(fault);
                }
            };
            match event {
                Event::Headers(headers) => {
                    assert!(boundary.is_none() && parts.is_empty());
                    boundary = Some(headers.boundary);
                }
                Event::PartBegin(headers) => {
                    assert!(boundary.is_some() && !open && !ended);
                    open = true;
                    parts.push((headers, Vec::new()));
                }
                Event::Data(octets) => {
                    assert!(open && !octets.is_empty());
                    parts.last_mut().expect("a part").1.extend_from_slice(octets);
                }
                Event::PartEnd { octets } => {
                    assert!(open);
                    assert_eq!(octets, parts.last().expect("a part").1.len() as u64);
                    open = false;
                }
                Event::End => {
                    assert!(!open && !ended);
                    ended = true;
                }
            }
        }
        assert!(chunk.is_empty(), "the reader left octets behind");
    }
    reader.finish()?;
    assert!(ended);
    Ok((boundary.expect("headers"), parts))
}

pub(super) fn read(body: &[u8]) -> Result<Parts, MimeFault> {
    let whole = read_with(body, &[usize::MAX], Limits::default());
    for size in [1, 2, 3, 5, 7] {
        assert_eq!(read_with(body, &[size], Limits::default()), whole, "pieces of {size}");
    }
    whole.map(|(_, parts)| parts)
}

const HEADERS: &str =
    "MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary=b; type=text/xml\r\n\r\n";

/// A message with these octets behind its headers.
fn message(rest: &str) -> Vec<u8> {
    [HEADERS, rest].concat().into_bytes()
}

/// A message with one more part, of these headers and octets.
fn with_part(headers: &str, octets: &[u8]) -> Vec<u8> {
    let root = "--b\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n--b\r\n";
    [HEADERS.as_bytes(), root.as_bytes(), headers.as_bytes(), b"\r\n", octets, b"\r\n--b--\r\n"]
        .concat()
}

#[track_caller]
fn second(headers: &str, octets: &[u8]) -> Vec<u8> {
    let parts = read(&with_part(headers, octets)).expect("a good message");
    assert_eq!(parts[0].1, b"<a/>");
    parts[1].1.clone()
}

#[track_caller]
fn malformed(body: &[u8]) {
    let fault = read(body).expect_err("a bad message");
    let known = matches!(fault, MimeFault::Malformed { .. } | MimeFault::Headers(_));
    assert!(known, "{fault:?}");
}

const ID: &str = "Content-ID: <a>\r\n";

#[test]
fn the_headers_of_the_message_are_read_as_clients_write_them() {
    let rest = "--b\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n--b--\r\n";
    for headers in [
        HEADERS,
        &format!("\r\n{HEADERS}"),
        "Content-Type:multipart/related;\r\n\tboundary=\"b\";\r\n type=text/xml\r\n\r\n",
        "mime-version: 1.0 (so)\r\nX-Other: 1\r\nCONTENT-TYPE: Multipart/Related; \
         start=\"<osci@message>\"; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n",
        &format!("{HEADERS}preamble\r\n\r\n-b\r\n"),
    ] {
        let parts = read(format!("{headers}{rest}").as_bytes()).expect(headers);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].1, b"<a/>");
    }
    for headers in [
        "MIME-Version: 2.0\r\nContent-Type: Multipart/Related; boundary=b\r\n\r\n",
        "MIME-Version: 1.0\r\n\r\n",
        "Content-Type: Multipart/Related; boundary=b\r\nContent-Type: text/xml\r\n\r\n",
        "Content-Type: Multipart/Related; boundary=b; start=\"<a>\"\r\n\r\n",
        "Content-Type: Multipart/Related; boundary=\"b\r\n\r\n",
        "Content-Type: Multipart/Related\r\n\r\n",
        "Content-Type: Multipart/Related; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        " Content-Type: Multipart/Related; boundary=b\r\n\r\n",
        "Content-Type: Multipart/Related; boundary=b\rX: 1\r\n\r\n",
        "Content-Type: Multipart/Related; boundary=b\nX: 1\r\n\r\n",
        "Content-Type Multipart/Related; boundary=b\r\n\r\n",
        "--b\r\n\r\n",
    ] {
        malformed(format!("{headers}{rest}").as_bytes());
    }
    for kind in ["text/xml", "Multipart/Mixed; boundary=b"] {
        let fault = read(format!("Content-Type: {kind}\r\n\r\n{rest}").as_bytes());
        assert_eq!(fault, Err(MimeFault::NotMultipartRelated));
    }
}

#[test]
fn the_boundary_may_hold_slash_plus_and_equals() {
    let boundary = "MIME_boundary_a/b+c=d/e++";
    let text = format!(
        "MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary={boundary}; \
         type=text/xml\r\n\r\n--{boundary}\r\nContent-ID: <osci@message>\r\n\r\nx\r\n--{boundary}--"
    );
    assert_eq!(read(text.as_bytes()).expect("good")[0].1, b"x");
}

#[test]
fn the_octets_of_a_part_end_before_the_line_end_of_the_delimiter() {
    assert_eq!(second(ID, b"x\r\n"), b"x\r\n");
    assert_eq!(second(ID, b""), b"");
    assert_eq!(second(ID, b"\r"), b"\r");
    assert_eq!(second(ID, b"\n"), b"\n");
    let empty = message("--b\r\nContent-ID: <osci@message>\r\n\r\n--b--");
    assert_eq!(read(&empty).expect("good")[0].1, b"");
}

#[test]
fn what_looks_like_a_delimiter_and_is_none_stays_data() {
    for alike in [
        &b"\r\n--"[..],
        b"\r\n-b",
        b"\r--b",
        b"x--b",
        b"\r\r\n-",
        b"--",
        b"\n-",
        b"\r\n--a",
        b"\n\r",
    ] {
        let octets = [alike, b"!", alike].concat();
        assert_eq!(second(ID, &octets), octets);
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    // A delimiter that goes on; a boundary behind a bare line feed; one directly at the beginning.
    for octets in [
        &b"x\r\n--bc\r\n\r\n"[..],
        b"x\r\n--b-\r\n\r\n",
        b"x\r\n--b \rx",
        b"x\r\n--b--x",
        b"x\n--b\r\nContent-ID: <c>\r\n\r\ny",
        b"x\n--b--",
        b"\n--b",
        b"--b\n",
        b"--bc",
    ] {
        malformed(&with_part(ID, octets));
    }
    // Between headers and the first delimiter as well.
    malformed(&message("x\n--b\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n--b--"));
    // Two names for one thing.
    malformed(&with_part("Content-ID: <osci@message>\r\n", b"x"));
}

#[test]
fn lines_may_end_with_a_line_feed_when_all_do() {
    let unix = |body: &[u8]| String::from_utf8(body.to_vec()).expect("UTF-8").replace('\r', "");
    let good = unix(&with_part("Content-ID:\r\n <a>\r\n", b"x\r\n\r\n"));
    let parts = read(good.as_bytes()).expect("good");
    assert_eq!(parts[0].1, b"<a/>");
    assert_eq!(parts[1].1, b"x\n\n");
    // A carriage return in front of a delimiter is data to some and not to others.
    malformed(good.replace("<a/>", "<a/>\r").as_bytes());
    // Elsewhere it is data.
    let parts = read(good.replace("<a/>", "<\ra\r\n/>").as_bytes()).expect("good");
    assert_eq!(parts[0].1, b"<\ra\r\n/>");
    for (from, to) in [
        ("Version: 1.0\n", "Version: 1.0\r\n"),
        ("type=text/xml\n", "type=text/xml\r\n"),
        ("--b\n", "--b\r\n"),
        ("@message>\n", "@message>\r\n"),
        ("@message>\n\n", "@message>\n\r\n"),
    ] {
        assert!(good.contains(from), "{from:?}");
        malformed(good.replace(from, to).as_bytes());
        // The other way round: one bare line feed among the others.
        let right = from.replace('\n', "\r\n");
        let bare = format!("{}\n", right.strip_suffix("\r\n").expect("a line end"));
        let text = String::from_utf8(with_part(ID, b"x")).expect("UTF-8");
        assert!(text.contains(&right), "{right:?}");
        malformed(text.replacen(&right, &bare, 1).as_bytes());
    }
}

#[test]
fn the_first_part_is_the_envelope() {
    malformed(&message("--b\r\nContent-ID: <a>\r\n\r\n<a/>\r\n--b--"));
    malformed(&message("--b--"));
    malformed(&message("--b\r\n\r\n<a/>\r\n--b--"));
}

#[test]
fn headers_of_a_part_are_read_folded_in_any_case_and_only_once() {
    let headers = "content-id:\r\n <Anlage 1 für Müller.pdf>\r\nX-Other: 1\r\nCONTENT-TYPE: a/b;\r\n\
                   \tc=d\r\nContent-Transfer-Encoding: 8-bit\r\nContent-Length: 1\r\n";
    let parts = read(&with_part(headers, b"x")).expect("good");
    assert_eq!(
        parts[1].0,
        PartHeaders {
            content_id: "Anlage 1 für Müller.pdf".to_owned(),
            content_type: "a/b; c=d".to_owned(),
            transfer_encoding: TransferEncoding::Identity,
            content_length: Some(1),
        }
    );
    for bad in [
        "Content-ID: a\r\n",
        "Content-ID: <>\r\n",
        "Content-ID: < >\r\n",
        "Content-ID: <a<b>\r\n",
        "Content-ID: <a>\r\nContent-ID: <b>\r\n",
        "Content-ID <a>\r\n",
        "Content ID: <a>\r\n",
        ": <a>\r\n",
        "Content-ID: <a>\r\nContent-Type:\r\n",
        "Content-ID: <a>\r\nContent-Length: -1\r\n",
        "Content-ID: <a>\r\nContent-Length: 99999999999999999999\r\n",
        "Content-ID: <a>\r\nX: \u{1}\r\n",
        "Content-ID: <a>\r\nX: \u{85}\r\n",
    ] {
        malformed(&with_part(bad, b"x"));
    }
    let latin = [&b"Content-ID: <"[..], b"\xFC", b">\r\n"].concat();
    let mut body = with_part(ID, b"x");
    let at = body.windows(ID.len()).position(|w| w == ID.as_bytes()).expect("the header");
    body.splice(at..at + ID.len(), latin);
    malformed(&body);
}

#[test]
fn the_part_says_how_it_travels() {
    let encoded = |word: &str| format!("{ID}Content-Transfer-Encoding: {word}\r\n");
    for word in ["binary", "8bit", "8-bit", "7bit", "7-BIT"] {
        assert_eq!(second(&encoded(word), b"QQ=="), b"QQ==", "{word}");
    }
    assert_eq!(second(&encoded("Base64"), b"QW10\r\nc2JvdGU="), b"Amtsbote");
    assert_eq!(second(&encoded("quoted-printable"), b"Gr=C3=BC=C3=9F=\r\ne"), "Grüße".as_bytes());
    for headers in [
        format!("{ID}Content-Type: text/base64; charset=x\r\n"),
        format!("{}Content-Type: Text/Base64\r\n", encoded("8bit")),
        format!("{}Content-Type: text/base64\r\n", encoded("base64")),
    ] {
        assert_eq!(second(&headers, b"QQ=="), b"A", "{headers}");
    }
    let root = "--b\r\nContent-ID: <osci@message>\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                PGEvPg==\r\n--b--";
    assert_eq!(read(&message(root)).expect("good")[0].1, b"<a/>");
    for (headers, octets) in [
        (encoded("x-own"), "x"),
        (encoded(""), "x"),
        (encoded("base64"), "QQ"),
        (encoded("base64"), "Q*=="),
        (encoded("base64"), "QQ==QQ=="),
        (encoded("quoted-printable"), "=XY"),
        (format!("{}Content-Type: text/base64\r\n", encoded("quoted-printable")), "QQ=="),
    ] {
        let fault = read(&with_part(&headers, octets.as_bytes())).expect_err("bad");
        assert!(matches!(fault, MimeFault::TransferEncoding { part: 2, .. }), "{fault:?}");
    }
}

#[test]
fn content_length_is_a_hint_that_is_checked() {
    let stated = |length: usize| format!("{ID}Content-Length: {length}\r\n");
    assert_eq!(second(&stated(3), b"xyz"), b"xyz");
    malformed(&with_part(&stated(2), b"xyz"));
    malformed(&with_part(&stated(4), b"xyz"));
    // As it travels, or as it is meant.
    let base64 = |length| format!("{}Content-Transfer-Encoding: base64\r\n", stated(length));
    assert_eq!(second(&base64(4), b"QQ=="), b"A");
    assert_eq!(second(&base64(1), b"QQ=="), b"A");
    malformed(&with_part(&base64(2), b"QQ=="));
    // In front of encrypted messages the reference library states one that is not true.
    let root = "--b\r\nContent-ID: <osci@message>\r\nContent-Length: 1\r\n\r\n<a/>\r\n--b--";
    assert_eq!(read(&message(root)).expect("good")[0].1, b"<a/>");
}

#[test]
fn a_message_cut_anywhere_is_truncated() {
    let body = with_part(&format!("{ID}Content-Transfer-Encoding: base64\r\n"), b"QUJD");
    let end = body.len() - "\r\n".len();
    for length in 0..end {
        assert_eq!(read(&body[..length]), Err(MimeFault::Truncated), "{length}");
    }
    assert!(read(&body[..end]).is_ok());
}

#[test]
fn every_limit_holds_at_its_edge() {
    let too_large = |body: &[u8], limits: Limits| {
        let whole = read_with(body, &[usize::MAX], limits);
        assert_eq!(read_with(body, &[1], limits), whole);
        match whole {
            Ok(_) => false,
            Err(MimeFault::TooLarge { .. }) => true,
            Err(fault) => panic!("{fault:?}"),
        }
    };
    let all = Limits::default();
    let many = |n: usize| {
        let part = |n| format!("--b\r\nContent-ID: <{n}>\r\n\r\nx\r\n");
        let rest: String = (1..n).map(part).collect();
        message(&format!("--b\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n{rest}--b--"))
    };
    assert!(!too_large(&many(MAX_PARTS), all) && too_large(&many(MAX_PARTS + 1), all));

    let long = |n: usize| with_part(&format!("{ID}X: {}\r\n", "y".repeat(n)), b"x");
    let fixed = ID.len() + "X: \r\n\r\n".len();
    assert!(!too_large(&long(MAX_HEADER_BYTES - fixed), all));
    assert!(too_large(&long(MAX_HEADER_BYTES - fixed + 1), all));

    let headers = |n: usize| with_part(&format!("{ID}{}", "X: 1\r\n".repeat(n - 1)), b"x");
    assert!(!too_large(&headers(MAX_HEADERS), all) && too_large(&headers(MAX_HEADERS + 1), all));

    let root = "--b\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n--b--";
    let before = |n: usize| message(&format!("{}\r\n{root}", "p".repeat(n)));
    assert!(!too_large(&before(MAX_OUTSIDE_BYTES), all));
    assert!(too_large(&before(MAX_OUTSIDE_BYTES + 1), all));
    let behind = |n: usize| message(&format!("{root}\r\n{}", "p".repeat(n - 2)));
    assert!(!too_large(&behind(MAX_OUTSIDE_BYTES), all));
    assert!(too_large(&behind(MAX_OUTSIDE_BYTES + 1), all));
    let leading = |n: usize| ["\r\n".repeat(n).as_bytes(), &message(root)].concat();
    assert!(!too_large(&leading(MAX_OUTSIDE_BYTES / 2), all));
    assert!(too_large(&leading(MAX_OUTSIDE_BYTES / 2 + 1), all));

    let body = with_part(&format!("{ID}Content-Transfer-Encoding: base64\r\n"), b"QUJD");
    assert!(!too_large(&body, Limits { root_bytes: 4, part_bytes: 3, ..all }));
    assert!(too_large(&body, Limits { root_bytes: 3, ..all }));
    assert!(too_large(&body, Limits { part_bytes: 2, ..all }));

    let id = |n: usize| with_part(&format!("Content-ID: <{}>\r\n", "i".repeat(n)), b"x");
    assert!(read(&id(MAX_CONTENT_ID_BYTES)).is_ok());
    malformed(&id(MAX_CONTENT_ID_BYTES + 1));
}

/// What a part means may be nothing, and still take for ever to come.
#[test]
fn an_encoding_is_no_way_to_send_without_an_end() {
    let limits = Limits { part_bytes: 4, ..Limits::default() };
    let slack = MAX_ENCODING_BYTES as usize + 4 * 4;
    let sized = |encoding: &str, text: &[u8]| {
        let headers = format!("{ID}Content-Transfer-Encoding: {encoding}\r\n");
        let body = with_part(&headers, text);
        let whole = read_with(&body, &[usize::MAX], limits);
        for sizes in [&[1][..], &[7], &[1000, 3]] {
            assert_eq!(read_with(&body, sizes, limits), whole, "{sizes:?}");
        }
        whole.map(|(_, parts)| parts[1].1.clone())
    };
    let too_large = Err(MimeFault::TooLarge { what: "octets of a part", limit: limits.part_bytes });
    let filled = |text: &str, filler: &str, length: usize| {
        let filler = filler.repeat((length - text.len()) / filler.len());
        format!("{text}{filler}").into_bytes()
    };
    for (encoding, text, filler) in
        [("base64", "QUJD", "\r\n"), ("quoted-printable", "ABC", "=\r\n")]
    {
        assert_eq!(sized(encoding, &filled(text, filler, slack)), Ok(b"ABC".to_vec()));
        let more = filled(text, filler, slack + filler.len() + 1);
        assert_eq!(sized(encoding, &more), too_large, "{encoding}");
        // What is wrong within comes first, and what is wrong behind is not looked at.
        let wrong = [&filled(text, filler, slack - 8)[..], b"=XY"].concat();
        let fault = sized(encoding, &wrong).expect_err("refused");
        assert!(matches!(fault, MimeFault::TransferEncoding { .. }), "{encoding}: {fault:?}");
        assert_eq!(sized(encoding, &[&more[..], b"=XY"].concat()), too_large, "{encoding}");
    }
    // Everything escaped, in lines as long as they may be: it fits.
    let octets = 200_000;
    let line = format!("{}=\r\n", "=41".repeat(25)).repeat(octets / 25);
    let headers = format!("{ID}Content-Transfer-Encoding: quoted-printable\r\n");
    let all = Limits { part_bytes: octets as u64, ..limits };
    let read = read_with(&with_part(&headers, line.as_bytes()), &[usize::MAX], all);
    assert_eq!(read.expect("read").1[1].1, vec![b'A'; octets]);
}

fn writer() -> Writer<Vec<u8>> {
    let boundary = Boundary::parse("b/+").expect("a boundary");
    Writer::new(Vec::new(), Leading::Nothing, boundary).expect("a writer")
}

#[test]
fn a_message_is_written_as_clients_write_it() {
    let mut writer = writer();
    writer.begin(&PartHead::root()).expect("begins");
    writer.data(b"<a/>").expect("written");
    writer.begin(&PartHead::attachment("test.txt", 3)).expect("begins");
    writer.data(b"ab").expect("written");
    writer.data(b"c").expect("written");
    let text = String::from_utf8(writer.finish().expect("ends")).expect("UTF-8");
    assert_eq!(
        text,
        "MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary=b/+; type=text/xml\r\n\r\n\
         --b/+\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\
         Content-ID: <osci@message>\r\n\r\n<a/>\r\n--b/+\r\nContent-Type: \
         application/octet-stream\r\nContent-Transfer-Encoding: 8-bit\r\nContent-ID: \
         <test.txt>\r\nContent-Length: 3\r\n\r\nabc\r\n--b/+--\r\n"
    );
    let parts = [(PartHead::root(), 4), (PartHead::attachment("test.txt", 3), 3)];
    let boundary = Boundary::parse("b/+").expect("a boundary");
    let length = message_length(Leading::Nothing, &boundary, &parts).expect("a length");
    assert_eq!(length, text.len() as u64);
    let parts = [(PartHead::root(), u64::MAX)];
    let length = message_length(Leading::LineBreak, &boundary, &parts);
    assert!(matches!(length, Err(WriteFault::TooLong)));
}

#[test]
fn what_would_be_read_otherwise_is_not_written() {
    let attachment = |name: &str| PartHead::attachment(name, 1);
    assert!(matches!(writer().begin(&attachment("a")), Err(WriteFault::ContentId)));
    assert!(matches!(writer().data(b"x"), Err(WriteFault::NoPart)));
    assert!(matches!(writer().finish(), Err(WriteFault::NoPart)));
    for name in ["", "osci@message", "a>", "a\r\nX: 1", " a", "a", &"i".repeat(256)] {
        let mut writer = writer();
        writer.begin(&PartHead::root()).expect("begins");
        writer.begin(&attachment("a")).expect("begins");
        writer.data(b"x").expect("written");
        assert!(matches!(writer.begin(&attachment(name)), Err(WriteFault::ContentId)), "{name:?}");
    }
    for (octets, next) in [(&b""[..], true), (b"xy", false)] {
        let mut writer = writer();
        writer.begin(&PartHead::root()).expect("begins");
        writer.begin(&attachment("a")).expect("begins");
        let fault = match (writer.data(octets), next) {
            (Ok(()), true) => writer.begin(&attachment("b")),
            (outcome, _) => outcome,
        };
        assert!(matches!(fault, Err(WriteFault::Length)), "{fault:?}");
    }
    // Whoever knows the boundary ends no part.
    for pieces in [&[&b"--b/+"[..]][..], &[b"x\r", b"\n--b", b"/+"], &[b"x\n--b/+--"]] {
        let mut writer = writer();
        writer.begin(&PartHead::root()).expect("begins");
        let outcome: Result<Vec<()>, _> = pieces.iter().map(|piece| writer.data(piece)).collect();
        assert!(matches!(outcome, Err(WriteFault::BoundaryInContent)), "{pieces:?}");
    }
    for bad in ["", "a b", "a\"", "a;b", "a\r\n", "ä", &"b".repeat(71)] {
        assert_eq!(Boundary::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn a_boundary_is_drawn_that_does_not_occur() {
    use crate::encryption::NoRandomness;
    let draws = [0_u8, 1, 2];
    let mut next = draws.iter();
    let mut random = |octets: &mut [u8]| {
        octets.fill(*next.next().ok_or(NoRandomness)?);
        Ok(())
    };
    let mut same = |octets: &mut [u8]| {
        octets.fill(0);
        Ok(())
    };
    let first = Boundary::draw(&mut same).expect("a boundary");
    assert_eq!(first.as_str(), format!("MIME_boundary_{}", "A".repeat(32)));
    let known = format!("x\n--{}y", first.as_str());
    let other = Boundary::draw_beside(&mut random, &[b"a", known.as_bytes()]).expect("another");
    assert_ne!(other, first);
    assert_eq!(Boundary::draw_beside(&mut same, &[known.as_bytes()]), Err(NoRandomness));
    // Within a line it ends nothing.
    assert!(!first.stands_in(format!("x--{}", first.as_str()).as_bytes()));
}
