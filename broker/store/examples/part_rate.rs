//! How fast a large part comes in and goes out: 64 MiB, in a folder or in an object store.
//!
//! `cargo run --release -p amtsbote-store --features contract,s3 --example part_rate [FOLDER]
//! [URL BUCKET]`. The folder decides which disk is measured; without one, a temporary folder is used.
//! With the address of an object store and a bucket, parts go there; `KEY_ID` and `KEY_SECRET` open it.

use std::error::Error;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amtsbote_archive::note::LogKey;
use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::{Clock, Store};
use amtsbote_store::contract::keys::DerivedKeys;
use amtsbote_store::{LargeParts, ObjectOptions, SqliteStore, StoreOptions};

type Failed = Box<dyn Error + Send + Sync>;

/// Octets of the part.
const PART: usize = 64 << 20;
/// Octets handed over at a time, as the door does.
const STEP: usize = 64 << 10;
/// How often each is measured; the median counts.
const ROUNDS: usize = 7;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(&folder)?;
    let keys = DerivedKeys::new([1; 32]);
    let log_key = LogKey::generate("amtsbote/bench/1")?;
    let mut options = StoreOptions::new(dir.path(), keys, log_key, Arc::new(Fixed));
    if let (Some(url), Some(bucket)) = (arguments.next(), arguments.next()) {
        let (id, secret) = (std::env::var("KEY_ID")?, std::env::var("KEY_SECRET")?);
        options.large_parts =
            LargeParts::Objects(Box::new(ObjectOptions::new(&url, &bucket, &id, &secret)?));
    }
    let store = SqliteStore::open(options)?;
    let octets: Vec<u8> = (0..PART).map(|n| (n ^ (n >> 9)) as u8).collect();
    let (mut into, mut out, mut hashed) = (Vec::new(), Vec::new(), Vec::new());
    let before = peak()?;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut intake = store.intake()?;
        intake.begin("part", "application/octet-stream")?;
        for piece in octets.chunks(STEP) {
            intake.write(piece)?;
        }
        intake.end()?;
        into.push(begun.elapsed());

        let begun = Instant::now();
        let (mut part, mut piece, mut count) = (intake.open("part")?, vec![0; STEP], 0);
        loop {
            match part.read(&mut piece)? {
                0 => break,
                read => count += read,
            }
        }
        assert_eq!(count, PART);
        out.push(begun.elapsed());

        let begun = Instant::now();
        std::hint::black_box(openssl::sha::sha256(&octets));
        hashed.push(begun.elapsed());
    }
    let memory = peak()? - before;
    let mut output = std::io::stdout();
    for (what, times) in [("in", &mut into), ("out", &mut out), ("SHA-256", &mut hashed)] {
        writeln!(output, "{what:8} {:8.0} MB/s", rate(times))?;
    }
    writeln!(output, "memory   {:8.1} MiB more at the peak", memory as f64 / 1024.0)?;
    Ok(())
}

fn rate(times: &mut [Duration]) -> f64 {
    times.sort();
    PART as f64 / 1e6 / times[times.len() / 2].as_secs_f64()
}

/// The most memory that this process has had, in KiB.
fn peak() -> Result<u64, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.ok_or("no peak")?.trim().trim_end_matches(" kB").parse()?)
}
