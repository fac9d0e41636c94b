//! The least of a Redis client: one command, one reply, over RESP2.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a server answers, errors aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// An integer.
    Number(i64),
    /// A simple or a bulk string.
    Text(String),
    /// Several replies.
    List(Vec<Reply>),
}

impl Reply {
    /// The items of a list; of anything else, none.
    pub fn list(&self) -> &[Reply] {
        match self {
            Self::List(items) => items,
            Self::Nil | Self::Number(_) | Self::Text(_) => &[],
        }
    }

    /// The number, also one that came as text.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Nil | Self::List(_) => None,
        }
    }
}

/// As `redis-cli` prints it for other programs: the items of lists line by line, nothing for nil.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => Ok(()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => items.iter().enumerate().try_for_each(|(at, item)| {
                let separator = if at == 0 { "" } else { "\n" };
                write!(f, "{separator}{item}")
            }),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one command; the inner error is the server's.
    pub(crate) fn call(&mut self, arguments: &[&str]) -> io::Result<Result<Reply, String>> {
        let parts = arguments.iter().map(|argument| format!("${}\r\n{argument}\r\n", argument.len()));
        let request: String = iter::once(format!("*{}\r\n", arguments.len())).chain(parts).collect();
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Result<Reply, String>> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "this is not RESP2");
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or_else(broken)?;
        let number = || rest.parse::<i64>().map_err(|_| broken());
        let reply = match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => return Ok(Err(rest.to_owned())),
            ":" => Reply::Number(number()?),
            "$" => match usize::try_from(number()?) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
                Err(_) => Reply::Nil,
            },
            "*" => match usize::try_from(number()?) {
                Ok(length) => {
                    let mut items = Vec::with_capacity(length);
                    for _ in 0..length {
                        items.push(self.read()?.unwrap_or_else(Reply::Text));
                    }
                    Reply::List(items)
                }
                Err(_) => Reply::Nil,
            },
            _ => return Err(broken()),
        };
        Ok(Ok(reply))
    }
}
