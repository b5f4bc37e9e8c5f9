//! `matches`, `replace` and `tokenize` (XPath 2.0 functions, 7.6) in time that grows with the text
//! and not with what a pattern could try: the engine's own search goes back and forth and can be
//! led to take for ever. Patterns are rewritten for `regex-automata`; the engine only says whether
//! it finds a pattern well-formed.
//!
//! References back to a group (`\1`) cannot be searched for like this, nor can a pattern that is too
//! large. That is our lack and no mistake of the rule or the message ([`is_lack`]); what is no
//! pattern at all is FORX0002. A pattern that stands in an expression is looked at when rules are
//! loaded ([`refusal`]).

mod pattern;

use std::cell::RefCell;
use std::collections::HashMap;

use regex_automata::Input;
use regex_automata::meta;
use xsd_schema::types::value::{XmlAtomicValue, XmlValue, XmlValueKind};
use xsd_schema::xpath::functions::{
    BuiltinEvaluator, FunctionEvaluator, FunctionHandle, FunctionId, XPathValue,
};
use xsd_schema::xpath::{DomNavigator, DynamicContext, XPathError, XmlItem};

use super::meter::MAX_STRING;
use super::navigator::{Budget, Nav};
use super::run::Value;

/// Bytes of the automaton of one pattern. 2 MiB.
const MAX_AUTOMATON: usize = 2 << 20;
/// Bytes of one pattern. 16 KiB.
const MAX_PATTERN: usize = 16 << 10;
/// Compiled patterns kept.
const MAX_KEPT: usize = 500;
/// Bytes of the automata of all compiled patterns kept, more or less. 32 MiB.
const MAX_KEPT_AUTOMATA: usize = 32 << 20;
/// Bytes of a pattern that is kept for the next message. 1 KiB.
const MAX_KEPT_PATTERN: usize = 1 << 10;
/// Bytes of an automaton that are made for one move.
const COMPILED_PER_MOVE: usize = 64;
/// What the error of a pattern says that is one and that we cannot search for.
const LACK: &str = "a regular expression beyond what is supported";
/// Bytes of text that are searched for one move.
const SEARCHED_PER_MOVE: usize = 32;

/// Why a pattern cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusable {
    /// It is no pattern of XPath.
    Malformed,
    /// It is one, but not for us.
    Unsupported,
}

/// Compiled patterns with their flags.
#[derive(Default)]
pub(super) struct Patterns(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    known: HashMap<(String, String), Result<meta::Regex, Unusable>>,
    /// Bytes of the automata when they were made.
    bytes: usize,
}

impl Patterns {
    fn get<'d>(
        &self,
        text: &str,
        flags: &str,
        budget: &Budget<'_>,
        ctx: &mut DynamicContext<'_, Nav<'d>>,
    ) -> Result<meta::Regex, XPathError> {
        if !are_flags(flags) {
            return Err(XPathError::invalid_regex_flags(flags));
        }
        // Each flag once: a message may say one a million times.
        let flags: String = "smix".chars().filter(|flag| flags.contains(*flag)).collect();
        if text.len() > MAX_PATTERN {
            return Err(XPathError::Internal(LACK.to_owned()));
        }
        let key = (text.to_owned(), flags);
        let known = self.0.borrow().known.get(&key).cloned();
        let regex = known.unwrap_or_else(|| {
            let regex = compile(text, &key.1, ctx);
            let bytes = regex.as_ref().map_or(0, meta::Regex::memory_usage) + text.len();
            budget.take((bytes / COMPILED_PER_MOVE) as u64);
            self.0.borrow_mut().keep(key, regex.clone(), bytes);
            regex
        });
        regex.map_err(|why| match why {
            Unusable::Malformed => XPathError::invalid_regex_pattern(text),
            Unusable::Unsupported => XPathError::Internal(LACK.to_owned()),
        })
    }

    /// What may stay for the next message: no long text that this one brought.
    pub(super) fn without_long_ones(self) -> Self {
        self.0.borrow_mut().known.retain(|(text, _), _| text.len() <= MAX_KEPT_PATTERN);
        self
    }
}

