//! `serve`: the hub, until SIGTERM or SIGINT.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use amtsbote_broker::reload::By;
use amtsbote_broker::server;
use amtsbote_store::OpenError;
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::node::{LogFormat, Logging, NodeFile, Overrides};
use crate::logging;
use crate::outcome::{Context, Exit, Failure, Outcome};
use crate::ui::{Format, Ui};

/// Run the hub
///
/// Ready when /health/ready on the operations address answers 200. SIGTERM and SIGINT let requests
/// under way end, then stop. SIGHUP reads directory, permissions, packs, operators, peers, policy,
/// anchors, sources of revocation and certificates again, as `amtsbote reload` does.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  amtsbote serve --config /etc/amtsbote/amtsbote.toml")]
pub(crate) struct Serve {
    /// Address of the native transport, instead of listen.native; port 0 lets the system choose
    #[arg(long, env = "AMTSBOTE_NATIVE", value_name = "ADDRESS")]
    native: Option<SocketAddr>,
    /// Address of the operations API, instead of listen.operations
    #[arg(long, env = "AMTSBOTE_OPERATIONS", value_name = "ADDRESS")]
    operations: Option<SocketAddr>,
    /// Folder of the data, instead of data_dir
    #[arg(long, env = "AMTSBOTE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What is logged, instead of log.level
    #[arg(long, env = "AMTSBOTE_LOG", value_name = "FILTER")]
    log_level: Option<tracing_subscriber::EnvFilter>,
    /// Form of the log, instead of log.format
    #[arg(long, env = "AMTSBOTE_LOG_FORMAT", value_enum, value_name = "FORM")]
    log_format: Option<Format>,
    /// Write addresses and process id to this file, as JSON, once ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn run(self, ui: &Ui, config: Option<&Path>) -> Outcome {
        let file = NodeFile::read(&crate::config::node_file(config)?)?;
        let Logging { format, level } = file.logging()?;
        let format = match self.log_format {
            Some(Format::Json) => LogFormat::Json,
            Some(Format::Text) => LogFormat::Text,
            None => format,
        };
        let filter = self.log_level.map_or_else(|| level.parse(), Ok);
        logging::start(format, filter.or_usage("log.level", "log.level")?, ui)?;
        let config = file.build(Overrides {
            native: self.native,
            operations: self.operations,
            data_dir: self.data_dir,
        })?;
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .or_not_now("Laufzeitumgebung", "runtime")?
            .block_on(serve(ui, config, self.ready_file.as_deref()))
    }
}

async fn serve(
    ui: &Ui,
    config: amtsbote_broker::config::NodeConfig,
    ready_file: Option<&Path>,
) -> Outcome {
    // Before anything listens, so that an early signal is not lost.
    let what = ("Signale", "signals");
    let mut terminate = signal(SignalKind::terminate()).or_not_now(what.0, what.1)?;
    let mut interrupt = signal(SignalKind::interrupt()).or_not_now(what.0, what.1)?;
    let mut hang_up = signal(SignalKind::hangup()).or_not_now(what.0, what.1)?;
    let running = server::start(config).await.map_err(not_started)?;
    let (native, operations) = (running.native_address(), running.operations_address());
    let ready = json!({
        "native": native.to_string(),
        "operations": operations.to_string(),
        "pid": std::process::id(),
    });
    if let Some(path) = ready_file {
        write_atomically(path, &format!("{ready}\n"))?;
    }
    if ui.is_json() {
        ui.json(&ready);
    } else {
        ui.line(format!(
            "{} https://{native}, {} https://{operations}",
            ui.t("bereit: native Schnittstelle", "ready: native transport"),
            ui.t("Betriebsschnittstelle", "operations API"),
        ));
    }
    let mut reloads = JoinSet::new();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Beside the loop: a stop does not wait for it. What came of it is in the log; what
            // cannot be read changes nothing. A signal that comes meanwhile is heard afterwards.
            _ = hang_up.recv(), if reloads.is_empty() => {
                reloads.spawn(running.hub().reload(By::Signal));
            }
            Some(_) = reloads.join_next() => {}
        }
    }
    ui.note(ui.t(
        "beende: laufende Anfragen werden noch beantwortet",
        "stopping: requests under way are still answered",
    ));
    running.stop().await;
    Ok(Exit::Yes)
}

