//! `multipart/related` (RFC 2387, RFC 2046 section 5.1) as a machine without a socket: octets go in,
//! events come out; and the framing a client needs to send parts of known size.
//!
//! The reader keeps no octet of a part: what it hands out are slices of what was pushed, except for
//! the beginning of a delimiter that ended at the border of a chunk and turned out to be data. It
//! decodes no transfer encoding: in HTTP octets travel as they are.

use std::fmt;

use amtsbote_domain::fault::{Code, Fault};

/// Longest `Content-Type` header that is looked at, in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 1024;
/// Longest boundary, in characters (RFC 2046, 5.1.1).
pub const MAX_BOUNDARY_CHARS: usize = 70;
/// Longest header block of one part, in bytes, its closing empty line included.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Most octets before the first delimiter, and after the closing one.
pub const MAX_PREAMBLE_BYTES: usize = 4 * 1024;
/// Most parts in one body.
pub const MAX_PARTS: usize = 128;
/// Longest Content-ID, in bytes, without its angle brackets.
pub const MAX_CONTENT_ID_BYTES: usize = 255;

/// Why a body is not one that can be read. Never holds a value from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The media type is not `multipart/related`.
    #[error("the body is not multipart/related")]
    NotMultipartRelated,
    /// The `Content-Type` of the body cannot be read, or has no usable boundary.
    #[error("the Content-Type of the body: {0}")]
    ContentType(&'static str),
    /// A transfer encoding that changes octets.
    #[error("Content-Transfer-Encoding must be binary, 8bit or 7bit")]
    TransferEncoding,
    /// The body ended before its closing delimiter.
    #[error("the body ended before its closing delimiter")]
    Truncated,
    /// Something is larger than its limit.
    #[error("{what} exceeds {limit}")]
    TooLarge {
        /// What, with the unit.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// The body is not built as RFC 2046 says.
    #[error("{what} in part {part}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// In or before which part, counted from 1.
        part: usize,
    },
}

impl MultipartError {
    /// The refusal code that goes with it.
    pub fn code(&self) -> Code {
        match self {
            Self::NotMultipartRelated | Self::TransferEncoding => Code::UnsupportedMediaType,
            Self::ContentType(_) | Self::Malformed { .. } => Code::MalformedRequest,
            Self::Truncated => Code::Truncated,
            Self::TooLarge { .. } => Code::TooLarge,
        }
    }
}

impl From<MultipartError> for Fault {
    fn from(error: MultipartError) -> Self {
        Fault::new(error.code()).because(error)
    }
}

/// How the octets of a part are said to travel. None of these changes an octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransferEncoding {
    /// Any octets; also meant where the header is absent, as HTTP transports octets.
    #[default]
    Binary,
    /// Lines of octets.
    EightBit,
    /// Lines of ASCII. What the part really holds is not checked here: its digest is, later.
    SevenBit,
}

impl TransferEncoding {
    /// The word in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::EightBit => "8bit",
            Self::SevenBit => "7bit",
        }
    }
}

/// What stands before the octets of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHeaders {
    /// Content-ID without angle brackets; visible ASCII, unique in the body.
    pub content_id: String,
    /// Content-Type as written; `text/plain` where it is absent (RFC 2045, 5.2).
    pub content_type: String,
    /// Content-Transfer-Encoding.
    pub transfer_encoding: TransferEncoding,
}

/// What the reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part begins.
    PartBegin(PartHeaders),
    /// Octets of the part that is open; never empty.
    Data(&'a [u8]),
    /// The part that is open ends.
    PartEnd,
    /// The closing delimiter. The body is good only when [`Parser::finish`] says so as well.
    End,
}

