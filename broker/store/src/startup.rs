//! Opening: the lock, the keys, the log against its guard, and what the last process left behind.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::guard::HeadGuard;
use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::tree;
use amtsbote_domain::ports::StoreError;

use crate::group::{Group, StoredNodes};
use crate::keys;
use crate::migrate;
use crate::operation::sweep;
use crate::options::{Database, LargeParts, OpenError, StoreOptions};
use crate::parts::folder::{Folder, sync_folder};
use crate::parts::{Depot, Place, Places, removal};
use crate::reserve::Reserve;
use crate::sql::{Db, Source, params};
use crate::writer::{Answer, Faults, Log, Queue, Task, Work, Writer, database_path};

/// The guard's file in a store's folder.
pub(crate) const GUARD: &str = "head.guard";
/// Under which name the database keeps the verifier key of its log.
pub(crate) const LOG_KEY: &str = "log-key";
/// The mark of a store that has moved away, and of one that has not been taken over yet.
pub(crate) const MOVED: &str = "moved";
pub(crate) const ARRIVING: &str = "arriving";
/// The mark of a store that has moved away and was taken over there: there is no way back.
#[cfg(feature = "postgres")]
pub(crate) const TAKEN_OVER: &str = "taken-over";
/// Under this name the database knows the mark of the folder that its nodes share.
pub(crate) const FOLDER: &str = "payload-folder";
/// The folder of the payload files.
pub(crate) const PAYLOAD: &str = "payload";

/// Everything a store consists of once it is open.
pub(crate) struct Opened {
    pub(crate) lock: Lock,
    pub(crate) writer: Writer,
    pub(crate) queue: Queue,
    pub(crate) waiting: tokio::sync::mpsc::Receiver<Box<dyn Task>>,
    pub(crate) source: Source,
    pub(crate) depot: Arc<Depot>,
    /// Attempts found open and made uncertain.
    pub(crate) lost_attempts: u64,
}

/// Opens what lies in the folder, or makes it.
pub(crate) fn open(options: StoreOptions, faults: Option<Faults>) -> Result<Opened, OpenError> {
    let StoreOptions {
        dir,
        database,
        large_parts,
        keys,
        log_key,
        clock,
        reserve_bytes,
        group_limit,
        ..
    } = options;
    fs::create_dir_all(&dir)?;
    let lock = lock(&dir)?;
    let fails = |fault| faults.as_ref().is_some_and(|faults| faults(fault));
    let path = database_path(&dir);
    let (db, source) = match &database {
        Database::File => {
            let db = migrate::open_writer(&path, clock.now(), &*keys, options.max_pages, &fails)?;
            (db, Source::Sqlite(path))
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(server) => {
            let settings = server.settings();
            (server.open(&settings, &*clock, &large_parts)?, Source::Postgres(settings))
        }
    };
    if meta(&db, MOVED)?.is_some() {
        return Err(OpenError::Moved);
    }
    if meta(&db, ARRIVING)?.is_some() {
        return Err(OpenError::Arriving);
    }
    keys::check(&db, &*keys)?;
    recognise_log_key(&db, log_key.verifier())?;
    // On one snapshot: others may be writing.
    let checked = db.snapshot(|db| Ok(check_log(db, &dir, log_key.verifier())));
    let (log, guard) = checked.map_err(refused)??;
    #[cfg_attr(not(feature = "simulation"), allow(unused_mut))]
    let (mut queue, waiting) = Queue::new();
    #[cfg(feature = "simulation")]
    {
        queue.inline = options.simulated.map(crate::simulated::Inline::new);
    }
    let places = Arc::new(places(&dir, &database, &large_parts, Some(&db))?);
    let depot = Depot::open(places, queue.weak()).map_err(refused)?;
    let reserve = Arc::new(Reserve::open(&dir, reserve_bytes)?);
    sync_folder(&dir)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_folder(parent)?;
    }
    let group_limit = group_limit.max(1);
    let mut writer =
        Writer { db, keys, key: log_key, guard, clock, reserve, group_limit, log, faults };
    let mut lost_attempts = 0;
    loop {
        match run_now(&mut writer, sweep::lose_open_attempts)? {
            0 => break,
            count => lost_attempts += u64::from(count),
        }
    }
    run_now(&mut writer, sweep::free_leases)?;
    run_now(&mut writer, |group| removal::former_life(group).map(|()| 0))?;
    #[cfg(feature = "simulation")]
    if queue.inline.is_some() {
        // Nobody will do it beside. What cannot be removed now is left to the next start.
        let removed = depot.remove_now(&mut |task| {
            writer.run(vec![task]);
            Ok(())
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "parts without a message were not removed");
        }
    }
    let depot = Arc::new(depot);
    Ok(Opened { lock, writer, queue, waiting, source, depot, lost_attempts })
}

/// The folder's lock. It is given back by name: a child that is just being started holds a copy of the
/// file, so that closing ours alone would keep the lock for a moment longer.
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Where this fails the file is closed all the same.
        drop(self.0.unlock());
    }
}

pub(crate) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn recognise_log_key(db: &Db, key: &VerifierKey) -> Result<(), OpenError> {
    let own = key.to_string();
    match meta(db, LOG_KEY)? {
        Some(value) if value == own.as_bytes() => Ok(()),
        Some(value) => {
            Err(OpenError::OtherLogKey { expected: String::from_utf8_lossy(&value).into_owned() })
        }
        None => {
            set_meta(db, LOG_KEY, own.as_bytes())?;
            match meta(db, LOG_KEY)? {
                Some(value) if value == own.as_bytes() => Ok(()),
                // Another node was first.
                _ => recognise_log_key(db, key),
            }
        }
    }
}

