//! `bench signature`: verifying a signed message, side by side with the least anybody has to do and
//! with libxmlsec1, in one run, in turns.
//!
//! What is taken is processor time: on a machine that does other things as well the time on the
//! clock would tell about those. Nothing here waits for anything.

mod document;
mod ours;
mod peer;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use openssl::x509::X509;
use serde_json::{Map, Value, json};

use self::document::Identity;
use self::ours::{Floor, Verifier, Way};
use self::peer::{Program, Trust};
use super::machine::Machine;
use super::{median, own_peak_kib, processor_seconds};
use crate::outcome::{Exit, Outcome};
use crate::ui::Ui;

/// As long as one turn of one side takes at least, in seconds; one large document may take longer.
const TURN: f64 = 0.1;
/// Most repetitions in one turn.
const MOST: f64 = 10_000.0;
/// From this size on the memory is measured, in octets: below it the program itself is all there is.
const PEAK_FROM: usize = 1 << 20;

/// One of those who are compared.
struct Side<'a> {
    name: &'static str,
    /// Verifies so many times; gives the seconds of processor time that took.
    run: Box<dyn FnMut(u64) -> anyhow::Result<f64> + 'a>,
}

impl<'a> Side<'a> {
    /// Does `work` so many times and takes the time.
    fn of(name: &'static str, mut work: impl FnMut() -> anyhow::Result<()> + 'a) -> Self {
        let run = move |times| {
            let begun = processor_seconds();
            for _ in 0..times {
                work()?;
            }
            Ok(processor_seconds() - begun)
        };
        Self { name, run: Box::new(run) }
    }
}

/// Measures every size with every algorithm.
pub(crate) fn run(ui: &Ui, rounds: u32, sizes: &[usize]) -> Outcome {
    let scratch = tempfile::tempdir().context("scratch folder")?;
    let program = match Program::build(scratch.path()) {
        Ok(program) => Some(program),
        Err(error) => {
            let without = ui.t("Ohne libxmlsec1", "Without libxmlsec1");
            ui.note(format!("{without}: {error:#} (libxmlsec1-dev)"));
            None
        }
    };
    let machine = Machine::look();
    let version = program.as_ref().map(|program| program.version());
    if ui.is_json() {
        ui.json(&json!({ "machine": machine, "libxmlsec1": version }));
    } else {
        ui.line(format!("{}, libxmlsec1 {}", machine.line(), version.unwrap_or("-")));
    }
    let mut table = ui.table(&[
        ui.t("Algorithmus", "algorithm"),
        ui.t("Oktette", "octets"),
        ui.t("Seite", "side"),
        ui.t("Median", "median"),
        ui.t("zur Untergrenze", "to floor"),
        ui.t("libxmlsec1 dazu", "libxmlsec1 to it"),
        ui.t("Speicher", "memory"),
    ]);
    for identity in Identity::both()? {
        for size in sizes {
            let measured = measure(&identity, *size, rounds, scratch.path(), program.as_ref())?;
            if ui.is_json() {
                ui.json(&measured.json(rounds));
            } else {
                measured.rows().into_iter().for_each(|row| {
                    table.add_row(row);
                });
            }
        }
    }
    if !ui.is_json() {
        ui.print_table(&table);
    }
    Ok(Exit::Yes)
}

/// All sides in turns, and their medians.
fn measure(
    identity: &Identity,
    size: usize,
    rounds: u32,
    folder: &Path,
    program: Option<&Program>,
) -> anyhow::Result<Measured> {
    let document = identity.signed(size)?;
    let (file, certificate) = (folder.join("document.xml"), folder.join("certificate.pem"));
    std::fs::write(&file, &document)?;
    std::fs::write(&certificate, identity.certificate.to_pem()?)?;
    let verifier = Verifier::new(&identity.certificate)?;
    let floor = Floor::new(identity)?;
    let ours = |way| {
        let (verifier, document) = (&verifier, &document);
        move || verifier.verify(document, way)
    };
    let mut sides = vec![
        Side::of("floor", || floor.run(&document)),
        Side::of("one_pass", ours(Way::OnePass)),
        Side::of("two_passes", ours(Way::TwoPasses)),
        Side::of("any_document", ours(Way::General)),
    ];
    for (name, trust) in
        [("libxmlsec1_key", Trust::Key), ("libxmlsec1_certificate", Trust::Certificate)]
    {
        if let Some(program) = program {
            let mut peer = program.start(&file, &certificate, trust)?;
            sides.push(Side { name, run: Box::new(move |times| peer.verify(times)) });
        }
    }
    let mut turns = Vec::new();
    for side in &mut sides {
        // The first time warms up and tells how often fits into a turn.
        let once = (side.run)(1).with_context(|| side.name)?;
        turns.push(((TURN / once).ceil().clamp(1.0, MOST), Vec::new()));
    }
    for _ in 0..rounds {
        for (side, (times, seconds)) in sides.iter_mut().zip(&mut turns) {
            // A whole number between 1 and MOST.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above")]
            let count = *times as u64;
            seconds.push((side.run)(count).with_context(|| side.name)? / *times);
        }
    }
    let seconds = sides.iter().zip(&turns);
    let seconds = seconds.map(|(side, (_, turns))| (side.name, median(turns))).collect();
    let peaks = if size < PEAK_FROM {
        Vec::new()
    } else {
        let peak = |(name, way)| peak(&file, &certificate, way).map(|kib| (name, kib));
        let ways = [("one_pass", Way::OnePass), ("two_passes", Way::TwoPasses)];
        ways.into_iter().map(peak).collect::<anyhow::Result<_>>()?
    };
    Ok(Measured { algorithm: identity.name, octets: document.len(), seconds, peaks })
}

