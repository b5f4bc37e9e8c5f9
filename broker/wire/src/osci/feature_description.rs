//! FeatureDescription: what an implementation can do (`FeatureDescriptionType` of `EFFI.xsd`).

use super::element::Element;
use super::limits::Limits;
use super::names::OSCI2017;
use super::refusal::Refusal;
use super::values::whole_number;
use super::writing::Writing;

/// One thing that an implementation can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, e.g. `OAEPEncryption`.
    pub key: String,
    /// Since which version of the standard or of the library, e.g. `1.6.0`.
    pub version: String,
}

/// What an implementation can do, and how it takes large messages in chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureDescription {
    /// Features; written only with one at least.
    pub features: Vec<Feature>,
    /// Largest chunk in kB; never 0.
    pub max_chunk_size: Option<u64>,
    /// Smallest chunk but the last one, in kB; never 0.
    pub min_chunk_size: Option<u64>,
    /// Largest message in kB; never 0.
    pub max_message_size: Option<u64>,
    /// Minutes after which a message that is not whole is given up; never 0.
    pub chunk_message_time_out: Option<u64>,
}

impl FeatureDescription {
    pub(super) fn read(element: Element, limits: &Limits) -> Result<Self, Refusal> {
        const NAME: &str = "FeatureDescription";
        let size = |name: &str| {
            let value = element.attribute(name).map(|text| {
                let number = whole_number(text).filter(|number| *number > 0);
                number.ok_or_else(|| element.refusal(NAME, "sizes and times are positive numbers"))
            });
            value.transpose()
        };
        let mut found = Self {
            features: Vec::new(),
            max_chunk_size: size("MaxChunkSize")?,
            min_chunk_size: size("MinChunkSize")?,
            max_message_size: size("MaxMessageSize")?,
            chunk_message_time_out: size("ChunkMessageTimeOut")?,
        };
        let mut children = element.into_children(NAME)?;
        if let Some(supported) = children.optional_ns(OSCI2017, "SupportedFeatures") {
            let mut features = supported.into_children("SupportedFeatures")?;
            while let Some(feature) = features.optional_ns(OSCI2017, "Feature") {
                if found.features.len() == limits.features {
                    return Err(Refusal::Limit { place: feature.place(), limit: "features" });
                }
                let value = |name: &str, rule| {
                    let value = feature.demand(name, "Feature", rule)?;
                    let fits = value.len() <= limits.value_bytes;
                    let rule = "Key and Version are short";
                    if fits { Ok(value.to_owned()) } else { Err(feature.refusal("Feature", rule)) }
                };
                let key = value("Key", "Key is missing")?;
                let version = value("Version", "Version is missing")?;
                feature.empty("Feature")?;
                found.features.push(Feature { key, version });
            }
            features.end()?;
        }
        children.end()?;
        Ok(found)
    }

    pub(super) fn write(&self, out: &mut Writing) {
        if self.features.is_empty() {
            out.refuse_form("FeatureDescription", "one feature at least");
        }
        let sizes = [
            ("ChunkMessageTimeOut", self.chunk_message_time_out),
            ("MaxChunkSize", self.max_chunk_size),
            ("MaxMessageSize", self.max_message_size),
            ("MinChunkSize", self.min_chunk_size),
        ];
        if sizes.iter().any(|(_, size)| *size == Some(0)) {
            out.refuse_form("FeatureDescription", "sizes and times are positive numbers");
        }
        let sizes = sizes.map(|(name, size)| (name, size.map(|size| size.to_string())));
        let attributes: Vec<(&str, &str)> = sizes
            .iter()
            .filter_map(|(name, size)| size.as_deref().map(|size| (*name, size)))
            .collect();
        out.remark("osci2017:FeatureDescription", "featuredescription", &attributes, |xml| {
            xml.element("osci2017:SupportedFeatures", &[], |xml| {
                for Feature { key, version } in &self.features {
                    xml.empty("osci2017:Feature", &[("Key", key), ("Version", version)]);
                }
            });
        });
    }
}