/// Where the payload files lie, where there is a folder for them.
pub(crate) fn payload_folder(dir: &Path, database: &Database) -> Option<PathBuf> {
    match database {
        Database::File => Some(dir.join(PAYLOAD)),
        #[cfg(feature = "postgres")]
        Database::Postgres(server) => server.payload().map(Path::to_owned),
    }
}

/// Where the large parts of a store lie. With the database of a store that opens, an object store is
/// tried first, and one that is used must be named.
pub(crate) fn places(
    dir: &Path,
    database: &Database,
    large_parts: &LargeParts,
    opening: Option<&Db>,
) -> Result<Places, OpenError> {
    let objects: Option<Box<dyn Place>> = match large_parts {
        LargeParts::Folder => {
            #[cfg(feature = "s3")]
            if let Some(db) = opening
                && crate::parts::objects::are_used(db)?
            {
                let text = "parts of this store lie in one, and none is named";
                return Err(OpenError::Objects(text.to_owned()));
            }
            None
        }
        #[cfg(feature = "s3")]
        LargeParts::Objects(options) => {
            let objects = crate::parts::objects::Objects::new(options)?;
            if let Some(db) = opening {
                objects.check(db)?;
            }
            Some(Box::new(objects))
        }
    };
    let mark = opening.map_or(Ok(None), |db| meta(db, FOLDER))?;
    let folder = payload_folder(dir, database).map(|dir| Folder::new(dir, mark));
    Ok(Places::new(folder, objects))
}

pub(crate) fn meta(db: &Db, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    db.query_opt("SELECT value FROM meta WHERE name = ?1", params![name], |row| row.get(0))
        .map_err(refused)
}

/// Writes it once; what is there stays.
pub(crate) fn set_meta(db: &Db, name: &str, value: &[u8]) -> Result<(), OpenError> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    db.execute(sql, params![name, value]).map(drop).map_err(refused)
}

/// Takes a value away.
#[cfg(feature = "postgres")]
pub(crate) fn drop_meta(db: &Db, name: &str) -> Result<(), OpenError> {
    db.execute("DELETE FROM meta WHERE name = ?1", params![name]).map(drop).map_err(refused)
}

/// Reads the log and compares it with its own head and with the last one released (P5).
fn check_log(db: &Db, dir: &Path, key: &VerifierKey) -> Result<(Log, HeadGuard), OpenError> {
    let log = Log::read(db).map_err(|error| match error {
        StoreError::NotFound => OpenError::Damaged("a node of the tree is missing".to_owned()),
        other => refused(other),
    })?;
    let head = stored_head(db)?;
    if let Some(note) = &head {
        let head = checkpoint::verify(note, key)
            .map_err(|error| OpenError::Damaged(format!("its head: {error}")))?;
        if head.size != log.tree().size() || head.root != log.tree().root() {
            return Err(OpenError::Damaged("the nodes do not give the signed root".to_owned()));
        }
    }
    let leaves: i64 = db
        .query_one("SELECT coalesce(max(idx) + 1, 0) FROM leaf", &[], |row| row.get(0))
        .map_err(refused)?;
    if leaves.unsigned_abs() != log.tree().size() {
        return Err(OpenError::Damaged("leaves and head do not agree".to_owned()));
    }
    let mut guard = HeadGuard::open(&dir.join(GUARD))?;
    if guard.fell_back() {
        tracing::warn!("one slot of the head guard was unreadable; the older head is used");
    }
    match guard.last() {
        Some(note) => {
            let released = checkpoint::verify(&note, key)
                .map_err(|error| OpenError::RolledBack(format!("the head guard: {error}")))?;
            contains(db, log.tree().size(), &released)?;
        }
        None if head.is_some() => {
            tracing::warn!("the head guard was absent; it starts again with the log as it is");
        }
        None => {}
    }
    if let Some(note) = head
        && guard.last().as_deref() != Some(&note)
    {
        guard.store(&note)?;
        guard.sync()?;
    }
    Ok((log, guard))
}

/// Whether the log of `size` leaves contains what a head was released for.
pub(crate) fn contains(db: &Db, size: u64, released: &Checkpoint) -> Result<(), OpenError> {
    if released.size > size {
        let text = format!("{size} leaves, but a head over {} was released", released.size);
        return Err(OpenError::RolledBack(text));
    }
    let root = tree::root(released.size, &StoredNodes(db))
        .map_err(|_| OpenError::Damaged("a node of the tree is missing".to_owned()))?;
    if root != released.root {
        let text = format!("its first {} leaves are not those released", released.size);
        return Err(OpenError::RolledBack(text));
    }
    Ok(())
}

/// The newest head.
pub(crate) fn stored_head(db: &Db) -> Result<Option<String>, OpenError> {
    db.query_opt("SELECT note FROM log_head", &[], |row| row.get(0)).map_err(refused)
}

/// Runs one operation before the writer's thread has started.
fn run_now(
    writer: &mut Writer,
    work: impl FnMut(&mut Group<'_>) -> Result<u32, StoreError> + Send + 'static,
) -> Result<u32, OpenError> {
    let mut work = work;
    let (task, mut answer) = Work::task(true, move |group| work(group).map(Answer::Now));
    writer.run(vec![task]);
    answer.try_recv().map_err(|_| OpenError::Database("no answer".to_owned()))?.map_err(refused)
}

/// A database error on opening.
pub(crate) fn refused(error: StoreError) -> OpenError {
    match error {
        StoreError::Full => OpenError::Full,
        other => OpenError::Database(other.to_string()),
    }
}
