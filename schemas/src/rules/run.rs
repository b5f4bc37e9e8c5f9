//! Rules at work on one tree.

use std::collections::HashSet;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;

use jiff::Timestamp;
use xsd_schema::document::BufferDocument;
use xsd_schema::types::value::{DateTimeValue, TimezoneOffset};
use xsd_schema::xpath::functions::effective_boolean_value;
use xsd_schema::xpath::{XPathContext, XPathValue, XmlItem};

use super::MAX_RULE_FINDINGS;
use super::compile::{Check, Expr, Rule, Rules, Schema, Var};
use super::finding::{RuleFinding, RuleSeverity, RulesReport, UNANSWERED};
use super::functions::Caller;
use super::meter::{Sides, read};
use super::navigator::{Budget, Nav, Spent};
use super::regex;
use super::tree::{Places, Spot, Store, TooLarge, Tree};
use crate::xml::{self, DriveError, Limits, XmlError};

/// Sets of compiled patterns kept between messages.
const KEPT_CACHES: usize = 4;
/// The time zone of dates that name none, and of the current date (P10).
const ZONE: &str = "Europe/Berlin";

pub(super) type Value<'d> = XPathValue<Nav<'d>>;
/// A variable: not asked for yet, or its value.
pub(super) type Slot<'d> = Option<Result<Value<'d>, Fault>>;

/// Stands for a code where there is no error but something that we lack.
const OURS: &str = "";

/// Why an expression has no value: a dynamic error with its code, or [`OURS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) &'static str);

impl Rules {
    /// Reads a message again, that the schema has found good, and says what rules it breaks.
    ///
    /// `now` is what `current-date()` and its like say; `expired` is asked every now and then
    /// whether the time for this message is over.
    ///
    /// # Errors
    /// The message cannot be read or is not well-formed.
    pub fn judge(
        &self,
        input: impl BufRead,
        limits: &Limits,
        now: Timestamp,
        expired: &dyn Fn() -> bool,
    ) -> Result<RulesReport, XmlError> {
        let store = Store::new(self);
        let mut tree = Tree::new(&store);
        match xml::drive(input, limits, &mut tree) {
            Ok(()) | Err(DriveError::Sink(TooLarge)) => Ok(self.check(&tree, now, expired)),
            Err(DriveError::Xml(error)) => Err(error),
        }
    }

    /// Says what rules the tree of a message breaks. The store of the tree must have been made
    /// for these rules. See [`Rules::judge`].
    pub fn check(
        &self,
        tree: &Tree<'_>,
        now: Timestamp,
        expired: &dyn Fn() -> bool,
    ) -> RulesReport {
        let budget = Budget::new(self.moves, expired);
        let mut report = RulesReport::default();
        let mut found = Found::default();
        // A fault of the engine must not end the hub.
        let run = || match tree.document() {
            Some(document) => self.run(tree, document, now, &budget, &mut found, &mut report),
            None => resume_unwind(Box::new(Spent)),
        };
        let ended = catch_unwind(AssertUnwindSafe(run)).err();
        report.incomplete |= ended.is_some();
        report.truncated = found.dropped;
        report.moves = self.moves - budget.left();
        report.findings = found.told(tree.document());
        if let Some(why) = ended {
            report.findings.push(whole(if why.is::<Spent>() { GAVE_UP } else { FAILED }));
        }
        report
    }

    fn run(
        &self,
        tree: &Tree<'_>,
        document: &BufferDocument<'_>,
        now: Timestamp,
        budget: &Budget<'_>,
        found: &mut Found,
        report: &mut RulesReport,
    ) {
        let regexes = self.regexes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let regexes = regexes.unwrap_or_default();
        let (now, zone) = moment(now);
        let root = Nav::new(document.create_navigator(), budget);
        for schema in &self.schemas {
            let context = XPathContext::new(&tree.store().names)
                .with_namespaces(schema.namespaces.clone())
                .with_function_catalog(&schema.functions.catalog)
                .with_implicit_timezone(zone);
            let caller = Caller {
                functions: &schema.functions,
                context: &context,
                budget,
                patterns: &regexes,
                sides: Sides::default(),
            };
            let mut run = Run {
                schema,
                caller: &caller,
                root: root.clone(),
                tree,
                budget,
                now: &now,
                globals: schema.globals.iter().map(|_| None).collect(),
                found,
                report,
            };
            run.patterns();
            if found.is_enough() {
                break;
            }
        }
        let mut kept = self.regexes.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_CACHES {
            kept.push(regexes.without_long_ones());
        }
    }
}

