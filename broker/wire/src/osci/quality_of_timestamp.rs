//! QualityOfTimestamp: how a time is to be stamped (`QualityOfTimestampType`).

use super::element::Element;
use super::limits::Limits;
use super::refusal::Refusal;
use super::values::words;
use super::writing::Writing;

words! {
    /// How good a time stamp is to be.
    Quality {
        /// The clock of the intermediary.
        Plain "plain",
        /// A token of a time-stamping authority (RFC 3161).
        Cryptographic "cryptographic",
    }
}

words! {
    /// Which time is stamped.
    Service {
        /// When the delivery was made.
        Creation "creation",
        /// When it was received.
        Reception "reception",
    }
}

/// What a client demands of time stamps, for each of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QualityOfTimestamp {
    /// For the time of creation.
    pub creation: Option<Quality>,
    /// For the time of reception.
    pub reception: Option<Quality>,
}

impl QualityOfTimestamp {
    /// Both plain.
    pub const PLAIN: Self =
        Self { creation: Some(Quality::Plain), reception: Some(Quality::Plain) };

    /// Reads all blocks of that name.
    pub(super) fn read(elements: Vec<Element>, _: &Limits) -> Result<Self, Refusal> {
        const NAME: &str = "QualityOfTimestamp";
        let mut all = Self::default();
        for element in elements {
            let word = element.demand("Service", NAME, "Service is missing")?;
            let service = Service::parse(word);
            let service =
                service.ok_or_else(|| element.refusal(NAME, "Service: creation or reception"))?;
            let word = element.demand("Quality", NAME, "Quality is missing")?;
            let quality = Quality::parse(word);
            let quality =
                quality.ok_or_else(|| element.refusal(NAME, "Quality: plain or cryptographic"))?;
            let slot = match service {
                Service::Creation => &mut all.creation,
                Service::Reception => &mut all.reception,
            };
            if slot.replace(quality).is_some() {
                return Err(element.refusal(NAME, "one for each Service at most"));
            }
            element.empty(NAME)?;
        }
        Ok(all)
    }

    /// How many of the two are there.
    pub(super) fn count(&self) -> usize {
        usize::from(self.creation.is_some()) + usize::from(self.reception.is_some())
    }

    pub(super) fn write(&self, out: &mut Writing) {
        let both = [
            (Service::Creation, self.creation, "qualityoftimestamp_creation"),
            (Service::Reception, self.reception, "qualityoftimestamp_reception"),
        ];
        for (service, quality, id) in both {
            if let Some(quality) = quality {
                let attributes = [("Quality", quality.as_str()), ("Service", service.as_str())];
                out.block("osci:QualityOfTimestamp", id, &attributes, |_| {});
            }
        }
    }
}

impl QualityOfTimestamp {
    /// Both, which must be there.
    pub(super) fn write_both(&self, out: &mut Writing) {
        if self.count() < 2 {
            out.refuse_form("QualityOfTimestamp", "one for creation and one for reception");
        }
        self.write(out);
    }
}
