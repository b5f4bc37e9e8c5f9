//! One pass over a message: reader, header facts and validation together.

use std::cell::OnceCell;
use std::io::BufRead;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use xsd_schema::validation::SchemaValidator;

use super::beside::Beside;
use super::engine::{Engine, Failure, Reported};
use super::finding::Finding;
use super::schemas::{Ready, Schemas};
use super::tables::{Here, Run, RunMemory, SimpleId};
use super::verdict::{Checked, MAX_FINDINGS, Verdict};
use crate::header::HeaderSink;
use crate::rules::{RuleFinding, Rules, Store, Tree};
use crate::xml::{
    self, Attribute, DriveError, Event, EventSink, Limits, Memory, Position, StartTag, XmlError,
};

/// Events between two looks at the time.
const EVENTS_PER_LOOK: u64 = 256;
/// Bytes of names that one message may teach the engine.
const MAX_LEARNT_AT_ONCE: usize = 8 * 1024 * 1024;

/// Who is to judge the message, decided at its root.
pub(crate) enum Judge<'s> {
    /// This schema set.
    By(&'s Schemas),
    /// This schema set, and what watches beside it.
    With(&'s Schemas, Box<Beside<'s>>),
    /// This schema set, with the library even where it is compiled: the judge beside ours.
    ByLibrary(&'s Schemas),
    /// Nobody: the answer is known, and the rest is only read for its form.
    Nobody(Verdict, Finding),
}

/// Namespace for the one function.
pub(crate) struct Pass;

impl Pass {
    /// Reads `input` once to its end. `choose` sees the root's start tag.
    pub(crate) fn run<'s>(
        mut input: impl BufRead,
        limits: &Limits,
        expired: &dyn Fn() -> bool,
        choose: impl FnOnce(&StartTag) -> Judge<'s>,
    ) -> Checked {
        let mut choose = Some(choose);
        let mut once = |root: &StartTag| choose.take().map(|choose| choose(root));
        Self::over(&mut input, limits, expired, &mut once)
    }

    /// The same for every kind of input. It is asked for bytes seldom, and so all of a pass is
    /// compiled here and in one piece, not where it is called from.
    fn over<'s>(
        input: &mut dyn BufRead,
        limits: &Limits,
        expired: &dyn Fn() -> bool,
        choose: &mut Choose<'_, 's>,
    ) -> Checked {
        let mut kept = Kept::take();
        let ready = OnceCell::new();
        let validator = OnceCell::new();
        let reported = Reported::default();
        let store = OnceCell::new();
        let mut sink = Sink {
            choose,
            ready: &ready,
            validator: &validator,
            reported: &reported,
            by: Validator::None,
            memory: std::mem::take(&mut kept.run),
            beside: None,
            store: &store,
            tree: None,
            rules: None,
            way: String::new(),
            lender: None,
            refused: None,
            failure: None,
            header: HeaderSink::default(),
            expired,
            events: 0,
            place: Position::default(),
            findings: Vec::new(),
        };
        let read = xml::drive_with(&mut kept.reader, input, limits, &mut sink);
        let (lender, failure) = (sink.lender, sink.failure);
        sink.settle();
        kept.run = sink.memory.take();
        kept.give_back();
        let checked = sink.conclude(read);
        drop(validator);
        if let (Some(lender), Some(ready)) = (lender, ready.into_inner())
            && failure != Some(Failure::Panicked)
        {
            lender.give_back(ready);
        }
        checked
    }
}

/// As many passes keep their memory: about as many as run at once.
const MAX_KEPT: usize = 16;
/// Memory of earlier passes, for later ones.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// Memory of a pass: room, but nothing of what was in it.
#[derive(Default)]
struct Kept {
    reader: Memory,
    run: Option<RunMemory>,
}

impl Kept {
    fn take() -> Self {
        // Whoever panicked held nothing half done: an entry comes or goes whole.
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(self) {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.push(self);
        }
    }
}

/// Tells once who is to judge.
type Choose<'a, 's> = dyn FnMut(&StartTag) -> Option<Judge<'s>> + 'a;

/// Why the pass ended before the document did.
struct Stop;

