//! What shows that an accident took place: a case whose accident did not happen proves nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use super::words::Words;
use crate::history::FINAL;
use crate::node::Node;
use crate::operations::Operator;

/// Longest that a signal may take to be obeyed.
const OBEYED: Duration = Duration::from_secs(5);
/// Longest that a connection on this machine may take.
const REACHED: Duration = Duration::from_secs(1);

/// What was measured while it happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// Processes ended by SIGKILL and by nothing else; the fewest senders that were at work then.
    Killed { times: u32, senders: usize },
    /// Stopped by SIGSTOP, the shortest time, and the fewest answers kept back then.
    Stopped { times: u32, still: Duration, kept: u64 },
    /// Dropped, swallowed, broken on the line: how often something was under way that met it.
    Line { met: [u64; 3] },
    /// Failed tries to reach the next hub, and what was to go there in the end.
    Link { tries: u32, waiting: u64 },
    /// Syncs held up; the quickest acceptance before, and then.
    Slow { syncs: usize, usual: Duration, slowed: Duration },
}

impl Shown {
    /// In words.
    pub(super) fn text(self, words: Words) -> String {
        match self {
            Self::Killed { times, senders } => words.t(
                format!("{times}-mal durch SIGKILL beendet, immer bei mindestens {senders} Absendern an der Arbeit"),
                format!("ended by SIGKILL {times} times, each time with at least {senders} senders at work"),
            ),
            Self::Stopped { times, still, kept } => words.t(
                format!(
                    "{times}-mal angehalten, je mindestens {} ms; mindestens {kept}-mal waren Antworten unterwegs",
                    still.as_millis()
                ),
                format!(
                    "stopped {times} times, at least {} ms each; answers were under way at least {kept} times",
                    still.as_millis()
                ),
            ),
            Self::Line { met: [dropped, swallowed, broken] } => words.t(
                format!(
                    "auf der Leitung {dropped}-mal verworfen, {swallowed}-mal Antworten verschluckt, \
                     {broken} Verbindungen gebrochen"
                ),
                format!(
                    "on the line {dropped} times dropped, {swallowed} times answers swallowed, {broken} \
                     connections broken"
                ),
            ),
            Self::Link { tries, waiting } => words.t(
                format!(
                    "{tries} Verbindungsversuche gescheitert, solange die Leitung unten war; {waiting} \
                     Zustellungen waren da noch offen"
                ),
                format!(
                    "{tries} tries to connect failed while the link was down; {waiting} deliveries were open then"
                ),
            ),
            Self::Slow { syncs, usual, slowed } => words.t(
                format!(
                    "{syncs} Schreibvorgänge verzögert; die schnellste Annahme brauchte {} ms, vorher {} ms",
                    slowed.as_millis(),
                    usual.as_millis()
                ),
                format!(
                    "{syncs} syncs held up; the quickest acceptance took {} ms, {} ms before",
                    slowed.as_millis(),
                    usual.as_millis()
                ),
            ),
        }
    }
}

/// The process is there, and stopped by a signal.
pub(super) async fn stands_still(node: &Node) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let facts = std::fs::read_to_string(format!("/proc/{}/stat", node.pid()))?;
        let (_, behind) = facts.rsplit_once(')').context("no state")?;
        if behind.trim_start().starts_with('T') {
            return Ok(());
        }
        ensure!(begun.elapsed() < OBEYED, "the hub does not stand still");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether somebody answers at this address.
pub(super) async fn reached(address: (&str, u16)) -> bool {
    let tried = tokio::time::timeout(REACHED, TcpStream::connect(address)).await;
    matches!(tried, Ok(Ok(_)))
}

/// Deliveries that have not ended.
pub(super) async fn waiting(operator: &Operator) -> Result<u64> {
    let figures = operator.figures().await?;
    let open = figures.iter().filter(|(word, _)| !FINAL.contains(&word.as_str()));
    Ok(open.map(|(_, count)| count).sum())
}

/// How many calls strace says that it has held up.
pub(super) fn delayed(written: &str) -> usize {
    written.lines().filter(|line| line.contains("sync") && line.ends_with("(DELAYED)")).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    #[test]
    fn only_calls_that_were_held_up_count() {
        let written = "7 fdatasync(9) = 0 (DELAYED)\n7 fsync(4 <unfinished ...>\n\
                       7 <... fsync resumed>) = 0 (DELAYED)\n7 fdatasync(9) = 0\n\
                       7 +++ exited with 0 +++\n";
        assert_eq!(delayed(written), 2);
        assert_eq!(delayed(""), 0);
    }

    #[test]
    fn what_was_measured_is_told_in_both_languages() {
        let ms = Duration::from_millis;
        for shown in [
            Shown::Killed { times: 3, senders: 4 },
            Shown::Stopped { times: 1, still: ms(7_800), kept: 2 },
            Shown::Line { met: [1, 2, 3] },
            Shown::Link { tries: 5, waiting: 8 },
            Shown::Slow { syncs: 9, usual: ms(3), slowed: ms(41) },
        ] {
            let [german, english] =
                [Language::De, Language::En].map(|language| shown.text(Words(language)));
            assert_ne!(german, english);
            let digits = |text: &str| text.matches(|c: char| c.is_ascii_digit()).count();
            assert_eq!(digits(&german), digits(&english), "{english}");
        }
    }

    #[tokio::test]
    async fn an_address_is_reached_or_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        assert!(reached(("127.0.0.1", port)).await);
        drop(listener);
        assert!(!reached(("127.0.0.1", port)).await);
    }
}
