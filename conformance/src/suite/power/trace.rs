//! What strace wrote down, read back: calls with the moments at which they began and ended.
//!
//! strace stops a thread at both ends of a call and writes one line for both, or two where another
//! thread came between. So the order of the lines is an order in which things may have happened,
//! and whatever a thread causes stands behind the call that caused it. Nothing is guessed: a line
//! that cannot be read, or octets that were cut short, are an error.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Everything that was traced, in order.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The calls.
    pub(super) calls: Vec<Call>,
    /// Their beginnings and ends.
    pub(super) steps: Vec<Step>,
    /// The process came to its end, so nothing is missing behind the last line.
    pub(super) ended: bool,
    /// The thread that began, which is the process.
    process: Option<u32>,
}

/// One system call.
#[derive(Debug)]
pub(super) struct Call {
    /// Its name.
    pub(super) name: String,
    /// Its arguments.
    pub(super) arguments: Vec<Argument>,
    /// What it returned; none when it failed or never came back.
    pub(super) result: Option<i64>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// A string, or all strings of a vector one after the other.
    Octets(Vec<u8>),
    /// A descriptor with what strace knows about it; no number for the current folder.
    Descriptor(Option<i32>, Target),
    /// Anything else.
    Word(String),
}

/// What a descriptor stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A path, or the name of something without one.
    Path(PathBuf),
    /// A connection to a partner.
    Socket,
    /// A connection to something on this machine.
    Other,
}

/// The beginning or the end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Which call.
    pub(super) call: usize,
    /// Its end; else its beginning.
    pub(super) ends: bool,
    /// The clock, in microseconds since 1970.
    pub(super) at: i64,
}

/// What follows where another thread came between.
const UNFINISHED: &str = " <unfinished ...>";

impl Trace {
    /// Reads what strace wrote with `-f -yy -xx -ttt` and raw reads.
    pub(super) fn parse(lines: impl Iterator<Item = std::io::Result<String>>) -> Result<Self> {
        let mut trace = Self::default();
        let mut open = HashMap::new();
        for (number, line) in lines.enumerate() {
            trace
                .line(&line?, &mut open)
                .with_context(|| format!("line {} of the trace", number + 1))?;
        }
        // What never came back may have done anything between nothing and everything.
        for (call, begun) in open.into_values() {
            trace.calls[call] = parse_call(&begun)?;
        }
        Ok(trace)
    }

    fn line(&mut self, line: &str, open: &mut HashMap<u32, (usize, String)>) -> Result<()> {
        let (thread, rest) = line.split_once(' ').context("no thread")?;
        let thread: u32 = thread.parse().context("no thread")?;
        let (at, text) = rest.trim_start().split_once(' ').context("no time")?;
        let at = microseconds(at)?;
        self.process.get_or_insert(thread);
        if text.starts_with("+++") {
            self.ended |= self.process == Some(thread);
            return Ok(());
        }
        if text.starts_with("---") {
            return Ok(());
        }
        if let Some(resumed) = text.strip_prefix("<... ") {
            let (_, tail) = resumed.split_once(" resumed>").context("nothing is resumed")?;
            let (call, begun) = open.remove(&thread).context("what is resumed never began")?;
            self.calls[call] = parse_call(&format!("{begun}{tail}"))?;
            self.steps.push(Step { call, ends: true, at });
            return Ok(());
        }
        let call = self.calls.len();
        self.steps.push(Step { call, ends: false, at });
        match text.strip_suffix(UNFINISHED) {
            Some(begun) => {
                open.insert(thread, (call, begun.to_owned()));
                let nothing = Call { name: String::new(), arguments: Vec::new(), result: None };
                self.calls.push(nothing);
            }
            None => {
                self.calls.push(parse_call(text)?);
                self.steps.push(Step { call, ends: true, at });
            }
        }
        Ok(())
    }
}

impl Call {
    /// The descriptor at a place, with what strace knows about it.
    pub(super) fn descriptor(&self, place: usize) -> Result<(Option<i32>, &Target)> {
        match self.arguments.get(place) {
            Some(Argument::Descriptor(number, target)) => Ok((*number, target)),
            _ => bail!("{}: no descriptor at place {place}", self.name),
        }
    }

    /// The octets at a place.
    pub(super) fn octets(&self, place: usize) -> Result<&[u8]> {
        match self.arguments.get(place) {
            Some(Argument::Octets(octets)) => Ok(octets),
            _ => bail!("{}: no octets at place {place}", self.name),
        }
    }

    /// The words at a place: flags, numbers.
    pub(super) fn word(&self, place: usize) -> Result<&str> {
        match self.arguments.get(place) {
            Some(Argument::Word(word)) => Ok(word),
            _ => bail!("{}: no word at place {place}", self.name),
        }
    }

    /// The number at a place.
    pub(super) fn number(&self, place: usize) -> Result<i64> {
        integer(self.word(place)?)
    }

