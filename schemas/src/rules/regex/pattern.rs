//! A pattern of XPath 2.0 (functions, 7.6.1) in the words of `regex-syntax`.

use std::iter::Peekable;
use std::str::Chars;

use crate::validate::block;

/// Characters that begin a name (XML 1.0, production 4).
const NAME_START: &str = ":A-Z_a-z\\u{C0}-\\u{D6}\\u{D8}-\\u{F6}\\u{F8}-\\u{2FF}\\u{370}-\\u{37D}\
    \\u{37F}-\\u{1FFF}\\u{200C}\\u{200D}\\u{2070}-\\u{218F}\\u{2C00}-\\u{2FEF}\\u{3001}-\\u{D7FF}\
    \\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFFD}\\u{10000}-\\u{EFFFF}";
/// Characters that go on with it beside those (production 4a).
const NAME_MORE: &str = "\\-.0-9\\u{B7}\\u{300}-\\u{36F}\\u{203F}\\u{2040}";
/// Classes inside each other.
const MAX_DEPTH: usize = 20;

/// The same pattern for `regex-syntax`. `None`: it is none, or refers back.
pub(super) fn rewritten(text: &str, flags: &str) -> Option<String> {
    let (dot, spaced) = (flags.contains('s'), flags.contains('x'));
    let mut out = String::new();
    for flag in ['i', 'm'] {
        if flags.contains(flag) {
            out.push_str(&format!("(?{flag})"));
        }
    }
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' if spaced => {}
            '[' => class(&mut rest, &mut out, 0)?,
            '\\' => escape(&mut rest, &mut out)?,
            '.' => out.push_str(if dot { "(?s:.)" } else { "[^\\n]" }),
            '(' => {
                while spaced && rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if rest.peek() == Some(&'?') {
                    return None;
                }
                out.push('(');
            }
            ']' | '}' => return None,
            '{' => {
                out.push('{');
                let mut digits = 0;
                loop {
                    match rest.next()? {
                        '}' if digits > 0 => break,
                        c @ '0'..='9' => out.push(c),
                        ',' if digits > 0 => out.push(','),
                        _ => return None,
                    }
                    digits += 1;
                }
                out.push('}');
            }
            c => out.push(c),
        }
    }
    Some(out)
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
        out.push('\\');
    }
    out.push(c);
}

/// What follows a backslash, in or outside a class.
fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    match rest.next()? {
        c @ ('n' | 'r' | 't') => out.extend(['\\', c]),
        c if "\\|.-^?*+{}()[]$".contains(c) => literal(c, out),
        's' => out.push_str("[ \\t\\n\\r]"),
        'S' => out.push_str("[^ \\t\\n\\r]"),
        'd' => out.push_str("\\p{Nd}"),
        'D' => out.push_str("\\P{Nd}"),
        'w' => out.push_str("[^\\p{P}\\p{Z}\\p{C}]"),
        'W' => out.push_str("[\\p{P}\\p{Z}\\p{C}]"),
        'i' => out.push_str(&format!("[{NAME_START}]")),
        'I' => out.push_str(&format!("[^{NAME_START}]")),
        'c' => out.push_str(&format!("[{NAME_START}{NAME_MORE}]")),
        'C' => out.push_str(&format!("[^{NAME_START}{NAME_MORE}]")),
        p @ ('p' | 'P') => {
            rest.next_if_eq(&'{')?;
            let mut name = String::new();
            while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '-') {
                name.push(c);
            }
            rest.next_if_eq(&'}')?;
            match name.strip_prefix("Is") {
                Some(name) => ranges(block(name)?, p == 'P', out),
                None if name.is_empty() || name.len() > 2 => return None,
                None => out.push_str(&format!("\\{p}{{{name}}}")),
            }
        }
        _ => return None,
    }
    Some(())
}

/// A block, or what lies outside it. Those of surrogates hold no character.
fn ranges(block: &[(char, char)], outside: bool, out: &mut String) {
    match (block.is_empty(), outside) {
        (true, true) => out.push_str("[\\x00-\\x{10FFFF}]"),
        (true, false) => out.push_str("[^\\x00-\\x{10FFFF}]"),
        (false, _) => {
            out.push_str(if outside { "[^" } else { "[" });
            for (low, high) in block {
                out.push_str(&format!("\\x{{{:X}}}-\\x{{{:X}}}", *low as u32, *high as u32));
            }
            out.push(']');
        }
    }
}

