//! The constraints evaluated by the letter of the specification on a tree, against ours on a
//! stream, for random schemas and documents; the library is asked as well where it agrees with
//! the specification.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::judge::{judge, schemas};
use super::{DANGLING, MISSING, NOT_UNIQUE, TWICE, UNFIT, root, rule, schema_text};

/// Selectors and fields to choose from.
const SELECTORS: [&str; 10] =
    ["i", ".//i", "s/i", "*", ".//s", ".", "i|s", ".//f", "f|d", ".//i/s|i"];
const FIELDS: [&str; 10] = ["@k", "@v", "f", "d", ".", "f|d", "@k|f", "./f|@v", "i/@k", ".//d"];
/// Those of `FIELDS` that the library does not find below a nested target.
const BEYOND: &str = "i/@k";

#[derive(Clone, Debug)]
struct Rule {
    kind: &'static str,
    name: String,
    /// The rule referred to.
    refer: Option<usize>,
    /// The element that carries it, `r` or `s`.
    on: &'static str,
    selector: &'static str,
    fields: Vec<&'static str>,
}

#[derive(Debug)]
struct Node {
    name: &'static str,
    text: Option<&'static str>,
    attributes: Vec<(&'static str, &'static str)>,
    children: Vec<usize>,
}

/// A document; the numbers of its nodes are their order in it.
struct Tree(Vec<Node>);

