//! Who is at the other end, and what may be done before that was shown.

use super::*;

/// Client 0 without a signature.
fn unsigned() -> SignIn {
    SignIn { signature: None, ..who(0) }
}

/// The same within a dialogue.
fn nobody() -> SignIn {
    SignIn::default()
}

fn begun(caller: Caller) -> (Dialogue, Taken) {
    Dialogue::begin(&init(0), caller, fresh(0), at(0)).expect("opened")
}

/// The n-th order of the dialogue, its turn.
fn step(dialogue: Dialogue, order: MessageType, caller: Caller, n: u64) -> Step {
    // Another node goes on with it each time.
    let rested = dialogue.snapshot().expect("octets");
    let dialogue = Dialogue::restore(&rested).expect("the same");
    let control = explicit(&conversation(0), &challenge(n), n);
    dialogue.order(order, &control, caller, &fresh(n + 1), at(1), &Rules::default())
}

const MAILBOX: [MessageType; 3] =
    [MessageType::FetchDelivery, MessageType::PartialFetchDelivery, MessageType::FetchProcessCard];

fn is_inside(order: MessageType) -> bool {
    matches!(stands(order), Where::Anywhere | Where::Inside)
}

#[test]
fn who_only_states_a_certificate_looks_into_no_mailbox() {
    for (opens, goes_on) in [
        (clear(unsigned()), clear(nobody())),
        (clear(unsigned()), clear(unsigned())),
        // It can encrypt for us as anybody can. The challenge that it answers was in clear.
        (clear(unsigned()), encrypted(unsigned())),
    ] {
        for order in orders().filter(|order| is_inside(*order)) {
            let (dialogue, taken) = begun(opens.clone());
            assert_eq!((taken.shown, taken.seal.clone()), (Shown::Claimed, None));
            assert_eq!(taken.mailbox(), None);
            let step = step(dialogue, order, goes_on.clone(), 0);
            let seal = (goes_on.travel == Travel::Encrypted).then(|| certificate("cipher 0"));
            if MAILBOX.contains(&order) {
                let refusal = step.outcome.expect_err("refused");
                assert_eq!(refusal.code, Code::OrderUnsigned, "{order:?}");
                assert!(demands(order).hold(&refusal.answer.expect("with feedback")));
                assert_eq!(refusal.seal, seal);
                // The dialogue goes on, and hands nothing out.
                let mut after = step.after.expect("open");
                let name = || HandedOut::new("d").expect("a name");
                assert_eq!(after.hand_out(name()), Err(NotHandedOut::NotCollecting));
                assert!(!after.is_proven());
            } else {
                let taken = step.outcome.expect("taken");
                assert_eq!((taken.shown, taken.mailbox()), (Shown::Claimed, None), "{order:?}");
                assert_eq!(taken.seal, seal);
            }
        }
    }
}

#[test]
fn who_answers_what_was_encrypted_for_it_has_shown_its_key() {
    for order in orders().filter(|order| is_inside(*order)) {
        let (dialogue, taken) = begun(encrypted(unsigned()));
        // Not yet: nobody knows who could read the answer.
        assert_eq!((taken.shown, taken.mailbox()), (Shown::Claimed, None));
        assert_eq!(taken.seal, Some(certificate("cipher 0")));
        assert!(!dialogue.is_proven());
        let step = step(dialogue, order, encrypted(nobody()), 0);
        let taken = step.outcome.expect("taken");
        assert_eq!(taken.shown, Shown::Sealed, "{order:?}");
        assert_eq!(taken.mailbox(), Some(Mailbox::Of(&certificate("cipher 0"))));
        assert_eq!(taken.seal, Some(certificate("cipher 0")));
        assert!(step.after.is_none_or(|after| after.is_proven()));
    }
}

