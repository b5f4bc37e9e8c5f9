//! Random content models and random walks through them, against the library.

use std::cell::Cell;
use std::fmt::Write;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::World;

/// All names that children may have: known, of a substitution group, of other namespaces.
const NAMES: [&str; 14] = [
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "x:head",
    "x:member",
    "x:deep",
    "x:blocked",
    "x:other",
    "y:foreign",
    "unknown",
];

/// `head` is abstract; `deep` stands for `member`; `blocked` must not stand for anybody.
const GLOBALS: &str =
    "<xs:element name='head' type='xs:anyType' abstract='true' block='restriction'/>
    <xs:element name='member' type='x:Wide' substitutionGroup='x:head'/>
    <xs:element name='deep' type='x:Wide' substitutionGroup='x:member'/>
    <xs:element name='blocked' type='x:Narrow' substitutionGroup='x:solid'/>
    <xs:element name='other' type='xs:string'/>
    <xs:element name='solid' type='x:Wide' block='restriction'/>
    <xs:complexType name='Wide'><xs:complexContent><xs:extension base='xs:anyType'/>
    </xs:complexContent></xs:complexType>
    <xs:complexType name='Narrow'><xs:complexContent><xs:restriction base='x:Wide'>
    <xs:sequence/></xs:restriction></xs:complexContent></xs:complexType>";

