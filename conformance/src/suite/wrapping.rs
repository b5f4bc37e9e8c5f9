//! Signature wrapping in all published shapes, and what else is done to signed XML, applied to
//! every signed document at hand.
//!
//! An attack is a transformation of octets, at places that our own reader gives. Every attacked
//! document is judged by the profile of its entry point (refused, or nothing but the original value
//! is released) and in general (what is said to be signed is named exactly, and the forged value is
//! not in it). One line for each shape. A careless verifier stands beside: what takes nobody in would
//! show nothing.

mod bombs;
mod door;
mod ground;
mod inside;
mod judge;
mod map;
mod naive;
mod remade;
mod sample;
mod samples;
mod shapes;
mod tricks;

use anyhow::{Context, Result, anyhow, ensure};
use std::fmt;

use self::ground::{Donor, Ground};
use self::judge::Judged;
use self::map::Map;
use self::naive::Naive;
use self::sample::{Sample, Target};
use self::shapes::Shape;
use super::{Settings, given};
use crate::report::Report;

/// Holes told for one shape; the rest is counted.
const MAX_TOLD: usize = 3;
/// Documents of one recorded family that are attacked; the rest is counted. Each is read some
/// thousand times.
const MAX_RECORDED: usize = 24;
/// Longest recorded document that is attacked, in octets.
const MAX_OCTETS: usize = 16 * 1024;

pub(crate) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut table = Table::new();
    table.family(report, "native-envelopes", samples::native()?);
    table.family(report, "our-signer", samples::ours()?);
    table.family(report, "xmlsec1", samples::xmlsec1(scratch.path())?);
    let messages = given::corpus().join("osci-transport");
    if messages.is_dir() {
        table.family(report, "osci", samples::osci(&messages)?);
    } else {
        report.skip("samples/osci", given::NO_MESSAGES);
    }
    let archive = given::suites().join(given::VECTORS);
    if archive.is_file() {
        table.family(report, "vectors", samples::vectors(&archive, scratch.path())?);
    } else {
        report.skip("samples/vectors", given::NO_VECTORS);
    }
    table.tell(report);
    bombs::run(report)?;
    door::run(settings, report).await
}

/// Every shape, and what came of it.
struct Table(Vec<(Shape, Tally)>);

/// What came of one shape.
#[derive(Default)]
struct Tally {
    /// Targets to which it could be applied.
    targets: usize,
    documents: usize,
    judged: Judged,
    /// Documents that take the careless verifier in.
    fooled: usize,
    /// Documents that are no XML although they should be.
    unreadable: usize,
    holes: Vec<String>,
}

/// A sample with what can be attacked in it.
struct Prepared {
    sample: Sample,
    map: Map,
    targets: Vec<Target>,
    /// DER of the certificates under which its signatures hold.
    signers: Vec<Vec<u8>>,
    donor: Option<Donor>,
}

impl Prepared {
    fn of(sample: Sample) -> Result<Self> {
        let map = Map::of(&sample.document)?;
        let (targets, signers) = sample.targets(&map)?;
        let first = targets.first().context("nothing that holds covers a value")?;
        let donor = Donor::of(&sample.document, &map, first.signature);
        Ok(Self { sample, map, targets, signers, donor })
    }
}

impl Table {
    fn new() -> Self {
        let shapes = shapes::all().into_iter().chain(tricks::all());
        Self(shapes.map(|shape| (shape, Tally::default())).collect())
    }

    /// Applies every shape to every sample of a family.
    fn family(&mut self, report: &mut Report, family: &str, samples: Vec<Sample>) {
        let told = self.attack(samples).and_then(|told| {
            // Messages and vectors that do not hold, or cover no value, are the business of the
            // suite xmldsig. What is made here must all be attacked.
            ensure!(family == "osci" || family == "vectors" || told.unfit == 0, "{told}");
            Ok(told.to_string())
        });
        report.add(format!("samples/{family}"), told);
    }

