//! A real PostgreSQL for this run: a folder of its own, a free port, gone with its owner.
//!
//! The Debian package `postgresql` brings the programs. The server refuses to run as root; then it
//! runs as the user `postgres` that the package makes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::undo::{self, Pending};

/// Starts the server, says its process id, and ends it when nobody holds the other end of its input
/// any more: however the suite ends, it does not stay behind. What a terminal tells all processes of the
/// suite does not end the keeper before the server.
const KEEPER: &str = r#"
    trap '' HUP INT TERM
    "$1/postgres" -D "$2/data" -k "$2" -h 127.0.0.1 -p "$3" >>"$2/log" 2>&1 &
    server=$!
    echo $server
    read -r _
    kill -QUIT $server 2>/dev/null && sleep 1 && kill -QUIT $server 2>/dev/null
    wait $server
    exit 0
"#;
/// Longest that it may take to start; after a kill it reads its log again first.
const START: Duration = Duration::from_secs(60);
/// The user and the database.
pub(super) const NAME: &str = "hub";

/// The server.
pub(super) struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    keeper: Option<Child>,
    process: u32,
    _undo: Pending,
}

impl Server {
    /// Makes and starts one with an empty database.
    pub(super) fn start() -> Result<Self> {
        let programs = programs()?;
        let template = undo::name("pg-XXXXXXXX");
        // Not in the folder of this run, which the server's user may not enter.
        let made = as_server("mktemp")?.args(["-d", "-p", "/tmp", template.as_str()]).output()?;
        let folder = PathBuf::from(String::from_utf8(made.stdout)?.trim());
        let (its_programs, its_folder) = (programs.clone(), folder.clone());
        let _undo = undo::first("PostgreSQL", move || gone(&its_programs, &its_folder));
        let init = as_server(programs.join("initdb"))?
            .args(["-U", NAME, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .output()?;
        ensure!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut server = Self { programs, folder, port, keeper: None, process: 0, _undo };
        server.run()?;
        let made = Command::new(server.programs.join("createdb"))
            .args(["-w", "-h", "127.0.0.1", "-U", NAME, "-T", "template0"])
            .args(["-p", &server.port.to_string(), NAME])
            .output()?;
        ensure!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        Ok(server)
    }

    /// Where it listens, on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub(super) fn run(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut keeper = as_server("sh")?
                .args(["-c", KEEPER, "keeper"])
                .arg(&self.programs)
                .arg(&self.folder)
                .arg(self.port.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            let mut line = String::new();
            let output = keeper.stdout.take().context("it has no output")?;
            BufReader::new(output).read_line(&mut line)?;
            self.process = line.trim().parse().context("it says no process id")?;
            self.keeper = Some(keeper);
            // After a kill the old processes may hold what the new one needs for a moment longer;
            // it ends then.
            while begun.elapsed() < START && self.is_running() {
                let ready = Command::new(self.programs.join("pg_isready"))
                    .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                    .status()?;
                if ready.success() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            self.let_go();
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            ensure!(begun.elapsed() < START, "PostgreSQL does not start: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends it at once, as a crash would: nothing is written any more, and it must mend itself at the
    /// next start (an immediate stop, SIGQUIT).
    pub(super) fn crash(&mut self) -> Result<()> {
        super::signal("QUIT", self.process)?;
        let begun = Instant::now();
        while self.is_running() {
            ensure!(begun.elapsed() < START, "PostgreSQL does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.let_go();
        Ok(())
    }

    fn is_running(&self) -> bool {
        // One that has ended and was not waited for is still there, as a zombie.
        let facts = std::fs::read_to_string(format!("/proc/{}/stat", self.process));
        facts.is_ok_and(|facts| !facts.rsplit(')').next().unwrap_or("").starts_with(" Z"))
    }

    fn let_go(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            // It fails only when it has ended already.
            let _ended = keeper.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Ends the server, where it runs, and removes its folder, which belongs to its user. At once, and in its
/// own way: what it shares with its processes goes with it.
fn gone(programs: &Path, folder: &Path) -> Result<()> {
    let data = folder.join("data");
    if data.join("postmaster.pid").exists() {
        // It fails where the server was killed and left the file behind.
        let stopped = as_server(programs.join("pg_ctl"))?
            .args(["stop", "-m", "immediate", "-w", "-s", "-D"])
            .arg(&data)
            .output()?;
        let running =
            as_server(programs.join("pg_ctl"))?.args(["status", "-s", "-D"]).arg(&data).status()?;
        let said = String::from_utf8_lossy(&stopped.stderr);
        ensure!(!running.success(), "pg_ctl: {}", said.trim());
    }
    let removed = as_server("rm")?.arg("-rf").arg(folder).output()?;
    ensure!(removed.status.success(), "rm: {}", String::from_utf8_lossy(&removed.stderr).trim());
    Ok(())
}

/// Where the programs are: those of the newest version there is.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    versions
        .filter(|bin| bin.join("initdb").exists())
        .max()
        .context("PostgreSQL is not there: install the Debian package postgresql")
}

/// A command of the user who may run the server.
fn as_server(program: impl AsRef<OsStr>) -> Result<Command> {
    if Path::new("/proc/self").metadata()?.uid() != 0 {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    Ok(command)
}
