//! A database of an earlier program is brought up to date with everything in it.

use amtsbote_domain::identity::Scope;
use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::{Store, StoreError};
use tempfile::tempdir;

use super::{database, node, shared};
use crate::SqliteStore;
use crate::contract::{Draft, ManualClock};
use crate::tests::checked;

const FIRST: &str = include_str!("../../migrations/postgres/0001_first.sql");

/// Makes room for what the first migration makes; all rows stay, in a schema of their own.
const ASIDE: &str = "ALTER SCHEMA public RENAME TO now;
    CREATE SCHEMA public;
    CREATE TABLE migration (LIKE now.migration INCLUDING ALL);
    INSERT INTO migration SELECT * FROM now.migration WHERE version = 1";

/// Puts the rows into the tables that there are, column by column.
const BACK: &str = "DO $$ DECLARE t TEXT; columns TEXT; counted TEXT;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            CONTINUE WHEN t = 'migration';
            SELECT string_agg(attname, ', '), max(attname) FILTER (WHERE attidentity <> '')
                INTO columns, counted FROM pg_attribute
                WHERE attrelid = ('public.' || t)::regclass AND attnum > 0 AND NOT attisdropped;
            EXECUTE format('DELETE FROM public.%s', t);
            EXECUTE format('INSERT INTO public.%s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM now.%s',
                t, columns, columns, t);
            IF counted IS NOT NULL THEN
                EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L),
                    (SELECT coalesce(max(%s), 0) + 1 FROM public.%s), false)',
                    'public.' || t, counted, counted, t);
            END IF;
        END LOOP;
    END $$;
    DROP SCHEMA now CASCADE";

/// Columns, constraints and indices of all tables, in words.
const SHAPE: &str = "SELECT string_agg(line, '; ' ORDER BY line) FROM (
        SELECT attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
                || ' ' || attnotnull AS line
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND attnum > 0 AND NOT attisdropped
        UNION SELECT conrelid::regclass || '.' || conname || ' ' || pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION SELECT indexdef FROM pg_indexes WHERE schemaname = 'public') AS lines";

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
    for sql in [ASIDE, FIRST, BACK] {
        shared().sql(&name, sql);
    }
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
