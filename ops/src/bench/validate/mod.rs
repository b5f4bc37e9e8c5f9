//! `bench validate`: validating messages, side by side with reading alone, with the library
//! `xsd-schema` and with libxml2, in one run, in turns.
//!
//! What is taken is processor time: on a machine that does other things as well the time on the
//! clock would tell about those. Parsing and well-formedness are part of every side.

mod document;
mod peer;
mod task;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use amtsbote_schemas::validate::{Checked, Schemas, Verdict};
use amtsbote_schemas::xml::{Event, Limits, Reader};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use self::peer::Peer;
use self::task::Task;
use super::built::Built;
use super::machine::Machine;
use super::{median, own_peak_kib, processor_seconds};
use crate::outcome::{Exit, Outcome};
use crate::ui::Ui;

/// What `bench validate` alone understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Only for `bench validate`")]
pub(crate) struct Options {
    /// Folder of real messages with their schemas; without it generated ones alone are measured
    #[arg(long, value_name = "DIR", env = "AMTSBOTE_CORPUS")]
    corpus: Option<PathBuf>,
    /// Another message to measure, with its schema and a catalog; may be repeated
    #[arg(long, num_args = 3, value_names = ["FILE", "SCHEMA", "CATALOG"])]
    message: Vec<PathBuf>,
    /// MB of the one large document; 0: none
    #[arg(long, value_name = "MB", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=2_000))]
    large: u64,
    /// Nothing but this side, for a profiler
    #[arg(long, hide = true)]
    only: Option<Who>,
    /// No generated messages
    #[arg(long, hide = true)]
    no_generated: bool,
    /// Do nothing and print the memory that took
    #[arg(long, hide = true)]
    peak_empty: bool,
    /// Load this schema and print the memory that took
    #[arg(long, hide = true)]
    peak_schema: Option<PathBuf>,
    /// And validate this document
    #[arg(long, hide = true, requires = "peak_schema")]
    peak_document: Option<PathBuf>,
}

/// One of those who are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Our reader alone: well-formed, and nothing else.
    Read,
    /// Our validator: reading, and every check of the schemas.
    Ours,
    /// The library `xsd-schema` over our reader.
    XsdSchema,
    /// libxml2, streaming, with the schema read once.
    Libxml2,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ours => "ours",
            Self::XsdSchema => "xsd_schema",
            Self::Libxml2 => "libxml2",
        }
    }
}

/// How many generated messages, of how many octets, and how many turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Messages.
    pub(crate) messages: u32,
    /// Octets of one.
    pub(crate) octets: u64,
    /// Turns; the median counts.
    pub(crate) rounds: u32,
}

/// Measures everything asked for.
pub(crate) fn run(ui: &Ui, options: &Options, amount: Amount) -> Outcome {
    if options.peak_empty || options.peak_schema.is_some() {
        ui.line(own_peak(options)?.to_string());
        return Ok(Exit::Yes);
    }
    let scratch = tempfile::tempdir().context("scratch folder")?;
    let program = match peer::build(scratch.path()) {
        Ok(program) => Some(program),
        Err(error) => {
            let without = ui.t("Ohne libxml2", "Without libxml2");
            ui.note(format!("{without}: {error:#} (libxml2-dev)"));
            None
        }
    };
    let machine = Machine::look();
    let version = program.as_ref().map(|program| program.version.as_str());
    if ui.is_json() {
        ui.json(&json!({ "machine": machine, "libxml2": version }));
    } else {
        ui.line(format!("{}, libxml2 {}", machine.line(), version.unwrap_or("-")));
    }
    let bench = Bench { ui, options, amount, program: program.as_ref() };
    let measured = bench.all(scratch.path())?;
    if !ui.is_json() {
        print(ui, &measured);
    }
    bench.linear(&measured);
    bench.memory(scratch.path())?;
    Ok(Exit::Yes)
}

struct Bench<'a> {
    ui: &'a Ui,
    options: &'a Options,
    amount: Amount,
    program: Option<&'a Built>,
}

