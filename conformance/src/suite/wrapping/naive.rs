//! A careless verifier, as many have been written: it looks for the signature and for what it
//! refers to anywhere in the document, and then reads the value by its local name. The attacks must
//! take it in, else they would show nothing.

use super::ground::Ground;
use super::map::{Map, attribute};
use super::remade::{by_id, canonical, digest, method_of};

/// What the genuine signature said, and where the value was.
pub(super) struct Naive {
    signed_info: Vec<u8>,
    value: Vec<u8>,
    local: String,
    attribute: Option<(String, String)>,
}

impl Naive {
    /// None where even the original does not fit its simple rules.
    pub(super) fn of(ground: &Ground<'_>) -> Option<Self> {
        let (signed_info, value) = genuine(ground.document, ground.map, ground.signature)?;
        let local = ground.map.elements[ground.victim.element].tag.local.clone();
        let attribute = ground.victim.attribute.clone();
        let naive = Self { signed_info, value, local, attribute };
        naive.holds(ground.document, ground.map, true).then_some(naive)
    }

    /// Whether one of its kinds lets the forged value through.
    pub(super) fn is_fooled(&self, document: &[u8], map: &Map, forged: &str) -> bool {
        let reads_forged = self.reads(document, map).iter().any(|value| value.contains(forged));
        reads_forged && [true, false].into_iter().any(|first| self.holds(document, map, first))
    }

    /// The first and the last value of the name it knows.
    fn reads(&self, document: &[u8], map: &Map) -> Vec<String> {
        let mut values =
            map.elements.iter().filter(|e| e.tag.local == self.local).filter_map(|e| {
                match &self.attribute {
                    None => Some(e.text.clone()),
                    Some((namespace, local)) => {
                        let mut own = e.tag.attributes.iter();
                        let own = own.find(|a| a.namespace == *namespace && a.local == *local)?;
                        let (_, value) = attribute(document, own)?;
                        Some(String::from_utf8_lossy(&document[value]).into_owned())
                    }
                }
            });
        let first = values.next();
        let last = values.next_back();
        first.into_iter().chain(last).collect()
    }

    /// Whether some signature has the genuine value over the genuine octets, and the digests of
    /// what its references name, taking the first or the last element of an Id.
    fn holds(&self, document: &[u8], map: &Map, first: bool) -> bool {
        map.signatures().any(|signature| {
            let Some((signed_info, value)) = genuine(document, map, signature) else {
                return false;
            };
            signed_info == self.signed_info
                && value == self.value
                && map.children(signature, "SignedInfo").next().is_some_and(|signed_info| {
                    let mut references = map.children(signed_info, "Reference");
                    references.all(|reference| fits(document, map, signature, reference, first))
                })
        })
    }
}

fn fits(document: &[u8], map: &Map, signature: usize, reference: usize, first: bool) -> bool {
    let uri = map.elements[reference].tag.attribute("URI").unwrap_or_default();
    let Some(id) = uri.strip_prefix('#') else {
        // What is not in the document it takes as it is.
        let digest = digest(document, map, signature, reference, None);
        return !uri.is_empty() || digest.is_some_and(|found| is_value(document, &found));
    };
    let mut named = by_id(map, id);
    let element = if first { named.next() } else { named.last() };
    let digest = digest(document, map, signature, reference, element);
    element.is_some() && digest.is_some_and(|found| is_value(document, &found))
}

fn is_value(document: &[u8], (digest, place): &(Vec<u8>, std::ops::Range<usize>)) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let mut written = document[place.clone()].to_vec();
    written.retain(|byte| !byte.is_ascii_whitespace());
    STANDARD.encode(digest).as_bytes() == written
}

/// The canonical `SignedInfo` of a signature and its value.
fn genuine(document: &[u8], map: &Map, signature: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let signed_info = map.children(signature, "SignedInfo").next()?;
    let method = map.children(signed_info, "CanonicalizationMethod").next()?;
    let octets = canonical(document, method_of(map, method)?, map, signed_info, None);
    let value = map.children(signature, "SignatureValue").next()?;
    Some((octets, document[map.elements[value].inner.clone()].to_vec()))
}
