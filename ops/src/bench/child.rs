//! The hub under measurement: this very binary as a process of its own, so that its memory and its
//! processor time are its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::outcome::{Context, Failure};

/// Longest time a hub may take to become ready.
const READY: Duration = Duration::from_secs(60);
/// Clock ticks a second in /proc (`USER_HZ`, 100 on every Linux of ours).
const TICKS: f64 = 100.0;

/// A hub on loopback.
pub(crate) struct Hub {
    child: Child,
    /// `https://127.0.0.1:port`.
    pub(crate) native: String,
    /// `https://127.0.0.1:port`, for health and metrics.
    pub(crate) operations: String,
    /// When its process was started.
    pub(crate) begun: Instant,
}

#[derive(Deserialize)]
struct Ready {
    native: String,
    operations: String,
}

impl Hub {
    /// Starts a hub on the node in `dir`, on ports that are free.
    pub(crate) fn start(dir: &Path) -> Result<Self, Failure> {
        Self::start_at(dir, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts a hub on the node in `dir`, which listens here.
    pub(crate) fn start_at(dir: &Path, native: SocketAddr) -> Result<Self, Failure> {
        let ready: PathBuf = dir.join("ready.json");
        // Of an earlier run.
        match std::fs::remove_file(&ready) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).or_not_now_at(&ready);
            }
            _ => {}
        }
        let program = std::env::current_exe().or_not_now("eigenes Programm", "own program")?;
        let begun = Instant::now();
        let child = Command::new(program)
            .args(["serve", "--native", &native.to_string(), "--operations", "127.0.0.1:0"])
            .args(["--log-level", "error", "--config"])
            .arg(dir.join("amtsbote.toml"))
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .or_not_now("Knoten", "hub")?;
        let (native, operations) = (String::new(), String::new());
        let mut hub = Self { child, native, operations, begun };
        while !ready.exists() {
            let ended = hub.child.try_wait().or_not_now("Knoten", "hub")?;
            if ended.is_some() || begun.elapsed() > READY {
                return Err(Failure::not_now(
                    "Der Knoten startet nicht.",
                    "The hub does not start.",
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = std::fs::read(&ready).or_not_now_at(&ready)?;
        let said: Ready = serde_json::from_slice(&said).or_not_now("Knoten", "hub")?;
        hub.native = format!("https://{}", said.native);
        hub.operations = format!("https://{}", said.operations);
        Ok(hub)
    }

    /// Processor time it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu_seconds(self.pid())
    }

    /// The most memory it has had resident, in KiB.
    pub(crate) fn peak_kib(&self) -> Result<u64, Failure> {
        self.memory("VmHWM:")
    }

    /// The memory it has resident now, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, Failure> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> Result<u64, Failure> {
        let status = proc(self.pid(), "status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        Ok(line
            .and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok())
            .unwrap_or(0))
    }

    /// The process id, for a profiler.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Hub {
    /// Both fail only when it has ended already.
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// Processor time that a process has used, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64, Failure> {
    let stat = proc(process, "stat")?;
    // Behind the name in brackets: state is field 3, user and system time are 14 and 15.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: f64 =
        fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

fn proc(process: u32, file: &str) -> Result<String, Failure> {
    let path = format!("/proc/{process}/{file}");
    std::fs::read_to_string(&path).or_not_now_at(Path::new(&path))
}
