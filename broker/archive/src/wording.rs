//! One statement to a person: a code that scripts may rely on, and the sentence in two languages.

/// A code and its sentence in English and German.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// Stable, small letters and hyphens, never reused.
    pub code: &'static str,
    /// English.
    pub en: String,
    /// German.
    pub de: String,
}

impl Wording {
    pub(crate) fn new(code: &'static str, en: impl Into<String>, de: impl Into<String>) -> Self {
        Self { code, en: en.into(), de: de.into() }
    }

    /// The sentence in `de`, or in English for every other language.
    pub fn text(&self, language: &str) -> &str {
        if language == "de" { &self.de } else { &self.en }
    }
}
