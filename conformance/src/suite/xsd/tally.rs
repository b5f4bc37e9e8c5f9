//! Answers counted and compared with the published ones.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, ensure};

use super::case::{Case, Expected, Kind};
use super::judge::{Answer, Job, Judged, Said};
use super::known::Known;
use crate::report::Report;

/// Agreement demanded, in thousandths.
const SCHEMAS_AT_LEAST: usize = 999;
const INSTANCES_AT_LEAST: usize = 997;

/// Most tests named in one line.
const MAX_NAMED: usize = 20;

/// How one judge did.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    agree: usize,
    differ: usize,
}

impl Score {
    fn add(&mut self, agrees: bool) {
        if agrees { self.agree += 1 } else { self.differ += 1 }
    }

    fn total(self) -> usize {
        self.agree + self.differ
    }

    /// At least so many thousandths agree.
    fn reaches(self, thousandths: usize) -> bool {
        self.agree * 1000 >= self.total() * thousandths
    }

    /// For example `99.91 % (10,990 of 11,000)`.
    fn said(self) -> String {
        let hundredths = (self.agree * 10_000).checked_div(self.total()).unwrap_or(0);
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        format!("{whole}.{rest:02} % ({} of {})", self.agree, self.total())
    }
}

/// All that is counted.
pub(super) struct Tally {
    known: Known,
    by_contributor: BTreeMap<(String, Kind), Score>,
    by_kind: BTreeMap<Kind, Score>,
    library: Score,
    /// Documents on which tables and library differ, also where the suite leaves them open.
    apart: Vec<String>,
    open: BTreeMap<String, usize>,
    unjudged: BTreeMap<&'static str, usize>,
    compiled: usize,
    by_library: BTreeMap<String, usize>,
    refused: usize,
}

impl Tally {
    pub(super) fn new(known: Known) -> Self {
        Self {
            known,
            by_contributor: BTreeMap::new(),
            by_kind: BTreeMap::new(),
            library: Score::default(),
            apart: Vec::new(),
            open: BTreeMap::new(),
            unjudged: BTreeMap::new(),
            compiled: 0,
            by_library: BTreeMap::new(),
            refused: 0,
        }
    }

    /// Adds the answers for one set. What is neither agreement nor listed is reported at once.
    pub(super) fn add(&mut self, job: &Job, judged: Judged, report: &mut Report) {
        match &judged.set {
            Ok(None) => self.compiled += 1,
            Ok(Some(why)) => {
                let construct = why.split(": ").next().unwrap_or(why).to_owned();
                *self.by_library.entry(construct).or_default() += 1;
            }
            Err(_) => self.refused += 1,
        }
        for (case, answer) in job.cases.iter().zip(judged.answers) {
            self.case(case, &answer, report);
        }
    }

    fn case(&mut self, case: &Case, answer: &Answer, report: &mut Report) {
        let (test, document) = case.key();
        if answer.ours != answer.library {
            self.apart.push(test.to_owned());
        }
        let valid = match &case.expected {
            Expected::Valid(valid) => *valid,
            Expected::Open(why) => {
                *self.open.entry(why.clone()).or_default() += 1;
                return;
            }
        };
        let wanted = if valid { Said::Valid } else { Said::Invalid };
        // What cannot be judged differs only where a document must be valid and its schema is
        // refused: that is a fault of the schema's judge.
        if let Said::Nothing(why) = answer.ours
            && !(valid && why.contains("refused"))
        {
            *self.unjudged.entry(why).or_default() += 1;
            return;
        }
        let agrees = answer.ours == wanted;
        self.by_contributor.entry((case.contributor.clone(), case.kind)).or_default().add(agrees);
        self.by_kind.entry(case.kind).or_default().add(agrees);
        if case.kind == Kind::Instance {
            self.library.add(answer.library == wanted);
        }
        let name = format!("{test} ({document})");
        let found = [wanted, answer.ours, answer.library].map(Said::as_str);
        let all_agree = agrees && answer.library == wanted;
        match self.known.take(test, document) {
            Some(line) if all_agree => {
                report.add(name, Err(anyhow!("agrees: take it off the list ({})", line.reason)));
            }
            Some(line) if line.answers == found => report.skip(name, line.reason),
            Some(line) => {
                report.add(name, Err(anyhow!("{found:?}, listed as {:?}", line.answers)));
            }
            None if all_agree => {}
            None => {
                let [wanted, ours, library] = found;
                let said = format!("{wanted} expected, ours {ours}, library {library}");
                report.add(name, Err(anyhow!("{said}: {}", answer.why)));
            }
        }
    }

