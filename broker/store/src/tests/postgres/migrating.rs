//! A database of an earlier program is brought up to date with everything in it.

use amtsbote_domain::identity::Scope;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Store, StoreError};
use tempfile::tempdir;

use super::{database, node, shared};
use crate::SqliteStore;
use crate::contract::{Draft, ManualClock};
use crate::tests::checked;

/// As the first migration made it; what is left of `message` is checked against it below.
const BACK: &str =
    "ALTER TABLE message DROP CONSTRAINT message_account_transport_transport_id_scope_key;
    ALTER TABLE message DROP COLUMN scope;
    ALTER TABLE message ADD UNIQUE (account, transport, transport_id);
    DELETE FROM migration WHERE version > 1";
const FIRST: &str = include_str!("../../migrations/postgres/0001_first.sql");

/// Columns and constraints of a table, in words.
const SHAPE: &str = "SELECT string_agg(line, '; ' ORDER BY line) FROM (
        SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull AS line
            FROM pg_attribute
            WHERE attrelid = 'message'::regclass AND attnum > 0 AND NOT attisdropped
        UNION SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = 'message'::regclass) AS lines";

#[tokio::test(flavor = "multi_thread")]
async fn ids_get_a_scope_and_everything_else_stays() {
    let dir = tempdir().expect("a folder");
    let open = || SqliteStore::open(node(shared(), dir.path(), "one", ManualClock::new()));
    let store = open().expect("opens");
    let drafts = [Draft::inbox(1), Draft::peer(2)];
    let mut receipts = Vec::new();
    for draft in &drafts {
        receipts.push(draft.accepted(&store).await.receipt);
    }
    drop(store);
    let name = database(dir.path());
    let now = shared().sql(&name, SHAPE);
    shared().sql(&name, BACK);
    let then = shared().sql(&name, SHAPE);
    assert_ne!(then, now);
    // Going back leads where the first migration led.
    let fresh = format!("{name}first");
    shared().database(&fresh);
    shared().sql(&fresh, FIRST);
    assert_eq!(shared().sql(&fresh, SHAPE), then);

    let store = open().expect("opens");
    assert_eq!(shared().sql(&name, SHAPE), now);
    for (draft, receipt) in drafts.iter().zip(receipts) {
        let again = draft.accept(&store).await.expect("a repeat");
        assert_eq!((again.repeated, again.receipt), (true, receipt));
        let other = Draft { payload: b"<other/>".to_vec(), ..draft.clone() };
        let refused = other.accept(&store).await;
        assert!(matches!(refused, Err(StoreError::OtherContent)), "{refused:?}");
        let author = "ags:05766020";
        let party = PartyId::parse(author).expect("a party");
        let scope = Scope::Relayed { author: party, sender: None };
        let transport_id = Some(draft.transport_id().to_string());
        let number = draft.number + 10;
        Draft { number, scope, author, transport_id, ..draft.clone() }.accepted(&store).await;
    }
    assert_eq!(store.figures().await.expect("figures").leaves, 4);
    assert_eq!(checked(&store).await, 4);
}
