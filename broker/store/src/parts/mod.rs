//! Sealed octets that are too large for a row: where they rest, and by which names.
//!
//! A name is reserved durably before anything may exist under it, and the reservation is removed by
//! the acceptance that refers to it. So whatever a crash leaves behind is known by name, in whatever
//! place it is. There are two places behind one port, [`Place`]: a folder, and an object store.
//! A name says which of them it belongs to, so that a store which moved from the one to the other
//! still reads what it has.

pub(crate) mod folder;
mod names;
#[cfg(feature = "s3")]
pub(crate) mod objects;

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use amtsbote_domain::ports::StoreError;

use crate::error::file_error;
use crate::sql::Db;
use crate::writer::WeakQueue;
use folder::Folder;
use names::Names;

/// What names of objects begin with; those of files have nothing in front.
pub(crate) const OBJECT: &str = "o-";

/// A place for sealed octets. Every call may wait for a disk or a network.
pub(crate) trait Place: Send + Sync {
    /// Begins what is to rest under a reserved name.
    fn begin(&self, name: &Arc<Reserved>) -> io::Result<Box<dyn Draft>>;

    /// Reads what was finished, from its beginning. What is not there is of the kind `NotFound`.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Removes what no message refers to, soon. True: the name can be used again now.
    fn discard(&self, left: Left) -> bool;

    /// Removes all of this, finished or not, durably. What is not there is no mistake.
    fn sweep(&self, left: &[Left]) -> io::Result<()>;
}

/// Sealed octets while they are written. Dropped without an end, they are discarded with their name.
pub(crate) trait Draft: Send {
    /// Takes the octets out of `sealed`, in bounded memory.
    fn write(&mut self, sealed: &mut Vec<u8>) -> io::Result<()>;

    /// Makes everything durable, and knows that it is what was written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// What may exist without a message: something under a name, and an upload to it that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) name: String,
    pub(crate) upload: Option<String>,
}

impl Left {
    /// The row that reserves it.
    fn row(&self) -> String {
        match &self.upload {
            None => self.name.clone(),
            Some(upload) => format!("{}/{upload}", self.name),
        }
    }

    fn parse(row: &str) -> Result<Self, StoreError> {
        let (name, upload) = match row.split_once('/') {
            Some((name, upload)) => (name, Some(upload.to_owned())),
            None => (row, None),
        };
        match is_name(name) {
            true => Ok(Self { name: name.to_owned(), upload }),
            false => Err(StoreError::Corrupt("a reserved name".to_owned())),
        }
    }
}

/// Whether it is a name made here, and so no path to somewhere else.
pub(crate) fn is_name(name: &str) -> bool {
    let random = name.strip_prefix(OBJECT).unwrap_or(name);
    random.len() == 32 && random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The places that a store has.
pub(crate) struct Places {
    folder: Folder,
    /// Where there is one, what is new goes there.
    objects: Option<Box<dyn Place>>,
}

impl Places {
    pub(crate) fn new(folder: Folder, objects: Option<Box<dyn Place>>) -> Self {
        Self { folder, objects }
    }

    /// Reads what rests under a name.
    pub(crate) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.of(name)?.open(name)
    }

    fn of(&self, name: &str) -> io::Result<&dyn Place> {
        match (name.starts_with(OBJECT), &self.objects) {
            (false, _) => Ok(&self.folder),
            (true, Some(objects)) => Ok(&**objects),
            (true, None) => Err(io::Error::other("the object store of this store is not named")),
        }
    }
}

/// The places of an open store with the names that are reserved there.
pub(crate) struct Depot {
    places: Arc<Places>,
    names: Arc<Names>,
    queue: WeakQueue,
}

impl Depot {
    /// Removes what belongs to no message; makes the folder where it is the place.
    pub(crate) fn open(places: Arc<Places>, queue: WeakQueue, db: &Db) -> Result<Self, StoreError> {
        let prefix = places.objects.as_ref().map_or("", |_| OBJECT);
        let depot = Self { places, names: Arc::new(Names::new(prefix)), queue };
        if depot.places.objects.is_none() {
            depot.places.folder.make().map_err(file_error)?;
        }
        depot.sweep(db)?;
        Ok(depot)
    }

    /// The places, for reading.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Begins a part under a name of its own.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Writing, StoreError> {
        let name = self.names.take(&self.queue)?;
        let place = self.places.of(&name).map_err(file_error)?;
        let reserved = Arc::new(Reserved {
            name,
            upload: Mutex::default(),
            kept: AtomicBool::new(false),
            depot: Arc::clone(self),
        });
        let draft = place.begin(&reserved).map_err(file_error)?;
        Ok(Writing { draft, reserved })
    }

    fn sweep(&self, db: &Db) -> Result<(), StoreError> {
        let (rows, left) = names::left_behind(db)?;
        let (objects, files): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|left| left.name.starts_with(OBJECT));
        self.places.folder.sweep(&files).map_err(file_error)?;
        if let Some(first) = objects.first() {
            self.places
                .of(&first.name)
                .and_then(|place| place.sweep(&objects))
                .map_err(file_error)?;
        }
        // Only now: a removal that did not last must not lose its name first, for then nobody would
        // ever find the octets again.
        names::forget(db)?;
        if rows > 0 {
            tracing::info!(reserved = rows, "parts without a message were removed");
        }
        Ok(())
    }
}

/// A part on its way to its place.
pub(crate) struct Writing {
    draft: Box<dyn Draft>,
    reserved: Arc<Reserved>,
}

impl Writing {
    pub(crate) fn write(&mut self, sealed: &mut Vec<u8>) -> Result<(), StoreError> {
        self.draft.write(sealed).map_err(file_error)
    }

    /// Durable and whole; it is discarded with what is returned, unless that is kept.
    pub(crate) fn finish(self) -> Result<Arc<Reserved>, StoreError> {
        self.draft.finish().map_err(file_error)?;
        Ok(self.reserved)
    }
}

/// A reserved name with whatever is under it. Dropping it discards both, unless a message refers to
/// it by then.
pub(crate) struct Reserved {
    name: String,
    /// The upload that was begun to it.
    upload: Mutex<Option<String>>,
    kept: AtomicBool,
    depot: Arc<Depot>,
}

impl Reserved {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads it again, finished, before any message refers to it.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, StoreError> {
        self.depot.places.open(&self.name).map_err(file_error)
    }

    /// The rows that reserve it; they go with the acceptance.
    pub(crate) fn rows(&self) -> impl Iterator<Item = String> {
        let upload = self.left().upload;
        let rows = [None].into_iter().chain(upload.map(Some));
        rows.map(|upload| Left { name: self.name.clone(), upload }.row())
    }

    /// A message refers to it, or may.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    /// Records an upload durably before anything is sent to it: a crash must leave none unknown.
    /// Waits for a commit.
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "a folder has no uploads"))]
    fn begun(&self, upload: &str) -> Result<(), StoreError> {
        let left = Left { name: self.name.clone(), upload: Some(upload.to_owned()) };
        // Known here whatever becomes of the row: to be removed, it need not be recorded.
        *self.upload.lock().unwrap_or_else(PoisonError::into_inner) = left.upload.clone();
        names::record(&self.depot.queue, left.row())
    }

    fn left(&self) -> Left {
        let upload = self.upload.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Left { name: self.name.clone(), upload }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.kept.load(Ordering::Acquire) {
            return;
        }
        // A name that was handed out has its place.
        if let Ok(place) = self.depot.places.of(&self.name)
            && place.discard(self.left())
        {
            self.depot.names.give_back(std::mem::take(&mut self.name));
        }
    }
}
