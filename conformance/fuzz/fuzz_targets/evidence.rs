//! Any bytes: receipts, dossiers, notes, heads, keys and tile names are answered, and what is read
//! is written and read again alike.
#![no_main]

use amtsbote_archive::checkpoint::Checkpoint;
use amtsbote_archive::dossier::Dossier;
use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_archive::tile::TilePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    if let Ok(receipt) = Receipt::parse(octets) {
        let again = Receipt::parse(&receipt.to_bytes()).expect("what was written is read");
        assert_eq!(again.to_bytes(), receipt.to_bytes());
    }
    if let Ok(dossier) = Dossier::parse(octets) {
        let report = dossier.check(None);
        let _statements = report.statements();
    }
    if let Ok(text) = std::str::from_utf8(octets) {
        let _head = Checkpoint::unverified(text);
        let _body = Checkpoint::parse(text);
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text);
        }
        if let Ok(tile) = TilePath::parse(text) {
            assert_eq!(tile.to_string(), text);
        }
    }
});
