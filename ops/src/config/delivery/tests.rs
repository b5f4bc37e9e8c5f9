//! `delivery.toml`, right and wrong.

use super::*;
use amtsbote_domain::delivery::alternative::{Alternative, When};
use amtsbote_domain::directory::Channel;
use amtsbote_domain::identity::ServiceUri;
use amtsbote_domain::text::Language;

const FILE: &str = r#"
[default]
max_attempts = 20
working_days = 5

[[rule]]
service = "urn:example:election:*"
to = "ags:05766*"
max_attempts = 3
time_to_live_hours = 12

[[rule]]
service = "urn:example:register"
first_wait_ms = 100
longest_wait_ms = 200

[[recipient]]
peer = "kdn*"
parallel = 3
rate = 10
[recipient.breaker]
failures = 2
first_pause_ms = 90000
[[recipient.weekly]]
day = "saturday"
from = 22:00:00
until = 04:00:00
[[recipient.maintenance]]
from = 2026-05-13T18:00:00
until = 2026-05-15T06:00:00

[calendar]
christmas_eve = true
closed = [2027-02-08]

[[successor]]
old = "ags:05766000"
new = "ags:05766044"
from = 2026-07-01
note = "Eingemeindung"

[[rule]]
service = "urn:example:residents"
lane = "urgent"
in_order = true
[[rule.alternative]]
via = "peer:gateway"
out_longer_s = 600
failed_more = 5
[[rule.alternative]]
via = "inbox"
maintenance_over_end = true

[[lane]]
name = "urgent"
weight = 8
[[lane]]
name = "rest"
weight = 1
"#;

fn source(text: &str) -> Source {
    Source::from_text(text)
}

fn read_text(text: &str) -> Result<Rules, Failure> {
    let node = source("[delivery]\n");
    let base = base(&RawDelivery::default(), Duration::from_secs(300));
    read(&source(text), &node, base, &["kdn-1", "gateway"])
}

#[test]
fn every_part_of_the_file_comes_into_force() {
    let rules = read_text(FILE).expect("it is right");
    let treated = |service: &str, reader: &str| {
        let service = ServiceUri::parse(service).expect("a service");
        let reader = PartyId::parse(reader).expect("a party");
        let chosen = rules.policies.choose(&service, &reader);
        (chosen.rule.to_owned(), chosen.policy.clone())
    };
    let (name, policy) = treated("urn:example:election:eu", "ags:05766044");
    assert_eq!((name.as_str(), policy.attempts), ("test.toml:6", 3));
    assert_eq!(policy.time_to_live, Some(Duration::from_secs(12 * 3_600)));
    assert_eq!(policy.working_days, Some(5), "what a rule does not say is as by default");
    let (name, policy) = treated("urn:example:register", "ags:05770032");
    assert_eq!((name.as_str(), policy.attempts), ("test.toml:12", 20));
    assert_eq!(policy.waits.longest, Duration::from_millis(200));
    assert_eq!(treated("urn:example:other", "ags:05766044").0, "default");

    let (limits, name) = rules.traffic.of("kdn-1");
    assert_eq!((limits.parallel, limits.rate, name), (Some(3), Some(10), "test.toml:17"));
    assert_eq!(limits.breaker.failures, 2);
    assert_eq!(limits.breaker.first_pause, Duration::from_secs(90));
    assert_eq!(limits.breaker.longest_pause, Duration::from_secs(90), "not shorter than the first");
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
    let until = |now| limits.windows.maintenance(at(now)).map(|found| found.until);
    assert_eq!(until("2026-05-09T21:00:00Z"), Some(at("2026-05-10T02:00:00Z")));
    assert_eq!(until("2026-05-14T00:00:00Z"), Some(at("2026-05-15T04:00:00Z")));
    assert_eq!(until("2026-05-15T04:00:00Z"), None);
    assert_eq!(rules.traffic.of("gateway").1, "default");

    let (name, policy) = treated("urn:example:residents", "ags:05770032");
    assert_eq!((name.as_str(), policy.in_order), ("test.toml:42", true));
    assert_eq!(policy.lane.map(|lane| lane.to_string()).as_deref(), Some("urgent"));
    let ways: Vec<_> = policy.alternatives.iter().cloned().collect();
    let gateway = When {
        open_longer: Some(Duration::from_secs(600)),
        failed_more: Some(5),
        maintenance_over_end: false,
    };
    let way = |channel, when| Alternative { channel, when };
    let over_end = When { maintenance_over_end: true, ..When::default() };
    assert_eq!(
        ways,
        [way(Channel::Peer("gateway".to_owned()), gateway), way(Channel::Inbox, over_end)]
    );
    let lanes: Vec<_> = rules.lanes.iter().map(|(name, weight)| (name.as_str(), weight)).collect();
    assert_eq!(lanes, [("urgent", 8), ("rest", 1)]);

    assert!(rules.calendar.christmas_eve && !rules.calendar.new_years_eve);
    assert_eq!(rules.calendar.closed.len(), 1);
    let merged = rules.successors.iter().next().expect("one");
    assert_eq!((merged.name.as_str(), merged.from), ("test.toml:36", at("2026-06-30T22:00:00Z")));
}

