//! What every broker has to pass: each promise of the trait as tests that any backend can be put under.

use std::sync::Arc;

use hubbub_shared::client_frame::ReactionOp;
use hubbub_shared::{Data, Position, RoomName, UserId};

use super::{
    Author, Authority, Body, Broker, DedupeKey, DedupeScope, Entry, Envelope, Head, News, NewsReceiver, Page,
    PageLimit, Payload, Publish, Published, Range, Reading, Refusal, Retention, Unread,
};
use crate::random;

pub(crate) mod bus;
pub(crate) mod concurrency;
pub(crate) mod deletion;
pub(crate) mod keys;
pub(crate) mod markers;
pub(crate) mod model;
pub(crate) mod numbers;
pub(crate) mod reading;
pub(crate) mod retention;
pub(crate) mod rules;
pub(crate) mod targets;

/// A backend under test.
pub(crate) trait Fixture {
    /// The broker that it makes.
    type Broker: Broker;

    /// Attaches one more replica to the store and the bus.
    async fn replica(&self) -> Replica<Self::Broker>;

    /// Lets time pass for the store.
    async fn pass_ms(&self, ms: u64);

    /// The store's time, Unix milliseconds.
    fn now_ms(&self) -> u64;

    /// How long a key counts.
    fn dedupe_window_ms(&self) -> u64;

    /// Loses the log of a room, but not the keys.
    async fn lose_log(&self, room: &RoomName);

    /// Loses the entries after this number.
    async fn rewind(&self, room: &RoomName, seq: u64);
}

/// Puts a backend under all promises. `ordinary` is the attribute of tests in which time may be let pass, `parallel`
/// that of tests which need threads.
macro_rules! broker_conformance {
    (fixture: $fixture:path, ordinary: $ordinary:meta, parallel: $parallel:meta $(,)?) => {
        $crate::broker::conformance::promises! { broker, $fixture, $ordinary,
            numbers {
                numbers_begin_at_one_and_rise_by_one_in_each_room;
                every_entry_carries_the_tag_of_its_predecessor;
                the_first_publish_makes_the_epoch_and_later_ones_keep_it;
                messages_are_counted_and_other_entries_are_not;
                what_was_appended_is_in_the_log_as_it_was_given;
            }
            keys {
                a_key_appends_once_whatever_the_second_request_carries;
                a_key_counts_for_exactly_one_window_after_its_first_use;
                a_key_belongs_to_its_room_and_to_its_scope;
                a_duplicate_comes_before_every_refusal;
                a_refused_request_uses_no_key;
                a_key_of_a_log_that_is_gone_counts_no_more;
                a_key_of_an_entry_that_a_failover_lost_counts_no_more;
                a_key_outlives_the_entry_that_retention_took;
                a_reaction_of_no_effect_spends_its_key;
            }
            rules {
                a_banned_user_is_refused_until_the_ban_ends;
                a_muted_user_is_refused_until_the_mute_ends;
                a_ban_for_ever_ends_by_an_unban;
                a_ban_is_told_before_a_mute_and_one_does_not_end_the_other;
                bans_and_mutes_bind_moderators_and_not_the_server;
                a_standing_holds_in_its_room_alone;
                slow_mode_says_to_the_millisecond_when_the_next_message_may_come;
                slow_mode_counts_only_what_was_accepted;
                slow_mode_concerns_messages_of_members_alone;
                what_the_limits_said_is_heeded_and_the_longest_wait_is_told;
            }
            targets {
                authors_edit_and_delete_their_own;
                what_is_of_others_is_for_moderators_and_the_server;
                a_message_of_nobody_is_no_members_own;
                a_target_that_is_no_kept_message_is_gone;
                a_target_is_named_by_its_tag_too;
                a_target_that_was_deleted_is_gone;
                a_reaction_that_is_there_is_a_duplicate_of_its_entry;
                a_reaction_that_is_not_there_comes_off_as_a_duplicate_of_the_head;
                reactions_are_of_one_user_and_one_emoji;
            }
            deletion {
                a_deleted_message_and_its_edits_lose_their_data_and_nothing_else;
                a_deletion_leaves_other_messages_alone;
                a_deletion_frees_the_bytes_of_what_it_deleted;
                a_deletion_of_one_message_keeps_the_numbers_whole;
            }
            retention {
                no_more_entries_are_kept_than_allowed_once_they_are_a_minute_old;
                what_is_younger_than_a_minute_is_kept_whatever_number_and_age_say;
                bytes_count_even_against_what_is_young;
                nothing_is_kept_past_its_age;
                an_entry_that_alone_is_too_large_leaves_an_empty_log;
                a_log_that_age_has_emptied_keeps_its_end_and_goes_on;
                the_last_publish_says_how_much_is_kept;
            }
            reading {
                a_room_without_a_log_reads_as_empty;
                newest_and_before_go_backward_and_after_goes_forward;
                a_page_ends_at_its_number_of_entries_and_says_whether_more_follow;
                a_page_ends_at_its_bytes_but_gives_one_entry_at_least;
                a_page_of_no_entries_shows_the_head_alone;
                a_position_is_proven_by_its_own_entry;
                a_position_just_below_the_oldest_entry_is_proven_by_its_successor;
                the_head_is_proven_though_its_entry_has_gone;
                a_position_that_retention_has_passed_gives_a_gap;
                nothing_is_before_a_position_that_retention_has_passed;
                the_start_is_good_while_the_first_entry_is_kept;
                another_epoch_another_tag_or_a_number_ahead_is_another_log;
                a_lost_log_is_another_log;
                a_number_that_a_failover_gave_out_again_is_another_log;
                heads_come_in_the_order_asked;
            }
            markers {
                a_marker_moves_forward_and_never_back;
                a_marker_ahead_of_the_head_or_of_another_log_is_the_head;
                a_marker_in_a_room_without_a_log_is_the_start;
                without_a_marker_everything_that_is_kept_is_unread;
                unread_counts_messages_after_the_marker_and_nothing_else;
                a_marker_below_what_is_kept_counts_what_is_kept;
                own_messages_move_the_own_marker_and_other_entries_do_not;
                unread_comes_in_the_order_asked;
                a_marker_that_moved_is_told_to_the_bus_and_one_that_did_not_is_not;
                own_messages_move_the_marker_without_a_receipt;
                a_marker_of_a_log_that_is_gone_counts_as_the_head;
            }
            bus {
                every_subscribed_replica_hears_every_entry_in_order;
                a_replica_hears_only_the_rooms_that_it_subscribed;
                a_replica_that_subscribed_twice_hears_once;
                signals_reach_every_subscribed_replica_with_their_origin;
                duplicates_and_refusals_are_not_told_to_the_bus;
                after_an_unsubscribe_a_new_subscription_hears_again;
                two_ends_of_the_store_see_the_same_log;
            }
        }
        $crate::broker::conformance::promises! { broker, $fixture, $parallel,
            concurrency {
                concurrent_publishers_share_one_order_that_every_replica_hears;
                concurrent_retries_of_one_key_append_once;
                a_page_is_of_one_moment_however_hard_others_publish;
            }
        }
    };
}

