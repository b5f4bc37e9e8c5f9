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
#[inline]
pub(super) fn class(byte: u8) -> Classes {
    CLASS[usize::from(byte)]
}

/// As many bytes are looked at together.
const STRIDE: usize = 16;

/// Whether all bytes are of no class at all; one look at many is quick.
#[inline]
fn plain(bytes: &[u8; STRIDE]) -> bool {
    let other = |b: u8| !(0x20..0x80).contains(&b) || b == b'<' || b == b'&' || b == b'>';
    bytes.iter().fold(0, |seen, b| seen | u8::from(other(*b))) == 0
}

/// The classes of all bytes together.
#[inline]
pub(super) fn classes_of(bytes: &[u8]) -> Classes {
    let one_by_one = |seen: Classes, bytes: &[u8]| bytes.iter().fold(seen, |s, b| s | class(*b));
    let together =
        |seen, stride: &[u8; STRIDE]| if plain(stride) { seen } else { one_by_one(seen, stride) };
    match bytes.last_chunk::<STRIDE>() {
        // Some bytes are looked at again rather than one by one.
        Some(last) => {
            let (strides, rest) = bytes.as_chunks::<STRIDE>();
            let seen = strides.iter().fold(0, together);
            if rest.is_empty() { seen } else { together(seen, last) }
        }
        None => one_by_one(0, bytes),
    }
}

/// How many bytes stand before the first `<` or `&`, and what they are: eight at a time, as one
/// number.
#[inline]
pub(super) fn text_run(bytes: &[u8]) -> (usize, Classes) {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut seen = 0;
    for (n, bytes) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let stops = equal(word, b'<') | equal(word, b'&');
        // What does not stand before the stop is not looked at.
        let before = stops.trailing_zeros() as usize / 8;
        let wanted = (stops & stops.wrapping_neg()).wrapping_sub(1);
        if (below_space(word) | equal(word, b'>') | word) & TOPS & wanted != 0 {
            seen = bytes[..before].iter().fold(seen, |seen, b| seen | class(*b));
        }
        if stops != 0 {
            return (n * 8 + before, seen);
        }
    }
    let before = rest.iter().take_while(|b| class(**b) & STOP == 0);
    before.fold((bytes.len() - rest.len(), seen), |(n, seen), b| (n + 1, seen | class(*b)))
}

/// Where the first `byte` stands; eight at a time.
#[inline]
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, bytes) in words.iter().enumerate() {
        let found = equal(u64::from_le_bytes(*bytes), byte);
        if found != 0 {
            return Some(n * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let before = bytes.len() - rest.len();
    rest.iter().position(|b| *b == byte).map(|at| before + at)
}

/// How many spaces stand between a line feed, which is first, and the `<` of the next tag. `None`
/// where there is anything else.
#[inline]
pub(super) fn indentation(bytes: &[u8]) -> Option<usize> {
    let [b'\n', rest @ ..] = bytes else { return None };
    let (words, _) = rest.as_chunks::<8>();
    let full = words.iter().take_while(|word| **word == [b' '; 8]).count() * 8;
    let spaces = full + rest[full..].iter().take_while(|byte| **byte == b' ').count();
    (rest.get(spaces) == Some(&b'<')).then_some(spaces)
}

/// 1 in each byte.
const ONES: u64 = u64::from_le_bytes([1; 8]);
/// The top bit of each byte.
const TOPS: u64 = u64::from_le_bytes([0x80; 8]);

/// The bytes of `word` that are `byte`, as top bits. Right up to and with the first of them; those
/// behind it may be wrong.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (ONES * u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & TOPS
}

/// The bytes of `word` below 0x20, as top bits, in the same way.
#[inline]
fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & TOPS
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
#[inline]
pub(super) fn first_forbidden(text: &str, seen: Classes) -> Option<usize> {
    if seen & (CONTROL | EF) == 0 {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_char(*c)).map(|(n, _)| n)
}

/// Bytes that could belong to a name, but for the colon, which parts prefix and local part.
static NAME: [bool; 256] = name_bytes();

const fn name_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | 0x80..);
        byte += 1;
    }
    table
}

