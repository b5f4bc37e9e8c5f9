//! Octets put down, sealed as content is, until it is known what they are.

use std::io::{self, Read, Write};

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::ports::{Intake, StoreError};

use crate::hub::Hub;
use crate::step::refused::store_fault;

/// The one part of a spool.
const PART: &str = "spool";

/// Takes octets down. Dropping it leaves no trace.
pub(super) struct Spool {
    intake: Box<dyn Intake>,
}

impl Spool {
    /// An empty one.
    pub(super) fn new(hub: &Hub) -> Result<Self, Fault> {
        let mut intake = hub.store.intake().map_err(|error| store_fault(&error))?;
        let begun = intake.begin(PART, "application/octet-stream");
        begun.map_err(|error| store_fault(&error))?;
        Ok(Self { intake })
    }

    /// Nothing more comes: to be read from its beginning.
    pub(super) fn finish(mut self) -> Result<Spooled, Fault> {
        let ended = tokio::task::block_in_place(|| self.intake.end());
        let part = ended.map_err(|error| store_fault(&error))?;
        Ok(Spooled { intake: self.intake, octets: part.size, sha256: part.sha256 })
    }
}

impl Write for Spool {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = tokio::task::block_in_place(|| self.intake.write(octets));
        written.map(|()| octets.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was put down, whole.
pub(super) struct Spooled {
    intake: Box<dyn Intake>,
    /// How many octets.
    pub(super) octets: u64,
    /// SHA-256 over them.
    pub(super) sha256: Digest,
}

impl Spooled {
    /// From the beginning.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>, Fault> {
        self.intake.open(PART).map_err(|error| store_fault(&error))
    }
}

/// A spool that cannot be written or read is a trouble of ours.
pub(super) fn unreadable(error: io::Error) -> Fault {
    let store = error.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>());
    match store {
        Some(error) => store_fault(error),
        None => Fault::new(Code::Internal),
    }
}
