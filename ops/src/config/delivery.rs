//! `delivery.toml`: how messages are treated after they were accepted, and what each peer bears.

use std::collections::BTreeSet;
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::Rules;
use amtsbote_domain::delivery::breaker;
use amtsbote_domain::delivery::calendar::{Calendar, MAX_OWN_DAYS};
use amtsbote_domain::delivery::policy::{BadPolicy, Policies, Policy, Rule};
use amtsbote_domain::delivery::successor::{Successor, Successors};
use amtsbote_domain::delivery::traffic::{Limits, Recipient, Traffic};
use amtsbote_domain::delivery::wait::Waits;
use amtsbote_domain::delivery::window::{Window, Windows};
use amtsbote_domain::party::PartyId;
use amtsbote_domain::policy::Pattern;
use amtsbote_domain::text::Language;
use jiff::civil::{Date, DateTime, Time, Weekday};
use toml::Spanned;
use toml::value::Datetime;

use super::permissions::pattern;
use super::raw::{
    RawAlternative, RawBreaker, RawCalendar, RawDelivery, RawMaintenance, RawRecipient, RawRule,
    RawRules, RawSuccessor, RawTreatment, RawWeekly,
};
use super::table::{Source, nearest};
use super::{civil_date, day, parsed, validity};
use crate::outcome::Failure;

use self::lanes::Known;

/// Longest pause of a breaker for which no rule names one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What holds without a file: the attempts and waits of `[delivery]` in `amtsbote.toml`, and for the
/// breakers pauses like these waits, a minute at most; a probe is given up after a lease.
pub(crate) fn base(node: &RawDelivery, lease: Duration) -> (Policy, Limits) {
    let own = Policy::default();
    let wait = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
    let waits = Waits {
        first: wait(node.first_wait_ms, own.waits.first),
        longest: wait(node.longest_wait_ms, own.waits.longest),
    };
    let attempts = node.max_attempts.unwrap_or(own.attempts);
    let first_pause = waits.first.min(LONGEST_PAUSE);
    let breaker = breaker::Settings {
        first_pause,
        longest_pause: waits.longest.clamp(first_pause, LONGEST_PAUSE),
        patience: lease,
        ..breaker::Settings::default()
    };
    (Policy { attempts, waits, ..own }, Limits { breaker, ..Limits::default() })
}

/// The rules when there is no file. `node` is the file that names the base.
pub(crate) fn without_file(node: &Source, base: (Policy, Limits)) -> Result<Rules, Failure> {
    let (policy, limits) = base;
    checked(node, &policy)?;
    let policies = Policies::new(vec![], policy).map_err(|error| whole(node, &error))?;
    Ok(Rules { policies, traffic: Traffic::new(vec![], limits), ..Rules::default() })
}

/// A policy from `[delivery]` that cannot work.
fn checked(node: &Source, policy: &Policy) -> Result<(), Failure> {
    policy.check().map_err(|error| {
        let said =
            |language| format!("{}: [delivery]: {}", node.path().display(), error.text(language));
        Failure::usage(said(Language::De), said(Language::En))
    })
}

/// A policy of a line that cannot work.
fn unworkable(source: &Source, span: &std::ops::Range<usize>, error: BadPolicy) -> Failure {
    source.wrong(span, error.text(Language::De), error.text(Language::En))
}

/// Reads the rules; `node` is the file that names the base, `peers` are the hubs that it knows.
pub(crate) fn read(
    source: &Source,
    node: &Source,
    base: (Policy, Limits),
    peers: &[&str],
) -> Result<Rules, Failure> {
    let raw: RawRules = source.parse()?;
    let (policy, limits) = base;
    checked(node, &policy)?;
    let lanes = lanes::lanes(source, &raw.lane)?;
    let known = Known { peers, lanes: &lanes };
    let default = match &raw.default {
        None => policy,
        Some(raw) => {
            let policy = treated(source, policy, &Treated::default(raw.get_ref()), &known)?;
            policy.check().map_err(|error| unworkable(source, &raw.span(), error))?;
            policy
        }
    };
    let rules = raw.rule.iter().map(|raw| rule(source, raw, &default, &known));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    let recipients = raw.recipient.iter().map(|raw| recipient(source, raw, &limits, peers));
    let recipients = recipients.collect::<Result<Vec<_>, _>>()?;
    let successors = raw.successor.iter().map(|raw| successor(source, raw));
    let successors = Successors::new(successors.collect::<Result<Vec<_>, _>>()?);
    Ok(Rules {
        policies: Policies::new(rules, default).map_err(|error| whole(source, &error))?,
        traffic: Traffic::new(recipients, limits),
        calendar: calendar(source, &raw.calendar)?,
        successors: successors.map_err(|error| whole(source, &error))?,
        lanes,
    })
}

