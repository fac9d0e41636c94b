//! The names of keys and channels, and where they live.
//!
//! Every key carries one of 512 hash tags, 256 for rooms and 256 for users: all keys of a room share a slot, so that
//! one script may touch them, and rooms of a partition can be asked for together. A partition's tag is chosen so that
//! partition `i` of 256 falls into the `i`th of 256 equal ranges of the 16,384 slots, which spreads them evenly over
//! any cluster whose masters own ranges.

use std::sync::LazyLock;

use hubbub_shared::RoomName;

/// How many partitions there are of each sort.
pub const PARTITIONS: usize = 256;
/// How many slots a cluster has.
pub const SLOTS: usize = 16_384;

/// A part of all rooms or of all users, whose keys share a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Partition {
    /// Of rooms.
    Room(u8),
    /// Of users and whatever else is not a room.
    User(u8),
}

/// The hash tags of the partitions of rooms and of users.
static TAGS: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| [tags('p'), tags('u')]);

/// The first name of each partition that falls into its range of slots.
fn tags(sort: char) -> Vec<String> {
    let range = (SLOTS / PARTITIONS) as u16;
    let mut found = vec![None; PARTITIONS];
    let mut left = PARTITIONS;
    for number in 0_u32.. {
        if left == 0 {
            break;
        }
        let tag = format!("{sort}{number}");
        let place = &mut found[usize::from(slot_of(tag.as_bytes()) / range)];
        if place.is_none() {
            *place = Some(tag);
            left -= 1;
        }
    }
    found.into_iter().flatten().collect()
}

fn slot_of(tag: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(tag) % SLOTS as u16
}

impl Partition {
    /// All partitions of rooms.
    pub fn rooms() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self::Room)
    }

    /// The partition's number among all of both sorts.
    pub fn place(self) -> usize {
        match self {
            Self::Room(_) => self.number(),
            Self::User(_) => PARTITIONS + self.number(),
        }
    }

    /// The partition's number among those of its sort.
    pub fn number(self) -> usize {
        match self {
            Self::Room(number) | Self::User(number) => usize::from(number),
        }
    }

    /// The slot that all of the partition's keys share.
    pub fn slot(self) -> u16 {
        slot_of(self.tag().as_bytes())
    }

    /// What stands in braces in the names of its keys.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Room(number) => &TAGS[0][usize::from(number)],
            Self::User(number) => &TAGS[1][usize::from(number)],
        }
    }
}

/// A channel of the bus, with the partition whose slot it shares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Where it lives.
    pub partition: Partition,
    /// Its whole name.
    pub name: String,
}

/// Makes the names of keys and channels.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
    /// Redis knows no databases for channels, so their names tell them apart.
    channel_prefix: String,
}

impl Keys {
    /// Names that begin with this prefix, in this database.
    pub fn new(prefix: &str, database: u8) -> Self {
        let channel_prefix = if database == 0 { prefix.to_owned() } else { format!("{prefix}/{database}") };
        Self { prefix: prefix.to_owned(), channel_prefix }
    }

    /// The partition of a room.
    pub fn room(&self, room: &RoomName) -> Partition {
        Partition::Room(partition_of(room.as_str()))
    }

    /// The partition of a user, or of any other name.
    pub fn user(&self, name: &str) -> Partition {
        Partition::User(partition_of(name))
    }

    /// The name of a key: `hb:{p17}:log:general`.
    pub fn key(&self, at: Partition, what: &str, name: &str) -> String {
        format!("{}:{{{}}}:{what}:{name}", self.prefix, at.tag())
    }

    /// A channel: `hb:{p17}:room:general`.
    pub fn channel(&self, at: Partition, what: &str, name: &str) -> Channel {
        Channel { partition: at, name: format!("{}:{{{}}}:{what}:{name}", self.channel_prefix, at.tag()) }
    }
}

/// FNV-1a; it must be the same in every version, because it says where the data is.
fn partition_of(name: &str) -> u8 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The low bits of FNV are its weakest.
    (hash ^ (hash >> 32)).to_le_bytes()[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_spread_evenly_over_the_slots_and_share_none() {
        for sort in [Partition::Room as fn(u8) -> Partition, Partition::User] {
            for number in 0..=u8::MAX {
                assert_eq!(usize::from(sort(number).slot()) / 64, usize::from(number));
            }
        }
    }

    #[test]
    fn the_slot_of_a_partition_is_the_one_that_redis_gives_its_keys() {
        // By `CLUSTER KEYSLOT` of a real server.
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
    }

    #[test]
    fn a_room_stays_in_its_partition_in_every_version() {
        let keys = Keys::new("hb", 0);
        let partition = |room: &str| keys.room(&RoomName::new(room).unwrap());
        assert_eq!(partition("general"), partition("general"));
        let mut rooms = [0_u32; PARTITIONS];
        for number in 0..25_600 {
            rooms[partition(&format!("room-{number}")).number()] += 1;
        }
        assert!(rooms.iter().all(|&count| (50..200).contains(&count)), "{rooms:?}");
    }

    #[test]
    fn channels_of_other_databases_have_other_names() {
        let room = RoomName::new("general").unwrap();
        let name = |database| {
            let keys = Keys::new("hb", database);
            keys.channel(keys.room(&room), "room", "general").name
        };
        assert!(name(0).starts_with("hb:{p") && name(0).ends_with("}:room:general"), "{}", name(0));
        assert!(name(3).starts_with("hb/3:{p"), "{}", name(3));
    }
}
