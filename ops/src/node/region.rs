//! The example region: three counties, their towns, and partners. Names and keys are facts.

use serde::Deserialize;

use crate::outcome::{Context, Failure};

const REGION: &str = include_str!("../../demo/region.toml");

/// What every party of the region offers.
pub(crate) const SERVICE: &str = "urn:amtsbote:service:xummeldung";

/// The region.
#[derive(Debug, Deserialize)]
pub(crate) struct Region {
    /// Counties.
    #[serde(rename = "county")]
    pub(crate) counties: Vec<County>,
    /// Towns.
    #[serde(rename = "town")]
    pub(crate) towns: Vec<Town>,
    /// The data centre whose hub it is.
    pub(crate) hub: Partner,
    /// Sister data centres and the state gateway.
    #[serde(rename = "partner")]
    pub(crate) partners: Vec<Partner>,
}

/// A county.
#[derive(Debug, Deserialize)]
pub(crate) struct County {
    /// Five digits.
    pub(crate) key: String,
    /// Its name.
    pub(crate) name: String,
    /// Its party.
    pub(crate) party: String,
}

/// A town.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Town {
    /// Eight digits.
    pub(crate) ags: String,
    /// Its name.
    pub(crate) name: String,
}

/// A partner.
#[derive(Debug, Deserialize)]
pub(crate) struct Partner {
    /// Its party.
    pub(crate) party: String,
    /// Its name.
    pub(crate) name: String,
}

impl Town {
    /// Its party.
    pub(crate) fn party(&self) -> String {
        format!("ags:{}", self.ags)
    }
}

impl Region {
    /// Reads what the binary carries.
    pub(crate) fn read() -> Result<Self, Failure> {
        toml::from_str(REGION).or_not_now("Beispielregion", "example region")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::party::PartyId;

    #[test]
    fn the_region_is_complete() {
        let region = Region::read().expect("it parses");
        assert_eq!((region.counties.len(), region.towns.len(), region.partners.len()), (3, 36, 3));
        for town in &region.towns {
            PartyId::parse(&town.party()).expect("a party");
            assert!(region.counties.iter().any(|county| town.ags.starts_with(&county.key)));
        }
    }
}
