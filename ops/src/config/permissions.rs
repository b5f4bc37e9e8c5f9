//! `permissions.toml`: who may send which service to whom. What no line allows is not allowed.

use amtsbote_domain::identity::MessageType;
use amtsbote_domain::policy::{Pattern, Permissions, Rule};
use toml::Spanned;

use super::raw::{RawAllow, RawPermissions};
use super::table::Source;
use super::validity;
use crate::outcome::Failure;

/// Reads the table; each rule is named after its file and line.
pub(crate) fn read(source: &Source) -> Result<Permissions, Failure> {
    let raw: RawPermissions = source.parse()?;
    let rules = raw.allow.iter().map(|allow| rule(source, allow)).collect::<Result<_, _>>()?;
    Ok(Permissions::new(rules))
}

fn rule(source: &Source, allow: &Spanned<RawAllow>) -> Result<Rule, Failure> {
    let raw = allow.get_ref();
    let types = raw.types.as_ref().map(|types| {
        types.iter().map(|value| super::parsed::<MessageType>(source, value)).collect()
    });
    Ok(Rule {
        name: format!("{}:{}", source.name(), source.line(&allow.span())),
        from: pattern(source, &raw.from)?,
        to: pattern(source, &raw.to)?,
        service: pattern(source, &raw.service)?,
        types: types.transpose()?,
        validity: validity(source, raw.valid_from.as_ref(), raw.valid_until.as_ref())?,
    })
}

pub(super) fn pattern(source: &Source, value: &Spanned<String>) -> Result<Pattern, Failure> {
    Pattern::parse(value.get_ref()).map_err(|error| {
        source.wrong(
            &value.span(),
            "ein Muster ist ein Name, oder der Anfang eines Namens und am Ende ein einziger *",
            error,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::Timestamp;
    use amtsbote_domain::identity::ServiceUri;
    use amtsbote_domain::party::PartyId;
    use amtsbote_domain::text::Language;

    const TABLE: &str = r#"
        [[allow]]
        from = "ags:05766*"
        to = "ags:*"
        service = "urn:example:ummeldung"
        types = ["0100"]
        valid_from = 2026-01-01
    "#;

    #[test]
    fn a_rule_is_named_after_its_line() {
        let permissions = read(&Source::from_text(TABLE)).expect("a table");
        let permit = permissions.explain(
            &PartyId::parse("ags:05766044").expect("a party"),
            &PartyId::parse("ags:05766020").expect("a party"),
            &ServiceUri::parse("urn:example:ummeldung").expect("a service"),
            Some(&MessageType::parse("0100").expect("a type")),
            "2026-05-01T00:00:00Z".parse::<Timestamp>().expect("an instant"),
        );
        assert_eq!(permit.expect("allowed").rule(), "test.toml:2");
    }

    #[test]
    fn a_star_in_the_middle_is_refused_at_its_line() {
        let text = TABLE.replace("ags:*", "a*gs");
        let failure = read(&Source::from_text(&text)).expect_err("no pattern");
        assert!(failure.text(Language::De).contains("Zeile 4"), "{failure:?}");
    }
}