/// What was measured for one algorithm and one size.
struct Measured {
    algorithm: &'static str,
    octets: usize,
    /// For each side; the floor is the first.
    seconds: Vec<(&'static str, f64)>,
    /// Most memory resident, in KiB.
    peaks: Vec<(&'static str, u64)>,
}

impl Measured {
    fn seconds(&self, side: &str) -> Option<f64> {
        self.seconds.iter().find(|(name, _)| *name == side).map(|(_, seconds)| *seconds)
    }

    /// How many times as long as the floor, and how many times as long libxmlsec1 takes: where it
    /// knows the key beforehand, which is the quicker of its two ways.
    fn ratios(&self, seconds: f64) -> (Option<f64>, Option<f64>) {
        let floor = self.seconds("floor").map(|floor| seconds / floor);
        (floor, self.seconds("libxmlsec1_key").map(|theirs| theirs / seconds))
    }

    fn json(&self, rounds: u32) -> Value {
        let side = |(name, seconds): &(&'static str, f64)| {
            let (to_floor, of_libxmlsec1) = self.ratios(*seconds);
            let peak = self.peaks.iter().find(|(of, _)| of == name).map(|(_, kib)| kib);
            let value = json!({
                "microseconds": seconds * 1e6,
                "megabytes_per_second": self.octets as f64 / 1e6 / seconds,
                "ratio_to_floor": to_floor,
                "libxmlsec1_takes_times": of_libxmlsec1,
                "peak_kib": peak,
            });
            ((*name).to_owned(), value)
        };
        let sides: Map<String, Value> = self.seconds.iter().map(side).collect();
        json!({
            "bench": "signature", "algorithm": self.algorithm, "octets": self.octets,
            "rounds": rounds, "sides": sides,
        })
    }

    fn rows(&self) -> Vec<[String; 7]> {
        let row = |(name, seconds): &(&'static str, f64)| {
            let (to_floor, of_libxmlsec1) = self.ratios(*seconds);
            let times = |ratio: Option<f64>| ratio.map_or_else(String::new, |r| format!("{r:.2}"));
            let peak = self.peaks.iter().find(|(of, _)| of == name);
            [
                self.algorithm.to_owned(),
                self.octets.to_string(),
                (*name).to_owned(),
                format!("{:.1} us", seconds * 1e6),
                times(to_floor),
                times(of_libxmlsec1),
                peak.map_or_else(String::new, |(_, kib)| {
                    format!("{:.1} MiB", *kib as f64 / 1024.0)
                }),
            ]
        };
        self.seconds.iter().map(row).collect()
    }
}

/// What the hidden arguments ask a process of its own for: how much memory verifying a file takes.
#[derive(Debug)]
pub(crate) struct PeakOf<'a> {
    /// The signed document.
    pub(crate) file: &'a Path,
    /// The certificate that is trusted, as PEM.
    pub(crate) certificate: &'a Path,
    /// Whether one pass must do.
    pub(crate) one_pass: bool,
}

impl PeakOf<'_> {
    /// Verifies the file and prints the most memory this process has had resident, in KiB.
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        ui.line(self.measure()?.to_string());
        Ok(Exit::Yes)
    }

    fn measure(&self) -> anyhow::Result<u64> {
        let certificate = X509::from_pem(&std::fs::read(self.certificate)?)?;
        let way = if self.one_pass { Way::OnePass } else { Way::TwoPasses };
        Verifier::new(&certificate)?.verify_file(self.file, way)?;
        own_peak_kib()
    }
}

/// The most memory that a process of its own has resident while it verifies the file, in KiB.
fn peak(file: &Path, certificate: &Path, way: Way) -> anyhow::Result<u64> {
    let program: PathBuf = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.args(["bench", "signature", "--peak-of"]).arg(file);
    command.arg("--certificate").arg(certificate);
    if way == Way::OnePass {
        command.arg("--one-pass");
    }
    let output = command.output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
