//! RabbitMQ that merely stores: one node, a quorum queue, persistent messages, each confirmed. It is
//! the program of the Debian package, in a folder and on ports of its own, without TLS.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

use crate::bench::child::cpu_seconds;
use crate::bench::load::Timed;

/// Where the package puts its programs.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// Longest that it may take to start.
const START: Duration = Duration::from_secs(120);
/// The queue.
const QUEUE: &str = "bench";
/// A message that survives a restart (AMQP 0-9-1, `delivery-mode`).
const PERSISTENT: u8 = 2;

/// Starts port mapper and broker, and ends them by their ids when nobody holds the other end of its
/// input any more, however the bench ends.
const KEEPER: &str = r#"
    trap '' TERM INT HUP
    cd "$1" || exit 1
    epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" >/dev/null 2>&1 &
    mapper=$!
    "$2/rabbitmq-server" >>"$1/log/out" 2>&1 &
    wrapper=$!
    echo ready
    read -r _
    for process in $(cat "$1/pid" 2>/dev/null) $wrapper $mapper; do
        kill -KILL "$process" 2>/dev/null
    done
    wait
    exit 0
"#;

/// A broker that nobody else uses.
pub(super) struct RabbitMq {
    folder: PathBuf,
    keeper: Child,
    connection: Option<Connection>,
    channel: Option<Channel>,
}

impl RabbitMq {
    /// Starts one in this folder, which must be there.
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let server = Path::new(PROGRAMS).join("rabbitmq-server");
        ensure!(server.exists(), "{}: not there", server.display());
        for name in ["log", "data", "home"] {
            std::fs::create_dir(folder.join(name))?;
        }
        std::fs::write(folder.join("plugins"), "[].")?;
        std::fs::write(folder.join("rabbitmq.conf"), "disk_free_limit.absolute = 1MB\n")?;
        // All at once, so that they differ.
        let free: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
        let ports: Vec<u16> =
            free.iter().map(|port| Ok(port.local_addr()?.port())).collect::<anyhow::Result<_>>()?;
        drop(free);
        let keeper = command(folder, &ports)
            .args(["-c", KEEPER, "keeper"])
            .args([folder, Path::new(PROGRAMS)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("sh")?;
        let mut broker =
            Self { folder: folder.to_owned(), keeper, connection: None, channel: None };
        let output = broker.keeper.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let begun = Instant::now();
        // The port is opened last of all.
        while TcpStream::connect(("127.0.0.1", ports[0])).is_err() {
            if begun.elapsed() > START || broker.keeper.try_wait()?.is_some() {
                let log = std::fs::read_to_string(folder.join("log/out")).unwrap_or_default();
                bail!("it does not start: {}", log.lines().last().unwrap_or("no word"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        broker.connect(ports[0]).await?;
        Ok(broker)
    }

    async fn connect(&mut self, port: u16) -> anyhow::Result<()> {
        let uri = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut arguments = FieldTable::default();
        let quorum = AMQPValue::LongString(LongString::from("quorum"));
        arguments.insert("x-queue-type".into(), quorum);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(QUEUE.into(), durable, arguments).await?;
        (self.connection, self.channel) = (Some(connection), Some(channel));
        Ok(())
    }

    /// The version of the package's program.
    pub(super) fn version() -> Option<String> {
        let folders = std::fs::read_dir("/usr/lib/rabbitmq/lib").ok()?;
        let names = folders.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| Some(name.strip_prefix("rabbitmq_server-")?.to_owned())).max()
    }

    /// Hands the bodies over and waits for each to be confirmed, with at most so many on their way.
    pub(super) async fn store(
        &self,
        bodies: &[Vec<u8>],
        in_flight: usize,
    ) -> anyhow::Result<(Timed, f64)> {
        let channel = self.channel.as_ref().context("no channel")?;
        channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        let process = std::fs::read_to_string(self.folder.join("pid"))?.trim().parse()?;
        let before = cpu_seconds(process).map_err(|_| anyhow::anyhow!("the broker is gone"))?;
        let mut each_ms = Vec::with_capacity(bodies.len());
        let mut waiting = VecDeque::with_capacity(in_flight);
        let begun = Instant::now();
        for body in bodies {
            if waiting.len() >= in_flight
                && let Some((sent, confirm)) = waiting.pop_front()
            {
                each_ms.push(confirmed(sent, confirm).await?);
            }
            let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent = Instant::now();
            let confirm =
                channel.basic_publish("".into(), QUEUE.into(), options, body, properties).await?;
            waiting.push_back((sent, confirm));
        }
        for (sent, confirm) in waiting {
            each_ms.push(confirmed(sent, confirm).await?);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let after = cpu_seconds(process).map_err(|_| anyhow::anyhow!("the broker is gone"))?;
        let cpu_ms = (after - before) * 1_000.0 / bodies.len() as f64;
        Ok((Timed { each_ms, seconds }, cpu_ms))
    }
}

/// Waits for the broker to say that it has the message; gives the milliseconds since it was sent.
async fn confirmed(
    sent: Instant,
    confirm: impl Future<Output = lapin::Result<Confirmation>>,
) -> anyhow::Result<f64> {
    match confirm.await? {
        Confirmation::Ack(None) => Ok(sent.elapsed().as_secs_f64() * 1_000.0),
        other => bail!("not stored: {other:?}"),
    }
}

/// The shell, in the surroundings of the broker.
fn command(folder: &Path, ports: &[u16]) -> Command {
    let at = |name: &str| folder.join(name);
    let mut command = Command::new("sh");
    command
        .env("HOME", at("home"))
        .env("ERL_EPMD_PORT", ports[2].to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", format!("bench{}@localhost", ports[0]))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", ports[0].to_string())
        .env("RABBITMQ_DIST_PORT", ports[1].to_string())
        .env("RABBITMQ_MNESIA_BASE", at("data"))
        .env("RABBITMQ_LOG_BASE", at("log"))
        .env("RABBITMQ_PID_FILE", at("pid"))
        .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    command
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // It has ended everything then; an error says that it is gone already.
        let _ended = self.keeper.wait();
    }
}
