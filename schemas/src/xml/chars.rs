//! Which characters XML allows where (XML 1.0, 2.2 and 2.3), and quick looks at runs of bytes.

/// What a run of bytes holds; several bits at once.
pub(super) type Classes = u8;

/// Ends a run of text: `<` or `&`.
pub(super) const STOP: Classes = 1;
/// A control character that XML forbids.
pub(super) const CONTROL: Classes = 1 << 1;
/// Carriage return.
pub(super) const CR: Classes = 1 << 2;
/// Line feed.
pub(super) const LF: Classes = 1 << 3;
/// A byte of a character beyond ASCII.
pub(super) const HIGH: Classes = 1 << 4;
/// `>`, which may end a forbidden `]]>`.
pub(super) const GT: Classes = 1 << 5;
/// 0xEF, which may begin the forbidden U+FFFE or U+FFFF.
pub(super) const EF: Classes = 1 << 6;
/// Tabulator.
pub(super) const TAB: Classes = 1 << 7;

static CLASS: [Classes; 256] = classes();

const fn classes() -> [Classes; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'<' | b'&' => STOP,
            b'\t' => TAB,
            b'\n' => LF,
            b'\r' => CR,
            b'>' => GT,
            0..0x20 => CONTROL,
            0xEF => HIGH | EF,
            0x80.. => HIGH,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// The class of one byte.
pub(super) fn class(byte: u8) -> Classes {
    CLASS[usize::from(byte)]
}

/// The classes of all bytes together.
pub(super) fn classes_of(bytes: &[u8]) -> Classes {
    bytes.iter().fold(0, |seen, byte| seen | class(*byte))
}

/// How many bytes stand before the first `<` or `&`, and what they are.
pub(super) fn text_run(bytes: &[u8]) -> (usize, Classes) {
    let mut seen = 0;
    for (n, byte) in bytes.iter().enumerate() {
        let class = class(*byte);
        if class & STOP != 0 {
            return (n, seen);
        }
        seen |= class;
    }
    (bytes.len(), seen)
}

/// White space (production S).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Production Char.
pub(super) fn is_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Where the first forbidden character stands.
pub(super) fn first_forbidden(text: &str, seen: Classes) -> Option<usize> {
    if seen & (CONTROL | EF) == 0 {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_char(*c)).map(|(n, _)| n)
}

/// How many bytes at the beginning could belong to a name. Beyond ASCII only a look at the
/// characters tells; see [`is_name`].
pub(super) fn name_run(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !is_name_byte(*b)).unwrap_or(bytes.len())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | 0x80..)
}

/// Production Name.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Production NameStartChar.
pub(super) fn is_name_start(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '_' | ':' => true,
        '\0'..='\u{7F}' => false,
        _ => matches!(c,
            '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
            | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
            | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
            | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}'),
    }
}

fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// The two halves of a name after Namespaces in XML: prefix (empty where there is none) and local
/// part. `None` where the name is no QName.
pub(super) fn split_qname(name: &str) -> Option<(&str, &str)> {
    let Some((prefix, local)) = name.split_once(':') else {
        return Some(("", name));
    };
    let starts_well = local.chars().next().is_some_and(is_name_start);
    (!prefix.is_empty() && starts_well && !local.contains(':')).then_some((prefix, local))
}

/// Appends `text` with its line ends made `\n` (XML 1.0, 2.11). `after_cr`: the byte before it was
/// a carriage return, for which the line end is already written.
pub(super) fn push_normalised(out: &mut String, text: &str, seen: Classes, after_cr: bool) {
    let text = if after_cr { text.strip_prefix('\n').unwrap_or(text) } else { text };
    if seen & CR == 0 {
        out.push_str(text);
        return;
    }
    let mut lines = text.split('\r');
    out.push_str(lines.next().unwrap_or_default());
    for line in lines {
        out.push('\n');
        out.push_str(line.strip_prefix('\n').unwrap_or(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_one_line_feed() {
        for (raw, expected) in [
            ("a\r\nb", "a\nb"),
            ("a\rb\r", "a\nb\n"),
            ("\r\r\n\n", "\n\n\n"),
            ("a\n\rb", "a\n\nb"),
            ("plain", "plain"),
        ] {
            let mut out = String::new();
            push_normalised(&mut out, raw, classes_of(raw.as_bytes()), false);
            assert_eq!(out, expected, "{raw:?}");
        }
        let mut out = String::new();
        push_normalised(&mut out, "\n\nx", LF, true);
        assert_eq!(out, "\nx", "the first line feed belongs to the carriage return before it");
    }

    #[test]
    fn names_are_judged_by_the_fifth_edition() {
        for good in ["a", "_", "Ä1", "a-b.c", "\u{10000}", "a\u{B7}", "a\u{300}", "\u{37F}"] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in ["", "1", "-a", ".a", "a b", "\u{D7}", "\u{37E}", "\u{300}", "a\u{F0000}"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_qualified_name_has_one_colon_inside() {
        assert_eq!(split_qname("a"), Some(("", "a")));
        assert_eq!(split_qname("p:a"), Some(("p", "a")));
        for bad in [":a", "a:", "a:b:c", "a::b", "p:1", "p:-", ":"] {
            assert_eq!(split_qname(bad), None, "{bad:?}");
        }
    }
}
