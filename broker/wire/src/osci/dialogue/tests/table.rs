//! Every order in every state, and each way to be out of turn.

use super::*;
use crate::osci::ChunkInformation;

/// What a supplier knows of the dialogue that an order names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing: there never was one.
    Unknown,
    /// It was opened, no order came since.
    Opened,
    /// Some orders came.
    Used,
    /// Its time is over.
    TimedOut,
    /// It was ended.
    Exited,
}

/// How the control block is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// Challenge only.
    Bare,
    /// As an order of its own.
    Implicit,
    /// The same with a response left over from an earlier dialogue.
    Stale,
    /// As the next order of the dialogue.
    Explicit,
}

const STATES: [State; 5] =
    [State::Unknown, State::Opened, State::Used, State::TimedOut, State::Exited];
const FILLED: [Filled; 4] = [Filled::Bare, Filled::Implicit, Filled::Stale, Filled::Explicit];

/// What the standard says, written down once more: the code, or how the dialogue stands.
fn expected(order: MessageType, state: State, filled: Filled) -> &'static str {
    let running = matches!(state, State::Opened | State::Used);
    match (order, filled) {
        (MessageType::AcceptDelivery | MessageType::ProcessDelivery, _) => "9300",
        (MessageType::InitDialog, Filled::Bare) => "0801",
        (MessageType::InitDialog, _) => "9400",
        (_, Filled::Explicit) if !running => "9400",
        (MessageType::ExitDialog, Filled::Explicit) => "0800",
        (_, Filled::Explicit) => "0801",
        (
            MessageType::GetMessageId
            | MessageType::StoreDelivery
            | MessageType::ForwardDelivery
            | MessageType::PartialStoreDelivery,
            Filled::Implicit | Filled::Stale,
        ) => "0800",
        (
            MessageType::GetMessageId
            | MessageType::StoreDelivery
            | MessageType::ForwardDelivery
            | MessageType::PartialStoreDelivery,
            Filled::Bare,
        ) => "9400",
        (
            MessageType::FetchDelivery
            | MessageType::FetchProcessCard
            | MessageType::MediateDelivery
            | MessageType::ExitDialog
            | MessageType::PartialFetchDelivery,
            _,
        ) => "9802",
        (order, _) => panic!("{order:?} is no order"),
    }
}

/// A desk in that state, the time, and what the next order of the dialogue answers and is numbered.
fn desk(state: State) -> (Desk, Timestamp, Challenge, u64) {
    let mut desk = Desk::new(Rules::default());
    if state == State::Unknown {
        return (desk, at(0), challenge(0), 0);
    }
    let (_, opened) = desk.order(MessageType::InitDialog, &init(0), client(0), fresh(0), at(0));
    opened.expect("opened");
    let orders = if state == State::Used { 3 } else { 0 };
    for n in 0..orders {
        let control = explicit(&conversation(0), &challenge(n), n);
        let fresh = fresh(n + 1);
        let (_, taken) = desk.order(MessageType::FetchDelivery, &control, inside(0), fresh, at(0));
        taken.expect("taken");
    }
    if state == State::Exited {
        let control = explicit(&conversation(0), &challenge(0), 0);
        let (_, taken) = desk.order(MessageType::ExitDialog, &control, inside(0), fresh(1), at(0));
        taken.expect("taken");
        return (desk, at(0), challenge(1), 1);
    }
    let now = if state == State::TimedOut { at(600) } else { at(599) };
    (desk, now, challenge(orders), orders)
}

