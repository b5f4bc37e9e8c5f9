//! The XML declaration (XML 1.0, 2.8, 2.9 and 4.3.3).

use super::chars::is_space;
use super::error::XmlErrorKind as Kind;

/// Checks what stands between `<?` and `?>`. An error names the byte where it was noticed.
pub(super) fn check(content: &[u8]) -> Result<(), (Kind, usize)> {
    let mut scan = Scan { content, at: "xml".len() };
    let bad = |scan: &Scan<'_>| (Kind::BadDeclaration, scan.at);
    let at = scan.at;
    let version = scan.pseudo_attribute("version")?.ok_or((Kind::BadDeclaration, at))?;
    check_version(version).map_err(|kind| (kind, at))?;
    let at = scan.at;
    if let Some(encoding) = scan.pseudo_attribute("encoding")? {
        check_encoding(encoding).map_err(|kind| (kind, at))?;
    }
    let at = scan.at;
    if let Some(standalone) = scan.pseudo_attribute("standalone")?
        && !matches!(standalone, b"yes" | b"no")
    {
        return Err((Kind::BadDeclaration, at));
    }
    scan.space();
    if scan.at == content.len() { Ok(()) } else { Err(bad(&scan)) }
}

fn check_version(version: &[u8]) -> Result<(), Kind> {
    match version.strip_prefix(b"1.") {
        Some(b"1") => Err(Kind::Version),
        // A processor of 1.0 reads documents of any 1.x by the rules of 1.0 (fifth edition, 2.8).
        Some(minor) if !minor.is_empty() && minor.iter().all(u8::is_ascii_digit) => Ok(()),
        Some(_) => Err(Kind::BadDeclaration),
        None => Err(Kind::Version),
    }
}

fn check_encoding(name: &[u8]) -> Result<(), Kind> {
    let well_written = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !well_written {
        return Err(Kind::BadDeclaration);
    }
    // US-ASCII is a part of UTF-8.
    let read = [&b"utf-8"[..], b"us-ascii"].iter().any(|read| name.eq_ignore_ascii_case(read));
    if read { Ok(()) } else { Err(Kind::Encoding) }
}

struct Scan<'a> {
    content: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.content[self.at..]
    }

    fn space(&mut self) -> bool {
        let length = self.rest().iter().take_while(|b| is_space(**b)).count();
        self.at += length;
        length > 0
    }

    /// ` name="value"`; `None`, and nothing taken, where something else stands.
    fn pseudo_attribute(&mut self, name: &str) -> Result<Option<&'a [u8]>, (Kind, usize)> {
        let start = self.at;
        let spaced = self.space();
        if !spaced || !self.rest().starts_with(name.as_bytes()) {
            self.at = start;
            return Ok(None);
        }
        self.at += name.len();
        self.space();
        let bad = (Kind::BadDeclaration, self.at);
        let [b'=', ..] = self.rest() else { return Err(bad) };
        self.at += 1;
        self.space();
        let [quote @ (b'"' | b'\''), rest @ ..] = self.rest() else { return Err(bad) };
        let length = rest.iter().position(|b| b == quote).ok_or(bad)?;
        self.at += length + 2;
        Ok(Some(&rest[..length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read_exactly() {
        for (content, expected) in [
            ("xml version='1.0'", Ok(())),
            ("xml version=\"1.0\" ", Ok(())),
            ("xml\tversion = '1.2'\r\n encoding\n=\n'utf-8' standalone='no' ", Ok(())),
            ("xml version='1.0' encoding='UTF-8'", Ok(())),
            ("xml version='1.0' encoding='us-ASCII'", Ok(())),
            ("xml version='1.0' standalone='yes'", Ok(())),
            ("xml version='1.1'", Err(Kind::Version)),
            ("xml version='2.0'", Err(Kind::Version)),
            ("xml version='1.'", Err(Kind::BadDeclaration)),
            ("xml version='1.0a'", Err(Kind::BadDeclaration)),
            ("xml version=' 1.0'", Err(Kind::Version)),
            ("xml version=1.0", Err(Kind::BadDeclaration)),
            ("xml version='1.0\"", Err(Kind::BadDeclaration)),
            ("xml version '1.0'", Err(Kind::BadDeclaration)),
            ("xml", Err(Kind::BadDeclaration)),
            ("xml ", Err(Kind::BadDeclaration)),
            ("xml encoding='UTF-8'", Err(Kind::BadDeclaration)),
            ("xml VERSION='1.0'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' encoding='ISO-8859-1'", Err(Kind::Encoding)),
            ("xml version='1.0' encoding='UTF-16'", Err(Kind::Encoding)),
            ("xml version='1.0' encoding='utf8'", Err(Kind::Encoding)),
            ("xml version='1.0' encoding=''", Err(Kind::BadDeclaration)),
            ("xml version='1.0' encoding='8bit'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' encoding=' UTF-8'", Err(Kind::BadDeclaration)),
            ("xml version='1.0'encoding='UTF-8'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' standalone='YES'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' standalone='no' encoding='UTF-8'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' version='1.0'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' foo='bar'", Err(Kind::BadDeclaration)),
            ("xml version='1.0' ?", Err(Kind::BadDeclaration)),
        ] {
            assert_eq!(check(content.as_bytes()).map_err(|(kind, _)| kind), expected, "{content}");
        }
    }
}
