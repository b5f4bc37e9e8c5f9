//! Elements of the same document that `KeyInfo` says hold a certificate.

use amtsbote_schemas::xml::StartTag;

use super::tree::{Builder, Element};
use crate::c14n::identifiers;

/// Collects them while the document is read, each by its identifier.
#[derive(Default)]
pub(super) struct Retrieval {
    wanted: Vec<String>,
    open: Option<(String, Builder)>,
    found: Vec<(String, Element)>,
}

impl Retrieval {
    /// Asks for elements with these identifiers, from here on.
    pub(super) fn want(&mut self, ids: &[String]) {
        self.wanted.extend_from_slice(ids);
    }

    /// What was found for one of them. The first counts: it only selects a certificate.
    pub(super) fn of<'a>(&'a self, ids: &'a [String]) -> impl Iterator<Item = &'a Element> {
        ids.iter().filter_map(|id| {
            let found = self.found.iter().find(|(own, _)| own == id);
            found.map(|(_, element)| element)
        })
    }

    pub(super) fn start(&mut self, tag: &StartTag) {
        if self.wanted.is_empty() && self.open.is_none() {
            return;
        }
        match &mut self.open {
            Some((_, builder)) => {
                // What is too large holds no certificate.
                if builder.start(tag).is_err() {
                    self.open = None;
                }
            }
            None => {
                let wanted =
                    identifiers(tag).find_map(|id| self.wanted.iter().position(|w| w == id));
                if let Some(n) = wanted
                    && let Ok(builder) = Builder::new(tag)
                {
                    self.open = Some((self.wanted.swap_remove(n), builder));
                }
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some((_, builder)) = &mut self.open
            && builder.text(text).is_err()
        {
            self.open = None;
        }
    }

    pub(super) fn end(&mut self, _: &StartTag) {
        if let Some((_, builder)) = &mut self.open
            && let Some(element) = builder.end()
            && let Some((id, _)) = self.open.take()
        {
            self.found.push((id, element));
        }
    }
}
