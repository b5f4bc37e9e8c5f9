//! The policy for algorithms and keys: the file that the configuration names, else the built-in one.

use amtsbote_domain::text::Language;
use amtsbote_trust::policy::AlgorithmPolicy;

use super::table::{Shape, Source, nearest};
use crate::outcome::Failure;

/// The keys of a policy; what they mean is the business of `trust`, a test keeps both the same.
const POLICY: Shape = Shape {
    keys: &[("name", None), ("edition", None), ("allow", Some(&ALLOW)), ("rule", Some(&RULE))],
};
const ALLOW: Shape = Shape { keys: &[("purpose", None), ("keys", None), ("algorithms", None)] };
const RULE: Shape = Shape {
    keys: &[
        ("id", None),
        ("purposes", None),
        ("algorithms", None),
        ("keys", None),
        ("below_bits", None),
        ("warn_from", None),
        ("refuse_from", None),
        ("legacy", None),
        ("clause", None),
        ("de", None),
        ("en", None),
    ],
};

/// Reads a policy.
pub(crate) fn read(source: &Source) -> Result<AlgorithmPolicy, Failure> {
    source.check(&POLICY)?;
    AlgorithmPolicy::read(source.text()).map_err(|error| {
        let near =
            error.unknown.as_ref().and_then(|(word, known)| nearest(word, known.iter().copied()));
        let hint =
            |text: &str| near.map_or_else(String::new, |near| format!("; {text} \"{near}\""));
        source.wrong(
            &error.span,
            format!("{}{}", error.reason(Language::De), hint("gemeint ist vielleicht")),
            format!("{}{}", error.reason(Language::En), hint("perhaps you mean")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;
    use amtsbote_trust::policy::{ALLOW_KEYS, BUILT_IN, POLICY_KEYS, RULE_KEYS};

    #[test]
    fn the_keys_are_those_of_the_reader() {
        let names = |shape: &Shape| shape.keys.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names(&POLICY), POLICY_KEYS);
        assert_eq!(names(&ALLOW), ALLOW_KEYS);
        assert_eq!(names(&RULE), RULE_KEYS);
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(BUILT_IN.contains(from), "{from}");
        let failure =
            read(&Source::from_text(&BUILT_IN.replacen(from, to, 1))).expect_err("it is wrong");
        assert_eq!(failure.exit, Exit::Usage);
        failure.text(Language::En).to_owned()
    }

    #[test]
    fn the_built_in_policy_is_read_from_a_file_as_well() {
        let policy = read(&Source::from_text(BUILT_IN)).expect("a policy");
        assert_eq!(policy, AlgorithmPolicy::built_in());
    }

    #[test]
    fn unknown_keys_and_words_are_refused_with_the_nearest() {
        let key = refused("refuse_from = 2024", "refuse_form = 2024");
        assert!(key.contains("did you mean \"refuse_from\"?") && key.contains("line "), "{key}");
        let top = refused("edition =", "editoin =");
        assert!(top.contains("did you mean \"edition\"?"), "{top}");
        let list = refused("keys = [\"rsa\", \"ec\", \"ed25519\"]", "kyes = [\"rsa\"]");
        assert!(list.contains("did you mean \"keys\"?"), "{list}");
        let word = refused("\"ecdsa-sha384\"", "\"ecdsa-sha348\"");
        assert!(word.contains("perhaps you mean \"ecdsa-sha384\""), "{word}");
        let syntax = refused("\n[[rule]]\n", "\n[[rule]\n");
        assert!(syntax.contains("line "), "{syntax}");
    }
}