#[test]
fn what_was_sealed_goes_on_sealed() {
    for signs in [false, true] {
        let client = || if signs { who(0) } else { unsigned() };
        let (dialogue, _) = begun(encrypted(client()));
        let before = dialogue.clone();
        let step_in_clear = step(dialogue, MessageType::ExitDialog, clear(client()), 0);
        let refusal = step_in_clear.outcome.expect_err("refused");
        assert_eq!(refusal, Code::DialogueMismatch.into());
        // It counts as a failure, and the right order still comes through.
        let after = step_in_clear.after.expect("open");
        assert!(after.revision() > before.revision());
        let right = step(after, MessageType::ExitDialog, encrypted(client()), 0);
        assert!(right.outcome.expect("taken").shown.is_sealed());
    }
    // A dialogue that began in clear is sealed by its first order that came encrypted.
    let (dialogue, _) = begun(clear(unsigned()));
    let first = step(dialogue, MessageType::GetMessageId, encrypted(nobody()), 0);
    assert_eq!(first.outcome.expect("taken").shown, Shown::Claimed);
    let dialogue = first.after.expect("open");
    let in_clear = step(dialogue.clone(), MessageType::GetMessageId, clear(nobody()), 1);
    assert_eq!(in_clear.outcome.expect_err("refused").code, Code::DialogueMismatch);
    let sealed = step(dialogue, MessageType::FetchDelivery, encrypted(nobody()), 1);
    assert_eq!(sealed.outcome.expect("taken").shown, Shown::Sealed);
}

#[test]
fn who_signs_is_known_by_the_signature_and_its_mailbox_by_the_directory() {
    let (dialogue, taken) = begun(client(0));
    assert_eq!(taken.shown, Shown::Signed { sealed: false });
    let (cipher, signature) = (certificate("cipher 0"), certificate("signature 0"));
    let if_signers = Mailbox::IfSigners { cipher: &cipher, signature: &signature };
    assert_eq!(taken.mailbox(), Some(if_signers));
    // It may be a repetition of an old InitDialog.
    assert!(!dialogue.is_proven());
    let fetched = step(dialogue, MessageType::FetchDelivery, inside(0), 0);
    let taken = fetched.outcome.expect("taken");
    assert_eq!((taken.mailbox(), taken.seal.clone()), (Some(if_signers), None));
    assert!(fetched.after.expect("open").is_proven());
    // Signed and encrypted: the key of the cipher certificate is shown as well.
    let (dialogue, taken) = begun(encrypted(who(0)));
    assert_eq!(taken.mailbox(), Some(if_signers));
    let fetched = step(dialogue, MessageType::FetchDelivery, encrypted(who(0)), 0);
    let taken = fetched.outcome.expect("taken");
    assert_eq!(taken.shown, Shown::Signed { sealed: true });
    assert_eq!(taken.mailbox(), Some(Mailbox::Of(&cipher)));
    let words = [Shown::Claimed, Shown::Sealed, Shown::of(true, false), Shown::of(true, true)];
    let words = words.map(Shown::as_str);
    assert_eq!(words, ["claimed", "sealed", "signed", "signed and sealed"]);
}

#[test]
fn the_first_signature_of_a_dialogue_is_its_only_one() {
    let (dialogue, _) = begun(clear(unsigned()));
    let signed = step(dialogue, MessageType::FetchDelivery, inside(0), 0);
    assert!(signed.outcome.expect("taken").shown.is_signed());
    let mut dialogue = signed.after.expect("open");
    assert_eq!(dialogue.client(), &who(0));
    let name = HandedOut::new("delivery").expect("a name");
    dialogue.hand_out(name.clone()).expect("entered");
    let other = SignIn { signature: Some(certificate("signature 1")), cipher: None };
    let exit = MessageType::ExitDialog;
    let others = step(dialogue.clone(), exit, clear(other), 1);
    assert_eq!(others.outcome.expect_err("refused").code, Code::DialogueMismatch);
    // Without a signature it is an order that shows nothing, so it confirms nothing.
    let unsigned = step(dialogue.clone(), exit, clear(nobody()), 1);
    assert!(unsigned.outcome.expect("taken").shown.is_claimed());
    assert_eq!(unsigned.effects, [Effect::Ended(conversation(0), Ending::Exit)]);
    let signed = step(dialogue, exit, inside(0), 1);
    assert_eq!(signed.effects[0], Effect::Received(vec![name]));
}

