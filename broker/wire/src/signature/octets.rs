//! One pass over a document, with the digest of its octets.

use std::io::{self, BufRead, Read};

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{DriveError, EventSink, Limits, XmlError, drive};
use openssl::sha::Sha256;

/// Shows the document to `sink`; gives SHA-256 over all its octets.
pub(crate) fn pass<S, E>(document: impl BufRead, limits: &Limits, sink: &mut S) -> Result<Digest, E>
where
    S: EventSink<Error = E>,
    E: From<XmlError> + From<io::Error>,
{
    let mut octets = Hashed::new(document);
    drive(&mut octets, limits, sink).map_err(|error| match error {
        DriveError::Xml(error) => E::from(error),
        DriveError::Sink(error) => error,
    })?;
    // The reader has seen the end; should it have left anything, the two passes must agree on
    // that as well.
    Ok(octets.finish()?)
}

/// Hashes what is taken from `inner`.
pub(crate) struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: BufRead> Hashed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    /// SHA-256 over everything, what nobody took included.
    pub(crate) fn finish(mut self) -> io::Result<Digest> {
        loop {
            let rest = self.fill_buf()?.len();
            if rest == 0 {
                return Ok(Digest(self.hasher.finish()));
            }
            self.consume(rest);
        }
    }
}

impl<R: BufRead> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..taken]);
        Ok(taken)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed lies in the buffer that fill_buf gave; asking again reads nothing.
        if amount > 0
            && let Ok(buffer) = self.inner.fill_buf()
        {
            self.hasher.update(&buffer[..amount.min(buffer.len())]);
        }
        self.inner.consume(amount);
    }
}
