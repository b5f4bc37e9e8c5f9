//! What all orders have in common, and what all answers have.

use super::blocks::Blocks;
use super::certificates::{IntermediaryCertificates, NonIntermediaryCertificates};
use super::control_block;
use super::desired_languages::DesiredLanguages;
use super::dialogue::Control;
use super::feature_description::FeatureDescription;
use super::refusal::Refusal;
use super::writing::Writing;

/// What is at the head of any message.
pub(super) trait Head {
    fn control(&self) -> &Control;
    fn intermediary(&self) -> Option<&IntermediaryCertificates>;
    fn certificates(&self) -> Option<&NonIntermediaryCertificates>;
    fn features(&self) -> Option<&FeatureDescription>;
}

macro_rules! heads {
    ($($name:ty, $intermediary:expr, $certificates:expr;)*) => {$(
        impl Head for $name {
            fn control(&self) -> &Control {
                &self.control
            }

            fn intermediary(&self) -> Option<&IntermediaryCertificates> {
                let get: fn(&Self) -> Option<&IntermediaryCertificates> = $intermediary;
                get(self)
            }

            fn certificates(&self) -> Option<&NonIntermediaryCertificates> {
                let get: fn(&Self) -> Option<&NonIntermediaryCertificates> = $certificates;
                get(self)
            }

            fn features(&self) -> Option<&FeatureDescription> {
                self.features.as_ref()
            }
        }
    )*};
}

heads! {
    OrderHead, |head| head.intermediary.as_ref(), |head| head.certificates.as_ref();
    ResponseHead, |head| head.intermediary.as_ref(), |_| None;
    RecipientHead, |_| None, |head| head.certificates.as_ref();
}

/// What every order carries besides what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderHead {
    /// Where it stands in the dialogue.
    pub control: Control,
    /// In which languages feedback is wanted.
    pub languages: DesiredLanguages,
    /// Certificates of the intermediary; only in orders to passive recipients.
    pub intermediary: Option<IntermediaryCertificates>,
    /// Certificates of everybody else.
    pub certificates: Option<NonIntermediaryCertificates>,
    /// What the client can do. Other clients than the reference library leave it out.
    pub features: Option<FeatureDescription>,
}

impl OrderHead {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        let intermediary =
            if blocks.kind.is_with_recipient() { blocks.intermediary()? } else { None };
        Ok(Self {
            control: blocks.control()?,
            languages: blocks.languages()?,
            intermediary,
            certificates: blocks.non_intermediary()?,
            features: blocks.features()?,
        })
    }

    /// The blocks before that of the order.
    pub(super) fn begin(&self, out: &mut Writing) {
        control_block::write(&self.control, out);
        self.languages.write(out);
    }

    /// The blocks behind that of the order.
    pub(super) fn end(&self, out: &mut Writing) {
        if let Some(certificates) = &self.intermediary {
            if !out.kind.is_with_recipient() {
                out.refuse_form("IntermediaryCertificates", "only towards a passive recipient");
            }
            certificates.write(out);
        }
        if let Some(certificates) = &self.certificates {
            certificates.write(out);
        }
        if let Some(features) = &self.features {
            features.write(out);
        }
    }
}

/// What every answer of an intermediary carries besides what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Where it stands in the dialogue.
    pub control: Control,
    /// Certificates of the intermediary.
    pub intermediary: Option<IntermediaryCertificates>,
    /// What the intermediary can do.
    pub features: Option<FeatureDescription>,
}

impl ResponseHead {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            control: blocks.control()?,
            intermediary: blocks.intermediary()?,
            features: blocks.features()?,
        })
    }

    /// The block before that of the answer.
    pub(super) fn begin(&self, out: &mut Writing) {
        control_block::write(&self.control, out);
    }

    /// The blocks behind that of the answer; with `certificates` where there is content.
    pub(super) fn end(
        &self,
        certificates: Option<&NonIntermediaryCertificates>,
        out: &mut Writing,
    ) {
        if let Some(certificates) = &self.intermediary {
            certificates.write(out);
        }
        if let Some(certificates) = certificates {
            certificates.write(out);
        }
        if let Some(features) = &self.features {
            features.write(out);
        }
    }
}

/// What the answer of a passive recipient carries besides what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientHead {
    /// The response to the challenge of the intermediary.
    pub control: Control,
    /// Certificates of the recipient, and of those whose content it sends.
    pub certificates: Option<NonIntermediaryCertificates>,
    /// What the recipient can do; the reference library does not say.
    pub features: Option<FeatureDescription>,
}

impl RecipientHead {
    pub(super) fn read(blocks: &mut Blocks<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            control: blocks.control()?,
            certificates: blocks.non_intermediary()?,
            features: blocks.features()?,
        })
    }

    /// The blocks behind that of the answer.
    pub(super) fn end(&self, out: &mut Writing) {
        if let Some(certificates) = &self.certificates {
            certificates.write(out);
        }
        if let Some(features) = &self.features {
            features.write(out);
        }
    }
}
