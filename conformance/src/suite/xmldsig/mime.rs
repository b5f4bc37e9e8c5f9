//! Recorded MIME messages, taken apart: they fit into memory, and nobody means harm.

use anyhow::{Context, Result, ensure};

/// A message in parts.
#[derive(Clone)]
pub(crate) struct Message {
    /// The first part.
    pub(crate) document: Vec<u8>,
    /// Content-ID and octets of the others.
    pub(crate) parts: Vec<(String, Vec<u8>)>,
}

impl Message {
    pub(crate) fn parse(octets: &[u8]) -> Result<Self> {
        let (head, body) = split_head(octets)?;
        let boundary = head.split("boundary=").nth(1).context("no boundary")?;
        let boundary = boundary.split([';', '\r', '\n', '"']).find(|piece| !piece.is_empty());
        let delimiter = format!("--{}", boundary.context("no boundary")?);
        let mut parts = Vec::new();
        for piece in pieces(body, delimiter.as_bytes()) {
            let (head, body) = split_head(piece)?;
            let id = head.split("Content-ID: <").nth(1).and_then(|rest| rest.split('>').next());
            parts.push((id.unwrap_or_default().to_owned(), body.to_vec()));
        }
        ensure!(!parts.is_empty(), "no part");
        let (_, document) = parts.remove(0);
        Ok(Self { document, parts })
    }
}

/// What stands between the delimiters, without the line ends that belong to them.
fn pieces<'a>(body: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(next) = find(&body[at..], delimiter) {
        starts.push(at + next);
        at += next + delimiter.len();
    }
    let pair = |pair: &[usize]| {
        let piece = &body[pair[0] + delimiter.len()..pair[1]];
        let piece = piece.strip_prefix(b"\r\n").or(piece.strip_prefix(b"\n")).unwrap_or(piece);
        piece.strip_suffix(b"\r\n").or(piece.strip_suffix(b"\n")).unwrap_or(piece)
    };
    starts.windows(2).map(pair).collect()
}

fn split_head(octets: &[u8]) -> Result<(String, &[u8])> {
    let (at, length) = match (find(octets, b"\r\n\r\n"), find(octets, b"\n\n")) {
        (Some(crlf), lf) if lf.is_none_or(|lf| crlf < lf) => (crlf, 4),
        (_, Some(lf)) => (lf, 2),
        _ => anyhow::bail!("no end of the header"),
    };
    Ok((String::from_utf8_lossy(&octets[..at]).into_owned(), &octets[at + length..]))
}

pub(crate) fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_octets() {
        let text = b"Content-Type: Multipart/Related; boundary=b; type=text/xml\r\n\r\n--b\r\n\
                     Content-ID: <m>\r\n\r\n<a/>\r\n--b\r\nContent-ID: <x>\r\n\r\n\r\ny\r\n\r\n--b--\r\n";
        let message = Message::parse(text).expect("a message");
        assert_eq!(message.document, b"<a/>");
        assert_eq!(message.parts, [("x".to_owned(), b"\r\ny\r\n".to_vec())]);
        assert!(Message::parse(b"none").is_err());
    }
}
