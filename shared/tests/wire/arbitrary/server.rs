//! Frames of the gateway at random.

use hubbub_shared::limits::Limits;
use hubbub_shared::server_frame::*;
use hubbub_shared::{Data, ErrorCode, ServerFrame};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{data, id, optional_text, text};

/// Every type of frame, each about as often as the others.
pub(crate) fn server_frame() -> BoxedStrategy<ServerFrame> {
    let opening = prop_oneof![welcome(), refreshed(), joined(), left()];
    let entries = prop_oneof![message(), edit(), delete(), reaction(), sent()];
    let answers = prop_oneof![signal(), presence(), members(), done(), receipt()];
    let numbers = prop_oneof![unread(), history(), pong(), reset(), removed()];
    let bare = select(vec![
        ServerFrame::Ping(Ping {}),
        ServerFrame::Degraded(Degraded {}),
        ServerFrame::Restored(Restored {}),
    ]);
    let notices = prop_oneof![bare, draining(), error()];
    prop_oneof![opening, entries, answers, numbers, notices].boxed()
}

fn author() -> impl Strategy<Value = Author> {
    (text(), optional_text()).prop_map(|(user, name)| Author { user, name })
}

fn welcome() -> BoxedStrategy<ServerFrame> {
    let user = (text(), optional_text()).prop_map(|(id, name)| Me { id, name });
    let session = option::of((text(), optional_text()).prop_map(|(id, secret)| SessionInfo { id, secret }));
    let limits =
        any::<[u32; 7]>().prop_map(|[frame_bytes, data_bytes, key_bytes, reply_bytes, rooms, history, pipeline]| {
            Limits { frame_bytes, data_bytes, key_bytes, reply_bytes, rooms, history, pipeline }
        });
    (id(), text(), text(), any::<(u64, Option<u64>, u64)>(), user, session, limits)
        .prop_map(|(id, connection, replica, (time, expires_at, heartbeat_ms), user, session, limits)| {
            let welcome = Welcome { id, connection, replica, time, expires_at, user, session, heartbeat_ms, limits };
            ServerFrame::Welcome(welcome)
        })
        .boxed()
}

fn refreshed() -> BoxedStrategy<ServerFrame> {
    (id(), any::<u64>()).prop_map(|(id, expires_at)| ServerFrame::Refreshed(Refreshed { id, expires_at })).boxed()
}

fn joined() -> BoxedStrategy<ServerFrame> {
    let reason = option::of(select(vec![UnrecoveredReason::Trimmed, UnrecoveredReason::Reset]));
    (id(), text(), text(), any::<Option<bool>>(), reason, any::<(u64, u64, Option<u64>, u64, u64)>())
        .prop_map(|(id, room, pos, recovered, reason, (seq, replayed, members, read, unread))| {
            let joined = Joined { id, room, seq, pos, recovered, reason, replayed, members, read, unread };
            ServerFrame::Joined(joined)
        })
        .boxed()
}

fn left() -> BoxedStrategy<ServerFrame> {
    (id(), text()).prop_map(|(id, room)| ServerFrame::Left(Left { id, room })).boxed()
}

/// What all entries have.
type EntryFields = (String, u64, String, u64, u64, Option<Author>, Option<String>);

fn entry() -> impl Strategy<Value = EntryFields> {
    (text(), any::<u64>(), text(), any::<u64>(), any::<u64>(), option::of(author()), optional_text())
}

fn optional_data() -> impl Strategy<Value = Option<Data>> {
    option::of(data())
}

fn message() -> BoxedStrategy<ServerFrame> {
    (entry(), optional_data(), any::<bool>())
        .prop_map(|((room, seq, pos, count, time, from, key), data, deleted)| {
            ServerFrame::Message(Message { room, seq, pos, count, time, from, key, data, deleted })
        })
        .boxed()
}

fn edit() -> BoxedStrategy<ServerFrame> {
    (entry(), text(), optional_data(), any::<bool>())
        .prop_map(|((room, seq, pos, count, time, from, key), target, data, deleted)| {
            ServerFrame::Edit(EditEntry { room, seq, pos, count, time, from, key, target, data, deleted })
        })
        .boxed()
}

fn delete() -> BoxedStrategy<ServerFrame> {
    (entry(), text())
        .prop_map(|((room, seq, pos, count, time, from, key), target)| {
            ServerFrame::Delete(DeleteEntry { room, seq, pos, count, time, from, key, target })
        })
        .boxed()
}