/// Makes a test of each promise of a capability's suite.
macro_rules! promises {
    ($capability:ident, $fixture:path, $test:meta, $($group:ident { $($promise:ident;)+ })+) => {$(
        mod $group {
            $(
                #[$test]
                async fn $promise() {
                    $crate::$capability::conformance::$group::$promise($fixture()).await;
                }
            )+
        }
    )+};
}

pub(crate) use {broker_conformance, promises};

/// A replica of the backend under test.
pub(crate) struct Replica<B> {
    pub(crate) broker: B,
    pub(crate) news: NewsReceiver,
}

impl<B: Broker> Replica<B> {
    pub(crate) async fn publish(&self, publish: Publish) -> Published {
        self.broker.publish(publish).await.unwrap()
    }

    /// Publishes what has to be appended; answers where it stands.
    pub(crate) async fn append(&self, publish: Publish) -> Position {
        match self.publish(publish).await {
            Published::Appended { pos, .. } => pos,
            other => panic!("appended was expected, not {other:?}"),
        }
    }

    /// Publishes messages from 1 to `count`; answers where they stand.
    pub(crate) async fn append_messages(&self, room: &RoomName, count: u64) -> Vec<Position> {
        let mut positions = Vec::new();
        for number in 1..=count {
            positions.push(self.append(message(room, "ada", &number.to_string())).await);
        }
        positions
    }

    pub(crate) async fn refusal(&self, publish: Publish) -> Option<Refusal> {
        match self.publish(publish).await {
            Published::Refused(refusal) => Some(refusal),
            Published::Appended { .. } | Published::Duplicate { .. } => None,
        }
    }

    pub(crate) async fn read(&self, room: &RoomName, range: Range) -> Reading {
        self.broker.read(room, range, ALL).await.unwrap()
    }

    pub(crate) async fn page(&self, room: &RoomName, range: Range, limit: PageLimit) -> Page {
        match self.broker.read(room, range, limit).await.unwrap() {
            Reading::Page(page) => page,
            Reading::OtherLog(head) => panic!("a page was expected, not another log at {head:?}"),
        }
    }

