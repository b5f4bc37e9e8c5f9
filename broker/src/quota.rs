//! What one account may have under way, checked before a body is read (P8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::identity::AccountId;

use crate::config::Limits;

/// The tallies of all accounts. Bounded by the number of accounts in the directory.
#[derive(Default)]
pub(crate) struct Quotas {
    tallies: Mutex<HashMap<AccountId, Arc<Mutex<Tally>>>>,
}

#[derive(Default)]
struct Tally {
    under_way: usize,
    /// Which minute the following two count.
    minute: i64,
    begun: u32,
    refused: u32,
}

impl Tally {
    /// Begins to count anew in a new minute; says how many seconds of it are left.
    fn turn_to(&mut self, now: Timestamp) -> u32 {
        let (minute, second) = (now.as_second().div_euclid(60), now.as_second().rem_euclid(60));
        if self.minute != minute {
            (self.minute, self.begun, self.refused) = (minute, 0, 0);
        }
        u32::try_from(60 - second).unwrap_or(60)
    }
}

/// The right to send one message; gives its place back when dropped.
pub(crate) struct Turn {
    tally: Arc<Mutex<Tally>>,
}

impl Quotas {
    /// Counts one more message of `account`, or says when to come again.
    pub(crate) fn begin(
        &self,
        account: &AccountId,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Turn, Fault> {
        let tally = self.tally(account);
        {
            let mut counted = tally.lock().expect("no code panics while it counts");
            let wait = counted.turn_to(now);
            if counted.under_way >= limits.account_concurrency {
                return Err(Fault::new(Code::TooMany).because("account_concurrency").after(1));
            }
            if counted.begun >= limits.account_messages_per_minute {
                return Err(Fault::new(Code::TooMany)
                    .because("account_messages_per_minute")
                    .after(wait));
            }
            counted.under_way += 1;
            counted.begun += 1;
        }
        Ok(Turn { tally })
    }

    /// Counts a refusal; whether the account has had more in this minute than it may begin
    /// messages.
    pub(crate) fn one_refusal_too_many(
        &self,
        account: &AccountId,
        limits: &Limits,
        now: Timestamp,
    ) -> bool {
        let tally = self.tally(account);
        let mut counted = tally.lock().expect("no code panics while it counts");
        counted.turn_to(now);
        counted.refused = counted.refused.saturating_add(1);
        counted.refused > limits.account_messages_per_minute
    }

    fn tally(&self, account: &AccountId) -> Arc<Mutex<Tally>> {
        let mut tallies = self.tallies.lock().expect("no code panics while it counts");
        tallies.entry(account.clone()).or_default().clone()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.tally.lock().expect("no code panics while it counts").under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(concurrency: usize, per_minute: u32) -> Limits {
        Limits {
            account_concurrency: concurrency,
            account_messages_per_minute: per_minute,
            ..Limits::default()
        }
    }

    #[test]
    fn places_are_given_back_and_accounts_do_not_hinder_each_other() {
        let quotas = Quotas::default();
        let now = Timestamp::UNIX_EPOCH;
        let (a, b) = (AccountId::parse("a").expect("id"), AccountId::parse("b").expect("id"));
        let limits = limits(1, 10);
        let turn = quotas.begin(&a, &limits, now).expect("the first");
        assert!(quotas.begin(&a, &limits, now).is_err());
        assert!(quotas.begin(&b, &limits, now).is_ok());
        drop(turn);
        assert!(quotas.begin(&a, &limits, now).is_ok());
    }

    #[test]
    fn a_new_minute_begins_at_nought_and_the_wait_ends_with_the_old_one() {
        let quotas = Quotas::default();
        let a = AccountId::parse("a").expect("id");
        let limits = limits(10, 2);
        let at = |second| Timestamp::from_second(second).expect("an instant");
        for _ in 0..2 {
            quotas.begin(&a, &limits, at(110)).expect("within the rate");
        }
        let fault = quotas.begin(&a, &limits, at(110)).err().expect("over the rate");
        assert_eq!((fault.code, fault.retry_after), (Code::TooMany, Some(10)));
        assert!(quotas.begin(&a, &limits, at(120)).is_ok());
    }

    #[test]
    fn whoever_heaps_up_refusals_is_told_apart() {
        let quotas = Quotas::default();
        let (a, b) = (AccountId::parse("a").expect("id"), AccountId::parse("b").expect("id"));
        let limits = limits(1, 2);
        let too_many = |account, second| {
            let now = Timestamp::from_second(second).expect("an instant");
            quotas.one_refusal_too_many(account, &limits, now)
        };
        assert!(!too_many(&a, 0) && !too_many(&a, 1));
        assert!(too_many(&a, 59));
        assert!(!too_many(&b, 59), "others are not slowed down");
        assert!(!too_many(&a, 60), "nor is it in the next minute");
    }
}
