//! Who may send which service to whom: a table, and nothing besides it (deny by default).

use jiff::Timestamp;

use crate::identity::{MessageType, ServiceUri};
use crate::message::Metadata;
use crate::party::PartyId;
use crate::validity::Validity;

/// A pattern for parties or services: literal, or literal with one `*` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    literal: String,
    open: bool,
}

/// A text that is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern is a name, or the beginning of one followed by a single * at its end")]
pub struct BadPattern;

impl Pattern {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let (literal, open) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if literal.contains('*') || (literal.is_empty() && !open) {
            return Err(BadPattern);
        }
        Ok(Self { literal: literal.to_owned(), open })
    }

    /// Whether `text` fits.
    pub fn fits(&self, text: &str) -> bool {
        if self.open { text.starts_with(&self.literal) } else { text == self.literal }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands, for `why` and `route explain`, e.g. `permissions.toml:1`.
    pub name: String,
    /// Authors.
    pub from: Pattern,
    /// Readers.
    pub to: Pattern,
    /// Services.
    pub service: Pattern,
    /// Message types; none means all.
    pub types: Option<Vec<MessageType>>,
    /// Since when, until when.
    pub validity: Validity,
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    rules: Vec<Rule>,
}

/// Proof that a rule of the table allows a message; only [`Permissions::permit`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePermit {
    rule: String,
}

impl RoutePermit {
    /// The name of the rule that allowed it.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl Permissions {
    /// A table of these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether nothing at all is allowed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that allows `metadata` at `arrival`.
    pub fn permit(&self, metadata: &Metadata, arrival: Timestamp) -> Option<RoutePermit> {
        self.explain(
            &metadata.author,
            &metadata.reader,
            &metadata.service,
            metadata.message_type.as_ref(),
            arrival,
        )
    }

    /// The same for the bare four facts: what `route explain` asks.
    pub fn explain(
        &self,
        from: &PartyId,
        to: &PartyId,
        service: &ServiceUri,
        message_type: Option<&MessageType>,
        at: Timestamp,
    ) -> Option<RoutePermit> {
        self.rules
            .iter()
            .find(|rule| {
                rule.from.fits(from.as_str())
                    && rule.to.fits(to.as_str())
                    && rule.service.fits(service.as_str())
                    && rule
                        .types
                        .as_ref()
                        .is_none_or(|types| message_type.is_some_and(|t| types.contains(t)))
                    && rule.validity.holds(at)
            })
            .map(|rule| RoutePermit { rule: rule.name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str, service: &str, types: Option<&[&str]>) -> Rule {
        let pattern = |text| Pattern::parse(text).expect("a pattern");
        Rule {
            name: "test:1".into(),
            from: pattern(from),
            to: pattern(to),
            service: pattern(service),
            types: types
                .map(|t| t.iter().map(|t| MessageType::parse(t).expect("a type")).collect()),
            validity: Validity::default(),
        }
    }

    fn allowed(table: &Permissions, from: &str, to: &str, message_type: Option<&str>) -> bool {
        let party = |text| PartyId::parse(text).expect("a party");
        let service = ServiceUri::parse("urn:example:ummeldung").expect("a service");
        let message_type = message_type.map(|t| MessageType::parse(t).expect("a type"));
        table
            .explain(
                &party(from),
                &party(to),
                &service,
                message_type.as_ref(),
                Timestamp::UNIX_EPOCH,
            )
            .is_some()
    }

    #[test]
    fn nothing_is_allowed_that_no_rule_allows() {
        assert!(!allowed(&Permissions::default(), "ags:05766044", "ags:05766044", None));
        let table = Permissions::new(vec![rule(
            "ags:05766*",
            "ags:*",
            "urn:example:ummeldung",
            Some(&["0100", "0101"]),
        )]);
        assert!(allowed(&table, "ags:05766044", "ags:05758012", Some("0100")));
        assert!(!allowed(&table, "ags:05770032", "ags:05758012", Some("0100")), "another county");
        assert!(!allowed(&table, "ags:05766044", "art:1", Some("0100")), "another prefix");
        assert!(!allowed(&table, "ags:05766044", "ags:05758012", Some("0102")), "another type");
        assert!(
            !allowed(&table, "ags:05766044", "ags:05758012", None),
            "no type, rule names types"
        );
    }

    #[test]
    fn a_star_stands_only_at_the_end() {
        for text in ["", "a*b", "**", "*a"] {
            assert_eq!(Pattern::parse(text), Err(BadPattern), "{text:?}");
        }
        assert!(Pattern::parse("*").expect("a pattern").fits("anything"));
    }
}
