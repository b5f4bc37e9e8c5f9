//! The policy over certificates that connect and over paths, by the hour and by partner.

use super::*;

/// The built-in policy with one rule more: from the day after on something is refused to all who are
/// not under the legacy profile.
fn with_rule(rule: &str) -> String {
    format!(
        "{BUILT_IN}\n[[rule]]\nid = \"test-rule\"\n{rule}\nlegacy = true\n\
         clause = \"TEST\"\nde = \"TEST.\"\nen = \"TEST.\"\n"
    )
}

/// 00:00 in Germany, of the day after noon.
fn midnight() -> Timestamp {
    "2026-11-23T23:00:00Z".parse().expect("an instant")
}

fn until(hours: i64) -> Option<LegacyProfile> {
    Some(LegacyProfile { until: Some(noon(hours)) })
}

const NO_CURVES: &str = "purposes = [\"tls\"]\nkeys = [\"ec\"]\nrefuse_from = 2026-11-24";

#[test]
fn who_connects_is_judged_by_the_policy_at_that_hour() {
    let world = World::new();
    let client = world.issue(Use::Client);
    let fingerprint = client.certificate().fingerprint();
    // With anchors and without.
    for rules in [TrustRules::default(), world.rules()] {
        let standings = world.under(rules, &with_rule(NO_CURVES));
        let judged = |legacy, at| {
            let account = Account { legacy, ..account(&client, None) };
            standings.account(&account, &fingerprint, at).map_err(|fault| fault.code)
        };
        let refused = Err(Code::AlgorithmNotAllowed);
        assert_eq!(judged(None, midnight() - SECOND), Ok(None));
        // What was remembered ends with the day.
        assert_eq!(judged(None, midnight()), refused);
        assert_eq!(judged(until(20), midnight()), Ok(None));
        assert_eq!(judged(until(20), noon(20) - SECOND), Ok(None));
        assert_eq!(judged(until(20), noon(20)), refused, "the profile has ended");
        assert_eq!(judged(None, midnight()), refused, "the profile of another helps nobody");
    }
    let standings = world.under(TrustRules::default(), &with_rule(NO_CURVES));
    let fault = standings.account(&account(&client, None), &fingerprint, midnight());
    let detail = fault.expect_err("refused").detail.expect("a reason");
    assert!(detail.contains("test-rule") && detail.contains("TR-02102"), "{detail}");
    // It is about connections: what an Author signs is judged with its signature.
    let signs = world.issue(Use::Signature);
    assert_eq!(author(&standings, &signs, midnight()), Ok(None));
}

#[test]
fn operators_are_judged_as_well_and_never_under_the_profile() {
    let world = World::new();
    let certificate = world.issue(Use::Operator).certificate().trusted();
    let operator = Operator { name: "TEST".to_owned(), certificate };
    let standings = world.under(world.rules(), &with_rule(NO_CURVES));
    assert_eq!(standings.operator(&operator, midnight() - SECOND), Ok(()));
    let fault = standings.operator(&operator, midnight()).expect_err("refused");
    assert_eq!(fault.code, Code::AlgorithmNotAllowed);
}

#[test]
fn the_profile_of_one_partner_lowers_no_floor_for_the_others() {
    let world = World::new();
    let (old, new) = (world.issue(Use::Signature), world.issue(Use::Signature));
    let rule = "purposes = [\"certificate-signature\"]\nkeys = [\"ec\"]\nbelow_bits = 300\n\
                refuse_from = 2026-11-24";
    let standings = world.under(world.rules(), &with_rule(rule));
    let judged = |issued: &Issued, legacy, at| {
        let party = Party { legacy, ..party(&[issued], None) };
        let judged = standings.author(&party, &issued.certificate().fingerprint(), at);
        judged.map(drop).map_err(|fault| fault.code)
    };
    let refused = Err(Code::AlgorithmNotAllowed);
    // The floors are those of the hour, not of the hour when the tables were read.
    assert_eq!(judged(&new, None, midnight() - SECOND), Ok(()));
    assert_eq!(judged(&old, until(20), midnight()), Ok(()));
    assert_eq!(judged(&new, None, midnight()), refused);
    assert_eq!(judged(&old, None, midnight()), refused, "the same certificate");
    assert_eq!(judged(&old, until(20), noon(20)), refused, "the profile has ended");
}

#[test]
fn what_only_the_profile_lets_in_is_said_now_and_then() {
    let world = World::new();
    let client = world.issue(Use::Client);
    let standings = world.under(TrustRules::default(), &with_rule(NO_CURVES));
    let trusted = client.certificate().trusted();
    let remark = |legacy, at| {
        let found = standings.found(&trusted, Purpose::TlsClient, legacy, at).expect("it counts");
        found.remark.as_ref().map(|remark| (remark.rule.clone(), remark.only_legacy))
    };
    assert_eq!(remark(false, noon(0)), None);
    assert_eq!(remark(true, midnight()), Some(("test-rule".to_owned(), true)));
    let refuses = "refuse_from = 2026-11-24\nlegacy = true";
    let warning = with_rule(NO_CURVES).replace(refuses, "warn_from = 2026-11-24");
    let warns = world.under(TrustRules::default(), &warning);
    let found = warns.found(&trusted, Purpose::TlsClient, false, midnight()).expect("it counts");
    let remark = found.remark.as_ref().expect("a warning");
    assert!(!remark.only_legacy);
    let hour = SignedDuration::from_secs(SAID_AGAIN);
    let said: Vec<_> = [midnight(), midnight() + SECOND, midnight() + hour]
        .map(|at| remark.say("TEST", at))
        .into();
    assert_eq!(said, [true, false, true]);
}

#[test]
fn what_signatures_may_use_changes_with_the_day_and_the_profile() {
    let rule = "purposes = [\"content-signature\"]\nalgorithms = [\"ecdsa-sha256\"]\n\
                refuse_from = 2026-11-24";
    let policy = with_rule(rule);
    let standings = World::new().under(TrustRules::default(), &policy);
    let policy = AlgorithmPolicy::read(&policy).expect("a policy");
    let purpose = policy::Purpose::ContentSignature;
    let mut all = Vec::new();
    // Back and forth: what is remembered must never be taken for another hour or another partner.
    for at in [midnight() - SECOND, midnight(), midnight() - SECOND, midnight(), midnight()] {
        for legacy in [false, true] {
            let allowed = standings.allowed(legacy, at);
            assert_eq!(*allowed, policy.allowed(purpose, legacy, at), "{at} {legacy}");
            all.push(allowed.signatures.len());
        }
    }
    assert!(all[2] < all[0] && all[3] == all[1], "{all:?}");
}