/// Reads a body. The same octets give the same events however they are cut into chunks, except
/// that `Data` is cut where the chunks are.
///
/// ```
/// # use amtsbote_wire::native::multipart::{Event, Parser};
/// let mut parser = Parser::new("multipart/related; boundary=b")?;
/// let mut data = Vec::new();
/// let body = b"--b\r\nContent-ID: <a>\r\n\r\nhello\r\n--b--";
/// for chunk in body.chunks(3) {
///     let mut input = chunk;
///     while let Some(event) = parser.next_event(&mut input)? {
///         if let Event::Data(octets) = event {
///             data.extend_from_slice(octets);
///         }
///     }
/// }
/// parser.finish()?;
/// assert_eq!(data, b"hello");
/// # Ok::<(), amtsbote_wire::native::multipart::MultipartError>(())
/// ```
pub struct Parser {
    /// CR LF `--` boundary. CR stands nowhere else in it, which makes the search simple: after a
    /// mismatch only a CR can begin a new candidate.
    delimiter: Vec<u8>,
    start: Option<String>,
    state: State,
    /// How much of the delimiter the octets seen last agree with.
    matched: usize,
    /// How much of `matched` is no data: the CR LF that ended the header block, or that is thought
    /// before the first octet of the body.
    virtual_octets: usize,
    headers: Vec<u8>,
    skipped: usize,
    content_ids: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    /// After the boundary; how much of the rest of the line was seen.
    DelimiterLine(LineTail),
    Headers,
    Data,
    /// After the closing delimiter; whether its line has ended.
    Epilogue {
        line_ended: bool,
    },
    Failed(MultipartError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineTail {
    Fresh,
    Dash,
    Padding,
    CarriageReturn,
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Parser {
    /// Prepares for a body whose `Content-Type` header is this.
    pub fn new(content_type: &str) -> Result<Self, MultipartError> {
        let (boundary, start) = read_content_type(content_type)?;
        Ok(Self {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            start,
            state: State::Preamble,
            // RFC 2046: the first delimiter may stand at the very beginning, without its CR LF.
            matched: 2,
            virtual_octets: 2,
            headers: Vec::new(),
            skipped: 0,
            content_ids: Vec::new(),
        })
    }

    /// The next event in `input`, which is moved forward; none when all of it was read. After an
    /// error every further call gives the same error.
    pub fn next_event<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'a>>, MultipartError> {
        // Data may borrow from the delimiter, so the failure is noted before it is returned.
        match self.step(input) {
            Ok(None) => Ok(None),
            Ok(Some(Found::Input(octets))) => Ok(Some(Event::Data(octets))),
            Ok(Some(Found::Held { from, to })) => Ok(Some(Event::Data(&self.delimiter[from..to]))),
            Ok(Some(Found::Begin(headers))) => Ok(Some(Event::PartBegin(headers))),
            Ok(Some(Found::PartEnd)) => Ok(Some(Event::PartEnd)),
            Ok(Some(Found::End)) => Ok(Some(Event::End)),
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    /// Says whether the body was complete.
    pub fn finish(&self) -> Result<(), MultipartError> {
        match self.state {
            State::Epilogue { .. } => Ok(()),
            State::Failed(error) => Err(error),
            _ => Err(MultipartError::Truncated),
        }
    }

    fn step<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, MultipartError> {
        while !input.is_empty() {
            let found = match self.state {
                State::Preamble => self.preamble(input)?,
                State::DelimiterLine(tail) => self.delimiter_line(tail, input)?,
                State::Headers => self.header_octet(input)?,
                State::Data => self.data(input),
                State::Epilogue { line_ended } => self.epilogue(line_ended, input)?,
                State::Failed(error) => return Err(error),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn preamble<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Found<'i>>, MultipartError> {
        match self.scan(input) {
            Scan::Delimiter => self.state = State::DelimiterLine(LineTail::Fresh),
            Scan::NeedMore => {}
            Scan::Held { from, to } => self.skip(to - from)?,
            Scan::Octets(octets) => self.skip(octets.len())?,
        }
        Ok(None)
    }

    fn data<'i>(&mut self, input: &mut &'i [u8]) -> Option<Found<'i>> {
        match self.scan(input) {
            Scan::Delimiter => {
                self.state = State::DelimiterLine(LineTail::Fresh);
                Some(Found::PartEnd)
            }
            Scan::NeedMore => None,
            Scan::Held { from, to } if from == to => None,
            Scan::Held { from, to } => Some(Found::Held { from, to }),
            Scan::Octets(octets) => Some(Found::Input(octets)),
        }
    }

    /// One step of the search for the delimiter.
    fn scan<'i>(&mut self, input: &mut &'i [u8]) -> Scan<'i> {
        if self.matched > 0 {
            let wanted = &self.delimiter[self.matched..];
            let agreeing = wanted.iter().zip(input.iter()).take_while(|(a, b)| a == b).count();
            *input = &input[agreeing..];
            self.matched += agreeing;
            if agreeing == wanted.len() {
                self.matched = 0;
                self.virtual_octets = 0;
                return Scan::Delimiter;
            }
            if input.is_empty() {
                return Scan::NeedMore;
            }
            let held = Scan::Held { from: self.virtual_octets, to: self.matched };
            self.matched = 0;
            self.virtual_octets = 0;
            return held;
        }
        let end = self.candidate(input);
        if end == 0 {
            self.matched = 1;
            *input = &input[1..];
            return Scan::NeedMore;
        }
        let (octets, rest) = input.split_at(end);
        *input = rest;
        Scan::Octets(octets)
    }

    /// Where in `input` a delimiter begins or may begin; its length when nowhere.
    fn candidate(&self, input: &[u8]) -> usize {
        let mut from = 0;
        while let Some(found) = input[from..].iter().position(|octet| *octet == b'\r') {
            let at = from + found;
            let seen = &input[at..];
            let length = seen.len().min(self.delimiter.len());
            if seen[..length] == self.delimiter[..length] {
                return at;
            }
            from = at + 1;
        }
        input.len()
    }

    /// RFC 2046: after the boundary comes `--`, or padding and CR LF. It also says that readers may
    /// take anything that begins like a delimiter for one; anything else is refused here, so that
    /// no two readers can see different parts.
    fn delimiter_line<'i>(
        &mut self,
        tail: LineTail,
        input: &mut &'i [u8],
    ) -> Result<Option<Found<'i>>, MultipartError> {
        let Some(octet) = take(input) else { return Ok(None) };
        let next = match (tail, octet) {
            (LineTail::Fresh, b'-') => LineTail::Dash,
            (LineTail::Dash, b'-') => {
                if self.content_ids.is_empty() {
                    return Err(self.malformed("a closing delimiter without a part before it"));
                }
                self.state = State::Epilogue { line_ended: false };
                self.skipped = 0;
                return Ok(Some(Found::End));
            }
            (LineTail::Fresh | LineTail::Padding, b' ' | b'\t') => {
                self.skip(1)?;
                LineTail::Padding
            }
            (LineTail::Fresh | LineTail::Padding, b'\r') => LineTail::CarriageReturn,
            (LineTail::CarriageReturn, b'\n') => {
                if self.content_ids.len() == MAX_PARTS {
                    return Err(MultipartError::TooLarge {
                        what: "the number of parts",
                        limit: MAX_PARTS,
                    });
                }
                self.state = State::Headers;
                self.headers.clear();
                return Ok(None);
            }
            _ => return Err(self.malformed("a delimiter line that goes on after its boundary")),
        };
        self.state = State::DelimiterLine(next);
        Ok(None)
    }