    /// All entries that are kept.
    pub(crate) async fn kept(&self, room: &RoomName) -> Vec<Arc<Entry>> {
        self.page(room, Range::Newest, ALL).await.entries
    }

    pub(crate) async fn head(&self, room: &RoomName) -> Head {
        self.broker.heads(std::slice::from_ref(room)).await.remove(0).unwrap()
    }

    pub(crate) async fn unread(&self, room: &RoomName, name: &str) -> Unread {
        self.broker.unread(&user(name), std::slice::from_ref(room)).await.unwrap().remove(0)
    }

    /// What the bus brought up to now, for a room that this replica is subscribed to. A signal of the test's own marks
    /// the end, so that nothing has to be waited for.
    pub(crate) async fn heard(&mut self, room: &RoomName) -> Vec<Envelope> {
        let mark = signal(room, &format!("\"{}\"", random::word(9)));
        self.broker.emit(mark.clone()).await.unwrap();
        let mut heard = Vec::new();
        loop {
            match self.news.next().await {
                Some(News::Envelope(envelope)) if envelope == mark => return heard,
                Some(News::Envelope(envelope)) => heard.push(envelope),
                Some(News::Missed) => panic!("the bus says that it lost something"),
                None => panic!("the bus has gone"),
            }
        }
    }

    /// The entries among what the bus brought up to now.
    pub(crate) async fn heard_entries(&mut self, room: &RoomName) -> Vec<Arc<Entry>> {
        let heard = self.heard(room).await;
        heard.into_iter().filter_map(|envelope| entry_of(envelope.payload)).collect()
    }
}

/// A limit that no test reaches.
pub(crate) const ALL: PageLimit = PageLimit { entries: 100_000, bytes: 100_000_000 };

/// A retention that no test reaches.
pub(crate) const KEEP_ALL: Retention = Retention { entries: 100_000, bytes: 100_000_000, age_ms: 1_000_000_000 };

pub(crate) fn entry_of(payload: Payload) -> Option<Arc<Entry>> {
    match payload {
        Payload::Entry(entry) => Some(entry),
        Payload::Signal { .. } | Payload::Presence(_) | Payload::Receipt { .. } => None,
    }
}

/// A room that no other test uses.
pub(crate) fn a_room() -> RoomName {
    RoomName::new(&random::word(12)).unwrap()
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn author(name: &str) -> Author {
    Author { user: user(name), name: Some(Arc::from(name.to_uppercase())) }
}

#[expect(clippy::unnecessary_wraps, reason = "requests and bodies hold it as an option")]
pub(crate) fn user_key(name: &str, key: &str) -> Option<DedupeKey> {
    Some(DedupeKey { scope: DedupeScope::User(user(name)), key: Arc::from(key) })
}

pub(crate) fn publish(room: &RoomName, name: &str, body: Body) -> Publish {
    Publish {
        room: room.clone(),
        from: Some(author(name)),
        key: None,
        body,
        authority: Authority::Member,
        slow_mode_ms: 0,
        refuse_after_ms: None,
        retention: KEEP_ALL,
        origin: None,
        tag: random::tag(),
        epoch: random::tag(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "requests and bodies hold it as an option")]
pub(crate) fn text(text: &str) -> Option<Data> {
    Some(Data::from_json(&format!("{{\"text\":\"{text}\"}}")).unwrap())
}

pub(crate) fn message(room: &RoomName, name: &str, said: &str) -> Publish {
    publish(room, name, Body::Message { data: text(said) })
}

pub(crate) fn edit(room: &RoomName, name: &str, target: &Position, said: &str) -> Publish {
    publish(room, name, Body::Edit { target: target.clone(), data: text(said) })
}

pub(crate) fn delete(room: &RoomName, name: &str, target: &Position) -> Publish {
    publish(room, name, Body::Delete { target: target.clone() })
}

pub(crate) fn react(room: &RoomName, name: &str, target: &Position, emoji: &str, op: ReactionOp) -> Publish {
    publish(room, name, Body::Reaction { target: target.clone(), emoji: Arc::from(emoji), op })
}

pub(crate) fn signal(room: &RoomName, json: &str) -> Envelope {
    let data = Data::from_json(json).unwrap();
    Envelope { room: room.clone(), origin: None, payload: Payload::Signal { from: Some(author("ada")), data } }
}

pub(crate) fn seqs(entries: &[Arc<Entry>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.pos.seq).collect()
}