/// What judges the message.
enum Validator<'b, 's> {
    /// Nothing, or nothing any more.
    None,
    /// The tables.
    Tables(Box<Run<'s>>),
    /// The library.
    Library(Box<Engine<'b>>),
}

struct Sink<'a, 'b, 's> {
    choose: &'a mut Choose<'a, 's>,
    ready: &'a OnceCell<Ready>,
    validator: &'b OnceCell<SchemaValidator<'a>>,
    reported: &'b Reported,
    by: Validator<'b, 's>,
    /// For a run through tables.
    memory: Option<RunMemory>,
    beside: Option<Box<Beside<'s>>>,
    store: &'b OnceCell<Store>,
    /// What rules are evaluated on, as long as nothing was found.
    tree: Option<Tree<'b>>,
    rules: Option<(&'s Rules, Timestamp)>,
    /// The open elements, where the library judges and somebody watches beside it.
    way: String,
    lender: Option<&'s Schemas>,
    refused: Option<(Verdict, Finding)>,
    failure: Option<Failure>,
    header: HeaderSink,
    expired: &'a dyn Fn() -> bool,
    events: u64,
    place: Position,
    findings: Vec<Finding>,
}

impl<'a: 'b, 'b, 's> Sink<'a, 'b, 's> {
    fn begin(&mut self, root: &StartTag) {
        let Some(judge) = (self.choose)(root) else { return };
        match judge {
            Judge::Nobody(verdict, finding) => {
                self.refused =
                    Some((verdict, finding.at(root.position, &format!("/{}", root.local))));
            }
            Judge::By(schemas) => self.by_tables(schemas),
            Judge::With(schemas, beside) => {
                self.rules = beside.rules;
                if let Some((rules, _)) = beside.rules {
                    self.tree = Some(Tree::new(self.store.get_or_init(|| Store::new(rules))));
                }
                self.beside = Some(beside);
                self.by_tables(schemas);
            }
            Judge::ByLibrary(schemas) => self.borrow(schemas),
        }
    }

    /// Takes the tables of a set, or else the library.
    fn by_tables(&mut self, schemas: &'s Schemas) {
        match schemas.tables() {
            Some(tables) => {
                let memory = self.memory.take().unwrap_or_default();
                let run = Run::new(tables, schemas.harmless(), memory);
                self.by = Validator::Tables(Box::new(run));
            }
            None => self.borrow(schemas),
        }
    }

    /// Shows one event to whoever watches beside the schemas: a start when its type is known, the
    /// rest while the element is still open. After a limit nobody watches any more.
    fn watch(&mut self, event: &Event<'_>) {
        let Some(beside) = &mut self.beside else { return };
        let run = match &self.by {
            Validator::Tables(run) => Some(run),
            Validator::Library(_) => None,
            Validator::None => return,
        };
        if run.is_none()
            && let Event::Start(tag) = event
        {
            self.way.push('/');
            self.way.push_str(&tag.local);
        }
        // The library tells no path before there is an error.
        let path = || run.map_or_else(|| self.way.clone(), |run| run.path());
        let parts = |one: Option<&Attribute>, deeper: &mut dyn FnMut(SimpleId, &str) -> bool| {
            if let Some(run) = run {
                run.parts(one, deeper);
            }
        };
        match event {
            Event::Start(tag) => {
                let here = run.map_or_else(Here::default, |run| run.governing());
                beside.start(tag, here, &path, &parts);
            }
            _ => {
                // At the end of an element all its text has come.
                let found = || run.and_then(|run| run.found());
                beside.event(event, &path, &found, &parts);
            }
        }
        if run.is_none() && matches!(event, Event::End(..)) {
            self.way.truncate(self.way.rfind('/').unwrap_or(0));
        }
    }

    /// Borrows a set for the library.
    fn borrow(&mut self, schemas: &'s Schemas) {
        match schemas.take() {
            Ok(ready) => {
                self.lender = Some(schemas);
                let ready = self.ready.get_or_init(|| ready);
                let validator = self.validator.get_or_init(|| ready.validator());
                let engine = Engine::new(&ready.set, validator, self.reported);
                self.by = Validator::Library(Box::new(engine));
            }
            // It compiled before; only the engine itself can have failed.
            Err(_) => self.failure = Some(Failure::Panicked),
        }
    }

    /// Shows one event to whoever judges, as long as there is somebody.
    #[inline]
    fn judge(&mut self, event: &Event<'_>) {
        match &mut self.by {
            Validator::None => {}
            Validator::Tables(run) => {
                let done = run.event(event);
                if done.is_err() {
                    self.failure = Some(Failure::Limit);
                }
                if done.is_err() || run.is_full() {
                    self.settle();
                }
            }
            Validator::Library(_) => self.judge_by_library(event),
        }
    }

    /// Ends the judging and keeps what was found.
    fn settle(&mut self) {
        match std::mem::replace(&mut self.by, Validator::None) {
            Validator::None => {}
            Validator::Tables(run) => {
                let (findings, memory) = run.into_findings();
                self.findings = findings;
                self.memory = Some(memory);
            }
            Validator::Library(engine) => self.findings = engine.findings,
        }
    }

    fn judge_by_library(&mut self, event: &Event<'_>) {
        let Validator::Library(engine) = &mut self.by else { return };
        let done = match event {
            Event::Start(tag) => engine.start(tag),
            Event::End(tag, position) => engine.end(tag, *position),
            Event::Text(node, piece, position) => engine.text(*node, piece, *position),
            Event::EndOfDocument => engine.finish(),
            Event::Comment(..) | Event::ProcessingInstruction(..) => engine.interrupt(),
        };
        if let Err(failure) = done {
            self.failure = Some(failure);
        }
        if self.failure.is_some() || engine.findings.len() > MAX_FINDINGS {
            self.settle();
        }
    }

    /// Adds one event to the tree for the rules, which are asked only where nothing else is wrong.
    fn plant(&mut self, event: &Event<'_>) {
        let Some(tree) = &mut self.tree else { return };
        let sound = match &self.by {
            Validator::None => false,
            Validator::Tables(run) => run.is_sound(),
            Validator::Library(engine) => engine.findings.is_empty(),
        };
        if sound {
            // A tree that is too large says so itself when the rules are asked.
            let _too_large = tree.take(event).is_err();
        } else {
            self.tree = None;
        }
    }

    fn look(&mut self) -> Result<(), Stop> {
        self.events += 1;
        let late = self.events.is_multiple_of(EVENTS_PER_LOOK) && (self.expired)();
        let learnt = self.ready.get().map_or(0, Ready::learnt);
        if late || learnt > MAX_LEARNT_AT_ONCE { Err(Stop) } else { Ok(()) }
    }

    /// The answer, once the judging is settled.
    fn conclude(mut self, read: Result<(), DriveError<Stop>>) -> Checked {
        if let Some(beside) = self.beside.take() {
            beside.merge(&mut self.findings);
        }
        let tree = self.tree.take().filter(|_| self.findings.is_empty());
        let (verdict, findings) = match read {
            Err(DriveError::Xml(error)) => unreadable(&error),
            Err(DriveError::Sink(Stop)) => (Verdict::Error, vec![gave_up(self.place)]),
            Ok(()) => match (self.failure, self.refused) {
                (Some(Failure::Limit), _) => (Verdict::Error, vec![gave_up(self.place)]),
                (Some(Failure::Panicked), _) => (Verdict::Error, vec![failed(self.place)]),
                (None, Some((verdict, finding))) => (verdict, vec![finding]),
                (None, None) if self.findings.is_empty() => match (tree, self.rules) {
                    (Some(tree), Some((rules, now))) => by_rules(rules, &tree, now, self.expired),
                    _ => (Verdict::Valid, Vec::new()),
                },
                (None, None) => (Verdict::Invalid, self.findings),
            },
        };
        let truncated = findings.len() > MAX_FINDINGS;
        let mut checked = Checked {
            verdict,
            standard: None,
            version: None,
            message_type: None,
            header: self.header.into_facts(),
            findings,
            truncated,
        };
        checked.findings.truncate(MAX_FINDINGS);
        checked
    }
}

impl<'a: 'b, 'b> EventSink for Sink<'a, 'b, '_> {
    type Error = Stop;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.look()?;
        if let Event::Start(tag) = event {
            if self.failure.is_none() {
                self.place = tag.position;
            }
            if tag.depth == 1 {
                self.begin(tag);
            }
        }
        self.header.take(event);
        if self.beside.is_none() {
            self.judge(event);
        } else if matches!(event, Event::Start(_)) {
            self.judge(event);
            self.watch(event);
        } else {
            self.watch(event);
            self.judge(event);
        }
        self.plant(event);
        Ok(())
    }
}

