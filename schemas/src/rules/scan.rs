//! A look at the characters of an XPath expression, as far as Schematron needs it before the
//! expression is compiled: string literals, comments, brackets.

use std::ops::Range;

/// The variable that stands for the node of the rule (`current()` of XSLT).
pub(super) const CURRENT: &str = "amtsbote-current";

/// Whether a character continues a name.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '\u{b7}')
}

/// The parts of an expression that are neither string literal nor comment (XPath 2.0, 2.5 and 2.6).
pub(super) fn code(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            quote @ (b'"' | b'\'') => {
                parts.push(from..at);
                at += 1;
                // A doubled quote ends one literal and begins the next: the same to us.
                while bytes.get(at).is_some_and(|byte| byte != quote) {
                    at += 1;
                }
                at = (at + 1).min(bytes.len());
                from = at;
            }
            b'(' if bytes.get(at + 1) == Some(&b':') => {
                parts.push(from..at);
                at = comment_end(bytes, at);
                from = at;
            }
            _ => at += 1,
        }
    }
    parts.push(from..text.len());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Comments nest.
fn comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'(', Some(b':')) => (depth, at) = (depth + 1, at + 2),
            (b':', Some(b')')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Writes the variable [`CURRENT`] for every call of `current()`. `None`: there is none.
pub(super) fn replace_current(text: &str) -> Option<String> {
    let mut found = Vec::new();
    for part in code(text) {
        let piece = &text[part.clone()];
        for (at, _) in piece.match_indices("current") {
            let before = piece[..at].chars().next_back();
            let rest = &piece[at + "current".len()..];
            let Some(inner) = rest.trim_start().strip_prefix('(') else { continue };
            let Some(after) = inner.trim_start().strip_prefix(')') else { continue };
            if before.is_none_or(|c| !is_name_char(c) && c != ':' && c != '$') {
                found.push(part.start + at..part.start + piece.len() - after.len());
            }
        }
    }
    if found.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut from = 0;
    for call in found {
        out.push_str(&text[from..call.start]);
        out.push('$');
        out.push_str(CURRENT);
        from = call.end;
    }
    out.push_str(&text[from..]);
    Some(out)
}

/// Writes the values of parameters for `$name` (ISO/IEC 19757-3, abstract patterns), in literals
/// too. `None`: it would have more than `most` bytes.
pub(super) fn fill_in(text: &str, parameters: &[(String, String)], most: usize) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let end = after.find(|c| !is_name_char(c)).unwrap_or(after.len());
        match parameters.iter().find(|(name, _)| *name == after[..end]) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(&rest[at..=at + end]),
        }
        if out.len() > most {
            return None;
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    (out.len() <= most).then_some(out)
}

/// The text with everything in square brackets, literals and comments blanked out.
pub(super) fn outside_predicates(text: &str) -> String {
    let mut plain = vec![b' '; text.len()];
    let mut depth = 0_usize;
    for part in code(text) {
        for at in part {
            match text.as_bytes()[at] {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                byte if depth == 0 => plain[at] = byte,
                _ => {}
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The alternatives of a pattern: what stands between `|` outside brackets.
pub(super) fn alternatives(text: &str) -> Vec<&str> {
    let (mut found, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    for part in code(text) {
        for at in part {
            match text.as_bytes()[at] {
                b'[' | b'(' => depth += 1,
                b']' | b')' => depth = depth.saturating_sub(1),
                b'|' if depth == 0 => {
                    found.push(text[from..at].trim());
                    from = at + 1;
                }
                _ => {}
            }
        }
    }
    found.push(text[from..].trim());
    found
}

/// Where the bracket that opens at `from` closes.
pub(super) fn closing(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for part in code(&text[from..]) {
        for at in part {
            match text.as_bytes()[from + at] {
                b'[' => depth += 1,
                b']' if depth == 1 => return Some(from + at),
                b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_is_found_outside_literals_and_comments_only() {
        let rewritten = |text| replace_current(text);
        assert_eq!(
            rewritten("a = current ( )/b and current()").as_deref(),
            Some("a = $amtsbote-current/b and $amtsbote-current")
        );
        assert_eq!(rewritten("'current()' (: current() (: x :) :) my-current() x:current()"), None);
        assert_eq!(rewritten("current(1) current-date() $current"), None);
        assert_eq!(
            rewritten("'it''s' = current()").as_deref(),
            Some("'it''s' = $amtsbote-current")
        );
    }

    #[test]
    fn alternatives_and_brackets() {
        assert_eq!(alternatives("/a | b[c | d = '|'] |e"), ["/a", "b[c | d = '|']", "e"]);
        let text = "a[b[1] = ']']/c";
        assert_eq!(closing(text, 1), Some(12));
        assert_eq!(outside_predicates(text).replace(' ', ""), "a/c");
        assert_eq!(closing("a[b", 1), None);
    }

    #[test]
    fn parameters_are_filled_in_by_whole_names() {
        let parameters = [("a".to_owned(), "x/y".to_owned()), ("ab".to_owned(), "z".to_owned())];
        let filled = "x/y/z/$abc/$";
        assert_eq!(fill_in("$a/$ab/$abc/$", &parameters, 12).as_deref(), Some(filled));
        assert_eq!(fill_in("$a/$ab/$abc/$", &parameters, 11), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text: String) {
            let parts = code(&text);
            let _ = (parts, replace_current(&text), alternatives(&text), closing(&text, 0));
            let _ = (outside_predicates(&text), fill_in(&text, &[], 100));
        }
    }
}
