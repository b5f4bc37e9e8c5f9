//! The search for the delimiter: CR LF `--` boundary.
//!
//! Of these octets a line feed stands at one place only, so after a mismatch only a line feed, or a
//! carriage return in front of one, can begin a new candidate.

/// How the lines of a message end. All of one message end in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    CrLf,
    Lf,
}

/// Looks for one delimiter in octets that come in pieces of any length.
#[derive(Clone)]
pub(super) struct Search {
    line: Vec<u8>,
    /// How much of `line` the octets seen last agree with.
    matched: usize,
    /// How much of `matched` is not there: nothing, the carriage return, or the whole line end where
    /// that of the line before counts.
    from: usize,
}

/// One step of the search.
pub(super) enum Step<'i> {
    /// The delimiter, and the line end in front of it; none where that is part of the headers.
    Delimiter(Option<LineEnd>),
    /// All was read; what the end agrees with is kept.
    NeedMore,
    /// Octets that were taken for a delimiter and are none: see [`Search::kept`].
    Kept { from: usize, to: usize },
    /// Octets that are none.
    Octets(&'i [u8]),
}

/// Octets in front of `--`.
const LINE_END: usize = 2;

impl Search {
    pub(super) fn new(boundary: &str) -> Self {
        let line = [b"\r\n--", boundary.as_bytes()].concat();
        Self { line, matched: 0, from: 0 }
    }

    /// What follows begins a line: a delimiter there needs no line end of its own.
    pub(super) fn begin_line(&mut self) {
        self.matched = LINE_END;
        self.from = LINE_END;
    }

    pub(super) fn kept(&self, from: usize, to: usize) -> &[u8] {
        &self.line[from..to]
    }

    /// `input` is moved forward by what the step is about.
    pub(super) fn step<'i>(&mut self, input: &mut &'i [u8]) -> Step<'i> {
        if self.matched > 0 {
            return self.go_on(input);
        }
        let end = self.candidate(input);
        if end > 0 {
            let (octets, rest) = input.split_at(end);
            *input = rest;
            return Step::Octets(octets);
        }
        self.from = usize::from(input.first() != Some(&b'\r'));
        self.matched = self.from;
        self.go_on(input)
    }

    fn go_on<'i>(&mut self, input: &mut &'i [u8]) -> Step<'i> {
        let wanted = &self.line[self.matched..];
        let agreeing = wanted.iter().zip(input.iter()).take_while(|(a, b)| a == b).count();
        *input = &input[agreeing..];
        self.matched += agreeing;
        let (from, to) = (self.from, self.matched);
        if to < self.line.len() && input.is_empty() {
            return Step::NeedMore;
        }
        self.matched = 0;
        self.from = 0;
        if to < self.line.len() {
            return Step::Kept { from, to };
        }
        Step::Delimiter(match from {
            0 => Some(LineEnd::CrLf),
            1 => Some(LineEnd::Lf),
            _ => None,
        })
    }

    /// Where in `input` a delimiter begins or may begin; its length where nowhere.
    fn candidate(&self, input: &[u8]) -> usize {
        let mut from = 0;
        while let Some(found) = input[from..].iter().position(|octet| *octet == b'\n') {
            let at = from + found;
            let (seen, wanted) = (&input[at..], &self.line[1..]);
            let length = seen.len().min(wanted.len());
            if seen[..length] == wanted[..length] {
                return if at > 0 && input[at - 1] == b'\r' { at - 1 } else { at };
            }
            from = at + 1;
        }
        // The line feed may be the next octet.
        if input.last() == Some(&b'\r') { input.len() - 1 } else { input.len() }
    }
}
