//! The walls of the project, and what its papers promise, checked against the code.
//!
//! Every rule is a function from facts to offences. Each is applied to this checkout, and each is
//! shown a bad sample that it must find: a check that cannot fail proves nothing.
//!
//! `AMTSBOTE_BLESS=1 cargo test -p amtsbote-conformance --test tidy` writes `docs/codes.md` anew.

#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/region.rs"]
mod region;
#[path = "support/skipped.rs"]
mod skipped;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/walls.rs"]
mod walls;

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_domain::fault::Code;

use source::Source;

/// The root of the checkout.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package lies in the workspace").to_owned()
}

/// All files of the checkout as path from the root and text, without what is built. Files that
/// are no UTF-8 are left out: they hold no text of ours.
fn files() -> Vec<(String, String)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
        let entries = fs::read_dir(folder).expect("a readable folder");
        for entry in entries.map(|entry| entry.expect("a readable folder")) {
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().expect("a file type");
            if kind.is_dir() {
                let made = ["fuzz/corpus", "fuzz/artifacts", "fuzz/coverage"];
                let made_by_fuzzing = made.iter().any(|end| path.ends_with(end));
                if name != "target" && name != ".git" && !made_by_fuzzing {
                    walk(root, &path, found);
                }
            } else if kind.is_file() {
                let bytes = fs::read(&path).expect("a readable file");
                if let Ok(text) = String::from_utf8(bytes) {
                    let path = path.strip_prefix(root).expect("inside the root");
                    found.push((path.to_str().expect("a name in UTF-8").to_owned(), text));
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found.sort();
    assert!(found.len() > 40, "the walk found only {} files", found.len());
    found
}

/// The Rust files among them.
fn sources() -> Vec<Source> {
    let rust = |(path, _): &(String, String)| path.ends_with(".rs");
    files().into_iter().filter(rust).map(|(path, text)| Source::new(&path, &text)).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[track_caller]
fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

/// Applies a rule to all sources.
#[track_caller]
fn all_sources(rule: fn(&Source) -> Vec<String>) {
    none(sources().iter().flat_map(rule).collect());
}

/// Applies a rule to a sample that it must find, at line 2 of this file, and to one that it must
/// let pass.
#[track_caller]
fn rule_finds(rule: fn(&Source) -> Vec<String>, path: &str, bad: &str, good_path: &str) {
    let text = format!("//! A sample.\n{bad}\n");
    let found = rule(&Source::new(path, &text));
    assert!(
        found.iter().any(|offence| offence.starts_with(&format!("{path}:2: "))),
        "{bad} in {path}: {found:?}"
    );
    let elsewhere = rule(&Source::new(good_path, &text));
    assert!(elsewhere.is_empty(), "{bad} in {good_path}: {elsewhere:?}");
}

// --- packages ------------------------------------------------------------------------------------

#[test]
fn packages_use_only_what_the_table_allows() {
    none(packages::edges(&packages::metadata(&root())));
}

#[test]
fn a_forbidden_edge_is_found() {
    let bad = packages::sample(&[("amtsbote-domain", &["amtsbote-wire"]), ("amtsbote-wire", &[])]);
    let found = packages::edges(&bad);
    assert!(found.iter().any(|o| o.contains("amtsbote-domain must not use amtsbote-wire")));
    let strange = packages::sample(&[("amtsbote-extra", &[])]);
    assert!(packages::edges(&strange).iter().any(|o| o.contains("not in the table")));
    let gone = packages::sample(&[("amtsbote-wire", &["amtsbote-domain"])]);
    assert!(packages::edges(&gone).iter().any(|o| o.contains("amtsbote-store is gone")));
}

#[test]
fn no_package_uses_itself_by_a_detour() {
    none(packages::circles(&packages::metadata(&root())));
}

#[test]
fn a_circle_is_found() {
    let bad = packages::sample(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]);
    assert_eq!(packages::circles(&bad).len(), 3);
    let good = packages::sample(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]);
    none(packages::circles(&good));
}

#[test]
fn libraries_stay_behind_their_walls() {
    none(packages::library_walls(&packages::metadata(&root())));
}

#[test]
fn a_library_beyond_its_wall_is_found() {
    for (package, library) in [
        ("amtsbote-broker", "rusqlite"),
        ("amtsbote-broker", "tokio-postgres"),
        ("amtsbote-wire", "quick-xml"),
        ("amtsbote-archive", "tokio"),
        ("amtsbote-domain", "reqwest"),
        ("amtsbote-store", "anyhow"),
    ] {
        let bad = packages::sample(&[(package, &[library])]);
        assert_eq!(packages::library_walls(&bad).len(), 1, "{package} {library}");
    }
    none(packages::library_walls(&packages::sample(&[("amtsbote-store", &["rusqlite", "tokio"])])));
}

/// `cargo run --release`, `cargo build --release` and `cargo build --package amtsbote`.
#[test]
fn what_ships_is_built_without_the_simulation() {
    for arguments in [&[][..], &["--package", "amtsbote"]] {
        let built = packages::features(&root(), arguments);
        assert!(built.iter().any(|(name, _)| name == "amtsbote-store"), "{built:?}");
        none(packages::in_what_ships(&built));
    }
}

/// What the suites need is found where it is: cargo adds up the features of what it builds together.
#[test]
fn the_simulation_in_a_build_is_found() {
    let together = ["--package", "amtsbote", "--package", "amtsbote-conformance"];
    let found = packages::in_what_ships(&packages::features(&root(), &together));
    for wanted in [
        "amtsbote-broker is built with simulation",
        "amtsbote-conformance is built into it",
        "amtsbote-store is built with simulation",
        "tokio is built with test-util",
    ] {
        assert!(found.iter().any(|one| one == wanted), "{wanted}: {found:?}");
    }
}

/// The one entry point for tests drives the binary that was built by itself.
#[test]
fn the_binary_that_ships_is_the_one_that_is_tested() {
    none(papers::drives_what_ships(&read("ops/test")));
}

#[test]
fn a_test_of_another_binary_is_found() {
    let script = read("ops/test");
    for (right, wrong) in [
        ("cargo build --package amtsbote --locked", "cargo build --workspace --locked"),
        ("$target/shipped/$profile/amtsbote}", "$target/$profile/amtsbote}"),
        ("'\"simulation\":false'", "'\"version\"'"),
        ("shipped release --release", "true"),
    ] {
        assert!(script.contains(right), "{right}");
        assert!(
            !papers::drives_what_ships(&script.replacen(right, wrong, 1)).is_empty(),
            "{wrong}"
        );
    }
}

#[test]
fn every_package_inherits_the_lints_and_forbids_unsafe() {
    let manifests = packages::metadata(&root())
        .iter()
        .map(|package| (package.manifest.clone(), fs::read_to_string(&package.manifest)))
        .map(|(path, text)| (path, text.expect("a readable manifest")))
        .collect::<Vec<_>>();
    none(packages::lints(&read("Cargo.toml"), &manifests));
}

#[test]
fn a_package_without_the_lints_is_found() {
    let good_root = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
    let good = ("good".to_owned(), "[lints]\nworkspace = true\n".to_owned());
    none(packages::lints(good_root, std::slice::from_ref(&good)));
    let bad = ("bad".to_owned(), "[lints.rust]\nunsafe_code = \"allow\"\n".to_owned());
    assert_eq!(packages::lints(good_root, &[bad]).len(), 1);
    let warns = "[workspace.lints.rust]\nunsafe_code = \"warn\"\n";
    assert_eq!(packages::lints(warns, &[good]).len(), 1);
}

#[test]
fn every_dependency_has_its_line_of_reasons() {
    none(packages::reasons(
        &read("Cargo.toml"),
        &packages::metadata(&root()),
        &read("docs/dependencies.md"),
    ));
}

#[test]
fn a_dependency_without_reason_is_found() {
    let manifest = "[workspace.dependencies]\nbytes = \"1\"\ntoml = { version = \"1\" }\n";
    let paper = "| `bytes` | octets | shared |\n| `toml` | files | the usual |\n";
    let used = packages::sample(&[("amtsbote-wire", &["bytes"]), ("amtsbote", &["toml"])]);
    none(packages::reasons(manifest, &used, paper));
    let without = packages::reasons(manifest, &used, "| `bytes` | octets | shared |\n");
    assert!(without.iter().any(|o| o.contains("toml: no line")), "{without:?}");
    let bare =
        packages::reasons(manifest, &used, "| `bytes` | octets | shared |\n| `toml` | | |\n");
    assert!(bare.iter().any(|o| o.contains("toml: no line")), "{bare:?}");
    let stale = packages::reasons(manifest, &used, &format!("{paper}| `serde` | a | b |\n"));
    assert!(stale.iter().any(|o| o.contains("serde: listed")), "{stale:?}");
    let unused = packages::reasons(manifest, &used[..1], paper);
    assert!(unused.iter().any(|o| o.contains("toml: no package uses it")), "{unused:?}");
    let aside = packages::sample(&[("amtsbote", &["bytes", "toml", "rand"])]);
    let aside = packages::reasons(manifest, &aside, paper);
    assert!(aside.iter().any(|o| o.contains("rand: not in [workspace")), "{aside:?}");
}

// --- walls inside the sources --------------------------------------------------------------------

#[test]
fn no_protocol_word_outside_wire_and_transport() {
    all_sources(walls::protocol_words);
}

#[test]
fn a_protocol_word_in_the_hub_is_found() {
    let transport = "broker/src/transport/native.rs";
    for bad in [
        "fn osci_message() {}",
        "struct XtaRequest;",
        "use http::StatusCode;",
        "enum Body { Multipart }",
        "const TYPE: &str = \"Content-Type\";",
        "const TYPE: &str = \"multipart/related\";",
    ] {
        for hub in ["broker/domain/src/party.rs", "broker/store/src/lib.rs", "broker/src/hub.rs"] {
            rule_finds(walls::protocol_words, hub, bad, transport);
        }
        rule_finds(walls::protocol_words, "schemas/src/lib.rs", bad, "broker/wire/src/osci.rs");
    }
    let talk = "//! XTA 2 calls it so.\nconst URI: &str = \"http://www.osci.de/x.wsdl\";\n";
    none(walls::protocol_words(&Source::new("broker/domain/src/party.rs", talk)));
}

#[test]
fn no_step_asks_in_which_form_a_message_came() {
    all_sources(walls::forms);
}

#[test]
fn a_form_in_the_steps_is_found() {
    for bad in [
        "use amtsbote_wire::native::envelope::VerifiedEnvelope;",
        "fn f(t: Transport) -> bool { t == Transport::Intermediary }",
    ] {
        for step in ["broker/src/step/authenticated.rs", "broker/src/pipeline.rs"] {
            rule_finds(walls::forms, step, bad, "broker/src/transport/native/form.rs");
        }
    }
}

#[test]
fn hub_sql_only_in_the_store() {
    all_sources(walls::sql);
}

#[test]
fn sql_elsewhere_is_found() {
    for bad in [
        "use rusqlite::Connection;",
        "const Q: &str = \"SELECT index FROM leaf\";",
        "const Q: &str = \"\n   INSERT INTO leaf VALUES (?1)\";",
        "const Q: &str = r#\"CREATE TABLE leaf (n INTEGER)\"#;",
        "const Q: &str = \"PRAGMA journal_mode = WAL\";",
    ] {
        rule_finds(walls::sql, "broker/src/pipeline.rs", bad, "broker/store/src/sqlite.rs");
        rule_finds(walls::sql, "ops/src/doctor.rs", bad, "adapters/src/table/poll.rs");
    }
    let talk = "//! A sample.\nconst HELP: &str = \"Select a message and delete it\";\n";
    none(walls::sql(&Source::new("ops/src/help.rs", talk)));
}

#[test]
fn no_clock_and_no_socket_where_none_belongs() {
    all_sources(walls::clock_and_socket);
}

#[test]
fn a_clock_or_a_socket_is_found() {
    for bad in [
        "fn f() { return SystemTime::now(); }",
        "fn f() { let t = Instant :: now(); }",
        "fn f() { jiff::Timestamp::now(); }",
        "use std::net::TcpStream;",
        "use std::net::{IpAddr, TcpListener};",
        "async fn f() { tokio::spawn(g()); }",
    ] {
        for pure in ["broker/domain/src/a.rs", "broker/wire/src/a.rs", "schemas/src/xml/a.rs"] {
            rule_finds(walls::clock_and_socket, pure, bad, "broker/src/hub.rs");
        }
        rule_finds(walls::clock_and_socket, "broker/archive/src/a.rs", bad, "ops/src/a.rs");
    }
    let io = "fn f() { std::fs::File::open(x); }";
    rule_finds(walls::clock_and_socket, "broker/domain/src/a.rs", io, "schemas/src/pack.rs");
}

#[test]
fn one_clock_in_the_hub() {
    all_sources(walls::one_clock);
}

#[test]
fn a_second_clock_is_found() {
    for bad in ["fn f() { SystemTime::now(); }", "fn f() { jiff::Zoned::now(); }"] {
        rule_finds(walls::one_clock, "broker/src/pipeline.rs", bad, "broker/src/clock.rs");
        rule_finds(walls::one_clock, "broker/store/src/a.rs", bad, "ops/src/demo.rs");
    }
}

#[test]
fn one_reader_of_xml() {
    all_sources(walls::one_xml_reader);
}

#[test]
fn a_second_reader_of_xml_is_found() {
    let rule = walls::one_xml_reader;
    let home = "schemas/src/xml/reader.rs";
    rule_finds(rule, "broker/wire/src/a.rs", "use quick_xml::Reader;", home);
    rule_finds(rule, "schemas/src/header.rs", "use quick_xml::Reader;", home);
    rule_finds(rule, "adapters/src/a.rs", "fn f() { xsd_schema::load(); }", "schemas/src/pack.rs");
    for bad in ["use roxmltree::Document;", "fn f() { drive_quick_xml(x); }"] {
        let found = rule(&Source::new(home, &format!("//! A sample.\n{bad}\n")));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
    }
}

#[test]
fn nothing_is_ignored_or_left_to_do() {
    all_sources(walls::unfinished);
}

#[test]
fn ignored_tests_and_open_ends_are_found() {
    let path = "broker/src/a.rs";
    for bad in [
        "#[ignore]",
        "#[ignore = \"slow\"]",
        "#[cfg_attr(miri, ignore)]",
        "fn f() { todo!() }",
        "fn f() { unimplemented!(\"later\") }",
    ] {
        let found = walls::unfinished(&Source::new(path, &format!("//! A sample.\n{bad}\n")));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
    }
    let talk = "//! No todo!() here.\nfn ignore(todo: &str) -> &str { \"#[ignore] todo!()\" }\n";
    none(walls::unfinished(&Source::new(path, talk)));
}

#[test]
fn every_module_says_what_it_is() {
    all_sources(walls::module_head);
}

#[test]
fn a_module_without_a_head_is_found() {
    assert_eq!(walls::module_head(&Source::new("ops/src/a.rs", "use std::fs;\n")).len(), 1);
    none(walls::module_head(&Source::new("ops/src/a.rs", "\n//! What it is.\n")));
}

// --- papers --------------------------------------------------------------------------------------

#[test]
fn every_refusal_code_is_documented() {
    let path = root().join("docs/codes.md");
    let page = papers::codes_page(Code::ALL);
    if std::env::var_os("AMTSBOTE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &page).expect("docs/ is writable");
    }
    let stored = fs::read_to_string(&path).expect("docs/codes.md is there");
    none(papers::differences(&stored, &page));
}

#[test]
fn a_code_without_its_entry_is_found() {
    let page = papers::codes_page(Code::ALL);
    for code in Code::ALL {
        assert_eq!(page.matches(&format!("### {code}\n")).count(), 1, "{code}");
        assert!(page.contains(code.title().de) && page.contains(code.advice().en), "{code}");
    }
    let shorter = papers::codes_page(&Code::ALL[1..]);
    let found = papers::differences(&shorter, &page);
    assert!(found[0].contains("AMTSBOTE_BLESS=1"), "{found:?}");
    let reworded = page.replacen("is", "was", 1);
    assert!(!papers::differences(&reworded, &page).is_empty());
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    none(files().iter().flat_map(|(path, text)| papers::places(path, text)).collect());
}

#[test]
fn a_machine_path_or_a_registry_host_is_found() {
    for bad in papers::bad_places() {
        let found = papers::places("docs/a.md", &format!("first\nsee {bad} there\n"));
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("docs/a.md:2: "), "{found:?}");
    }
    let good = "a/home/b, https://example.org/work/1, ~/.config, /etc/amtsbote, /root/child";
    none(papers::places("docs/a.md", good));
}

