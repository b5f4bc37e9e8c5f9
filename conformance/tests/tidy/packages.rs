//! Packages and their edges, as `cargo metadata` and the manifests tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Who may use whom of ours; development dependencies go the same ways.
const MAY_USE: &[(&str, &[&str])] = &[
    ("amtsbote-schemas", &[]),
    ("amtsbote-domain", &[]),
    ("amtsbote-archive", &[]),
    ("amtsbote-wire", &["domain", "schemas"]),
    ("amtsbote-trust", &["domain", "wire"]),
    ("amtsbote-store", &["domain", "archive"]),
    ("amtsbote-broker", &["domain", "wire", "trust", "archive", "store", "schemas"]),
    ("amtsbote-adapters", &["domain", "schemas", "wire", "archive", "store"]),
    (
        "amtsbote-conformance",
        &["schemas", "domain", "wire", "trust", "archive", "store", "broker", "adapters"],
    ),
    ("amtsbote", &["schemas", "domain", "wire", "trust", "archive", "store", "broker", "adapters"]),
];

/// Libraries that only these packages may use.
const ONLY_IN: &[(&str, &[&str])] = &[
    // One reader of XML (P9).
    ("quick-xml", &["amtsbote-schemas"]),
    ("xsd-schema", &["amtsbote-schemas"]),
    // Hub SQL only in the store.
    ("rusqlite", &["amtsbote-store"]),
    ("tokio-postgres", &["amtsbote-store"]),
    ("postgres-openssl", &["amtsbote-store"]),
    // Hints between nodes only in the broker; the program measures a broker beside the hub.
    ("lapin", &["amtsbote-broker", "amtsbote"]),
    // Listeners only in the broker.
    ("axum", &["amtsbote-broker"]),
    ("hyper", &["amtsbote-broker"]),
    ("hyper-util", &["amtsbote-broker"]),
    // Errors without a type only where a person reads them.
    ("anyhow", &["amtsbote", "amtsbote-conformance"]),
    // Terminals only at the command line.
    ("clap", &["amtsbote", "amtsbote-conformance"]),
    ("indicatif", &["amtsbote"]),
    ("comfy-table", &["amtsbote"]),
];

/// Libraries that bring a clock, a socket or a runtime.
const WORLDLY: &[&str] =
    &["tokio", "tokio-util", "tokio-openssl", "reqwest", "hyper", "axum", "lapin", "tracing"];
const PURE: &[&str] = &["amtsbote-schemas", "amtsbote-domain", "amtsbote-wire", "amtsbote-archive"];

/// One package of the workspace.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    /// What it depends on, of whatever kind.
    pub(crate) uses: BTreeSet<String>,
}

/// Asks cargo.
pub(crate) fn metadata(root: &Path) -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--no-deps"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata in JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let packages = json["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]),
            // A package that names itself turns on features for its own tests.
            uses: package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .map(|dependency| text(&dependency["name"]))
                .filter(|used| *used != text(&package["name"]))
                .collect(),
        })
        .collect()
}

/// Invented packages, for bad samples.
pub(crate) fn sample(packages: &[(&str, &[&str])]) -> Vec<Package> {
    packages
        .iter()
        .map(|(name, uses)| Package {
            name: (*name).to_owned(),
            manifest: format!("{name}/Cargo.toml"),
            uses: uses.iter().map(|used| (*used).to_owned()).collect(),
        })
        .collect()
}

/// Edges that the table does not allow, packages that it does not know, rows without a package.
pub(crate) fn edges(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == package.name) else {
            found.push(format!("{} is not in the table of edges", package.name));
            continue;
        };
        for used in package.uses.iter().filter(|used| used.starts_with("amtsbote")) {
            let short = used.strip_prefix("amtsbote-").unwrap_or(used);
            if !allowed.contains(&short) {
                found.push(format!("{} must not use {used}", package.name));
            }
        }
    }
    for (name, _) in MAY_USE {
        if !packages.iter().any(|package| package.name == *name) {
            found.push(format!("{name} is gone, but in the table of edges"));
        }
    }
    found
}