/// A fault of the file as a whole.
fn whole(source: &Source, error: &dyn std::fmt::Display) -> Failure {
    let text = format!("{}: {error}", source.path().display());
    Failure::usage(&text, &text)
}

/// File and line, as `why` and `route explain` tell it.
fn name<T>(source: &Source, raw: &Spanned<T>) -> String {
    format!("{}:{}", source.name(), source.line(&raw.span()))
}

/// What `[default]` and a rule can both say.
struct Treated<'r> {
    max_attempts: Option<u32>,
    first_wait_ms: Option<u64>,
    longest_wait_ms: Option<u64>,
    time_to_live_hours: Option<u32>,
    working_days: Option<u32>,
    notice_before_hours: Option<u32>,
    lane: Option<&'r Spanned<String>>,
    in_order: Option<bool>,
    alternative: Option<&'r [Spanned<RawAlternative>]>,
}

macro_rules! treated {
    ($raw:expr) => {
        Treated {
            max_attempts: $raw.max_attempts,
            first_wait_ms: $raw.first_wait_ms,
            longest_wait_ms: $raw.longest_wait_ms,
            time_to_live_hours: $raw.time_to_live_hours,
            working_days: $raw.working_days,
            notice_before_hours: $raw.notice_before_hours,
            lane: $raw.lane.as_ref(),
            in_order: $raw.in_order,
            alternative: $raw.alternative.as_deref(),
        }
    };
}

impl<'r> Treated<'r> {
    fn default(raw: &'r RawTreatment) -> Self {
        treated!(raw)
    }

    fn rule(raw: &'r RawRule) -> Self {
        treated!(raw)
    }
}

/// The policy with what the file says besides.
fn treated(
    source: &Source,
    base: Policy,
    raw: &Treated<'_>,
    known: &Known<'_>,
) -> Result<Policy, Failure> {
    let wait = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
    let hours = |hours: u32| Duration::from_secs(3_600) * hours;
    let lane = raw.lane.map(|written| lanes::lane(source, written, known)).transpose()?;
    let other = raw.alternative.map(|ways| lanes::alternatives(source, ways, known)).transpose()?;
    Ok(Policy {
        attempts: raw.max_attempts.unwrap_or(base.attempts),
        waits: Waits {
            first: wait(raw.first_wait_ms, base.waits.first),
            longest: wait(raw.longest_wait_ms, base.waits.longest),
        },
        time_to_live: raw.time_to_live_hours.map(hours).or(base.time_to_live),
        working_days: raw.working_days.or(base.working_days),
        lane: lane.or(base.lane),
        in_order: raw.in_order.unwrap_or(base.in_order),
        alternatives: other.unwrap_or(base.alternatives),
        notice: raw.notice_before_hours.map(hours).or(base.notice),
    })
}

fn rule(
    source: &Source,
    raw: &Spanned<RawRule>,
    default: &Policy,
    known: &Known<'_>,
) -> Result<Rule, Failure> {
    let written = raw.get_ref();
    let fits = |value: &Option<Spanned<String>>| match value {
        Some(value) => pattern(source, value),
        None => Pattern::parse("*").map_err(|error| source.wrong(&raw.span(), &error, &error)),
    };
    let policy = treated(source, default.clone(), &Treated::rule(written), known)?;
    policy.check().map_err(|error| unworkable(source, &raw.span(), error))?;
    Ok(Rule {
        name: name(source, raw),
        service: fits(&written.service)?,
        reader: fits(&written.to)?,
        policy,
    })
}

fn recipient(
    source: &Source,
    raw: &Spanned<RawRecipient>,
    base: &Limits,
    peers: &[&str],
) -> Result<Recipient, Failure> {
    let written = raw.get_ref();
    let peer = pattern(source, &written.peer)?;
    if !peers.iter().any(|name| peer.fits(name)) {
        let named = written.peer.get_ref();
        let near = nearest(named, peers.iter().copied());
        let hint = |de| match (near, de) {
            (Some(near), true) => format!("; gemeint ist vielleicht \"{near}\""),
            (Some(near), false) => format!("; did you mean \"{near}\"?"),
            (None, _) => String::new(),
        };
        return Err(source.wrong(
            &written.peer.span(),
            format!("auf kein [[peer]] in amtsbote.toml passt \"{named}\"{}", hint(true)),
            format!("no [[peer]] in amtsbote.toml fits \"{named}\"{}", hint(false)),
        ));
    }
    let positive = |value: &Option<Spanned<u32>>| match value {
        Some(value) if *value.get_ref() == 0 => Err(source.wrong(
            &value.span(),
            "0 würde alles anhalten; dafür gibt es Wartungsfenster",
            "0 would stop everything; there are maintenance windows for that",
        )),
        value => Ok(value.as_ref().map(|value| *value.get_ref())),
    };
    let weekly = written.weekly.iter().map(|raw| weekly(source, raw));
    let dated = written.maintenance.iter().map(|raw| dated(source, raw));
    let windows = weekly.chain(dated).collect::<Result<Vec<_>, _>>()?;
    let breaker = breaker(&written.breaker, base.breaker);
    breaker.check().map_err(|error| source.wrong(&raw.span(), error, error))?;
    Ok(Recipient {
        name: name(source, raw),
        peer,
        limits: Limits {
            parallel: positive(&written.parallel)?,
            rate: positive(&written.rate)?,
            breaker,
            windows: Windows::new(windows)
                .map_err(|error| source.wrong(&raw.span(), error, error))?,
        },
    })
}

