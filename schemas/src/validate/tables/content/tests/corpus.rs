//! The content models of the real standards: all of them compile, and how large they become.
//!
//! The corpus lies beside the checkout or where `AMTSBOTE_CORPUS` says; without it the test says
//! so and does nothing.

#[path = "../../../../../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::World;
use crate::validate::Schemas;
use crate::validate::tables::content::Model;

#[test]
fn every_content_model_of_the_real_standards_compiles() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(beside, PathBuf::from);
    let Ok(table) = std::fs::read_to_string(folder.join("EXPECTED.tsv")) else {
        skipped::skipped("no corpus of real messages in AMTSBOTE_CORPUS, nor beside the checkout");
        return;
    };
    let rows = table.lines().filter(|row| !row.starts_with('#'));
    let entries: BTreeSet<&str> = rows.filter_map(|row| row.split('\t').nth(1)).collect();
    let (mut models, mut unsettled, mut nodes, mut edges) = (0, 0, 0, 0);
    let mut left = Vec::new();
    for entry in &entries {
        let catalog = folder.join("catalog.xml");
        let schemas = Schemas::load_single(&folder.join(entry), Some(&catalog)).expect("loads");
        let mut world = World::of(schemas.take().expect("a set").set);
        let keys: Vec<_> = world.set.arenas.complex_types.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Err(why) = world.compile_key(key) {
                left.push(format!("{entry}: {} in {}", why.construct, why.place));
            }
        }
        models += world.contents.models.len();
        for model in &world.contents.models {
            if let Model::Automaton(automaton) = model {
                unsettled += usize::from(automaton.unsettled);
                nodes += automaton.nodes.len();
                edges += automaton.edges.len() + automaton.wild.len();
            }
        }
    }
    println!(
        "{} sets, {models} models, {unsettled} with sets of counts, {nodes} nodes, {edges} edges",
        entries.len()
    );
    assert!(left.is_empty(), "{}", left.join("\n"));
    assert!(models > 1_000, "{models}");
}
