//! The form in which a dialogue rests: one octet that says which form it is, then one field after the
//! other. Numbers have eight octets, the highest first; texts and octets have their length before
//! them, in four.

use amtsbote_domain::Timestamp;

use super::sign_in::BadSnapshot;

/// Longest snapshot of a dialogue in octets.
pub const MAX_SNAPSHOT_BYTES: usize = 48 * 1024;
/// The form that is written, and the only one that is read.
const VERSION: u8 = 1;

/// Writes fields.
pub(super) struct Fields(Vec<u8>);

impl Fields {
    pub(super) fn new() -> Self {
        Self(vec![VERSION])
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    pub(super) fn small(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// A field longer than four octets can say exceeds the whole as well.
    pub(super) fn octets(&mut self, octets: &[u8]) {
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(octets);
    }

    /// Nothing is written as no octets: what it is used for is never empty.
    pub(super) fn optional(&mut self, octets: Option<&[u8]>) {
        self.octets(octets.unwrap_or_default());
    }

    pub(super) fn time(&mut self, at: Timestamp) {
        self.0.extend_from_slice(&at.as_nanosecond().to_be_bytes());
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, BadSnapshot> {
        if self.0.len() > MAX_SNAPSHOT_BYTES { Err(BadSnapshot) } else { Ok(self.0) }
    }
}

/// Reads them.
pub(super) struct Rest<'o>(&'o [u8]);

impl<'o> Rest<'o> {
    pub(super) fn of(octets: &'o [u8]) -> Result<Self, BadSnapshot> {
        match octets {
            [VERSION, rest @ ..] if octets.len() <= MAX_SNAPSHOT_BYTES => Ok(Self(rest)),
            _ => Err(BadSnapshot),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadSnapshot> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BadSnapshot)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn flag(&mut self) -> Result<bool, BadSnapshot> {
        match self.small()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(BadSnapshot),
        }
    }

    pub(super) fn small(&mut self) -> Result<u8, BadSnapshot> {
        self.take().map(|[number]| number)
    }

    pub(super) fn number(&mut self) -> Result<u64, BadSnapshot> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn octets(&mut self) -> Result<&'o [u8], BadSnapshot> {
        let length = u32::from_be_bytes(self.take()?);
        let length = usize::try_from(length).map_err(|_| BadSnapshot)?;
        let (octets, rest) = self.0.split_at_checked(length).ok_or(BadSnapshot)?;
        self.0 = rest;
        Ok(octets)
    }

    /// Octets that `parse` makes something of.
    pub(super) fn parsed<T>(
        &mut self,
        parse: impl FnOnce(&'o [u8]) -> Option<T>,
    ) -> Result<T, BadSnapshot> {
        parse(self.octets()?).ok_or(BadSnapshot)
    }

    /// Text that `parse` makes something of.
    pub(super) fn text<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, BadSnapshot> {
        self.parsed(|octets| std::str::from_utf8(octets).ok().and_then(parse))
    }

    /// The same, or nothing.
    pub(super) fn optional<T>(
        &mut self,
        parse: impl FnOnce(&'o [u8]) -> Option<T>,
    ) -> Result<Option<T>, BadSnapshot> {
        match self.octets()? {
            [] => Ok(None),
            octets => parse(octets).ok_or(BadSnapshot).map(Some),
        }
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, BadSnapshot> {
        let nanoseconds = i128::from_be_bytes(self.take()?);
        Timestamp::from_nanosecond(nanoseconds).map_err(|_| BadSnapshot)
    }

    pub(super) fn end(self) -> Result<(), BadSnapshot> {
        if self.0.is_empty() { Ok(()) } else { Err(BadSnapshot) }
    }
}
