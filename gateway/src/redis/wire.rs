//! One plain connection to a server or a sentinel: RESP3 over TCP or TLS, logged in, a question and its answer.

mod tls;

use std::{borrow::Cow, fmt};

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use redis_protocol::{
    codec::Resp3,
    resp3::types::{BorrowedFrame, BytesFrame},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_util::codec::Framed;

use super::{
    RedisError,
    url::{HostPort, Password, Place, RedisUrl},
};

pub use tls::{Tls, TlsError};

/// What readers of `CLIENT LIST` and `MONITOR` see.
const NAME: &[u8] = b"hubbub";
/// The oldest version that has sharded pub/sub.
const VERSION_MIN: (u32, u32) = (7, 0);

/// A socket, in clear or within TLS.
pub trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for T {}

/// Why a connection could not be made, or a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// No connection, or no answer in time. Whether a question was heard is unknown; retry over another connection.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The password is wrong or missing, or the ACL forbids it. The operator's fault.
    #[error("refused: {0}; check the user, the password and the user's ACL")]
    Refused(String),
    /// Another error reply, in the server's words.
    #[error("{0}")]
    Reply(String),
    /// What came is no RESP3, or not the answer that was asked for.
    #[error("not understood: {0}")]
    Broken(String),
    /// The server lacks sharded pub/sub.
    #[error("needs Redis 7.0 or Valkey 7.2 or newer, but this server is {0}: update it")]
    TooOld(String),
}

impl WireError {
    /// What an error reply means.
    pub fn of_reply(text: &str) -> Self {
        match text.split(' ').next().unwrap_or_default() {
            "WRONGPASS" | "NOAUTH" | "NOPERM" | "DENIED" => Self::Refused(text.to_owned()),
            _ => Self::Reply(text.to_owned()),
        }
    }

    fn lost(error: impl ToString) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<WireError> for RedisError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Unreachable(_) => Self::Unavailable,
            WireError::Refused(text) => Self::Refused(text),
            WireError::Reply(text) => match text.split(' ').next().unwrap_or_default() {
                "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "BUSY" => {
                    Self::Unavailable
                }
                _ if text.contains("max number of clients") => Self::Unavailable,
                "OOM" => Self::Full,
                _ => Self::Broken(text),
            },
            WireError::Broken(text) => Self::Broken(text),
            WireError::TooOld(_) => Self::Broken(error.to_string()),
        }
    }
}

/// How to enter: everything about a connection but its address.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
    /// The user; `default` where there is only a password.
    pub user: Option<String>,
    /// The password; none is sent without one.
    pub password: Option<Password>,
    /// The database to select.
    pub database: u8,
}

impl Login {
    /// Into the servers of this URL.
    pub fn to_servers(url: &RedisUrl, tls: Option<Tls>) -> Self {
        Self { tls, user: url.user.clone(), password: url.password.clone(), database: url.database }
    }

    /// Into the sentinels of this URL.
    pub fn to_sentinels(url: &RedisUrl, tls: Option<Tls>) -> Self {
        match &url.topology {
            Place::Sentinel { user, password, .. } => {
                Self { tls, user: user.clone(), password: password.clone(), database: 0 }
            }
            Place::Fixed(_) | Place::Cluster { .. } => Self { tls, ..Self::default() },
        }
    }

    /// The same, where databases mean nothing.
    pub fn without_database(&self) -> Self {
        Self { database: 0, ..self.clone() }
    }
}

/// What a server says of itself when it is greeted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Greeting {
    /// `7.0.15`.
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// `master` or `replica`.
    pub role: String,
}

/// A connection that is logged in.
pub struct Wire {
    framed: Framed<Box<dyn Socket>, Resp3>,
    greeting: Greeting,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("greeting", &self.greeting).finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects, greets, logs in and selects the database, all before the deadline.
    pub async fn connect(address: &HostPort, login: &Login, deadline: Instant) -> Result<Self, WireError> {
        let socket = timeout_at(deadline, socket(address, login))
            .await
            .map_err(|_| WireError::lost("connecting took too long"))??;
        let mut wire = Self { framed: Framed::new(socket, Resp3::default()), greeting: Greeting::default() };
        wire.greet(login, deadline).await?;
        if login.database != 0 {
            wire.request(&[b"SELECT", login.database.to_string().as_bytes()], deadline).await?;
        }
        Ok(wire)
    }

