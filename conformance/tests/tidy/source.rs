//! A Rust file, taken apart just far enough: code, comments and string literals told from each
//! other. It is no parser; it knows how literals and comments begin and end.

/// One file.
pub(crate) struct Source {
    /// Path from the root of the checkout, with `/`.
    pub(crate) path: String,
    /// The file as it is.
    pub(crate) text: String,
    /// The file with comments and the insides of literals blanked; lines stay where they are.
    pub(crate) code: String,
    /// The insides of string literals, each with the line on which it begins.
    pub(crate) strings: Vec<(usize, String)>,
}

impl Source {
    /// Takes a file apart.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut scan = Scan { rest: text, line: 1, code: String::new(), strings: Vec::new() };
        while scan.step() {}
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: scan.code,
            strings: scan.strings,
        }
    }

    /// Whether the file lies in one of these folders, or is one of these files.
    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path
                .strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The names in the code, each with its line.
    pub(crate) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().flat_map(|(n, line)| {
            line.split(|c| !in_name(c))
                .filter(|name| !name.is_empty())
                .map(move |name| (n + 1, name))
        })
    }

    /// The lines of the code, each with its number, without white space except between two names:
    /// `x :: y ! (` becomes `x::y!(`, `return x` stays.
    pub(crate) fn dense_lines(&self) -> impl Iterator<Item = (usize, String)> {
        self.code.lines().enumerate().map(|(n, line)| (n + 1, dense(line)))
    }

    /// An offence at a line.
    pub(crate) fn offence(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Whether a name can hold this character.
pub(crate) fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn dense(line: &str) -> String {
    let mut dense = String::new();
    for word in line.split_whitespace() {
        if dense.ends_with(in_name) && word.starts_with(in_name) {
            dense.push(' ');
        }
        dense.push_str(word);
    }
    dense
}

/// The words of a name: `OsciMessage` and `osci_message` are both osci and message.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        let begins = c == '_' || (c.is_uppercase() && !before.is_uppercase());
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("never empty").extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

struct Scan<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    strings: Vec<(usize, String)>,
}

impl Scan<'_> {
    /// Takes one piece off the front; says whether there was one.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(end);
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment(self.rest));
        } else if let Some((before, inside, after)) = string(self.rest, self.after_name()) {
            self.strings.push((self.line, self.rest[before..before + inside].to_owned()));
            self.keep(before);
            self.blank(inside);
            self.keep(after);
        } else if let Some(end) = character(self.rest) {
            self.keep(1);
            self.blank(end - 2);
            self.keep(1);
        } else {
            self.keep(first.len_utf8());
        }
        true
    }

    /// Whether the code so far ends inside a name: then an `r` or `b` belongs to that name.
    fn after_name(&self) -> bool {
        self.code.ends_with(in_name)
    }

    fn keep(&mut self, bytes: usize) {
        let (piece, rest) = self.rest.split_at(bytes);
        self.line += piece.matches('\n').count();
        self.code.push_str(piece);
        self.rest = rest;
    }

    fn blank(&mut self, bytes: usize) {
        let (piece, rest) = self.rest.split_at(bytes);
        self.line += piece.matches('\n').count();
        self.code.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// Length of the block comment in front; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The string literal in front: lengths of what opens it, of its inside, of what closes it.
fn string(text: &str, after_name: bool) -> Option<(usize, usize, usize)> {
    let mut prefix = 0;
    if !after_name {
        let letters = text.bytes().take_while(|b| b"bcr".contains(b)).count();
        prefix = if letters <= 2 { letters } else { 0 };
    }
    let raw = text[..prefix].ends_with('r');
    let hashes = if raw { text[prefix..].bytes().take_while(|b| *b == b'#').count() } else { 0 };
    let begin = prefix + hashes;
    if !text[begin..].starts_with('"') {
        return None;
    }
    let inside = &text[begin + 1..];
    let length = if raw {
        inside.find(&format!("\"{}", "#".repeat(hashes)))
    } else {
        let mut escaped = false;
        inside.bytes().position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        })
    };
    Some(match length {
        Some(length) => (begin + 1, length, 1 + hashes),
        None => (begin + 1, inside.len(), 0),
    })
}

/// Length of the character literal in front. A lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let mut chars = inside.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        // What is escaped may itself be a quote; the literal ends with the next one after it.
        let (at, escaped) = chars.next()?;
        let after = at + escaped.len_utf8();
        return inside[after..].find('\'').map(|end| 1 + after + end + 1);
    }
    let (at, second) = chars.next()?;
    (second == '\'' && first != '\'').then_some(1 + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_are_told_apart() {
        let text = concat!(
            "// a \"quoted\" comment\n",
            "let s = \"one \\\" // two\"; /* out /* deep */ still */ let c = '\"';\n",
            "let r = r#\"raw \" end\"#; fn f<'a>(x: &'a str) -> char { '\\'' }\n",
            "let var\"iable = b\"bytes\"; let q = 'x';\n",
        );
        let source = Source::new("a.rs", text);
        let strings: Vec<&str> = source.strings.iter().map(|(_, s)| s.as_str()).collect();
        assert_eq!(strings[..2], ["one \\\" // two", "raw \" end"]);
        assert_eq!(source.strings[1].0, 3);
        assert_eq!(source.code.lines().count(), text.lines().count());
        for gone in ["quoted", "one", "out", "deep", "still", "raw"] {
            assert!(!source.code.contains(gone), "{gone}: {}", source.code);
        }
        for kept in ["let c =", "fn f<'a>(x: &'a str) -> char"] {
            assert!(source.code.contains(kept), "{kept}: {}", source.code);
        }
    }

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("OsciMessage_type"), ["osci", "message", "type"]);
        assert_eq!(words("HTTP_PORT"), ["http", "port"]);
        assert_eq!(words("__x"), ["x"]);
    }

    #[test]
    fn white_space_stays_between_names_only() {
        let source = Source::new("a.rs", "return  SystemTime :: now ( ) ;\n\t# [ ignore ]");
        let lines: Vec<_> = source.dense_lines().collect();
        assert_eq!(lines[0], (1, "return SystemTime::now();".to_owned()));
        assert_eq!(lines[1], (2, "#[ignore]".to_owned()));
    }

    #[test]
    fn places_are_folders_or_files() {
        let source = Source::new("broker/src/clock.rs", "");
        assert!(source.is_in(&["broker/src"]) && source.is_in(&["broker/src/clock.rs"]));
        assert!(!source.is_in(&["broker/sr", "broker/src/clock"]));
    }
}
