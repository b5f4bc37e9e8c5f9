//! The writer: octet for octet what OSCI clients were seen to write.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::ROOT_CONTENT_ID;
use super::headers::is_content_id;
use super::search::{Search, Step};
use crate::encryption::{NoRandomness, Random};
use crate::native::multipart::is_boundary;

/// Octets that are drawn for a boundary: 32 characters of Base64.
const DRAWN: usize = 24;

/// What stands between parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// Draws one, `MIME_boundary_` and 32 characters. That it stands in octets that are not known yet
    /// has a chance of 1 to 2^192 at each place, and [`Writer`] would notice.
    pub fn draw(random: &mut dyn Random) -> Result<Self, NoRandomness> {
        Self::draw_beside(random, &[])
    }

    /// Draws one that stands in none of these octets.
    pub fn draw_beside(random: &mut dyn Random, known: &[&[u8]]) -> Result<Self, NoRandomness> {
        // A source that always gives the same must not hold us for ever.
        for _ in 0..8 {
            let mut octets = [0; DRAWN];
            random.fill(&mut octets)?;
            let boundary = Self(format!("MIME_boundary_{}", STANDARD.encode(octets)));
            if !known.iter().any(|octets| boundary.stands_in(octets)) {
                return Ok(boundary);
            }
        }
        Err(NoRandomness)
    }

    /// `MIME_boundary`, which clients expect around faults.
    pub fn of_fault() -> Self {
        Self("MIME_boundary".to_owned())
    }

    /// Takes one that somebody else chose: 1 to 70 characters of RFC 2046, 5.1.1 that need no quotes
    /// to be understood.
    pub fn parse(text: &str) -> Option<Self> {
        (is_boundary(text) && !text.contains([' ', '"', ';'])).then(|| Self(text.to_owned()))
    }

    /// Without the hyphens in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a reader of any kind could find it in these octets.
    pub fn stands_in(&self, octets: &[u8]) -> bool {
        let mut search = Search::new(&self.0);
        search.begin_line();
        finds(&mut search, octets)
    }
}

fn finds(search: &mut Search, mut octets: &[u8]) -> bool {
    while !octets.is_empty() {
        if matches!(search.step(&mut octets), Step::Delimiter(_)) {
            return true;
        }
    }
    false
}

/// What stands in front of the headers of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leading {
    /// Nothing.
    #[default]
    Nothing,
    /// A line break, as in front of faults.
    LineBreak,
}

/// The headers of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    content_id: String,
    content_type: &'static str,
    transfer_encoding: &'static str,
    content_length: Option<u64>,
}

impl PartHead {
    /// The envelope.
    pub fn root() -> Self {
        Self {
            content_id: ROOT_CONTENT_ID.to_owned(),
            content_type: "text/xml; charset=UTF-8",
            transfer_encoding: "8bit",
            content_length: None,
        }
    }

    /// The envelope of an encrypted message, whose length in octets is said.
    pub fn encrypted_root(length: u64) -> Self {
        Self { content_length: Some(length), ..Self::root() }
    }

    /// An attachment by its name, with its length in octets.
    pub fn attachment(name: impl Into<String>, length: u64) -> Self {
        Self {
            content_id: name.into(),
            content_type: "application/octet-stream",
            transfer_encoding: "8-bit",
            content_length: Some(length),
        }
    }

    /// The ciphertext of an encrypted message.
    pub fn ciphertext(name: impl Into<String>) -> Self {
        Self {
            content_id: name.into(),
            content_type: "application/octet-stream",
            transfer_encoding: "binary",
            content_length: None,
        }
    }

    fn text(&self, boundary: &Boundary) -> String {
        let Self { content_id, content_type, transfer_encoding, .. } = self;
        let length = self.content_length.map(|length| format!("Content-Length: {length}\r\n"));
        format!(
            "--{}\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: \
             {transfer_encoding}\r\nContent-ID: <{content_id}>\r\n{}\r\n",
            boundary.0,
            length.unwrap_or_default(),
        )
    }
}

fn headers(leading: Leading, boundary: &Boundary) -> String {
    let leading = match leading {
        Leading::Nothing => "",
        Leading::LineBreak => "\r\n",
    };
    format!(
        "{leading}MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary={}; \
         type=text/xml\r\n\r\n",
        boundary.0
    )
}

