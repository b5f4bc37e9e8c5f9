//! What a suite found, for people and for scripts.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ended {
    /// As it must.
    Passed,
    /// Otherwise; why.
    Failed(String),
    /// Not run; why.
    Skipped(String),
}

/// One case of a suite.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    /// Its name, unique in the suite.
    pub name: String,
    /// How it ended.
    pub ended: Ended,
    /// Figures and the like.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The cases of one suite.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    suite: &'static str,
    cases: Vec<Case>,
    json: bool,
}

/// The last line of a suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// The suite.
    pub suite: &'static str,
    /// All cases.
    pub total: usize,
    /// As they must be.
    pub passed: usize,
    /// Otherwise.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

impl Report {
    /// An empty one; `json` decides what is printed while it fills.
    pub(crate) fn new(suite: &'static str, json: bool) -> Self {
        Self { suite, cases: Vec::new(), json }
    }

    /// Adds a case and says so at once.
    pub(crate) fn add(&mut self, name: impl Into<String>, result: Result<String, anyhow::Error>) {
        let (ended, note) = match result {
            Ok(note) => (Ended::Passed, note),
            Err(error) => (Ended::Failed(format!("{error:#}")), String::new()),
        };
        self.push(Case { name: name.into(), ended, note });
    }

    /// Adds a case that was not run. It counts as skipped, never as passed.
    pub(crate) fn skip(&mut self, name: impl Into<String>, why: impl Into<String>) {
        let case =
            Case { name: name.into(), ended: Ended::Skipped(why.into()), note: String::new() };
        self.push(case);
    }

    /// Cases that have failed so far.
    pub(crate) fn failed(&self) -> usize {
        self.cases.iter().filter(|case| matches!(case.ended, Ended::Failed(_))).count()
    }

    fn push(&mut self, case: Case) {
        if self.json {
            say(&serde_json::json!({
                "suite": self.suite, "case": case.name, "ended": case.ended, "note": case.note,
            })
            .to_string());
        } else {
            let (mark, why) = match &case.ended {
                Ended::Passed => ("ok     ", case.note.as_str()),
                Ended::Failed(why) => ("FAILED ", why.as_str()),
                Ended::Skipped(why) => ("skipped", why.as_str()),
            };
            say(format!("{mark} {}/{}  {why}", self.suite, case.name).trim_end());
        }
        self.cases.push(case);
    }

    /// Counts, prints the last line and, where a folder is given, writes `SUITE.jsonl` into it.
    pub(crate) fn finish(self, folder: Option<&Path>) -> anyhow::Result<Summary> {
        let count = |f: fn(&Ended) -> bool| self.cases.iter().filter(|case| f(&case.ended)).count();
        let summary = Summary {
            suite: self.suite,
            total: self.cases.len(),
            passed: count(|e| *e == Ended::Passed),
            failed: count(|e| matches!(e, Ended::Failed(_))),
            skipped: count(|e| matches!(e, Ended::Skipped(_))),
        };
        if self.json {
            say(&serde_json::to_string(&summary)?);
        } else {
            say(&format!(
                "{}: {} passed, {} failed, {} skipped",
                summary.suite, summary.passed, summary.failed, summary.skipped
            ));
        }
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
            let mut file = std::fs::File::create(folder.join(format!("{}.jsonl", self.suite)))?;
            for case in &self.cases {
                writeln!(file, "{}", serde_json::to_string(case)?)?;
            }
            writeln!(file, "{}", serde_json::to_string(&summary)?)?;
        }
        Ok(summary)
    }
}

/// One line on standard output. Whoever closed it early does not want the rest.
pub(crate) fn say(line: &str) {
    let _closed = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_case_is_never_a_passed_one() {
        let mut report = Report::new("test", true);
        report.add("a", Ok(String::new()));
        report.add("b", Err(anyhow::anyhow!("broken")));
        report.skip("c", "absent");
        let summary = report.finish(None).expect("nothing to write");
        let wanted = Summary { suite: "test", total: 3, passed: 1, failed: 1, skipped: 1 };
        assert_eq!(summary, wanted);
    }
}