#[test]
fn what_came_encrypted_is_never_answered_in_clear() {
    // No certificate for the answer: a fault, which says nothing.
    let missing = NotTaken::from(Code::ClientCipherCertificateMissing);
    for caller in [encrypted(nobody()), encrypted(SignIn { cipher: None, ..who(0) })] {
        let begun = Dialogue::begin(&init(0), caller.clone(), fresh(0), at(0));
        assert_eq!(begun.expect_err("refused"), missing);
        let mut desk = Desk::new(Rules::default());
        for order in orders() {
            let control = match stands(order) {
                Where::Opens => init(0),
                _ => Control { sequence: Some(0), ..init(0) },
            };
            let (effects, outcome) = desk.order(order, &control, caller.clone(), fresh(0), at(0));
            assert!(effects.is_empty() && desk.is_empty());
            let expected = match stands(order) {
                Where::Alone => Code::NotAnOrder.into(),
                _ => missing.clone(),
            };
            assert_eq!(outcome.expect_err("refused"), expected, "{order:?}");
        }
    }
    // In clear, too, an explicit dialogue needs one.
    let caller = clear(SignIn { cipher: None, ..who(0) });
    let begun = Dialogue::begin(&init(0), caller, fresh(0), at(0));
    assert_eq!(begun.expect_err("refused"), missing);
    // With one, answers and refusals with feedback are for it.
    for order in orders().filter(|order| is_inside(*order)) {
        let mut desk = Desk::new(Rules::default());
        let control = Control { sequence: Some(0), ..init(0) };
        let (_, outcome) = desk.order(order, &control, encrypted(unsigned()), fresh(0), at(0));
        let (answer, seal) = match outcome {
            Ok(taken) => {
                // One order alone shows nothing.
                assert_eq!(taken.shown, Shown::Claimed);
                (taken.answer, taken.seal)
            }
            Err(refusal) => {
                assert_eq!(refusal.code, Code::ExplicitDialogueRequired);
                (refusal.answer.expect("with feedback"), refusal.seal)
            }
        };
        assert_eq!(seal, Some(certificate("cipher 0")), "{order:?}");
        assert!(demands(order).hold(&answer), "{order:?}");
    }
}

#[test]
fn who_only_claims_to_be_a_client_pushes_out_nobody_who_has_shown_it() {
    let mut desk = Desk::new(Rules { of_client: 2, ..Rules::default() });
    let genuine = encrypted(unsigned());
    let (_, opened) =
        desk.order(MessageType::InitDialog, &init(0), genuine.clone(), fresh(0), at(0));
    opened.expect("opened");
    let control = explicit(&conversation(0), &challenge(0), 0);
    let order = MessageType::GetMessageId;
    let (_, taken) = desk.order(order, &control, genuine, fresh(9), at(0));
    assert_eq!(taken.expect("taken").shown, Shown::Sealed);
    // The other one opens many in this name, and goes on with them as well as it can.
    for n in 1..6 {
        let caller = clear(unsigned());
        let (effects, opened) =
            desk.order(MessageType::InitDialog, &init(n), caller.clone(), fresh(n), at(n as i64));
        opened.expect("opened");
        assert!(!effects.contains(&Effect::Ended(conversation(0), Ending::Replaced)));
        let control = explicit(&conversation(n), &challenge(n), 0);
        let next = fresh(100 + n);
        let (_, taken) = desk.order(MessageType::GetMessageId, &control, caller, next, at(50));
        assert_eq!(taken.expect("taken").shown, Shown::Claimed);
    }
    assert!(desk.dialogue(&conversation(0)).is_some());
}