impl Bench<'_> {
    /// The generated documents, the corpus, and what is named.
    fn all(&self, folder: &Path) -> anyhow::Result<Vec<Measured>> {
        let mut measured = Vec::new();
        let schema = task::write_schemas(folder)?;
        if !self.options.no_generated {
            let task = Task::messages(&schema, self.amount.messages, self.amount.octets)?;
            measured.push(self.measure(&task)?);
            if self.options.large > 0 {
                let task = Task::document(&schema, self.options.large * 1_000_000)?;
                measured.push(self.measure(&task)?);
            }
        }
        let real = match &self.options.corpus {
            Some(corpus) => task::real(corpus),
            None => {
                self.ui.note(self.ui.t(
                    "Ohne echte Nachrichten: --corpus DIR nennt ihren Ordner.",
                    "Without real messages: --corpus DIR names their folder.",
                ));
                Vec::new()
            }
        };
        for [file, schema, catalog] in &real {
            if file.is_file() && schema.is_file() {
                measured.push(self.measure(&Task::named(file, schema, catalog)?)?);
            } else {
                let missing = self.ui.t("Nicht im Ordner", "Not in the folder");
                self.ui.note(format!("{missing}: {}", file.display()));
            }
        }
        for named in self.options.message.as_chunks::<3>().0 {
            let [file, schema, catalog] = named;
            measured.push(self.measure(&Task::named(file, schema, catalog)?)?);
        }
        Ok(measured)
    }

    /// All sides in turns.
    fn measure(&self, task: &Task) -> anyhow::Result<Measured> {
        let catalog = task.catalog.as_deref();
        let schemas = Schemas::load_single(&task.schema, catalog)?;
        let mut sides = Sides {
            task,
            schemas: &schemas,
            texts: match task.from_file {
                true => Vec::new(),
                false => task.files.iter().map(fs::read).collect::<Result<_, _>>()?,
            },
            peer: match self.program {
                Some(program) if self.takes_part(Who::Libxml2) => Some(Peer::start(program, task)?),
                _ => None,
            },
            limits: Limits::default(),
        };
        let mut turns: Vec<(Who, Vec<f64>)> = Vec::new();
        let mut verdicts = Vec::new();
        for who in [Who::Read, Who::Ours, Who::XsdSchema, Who::Libxml2] {
            if !self.takes_part(who) {
                continue;
            }
            // Once before the clock counts: it warms up and asks for the verdict.
            if let Some((_, valid)) = sides.turn(who, 1).with_context(|| who.name())? {
                turns.push((who, Vec::new()));
                if who != Who::Read {
                    verdicts.push((who, valid));
                }
            } else if self.program.is_some() {
                let cannot = self.ui.t("libxml2 lädt das Schema nicht", "libxml2 cannot load");
                self.ui.note(format!("{cannot}: {}", task.schema.display()));
            }
        }
        let megabytes = (task.octets * task.times) as f64 / 1e6;
        for _ in 0..self.amount.rounds {
            for (who, speeds) in &mut turns {
                // The slowest has its say once over a document that takes seconds.
                if *who == Who::XsdSchema && task.from_file && !speeds.is_empty() {
                    continue;
                }
                if let Some((seconds, _)) = sides.turn(*who, task.times)? {
                    speeds.push(megabytes / seconds);
                }
            }
        }
        let speeds = turns.into_iter().map(|(who, speeds)| (who, median(&speeds))).collect();
        let measured = Measured {
            name: task.name.clone(),
            octets: task.octets,
            documents: task.files.len(),
            speeds,
            verdicts,
            by_library: schemas.facts().by_library.clone().map(|why| why.to_string()),
        };
        if self.ui.is_json() {
            self.ui.json(&measured.json(self.amount.rounds));
        } else if let Some(why) = &measured.by_library {
            let by = self.ui.t("über die Bibliothek geprüft", "validated by the library");
            self.ui.note(format!("{}: {by}: {why}", measured.name));
        }
        Ok(measured)
    }

    fn takes_part(&self, who: Who) -> bool {
        self.options.only.is_none_or(|only| only == who)
    }

    /// Whether keys cost the same for each octet of a large document as of a small one.
    fn linear(&self, measured: &[Measured]) {
        let ours = |name: &str| measured.iter().find(|one| one.name == name)?.speed(Who::Ours);
        let (Some(large), Some(small)) = (ours("document"), ours("messages")) else { return };
        let ratio = large / small;
        if self.ui.is_json() {
            self.ui.json(&json!({ "bench": "validate", "large_to_small": ratio }));
        } else {
            let text = self.ui.t(
                "Durchsatz am großen Dokument zu dem an den Nachrichten (Schlüssel linear)",
                "Throughput over the large document to that over the messages (keys linear)",
            );
            self.ui.line(format!("{text}: {ratio:.2}"));
        }
    }

    /// The most memory that processes of their own have resident: empty, with the schema, with the
    /// large document.
    fn memory(&self, folder: &Path) -> anyhow::Result<()> {
        let (schema, document) = (folder.join("register.xsd"), folder.join("document.xml"));
        if self.options.only.is_some() || !document.is_file() {
            return Ok(());
        }
        let empty = peak(&["--peak-empty".as_ref()])?;
        let loaded = peak(&["--peak-schema".as_ref(), &schema])?;
        let whole =
            peak(&["--peak-schema".as_ref(), &schema, "--peak-document".as_ref(), &document])?;
        let above = whole.saturating_sub(empty);
        if self.ui.is_json() {
            self.ui.json(&json!({
                "bench": "validate",
                "peak_kib": {
                    "empty": empty, "schema": loaded, "document": whole, "above_empty": above,
                },
            }));
        } else {
            let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
            let text = self.ui.t(
                "Speicher für das große Dokument über dem leeren Prozess",
                "Memory for the large document above the empty process",
            );
            let parts = self.ui.t("leer, mit Schema, mit Dokument", "empty, schema, document");
            let all = [empty, loaded, whole].map(mib).join(", ");
            self.ui.line(format!("{text}: {} ({parts}: {all})", mib(above)));
        }
        Ok(())
    }
}

