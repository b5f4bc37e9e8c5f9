//! An object while it is written, and the look at it when it is.
//!
//! The signature of every request covers the SHA-256 of what it sends, and every piece says it once
//! more as a checksum to be kept; so nothing arrives altered at a service that keeps to the protocol.
//! Whether the whole is there is asked afterwards: length, and the SHA-256 that the service itself
//! states for the object. One that states none is not believed: the object is read back. An ETag
//! proves nothing, for services make it as they like.

use std::io::{self, Read};
use std::sync::Arc;

use amtsbote_domain::ports::StoreError;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutPayload};
use openssl::base64::encode_block;
use openssl::sha::Sha256;

use super::http::Stated;
use super::reader::ObjectReader;
use super::{Client, PIECE, failed};
use crate::parts::{Begun, Draft};

/// A part on its way to the bucket.
pub(super) struct ObjectDraft {
    client: Arc<Client>,
    path: Path,
    begun: Begun,
    /// What has not left yet: at most a piece and what was written last.
    waiting: Vec<u8>,
    upload: Option<Upload>,
    size: u64,
    hash: Sha256,
}

/// A part that is too large for one request.
struct Upload {
    id: String,
    pieces: Vec<PartId>,
    /// Over the digests of the pieces.
    hash: Sha256,
}

impl ObjectDraft {
    pub(super) fn new(client: Arc<Client>, path: Path, begun: Begun) -> Self {
        let (waiting, hash) = (Vec::new(), Sha256::new());
        Self { client, path, begun, waiting, upload: None, size: 0, hash }
    }

    fn begin_upload(&mut self) -> io::Result<&mut Upload> {
        match &mut self.upload {
            Some(_) => {}
            empty => {
                let (client, path) = (Arc::clone(&self.client), self.path.clone());
                let begun = async move { client.s3.create_multipart(&path).await.map_err(failed) };
                let id = self.client.wait(begun)?;
                (self.begun)(&id).map_err(not_recorded)?;
                *empty = Some(Upload { id, pieces: Vec::new(), hash: Sha256::new() });
            }
        }
        self.upload.as_mut().ok_or_else(|| io::Error::other("no upload"))
    }

    fn send(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let (client, path) = (Arc::clone(&self.client), self.path.clone());
        let upload = self.begin_upload()?;
        upload.hash.update(&openssl::sha::sha256(&piece));
        let (id, number) = (upload.id.clone(), upload.pieces.len());
        let sent = Arc::clone(&client);
        let sent = client.wait(async move {
            let piece = PutPayload::from(piece);
            sent.s3.put_part(&path, &id, number, piece).await.map_err(failed)
        })?;
        self.begin_upload()?.pieces.push(sent);
        Ok(())
    }

    /// Everything has left; says what the service must state.
    fn end(&mut self) -> io::Result<String> {
        let rest = std::mem::take(&mut self.waiting);
        let (client, path) = (Arc::clone(&self.client), self.path.clone());
        if self.upload.is_none() {
            let stated = encode_block(&openssl::sha::sha256(&rest));
            self.client.wait(async move {
                client.s3.put(&path, rest.into()).await.map(drop).map_err(failed)
            })?;
            return Ok(stated);
        }
        if !rest.is_empty() {
            self.send(rest)?;
        }
        let upload = self.upload.take().ok_or_else(|| io::Error::other("no upload"))?;
        let stated = format!("{}-{}", encode_block(&upload.hash.finish()), upload.pieces.len());
        let Upload { id, pieces, .. } = upload;
        self.client.wait(async move {
            client.s3.complete_multipart(&path, &id, pieces).await.map(drop).map_err(failed)
        })?;
        Ok(stated)
    }

    /// Whether the object is what was written.
    fn check(&self, expected: Option<String>, digest: [u8; 32]) -> io::Result<()> {
        let (client, path) = (Arc::clone(&self.client), self.path.clone());
        let (size, stated) = self.client.wait(async move {
            let head = GetOptions { head: true, ..GetOptions::default() };
            let seen = client.s3.get_opts(&path, head).await.map_err(failed)?;
            let stated = seen.extensions.get::<Stated>().cloned().unwrap_or_default();
            Ok((seen.meta.size, stated.sha256))
        })?;
        if size != self.size {
            return Err(other_octets());
        }
        match (stated, expected) {
            (Some(stated), Some(expected)) if stated == expected => Ok(()),
            _ => self.read_back(digest),
        }
    }

    fn read_back(&self, digest: [u8; 32]) -> io::Result<()> {
        let mut reader = ObjectReader::open(Arc::clone(&self.client), self.path.clone())?;
        let (mut hash, mut size, mut octets) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            match reader.read(&mut octets)? {
                0 => break,
                count => {
                    hash.update(&octets[..count]);
                    size += count as u64;
                }
            }
        }
        match size == self.size && hash.finish() == digest {
            true => Ok(()),
            false => Err(other_octets()),
        }
    }
}

fn not_recorded(error: StoreError) -> io::Error {
    match error {
        StoreError::Full => io::ErrorKind::StorageFull.into(),
        other => io::Error::other(other),
    }
}

fn other_octets() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the object store keeps other octets than it was sent",
    )
}

impl Draft for ObjectDraft {
    fn write(&mut self, sealed: &mut Vec<u8>) -> io::Result<()> {
        self.hash.update(sealed);
        self.size += sealed.len() as u64;
        self.waiting.append(sealed);
        // One piece always stays: whether it is the last decides how it is sent.
        while self.waiting.len() > PIECE {
            let rest = self.waiting.split_off(PIECE);
            let piece = std::mem::replace(&mut self.waiting, rest);
            self.send(piece)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let digest = self.hash.clone().finish();
        match self.end() {
            Ok(stated) => self.check(Some(stated), digest),
            // An answer may be lost when the work is done: the object itself says whether it was.
            Err(error) => self.check(None, digest).map_err(|_| error),
        }
    }
}