fn breaker(raw: &RawBreaker, base: breaker::Settings) -> breaker::Settings {
    let pause = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
    let first_pause = pause(raw.first_pause_ms, base.first_pause);
    breaker::Settings {
        failures: raw.failures.unwrap_or(base.failures),
        first_pause,
        longest_pause: pause(raw.longest_pause_ms, base.longest_pause.max(first_pause)),
        pace: raw.pace.unwrap_or(base.pace),
        rate: raw.full_pace.unwrap_or(base.rate),
        patience: base.patience,
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

fn weekly(source: &Source, raw: &RawWeekly) -> Result<Window, Failure> {
    let named = raw.day.get_ref();
    let day = DAYS.iter().find(|(name, _)| name == named).map(|(_, day)| *day);
    let day = day.ok_or_else(|| {
        source.wrong(
            &raw.day.span(),
            "ein Wochentag ist monday, tuesday, wednesday, thursday, friday, saturday oder sunday",
            "a day is monday, tuesday, wednesday, thursday, friday, saturday or sunday",
        )
    })?;
    let time = |value: &Spanned<Datetime>| {
        let written = value.get_ref();
        let bare = written.time.filter(|_| written.date.is_none());
        bare.and_then(civil_time).ok_or_else(|| {
            source.wrong(
                &value.span(),
                "hier steht eine Uhrzeit, ohne Tag und ohne Anführungszeichen: 22:00:00",
                "a time belongs here, without day and without quotes: 22:00:00",
            )
        })
    };
    Ok(Window::Weekly { day, from: time(&raw.from)?, until: time(&raw.until)? })
}

fn dated(source: &Source, raw: &RawMaintenance) -> Result<Window, Failure> {
    let moment = |value: &Spanned<Datetime>| {
        let written = value.get_ref();
        let local = written.offset.is_none().then_some(written.date.zip(written.time)).flatten();
        let moment = local.and_then(|(date, time)| Some((civil_date(date)?, civil_time(time)?)));
        moment.map(|(date, time): (Date, Time)| DateTime::from_parts(date, time)).ok_or_else(|| {
            source.wrong(
                &value.span(),
                "hier stehen Tag und Uhrzeit in Deutschland, ohne Z und ohne Anführungszeichen: \
                 2026-05-13T18:00:00",
                "day and time in Germany belong here, without Z and without quotes: \
                 2026-05-13T18:00:00",
            )
        })
    };
    Ok(Window::Dated { from: moment(&raw.from)?, until: moment(&raw.until)? })
}

fn civil_time(time: toml::value::Time) -> Option<Time> {
    let part = |value: u8| i8::try_from(value).ok();
    let (hour, minute) = (part(time.hour)?, part(time.minute)?);
    Time::new(hour, minute, time.second.map_or(Some(0), part)?, 0).ok()
}

fn calendar(source: &Source, raw: &RawCalendar) -> Result<Calendar, Failure> {
    if raw.closed.len() > MAX_OWN_DAYS {
        return Err(whole(source, &format!("calendar.closed: at most {MAX_OWN_DAYS}")));
    }
    let closed = raw.closed.iter().map(|value| day(source, value));
    Ok(Calendar {
        christmas_eve: raw.christmas_eve,
        new_years_eve: raw.new_years_eve,
        closed: closed.collect::<Result<BTreeSet<_>, _>>()?,
    })
}

fn successor(source: &Source, raw: &Spanned<RawSuccessor>) -> Result<Successor, Failure> {
    let written = raw.get_ref();
    let since = validity(source, Some(&written.from), None)?.from;
    Ok(Successor {
        name: name(source, raw),
        old: parsed::<PartyId>(source, &written.old)?,
        new: parsed::<PartyId>(source, &written.new)?,
        from: since.unwrap_or(Timestamp::MIN),
        note: written.note.clone(),
    })
}

mod lanes;
#[cfg(test)]
mod tests;
