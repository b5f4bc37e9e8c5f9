//! That a seed is a course of events. What held is judged by the suite `simulation`.

use tempfile::{TempDir, tempdir, tempdir_in};

use super::run;

/// In memory where that is possible: what is synced there costs nothing.
fn folder() -> TempDir {
    tempdir_in("/dev/shm").or_else(|_| tempdir()).expect("a folder")
}

/// The same seed twice leads to the same events; another seed leads to others.
#[test]
fn a_seed_leads_to_one_course_of_events() {
    for seed in [1, 2, 3] {
        let [first, second] = [(); 2].map(|()| {
            let dir = folder();
            run(seed, dir.path()).expect("runs")
        });
        let told = || format!("{}\n----\n{}", first.last.join("\n"), second.last.join("\n"));
        assert_eq!(first.digest, second.digest, "seed {seed}:\n{}", told());
        assert_eq!(first.figures, second.figures);
        assert!(first.history.seen.is_empty(), "seed {seed}: {:?}", first.history.seen);
        let other = folder();
        assert_ne!(run(seed + 100, other.path()).expect("runs").digest, first.digest);
    }
}
