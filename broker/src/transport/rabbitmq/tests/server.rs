//! A real RabbitMQ of the tests' own: a folder of its own, free ports, gone with its owner.
//!
//! The Debian package `rabbitmq-server` brings the programs. They run as whoever runs the tests, root
//! as well, past the package's wrapper, which insists on its own user and folders. Node name, cookie,
//! data, log and the port mapper (`epmd`) are all in or of the folder, so that it meets no other
//! broker on the machine.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use amtsbote_trust::testca::{KeyKind, Purpose, Span, TestCa};

use crate::config::HintSettings;

/// Longest that a broker may take to start on a busy machine.
const START: Duration = Duration::from_secs(180);
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// Starts port mapper and broker, says their process ids, and ends them when nobody holds the other
/// end of its input any more: however the tests end, they do not stay behind.
const KEEPER: &str = r#"
    # Whoever ends the tests may mean the whole group; it still tidies up.
    trap '' TERM INT HUP
    cd "$1" || exit 1
    epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" >/dev/null 2>&1 &
    mapper=$!
    /usr/lib/rabbitmq/bin/rabbitmq-server >>"$1/log/out" 2>&1 &
    wrapper=$!
    echo ready
    read -r word
    # A broker that has ended by itself has taken the file away.
    for process in $(cat "$1/pid" 2>/dev/null) $wrapper $mapper; do
        kill -KILL "$process" 2>/dev/null
    done
    wait
    # The last of it may still be writing.
    [ "$word" = keep ] || rm -rf "$1" || { sleep 1; rm -rf "$1"; }
    exit 0
"#;

/// A broker.
pub(super) struct Server {
    folder: tempfile::TempDir,
    /// For connections, for encrypted ones, between nodes, of the port mapper.
    ports: [u16; 4],
    ca: TestCa,
    keeper: Option<Child>,
}

/// The one that all tests share which do no harm to it.
pub(super) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(Server::start)
}

impl Server {
    /// Starts one, and waits until it answers.
    pub(super) fn start() -> Self {
        assert!(
            PathBuf::from(PROGRAMS).join("rabbitmq-server").exists(),
            "RabbitMQ is installed (Debian package rabbitmq-server)"
        );
        let folder = tempfile::Builder::new().prefix("amtsbote-mq-").tempdir().expect("a folder");
        let day = |text: &str| text.parse().expect("an instant");
        let span = Span { from: day("2020-01-01T00:00:00Z"), until: day("2100-01-01T00:00:00Z") };
        let ca = TestCa::new("TEST", KeyKind::EcP256, span).expect("an authority");
        let server = ca.issue("TEST broker", Purpose::localhost(), KeyKind::EcP256, span);
        let server = server.expect("issued");
        for name in ["log", "data", "home"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let write = |name: &str, octets: &[u8]| {
            std::fs::write(folder.path().join(name), octets).expect("writes");
        };
        write("ca.pem", &ca.certificate().x509().to_pem().expect("PEM"));
        write("cert.pem", &server.chain_pem().expect("PEM"));
        write("key.pem", &server.key_pem().expect("PEM"));
        write("plugins", b"[].");
        // All at once, so that they differ.
        let free = [(); 4].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
        let ports = free.map(|port| port.local_addr().expect("a port").port());
        let shown = folder.path().display();
        let settings = format!(
            // The second is an address that its certificate does not bear.
            "listeners.ssl.1 = 127.0.0.1:{0}\nlisteners.ssl.2 = 127.0.0.2:{0}\nssl_options.cacertfile = {shown}/ca.pem\n\
             ssl_options.certfile = {shown}/cert.pem\nssl_options.keyfile = {shown}/key.pem\n\
             ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n\
             ssl_options.versions.1 = tlsv1.3\ndisk_free_limit.absolute = 1MB\n",
            ports[1]
        );
        write("rabbitmq.conf", settings.as_bytes());
        let mut server = Self { folder, ports, ca, keeper: None };
        server.run();
        server
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub(super) fn run(&mut self) {
        let mut keeper = self
            .command("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let mut line = String::new();
        let mut output = BufReader::new(keeper.stdout.take().expect("an output"));
        output.read_line(&mut line).expect("a line");
        self.keeper = Some(keeper);
        let begun = Instant::now();
        // The port is opened last of all.
        while TcpStream::connect(("127.0.0.1", self.ports[1])).is_err() {
            assert!(begun.elapsed() < START, "it does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log/out")).unwrap_or_default()
    }

    /// A command in its surroundings.
    fn command(&self, program: &str) -> Command {
        let [port, _, between, mapper] = self.ports.map(|port| port.to_string());
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(program);
        command
            .env("HOME", at("home"))
            .env("ERL_EPMD_PORT", mapper)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("test{port}@localhost"))
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

    /// Runs `rabbitmqctl`; takes some seconds.
    pub(super) fn control(&self, arguments: &[&str]) -> String {
        let output = self.command(&format!("{PROGRAMS}/rabbitmqctl")).args(arguments).output();
        let output = output.expect("rabbitmqctl runs");
        let text = |octets| String::from_utf8_lossy(octets).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Kills it as a crash would.
    pub(super) fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // What it kept is needed again.
            keeper.stdin.take().expect("an input").write_all(b"keep\n").expect("it listens");
            let _ = keeper.wait();
        }
    }

    /// Sends a signal to the broker itself.
    pub(super) fn signal(&self, signal: &str) {
        let process = std::fs::read_to_string(self.folder.path().join("pid")).expect("its id");
        let sent = Command::new("kill").args([&format!("-{signal}"), process.trim()]).status();
        assert!(sent.expect("kill runs").success(), "no process {process}");
    }

    /// How a node reaches it.
    pub(super) fn settings(&self) -> HintSettings {
        at(self.ports[0])
    }

    /// How a node reaches it over TLS, where it wants a certificate; `trusted` says whether the node
    /// trusts the broker's authority.
    pub(super) fn encrypted(&self, trusted: bool) -> HintSettings {
        let other = TestCa::new("TEST other", KeyKind::EcP256, self.ca.span());
        let other = other.expect("an authority");
        let authority = if trusted { &self.ca } else { &other }.certificate().clone();
        let node =
            self.ca.issue("TEST node", Purpose::local_hub(), KeyKind::EcP256, self.ca.span());
        let identity = node.expect("issued").identity().clone();
        let tls = Some((vec![authority], Some(identity)));
        HintSettings { host: "localhost".to_owned(), tls, ..at(self.ports[1]) }
    }
}

/// A broker at a port of this machine.
pub(super) fn at(port: u16) -> HintSettings {
    HintSettings {
        host: "127.0.0.1".to_owned(),
        port,
        virtual_host: "/".to_owned(),
        user: "guest".to_owned(),
        password: "guest".to_owned(),
        tls: None,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}
