//! The example region: whole in itself, and true where it states facts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_domain::party::PartyId;

/// Folder inside the corpus with the official lists, and the lists.
const LISTS: &str = "codelists/xwasser-1.0.0";
const TOWNS: &str = "AGS_2026-04-30.xml";
const COUNTIES: &str = "Kreis_2026-01-31.xml";
const PREFIXES: &str = "DVDV.Praefixe_51.xml";

/// What is wrong with the region in itself: fields, keys, counts, references.
pub(crate) fn inconsistencies(region: &str) -> Vec<String> {
    let table = region.parse::<toml::Table>().expect("the region is TOML");
    let rows = |kind: &str, fields: &[&str]| rows(&table, kind, fields);
    let counties = rows("county", &["key", "name", "party"]);
    let towns = rows("town", &["ags", "name", "county"]);
    let partners = rows("partner", &["party", "name", "kind"]);

    let mut found = Vec::new();
    for (key, count) in [("05770", 11), ("05758", 9), ("05766", 16)] {
        if counties.iter().filter(|county| county[0] == key).count() != 1 {
            found.push(format!("county {key} is not there once"));
        }
        let belongs = |town: &&Vec<String>| town[2] == key && town[0].starts_with(key);
        if towns.iter().filter(belongs).count() != count {
            found.push(format!("county {key} has not its {count} towns"));
        }
    }
    if counties.len() != 3 || towns.len() != 36 {
        found.push("not 3 counties and 36 towns".to_owned());
    }
    let kinds: Vec<&str> = partners.iter().map(|partner| partner[2].as_str()).collect();
    if kinds != ["data-centre", "data-centre", "state-gateway"] {
        found.push(format!("partners are {kinds:?}"));
    }
    let parties = counties.iter().map(|county| county[2].clone());
    let parties = parties.chain(partners.iter().map(|partner| partner[0].clone()));
    let parties: Vec<String> =
        parties.chain(towns.iter().map(|town| format!("ags:{}", town[0]))).collect();
    for party in parties.iter().filter(|party| PartyId::parse(party).is_err()) {
        found.push(format!("{party} is no party"));
    }
    if parties.iter().collect::<BTreeSet<_>>().len() != parties.len() {
        found.push("two parties with one key".to_owned());
    }
    for town in towns.iter().filter(|town| town[0].len() != 8) {
        found.push(format!("{} has not 8 digits", town[0]));
    }
    found
}

fn rows(table: &toml::Table, kind: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let rows = table[kind].as_array().expect("an array of tables");
    rows.iter()
        .map(|row| {
            let row = row.as_table().expect("a table");
            assert_eq!(row.len(), fields.len(), "fields of a {kind}");
            let text = |field: &&str| row[*field].as_str().expect("a text").to_owned();
            fields.iter().map(text).collect()
        })
        .collect()
}

/// The official lists, or why they are not there.
pub(crate) fn official_lists() -> Result<PathBuf, String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("AMTSBOTE_CORPUS").map_or(beside, PathBuf::from);
    let lists = corpus.join(LISTS);
    if lists.is_dir() {
        Ok(lists)
    } else {
        Err(format!("no folder {LISTS} in AMTSBOTE_CORPUS, nor beside the checkout"))
    }
}

/// Where the region and the official lists disagree.
pub(crate) fn untruths(region: &str, lists: &Path) -> Vec<String> {
    let table = region.parse::<toml::Table>().expect("the region is TOML");
    let list = |name: &str| {
        let path = lists.join(name);
        let text = fs::read_to_string(&path);
        entries(&text.unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    };
    let (towns, counties, prefixes) = (list(TOWNS), list(COUNTIES), list(PREFIXES));
    let mut found = Vec::new();
    let mut parties = Vec::new();
    for town in rows(&table, "town", &["ags", "name", "county"]) {
        // The list says `Enger, Widukindstadt`, people say `Widukindstadt Enger`.
        let official = name_of(&towns, &town[0]);
        let (name, title) = official.split_once(", ").unwrap_or((official, "Gemeinde"));
        let title = title.split(' ').next().unwrap_or(title);
        if town[1] != format!("{title} {name}") {
            found.push(format!("{} is not called {}", town[0], town[1]));
        }
    }
    for county in rows(&table, "county", &["key", "name", "party"]) {
        if county[1] != format!("Kreis {}", name_of(&counties, &county[0])) {
            found.push(format!("{} is not called {}", county[0], county[1]));
        }
        parties.push(county[2].clone());
    }
    parties.extend(
        rows(&table, "partner", &["party", "name", "kind"])
            .into_iter()
            .map(|mut p| p.swap_remove(0)),
    );
    for party in parties {
        let prefix = party.split(':').next().unwrap_or_default();
        if name_of(&prefixes, prefix).is_empty() {
            found.push(format!("{party}: no such prefix in the list of the DVDV"));
        }
    }
    found
}

/// The first two columns of a code list. The lists have one value a line, which is enough for
/// this: a reader of XML would be the second one here.
fn entries(list: &str) -> Vec<(String, String)> {
    let rows = list.split("<Row>").skip(1);
    rows.map(|row| {
        let mut values = row.split("<SimpleValue>").skip(1);
        let mut value = || values.next().and_then(|v| v.split('<').next()).unwrap_or_default();
        (value().to_owned(), value().to_owned())
    })
    .collect()
}

fn name_of<'a>(list: &'a [(String, String)], key: &str) -> &'a str {
    list.iter().find(|(k, _)| k == key).map_or("", |(_, name)| name)
}
