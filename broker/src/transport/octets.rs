//! Octets at rest on their way out. They are read piece by piece as they are taken: a taker who
//! stalls holds one piece in memory and no thread.

use std::io::{self, ErrorKind, Read};

use amtsbote_domain::identity::HubId;
use amtsbote_domain::ports::{Store, StoreError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// Octets read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A part as the store gives it out.
pub(crate) type Reader = Box<dyn Read + Send>;

/// The octets from `first` on, `length` of them, of a part of `size`. Where they reach the end,
/// the last ones leave only when the reader has found the whole as it was at the door; a part
/// that was changed ends in an error of kind `InvalidData`, and never looks whole (P4).
///
/// The first piece is read at once: of a small part it is known that it is good before anything
/// of it leaves.
pub(crate) async fn stream(
    reader: Reader,
    first: u64,
    length: u64,
    size: u64,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let rest = Rest { reader, skip: first, left: length, check: first + length == size };
    let (piece, rest) = step(rest).await?.unzip();
    let rest = stream::try_unfold(rest, async |rest| match rest {
        Some(rest) => Ok(step(rest).await?.map(|(piece, rest)| (piece, Some(rest)))),
        None => Ok(None),
    });
    Ok(stream::iter(piece.map(Ok)).chain(rest))
}

/// The next piece, and what is left after it.
async fn step(rest: Rest) -> io::Result<Option<(Bytes, Rest)>> {
    if rest.left == 0 && !rest.check {
        return Ok(None);
    }
    let read = tokio::task::spawn_blocking(move || rest.next().map(Some)).await;
    read.map_err(io::Error::other)?
}

/// A whole part in memory; for envelopes, whose size was bounded when they came in.
pub(crate) async fn whole(
    store: &dyn Store,
    hub_id: &HubId,
    cid: &str,
) -> Result<Vec<u8>, StoreError> {
    let mut reader = store.open_part(hub_id, cid).await?;
    let read = tokio::task::spawn_blocking(move || {
        let mut octets = Vec::new();
        reader.read_to_end(&mut octets).map(|_| octets)
    });
    read.await.map_err(io::Error::other).and_then(|read| read).map_err(unreadable)
}

/// What a failure to read means: changed, or not available now.
pub(crate) fn unreadable(error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::InvalidData => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

struct Rest {
    reader: Reader,
    skip: u64,
    left: u64,
    /// The end of the part is still to be seen.
    check: bool,
}

impl Rest {
    fn next(mut self) -> io::Result<(Bytes, Self)> {
        if self.skip > 0 {
            let skipped = io::copy(&mut self.reader.by_ref().take(self.skip), &mut io::sink())?;
            if skipped < self.skip {
                return Err(ErrorKind::InvalidData.into());
            }
            self.skip = 0;
        }
        let length = usize::try_from(self.left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let mut chunk = vec![0; length];
        self.reader.read_exact(&mut chunk).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ErrorKind::InvalidData.into(),
            _ => error,
        })?;
        self.left -= length as u64;
        if self.left == 0 && self.check {
            // At its end the reader compares size and digest with those taken at the door.
            if io::copy(&mut self.reader, &mut io::sink())? > 0 {
                return Err(ErrorKind::InvalidData.into());
            }
            self.check = false;
        }
        Ok((chunk.into(), self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;

    /// Gives its octets, then says that they were changed.
    struct Changed(io::Cursor<Vec<u8>>);

    impl Read for Changed {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 if !buffer.is_empty() => Err(ErrorKind::InvalidData.into()),
                read => Ok(read),
            }
        }
    }

    fn collect(reader: Reader, first: u64, length: u64, size: u64) -> (Vec<u8>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut octets = Vec::new();
            let Ok(taken) = stream(reader, first, length, size).await else {
                return (octets, false);
            };
            let mut taken = std::pin::pin!(taken);
            loop {
                match taken.try_next().await {
                    Ok(Some(chunk)) => octets.extend_from_slice(&chunk),
                    Ok(None) => return (octets, true),
                    Err(_) => return (octets, false),
                }
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_range_is_that_range(size in 0usize..200_000, a in any::<u64>(), b in any::<u64>()) {
            let octets: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let size = size as u64;
            let first = a % (size + 1);
            let length = b % (size - first + 1);
            let reader = Box::new(io::Cursor::new(octets.clone()));
            let wanted = octets[first as usize..(first + length) as usize].to_vec();
            prop_assert_eq!(collect(reader, first, length, size), (wanted, true));
        }
    }

    #[test]
    fn what_was_changed_never_looks_whole() {
        for size in [0usize, 1, CHUNK_BYTES, CHUNK_BYTES + 1] {
            let changed = Box::new(Changed(io::Cursor::new(vec![7; size])));
            let (octets, whole) = collect(changed, 0, size as u64, size as u64);
            assert!(!whole && (size == 0 || octets.len() < size), "{size}");
            let longer = Box::new(io::Cursor::new(vec![7; size + 1]));
            assert!(!collect(longer, 0, size as u64, size as u64).1, "longer than {size}");
        }
        assert!(!collect(Box::new(io::empty()), 0, 5, 5).1, "shorter");
        assert!(!collect(Box::new(io::empty()), 3, 2, 9).1, "shorter than the range's start");
    }
}