/// Those who are compared, over one task.
struct Sides<'a> {
    task: &'a Task,
    schemas: &'a Schemas,
    texts: Vec<Vec<u8>>,
    peer: Option<Peer>,
    limits: Limits,
}

impl Sides<'_> {
    /// Works through the task so many times; gives the seconds of processor time that took, and
    /// whether all documents were valid. `None`: this side is not there.
    fn turn(&mut self, who: Who, times: u64) -> anyhow::Result<Option<(f64, bool)>> {
        if who == Who::Libxml2 {
            return Ok(self.peer.as_mut().and_then(|peer| peer.validate(times)));
        }
        let mut valid = true;
        let begun = processor_seconds();
        for _ in 0..times {
            if self.task.from_file {
                for file in &self.task.files {
                    valid &= self.judge(who, &mut BufReader::new(File::open(file)?))?;
                }
            }
            for text in &self.texts {
                valid &= self.judge(who, &mut &text[..])?;
            }
        }
        Ok(Some((processor_seconds() - begun, valid)))
    }

    fn judge(&self, who: Who, input: &mut dyn BufRead) -> anyhow::Result<bool> {
        match who {
            Who::Read => {
                let mut reader = Reader::new(input, self.limits.clone());
                while reader.next()? != Event::EndOfDocument {}
                Ok(true)
            }
            Who::XsdSchema => told(&self.schemas.check_by_library(input, &self.limits, &|| false)),
            Who::Ours | Who::Libxml2 => told(&self.schemas.check(input, &self.limits, &|| false)),
        }
    }
}

fn told(checked: &Checked) -> anyhow::Result<bool> {
    match checked.verdict {
        Verdict::Valid => Ok(true),
        Verdict::Invalid => Ok(false),
        other => {
            let code = checked.findings.first().map_or("", |finding| finding.code);
            bail!("{other:?} {code}")
        }
    }
}

/// What was measured over one task.
struct Measured {
    name: String,
    octets: u64,
    documents: usize,
    /// MB of documents a second of processor time.
    speeds: Vec<(Who, f64)>,
    /// Whether all documents are valid.
    verdicts: Vec<(Who, bool)>,
    /// Why our side is the library as well.
    by_library: Option<String>,
}

impl Measured {
    fn speed(&self, who: Who) -> Option<f64> {
        self.speeds.iter().find(|(known, _)| *known == who).map(|(_, speed)| *speed)
    }

    /// How many times as fast as this side ours is.
    fn ours_to(&self, who: Who) -> Option<f64> {
        Some(self.speed(Who::Ours)? / self.speed(who)?)
    }

