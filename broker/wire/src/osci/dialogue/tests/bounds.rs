//! Nothing grows without a limit; what rests comes back as it was.

use proptest::prelude::*;

use super::*;

fn open(desk: &mut Desk, n: u64, who: Caller, seconds: i64) -> (Vec<Effect>, Option<&'static str>) {
    let (effects, outcome) =
        desk.order(MessageType::InitDialog, &init(n), who, fresh(n), at(seconds));
    (effects, outcome.err().map(|refusal| refusal.code.as_str()))
}

#[test]
fn a_client_with_too_many_dialogues_loses_its_oldest() {
    let mut desk = Desk::new(Rules { of_client: 2, ..Rules::default() });
    for n in 0..2 {
        assert_eq!(open(&mut desk, n, client(0), n as i64).1, None);
    }
    // The first one is used, so that the second, younger one goes: nobody ever went on with it, and
    // somebody else may have opened it in the name of this client.
    let control = explicit(&conversation(0), &challenge(0), 0);
    let (_, taken) = desk.order(MessageType::FetchDelivery, &control, inside(0), fresh(9), at(0));
    taken.expect("taken");
    let (effects, refused) = open(&mut desk, 2, client(0), 3);
    assert_eq!(refused, None);
    let replaced = Effect::Ended(conversation(1), Ending::Replaced);
    assert_eq!(effects, [replaced, Effect::Opened(conversation(2))]);
    // Somebody else has a count of their own.
    let (effects, refused) = open(&mut desk, 3, client(1), 3);
    assert_eq!((effects.len(), refused), (1, None));
    assert_eq!(desk.len(), 3);
}

#[test]
fn the_hub_has_so_much_room_and_no_more() {
    let mut desk = Desk::new(Rules { open: 3, ..Rules::default() });
    for n in 0..3 {
        assert_eq!(open(&mut desk, n, client(n), 0).1, None);
    }
    assert_eq!(open(&mut desk, 3, client(3), 599).1, Some("9000"));
    assert_eq!(desk.len(), 3);
    // Time makes room.
    let (effects, refused) = open(&mut desk, 3, client(3), 600);
    assert_eq!((effects.len(), refused), (4, None));
    assert_eq!(desk.len(), 1);
    let large = |n: u64| {
        let der = vec![n as u8 + 1; MAX_CERTIFICATE_BYTES];
        clear(SignIn { signature: None, cipher: Certificate::new(der) })
    };
    let rules = Rules { octets: 60_000, ..Rules::default() };
    let mut desk = Desk::new(rules);
    assert_eq!(open(&mut desk, 0, large(0), 0).1, None);
    assert_eq!(open(&mut desk, 1, large(1), 0).1, None);
    assert_eq!(open(&mut desk, 2, large(2), 0).1, Some("9000"));
    assert!(desk.octets() <= rules.octets);
    // A number that is taken is not given twice.
    assert_eq!(open(&mut desk, 1, client(7), 0).1, Some("9000"));
    assert_eq!(Certificate::new(vec![0; MAX_CERTIFICATE_BYTES + 1]), None);
    assert_eq!(Certificate::new(Vec::new()), None);
    assert_eq!(Room::of(&Rules { of_client: 0, ..rules }, 0, 0, 0, 1), Room::None);
}

#[test]
fn a_dialogue_has_an_end_in_time() {
    let rules = Rules::default();
    let mut dialogue = opened(0);
    let mut now = 0;
    let mut orders = 0;
    // Somebody goes on for ever, just in time.
    loop {
        now += 599;
        let control = explicit(&conversation(0), &challenge(orders), orders);
        let fresh = fresh(orders + 1);
        let order = MessageType::FetchProcessCard;
        let step = dialogue.order(order, &control, inside(0), &fresh, at(now), &rules);
        match step.after {
            Some(after) => dialogue = after,
            None => {
                assert_eq!(step.effects, [Effect::Ended(conversation(0), Ending::TimedOut)]);
                break;
            }
        }
        orders += 1;
    }
    assert!((86_400 - 599..=86_400 + 599).contains(&now), "{now}");
    // The session in the store ends at the same time.
    let (used, rules) = (opened(1), Rules::default());
    assert_eq!(used.ends(&rules), at(600));
    assert!(used.is_over(at(600), &rules) && !used.is_over(at(599), &rules));
    let short = Rules { longest: SignedDuration::from_secs(100), ..rules };
    assert_eq!(used.ends(&short), at(100));
    // A clock that is set back ends nothing, and makes nothing younger.
    let control = explicit(&conversation(0), &challenge(1), 1);
    let step = opened(1).order(
        MessageType::FetchDelivery,
        &control,
        inside(0),
        &fresh(5),
        at(-50),
        &rules,
    );
    assert_eq!(step.after.expect("open").last(), at(0));
}