#[test]
fn an_empty_file_and_no_file_are_the_same() {
    let node = RawDelivery {
        max_attempts: Some(7),
        first_wait_ms: Some(100),
        longest_wait_ms: Some(1_000),
        ..RawDelivery::default()
    };
    let base = || base(&node, Duration::from_secs(300));
    let none = without_file(&source(""), base()).expect("it is right");
    let empty = read(&source(""), &source(""), base(), &[]).expect("it is right");
    assert_eq!(format!("{none:?}"), format!("{empty:?}"));
    let breaker = none.traffic.of("any").0.breaker;
    assert_eq!(breaker.first_pause, Duration::from_millis(100));
    assert_eq!(breaker.longest_pause, Duration::from_secs(1));
    assert_eq!(breaker.patience, Duration::from_secs(300));
    assert_eq!(none.policies.all().next().expect("one").attempts, 7);
}

#[test]
fn defaults_of_the_node_work() {
    let (policy, limits) = base(&RawDelivery::default(), Duration::from_secs(300));
    assert_eq!(policy, Policy::default());
    assert_eq!(policy.check(), Ok(()));
    assert_eq!(limits.breaker.check(), Ok(()));
    assert_eq!(limits.breaker.longest_pause, LONGEST_PAUSE);
    let never = RawDelivery { max_attempts: Some(0), ..RawDelivery::default() };
    let failure = without_file(&source(""), base(&never, LONGEST_PAUSE)).expect_err("never tried");
    assert!(failure.text(Language::En).contains("[delivery]: attempts must be"), "{failure:?}");
}

#[test]
fn a_notice_comes_before_the_end() {
    let rules = |text: &str| read_text(text).map(|rules| rules.policies);
    let text = "[default]\nnotice_before_hours = 24\n[[rule]]\nservice = \"urn:example:a\"\nnotice_before_hours = 2\n";
    let policies = rules(text).expect("it is right");
    let notices: Vec<_> = policies.all().map(|policy| policy.notice).collect();
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
    assert_eq!(notices, [hours(2), hours(24)]);
    let late = rules("[default]\ntime_to_live_hours = 2\nnotice_before_hours = 2\n");
    let failure = late.expect_err("it would go out with the receipt");
    assert!(failure.text(Language::En).contains("shorter"), "{failure:?}");
}

#[test]
fn what_is_wrong_is_refused_at_its_line() {
    for (wrong, right, said) in [
        (
            "max_atempts = 3",
            "max_attempts = 3",
            "line 9: unknown key \"max_atempts\"; did you mean",
        ),
        ("max_attempts = 0", "max_attempts = 3", "line 6: attempts must be 1 to 1000"),
        ("peer = \"kdm-1\"", "peer = \"kdn*\"", "line 18: no [[peer]] in amtsbote.toml fits"),
        ("parallel = 0", "parallel = 3", "line 19: 0 would stop everything"),
        ("failures = 0", "failures = 2", "line 17: a breaker needs failures"),
        ("day = \"samstag\"", "day = \"saturday\"", "line 25: a day is monday"),
        ("from = 2026-05-09", "from = 22:00:00", "line 26: a time belongs here"),
        (
            "until = 2026-05-15T06:00:00Z",
            "until = 2026-05-15T06:00:00",
            "line 30: day and time in Germany",
        ),
        (
            "until = 2026-05-12T06:00:00",
            "until = 2026-05-15T06:00:00",
            "line 17: a maintenance window ends after it begins",
        ),
        ("closed = [2027-02-08T00:00:00]", "closed = [2027-02-08]", "line 34: a day belongs here"),
        ("new = \"ags:05766000\"", "new = \"ags:05766044\"", "lead in a circle"),
        (
            "lane = \"urgnt\"",
            "lane = \"urgent\"",
            "line 44: there is no lane \"urgnt\"; there are urgent, rest",
        ),
        ("weight = 0", "weight = 8", "the weight of a lane is 1 to 1000"),
        ("name = \"rest\"", "name = \"urgent\"", "a lane is listed twice"),
        ("name = \"Rest\"", "name = \"rest\"", "a lane's name is 1 to 32"),
        ("via = \"gateway\"", "via = \"peer:gateway\"", "line 47: via is \"inbox\" or"),
        (
            "via = \"peer:gatway\"",
            "via = \"peer:gateway\"",
            "line 47: there is no [[peer]] \"gatway\" in amtsbote.toml; did you mean \"peer:gateway\"?",
        ),
        ("", "maintenance_over_end = true", "line 50: an alternative way needs a condition"),
        ("via = \"inbox\"", "via = \"peer:gateway\"", "a way is listed twice"),
        (
            "failed_more = 20",
            "failed_more = 5",
            "line 42: failed_more must be smaller than max_attempts, or a person decides first",
        ),
        ("to = \"a*gs\"", "to = \"ags:05766*\"", "line 8: a pattern is"),
    ] {
        assert!(FILE.contains(right), "{right}");
        let failure = read_text(&FILE.replacen(right, wrong, 1)).expect_err(wrong);
        assert!(failure.text(Language::En).contains(said), "{wrong}: {failure:?}");
    }
}

/// What a rule takes over must fit what it says itself.
#[test]
fn a_way_that_no_attempt_leads_to_is_refused_in_both_languages() {
    let way = "[[default.alternative]]\nvia = \"inbox\"\nfailed_more = 5\n";
    assert!(
        read_text(&format!("[default]\nmax_attempts = 6\n{way}")).is_ok(),
        "the sixth leads to it"
    );
    let few = format!("[default]\nmax_attempts = 6\n{way}[[rule]]\nmax_attempts = 5\n");
    let failure = read_text(&few).expect_err("the fifth is the last");
    for (language, said) in [
        (Language::En, "line 6: failed_more must be smaller than max_attempts"),
        (Language::De, "Zeile 6: failed_more muss kleiner sein als max_attempts"),
    ] {
        assert!(failure.text(language).contains(said), "{failure:?}");
    }
}