/// Why the hub did not start; the store's reasons are explained in both languages.
pub(crate) fn not_started(error: server::StartError) -> Failure {
    match &error {
        server::StartError::Keys(reason) => crate::config::certificate::wrapping_failure(reason),
        server::StartError::Store(reason) => not_opened(reason),
        other => Failure::new(
            match other {
                // The same files lead here again.
                server::StartError::Contradiction(_)
                | server::StartError::Peer(_)
                | server::StartError::Hints(_) => Exit::Usage,
                _ => Exit::NotNow,
            },
            format!("Der Knoten startet nicht: {other}"),
            format!("The hub does not start: {other}"),
        ),
    }
}

/// Why a store did not open, with the exit code that says whether to wait, to change something or to
/// look closer: a service that starts again by itself must not do so over a log that was rolled back.
pub(crate) fn not_opened(error: &OpenError) -> Failure {
    let exit = match error {
        error if error.is_answer() => Exit::No,
        error if error.is_wrong_use() => Exit::Usage,
        _ => Exit::NotNow,
    };
    let (de, en) = error.told();
    Failure::new(exit, de, en)
}

/// A reader of the file sees all of it or nothing.
fn write_atomically(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).or_not_now_at(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::wrapping::{KeyError, KeyId};
    use amtsbote_store::ServerFault;

    /// What can be had later, what must be changed first, and what must be looked into are told apart.
    #[test]
    fn every_reason_not_to_open_has_its_exit_code() {
        let key = || KeyId::parse("shared/2026-11/1-0001020304050607").expect("an id");
        let text = || "x".to_owned();
        for (error, exit) in [
            (OpenError::InUse, Exit::NotNow),
            (OpenError::NewerSchema { found: 9, known: 8 }, Exit::Usage),
            (OpenError::OlderSchema { found: 7, known: 8 }, Exit::NotNow),
            (OpenError::OtherMigration { version: 3 }, Exit::Usage),
            (OpenError::Moved, Exit::Usage),
            (OpenError::Arriving, Exit::Usage),
            (KeyError::OtherMaster(key()).into(), Exit::Usage),
            (KeyError::NotOurs.into(), Exit::Usage),
            (KeyError::Missing(key()).into(), Exit::NotNow),
            (KeyError::Damaged(key()).into(), Exit::NotNow),
            (KeyError::OpenToOthers(key()).into(), Exit::NotNow),
            (KeyError::Full.into(), Exit::NotNow),
            (OpenError::OtherLogKey { expected: text() }, Exit::Usage),
            (OpenError::RolledBack(text()), Exit::No),
            (OpenError::Damaged(text()), Exit::No),
            (OpenError::Full, Exit::NotNow),
            (OpenError::Server(ServerFault::Away(text())), Exit::NotNow),
            (OpenError::Server(ServerFault::ReadOnly), Exit::NotNow),
            (OpenError::Server(ServerFault::Tls), Exit::Usage),
            (OpenError::Server(ServerFault::Login), Exit::Usage),
            (OpenError::Server(ServerFault::NoDatabase), Exit::Usage),
            (OpenError::Server(ServerFault::Foreign), Exit::Usage),
            (OpenError::Server(ServerFault::Empty), Exit::Usage),
            (OpenError::Server(ServerFault::Rights), Exit::Usage),
            (OpenError::Server(ServerFault::Unsafe("fsync")), Exit::Usage),
            (OpenError::Server(ServerFault::OtherFolder), Exit::Usage),
            (OpenError::Server(ServerFault::NoFolder), Exit::Usage),
            (OpenError::Server(ServerFault::Old), Exit::Usage),
            (OpenError::Objects(text()), Exit::NotNow),
            (OpenError::Database(text()), Exit::NotNow),
            (OpenError::File(std::io::Error::other("x")), Exit::NotNow),
        ] {
            let told = error.told();
            let failure = not_started(error.into());
            assert_eq!(failure.exit, exit, "{told:?}");
            assert_eq!(failure.text(amtsbote_domain::text::Language::De), told.0);
        }
    }
}
