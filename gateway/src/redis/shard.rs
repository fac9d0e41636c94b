//! One master, through fred.
//!
//! fred is used for one server at a time. Left to itself it would stay connected to a server that stands still (it
//! compares its patience with its latest write, not with the oldest that has no answer), keep commands for a server
//! that is gone and send them minutes later, and in a cluster make all masters wait for one. So it has no policy of
//! reconnecting here: a client that fails, or whose server gives two answers not, is thrown away and another is made.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike as _, LuaInterface as _};
use fred::prelude::{Builder, Server, ServerConfig};
use fred::types::RespVersion;
use fred::types::config::{Config, TcpConfig, TlsConfig};
use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::RedisError;
use super::script::Failure;
use super::url::{HostPort, RedisUrl};
use super::wire::Tls;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a server is asked whether it is well, and how long it has to answer.
const ASK: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_millis(1_200);
/// So many questions without an answer mean that the connection is worth nothing.
const MISSES: u32 = 2;
/// The wait between attempts to connect; each is longer, up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A call waits at most so long for a connection that is not there, so that short breaks are not seen outside.
const PATIENCE: Duration = Duration::from_secs(1);
/// Commands that may wait in fred.
const COMMANDS_MAX: usize = 50_000;

/// One master. Dropping it closes its connection.
#[derive(Debug)]
pub(super) struct Shard {
    client: watch::Receiver<Connection>,
    stop: CancellationToken,
}

/// Whether there is a client that works.
#[derive(Debug, Clone)]
enum Connection {
    /// It answers; whether it would take a write.
    Up {
        client: Client,
        writes: bool,
    },
    Down {
        since: Instant,
    },
}

/// Does nothing, but as something that would write: a server that is read-only, out of memory or without the replicas
/// that it must have refuses it.
const WRITE_NOTHING: &str = "#!lua\nreturn 1";

/// How to connect, the same for all masters.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) url: RedisUrl,
    pub(super) tls: Option<Tls>,
}

impl Shard {
    /// Begins to connect, on the runtime that fred's own tasks are to run on: where many threads share the work, fred
    /// flushes for every single command.
    pub(super) fn start(at: HostPort, access: Access, runtime: &tokio::runtime::Handle) -> Arc<Self> {
        let (tell, client) = watch::channel(Connection::Down { since: Instant::now() });
        let stop = CancellationToken::new();
        runtime.spawn(keep_connected(at, access, tell, stop.clone()));
        Arc::new(Self { client, stop })
    }

    /// A client that works, as soon as there is one.
    pub(super) async fn client(&self) -> Result<Client, RedisError> {
        let mut client = self.client.clone();
        let down_since = match &*client.borrow_and_update() {
            Connection::Up { client, .. } => return Ok(client.clone()),
            Connection::Down { since } => *since,
        };
        let found = tokio::time::timeout_at(
            down_since + PATIENCE,
            client.wait_for(|connection| matches!(connection, Connection::Up { .. })),
        );
        match found.await {
            Ok(Ok(connection)) => match &*connection {
                Connection::Up { client, .. } => Ok(client.clone()),
                Connection::Down { .. } => Err(RedisError::Unavailable),
            },
            Ok(Err(_)) | Err(_) => Err(RedisError::Unavailable),
        }
    }

    /// Whether it answers and takes writes.
    pub(super) fn is_well(&self) -> bool {
        is_well(&self.client.borrow())
    }

    /// Waits until it is well, or until it is not.
    pub(super) async fn until(&self, well: bool) {
        let as_wanted = |connection: &Connection| is_well(connection) == well;
        if self.client.clone().wait_for(as_wanted).await.is_err() {
            // Nobody connects any more.
            std::future::pending::<()>().await;
        }
    }
}

