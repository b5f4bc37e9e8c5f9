//! Logs on stderr, for the hub.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::node::LogFormat;
use crate::outcome::{Context, Failure};
use crate::ui::Ui;

/// Begins to log. `-q` leaves only errors, `-v` shows more.
pub(crate) fn start(format: LogFormat, filter: EnvFilter, ui: &Ui) -> Result<(), Failure> {
    let filter = match (ui.quiet, ui.verbose) {
        (true, _) => EnvFilter::new("error"),
        (false, 0) => filter,
        (false, 1) => EnvFilter::new("debug"),
        (false, _) => EnvFilter::new("trace"),
    };
    let colour = io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().with_ansi(false).try_init(),
    };
    started.map_err(anyhow::Error::from_boxed).or_not_now("Protokollierung", "logging")
}

struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = io::Stderr;

    fn make_writer(&'a self) -> Self::Writer {
        io::stderr()
    }
}