    fn header_octet<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Found<'i>>, MultipartError> {
        let line = input.iter().position(|octet| *octet == b'\n').map_or(input.len(), |at| at + 1);
        let (octets, rest) = input.split_at(line);
        if self.headers.len() + octets.len() > MAX_HEADER_BYTES {
            return Err(MultipartError::TooLarge {
                what: "the header block of a part in bytes",
                limit: MAX_HEADER_BYTES,
            });
        }
        self.headers.extend_from_slice(octets);
        *input = rest;
        if self.headers != b"\r\n" && !self.headers.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        let block = std::mem::take(&mut self.headers);
        let headers = read_headers(&block).map_err(|error| match error {
            HeaderError::Encoding => MultipartError::TransferEncoding,
            HeaderError::Malformed(what) => self.malformed(what),
        })?;
        self.admit(&headers)?;
        self.content_ids.push(headers.content_id.clone());
        self.state = State::Data;
        // An empty part may end directly behind its headers: their last CR LF then belongs to the
        // delimiter (RFC 2046, appendix: the body of a part is optional).
        self.matched = 2;
        self.virtual_octets = 2;
        Ok(Some(Found::Begin(headers)))
    }

    fn admit(&self, headers: &PartHeaders) -> Result<(), MultipartError> {
        if self.content_ids.contains(&headers.content_id) {
            return Err(self.malformed("a Content-ID that another part has"));
        }
        // RFC 2387, 3.2: `start` names the root. A root elsewhere than in front is not for us.
        let root_elsewhere = self.start.as_ref().is_some_and(|start| *start != headers.content_id);
        if self.content_ids.is_empty() && root_elsewhere {
            return Err(self.malformed("a Content-ID that is not the one of start"));
        }
        Ok(())
    }

    fn epilogue<'i>(
        &mut self,
        line_ended: bool,
        input: &mut &'i [u8],
    ) -> Result<Option<Found<'i>>, MultipartError> {
        let Some(octet) = take(input) else { return Ok(None) };
        self.skip(1)?;
        match octet {
            _ if line_ended => {}
            b' ' | b'\t' | b'\r' => {}
            b'\n' => self.state = State::Epilogue { line_ended: true },
            _ => return Err(self.malformed("a closing delimiter line that goes on")),
        }
        Ok(None)
    }

    fn skip(&mut self, octets: usize) -> Result<(), MultipartError> {
        self.skipped += octets;
        if self.skipped > MAX_PREAMBLE_BYTES {
            return Err(self.malformed("more than 4096 octets outside of any part"));
        }
        Ok(())
    }

    fn malformed(&self, what: &'static str) -> MultipartError {
        MultipartError::Malformed { what, part: self.content_ids.len() + 1 }
    }
}

