//! How fast messages are validated, beside reading alone, the library and libxml2, alternating:
//!
//! `cargo run --release -p amtsbote-schemas --example validate_speed -- [rounds=9] [large=50]
//! [only=own] [FILE SCHEMA CATALOG]...`
//!
//! Measured are 1,000 generated messages of 8 KB, one generated document of `large` MB that is read
//! from a file (`large=0`: none, and only what is named), and each message named. `only` is `read` or
//! `own`, for a profile. Medians of the rounds, by the time worked where the system tells it; ratios
//! count. libxml2 takes part where a C compiler and its headers are there; it validates streaming,
//! with the schema read once, and answers one command of one line per round.

#![expect(clippy::print_stdout, reason = "it says what it measured")]

mod document;

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use amtsbote_schemas::validate::{Checked, Schemas, Verdict};
use amtsbote_schemas::xml::{Event, Limits, Reader};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Messages, and bytes of each.
const MESSAGES: u64 = 1_000;
const MESSAGE_BYTES: u64 = 8_000;
/// Bytes that a round over one real message works through at least.
const ROUND_BYTES: u64 = 4 << 20;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [task, schema, file] = &arguments[..]
        && task == "peak"
    {
        return peak(schema, file);
    }
    let mut rounds = 9;
    let mut large = 50;
    let mut only = String::new();
    let mut named = Vec::new();
    for argument in &arguments {
        if let Some(number) = argument.strip_prefix("rounds=") {
            rounds = number.parse()?;
        } else if let Some(number) = argument.strip_prefix("large=") {
            large = number.parse()?;
        } else if let Some(who) = argument.strip_prefix("only=") {
            only = who.to_owned();
        } else {
            named.push(argument.clone());
        }
    }
    let folder = tempfile::tempdir()?;
    let schema = folder.path().join("register.xsd");
    fs::write(&schema, include_str!("register.xsd"))?;
    fs::write(folder.path().join("persons.xsd"), include_str!("persons.xsd"))?;
    fs::write(folder.path().join("types.xsd"), include_str!("types.xsd"))?;
    let beside = compiled(folder.path());
    let libxml2 = beside.as_deref().filter(|_| only.is_empty());
    // Messages named and `large=0` go without the generated ones as well.
    if named.is_empty() || large > 0 {
        generated(&schema, rounds, large, &only, libxml2)?;
    }
    for message in named.chunks(3) {
        let [file, schema, catalog] = message else { return Err("FILE SCHEMA CATALOG".into()) };
        let schemas = Schemas::load_single(Path::new(schema), Some(Path::new(catalog)))?;
        say_library(&schemas);
        let times = (ROUND_BYTES / fs::metadata(file)?.len()).max(1);
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let one = Round {
            name,
            files: vec![file.into()],
            times,
            schema: schema.into(),
            catalog: Some(catalog.into()),
        };
        one.measure(&schemas, rounds, &only, libxml2)?;
    }
    Ok(())
}

/// Measures what is generated beside the schema.
fn generated(
    schema: &Path,
    rounds: usize,
    large: u64,
    only: &str,
    libxml2: Option<&Path>,
) -> Outcome<()> {
    let schemas = Schemas::load_single(schema, None)?;
    say_library(&schemas);
    let folder = schema.parent().ok_or("no folder")?;
    let mut files = Vec::new();
    for n in 0..MESSAGES {
        let file = folder.join(format!("{n}.xml"));
        document::write(&mut BufWriter::new(File::create(&file)?), MESSAGE_BYTES, n + 1)?;
        files.push(file);
    }
    let small = Round {
        name: "1000 messages".into(),
        files,
        times: 1,
        schema: schema.to_owned(),
        catalog: None,
    };
    let at_8_kb = small.measure(&schemas, rounds, only, libxml2)?;

    if large > 0 {
        let file = folder.join("large.xml");
        let bytes = document::write(&mut BufWriter::new(File::create(&file)?), large << 20, 7)?;
        let one = Round {
            name: format!("one of {} MB", bytes >> 20),
            files: vec![file.clone()],
            times: 1,
            schema: schema.to_owned(),
            catalog: None,
        };
        let at_large = one.measure(&schemas, rounds.min(5), only, libxml2)?;
        println!("large against small       {:6.2}", at_large / at_8_kb);
        let peak = |task: &str, file: &Path| -> Outcome<u64> {
            let own = std::env::current_exe()?;
            let told = Command::new(own).arg(task).arg(schema).arg(file).output()?;
            Ok(String::from_utf8(told.stdout)?.trim().parse()?)
        };
        let (empty, loaded) = (peak("peak", Path::new("none"))?, peak("peak", Path::new(""))?);
        let whole = peak("peak", &file)?;
        println!("peak: empty process {empty} KiB, with schema {loaded}, with document {whole}");
    }
    Ok(())
}

fn say_library(schemas: &Schemas) {
    if let Some(why) = &schemas.facts().by_library {
        println!("by the library: {why}");
    }
}

/// What is worked through at once.
struct Round {
    name: String,
    files: Vec<PathBuf>,
    times: u64,
    schema: PathBuf,
    catalog: Option<PathBuf>,
}

