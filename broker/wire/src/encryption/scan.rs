//! Pass 1: where encrypted data are, and what they say about themselves.
//!
//! Nothing is decrypted. What is kept does not grow with the document: a `CipherValue` is passed
//! over, the other parts have limits, and there is a limit to the number of elements.

use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, Position, StartTag};

use super::allowed::MAX_ENCRYPTED_DATA;
use super::data::{EncryptedData, Open};
use super::fault::EncryptionFault;
use super::key_info::{EncryptedKey, Hint, KeyInfo, Source, x509_data};
use super::method::{DSIG, XENC};
use crate::c14n::{Interval, identifiers};
use crate::signature::tree::{Builder, TooBig};

/// Most `X509Data` elements with an identifier, to which a `KeyInfo` may refer.
const MAX_CERTIFICATES: usize = 64;

/// `X509Data` outside of encrypted data: what it says, and the identifiers of itself and of the
/// element around it (OSCI-Transport 1.2 gives them to the latter).
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    pub(super) ids: Vec<String>,
    pub(super) hints: Vec<Hint>,
}

/// Looks for encrypted data while the document is read.
pub(super) struct Scan {
    path: String,
    ends: Vec<usize>,
    /// Identifiers of the element around the next one.
    around: Vec<Vec<String>>,
    last: NodeNumber,
    depth: u32,
    max_keys: usize,
    open: Option<Open>,
    /// An `EncryptedKey` outside of `EncryptedData`.
    key: Option<(Builder, NodeNumber)>,
    x509: Option<(Builder, Vec<String>)>,
    pub(super) data: Vec<EncryptedData>,
    /// Keys that have an identifier, and the nodes of what holds them.
    pub(super) keys: Vec<EncryptedKey>,
    pub(super) key_nodes: Vec<Interval>,
    pub(super) certificates: Vec<Certificates>,
}

impl Scan {
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            path: String::new(),
            ends: Vec::new(),
            around: Vec::new(),
            last: NodeNumber(0),
            depth: 0,
            max_keys,
            open: None,
            key: None,
            x509: None,
            data: Vec::new(),
            keys: Vec::new(),
            key_nodes: Vec::new(),
            certificates: Vec::new(),
        }
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), EncryptionFault> {
        self.depth = tag.depth;
        self.last = tag.attributes.last().map_or(tag.node, |a| a.node);
        self.ends.push(self.path.len());
        self.path.push('/');
        self.path.push_str(&tag.local);
        let place = tag.position;
        if let Some(open) = &mut self.open {
            open.start(tag);
        } else if let Some((key, _)) = &mut self.key {
            key.start(tag).map_err(|TooBig| too_big(place))?;
        } else if self.x509.is_none() && tag.is(XENC, "EncryptedData") {
            if self.data.len() == MAX_ENCRYPTED_DATA {
                let limit = "EncryptedData elements of a document";
                return Err(EncryptionFault::Limit { place, limit });
            }
            self.open = Some(Open::new(tag, &self.path));
        } else if self.x509.is_none() && tag.is(XENC, "EncryptedKey") {
            let builder = Builder::new(tag).map_err(|TooBig| too_big(place))?;
            self.key = Some((builder, tag.node));
        } else if let Some((data, _)) = &mut self.x509 {
            data.start(tag).map_err(|TooBig| too_big(place))?;
        } else if tag.is(DSIG, "X509Data") {
            let own = identifiers(tag).map(str::to_owned);
            let ids: Vec<_> = own.chain(self.around.last().cloned().unwrap_or_default()).collect();
            if !ids.is_empty() {
                if self.certificates.len() == MAX_CERTIFICATES {
                    let limit = "X509Data elements with an identifier";
                    return Err(EncryptionFault::Limit { place, limit });
                }
                let builder = Builder::new(tag).map_err(|TooBig| too_big(place))?;
                self.x509 = Some((builder, ids));
            }
        }
        self.around.push(identifiers(tag).map(str::to_owned).collect());
        Ok(())
    }

    fn end(&mut self, tag: &StartTag) -> Result<(), EncryptionFault> {
        self.path.truncate(self.ends.pop().unwrap_or(0));
        self.around.pop();
        self.depth = tag.depth.saturating_sub(1);
        if let Some(open) = &mut self.open {
            open.end();
            if open.depth == tag.depth
                && let Some(open) = self.open.take()
            {
                let data = open.close(self.last);
                if let Ok(parts) = &data.parts {
                    let inline: Vec<_> = inline_keys(&parts.key_info).cloned().collect();
                    for key in inline {
                        self.keep(key, data.nodes)?;
                    }
                }
                self.data.push(data);
            }
        } else if let Some((builder, node)) = &mut self.key
            && let Some(element) = builder.end()
        {
            let nodes = (*node, self.last);
            self.key = None;
            // One that is not built as it must be is none; who refers to it will hear so.
            if let Ok(key) = EncryptedKey::parse(&element) {
                self.keep(key, nodes)?;
            }
        } else if let Some((builder, ids)) = &mut self.x509
            && let Some(element) = builder.end()
        {
            let (ids, mut hints) = (std::mem::take(ids), Vec::new());
            self.x509 = None;
            if x509_data(&element, &mut hints).is_ok() {
                self.certificates.push(Certificates { ids, hints });
            }
        }
        Ok(())
    }

    fn keep(&mut self, key: EncryptedKey, nodes: Interval) -> Result<(), EncryptionFault> {
        if self.keys.len() == self.max_keys {
            let limit = "EncryptedKey elements of a document";
            return Err(EncryptionFault::Limit { place: key.place, limit });
        }
        self.keys.push(key);
        self.key_nodes.push(nodes);
        Ok(())
    }
}

fn too_big(place: Position) -> EncryptionFault {
    EncryptionFault::Limit { place, limit: "octets or depth of an encrypted key" }
}

/// The keys that stand in a `KeyInfo`.
fn inline_keys(info: &KeyInfo) -> impl Iterator<Item = &EncryptedKey> {
    info.sources.iter().filter_map(|source| match source {
        Source::Encrypted(key) => Some(&**key),
        _ => None,
    })
}

impl EventSink for Scan {
    type Error = EncryptionFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), EncryptionFault> {
        match *event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag, _) => self.end(tag)?,
            Event::Text(node, text, position) => {
                self.last = node;
                if let Some(open) = &mut self.open {
                    open.text(text, position, self.depth);
                } else if let Some((key, _)) = &mut self.key {
                    key.text(text).map_err(|TooBig| too_big(position))?;
                } else if let Some((data, _)) = &mut self.x509 {
                    data.text(text).map_err(|TooBig| too_big(position))?;
                }
            }
            Event::Comment(node, ..) | Event::ProcessingInstruction(node, ..) => self.last = node,
            Event::EndOfDocument => {}
        }
        Ok(())
    }
}