#[test]
fn every_order_in_every_state() {
    for order in orders() {
        for state in STATES {
            for filled in FILLED {
                let (mut desk, now, response, sequence) = desk(state);
                let own = Some(theirs(9));
                let control = match filled {
                    Filled::Bare => Control { challenge: own, ..Control::default() },
                    Filled::Implicit => {
                        Control { challenge: own, sequence: Some(0), ..Control::default() }
                    }
                    Filled::Stale => Control {
                        response: Some(challenge(77)),
                        challenge: own,
                        sequence: Some(0),
                        ..Control::default()
                    },
                    Filled::Explicit => explicit(&conversation(0), &response, sequence),
                };
                let case = format!("{order:?} {state:?} {filled:?}");
                // InitDialog names the certificate for the answers.
                let opens = order == MessageType::InitDialog;
                let caller = if opens { client(0) } else { inside(0) };
                let (effects, outcome) = desk.order(order, &control, caller, fresh(50), now);
                let code = match &outcome {
                    Ok(taken) => taken.stands.code().as_str(),
                    Err(refusal) => refusal.code.as_str(),
                };
                assert_eq!(code, expected(order, state, filled), "{case}");
                match &outcome {
                    Ok(taken) => {
                        assert!(demands(order).hold(&taken.answer), "{case}");
                        assert_eq!(taken.answer.response, control.challenge, "{case}");
                        if filled == Filled::Explicit {
                            assert_eq!(taken.answer.conversation, control.conversation, "{case}");
                            assert_eq!(taken.answer.sequence, control.sequence, "{case}");
                            assert_eq!(taken.client, who(0), "{case}");
                        }
                        let next = taken.answer.challenge.as_ref().map(Challenge::as_str);
                        let closes = order == MessageType::ExitDialog;
                        assert_eq!(next.is_none(), closes, "{case}");
                        assert!(next.is_none_or(|next| next == challenge(50).as_str()), "{case}");
                    }
                    // An order that is refused as such gets a whole answer.
                    Err(NotTaken { code: Code::ExplicitDialogueRequired, answer, seal: None }) => {
                        let answer = answer.as_ref().expect("with feedback");
                        assert_eq!(answer.response, control.challenge, "{case}");
                        assert!(demands(order).hold(answer), "{case}");
                    }
                    Err(refusal) => assert_eq!(refusal.answer, None, "{case}"),
                }
                let over = matches!((state, filled), (State::TimedOut, Filled::Explicit))
                    && !matches!(code, "9300")
                    && order != MessageType::InitDialog;
                let timed_out = Effect::Ended(conversation(0), Ending::TimedOut);
                let opens = code == "0801" && order == MessageType::InitDialog;
                let expires = state == State::TimedOut && opens;
                assert_eq!(effects.contains(&timed_out), over || expires, "{case}: {effects:?}");
                assert_eq!(effects.contains(&Effect::Opened(conversation(50))), opens, "{case}");
                let exits = code == "0800" && order == MessageType::ExitDialog;
                let ended = Effect::Ended(conversation(0), Ending::Exit);
                assert_eq!(effects.contains(&ended), exits, "{case}");
            }
        }
    }
}