impl Kept {
    fn keep(&mut self, key: (String, String), regex: Result<meta::Regex, Unusable>, bytes: usize) {
        if self.known.len() >= MAX_KEPT || self.bytes.saturating_add(bytes) > MAX_KEPT_AUTOMATA {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.known.insert(key, regex);
    }
}

/// Whether an error says that a pattern is beyond us, and not that it is none.
pub(super) fn is_lack(error: &XPathError) -> bool {
    matches!(error, XPathError::Internal(text) if text == LACK)
}

/// Why a pattern that stands in an expression is refused. `None`: it can be used.
pub(super) fn refusal<'d>(
    text: &str,
    flags: &str,
    ctx: &mut DynamicContext<'_, Nav<'d>>,
) -> Option<&'static str> {
    if !are_flags(flags) {
        // FORX0001, when it is asked.
        return None;
    }
    if pattern::refers_back(text) {
        return Some(
            "refers back to a group, which is not supported: how long it takes has no bound",
        );
    }
    match compile(text, flags, ctx) {
        Ok(_) => None,
        Err(Unusable::Malformed) => Some("is no regular expression of XPath 2.0"),
        Err(Unusable::Unsupported) => Some("is too large or not supported"),
    }
}

fn are_flags(flags: &str) -> bool {
    flags.chars().all(|c| "smix".contains(c))
}

fn compile<'d>(
    text: &str,
    flags: &str,
    ctx: &mut DynamicContext<'_, Nav<'d>>,
) -> Result<meta::Regex, Unusable> {
    if text.len() > MAX_PATTERN {
        return Err(Unusable::Unsupported);
    }
    let config = meta::Config::new()
        .nfa_size_limit(Some(MAX_AUTOMATON))
        .onepass(false)
        .dfa(false)
        .hybrid_cache_capacity(MAX_AUTOMATON);
    let built = match pattern::rewritten(text, flags) {
        None => None,
        Some(pattern) => match meta::Builder::new().configure(config).build(&pattern) {
            Ok(regex) => Some(regex),
            Err(error) if error.size_limit().is_some() => return Err(Unusable::Unsupported),
            Err(_) => None,
        },
    };
    if !engine_agrees(text, flags, ctx) {
        return Err(Unusable::Malformed);
    }
    built.ok_or(Unusable::Unsupported)
}

/// Whether the engine takes the pattern: asked with no text to search.
fn engine_agrees<'d>(text: &str, flags: &str, ctx: &mut DynamicContext<'_, Nav<'d>>) -> bool {
    let args: Vec<Value<'d>> = ["", text, flags].map(XPathValue::string).into();
    BuiltinEvaluator.eval(FunctionId::Matches.into(), ctx, args).is_ok()
}

/// The function, if it is one of the three.
pub(super) fn function(handle: FunctionHandle) -> Option<FunctionId> {
    let all = [FunctionId::Matches, FunctionId::Replace, FunctionId::Tokenize];
    all.into_iter().find(|id| FunctionHandle::from(*id) == handle)
}

/// Calls it.
pub(super) fn call<'d>(
    function: FunctionId,
    args: &[Value<'d>],
    patterns: &Patterns,
    budget: &Budget<'_>,
    ctx: &mut DynamicContext<'_, Nav<'d>>,
) -> Result<Value<'d>, XPathError> {
    let text = |at: usize| args.get(at).map_or(Ok(None), string);
    let needed = |at: usize| {
        text(at)?.ok_or_else(|| XPathError::type_mismatch("xs:string", "an empty sequence"))
    };
    let replaces = function == FunctionId::Replace;
    let flags = text(if replaces { 3 } else { 2 })?.unwrap_or_default();
    let pattern = needed(1)?;
    let replacement = if replaces { needed(2)? } else { String::new() };
    let input = text(0)?.unwrap_or_default();
    let regex = patterns.get(&pattern, &flags, budget, ctx)?;
    budget.take(1 + (input.len() / SEARCHED_PER_MOVE) as u64);
    if function == FunctionId::Matches {
        return Ok(XPathValue::boolean(regex.is_match(&input)));
    }
    if regex.is_match("") {
        return Err(XPathError::regex_matches_zero_length(&pattern));
    }
    let search =
        Search { regex: &regex, input: &input, short: pattern::is_short(&pattern), budget };
    if replaces {
        let parts = parts(&replacement, regex.captures_len() - 1)
            .ok_or_else(|| XPathError::invalid_replacement_string(&replacement))?;
        return Ok(XPathValue::string(search.replaced(&parts)));
    }
    Ok(search.tokens())
}

/// A text, converted as 3.1.5 has it.
fn string(value: &Value<'_>) -> Result<Option<String>, XPathError> {
    match value.as_slice() {
        [] => Ok(None),
        [XmlItem::Node(node)] => Ok(Some(node.value())),
        [
            XmlItem::Atomic(XmlValue {
                value:
                    XmlValueKind::UntypedAtomic(text)
                    | XmlValueKind::Atomic(XmlAtomicValue::String(text) | XmlAtomicValue::AnyUri(text)),
                ..
            }),
        ] => Ok(Some(text.clone())),
        [_] => Err(XPathError::type_mismatch("xs:string?", "another type")),
        _ => Err(XPathError::type_mismatch("xs:string?", "a sequence")),
    }
}

