//! Room kept for what was accepted before: nothing new is taken in when space runs short, and a
//! file of known size is given up when even settling finds no room.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many times the reserve is ample room: it is not filled within [`AMPLE_FOR`].
const AMPLE: u64 = 4;
/// How long it is remembered that there was ample room. Asking costs as much as a small write.
const AMPLE_FOR: Duration = Duration::from_millis(20);

/// The reserve of one store.
pub(crate) struct Reserve {
    dir: PathBuf,
    octets: u64,
    given_up: AtomicBool,
    begun: Instant,
    /// Until when there is ample room, in microseconds since `begun`.
    ample_until: AtomicU64,
}

impl Reserve {
    /// Makes the reserve file. With no room for it the store still opens, and takes nothing in.
    pub(crate) fn open(dir: &Path, octets: u64) -> io::Result<Self> {
        let (given_up, begun) = (AtomicBool::new(true), Instant::now());
        let ample_until = AtomicU64::new(0);
        let reserve = Self { dir: dir.to_owned(), octets, given_up, begun, ample_until };
        match reserve.fill() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                fs::remove_file(reserve.path())?;
            }
            Err(error) => return Err(error),
        }
        Ok(reserve)
    }

    /// Whether new messages may come in: the reserve is whole, and as much again is free.
    pub(crate) fn admits(&self) -> io::Result<bool> {
        if self.given_up.load(Ordering::Acquire) {
            return Ok(false);
        }
        let now = self.begun.elapsed();
        if now.as_micros() < u128::from(self.ample_until.load(Ordering::Relaxed)) {
            return Ok(true);
        }
        let free = self.free()?;
        if free / AMPLE >= self.octets {
            let until = (now + AMPLE_FOR).as_micros() as u64;
            self.ample_until.store(until, Ordering::Relaxed);
        }
        Ok(free >= self.octets)
    }

    /// Gives the file up so that what was accepted can go on. False when it is gone already.
    pub(crate) fn give_up(&self) -> io::Result<bool> {
        if self.given_up.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        fs::remove_file(self.path())?;
        Ok(true)
    }

    /// Makes the file anew once there is ample room again.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let ample = self.octets.saturating_mul(2).saturating_add(self.octets / 2);
        if self.given_up.load(Ordering::Acquire) && self.free()? > ample {
            self.fill()?;
        }
        Ok(())
    }

    fn fill(&self) -> io::Result<()> {
        // Written, not only sized: a sparse file would keep no room.
        let mut file =
            File::options().create(true).truncate(false).write(true).open(self.path())?;
        let mut missing = self.octets.saturating_sub(file.metadata()?.len());
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        let zeros = vec![0; 1 << 20];
        while missing > 0 {
            let count = missing.min(zeros.len() as u64) as usize;
            file.write_all(&zeros[..count])?;
            missing -= count as u64;
        }
        file.sync_all()?;
        self.given_up.store(false, Ordering::Release);
        Ok(())
    }

    fn free(&self) -> io::Result<u64> {
        let facts = rustix::fs::statvfs(&self.dir)?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }

    fn path(&self) -> PathBuf {
        self.dir.join("reserve")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_room_until_it_is_given_up() {
        let dir = tempfile::tempdir().expect("a folder");
        let reserve = Reserve::open(dir.path(), 3 << 20).expect("opens");
        let size = || fs::metadata(dir.path().join("reserve")).map(|file| file.len());
        assert_eq!(size().expect("is there"), 3 << 20);
        assert!(reserve.admits().expect("asks the file system"));
        assert!(reserve.give_up().expect("removes it"));
        assert!(!reserve.give_up().expect("is gone"));
        assert!(size().is_err());
        assert!(!reserve.admits().expect("asks the file system"));
        reserve.restore().expect("there is room");
        assert_eq!(size().expect("is there again"), 3 << 20);
        assert!(reserve.admits().expect("asks the file system"));
    }

    #[test]
    fn less_free_room_than_the_reserve_admits_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let reserve = Reserve::open(dir.path(), 0).expect("opens");
        let greedy = Reserve { octets: u64::MAX, ..reserve };
        assert!(!greedy.admits().expect("asks the file system"));
    }
}
