//! Which rooms each client is in.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::StdRng;

use crate::plan::Plan;
use crate::settings::RoomSpread;

/// The rooms of all clients.
#[derive(Debug)]
pub(crate) struct Memberships {
    rooms: usize,
    per_client: usize,
    /// Where they are drawn: those of each client, one client after the other, rising.
    drawn: Option<Vec<u32>>,
}

impl Memberships {
    pub(crate) fn new(plan: &Plan) -> Self {
        let (rooms, per_client) = (plan.rooms, plan.rooms_per_client);
        let drawn = match plan.room_spread {
            RoomSpread::Even => None,
            RoomSpread::Zipf => draw(plan),
        };
        Self { rooms, per_client, drawn }
    }

    /// The rooms of a client, rising, none of them twice. Where they are not drawn, all clients together fill all rooms
    /// evenly.
    pub(crate) fn of(&self, client: usize) -> Vec<u32> {
        let first = client * self.per_client;
        match &self.drawn {
            Some(drawn) => drawn[first..first + self.per_client].to_vec(),
            None => {
                let mut rooms: Vec<u32> =
                    (first..first + self.per_client).map(|room| (room % self.rooms) as u32).collect();
                rooms.sort_unstable();
                rooms
            }
        }
    }
}

/// Draws rooms by Zipf's law: the second room is chosen half as often as the first, the third a third as often.
fn draw(plan: &Plan) -> Option<Vec<u32>> {
    let weights = (1..=plan.rooms).map(|rank| (rank as f64).powf(-plan.zipf_exponent));
    // The plan has at least one room and an exponent that is a number.
    let zipf = WeightedIndex::new(weights).ok()?;
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut drawn = Vec::with_capacity(plan.clients * plan.rooms_per_client);
    for _ in 0..plan.clients {
        let mut rooms: Vec<u32> = Vec::with_capacity(plan.rooms_per_client);
        // Whoever has most of the rooms would be drawing for long, and takes the most popular ones of the rest.
        for _ in 0..plan.rooms_per_client * 100 {
            let room = zipf.sample(&mut random) as u32;
            if !rooms.contains(&room) {
                rooms.push(room);
            }
            if rooms.len() == plan.rooms_per_client {
                break;
            }
        }
        let mut rest = 0..plan.rooms as u32;
        while rooms.len() < plan.rooms_per_client
            && let Some(room) = rest.next()
        {
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        rooms.sort_unstable();
        drawn.extend(rooms);
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;

    fn members(line: &str) -> (Plan, Memberships, Vec<usize>) {
        let plan = Plan::new(RunArguments::parse_words(line)).unwrap();
        let memberships = Memberships::new(&plan);
        let mut members = vec![0; plan.rooms];
        for client in 0..plan.clients {
            let rooms = memberships.of(client);
            assert_eq!(rooms.len(), plan.rooms_per_client);
            assert!(rooms.is_sorted_by(|a, b| a < b), "nobody joins a room twice");
            for room in rooms {
                members[room as usize] += 1;
            }
        }
        (plan, memberships, members)
    }

    #[test]
    fn all_clients_together_fill_all_rooms_evenly() {
        assert_eq!(members("-n 6 --rooms 4 --rooms-per-client 2").2, [3, 3, 3, 3]);
    }

    #[test]
    fn by_zipf_s_law_the_first_room_is_twice_as_popular_as_the_second() {
        let (_, _, members) = members("-n 20000 --rooms 100 --room-spread zipf --seed 7");
        let harmonic: f64 = (1..=100).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [1, 2, 3, 10] {
            let expected = 20_000.0 / harmonic / rank as f64;
            let found = members[rank - 1] as f64;
            assert!((found / expected - 1.0).abs() < 0.1, "room {rank}: {found}, not {expected}");
        }
    }

    #[test]
    fn who_joins_all_rooms_is_in_all_of_them_however_rarely_some_are_drawn() {
        let (_, _, members) = members("-n 3 --rooms 50 --rooms-per-client 50 --room-spread zipf --zipf-exponent 5");
        assert!(members.iter().all(|members| *members == 3));
    }

    #[test]
    fn one_seed_draws_the_same_rooms_again() {
        let line = "-n 50 --rooms 100 --rooms-per-client 3 --room-spread zipf --seed 7";
        let ((_, one, _), (_, other, _)) = (members(line), members(line));
        assert!((0..50).all(|client| one.of(client) == other.of(client)));
    }
}
