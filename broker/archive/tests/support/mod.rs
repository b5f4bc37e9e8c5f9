//! A hub in a few lines: it records, signs heads, and hands out receipts and proofs.

use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::dossier::Consistency;
use amtsbote_archive::log::{Entry, Leaf, Opening};
use amtsbote_archive::note::LogKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_archive::record::{Salt, canonical, leaf};
use amtsbote_archive::tree::{
    Appender, MemoryNodes, consistency_proof, inclusion_proof, leaf_hash, root,
};
use serde_json::Value;

pub(crate) struct Hub {
    pub(crate) key: LogKey,
    pub(crate) nodes: MemoryNodes,
    pub(crate) entries: Vec<Entry>,
    records: Vec<Value>,
    appender: Appender,
}

impl Hub {
    pub(crate) fn new(key: LogKey) -> Self {
        let nodes = MemoryNodes::default();
        Self { key, nodes, entries: Vec::new(), records: Vec::new(), appender: Appender::empty() }
    }

    /// Appends a record, to which the log's name is added.
    pub(crate) fn record(&mut self, mut record: Value) -> u64 {
        record["log"] = self.key.name().into();
        let index = self.appender.size();
        let salt = Salt([index as u8 ^ 0x5a; 32]);
        let octets = canonical(&record).expect("canonical");
        let data = leaf(&salt, &octets);
        let mut new = Vec::new();
        self.appender.append(leaf_hash(&data), &mut new);
        self.nodes.extend(&new);
        let opening = Some(Opening { salt, record: octets });
        self.entries.push(Entry { index, leaf: Leaf::Data(data), opening });
        self.records.push(record);
        index
    }

    /// The signed head at a size.
    pub(crate) fn head(&self, size: u64) -> String {
        let root = root(size, &self.nodes).expect("root");
        let head = Checkpoint { origin: self.key.name().to_owned(), size, root };
        checkpoint::sign(&head, &self.key).expect("signed")
    }

    #[allow(dead_code, reason = "not every test that uses this module needs it")]
    pub(crate) fn receipt(&self, index: u64, size: u64) -> Receipt {
        let position = index as usize;
        let opening = self.entries[position].opening.as_ref().expect("not erased");
        let proof = inclusion_proof(index, size, &self.nodes).expect("proof");
        let record = self.records[position].clone();
        Receipt::new(record, opening.salt, index, proof, self.head(size)).expect("receipt")
    }

    #[allow(dead_code, reason = "not every test that uses this module needs it")]
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Consistency {
        let proof = consistency_proof(old, new, &self.nodes).expect("proof");
        Consistency { log: self.key.name().to_owned(), old, new, proof }
    }
}