/// An event without a borrow of the reader.
enum Found<'i> {
    Begin(PartHeaders),
    Input(&'i [u8]),
    Held { from: usize, to: usize },
    PartEnd,
    End,
}

enum Scan<'i> {
    Delimiter,
    NeedMore,
    /// The part of the delimiter that was taken for one and is none.
    Held {
        from: usize,
        to: usize,
    },
    Octets(&'i [u8]),
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

enum HeaderError {
    Encoding,
    Malformed(&'static str),
}

/// Reads a header block, its closing empty line included.
fn read_headers(block: &[u8]) -> Result<PartHeaders, HeaderError> {
    use HeaderError::Malformed;
    let text = std::str::from_utf8(block)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or(Malformed("a header that is not ASCII"))?;
    // Folded lines are one line (RFC 5322, 2.2.3).
    let text = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    let (mut id, mut media_type, mut encoding) = (None, None, None);
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(Malformed("a header without a colon"))?;
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(Malformed("a header with a bad name"));
        }
        if value.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(Malformed("a header with a control character"));
        }
        let slot = match name.to_ascii_lowercase().as_str() {
            "content-id" => &mut id,
            "content-type" => &mut media_type,
            "content-transfer-encoding" => &mut encoding,
            _ => continue,
        };
        if slot.replace(value.trim().to_owned()).is_some() {
            return Err(Malformed("a header given twice"));
        }
    }
    let id = id.ok_or(Malformed("no Content-ID"))?;
    Ok(PartHeaders {
        content_id: bare_id(&id).ok_or(Malformed("a bad Content-ID"))?.to_owned(),
        content_type: match media_type {
            Some(text) if text.is_empty() => return Err(Malformed("an empty Content-Type")),
            Some(text) => text,
            None => "text/plain".to_owned(),
        },
        transfer_encoding: match encoding.map(|word| word.to_ascii_lowercase()).as_deref() {
            None | Some("binary") => TransferEncoding::Binary,
            Some("8bit") => TransferEncoding::EightBit,
            Some("7bit") => TransferEncoding::SevenBit,
            Some(_) => return Err(HeaderError::Encoding),
        },
    })
}

/// The id inside angle brackets.
fn bare_id(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>').filter(|id| is_content_id(id))
}

/// Whether `id` can be a Content-ID: 1 to [`MAX_CONTENT_ID_BYTES`] visible ASCII characters
/// without angle brackets.
pub fn is_content_id(id: &str) -> bool {
    (1..=MAX_CONTENT_ID_BYTES).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_graphic() && c != '<' && c != '>')
}

/// The characters of a token (RFC 9110, 5.6.2).
pub(crate) fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// The characters of a boundary (RFC 2046, 5.1.1).
pub(crate) fn is_boundary(text: &str) -> bool {
    (1..=MAX_BOUNDARY_CHARS).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c))
        && !text.ends_with(' ')
}

/// Boundary and start of a `multipart/related` header.
pub(crate) fn read_content_type(header: &str) -> Result<(String, Option<String>), MultipartError> {
    use MultipartError::ContentType;
    if header.len() > MAX_CONTENT_TYPE_BYTES {
        return Err(ContentType("it is longer than 1024 bytes"));
    }
    let (media_type, mut rest) = header.split_once(';').unwrap_or((header, ""));
    if !media_type.trim().eq_ignore_ascii_case("multipart/related") {
        return Err(MultipartError::NotMultipartRelated);
    }
    let (mut boundary, mut start) = (None, None);
    while !rest.trim().is_empty() {
        let (name, value, after) =
            read_parameter(rest).ok_or(ContentType("its parameters cannot be read"))?;
        rest = after;
        let slot = match name.to_ascii_lowercase().as_str() {
            "boundary" => &mut boundary,
            "start" => &mut start,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(ContentType("a parameter is given twice"));
        }
    }
    let boundary = boundary.ok_or(ContentType("it has no boundary"))?;
    if !is_boundary(&boundary) {
        return Err(ContentType("its boundary is empty, too long or has bad characters"));
    }
    let start = match start {
        None => None,
        Some(id) => Some(bare_id(&id).ok_or(ContentType("its start is no Content-ID"))?.to_owned()),
    };
    Ok((boundary, start))
}

