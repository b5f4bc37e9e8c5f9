//! TSTInfo (RFC 3161, 2.4.2): what the authority states.

use std::time::Duration;

use amtsbote_domain::Timestamp;

use super::{Refused, SHA_256, dotted};
use crate::der::certificate::{AlgorithmIdentifier, extensions};
use crate::der::{
    BOOLEAN, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, constructed,
    primitive, value,
};

/// What is stated.
#[derive(Clone, Debug)]
pub(super) struct Info<'a> {
    pub(super) policy: String,
    pub(super) digest: &'a [u8],
    pub(super) serial: String,
    pub(super) at: Timestamp,
    pub(super) accuracy: Option<Duration>,
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> Info<'a> {
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Refused> {
        const VERSION_1: &[u8] = &[1];
        let mut fields = Reader::only(octets, SEQUENCE)?;
        if fields.integer()? != VERSION_1 {
            return Err(Refused::Malformed);
        }
        let policy = dotted(fields.read(OID)?)?;
        let mut imprint = fields.inside(SEQUENCE)?;
        let algorithm = AlgorithmIdentifier::read(imprint.value(SEQUENCE)?.whole)?;
        let digest = imprint.read(OCTET_STRING)?;
        imprint.end()?;
        if algorithm.oid != SHA_256 || !algorithm.is_plain() {
            return Err(Refused::Algorithm);
        }
        let serial = fields.integer()?.iter().map(|octet| format!("{octet:02x}")).collect();
        let at = instant(fields.read(GENERALIZED_TIME)?)?;
        let accuracy = fields.optional(SEQUENCE)?.map(accuracy).transpose()?;
        fields.flag(BOOLEAN)?; // ordering: stamps are not compared with one another.
        let nonce = match fields.peek() {
            Some(INTEGER) => Some(fields.integer()?),
            _ => None,
        };
        fields.optional(constructed(0))?; // tsa: the certificate says who.
        // None is known: what must be understood is refused, the others say more than is asked.
        if let Some(list) = fields.optional(constructed(1))? {
            let found = extensions(Reader::new(list))?;
            if found.is_empty() {
                return Err(Refused::Malformed);
            }
            if found.iter().any(|extension| extension.critical) {
                return Err(Refused::Critical);
            }
        }
        fields.end()?;
        Ok(Self { policy, digest, serial, at, accuracy, nonce })
    }
}

/// genTime: to the second or finer, in the shortest form, with `Z`.
fn instant(text: &[u8]) -> Result<Timestamp, Refused> {
    let Some(at) = text.iter().position(|octet| *octet == b'.') else {
        return Ok(Reader::new(&value(GENERALIZED_TIME, &[text])).generalized_time()?);
    };
    let (whole, fraction) = (&text[..at], &text[at + 1..]);
    let (digits, z) = fraction.split_at(fraction.len().saturating_sub(1));
    let shortest = digits.last().is_some_and(|last| *last != b'0');
    if z != b"Z" || !shortest || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refused::Malformed);
    }
    let nanoseconds = (0..9)
        .fold(0u64, |sum, n| sum * 10 + digits.get(n).map_or(0, |digit| u64::from(digit - b'0')));
    let whole = value(GENERALIZED_TIME, &[whole, b"Z"]);
    let whole = Reader::new(&whole).generalized_time()?;
    whole.checked_add(Duration::from_nanos(nanoseconds)).map_err(|_| Refused::Malformed)
}

/// Accuracy: seconds, then thousandths and millionths of one, each of which may be left out.
fn accuracy(content: &[u8]) -> Result<Duration, Refused> {
    let mut fields = Reader::new(content);
    let seconds = match fields.peek() {
        Some(INTEGER) => number(fields.integer()?, u64::from(u32::MAX))?,
        _ => 0,
    };
    let mut part = |tag| -> Result<u64, Refused> {
        fields.optional(primitive(tag))?.map_or(Ok(0), |content| number(content, 999))
    };
    let (millis, micros) = (part(0)?, part(1)?);
    fields.end()?;
    Ok(Duration::from_secs(seconds) + Duration::from_micros(millis * 1_000 + micros))
}

fn number(content: &[u8], most: u64) -> Result<u64, Refused> {
    match content {
        [high, ..] if *high < 0x80 && content.len() <= 8 => {
            let number = content.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
            if number <= most { Ok(number) } else { Err(Refused::Malformed) }
        }
        _ => Err(Refused::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_as_fine_as_they_are_written() {
        let read = |text: &str| instant(text.as_bytes());
        let at = |text: &str| Ok(text.parse::<Timestamp>().expect("an instant"));
        assert_eq!(read("20261123120000Z"), at("2026-11-23T12:00:00Z"));
        assert_eq!(read("20261123120000.25Z"), at("2026-11-23T12:00:00.25Z"));
        assert_eq!(read("20261123120000.000000001Z"), at("2026-11-23T12:00:00.000000001Z"));
        for bad in [
            "20261123120000",
            "20261123120000.Z",
            "20261123120000.50Z",
            "20261123120000.5",
            "20261123120000.0000000001Z",
            "202611231200.5Z",
            "20261123120000.5.5Z",
            "20261123120000,5Z",
            ".5Z",
            "",
        ] {
            assert_eq!(read(bad), Err(Refused::Malformed), "{bad}");
        }
    }

    #[test]
    fn accuracy_is_the_sum_of_its_parts() {
        let parts = |octets: &[&[u8]]| accuracy(&octets.concat());
        assert_eq!(parts(&[]), Ok(Duration::ZERO));
        assert_eq!(parts(&[&[INTEGER, 1, 2]]), Ok(Duration::from_secs(2)));
        let all: &[&[u8]] = &[&[INTEGER, 1, 1], &[0x80, 2, 1, 0xf4], &[0x81, 1, 5]];
        assert_eq!(parts(all), Ok(Duration::from_micros(1_500_005)));
        assert_eq!(parts(&[&[0x80, 2, 3, 0xe8]]), Err(Refused::Malformed), "1,000 thousandths");
        assert_eq!(parts(&[&[INTEGER, 1, 0x80]]), Err(Refused::Malformed), "less than none");
        assert_eq!(parts(&[&[0x81, 1, 5], &[0x80, 1, 5]]), Err(Refused::Malformed));
    }
}
