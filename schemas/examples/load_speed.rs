//! How long the packs of a folder take to load: `cargo run --release -p amtsbote-schemas --example
//! load_speed -- FOLDER`. Each pack alone and all together, one thread, warm; medians.

#![expect(clippy::print_stdout, reason = "it says what it measured")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use amtsbote_schemas::pack::PackSet;

/// Rounds; the first, which fills the cache of the disk, is not counted.
const ROUNDS: usize = 6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder of packs?")?;
    let folder = Path::new(&folder);
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let packs = PackSet::load(folder)?;
        all.push(begun.elapsed().as_secs_f64());
        drop(packs);
    }
    let packs = PackSet::load(folder)?.list();
    for pack in &packs {
        // A folder that holds this pack alone.
        let alone = tempfile::tempdir()?;
        copy(&folder.join(&pack.folder), &alone.path().join(&pack.folder))?;
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let _packs = PackSet::load(alone.path())?;
            times.push(begun.elapsed().as_secs_f64());
        }
        println!(
            "{:7.1} ms  {} {}: {} sets, {} documents, {} elements, {} code lists, {} rule checks",
            median(&times) * 1e3,
            pack.standard,
            pack.version,
            pack.sets,
            pack.documents,
            pack.elements,
            pack.code_lists.len(),
            pack.rule_checks,
        );
    }
    println!("{:7.1} ms  all {} packs", median(&all) * 1e3, packs.len());
    Ok(())
}

fn median(times: &[f64]) -> f64 {
    let mut times = times[1..].to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
