//! Certificate paths: the public test set x509-limbo, each case judged by [`amtsbote_trust::path`].
//!
//! The set lies where `AMTSBOTE_SUITES` says, else beside the checkout; it is no part of this
//! project. Without it the suite counts as skipped.

mod case;
mod exempt;

use anyhow::{Context, Result, anyhow, ensure};

use super::{Settings, given};
use crate::report::Report;
use case::{Case, Expected, Limbo};

/// The file of cases.
const FILE: &str = "x509-limbo.json";
/// How many cases it holds.
const COUNT: usize = 193;

pub(crate) async fn run(_: &Settings, report: &mut Report) -> Result<()> {
    let file = given::suites().join(FILE);
    if !file.is_file() {
        let why = "no x509-limbo.json: set AMTSBOTE_SUITES, or put it beside the checkout as \
                   ../shared/suites";
        report.skip("x509-limbo", why);
        return Ok(());
    }
    let text = std::fs::read(&file).with_context(|| format!("{}", file.display()))?;
    let limbo: Limbo = serde_json::from_slice(&text).context(FILE)?;
    report.add("the-set-is-whole", whole(&limbo));
    for case in &limbo.testcases {
        judge(case, report);
    }
    Ok(())
}

/// Every case is there, and no exemption speaks of one that is not.
fn whole(limbo: &Limbo) -> Result<String> {
    let count = limbo.testcases.len();
    ensure!(count == COUNT, "{count} cases instead of {COUNT}");
    for (id, _) in exempt::CASES {
        ensure!(limbo.testcases.iter().any(|case| case.id == *id), "{id} is exempt and unknown");
    }
    Ok(format!("{count} cases, {} of them exempt", exempt::CASES.len()))
}

/// A case that is exempt is judged all the same: one that agrees by now is no longer exempt.
fn judge(case: &Case, report: &mut Report) {
    let verdict = case.verdict();
    let agrees = match &verdict {
        Ok(Ok(_)) => case.expected_result == Expected::Success,
        Ok(Err(_)) => case.expected_result == Expected::Failure,
        Err(_) => false,
    };
    let exempt = exempt::CASES.iter().find(|(id, _)| *id == case.id);
    match (exempt, agrees) {
        (Some((_, why)), false) => report.skip(&case.id, *why),
        (Some(_), true) => {
            report.add(&case.id, Err(anyhow!("agrees: take it off the list of exemptions")));
        }
        (None, true) => report.add(&case.id, Ok(said(&verdict))),
        (None, false) => {
            let wanted = &case.expected_result;
            report.add(&case.id, Err(anyhow!("{wanted:?} expected: {}", said(&verdict))));
        }
    }
}

fn said(verdict: &Result<case::Verdict>) -> String {
    match verdict {
        Ok(Ok(length)) => format!("a path of {length}"),
        Ok(Err(why)) => why.clone(),
        Err(error) => format!("{error:#}"),
    }
}
