//! ContentReceiver: where a passive recipient is called.

use super::element::Children;
use super::limits::Limits;
use super::refusal::Refusal;
use super::writing::Xml;

/// The next child, which must be it: its URI, which the schema does not demand.
pub(super) fn read(children: &mut Children, limits: &Limits) -> Result<Option<String>, Refusal> {
    const NAME: &str = "ContentReceiver";
    let receiver = children.required(NAME, "ContentReceiver is missing")?;
    let uri = receiver.attribute("URI").map(|uri| uri.trim().to_owned());
    if uri.as_ref().is_some_and(|uri| uri.len() > limits.value_bytes) {
        return Err(Refusal::Limit { place: receiver.place(), limit: "bytes of a value" });
    }
    receiver.empty(NAME)?;
    Ok(uri)
}

pub(super) fn write(xml: &mut Xml, uri: Option<&str>) {
    let uri = uri.map(|uri| ("URI", uri));
    xml.empty("osci:ContentReceiver", uri.as_slice());
}