/// One parameter: its name, its value, and what comes behind its semicolon. Unquoted values are
/// read up to white space or a semicolon: real senders leave boundaries with `/` and `+` unquoted.
fn read_parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, text) = text.split_once('=')?;
    let name = name.trim();
    if name.is_empty() || !name.chars().all(is_token) {
        return None;
    }
    let (value, rest) = match text.strip_prefix('"') {
        Some(quoted) => read_quoted(quoted)?,
        None => {
            let end = text.find([';', ' ', '\t', '"']).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
    };
    let rest = rest.trim_start();
    match rest.strip_prefix(';') {
        Some(rest) => Some((name, value, rest)),
        None if rest.is_empty() => Some((name, value, "")),
        None => None,
    }
}

/// The rest of a quoted string (RFC 9110, 5.6.4) and what follows it.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// The framing around parts of known size, so that they can be streamed with a `Content-Length`.
/// Send [`Writer::heads`] and the octets of each part in order, then [`Writer::tail`].
#[derive(Clone, Debug)]
pub struct Writer {
    content_type: String,
    heads: Vec<Vec<u8>>,
    tail: Vec<u8>,
    content_length: u64,
}

/// A body that cannot be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadFraming(&'static str);

impl Writer {
    /// Frames parts with their sizes in octets; the first is the root. The caller chooses a
    /// boundary that no part contains: a random one of 128 bits will do.
    pub fn new(boundary: &str, parts: &[(PartHeaders, u64)]) -> Result<Self, BadFraming> {
        if !is_boundary(boundary) {
            return Err(BadFraming("the boundary is not one that RFC 2046 allows"));
        }
        let (root, _) = parts.first().ok_or(BadFraming("a body needs a part"))?;
        if parts.len() > MAX_PARTS {
            return Err(BadFraming("a body has at most 128 parts"));
        }
        let mut heads = Vec::with_capacity(parts.len());
        for (number, (headers, _)) in parts.iter().enumerate() {
            if parts[..number].iter().any(|(other, _)| other.content_id == headers.content_id) {
                return Err(BadFraming("two parts have the same Content-ID"));
            }
            heads.push(head(boundary, number == 0, headers)?);
        }
        let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
        let framing = heads.iter().map(Vec::len).sum::<usize>() + tail.len();
        let content_length = parts
            .iter()
            .try_fold(framing as u64, |sum, (_, size)| sum.checked_add(*size))
            .ok_or(BadFraming("the sizes of the parts cannot be added up"))?;
        let root_type = root.content_type.split(';').next().unwrap_or_default().trim();
        let content_type = format!(
            "multipart/related; boundary=\"{boundary}\"; type=\"{root_type}\"; start=\"<{}>\"",
            root.content_id.replace('\\', "\\\\").replace('"', "\\\"")
        );
        Ok(Self { content_type, heads, tail, content_length })
    }

    /// The `Content-Type` of the body.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The length of the whole body in octets.
    pub fn content_length(&self) -> u64 {
        self.content_length
    }

    /// What stands before the octets of each part, in order.
    pub fn heads(&self) -> &[Vec<u8>] {
        &self.heads
    }

    /// What stands behind the last part.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }
}

fn head(boundary: &str, first: bool, headers: &PartHeaders) -> Result<Vec<u8>, BadFraming> {
    if !is_content_id(&headers.content_id) {
        return Err(BadFraming("a Content-ID is 1 to 255 visible ASCII characters without < >"));
    }
    // What goes into a header must not be able to end it.
    let clean = |c: char| c.is_ascii_graphic() || c == ' ';
    let media_type = &headers.content_type;
    if media_type.is_empty() || media_type.len() > 255 || !media_type.chars().all(clean) {
        return Err(BadFraming("a media type is 1 to 255 ASCII characters without controls"));
    }
    Ok(format!(
        "{}--{boundary}\r\nContent-ID: <{}>\r\nContent-Type: {media_type}\r\n\
         Content-Transfer-Encoding: {}\r\n\r\n",
        if first { "" } else { "\r\n" },
        headers.content_id,
        headers.transfer_encoding.as_str(),
    )
    .into_bytes())
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
