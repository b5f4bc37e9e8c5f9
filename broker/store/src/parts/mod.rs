//! Sealed octets that are too large for a row: where they rest, and by which names.
//!
//! A name is reserved durably before anything may exist under it, and the reservation is removed by
//! the acceptance that refers to it. So whatever a crash leaves behind is known by name, in whatever
//! place it is, and is removed by its reservation and by nothing else (`removal.rs`). There are two
//! places behind one port, [`Place`]: a folder, and an object store. A name says which of them it belongs
//! to, so that a store which moved from the one to the other still reads what it has.

pub(crate) mod folder;
mod names;
#[cfg(feature = "s3")]
pub(crate) mod objects;
pub(crate) mod removal;

use std::io::{self, Read};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amtsbote_domain::ports::StoreError;

use crate::error::file_error;
use crate::group::Group;
use crate::writer::WeakQueue;
use folder::Folder;
use names::Names;
use removal::{Mark, Removals, Remover};

/// What names of objects begin with; those of files have nothing in front.
pub(crate) const OBJECT: &str = "o-";

/// A removal fails with this where the place as a whole is away.
pub(crate) const AWAY: io::ErrorKind = io::ErrorKind::HostUnreachable;

/// A place for sealed octets. Every call may wait for a disk or a network.
pub(crate) trait Place: Send + Sync {
    /// Begins what is to rest under a reserved name.
    fn begin(&self, name: &str, begun: Begun) -> io::Result<Box<dyn Draft>>;

    /// Reads what was finished, from its beginning. What is not there is of the kind `NotFound`.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// Removes at once what no message refers to, where that waits for no network. True: the name can
    /// be used again.
    fn discard(&self, left: &Left) -> bool;

    /// Removes these, finished or not, durably, and says of each what became of it. What is not there
    /// is no mistake.
    fn remove(&self, left: &[Left]) -> Vec<io::Result<()>>;

    /// How long something may still arrive under a name after its removal.
    fn quiet(&self) -> Duration;
}

/// Records an upload durably before anything is sent to it: a crash must leave none unknown.
pub(crate) type Begun = Box<dyn Fn(&str) -> Result<(), StoreError> + Send>;

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
    /// The rows that reserve name and upload.
    fn rows(&self) -> impl Iterator<Item = String> {
        let upload = self.upload.as_ref().map(|_| self.row());
        [self.name.clone()].into_iter().chain(upload)
    }

    /// The row that reserves it.
    pub(crate) fn row(&self) -> String {
        match &self.upload {
            None => self.name.clone(),
            Some(upload) => format!("{}/{upload}", self.name),
        }
    }

    pub(crate) fn parse(row: &str) -> Result<Self, StoreError> {
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

/// The name under which a part rests when it has moved to a place of this kind.
#[cfg(feature = "postgres")]
pub(crate) fn name_in(objects: bool, name: &str) -> String {
    let random = name.strip_prefix(OBJECT).unwrap_or(name);
    format!("{}{random}", if objects { OBJECT } else { "" })
}

/// The places that a store has.
pub(crate) struct Places {
    folder: Option<Folder>,
    /// Where there is one, what is new goes there.
    objects: Option<Box<dyn Place>>,
}

impl Places {
    pub(crate) fn new(folder: Option<Folder>, objects: Option<Box<dyn Place>>) -> Self {
        Self { folder, objects }
    }

    /// Reads what rests under a name.
    pub(crate) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        self.of(name)?.open(name)
    }

    /// Removes all of this, each in its place; see [`Place::remove`].
    pub(crate) fn remove(&self, left: &[Left]) -> Vec<io::Result<()>> {
        let mut results: Vec<Option<io::Result<()>>> = left.iter().map(|_| None).collect();
        for objects in [false, true] {
            let here = |n: &usize| left[*n].name.starts_with(OBJECT) == objects;
            let numbers: Vec<usize> = (0..left.len()).filter(here).collect();
            let Some(first) = numbers.first() else { continue };
            let Ok(place) = self.of(&left[*first].name) else { continue };
            let here: Vec<Left> = numbers.iter().map(|n| left[*n].clone()).collect();
            for (n, result) in numbers.into_iter().zip(place.remove(&here)) {
                results[n] = Some(result);
            }
        }
        let none = || Err(io::Error::other("the place of this part is not named"));
        results.into_iter().map(|result| result.unwrap_or_else(none)).collect()
    }

    /// See [`Place::quiet`].
    fn quiet(&self, left: &Left) -> Duration {
        self.of(&left.name).map_or(Duration::ZERO, Place::quiet)
    }

    /// Where what has this name lies.
    pub(crate) fn of(&self, name: &str) -> io::Result<&dyn Place> {
        let place = match name.starts_with(OBJECT) {
            false => self.folder.as_ref().map(|folder| folder as &dyn Place),
            true => self.objects.as_deref(),
        };
        place.ok_or_else(|| io::Error::other("the place where this part lies is not named"))
    }
}