/// What the rules say of a message that its schemas allow.
fn by_rules(
    rules: &Rules,
    tree: &Tree<'_>,
    now: Timestamp,
    expired: &dyn Fn() -> bool,
) -> (Verdict, Vec<Finding>) {
    let report = rules.check(tree, now, expired);
    let open = report.findings.iter().any(RuleFinding::is_open);
    let verdict = match report.is_broken() {
        _ if open => Verdict::Error,
        true => Verdict::Invalid,
        // Whatever the reason: rules that were not asked have not been kept.
        false if report.incomplete => Verdict::Error,
        false => Verdict::Valid,
    };
    // What decides the verdict comes first, for not all may be shown; else in document order.
    let mut findings = report.findings;
    findings.sort_by_key(|one| (!(open && one.is_open()), one.severity));
    (verdict, findings.into_iter().map(Finding::from).collect())
}

fn unreadable(error: &XmlError) -> (Verdict, Vec<Finding>) {
    let sentence = |text: String| format!("{}.", text.trim_end_matches('.'));
    let (de, en) = (sentence(error.german()), sentence(error.english()));
    let verdict = if error.is_input() { Verdict::Error } else { Verdict::NotWellFormed };
    let rule = if error.is_limit() { "limits" } else { "xml-1.0" };
    (verdict, vec![Finding::error(error.code(), rule, &de, &en).at(error.position, "")])
}

fn gave_up(place: Position) -> Finding {
    Finding::error(
        "validation-gave-up",
        "limits",
        "Die Prüfung wurde an einer Grenze abgebrochen (Zeit, Speicher oder Umfang des Inhaltsmodells). \
         Nachricht verkleinern oder den Betreiber fragen.",
        "Validation ended at a limit (time, memory or size of the content model). \
         Make the message smaller or ask the operator.",
    )
    .at(place, "")
}

fn failed(place: Position) -> Finding {
    Finding::error(
        "validator-failed",
        "engine",
        "Das Prüfprogramm ist an dieser Nachricht gescheitert. Den Betreiber benachrichtigen.",
        "The validator failed on this message. Tell the operator.",
    )
    .at(place, "")
}
