//! Lua scripts: their text, the digest by which a server knows them, and what a refusal of one means.

use std::sync::OnceLock;

use fred::error::{Error, ErrorKind};
use fred::util::sha1_hash;

use super::RedisError;
use super::url::HostPort;

/// The time of all scripts.
const CLOCK: &str = include_str!("clock.lua");

/// What a script does to the data, which says when a server refuses the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Adds data: refused by a server that is out of memory or read-only.
    Write,
    /// Reads, and may drop or take note of what is over: refused by a read-only server alone.
    Tidy,
    /// Reads and nothing else.
    Read,
}

/// A script. It is given the function `now_ms` and stands in one or more files, fragments first; the last one says
/// what its keys, arguments and answer are.
#[derive(Debug)]
pub struct Script {
    access: Access,
    parts: &'static [&'static str],
    prepared: OnceLock<Prepared>,
}

/// A script as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) digest: String,
}

impl Access {
    /// All there are.
    pub(super) const ALL: [Self; 3] = [Self::Write, Self::Tidy, Self::Read];

    /// The line that says so at the head of a script.
    fn flags(self) -> &'static str {
        match self {
            Self::Write => "#!lua",
            Self::Tidy => "#!lua flags=allow-oom",
            Self::Read => "#!lua flags=no-writes",
        }
    }
}

impl Script {
    /// A script of these parts.
    pub const fn new(access: Access, parts: &'static [&'static str]) -> Self {
        Self { access, parts, prepared: OnceLock::new() }
    }

    pub(super) fn prepared(&self) -> &Prepared {
        self.prepared.get_or_init(|| self.prepare(CLOCK))
    }

    /// The script with another clock than the server's.
    pub(super) fn prepare(&self, clock: &str) -> Prepared {
        Prepared::of([self.access.flags(), clock].into_iter().chain(self.parts.iter().copied()))
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    /// Scripts that do the same to the data, as functions that make each of them, and what calls those.
    pub(super) fn together(scripts: &[&Self], dispatch: &str, clock: Option<&str>) -> Prepared {
        let flags = scripts.first().map_or("", |script| script.access.flags());
        let makers = scripts.iter().filter_map(|script| script.parts.split_last()).flat_map(|(last, fragments)| {
            let (before, between, after) = ("function()", "return function(KEYS, ARGV)", "end\nend,");
            let fragments = fragments.iter().copied();
            [before].into_iter().chain(fragments).chain([between, *last, after])
        });
        Prepared::of(
            [flags, clock.unwrap_or(CLOCK), "local kinds = {"].into_iter().chain(makers).chain(["}", dispatch]),
        )
    }
}

impl Prepared {
    fn of<'a>(parts: impl Iterator<Item = &'a str>) -> Self {
        let text = parts.collect::<Vec<_>>().join("\n");
        Self { digest: sha1_hash(&text), text }
    }
}

/// What to do about a call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server does not know the script: send its text. Nothing was done.
    Unknown,
    /// Another node has the slot: look where, and ask again. Nothing was done.
    Moved,
    /// The slot is on its way to another node, which is to be asked this once. Nothing was done.
    Ask(HostPort),
    /// Soon it may be possible. Nothing was done.
    Later,
    /// There is no more to try.
    Final(RedisError),
}

impl Failure {
    /// Reads fred's error. The server says by the first word of an error what happened, and all that can be said before
    /// a script begins mean that nothing was done.
    pub(super) fn of(error: &Error) -> Self {
        let details = error.details();
        // Within a script an error of a command is given with the command's own first word.
        let word = details.split([' ', ':']).next().unwrap_or_default();
        match word {
            "NOSCRIPT" => Self::Unknown,
            "MOVED" => Self::Moved,
            "ASK" => match details.rsplit_once(' ').and_then(|(_, address)| address.rsplit_once(':')) {
                Some((host, port)) => Self::Ask(HostPort::new(host, port.parse().unwrap_or_default())),
                None => Self::Later,
            },
            "READONLY" => Self::Moved,
            "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "BUSY" | "NOREPLICAS" | "MISCONF" => Self::Later,
            "OOM" => Self::Final(RedisError::Full),
            "NOPERM" | "NOAUTH" | "WRONGPASS" => Self::Final(RedisError::Refused(details.to_owned())),
            // So Redis 7.0 says it of what a script asks for; what the script did before stands.
            "ERR" if details.contains("The user executing the script can't") => {
                Self::Final(RedisError::Refused(details.to_owned()))
            }
            _ => match error.kind() {
                ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Backpressure => {
                    Self::Final(RedisError::Unavailable)
                }
                ErrorKind::Auth => Self::Final(RedisError::Refused(details.to_owned())),
                // What is not a server's own word for an error is fred's, about a connection that ended.
                ErrorKind::Unknown if !is_word_of_a_server(word) => Self::Final(RedisError::Unavailable),
                _ => Self::Final(RedisError::Broken(details.to_owned())),
            },
        }
    }
}

/// What a script's own error means, which it met half way.
pub(super) fn fault_within(text: String) -> RedisError {
    match Failure::of(&Error::new(ErrorKind::Unknown, text)) {
        Failure::Final(error) => error,
        Failure::Unknown | Failure::Moved | Failure::Ask(_) | Failure::Later => RedisError::Unavailable,
    }
}

fn is_word_of_a_server(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_can_be_done_about_it() {
        let of = |details: &'static str| Failure::of(&Error::new(ErrorKind::Unknown, details));
        assert_eq!(of("NOSCRIPT No matching script."), Failure::Unknown);
        assert_eq!(of("MOVED 866 127.0.0.1:7001"), Failure::Moved);
        assert_eq!(of("ASK 866 127.0.0.1:7001"), Failure::Ask(HostPort::new("127.0.0.1", 7_001)));
        assert_eq!(of("TRYAGAIN Multiple keys request during rehashing of slot"), Failure::Later);
        assert_eq!(of("OOM allow-oom flag is not set on the script"), Failure::Final(RedisError::Full));
        assert!(matches!(of("NOPERM no permissions"), Failure::Final(RedisError::Refused(_))));
        let forbidden = "ERR The user executing the script can't publish to the channel mentioned in the command";
        assert!(matches!(of(forbidden), Failure::Final(RedisError::Refused(_))));
        assert!(matches!(of("ERR user_script:3: oops"), Failure::Final(RedisError::Broken(_))));
        assert_eq!(of("channel closed"), Failure::Final(RedisError::Unavailable));
        let timeout = Error::new(ErrorKind::Timeout, "Request timed out.");
        assert_eq!(Failure::of(&timeout), Failure::Final(RedisError::Unavailable));
    }

    #[test]
    fn a_script_says_first_what_it_does_to_the_data() {
        let text = |access| Script::new(access, &["return 1"]).prepared().text.clone();
        assert!(text(Access::Write).starts_with("#!lua\n"));
        assert!(text(Access::Tidy).starts_with("#!lua flags=allow-oom\n"));
        assert!(text(Access::Read).starts_with("#!lua flags=no-writes\n"));
    }
}
