//! Random plans for the model.

use hubbub_shared::client_frame::ReactionOp;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::broker::{Authority, PageLimit, Retention};

/// One request, which names positions by where they are among all that were ever given out.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Pass { ms: u64 },
    Publish { name: usize, key: Option<u8>, authority: Authority, slow: bool, limited: bool, say: Say },
    Standing { name: usize, change: Change },
    MarkRead { name: usize, pos: Pick },
    Read { way: Way, limit: PageLimit },
}

#[derive(Debug, Clone)]
pub(crate) enum Say {
    Message { length: usize },
    Edit { target: Pick, length: usize },
    Delete { target: Pick },
    React { target: Pick, emoji: usize, op: ReactionOp },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Ban { ms: u64 },
    Mute { ms: u64 },
    Unban,
    Unmute,
}

#[derive(Debug, Clone)]
pub(crate) enum Way {
    Newest,
    After(Pick),
    Before(Pick),
}

#[derive(Debug, Clone)]
pub(crate) enum Pick {
    Known(Index),
    OtherTag(Index),
    OtherEpoch(Index),
    Ahead,
    Start,
}

/// Random plans: how much is kept, and what is asked.
pub(crate) fn plans() -> impl Strategy<Value = (Retention, Vec<Step>)> {
    let retention = (0..12_u64, 200..6_000_u64, 0..200_000_u64).prop_map(|(entries, bytes, age_ms)| Retention {
        entries,
        bytes,
        age_ms,
    });
    (retention, proptest::collection::vec(step(), 1..120))
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        (1..2_000_u64).prop_map(|ms| Change::Ban { ms }),
        (1..2_000_u64).prop_map(|ms| Change::Mute { ms }),
        Just(Change::Unban),
        Just(Change::Unmute),
    ];
    let way = prop_oneof![Just(Way::Newest), pick().prop_map(Way::After), pick().prop_map(Way::Before)];
    let limit = (0..8_usize, 0..2_500_usize).prop_map(|(entries, bytes)| PageLimit { entries, bytes });
    prop_oneof![
        1 => prop_oneof![0..900_u64, 20_000..70_000_u64].prop_map(|ms| Step::Pass { ms }),
        6 => publish_step(),
        1 => (0..3_usize, change).prop_map(|(name, change)| Step::Standing { name, change }),
        1 => (0..3_usize, pick()).prop_map(|(name, pos)| Step::MarkRead { name, pos }),
        2 => (way, limit).prop_map(|(way, limit)| Step::Read { way, limit }),
    ]
}

fn publish_step() -> impl Strategy<Value = Step> {
    let authority = prop_oneof![
        4 => Just(Authority::Member),
        1 => Just(Authority::Moderator),
        1 => Just(Authority::Server),
    ];
    let op = prop_oneof![Just(ReactionOp::Add), Just(ReactionOp::Remove)];
    let say = prop_oneof![
        5 => (0..600_usize).prop_map(|length| Say::Message { length }),
        2 => (pick(), 0..600_usize).prop_map(|(target, length)| Say::Edit { target, length }),
        1 => pick().prop_map(|target| Say::Delete { target }),
        3 => (pick(), 0..2_usize, op).prop_map(|(target, emoji, op)| Say::React { target, emoji, op }),
    ];
    let odd = || prop::bool::weighted(0.1);
    (0..3_usize, prop::option::weighted(0.3, 0..3_u8), authority, odd(), odd(), say).prop_map(
        |(name, key, authority, slow, limited, say)| Step::Publish { name, key, authority, slow, limited, say },
    )
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        16 => any::<Index>().prop_map(Pick::Known),
        1 => any::<Index>().prop_map(Pick::OtherTag),
        1 => any::<Index>().prop_map(Pick::OtherEpoch),
        1 => Just(Pick::Ahead),
        1 => Just(Pick::Start),
    ]
}