fn is_well(connection: &Connection) -> bool {
    match connection {
        Connection::Up { writes, .. } => *writes,
        Connection::Down { .. } => false,
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Connects again and again, until stopped.
async fn keep_connected(at: HostPort, access: Access, tell: watch::Sender<Connection>, stop: CancellationToken) {
    let mut wait = BACKOFF.0;
    let mut told: Option<String> = None;
    loop {
        let kept = tokio::select! {
            () = stop.cancelled() => return,
            kept = keep_one(&at, &access, &tell) => kept,
        };
        let down = Connection::Down { since: Instant::now() };
        tell.send_if_modified(|connection| {
            let was_up = matches!(connection, Connection::Up { .. });
            if was_up {
                *connection = down;
            }
            was_up
        });
        if kept.lasted {
            (wait, told) = (BACKOFF.0, None);
        }
        // The same reason is not repeated twice a second for as long as a server is away.
        if told.as_ref() != Some(&kept.reason) {
            tracing::warn!(server = %at, reason = kept.reason, "no connection to Redis, trying again");
            told = Some(kept.reason);
        }
        let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.0));
        if timeout(jittered, stop.cancelled()).await.is_ok() {
            return;
        }
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// What became of one connection.
struct Kept {
    lasted: bool,
    reason: String,
}

/// One connection, from its beginning to its end.
async fn keep_one(at: &HostPort, access: &Access, tell: &watch::Sender<Connection>) -> Kept {
    let never = |reason: String| Kept { lasted: false, reason };
    let client = match client(at, access) {
        Ok(client) => client,
        Err(error) => return never(error.to_string()),
    };
    let driver = match timeout(CONNECT, client.init()).await {
        Ok(Ok(driver)) => Aborted(driver),
        Ok(Err(error)) => return never(error.details().to_owned()),
        Err(_) => return never("it did not answer in time".to_owned()),
    };
    tell.send_replace(Connection::Up { client: client.clone(), writes: true });
    tracing::info!(server = %at, "connected to Redis");
    let reason = watch_over(at, &client, driver, tell).await;
    Kept { lasted: true, reason }
}

/// Ends when the connection does, or when the server gives no sign of life.
async fn watch_over(at: &HostPort, client: &Client, mut driver: Aborted, tell: &watch::Sender<Connection>) -> String {
    let mut misses = 0;
    let mut ask = tokio::time::interval(ASK);
    loop {
        tokio::select! {
            ended = &mut driver.0 => return match ended {
                Ok(Err(error)) => error.details().to_owned(),
                Ok(Ok(())) | Err(_) => "the connection was closed".to_owned(),
            },
            _ = ask.tick() => {}
        }
        let refusal = match timeout(
            ANSWER,
            client.eval::<(), _, _, _>(WRITE_NOTHING, Vec::<String>::new(), Vec::<String>::new()),
        )
        .await
        {
            Ok(Ok(())) => None,
            Ok(Err(error)) if !is_silence(&error) => Some(error.details().to_owned()),
            Ok(Err(_)) | Err(_) => {
                misses += 1;
                if misses >= MISSES {
                    return "it gave no sign of life".to_owned();
                }
                continue;
            }
        };
        misses = 0;
        tell.send_if_modified(|connection| {
            let Connection::Up { writes, .. } = connection else { return false };
            let changed = *writes != refusal.is_none();
            *writes = refusal.is_none();
            match (&refusal, changed) {
                (Some(refusal), true) => tracing::error!(server = %at, refusal, "Redis takes no writes"),
                (None, true) => tracing::info!(server = %at, "Redis takes writes again"),
                (Some(_) | None, false) => {}
            }
            changed
        });
    }
}

fn is_silence(error: &Error) -> bool {
    Failure::of(error) == Failure::Final(RedisError::Unavailable)
}

/// fred's task, which ends with whoever waits for it.
struct Aborted(fred::types::ConnectHandle);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn client(at: &HostPort, access: &Access) -> Result<Client, Error> {
    let config = Config {
        server: ServerConfig::Centralized { server: Server::new(at.host.clone(), at.port) },
        version: RespVersion::RESP3,
        username: access.url.user.clone(),
        password: access.url.password.as_ref().map(|password| password.expose().to_owned()),
        database: (access.url.database != 0).then_some(access.url.database),
        tls: access.tls.as_ref().map(|tls| TlsConfig::from(tls.connector())),
        fail_fast: true,
        ..Config::default()
    };
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = CONNECT;
            connection.internal_command_timeout = CONNECT;
            // What was sent once and has no answer may have been done.
            connection.max_command_attempts = 1;
            connection.max_redirections = 1;
            connection.max_command_buffer_len = COMMANDS_MAX;
            connection.auto_client_setname = true;
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        })
        .build()
}
