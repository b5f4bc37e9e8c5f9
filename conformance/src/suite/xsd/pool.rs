//! Work shared among threads, with a time limit for each piece: one that hangs is given up, and
//! another thread goes on with the rest.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::judge::{Job, Judged};

/// Bytes of stack for each thread: what a main thread has.
const STACK: usize = 8 << 20;
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_millis(500);

/// What one thread is at, and since when.
type Slot = Arc<Mutex<Option<(usize, Instant)>>>;

/// What all threads share.
#[derive(Clone)]
struct Shared {
    root: Arc<PathBuf>,
    jobs: Arc<[Job]>,
    next: Arc<AtomicUsize>,
    done: Sender<(usize, Judged)>,
    judge: fn(&Path, &Job) -> Judged,
}

impl Shared {
    fn start(&self) -> Result<Slot> {
        let (shared, slot) = (self.clone(), Slot::default());
        let own = Arc::clone(&slot);
        thread::Builder::new().stack_size(STACK).spawn(move || shared.work(&own))?;
        Ok(slot)
    }

    fn work(&self, slot: &Slot) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(index) else { return };
            set(slot, Some((index, Instant::now())));
            let judged = (self.judge)(&self.root, job);
            // Empty: it took too long, and another thread has this one's place.
            if set(slot, None).is_none() || self.done.send((index, judged)).is_err() {
                return;
            }
        }
    }
}

fn set(slot: &Slot, to: Option<(usize, Instant)>) -> Option<(usize, Instant)> {
    std::mem::replace(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), to)
}

/// Every job's answer in the order of the jobs; none where it took longer than `limit`.
pub(super) fn run(
    root: &Arc<PathBuf>,
    jobs: &Arc<[Job]>,
    threads: usize,
    limit: Duration,
    judge: fn(&Path, &Job) -> Judged,
) -> Result<Vec<Option<Judged>>> {
    let (done, answers) = channel();
    let shared = Shared {
        root: Arc::clone(root),
        jobs: Arc::clone(jobs),
        next: Arc::default(),
        done,
        judge,
    };
    let mut slots = Vec::new();
    for _ in 0..threads {
        slots.push(shared.start()?);
    }
    let mut found: Vec<Option<Judged>> = jobs.iter().map(|_| None).collect();
    let mut open = jobs.len();
    let mut looked = Instant::now();
    while open > 0 {
        match answers.recv_timeout(LOOK) {
            Ok((index, judged)) => {
                found[index] = Some(judged);
                open -= 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("the threads ended before the work"),
        }
        if looked.elapsed() < LOOK {
            continue;
        }
        looked = Instant::now();
        for slot in &mut slots {
            let late = {
                let mut at = slot.lock().unwrap_or_else(PoisonError::into_inner);
                at.take_if(|(_, since)| since.elapsed() > limit).is_some()
            };
            if late {
                open -= 1;
                *slot = shared.start()?;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(count: usize) -> Arc<[Job]> {
        (0..count).map(|n| Job { documents: vec![n.to_string()], cases: Vec::new() }).collect()
    }

    #[test]
    fn answers_come_in_the_order_of_the_jobs() {
        let judge = |_: &Path, job: &Job| Judged::refused(&job.documents[0], 0);
        let limit = Duration::from_secs(3600);
        let found = run(&Arc::default(), &jobs(100), 2, limit, judge).expect("threads");
        for (index, judged) in found.into_iter().enumerate() {
            assert_eq!(judged.expect("in time").set.expect_err("refused"), index.to_string());
        }
    }

    #[test]
    fn what_hangs_is_given_up_and_the_rest_goes_on() {
        let judge = |_: &Path, job: &Job| {
            if job.documents[0] == "1" {
                loop {
                    thread::park();
                }
            }
            Judged::refused("", 0)
        };
        let limit = Duration::from_millis(300);
        let found = run(&Arc::default(), &jobs(4), 1, limit, judge).expect("threads");
        let late: Vec<bool> = found.iter().map(Option::is_none).collect();
        assert_eq!(late, [false, true, false, false]);
    }
}
