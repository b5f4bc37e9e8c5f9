//! What is tried when a store opens: that the bucket can be used as it must be, and that it is the
//! one that this store has always used.

use std::io;
use std::sync::Arc;

use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use openssl::rand::rand_bytes;

use super::options::refuse;
use super::{Client, OBJECT, Objects, failed};
use crate::options::OpenError;
use crate::sql::{Db, params};
use crate::startup::{meta, refused, set_meta};

/// Under this name the database knows the mark of the bucket.
const MARK: &str = "objects";
/// Under this name, that the bucket bears it.
const MARKED: &str = "objects-marked";
/// What a probe holds.
const PROBE: &[u8] = b"Amtsbote tries whether it can write, read and remove here.";
/// Longest mark, in octets.
const LONGEST: u64 = 64;

/// Whether parts of this store lie in an object store.
pub(crate) fn are_used(db: &Db) -> Result<bool, OpenError> {
    meta(db, MARK).map(|mark| mark.is_some())
}

impl Objects {
    /// Refuses a bucket that cannot be used, or that is another one than this store has used before.
    pub(crate) fn check(&self, db: &Db) -> Result<(), OpenError> {
        let client = Arc::clone(&self.client);
        let random = random().map_err(OpenError::File)?;
        let probe = Path::from(format!("{}probe/{random}", client.prefix));
        let versioned =
            self.client.wait(async move { Ok(client.probe(&probe).await) }).map_err(told)??;
        if versioned {
            tracing::warn!(
                "the bucket keeps versions: what is deleted there goes on taking room until a rule \
                 of the bucket removes old versions"
            );
        }
        let path = Path::from(format!("{}store", self.client.prefix));
        let found = self.read_mark(&path)?;
        match (meta(db, MARK)?, found) {
            (Some(known), Some(found)) if known == found => set_meta(db, MARKED, &known),
            (None, None) => {
                // Of nodes that start at the same time, the first one wins.
                set_meta(db, MARK, random.as_bytes())?;
                let known = meta(db, MARK)?.ok_or_else(|| refuse("the store lost its mark"))?;
                self.write_mark(&path, &known)?;
                set_meta(db, MARKED, &known)
            }
            // The first start ended between the two; or, where no other node has marked one, it is lost.
            (Some(known), None) if may_mark(db)? => {
                self.write_mark(&path, &known)?;
                set_meta(db, MARKED, &known)
            }
            (Some(_), None) => Err(refuse("it is not the bucket and prefix of this store")),
            (_, Some(_)) => Err(refuse("bucket and prefix belong to another store")),
        }
    }

    /// Where the bucket is the one of `other`, a store on its way into `db`, it becomes that of `db` too.
    #[cfg(feature = "postgres")]
    pub(crate) fn shared_with(&self, other: &Db, db: &Db) -> Result<bool, OpenError> {
        let Some(known) = meta(other, MARK)? else { return Ok(false) };
        let path = Path::from(format!("{}store", self.client.prefix));
        let shared = self.read_mark(&path)?.as_ref() == Some(&known);
        if shared {
            set_meta(db, MARK, &known)?;
        }
        Ok(shared)
    }

    fn read_mark(&self, path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
        let (client, path) = (Arc::clone(&self.client), path.clone());
        let read = async move {
            let wanted =
                GetOptions { range: Some(GetRange::Bounded(0..LONGEST)), ..GetOptions::default() };
            let found = match client.s3.get_opts(&path, wanted).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                found => found.map_err(failed)?,
            };
            Ok(Some(found.bytes().await.map_err(failed)?.to_vec()))
        };
        self.client.wait(read).map_err(told)
    }

    fn write_mark(&self, path: &Path, mark: &[u8]) -> Result<(), OpenError> {
        let (client, path, mark) = (Arc::clone(&self.client), path.clone(), mark.to_vec());
        let written = async move { client.s3.put(&path, mark.into()).await.map_err(failed) };
        self.client.wait(written).map(drop).map_err(told)
    }
}

impl Client {
    /// Writes, reads and removes an object, and begins and ends an upload. True: the bucket keeps
    /// versions.
    async fn probe(&self, path: &Path) -> Result<bool, OpenError> {
        let step = |what: &'static str| {
            move |error| OpenError::Objects(format!("{what}: {}", failed(error)))
        };
        let written = self.s3.put(path, PutPayload::from_static(PROBE)).await;
        let written = written.map_err(step("an object could not be written"))?;
        let read = async { self.s3.get(path).await?.bytes().await };
        let read = read.await.map_err(step("an object could not be read"))?;
        if read != PROBE {
            return Err(refuse("an object that was written is read as another one"));
        }
        let upload = self.s3.create_multipart(path).await;
        let upload = upload.map_err(step("an upload could not be begun"))?;
        let ended = self.s3.abort_multipart(path, &upload).await;
        ended.map_err(step("an upload could not be broken off"))?;
        self.s3.delete(path).await.map_err(step("an object could not be deleted"))?;
        match self.s3.head(path).await {
            Err(Error::NotFound { .. }) => {}
            // A service says so to whoever may not list the bucket.
            Err(Error::PermissionDenied { .. }) => {
                return Err(refuse(
                    "the key may not list the bucket, so that what is missing looks forbidden",
                ));
            }
            Err(error) => return Err(step("an object could not be looked for")(error)),
            Ok(_) => return Err(refuse("an object that was deleted is still there")),
        }
        Ok(written.version.is_some_and(|version| version != "null"))
    }
}

/// Whether a bucket without the mark may be the one of this store: no part lies in another, and no other
/// node has one.
fn may_mark(db: &Db) -> Result<bool, OpenError> {
    const NODES: &str = "SELECT 1 FROM node_life HAVING count(DISTINCT name) > 1";
    let marked = meta(db, MARKED)?.is_some();
    let shared = marked && db.life().is_some() && db.exists(NODES, &[]).map_err(refused)?;
    Ok(!shared && !refers(db)?)
}

/// Whether any part lies in the object store; looked for only where the mark is missing.
fn refers(db: &Db) -> Result<bool, OpenError> {
    let sql = "SELECT 1 FROM payload WHERE file LIKE ?1 LIMIT 1";
    db.exists(sql, params![format!("{OBJECT}%")]).map_err(refused)
}

fn told(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::StorageFull => OpenError::Full,
        _ => OpenError::Objects(error.to_string()),
    }
}

fn random() -> io::Result<String> {
    let mut octets = [0; 16];
    rand_bytes(&mut octets)?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}
