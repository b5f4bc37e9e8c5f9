//! The facts of the machine that belong beside every figure.

use serde::Serialize;

/// What was measured on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Processors this process may use.
    pub(crate) cores: usize,
    /// Their name.
    pub(crate) processor: String,
    /// The kernel.
    pub(crate) kernel: String,
    /// How many processes wanted to run in the last minute.
    pub(crate) load: String,
    /// Release or debug build.
    pub(crate) build: &'static str,
}

impl Machine {
    /// Looks.
    pub(crate) fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let processor = info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores, {}, Linux {}, load {}, {} build",
            self.cores, self.processor, self.kernel, self.load, self.build
        )
    }
}