struct Search<'s> {
    regex: &'s meta::Regex,
    input: &'s str,
    /// A search looks no further than a few characters beyond what it finds.
    short: bool,
    budget: &'s Budget<'s>,
}

impl Search<'_> {
    /// Takes for one search from here on: it may look at all that is left.
    fn pay(&self, from: usize) {
        let left = if self.short { 0 } else { self.input.len().saturating_sub(from) };
        self.budget.take(1 + (left / SEARCHED_PER_MOVE) as u64);
    }

    fn tokens<'d>(&self) -> Value<'d> {
        let mut items = Vec::new();
        if self.input.is_empty() {
            return XPathValue::Empty;
        }
        let mut from = 0;
        for found in self.regex.find_iter(self.input) {
            self.pay(found.end());
            self.budget.take(8);
            items.push(XmlItem::Atomic(XmlValue::string(&self.input[from..found.start()])));
            from = found.end();
        }
        items.push(XmlItem::Atomic(XmlValue::string(&self.input[from..])));
        XPathValue::from_sequence(items)
    }

    fn replaced(&self, parts: &[Part]) -> String {
        let (mut out, mut from) = (String::new(), 0);
        let mut groups = self.regex.create_captures();
        loop {
            self.pay(from);
            let input = Input::new(self.input).range(from..);
            self.regex.search_captures(&input, &mut groups);
            let Some(found) = groups.get_match() else { break };
            out.push_str(&self.input[from..found.start()]);
            for part in parts {
                match part {
                    Part::Text(text) => out.push_str(text),
                    Part::Group(number) => {
                        if let Some(span) = groups.get_group(*number) {
                            out.push_str(&self.input[span.start..span.end]);
                        }
                    }
                }
                if out.len() > MAX_STRING {
                    self.budget.spend();
                }
            }
            self.budget.take(parts.len() as u64);
            from = found.end();
            if found.is_empty() {
                break;
            }
        }
        out.push_str(&self.input[from..]);
        out
    }
}

/// A part of a replacement.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

/// Reads a replacement (7.6.3). `None`: FORX0004.
fn parts(text: &str, groups: usize) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.push(rest.next().filter(|c| matches!(c, '\\' | '$'))?),
            '$' => {
                let mut number = rest.next()?.to_digit(10)? as usize;
                while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
                    let longer = number * 10 + digit as usize;
                    if longer > groups {
                        break;
                    }
                    number = longer;
                    rest.next();
                }
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Group(number));
            }
            c => plain.push(c),
        }
    }
    parts.push(Part::Text(plain));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_large_is_kept() {
        let all = Patterns::default();
        let keep = |text: &str, bytes| {
            let regex = Ok(meta::Regex::new("a").unwrap());
            all.0.borrow_mut().keep((text.to_owned(), String::new()), regex, bytes);
        };
        keep("short", 1);
        keep(&"x".repeat(MAX_KEPT_PATTERN + 1), 1);
        assert_eq!(all.0.borrow().known.len(), 2);
        let all = all.without_long_ones();
        assert_eq!(all.0.borrow().known.len(), 1);
        // What would be too much makes room first.
        let keep = |text: &str, bytes| {
            let regex = Err(Unusable::Malformed);
            all.0.borrow_mut().keep((text.to_owned(), String::new()), regex, bytes);
        };
        keep("large", MAX_KEPT_AUTOMATA);
        assert_eq!((all.0.borrow().known.len(), all.0.borrow().bytes), (1, MAX_KEPT_AUTOMATA));
        keep("larger", 1);
        assert_eq!((all.0.borrow().known.len(), all.0.borrow().bytes), (1, 1));
    }

    #[test]
    fn replacements_name_groups() {
        let text = |t: &str| Part::Text(t.to_owned());
        assert_eq!(
            parts("a$1\\$b$12", 2),
            Some(vec![text("a"), Part::Group(1), text("$b"), Part::Group(1), text("2")])
        );
        assert_eq!(parts("$12", 12), Some(vec![Part::Group(12)]));
        for bad in ["$", "$a", "\\", "\\n"] {
            assert_eq!(parts(bad, 1), None, "{bad}");
        }
    }
}
