//! Our validator, `xsd-schema` and libxml2 side by side: over the real messages, over our own packs,
//! and over what seeded accidents make of them. Every difference of verdict has an entry in the table
//! `known`, with its reason.
//!
//! `AMTSBOTE_ROUNDS` says how many accidents befall each message; from [`FULL`] on every entry of the
//! table must be used. `AMTSBOTE_SHOW` names a folder for the messages over which validators differ
//! in what they find.

#[path = "support/accidents.rs"]
mod accidents;
#[path = "support/known.rs"]
mod known;
#[path = "support/library.rs"]
mod library;
#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;
#[path = "support/xmllint.rs"]
mod xmllint;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::validate::{Checked, MAX_FINDINGS, Schemas, Verdict};
use amtsbote_schemas::xml::Limits;

use accidents::{KINDS, Kind, Seeded, Types, accident};
use known::{Does, Judge, KNOWN};

/// Rounds of a usual run.
const USUAL: usize = 2;
/// Rounds after which every known difference must have been seen.
const FULL: usize = 40;
/// A message longer than this, in bytes, takes part in every eighth round only.
const LONG: usize = 100_000;
/// Of so many documents with one verdict, the library may find something that we do not in one; in a
/// short run in none.
const OTHERWISE: usize = 100;
/// Every so many documents our findings are compared with the library's, which takes longest.
const ENGINE: usize = 4;

/// What the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Real ones.
    Corpus,
    /// The samples of our packs.
    Packs,
}

/// Messages of one schema.
struct Group {
    schema: PathBuf,
    catalog: Option<PathBuf>,
    messages: Vec<Message>,
    /// Accidents of each message in a round.
    times: usize,
}

struct Message {
    name: String,
    text: String,
    /// What libxml2 is known to say.
    by_libxml2: bool,
}

/// Invalid samples that libxml2 takes: it checks no xs:IDREF, and no schema sees a header that
/// contradicts the root.
const NOT_BY_LIBXML2: [&str; 2] = ["/verweis-ins-leere.xml", "/nachrichtentyp-widerspricht.xml"];

fn rounds() -> usize {
    let told = std::env::var("AMTSBOTE_ROUNDS").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(USUAL)
}

#[test]
fn three_validators_agree_on_real_messages_and_on_accidents() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(beside, PathBuf::from);
    let Ok(table) = fs::read_to_string(corpus.join("EXPECTED.tsv")) else {
        skipped::skipped("no corpus of real messages in AMTSBOTE_CORPUS, nor beside the checkout");
        return;
    };
    let corpus = corpus.canonicalize().expect("a folder");
    let mut by_schema: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, schema, _, by_libxml2] = columns[..4] else { panic!("{row}") };
        let message = Message {
            name: file.to_owned(),
            text: fs::read_to_string(corpus.join(file)).expect("a message in UTF-8"),
            by_libxml2: by_libxml2 == "valid",
        };
        by_schema.entry(schema).or_default().push(message);
    }
    let mut trial = Trial::new(Over::Corpus);
    for (schema, messages) in by_schema {
        let catalog = Some(corpus.join("catalog.xml"));
        trial.run(&Group { schema: corpus.join(schema), catalog, messages, times: 1 });
    }
    println!("{}", trial.report());
    trial.hold();
}

#[test]
fn three_validators_agree_on_our_packs_and_on_accidents() {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs");
    let mut trial = Trial::new(Over::Packs);
    for pack in ["xummeldung-1.0", "xummeldung-1.1"] {
        let folder = packs.join(pack);
        let mut messages = Vec::new();
        for kind in ["valid", "invalid"] {
            for entry in fs::read_dir(folder.join("samples").join(kind)).expect("samples") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(&packs).expect("inside").display().to_string();
                messages.push(Message {
                    text: fs::read_to_string(&path).expect("a sample"),
                    by_libxml2: kind == "valid" || NOT_BY_LIBXML2.iter().any(|n| name.ends_with(n)),
                    name,
                });
            }
        }
        messages.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(messages.len() > 20, "{pack}: {}", messages.len());
        trial.run(&Group {
            schema: folder.join("ummeldung.xsd"),
            catalog: None,
            messages,
            times: 5,
        });
    }
    println!("{}", trial.report());
    trial.hold();
}

