//! The addresses of this machine that connections are made from.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// As many addresses as a range may have.
const RANGE_MAX: u32 = 65_536;

/// An address to connect from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Source(pub(crate) IpAddr);

/// Reads addresses and ranges of them. Gives back the first one that is neither.
pub(crate) fn parse(texts: &[String]) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for text in texts {
        if let Ok(address) = text.parse() {
            sources.push(Source(address));
            continue;
        }
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.parse::<Ipv4Addr>().ok()?.to_bits(), last.parse::<Ipv4Addr>().ok()?.to_bits()))
        });
        match ends {
            Some((first, last)) if first <= last && last - first < RANGE_MAX => {
                sources.extend((first..=last).map(|bits| Source(IpAddr::V4(Ipv4Addr::from_bits(bits)))));
            }
            Some(_) | None => return Err(text.clone()),
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges_are_read_and_anything_else_is_named() {
        let read = |text: &str| parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
        let sources = read("127.0.0.2-127.0.0.4,::1").unwrap();
        let texts: Vec<String> = sources.iter().map(|source| source.0.to_string()).collect();
        assert_eq!(texts, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "::1"]);
        assert_eq!(read("127.0.0.1,localhost").unwrap_err(), "localhost");
        assert_eq!(read("127.0.0.0-127.0.255.255").unwrap().len(), 65_536);
        assert_eq!(read("127.0.0.0-127.1.0.0").unwrap_err(), "127.0.0.0-127.1.0.0");
        assert_eq!(read("127.0.0.9-127.0.0.2").unwrap_err(), "127.0.0.9-127.0.0.2");
    }
}