/// The bytes at a beginning that could belong to a name. Beyond ASCII only a look at the characters
/// tells; see [`is_name`].
#[derive(Clone, Copy)]
pub(super) struct NameRun {
    /// How many.
    pub(super) length: usize,
    /// Where the first colon stands.
    pub(super) colon: Option<usize>,
    /// Whether all are ASCII.
    pub(super) ascii: bool,
}

/// Looks for a name at the beginning of `bytes`.
#[inline]
pub(super) fn name_run(bytes: &[u8]) -> NameRun {
    let (mut colon, mut high) = (None, 0);
    let mut length = 0;
    for byte in bytes {
        if !NAME[usize::from(*byte)] {
            if *byte != b':' {
                break;
            }
            colon = colon.or(Some(length));
        }
        high |= *byte;
        length += 1;
    }
    NameRun { length, colon, ascii: high < 0x80 }
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
/// part. `colon`: where its first colon stands. `None` where the name is no QName.
#[inline]
pub(super) fn split_qname(name: &str, colon: Option<usize>) -> Option<(&str, &str)> {
    let Some(colon) = colon else {
        return Some(("", name));
    };
    let (prefix, local) = (&name[..colon], &name[colon + 1..]);
    let starts_well = local.chars().next().is_some_and(is_name_start);
    let another = local.bytes().any(|b| b == b':');
    (!prefix.is_empty() && starts_well && !another).then_some((prefix, local))
}

/// Appends `text` with its line ends made `\n` (XML 1.0, 2.11). `after_cr`: the byte before it was
/// a carriage return, for which the line end is already written.
#[inline]
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
    fn every_byte_is_seen_wherever_it_stands() {
        for byte in (0..=255u8).filter(|b| class(*b) & STOP == 0) {
            for place in 0..70 {
                let mut bytes = vec![b'x'; 70];
                bytes[place] = byte;
                assert_eq!(text_run(&bytes), (70, class(byte)), "{byte} at {place}");
                bytes[69] = b'&';
                let expected = if place == 69 { 0 } else { class(byte) };
                assert_eq!(text_run(&bytes), (69, expected), "{byte} at {place}");
            }
        }
    }

    #[test]
    fn the_first_byte_of_its_kind_is_found() {
        for length in 0..40 {
            for place in 0..length {
                for quote in *b"\"'" {
                    // Neighbours in value do not pass for it, nor does a second one count.
                    let mut bytes = vec![quote ^ 1; length];
                    assert_eq!(find(&bytes, quote), None);
                    bytes[place] = quote;
                    bytes[length - 1] = quote;
                    assert_eq!(find(&bytes, quote), Some(place), "{place} of {length}");
                }
            }
        }
    }

    #[test]
    fn what_stands_behind_a_stop_does_not_count() {
        for length in 0..20 {
            let bytes = format!("{:length$}<\n\r\t>\u{1}\u{FFFE}&", "");
            assert_eq!(text_run(bytes.as_bytes()), (length, 0), "{length}");
        }
    }

    #[test]
    fn an_indentation_is_a_line_feed_and_spaces_before_a_tag() {
        for spaces in 0..40 {
            let line = format!("\n{:spaces$}", "");
            assert_eq!(indentation(format!("{line}<").as_bytes()), Some(spaces));
            for other in ["", "x<", "\t<", "\r<", "\n<", "&", "\u{1}<", "]]>"] {
                assert_eq!(indentation(format!("{line}{other}").as_bytes()), None, "{other:?}");
            }
        }
        assert_eq!(indentation(b" <"), None);
        assert_eq!(indentation(b""), None);
    }

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
        let split = |name| split_qname(name, name_run(name.as_bytes()).colon);
        assert_eq!(split("a"), Some(("", "a")));
        assert_eq!(split("p:a"), Some(("p", "a")));
        for bad in [":a", "a:", "a:b:c", "a::b", "p:1", "p:-", ":"] {
            assert_eq!(split(bad), None, "{bad:?}");
        }
    }
}
