//! Memory of one run, kept for the next.

use super::Open;
use super::names::Way;
use crate::xml::{wipe, wipe_octets};

/// So deep are most messages, and so long their texts in bytes: room for that is made at once.
const USUAL_DEPTH: usize = 12;
const USUAL_TEXT_BYTES: usize = 128;
/// Open elements kept: so deep hardly any message is.
const KEPT_DEPTH: usize = 32;

/// What a run needs, and what remains of it: room, but nothing of what was in it. Keys, IDs and
/// namespaces are not kept, for they are made of contents, and few messages have them.
pub(in crate::validate) struct Memory {
    pub(super) open: Vec<Open>,
    pub(super) way: Way,
    pub(super) text: String,
    pub(super) octets: Vec<u8>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            open: Vec::with_capacity(USUAL_DEPTH),
            way: Way::default(),
            text: String::with_capacity(USUAL_TEXT_BYTES),
            octets: Vec::new(),
        }
    }
}

impl Memory {
    /// Takes over what a run had. Contents are overwritten.
    pub(super) fn of(
        mut open: Vec<Open>,
        mut way: Way,
        mut text: String,
        mut octets: Vec<u8>,
    ) -> Self {
        open.truncate(KEPT_DEPTH);
        // Another schema set may have larger models.
        open.iter_mut().for_each(|open| open.progress.shrink());
        way.forget();
        wipe(&mut text);
        wipe_octets(&mut octets);
        Self { open, way, text, octets }
    }
}
