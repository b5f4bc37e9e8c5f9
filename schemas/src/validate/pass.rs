//! One pass over a message: reader, header facts and validation together.

use std::cell::OnceCell;
use std::io::BufRead;

use xsd_schema::validation::SchemaValidator;

use super::engine::{Engine, Failure, Reported};
use super::finding::Finding;
use super::schemas::{Ready, Schemas};
use super::tables::Run;
use super::verdict::{Checked, MAX_FINDINGS, Verdict};
use crate::header::HeaderSink;
use crate::xml::{self, DriveError, Event, EventSink, Limits, Position, StartTag, XmlError};

/// Events between two looks at the time.
const EVENTS_PER_LOOK: u64 = 256;
/// Bytes of names that one message may teach the engine.
const MAX_LEARNT_AT_ONCE: usize = 8 * 1024 * 1024;

/// Who is to judge the message, decided at its root.
pub(crate) enum Judge<'s> {
    /// This schema set.
    By(&'s Schemas),
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
        input: impl BufRead,
        limits: &Limits,
        expired: &dyn Fn() -> bool,
        choose: impl FnOnce(&StartTag) -> Judge<'s>,
    ) -> Checked {
        let ready = OnceCell::new();
        let validator = OnceCell::new();
        let reported = Reported::default();
        let mut sink = Sink {
            choose: Some(choose),
            ready: &ready,
            validator: &validator,
            reported: &reported,
            by: Validator::None,
            lender: None,
            refused: None,
            failure: None,
            header: HeaderSink::default(),
            expired,
            events: 0,
            place: Position::default(),
            findings: Vec::new(),
        };
        let read = xml::drive(input, limits, &mut sink);
        let (lender, failure) = (sink.lender, sink.failure);
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

struct Sink<'a, 'b, 's, C> {
    choose: Option<C>,
    ready: &'a OnceCell<Ready>,
    validator: &'b OnceCell<SchemaValidator<'a>>,
    reported: &'b Reported,
    by: Validator<'b, 's>,
    lender: Option<&'s Schemas>,
    refused: Option<(Verdict, Finding)>,
    failure: Option<Failure>,
    header: HeaderSink,
    expired: &'a dyn Fn() -> bool,
    events: u64,
    place: Position,
    findings: Vec<Finding>,
}

impl<'a: 'b, 'b, 's, C: FnOnce(&StartTag) -> Judge<'s>> Sink<'a, 'b, 's, C> {
    fn begin(&mut self, root: &StartTag) {
        let Some(choose) = self.choose.take() else { return };
        match choose(root) {
            Judge::Nobody(verdict, finding) => {
                self.refused =
                    Some((verdict, finding.at(root.position, &format!("/{}", root.local))));
            }
            Judge::By(schemas) => match schemas.tables() {
                Some(tables) => self.by = Validator::Tables(Box::new(Run::new(tables))),
                None => self.borrow(schemas),
            },
            Judge::ByLibrary(schemas) => self.borrow(schemas),
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
            Validator::Tables(run) => self.findings = run.into_findings(),
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

    fn look(&mut self) -> Result<(), Stop> {
        self.events += 1;
        let late = self.events.is_multiple_of(EVENTS_PER_LOOK) && (self.expired)();
        let learnt = self.ready.get().map_or(0, Ready::learnt);
        if late || learnt > MAX_LEARNT_AT_ONCE { Err(Stop) } else { Ok(()) }
    }

    fn conclude(mut self, read: Result<(), DriveError<Stop>>) -> Checked {
        self.settle();
        let (verdict, findings) = match read {
            Err(DriveError::Xml(error)) => unreadable(&error),
            Err(DriveError::Sink(Stop)) => (Verdict::Error, vec![gave_up(self.place)]),
            Ok(()) => match (self.failure, self.refused) {
                (Some(Failure::Limit), _) => (Verdict::Error, vec![gave_up(self.place)]),
                (Some(Failure::Panicked), _) => (Verdict::Error, vec![failed(self.place)]),
                (None, Some((verdict, finding))) => (verdict, vec![finding]),
                (None, None) if self.findings.is_empty() => (Verdict::Valid, Vec::new()),
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

impl<'a: 'b, 'b, 's, C: FnOnce(&StartTag) -> Judge<'s>> EventSink for Sink<'a, 'b, 's, C> {
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
        self.judge(event);
        Ok(())
    }
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
