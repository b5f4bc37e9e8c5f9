//! What people and scripts see: data on stdout, everything else on stderr, in their language.
//!
//! A reader that closes the pipe early (`amtsbote message list | head`) ends the output, not the
//! work: what is written after that is dropped, and the exit code stays truthful.

use std::io::{self, IsTerminal, Write};

use amtsbote_domain::Timestamp;
use amtsbote_domain::text::Language;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one object per line.
    Json,
}

/// A language, as `--lang` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// German.
    De,
    /// English.
    En,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::De => Self::De,
            Lang::En => Self::En,
        }
    }
}

/// The version of every JSON object the commands print.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The terminal, or whatever stands in for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// Text or JSON.
    pub(crate) format: Format,
    /// German or English.
    pub(crate) language: Language,
    /// Nothing on stderr but failures.
    pub(crate) quiet: bool,
    /// How much more to say.
    pub(crate) verbose: u8,
    /// Colour on stdout.
    colour: bool,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Look at this.
    Warning,
    /// Not as it should be.
    Bad,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
}

impl Ui {
    /// Decides from flags and environment.
    pub(crate) fn new(format: Format, lang: Option<Lang>, quiet: bool, verbose: u8) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let language = language(lang, variable);
        let colour = io::stdout().is_terminal()
            && variable("NO_COLOR").is_none_or(|value| value.is_empty())
            && variable("TERM").is_none_or(|term| term != "dumb");
        Self { format, language, quiet, verbose, colour: colour && format == Format::Text }
    }

    /// One of two texts.
    pub(crate) fn t<'a>(&self, de: &'a str, en: &'a str) -> &'a str {
        match self.language {
            Language::De => de,
            Language::En => en,
        }
    }

    /// Whether programs read the output.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether bars may move on stderr.
    pub(crate) fn bars(&self) -> bool {
        !self.quiet
            && io::stderr().is_terminal()
            && std::env::var("TERM").is_ok_and(|t| t != "dumb")
    }

    /// One line of data, for people.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        write_quietly(io::stdout().lock(), text.as_ref());
    }

    /// One object of data, for programs; `schema_version` is added where it is missing.
    pub(crate) fn json(&self, object: &impl Serialize) {
        write_quietly(io::stdout().lock(), &json_line(object));
    }

    /// Progress and remarks, on stderr; not with `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            write_quietly(io::stderr().lock(), text.as_ref());
        }
    }

    /// A failure, on stderr, always.
    pub(crate) fn failure(&self, text: &str) {
        let head = self.t("Fehler", "error");
        write_quietly(io::stderr().lock(), &format!("{head}: {text}"));
    }

    /// Text in a colour, on a terminal.
    pub(crate) fn tint(&self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// An empty table with these headings.
    pub(crate) fn table(&self, headings: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings.iter().copied());
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }

    /// Prints a table, without blanks at line ends.
    pub(crate) fn print_table(&self, table: &Table) {
        for (n, line) in table.to_string().lines().enumerate() {
            let line = line.trim_end();
            if n == 0 {
                self.line(self.tint(Tone::Strong, line));
            } else {
                self.line(line);
            }
        }
    }

    /// An instant for people: German local time or UTC, to the second, with its zone.
    pub(crate) fn time(&self, at: Timestamp) -> String {
        match at.in_tz("Europe/Berlin") {
            Ok(local) => match self.language {
                Language::De => {
                    let zone = local.strftime("%Z").to_string();
                    let zone = match zone.as_str() {
                        "CET" => "MEZ",
                        "CEST" => "MESZ",
                        other => other,
                    };
                    format!("{} {zone}", local.strftime("%d.%m.%Y %H:%M:%S"))
                }
                Language::En => local.strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            },
            Err(_) => at.to_string(),
        }
    }
}

/// The language: flag, then the environment as POSIX orders it, then English.
fn language(lang: Option<Lang>, variable: impl Fn(&str) -> Option<String>) -> Language {
    if let Some(lang) = lang {
        return lang.into();
    }
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .and_then(|locale| Language::from_locale(&locale))
        .unwrap_or(Language::En)
}

fn json_line(object: &impl Serialize) -> String {
    let mut text = serde_json::to_string(object).expect("output types have string keys");
    let has_version = matches!(
        serde_json::from_str::<Value>(&text),
        Ok(Value::Object(fields)) if fields.contains_key("schema_version")
    );
    if !has_version && text.starts_with('{') {
        let comma = if text == "{}" { "" } else { "," };
        text.insert_str(1, &format!("\"schema_version\":{SCHEMA_VERSION}{comma}"));
    }
    text
}

/// Writes a line; a closed pipe is no error, and nothing else on a terminal can be mended.
fn write_quietly(mut stream: impl Write, text: &str) {
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chosen(lang: Option<Lang>, environment: &[(&str, &str)]) -> Language {
        language(lang, |name| {
            environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_flag_beats_the_environment_in_its_order() {
        let german = [("LC_ALL", "de_DE.UTF-8"), ("LANG", "en_GB.UTF-8")];
        assert_eq!(chosen(None, &german), Language::De);
        assert_eq!(chosen(Some(Lang::En), &german), Language::En);
        assert_eq!(chosen(None, &[("LC_MESSAGES", "de"), ("LANG", "en")]), Language::De);
        assert_eq!(chosen(None, &[("LC_ALL", ""), ("LANG", "de_AT")]), Language::De);
        assert_eq!(chosen(None, &[("LC_ALL", "C"), ("LANG", "de_DE")]), Language::En);
        assert_eq!(chosen(None, &[("LANG", "fr_FR")]), Language::En);
        assert_eq!(chosen(None, &[]), Language::En);
    }

    #[test]
    fn an_instant_has_the_zone_of_its_language() {
        for (lang, winter, summer) in [
            (Lang::De, "02.01.2026 09:00:00 MEZ", "02.07.2026 10:00:00 MESZ"),
            (Lang::En, "2026-01-02 09:00:00 CET", "2026-07-02 10:00:00 CEST"),
        ] {
            let ui = Ui::new(Format::Text, Some(lang), true, 0);
            let shown = |at: &str| ui.time(at.parse().expect("an instant"));
            assert_eq!(shown("2026-01-02T08:00:00Z"), winter);
            assert_eq!(shown("2026-07-02T08:00:00Z"), summer);
        }
    }

    #[test]
    fn every_object_says_its_version_once() {
        assert_eq!(json_line(&json!({})), "{\"schema_version\":1}");
        assert_eq!(json_line(&json!({"a": 1})), "{\"schema_version\":1,\"a\":1}");
        assert_eq!(json_line(&json!({"schema_version": 2})), "{\"schema_version\":2}");
    }

    #[test]
    fn a_closed_pipe_is_no_panic() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        write_quietly(Closed, "text");
    }
}
