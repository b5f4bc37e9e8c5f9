//! An object while it is read: range by range, each asked for when it is needed. So whoever reads
//! slowly holds one range and no connection, and a read that breaks off goes on where it was.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::{Client, RANGE, failed};

/// Reads an object from its beginning.
pub(super) struct ObjectReader {
    client: Arc<Client>,
    path: Path,
    size: u64,
    /// The object that was opened, and no other put in its place.
    e_tag: Option<String>,
    /// Where the next range begins.
    next: u64,
    range: Bytes,
}

impl ObjectReader {
    /// Reads the first range: so it is there, and how large it is.
    pub(super) fn open(client: Arc<Client>, path: Path) -> io::Result<Self> {
        let mut reader = Self { client, path, size: 0, e_tag: None, next: 0, range: Bytes::new() };
        reader.fetch()?;
        Ok(reader)
    }

    fn fetch(&mut self) -> io::Result<()> {
        let (client, path) = (Arc::clone(&self.client), self.path.clone());
        let range = self.next..self.next + RANGE as u64;
        let wanted = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.e_tag.clone(),
            ..GetOptions::default()
        };
        let (size, e_tag, range) = self.client.wait(async move {
            let found = client.s3.get_opts(&path, wanted).await.map_err(unreadable)?;
            let (size, e_tag) = (found.meta.size, found.meta.e_tag.clone());
            Ok((size, e_tag, found.bytes().await.map_err(unreadable)?))
        })?;
        let first = self.next == 0;
        if range.is_empty() || (!first && size != self.size) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the object was changed"));
        }
        if first {
            (self.size, self.e_tag) = (size, e_tag);
        }
        self.next += range.len() as u64;
        self.range = range;
        Ok(())
    }
}

/// A range that is not in the object: it is shorter than it was.
fn unreadable(error: object_store::Error) -> io::Error {
    match super::trouble(&error) {
        Some(super::Trouble::Refused(status)) if status.as_u16() == 416 => {
            io::Error::new(io::ErrorKind::InvalidData, "the object was cut off")
        }
        _ => failed(error),
    }
}

impl Read for ObjectReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.range.is_empty() && self.next < self.size && !target.is_empty() {
            self.fetch()?;
        }
        let count = target.len().min(self.range.len());
        target[..count].copy_from_slice(&self.range.split_to(count));
        Ok(count)
    }
}
