//! The attacks on documents of our own making; and that they are attacks.

use super::*;

#[test]
fn every_shape_is_refused_and_takes_the_careless_in() {
    let made = samples::native().expect("signed").into_iter().take(1);
    // The whole run is the suite's; here a few of each kind are enough.
    let made = made.chain(samples::ours().expect("signed").into_iter().step_by(3));
    let mut table = Table::new();
    let told = table.attack(made.collect()).expect("attacked");
    assert!(told.documents > 4 && told.unfit == 0, "{told}");
    assert_eq!((told.careless, told.profiles), (told.targets, told.targets), "{told}");
    let (mut wrapping, mut fooling) = (0, 0);
    for (shape, tally) in &table.0 {
        tally.told(shape).unwrap_or_else(|error| panic!("{}: {error:#}", shape.name));
        wrapping += usize::from(shape.wrapping);
        fooling += usize::from(shape.wrapping && tally.fooled > 0);
    }
    assert!(3 * fooling >= 2 * wrapping, "only {fooling} of {wrapping} take somebody in");
}

/// A verifier that is taken in would be found out.
#[test]
fn the_judge_sees_a_hole() {
    let sample = samples::native().expect("signed").remove(0);
    let Prepared { sample, map, mut targets, signers, .. } =
        Prepared::of(sample).expect("it holds");
    let target = targets.remove(0);
    // What in truth was signed is said to be forged: the judge must then object to the original.
    let said = String::from_utf8_lossy(&sample.document[target.victim.octets.clone()]).into_owned();
    let document = sample.document.clone();
    let strict = Sample { forged: said, ..sample };
    let judged = strict.judge(&map, &target, &signers, &document, Some(&map));
    let error = judged.expect_err("a hole");
    assert!(error.to_string().contains("forged"), "{error:#}");
}