#[test]
fn what_rests_comes_back_as_it_was() {
    let mut desk = Desk::new(Rules::default());
    for n in 0..5 {
        open(&mut desk, n, client(n), n as i64);
    }
    let control = explicit(&conversation(0), &challenge(0), 0);
    let (_, taken) = desk.order(MessageType::FetchDelivery, &control, inside(0), fresh(9), at(9));
    taken.expect("taken");
    let name = HandedOut::new("delivery").expect("a name");
    desk.dialogue(&conversation(0)).expect("open").hand_out(name).expect("entered");
    let rested = desk.snapshots().expect("octets");
    let again = Desk::restore(Rules::default(), rested.iter().map(Vec::as_slice));
    let mut again = again.expect("restored");
    assert_eq!((again.len(), again.octets()), (desk.len(), desk.octets()));
    assert_eq!(again.snapshots(), desk.snapshots());
    let next = explicit(&conversation(0), &challenge(9), 1);
    let go =
        |desk: &mut Desk| desk.order(MessageType::ExitDialog, &next, inside(0), fresh(10), at(10));
    assert_eq!(go(&mut again), go(&mut desk));
    // Under tighter rules what does not fit is let go.
    let tight = Rules { open: 2, ..Rules::default() };
    let few = Desk::restore(tight, rested.iter().map(Vec::as_slice)).expect("restored");
    assert_eq!(few.len(), 2);
}

#[test]
fn the_longest_dialogue_fits_into_its_snapshot() {
    let large = || Certificate::new(vec![0xff; MAX_CERTIFICATE_BYTES]);
    let who = clear(SignIn { signature: large(), cipher: large() });
    let long = Challenge::parse(&"\"".repeat(Challenge::MAX_BYTES)).expect("not too long");
    let number = ConversationId::parse(&"9".repeat(ConversationId::MAX_DIGITS)).expect("digits");
    let fresh = Fresh::new(number.clone(), long.clone()).expect("long enough");
    let begun = Dialogue::begin(&init(0), who.clone(), fresh.clone(), at(0));
    let (dialogue, _) = begun.expect("opened");
    let control = explicit(&number, &long, 0);
    let rules = Rules::default();
    let step = dialogue.order(MessageType::FetchDelivery, &control, who, &fresh, at(0), &rules);
    let mut dialogue = step.after.expect("open");
    for n in 0..MAX_HANDED_OUT {
        let name = format!("{n:02}{}", "\u{1}".repeat(MAX_HANDED_OUT_BYTES - 2));
        dialogue.hand_out(HandedOut::new(&name).expect("a name")).expect("entered");
    }
    let octets = dialogue.snapshot().expect("it fits");
    assert_eq!(Dialogue::restore(&octets).expect("the same"), dialogue);
}

