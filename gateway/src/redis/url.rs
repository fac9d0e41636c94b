//! Where Redis is and who we are there, as one URL.
//!
//! `scheme://[user[:password]@]host[:port][,host[:port]…][/database]`, for Sentinel `…/service[/database]`.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use percent_encoding::percent_decode_str;
use thiserror::Error;

const SERVER_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// A name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
}

impl HostPort {
    /// This host at this port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A password, which prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Hides the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the masters are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One server, always the same.
    Fixed(HostPort),
    /// The master that Sentinel names.
    Sentinel {
        /// The sentinels to begin with; the others are learnt from them.
        sentinels: Vec<HostPort>,
        /// What they call the master and its replicas.
        service: String,
        /// The user at the sentinels, where they have users.
        user: Option<String>,
        /// The password at the sentinels.
        password: Option<Password>,
    },
    /// The masters of a cluster.
    Cluster {
        /// The nodes to begin with; the others are learnt from them.
        seeds: Vec<HostPort>,
    },
}

/// A parsed URL. It prints without its passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// How the masters are found.
    pub topology: Place,
    /// Whether to speak TLS, with the sentinels too.
    pub tls: bool,
    /// The user; `default` where there is only a password.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Password>,
    /// The database, 0 in a cluster.
    pub database: u8,
}

impl RedisUrl {
    /// Whether it is a cluster, where keys of different slots do not share a call.
    pub fn is_cluster(&self) -> bool {
        matches!(self.topology, Place::Cluster { .. })
    }

    /// A server that is named in it, whatever its part.
    pub fn a_server(&self) -> Option<&HostPort> {
        match &self.topology {
            Place::Fixed(server) => Some(server),
            Place::Sentinel { sentinels: servers, .. } | Place::Cluster { seeds: servers } => servers.first(),
        }
    }
}

/// What is wrong with a URL. No text repeats a part of it, because a password may have ended up anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// The scheme is missing or another.
    #[error(
        "begin with redis://, redis-sentinel:// or redis-cluster:// (rediss… for TLS; valkey… and valkeys… are the same)"
    )]
    Scheme,
    /// There is no host.
    #[error("name a host after `//`, as in redis://localhost:6379")]
    Host,
    /// A port is no port.
    #[error("after the last `:` of a host stands its port, a number from 1 to 65535; IPv6 addresses go in brackets")]
    Port,
    /// What stands in brackets is no IPv6 address.
    #[error("in brackets stands an IPv6 address, as in redis://[::1]:6379")]
    Ipv6,
    /// There is a name before `@`, but no password.
    #[error("write `user:password@` or `:password@` before the host (`user:@` if the user needs no password)")]
    NoPassword,
    /// Something stands unescaped in the user or the password.
    #[error("write `/` as %2F, `?` as %3F, `#` as %23, `@` as %40 and `%` as %25 in users and passwords")]
    Escape,
    /// Several hosts, but no cluster and no Sentinel.
    #[error(
        "several hosts are several nodes of a cluster (redis-cluster://) or sentinels (redis-sentinel://): say which"
    )]
    ManyHosts,
    /// There is no service to ask the sentinels for.
    #[error("name the service that the sentinels watch, as in redis-sentinel://host:26379/mymaster")]
    Service,
    /// The database is none.
    #[error("the database is a number from 0 to 255 at the end, as in redis://localhost:6379/2")]
    Database,
    /// A cluster has no databases.
    #[error("a cluster has only database 0: leave the database away, and use `redis.prefix` to keep things apart")]
    ClusterDatabase,
    /// A parameter that means nothing here.
    #[error("only redis-sentinel:// takes parameters: ?sentinel_user=…&sentinel_password=…")]
    Parameter,
    /// A user for the sentinels without a password.
    #[error("sentinel_user needs a sentinel_password beside it")]
    SentinelPassword,
}

enum Kind {
    Fixed,
    Sentinel,
    Cluster,
}