    /// The figures.
    pub(super) fn finish(self, report: &mut Report) {
        for ((contributor, kind), score) in &self.by_contributor {
            report.add(format!("{contributor}/{kind}"), Ok(score.said()));
        }
        for (kind, least) in
            [(Kind::Schema, SCHEMAS_AT_LEAST), (Kind::Instance, INSTANCES_AT_LEAST)]
        {
            let score = self.by_kind.get(&kind).copied().unwrap_or_default();
            report.add(format!("{kind}-agree"), enough(score, least));
        }
        report.add("the-library-alone", Ok(self.library.said()));
        let named: Vec<&str> = self.apart.iter().take(MAX_NAMED).map(String::as_str).collect();
        report.add(
            "tables-and-library-differ",
            Ok(format!("{} documents: {}", self.apart.len(), named.join(", "))),
        );
        let loaded = self.compiled + self.by_library.values().sum::<usize>();
        let constructs = self.by_library.iter().map(|(what, count)| format!("{count} {what}"));
        let constructs: Vec<String> = constructs.collect();
        report.add(
            "compiled",
            Ok(format!(
                "{} of {loaded} sets go by the tables, {} are refused; by the library: {}",
                self.compiled,
                self.refused,
                if constructs.is_empty() { "none".to_owned() } else { constructs.join(", ") }
            )),
        );
        for (why, count) in &self.unjudged {
            report.skip(format!("not judged: {count}"), *why);
        }
        for (why, count) in &self.open {
            report.skip(format!("left open: {count}"), why);
        }
        for (test, document) in self.known.keys() {
            let why = anyhow!("is listed and was not judged: take it off the list");
            report.add(format!("{test} ({document})"), Err(why));
        }
    }
}

fn enough(score: Score, thousandths: usize) -> Result<String> {
    let (whole, tenth) = (thousandths / 10, thousandths % 10);
    ensure!(score.total() > 0, "nothing was judged");
    ensure!(score.reaches(thousandths), "{}, {whole}.{tenth} % demanded", score.said());
    Ok(score.said())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_counted_exactly() {
        let mut score = Score::default();
        (0..1000).for_each(|n| score.add(n > 0));
        assert_eq!(score.said(), "99.90 % (999 of 1000)");
        assert!(enough(score, 999).is_ok());
        score.add(false);
        assert!(enough(score, 999).is_err());
        assert!(enough(Score::default(), 1).is_err());
    }

    /// Failed and skipped cases, given the list's lines and what both judges say of `g/a`, which
    /// must be valid.
    fn ends(list: &str, said: Said) -> (usize, usize) {
        let known = Known::parse(&format!("head\n{list}")).expect("a list");
        let table = "1.0\tx\tinstance\tg/a\ta.xsd\ta.xml\tvalid\taccepted\n";
        let cases = Case::read_all(table).expect("a table");
        let job = Job { documents: Vec::new(), cases };
        let answer = Answer { ours: said, library: said, why: String::new() };
        let mut report = Report::new("test", true);
        let mut tally = Tally::new(known);
        tally.add(&job, Judged { set: Ok(None), answers: vec![answer] }, &mut report);
        for (test, document) in tally.known.keys() {
            report.add(format!("{test} {document}"), Err(anyhow!("left over")));
        }
        let summary = report.finish(None).expect("nothing to write");
        (summary.failed, summary.skipped)
    }

    #[test]
    fn only_what_is_listed_as_it_is_may_differ() {
        let line = "g/a\ta.xml\tvalid\tinvalid\tinvalid\twhy\n";
        let other = "g/a\ta.xml\tvalid\tinvalid\tvalid\twhy\n";
        assert_eq!(ends("", Said::Valid), (0, 0));
        assert_eq!(ends("", Said::Invalid), (1, 0), "not listed");
        assert_eq!(ends("", Said::Failed), (1, 0), "not listed");
        assert_eq!(ends(line, Said::Invalid), (0, 1), "listed");
        assert_eq!(ends(other, Said::Invalid), (1, 0), "listed otherwise");
        assert_eq!(ends(line, Said::Valid), (1, 0), "no longer true");
        assert_eq!(ends(line, Said::Nothing("it is XML 1.1")), (1, 0), "not judged");
    }
}