    fn attack(&mut self, samples: Vec<Sample>) -> Result<Told> {
        let (samples, large): (Vec<_>, Vec<_>) =
            samples.into_iter().partition(|s| !s.recorded || s.document.len() <= MAX_OCTETS);
        let all = samples.len();
        let fit: Vec<_> = samples.into_iter().filter_map(|s| Prepared::of(s).ok()).collect();
        let bound = fit.iter().any(|one| one.sample.recorded);
        let step = if bound { fit.len().div_ceil(MAX_RECORDED).max(1) } else { 1 };
        let chosen: Vec<_> = fit.iter().step_by(step).collect();
        let mut told = Told {
            unfit: all - fit.len(),
            large: large.len(),
            left_out: fit.len() - chosen.len(),
            ..Told::default()
        };
        for (n, one) in chosen.iter().enumerate() {
            told.documents += 1;
            let donor = chosen[(n + 1) % chosen.len()].donor.as_ref().filter(|_| chosen.len() > 1);
            for target in &one.targets {
                told.targets += 1;
                told.profiles += usize::from(target.has_profile());
                let ground = one.sample.ground(&one.map, target, donor);
                let careless = Naive::of(&ground);
                told.careless += usize::from(careless.is_some());
                for (shape, tally) in &mut self.0 {
                    tally.attack(shape, one, target, &ground, careless.as_ref());
                }
            }
        }
        ensure!(told.profiles > 0 && told.careless > 0, "nothing could be attacked: {told}");
        Ok(told)
    }

    /// One line for each shape, and whether they are attacks at all.
    fn tell(self, report: &mut Report) {
        let (mut wrapping, mut fooling, mut fooled, mut documents) = (0, 0, 0, 0);
        for (shape, tally) in self.0 {
            if shape.wrapping {
                wrapping += 1;
                fooling += usize::from(tally.fooled > 0);
                fooled += tally.fooled;
                documents += tally.documents;
            }
            report.add(format!("shape/{}", shape.name), tally.told(&shape));
        }
        let taken_in = if 3 * fooling >= 2 * wrapping {
            Ok(format!(
                "by {fooling} of {wrapping} shapes of wrapping, {fooled} of {documents} documents"
            ))
        } else {
            Err(anyhow!("only {fooling} of {wrapping} shapes are attacks"))
        };
        report.add("a-careless-verifier-is-taken-in", taken_in);
    }
}

impl Tally {
    fn attack(
        &mut self,
        shape: &Shape,
        one: &Prepared,
        target: &Target,
        ground: &Ground<'_>,
        careless: Option<&Naive>,
    ) {
        let Prepared { sample, map, signers, .. } = one;
        let mut made = (shape.make)(ground);
        made.retain(|attacked| *attacked != sample.document);
        self.targets += usize::from(!made.is_empty());
        for attacked in made {
            self.documents += 1;
            let now = Map::of(&attacked).ok();
            self.unreadable += usize::from(shape.well_formed && now.is_none());
            if let (Some(careless), Some(now)) = (careless, &now) {
                self.fooled += usize::from(careless.is_fooled(&attacked, now, &sample.forged));
            }
            match sample.judge(map, target, signers, &attacked, now.as_ref()) {
                Ok(judged) => self.judged.add(&judged),
                Err(error) => self.holes.push(format!("{}: {error:#}", sample.name)),
            }
        }
    }

    fn told(&self, shape: &Shape) -> Result<String> {
        let Judged { refused, original, none_holds, told } = self.judged;
        if !self.holes.is_empty() {
            let some: Vec<_> = self.holes.iter().take(MAX_TOLD).map(String::as_str).collect();
            return Err(anyhow!("{} holes: {}", self.holes.len(), some.join("; ")));
        }
        ensure!(self.documents > 0, "it could be applied nowhere");
        ensure!(self.unreadable == 0, "{} documents are not well-formed", self.unreadable);
        ensure!(shape.well_formed || told + original == 0, "it holds, but must not");
        Ok(format!(
            "{} documents from {} places; by profile {refused} refused, {original} with the original \
             only; in general {none_holds} refused, {told} named exactly; careless: {}",
            self.documents, self.targets, self.fooled
        ))
    }
}

/// What was attacked of a family.
#[derive(Default)]
struct Told {
    documents: usize,
    targets: usize,
    profiles: usize,
    careless: usize,
    /// Nothing in them holds and covers a value.
    unfit: usize,
    left_out: usize,
    large: usize,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, targets, profiles, careless, unfit, left_out, large } = self;
        write!(
            f,
            "{documents} documents, {targets} signed elements, {profiles} with a profile, \
             {careless} read by the careless; {left_out} more left out, {unfit} hold nothing to \
             forge, {large} are too large"
        )
    }
}

#[cfg(test)]
mod tests;
