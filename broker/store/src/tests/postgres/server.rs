//! A real PostgreSQL of the tests' own: a folder of its own, a free port, gone with its owner.
//!
//! The Debian package `postgresql` brings the programs. The server refuses to run as root; then it
//! runs as the user `postgres` that the package makes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::PostgresOptions;

/// Starts the server, says its process id, and ends it when nobody holds the other end of its input
/// any more: however the tests end, it does not stay behind.
const KEEPER: &str = r#"
    "$1/postgres" -D "$2/data" -k "$2" -h 127.0.0.1 -p "$3" -c max_connections=200 \
        -c log_min_messages=warning >>"$2/log" 2>&1 &
    server=$!
    echo $server
    read -r _
    # What it gets before it has set itself up is ignored.
    kill -QUIT $server 2>/dev/null && sleep 1 && kill -QUIT $server 2>/dev/null
    wait $server
    [ "$4" = remove ] && rm -rf "$2"
    exit 0
"#;

/// A server.
pub(in crate::tests) struct Server {
    folder: PathBuf,
    port: u16,
    /// Removes the folder at its end.
    remove: bool,
    keeper: Option<Child>,
    process: u32,
}

/// The one that all tests share which do no harm to it.
pub(in crate::tests) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(true))
}

impl Server {
    /// One of its own for a test that ends it.
    pub(super) fn own() -> Self {
        Self::start(false)
    }

    /// One of its own that answers over TLS alone, and wants this password.
    pub(super) fn with_tls(password: &str) -> Self {
        let server = Self::own();
        let (key, certificate) = (server.folder.join("key.pem"), server.certificate());
        let made = as_server("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=TEST server", "-addext", "subjectAltName=DNS:localhost"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for change in [
            format!("ALTER ROLE hub PASSWORD '{password}'"),
            format!("ALTER SYSTEM SET ssl_cert_file = '{}'", certificate.display()),
            format!("ALTER SYSTEM SET ssl_key_file = '{}'", key.display()),
            "ALTER SYSTEM SET ssl = on".to_owned(),
        ] {
            server.sql("postgres", &change);
        }
        let rule = "hostssl all all all scram-sha-256\n";
        std::fs::write(server.folder.join("data/pg_hba.conf"), rule).expect("writes");
        server.sql("postgres", "SELECT pg_reload_conf()");
        let begun = Instant::now();
        while server.accepts_without_tls() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not read its settings");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn accepts_without_tls(&self) -> bool {
        let answer = self.psql("postgres", "SELECT 1").env("PGSSLMODE", "disable").output();
        answer.expect("psql runs").status.success()
    }

    /// What vouches for it.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// What it has written down.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("a log")
    }

    fn start(remove: bool) -> Self {
        let made = as_server("mktemp").args(["-d", "-t", "amtsbote-pg-XXXXXXXX"]).output();
        let made = made.expect("mktemp runs");
        let folder = PathBuf::from(String::from_utf8(made.stdout).expect("a path").trim());
        let init = as_server(programs().join("initdb"))
            .args(["-U", "hub", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .output()
            .expect("initdb runs");
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("a port").port();
        drop(free);
        let mut server = Self { folder, port, remove, keeper: None, process: 0 };
        server.run();
        server
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub(super) fn run(&mut self) {
        let begun = Instant::now();
        loop {
            let mut keeper = as_server("sh")
                .args(["-c", KEEPER, "keeper"])
                .arg(programs())
                .arg(&self.folder)
                .arg(self.port.to_string())
                .arg(if self.remove { "remove" } else { "keep" })
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("a shell runs");
            let mut line = String::new();
            let mut output = BufReader::new(keeper.stdout.take().expect("an output"));
            output.read_line(&mut line).expect("the process id");
            self.process = line.trim().parse().expect("a process id");
            self.keeper = Some(keeper);
            // After a kill the old processes may hold what the new one needs for a moment longer;
            // it ends then.
            while begun.elapsed() < Duration::from_secs(60) && self.is_running() {
                let ready = Command::new(programs().join("pg_isready"))
                    .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                    .status();
                if ready.expect("pg_isready runs").success() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            self.let_go();
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not start: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn is_running(&self) -> bool {
        // One that has ended and was not waited for is still there, as a zombie.
        let facts = std::fs::read_to_string(format!("/proc/{}/stat", self.process));
        facts.is_ok_and(|facts| !facts.rsplit(')').next().unwrap_or("").starts_with(" Z"))
    }

    /// Kills it as a crash would: nothing is written any more.
    pub(super) fn kill(&mut self) {
        self.signal("KILL", self.process);
        self.let_go();
    }

    fn signal(&self, signal: &str, process: u32) {
        let sent =
            Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
        assert!(sent.expect("kill runs").success(), "no process {process}");
    }

    fn let_go(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in a database; says what came out.
    pub(super) fn sql(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql).output().expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut command = Command::new(programs().join("psql"));
        command.args(["-qAtXw", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "hub"]);
        command.args(["-p", &self.port.to_string(), "-d", database, "-c", sql]);
        command
    }

    /// Makes a database of this name if there is none.
    pub(super) fn database(&self, name: &str) {
        let found = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        if self.sql("postgres", &found) == "0" {
            self.sql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"));
        }
    }

    /// How a node of this name reaches a database; `payload` is the folder that all nodes share.
    pub(super) fn options(&self, database: &str, node: &str, payload: &Path) -> PostgresOptions {
        Self::options_at(self.port, database, node, payload)
    }

    /// The same by way of another port.
    pub(super) fn options_at(
        port: u16,
        database: &str,
        node: &str,
        payload: &Path,
    ) -> PostgresOptions {
        let address = format!("postgres://hub@127.0.0.1:{port}/{database}?sslmode=disable");
        PostgresOptions::new(&address, node, payload, None).expect("an address")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.remove = true;
        self.let_go();
        let _ = as_server("rm").arg("-rf").arg(&self.folder).status();
    }
}

/// Where the programs are: those of the newest version there is.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let versions = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
        let found = versions.filter(|bin| bin.join("initdb").exists()).max();
        found.expect("PostgreSQL is installed (Debian package postgresql)")
    })
}

/// A command of the user who may run the server.
fn as_server(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}
