//! An attachment of any size goes through sealing and opening; nothing of it stays.

use std::io::{self, Write};

use super::super::super::mime::{Boundary, Leading, PartHead, Writer, message_length};
use super::*;

const SIZE: u64 = 64 << 20;
/// Most octets that may be on the way between two steps: some buffers, whatever the length.
const ON_THE_WAY: u64 = 256 * 1024;

/// Reads the inner message while it is decrypted; keeps nothing but figures.
///
/// A hub waits for the tag first. Here it is only shown that no step in between keeps anything.
struct Inner {
    reader: Reader,
    parts: usize,
    octets: u64,
    longest: usize,
}

impl Write for Inner {
    fn write(&mut self, mut input: &[u8]) -> io::Result<usize> {
        let length = input.len();
        while let Some(event) = self.reader.next_event(&mut input).map_err(io::Error::other)? {
            match event {
                Event::PartBegin(_) => self.parts += 1,
                Event::Data(octets) => {
                    self.octets += octets.len() as u64;
                    self.longest = self.longest.max(octets.len());
                }
                _ => {}
            }
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens the outer message while it is written.
struct Outer<'k> {
    reader: Reader,
    envelope: Vec<u8>,
    opener: Option<Opener<Inner>>,
    key: &'k OpensslDecryptor,
    octets: u64,
    longest: usize,
}

impl Write for Outer<'_> {
    fn write(&mut self, mut input: &[u8]) -> io::Result<usize> {
        let length = input.len();
        self.octets += length as u64;
        self.longest = self.longest.max(length);
        while let Some(event) = self.reader.next_event(&mut input).map_err(io::Error::other)? {
            match (&mut self.opener, &event) {
                (Some(opener), event) => opener.event(event).map_err(io::Error::other)?,
                (None, Event::Data(octets)) => self.envelope.extend_from_slice(octets),
                (None, Event::PartEnd { .. }) => {
                    let inner = Inner {
                        reader: Reader::new(mime::Limits::default()),
                        parts: 0,
                        octets: 0,
                        longest: 0,
                    };
                    let keys: [&dyn Decryptor; 1] = [self.key];
                    let message = read(&self.envelope, &policy()).map_err(io::Error::other)?;
                    let keys = Keys::of(&keys);
                    let opener = message.open(keys, &policy(), None, &mut Counted(2), inner);
                    self.opener = Some(opener.map_err(io::Error::other)?);
                }
                _ => {}
            }
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn memory_does_not_grow_with_an_attachment() {
    let (key, mut random) = (decryptor(&RSA), Counted(1));
    let outer = Outer {
        reader: Reader::new(mime::Limits::default()),
        envelope: Vec::new(),
        opener: None,
        key: &key,
        octets: 0,
        longest: 0,
    };
    let inner_boundary = Boundary::draw(&mut random).expect("a boundary");
    let heads = [PartHead::root(), PartHead::attachment("gross.bin", SIZE)];
    let [root, attachment] = heads.clone().map(|head| (head, SIZE));
    let inner = message_length(Leading::Nothing, &inner_boundary, &[(root.0, 4), attachment]);
    let sealing = Sealing::new(&recipient(&RSA), IvOctets::Twelve, &mut random).expect("sealed");
    let length = sealing.length(inner.expect("a length")).expect("a length");
    let writer = sealing.begin(outer, &mut random).expect("begins");
    let mut writer = Writer::new(writer, Leading::Nothing, inner_boundary).expect("a writer");
    writer.begin(&heads[0]).expect("begins");
    writer.data(b"<a/>").expect("written");
    writer.begin(&heads[1]).expect("begins");
    let piece = vec![0x5A; 64 * 1024];
    for _ in 0..SIZE / piece.len() as u64 {
        writer.data(&piece).expect("written");
    }
    let outer = writer.finish().expect("ends").finish().expect("sealed");
    outer.reader.finish().expect("whole");
    assert_eq!(outer.octets, length, "the length that HTTP was told");
    let opened = outer.opener.expect("an opener").finish().expect("opens");
    let inner = opened.into_inner();
    inner.reader.finish().expect("whole");
    assert_eq!((inner.parts, inner.octets), (2, SIZE + 4));
    let longest = outer.longest.max(inner.longest) as u64;
    assert!(longest <= ON_THE_WAY, "{longest} octets at once");
    assert!(outer.envelope.len() < 16 * 1024);
}
