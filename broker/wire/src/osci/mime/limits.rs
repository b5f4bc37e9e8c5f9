//! How much of a message is read.

/// Most bytes of one block of headers, its closing empty line included.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Most headers in one block.
pub const MAX_HEADERS: usize = 64;
/// Most parts of one message, the envelope included.
pub const MAX_PARTS: usize = 256;
/// Most octets in front of the headers, between them and the first delimiter, and behind the closing
/// one, all together.
pub const MAX_OUTSIDE_BYTES: usize = 4 * 1024;
/// Most octets of the first part, its transfer encoding undone.
pub const MAX_ROOT_BYTES: u64 = 32 << 20;
/// Most octets of another part, its transfer encoding undone.
pub const MAX_PART_BYTES: u64 = 4 << 30;
/// Octets that a part may travel with beyond four for each of [`Limits::part_bytes`], or
/// [`Limits::root_bytes`]: an encoding takes three and line ends, and nobody needs more.
pub const MAX_ENCODING_BYTES: u64 = 64 * 1024;
/// Longest Content-ID, in bytes, without its angle brackets.
pub const MAX_CONTENT_ID_BYTES: usize = 255;
/// Most spaces in a row in a part that is quoted-printable: whether they count is known at the end
/// of the line, and until then they are kept.
pub const MAX_QUOTED_SPACES: usize = 998;

/// The limits of one message; the longest boundary has 70 characters (RFC 2046, 5.1.1) always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one block of headers.
    pub header_bytes: usize,
    /// Headers in one block.
    pub headers: usize,
    /// Parts, the envelope included.
    pub parts: usize,
    /// Octets outside of headers and parts.
    pub outside_bytes: usize,
    /// Octets of the first part.
    pub root_bytes: u64,
    /// Octets of another part.
    pub part_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: MAX_HEADER_BYTES,
            headers: MAX_HEADERS,
            parts: MAX_PARTS,
            outside_bytes: MAX_OUTSIDE_BYTES,
            root_bytes: MAX_ROOT_BYTES,
            part_bytes: MAX_PART_BYTES,
        }
    }
}