    /// Whether octets go to a partner: from here on, what was promised is promised.
    pub(super) fn speaks(&self) -> bool {
        ["write", "writev", "sendto", "sendmsg"].contains(&self.name.as_str())
            && matches!(self.arguments.first(), Some(Argument::Descriptor(_, Target::Socket)))
    }
}

impl Target {
    /// Where the kernel does not say to whom a connection leads, it is taken for one to a partner.
    fn of(path: &Path) -> Self {
        match path.to_string_lossy().starts_with("socket:[") {
            true => Self::Socket,
            false => Self::Path(path.to_owned()),
        }
    }
}

/// Seconds with six decimals.
fn microseconds(text: &str) -> Result<i64> {
    let (seconds, rest) = text.split_once('.').context("no time")?;
    ensure!(rest.len() == 6, "the time is not in microseconds");
    Ok(seconds.parse::<i64>()? * 1_000_000 + rest.parse::<i64>()?)
}

fn integer(text: &str) -> Result<i64> {
    match text.strip_prefix("0x") {
        // Raw arguments are the register's octets: -1 has all bits set.
        Some(digits) => Ok(u64::from_str_radix(digits, 16).context("no number")?.cast_signed()),
        None => text.parse().with_context(|| format!("{text} is no number")),
    }
}

/// `name(arguments) = result`, or without an end.
fn parse_call(text: &str) -> Result<Call> {
    let (name, rest) = text.split_once('(').context("no call")?;
    // strace aligns the results of short calls with spaces.
    let (arguments, result) = match rest.rfind(" = ") {
        Some(at) => {
            let arguments = rest[..at].trim_end();
            let arguments = arguments.strip_suffix(')').context("the arguments do not end")?;
            (arguments, parse_result(&rest[at + 3..])?)
        }
        None => (rest, None),
    };
    let mut reader = Reader { rest: arguments };
    let mut read = Vec::new();
    while !reader.rest.is_empty() {
        read.push(reader.argument()?);
    }
    Ok(Call { name: name.to_owned(), arguments: read, result })
}

/// A number, possibly with what it stands for; `-1 ENOENT (...)` and `?` are none.
fn parse_result(text: &str) -> Result<Option<i64>> {
    let word = text.split([' ', '<']).next().unwrap_or_default();
    if word == "?" {
        return Ok(None);
    }
    Ok(Some(integer(word)?).filter(|result| *result >= 0))
}

/// Takes arguments off the front.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Up to and including the comma behind it.
    fn argument(&mut self) -> Result<Argument> {
        self.rest = self.rest.trim_start();
        let argument = match self.rest.as_bytes().first() {
            Some(b'"') => Argument::Octets(self.string()?),
            Some(b'[' | b'{') => self.vector()?,
            Some(b'A'..=b'Z' | b'0'..=b'9' | b'-') => self.word_or_descriptor()?,
            _ => Argument::Word(self.until(&[','])),
        };
        // strace appends "(deleted)" to what has no name any more.
        self.until(&[',']);
        self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        Ok(argument)
    }

    fn until(&mut self, ends: &[char]) -> String {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken.trim_end().to_owned()
    }

    fn word_or_descriptor(&mut self) -> Result<Argument> {
        let word = self.until(&[',', '<']);
        let number = word.parse().ok();
        if !self.rest.starts_with('<') || (number.is_none() && word != "AT_FDCWD") {
            let tail = self.until(&[',']);
            return Ok(Argument::Word(word + &tail));
        }
        self.rest = &self.rest[1..];
        // A path ends at ">", or at "<char 1:3>"; the name of a connection holds "->".
        let named = self.rest.starts_with('\\');
        let end = match named {
            true => self.rest.find(['<', '>']),
            false => self.rest.find("]>"),
        };
        let name = &self.rest[..end.context("a descriptor does not end")?];
        let target = match named {
            true => Target::of(&path(unescape(name)?)?),
            false if name.starts_with("TCP") || name.starts_with("socket:") => Target::Socket,
            false => Target::Other,
        };
        self.rest = &self.rest[name.len()..];
        Ok(Argument::Descriptor(number, target))
    }

    /// All strings of a vector of buffers, one after the other.
    fn vector(&mut self) -> Result<Argument> {
        let (mut depth, mut octets) = (0usize, Vec::new());
        loop {
            match self.rest.as_bytes().first().context("a vector does not end")? {
                b'"' => {
                    octets.append(&mut self.string()?);
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            let next = self.rest.chars().next().map_or(0, char::len_utf8);
            self.rest = &self.rest[next..];
            if depth == 0 {
                return Ok(Argument::Octets(octets));
            }
        }
    }

    /// A string in quotes, all of it.
    fn string(&mut self) -> Result<Vec<u8>> {
        let inside = &self.rest[1..];
        // With -xx there is nothing but hexadecimal octets inside.
        let end = inside.find('"').context("a string does not end")?;
        self.rest = &inside[end + 1..];
        ensure!(!self.rest.starts_with("..."), "octets were cut short");
        unescape(&inside[..end])
    }
}

/// `\x68\x69`.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).context("no hexadecimal digit");
    ensure!(text.len().is_multiple_of(4), "octets are not hexadecimal");
    let mut octets = Vec::with_capacity(text.len() / 4);
    for escaped in text.as_bytes().chunks_exact(4) {
        ensure!(&escaped[..2] == b"\\x", "octets are not hexadecimal");
        octets.push((nibble(escaped[2])? * 16 + nibble(escaped[3])?) as u8);
    }
    Ok(octets)
}