fn reaction() -> BoxedStrategy<ServerFrame> {
    let op = select(vec![ReactionOp::Add, ReactionOp::Remove]);
    (entry(), text(), text(), op)
        .prop_map(|((room, seq, pos, count, time, from, key), target, emoji, op)| {
            ServerFrame::Reaction(ReactionEntry { room, seq, pos, count, time, from, key, target, emoji, op })
        })
        .boxed()
}

fn sent() -> BoxedStrategy<ServerFrame> {
    (id(), text(), any::<u64>(), text(), any::<u64>(), any::<bool>())
        .prop_map(|(id, room, seq, pos, time, duplicate)| {
            ServerFrame::Sent(Sent { id, room, seq, pos, time, duplicate })
        })
        .boxed()
}

fn signal() -> BoxedStrategy<ServerFrame> {
    (text(), option::of(author()), data())
        .prop_map(|(room, from, data)| ServerFrame::Signal(Signal { room, from, data }))
        .boxed()
}

fn presence() -> BoxedStrategy<ServerFrame> {
    (text(), any::<u64>(), vec(author(), 0..3), vec(text(), 0..3), any::<bool>())
        .prop_map(|(room, count, joined, left, resync)| {
            ServerFrame::Presence(Presence { room, count, joined, left, resync })
        })
        .boxed()
}

fn members() -> BoxedStrategy<ServerFrame> {
    let member = (text(), optional_text(), any::<u32>()).prop_map(|(user, name, connections)| Member {
        user,
        name,
        connections,
    });
    (id(), text(), any::<u64>(), vec(member, 0..4), optional_text())
        .prop_map(|(id, room, count, members, next)| ServerFrame::Members(Members { id, room, count, members, next }))
        .boxed()
}

fn done() -> BoxedStrategy<ServerFrame> {
    id().prop_map(|id| ServerFrame::Done(Done { id })).boxed()
}

fn receipt() -> BoxedStrategy<ServerFrame> {
    (text(), text(), any::<u64>(), text())
        .prop_map(|(room, user, seq, pos)| ServerFrame::Receipt(Receipt { room, user, seq, pos }))
        .boxed()
}

fn unread() -> BoxedStrategy<ServerFrame> {
    let room = any::<[u64; 3]>().prop_map(|[read, head, unread]| UnreadRoom { read, head, unread });
    (id(), btree_map(text(), room, 0..4)).prop_map(|(id, rooms)| ServerFrame::Unread(Unread { id, rooms })).boxed()
}

fn history() -> BoxedStrategy<ServerFrame> {
    let entries = vec(prop_oneof![message(), edit(), delete(), reaction()], 0..3)
        .prop_map(|frames| frames.iter().map(|frame| Data::from_json(&frame.encode()).unwrap()).collect::<Vec<_>>());
    (id(), text(), any::<u64>(), text(), entries, any::<(bool, bool)>())
        .prop_map(|(id, room, seq, pos, entries, (more, trimmed))| {
            ServerFrame::History(History { id, room, seq, pos, entries, more, trimmed })
        })
        .boxed()
}

fn pong() -> BoxedStrategy<ServerFrame> {
    id().prop_map(|id| ServerFrame::Pong(Pong { id })).boxed()
}

fn reset() -> BoxedStrategy<ServerFrame> {
    let reason = select(vec![ResetReason::Lag, ResetReason::Trimmed, ResetReason::Reset]);
    (text(), any::<u64>(), text(), reason)
        .prop_map(|(room, seq, pos, reason)| ServerFrame::Reset(Reset { room, seq, pos, reason }))
        .boxed()
}

fn removed() -> BoxedStrategy<ServerFrame> {
    let reason = select(vec![RemovedReason::Kicked, RemovedReason::Banned, RemovedReason::Revoked]);
    (text(), reason).prop_map(|(room, reason)| ServerFrame::Removed(Removed { room, reason })).boxed()
}

fn draining() -> BoxedStrategy<ServerFrame> {
    any::<u64>().prop_map(|reconnect_within_ms| ServerFrame::Draining(Draining { reconnect_within_ms })).boxed()
}

fn error() -> BoxedStrategy<ServerFrame> {
    (id(), select(ErrorCode::ALL.to_vec()), text(), any::<Option<u64>>())
        .prop_map(|(id, code, message, retry_after_ms)| {
            ServerFrame::Error(ErrorFrame { id, code, message, retry_after_ms })
        })
        .boxed()
}