#[test]
fn the_lock_names_the_default_registry_only() {
    none(papers::lock_sources(&read("Cargo.lock")));
}

#[test]
fn another_source_in_the_lock_is_found() {
    let bad = "name = \"x\"\nsource = \"git+https://example.org/x\"\n";
    assert_eq!(papers::lock_sources(bad).len(), 1);
}

#[test]
fn the_example_region_is_whole() {
    none(region::inconsistencies(&read("ops/demo/region.toml")));
}

#[test]
fn a_hole_in_the_region_is_found() {
    let region = read("ops/demo/region.toml");
    for (from, to) in [
        ("key = \"05758\"", "key = \"05759\""),
        ("ags = \"05766044\"", "ags = \"05766048\""),
        ("ags = \"05766044\"", "ags = \"0576604\""),
        ("county = \"05770\"", "county = \"05758\""),
        ("party = \"ebb:05766\"", "party = \"ebb 05766\""),
        ("kind = \"state-gateway\"", "kind = \"gateway\""),
    ] {
        assert!(region.contains(from), "{from}");
        assert!(!region::inconsistencies(&region.replacen(from, to, 1)).is_empty(), "{to}");
    }
}

#[test]
fn the_example_region_states_facts() {
    let region = read("ops/demo/region.toml");
    let lists = match region::official_lists() {
        Ok(lists) => lists,
        Err(why) => return skipped::skipped(&why),
    };
    none(region::untruths(&region, &lists));
    for (from, to) in [
        ("Stadt Lemgo", "Stadt Lemgau"),
        ("Kreis Lippe", "Kreis Lippstadt"),
        ("\"ebb:05766\"", "\"rs:05766\""),
        ("\"05758004\"", "\"05758005\""),
    ] {
        assert_eq!(region::untruths(&region.replacen(from, to, 1), &lists).len(), 1, "{to}");
    }
}
