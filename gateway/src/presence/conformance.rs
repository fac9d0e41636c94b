//! What every presence store has to pass: each promise of the trait as tests that any backend can be put under.

use hubbub_shared::RoomName;

use super::{Member, MembersPage, Presence, Renewal};
use crate::broker::conformance::{Replica as Listener, a_room, author, user};
use crate::broker::{Broker, Envelope, Payload, PresenceChange};

pub(crate) mod changes;
pub(crate) mod concurrency;
pub(crate) mod leases;
pub(crate) mod members;
pub(crate) mod model;

/// A backend under test.
pub(crate) trait Fixture {
    /// The presence store that it makes.
    type Presence: Presence;
    /// The broker on whose bus that store tells its changes.
    type Broker: Broker;

    /// Attaches one more replica.
    async fn replica(&self) -> Replica<Self::Presence, Self::Broker>;

    /// Lets time pass for the store.
    async fn pass_ms(&self, ms: u64);

    /// How long a lease stands without a renewal.
    fn lease_ms(&self) -> u64;
}

/// Puts a backend under all promises. `ordinary` is the attribute of tests in which time may be let pass, `parallel`
/// that of tests which need threads.
macro_rules! presence_conformance {
    (fixture: $fixture:path, ordinary: $ordinary:meta, parallel: $parallel:meta $(,)?) => {
        $crate::broker::conformance::promises! { presence, $fixture, $ordinary,
            members {
                a_user_is_a_member_as_long_as_any_replica_says_so;
                the_last_declaration_of_a_replica_counts;
                what_was_never_declared_can_be_taken_back;
                members_come_in_pages_ordered_by_their_ids;
                a_page_begins_after_a_user_who_need_not_be_there;
                the_name_that_was_declared_last_is_shown;
                rooms_have_their_own_members;
            }
            changes {
                every_change_is_told_once_with_the_count_after_it_to_every_subscribed_replica;
                more_and_fewer_connections_of_a_member_are_no_change;
                who_left_is_named_as_he_was_known;
            }
            leases {
                a_replica_that_renews_keeps_what_it_declared;
                a_lease_that_ran_out_is_swept_with_its_declarations_and_nobody_elses;
                a_lease_stands_until_its_last_millisecond;
                a_swept_replica_cannot_declare_into_the_past;
                a_swept_replica_declares_everything_again;
                who_was_out_of_touch_sweeps_nobody_for_one_whole_lease;
                half_a_lease_without_touch_is_enough_not_to_sweep;
                who_just_came_sweeps_nobody_for_one_whole_lease;
                a_replica_that_resigns_is_gone_at_once;
                what_has_resigned_is_not_swept;
            }
        }
        $crate::broker::conformance::promises! { presence, $fixture, $parallel,
            concurrency {
                concurrent_declarations_are_told_in_one_order;
                a_replica_that_resigns_while_it_declares_leaves_nobody_behind;
            }
        }
    };
}

pub(crate) use presence_conformance;

/// A replica of the backend under test.
pub(crate) struct Replica<P, B> {
    pub(crate) presence: P,
    pub(crate) listener: Listener<B>,
}

impl<P: Presence, B: Broker> Replica<P, B> {
    pub(crate) async fn declare(&self, room: &RoomName, name: &str, connections: u32) -> u64 {
        self.presence.declare(room, &author(name), connections).await.unwrap()
    }

    /// Renews; answers whether what was declared in the room is lost.
    pub(crate) async fn has_lost(&self, room: &RoomName) -> bool {
        let renewal = self.presence.renew().await;
        assert_eq!(renewal.unanswered.len(), 0);
        renewal.lost.contains(&self.presence.part(room))
    }

    pub(crate) async fn page(&self, room: &RoomName, after: Option<&str>, limit: usize) -> MembersPage {
        self.presence.members(room, after.map(user).as_ref(), limit).await.unwrap()
    }

    /// Who is in a room with how many connections; a count that does not fit to it fails the test.
    pub(crate) async fn members(&self, room: &RoomName) -> Vec<(String, u32)> {
        let page = self.page(room, None, 10_000).await;
        assert_eq!(page.count, page.members.len() as u64);
        assert_eq!(page.count, self.presence.count(room).await.unwrap());
        assert!(!page.more);
        page.members.into_iter().map(|member| (member.author.user.to_string(), member.connections)).collect()
    }

    pub(crate) async fn subscribe(&self, room: &RoomName) {
        self.listener.broker.subscribe(room).await.unwrap();
    }

    /// The changes that the bus told of a room up to now.
    pub(crate) async fn changes(&mut self, room: &RoomName) -> Vec<PresenceChange> {
        let heard = self.listener.heard(room).await;
        heard.into_iter().filter_map(|envelope| change_in(envelope, room)).collect()
    }
}

fn change_in(envelope: Envelope, room: &RoomName) -> Option<PresenceChange> {
    match envelope.payload {
        Payload::Presence(change) if envelope.room == *room => Some(change),
        Payload::Presence(_) | Payload::Entry(_) | Payload::Signal { .. } | Payload::Receipt { .. } => None,
    }
}

pub(crate) fn came(name: &str, count: u64) -> PresenceChange {
    PresenceChange { member: author(name), present: true, count }
}

pub(crate) fn went(name: &str, count: u64) -> PresenceChange {
    PresenceChange { member: author(name), present: false, count }
}

pub(crate) fn member(name: &str, connections: u32) -> Member {
    Member { author: author(name), connections }
}

/// Lets time pass while these replicas renew their leases as often as they should.
pub(crate) async fn pass_alive<F: Fixture>(fixture: &F, alive: &[&Replica<F::Presence, F::Broker>], ms: u64) {
    let (mut left_ms, step_ms) = (ms, fixture.lease_ms() / 3);
    while left_ms > 0 {
        let pass_ms = left_ms.min(step_ms);
        fixture.pass_ms(pass_ms).await;
        left_ms -= pass_ms;
        for replica in alive {
            assert_eq!(replica.presence.renew().await, Renewal::default());
        }
    }
}
