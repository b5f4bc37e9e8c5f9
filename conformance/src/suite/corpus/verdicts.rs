//! `schema check` over every message of the corpus, one call for each schema.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;

use super::{CATALOG, Corpus, Row};
use crate::report::Report;
use crate::suite::Settings;

/// One line of the answer.
#[derive(Deserialize)]
struct Said {
    file: String,
    verdict: String,
    findings: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    code: String,
    line: u64,
    column: u64,
    message: String,
}

pub(super) fn run(settings: &Settings, corpus: &Corpus, report: &mut Report) {
    let mut by_schema: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &corpus.rows {
        by_schema.entry(&row.schema).or_default().push(row);
    }
    for (schema, rows) in by_schema {
        let answered = check(settings, corpus, schema, &rows);
        for (n, row) in rows.iter().enumerate() {
            let ended = match &answered {
                Ok(said) => judge(corpus, row, &said[n]),
                Err(error) => Err(anyhow!("{error:#}")),
            };
            report.add(format!("verdict/{}", row.file), ended);
        }
    }
}

/// One line for each file, in their order.
fn check(settings: &Settings, corpus: &Corpus, schema: &str, rows: &[&Row]) -> Result<Vec<Said>> {
    let mut command = settings.shipped.command(&["schema", "check", "-o", "json", "--schema"]);
    command.arg(corpus.folder.join(schema)).arg("--catalog").arg(corpus.folder.join(CATALOG));
    command.args(rows.iter().map(|row| corpus.folder.join(&row.file)));
    let output = command.output().context("schema check does not start")?;
    let text = String::from_utf8(output.stdout)?;
    let said: Vec<Said> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("an answer that is no JSON")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = errors.lines().next().unwrap_or_default();
    ensure!(said.len() == rows.len(), "{} answers: {first}", said.len());
    let all_valid = rows.iter().all(|row| row.verdict == "valid");
    let wanted = Some(i32::from(!all_valid));
    ensure!(output.status.code() == wanted, "ended with {}", output.status);
    Ok(said)
}

fn judge(corpus: &Corpus, row: &Row, said: &Said) -> Result<String> {
    let file = corpus.folder.join(&row.file);
    ensure!(said.file == file.to_string_lossy(), "the answer is about {}", said.file);
    let codes: Vec<&str> = said.findings.iter().map(|found| found.code.as_str()).collect();
    ensure!(said.verdict == row.verdict, "{} instead of {}: {codes:?}", said.verdict, row.verdict);
    if row.verdict == "valid" {
        // Nothing is to be said about a valid message, whatever its xsi:schemaLocation looks like.
        ensure!(codes.is_empty(), "valid, and yet: {codes:?}");
        return Ok(String::new());
    }
    ensure!(!codes.is_empty(), "invalid for no reason");
    for found in &said.findings {
        ensure!(found.line > 0 && found.column > 0, "{}: without a place", found.code);
        tells_nothing_of(row, &found.message)?;
    }
    if row.why.starts_with("cvc-id.1") {
        ensure!(codes.contains(&"reference-dangling"), "the dangling reference is not seen");
    }
    Ok(codes.join(", "))
}

/// The value that a message refers to in vain must not come out (P7). Short ones occur in any text.
pub(super) fn tells_nothing_of(row: &Row, text: &str) -> Result<()> {
    let value = row.why.strip_prefix("cvc-id.1").and_then(|why| why.split('\'').nth(1));
    match value {
        Some(value) if value.len() > 8 && text.contains(value) => bail!("it quotes the message"),
        _ => Ok(()),
    }
}