    fn verdict(&self, who: Who) -> Option<&'static str> {
        let (_, valid) = self.verdicts.iter().find(|(known, _)| *known == who)?;
        Some(if *valid { "valid" } else { "invalid" })
    }

    fn json(&self, rounds: u32) -> Value {
        let side = |(who, speed): &(Who, f64)| {
            let value = json!({
                "megabytes_per_second": speed,
                "microseconds": self.octets as f64 / speed / self.documents as f64,
                "ours_to_it": self.ours_to(*who),
                "verdict": self.verdict(*who),
            });
            (who.name().to_owned(), value)
        };
        let sides: Map<String, Value> = self.speeds.iter().map(side).collect();
        json!({
            "bench": "validate", "task": self.name, "documents": self.documents,
            "octets": self.octets, "rounds": rounds, "by_library": self.by_library,
            "sides": sides,
        })
    }

    fn rows(&self, ui: &Ui) -> Vec<[String; 7]> {
        let name = match &*self.name {
            "messages" => ui.t("Nachrichten", "messages"),
            "document" => ui.t("Dokument", "document"),
            file => file,
        };
        let row = |(who, speed): &(Who, f64)| {
            let verdict = match self.verdict(*who) {
                Some("valid") => ui.t("gültig", "valid"),
                Some(_) => ui.t("ungültig", "invalid"),
                None => "",
            };
            [
                name.to_owned(),
                self.documents.to_string(),
                self.octets.to_string(),
                match who {
                    Who::Read => ui.t("nur lesen", "reading alone").to_owned(),
                    Who::Ours => ui.t("unsere", "ours").to_owned(),
                    Who::XsdSchema => "xsd-schema".to_owned(),
                    Who::Libxml2 => "libxml2".to_owned(),
                },
                format!("{speed:.1} MB/s"),
                self.ours_to(*who).map_or_else(String::new, |ratio| format!("{ratio:.2}")),
                verdict.to_owned(),
            ]
        };
        self.speeds.iter().map(row).collect()
    }
}

fn print(ui: &Ui, measured: &[Measured]) {
    let mut table = ui.table(&[
        ui.t("Aufgabe", "task"),
        ui.t("Dokumente", "documents"),
        ui.t("Oktette", "octets"),
        ui.t("Seite", "side"),
        ui.t("Median", "median"),
        ui.t("unsere dazu", "ours to it"),
        ui.t("Urteil", "verdict"),
    ]);
    for row in measured.iter().flat_map(|one| one.rows(ui)) {
        table.add_row(row);
    }
    ui.print_table(&table);
}

/// What the hidden arguments ask a process of its own for: its peak memory, in KiB.
fn own_peak(options: &Options) -> anyhow::Result<u64> {
    if let Some(schema) = &options.peak_schema {
        let schemas = Schemas::load_single(schema, None)?;
        if let Some(document) = &options.peak_document {
            let input = BufReader::new(File::open(document)?);
            ensure!(told(&schemas.check(input, &Limits::default(), &|| false))?, "not valid");
        }
    }
    own_peak_kib()
}

/// The peak memory of a process of its own.
fn peak(arguments: &[&Path]) -> anyhow::Result<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["bench", "validate"]).args(arguments).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_documents_are_valid_on_every_side_and_a_changed_one_on_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let schema = task::write_schemas(folder.path()).expect("schemas");
        let schemas = Schemas::load_single(&schema, None).expect("it loads");
        assert!(schemas.facts().by_library.is_none());
        let mut task = Task::messages(&schema, 3, 8_192).expect("messages");
        assert!((3 * 8_192..3 * 11_000).contains(&task.octets), "{}", task.octets);
        let text = fs::read_to_string(&task.files[1]).expect("a message");
        for broken in [false, true] {
            if broken {
                let changed = text.replacen("<r:opened>", "<r:opened>x", 1);
                fs::write(&task.files[1], changed).expect("written");
            }
            task.from_file = broken;
            let texts = task.files.iter().map(|file| fs::read(file).expect("read"));
            let texts = if broken { Vec::new() } else { texts.collect() };
            let program = peer::build(folder.path()).expect("cc, pkg-config and libxml2-dev");
            let peer = Some(Peer::start(&program, &task).expect("it starts"));
            let limits = Limits::default();
            let mut sides = Sides { task: &task, schemas: &schemas, texts, peer, limits };
            for who in [Who::Ours, Who::XsdSchema, Who::Libxml2] {
                let (seconds, valid) = sides.turn(who, 2).expect("a turn").expect("there");
                assert!(seconds > 0.0 && valid != broken, "{who:?}");
            }
        }
    }

    #[test]
    fn ratios_are_of_ours_to_the_others() {
        let measured = Measured {
            name: "messages".to_owned(),
            octets: 9_000_000,
            documents: 1_000,
            speeds: vec![(Who::Ours, 150.0), (Who::Libxml2, 75.0)],
            verdicts: vec![(Who::Ours, true), (Who::Libxml2, false)],
            by_library: None,
        };
        let json = measured.json(3);
        assert_eq!(json["sides"]["libxml2"]["ours_to_it"], 2.0);
        assert_eq!(json["sides"]["libxml2"]["verdict"], "invalid");
        assert_eq!(json["sides"]["ours"]["microseconds"], 60.0);
        assert_eq!(measured.ours_to(Who::XsdSchema), None);
    }
}
