//! The breaker, step by step and by chance.

use super::*;
use proptest::prelude::*;

fn settings() -> Settings {
    Settings {
        failures: 3,
        first_pause: Duration::from_secs(10),
        longest_pause: Duration::from_secs(60),
        pace: 1,
        rate: 8,
        patience: Duration::from_secs(100),
    }
}

fn at(milli: i64) -> Timestamp {
    Timestamp::from_millisecond(milli).expect("an instant")
}

/// Begins one and lets it end at once.
fn one(breaker: &mut Breaker, outcome: Outcome, milli: i64) {
    assert!(breaker.room(at(milli)) > 0, "no room at {milli}: {breaker:?}");
    let ticket = breaker.begin(at(milli));
    breaker.end(ticket, outcome, at(milli));
}

fn opened() -> Breaker {
    let mut breaker = Breaker::new(settings());
    for _ in 0..3 {
        one(&mut breaker, Outcome::NothingLeft, 0);
    }
    breaker
}

#[test]
fn which_outcomes_are_failures_of_the_node() {
    for (outcome, failure) in [
        (Outcome::Confirmed, false),
        (Outcome::Refused, false),
        (Outcome::NothingLeft, true),
        (Outcome::Lost, true),
        (Outcome::Overloaded(0), true),
        (Outcome::OwnFault, false),
    ] {
        assert_eq!(outcome.is_failure(), failure, "{outcome:?}");
        let mut breaker = Breaker::new(settings());
        for _ in 0..2 {
            one(&mut breaker, Outcome::Lost, 0);
        }
        one(&mut breaker, outcome, 0);
        let open = matches!(breaker.standing(at(0)), Standing::Open { .. });
        assert_eq!(open, failure, "{outcome:?} after two failures");
    }
}

#[test]
fn only_failures_in_a_row_open_it() {
    let mut breaker = Breaker::new(settings());
    for _ in 0..10 {
        one(&mut breaker, Outcome::Lost, 0);
        one(&mut breaker, Outcome::Lost, 0);
        one(&mut breaker, Outcome::Refused, 0);
    }
    assert_eq!(breaker.standing(at(0)), Standing::Closed);
    assert_eq!(breaker.room(at(0)), u32::MAX);
    assert_eq!(breaker.open_for(at(0)), None);
}

#[test]
fn open_it_lets_nothing_through_then_one_probe() {
    let mut breaker = opened();
    assert_eq!(breaker.standing(at(0)), Standing::Open { until: at(10_000) });
    assert_eq!((breaker.room(at(0)), breaker.room(at(9_999))), (0, 0));
    assert_eq!(breaker.wake_at(at(0)), Some(at(10_000)));
    assert_eq!(breaker.room(at(10_000)), 1);
    assert_eq!(breaker.wake_at(at(10_000)), None);
    let probe = breaker.begin(at(10_000));
    assert_eq!(breaker.room(at(10_000)), 0, "one probe, not two");
    assert_eq!(breaker.open_for(at(10_000)), Some(Duration::from_secs(10)));
    breaker.end(probe, Outcome::Lost, at(11_000));
    assert_eq!(breaker.standing(at(11_000)), Standing::Open { until: at(31_000) }, "twice as long");
    assert_eq!(breaker.open_for(at(11_000)), Some(Duration::from_secs(11)));
}

#[test]
fn pauses_double_up_to_the_longest_and_begin_anew_after_it_was_closed() {
    let mut breaker = opened();
    let mut now = 10_000;
    for pause in [20, 40, 60, 60] {
        one(&mut breaker, Outcome::NothingLeft, now);
        assert_eq!(breaker.standing(at(now)), Standing::Open { until: at(now + pause * 1_000) });
        now += pause * 1_000;
    }
    one(&mut breaker, Outcome::Confirmed, now);
    for _ in 0..3 {
        one(&mut breaker, Outcome::Confirmed, now);
        now += 1_000;
    }
    assert_eq!(breaker.standing(at(now)), Standing::Closed);
    for _ in 0..3 {
        one(&mut breaker, Outcome::Lost, now);
    }
    assert_eq!(breaker.standing(at(now)), Standing::Open { until: at(now + 10_000) });
}

#[test]
fn a_node_may_ask_for_longer_but_not_for_ever() {
    for (seconds, wanted) in [(0, 10), (5, 10), (900, 900), (u32::MAX, 24 * 3_600)] {
        let mut breaker = Breaker::new(Settings { failures: 1, ..settings() });
        one(&mut breaker, Outcome::Overloaded(seconds), 0);
        assert_eq!(breaker.standing(at(0)), Standing::Open { until: at(wanted * 1_000) });
    }
}

#[test]
fn draining_doubles_with_every_good_second() {
    let mut breaker = opened();
    one(&mut breaker, Outcome::Refused, 10_000);
    let mut now = 10_000;
    for pace in [1, 2, 4] {
        assert_eq!(breaker.standing(at(now)), Standing::Draining { pace });
        for left in (0..pace).rev() {
            one(&mut breaker, Outcome::Confirmed, now);
            assert_eq!(breaker.room(at(now)), left);
        }
        assert_eq!(breaker.room(at(now + 999)), 0);
        assert_eq!(breaker.wake_at(at(now)), Some(at(now + 1_000)));
        now += 1_000;
    }
    assert_eq!(breaker.standing(at(now)), Standing::Closed, "the rate is reached");
}

