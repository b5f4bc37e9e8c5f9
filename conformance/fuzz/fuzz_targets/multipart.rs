//! Any bytes in any pieces: the parser answers, and the cut changes nothing.
#![no_main]

use amtsbote_wire::native::multipart::{Event, MultipartError, Parser};
use libfuzzer_sys::fuzz_target;

type Parts = Vec<(String, Vec<u8>)>;

fn parse(body: &[u8], piece: usize) -> Result<Parts, MultipartError> {
    let mut parser = Parser::new("multipart/related; boundary=b")?;
    let mut parts: Parts = Vec::new();
    for chunk in body.chunks(piece) {
        let mut input = chunk;
        while let Some(event) = parser.next_event(&mut input)? {
            match event {
                Event::PartBegin(head) => parts.push((head.content_id, Vec::new())),
                Event::Data(octets) => {
                    parts.last_mut().expect("data belong to a part").1.extend_from_slice(octets);
                }
                Event::PartEnd | Event::End => {}
            }
        }
    }
    parser.finish()?;
    Ok(parts)
}

fuzz_target!(|octets: &[u8]| {
    let Some((first, body)) = octets.split_first() else { return };
    let whole = parse(body, usize::MAX);
    let pieces = parse(body, usize::from(*first % 13) + 1);
    assert_eq!(whole.is_ok(), pieces.is_ok());
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces);
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        let _content_type = Parser::new(text);
    }
});
