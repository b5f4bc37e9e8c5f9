//! The recorded dialogues of the reference library: what its client said is taken, and what its
//! intermediary answered is what ours says.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::testing::material;

/// An order, its control block, and that of the answer; none where it was a fault.
struct Exchange {
    name: String,
    order: MessageType,
    control: Control,
    answer: Option<Control>,
    /// The feedback of the answer.
    code: Option<String>,
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = &text[text.find(from)? + from.len()..];
    Some(&rest[..rest.find(to)?])
}

fn control(text: &str) -> Option<Control> {
    let block = between(text, "<osci:ControlBlock", "</osci:ControlBlock>")?;
    let own = |from, to| between(block, from, to);
    let challenge = |text| Challenge::parse(text).expect("a challenge");
    Some(Control {
        response: own("<osci:Response>", "<").map(challenge),
        challenge: own("<osci:Challenge>", "<").map(challenge),
        conversation: own("ConversationId=\"", "\"")
            .map(|text| ConversationId::parse(text).expect("digits")),
        sequence: own("SequenceNumber=\"", "\"").map(|text| text.parse().expect("a number")),
    })
}

/// The exchanges in the order in which they were recorded.
fn recorded(folder: &str) -> Option<Vec<Exchange>> {
    let corpus = material("AMTSBOTE_CORPUS", "shared/corpus")?.join("osci-transport");
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(corpus.join(folder)).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".mime") {
            let octets = fs::read(path).expect("octets");
            texts.insert(name, String::from_utf8_lossy(&octets).into_owned());
        }
    }
    let mut exchanges = Vec::new();
    for (name, text) in texts.iter().filter(|(name, _)| name.contains(".req.")) {
        let kind = between(text, "/soap/envelope/ soap", ".xsd").expect("a type");
        let order = MessageType::from_name(kind);
        let answer = texts.get(&name.replace(".req.", ".rsp."));
        exchanges.push(Exchange {
            name: name.clone(),
            order: order.expect("a known type"),
            control: control(text).expect("a control block"),
            answer: answer.and_then(|text| control(text)),
            code: answer.and_then(|t| between(t, "<osci:Code>", "<")).map(str::to_owned),
        });
    }
    Some(exchanges)
}

const FOLDERS: [&str; 2] = ["golden/sig", "golden/opened"];

#[test]
fn our_intermediary_answers_as_the_recorded_one() {
    // As one that signs, and as one that encrypts and does not.
    let unsigned = |all: SignIn| SignIn { signature: None, ..all };
    let signs = |cipher: bool| if cipher { client(0) } else { inside(0) };
    let encrypts = |cipher: bool| encrypted(unsigned(signs(cipher).certificates));
    let callers: [&dyn Fn(bool) -> Caller; 2] = [&signs, &encrypts];
    for (folder, caller) in FOLDERS.iter().flat_map(|folder| callers.map(|caller| (folder, caller)))
    {
        let Some(exchanges) = recorded(folder) else { return };
        let mut desk = Desk::new(Rules::default());
        let mut dialogues = 0;
        for exchange in &exchanges {
            let Exchange { name, order, control, answer, code } = exchange;
            if stands(*order) == Where::Alone {
                let own = passive(*order, control).expect("answered");
                assert_eq!(Some(&own), answer.as_ref(), "{name}");
                continue;
            }
            // What the recorded intermediary drew.
            let drawn = answer.as_ref().map(|a| (a.conversation.clone(), a.challenge.clone()));
            let (number, drawn) = drawn.unwrap_or_default();
            let number = number.unwrap_or_else(|| conversation(0));
            let fresh = Fresh::new(number, drawn.unwrap_or_else(|| challenge(0)));
            // Within a dialogue the certificate for the answers is left out.
            let is_inside = stands(*order) == Where::Inside || control.conversation.is_some();
            let who = caller(!is_inside);
            let (effects, outcome) =
                desk.order(*order, control, who, fresh.expect("long enough"), at(0));
            let Some(answer) = answer else {
                // A FetchDelivery with a response that answers nothing.
                let refusal = outcome.expect_err(name);
                assert_eq!((refusal.code.as_str(), refusal.answer), ("9400", None), "{name}");
                assert!(code.is_none() || code.as_deref() == Some("9400"), "{name}");
                continue;
            };
            let taken = outcome.unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
            let travel = caller(true).travel;
            assert_eq!(taken.seal.is_some(), travel == Travel::Encrypted, "{name}");
            assert_eq!(taken.shown.is_sealed(), taken.seal.is_some() && is_inside, "{name}");
            assert_eq!(taken.mailbox().is_some(), !taken.shown.is_claimed(), "{name}");
            assert_eq!(taken.answer, *answer, "{name}");
            assert!(demands(*order).hold(answer), "{name}");
            // Not where the order itself was refused.
            if let Some(code) = code.as_deref().filter(|code| code.starts_with("08")) {
                assert_eq!(taken.stands.code().as_str(), code, "{name}");
            }
            let opened = effects.iter().filter(|effect| matches!(effect, Effect::Opened(_)));
            dialogues += opened.count();
        }
        assert_eq!((exchanges.len(), dialogues, desk.len()), (20, 4, 1), "{folder}");
    }
}

#[test]
fn our_client_speaks_as_the_recorded_one() {
    for folder in FOLDERS {
        let Some(exchanges) = recorded(folder) else { return };
        let mut line = ClientDialogue::new();
        for Exchange { name, order, control, answer, .. } in &exchanges {
            let own = control.challenge.clone().expect("a challenge");
            let mut alone = ClientDialogue::new();
            let line = if stands(*order) == Where::Alone { &mut alone } else { &mut line };
            let said = line.order(*order, own).expect("allowed");
            let mut recorded = control.clone();
            if recorded.conversation.is_none() {
                // Left over from an earlier dialogue; ours says nothing there.
                recorded.response = None;
            }
            match answer {
                Some(answer) => {
                    assert_eq!(said, recorded, "{name}");
                    line.answer(answer).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
                }
                None => {
                    // Recorded with a wrong response on purpose.
                    assert_eq!(Control { response: recorded.response.clone(), ..said }, recorded);
                    line.lost();
                }
            }
        }
        assert!(!line.is_open());
    }
}
