//! A message while it comes in: sealed part by part, kept in memory while small, in files beyond.

use std::any::Any;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::message::Part;
use amtsbote_domain::ports::{Intake, StoreError};

use crate::error::{cipher_error, file_error, misuse};
use crate::files::Files;
use crate::seal::{CHUNK, Opener, Place, Sealer};
use crate::secret::Secret;

/// So many times the limit of one part is kept in memory for all parts of a message together.
const KEPT_PARTS: usize = 4;

/// A part whose octets can no longer change.
pub(crate) struct SealedPart {
    pub(crate) part: Part,
    pub(crate) body: Body,
}

/// Where sealed octets are.
pub(crate) enum Body {
    /// In memory.
    Kept(Arc<[u8]>),
    /// In the finished file of this name.
    File(String),
}

/// The [`Intake`] of this store.
pub(crate) struct SealedIntake {
    key: Arc<Secret>,
    files: Arc<Files>,
    inline_limit: usize,
    kept: usize,
    parts: Vec<SealedPart>,
    open: Option<OpenPart>,
}

struct OpenPart {
    cid: String,
    media_type: String,
    sealer: Sealer,
    /// Sealed octets that are not in the file.
    sealed: Vec<u8>,
    spill: Option<Spill>,
}

/// The file that a large part goes to.
struct Spill {
    name: String,
    file: File,
}

impl SealedIntake {
    pub(crate) fn new(files: Arc<Files>, inline_limit: usize) -> Result<Self, StoreError> {
        let key = Arc::new(Secret::random().map_err(cipher_error)?);
        Ok(Self { key, files, inline_limit, kept: 0, parts: Vec::new(), open: None })
    }

    /// The data key, to be wrapped.
    pub(crate) fn key(&self) -> &Secret {
        &self.key
    }

    /// The parts that have ended; none may be open.
    pub(crate) fn parts(&self) -> Result<&[SealedPart], StoreError> {
        match self.open {
            None => Ok(&self.parts),
            Some(_) => Err(misuse("a part is still open")),
        }
    }

    /// Whether it came from the store with these files.
    pub(crate) fn is_of(&self, files: &Arc<Files>) -> bool {
        Arc::ptr_eq(&self.files, files)
    }

    /// Leaves the files alone: a message refers to them, or may.
    pub(crate) fn keep_files(mut self) {
        self.parts.clear();
    }

    fn place(&self, cid: &str) -> Place {
        Place { key: Arc::clone(&self.key), part: self.parts.len() as u32, cid: cid.to_owned() }
    }
}

impl OpenPart {
    /// Moves what is sealed so far to the file, which is made the first time.
    fn spill(&mut self, files: &Files) -> Result<(), StoreError> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            empty => {
                let name = files.reserve()?;
                match files.create(&name) {
                    Ok(file) => empty.insert(Spill { name, file }),
                    Err(error) => {
                        files.discard(name);
                        return Err(file_error(error));
                    }
                }
            }
        };
        spill.file.write_all(&self.sealed).map_err(file_error)?;
        self.sealed.clear();
        Ok(())
    }
}

impl Intake for SealedIntake {
    fn begin(&mut self, cid: &str, media_type: &str) -> Result<(), StoreError> {
        if self.open.is_some() {
            return Err(misuse("a part is still open"));
        }
        if self.parts.iter().any(|sealed| sealed.part.cid == cid) {
            return Err(misuse("two parts with one content-id"));
        }
        let mut sealed = Vec::new();
        let sealer = Sealer::new(self.place(cid), &mut sealed).map_err(cipher_error)?;
        let (cid, media_type) = (cid.to_owned(), media_type.to_owned());
        self.open = Some(OpenPart { cid, media_type, sealer, sealed, spill: None });
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        let open = self.open.as_mut().ok_or_else(|| misuse("no part is open"))?;
        let room = self.inline_limit.min((KEPT_PARTS * self.inline_limit) - self.kept) as u64;
        // In pieces, so that one large write is not held twice.
        for piece in octets.chunks(CHUNK) {
            open.sealer.write(piece, &mut open.sealed).map_err(cipher_error)?;
            if open.spill.is_some() || open.sealer.size() > room {
                open.spill(&self.files)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Part, StoreError> {
        // Dropping an open part on the way out removes its file.
        let open = self.open.as_mut().ok_or_else(|| misuse("no part is open"))?;
        if open.spill.is_some() {
            open.spill(&self.files)?;
        }
        let mut open = self.open.take().ok_or_else(|| misuse("no part is open"))?;
        let finished = finish(&mut open.sealed, open.sealer, open.spill.as_mut(), &self.files);
        let (size, sha256) = match (finished, &mut open.spill) {
            (Ok(facts), _) => facts,
            (Err(error), spill) => {
                if let Some(spill) = spill.take() {
                    self.files.discard(spill.name);
                }
                return Err(error);
            }
        };
        let part = Part { cid: open.cid, media_type: open.media_type, size, sha256 };
        let body = match open.spill {
            Some(spill) => Body::File(spill.name),
            None => {
                self.kept += size as usize;
                Body::Kept(open.sealed.into())
            }
        };
        self.parts.push(SealedPart { part: part.clone(), body });
        Ok(part)
    }

    fn open(&self, cid: &str) -> Result<Box<dyn Read + Send>, StoreError> {
        let number = self.parts.iter().position(|sealed| sealed.part.cid == cid);
        let number = number.ok_or(StoreError::NotFound)?;
        let SealedPart { part, body } = &self.parts[number];
        let place =
            Place { key: Arc::clone(&self.key), part: number as u32, cid: part.cid.clone() };
        let source: Box<dyn Read + Send> = match body {
            Body::Kept(sealed) => Box::new(Cursor::new(Arc::clone(sealed))),
            Body::File(name) => Box::new(self.files.open_file(name).map_err(file_error)?),
        };
        let opener = Opener::new(source, place, part.size, part.sha256).map_err(cipher_error)?;
        Ok(Box::new(opener))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

impl Drop for SealedIntake {
    fn drop(&mut self) {
        let open = self.open.take().and_then(|open| open.spill).map(|spill| spill.name);
        let ended = self.parts.drain(..).filter_map(|sealed| match sealed.body {
            Body::File(name) => Some(name),
            Body::Kept(_) => None,
        });
        for name in ended.chain(open) {
            self.files.discard(name);
        }
    }
}

/// Seals the last chunk; for a file, makes all of it durable.
fn finish(
    sealed: &mut Vec<u8>,
    sealer: Sealer,
    spill: Option<&mut Spill>,
    files: &Files,
) -> Result<(u64, Digest), StoreError> {
    let facts = sealer.finish(sealed).map_err(cipher_error)?;
    if let Some(spill) = spill {
        spill.file.write_all(sealed).map_err(file_error)?;
        files.finish(&spill.name, &spill.file).map_err(file_error)?;
        sealed.clear();
    }
    Ok(facts)
}
