//! A real RabbitMQ for this run: a folder of its own, free ports, gone with its owner.
//!
//! The Debian package `rabbitmq-server` brings the programs. They run as whoever runs the suite, root as
//! well, past the package's wrapper, which insists on its own user and folders. Node name, cookie, data,
//! log and the port mapper (`epmd`) are all in or of the folder, so that it meets no other broker here.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Where the package puts its programs.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// Longest that it may take to start on a busy machine.
const START: Duration = Duration::from_secs(180);
/// Starts port mapper and broker, and ends them when nobody holds the other end of its input any more:
/// however the suite ends, they do not stay behind.
const KEEPER: &str = r#"
    # Whoever ends the suite may mean the whole group; it still tidies up.
    trap '' TERM INT HUP
    cd "$1" || exit 1
    epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" >/dev/null 2>&1 &
    mapper=$!
    /usr/lib/rabbitmq/bin/rabbitmq-server >>"$1/log/out" 2>&1 &
    wrapper=$!
    echo ready
    read -r _
    # A broker that has ended by itself has taken the file away.
    for process in $(cat "$1/pid" 2>/dev/null) $wrapper $mapper; do
        kill -KILL "$process" 2>/dev/null
    done
    wait
    exit 0
"#;

/// The broker.
pub(super) struct Broker {
    folder: tempfile::TempDir,
    /// For connections, between nodes, of the port mapper.
    ports: [u16; 3],
    keeper: Option<Child>,
}

impl Broker {
    /// Starts one, and waits until it answers.
    pub(super) fn start() -> Result<Self> {
        let programs = Path::new(PROGRAMS).join("rabbitmq-server");
        ensure!(
            programs.exists(),
            "RabbitMQ is not there: install the Debian package rabbitmq-server"
        );
        let folder = tempfile::Builder::new().prefix("amtsbote-mq-").tempdir()?;
        for name in ["log", "data", "home"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        std::fs::write(folder.path().join("plugins"), "[].")?;
        std::fs::write(folder.path().join("rabbitmq.conf"), "disk_free_limit.absolute = 1MB\n")?;
        // All at once, so that they differ.
        let mut ports = [0; 3];
        let mut held = Vec::new();
        for port in &mut ports {
            let free = TcpListener::bind(("127.0.0.1", 0))?;
            *port = free.local_addr()?.port();
            held.push(free);
        }
        drop(held);
        let mut broker = Self { folder, ports, keeper: None };
        broker.run()?;
        Ok(broker)
    }

    /// Where it listens, on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub(super) fn run(&mut self) -> Result<()> {
        let mut keeper = self
            .command("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let output = keeper.stdout.take().context("it has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        self.keeper = Some(keeper);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.ports[0])).is_err() {
            let log = self.folder.path().join("log/out");
            let log = std::fs::read_to_string(log).unwrap_or_default();
            ensure!(begun.elapsed() < START, "RabbitMQ does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kills it as a crash would.
    pub(super) fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut input) = keeper.stdin.take() {
                // It fails only when it has ended already.
                let _told = input.write_all(b"end\n");
            }
            let _ended = keeper.wait();
        }
    }

    /// Runs `rabbitmqctl`; takes some seconds.
    pub(super) fn control(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command(&format!("{PROGRAMS}/rabbitmqctl")).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(())
    }

    /// A command in its surroundings.
    fn command(&self, program: &str) -> Command {
        let [port, between, mapper] = self.ports.map(|port| port.to_string());
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(program);
        command
            .env("HOME", at("home"))
            .env("ERL_EPMD_PORT", mapper)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("suite{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port)
            .env("RABBITMQ_DIST_PORT", between)
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