/// Writes a message down where `AMTSBOTE_SHOW` says, and tells its file.
fn show(name: &str, text: &str) -> String {
    let Some(folder) = std::env::var_os("AMTSBOTE_SHOW") else { return String::new() };
    let file = Path::new(&folder).join(name.replace(['/', ' '], "_"));
    fs::write(&file, text).expect("a folder to write to");
    format!(" ({})", file.display())
}

/// What one test has seen.
struct Trial {
    over: Over,
    rounds: usize,
    documents: usize,
    invalid: usize,
    accidents: BTreeMap<Kind, usize>,
    /// By place in [`KNOWN`] and by judge: how many documents.
    used: BTreeMap<(usize, usize), usize>,
    unexplained: Vec<String>,
    places: Places,
    /// Where findings differ, for whoever asks.
    told: Vec<String>,
}

/// How findings compare with the library's, where the verdict is the same: documents.
#[derive(Debug, Default)]
struct Places {
    compared: usize,
    /// All that the library finds, and more.
    ours_tells_more: usize,
    /// The library goes on behind a mistake where we stop, or tells it at another place.
    library_goes_on: usize,
    /// The library finds something that we do not.
    otherwise: usize,
}

/// What was found where: line and code.
type Told = BTreeSet<(u64, &'static str)>;

/// Whether something that only the library tells follows from what we told.
///
/// A key reference that dangles it tells at the element that declares it, we where the reference
/// stands; and a value that is none refers to nothing, which we do not tell a second time. Behind an
/// `xsi:type` that cannot hold it judges by some type; we judge by none.
fn follows(ours: &Told, (line, code): (u64, &str)) -> bool {
    ours.iter().any(|(at, told)| match code {
        "key-dangling" => *told == "key-dangling" || told.starts_with("value-"),
        _ => *at == line && told.starts_with("type-"),
    })
}

#[test]
fn what_follows_from_a_mistake_told_is_no_other_mistake() {
    let ours = |told: &[(u64, &'static str)]| told.iter().copied().collect::<Told>();
    assert!(follows(&ours(&[(57, "key-dangling")]), (2, "key-dangling")));
    assert!(follows(&ours(&[(96, "value-wrong-type")]), (2, "key-dangling")));
    assert!(follows(&ours(&[(24, "type-not-derived")]), (24, "content-incomplete")));
    assert!(!follows(&ours(&[(24, "type-not-derived")]), (25, "content-incomplete")));
    assert!(!follows(&ours(&[(24, "content-incomplete")]), (24, "value-wrong-type")));
    assert!(!follows(&ours(&[(24, "type-not-derived")]), (2, "key-dangling")));
}

impl Trial {
    fn new(over: Over) -> Self {
        Self {
            over,
            rounds: rounds(),
            documents: 0,
            invalid: 0,
            accidents: BTreeMap::new(),
            used: BTreeMap::new(),
            unexplained: Vec::new(),
            places: Places::default(),
            told: Vec::new(),
        }
    }

    fn run(&mut self, group: &Group) {
        let catalog = group.catalog.as_deref();
        let schemas = Schemas::load_single(&group.schema, catalog).expect("a schema");
        assert_eq!(schemas.facts().by_library, None, "{}", group.schema.display());
        let set = library::load(&group.schema, catalog);
        let library = library::Judge::new(&set);
        let types = Types::of(group.schema.parent().expect("a folder"));
        let scratch = tempfile::tempdir().expect("a folder");
        let mut valid = Vec::new();
        for round in 0..=self.rounds {
            let mut cases = Vec::new();
            for (n, message) in group.messages.iter().enumerate() {
                let Message { name, text, .. } = message;
                if round == 0 {
                    cases.push((name.clone(), text.clone()));
                } else if valid[n] && (text.len() <= LONG || round % 8 == 0) {
                    for m in 0..group.times {
                        cases.push(self.changed(&format!("{name} {round}.{m}"), text, &types));
                    }
                }
            }
            let mut files = Vec::new();
            for (n, (_, text)) in cases.iter().enumerate() {
                files.push(scratch.path().join(format!("{n}.xml")));
                fs::write(&files[n], text).expect("written");
            }
            let by_libxml2 = xmllint::ask(&group.schema, catalog, &files);
            for (n, ((name, text), by_libxml2)) in cases.iter().zip(by_libxml2).enumerate() {
                let by_libxml2 =
                    by_libxml2.unwrap_or_else(|| panic!("{name}: no verdict of xmllint"));
                let ours = schemas.check(text.as_bytes(), &Limits::default(), &|| false);
                if round == 0 {
                    assert_eq!(by_libxml2.valid, group.messages[n].by_libxml2, "{name}");
                    // What is invalid already says little about what befalls it.
                    valid.push(ours.verdict == Verdict::Valid);
                }
                self.judge(name, text, &ours, by_libxml2, library.ask(text));
                if (round + n) % ENGINE == 0 {
                    self.findings(name, text, &schemas, &ours);
                }
            }
        }
    }

    /// A message after an accident, or after two.
    fn changed(&mut self, name: &str, message: &str, types: &Types) -> (String, String) {
        let mut random = Seeded::by(name);
        let (mut told, mut text) = (name.to_owned(), message.to_owned());
        for _ in 0..1 + usize::from(random.one_in(4)) {
            if let Some((kind, changed)) = accident(&text, types, &mut random) {
                *self.accidents.entry(kind).or_default() += 1;
                told = format!("{told} {kind:?}");
                text = changed;
            }
        }
        (told, text)
    }

    /// Compares verdicts.
    fn judge(
        &mut self,
        name: &str,
        text: &str,
        ours: &Checked,
        by_libxml2: xmllint::Opinion,
        by_library: Vec<String>,
    ) {
        self.documents += 1;
        self.invalid += usize::from(ours.verdict == Verdict::Invalid);
        if !matches!(ours.verdict, Verdict::Valid | Verdict::Invalid) {
            self.unexplained.push(format!("{name}: {:?} {:?}", ours.verdict, ours.findings));
        }
        assert_eq!(by_libxml2.valid, by_libxml2.errors.is_empty(), "{name}: {by_libxml2:?}");
        self.explain(Judge::Libxml2, name, ours, &by_libxml2.errors, text);
        self.explain(Judge::Library, name, ours, &by_library, text);
    }

    fn explain(&mut self, judge: Judge, name: &str, ours: &Checked, errors: &[String], text: &str) {
        match explained(judge, ours, errors, text) {
            Ok(entries) => {
                for entry in entries {
                    *self.used.entry((entry, judge as usize)).or_default() += 1;
                }
            }
            Err(what) => {
                let what = format!("{name}: {judge:?} {what}{}", show(name, text));
                self.unexplained.push(what);
            }
        }
    }

    /// Compares places and codes of findings with those of the library, as we word them.
    fn findings(&mut self, name: &str, text: &str, schemas: &Schemas, ours: &Checked) {
        let engine = schemas.check_by_library(text.as_bytes(), &Limits::default(), &|| false);
        let errors = engine.findings.iter().map(|f| format!("{}: {}", f.rule, f.message_en));
        self.explain(Judge::Engine, name, ours, &errors.collect::<Vec<_>>(), text);
        let longest = ours.findings.len().max(engine.findings.len());
        // Beyond the limit nobody knows what would have come.
        if ours.verdict != engine.verdict || longest >= MAX_FINDINGS {
            return;
        }
        let told = |checked: &Checked| -> Told {
            checked.findings.iter().map(|finding| (finding.line, finding.code)).collect()
        };
        let (a, b) = (told(ours), told(&engine));
        let (more, less) = (&a - &b, &b - &a);
        let places = &mut self.places;
        places.compared += 1;
        if less.iter().any(|told| !follows(&a, *told)) {
            places.otherwise += 1;
        } else if !less.is_empty() {
            places.library_goes_on += 1;
        } else if !more.is_empty() {
            places.ours_tells_more += 1;
        }
        let shown = if a == b { String::new() } else { show(name, text) };
        if !shown.is_empty() {
            self.told.push(format!("{name}: only we {more:?}, only the library {less:?}{shown}"));
        }
    }

    /// What is to be said after the last message.
    fn report(&self) -> String {
        let over = self.over;
        let mut told = self.told.clone();
        told.push(format!(
            "{over:?}: {} rounds, {} documents, {} of them invalid",
            self.rounds, self.documents, self.invalid
        ));
        told.push(format!("{over:?}: accidents {:?}", self.accidents));
        told.push(format!("{over:?}: findings beside the library's {:?}", self.places));
        for ((n, judge), times) in &self.used {
            let judge = KNOWN[*n].judges.iter().find(|one| **one as usize == *judge);
            let judge = judge.expect("one of its judges");
            told.push(format!("{over:?}: {times} times {judge:?}: {}", KNOWN[*n].why));
        }
        told.join("\n")
    }

    /// Whether everything is explained, and every explanation was needed.
    fn hold(&self) {
        let over = self.over;
        assert!(
            self.unexplained.is_empty(),
            "{over:?}: {} unexplained differences:\n{}",
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
        let Places { compared, otherwise, .. } = self.places;
        assert!(
            otherwise <= compared / OTHERWISE,
            "{over:?}: of {compared} documents the library finds more in {otherwise}:\n{}",
            self.told.join("\n")
        );
        if self.rounds >= USUAL {
            assert_eq!(self.accidents.len(), KINDS.len(), "{:?}", self.accidents);
        }
        if self.rounds >= FULL {
            for (n, known) in KNOWN.iter().enumerate().filter(|(_, k)| k.seen.contains(&over)) {
                for judge in known.judges {
                    let seen = self.used.contains_key(&(n, *judge as usize));
                    assert!(seen, "{over:?}: {judge:?} was never seen so: {}", known.why);
                }
            }
        }
    }
}

/// The entries that explain why somebody's verdict is not ours; none where it is. Else what is
/// not explained.
fn explained(
    judge: Judge,
    ours: &Checked,
    errors: &[String],
    text: &str,
) -> Result<BTreeSet<usize>, String> {
    let known = || KNOWN.iter().enumerate().filter(|(_, known)| known.judges.contains(&judge));
    let mut used = BTreeSet::new();
    if ours.verdict == Verdict::Valid {
        for error in errors {
            let entry = known().find(|(_, known)| match known.does {
                Does::Refuses(when) => when(error, text),
                Does::Overlooks(..) => false,
            });
            used.insert(entry.ok_or_else(|| format!("refuses: {error}"))?.0);
        }
    } else if errors.is_empty() {
        for finding in &ours.findings {
            let entry = known().find(|(_, known)| match known.does {
                Does::Overlooks(rule, when) => finding.rule == rule && when(finding, text),
                Does::Refuses(..) => false,
            });
            used.insert(entry.ok_or_else(|| format!("accepts: {finding:?}"))?.0);
        }
    }
    Ok(used)
}

fn checked(verdict: Verdict) -> Checked {
    Checked {
        verdict,
        standard: None,
        version: None,
        message_type: None,
        header: None,
        findings: Vec::new(),
        truncated: false,
    }
}

#[test]
fn what_no_entry_explains_is_a_fault() {
    let mut trial = Trial::new(Over::Packs);
    let odd =
        "cvc-schema-location: xsi:schemaLocation needs an even number of URI tokens".to_owned();
    let text = "<a i:schemaLocation='b'/>";
    let valid = checked(Verdict::Valid);
    trial.explain(Judge::Library, "explained", &valid, std::slice::from_ref(&odd), text);
    assert_eq!((trial.used.len(), trial.unexplained.len()), (1, 0));
    // Of another judge, over another message, beside something else, under another rule.
    let also = [odd.clone(), "cvc-elt.1: unknown".to_owned()];
    trial.explain(Judge::Libxml2, "another judge", &valid, std::slice::from_ref(&odd), text);
    trial.explain(Judge::Library, "another message", &valid, &[odd], "<a/>");
    trial.explain(Judge::Library, "something else", &valid, &also, text);
    assert_eq!((trial.used.len(), trial.unexplained.len()), (1, 3));
}

#[test]
fn accidents_are_the_same_in_every_run() {
    let message = "<a xmlns='urn:a'><b c='d'>e</b><f>g</f><b/></a>";
    let types = Types::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/xummeldung-1.1"));
    let once = |name: &str| accident(message, &types, &mut Seeded::by(name));
    let names: Vec<String> = (0..100).map(|n| format!("message {n}")).collect();
    let all: Vec<_> = names.iter().map(|name| once(name)).collect();
    assert_eq!(all, names.iter().map(|name| once(name)).collect::<Vec<_>>());
    let different: BTreeSet<_> = all.iter().flatten().collect();
    assert!(different.len() > 60, "{}", different.len());
}
