//! The reader: a machine without a socket.

use std::fmt;

use super::ROOT_CONTENT_ID;
use super::fault::MimeFault;
use super::headers::{MessageHeaders, PartHeaders};
use super::limits::{Limits, MAX_ENCODING_BYTES};
use super::search::{LineEnd, Search, Step};
use super::transfer::{Decoder, Wrong};

/// What the reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The headers of the message.
    Headers(MessageHeaders),
    /// A part begins.
    PartBegin(PartHeaders),
    /// Octets of the part that is open, as they are meant; never empty.
    Data(&'a [u8]),
    /// The part that is open ends.
    PartEnd {
        /// How many octets it has, its transfer encoding undone.
        octets: u64,
    },
    /// The closing delimiter. The message is good only when [`Reader::finish`] says so as well.
    End,
}

/// Reads a message. The same octets give the same events however they are cut into pieces, except
/// that `Data` is cut where the pieces are.
///
/// Content-Length is no delimiter. Of an attachment it must be right all the same: as the octets
/// travel, or as they are meant. Of the first part it is not looked at: in encrypted messages the
/// reference library states one that leaves out the certificate.
///
/// ```
/// # use amtsbote_wire::osci::mime::{Event, Limits, Reader};
/// let mut reader = Reader::new(Limits::default());
/// let mut data = Vec::new();
/// let body = b"MIME-Version: 1.0\r\nContent-Type: Multipart/Related; boundary=a/b; type=text/xml\
///     \r\n\r\n--a/b\r\nContent-ID: <osci@message>\r\n\r\n<a/>\r\n--a/b--\r\n";
/// for chunk in body.chunks(7) {
///     let mut input = chunk;
///     while let Some(event) = reader.next_event(&mut input)? {
///         if let Event::Data(octets) = event {
///             data.extend_from_slice(octets);
///         }
///     }
/// }
/// reader.finish()?;
/// assert_eq!(data, b"<a/>");
/// # Ok::<(), amtsbote_wire::osci::mime::MimeFault>(())
/// ```
pub struct Reader {
    limits: Limits,
    state: State,
    /// How lines end: the first one says it for all.
    line_end: Option<LineEnd>,
    search: Search,
    block: Vec<u8>,
    /// Where the open line of `block` begins.
    line: usize,
    outside: usize,
    content_ids: Vec<String>,
    part: Part,
    decoded: Vec<u8>,
}

/// The part that is open.
struct Part {
    decoder: Decoder,
    stated: Option<u64>,
    /// Octets as they travelled, and as they are meant.
    travelled: u64,
    meant: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Headers,
    Preamble,
    /// After the boundary; how much of the rest of the line was seen.
    DelimiterLine(LineTail),
    PartHeaders,
    Data,
    /// The part has ended; that is still to be said.
    PartEnd,
    /// After the closing delimiter; whether its line has ended.
    Epilogue {
        line_ended: bool,
    },
    Failed(MimeFault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineTail {
    Fresh,
    Dash,
    Padding,
    CarriageReturn,
}

/// An event without a borrow of the reader.
enum Found<'i> {
    Headers(MessageHeaders),
    Begin(PartHeaders),
    Input(&'i [u8]),
    Kept { from: usize, to: usize },
    Decoded,
    PartEnd { octets: u64 },
    End,
}

impl Reader {
    /// Prepares for a message.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Headers,
            line_end: None,
            search: Search::new(""),
            block: Vec::new(),
            line: 0,
            outside: 0,
            content_ids: Vec::new(),
            part: Part { decoder: Decoder::Identity, stated: None, travelled: 0, meant: 0 },
            decoded: Vec::new(),
        }
    }

