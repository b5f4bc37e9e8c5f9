//! `schema check`: is this document what its standard says? Needs no hub.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use amtsbote_domain::text::Language;
use amtsbote_schemas::pack::PackSet;
use amtsbote_schemas::validate::{Checked, Finding, Report, Schemas, Severity, Verdict};
use amtsbote_schemas::xml::Limits;
use clap::{ArgGroup, Args, Subcommand};

use crate::config::node::load_packs;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::time;
use crate::ui::{Tone, Ui};

/// Check documents against their standard; needs no hub
#[derive(Debug, Subcommand)]
pub(crate) enum Schema {
    /// Say for each file whether it is what its standard says
    Check(Check),
}

/// Say for each file whether it is what its standard says
///
/// Exit code 0 when all are valid, 1 when one is not, 3 when a schema does not compile.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  amtsbote schema check --packs /srv/amtsbote/packs message.xml\n  \
                  amtsbote schema check --schema xmeld.xsd --catalog catalog.xml -o json *.xml\n  \
                  cat message.xml | amtsbote schema check --packs packs -",
    group = ArgGroup::new("standard").required(true).args(["schema", "packs"])
)]
pub(crate) struct Check {
    /// Schema to check against
    #[arg(long, value_name = "XSD")]
    schema: Option<PathBuf>,
    /// XML catalog for what the schema imports
    #[arg(long, value_name = "FILE", requires = "schema", conflicts_with = "packs")]
    catalog: Option<PathBuf>,
    /// Folder of packs; each file is checked against the standard it names
    #[arg(long, value_name = "DIR")]
    packs: Option<PathBuf>,
    /// Files to check; - is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What to check against.
enum Standard {
    Packs(PackSet),
    Schemas(Box<Schemas>),
}

impl Schema {
    pub(crate) fn run(&self, ui: &Ui) -> Outcome {
        let Self::Check(check) = self;
        let standard = check.standard()?;
        let mut all_valid = true;
        for file in &check.files {
            let name = file.to_string_lossy();
            let checked = standard.check(file);
            all_valid &= checked.verdict == Verdict::Valid;
            let report = checked.report(&name, ui.language == Language::De);
            if ui.is_json() {
                ui.json(&report);
            } else {
                print(ui, &report, &checked);
            }
        }
        Ok(Exit::answer(all_valid))
    }
}

impl Check {
    fn standard(&self) -> Result<Standard, Failure> {
        if let Some(folder) = &self.packs {
            return load_packs(folder).map(Standard::Packs);
        }
        let schema = self.schema.as_deref().unwrap_or_else(|| Path::new(""));
        for file in [Some(schema), self.catalog.as_deref()].into_iter().flatten() {
            std::fs::metadata(file).or_usage_at(file)?;
        }
        let shown = schema.display();
        Schemas::load_single(schema, self.catalog.as_deref())
            .map(|schemas| Standard::Schemas(Box::new(schemas)))
            .or_not_now(format!("Schema {shown}"), format!("schema {shown}"))
    }
}

impl Standard {
    fn check(&self, file: &Path) -> Checked {
        let input: Box<dyn Read> = if file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            match File::open(file) {
                Ok(file) => Box::new(file),
                Err(error) => return unreadable(&error),
            }
        };
        let (input, limits) = (BufReader::new(input), Limits::default());
        match self {
            Self::Packs(packs) => packs.check(input, time::now(), &limits, &|| false),
            Self::Schemas(schemas) => schemas.check(input, &limits, &|| false),
        }
    }
}

fn unreadable(error: &io::Error) -> Checked {
    Checked {
        verdict: Verdict::Error,
        standard: None,
        version: None,
        message_type: None,
        header: None,
        findings: vec![Finding {
            code: "file-unreadable",
            severity: Severity::Error,
            line: 0,
            column: 0,
            path: String::new(),
            rule: "file system".into(),
            message_de: format!("Die Datei ist nicht lesbar: {error}"),
            message_en: format!("The file cannot be read: {error}"),
        }],
        truncated: false,
    }
}

fn print(ui: &Ui, report: &Report<'_>, checked: &Checked) {
    let (word, tone) = match checked.verdict {
        Verdict::Valid => (ui.t("gültig", "valid"), Tone::Good),
        Verdict::Invalid => (ui.t("ungültig", "invalid"), Tone::Bad),
        Verdict::NotInForce => {
            (ui.t("ungültig (Version nicht in Kraft)", "invalid (version not in force)"), Tone::Bad)
        }
        Verdict::NotWellFormed => (ui.t("nicht wohlgeformt", "not well-formed"), Tone::Bad),
        Verdict::UnknownStandard => (ui.t("unbekannter Standard", "unknown standard"), Tone::Bad),
        Verdict::Error => (ui.t("nicht prüfbar", "could not be checked"), Tone::Warning),
    };
    let standard = match (report.standard, report.version, report.message_type) {
        (Some(standard), Some(version), Some(kind)) => format!(" ({standard} {version}, {kind})"),
        (Some(standard), Some(version), None) => format!(" ({standard} {version})"),
        _ => String::new(),
    };
    ui.line(format!("{}: {}{standard}", report.file, ui.tint(tone, word)));
    for finding in &checked.findings {
        let place = if finding.line > 0 {
            format!("{}:{}: ", finding.line, finding.column)
        } else {
            String::new()
        };
        let path =
            if finding.path.is_empty() { String::new() } else { format!(" {}", finding.path) };
        let message = finding.message(ui.language == Language::De);
        ui.line(format!("  {place}{message}"));
        ui.line(ui.tint(Tone::Dim, &format!("      {} [{}]{path}", finding.code, finding.rule)));
    }
    if checked.truncated {
        ui.line(format!("  {}", ui.t("weitere Befunde nicht gezeigt", "more findings not shown")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        _schema: Schema,
    }

    #[test]
    fn a_schema_or_packs_and_files() {
        let parses = |line: &str| Line::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("schema check --schema s.xsd --catalog c.xml a.xml b.xml"));
        assert!(parses("schema check --schema s.xsd a.xml"));
        assert!(parses("schema check --packs packs -"));
        assert!(!parses("schema check a.xml"));
        assert!(!parses("schema check --schema s.xsd --packs packs a.xml"));
        assert!(!parses("schema check --packs packs --catalog c.xml a.xml"));
        assert!(!parses("schema check --schema s.xsd"));
    }
}
