//! How fast a document is read and validated: `cargo run --release -p amtsbote-schemas --example
//! speed -- FILE`, against the packs of this project. Reading and validating alternate; the median
//! of the rounds counts.

#![expect(clippy::print_stdout, reason = "it says what it measured")]

use std::path::Path;
use std::time::Instant;

use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::xml::{Event, Limits, Reader};

/// Rounds, and octets that each works through at least.
const ROUNDS: usize = 9;
const OCTETS: usize = 8 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let document = std::fs::read(&file)?;
    let packs = PackSet::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packs"))?;
    let arrival = "2026-11-23T00:00:00Z".parse()?;
    let times = OCTETS / document.len() + 1;
    let megabytes = (times * document.len()) as f64 / 1e6;
    let (mut read, mut validated) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..times {
            let mut reader = Reader::new(&document[..], Limits::default());
            while reader.next()? != Event::EndOfDocument {}
        }
        read.push(megabytes / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let mut verdict = None;
        for _ in 0..times {
            let checked = packs.check(&document[..], arrival, &Limits::default(), &|| false);
            verdict = Some(checked.verdict);
        }
        validated.push((megabytes / begun.elapsed().as_secs_f64(), verdict));
    }
    read.sort_by(f64::total_cmp);
    validated.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (speed, verdict) = validated[ROUNDS / 2];
    println!("{} octets, {:?}", document.len(), verdict.ok_or("nothing was validated")?);
    println!("read       {:7.1} MB/s", read[ROUNDS / 2]);
    println!("validated  {speed:7.1} MB/s, {:.3} ms each", document.len() as f64 / 1e3 / speed);
    Ok(())
}