/// A dialogue with two deliveries handed out.
fn collecting() -> Dialogue {
    let (order, rules) = (MessageType::FetchDelivery, Rules::default());
    let control = explicit(&conversation(0), &challenge(1), 1);
    let step = opened(1).order(order, &control, inside(0), &fresh(2), at(1), &rules);
    let mut dialogue = step.after.expect("open");
    for name in ["eins", "zwei"] {
        dialogue.hand_out(HandedOut::new(name).expect("a name")).expect("entered");
    }
    dialogue
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let good = collecting().snapshot().expect("octets");
    assert_eq!(Dialogue::restore(&good), Ok(collecting()));
    // What a store keeps for each: the certificates, and little else.
    let certificates = collecting().client().octets();
    assert!(good.len() < certificates + 200, "{} octets", good.len());
    let edit = |from: &[u8], to: &[u8]| {
        let start = good.windows(from.len()).position(|w| w == from).expect("it is there");
        [&good[..start], to, &good[start + from.len()..]].concat()
    };
    for (from, to) in [
        // Another form; JSON.
        (&good[..1], &[2][..]),
        (&good[..1], b"{"),
        // Not digits, too short for a challenge of ours, no name, no certificate.
        (b"\x00\x00\x00\x0547110", b"\x00\x00\x00\x054711x"),
        (b"\x00\x00\x00\x12challenge-00000002", b"\x00\x00\x00\x0fchallenge-00000"),
        (b"\x00\x00\x00\x04zwei", b"\x00\x00\x00\x00"),
        (b"\x00\x00\x00\x04zwei", b"\x00\x00\x00\x04zw\xffi"),
        (b"\x00\x00\x00\x04zwei", b"\xff\xff\xff\xffzwei"),
        (b"\x00\x00\x00\x08cipher 0", b"\x00\x00\x00\x00"),
        // It must be signed, and nobody has; a flag that is none.
        (b"\x00\x00\x00\x0bsignature 0", b"\x00\x00\x00\x00"),
        (b"cipher 0\x01", b"cipher 0\x02"),
        // One delivery more than there are; more than there may be.
        (b"\x02\x00\x00\x00\x04eins", b"\x03\x00\x00\x00\x04eins"),
        (b"\x02\x00\x00\x00\x04eins", b"\xff\x00\x00\x00\x04eins"),
    ] {
        let octets = edit(from, to);
        assert_ne!(octets, good);
        assert_eq!(Dialogue::restore(&octets), Err(BadSnapshot), "{:?}", to.escape_ascii());
    }
    assert_eq!(Dialogue::restore(&[&good[..], &[0]].concat()), Err(BadSnapshot));
    let long = [good.clone(), vec![0; MAX_SNAPSHOT_BYTES]].concat();
    assert_eq!(Dialogue::restore(&long), Err(BadSnapshot));
    for end in 0..good.len() {
        assert_eq!(Dialogue::restore(&good[..end]), Err(BadSnapshot), "{end}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_no_dialogue(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Dialogue::restore(&octets), Err(BadSnapshot));
    }

    /// What is read from a snapshot with other octets is what stands there, and nothing else.
    #[test]
    fn other_octets_are_another_dialogue_or_none(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut octets = collecting().snapshot().expect("octets");
        for (place, octet) in changes {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        if let Ok(dialogue) = Dialogue::restore(&octets) {
            prop_assert_eq!(dialogue.snapshot(), Ok(octets));
            let (rules, order) = (Rules::default(), MessageType::ExitDialog);
            let _ = (dialogue.ends(&rules), dialogue.is_over(at(0), &rules));
            let control = explicit(&conversation(0), &challenge(2), 2);
            let _ = dialogue.order(order, &control, inside(0), &fresh(3), at(2), &rules);
        }
    }
}

#[test]
fn numbers_and_challenges_have_their_form() {
    for good in ["0", "875264658022781711", &"9".repeat(64)] {
        assert_eq!(ConversationId::parse(good).expect("digits").as_str(), good);
    }
    for bad in ["", "-1", "1 ", "0x1", "\u{661}", &"9".repeat(65)] {
        assert_eq!(ConversationId::parse(bad), None, "{bad}");
    }
    assert_eq!(Challenge::parse(&"x".repeat(257)), None);
    let weak = Challenge::parse("fifteen-octets.").expect("a challenge");
    assert!(Fresh::new(conversation(0), weak).is_none());
    // What is a secret between two does not come out of a log.
    let text = format!("{:?} {:?}", opened(1), init(1));
    assert!(!text.contains("challenge-") && !text.contains("4711") && !text.contains("their-"));
}