#[test]
fn what_is_out_of_turn_changes_nothing_but_the_count() {
    let rules = Rules { failures: 3, ..Rules::default() };
    let good = explicit(&conversation(0), &challenge(2), 2);
    let edit = |edit: &dyn Fn(&mut Control)| {
        let mut control = good.clone();
        edit(&mut control);
        control
    };
    let anybody = clear(SignIn::default());
    let other_cipher = clear(SignIn { cipher: Some(certificate("cipher 1")), ..who(0) });
    let cases = [
        ("another response", edit(&|c| c.response = Some(challenge(3))), inside(0)),
        ("the response before", edit(&|c| c.response = Some(challenge(1))), inside(0)),
        ("an empty response", edit(&|c| c.response = Challenge::parse("")), inside(0)),
        ("no response", edit(&|c| c.response = None), inside(0)),
        ("the number before", edit(&|c| c.sequence = Some(1)), inside(0)),
        ("a later number", edit(&|c| c.sequence = Some(3)), inside(0)),
        ("no number", edit(&|c| c.sequence = None), inside(0)),
        ("another dialogue", edit(&|c| c.conversation = Some(conversation(1))), inside(0)),
        ("no challenge", edit(&|c| c.challenge = None), inside(0)),
        ("the order before again", explicit(&conversation(0), &challenge(1), 1), inside(0)),
        ("another client", good.clone(), client(1)),
        ("another mailbox", good.clone(), other_cipher),
        ("nobody", good.clone(), anybody),
    ];
    for (what, control, client) in cases {
        let before = opened(2);
        let order = MessageType::FetchDelivery;
        let step = before.clone().order(order, &control, client.clone(), &fresh(9), at(1), &rules);
        let refusal = step.outcome.expect_err(what);
        assert_eq!((refusal.code, refusal.answer), (Code::DialogueMismatch, None), "{what}");
        assert!(step.effects.is_empty(), "{what}");
        let after = step.after.expect("still open");
        assert!(after.revision() > before.revision());
        // The order whose turn it is comes through, as if nothing had been.
        let taken = after.clone().order(order, &good, inside(0), &fresh(9), at(1), &rules);
        let taken = taken.outcome.expect(what);
        let undisturbed = before.order(order, &good, inside(0), &fresh(9), at(1), &rules);
        assert_eq!(taken, undisturbed.outcome.expect("taken"), "{what}");
        // The third refused order ends the dialogue.
        let second = after.order(order, &control, client.clone(), &fresh(9), at(1), &rules);
        let third = second.after.expect("still open");
        let third = third.order(order, &control, client, &fresh(9), at(1), &rules);
        assert_eq!(third.after, None, "{what}");
        assert_eq!(third.effects, [Effect::Ended(conversation(0), Ending::Failures)], "{what}");
    }
    // The cipher certificate may come again, and one may sign who did not at first.
    let again =
        opened(2).order(MessageType::StoreDelivery, &good, client(0), &fresh(9), at(1), &rules);
    assert_eq!(again.outcome.expect("taken").client, who(0));
    let unsigned = SignIn { signature: None, ..who(0) };
    let (dialogue, _) =
        Dialogue::begin(&init(0), clear(unsigned), fresh(0), at(0)).expect("opened");
    let control = explicit(&conversation(0), &challenge(0), 0);
    let signed =
        dialogue.order(MessageType::StoreDelivery, &control, inside(0), &fresh(9), at(1), &rules);
    assert_eq!(signed.outcome.expect("taken").client, who(0));
}

#[test]
fn what_was_fetched_is_received_by_the_next_order() {
    let rules = Rules::default();
    let name = |n: usize| HandedOut::new(&format!("delivery-{n}")).expect("a name");
    let fetch = explicit(&conversation(0), &challenge(0), 0);
    for next in orders().filter(|o| matches!(stands(*o), Where::Anywhere | Where::Inside)) {
        let step = opened(0).order(
            MessageType::FetchDelivery,
            &fetch,
            inside(0),
            &fresh(1),
            at(0),
            &rules,
        );
        assert!(step.effects.is_empty());
        let mut dialogue = step.after.expect("open");
        dialogue.hand_out(name(1)).expect("entered");
        dialogue.hand_out(name(2)).expect("entered");
        dialogue.hand_out(name(1)).expect("the same again is no second one");
        // It rests in between, and another node goes on.
        let rested = dialogue.snapshot().expect("octets");
        let dialogue = Dialogue::restore(&rested).expect("the same");
        // Who does not answer our challenge has received nothing.
        let wrong = explicit(&conversation(0), &challenge(0), 1);
        let step = dialogue.order(next, &wrong, inside(0), &fresh(2), at(0), &rules);
        assert!(step.effects.is_empty() && step.outcome.is_err());
        let dialogue = step.after.expect("open");
        let right = explicit(&conversation(0), &challenge(1), 1);
        let step = dialogue.order(next, &right, inside(0), &fresh(2), at(0), &rules);
        assert_eq!(step.effects[0], Effect::Received(vec![name(1), name(2)]), "{next:?}");
        // Once.
        if let Some(dialogue) = step.after {
            let more = explicit(&conversation(0), &challenge(2), 2);
            let step =
                dialogue.order(MessageType::ExitDialog, &more, inside(0), &fresh(3), at(0), &rules);
            assert_eq!(step.effects, [Effect::Ended(conversation(0), Ending::Exit)]);
        } else {
            assert_eq!(next, MessageType::ExitDialog);
        }
    }
    // Without a next order nothing was received.
    let step =
        opened(0).order(MessageType::FetchDelivery, &fetch, inside(0), &fresh(1), at(0), &rules);
    let mut dialogue = step.after.expect("open");
    dialogue.hand_out(name(1)).expect("entered");
    let late = explicit(&conversation(0), &challenge(1), 1);
    let step =
        dialogue.order(MessageType::ExitDialog, &late, inside(0), &fresh(2), at(600), &rules);
    assert_eq!(step.effects, [Effect::Ended(conversation(0), Ending::TimedOut)]);
    // Only what collects hands out.
    assert_eq!(opened(0).hand_out(name(1)), Err(NotHandedOut::NotCollecting));
    assert_eq!(opened(2).hand_out(name(1)), Err(NotHandedOut::NotCollecting));
    let step =
        opened(0).order(MessageType::FetchDelivery, &fetch, inside(0), &fresh(1), at(0), &rules);
    let mut dialogue = step.after.expect("open");
    for n in 0..MAX_HANDED_OUT {
        dialogue.hand_out(name(n)).expect("entered");
    }
    assert_eq!(dialogue.hand_out(name(99)), Err(NotHandedOut::TooMany));
}

