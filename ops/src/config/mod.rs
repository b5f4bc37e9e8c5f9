//! Configuration in two steps: files become raw tables, which know only names and types; raw
//! tables become what the hub and the client library take, read, parsed and free of contradiction.

pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod delivery;
pub(crate) mod directory;
pub(crate) mod fleet;
pub(crate) mod hints;
pub(crate) mod node;
pub(crate) mod objects;
pub(crate) mod permissions;
pub(crate) mod policy;
pub(crate) mod raw;
mod store;
pub(crate) mod table;
pub(crate) mod trust;

use std::path::{Path, PathBuf};

use amtsbote_domain::validity::Validity;
use jiff::civil::Date;
use toml::Spanned;
use toml::value::Datetime;

use crate::outcome::Failure;
use table::Source;

/// Where a node's configuration lies: flag, then environment, then the usual places.
pub(crate) fn node_file(flag: Option<&Path>) -> Result<PathBuf, Failure> {
    let usual = [PathBuf::from("amtsbote.toml"), PathBuf::from("/etc/amtsbote/amtsbote.toml")];
    find(flag, "AMTSBOTE_CONFIG", &usual)
}

/// Where a client's configuration lies.
pub(crate) fn client_file(flag: Option<&Path>) -> Result<PathBuf, Failure> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let usual: Vec<PathBuf> =
        home.into_iter().map(|home| home.join("amtsbote").join("client.toml")).collect();
    find(flag, "AMTSBOTE_CLIENT", &usual)
}

fn find(flag: Option<&Path>, variable: &str, usual: &[PathBuf]) -> Result<PathBuf, Failure> {
    if let Some(path) = flag {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
        return Ok(path.into());
    }
    usual.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let places =
            usual.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        Failure::usage(
            format!(
                "keine Konfiguration gefunden (--config, {variable}, {places}); \
                 'amtsbote init DIR --dev' legt eine an"
            ),
            format!(
                "no configuration found (--config, {variable}, {places}); \
                 'amtsbote init DIR --dev' makes one"
            ),
        )
    })
}

/// From the day, until the end of the day, in Germany.
fn validity(
    source: &Source,
    from: Option<&Spanned<Datetime>>,
    until: Option<&Spanned<Datetime>>,
) -> Result<Validity, Failure> {
    let day = |value: Option<&Spanned<Datetime>>| value.map(|value| day(source, value)).transpose();
    let (first, last) = (day(from)?, day(until)?);
    if let (Some(first), Some(last), Some(until)) = (first, last, until)
        && last < first
    {
        return Err(source.wrong(
            &until.span(),
            "valid_until liegt vor valid_from",
            "valid_until is before valid_from",
        ));
    }
    Validity::german_days(first, last).map_err(|error| {
        let span = from.or(until).map(Spanned::span).unwrap_or_default();
        source.wrong(&span, &error, &error)
    })
}

/// A day, without a time.
fn day(source: &Source, value: &Spanned<Datetime>) -> Result<Date, Failure> {
    let written = value.get_ref();
    let bare = written.date.filter(|_| written.time.is_none());
    bare.and_then(civil_date).ok_or_else(|| {
        source.wrong(
            &value.span(),
            "hier steht ein Tag, ohne Uhrzeit und ohne Anführungszeichen: 2026-05-01",
            "a day belongs here, without time and without quotes: 2026-05-01",
        )
    })
}

fn civil_date(date: toml::value::Date) -> Option<Date> {
    let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
    Date::new(i16::try_from(date.year).ok()?, month, day).ok()
}

/// Reads a value of its own type; says what would be allowed, at its line.
fn parsed<T>(source: &Source, value: &Spanned<String>) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    value.get_ref().parse().map_err(|error: T::Err| source.wrong(&value.span(), &error, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    table::table! {
        Days { valid_from: Option<Spanned<Datetime>>, valid_until: Option<Spanned<Datetime>>, }
    }

    fn days(text: &str) -> Result<Validity, Failure> {
        let source = Source::from_text(text);
        let days: Days = source.parse()?;
        validity(&source, days.valid_from.as_ref(), days.valid_until.as_ref())
    }

    #[test]
    fn days_are_german_days() {
        let span = days("valid_from = 2026-05-01\nvalid_until = 2026-10-31\n").expect("days");
        assert_eq!(span.from.map(|at| at.to_string()).as_deref(), Some("2026-04-30T22:00:00Z"));
        assert_eq!(span.until.map(|at| at.to_string()).as_deref(), Some("2026-10-31T23:00:00Z"));
        assert_eq!(days("").expect("no days"), Validity::default());
    }

    #[test]
    fn times_and_turned_spans_are_refused_with_their_line() {
        for text in [
            "\nvalid_from = 2026-05-01T00:00:00Z\n",
            "\nvalid_until = 12:00:00\n",
            "valid_from = 2026-05-01\nvalid_until = 2026-04-30\n",
        ] {
            let failure = days(text).expect_err(text);
            assert!(failure.text(Language::En).contains("line 2"), "{failure:?}");
        }
    }
}