#[test]
fn a_second_without_an_answer_gains_nothing() {
    let mut breaker = opened();
    one(&mut breaker, Outcome::Confirmed, 10_000);
    assert_eq!(breaker.standing(at(11_000)), Standing::Draining { pace: 1 });
    one(&mut breaker, Outcome::OwnFault, 11_000);
    assert_eq!(breaker.standing(at(12_000)), Standing::Draining { pace: 1 });
    one(&mut breaker, Outcome::Lost, 12_000);
    assert_eq!(breaker.standing(at(12_000)), Standing::Open { until: at(32_000) });
}

#[test]
fn late_outcomes_do_not_count() {
    let mut breaker = Breaker::new(settings());
    let early = [(); 8].map(|()| breaker.begin(at(0)));
    for ticket in &early[..3] {
        breaker.end(*ticket, Outcome::Lost, at(0));
    }
    let open = Standing::Open { until: at(10_000) };
    breaker.end(early[3], Outcome::Confirmed, at(1));
    breaker.end(early[4], Outcome::Lost, at(1));
    assert_eq!(breaker.standing(at(1)), open);
    let probe = breaker.begin(at(10_000));
    breaker.end(early[5], Outcome::Confirmed, at(10_001));
    breaker.end(early[6], Outcome::Lost, at(10_001));
    assert_eq!(breaker.standing(at(10_001)), Standing::HalfOpen);
    breaker.end(probe, Outcome::Confirmed, at(10_002));
    breaker.end(early[7], Outcome::Lost, at(10_003));
    assert_eq!(breaker.standing(at(10_003)), Standing::Draining { pace: 1 });
}

#[test]
fn a_probe_that_nobody_ends_does_not_block_for_ever() {
    let mut breaker = opened();
    let lost = breaker.begin(at(10_000));
    assert_eq!(breaker.room(at(109_999)), 0);
    assert_eq!(breaker.wake_at(at(10_000)), Some(at(110_000)));
    assert_eq!(breaker.room(at(110_000)), 1);
    let second = breaker.begin(at(110_000));
    breaker.end(lost, Outcome::Confirmed, at(110_001));
    assert_eq!(breaker.standing(at(110_001)), Standing::HalfOpen, "another probe counts now");
    breaker.end(second, Outcome::OwnFault, at(110_002));
    assert_eq!(breaker.room(at(110_002)), 1, "it said nothing; another one may find out");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    assert_eq!(Settings::default().check(), Ok(()));
    for bad in [
        Settings { failures: 0, ..settings() },
        Settings { first_pause: Duration::ZERO, ..settings() },
        Settings { longest_pause: Duration::from_secs(9), ..settings() },
        Settings { pace: 0, ..settings() },
        Settings { patience: Duration::ZERO, ..settings() },
    ] {
        assert_eq!(bad.check(), Err(BadBreaker), "{bad:?}");
    }
    let mut breaker = opened();
    breaker.set(Settings { longest_pause: Duration::from_secs(10), ..settings() });
    one(&mut breaker, Outcome::Lost, 10_000);
    assert_eq!(breaker.standing(at(10_000)), Standing::Open { until: at(20_000) });
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(i64),
    Begin,
    End(usize, Outcome),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        Just(Outcome::Confirmed),
        Just(Outcome::Refused),
        Just(Outcome::NothingLeft),
        Just(Outcome::Lost),
        (0u32..100).prop_map(Outcome::Overloaded),
        Just(Outcome::OwnFault),
    ];
    let step = prop_oneof![
        (-2_000i64..15_000).prop_map(Step::Pass),
        Just(Step::Begin),
        (0usize..8, outcome).prop_map(|(n, outcome)| Step::End(n, outcome)),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn never_more_than_it_may(steps in steps()) {
        let mut breaker = Breaker::new(settings());
        let (mut now, mut under_way) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Pass(milli) => now += milli,
                Step::Begin => {
                    let (room, before) = (breaker.room(at(now)), breaker.standing(at(now)));
                    match before {
                        Standing::Closed => prop_assert_eq!(room, u32::MAX),
                        Standing::Open { until } => {
                            prop_assert_eq!(room, 0);
                            prop_assert!(until > at(now));
                        }
                        Standing::HalfOpen => prop_assert!(room <= 1),
                        Standing::Draining { pace } => {
                            prop_assert!(room <= pace && pace < settings().rate);
                        }
                    }
                    if room > 0 {
                        under_way.push(breaker.begin(at(now)));
                        if before != Standing::Closed {
                            prop_assert_eq!(breaker.room(at(now)), room - 1);
                        }
                    }
                }
                Step::End(n, outcome) if n < under_way.len() => {
                    breaker.end(under_way.swap_remove(n), outcome, at(now));
                }
                Step::End(..) => {}
            }
            let open = breaker.open_for(at(now)).is_some();
            let closed = matches!(
                breaker.standing(at(now)),
                Standing::Closed | Standing::Draining { .. }
            );
            prop_assert_ne!(open, closed, "it is known since when the node is away");
        }
        // Whatever happened, a node that answers is fully served again soon: a pause, the patience
        // for a probe, a second for each doubling.
        let mut rounds = 0;
        while breaker.standing(at(now)) != Standing::Closed {
            match breaker.wake_at(at(now)) {
                Some(wake) => now = wake.as_millisecond() + 1,
                None => {
                    let ticket = breaker.begin(at(now));
                    breaker.end(ticket, Outcome::Confirmed, at(now));
                    now += i64::from(breaker.room(at(now)) > 0);
                }
            }
            rounds += 1;
            prop_assert!(rounds < 40, "{:?}", breaker);
        }
    }
}
