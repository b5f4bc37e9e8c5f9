//! A message while it comes in: sealed part by part, kept in memory while small, in a place of their
//! own beyond.

use std::any::Any;
use std::io::{Cursor, Read};
use std::sync::Arc;

use amtsbote_domain::message::Part;
use amtsbote_domain::ports::{Intake, StoreError};

use crate::error::{cipher_error, misuse};
use crate::parts::{Depot, Reserved, Writing};
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
    /// Finished in their place, under a name that is still reserved.
    Placed(Arc<Reserved>),
}

/// The [`Intake`] of this store.
pub(crate) struct SealedIntake {
    key: Arc<Secret>,
    depot: Arc<Depot>,
    inline_limit: usize,
    kept: usize,
    parts: Vec<SealedPart>,
    open: Option<OpenPart>,
}

struct OpenPart {
    cid: String,
    media_type: String,
    sealer: Sealer,
    /// Sealed octets that are not on their way to the place.
    sealed: Vec<u8>,
    /// On its way to the place that large parts go to.
    spill: Option<Writing>,
}

impl SealedIntake {
    pub(crate) fn new(depot: Arc<Depot>, inline_limit: usize) -> Result<Self, StoreError> {
        let key = Arc::new(Secret::random().map_err(cipher_error)?);
        Ok(Self { key, depot, inline_limit, kept: 0, parts: Vec::new(), open: None })
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

    /// Whether it came from the store with this depot.
    pub(crate) fn is_of(&self, depot: &Arc<Depot>) -> bool {
        Arc::ptr_eq(&self.depot, depot)
    }

    /// Leaves the large parts where they are: a message refers to them.
    pub(crate) fn keep_parts(self) {
        for sealed in &self.parts {
            if let Body::Placed(reserved) = &sealed.body {
                reserved.keep();
            }
        }
    }

    /// The same where nobody knows whether one does.
    pub(crate) fn doubt_parts(self) {
        for sealed in &self.parts {
            if let Body::Placed(reserved) = &sealed.body {
                reserved.doubt();
            }
        }
    }

    fn place(&self, cid: &str) -> Place {
        Place { key: Arc::clone(&self.key), part: self.parts.len() as u32, cid: cid.to_owned() }
    }
}

impl OpenPart {
    /// Moves what is sealed so far to its place, which is begun the first time.
    fn spill(&mut self, depot: &Arc<Depot>) -> Result<(), StoreError> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            empty => empty.insert(depot.begin()?),
        };
        spill.write(&mut self.sealed)
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
                open.spill(&self.depot)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Part, StoreError> {
        // However it ends: an open part that is dropped discards what is in its place.
        let open = self.open.take().ok_or_else(|| misuse("no part is open"))?;
        let OpenPart { cid, media_type, sealer, mut sealed, spill } = open;
        let (size, sha256) = sealer.finish(&mut sealed).map_err(cipher_error)?;
        let body = match spill {
            Some(mut spill) => {
                spill.write(&mut sealed)?;
                Body::Placed(spill.finish()?)
            }
            None => {
                self.kept += size as usize;
                Body::Kept(sealed.into())
            }
        };
        let part = Part { cid, media_type, size, sha256 };
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
            Body::Placed(reserved) => reserved.open()?,
        };
        let opener = Opener::new(source, place, part.size, part.sha256).map_err(cipher_error)?;
        Ok(Box::new(opener))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