/// A finding to be, without the path: that is only made for what is kept.
struct Pending {
    /// How many were kept before it.
    number: usize,
    at: Spot,
    finding: RuleFinding,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    /// For each [`RuleSeverity`], at most [`MAX_RULE_FINDINGS`].
    kept: [Vec<Pending>; 3],
    /// There was more.
    dropped: bool,
    /// There were more errors than are kept.
    enough: bool,
}

impl Found {
    /// Whether one more of this severity would be kept. Notes that there was one more.
    fn has_room(&mut self, severity: RuleSeverity) -> bool {
        let room = self.kept[severity as usize].len() < MAX_RULE_FINDINGS;
        self.dropped |= !room;
        self.enough |= !room && severity == RuleSeverity::Error;
        room
    }

    fn keep(&mut self, at: Spot, finding: RuleFinding) {
        let number = self.kept.iter().map(Vec::len).sum();
        self.kept[finding.severity as usize].push(Pending { number, at, finding });
    }

    /// Whether nothing more can change the answer. Warnings never are: an error may follow.
    fn is_enough(&self) -> bool {
        self.enough
    }

    /// All of it in document order.
    fn told(self, document: Option<&BufferDocument<'_>>) -> Vec<RuleFinding> {
        let Some(document) = document else { return Vec::new() };
        let mut all: Vec<Pending> = self.kept.into_iter().flatten().collect();
        all.sort_by_key(|one| (one.at.node, one.number));
        let places = Places::of(document, all.iter().map(|one| &one.at));
        let told = |one: Pending| RuleFinding { path: places.path(&one.at), ..one.finding };
        all.into_iter().map(told).collect()
    }
}

/// One schema at work.
pub(super) struct Run<'d, 'o> {
    schema: &'d Schema,
    caller: &'d Caller<'d>,
    pub(super) root: Nav<'d>,
    pub(super) tree: &'d Tree<'d>,
    pub(super) budget: &'d Budget<'d>,
    now: &'d DateTimeValue,
    globals: Vec<Slot<'d>>,
    found: &'o mut Found,
    report: &'o mut RulesReport,
}

/// What an expression sees beside the globals.
pub(super) struct Frame<'d, 'f> {
    /// The node of the rule.
    pub(super) node: Nav<'d>,
    pub(super) lets: &'f [Expr],
    pub(super) values: Vec<Slot<'d>>,
}

