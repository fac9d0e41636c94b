//! What is measured: which scenario, over which servers, and what is asked of the figures.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::contender::{Contender, Setup};
use crate::limit::Limit;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// One room of 1,000 members at a rate that all of them hold
    BigRoom,
    /// The same at the highest rate that each holds
    BigRoomHighest,
    /// 1,000 rooms of 10 members
    ManyRooms,
    /// The same over three replicas and a Redis
    ManyRoomsReplicas,
    /// 1,000 rooms of 10 members at half of the highest rate
    ManyRoomsHalf,
    /// What a silent connection takes
    Idle,
    /// 18,000 connections as fast as they are let in
    Connect,
    /// 10,000 clients come back at once
    Storm,
}

/// How the generator is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One run.
    Run,
    /// The search for the highest rate.
    Highest,
    /// The search, and then a run at half of what it found.
    Half,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    DeliveriesPerSecond,
    CpuUsPerDelivery,
    RedisCpuUsPerDelivery,
    SystemCallsPerDelivery,
    DeliveredP50Ms,
    DeliveredP99Ms,
    /// How much of a processor the busiest thread of the generator used.
    GeneratorShare,
    KibPerConnection,
    HandshakesPerSecond,
    FailedHandshakes,
    CpuUsPerConnection,
    PlainReturnMs,
    RecoveryMs,
    RecoveryRatio,
    Unrecovered,
    LogReadsPerRoomAndReplica,
    MessagesPerSecond,
}

/// What is asked of a figure of Hubbub.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) figure: Figure,
    pub(crate) setup: Setup,
    /// Whose figure it is divided by, if it is a ratio.
    pub(crate) against: Option<Contender>,
    pub(crate) limit: Limit,
}

const REPLICAS: usize = 3;
const HUBBUB: Setup = Setup::alone(Contender::Hubbub);
const HUBBUB_REPLICAS: Setup = Setup { contender: Contender::Hubbub, replicas: REPLICAS };
const ALL: [Setup; 4] =
    [Setup::alone(Contender::Floor), HUBBUB, Setup::alone(Contender::Sockudo), Setup::alone(Contender::SocketIo)];
const REPLICATED: [Setup; 3] = [
    HUBBUB_REPLICAS,
    Setup { contender: Contender::Sockudo, replicas: REPLICAS },
    Setup { contender: Contender::SocketIo, replicas: REPLICAS },
];

const fn bar(figure: Figure, against: Option<Contender>, limit: Limit) -> Bar {
    Bar { figure, setup: HUBBUB, against, limit }
}

const fn bar_of_replicas(figure: Figure, against: Option<Contender>, limit: Limit) -> Bar {
    Bar { figure, setup: HUBBUB_REPLICAS, against, limit }
}

