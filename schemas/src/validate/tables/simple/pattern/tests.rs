//! Patterns, against the text of Appendix F and against a slow matcher that is easy to trust.

use proptest::prelude::*;

use super::*;

fn check(pattern: &str, good: &[&str], bad: &[&str]) {
    let mut patterns = Patterns::default();
    let id = patterns.add(pattern).unwrap_or_else(|| panic!("{pattern} does not compile"));
    for value in good {
        assert!(patterns.matches(id, value), "{pattern} {value:?}");
    }
    for value in bad {
        assert!(!patterns.matches(id, value), "{pattern} {value:?}");
    }
}

#[test]
fn whole_values_match() {
    check("a|b", &["a", "b"], &["ab", "aa", "xb", "ax", ""]);
    check("a|ab|abc", &["a", "ab", "abc"], &["abcd", "bc"]);
    check("", &[""], &["a", "\n"]);
    check("a|", &["a", ""], &["aa"]);
    check("(a|b)*c", &["c", "abac"], &["ab", "cc"]);
    check("\\d{5}", &["01234"], &["0123", "012345", "0123a", "01234\n"]);
    check("a{2}b{1,}c{0,2}", &["aab", "aabbbcc"], &["ab", "aac", "aabccc"]);
    check("a{0}", &[""], &["a"]);
}

#[test]
fn runs_of_one_class_end_where_another_character_stands() {
    let long = "Straße und Weg ".repeat(9);
    let good = ["", "a", "ä", "aä", "Straße", &long];
    check("[ -~À-ž]*", &good, &["\n", "a\n", "a\nb", "ä\t", "a€"]);
    check("[ -~À-ž]+x?", &good[1..], &["", "\n"]);
    check("([ -~]|ä|a\u{30B})*", &["", "ä", "a\u{30B}b", "zaä"], &["\u{30B}", "z\u{30B}", "ö"]);
    check("A[a-z]*B[a-z]*", &["AB", "AxyBz"], &["A", "Axy", "AxBy1", "xABx", "AxBC"]);
    check("([a-z]{2})*", &["", "ab", "abcd"], &["a", "abc"]);
}

#[test]
fn anchors_and_other_signs_are_characters() {
    // Appendix F: "all regular expressions are implicitly anchored", there are no anchors.
    check("^a$", &["^a$"], &["a"]);
    check("a-b,c:d=e\"f'", &["a-b,c:d=e\"f'"], &[]);
    check("\\^\\.\\-\\[\\]\\{\\}\\(\\)\\|\\\\\\?\\*\\+", &["^.-[]{}()|\\?*+"], &[]);
}

#[test]
fn classes() {
    check("[a-cx]", &["a", "c", "x"], &["d", "-", ""]);
    check("[^a-c]", &["d", "^", "\n", "ä"], &["a"]);
    check("[a-z-[aeiou]]+", &["xyz", "b"], &["a", "xa", "-", "["]);
    check("[^a-z-[0-9]]", &["A", "-"], &["5", "a"]);
    check("[\\w-[\\d_]]", &["a", "ä"], &["5", " "]);
    check("[-a]", &["-", "a"], &["b"]);
    check("[a-]", &["-", "a"], &["b"]);
    check("[a^]", &["^", "a"], &["b"]);
    check("[\\-\\]\\[]", &["-", "]", "["], &["\\"]);
    check("[+--]", &["+", ",", "-"], &["."]);
    check(".", &["a", "ä", "𝄞", "\t"], &["\n", "\r", "ab", ""]);
    check("\\s\\S", &[" a", "\u{9}\u{a0}"], &["\u{a0}a", "  "]);
    check("\\i\\c*", &["a", ":ä-1", "_·"], &["1", "-", "a b"]);
    check("\\I\\C", &["1 ", "-/"], &["a ", "1a"]);
}

#[test]
fn categories_and_blocks() {
    check("\\p{Lu}\\p{Ll}+", &["Ärger"], &["ärger", "ÄRGER"]);
    check("\\P{L}", &["1", "-"], &["a", "ẞ"]);
    check("\\p{IsBasicLatin}*", &["az09~"], &["ä"]);
    check("\\P{IsLatin-1Supplement}", &["a"], &["ä"]);
    // Appendix F encourages the properties of later versions of Unicode: U+1E9E is of 5.1.
    check("\\p{L}+", &["STRAẞE"], &[]);
    check("\\d", &["1", "٣"], &["a"]);
    check("\\w+", &["aß1$"], &["a-b", "a b"]);
}

#[test]
fn what_is_no_pattern_is_not_compiled() {
    let bad = [
        "*a",
        "a**",
        "a{2,1}",
        "a{",
        "a{x}",
        "(a",
        "a)",
        "[a",
        "[]",
        "[^]",
        "a]",
        "\\",
        "\\q",
        "\\p{Xx}",
        "\\p{IsNowhere}",
        "\\pL",
        "[z-a]",
        "[a-c-1]",
        "[a[b]]",
        "[a-\\d]",
        "(?:a)",
        "a+?",
        "a{1,2,3}",
        "a{99999999999}",
        "\\b",
    ];
    for pattern in bad {
        assert!(Patterns::default().add(pattern).is_none(), "{pattern}");
    }
    assert!(Patterns::default().add(&"(".repeat(100_000)).is_none());
}

#[test]
fn patterns_that_would_explode_stay_small() {
    check("[ab]*a[ab]{40}", &[&"a".repeat(41)], &[&"b".repeat(41), "ab"]);
    check("(a|aa)+", &[&"a".repeat(10_000)], &[&format!("{}b", "a".repeat(10_000))]);
    check(".{0,100000}", &["", &"ä".repeat(100_000)], &[&"a".repeat(100_001), "\n"]);
    check("(a?){300}a{300}", &[&"a".repeat(300)], &[&"a".repeat(299)]);
    assert!(Patterns::default().add("((a{1000}){1000}){1000}").is_none());
}