impl<'d> Run<'d, '_> {
    fn patterns(&mut self) {
        let schema = self.schema;
        for pattern in &schema.patterns {
            let mut taken = HashSet::new();
            for (number, rule) in pattern.iter().enumerate() {
                let last = number + 1 == pattern.len();
                for node in self.matched(rule) {
                    // The first rule of a pattern whose context fits is the only one that counts.
                    let free = if last {
                        !taken.contains(&node.node())
                    } else {
                        taken.insert(node.node())
                    };
                    if free {
                        self.report.fired += 1;
                        self.fire(rule, node);
                    }
                    if self.found.is_enough() {
                        self.report.incomplete = true;
                        return;
                    }
                }
            }
        }
    }

    fn fire(&mut self, rule: &Rule, node: Nav<'d>) {
        let values = rule.lets.iter().map(|_| None).collect();
        let mut frame = Frame { node, lets: &rule.lets, values };
        for check in &rule.checks {
            let at = frame.node.clone();
            let said = self
                .value(&check.test, &at, &mut frame)
                .and_then(|value| effective_boolean_value(&value).map_err(|error| fault(&error)));
            match said {
                Ok(truth) if truth == check.report => {
                    if !self.found.has_room(check.severity) {
                        continue;
                    }
                    let text = self.text(check, &mut frame);
                    self.broken(&check.id, check.severity, &at, "rule-broken", &text, &text);
                }
                Ok(_) => {}
                Err(Fault(code)) => self.could_not(&check.id, &at, code),
            }
        }
    }

    fn text(&mut self, check: &Check, frame: &mut Frame<'d, '_>) -> String {
        let at = frame.node.clone();
        check.text.say(&at, |expr| {
            let value = self.value(expr, &at, frame).ok()?;
            nodes(value).into_iter().next()
        })
    }

    /// The value of an expression at a node.
    pub(super) fn value(
        &mut self,
        expr: &Expr,
        at: &Nav<'d>,
        frame: &mut Frame<'d, '_>,
    ) -> Result<Value<'d>, Fault> {
        let mut bound = Vec::with_capacity(expr.needs.len());
        for (slot, var) in &expr.needs {
            let value = match var {
                Var::Current => XPathValue::from_node(frame.node.clone()),
                Var::Global(number) => self.global(*number)?,
                Var::Local(number) => self.local(*number, frame)?,
            };
            read(&value, self.budget);
            bound.push((*slot, value));
        }
        let value = expr.xpath.run(self.caller, Some(at.clone()), Some(self.now.clone()), bound);
        value.map_err(|error| fault(&error))
    }

    /// A variable of schema, phase or pattern: computed when first asked for, at the root.
    fn global(&mut self, number: usize) -> Result<Value<'d>, Fault> {
        if let Some(Some(known)) = self.globals.get(number) {
            return known.clone();
        }
        let schema = self.schema;
        let Some(expr) = schema.globals.get(number) else { return Err(Fault("XPST0008")) };
        let root = self.root.clone();
        let mut frame = Frame { node: root.clone(), lets: &[], values: Vec::new() };
        let value = self.value(expr, &root, &mut frame);
        if let Some(slot) = self.globals.get_mut(number) {
            *slot = Some(value.clone());
        }
        value
    }

    fn local(&mut self, number: usize, frame: &mut Frame<'d, '_>) -> Result<Value<'d>, Fault> {
        if let Some(Some(known)) = frame.values.get(number) {
            return known.clone();
        }
        let Some(expr) = frame.lets.get(number) else { return Err(Fault("XPST0008")) };
        let at = frame.node.clone();
        let value = self.value(expr, &at, frame);
        if let Some(slot) = frame.values.get_mut(number) {
            *slot = Some(value.clone());
        }
        value
    }

    pub(super) fn could_not(&mut self, rule: &str, node: &Nav<'d>, code: &'static str) {
        let severity = RuleSeverity::Error;
        if !self.found.has_room(severity) {
            return;
        }
        if code == OURS {
            let (code, de, en) = UNSUPPORTED;
            return self.broken(rule, severity, node, code, de, en);
        }
        let (de, en) = why(code);
        let de = format!(
            "Die Regel konnte an dieser Stelle nicht ausgewertet werden (Fehler {code}): {de}"
        );
        let en = format!("The rule could not be evaluated at this place (error {code}): {en}");
        self.broken(rule, severity, node, "rule-error", &de, &en);
    }

    pub(super) fn did_not_match(&mut self, rule: &str, node: &Nav<'d>, code: &'static str) {
        if code == OURS {
            // XSLT knows what follows from an error; what we lack is none.
            return self.could_not(rule, node, code);
        }
        let severity = RuleSeverity::Warning;
        if !self.found.has_room(severity) {
            return;
        }
        let de = format!(
            "Ob die Regel hier gilt, war nicht zu entscheiden (Fehler {code}); sie wurde nicht \
             angewendet, wie XSLT es vorsieht."
        );
        let en = format!(
            "Whether the rule applies here could not be decided (error {code}); it was not \
             applied, as XSLT has it."
        );
        self.broken(rule, severity, node, "rule-context-error", &de, &en);
    }

    /// Keeps a finding for which there is room.
    fn broken(
        &mut self,
        rule: &str,
        severity: RuleSeverity,
        node: &Nav<'d>,
        code: &'static str,
        de: &str,
        en: &str,
    ) {
        let position = self.tree.position(node.node());
        let finding = RuleFinding {
            code,
            severity,
            rule: rule.to_owned(),
            line: position.line,
            column: position.column,
            path: String::new(),
            message_de: de.to_owned(),
            message_en: en.to_owned(),
        };
        self.found.keep(Spot::of(node.inner()), finding);
    }
}