impl Part {
    /// As it is named on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::BigRoom => "One room of 1,000 members, 20 messages a second of 200 bytes",
            Self::BigRoomHighest => "One room of 1,000 members at the highest rate with 99 % delivered within 250 ms",
            Self::ManyRooms => "1,000 rooms of 10 members, each sending 200 bytes every 4 seconds",
            Self::ManyRoomsReplicas => "1,000 rooms of 10 members over three replicas and one Redis",
            Self::ManyRoomsHalf => "1,000 rooms of 10 members at half of the highest rate",
            Self::Idle => "10,000 silent connections in 1,000 rooms",
            Self::Connect => "18,000 connections, opened as fast as they are let in",
            Self::Storm => "10,000 clients in 100 rooms cut at once, each coming back with 100 messages missed",
        }
    }

    pub(crate) fn setups(self) -> &'static [Setup] {
        match self {
            Self::BigRoom | Self::BigRoomHighest | Self::ManyRooms | Self::Idle | Self::Connect => &ALL,
            Self::ManyRoomsReplicas => &REPLICATED,
            Self::ManyRoomsHalf => &[HUBBUB],
            Self::Storm => &[HUBBUB, HUBBUB_REPLICAS],
        }
    }

    pub(crate) fn way(self) -> Way {
        match self {
            Self::BigRoomHighest => Way::Highest,
            Self::ManyRoomsHalf => Way::Half,
            Self::BigRoom | Self::ManyRooms | Self::ManyRoomsReplicas | Self::Idle | Self::Connect | Self::Storm => {
                Way::Run
            }
        }
    }

    /// The scenario, and the flags that change it.
    pub(crate) fn scenario(self) -> &'static [&'static str] {
        match self {
            Self::BigRoom | Self::BigRoomHighest => &["big-room"],
            Self::ManyRooms | Self::ManyRoomsReplicas | Self::ManyRoomsHalf => &["many-rooms"],
            Self::Idle => &["idle"],
            Self::Connect => &["idle", "--clients", "18000", "--duration", "5s"],
            Self::Storm => &["reconnect-storm"],
        }
    }

    /// The figures of the table, the one of the picture first.
    pub(crate) fn figures(self) -> &'static [Figure] {
        match self {
            Self::BigRoom | Self::ManyRooms => &[
                Figure::CpuUsPerDelivery,
                Figure::SystemCallsPerDelivery,
                Figure::DeliveriesPerSecond,
                Figure::DeliveredP50Ms,
                Figure::DeliveredP99Ms,
            ],
            Self::BigRoomHighest => &[
                Figure::DeliveriesPerSecond,
                Figure::SystemCallsPerDelivery,
                Figure::CpuUsPerDelivery,
                Figure::DeliveredP99Ms,
                Figure::GeneratorShare,
            ],
            Self::ManyRoomsReplicas => &[
                Figure::CpuUsPerDelivery,
                Figure::RedisCpuUsPerDelivery,
                Figure::SystemCallsPerDelivery,
                Figure::DeliveriesPerSecond,
                Figure::DeliveredP50Ms,
                Figure::DeliveredP99Ms,
            ],
            Self::ManyRoomsHalf => &[
                Figure::DeliveredP99Ms,
                Figure::DeliveredP50Ms,
                Figure::DeliveriesPerSecond,
                Figure::MessagesPerSecond,
                Figure::GeneratorShare,
            ],
            Self::Idle => &[Figure::KibPerConnection],
            Self::Connect => &[
                Figure::HandshakesPerSecond,
                Figure::FailedHandshakes,
                Figure::CpuUsPerConnection,
                Figure::GeneratorShare,
            ],
            Self::Storm => &[
                Figure::RecoveryRatio,
                Figure::PlainReturnMs,
                Figure::RecoveryMs,
                Figure::Unrecovered,
                Figure::LogReadsPerRoomAndReplica,
            ],
        }
    }

    pub(crate) fn bars(self) -> Vec<Bar> {
        use Contender::{Floor, Sockudo};
        use Figure as F;
        use Limit::{AtLeast, AtMost};
        match self {
            Self::BigRoom => vec![
                bar(F::CpuUsPerDelivery, Some(Floor), AtMost(1.30)),
                bar(F::CpuUsPerDelivery, Some(Sockudo), AtMost(0.60)),
            ],
            Self::BigRoomHighest => vec![
                bar(F::DeliveriesPerSecond, Some(Sockudo), AtLeast(5.0)),
                bar(F::SystemCallsPerDelivery, None, AtMost(0.2)),
            ],
            Self::ManyRooms => vec![bar(F::CpuUsPerDelivery, Some(Sockudo), AtMost(0.60))],
            Self::ManyRoomsReplicas => vec![bar_of_replicas(F::CpuUsPerDelivery, Some(Sockudo), AtMost(0.60))],
            Self::ManyRoomsHalf => vec![bar(F::DeliveredP99Ms, None, AtMost(10.0))],
            Self::Idle => vec![bar(F::KibPerConnection, None, AtMost(7.0))],
            Self::Connect => vec![
                bar(F::FailedHandshakes, None, AtMost(0.0)),
                bar(F::HandshakesPerSecond, Some(Sockudo), AtLeast(1.0)),
            ],
            Self::Storm => {
                let each = |bar: fn(Figure, Option<Contender>, Limit) -> Bar| {
                    [
                        bar(F::Unrecovered, None, AtMost(0.0)),
                        bar(F::LogReadsPerRoomAndReplica, None, AtMost(1.0)),
                        bar(F::RecoveryRatio, None, AtMost(5.0)),
                    ]
                };
                [each(bar), each(bar_of_replicas)].concat()
            }
        }
    }

    /// About how long one server takes, in seconds, for the first guess of the time left.
    pub(crate) fn seconds(self) -> u64 {
        match self {
            Self::BigRoom | Self::Idle | Self::Connect => 30,
            Self::ManyRooms | Self::ManyRoomsReplicas | Self::Storm => 45,
            Self::BigRoomHighest => 400,
            Self::ManyRoomsHalf => 450,
        }
    }
}

impl Figure {
    /// What it is called in a table, and its unit.
    pub(crate) fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::DeliveriesPerSecond => ("deliveries a second", ""),
            Self::CpuUsPerDelivery => ("processor time per delivery", "µs"),
            Self::RedisCpuUsPerDelivery => ("of Redis per delivery", "µs"),
            Self::SystemCallsPerDelivery => ("system calls per delivery", ""),
            Self::DeliveredP50Ms => ("delivered, 50 %", "ms"),
            Self::DeliveredP99Ms => ("delivered, 99 %", "ms"),
            Self::GeneratorShare => ("generator's share of its processor", ""),
            Self::KibPerConnection => ("resident memory per connection", "KiB"),
            Self::HandshakesPerSecond => ("clients let in a second", ""),
            Self::FailedHandshakes => ("failed handshakes", ""),
            Self::CpuUsPerConnection => ("processor time per handshake, hello and join", "µs"),
            Self::PlainReturnMs => ("all back, nothing missed", "ms"),
            Self::RecoveryMs => ("all back with 100 missed", "ms"),
            Self::RecoveryRatio => ("the second by the first", ""),
            Self::Unrecovered => ("not recovered", ""),
            Self::LogReadsPerRoomAndReplica => ("log reads per room and replica", ""),
            Self::MessagesPerSecond => ("messages a second", ""),
        }
    }
}
