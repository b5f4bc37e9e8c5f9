//! The header blocks of a message before it is known what they mean together.

use amtsbote_schemas::xml::Position;

use super::certificates::{IntermediaryCertificates, NonIntermediaryCertificates};
use super::control_block;
use super::desired_languages::DesiredLanguages;
use super::dialogue::Control;
use super::element::{Children, Element};
use super::feature_description::FeatureDescription;
use super::feedback::Code;
use super::limits::Limits;
use super::message_type::MessageType;
use super::quality_of_timestamp::QualityOfTimestamp;
use super::refusal::Refusal;

/// Blocks that a message is put together from; each is taken once.
pub(super) struct Blocks<'l> {
    pub(super) kind: MessageType,
    pub(super) limits: &'l Limits,
    /// Where the envelope begins: the place of what is not there.
    pub(super) place: Position,
    pub(super) found: Found,
}

/// What was found in header and body. Signatures, content and blocks of others are not among it.
#[derive(Default)]
pub(super) struct Found {
    pub(super) control: Option<Element>,
    pub(super) languages: Option<Element>,
    pub(super) quality: Vec<Element>,
    pub(super) intermediary: Option<Element>,
    pub(super) non_intermediary: Option<Element>,
    pub(super) features: Option<Element>,
    /// The element that makes the message what it is.
    pub(super) order: Option<Element>,
}

impl Blocks<'_> {
    pub(super) fn control(&mut self) -> Result<Control, Refusal> {
        let element = self.found.control.take();
        let element = element.ok_or_else(|| self.missing("ControlBlock"))?;
        control_block::read(element, self.kind, self.limits)
    }

    pub(super) fn languages(&mut self) -> Result<DesiredLanguages, Refusal> {
        let element = self.found.languages.take();
        let element = element.ok_or_else(|| self.missing("DesiredLanguages"))?;
        DesiredLanguages::read(element, self.limits)
    }

    /// The time stamps demanded; `least` of the two must be there.
    pub(super) fn quality(&mut self, least: usize) -> Result<QualityOfTimestamp, Refusal> {
        let elements = std::mem::take(&mut self.found.quality);
        let found = QualityOfTimestamp::read(elements, self.limits)?;
        if found.count() < least { Err(self.missing("QualityOfTimestamp")) } else { Ok(found) }
    }

    pub(super) fn intermediary(&mut self) -> Result<Option<IntermediaryCertificates>, Refusal> {
        let element = self.found.intermediary.take();
        element.map(|found| IntermediaryCertificates::read(found, self.limits)).transpose()
    }

    pub(super) fn non_intermediary(
        &mut self,
    ) -> Result<Option<NonIntermediaryCertificates>, Refusal> {
        let element = self.found.non_intermediary.take();
        let place = element.as_ref().map_or(self.place, Element::place);
        let found = element
            .map(|found| NonIntermediaryCertificates::read(found, self.limits))
            .transpose()?;
        let cipher = found.as_ref().and_then(|found| found.cipher_originator.as_ref());
        if self.kind == MessageType::InitDialog && cipher.is_none() {
            // The answers of the dialogue are encrypted for it.
            let element = "NonIntermediaryCertificates";
            let rule = "CipherCertificateOriginator is missing";
            let code = Code::ClientCipherCertificateMissing;
            return Err(Refusal::Form { place, element, rule, code });
        }
        let addressee = found.as_ref().and_then(|found| found.cipher_addressee.as_ref());
        let stored =
            matches!(self.kind, MessageType::StoreDelivery | MessageType::PartialStoreDelivery);
        if stored && addressee.is_none() {
            // It names the mailbox.
            let rule = "CipherCertificateAddressee is missing";
            return Err(Refusal::order(place, "NonIntermediaryCertificates", rule));
        }
        Ok(found)
    }

    pub(super) fn features(&mut self) -> Result<Option<FeatureDescription>, Refusal> {
        let element = self.found.features.take();
        element.map(|found| FeatureDescription::read(found, self.limits)).transpose()
    }

    /// The element that makes the message what it is.
    pub(super) fn element(&mut self) -> Result<Element, Refusal> {
        self.found.order.take().ok_or_else(|| self.missing("order"))
    }

    /// What is in it.
    pub(super) fn order(&mut self) -> Result<Children, Refusal> {
        let name = self.kind.element();
        self.element()?.into_children(name)
    }

    /// That every block was used: one that means nothing in this message could mean something to
    /// somebody else.
    pub(super) fn end(self) -> Result<(), Refusal> {
        let Found { control, languages, quality, intermediary, non_intermediary, features, order } =
            self.found;
        let rest = [control, languages, intermediary, non_intermediary, features, order];
        match rest.into_iter().flatten().chain(quality).next() {
            None => Ok(()),
            Some(strange) => {
                let rule = "a block that does not belong to this message";
                Err(Refusal::order(strange.place(), "Header", rule))
            }
        }
    }

    fn missing(&self, element: &'static str) -> Refusal {
        Refusal::order(self.place, element, "is missing")
    }
}