    /// The next event in `input`, which is moved forward; none when all of it was read. After an
    /// error every further call gives the same error.
    pub fn next_event<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'a>>, MimeFault> {
        // Data may borrow from the reader, so the failure is noted before it is returned.
        match self.step(input) {
            Ok(found) => Ok(found.map(|found| match found {
                Found::Headers(headers) => Event::Headers(headers),
                Found::Begin(headers) => Event::PartBegin(headers),
                Found::Input(octets) => Event::Data(octets),
                Found::Kept { from, to } => Event::Data(self.search.kept(from, to)),
                Found::Decoded => Event::Data(&self.decoded),
                Found::PartEnd { octets } => Event::PartEnd { octets },
                Found::End => Event::End,
            })),
            Err(fault) => {
                self.state = State::Failed(fault);
                Err(fault)
            }
        }
    }

    /// Says whether the message was complete.
    pub fn finish(&self) -> Result<(), MimeFault> {
        match self.state {
            State::Epilogue { .. } => Ok(()),
            State::Failed(fault) => Err(fault),
            _ => Err(MimeFault::Truncated),
        }
    }

    fn step<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, MimeFault> {
        if self.state == State::PartEnd {
            self.state = State::DelimiterLine(LineTail::Fresh);
            return Ok(Some(Found::PartEnd { octets: self.part.meant }));
        }
        while !input.is_empty() {
            let found = match self.state {
                State::Headers | State::PartHeaders => self.header_line(input)?,
                State::Preamble => self.preamble(input)?,
                State::DelimiterLine(tail) => self.delimiter_line(tail, input)?,
                State::Data | State::PartEnd => self.data(input)?,
                State::Epilogue { line_ended } => self.epilogue(line_ended, input)?,
                State::Failed(fault) => return Err(fault),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Takes octets up to the end of a line; at the empty line behind a block, reads the block.
    fn header_line<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, MimeFault> {
        let whole = input.iter().position(|octet| *octet == b'\n');
        let (octets, rest) = input.split_at(whole.map_or(input.len(), |at| at + 1));
        let limit = self.limits.header_bytes;
        if octets.len() > limit.saturating_sub(self.block.len()) {
            let what = "bytes of one block of headers";
            return Err(MimeFault::TooLarge { what, limit: limit as u64 });
        }
        self.block.extend_from_slice(octets);
        *input = rest;
        if whole.is_none() {
            return Ok(None);
        }
        let empty = match &self.block[self.line..] {
            [.., b'\r', b'\n'] => {
                self.line_ends(LineEnd::CrLf)?;
                self.block.len() - self.line == 2
            }
            _ => {
                self.line_ends(LineEnd::Lf)?;
                self.block.len() - self.line == 1
            }
        };
        if !empty {
            self.line = self.block.len();
            return Ok(None);
        }
        // Faults begin with an empty line.
        if self.state == State::Headers && self.line == 0 {
            self.skip(self.block.len())?;
            self.block.clear();
            return Ok(None);
        }
        let mut block = std::mem::take(&mut self.block);
        block.truncate(self.line);
        self.line = 0;
        self.search.begin_line();
        if self.state == State::PartHeaders {
            return self.part(&block).map(Some);
        }
        let headers = MessageHeaders::read(&block, &self.limits)?;
        self.search = Search::new(&headers.boundary);
        // RFC 2046: the first delimiter may stand directly behind the headers.
        self.search.begin_line();
        self.state = State::Preamble;
        Ok(Some(Found::Headers(headers)))
    }

    /// All lines end like the first one; else two readers could see different lines.
    fn line_ends(&mut self, line_end: LineEnd) -> Result<(), MimeFault> {
        if *self.line_end.get_or_insert(line_end) == line_end {
            Ok(())
        } else {
            Err(self.malformed("lines that end in two ways"))
        }
    }

    fn part<'i>(&mut self, block: &[u8]) -> Result<Found<'i>, MimeFault> {
        let number = self.content_ids.len() + 1;
        let headers = PartHeaders::read(block, &self.limits).map_err(|bad| bad.at(Some(number)))?;
        if self.content_ids.contains(&headers.content_id) {
            return Err(self.malformed("a Content-ID that another part has"));
        }
        if number == 1 && headers.content_id != ROOT_CONTENT_ID {
            return Err(self.malformed("a Content-ID other than osci@message"));
        }
        self.content_ids.push(headers.content_id.clone());
        self.part = Part {
            decoder: Decoder::new(headers.transfer_encoding),
            stated: headers.content_length,
            travelled: 0,
            meant: 0,
        };
        self.state = State::Data;
        Ok(Found::Begin(headers))
    }

    fn preamble<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, MimeFault> {
        match self.search.step(input) {
            Step::Delimiter(line_end) => {
                self.delimiter(line_end)?;
                self.state = State::DelimiterLine(LineTail::Fresh);
            }
            Step::NeedMore => {}
            Step::Kept { from, to } => self.skip(to - from)?,
            Step::Octets(octets) => self.skip(octets.len())?,
        }
        Ok(None)
    }

    /// A boundary behind a line end of the other kind is a delimiter to some readers and data to
    /// others, so it is neither here.
    fn delimiter(&mut self, line_end: Option<LineEnd>) -> Result<(), MimeFault> {
        match line_end {
            Some(line_end) if self.line_end != Some(line_end) => {
                Err(self.malformed("a boundary behind a line end of another kind"))
            }
            _ => Ok(()),
        }
    }

    fn data<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, MimeFault> {
        // What is decoded has room for a piece only.
        let mut piece = *input;
        if let Some(most) = self.part.decoder.piece() {
            piece = &piece[..piece.len().min(most)];
        }
        let before = piece.len();
        let step = self.search.step(&mut piece);
        let taken = before - piece.len();
        *input = &input[taken..];
        match step {
            Step::Delimiter(line_end) => {
                self.delimiter(line_end)?;
                self.end_part().map(Some)
            }
            Step::NeedMore => Ok(None),
            Step::Kept { from, to } if from == to => Ok(None),
            Step::Kept { from, to } => {
                if self.part.decoder.piece().is_none() {
                    self.count(to - from, to - from)?;
                    return Ok(Some(Found::Kept { from, to }));
                }
                let kept = self.search.kept(from, to).to_vec();
                self.decode(&kept)
            }
            Step::Octets(octets) => {
                if self.part.decoder.piece().is_none() {
                    self.count(octets.len(), octets.len())?;
                    return Ok(Some(Found::Input(octets)));
                }
                self.decode(octets)
            }
        }
    }

    fn decode<'i>(&mut self, text: &[u8]) -> Result<Option<Found<'i>>, MimeFault> {
        self.decoded.clear();
        let (what, limit) = self.limit();
        // A part could mean nothing and travel for ever.
        let longest = limit.saturating_mul(4).saturating_add(MAX_ENCODING_BYTES);
        let room = longest.saturating_sub(self.part.travelled);
        let fits = usize::try_from(room).map_or(text.len(), |room| text.len().min(room));
        let (text, beyond) = text.split_at(fits);
        let decoded = self.part.decoder.text(text, &mut self.decoded);
        // Counted first: which of two errors is told must not depend on how the octets were cut.
        self.count(text.len(), self.decoded.len())?;
        decoded.map_err(|what| self.wrong(what))?;
        if !beyond.is_empty() {
            return Err(MimeFault::TooLarge { what, limit });
        }
        Ok((!self.decoded.is_empty()).then_some(Found::Decoded))
    }

    /// How much the part that is open may mean.
    fn limit(&self) -> (&'static str, u64) {
        if self.content_ids.len() == 1 {
            ("octets of the first part", self.limits.root_bytes)
        } else {
            ("octets of a part", self.limits.part_bytes)
        }
    }

    fn count(&mut self, travelled: usize, meant: usize) -> Result<(), MimeFault> {
        self.part.travelled += travelled as u64;
        self.part.meant += meant as u64;
        let (what, limit) = self.limit();
        if self.part.meant <= limit { Ok(()) } else { Err(MimeFault::TooLarge { what, limit }) }
    }

    fn end_part<'i>(&mut self) -> Result<Found<'i>, MimeFault> {
        self.decoded.clear();
        let decoder = std::mem::replace(&mut self.part.decoder, Decoder::Identity);
        let decoded = decoder.finish(&mut self.decoded);
        decoded.map_err(|what| self.wrong(what))?;
        self.count(0, self.decoded.len())?;
        let Part { stated, travelled, meant, .. } = self.part;
        let right = stated.is_none_or(|stated| stated == travelled || stated == meant);
        if !right && self.content_ids.len() > 1 {
            let (what, part) = ("a Content-Length that is not true", self.content_ids.len());
            return Err(MimeFault::Malformed { what, part });
        }
        if self.decoded.is_empty() {
            self.state = State::DelimiterLine(LineTail::Fresh);
            return Ok(Found::PartEnd { octets: meant });
        }
        self.state = State::PartEnd;
        Ok(Found::Decoded)
    }

    /// RFC 2046: after the boundary comes `--`, or padding and a line end. It also says that readers
    /// may take anything that begins like a delimiter for one; anything else is refused here, so that
    /// no two readers can see different parts.
    fn delimiter_line<'i>(
        &mut self,
        tail: LineTail,
        input: &mut &'i [u8],
    ) -> Result<Option<Found<'i>>, MimeFault> {
        let Some(octet) = take(input) else { return Ok(None) };
        let next = match (tail, octet) {
            (LineTail::Fresh, b'-') => LineTail::Dash,
            (LineTail::Dash, b'-') => {
                if self.content_ids.is_empty() {
                    return Err(self.malformed("a closing delimiter without a part before it"));
                }
                self.state = State::Epilogue { line_ended: false };
                return Ok(Some(Found::End));
            }
            (LineTail::Fresh | LineTail::Padding, b' ' | b'\t') => {
                self.skip(1)?;
                LineTail::Padding
            }
            (LineTail::Fresh | LineTail::Padding, b'\r') => LineTail::CarriageReturn,
            (LineTail::CarriageReturn, b'\n') => return self.next_part(LineEnd::CrLf),
            (LineTail::Fresh | LineTail::Padding, b'\n') => return self.next_part(LineEnd::Lf),
            _ => return Err(self.malformed("a delimiter line that goes on after its boundary")),
        };
        self.state = State::DelimiterLine(next);
        Ok(None)
    }

    fn next_part<'i>(&mut self, line_end: LineEnd) -> Result<Option<Found<'i>>, MimeFault> {
        self.line_ends(line_end)?;
        if self.content_ids.len() == self.limits.parts {
            let limit = self.limits.parts as u64;
            return Err(MimeFault::TooLarge { what: "parts of a message", limit });
        }
        self.state = State::PartHeaders;
        Ok(None)
    }

    fn epilogue<'i>(
        &mut self,
        line_ended: bool,
        input: &mut &'i [u8],
    ) -> Result<Option<Found<'i>>, MimeFault> {
        if line_ended {
            self.skip(input.len())?;
            *input = &[];
            return Ok(None);
        }
        let Some(octet) = take(input) else { return Ok(None) };
        self.skip(1)?;
        match octet {
            b' ' | b'\t' | b'\r' => {}
            b'\n' => self.state = State::Epilogue { line_ended: true },
            _ => return Err(self.malformed("a closing delimiter line that goes on")),
        }
        Ok(None)
    }

    fn skip(&mut self, octets: usize) -> Result<(), MimeFault> {
        self.outside = self.outside.saturating_add(octets);
        let limit = self.limits.outside_bytes;
        if self.outside <= limit {
            return Ok(());
        }
        Err(MimeFault::TooLarge { what: "octets outside of any part", limit: limit as u64 })
    }

    fn wrong(&self, what: Wrong) -> MimeFault {
        MimeFault::TransferEncoding { what, part: self.content_ids.len() }
    }

    fn malformed(&self, what: &'static str) -> MimeFault {
        MimeFault::Malformed { what, part: self.content_ids.len() + 1 }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("state", &self.state).finish_non_exhaustive()
    }
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}
