//! Moments at which the power goes.

use anyhow::{Context, Result};

use super::Experiment;
use crate::suite::crash::Random;

/// The database, below the node's folder.
const DATABASE: &str = "data/hub.db";

/// A moment: before this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cut {
    pub(super) step: usize,
    pub(super) why: &'static str,
}

/// Moments that may be chosen.
pub(super) struct Moments {
    /// With an answer on its way to its client.
    answers: Vec<usize>,
    /// After each change.
    changes: Vec<usize>,
    /// Of these, such that the database itself has changes that are not safe.
    in_database: Vec<usize>,
    /// Of these, before the node first spoke to anybody.
    starting: Vec<usize>,
    /// Figures.
    pub(super) note: String,
}

impl Moments {
    /// Of the whole life of the node. The model must end as the disk did.
    pub(super) fn of(experiment: &Experiment) -> Result<Self> {
        let (watched, known) = (&experiment.watched, &experiment.known);
        let mut replay = watched.replay(|_| true);
        let (mut in_database, mut before) = (Vec::new(), 0);
        for step in 0..watched.trace.steps.len() {
            replay.run_to(step + 1)?;
            if replay.changed.len() > before && replay.is_dirty(DATABASE) {
                in_database.push(step + 1);
            }
            before = replay.changed.len();
        }
        let files = watched.agrees(&replay)?;
        let changes: Vec<usize> = replay.changed.iter().map(|step| step + 1).collect();
        let heard = experiment.spoken.first().context("nothing was ever sent to a client")?;
        let starting = changes.iter().copied().filter(|step| *step < heard).collect();
        let note = format!(
            "{} calls, {} changes, {} while the database itself is written; {} messages, {} taken; \
             {files} files agree",
            watched.trace.calls.len(),
            changes.len(),
            in_database.len(),
            known.messages.len(),
            known.taken.len(),
        );
        let told = known.messages.iter().map(|message| message.promise.at);
        let told = told.chain(known.taken.iter().filter_map(|taken| taken.acknowledged));
        let answers = told.filter_map(|at| experiment.spoken.before(at)).collect();
        Ok(Self { answers, changes, in_database, starting, note })
    }

    /// An answer about half way.
    pub(super) fn middle(&self) -> usize {
        let mut answers = self.answers.clone();
        answers.sort_unstable();
        answers.get(answers.len() / 2).copied().unwrap_or_default()
    }

    /// So many, in order of time; in turn: with an answer on its way, at any time, while the
    /// database itself is written, with an answer on its way, during the first start.
    pub(super) fn choose(&self, count: u32, random: &mut Random) -> Vec<Cut> {
        let kinds = [
            ("answer", &self.answers),
            ("any", &self.changes),
            ("checkpoint", &self.in_database),
            ("first-start", &self.starting),
        ];
        let mut cuts: Vec<Cut> = (0..count as usize)
            .map(|round| kinds[[0, 1, 2, 0, 3][round % 5]])
            .filter_map(|(why, steps)| Some(Cut { step: one_of(steps, random)?, why }))
            .collect();
        cuts.sort();
        cuts
    }
}

/// One of these, by chance.
pub(super) fn one_of(steps: &[usize], random: &mut Random) -> Option<usize> {
    let count = u64::try_from(steps.len()).ok().filter(|count| *count > 0)?;
    steps.get(random.between(0..count) as usize).copied()
}