/// A path from octets.
pub(super) fn path(octets: Vec<u8>) -> Result<PathBuf> {
    Ok(PathBuf::from(String::from_utf8(octets).context("a path is no UTF-8")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Trace> {
        Trace::parse(text.lines().map(|line| Ok(line.to_owned())))
    }

    fn hex(text: &str) -> String {
        text.bytes().map(|octet| format!("\\x{octet:02x}")).collect()
    }

    #[test]
    fn calls_are_read_with_their_octets() {
        let text = format!(
            "7 12.000001 openat(AT_FDCWD<{cwd}>, \"{name}\", O_RDWR|O_CREAT, 0644) = 5<{name}>\n\
             7 12.000002 pwrite64(5<{name}>, \"\\x00\\x22\\x29\", 3, 4096) = 3\n\
             7 12.000003 writev(5<{name}>(deleted), [{{iov_base=\"\\x61\", iov_len=1}}, \
             {{iov_base=\"\\x62\\x63\", iov_len=2}}], 2) = 3\n\
             7 12.000004 write(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\\x61\", 1) = 1\n\
             7 12.000005 read(0x5, 0x7ffe, 0x10) = 0xa\n\
             7 12.000006 close(5)               = 0\n\
             7 12.000007 read(0x5, 0x7ffe, 0x10) = -1 EBADF (Bad file descriptor)\n\
             7 12.000008 +++ exited with 0 +++\n",
            cwd = hex("/tmp"),
            name = hex("a ä,>"),
        );
        let trace = parse(&text).expect("is a trace");
        assert!(trace.ended);
        let [open, pwrite, writev, write, read, _, failed] = &trace.calls[..] else {
            panic!("{:?}", trace.calls)
        };
        let cwd = Target::Path("/tmp".into());
        assert_eq!(open.descriptor(0).expect("is one"), (None, &cwd));
        assert_eq!(open.octets(1).expect("are some"), "a ä,>".as_bytes());
        assert_eq!((open.word(2).expect("is one"), open.result), ("O_RDWR|O_CREAT", Some(5)));
        assert_eq!(pwrite.octets(1).expect("are some"), b"\0\")");
        assert_eq!(pwrite.number(3).expect("is one"), 4096);
        assert_eq!(writev.octets(1).expect("are some"), b"abc");
        assert!(write.speaks() && !pwrite.speaks());
        assert_eq!((read.number(0).expect("is one"), read.result), (5, Some(10)));
        assert_eq!(failed.result, None);
        assert_eq!(trace.steps[1], Step { call: 0, ends: true, at: 12_000_001 });
    }

    #[test]
    fn what_was_interrupted_is_put_together_and_keeps_both_moments() {
        let text = "7 1.000001 fsync(5<\\x61> <unfinished ...>\n\
                    8 1.000002 close(6)   = 0\n\
                    7 1.000003 <... fsync resumed>) = 0\n\
                    8 1.000004 fsync(7<\\x62> <unfinished ...>\n";
        let trace = parse(text).expect("is a trace");
        let order: Vec<(usize, bool)> = trace.steps.iter().map(|s| (s.call, s.ends)).collect();
        assert_eq!(order, [(0, false), (1, false), (1, true), (0, true), (2, false)]);
        assert_eq!(trace.calls[0].result, Some(0));
        let path = Target::Path("b".into());
        assert_eq!(trace.calls[2].descriptor(0).expect("is one"), (Some(7), &path));
        assert_eq!(trace.calls[2].result, None);
        assert!(!trace.ended);
    }

    #[test]
    fn octets_that_were_cut_short_are_an_error() {
        let cut = "7 1.000001 write(5<\\x61>, \"\\x61\"..., 9) = 9\n";
        assert!(parse(cut).is_err());
        assert!(parse("7 1.000001 write(5<\\x61>, \"a\", 1) = 1\n").is_err());
        assert!(parse("7 1.000001 <... write resumed>) = 1\n").is_err());
    }

    proptest! {
        #[test]
        fn any_line_is_answered(line in ".{0,60}", call in "[a-z]{1,5}\\([\\[\\]{}<>\"\\\\x0-9a, )=]{0,40}") {
            let _answered = parse(&line);
            let _answered = parse(&format!("7 1.000001 {call}"));
            let _answered = parse(&format!("7 1.000001 {call} <unfinished ...>\n7 1.000002 <... x resumed>{line}"));
        }
    }
}
