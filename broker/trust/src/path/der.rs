//! A reader of DER (X.690) for the few structures of certificates that OpenSSL's interface does not
//! show. It copies nothing, never calls itself, and reads each octet once.

/// The octets are not the DER that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotDer;

/// The tags that occur.
pub(super) mod tag {
    pub(in crate::path) const BOOLEAN: u8 = 0x01;
    pub(in crate::path) const INTEGER: u8 = 0x02;
    pub(in crate::path) const BIT_STRING: u8 = 0x03;
    pub(in crate::path) const OCTET_STRING: u8 = 0x04;
    pub(in crate::path) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(in crate::path) const SEQUENCE: u8 = 0x30;

    /// Context-specific, primitive.
    pub(in crate::path) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// Context-specific, constructed.
    pub(in crate::path) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Class, form and number in one octet.
    pub tag: u8,
    /// What it holds.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over octets that hold any number of elements.
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Into the one element that the octets are; it must have this tag.
    pub(super) fn within(octets: &'a [u8], tag: u8) -> Result<Self, NotDer> {
        let mut reader = Self::new(octets);
        let element = reader.expect(tag)?;
        reader.end()?;
        Ok(Self::new(element.content))
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether there is nothing more.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// There must be nothing more.
    pub(super) fn end(&self) -> Result<(), NotDer> {
        if self.rest.is_empty() { Ok(()) } else { Err(NotDer) }
    }

    /// The next element, whatever it is.
    pub(super) fn next(&mut self) -> Result<Element<'a>, NotDer> {
        let [tag, first, more @ ..] = self.rest else { return Err(NotDer) };
        // Certificates need no tag number above 30 (X.690, 8.1.2.4).
        if tag & 0x1f == 0x1f {
            return Err(NotDer);
        }
        let (length, content) = length(*first, more)?;
        if length > content.len() {
            return Err(NotDer);
        }
        let (content, rest) = content.split_at(length);
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok(Element { tag: *tag, content, whole })
    }

    /// The next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'a>, NotDer> {
        self.optional(tag)?.ok_or(NotDer)
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, NotDer> {
        if self.rest.first() == Some(&tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// The next element as a reader of its content.
    pub(super) fn enter(&mut self, tag: u8) -> Result<Self, NotDer> {
        Ok(Self::new(self.expect(tag)?.content))
    }
}

/// X.690, 10.1: the definite form, in the fewest octets. Returns what follows the length as well.
fn length(first: u8, more: &[u8]) -> Result<(usize, &[u8]), NotDer> {
    const LONG: u8 = 0x80;
    const MAX_OCTETS: usize = 3;
    if first < LONG {
        return Ok((usize::from(first), more));
    }
    let count = usize::from(first & !LONG);
    if count == 0 || count > MAX_OCTETS || count > more.len() {
        return Err(NotDer);
    }
    let (octets, rest) = more.split_at(count);
    let length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
    let shortest = octets[0] != 0 && length >= usize::from(LONG);
    if shortest { Ok((length, rest)) } else { Err(NotDer) }
}

/// A BOOLEAN of DER: all bits or none (X.690, 11.1).
pub(super) fn boolean(content: &[u8]) -> Result<bool, NotDer> {
    match content {
        [0x00] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(NotDer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_order() {
        let octets = [tag::SEQUENCE, 5, tag::INTEGER, 1, 7, tag::context(2), 0, tag::BOOLEAN, 0];
        let mut reader = Reader::new(&octets);
        let mut inside = reader.enter(tag::SEQUENCE).expect("a sequence");
        assert_eq!(inside.expect(tag::INTEGER).expect("a number").content, [7]);
        assert_eq!(inside.optional(tag::BOOLEAN), Ok(None));
        assert_eq!(inside.next().expect("empty").whole, [tag::context(2), 0]);
        assert!(inside.is_empty() && inside.end().is_ok() && inside.next().is_err());
        assert!(reader.end().is_err() && reader.expect(tag::INTEGER).is_err());
        assert!(Reader::within(&octets[..7], tag::SEQUENCE).is_ok());
        assert!(Reader::within(&octets, tag::SEQUENCE).is_err());
        assert_eq!(
            (boolean(&[0xff]), boolean(&[0]), boolean(&[1])),
            (Ok(true), Ok(false), Err(NotDer))
        );
    }

    #[test]
    fn lengths_have_one_form() {
        let long = [&[tag::OCTET_STRING, 0x81, 0x80][..], &[0; 128]].concat();
        assert_eq!(Reader::new(&long).next().expect("long").content.len(), 128);
        let longer = [&[tag::OCTET_STRING, 0x82, 0x01, 0x00][..], &[0; 256]].concat();
        assert_eq!(Reader::new(&longer).next().expect("longer").content.len(), 256);
        for bad in [
            &[tag::OCTET_STRING][..],
            &[tag::OCTET_STRING, 1],
            &[tag::OCTET_STRING, 0x80, 0, 0],
            &[tag::OCTET_STRING, 0x81, 0x01, 0],
            &[tag::OCTET_STRING, 0x82, 0x00, 0x81, 0],
            &[tag::OCTET_STRING, 0x84, 0, 0, 0, 1, 0],
            &[tag::OCTET_STRING, 0xff],
            &[0x1f, 0x01, 0x00],
        ] {
            assert_eq!(Reader::new(bad).next(), Err(NotDer), "{bad:02x?}");
        }
        let short_of = [&[tag::OCTET_STRING, 0x83, 0xff, 0xff, 0xff][..], &[0; 100]].concat();
        assert_eq!(Reader::new(&short_of).next(), Err(NotDer));
    }

    /// One in 4,099 of all strings of four octets: every octet occurs at every place.
    #[test]
    fn nothing_makes_it_stumble() {
        for n in (0..=u32::MAX).step_by(4_099) {
            let octets = n.to_be_bytes();
            let mut reader = Reader::new(&octets);
            let mut read = 0;
            while let Ok(element) = reader.next() {
                read += element.whole.len();
                assert!(element.content.len() < element.whole.len());
            }
            assert!(read <= octets.len());
        }
    }
}
