//! The hot questions walk an index here too, however many rows there are.

use tempfile::tempdir;

use super::{database, node, shared};
use crate::SqliteStore;
use crate::clearing::alone::COUNTED;
use crate::clearing::proposals::{COLUMNS, GOING_ON};
use crate::collecting::{BY_TRANSPORT_ID, FACTS};
use crate::contract::{Draft, ManualClock};
use crate::issued;
use crate::naming::{IN_STATE, RECORD};
use crate::notices;
use crate::operation::detour::WAITING_FOR;
use crate::operation::lease::{DUE, NEXT_LANE, NEXT_PEER};
use crate::operation::order::{BEHIND, FIRST, GOING};
use crate::operation::sweep::{EXPIRED, LEFT_OPEN, LOST};
use crate::prior::{ANY, OF_ACCOUNT, OF_RELAYED};
use crate::reader::{INBOX, UNCERTAIN};
use crate::rows::DELIVERY;
use crate::sessions;
use crate::sql::postgres::translated;

#[tokio::test(flavor = "multi_thread")]
async fn hot_questions_use_their_index() {
    let dir = tempdir().expect("a folder");
    let options = node(shared(), dir.path(), "one", ManualClock::new());
    let store = SqliteStore::open(options).expect("opens");
    Draft::peer(1).accepted(&store).await;
    let with_record = |rest: &str| format!("{DELIVERY} {rest}");
    let questions = [
        (with_record(INBOX), "delivery_inbox", false),
        // The page is sorted, not the table.
        (with_record(UNCERTAIN), "delivery_uncertain", true),
        (NEXT_PEER.to_owned(), "delivery_ready", false),
        (NEXT_LANE.to_owned(), "delivery_ready", false),
        (DUE.to_owned(), "delivery_ready", false),
        (with_record(WAITING_FOR), "delivery_ready", false),
        (FIRST.to_owned(), "delivery_queue", false),
        (BEHIND.to_owned(), "delivery_queue", false),
        (GOING.to_owned(), "delivery_going", false),
        (LOST.to_owned(), "delivery_open", false),
        (EXPIRED.to_owned(), "delivery_ends", false),
        // Once, when a node starts.
        (LEFT_OPEN.to_owned(), "delivery_open", true),
        (IN_STATE.to_owned(), "delivery_word", false),
        (RECORD.to_owned(), "message_pkey", false),
        (sessions::OF_ACCOUNT.to_owned(), "session_account", false),
        (sessions::OPEN.to_owned(), "session_ends", false),
        (sessions::ENDED.to_owned(), "session_ends", false),
        (issued::OF_ACCOUNT.to_owned(), "issued_id_account", false),
        (issued::ENDED.to_owned(), "issued_id_ends", false),
        (issued::USED.to_owned(), "message_account_transport_transport_id_scope_key", false),
        // Those of one id are sorted.
        (format!("{FACTS} {BY_TRANSPORT_ID}"), "message_transport_id", true),
        (format!("{COLUMNS} {GOING_ON}"), "proposal_going_on", false),
        (COUNTED.to_owned(), "done_alone_lately", false),
        (notices::DUE.to_owned(), "notice_due", false),
        (ANY.to_owned(), "message_account_transport_transport_id_scope_key", false),
        // Few have one id.
        (OF_ACCOUNT.to_owned(), "message_account_transport_transport_id_scope_key", true),
        (OF_RELAYED.to_owned(), "message_account_transport_transport_id_scope_key", false),
    ];
    for (question, index, sorts) in questions {
        let question = translated(&question);
        let count = (1..10).take_while(|n| question.contains(&format!("${n}"))).count();
        let values = match count {
            0 => String::new(),
            _ => format!("({})", vec!["NULL"; count].join(", ")),
        };
        // As if the tables were large: walking all of one costs too much.
        let sql = format!(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
             SET enable_bitmapscan = off; PREPARE question AS {question};
             EXPLAIN (COSTS OFF) EXECUTE question{values}"
        );
        let plan = shared().sql(&database(dir.path()), &sql);
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{question}: {plan}");
        assert!(sorts || !plan.contains("Sort"), "{question}: {plan}");
    }
}
