//! Two languages for everything that people read.

use serde::{Deserialize, Serialize};

/// A language of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// German.
    De,
    /// English.
    #[default]
    En,
}

impl Language {
    /// Reads a locale or an `Accept-Language` value; the first of the two languages named wins.
    pub fn from_locale(text: &str) -> Option<Self> {
        text.split([',', ';', ' ']).find_map(|word| match word.get(..2)? {
            "de" | "DE" => Some(Self::De),
            "en" | "EN" => Some(Self::En),
            _ => None,
        })
    }
}

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// German.
    pub de: &'static str,
    /// English.
    pub en: &'static str,
}

impl Text {
    /// The text in one language.
    pub fn get(&self, language: Language) -> &'static str {
        match language {
            Language::De => self.de,
            Language::En => self.en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_and_headers_are_read() {
        assert_eq!(Language::from_locale("de_DE.UTF-8"), Some(Language::De));
        assert_eq!(Language::from_locale("fr-FR, en;q=0.8, de;q=0.5"), Some(Language::En));
        assert_eq!(Language::from_locale("C"), None);
        assert_eq!(Language::from_locale("ü"), None);
    }
}
