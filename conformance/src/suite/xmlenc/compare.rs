//! What a decrypted vector must look like: its plaintext put in the place of the ciphertext, which
//! only a test does, and compared in canonical form.

use std::convert::Infallible;

use amtsbote_schemas::xml::{Event, EventSink, Limits, NodeNumber, drive};
use amtsbote_wire::c14n::{Apex, Canonicalizer, Method, Mode};
use anyhow::{Context, Result, anyhow, ensure};

use crate::suite::xmldsig::mime::find;

/// A document as the reader takes it: in UTF-8 and without a document type declaration. Says
/// whether anything had to be changed for that.
pub(super) fn readable(octets: &[u8]) -> Result<(Vec<u8>, bool)> {
    let latin = find(&octets[..octets.len().min(100)], b"encoding=\"ISO-8859-1\"").is_some();
    let text: String = if latin {
        let text: String = octets.iter().map(|octet| char::from(*octet)).collect();
        text.replacen("encoding=\"ISO-8859-1\"", "encoding=\"UTF-8\"", 1)
    } else {
        String::from_utf8(octets.to_vec()).context("neither UTF-8 nor ISO-8859-1")?
    };
    let Some(start) = text.find("<!DOCTYPE") else { return Ok((text.into_bytes(), latin)) };
    // The declarations of the vectors hold no bracket and no quote that matters.
    let rest = &text[start..];
    let end = match (rest.find('>'), rest.find('[')) {
        (Some(close), Some(open)) if open < close => {
            let inner = rest.find(']').context("a declaration without an end")?;
            inner + rest[inner..].find('>').context("a declaration without an end")?
        }
        (Some(close), _) => close,
        (None, _) => return Err(anyhow!("a declaration without an end")),
    };
    Ok((format!("{}{}", &text[..start], &rest[end + 1..]).into_bytes(), true))
}

/// The document with the element `node` replaced.
pub(super) fn replaced(document: &[u8], node: NodeNumber, plain: &[u8]) -> Result<Vec<u8>> {
    struct Range(NodeNumber, Option<(u64, u64)>);
    impl EventSink for Range {
        type Error = Infallible;
        fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
            if let Event::End(tag, end) = event
                && tag.node == self.0
            {
                self.1 = Some((tag.position.offset, end.offset));
            }
            Ok(())
        }
    }
    let mut range = Range(node, None);
    drive(document, &Limits::default(), &mut range).map_err(|error| anyhow!("{error}"))?;
    let (start, end) = range.1.context("the element is not there")?;
    let end = end as usize;
    let end = end + find(&document[end..], b">").context("an end tag")? + 1;
    Ok([&document[..start as usize], plain, &document[end..]].concat())
}

/// Whether the two are the same document, or the same octets.
pub(super) fn same(found: &[u8], wanted: &[u8]) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    let canonical = |octets: &[u8]| {
        let mut out = Vec::new();
        let method = Method::new(Mode::Inclusive, true);
        let piece = |piece: &[u8]| out.extend_from_slice(piece);
        let mut sink = Canonicalizer::new(method, Apex::Document, piece);
        drive(octets, &Limits::default(), &mut sink).map_err(|error| anyhow!("{error}"))?;
        sink.flush();
        drop(sink);
        Ok::<_, anyhow::Error>(out)
    };
    let (wanted, _) = readable(wanted)?;
    let same = canonical(found)? == canonical(&wanted)?;
    ensure!(same, "the plaintext is not the one of the set");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_taken_away() {
        let read = |text: &[u8]| readable(text).expect("read");
        assert_eq!(read(b"<!DOCTYPE a [\n<!ATTLIST a Id ID #IMPLIED>\n]>\n<a/>").0, b"\n<a/>");
        assert_eq!(read(b"<!DOCTYPE a><a x=\"[\"/>").0, b"<a x=\"[\"/>");
        assert_eq!(read(b"<a/>"), (b"<a/>".to_vec(), false));
        let latin = read(b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xE4</a>").0;
        assert!(latin.ends_with("<a>ä</a>".as_bytes()));
    }
}
