//! What a test does: every field may stand in a scenario file and be given as a flag, and flags have the last word.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pass::Pass;

/// How fast connections are opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ConnectRate {
    /// As fast as the server takes them.
    Max,
    PerSecond(f64),
}

impl FromStr for ConnectRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            number => number.parse().map(Self::PerSecond).map_err(|_| "give a number, or max".to_owned()),
        }
    }
}

impl fmt::Display for ConnectRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::PerSecond(number) => number.fmt(f),
        }
    }
}

impl Serialize for ConnectRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Max => serializer.serialize_str("max"),
            Self::PerSecond(number) => serializer.serialize_f64(*number),
        }
    }
}

impl<'de> Deserialize<'de> for ConnectRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of connections per second, or \"max\"")]
        enum Raw {
            Number(f64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(number) => Ok(Self::PerSecond(number)),
            Raw::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// How the moments at which messages are due lie in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arrivals {
    /// Evenly spaced.
    #[default]
    Even,
    /// As independent people make them: now and then several at once.
    Poisson,
}

/// Which rooms clients join.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoomSpread {
    /// All rooms get as many members.
    #[default]
    Even,
    /// A few rooms are popular and most are not, by Zipf's law.
    Zipf,
}

/// A time in a scenario file, written like `1m 30s`.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

macro_rules! settings {
    ($($(#[$meta:meta])* $name:ident: $type:ty,)*) => {
        /// The fields that are given; the plan knows the defaults of the others.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Settings {
            $($(#[$meta])* pub(crate) $name: Option<$type>,)*
        }

        impl Settings {
            /// These, and the other's where these say nothing.
            pub(crate) fn or(self, other: Self) -> Self {
                Self { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

settings! {
    /// What the scenario is for, in one line.
    #[arg(skip)]
    about: String,
    /// What makes the run fail, apart from a broken promise.
    #[arg(skip)]
    pass: Pass,
    /// How many clients connect [default: 100]
    #[arg(short = 'n', long)]
    clients: usize,
    /// How many connections are opened per second, or `max` for as fast as the server takes them [default: 500]
    #[arg(long, value_name = "PER_SECOND")]
    connect_rate: ConnectRate,
    /// With --connect-rate max: how many connections may be on their way into their rooms at once, those aside that come
    /// back in a storm. Servers commonly let 128 wait to be accepted, and more would wait for a second packet
    /// [default: 100]
    #[arg(long, value_name = "CONNECTIONS")]
    connects_in_flight: usize,
    /// How long to wait until everybody is connected and has joined [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    connect_timeout: Duration,
    /// How many rooms there are [default: 1]
    #[arg(long)]
    rooms: usize,
    /// How many rooms each client joins [default: 1]
    #[arg(long, value_name = "ROOMS")]
    rooms_per_client: usize,
    /// Which rooms clients join [default: even]
    #[arg(long, value_name = "SPREAD")]
    room_spread: RoomSpread,
    /// How unequal rooms are: the exponent of Zipf's law [default: 1]
    #[arg(long, value_name = "NUMBER")]
    zipf_exponent: f64,
    /// Messages per second, of all clients together [default: 100]
    #[arg(short, long, value_name = "PER_SECOND")]
    rate: f64,
    /// How the moments at which messages are due lie in time [default: even]
    #[arg(long, value_name = "ARRIVALS")]
    arrivals: Arrivals,
    /// How many clients send; the others listen [default: all that read]
    #[arg(long, value_name = "CLIENTS")]
    senders: usize,
    /// Send nothing, but expect the messages that another process of the same --run (and --seed, where arrivals are drawn)
    /// sends into the same rooms
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    listen: bool,
    /// The size of each message's data, in bytes [default: 128]
    #[arg(long, value_name = "BYTES")]
    payload_bytes: usize,
    /// For how long messages are sent [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    duration: Duration,
    /// Send nothing: connect, join, and answer pings for the duration
    #[arg(long, num_args = 0..=1, default_missing_value = "true", conflicts_with = "rate")]
    idle: bool,
    /// Ask for the acknowledgement in the message's place, instead of both
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    no_echo: bool,
    /// How many clients stop reading for a while when the sending begins [default: 0]
    #[arg(long, value_name = "CLIENTS")]
    slow_readers: usize,
    /// For how long they stop reading [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    slow_for: Duration,
    /// How many clients leave and rejoin, disconnect and resume, at random moments [default: 0]
    #[arg(long, value_name = "CLIENTS")]
    churn: usize,
    /// How long each of them stays between two such moments, on average [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    churn_every: Duration,
    /// Watch who is told to be in each room, and compare it with who is
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    presence: bool,
    /// Cut all clients that do not send, publish as many messages in each room, and let all come back at once
    #[arg(long, value_name = "MESSAGES")]
    missed: u64,
    /// How long they stay away at least [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    away: Duration,
    /// How long to wait for what is still on its way when the sending has ended [default: 40s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    drain: Duration,
    /// How long the connections stay open after that, to look at the gateway at rest [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "time")]
    hold: Duration,
}
