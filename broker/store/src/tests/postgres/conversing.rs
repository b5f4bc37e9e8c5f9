//! Sessions and issued ids among the nodes of a server.

use std::sync::Arc;

use amtsbote_domain::ports::{Closing, Sessions, StoreError, Turn};
use tempfile::tempdir;

use super::{database, node, shared};
use crate::SqliteStore;
use crate::contract::ManualClock;
use crate::contract::issued::{draft, issued};
use crate::contract::sessions::{key, remember};
use crate::tests::conversing::{all_tables_are_bounded, failing_commits_use_no_id_or_use_it};

/// Any node goes on with a session that another opened; of two steps at two nodes one wins. The same with
/// an id.
#[tokio::test(flavor = "multi_thread")]
async fn any_node_goes_on() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let open = |name| {
        Arc::new(SqliteStore::open(node(shared(), dir.path(), name, clock.clone())).expect("opens"))
    };
    let nodes = [open("a"), open("b")];
    let ours = key("lemgo", b"one");
    nodes[0].open_session(&ours, remember(b"first")).await.expect("is opened");
    let again = nodes[1].open_session(&ours, remember(b"other")).await;
    assert!(matches!(again, Err(StoreError::IdUsed)), "{again:?}");
    for revision in 1..20u64 {
        let id = format!("id-{revision}");
        issued(&*nodes[0], &id).await;
        let (mut steps, mut uses) = (Vec::new(), Vec::new());
        for (n, store) in (0..).zip(&nodes) {
            let (to, key) = (Arc::clone(store), ours.clone());
            steps.push(tokio::spawn(async move {
                to.turn_session(&key, revision, remember(&[n])).await
            }));
            let (to, message) = (Arc::clone(store), draft(revision as u32 * 2 + u32::from(n), &id));
            uses.push(tokio::spawn(async move { message.accept(&*to).await }));
        }
        let mut won = Vec::new();
        for (n, step) in (0..).zip(steps) {
            match step.await.expect("no panic").expect("answers") {
                Turn::Turned(next) if next == revision + 1 => won.push(n),
                Turn::Overtaken => {}
                other => panic!("{other:?}"),
            }
        }
        let mut accepted = 0;
        for taken in uses {
            match taken.await.expect("no panic") {
                Ok(receipt) if !receipt.repeated => accepted += 1,
                Err(StoreError::IdUsed) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((won.len(), accepted), (1, 1));
        for store in &nodes {
            let session = store.session(&ours).await.expect("answers").expect("is open");
            assert_eq!((session.revision, &session.octets), (revision + 1, &won));
        }
    }
    assert_eq!(nodes[1].end_session(&ours, 20).await.expect("answers"), Closing::Closed);
    assert_eq!(nodes[0].session(&ours).await.expect("answers"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_tables_are_bounded() {
    let dir = tempdir().expect("a folder");
    let sql = |sql: &str| shared().sql(&database(dir.path()), sql);
    all_tables_are_bounded(
        |clock| node(shared(), dir.path(), "one", clock),
        |insert| drop(sql(insert)),
        |table| sql(&format!("SELECT count(*) FROM {table}")).parse().expect("a number"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_commit_takes_an_id_or_leaves_it() {
    let dir = tempdir().expect("a folder");
    failing_commits_use_no_id_or_use_it(|| node(shared(), dir.path(), "one", ManualClock::new()))
        .await;
}