/// The order for the n-th chunk, by a client that says what it has.
fn chunk(number: u64, received: &str) -> ChunkInformation {
    ChunkInformation {
        chunk_number: number,
        chunk_size: Some(1000),
        received_chunks: Some(received.to_owned()),
        ..ChunkInformation::default()
    }
}

#[test]
fn a_delivery_in_chunks_is_received_when_all_of_them_are() {
    let (rules, order) = (Rules::default(), MessageType::PartialFetchDelivery);
    let name = || HandedOut::new("large").expect("a name");
    let (mut dialogue, mut n) = (opened(0), 0);
    for (chunk, complete) in [
        (chunk(1, "-1"), false),
        // The same again, and one that is told twice.
        (chunk(1, "1"), false),
        (chunk(2, "1 1"), false),
        (chunk(3, "2"), false),
        (chunk(3, "1 2"), true),
    ] {
        let control = explicit(&conversation(0), &challenge(n), n);
        let step = dialogue.order(order, &control, inside(0), &fresh(n + 1), at(0), &rules);
        assert!(step.effects.is_empty(), "received with a chunk missing");
        dialogue = step.after.expect("open");
        assert_eq!(dialogue.hand_out(name()), Err(NotHandedOut::NotCollecting));
        let entered = dialogue.hand_out_chunk(name(), &chunk, 3);
        assert_eq!(entered, Ok(complete), "{chunk:?}");
        n += 1;
    }
    let control = explicit(&conversation(0), &challenge(n), n);
    let next = MessageType::GetMessageId;
    let step = dialogue.order(next, &control, inside(0), &fresh(n + 1), at(0), &rules);
    assert_eq!(step.effects, [Effect::Received(vec![name()])]);
    let mut after = step.after.expect("open");
    let whole = after.hand_out_chunk(name(), &chunk(1, ""), 1);
    assert_eq!(whole, Err(NotHandedOut::NotCollecting));
    for (received, total, complete) in
        [("", 1, true), ("", 0, false), ("2,3", 3, true), ("2 3", 4, false), ("2 5", 3, false)]
    {
        assert_eq!(chunk(1, received).completes(total), complete, "{received} of {total}");
    }
}

#[test]
fn a_recipient_answers_the_challenge_and_nothing_else() {
    for order in orders() {
        let answer = passive(order, &init(5));
        match stands(order) {
            Where::Alone => {
                let answer = answer.expect("answered");
                assert!(demands(order).hold(&answer));
                assert_eq!(answer.response, Some(theirs(5)));
                let explicit = explicit(&conversation(0), &challenge(0), 0);
                assert_eq!(passive(order, &explicit), Err(Code::DialogueMismatch));
                assert_eq!(passive(order, &Control::default()), Err(Code::NotAnOrder));
            }
            _ => assert_eq!(answer, Err(Code::NotAnOrder)),
        }
    }
}