/// Why a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// The first part must be the envelope, and no other part may have its Content-ID or that of
    /// another.
    #[error("the first part is the envelope, and all have Content-IDs of their own")]
    ContentId,
    /// Octets without a part, or a message without one.
    #[error("there is no part for these octets")]
    NoPart,
    /// The part has more or fewer octets than its head says.
    #[error("the part has not the length that its head says")]
    Length,
    /// The octets hold the boundary.
    #[error("the octets of a part hold the boundary of the message")]
    BoundaryInContent,
    /// The lengths cannot be added up.
    #[error("the message is too long")]
    TooLong,
    /// Nothing could be written.
    #[error("the message could not be written")]
    Io(#[from] io::Error),
}

/// How many octets a message has, given its parts and how many octets each has.
pub fn message_length(
    leading: Leading,
    boundary: &Boundary,
    parts: &[(PartHead, u64)],
) -> Result<u64, WriteFault> {
    let framing = headers(leading, boundary).len() + closing(boundary).len();
    let mut sum = framing as u64;
    for (number, (head, octets)) in parts.iter().enumerate() {
        let line_end = if number == 0 { 0 } else { 2 };
        let head = head.text(boundary).len() + line_end;
        sum = sum.checked_add(head as u64).ok_or(WriteFault::TooLong)?;
        sum = sum.checked_add(*octets).ok_or(WriteFault::TooLong)?;
    }
    Ok(sum)
}

fn closing(boundary: &Boundary) -> String {
    format!("\r\n--{}--\r\n", boundary.0)
}

/// Writes one message while its parts come. Nothing is kept: memory does not grow with a part.
///
/// Octets that hold the boundary are refused, so that nobody who knows or guesses it can end a part.
pub struct Writer<W> {
    out: W,
    boundary: Boundary,
    search: Search,
    content_ids: Vec<String>,
    /// Octets of the open part still to come, where its head says how many it has.
    rest: Option<u64>,
}

impl<W: Write> Writer<W> {
    /// Writes the headers of the message.
    pub fn new(mut out: W, leading: Leading, boundary: Boundary) -> Result<Self, WriteFault> {
        out.write_all(headers(leading, &boundary).as_bytes())?;
        let search = Search::new(&boundary.0);
        Ok(Self { out, boundary, search, content_ids: Vec::new(), rest: None })
    }

    /// Begins a part; the one before it ends. Its octets follow by [`Writer::data`] or [`Write`].
    pub fn begin(&mut self, head: &PartHead) -> Result<(), WriteFault> {
        let id = &head.content_id;
        let first = self.content_ids.is_empty();
        if !is_content_id(id) || first != (id == ROOT_CONTENT_ID) || self.content_ids.contains(id) {
            return Err(WriteFault::ContentId);
        }
        if !first {
            self.end_part()?;
            self.out.write_all(b"\r\n")?;
        }
        self.out.write_all(head.text(&self.boundary).as_bytes())?;
        self.content_ids.push(id.clone());
        self.rest = head.content_length;
        self.search.begin_line();
        Ok(())
    }

    /// Octets of the open part.
    pub fn data(&mut self, octets: &[u8]) -> Result<(), WriteFault> {
        if self.content_ids.is_empty() {
            return Err(WriteFault::NoPart);
        }
        if let Some(rest) = &mut self.rest {
            *rest = rest.checked_sub(octets.len() as u64).ok_or(WriteFault::Length)?;
        }
        if finds(&mut self.search, octets) {
            return Err(WriteFault::BoundaryInContent);
        }
        Ok(self.out.write_all(octets)?)
    }

    /// Ends the message and gives back where it was written to.
    pub fn finish(mut self) -> Result<W, WriteFault> {
        if self.content_ids.is_empty() {
            return Err(WriteFault::NoPart);
        }
        self.end_part()?;
        self.out.write_all(closing(&self.boundary).as_bytes())?;
        Ok(self.out)
    }

    fn end_part(&mut self) -> Result<(), WriteFault> {
        if self.rest.take().is_some_and(|rest| rest > 0) { Err(WriteFault::Length) } else { Ok(()) }
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self.data(octets) {
            Ok(()) => Ok(octets.len()),
            Err(WriteFault::Io(error)) => Err(error),
            Err(fault) => Err(io::Error::other(fault)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
