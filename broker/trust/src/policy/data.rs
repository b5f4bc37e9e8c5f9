//! A policy as a file: read whole, or refused with the place and what would be right.

use std::ops::Range;

use amtsbote_domain::text::{Language, Text};
use amtsbote_domain::validity::Validity;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::{Algorithm, AlgorithmPolicy, KeyKind, Listed, Purpose, Rule, Since};

/// The keys of a policy.
pub const POLICY_KEYS: &[&str] = &["name", "edition", "allow", "rule"];
/// The keys of `[[allow]]`.
pub const ALLOW_KEYS: &[&str] = &["purpose", "keys", "algorithms"];
/// The keys of `[[rule]]`.
pub const RULE_KEYS: &[&str] = &[
    "id",
    "purposes",
    "algorithms",
    "keys",
    "below_bits",
    "warn_from",
    "refuse_from",
    "legacy",
    "clause",
    "de",
    "en",
];
/// Most rules in a policy.
pub const MAX_RULES: usize = 200;
/// Longest name of a rule in bytes.
const MAX_ID_BYTES: usize = 64;
/// Longest other text in bytes.
const MAX_TEXT_BYTES: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    name: Spanned<String>,
    edition: Spanned<String>,
    allow: Vec<Spanned<RawAllow>>,
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllow {
    purpose: Spanned<String>,
    keys: Vec<Spanned<String>>,
    algorithms: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<String>,
    purposes: Vec<Spanned<String>>,
    #[serde(default)]
    algorithms: Vec<Spanned<String>>,
    #[serde(default)]
    keys: Vec<Spanned<String>>,
    below_bits: Option<Spanned<u32>>,
    warn_from: Option<Spanned<RawSince>>,
    refuse_from: Option<Spanned<RawSince>>,
    #[serde(default)]
    legacy: bool,
    clause: Spanned<String>,
    de: Spanned<String>,
    en: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawSince {
    Day(Datetime),
    Word(String),
}

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {en}")]
pub struct PolicyError {
    /// The octets of the text it is about.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// A word that nobody knows, and those that are known: for a hint at the nearest.
    pub unknown: Option<(String, Vec<&'static str>)>,
    de: String,
    en: String,
}

impl PolicyError {
    /// What is wrong.
    pub fn reason(&self, language: Language) -> &str {
        match language {
            Language::De => &self.de,
            Language::En => &self.en,
        }
    }
}

impl AlgorithmPolicy {
    /// Reads a policy from TOML text.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        let reader = Reader { text };
        let raw: RawPolicy = toml::from_str(text).map_err(|error| {
            let message = error.message();
            reader.wrong(error.span().unwrap_or_default(), message, message)
        })?;
        reader.policy(raw)
    }
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, span: Range<usize>, de: &str, en: &str) -> PolicyError {
        let before = self.text.bytes().take(span.start);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        PolicyError { span, line, unknown: None, de: de.to_owned(), en: en.to_owned() }
    }

    fn policy(&self, raw: RawPolicy) -> Result<AlgorithmPolicy, PolicyError> {
        let mut listed: Vec<Option<Listed>> = vec![None; Purpose::ALL.len()];
        for allow in &raw.allow {
            let span = allow.span();
            let allow = allow.get_ref();
            let purpose = self.purpose(&allow.purpose)?;
            let entry = Listed {
                keys: self.words(&allow.keys, Self::key)?,
                algorithms: self.words(&allow.algorithms, Self::algorithm)?,
            };
            if listed[purpose as usize].replace(entry).is_some() {
                let (de, en) = ("dieser Zweck steht zweimal", "this purpose stands twice");
                return Err(self.wrong(span, de, en));
            }
        }
        // What is left out would be refused as a whole; that is said, not guessed.
        let missing = Purpose::ALL.iter().find(|p| listed[**p as usize].is_none());
        if let Some(purpose) = missing {
            let name = purpose.name();
            return Err(self.wrong(
                0..0,
                &format!("[[allow]] für den Zweck \"{name}\" fehlt"),
                &format!("[[allow]] for the purpose \"{name}\" is missing"),
            ));
        }
        if raw.rule.len() > MAX_RULES {
            return Err(self.wrong(
                raw.rule[MAX_RULES].span(),
                &format!("mehr als {MAX_RULES} Regeln"),
                &format!("more than {MAX_RULES} rules"),
            ));
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(raw.rule.len());
        for rule in &raw.rule {
            let read = self.rule(rule)?;
            if rules.iter().any(|other| other.id == read.id) || read.id == UNLISTED {
                let (de, en) = ("diese id gibt es schon", "this id is taken");
                return Err(self.wrong(rule.get_ref().id.span(), de, en));
            }
            rules.push(read);
        }
        Ok(AlgorithmPolicy {
            name: self.short(&raw.name)?,
            edition: self.short(&raw.edition)?,
            listed: listed.into_iter().flatten().collect(),
            rules,
            unlisted: unlisted(),
        })
    }

    fn rule(&self, spanned: &Spanned<RawRule>) -> Result<Rule, PolicyError> {
        let raw = spanned.get_ref();
        let rule = Rule {
            id: self.id(&raw.id)?,
            purposes: self.words(&raw.purposes, Self::purpose)?,
            algorithms: self.words(&raw.algorithms, Self::algorithm)?,
            keys: self.words(&raw.keys, Self::key)?,
            below_bits: raw.below_bits.as_ref().map(|bits| *bits.get_ref()),
            warn: self.since(raw.warn_from.as_ref())?,
            refuse: self.since(raw.refuse_from.as_ref())?,
            legacy: raw.legacy,
            clause: self.short(&raw.clause)?,
            de: self.short(&raw.de)?,
            en: self.short(&raw.en)?,
        };
        let idle = [
            (rule.purposes.is_empty(), IDLE_PURPOSE),
            (rule.algorithms.is_empty() && rule.keys.is_empty(), IDLE_SUBJECT),
            (rule.warn.is_none() && rule.refuse.is_none(), IDLE_DATES),
            (rule.below_bits.is_some() && rule.keys.is_empty(), IDLE_BITS),
            (rule.legacy && rule.refuse.is_none(), IDLE_LEGACY),
        ];
        match idle.into_iter().find(|(is, _)| *is) {
            Some((_, text)) => Err(self.wrong(spanned.span(), text.de, text.en)),
            None => Ok(rule),
        }
    }

    fn words<T>(
        &self,
        words: &[Spanned<String>],
        read: impl Fn(&Self, &Spanned<String>) -> Result<T, PolicyError>,
    ) -> Result<Vec<T>, PolicyError> {
        words.iter().map(|word| read(self, word)).collect()
    }

    fn purpose(&self, word: &Spanned<String>) -> Result<Purpose, PolicyError> {
        let known = || Purpose::ALL.iter().map(|purpose| purpose.name()).collect();
        self.known(word, Purpose::from_name, known, ("Zweck", "purpose"))
    }

    fn key(&self, word: &Spanned<String>) -> Result<KeyKind, PolicyError> {
        let known = || KeyKind::ALL.iter().map(|kind| kind.name()).collect();
        self.known(word, KeyKind::from_name, known, ("Schlüsselart", "kind of key"))
    }

    fn algorithm(&self, word: &Spanned<String>) -> Result<Algorithm, PolicyError> {
        let known = || Algorithm::all().map(Algorithm::name).collect();
        self.known(word, Algorithm::from_name, known, ("Verfahren", "algorithm"))
    }

    fn known<T>(
        &self,
        word: &Spanned<String>,
        read: impl Fn(&str) -> Option<T>,
        known: impl Fn() -> Vec<&'static str>,
        what: (&str, &str),
    ) -> Result<T, PolicyError> {
        read(word.get_ref()).ok_or_else(|| {
            let shown: String = word.get_ref().chars().take(MAX_ID_BYTES).collect();
            let de = format!("\"{shown}\" ist hier unbekannt ({})", what.0);
            let en = format!("\"{shown}\" is not known here ({})", what.1);
            let error = self.wrong(word.span(), &de, &en);
            PolicyError { unknown: Some((shown, known())), ..error }
        })
    }

    fn since(&self, raw: Option<&Spanned<RawSince>>) -> Result<Option<Since>, PolicyError> {
        let Some(raw) = raw else { return Ok(None) };
        let day = match raw.get_ref() {
            RawSince::Word(word) if word == "always" => return Ok(Some(Since::Ever)),
            RawSince::Word(_) => None,
            RawSince::Day(day) => first_instant(day),
        };
        day.map(|at| Some(Since::From(at))).ok_or_else(|| {
            self.wrong(
                raw.span(),
                "hier steht ein Tag ohne Uhrzeit und ohne Anführungszeichen (2031-01-01), oder \
                 \"always\"",
                "a day without time and without quotes belongs here (2031-01-01), or \"always\"",
            )
        })
    }

    fn id(&self, raw: &Spanned<String>) -> Result<String, PolicyError> {
        let id = raw.get_ref();
        let fits = (1..=MAX_ID_BYTES).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if fits {
            return Ok(id.clone());
        }
        Err(self.wrong(
            raw.span(),
            "eine id besteht aus 1 bis 64 Buchstaben, Ziffern und - _ .",
            "an id has 1 to 64 letters, digits and - _ .",
        ))
    }

    /// A text of one line that is there and not too long.
    fn short(&self, raw: &Spanned<String>) -> Result<String, PolicyError> {
        let text = raw.get_ref();
        if (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Ok(text.clone());
        }
        Err(self.wrong(
            raw.span(),
            "hier steht eine Zeile Text, höchstens 1000 Byte",
            "one line of text belongs here, at most 1000 bytes",
        ))
    }
}

/// A switch date is 00:00 in Germany (P10).
fn first_instant(day: &Datetime) -> Option<amtsbote_domain::Timestamp> {
    let (Some(date), None) = (day.date, day.time) else { return None };
    let year = i16::try_from(date.year).ok()?;
    let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
    let date = jiff::civil::Date::new(year, month, day).ok()?;
    Validity::german_days(Some(date), None).ok()?.from
}

const IDLE_PURPOSE: Text = Text {
    de: "die Regel hat keinen Zweck: purposes ist leer",
    en: "the rule has no purpose: purposes is empty",
};
const IDLE_SUBJECT: Text = Text {
    de: "die Regel betrifft nichts: algorithms oder keys fehlt",
    en: "the rule is about nothing: algorithms or keys is missing",
};
const IDLE_DATES: Text = Text {
    de: "die Regel bewirkt nichts: warn_from oder refuse_from fehlt",
    en: "the rule does nothing: warn_from or refuse_from is missing",
};
const IDLE_BITS: Text = Text {
    de: "below_bits gilt für Schlüssel: keys fehlt",
    en: "below_bits is about keys: keys is missing",
};
const IDLE_LEGACY: Text = Text {
    de: "legacy ändert nur Ablehnungen: refuse_from fehlt",
    en: "legacy changes refusals only: refuse_from is missing",
};

/// The name of the rule that refuses what is not listed.
const UNLISTED: &str = "not-listed";

fn unlisted() -> Rule {
    Rule {
        id: UNLISTED.to_owned(),
        purposes: Purpose::ALL.to_vec(),
        algorithms: Vec::new(),
        keys: Vec::new(),
        below_bits: None,
        warn: None,
        refuse: Some(Since::Ever),
        legacy: false,
        clause: "[[allow]]".to_owned(),
        de: "Die Richtlinie führt dieses Verfahren oder diese Schlüsselart für diesen Zweck nicht \
             auf. Ein aufgeführtes Verfahren verwenden."
            .to_owned(),
        en:
            "The policy does not list this algorithm or this kind of key for this purpose. Use one \
             that it lists."
                .to_owned(),
    }
}
