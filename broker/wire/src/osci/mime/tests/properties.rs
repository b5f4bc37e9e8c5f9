//! Any octets, in any pieces.

use proptest::prelude::*;

use super::*;

/// Octets made of the pieces that delimiters are made of, so that look-alikes are frequent.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"-".to_vec()),
        Just(b"=".to_vec()),
        Just(b"QUJD".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\n--bo".to_vec()),
        Just(b"\r\n--boun/d".to_vec()),
        Just(b"\r\n--boun/d\r\nContent-ID: <x>\r\n\r\n".to_vec()),
        Just(b"\r\n--boun/d--".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1usize..9, 1..6)
}

/// What the look-alikes are made of, and a little more.
fn boundary() -> Boundary {
    Boundary::parse("boun/d+").expect("a boundary")
}

/// Small enough that they are met.
const LIMITS: Limits = Limits {
    header_bytes: 200,
    headers: 5,
    parts: 4,
    outside_bytes: 24,
    root_bytes: 40,
    part_bytes: 30,
};

proptest! {
    #[test]
    fn what_is_written_is_read_in_any_pieces(
        bodies in proptest::collection::vec(tricky(), 1..5),
        leading: bool,
        sizes in sizes(),
        cut in 1usize..9,
    ) {
        prop_assume!(!bodies.iter().any(|body| boundary().stands_in(body)));
        let leading = if leading { Leading::LineBreak } else { Leading::Nothing };
        let mut heads = vec![PartHead::root()];
        heads.extend((1..).zip(&bodies[1..]).map(|(n, body)| match n {
            1 => PartHead::ciphertext("osci_enc"),
            n => PartHead::attachment(format!("Anlage {n} ä.pdf"), body.len() as u64),
        }));
        let mut writer = Writer::new(Vec::new(), leading, boundary()).expect("a writer");
        for (head, body) in heads.iter().zip(&bodies) {
            writer.begin(head).expect("begins");
            for piece in body.chunks(cut) {
                writer.data(piece).expect("written");
            }
        }
        let octets = writer.finish().expect("ends");
        let lengths = bodies.iter().map(|body| body.len() as u64);
        let parts: Vec<_> = heads.into_iter().zip(lengths).collect();
        let length = message_length(leading, &boundary(), &parts).expect("a length");
        prop_assert_eq!(length, octets.len() as u64);
        let (said, read) = read_with(&octets, &sizes, Limits::default()).expect("reads back");
        prop_assert_eq!(said, "boun/d+");
        let read: Vec<_> = read.into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(read, bodies);
    }

    #[test]
    fn any_octets_are_answered_the_same_in_any_pieces(
        root in tricky(),
        more in tricky(),
        encoding in prop::sample::select(vec!["8-bit", "base64", "quoted-printable"]),
        unix: bool,
        sizes in sizes(),
    ) {
        let head = "MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary=boun/d\r\n\r\n\
                    --boun/d\r\nContent-ID: <osci@message>\r\n\r\n";
        let next = format!(
            "\r\n--boun/d\r\nContent-ID: <y>\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        let (head, next) = if unix {
            (head.replace('\r', ""), next.replace('\r', ""))
        } else {
            (head.to_owned(), next)
        };
        let body = [head.as_bytes(), &root, next.as_bytes(), &more].concat();
        for octets in [&body, &root] {
            for limits in [Limits::default(), LIMITS] {
                let whole = read_with(octets, &[usize::MAX], limits);
                prop_assert_eq!(read_with(octets, &sizes, limits), whole);
            }
        }
    }

    #[test]
    fn a_changed_message_is_answered(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
        sizes in sizes(),
    ) {
        let headers = format!("{ID}Content-Transfer-Encoding: base64\r\nContent-Length: 4\r\n");
        let mut body = with_part(&headers, b"QUJD");
        for (at, octet) in edits {
            let at = at.index(body.len());
            body[at] = octet;
        }
        let whole = read_with(&body, &[usize::MAX], Limits::default());
        prop_assert_eq!(read_with(&body, &sizes, Limits::default()), whole);
        body.truncate(cut.index(body.len()));
        let _ = read_with(&body, &sizes, LIMITS);
    }
}
