//! A database of an earlier program is brought up to date with everything in it.

use std::time::Duration;

use amtsbote_domain::identity::Scope;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Store, StoreError};
use tempfile::tempdir;

use super::{database, node, shared};
use crate::SqliteStore;
use crate::contract::{Draft, ManualClock};
use crate::options::Database;
use crate::parts::folder::path_in;
use crate::tests::checked;

const FIRST: &str = include_str!("../../migrations/postgres/0001_first.sql");

/// The tables as the first migration made them, with the rows that there are: the way back of every
/// migration there is, and of those to come.
const BACK: &str = "SET session_replication_role = replica;
    DO $$
    DECLARE
        old name;
        shared text;
    BEGIN
        FOR old IN SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
            SELECT string_agg(quote_ident(attname), ', ') INTO shared FROM pg_attribute
                WHERE attrelid = format('public.%I', old)::regclass
                    AND attnum > 0 AND NOT attisdropped;
            EXECUTE format('INSERT INTO public.%I (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM newest.%1$I',
                old, shared);
        END LOOP;
        FOR old, shared IN SELECT relname, attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attidentity <> '' LOOP
            EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), 1000 + (SELECT count(*) FROM %1$I))',
                old, shared);
        END LOOP;
    END $$;
    CREATE TABLE migration (LIKE newest.migration INCLUDING ALL);
    INSERT INTO migration SELECT * FROM newest.migration WHERE version = 1;
    DROP SCHEMA newest CASCADE";

/// Columns and constraints of a table, in words.
const SHAPE: &str = "SELECT string_agg(line, '; ' ORDER BY line) FROM (
        SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull AS line
            FROM pg_attribute
            WHERE attrelid = 'message'::regclass AND attnum > 0 AND NOT attisdropped
        UNION SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = 'message'::regclass) AS lines";

fn back(name: &str) {
    shared().sql(name, "ALTER SCHEMA public RENAME TO newest; CREATE SCHEMA public");
    shared().sql(name, FIRST);
    shared().sql(name, BACK);
}

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
    back(&name);
    assert_ne!(shared().sql(&name, SHAPE), now);

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

/// However long a migration of a large store takes, it is not cut off like a statement that hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_has_the_time_that_it_needs() {
    let dir = tempdir().expect("a folder");
    let draft = Draft::inbox(1);
    let store = SqliteStore::open(node(shared(), dir.path(), "one", ManualClock::new()));
    draft.accepted(&store.expect("opens")).await;
    let name = database(dir.path());
    back(&name);
    shared().sql(
        &name,
        "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_sleep(6); END';
        CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
            EXECUTE FUNCTION slow()",
    );
    let mut options = node(shared(), dir.path(), "one", ManualClock::new());
    let Database::Postgres(server) = &mut options.database else { panic!("it is on a server") };
    (server.lock_wait, server.statement_time) = (Duration::from_secs(2), Duration::from_secs(2));
    drop(SqliteStore::open(options).expect("opens"));
    shared().sql(&name, "DROP EVENT TRIGGER slow");
    let store = SqliteStore::open(node(shared(), dir.path(), "one", ManualClock::new()));
    assert!(draft.accept(&store.expect("opens")).await.expect("a repeat").repeated);
}

/// What lives of before have reserved was left behind.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_former_lives_are_removed_afterwards() {
    let dir = tempdir().expect("a folder");
    let open = || SqliteStore::open(node(shared(), dir.path(), "one", ManualClock::new()));
    drop(open().expect("opens"));
    let name = database(dir.path());
    back(&name);
    let left = "0123456789abcdef0123456789abcdef";
    let reserve = format!("INSERT INTO reserved_file SELECT '{left}', max(life) FROM node_life");
    shared().sql(&name, &reserve);
    let file = path_in(&dir.path().join("shared"), left);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(&file, b"left").expect("writes");
    let store = open().expect("opens");
    store.look();
    assert!(!file.exists());
    assert_eq!(shared().sql(&name, "SELECT count(*) FROM reserved_file"), "0");
    assert_eq!(checked(&store).await, 0);
}
