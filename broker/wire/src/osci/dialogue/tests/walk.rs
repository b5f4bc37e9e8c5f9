//! Any sequence of orders, right and wrong, of several clients, with pauses and restarts: beside a
//! plain model that knows only what a client knows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    idle: SignedDuration::from_secs(100),
    longest: SignedDuration::from_secs(400),
    failures: 3,
    open: 4,
    of_client: 2,
    octets: 1_000_000,
};

#[derive(Clone, Debug)]
enum Act {
    Init {
        client: u64,
    },
    Implicit {
        order: usize,
    },
    /// An order in the n-th dialogue ever opened, with something wrong or nothing.
    Order {
        dialogue: usize,
        order: usize,
        wrong: Wrong,
    },
    HandOut {
        dialogue: usize,
    },
    Wait {
        seconds: i64,
    },
    Expire,
    /// The desk rests, and another one takes its place.
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Response,
    Sequence,
    Replay,
    Client,
}

/// The n-th order.
fn nth(n: usize) -> MessageType {
    orders().nth(n).expect("twelve")
}

fn act() -> impl Strategy<Value = Act> {
    let wrong = prop_oneof![
        4 => Just(Wrong::Nothing),
        1 => Just(Wrong::Response),
        1 => Just(Wrong::Sequence),
        1 => Just(Wrong::Replay),
        1 => Just(Wrong::Client),
    ];
    prop_oneof![
        3 => (0u64..3).prop_map(|client| Act::Init { client }),
        1 => (0usize..12).prop_map(|order| Act::Implicit { order }),
        8 => (0usize..8, 0usize..12, wrong)
            .prop_map(|(dialogue, order, wrong)| Act::Order { dialogue, order, wrong }),
        3 => (0usize..8).prop_map(|dialogue| Act::HandOut { dialogue }),
        2 => (0i64..80).prop_map(|seconds| Act::Wait { seconds }),
        1 => Just(Act::Expire),
        1 => Just(Act::Restart),
    ]
}

/// What a client knows of its dialogue, and what must be true of it.
#[derive(Clone, Debug)]
struct Known {
    number: ConversationId,
    client: u64,
    challenge: Challenge,
    sequence: u64,
    opened: i64,
    last: i64,
    failures: u32,
    open: bool,
    collecting: bool,
    handed_out: Vec<HandedOut>,
    before: Option<Control>,
}

impl Known {
    fn is_over(&self, now: i64) -> bool {
        now - self.last >= 100 || now - self.opened >= 400
    }
}

struct Walk {
    desk: Desk,
    now: i64,
    draws: u64,
    known: Vec<Known>,
    /// Challenges that were answered and taken.
    answered: BTreeSet<String>,
    received: BTreeSet<HandedOut>,
    ended: BTreeMap<ConversationId, Ending>,
}

impl Walk {
    fn draw(&mut self) -> Fresh {
        self.draws += 1;
        fresh(self.draws)
    }

