//! The regular expressions of XSD 1.0 (Datatypes, Appendix F), read into the form that
//! `regex-automata` compiles.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition};

use super::classes::{Classes, complement};

/// Deepest nesting of groups and of classes.
const MAX_DEPTH: usize = 200;
/// Largest number in a quantifier.
const MAX_REPEAT: u32 = 1_000_000;

/// The expression written; nothing where it breaks the grammar.
pub(super) fn read(text: &str, classes: &mut Classes) -> Option<Hir> {
    let mut reader = Reader { rest: text, depth: 0, classes };
    let hir = reader.expression()?;
    reader.rest.is_empty().then_some(hir)
}

/// The class, where an expression is nothing but one character of it.
pub(super) fn class_of(hir: &Hir) -> Option<ClassUnicode> {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class.clone()),
        HirKind::Class(Class::Bytes(class)) => class.to_unicode_class(),
        HirKind::Literal(literal) => {
            let mut chars = str::from_utf8(&literal.0).ok()?.chars();
            let one = chars.next()?;
            chars.next().is_none().then(|| single(one))
        }
        _ => None,
    }
}

struct Reader<'t, 'c> {
    rest: &'t str,
    depth: usize,
    classes: &'c mut Classes,
}

/// What a class is made of.
enum Atom {
    /// One character, which may begin or end a range.
    Char(char),
    /// A set.
    Set(ClassUnicode),
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.rest.strip_prefix(c);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }

    /// `regExp ::= branch ( '|' branch )*`
    fn expression(&mut self) -> Option<Hir> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut branches = vec![self.branch()?];
        while self.take('|') {
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Some(Hir::alternation(branches))
    }

    /// `branch ::= piece*`
    fn branch(&mut self) -> Option<Hir> {
        let mut pieces = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            let atom = self.atom()?;
            pieces.push(self.quantified(atom)?);
        }
        Some(Hir::concat(pieces))
    }

    fn quantified(&mut self, atom: Hir) -> Option<Hir> {
        let (min, max) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                self.next();
                let quantity = self.quantity()?;
                return Some(repeat(atom, quantity));
            }
            _ => return Some(atom),
        };
        self.next();
        Some(repeat(atom, (min, max)))
    }

    /// `quantity ::= quantRange | quantMin | QuantExact`, with the closing brace.
    fn quantity(&mut self) -> Option<(u32, Option<u32>)> {
        let min = self.number()?;
        let max = if !self.take(',') {
            Some(min)
        } else if self.peek() == Some('}') {
            None
        } else {
            Some(self.number()?)
        };
        (self.take('}') && max.is_none_or(|max| max >= min)).then_some((min, max))
    }

    fn number(&mut self) -> Option<u32> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        digits.parse().ok().filter(|number| *number <= MAX_REPEAT)
    }

    fn atom(&mut self) -> Option<Hir> {
        let class = match self.next()? {
            '(' => {
                let inner = self.expression()?;
                return self.take(')').then_some(inner);
            }
            '[' => self.class()?,
            '\\' => match self.escape()? {
                Atom::Char(c) => return Some(literal(c)),
                Atom::Set(set) => set,
            },
            '.' => {
                let mut ends = single('\n');
                ends.union(&single('\r'));
                complement(&ends)
            }
            '?' | '*' | '+' | '{' | ')' | ']' => return None,
            c => return Some(literal(c)),
        };
        Some(Hir::class(Class::Unicode(class)))
    }

    /// `charGroup`, up to and with the closing bracket.
    fn class(&mut self) -> Option<ClassUnicode> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let negative = self.take('^');
        let mut set = ClassUnicode::empty();
        let mut first = true;
        let mut without = None;
        while !self.take(']') {
            if !first && self.rest.starts_with("-[") {
                self.rest = &self.rest[2..];
                without = Some(self.class()?);
                if !self.take(']') {
                    return None;
                }
                break;
            }
            let written_hyphen = self.peek() == Some('-');
            let atom = match self.next()? {
                '[' => return None,
                '\\' => self.escape()?,
                c => Atom::Char(c),
            };
            match atom {
                // A hyphen stands for itself only first or last (Appendix F, XmlCharIncDash).
                Atom::Char(_) if written_hyphen => {
                    if !first && !self.rest.starts_with(']') && !self.rest.starts_with("-[") {
                        return None;
                    }
                    set.union(&single('-'));
                }
                Atom::Char(low) => {
                    let high = self.range_end()?.unwrap_or(low);
                    if high < low {
                        return None;
                    }
                    set.push(ClassUnicodeRange::new(low, high));
                }
                Atom::Set(more) => set.union(&more),
            }
            first = false;
        }
        if first {
            return None;
        }
        if negative {
            set = complement(&set);
        }
        if let Some(without) = without {
            set.difference(&without);
        }
        self.depth -= 1;
        Some(set)
    }

    /// The end of a range that has begun; the inner `None` where it was no range.
    fn range_end(&mut self) -> Option<Option<char>> {
        let mut after = self.rest.chars();
        if after.next() != Some('-') || matches!(after.next(), Some(']' | '[') | None) {
            return Some(None);
        }
        // `a--[…]`: the first hyphen is the last of the group.
        if self.rest.starts_with("--[") {
            return Some(None);
        }
        self.next();
        match self.next()? {
            '\\' => match self.escape()? {
                Atom::Char(c) => Some(Some(c)),
                Atom::Set(_) => None,
            },
            c => Some(Some(c)),
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<Atom> {
        let c = self.next()?;
        let set = match c {
            'n' => return Some(Atom::Char('\n')),
            'r' => return Some(Atom::Char('\r')),
            't' => return Some(Atom::Char('\t')),
            'p' | 'P' => {
                let (name, rest) = self.rest.strip_prefix('{')?.split_once('}')?;
                let set = self.classes.property(name)?;
                self.rest = rest;
                if c == 'P' { complement(set) } else { set.clone() }
            }
            's' | 'i' | 'c' | 'd' | 'w' => self.classes.multiple(c)?.clone(),
            'S' | 'I' | 'C' | 'D' | 'W' => {
                complement(self.classes.multiple(c.to_ascii_lowercase())?)
            }
            // Beyond those of SingleCharEsc, schemas in use escape other signs as well (`\/`, `\$`);
            // there is but one thing that can mean.
            c if c.is_ascii_punctuation() => return Some(Atom::Char(c)),
            _ => return None,
        };
        Some(Atom::Set(set))
    }
}

fn single(c: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(c, c)])
}

fn literal(c: char) -> Hir {
    Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
}

fn repeat(sub: Hir, (min, max): (u32, Option<u32>)) -> Hir {
    Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(sub) })
}