/// A class, after its `[`.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut own = String::from("[");
    if rest.next_if_eq(&'^').is_some() {
        own.push('^');
    }
    let (mut first, mut without) = (true, None);
    loop {
        match rest.next()? {
            ']' if first => return None,
            ']' => break,
            '[' => return None,
            '\\' => escape(rest, &mut own)?,
            '-' if !first && rest.peek() == Some(&'[') => {
                rest.next();
                let mut sub = String::new();
                class(rest, &mut sub, depth + 1)?;
                rest.next_if_eq(&']')?;
                without = Some(sub);
                break;
            }
            c => literal(c, &mut own),
        }
        first = false;
        // A range.
        let mut ahead = rest.clone();
        if ahead.next() == Some('-') && !matches!(ahead.peek(), Some(']' | '[') | None) {
            rest.next();
            own.push('-');
            match rest.next()? {
                '\\' => escape(rest, &mut own)?,
                c => literal(c, &mut own),
            }
        }
    }
    own.push(']');
    match without {
        None => out.push_str(&own),
        Some(sub) => out.push_str(&format!("[{own}--{sub}]")),
    }
    Some(())
}

/// Whether every match has a few characters at most: nothing repeats without a bound.
pub(super) fn is_short(text: &str) -> bool {
    !text.contains(['*', '+', '{'])
}

/// Whether a pattern refers back to a group.
pub(super) fn refers_back(text: &str) -> bool {
    let (mut escaped, mut classes) = (false, 0_usize);
    for c in text.chars() {
        match c {
            '1'..='9' if escaped && classes == 0 => return true,
            _ if escaped => {}
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

#[cfg(test)]
mod tests {
    use regex_automata::meta::Regex;

    use super::*;

    #[test]
    fn patterns_mean_what_xpath_says() {
        for (pattern, flags, good, bad) in [
            ("^a.b$", "", "a\rb", "a\nb"),
            ("^a.b$", "s", "a\nb", "ab"),
            ("^b$", "m", "a\nb\nc", "ab"),
            ("^ä b$", "ix", "ÄB", "Ä B"),
            ("^[a-z-[aeiou]]+$", "", "xyz", "xaz"),
            ("^[^a-z-[0-9]]$", "", "-", "5"),
            ("^[-a]+$", "", "a-", "b"),
            ("^[a&&b~~c-]+$", "", "a&b~c-", "d"),
            (r"^[\s\d]+\w$", "", "1 2ß", "1 2!"),
            (r"^\i\c*$", "", "a-1", "1a"),
            (r"^\p{Lu}\P{L}$", "", "Ä1", "ä1"),
            (r"^\$\{a\}\|$", "", "${a}|", "a"),
            ("^a#b$", "x", "a#b", "a"),
            ("^a{2,3}?$", "", "aaa", "a"),
            ("^<>&%$", "", "<>&%", "<"),
            (r"^\p{IsBasicLatin}+$", "", "aB1", "ä"),
            (r"^[\P{IsBasicLatin}x]+$", "", "äx", "äy"),
            (r"^[\p{IsLatin-1Supplement}-[ä]]$", "", "ö", "ä"),
            (r"^\P{IsHighSurrogates}$", "", "a", "ab"),
            (r"^(\p{IsHighSurrogates}|b)$", "", "b", "a"),
        ] {
            let regex = Regex::new(&rewritten(pattern, flags).expect(pattern)).expect(pattern);
            assert!(regex.is_match(good) && !regex.is_match(bad), "{pattern}");
        }
        for bad in [r"(a)\1", "(?:a)", "(?i)a", r"\b", "[]", "[a", "a{,2}", r"\p{IsNothing}", "a]"]
        {
            assert_eq!(rewritten(bad, ""), None, "{bad}");
        }
    }

    #[test]
    fn references_back_are_seen() {
        assert!(refers_back(r"(a)\1") && !refers_back(r"\\1[\]1]\d1"));
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_is_answered(text: String, flags in "[smix]{0,3}") {
            let _ = (rewritten(&text, &flags), refers_back(&text), is_short(&text));
        }
    }
}
