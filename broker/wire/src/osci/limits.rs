//! How much of a message is read at most (P8).

use amtsbote_schemas::xml;

use super::mime::MAX_ROOT_BYTES;

/// The limits of one root part. What reaches a limit is read; what exceeds it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the root part. 32 MiB, as in MIME; what is larger travels as an attachment. Reading keeps
    /// nothing of that size; a package that is passed on is in memory three times.
    pub document_bytes: u64,
    /// Elements open at once, the envelope included. 128.
    pub depth: u32,
    /// Bytes of memory for all that is kept: header blocks, order, identifiers, and where contents
    /// are; not contents themselves. 8 MiB.
    pub kept_bytes: usize,
    /// Header blocks. 64.
    pub header_blocks: usize,
    /// Header blocks of others, which are kept as they are. 32.
    pub custom_headers: usize,
    /// Certificates of one block, whatever they are for. 256.
    pub certificates: usize,
    /// Bytes of one certificate in DER. 16 KiB.
    pub certificate_bytes: usize,
    /// Languages that a client desires. 32.
    pub languages: usize,
    /// Entries of a Feedback. 64.
    pub feedback_entries: usize,
    /// Process cards of one answer. 1,000.
    pub process_cards: usize,
    /// Inspections of one report. 256.
    pub inspections: usize,
    /// Bytes of one time stamp or one answer of a revocation service. 64 KiB.
    pub token_bytes: usize,
    /// Message ids of one selection. 1,000.
    pub message_ids: usize,
    /// Features of a FeatureDescription. 64.
    pub features: usize,
    /// Bytes of one other value. 4 KiB.
    pub value_bytes: usize,
    /// Containers and encrypted containers of a package. 256.
    pub containers: usize,
    /// Contents, signatures and encrypted contents of all containers, and elements that are content.
    /// 2,048.
    pub contents: usize,
    /// Elements that have an identifier. 10,000.
    pub ids: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: MAX_ROOT_BYTES,
            depth: 128,
            kept_bytes: 8 << 20,
            header_blocks: 64,
            custom_headers: 32,
            certificates: 256,
            certificate_bytes: 16 << 10,
            languages: 32,
            feedback_entries: 64,
            process_cards: 1000,
            inspections: 256,
            token_bytes: 64 << 10,
            message_ids: 1000,
            features: 64,
            value_bytes: 4 << 10,
            containers: 256,
            contents: 2048,
            ids: 10_000,
        }
    }
}

impl Limits {
    /// Those of the reader of XML.
    pub(super) fn xml(&self) -> xml::Limits {
        xml::Limits {
            document_bytes: self.document_bytes,
            depth: self.depth,
            // A content may be any XML, and is passed over.
            attributes: 256,
            declarations: 64,
            token_bytes: 1 << 20,
            open_tag_bytes: 1 << 20,
            name_bytes: 1024,
            nodes: 20_000_000,
        }
    }
}