/// The sentence for a code of an error (XPath 2.0 functions, appendix G; XPath 2.0, appendix F).
fn why(code: &str) -> (&'static str, &'static str) {
    match code {
        "FORG0001" | "FOCA0002" | "FOCA0005" | "FODT0003" | "FOCH0001" | "FONS0004" => (
            "Ein Wert hat nicht die Form, die sie voraussetzt.",
            "a value has not the form that it takes for granted.",
        ),
        "FORG0003" | "FORG0004" | "FORG0005" | "FORG0006" | "FORG0008" | "XPTY0004" => (
            "Anzahl oder Art der Werte ist nicht die, die sie voraussetzt.",
            "the number or the kind of values is not the one that it takes for granted.",
        ),
        "FOAR0001" => ("Es wird durch null geteilt.", "something is divided by zero."),
        "FOAR0002" | "FOCA0001" | "FOCA0003" | "FOCA0006" | "FODT0001" | "FODT0002" => (
            "Eine Zahl oder ein Zeitpunkt ist zu groß, um damit zu rechnen.",
            "a number or a point in time is too large to compute with.",
        ),
        "FORX0001" | "FORX0002" | "FORX0003" | "FORX0004" => (
            "Ein Suchmuster oder seine Ersetzung ist kein regulärer Ausdruck von XPath 2.0.",
            "a pattern or its replacement is no regular expression of XPath 2.0.",
        ),
        _ => (
            "Ein Ausdruck darin hat für diese Nachricht keinen Wert.",
            "an expression in it has no value for this message.",
        ),
    }
}

pub(super) fn nodes(value: Value<'_>) -> Vec<Nav<'_>> {
    let node = |item| match item {
        XmlItem::Node(node) => Some(node),
        XmlItem::Atomic(_) => None,
    };
    value.into_vec().into_iter().filter_map(node).collect()
}

pub(super) fn fault(error: &xsd_schema::xpath::XPathError) -> Fault {
    if regex::is_lack(error) {
        return Fault(OURS);
    }
    Fault(error.error_code().unwrap_or("XPDY"))
}

/// The instant as XPath knows it, and its time zone.
fn moment(now: Timestamp) -> (DateTimeValue, TimezoneOffset) {
    let local = match now.in_tz(ZONE) {
        Ok(local) => local,
        Err(_) => now.to_zoned(jiff::tz::TimeZone::UTC),
    };
    let minutes = i16::try_from(local.offset().seconds() / 60).unwrap_or(0);
    let zone = TimezoneOffset(minutes);
    let number = |n: i8| u8::try_from(n).unwrap_or(0);
    let value = DateTimeValue {
        year: i32::from(local.year()),
        month: number(local.month()),
        day: number(local.day()),
        hour: number(local.hour()),
        minute: number(local.minute()),
        second: number(local.second()).into(),
        timezone: Some(zone),
    };
    (value, zone)
}

const UNSUPPORTED: (&str, &str, &str) = (
    UNANSWERED,
    "Die Regel verwendet hier ein Suchmuster, das dieses Prüfprogramm nicht unterstützt; ob sie \
     eingehalten ist, bleibt offen. Den Betreiber benachrichtigen.",
    "The rule uses a pattern here that this validator does not support; whether it is kept is \
     not known. Tell the operator.",
);
const GAVE_UP: (&str, &str, &str) = (
    "rules-gave-up",
    "Die Prüfung der Regeln wurde an einer Grenze abgebrochen (Zeit oder Speicher). \
     Nachricht verkleinern oder den Betreiber fragen.",
    "The check of the rules ended at a limit (time or memory). \
     Make the message smaller or ask the operator.",
);
const FAILED: (&str, &str, &str) = (
    "rules-failed",
    "Das Prüfprogramm ist an den Regeln für diese Nachricht gescheitert. \
     Den Betreiber benachrichtigen.",
    "The validator failed on the rules for this message. Tell the operator.",
);

/// A finding about the whole message.
fn whole((code, de, en): (&'static str, &str, &str)) -> RuleFinding {
    RuleFinding {
        code,
        severity: RuleSeverity::Error,
        rule: String::new(),
        line: 0,
        column: 0,
        path: String::new(),
        message_de: de.to_owned(),
        message_en: en.to_owned(),
    }
}
