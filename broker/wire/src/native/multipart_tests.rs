//! Tests of the multipart reader and writer.

use super::*;
use proptest::prelude::*;

type Parts = Vec<(PartHeaders, Vec<u8>)>;

/// Reads a body cut at the given chunk sizes (used in turn).
fn read_with(content_type: &str, body: &[u8], sizes: &[usize]) -> Result<Parts, MultipartError> {
    let mut parser = Parser::new(content_type)?;
    let (mut parts, mut open, mut ended): (Parts, bool, bool) = (Vec::new(), false, false);
    let mut rest = body;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = (*sizes.next().expect("a size")).clamp(1, rest.len());
        let (mut chunk, after) = rest.split_at(size);
        rest = after;
        while let Some(event) = parser.next_event(&mut chunk)? {
            match event {
                Event::PartBegin(headers) => {
                    assert!(!open && !ended);
                    open = true;
                    parts.push((headers, Vec::new()));
                }
                Event::Data(octets) => {
                    assert!(open && !octets.is_empty());
                    parts.last_mut().expect("a part").1.extend_from_slice(octets);
                }
                Event::PartEnd => {
                    assert!(open);
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
    parser.finish()?;
    assert!(ended);
    Ok(parts)
}

fn read(body: &[u8]) -> Result<Parts, MultipartError> {
    let whole = read_with("multipart/related; boundary=b", body, &[usize::MAX]);
    for size in [1, 2, 3, 5, 7] {
        assert_eq!(read_with("multipart/related; boundary=b", body, &[size]), whole);
    }
    whole
}

fn data(body: &[u8]) -> Vec<Vec<u8>> {
    read(body).expect("a good body").into_iter().map(|(_, data)| data).collect()
}

fn code(body: &[u8]) -> Code {
    read(body).expect_err("a bad body").code()
}

#[test]
fn the_octets_of_a_part_end_before_the_line_break_of_the_delimiter() {
    assert_eq!(data(b"--b\r\nContent-ID: <a>\r\n\r\nx\r\n\r\n--b--"), [b"x\r\n"]);
    assert_eq!(data(b"\r\n--b\r\nContent-ID: <a>\r\n\r\n\r\n--b--\r\n"), [b""]);
    assert_eq!(data(b"--b\r\nContent-ID: <a>\r\n\r\n--b--\r\n"), [b""]);
    assert_eq!(data(b"hello\r\n--b \t\r\nContent-ID: <a>\r\n\r\n\r\r\n--b--  \r\nbye"), [b"\r"]);
}

#[test]
fn what_looks_like_a_delimiter_and_is_none_stays_data() {
    for look_alike in [
        &b"\r\n--"[..],
        b"\r\n-b",
        b"\n--b",
        b"\r--b",
        b"x--b",
        b"\r\r\n-",
        b"--",
        b"-",
        b"\r\n--a",
    ] {
        let body = [b"--b\r\nContent-ID: <a>\r\n\r\n", look_alike, b"!", look_alike, b"\r\n--b--"]
            .concat();
        assert_eq!(data(&body), [[look_alike, b"!", look_alike].concat()]);
    }
}

#[test]
fn a_delimiter_that_goes_on_is_refused_and_not_guessed() {
    for tail in ["--bc\r\n", "--b-\r\n", "--b\n", "--b \rx", "--b--x"] {
        let body = format!("--b\r\nContent-ID: <a>\r\n\r\nx\r\n{tail}Content-ID: <c>\r\n\r\n");
        assert_eq!(code(body.as_bytes()), Code::MalformedRequest, "{tail:?}");
    }
}

#[test]
fn headers_are_read_folded_in_any_case_and_only_once() {
    let parts = read(
        b"--b\r\ncontent-id:\r\n <a@b>\r\nX-Other: 1\r\nCONTENT-TYPE: text/xml;\r\n\tcharset=utf-8\r\n\
          Content-Transfer-Encoding: 8BIT\r\n\r\nx\r\n--b--",
    )
    .expect("good");
    let headers = &parts[0].0;
    assert_eq!(headers.content_id, "a@b");
    assert_eq!(headers.content_type, "text/xml; charset=utf-8");
    assert_eq!(headers.transfer_encoding, TransferEncoding::EightBit);
    for bad in [
        "",
        "Content-ID: a\r\n",
        "Content-ID: <>\r\n",
        "Content-ID: <a b>\r\n",
        "Content-ID: <a>\r\nContent-ID: <b>\r\n",
        "Content-ID <a>\r\n",
        "Content ID: <a>\r\n",
        ": <a>\r\n",
        "Content-ID: <a>\nContent-Type: text/xml\r\n",
        "Content-ID: <a>\r\nContent-Type:\r\n",
        "Content-ID: <ä>\r\n",
    ] {
        let body = format!("--b\r\n{bad}\r\nx\r\n--b--");
        assert_eq!(code(body.as_bytes()), Code::MalformedRequest, "{bad:?}");
    }
}

#[test]
fn encodings_that_change_octets_are_refused() {
    for encoding in ["base64", "quoted-printable", "x-own", ""] {
        let body = format!(
            "--b\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: {encoding}\r\n\r\nx\r\n--b--"
        );
        assert_eq!(code(body.as_bytes()), Code::UnsupportedMediaType, "{encoding}");
    }
}

#[test]
fn a_body_cut_anywhere_is_truncated() {
    let body =
        b"pre\r\n--b\r\nContent-ID: <a>\r\n\r\nx\r\n--b\r\nContent-ID: <c>\r\n\r\ny\r\n--b--";
    assert_eq!(data(body), [b"x", b"y"]);
    for length in 0..body.len() {
        assert_eq!(read(&body[..length]), Err(MultipartError::Truncated), "{length}");
    }
}

#[test]
fn every_limit_holds_at_its_edge() {
    let part = |cid: &str| format!("--b\r\nContent-ID: <{cid}>\r\n\r\nx\r\n");
    let many = |n: usize| (0..n).map(|n| part(&n.to_string())).collect::<String>() + "--b--";
    assert_eq!(data(many(MAX_PARTS).as_bytes()).len(), MAX_PARTS);
    assert_eq!(code(many(MAX_PARTS + 1).as_bytes()), Code::TooLarge);

    let long = |filler: usize| {
        format!("--b\r\nContent-ID: <a>\r\nX: {}\r\n\r\nx\r\n--b--", "y".repeat(filler))
    };
    let fixed = "Content-ID: <a>\r\nX: \r\n\r\n".len();
    assert!(read(long(MAX_HEADER_BYTES - fixed).as_bytes()).is_ok());
    assert_eq!(code(long(MAX_HEADER_BYTES - fixed + 1).as_bytes()), Code::TooLarge);

    let preamble = |n: usize| "p".repeat(n) + "\r\n" + &part("a") + "--b--";
    assert!(read(preamble(MAX_PREAMBLE_BYTES).as_bytes()).is_ok());
    assert_eq!(code(preamble(MAX_PREAMBLE_BYTES + 1).as_bytes()), Code::MalformedRequest);

    let epilogue = |n: usize| part("a") + "--b--" + &" ".repeat(n);
    assert!(read(epilogue(MAX_PREAMBLE_BYTES).as_bytes()).is_ok());
    assert_eq!(code(epilogue(MAX_PREAMBLE_BYTES + 1).as_bytes()), Code::MalformedRequest);
}

#[test]
fn a_body_without_parts_or_with_a_repeated_id_is_refused() {
    assert_eq!(code(b"--b--\r\n"), Code::MalformedRequest);
    let part = "--b\r\nContent-ID: <a>\r\n\r\nx\r\n";
    assert_eq!(code(format!("{part}{part}--b--").as_bytes()), Code::MalformedRequest);
}

#[test]
fn an_error_stays() {
    let mut parser = Parser::new("multipart/related; boundary=b").expect("good");
    let mut input = &b"--bx"[..];
    let error = parser.next_event(&mut input).expect_err("bad");
    let mut good = &b"--b\r\nContent-ID: <a>\r\n\r\nx\r\n--b--"[..];
    assert_eq!(parser.next_event(&mut good), Err(error));
    assert_eq!(parser.finish(), Err(error));
}

#[test]
fn the_content_type_is_read_quoted_and_unquoted() {
    let longest = "b".repeat(MAX_BOUNDARY_CHARS);
    for good in [
        "multipart/related; boundary=b",
        "Multipart/Related;type=text/xml;BOUNDARY=MIME_a/b+c=",
        "multipart/related; boundary=\"a b:c\"; type=\"application/xml\"; start=\"<e>\"",
        "multipart/related ; boundary=\"a\\b\" ;",
        &format!("multipart/related; boundary={longest}"),
    ] {
        assert!(Parser::new(good).is_ok(), "{good}");
    }
    let unsupported = ["", "application/xml", "multipart/mixed; boundary=b", "multipart/relatedx"];
    for bad in unsupported {
        assert_eq!(Parser::new(bad).err(), Some(MultipartError::NotMultipartRelated), "{bad}");
    }
    for bad in [
        "multipart/related",
        "multipart/related; boundary=",
        "multipart/related; boundary=\"a",
        "multipart/related; boundary=\"a \"",
        "multipart/related; boundary=a; boundary=b",
        "multipart/related; boundary=a b",
        "multipart/related; boundary=\"a\"b",
        "multipart/related; boundary=ä",
        "multipart/related; boundary=b; start=e",
        "multipart/related; ; boundary=b",
        &format!("multipart/related; boundary={longest}b"),
        &format!("multipart/related; boundary=b; x={}", "y".repeat(MAX_CONTENT_TYPE_BYTES)),
    ] {
        let error = Parser::new(bad).expect_err(bad);
        assert_eq!(error.code(), Code::MalformedRequest, "{bad}");
    }
}

#[test]
fn the_root_is_the_first_part() {
    let body = b"--b\r\nContent-ID: <a>\r\n\r\nx\r\n--b--";
    let with = |start: &str| {
        read_with(&format!("multipart/related; boundary=b; start=\"<{start}>\""), body, &[4])
    };
    assert!(with("a").is_ok());
    assert_eq!(with("c").expect_err("elsewhere").code(), Code::MalformedRequest);
}

#[test]
fn what_could_end_a_header_is_never_written() {
    let part = |id: &str, media_type: &str| PartHeaders {
        content_id: id.to_owned(),
        content_type: media_type.to_owned(),
        transfer_encoding: TransferEncoding::Binary,
    };
    for (id, media_type) in [
        ("a\r\nX: 1", "text/xml"),
        ("a>", "text/xml"),
        ("", "text/xml"),
        ("a", "text/xml\r\nX: 1"),
        ("a", ""),
    ] {
        assert!(Writer::new("b", &[(part(id, media_type), 1)]).is_err(), "{id:?} {media_type:?}");
    }
    let one = (part("a", "text/xml"), 1);
    assert!(Writer::new("b\r\n", std::slice::from_ref(&one)).is_err());
    assert!(Writer::new("b", &[]).is_err());
    assert!(Writer::new("b", &[one.clone(), one]).is_err());
    assert!(Writer::new("b", &[(part("a", "text/xml"), u64::MAX)]).is_err());
}

/// Data made of the pieces a delimiter is made of, so that look-alikes are frequent.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"-".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\r\n--bo".to_vec()),
        Just(b"\r\n--bound".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_any_chunks(
        bodies in proptest::collection::vec(tricky(), 1..5),
        sizes in proptest::collection::vec(1usize..9, 1..6),
    ) {
        prop_assume!(!bodies.iter().any(|body| contains(body, b"--boundary")));
        let parts: Vec<(PartHeaders, u64)> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| {
                let headers = PartHeaders {
                    content_id: format!("\"part\\{n}\"@x"),
                    content_type: "application/xml; charset=utf-8".to_owned(),
                    transfer_encoding: TransferEncoding::Binary,
                };
                (headers, body.len() as u64)
            })
            .collect();
        let writer = Writer::new("boundary", &parts).expect("good parts");
        let mut octets = Vec::new();
        for (head, body) in writer.heads().iter().zip(&bodies) {
            octets.extend_from_slice(head);
            octets.extend_from_slice(body);
        }
        octets.extend_from_slice(writer.tail());
        prop_assert_eq!(writer.content_length(), octets.len() as u64);
        let read = read_with(writer.content_type(), &octets, &sizes).expect("reads back");
        let wanted: Parts =
            parts.into_iter().map(|(headers, _)| headers).zip(bodies).collect();
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn any_octets_are_answered_the_same_in_any_chunks(
        noise in tricky(),
        more in tricky(),
        sizes in proptest::collection::vec(1usize..9, 1..6),
    ) {
        let body = [b"--bound\r\nContent-ID: <a>\r\n\r\n", &noise[..], b"\r\n--bound\r\n", &more].concat();
        let header = "multipart/related; boundary=bound";
        prop_assert_eq!(read_with(header, &body, &sizes), read_with(header, &body, &[usize::MAX]));
        prop_assert_eq!(read_with(header, &noise, &sizes), read_with(header, &noise, &[usize::MAX]));
    }

    #[test]
    fn any_content_type_is_answered(header in "(multipart/related)?[ -~;=\"\\\\]{0,60}") {
        let _ = Parser::new(&header);
    }
}
