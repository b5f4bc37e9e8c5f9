//! Any length in bounded memory, and nothing before the tag.

use std::cell::Cell;
use std::io::{self, BufReader, Read, Write};
use std::rc::Rc;

use super::*;
use crate::testing::EC;

/// Counts what is read.
struct Counting<R>(R, Rc<Cell<u64>>);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.set(self.1.get() + count as u64);
        Ok(count)
    }
}

/// A spool that keeps nothing but figures: how far it lagged behind what was read, at most.
struct Lag {
    read: Rc<Cell<u64>>,
    /// Octets that are read for so many octets of plaintext: 4 for 3 with Base64.
    ratio: (u64, u64),
    written: u64,
    most: u64,
    longest: usize,
    released: Rc<Cell<bool>>,
}

impl Write for Lag {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        assert!(octets.iter().all(|octet| *octet == 0x5A), "the plaintext");
        self.written += octets.len() as u64;
        self.longest = self.longest.max(octets.len());
        let behind = (self.read.get() * self.ratio.0 / self.ratio.1).saturating_sub(self.written);
        self.most = self.most.max(behind);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.released.set(true);
    }
}

fn lag(ratio: (u64, u64)) -> (Lag, Rc<Cell<u64>>, Rc<Cell<bool>>) {
    let (read, dropped) = (Rc::default(), Rc::default());
    let (written, most, longest) = (0, 0, 0);
    let spool = Lag {
        read: Rc::clone(&read),
        ratio,
        written,
        most,
        longest,
        released: Rc::clone(&dropped),
    };
    (spool, read, dropped)
}

/// Most octets that may be on the way between reader and spool: some buffers, whatever the length.
const ON_THE_WAY: u64 = 256 * 1024;

#[test]
fn memory_does_not_grow_with_an_attachment() {
    const SIZE: u64 = 64 << 20;
    let plain = io::repeat(0x5A).take(SIZE);
    let mut part = Vec::new();
    let shape = Shape::octets("application/octet-stream");
    let reference = encrypt_part(plain, "a", &shape, &[recipient(&EC)], &mut Counted(1), &mut part)
        .expect("encrypts");
    assert_eq!(part.len() as u64, SIZE + 12 + 16);
    let allowed = AllowedEncryption::default();
    let survey = survey(reference.as_bytes(), &Limits::default(), &allowed).expect("read");
    let decryptor = decryptor(&EC);
    let decryptors: [&dyn Decryptor; 1] = [&decryptor];
    let open = || {
        survey
            .open(&survey.data()[0], Keys::of(&decryptors), &allowed, None, &mut Counted(1))
            .expect("a key")
    };
    let (spool, read, _) = lag((1, 1));
    let released =
        open().part(Counting(&part[..], read), PartOctets::AsReferenced, spool).expect("opens");
    assert_eq!(released.octets(), SIZE);
    let spool = released.into_inner();
    assert!(spool.most <= ON_THE_WAY, "{} octets behind", spool.most);
    assert!(spool.longest as u64 <= ON_THE_WAY, "{} octets at once", spool.longest);

    // The last bit of the tag: the spool is full, and goes.
    *part.last_mut().expect("a tag") ^= 1;
    let (spool, read, dropped) = lag((1, 1));
    let error = open().part(Counting(&part[..], read), PartOctets::Decoded, spool);
    assert!(matches!(error, Err(EncryptionFault::Undecryptable)));
    assert!(dropped.get(), "the spool is dropped");
}

#[test]
fn memory_does_not_grow_with_a_value() {
    const SIZE: u64 = 6 << 20;
    let mut document = Vec::new();
    let plain = io::repeat(0x5A).take(SIZE);
    let shape = Shape::octets("application/octet-stream");
    encrypt_value(plain, &shape, &[recipient(&EC)], &mut Counted(1), &mut document)
        .expect("encrypts");
    let (limits, allowed) = (Limits::default(), AllowedEncryption::default());
    let survey = survey(&document[..], &limits, &allowed).expect("read");
    let decryptor = decryptor(&EC);
    let decryptors: [&dyn Decryptor; 1] = [&decryptor];
    let opening = survey
        .open(&survey.data()[0], Keys::of(&decryptors), &allowed, None, &mut Counted(1))
        .expect("a key");
    let (spool, read, _) = lag((3, 4));
    let input = BufReader::new(Counting(&document[..], read));
    let released = opening.document(input, &limits, spool).expect("opens");
    assert_eq!(released.octets(), SIZE);
    let spool = released.into_inner();
    assert!(spool.most <= ON_THE_WAY, "{} octets behind", spool.most);
}

#[test]
fn a_spool_that_is_full_is_no_fault_of_the_message() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let document = sealed(b"kein Platz", &[&EC], 1);
    let (limits, allowed) = (Limits::default(), AllowedEncryption::default());
    let survey = survey(&document[..], &limits, &allowed).expect("read");
    let decryptor = decryptor(&EC);
    let decryptors: [&dyn Decryptor; 1] = [&decryptor];
    let opening = survey
        .open(&survey.data()[0], Keys::of(&decryptors), &allowed, None, &mut Counted(1))
        .expect("a key");
    let error = opening.document(&document[..], &limits, Full).map(drop).expect_err("no room");
    assert_eq!(error.code(), amtsbote_domain::fault::Code::DiskFull);
}
