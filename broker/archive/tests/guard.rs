//! The head guard: whatever a torn write leaves behind, no head is ever made up.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use amtsbote_archive::guard::{HeadGuard, MAX_GUARDED, SLOT};
use proptest::prelude::*;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("head");
    (folder, path)
}

fn note(number: usize) -> String {
    format!("amtsbote/hub/1\n{number}\n{}\n\n\u{2014} signature\n", "r".repeat(44 + number % 3))
}

/// A guard that has kept heads `1..=count`; returns the file's octets before and after the last.
fn written(path: &Path, count: usize) -> (Vec<u8>, Vec<u8>) {
    let mut guard = HeadGuard::open(path).expect("opened");
    for number in 1..count {
        guard.store(&note(number)).expect("stored");
    }
    let before = fs::read(path).expect("read");
    guard.store(&note(count)).expect("stored");
    guard.sync().expect("synced");
    (before, fs::read(path).expect("read"))
}

#[test]
fn a_new_guard_is_empty_and_says_so() {
    let (_folder, path) = place();
    let guard = HeadGuard::open(&path).expect("opened");
    assert!(guard.created() && !guard.fell_back());
    assert_eq!(guard.last(), None);
    drop(guard);
    let again = HeadGuard::open(&path).expect("opened");
    assert!(!again.created() && !again.fell_back());
    assert_eq!((again.last(), HeadGuard::read(&path).expect("read")), (None, None));
}

#[test]
fn the_last_head_is_found_again() {
    let (_folder, path) = place();
    for number in 1..=5 {
        let mut guard = HeadGuard::open(&path).expect("opened");
        assert_eq!(guard.last(), Some(note(number - 1)).filter(|_| number > 1));
        guard.store(&note(number)).expect("stored");
        assert_eq!(guard.last(), Some(note(number)));
    }
    let guard = HeadGuard::open(&path).expect("opened");
    assert_eq!((guard.last(), guard.fell_back()), (Some(note(5)), false));
    assert_eq!(HeadGuard::read(&path).expect("read"), Some(note(5)));
    assert_eq!(fs::metadata(&path).expect("file").len(), 2 * SLOT as u64);
}

#[test]
fn reading_makes_no_file() {
    let (_folder, path) = place();
    let missing = HeadGuard::read(&path).expect_err("no file");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(!path.exists());
}

#[test]
fn a_head_that_does_not_fit_changes_nothing() {
    let (_folder, path) = place();
    let mut guard = HeadGuard::open(&path).expect("opened");
    guard.store(&note(1)).expect("stored");
    let refused = guard.store(&"x".repeat(MAX_GUARDED + 1)).expect_err("too long");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(guard.last(), Some(note(1)));
    guard.store(&"x".repeat(MAX_GUARDED)).expect("fits exactly");
    drop(guard);
    let guard = HeadGuard::open(&path).expect("opened");
    assert_eq!(guard.last(), Some("x".repeat(MAX_GUARDED)));
}

/// The write of the newest head stopped after any number of octets: that head or the one before.
#[test]
fn a_write_torn_at_any_octet_keeps_the_older_head() {
    for count in 1..=3 {
        let (_folder, path) = place();
        let (before, after) = written(&path, count);
        let changed: Vec<_> = (0..after.len()).filter(|&at| before[at] != after[at]).collect();
        let (first, last) = (changed[0], changed[changed.len() - 1]);
        let older = Some(note(count - 1)).filter(|_| count > 1);
        for end in first..=last {
            // From the front, from the back, and everything but the middle.
            let mut front = before.clone();
            front[..end].copy_from_slice(&after[..end]);
            let mut back = before.clone();
            back[end + 1..].copy_from_slice(&after[end + 1..]);
            let mut zeros = after.clone();
            zeros[end] = 0;
            for torn in [front, back, zeros] {
                fs::write(&path, &torn).expect("written");
                let guard = HeadGuard::open(&path).expect("one slot is whole");
                let expected = if torn == after { Some(note(count)) } else { older.clone() };
                assert_eq!(guard.last(), expected, "head {count}, octet {end}");
            }
        }
    }
}

/// Whatever is cut off, the answer is a head that was stored, or an error; never an empty guard.
#[test]
fn a_file_cut_anywhere_gives_a_stored_head_or_an_error() {
    let (_folder, path) = place();
    let (_, whole) = written(&path, 4);
    for end in (0..400).chain(SLOT - 200..SLOT + 400).chain([2 * SLOT - 1]) {
        fs::write(&path, &whole[..end]).expect("written");
        match HeadGuard::open(&path) {
            Ok(guard) => {
                let last = guard.last();
                assert!(last == Some(note(4)) || last == Some(note(3)), "cut at {end}");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidData, "cut at {end}"),
        }
    }
}

#[test]
fn a_guard_that_falls_back_goes_on() {
    let (_folder, path) = place();
    let (_, whole) = written(&path, 4);
    for slot in 0..2 {
        let mut torn = whole.clone();
        torn[slot * SLOT + 70] ^= 1;
        fs::write(&path, &torn).expect("written");
        let mut guard = HeadGuard::open(&path).expect("opened");
        assert!(guard.fell_back());
        guard.store(&note(5)).expect("stored");
        drop(guard);
        let guard = HeadGuard::open(&path).expect("opened");
        assert_eq!((guard.last(), guard.fell_back()), (Some(note(5)), false));
    }
}

#[test]
fn two_unreadable_slots_are_an_error() {
    let (_folder, path) = place();
    for octets in [Vec::new(), vec![0; 2 * SLOT], b"something else".repeat(4000)] {
        fs::write(&path, octets).expect("written");
        let refused = HeadGuard::open(&path).expect_err("not a guard");
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
    }
    let (_, whole) = written(&place().1, 1);
    let twice = [&whole[..SLOT], &whole[..SLOT]].concat();
    fs::write(&path, twice).expect("written");
    assert_eq!(HeadGuard::open(&path).expect_err("ambiguous").kind(), ErrorKind::InvalidData);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Overwriting any stretch of one slot with anything.
    #[test]
    fn one_spoiled_slot_never_gives_a_wrong_head(
        slot in 0usize..2, at in 0usize..300, noise in proptest::collection::vec(any::<u8>(), 1..300),
    ) {
        let (_folder, path) = place();
        let (_, mut octets) = written(&path, 4);
        let start = slot * SLOT + at;
        octets[start..start + noise.len()].copy_from_slice(&noise);
        fs::write(&path, &octets).expect("written");
        let last = HeadGuard::open(&path).expect("the other slot is whole").last();
        prop_assert!(last == Some(note(4)) || last == Some(note(3)));
    }

    #[test]
    fn any_file_is_answered(octets in proptest::collection::vec(any::<u8>(), 0..500)) {
        let (_folder, path) = place();
        fs::write(&path, &octets).expect("written");
        prop_assert!(HeadGuard::open(&path).is_err());
    }
}
