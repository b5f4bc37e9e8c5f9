//! What a `pack.toml` may say, and what is refused.

use super::*;

const GOOD: &str = r#"
    standard = "XProbe"
    version = "1.0"
    valid_from = 2026-05-01
    decided_by = "created"
    window_days = 14
    header = "g2g-unqualified"
    entry = ["probe.xsd"]
    namespace = "urn:probe"
    [[message]]
    root = "probe"
    type = "0100"
    name = "Probe"
"#;

fn fails(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    Manifest::parse(&GOOD.replace(from, to)).expect_err(to).to_string()
}

#[test]
fn a_good_one_is_read() {
    let manifest = Manifest::parse(GOOD).expect("good");
    assert_eq!(manifest.standard, "XProbe");
    assert_eq!(manifest.days.valid_from, jiff::civil::date(2026, 5, 1));
    assert_eq!(manifest.days.valid_until, None);
    assert_eq!((manifest.decided_by, manifest.window_days), (DecidedBy::Created, 14));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    assert_eq!(
        fails("valid_from", "valid_form"),
        "unknown key 'valid_form'; did you mean 'valid_from'?"
    );
    assert_eq!(fails("root =", "rot ="), "unknown key 'rot'; did you mean 'root'?");
}

#[test]
fn values_that_cannot_be_are_refused() {
    for (from, to, part) in [
        ("2026-05-01", "2026-05-01T00:00:00", "a day without a time"),
        ("2026-05-01", "2026-02-30", ""),
        ("window_days = 14", "", "must be given"),
        ("window_days = 14", "window_days = 367", "at most 366"),
        ("window_days = 14", "valid_until = 2026-04-30\nwindow_days = 1", "before valid_from"),
        ("\"g2g-unqualified\"", "\"none\"", "needs a header"),
        ("[\"probe.xsd\"]", "[]", "no schema"),
        ("probe.xsd", "../probe.xsd", "inside the folder"),
        ("probe.xsd", "/etc/probe.xsd", "inside the folder"),
        ("probe.xsd", "file:probe.xsd", "inside the folder"),
        ("\"XProbe\"", "\"\"", "1 to 200"),
        ("type = \"0100\"", "type = \"\"", "must not be empty"),
        ("header =", "headers =", "did you mean 'header'"),
        ("header =", "version_at = \"a:b\"\nheader =", "a path of local names"),
        (
            "[[message]]",
            "[[rules]]\nfile = \"r.sch\"\nmessages = [\"9\"]\n[[message]]",
            "types of the table",
        ),
        ("header =", "version_is = [\"1\"]\nheader =", "needs version_at"),
        ("header =", "version_at = \"@v\"\nversion_is = []\nheader =", "no value"),
        ("type = \"0100\"", "type = \"0100\"\nknown_by = \"/\"", "a path of local names"),
        ("type = \"0100\"", "type = \"0100\"\nentry = [\"../a.xsd\"]", "inside the folder"),
        ("header =", "type_agrees = 1\nheader =", "invalid type"),
        (
            "\"created\"\n    window_days = 14\n    header = \"g2g-unqualified\"",
            "\"arrived\"\ntype_agrees = true\nheader = \"none\"",
            "needs a header that names",
        ),
    ] {
        let error = fails(from, to);
        assert!(error.contains(part), "{to}: {error}");
    }
    let twice = format!("{GOOD}\n[[message]]\nroot='probe'\ntype='1'\nname='x'");
    assert!(Manifest::parse(&twice).expect_err("twice").to_string().contains("twice"));
    let half = format!("{twice}\nknown_by = 'a'");
    assert!(Manifest::parse(&half).expect_err("twice").to_string().contains("twice"));
    let both = half.replacen("type = \"0100\"", "type = \"0100\"\nknown_by = 'b'", 1);
    Manifest::parse(&both).expect("told apart");
    // Its own namespace, said or not, is the same; so is a place and one inside it.
    let said = format!("{twice}\nnamespace = 'urn:probe'");
    let error = Manifest::parse(&said).expect_err("twice");
    assert!(error.to_string().contains("twice (namespace urn:probe)"), "{error}");
    assert!(error.german().contains("zweimal"), "{}", error.german());
    Manifest::parse(&format!("{twice}\nnamespace = 'urn:other'")).expect("another root");
    for (one, other) in [("a", "a/@version"), ("a/b", "a"), ("a/b/@c", "a"), ("a/@b", "a/@b")] {
        let places = both
            .replace("known_by = 'a'", &format!("known_by = '{one}'"))
            .replace("known_by = 'b'", &format!("known_by = '{other}'"));
        let error = Manifest::parse(&places).expect_err(one);
        assert!(error.to_string().contains("twice"), "{error}");
        assert!(error.german().contains("known_by"), "{}", error.german());
    }
}

#[test]
fn the_end_of_time_is_no_end() {
    let far = GOOD.replace("window_days", "valid_until = 9999-12-31\n    window_days");
    let manifest = Manifest::parse(&far).expect("good");
    assert_eq!(manifest.days.valid_until, None);
    let list = "code_lists = [{ file = \"a.xml\", valid_until = 9999-12-31 }]\n    window_days";
    Manifest::parse(&GOOD.replace("window_days", list)).expect("good");
}

#[test]
fn what_is_wrong_is_said_in_german_too() {
    let german =
        |from: &str, to: &str| Manifest::parse(&GOOD.replace(from, to)).expect_err(to).german();
    assert_eq!(
        german("valid_from", "valid_form"),
        "unbekannter Schlüssel „valid_form“; gemeint ist wohl „valid_from“"
    );
    assert_eq!(
        german("2026-05-01", "2026-05-01T00:00:00"),
        "valid_from: ein Tag ohne Uhrzeit, etwa 2026-05-01"
    );
    assert!(german("version = ", "version ").starts_with("nicht als TOML lesbar: "));
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered(text: String) {
        let _ = Manifest::parse(&text);
        let _ = Manifest::parse(&GOOD.replace("probe", &text));
    }
}