#[derive(Clone, Debug)]
enum Particle {
    /// A local element by number, or a reference to a global one.
    Element(usize, Occurs),
    Any(&'static str, Occurs),
    Sequence(Vec<Particle>, Occurs),
    Choice(Vec<Particle>, Occurs),
}

/// `minOccurs` and `maxOccurs`.
type Occurs = (u32, Option<u32>);

/// `large` is the highest bound: the library is slow with groups that may be empty very often, so
/// groups get a lower one than elements.
fn occurs(large: u32) -> impl Strategy<Value = Occurs> {
    prop_oneof![
        12 => (0_u32..3, 0_u32..3).prop_map(|(min, more)| (min, Some((min + more).clamp(1, 3)))),
        4 => (0_u32..3).prop_map(|min| (min, None)),
        3 => Just((0, Some(large))),
        2 => Just((0, Some(17))),
        2 => Just((3, Some(22))),
        2 => Just((18, Some(20))),
        1 => Just((18, None)),
        1 => Just((0, Some(0))),
    ]
}

fn particle() -> impl Strategy<Value = Particle> {
    let leaf = prop_oneof![
        8 => (0_usize..10, occurs(100)).prop_map(|(name, occurs)| Particle::Element(name, occurs)),
        1 => (
            prop::sample::select(vec!["##any", "##other", "##local", "##targetNamespace", "urn:y"]),
            occurs(100)
        )
            .prop_map(|(namespaces, occurs)| Particle::Any(namespaces, occurs)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        (prop::collection::vec(inner, 0..4), occurs(20), any::<bool>()).prop_map(
            |(particles, occurs, sequence)| match sequence {
                true => Particle::Sequence(particles, occurs),
                false => Particle::Choice(particles, occurs),
            },
        )
    })
}

impl Particle {
    fn write(&self, into: &mut String) {
        let occurs = |(min, max): &Occurs| {
            let max = max.map_or("unbounded".to_owned(), |max| max.to_string());
            format!("minOccurs='{min}' maxOccurs='{max}'")
        };
        let _ = match self {
            Self::Element(name @ 0..7, times) => {
                write!(
                    into,
                    "<xs:element name='{}' type='xs:string' {}/>",
                    NAMES[*name],
                    occurs(times)
                )
            }
            Self::Element(name, times) => {
                let global = ["head", "solid", "other"][name - 7];
                write!(into, "<xs:element ref='x:{global}' {}/>", occurs(times))
            }
            Self::Any(namespaces, times) => {
                write!(
                    into,
                    "<xs:any namespace='{namespaces}' processContents='lax' {}/>",
                    occurs(times)
                )
            }
            Self::Sequence(inner, times) => group("sequence", inner, &occurs(times), into),
            Self::Choice(inner, times) => group("choice", inner, &occurs(times), into),
        };
    }
}

fn group(kind: &str, inner: &[Particle], occurs: &str, into: &mut String) -> std::fmt::Result {
    write!(into, "<xs:{kind} {occurs}>")?;
    inner.iter().for_each(|one| one.write(into));
    write!(into, "</xs:{kind}>")
}

/// A type `T`, half of the time an extension of another.
fn types() -> impl Strategy<Value = String> {
    let content = || {
        prop::collection::vec(particle(), 1..4).prop_map(|inner| {
            let mut text = String::new();
            Particle::Sequence(inner, (1, Some(1))).write(&mut text);
            text
        })
    };
    (content(), prop::option::of(content())).prop_map(|(first, second)| match second {
        None => format!("<xs:complexType name='T'>{first}</xs:complexType>"),
        Some(second) => format!(
            "<xs:complexType name='Base'>{first}</xs:complexType>
             <xs:complexType name='T'><xs:complexContent><xs:extension base='x:Base'>{second}
             </xs:extension></xs:complexContent></xs:complexType>"
        ),
    })
}

/// Walks: mostly a name that may come, sometimes any. Returns how many children were taken.
fn walk(world: &mut World, choices: &[u16]) -> usize {
    let Some(mut walk) = world.walk("T") else { return 0 };
    for choice in choices {
        let Some(open) = walk.open(&NAMES) else { break };
        let choice = usize::from(*choice);
        let child = match choice % 8 {
            0 => NAMES[choice / 8 % NAMES.len()],
            _ if open.is_empty() => break,
            // The same name for long, so that counters come to their ends.
            1..=5 => open[usize::from(choices[0]) % open.len()],
            _ => open[choice / 8 % open.len()],
        };
        if walk.step(child).is_none() {
            break;
        }
    }
    walk.taken.len()
}

#[test]
fn random_models_agree_with_the_library() {
    let (judged, refused, left, taken) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config {
        cases: 700,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..Config::default()
    });
    let walks = prop::collection::vec(prop::collection::vec(any::<u16>(), 1..60), 4);
    let result = runner.run(&(types(), walks), |(types, walks)| {
        let Some(mut world) = World::load(&format!("{GLOBALS}{types}")) else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        match world.compile("T") {
            Ok(_) => judged.set(judged.get() + 1),
            Err(why) => {
                let known = [
                    "counts that names do not settle",
                    "counted groups nested more than four deep",
                ];
                prop_assert!(known.contains(&why.construct), "{why:?}");
                left.set(left.get() + 1);
                return Ok(());
            }
        }
        for choices in walks {
            taken.set(taken.get() + walk(&mut world, &choices));
        }
        Ok(())
    });
    let counts = (judged.get(), refused.get(), left.get(), taken.get());
    println!("judged, refused by the library, not compiled, children: {counts:?}");
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(judged.get() > 200 && taken.get() > 5_000, "{counts:?}");
    assert!(left.get() * 20 < judged.get(), "{counts:?}");
}

#[test]
fn random_all_groups_agree_with_the_library() {
    let members = prop::sample::subsequence((0..9).collect::<Vec<usize>>(), 0..9);
    let strategy = (
        members,
        prop::collection::vec(0_u32..3, 9),
        any::<bool>(),
        prop::collection::vec(any::<u16>(), 1..30),
    );
    let mut runner = TestRunner::new(Config {
        cases: 300,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&strategy, |(members, kinds, optional, choices)| {
        let mut inner = String::new();
        for (member, kind) in members.iter().zip(kinds) {
            let occurs = [(0, Some(1)), (1, Some(1)), (0, Some(0))][kind as usize];
            Particle::Element(*member, occurs).write(&mut inner);
        }
        let min = u32::from(!optional);
        let types = format!(
            "<xs:complexType name='T'><xs:all minOccurs='{min}'>{inner}</xs:all></xs:complexType>"
        );
        let mut world = World::load(&format!("{GLOBALS}{types}")).expect("a valid schema");
        walk(&mut world, &choices);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
