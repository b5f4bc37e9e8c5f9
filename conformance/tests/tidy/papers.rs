//! What the papers say: the page of refusal codes, and places that no paper may name.

use std::fmt::Write as _;

use amtsbote_domain::fault::Code;
use amtsbote_domain::text::Language;

/// `docs/codes.md`, from the table in the domain.
pub(crate) fn codes_page(codes: &[Code]) -> String {
    let mut page = String::from(
        "<!-- Generated from broker/domain/src/fault.rs. Do not edit; write it anew with\n     \
         AMTSBOTE_BLESS=1 cargo test -p amtsbote-conformance --test tidy -->\n\n\
         # Refusal codes\n\n\
         Every refusal of Amtsbote carries one of these codes. A code is never reused and never\n\
         changes its meaning. The status is that of the HTTP answer; `retry` says whether sending\n\
         again can help: `never`, `later` (unchanged, under the same id), or `after-fix`.\n\n\
         Jede Ablehnung trägt einen dieser Codes. Ein Code wird nie neu vergeben und ändert seine\n\
         Bedeutung nicht. `retry` sagt, ob erneutes Senden helfen kann: `never` (nie), `later`\n\
         (später, unverändert, mit derselben Kennung) oder `after-fix` (nach Behebung der Ursache).\n",
    );
    let mut group = "";
    for code in codes {
        let text = code.as_str();
        let next = &text[..3];
        if next != group {
            group = next;
            write!(page, "\n## {group}xxx: {}\n", group_title(group)).expect("a string takes it");
        }
        let (title, advice) = (code.title(), code.advice());
        write!(
            page,
            "\n### {text}\n\nStatus {}, retry `{}`.\n\n- en: {} {}\n- de: {} {}\n",
            code.status(),
            code.retry().as_str(),
            title.get(Language::En),
            advice.get(Language::En),
            title.get(Language::De),
            advice.get(Language::De),
        )
        .expect("a string takes it");
    }
    page
}

fn group_title(group: &str) -> &'static str {
    match group {
        "AB1" => "form of the request (Form der Anfrage)",
        "AB2" => "identity and signature (Identität und Signatur)",
        "AB3" => "permission and route (Berechtigung und Weg)",
        "AB4" => "content (Inhalt)",
        "AB5" => "identity and state of messages (Kennung und Zustand von Nachrichten)",
        "AB6" => "limits and operation (Grenzen und Betrieb)",
        _ => "further codes (weitere Codes)",
    }
}

/// Where the stored page and the generated one part ways.
pub(crate) fn differences(stored: &str, generated: &str) -> Vec<String> {
    if stored == generated {
        return Vec::new();
    }
    let mut lines = stored.lines().zip(generated.lines()).enumerate();
    let first = lines
        .find(|(_, (old, new))| old != new)
        .map_or_else(|| stored.lines().count().min(generated.lines().count()) + 1, |(n, _)| n + 1);
    vec![format!(
        "docs/codes.md:{first}: not what broker/domain/src/fault.rs says; write it anew with \
         AMTSBOTE_BLESS=1 cargo test -p amtsbote-conformance --test tidy"
    )]
}

// Each is put together from two halves so that this file does not offend against itself.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/.")];
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("arti", "factory"),
];

/// Samples that [`places`] must find.
pub(crate) fn bad_places() -> Vec<String> {
    let paths = MACHINE_PATHS.iter().map(|path| format!("{path}x"));
    paths.chain(REGISTRY_HOSTS.iter().map(|host| format!("https://{host}/x"))).collect()
}

/// Absolute paths of somebody's machine, and hosts of package registries. The lock file names the
/// default registry; [`lock_sources`] looks at it.
pub(crate) fn places(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        for bad in MACHINE_PATHS {
            let inside_a_path = |at: usize| {
                line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~*}".contains(c))
            };
            if line.match_indices(bad).any(|(at, _)| !inside_a_path(at)) {
                found.push(format!("{path}:{}: {bad}... is a path of one machine", n + 1));
            }
        }
        if !path.ends_with("Cargo.lock") {
            for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
                found.push(format!("{path}:{}: {host} is a registry's host", n + 1));
            }
        }
    }
    found
}

/// Packages in the lock that come from elsewhere than the default registry.
pub(crate) fn lock_sources(lock: &str) -> Vec<String> {
    let default = concat!("registry+https://github.com/rust-lang/crates", ".io-index");
    lock.lines()
        .enumerate()
        .filter_map(|(n, line)| Some((n, line.strip_prefix("source = \"")?.strip_suffix('"')?)))
        .filter(|(_, source)| *source != default)
        .map(|(n, source)| format!("Cargo.lock:{}: from {source}", n + 1))
        .collect()
}

/// What `ops/test` must say so that its tests drive the binary that ships: it is built by itself, for
/// both profiles, is asked whether the simulation is in it, and stands where no later command builds.
pub(crate) fn drives_what_ships(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    for needed in [
        "cargo build --package amtsbote --locked",
        "'\"simulation\":false'",
        "shipped debug\n",
        "shipped release --release\n",
    ] {
        if !script.contains(needed) {
            found.push(format!("ops/test: {} is missing", needed.trim_end()));
        }
    }
    let defaults = script.lines().filter(|line| line.contains("AMTSBOTE_BIN:-"));
    for line in defaults.filter(|line| !line.contains("/shipped/")) {
        found.push(format!("ops/test: another binary is driven: {}", line.trim()));
    }
    found
}
