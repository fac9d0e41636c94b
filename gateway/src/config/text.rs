//! How a text of the configuration becomes a value: parsed by the rules of its type, or absent where it is empty.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use hubbub_shared::names::{NameError, RoomName};
use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::config::Secret;
use crate::grants::Pattern;

/// A value that is written as text.
pub(super) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// A value that is written as text, absent where the text is empty.
pub(super) fn parsed_unless_empty<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    unless_empty(deserializer)?.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// A file, absent where the text is empty.
pub(super) fn path_unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(unless_empty(deserializer)?.map(PathBuf::from))
}

/// An address to listen on.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_address(&String::deserialize(deserializer)?)
}

/// An address to listen on, absent where the text is empty.
pub(super) fn address_unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    unless_empty(deserializer)?.map(|text| parse_address(&text)).transpose()
}

fn parse_address<E: Error>(text: &str) -> Result<SocketAddr, E> {
    text.parse().map_err(|_| E::custom("an IP address and a port are wanted, such as 127.0.0.1:8080 or 0.0.0.0:8080"))
}

/// A text that is absent where it is empty.
pub(super) fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

/// A secret that is absent where it is empty.
pub(super) fn secret_unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(unless_empty(deserializer)?.map(Secret::new))
}

/// IP networks; an address alone is the network of that address.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let networks: Vec<Network> = Deserialize::deserialize(deserializer)?;
    Ok(networks.into_iter().map(|network| network.0).collect())
}

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| D::Error::custom("an IP network such as 10.0.0.0/8 or an IP address is wanted"))
    }
}

/// A pattern that some room's name could match.
pub(super) fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
    room_pattern(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A pattern that some room's name could match, or a sentence that says why none could.
pub(crate) fn room_pattern(text: &str) -> Result<Pattern, String> {
    // A star stands for characters that a name may hold, so with such a character in its place the rest is a name.
    match RoomName::new(&text.replace('*', "-")) {
        Ok(_) => Ok(Pattern::new(text)),
        Err(NameError::Empty) => Err("a pattern needs at least one character; `*` matches every room".to_owned()),
        Err(error @ (NameError::TooLong { .. } | NameError::Character(_))) => Err(error.to_string()),
    }
}
