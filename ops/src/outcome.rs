//! How a command ends: exit codes that scripts rely on, and failures in two languages.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use amtsbote_domain::text::Language;

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and the answer is yes.
    Yes,
    /// Done, and the answer is no.
    No,
    /// Wrong use: arguments, configuration.
    Usage,
    /// Could not be done now.
    NotNow,
    /// The outcome is unknown: repeat with the same `--id`.
    Unknown,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::NotNow => 3,
            Self::Unknown => 4,
        }
    }

    /// Yes or no.
    pub(crate) fn answer(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    de: String,
    en: String,
}

/// What commands return.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with its text in both languages.
    pub(crate) fn new(exit: Exit, de: impl Display, en: impl Display) -> Self {
        Self { exit, de: de.to_string(), en: en.to_string() }
    }

    /// Wrong use.
    pub(crate) fn usage(de: impl Display, en: impl Display) -> Self {
        Self::new(Exit::Usage, de, en)
    }

    /// Could not be done now.
    pub(crate) fn not_now(de: impl Display, en: impl Display) -> Self {
        Self::new(Exit::NotNow, de, en)
    }

    /// The text in one language.
    pub(crate) fn text(&self, language: Language) -> &str {
        match language {
            Language::De => &self.de,
            Language::En => &self.en,
        }
    }
}

/// What nobody foresaw: the chain of causes, in the language of the libraries.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let text = format!("{error:#}");
        Self::new(Exit::NotNow, &text, &text)
    }
}

/// Says what was being done when an error came up.
pub(crate) trait Context<T> {
    /// It could not be done now.
    fn or_not_now(self, de: impl Display, en: impl Display) -> Result<T, Failure>;
    /// The arguments or the configuration are wrong.
    fn or_usage(self, de: impl Display, en: impl Display) -> Result<T, Failure>;
    /// It could not be done now with this file.
    fn or_not_now_at(self, path: &Path) -> Result<T, Failure>;
    /// This file is wrong, or the wrong one.
    fn or_usage_at(self, path: &Path) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Context<T> for Result<T, E> {
    fn or_not_now(self, de: impl Display, en: impl Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let cause: anyhow::Error = error.into();
            Failure::not_now(format!("{de}: {cause:#}"), format!("{en}: {cause:#}"))
        })
    }

    fn or_usage(self, de: impl Display, en: impl Display) -> Result<T, Failure> {
        self.map_err(|error| {
            let cause: anyhow::Error = error.into();
            Failure::usage(format!("{de}: {cause:#}"), format!("{en}: {cause:#}"))
        })
    }

    fn or_not_now_at(self, path: &Path) -> Result<T, Failure> {
        self.or_not_now(path.display(), path.display())
    }

    fn or_usage_at(self, path: &Path) -> Result<T, Failure> {
        self.or_usage(path.display(), path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_contract() {
        let numbers =
            [Exit::Yes, Exit::No, Exit::Usage, Exit::NotNow, Exit::Unknown].map(Exit::code);
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(Exit::answer(true), Exit::Yes);
        assert_eq!(Exit::answer(false), Exit::No);
    }

    #[test]
    fn a_failure_speaks_both_languages_and_names_its_cause() {
        let failed: Result<(), _> = Err(std::io::Error::other("why"));
        let failure = failed.or_usage("geht nicht", "does not work").expect_err("it failed");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.text(Language::De), "geht nicht: why");
        assert_eq!(failure.text(Language::En), "does not work: why");
    }
}
