//! Which open deliveries name a certificate.

use std::collections::BTreeSet;
use std::path::Path;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::ports::{Store, StoreError};
use amtsbote_domain::state::Event;

use super::{Draft, ManualClock, SIGNER, Subject};

/// What a message was signed with or came in by is found while it has not ended; in the order of
/// acceptance, page by page.
pub async fn open_deliveries_are_found_by_certificate<S: Subject>(dir: &Path) {
    let store = S::open(dir, ManualClock::new());
    let ours = Digest([7; 32]);
    for number in 1..=6 {
        let certificate = (number % 2 == 0).then_some(ours);
        let draft = if number > 4 { Draft::peer(number) } else { Draft::inbox(number) };
        Draft { account_certificate: certificate, ..draft }.accepted(&store).await;
    }
    // What has ended is hit by nothing; what waits for a person is.
    let ended = Draft::inbox(4).hub_id();
    store.apply(&ended, Event::Cancel, None, None).await.expect("is cancelled");
    let held = Draft::inbox(2).hub_id();
    store.apply(&held, Event::Hold, None, None).await.expect("is held");

    let number = |id: &str| u32::from_str_radix(&id[24..], 16).expect("made from a number");
    let naming = async |certificates: &[Digest], limit: u32| {
        let certificates: BTreeSet<Digest> = certificates.iter().copied().collect();
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.naming(&certificates, after.as_deref(), limit).await.expect("a page");
            assert!(page.deliveries.len() <= limit as usize, "{page:?}");
            found.extend(page.deliveries.iter().map(|d| number(d.record.hub_id.as_str())));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    for limit in [1, 2, 100] {
        assert_eq!(naming(&[SIGNER], limit).await, [1, 2, 3, 5, 6]);
        assert_eq!(naming(&[ours], limit).await, [2, 6]);
        assert_eq!(naming(&[ours, SIGNER], limit).await, [1, 2, 3, 5, 6]);
        assert_eq!(naming(&[Digest([8; 32])], limit).await, [0; 0]);
        assert_eq!(naming(&[], limit).await, [0; 0]);
    }
    let none = BTreeSet::new();
    let wrong = store.naming(&none, Some("no cursor"), 3).await;
    assert!(matches!(wrong, Err(StoreError::NotFound)), "{wrong:?}");
}
