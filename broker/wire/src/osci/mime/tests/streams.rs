//! Parts of any size pass through; nothing of them stays.

use std::io::{self, Write};

use super::*;

/// What is written is read at once; keeps nothing but figures.
struct Through {
    reader: Reader,
    parts: u64,
    octets: u64,
    /// How far the reader lagged behind what it was given, at most, in octets of the open part.
    given: u64,
    most: u64,
    longest: usize,
}

impl Write for Through {
    fn write(&mut self, mut input: &[u8]) -> io::Result<usize> {
        let length = input.len();
        self.given += length as u64;
        while let Some(event) = self.reader.next_event(&mut input).map_err(io::Error::other)? {
            match event {
                Event::PartBegin(_) => self.parts += 1,
                Event::Data(octets) => {
                    assert!(self.parts < 2 || octets.iter().all(|octet| *octet == 0x5A));
                    self.octets += octets.len() as u64;
                    self.longest = self.longest.max(octets.len());
                }
                Event::Headers(_) | Event::PartEnd { .. } | Event::End => {}
            }
        }
        self.most = self.most.max(self.given - self.octets);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn memory_does_not_grow_with_an_attachment() {
    const SIZE: u64 = 16 << 20;
    let (reader, piece) = (Reader::new(Limits::default()), vec![0x5A; 64 * 1024]);
    let through = Through { reader, parts: 0, octets: 0, given: 0, most: 0, longest: 0 };
    let boundary = Boundary::draw(&mut |octets: &mut [u8]| {
        octets.fill(7);
        Ok(())
    });
    let mut writer =
        Writer::new(through, Leading::Nothing, boundary.expect("a boundary")).expect("a writer");
    writer.begin(&PartHead::root()).expect("begins");
    writer.data(b"<a/>").expect("written");
    writer.begin(&PartHead::attachment("gross.bin", SIZE)).expect("begins");
    for _ in 0..SIZE / piece.len() as u64 {
        writer.data(&piece).expect("written");
    }
    let through = writer.finish().expect("ends");
    through.reader.finish().expect("whole");
    assert_eq!((through.parts, through.octets), (2, SIZE + 4));
    // What was given and not handed out is headers and delimiters.
    assert!(through.most < 2048, "{} octets behind", through.most);
    assert_eq!(through.longest, piece.len());
}
