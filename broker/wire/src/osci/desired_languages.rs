//! DesiredLanguages: in which languages a client wants its feedback (`DesiredLanguagesType`).

use super::element::Element;
use super::limits::Limits;
use super::refusal::Refusal;
use super::values::Language;
use super::writing::Writing;

/// The languages that a client desires, one at least, the dearest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredLanguages(Vec<Language>);

impl DesiredLanguages {
    /// One or more languages.
    pub fn new(languages: Vec<Language>) -> Option<Self> {
        (!languages.is_empty()).then_some(Self(languages))
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        self.0.iter()
    }

    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        const NAME: &str = "DesiredLanguages";
        let list = element.demand("LanguagesList", NAME, "LanguagesList is missing")?;
        let mut languages = Vec::new();
        for word in list.split_ascii_whitespace() {
            if languages.len() == limits.languages {
                return Err(Refusal::Limit { place: element.place(), limit: "desired languages" });
            }
            let language = Language::parse(word);
            languages.push(language.ok_or_else(|| {
                element.refusal(NAME, "LanguagesList: languages parted by spaces")
            })?);
        }
        let found = Self::new(languages);
        let found = found.ok_or_else(|| element.refusal(NAME, "LanguagesList: one at least"))?;
        element.empty(NAME)?;
        Ok(found)
    }

    pub(super) fn write(&self, out: &mut Writing) {
        let list = self.0.iter().map(Language::as_str).collect::<Vec<_>>().join(" ");
        let attributes = [("LanguagesList", list.as_str())];
        out.block("osci:DesiredLanguages", "desiredlanguages", &attributes, |_| {});
    }
}