impl FromStr for RedisUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(UrlError::Scheme)?;
        let (tls, kind) = scheme_of(scheme)?;
        let (address, query) = rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
        let (authority, path) =
            address.split_once('/').map_or((address, None), |(authority, path)| (authority, Some(path)));
        let misplaced = path.is_some_and(|path| path.contains('@')) || rest.contains('#');
        // A password's own `?` would end up in a query that has no host before it.
        if misplaced
            || query.is_some_and(|query| query.contains('@') && !authority.contains('@') && !query.contains('='))
        {
            return Err(UrlError::Escape);
        }
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = login.map_or(Ok((None, None)), login_of)?;
        let port = if matches!(kind, Kind::Sentinel) { SENTINEL_PORT } else { SERVER_PORT };
        let mut hosts = hosts.split(',').map(|host| host_port(host, port)).collect::<Result<Vec<_>, _>>()?;
        let path = path.unwrap_or_default();
        if query.is_some() && !matches!(kind, Kind::Sentinel) {
            return Err(UrlError::Parameter);
        }
        let (topology, database) = match kind {
            Kind::Fixed => {
                let host = hosts.remove(0);
                if !hosts.is_empty() {
                    return Err(UrlError::ManyHosts);
                }
                (Place::Fixed(host), database_of(path)?)
            }
            Kind::Sentinel => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                let (user, password) = sentinel_login(query.unwrap_or_default())?;
                let service = decoded(service)?;
                if service.is_empty() {
                    return Err(UrlError::Service);
                }
                (Place::Sentinel { sentinels: hosts, service, user, password }, database_of(database)?)
            }
            Kind::Cluster => match database_of(path)? {
                0 => (Place::Cluster { seeds: hosts }, 0),
                _ => return Err(UrlError::ClusterDatabase),
            },
        };
        Ok(Self { topology, tls, user, password, database })
    }
}

fn scheme_of(scheme: &str) -> Result<(bool, Kind), UrlError> {
    let scheme = scheme.to_ascii_lowercase();
    let (name, kind) = match scheme.split_once('-') {
        None => (scheme.as_str(), Kind::Fixed),
        Some((name, "sentinel")) => (name, Kind::Sentinel),
        Some((name, "cluster")) => (name, Kind::Cluster),
        Some(_) => return Err(UrlError::Scheme),
    };
    match name {
        "redis" | "valkey" => Ok((false, kind)),
        "rediss" | "valkeys" => Ok((true, kind)),
        _ => Err(UrlError::Scheme),
    }
}

fn login_of(login: &str) -> Result<(Option<String>, Option<Password>), UrlError> {
    let (user, password) = login.split_once(':').ok_or(UrlError::NoPassword)?;
    let user = decoded(user)?;
    Ok(((!user.is_empty()).then_some(user), Some(Password(decoded(password)?))))
}

fn sentinel_login(query: &str) -> Result<(Option<String>, Option<Password>), UrlError> {
    let (mut user, mut password) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_user", value)) => user = Some(decoded(value)?),
            Some(("sentinel_password", value)) => password = Some(Password(decoded(value)?)),
            _ => return Err(UrlError::Parameter),
        }
    }
    if user.is_some() && password.is_none() {
        return Err(UrlError::SentinelPassword);
    }
    Ok((user, password))
}

fn host_port(text: &str, default: u16) -> Result<HostPort, UrlError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(UrlError::Ipv6)?;
        host.parse::<Ipv6Addr>().map_err(|_| UrlError::Ipv6)?;
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err(UrlError::Port),
        }
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        None => default,
        Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Port)?,
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(UrlError::Host);
    }
    Ok(HostPort::new(host, port))
}

fn database_of(path: &str) -> Result<u8, UrlError> {
    if path.is_empty() { Ok(0) } else { path.parse().map_err(|_| UrlError::Database) }
}

/// Undoes percent-encoding; a `%` that encodes nothing is a password that somebody forgot to encode.
fn decoded(text: &str) -> Result<String, UrlError> {
    let encodes = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(encodes) {
        return Err(UrlError::Escape);
    }
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| UrlError::Escape)
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, hosts, service) = match &self.topology {
            Place::Fixed(host) => ("", std::slice::from_ref(host), None),
            Place::Sentinel { sentinels, service, .. } => ("-sentinel", sentinels.as_slice(), Some(service)),
            Place::Cluster { seeds } => ("-cluster", seeds.as_slice(), None),
        };
        write!(f, "redis{}{suffix}://", if self.tls { "s" } else { "" })?;
        if self.password.is_some() {
            write!(f, "{}:***@", self.user.as_deref().unwrap_or_default())?;
        }
        for (index, host) in hosts.iter().enumerate() {
            write!(f, "{}{host}", if index == 0 { "" } else { "," })?;
        }
        if let Some(service) = service {
            write!(f, "/{service}")?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