    fn effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Opened(_) => {}
                Effect::Received(names) => {
                    for name in names {
                        assert!(self.received.insert(name.clone()), "received twice");
                    }
                }
                Effect::Ended(number, why) => {
                    assert_eq!(self.ended.insert(number.clone(), *why), None, "ended twice");
                    let known = self.known.iter_mut().find(|known| known.number == *number);
                    let known = known.expect("it was opened");
                    assert!(known.open);
                    known.open = false;
                }
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Init { client: who } => self.init(who),
            Act::Implicit { order } => {
                let order = nth(order);
                let control =
                    Control { challenge: Some(theirs(1)), sequence: Some(0), ..Control::default() };
                let fresh = self.draw();
                let (effects, outcome) =
                    self.desk.order(order, &control, client(0), fresh, at(self.now));
                assert!(effects.is_empty());
                assert_eq!(outcome.is_ok(), stands(order) == Where::Anywhere);
            }
            Act::Order { dialogue, order, wrong } => self.order(dialogue, nth(order), wrong),
            Act::HandOut { dialogue } => self.hand_out(dialogue),
            Act::Wait { seconds } => self.now += seconds,
            Act::Expire => {
                let effects = self.desk.expire(at(self.now));
                assert!(effects.iter().all(|e| matches!(e, Effect::Ended(_, Ending::TimedOut))));
                self.effects(&effects);
                let now = self.now;
                assert!(self.known.iter().all(|known| !known.open || !known.is_over(now)));
            }
            Act::Restart => {
                let rested = self.desk.snapshots().expect("octets");
                let desk = Desk::restore(RULES, rested.iter().map(Vec::as_slice));
                self.desk = desk.expect("restored");
            }
        }
        let open = self.known.iter().filter(|known| known.open).count();
        assert_eq!(self.desk.len(), open);
        assert!(open <= RULES.open && self.desk.octets() <= RULES.octets);
        for client in 0..3 {
            let own = self.known.iter().filter(|known| known.open && known.client == client);
            assert!(own.count() <= RULES.of_client);
        }
    }

    fn init(&mut self, who: u64) {
        let fresh = self.draw();
        let (number, challenge) = (fresh.conversation.clone(), fresh.challenge.clone());
        let order = MessageType::InitDialog;
        let (effects, outcome) =
            self.desk.order(order, &init(self.draws), client(who), fresh, at(self.now));
        self.effects(&effects);
        let room = self.known.iter().filter(|known| known.open).count() < RULES.open;
        let opened = effects.iter().any(|effect| matches!(effect, Effect::Opened(_)));
        assert_eq!(outcome.is_ok(), room, "{outcome:?}");
        assert_eq!(opened, outcome.is_ok());
        if opened {
            self.known.push(Known {
                number,
                client: who,
                challenge,
                sequence: 0,
                opened: self.now,
                last: self.now,
                failures: 0,
                open: true,
                collecting: false,
                handed_out: Vec::new(),
                before: None,
            });
        }
    }

    fn order(&mut self, dialogue: usize, order: MessageType, wrong: Wrong) {
        let Some(known) = self.known.get(dialogue).cloned() else { return };
        let mut control = explicit(&known.number, &known.challenge, known.sequence);
        let mut caller = inside(known.client);
        match wrong {
            Wrong::Nothing => {}
            Wrong::Response => control.response = Some(theirs(0)),
            Wrong::Sequence => control.sequence = Some(known.sequence + 1),
            Wrong::Replay => match &known.before {
                Some(before) => control = before.clone(),
                None => return,
            },
            Wrong::Client => caller = inside(known.client + 1),
        }
        let fresh = self.draw();
        let drawn = fresh.challenge.clone();
        let (effects, outcome) = self.desk.order(order, &control, caller, fresh, at(self.now));
        let place = stands(order);
        let in_time = known.open && !known.is_over(self.now);
        let belongs = matches!(place, Where::Anywhere | Where::Inside);
        assert_eq!(outcome.is_ok(), in_time && belongs && wrong == Wrong::Nothing, "{order:?}");
        let received: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Received(names) => Some(names.clone()),
                Effect::Opened(_) | Effect::Ended(..) => None,
            })
            .flatten()
            .collect();
        let due = if outcome.is_ok() { known.handed_out.clone() } else { Vec::new() };
        assert_eq!(received, due);
        self.effects(&effects);
        let known = &mut self.known[dialogue];
        match outcome {
            Ok(taken) => {
                assert!(demands(order).hold(&taken.answer));
                let answered = known.challenge.as_str().to_owned();
                assert!(self.answered.insert(answered), "a challenge answered twice");
                assert_eq!(taken.client, who(known.client));
                assert_eq!(taken.answer.sequence, Some(known.sequence));
                assert_eq!(known.open, order != MessageType::ExitDialog);
                known.before = Some(control);
                known.challenge = drawn;
                known.sequence += 1;
                known.last = self.now;
                known.collecting = order == MessageType::FetchDelivery;
                known.handed_out.clear();
            }
            Err(_) if in_time && belongs => {
                known.failures += 1;
                assert_eq!(known.open, known.failures < RULES.failures);
            }
            // Whose time is over ends when it is named by an order that could belong to it.
            Err(_) => assert_eq!(known.open, in_time || (known.open && !belongs)),
        }
    }

    fn hand_out(&mut self, dialogue: usize) {
        let Some(known) = self.known.get_mut(dialogue) else { return };
        let name = HandedOut::new(&format!("{}-{}", self.draws, known.number.as_str()));
        let name = name.expect("a name");
        self.draws += 1;
        let Some(held) = self.desk.dialogue(&known.number) else {
            assert!(!known.open);
            return;
        };
        let entered = held.hand_out(name.clone());
        match entered {
            Ok(()) => {
                assert!(known.collecting && known.handed_out.len() < MAX_HANDED_OUT);
                known.handed_out.push(name);
            }
            Err(NotHandedOut::NotCollecting) => assert!(!known.collecting),
            Err(NotHandedOut::TooMany) => assert_eq!(known.handed_out.len(), MAX_HANDED_OUT),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_sequence_of_orders_breaks_the_rules(acts in prop::collection::vec(act(), 1..120)) {
        let mut walk = Walk {
            desk: Desk::new(RULES),
            now: 0,
            draws: 0,
            known: Vec::new(),
            answered: BTreeSet::new(),
            received: BTreeSet::new(),
            ended: BTreeMap::new(),
        };
        for act in acts {
            walk.act(act);
        }
    }

    /// Any control block of any message is answered, and none opens what it must not.
    #[test]
    fn any_control_block_is_answered(
        order in prop::sample::select(MessageType::ALL),
        response in prop::option::of(".{0,20}"),
        own in prop::option::of(".{0,20}"),
        number in prop::option::of("[0-9]{1,3}"),
        sequence in prop::option::of(0u64..3),
    ) {
        let control = Control {
            response: response.as_deref().and_then(Challenge::parse),
            challenge: own.as_deref().and_then(Challenge::parse),
            conversation: number.as_deref().and_then(ConversationId::parse),
            sequence,
        };
        let mut desk = Desk::new(RULES);
        let (_, outcome) = desk.order(order, &control, client(0), fresh(0), at(0));
        let _ = passive(order, &control);
        if let Ok(taken) = outcome {
            prop_assert!(control.conversation.is_none() && control.challenge.is_some());
            prop_assert!(demands(order).hold(&taken.answer));
        }
    }
}