/// A node of a path: an element, or one of its attributes.
type Found = (usize, Option<&'static str>);

const TEXTS: [&str; 4] = ["1", "2", "1.0", "x"];
const DECIMALS: [&str; 4] = ["1", "2", "1.0", "+02"];

impl Tree {
    fn new(bytes: &[u8]) -> Self {
        let mut tree = Self(vec![Node::new("r")]);
        let mut open = vec![0];
        for byte in bytes {
            let pick = usize::from(byte >> 4) & 3;
            let inner = *open.last().expect("the root");
            let last = tree.0.len() - 1;
            match byte & 15 {
                0..=1 if open.len() < 7 => open.push(tree.add(inner, "s", None)),
                2..=5 if open.len() < 7 => open.push(tree.add(inner, "i", None)),
                6..=7 => drop(tree.add(inner, "f", Some(TEXTS[pick]))),
                8 => drop(tree.add(inner, "d", Some(DECIMALS[pick]))),
                9..=11 => tree.give(last, "k", TEXTS[pick]),
                12 => tree.give(last, "v", DECIMALS[pick]),
                _ if open.len() > 1 => drop(open.pop()),
                _ => {}
            }
        }
        tree
    }

    fn add(&mut self, parent: usize, name: &'static str, text: Option<&'static str>) -> usize {
        let number = self.0.len();
        self.0.push(Node { text, ..Node::new(name) });
        self.0[parent].children.push(number);
        number
    }

    fn give(&mut self, node: usize, name: &'static str, value: &'static str) {
        let node = &mut self.0[node];
        if node.text.is_none() && node.attributes.iter().all(|(known, _)| *known != name) {
            node.attributes.push((name, value));
        }
    }

    fn write(&self, node: usize) -> String {
        let Node { name, text, attributes, children } = &self.0[node];
        let attributes: String =
            attributes.iter().map(|(name, value)| format!(" {name}='{value}'")).collect();
        let inside: String = children.iter().map(|child| self.write(*child)).collect();
        let text = text.unwrap_or_default();
        if node == 0 {
            return root(&inside).replacen("<t:r", &format!("<t:r{attributes}"), 1);
        }
        format!("<{name}{attributes}>{text}{inside}</{name}>")
    }

    fn with_all_below(&self, node: usize) -> BTreeSet<usize> {
        let below = self.0[node].children.iter().flat_map(|child| self.with_all_below(*child));
        below.chain([node]).collect()
    }

    /// The node-set of a path.
    fn find(&self, from: usize, path: &str) -> BTreeSet<Found> {
        path.split('|').flat_map(|path| self.find_one(from, path)).collect()
    }

    fn find_one(&self, from: usize, path: &str) -> BTreeSet<Found> {
        let (mut nodes, path) = match path.strip_prefix(".//") {
            Some(rest) => (self.with_all_below(from), rest),
            None => (BTreeSet::from([from]), path),
        };
        for step in path.split('/') {
            if let Some(name) = step.strip_prefix('@') {
                let has = |node: &usize| self.value((*node, Some(name))).is_some();
                let name: &'static str = if name == "k" { "k" } else { "v" };
                return nodes.into_iter().filter(has).map(|node| (node, Some(name))).collect();
            }
            if step != "." {
                let fits = |node: &usize| step == "*" || self.0[*node].name == step;
                let children = nodes.iter().flat_map(|node| self.0[*node].children.iter().copied());
                nodes = children.filter(fits).collect();
            }
        }
        nodes.into_iter().map(|node| (node, None)).collect()
    }

    /// The value of a node with a simple type: its primitive type and what all equal values have.
    fn value(&self, (node, attribute): (usize, Option<&str>)) -> Option<(char, String)> {
        let node = &self.0[node];
        let (name, text) = match attribute {
            None => (node.name, node.text?),
            Some(name) => *node.attributes.iter().find(|(known, _)| *known == name)?,
        };
        match name {
            "d" | "v" => {
                let value: f64 = text.parse().expect("a number");
                Some(('d', value.to_string()))
            }
            _ => Some(('s', text.to_owned())),
        }
    }
}

impl Node {
    fn new(name: &'static str) -> Self {
        Self { name, text: None, attributes: Vec::new(), children: Vec::new() }
    }
}

type Sequence = Vec<(char, String)>;
/// Per rule the node table of an element; an entry has one node, or several in conflict.
type Tables = BTreeMap<usize, BTreeMap<Sequence, usize>>;
type Broken = (&'static str, String, u32);

/// 3.11.4 and 3.11.5 for a node and all below it.
fn evaluate(tree: &Tree, node: usize, rules: &[Rule], out: &mut Out) -> Tables {
    let mut gathered: BTreeMap<usize, BTreeMap<Sequence, BTreeSet<usize>>> = BTreeMap::new();
    for child in &tree.0[node].children {
        for (rule, table) in evaluate(tree, *child, rules, out) {
            let known = gathered.entry(rule).or_default();
            for (sequence, node) in table {
                known.entry(sequence).or_default().insert(node);
            }
        }
    }
    let mut tables = Tables::new();
    for (rule, table) in gathered {
        let kept = table.iter().filter(|(_, nodes)| nodes.len() == 1);
        let kept: BTreeMap<_, _> = kept
            .map(|(sequence, nodes)| (sequence.clone(), *nodes.iter().next().expect("one")))
            .collect();
        out.conflict |= kept.len() < table.len();
        tables.insert(rule, kept);
    }
    let mut references = Vec::new();
    for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.on == tree.0[node].name)
    {
        let mut own = BTreeMap::new();
        // Keys are complete in the order in which their elements end.
        for (target, _) in tree.find(node, rule.selector) {
            let found: Vec<_> = rule.fields.iter().map(|field| tree.find(target, field)).collect();
            let unfit = found.iter().any(|nodes| {
                nodes.len() > 1 || nodes.iter().any(|node| tree.value(*node).is_none())
            });
            let values: Sequence =
                found.iter().filter_map(|nodes| tree.value(*nodes.iter().next()?)).collect();
            if unfit {
                out.broken.push((UNFIT, rule.name.clone(), target as u32));
            } else if values.len() < found.len() {
                if rule.kind == "key" {
                    out.broken.push((MISSING, rule.name.clone(), target as u32));
                }
            } else if let Some(goal) = rule.refer {
                references.push((goal, values, rule.name.clone(), target));
            } else {
                own.entry(values).or_insert_with(Vec::new).push(target);
            }
        }
        let table = tables.entry(number).or_default();
        for (values, nodes) in own {
            let clause = if rule.kind == "key" { TWICE } else { NOT_UNIQUE };
            // Of n nodes with one key, n - 1 are too many; which, the order of their ends says.
            out.broken.extend(nodes[1..].iter().map(|_| (clause, rule.name.clone(), 0)));
            table.insert(values, nodes[0]);
        }
    }
    for (goal, values, name, target) in references {
        if !tables.get(&goal).is_some_and(|table| table.contains_key(&values)) {
            out.broken.push((DANGLING, name, target as u32));
        }
    }
    tables
}

#[derive(Default)]
struct Out {
    broken: Vec<Broken>,
    /// Somewhere the rule on conflicts took effect, which the library does not know.
    conflict: bool,
}

prop_compose! {
    fn a_rule()(
        kind in 0..4usize,
        refer in any::<usize>(),
        on in prop::sample::select(vec!["r", "s"]),
        selector in prop::sample::select(&SELECTORS[..]),
        fields in vec(prop::sample::select(&FIELDS[..]), 1..3),
    ) -> (usize, usize, Rule) {
        let kind_name = ["key", "unique", "keyref", "keyref"][kind];
        (kind, refer, Rule { kind: kind_name, name: String::new(), refer: None, on, selector, fields })
    }
}

/// Gives the rules names and each reference something to refer to.
fn settle(drawn: Vec<(usize, usize, Rule)>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = drawn.iter().map(|(.., rule)| rule.clone()).collect();
    for n in 0..rules.len() {
        rules[n].name = format!("n{n}");
        let fits = |goal: &usize| {
            rules[*goal].kind != "keyref" && rules[*goal].fields.len() == rules[n].fields.len()
        };
        let goals: Vec<usize> = (0..rules.len()).filter(fits).collect();
        if rules[n].kind != "keyref" {
            continue;
        }
        match goals.is_empty() {
            true => rules[n].kind = "key",
            false => rules[n].refer = Some(goals[drawn[n].1 % goals.len()]),
        }
    }
    rules
}

fn text(rules: &[Rule], on: &str) -> String {
    let written = |one: &Rule| {
        let refer = one.refer.map(|goal| rules[goal].name.as_str()).unwrap_or_default();
        rule(one.kind, &one.name, refer, one.selector, &one.fields)
    };
    rules.iter().filter(|one| one.on == on).map(written).collect()
}

fn comparable(mut broken: Vec<Broken>) -> Vec<Broken> {
    for one in &mut broken {
        if matches!(one.0, TWICE | NOT_UNIQUE) {
            one.2 = 0;
        }
    }
    broken.sort();
    broken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn streaming_finds_what_the_specification_says(
        drawn in vec(a_rule(), 1..6),
        documents in vec(vec(any::<u8>(), 0..60), 8),
    ) {
        let rules = settle(drawn);
        let schemas = schemas(&schema_text(&text(&rules, "r"), &text(&rules, "s")));
        for bytes in documents {
            let tree = Tree::new(&bytes);
            let document = tree.write(0);
            let said = judge(&schemas, &document);
            prop_assert!(!said.gave_up);
            prop_assert!(said.others.is_empty(), "{:?} {document}", said.others);
            let mut out = Out::default();
            evaluate(&tree, 0, &rules, &mut out);
            let mut expected: Vec<_> = out.broken.iter().map(|(rule, ..)| *rule).collect();
            expected.sort_unstable();
            prop_assert_eq!(comparable(said.ours.clone()), comparable(out.broken), "{}", document);
            let beyond = rules.iter().any(|rule| rule.fields.contains(&BEYOND));
            if expected.contains(&UNFIT) {
                // The library goes on with such a target, and finds more.
                prop_assert!(beyond || said.theirs.contains(&UNFIT), "{document}");
            } else if !out.conflict && !beyond {
                // To the library, keys that lack the same fields are repeated.
                let lacking = expected.contains(&MISSING);
                let counts = |rule: &&str| !lacking || *rule != TWICE;
                let of = |rules: &[&'static str]| rules.iter().copied().filter(counts).collect();
                let (theirs, ours): (Vec<_>, Vec<_>) = (of(&said.theirs), of(&expected));
                prop_assert_eq!(theirs, ours, "{}", document);
            }
        }
    }
}
