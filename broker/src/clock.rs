//! The one place that reads the wall clock.

use amtsbote_domain::Timestamp;
use amtsbote_domain::ports::Clock;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's one implementation")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