#[test]
fn long_runs_of_one_class_are_counted() {
    let long = |count: usize| "aé".repeat(count / 2);
    for pattern in ["[a-cé]{4,40}", "([^0-9]){4,40}"] {
        check(pattern, &[&long(4), &long(40)], &[&long(42), "aéa", "aéaé1", "", "aéaé\u{661}1"]);
    }
    check("\\p{L}{20,}", &[&long(20), &long(2_000)], &[&long(18), &format!("{}-", long(20))]);
    check("x{17}", &[&"x".repeat(17)], &[&"x".repeat(16), &"x".repeat(18)]);
    check("x{17}y", &[&format!("{}y", "x".repeat(17))], &[&"x".repeat(17)]);
}

/// An expression, to be written down and to be matched by trying.
#[derive(Clone, Debug)]
enum Tree {
    Set(&'static str, &'static str),
    Sequence(Vec<Tree>),
    Choice(Vec<Tree>),
    Repeat(Box<Tree>, usize, Option<usize>),
}

/// Ways to write a set of characters, and which of `abcé-` are in it.
const SETS: &[(&str, &str)] = &[
    ("a", "a"),
    ("é", "é"),
    ("-", "-"),
    (".", "abcé-"),
    ("[ab]", "ab"),
    ("[^a]", "bcé-"),
    ("[a-c-[b]]", "ac"),
    ("[^ab-[c]]", "é-"),
    ("\\p{L}", "abcé"),
    ("\\P{IsBasicLatin}", "é"),
    ("[\\-b]", "-b"),
    ("\\W", "-"),
    ("\\i", "abcé"),
    ("\\c", "abcé-"),
];

impl Tree {
    fn write(&self) -> String {
        let join = |trees: &[Tree], by: &str| {
            trees.iter().map(Tree::write).collect::<Vec<String>>().join(by)
        };
        match self {
            Self::Set(written, _) => (*written).to_owned(),
            Self::Sequence(trees) => format!("({})", join(trees, "")),
            Self::Choice(trees) => format!("({})", join(trees, "|")),
            Self::Repeat(tree, min, max) => {
                let quantity = match (min, max) {
                    (0, None) => "*".to_owned(),
                    (1, None) => "+".to_owned(),
                    (0, Some(1)) => "?".to_owned(),
                    (min, None) => format!("{{{min},}}"),
                    (min, Some(max)) if min == max => format!("{{{min}}}"),
                    (min, Some(max)) => format!("{{{min},{max}}}"),
                };
                format!("({}){quantity}", tree.write())
            }
        }
    }

    /// Where a match that begins at one of these places may end.
    fn ends(&self, value: &[char], from: &[usize]) -> Vec<usize> {
        let mut ends: Vec<usize> = match self {
            Self::Set(_, held) => {
                let fits = |at: &usize| value.get(*at).is_some_and(|c| held.contains(*c));
                from.iter().filter(|at| fits(at)).map(|at| at + 1).collect()
            }
            Self::Sequence(trees) => {
                trees.iter().fold(from.to_vec(), |from, tree| tree.ends(value, &from))
            }
            Self::Choice(trees) => trees.iter().flat_map(|tree| tree.ends(value, from)).collect(),
            Self::Repeat(tree, min, max) => {
                let mut now = from.to_vec();
                let mut ends = if *min == 0 { now.clone() } else { Vec::new() };
                for n in 1..=max.unwrap_or(min + value.len()) {
                    now = tree.ends(value, &now);
                    if n >= *min {
                        ends.extend(&now);
                    }
                }
                ends
            }
        };
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let set = proptest::sample::select(SETS).prop_map(|(written, held)| Tree::Set(written, held));
    set.prop_recursive(4, 24, 4, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            several().prop_map(Tree::Sequence),
            // Without branches there is no choice.
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Tree::Choice),
            (inner.clone(), 0..3_usize, proptest::option::of(0..3_usize)).prop_map(
                |(tree, min, more)| Tree::Repeat(Box::new(tree), min, more.map(|more| min + more))
            ),
        ]
    })
}

proptest! {
    #[test]
    fn engines_match_what_trying_matches(
        tree in tree(),
        values in proptest::collection::vec("[abcé-]{0,8}", 1..20),
    ) {
        let written = tree.write();
        let mut patterns = Patterns::default();
        let id = patterns.add(&written);
        prop_assert!(id.is_some(), "{}", written);
        let lazy = lazy(&syntax::read(&written, &mut patterns.classes).unwrap()).unwrap();
        patterns.engines.push(lazy);
        for value in values {
            let chars: Vec<char> = value.chars().collect();
            let expected = tree.ends(&chars, &[0]).contains(&chars.len());
            prop_assert_eq!(patterns.matches(id.unwrap(), &value), expected, "{} {}", written, value);
            let answer = patterns.matches(PatternId(1), &value);
            prop_assert_eq!(answer, expected, "lazy: {} {}", written, value);
        }
    }

    #[test]
    fn nothing_written_makes_the_reader_panic(
        pattern in prop_oneof![any::<String>(), "[a-c0-9,|*+?(){}^.\\\\\\[\\]p-]{0,20}"],
        value in any::<String>(),
    ) {
        let mut patterns = Patterns::default();
        if let Some(id) = patterns.add(&pattern) {
            patterns.matches(id, &value);
        }
    }
}