/// Packages that reach themselves. Cargo refuses that for ordinary dependencies, but not by way
/// of development dependencies.
pub(crate) fn circles(packages: &[Package]) -> Vec<String> {
    let uses: BTreeMap<&str, &BTreeSet<String>> =
        packages.iter().map(|package| (package.name.as_str(), &package.uses)).collect();
    let mut found = Vec::new();
    for package in packages {
        let mut reached = BTreeSet::new();
        let mut open = vec![package.name.as_str()];
        while let Some(name) = open.pop() {
            let ours = uses[name].iter().map(String::as_str).filter(|used| uses.contains_key(used));
            open.extend(ours.filter(|used| reached.insert(*used)));
        }
        if reached.contains(package.name.as_str()) {
            found.push(format!("{} depends on itself by a detour", package.name));
        }
    }
    found
}

/// Libraries used beyond their walls.
pub(crate) fn library_walls(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        for used in &package.uses {
            let fenced = ONLY_IN.iter().find(|(library, _)| library == used);
            let outside = fenced.is_some_and(|(_, homes)| !homes.contains(&package.name.as_str()));
            let worldly = PURE.contains(&package.name.as_str()) && WORLDLY.contains(&used.as_str());
            if outside || worldly {
                found.push(format!("{} must not use {used}", package.name));
            }
        }
    }
    found
}

/// The packages that are built, with their features, when cargo is asked for these; `arguments` choose
/// them, none for what it builds by default.
pub(crate) fn features(root: &Path, arguments: &[&str]) -> Vec<(String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}\t{f}"])
        .args(arguments)
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let row = |line: &str| {
        let (package, features) = line.split_once('\t')?;
        let name = package.split(' ').next()?;
        // What was shown before is marked, and shown once is enough.
        Some((name.to_owned(), features.trim_end_matches(" (*)").to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// What belongs into tests only, in a binary that ships.
pub(crate) fn in_what_ships(built: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, features) in built {
        if name == "amtsbote-conformance" {
            found.push(format!("{name} is built into it"));
        }
        for feature in features.split(',') {
            let ours = name.starts_with("amtsbote");
            let for_tests = ours && ["simulation", "contract"].contains(&feature);
            if for_tests || (name == "tokio" && feature == "test-util") {
                found.push(format!("{name} is built with {feature}"));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Manifests that do not inherit the lints, and a workspace that does not forbid `unsafe`.
pub(crate) fn lints(root: &str, manifests: &[(String, String)]) -> Vec<String> {
    let parse = |text: &str| text.parse::<toml::Table>().expect("a manifest in TOML");
    let mut found = Vec::new();
    let lint = |table: &toml::Table| {
        let rust = table.get("workspace")?.get("lints")?.get("rust")?;
        Some(rust.get("unsafe_code")?.as_str()? == "forbid")
    };
    if lint(&parse(root)) != Some(true) {
        found.push("Cargo.toml: [workspace.lints.rust] does not forbid unsafe_code".to_owned());
    }
    for (path, text) in manifests {
        let inherits =
            parse(text).get("lints").and_then(|l| l.get("workspace")?.as_bool()) == Some(true);
        if !inherits {
            found.push(format!("{path}: [lints] workspace = true is missing"));
        }
    }
    found
}

/// Dependencies without a line `| name in backticks | what for | why this one |` in the paper,
/// lines without a dependency, dependencies that nobody uses or that stand beside the one list.
pub(crate) fn reasons(root: &str, packages: &[Package], paper: &str) -> Vec<String> {
    let table = root.parse::<toml::Table>().expect("a manifest in TOML");
    let listed = table["workspace"]["dependencies"].as_table().expect("a table of dependencies");
    let ours = |name: &str| name.starts_with("amtsbote");
    let listed: BTreeSet<&str> = listed.keys().map(String::as_str).filter(|n| !ours(n)).collect();
    let used: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| package.uses.iter().map(String::as_str))
        .filter(|name| !ours(name))
        .collect();
    let explained: BTreeSet<&str> = paper.lines().filter_map(explained).collect();

    let mut found = Vec::new();
    for name in listed.difference(&explained) {
        found.push(format!("{name}: no line in docs/dependencies.md says what for and why"));
    }
    for name in explained.difference(&listed) {
        found.push(format!("{name}: listed in docs/dependencies.md, but no dependency"));
    }
    for name in listed.difference(&used) {
        found.push(format!("{name}: no package uses it"));
    }
    for name in used.difference(&listed) {
        found.push(format!("{name}: not in [workspace.dependencies]"));
    }
    found
}

/// The dependency that a row of the paper explains, if it says what for and why.
fn explained(line: &str) -> Option<&str> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
    let filled = |n: usize| cells.get(n).is_some_and(|cell| !cell.is_empty());
    (filled(1) && filled(2)).then_some(name)
}