/// The places of an open store with the names that are reserved there.
pub(crate) struct Depot {
    places: Arc<Places>,
    names: Arc<Names>,
    removals: Arc<Removals>,
    queue: WeakQueue,
}

impl Depot {
    /// Makes the folder where it is the place. Nothing is removed yet.
    pub(crate) fn open(places: Arc<Places>, queue: WeakQueue) -> Result<Self, StoreError> {
        let prefix = places.objects.as_ref().map_or("", |_| OBJECT);
        if let (None, Some(folder)) = (&places.objects, &places.folder) {
            folder.make().map_err(file_error)?;
        }
        let (names, removals) = (Arc::new(Names::new(prefix)), Arc::default());
        Ok(Self { places, names, removals, queue })
    }

    /// Begins to remove what belongs to no message, beside whatever else happens.
    pub(crate) fn begin_removing(&self, queue: WeakQueue) -> io::Result<()> {
        removal::start(self.remover(), Arc::clone(&self.removals), queue)
    }

    /// Removes all of it, now; for a store without threads.
    #[cfg(feature = "simulation")]
    pub(crate) fn remove_now(
        &self,
        submit: &mut dyn FnMut(Box<dyn crate::writer::Task>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.remover().all(submit)
    }

    fn remover(&self) -> Remover {
        Remover::new(Arc::clone(&self.places), Arc::clone(&self.names))
    }

    /// The store closes: nothing more is removed.
    pub(crate) fn close(&self) {
        self.removals.end();
    }

    /// Waits until it was looked for what is to be removed.
    #[cfg(test)]
    pub(crate) fn look(&self) {
        self.removals.look();
    }

    /// The places, for reading.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Begins a part under a name of its own.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Writing, StoreError> {
        let name = self.names.take(&self.queue)?;
        let reserved = Arc::new(Reserved {
            name,
            upload: Mutex::default(),
            fate: AtomicU8::new(DROPPED),
            depot: Arc::clone(self),
        });
        let place = self.places.of(&reserved.name).map_err(file_error)?;
        let own = Arc::clone(&reserved);
        let begun = Box::new(move |upload: &str| own.begun(upload));
        let draft = place.begin(&reserved.name, begun).map_err(file_error)?;
        Ok(Writing { draft, reserved })
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.close();
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

/// What becomes of a part when it is dropped: no message refers to it.
const DROPPED: u8 = 0;
/// No message does, and the name is another node's by now.
const LOST: u8 = 1;
/// The database will say whether a message does.
const IN_DOUBT: u8 = 2;
/// A message does.
const KEPT: u8 = 3;

/// A reserved name with whatever is under it. Dropping it discards both, unless a message refers to
/// it by then.
pub(crate) struct Reserved {
    name: String,
    /// The upload that was begun to it.
    upload: Mutex<Option<String>>,
    fate: AtomicU8,
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

    /// A message refers to it with this transaction: the reservation goes. Refused where it went before,
    /// because other nodes heard nothing of this one for long.
    pub(crate) fn refer(&self, group: &Group<'_>) -> Result<(), StoreError> {
        names::release(group, &self.left()).inspect_err(|error| {
            if matches!(error, StoreError::Unavailable(why) if why == names::GONE) {
                self.fate.store(LOST, Ordering::Release);
            }
        })
    }

    /// A message refers to it.
    pub(crate) fn keep(&self) {
        self.fate.store(KEPT, Ordering::Release);
    }

    /// A message may refer to it.
    pub(crate) fn doubt(&self) {
        self.fate.store(IN_DOUBT, Ordering::Release);
    }

    /// Records an upload; see [`Begun`]. Waits for a commit.
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
        let (depot, fate) = (&self.depot, self.fate.load(Ordering::Acquire));
        if fate == KEPT {
            return;
        }
        let left = self.left();
        let sure = fate != IN_DOUBT;
        let gone = sure && depot.places.of(&left.name).is_ok_and(|place| place.discard(&left));
        match (gone, fate) {
            (true, DROPPED) => depot.names.give_back(left.name),
            (true, _) => {}
            (false, _) => depot.removals.add(Mark { left, sure }),
        }
    }
}
