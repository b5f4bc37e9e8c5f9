//! ChunkInformation: which chunk of a large message this is (`EFFI.xsd`).

use super::element::{Children, Element};
use super::limits::Limits;
use super::names::OSCI2017;
use super::refusal::Refusal;
use super::values::whole_number;
use super::writing::Xml;

/// Which of its values a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRule {
    pub(super) chunk_size: bool,
    pub(super) received_chunks: bool,
    pub(super) total_chunk_numbers: bool,
    pub(super) total_message_size: bool,
}

/// Which chunk of a large message is meant (`ChunkInformationTemplate`). Which values must be there
/// depends on the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkInformation {
    /// The number of the chunk, from 1.
    pub chunk_number: u64,
    /// The size of chunks in kB.
    pub chunk_size: Option<u64>,
    /// The numbers of the chunks received so far, parted by spaces; any text by the schema. The
    /// reference library writes `-1` for none.
    pub received_chunks: Option<String>,
    /// How many chunks there are.
    pub total_chunk_numbers: Option<u64>,
    /// The size of the message in kB.
    pub total_message_size: Option<u64>,
}

const NAME: &str = "ChunkInformation";
const RULE: &str = "the values that the schema demands in this message, each a number";

impl ChunkInformation {
    /// The next child, which must be it.
    pub(super) fn required(
        children: &mut Children,
        rule: ChunkRule,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let element = children.optional_ns(OSCI2017, NAME);
        let element = element.ok_or_else(|| children.refusal("ChunkInformation is missing"))?;
        Self::read(element, rule, limits)
    }

    pub(super) fn read(
        element: Element,
        rule: ChunkRule,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let number = |name: &str| {
            let value = element.attribute(name);
            value.map(|text| whole_number(text).ok_or_else(|| element.refusal(NAME, RULE)))
        };
        let found = Self {
            chunk_number: number("ChunkNumber").ok_or_else(|| element.refusal(NAME, RULE))??,
            chunk_size: number("ChunkSize").transpose()?,
            received_chunks: element.attribute("ReceivedChunks").map(str::to_owned),
            total_chunk_numbers: number("TotalChunkNumbers").transpose()?,
            total_message_size: number("TotalMessageSize").transpose()?,
        };
        let long = |text: &String| text.len() > limits.token_bytes;
        if found.received_chunks.as_ref().is_some_and(long) {
            return Err(Refusal::Limit { place: element.place(), limit: "bytes of a value" });
        }
        if found.fits(rule) {
            element.empty(NAME)?;
            Ok(found)
        } else {
            Err(element.refusal(NAME, RULE))
        }
    }

    pub(super) fn write(&self, xml: &mut Xml, rule: ChunkRule) {
        if !self.fits(rule) {
            xml.refuse(NAME, RULE);
        }
        let number = |value: Option<u64>| value.map(|number| number.to_string());
        let values = [
            ("ChunkNumber", Some(self.chunk_number.to_string())),
            ("ChunkSize", number(self.chunk_size)),
            ("ReceivedChunks", self.received_chunks.clone()),
            ("TotalChunkNumbers", number(self.total_chunk_numbers)),
            ("TotalMessageSize", number(self.total_message_size)),
        ];
        let attributes: Vec<(&str, &str)> = values
            .iter()
            .filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)))
            .collect();
        xml.empty("osci2017:ChunkInformation", &attributes);
    }

    /// Whether who received this chunk has all `total` of them, by what it said it has
    /// ([`ChunkInformation::received_chunks`]). What it has twice counts once.
    pub fn completes(&self, total: u64) -> bool {
        let said = self.received_chunks.as_deref().unwrap_or_default();
        let parts = said.split([' ', ',', '\t', '\r', '\n']).filter_map(whole_number);
        let mut has: Vec<u64> = parts.chain([self.chunk_number]).collect();
        has.retain(|number| (1..=total).contains(number));
        has.sort_unstable();
        has.dedup();
        total > 0 && has.len() as u64 == total
    }

    fn fits(&self, rule: ChunkRule) -> bool {
        self.chunk_size.is_some() == rule.chunk_size
            && self.received_chunks.is_some() == rule.received_chunks
            && self.total_chunk_numbers.is_some() == rule.total_chunk_numbers
            && self.total_message_size.is_some() == rule.total_message_size
    }
}