impl Round {
    /// Measures everybody in turn; gives our own throughput in MB/s.
    fn measure(
        &self,
        schemas: &Schemas,
        rounds: usize,
        only: &str,
        libxml2: Option<&Path>,
    ) -> Outcome<f64> {
        let streams = self.times == 1 && self.files.len() == 1;
        let texts = if streams { Vec::new() } else { read_all(&self.files)? };
        let bytes = self.files.iter().map(|file| Ok(fs::metadata(file)?.len()));
        let bytes = bytes.sum::<Result<u64, std::io::Error>>()? * self.times;
        let megabytes = bytes as f64 / 1e6;
        let mut other = libxml2.map(|program| Beside::start(program, self, streams)).transpose()?;
        let limits = Limits::default();
        let each = |work: &mut dyn FnMut(&mut dyn BufRead) -> Outcome<()>| -> Outcome<f64> {
            let begun = Clock::start();
            if streams {
                work(&mut BufReader::new(File::open(&self.files[0])?))?;
            } else {
                for _ in 0..self.times {
                    texts.iter().try_for_each(|text| work(&mut &text[..]))?;
                }
            }
            Ok(megabytes / begun.seconds())
        };
        let (mut read, mut own, mut library, mut beside) = (vec![], vec![], vec![], vec![]);
        let mut verdict = None;
        for _ in 0..rounds {
            if only.is_empty() || only == "read" {
                read.push(each(&mut |input| {
                    let mut reader = Reader::new(input, Limits::default());
                    while reader.next()? != Event::EndOfDocument {}
                    Ok(())
                })?);
            }
            if only.is_empty() || only == "own" {
                own.push(each(&mut |input| {
                    let checked = schemas.check(input, &limits, &|| false);
                    verdict = Some(told(&checked)?);
                    Ok(())
                })?);
            }
            if only.is_empty() && (!streams || library.is_empty()) {
                library.push(each(&mut |input| {
                    told(&schemas.check_by_library(input, &limits, &|| false)).map(|_| ())
                })?);
            }
            if let Some(other) = &mut other {
                beside.push(megabytes / other.round(self.times)?);
            }
        }
        println!("\n{} ({:.2} MB, {verdict:?})", self.name, megabytes / self.times as f64);
        let own = median(own);
        let of = |what: &str, speed: f64| {
            if speed > 0.0 {
                println!("{what:12} {speed:7.1} MB/s   ours is {:5.2} times that", own / speed);
            }
        };
        of("read alone", median(read));
        of("ours", own);
        of("xsd-schema", median(library));
        of("libxml2", median(beside));
        Ok(own)
    }
}

/// Time that this thread has worked, not waited for others; where the system does not tell, time.
enum Clock {
    Worked(Duration),
    Time(Instant),
}

impl Clock {
    fn start() -> Self {
        Self::worked().map_or_else(|| Self::Time(Instant::now()), Self::Worked)
    }

    fn seconds(&self) -> f64 {
        match self {
            Self::Worked(before) => {
                Self::worked().unwrap_or_default().saturating_sub(*before).as_secs_f64()
            }
            Self::Time(begun) => begun.elapsed().as_secs_f64(),
        }
    }

    fn worked() -> Option<Duration> {
        // Linux counts up to the last change of hands only.
        std::thread::yield_now();
        let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }
}

fn told(checked: &Checked) -> Outcome<Verdict> {
    match checked.verdict {
        Verdict::Valid | Verdict::Invalid => Ok(checked.verdict),
        _ => Err(format!("{:?}: {:?}", checked.verdict, checked.findings.first()).into()),
    }
}

fn read_all(files: &[PathBuf]) -> Outcome<Vec<Vec<u8>>> {
    files.iter().map(|file| Ok(fs::read(file)?)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// libxml2 in a process of its own.
struct Beside(Child);

impl Beside {
    fn start(program: &Path, round: &Round, streams: bool) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.arg(&round.schema).args(&round.files);
        if streams {
            command.env("FROM_DISK", "1");
        }
        if let Some(catalog) = &round.catalog {
            command.env("XML_CATALOG_FILES", fs::canonicalize(catalog)?);
        }
        Ok(Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?))
    }

    /// Seconds of one round.
    fn round(&mut self, times: u64) -> Outcome<f64> {
        let (Some(input), Some(output)) = (&mut self.0.stdin, &mut self.0.stdout) else {
            return Err("no pipes".into());
        };
        // Where it cannot load the schema it is not there any more.
        if writeln!(input, "{times}").is_err() {
            return Ok(f64::INFINITY);
        }
        let mut line = String::new();
        BufReader::with_capacity(1, output.by_ref()).read_line(&mut line)?;
        Ok(line.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(f64::INFINITY))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The program that does the same with libxml2, if it can be made.
fn compiled(folder: &Path) -> Option<PathBuf> {
    let source = folder.join("libxml2.c");
    fs::write(&source, include_str!("libxml2.c")).ok()?;
    let program = folder.join("libxml2");
    let made = Command::new("cc")
        .args(["-O2", "-I/usr/include/libxml2", "-o"])
        .args([&program, &source])
        .arg("-lxml2")
        .status();
    made.ok()?.success().then_some(program)
}

/// Validates a file, or only loads the schema, or does nothing, and says how much memory this
/// process has used at most, in KiB.
fn peak(schema: &str, file: &str) -> Outcome<()> {
    if file != "none" {
        let schemas = Schemas::load_single(Path::new(schema), None)?;
        if !file.is_empty() {
            let input = BufReader::new(File::open(file)?);
            told(&schemas.check(input, &Limits::default(), &|| false))?;
        }
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak")?;
    println!("{}", line.trim().trim_end_matches(" kB"));
    Ok(())
}