    async fn greet(&mut self, login: &Login, deadline: Instant) -> Result<(), WireError> {
        let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
        if let Some(password) = &login.password {
            let user = login.user.as_deref().unwrap_or("default");
            hello.extend([b"AUTH", user.as_bytes(), password.expose().as_bytes()]);
        }
        hello.extend([b"SETNAME", NAME]);
        let answer = self.request(&hello, deadline).await.map_err(|error| match error {
            WireError::Reply(text) if text.contains("unknown command") => {
                WireError::TooOld("older than 6.0".to_owned())
            }
            error => error,
        })?;
        let said = |name| field(&answer, name).map(|value| text(value).into_owned()).unwrap_or_default();
        self.greeting = Greeting { version: said("version"), mode: said("mode"), role: said("role") };
        let mut numbers = self.greeting.version.split('.').map(|number| number.parse().unwrap_or(0));
        // A sentinel of an older version does what is asked of it.
        let is_old = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < VERSION_MIN;
        if is_old && self.greeting.mode != "sentinel" {
            return Err(WireError::TooOld(self.greeting.version.clone()));
        }
        Ok(())
    }

    /// What the server said of itself when it was greeted.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Asks, and waits for the answer. After [`WireError::Unreachable`] and [`WireError::Broken`] the connection is of
    /// no more use: a late answer would be taken for the next one's.
    pub async fn request(&mut self, words: &[&[u8]], deadline: Instant) -> Result<BytesFrame, WireError> {
        let words: Vec<_> =
            words.iter().map(|word| BorrowedFrame::BlobString { data: word, attributes: None }).collect();
        let question = BorrowedFrame::Array { data: &words, attributes: None };
        let exchange = async {
            self.framed.send(question).await.map_err(WireError::lost)?;
            loop {
                match self.framed.next().await {
                    Some(Ok(BytesFrame::Push { .. })) => {}
                    Some(Ok(BytesFrame::SimpleError { data, .. })) => return Err(WireError::of_reply(&data)),
                    Some(Ok(BytesFrame::BlobError { data, .. })) => {
                        return Err(WireError::of_reply(&String::from_utf8_lossy(&data)));
                    }
                    Some(Ok(frame)) => return Ok(frame),
                    Some(Err(error)) => return Err(WireError::lost(error)),
                    None => return Err(WireError::lost("the server closed the connection")),
                }
            }
        };
        timeout_at(deadline, exchange).await.map_err(|_| WireError::lost("the server did not answer in time"))?
    }

    /// The socket, and what was read from it already, for a reader of one's own.
    pub fn into_parts(self) -> (Box<dyn Socket>, BytesMut) {
        let parts = self.framed.into_parts();
        (parts.io, parts.read_buf)
    }
}

async fn socket(address: &HostPort, login: &Login) -> Result<Box<dyn Socket>, WireError> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(WireError::lost)?;
    stream.set_nodelay(true).map_err(WireError::lost)?;
    match &login.tls {
        None => Ok(Box::new(stream)),
        Some(tls) => Ok(Box::new(tls.around(stream, &address.host).await.map_err(WireError::lost)?)),
    }
}

/// The value of this name in a map, or in an array of names and values in turn.
pub fn field<'a>(frame: &'a BytesFrame, name: &str) -> Option<&'a BytesFrame> {
    match frame {
        BytesFrame::Map { data, .. } => data.iter().find(|(key, _)| text(key) == name).map(|(_, value)| value),
        BytesFrame::Array { data, .. } => data.chunks_exact(2).find(|pair| text(&pair[0]) == name).map(|pair| &pair[1]),
        _ => None,
    }
}

/// The members of an array; none of anything else.
pub fn members(frame: &BytesFrame) -> &[BytesFrame] {
    match frame {
        BytesFrame::Array { data, .. } | BytesFrame::Push { data, .. } => data,
        _ => &[],
    }
}

/// A frame as text; empty for what is none.
pub fn text(frame: &BytesFrame) -> Cow<'_, str> {
    match frame {
        BytesFrame::BlobString { data, .. }
        | BytesFrame::SimpleString { data, .. }
        | BytesFrame::VerbatimString { data, .. } => String::from_utf8_lossy(data),
        BytesFrame::Number { data, .. } => data.to_string().into(),
        _ => "".into(),
    }
}

/// A frame as a number; none for what is none.
pub fn number(frame: &BytesFrame) -> Option<u64> {
    text(frame).parse().ok()
}

#[cfg(test)]
mod tests;
