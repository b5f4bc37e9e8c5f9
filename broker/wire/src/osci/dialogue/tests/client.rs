//! The client's side, alone and against the supplier's.

use super::*;

fn own(n: u64) -> Challenge {
    Challenge::parse(&format!("own-challenge-{n:04}")).expect("short")
}

#[test]
fn a_client_leads_a_dialogue_with_a_desk() {
    let mut desk = Desk::new(Rules::default());
    let mut line = ClientDialogue::new();
    let orders = [
        (MessageType::GetMessageId, Stands::Ended),
        (MessageType::StoreDelivery, Stands::Ended),
        (MessageType::InitDialog, Stands::Open),
        (MessageType::FetchDelivery, Stands::Open),
        (MessageType::GetMessageId, Stands::Open),
        (MessageType::ForwardDelivery, Stands::Open),
        (MessageType::MediateDelivery, Stands::Open),
        (MessageType::PartialFetchDelivery, Stands::Open),
        (MessageType::FetchProcessCard, Stands::Open),
        (MessageType::ExitDialog, Stands::Ended),
        (MessageType::PartialStoreDelivery, Stands::Ended),
        (MessageType::InitDialog, Stands::Open),
    ];
    for (n, (order, stands)) in orders.into_iter().enumerate() {
        let n = n as u64;
        let control = line.order(order, own(n)).expect("allowed");
        // Both sides can rest in between.
        let rested = serde_json::to_vec(&line).expect("octets");
        line = serde_json::from_slice(&rested).expect("the same");
        let (_, outcome) = desk.order(order, &control, client(0), fresh(n), at(0));
        let taken = outcome.expect("taken");
        assert_eq!(taken.stands, stands, "{order:?}");
        assert_eq!(line.answer(&taken.answer), Ok(stands), "{order:?}");
        assert_eq!(line.is_open(), stands == Stands::Open);
    }
}

#[test]
fn orders_that_cannot_be_given_now() {
    for order in orders() {
        let mut line = ClientDialogue::new();
        let given = line.order(order, own(0));
        match stands(order) {
            Where::Inside => assert_eq!(given, Err(Misuse::NeedsDialogue), "{order:?}"),
            _ => {
                given.expect("allowed");
                assert_eq!(line.order(order, own(1)), Err(Misuse::AnswerPending), "{order:?}");
                line.lost();
                line.order(order, own(1)).expect("allowed again");
            }
        }
        let mut line = opened_line();
        let given = line.order(order, own(1));
        match stands(order) {
            Where::Opens | Where::Alone => assert_eq!(given, Err(Misuse::DialogueOpen)),
            _ => assert_eq!(given.expect("allowed").sequence, Some(0)),
        }
    }
    let weak = Challenge::parse("weak").expect("a challenge");
    assert_eq!(
        ClientDialogue::new().order(MessageType::InitDialog, weak),
        Err(Misuse::WeakChallenge)
    );
}

fn opened_line() -> ClientDialogue {
    let mut line = ClientDialogue::new();
    line.order(MessageType::InitDialog, own(0)).expect("allowed");
    let answer = Control {
        response: Some(own(0)),
        challenge: Some(challenge(0)),
        conversation: Some(conversation(0)),
        sequence: None,
    };
    line.answer(&answer).expect("sound");
    line
}

/// Each of the four fields left out, put in, or changed, for every order.
#[test]
fn an_answer_must_be_the_one_to_the_order() {
    for order in orders() {
        let place = stands(order);
        let sent = |line: &mut ClientDialogue| line.order(order, own(5)).expect("allowed");
        let begin = || if place == Where::Inside { opened_line() } else { ClientDialogue::new() };
        let mut line = begin();
        let control = sent(&mut line);
        let good = Control {
            response: Some(own(5)),
            challenge: (demands(order).challenge != Demand::MustNot).then(|| challenge(7)),
            conversation: (place != Where::Alone).then(|| conversation(0)),
            sequence: control.sequence,
        };
        let stands = line.answer(&good).expect("sound");
        assert_eq!(stands == Stands::Open, line.is_open());
        let wrong = [
            (Control { response: None, ..good.clone() }, AnswerFault::Form),
            (Control { response: Some(own(6)), ..good.clone() }, AnswerFault::Response),
            (Control { response: Some(theirs(0)), ..good.clone() }, AnswerFault::Response),
        ];
        for (answer, fault) in wrong {
            let mut line = begin();
            sent(&mut line);
            assert_eq!(line.answer(&answer), Err(fault), "{order:?}");
            // Nothing that comes after it would be believed.
            assert!(!line.is_open());
            assert_eq!(line.answer(&good), Err(AnswerFault::NoOrder), "{order:?}");
        }
        let demands = demands(order);
        let toggled = [
            (
                demands.challenge,
                Control {
                    challenge: good.challenge.is_none().then(|| challenge(7)),
                    ..good.clone()
                },
            ),
            (
                demands.conversation,
                Control {
                    conversation: good.conversation.is_none().then(|| conversation(0)),
                    ..good.clone()
                },
            ),
            (
                demands.sequence,
                Control { sequence: good.sequence.is_none().then_some(0), ..good.clone() },
            ),
        ];
        for (demand, answer) in toggled {
            let mut line = begin();
            sent(&mut line);
            let judged = line.answer(&answer);
            match demand {
                Demand::Free => assert!(judged.is_ok(), "{order:?}: {judged:?}"),
                _ => assert_eq!(judged, Err(AnswerFault::Form), "{order:?}"),
            }
        }
        if good.sequence.is_some() {
            let mut line = begin();
            sent(&mut line);
            let other = Control { sequence: Some(8), ..good.clone() };
            assert_eq!(line.answer(&other), Err(AnswerFault::Conversation), "{order:?}");
        }
        if place == Where::Inside {
            let mut line = begin();
            sent(&mut line);
            let other = Control { conversation: Some(conversation(8)), ..good };
            assert_eq!(line.answer(&other), Err(AnswerFault::Conversation), "{order:?}");
        }
    }
}
