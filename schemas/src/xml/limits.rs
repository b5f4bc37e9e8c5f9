//! How much of a document is read at most (P8).

/// The limits of one pass. What reaches a limit is read; what exceeds it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document, the byte order mark included. 256 MiB.
    pub document_bytes: u64,
    /// Elements open at once, the root included. 256.
    pub depth: u32,
    /// Attributes of one element, namespace declarations not counted. 256.
    pub attributes: usize,
    /// Namespace declarations of one element. 64.
    pub declarations: usize,
    /// Bytes of one tag, comment, CDATA section, processing instruction or reference, its
    /// delimiters included. 16 MiB. Text needs no limit: it is handed on in pieces.
    pub token_bytes: usize,
    /// Bytes of the start tags of all elements open at once; they are kept for the end tags. 16 MiB.
    pub open_tag_bytes: usize,
    /// Bytes of one name, prefix and colon included. 1024.
    pub name_bytes: usize,
    /// Nodes that have a number: elements, attributes, texts, comments, processing instructions.
    /// 50 million.
    pub nodes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 256 << 20,
            depth: 256,
            attributes: 256,
            declarations: 64,
            token_bytes: 16 << 20,
            open_tag_bytes: 16 << 20,
            name_bytes: 1024,
            nodes: 50_000_000,
        }
    }
}

/// Which limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Limits::document_bytes`].
    DocumentBytes,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::attributes`].
    Attributes,
    /// [`Limits::declarations`].
    Declarations,
    /// [`Limits::token_bytes`].
    TokenBytes,
    /// [`Limits::open_tag_bytes`].
    OpenTagBytes,
    /// [`Limits::name_bytes`].
    NameBytes,
    /// [`Limits::nodes`].
    Nodes,
}
