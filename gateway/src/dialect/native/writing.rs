//! Events, replies and notices to server frames.

use hubbub_shared::server_frame::{self as wire, ServerFrame};
use hubbub_shared::{Data, RoomName};

use crate::broker::{Author, Body, Entry};
use crate::connection::reply::{Notice, Reply, Welcome};
use crate::fault::Fault;
use crate::hub::event::{Event, PresenceUpdate, Sent};
use crate::hub::join::Joined;
use crate::presence::{Member, MembersPage};
use crate::rooms::look::HistoryPage;

/// What a `history` reply takes besides its entries: names, numbers and punctuation.
const HISTORY_FRAME_BYTES: usize = 512;

/// Something that happened on a subscription.
pub(super) fn event(room: &RoomName, event: &Event) -> ServerFrame {
    let room_text = || room.to_string();
    match event {
        Event::Entry(entry) => self::entry(room, entry),
        Event::Sent(sent) => self::sent(room, sent),
        Event::Unproven { id } => error(*id, &Fault::Unavailable),
        Event::Reset { pos, reason } => {
            ServerFrame::Reset(wire::Reset { room: room_text(), seq: pos.seq, pos: pos.to_string(), reason: *reason })
        }
        Event::Signal { from, data } => {
            ServerFrame::Signal(wire::Signal { room: room_text(), from: from.as_ref().map(author), data: data.clone() })
        }
        Event::Presence(PresenceUpdate { count, joined, left, resync }) => ServerFrame::Presence(wire::Presence {
            room: room_text(),
            count: *count,
            joined: joined.iter().map(author).collect(),
            left: left.iter().map(ToString::to_string).collect(),
            resync: *resync,
        }),
        Event::Receipt { user, pos } => ServerFrame::Receipt(wire::Receipt {
            room: room_text(),
            user: user.to_string(),
            seq: pos.seq,
            pos: pos.to_string(),
        }),
        Event::Removed { reason } => ServerFrame::Removed(wire::Removed { room: room_text(), reason: *reason }),
    }
}

/// An entry of a log.
pub(super) fn entry(room: &RoomName, entry: &Entry) -> ServerFrame {
    let room = room.to_string();
    let (seq, pos, count, time) = (entry.pos.seq, entry.pos.to_string(), entry.count, entry.time_ms);
    let from = entry.from.as_ref().map(author);
    let key = entry.key.as_ref().map(ToString::to_string);
    match &entry.body {
        Body::Message { data } => ServerFrame::Message(wire::Message {
            room,
            seq,
            pos,
            count,
            time,
            from,
            key,
            deleted: data.is_none(),
            data: data.clone(),
        }),
        Body::Edit { target, data } => ServerFrame::Edit(wire::EditEntry {
            room,
            seq,
            pos,
            count,
            time,
            from,
            key,
            target: target.to_string(),
            deleted: data.is_none(),
            data: data.clone(),
        }),
        Body::Delete { target } => ServerFrame::Delete(wire::DeleteEntry {
            room,
            seq,
            pos,
            count,
            time,
            from,
            key,
            target: target.to_string(),
        }),
        Body::Reaction { target, emoji, op } => ServerFrame::Reaction(wire::ReactionEntry {
            room,
            seq,
            pos,
            count,
            time,
            from,
            key,
            target: target.to_string(),
            emoji: emoji.to_string(),
            op: *op,
        }),
    }
}

/// An entry as JSON, as it stands in `history`.
fn entry_json(room: &RoomName, entry: &Entry) -> Option<Data> {
    Data::from_json(&self::entry(room, entry).encode()).ok()
}

/// The reply to a request.
pub(super) fn reply(id: Option<u32>, reply: &Reply<'_>) -> ServerFrame {
    match reply {
        Reply::Welcome(welcome) => self::welcome(id, welcome),
        Reply::Refreshed { expires_at_ms } => {
            ServerFrame::Refreshed(wire::Refreshed { id, expires_at: *expires_at_ms })
        }
        Reply::Joined(room, joined) => self::joined(id, room, joined),
        Reply::Left(room) => ServerFrame::Left(wire::Left { id, room: room.to_string() }),
        Reply::Sent(room, sent) => self::sent(room, &Sent { id, ..(*sent).clone() }),
        Reply::Members(room, page) => members(id, room, page),
        Reply::Done => ServerFrame::Done(wire::Done { id }),
        Reply::Unread(rooms) => ServerFrame::Unread(wire::Unread {
            id,
            rooms: rooms
                .iter()
                .map(|(room, unread)| {
                    let unread =
                        wire::UnreadRoom { read: unread.read_seq, head: unread.head_seq, unread: unread.unread };
                    (room.to_string(), unread)
                })
                .collect(),
        }),
        Reply::History(room, page, reply_bytes) => history(id, room, page, *reply_bytes),
        Reply::Pong => ServerFrame::Pong(wire::Pong { id }),
        Reply::Error(fault) => error(id, fault),
    }
}

/// What the gateway says by itself.
pub(super) fn notice(notice: Notice) -> ServerFrame {
    match notice {
        Notice::Ping => ServerFrame::Ping(wire::Ping {}),
        Notice::Draining { reconnect_within_ms } => ServerFrame::Draining(wire::Draining { reconnect_within_ms }),
        Notice::Degraded => ServerFrame::Degraded(wire::Degraded {}),
        Notice::Restored => ServerFrame::Restored(wire::Restored {}),
    }
}

fn author(author: &Author) -> wire::Author {
    wire::Author { user: author.user.to_string(), name: author.name.as_deref().map(str::to_owned) }
}

fn sent(room: &RoomName, sent: &Sent) -> ServerFrame {
    ServerFrame::Sent(wire::Sent {
        id: sent.id,
        room: room.to_string(),
        seq: sent.pos.seq,
        pos: sent.pos.to_string(),
        time: sent.time_ms,
        duplicate: sent.duplicate,
    })
}

fn welcome(id: Option<u32>, welcome: &Welcome) -> ServerFrame {
    ServerFrame::Welcome(wire::Welcome {
        id,
        connection: welcome.connection.clone(),
        replica: welcome.replica.to_string(),
        time: welcome.time_ms,
        expires_at: welcome.expires_at_ms,
        user: wire::Me { id: welcome.author.user.to_string(), name: welcome.author.name.as_deref().map(str::to_owned) },
        session: welcome
            .session
            .as_ref()
            .map(|(id, secret)| wire::SessionInfo { id: id.to_string(), secret: secret.clone() }),
        heartbeat_ms: welcome.heartbeat_ms,
        limits: welcome.limits,
    })
}

fn joined(id: Option<u32>, room: &RoomName, joined: &Joined) -> ServerFrame {
    ServerFrame::Joined(wire::Joined {
        id,
        room: room.to_string(),
        seq: joined.pos.seq,
        pos: joined.pos.to_string(),
        recovered: joined.recovered.map(|recovered| recovered.is_ok()),
        reason: joined.recovered.and_then(Result::err),
        replayed: joined.replayed,
        members: joined.members,
        read: joined.read_seq,
        unread: joined.unread,
    })
}

fn members(id: Option<u32>, room: &RoomName, page: &MembersPage) -> ServerFrame {
    let member = |member: &Member| wire::Member {
        user: member.author.user.to_string(),
        name: member.author.name.as_deref().map(str::to_owned),
        connections: member.connections,
    };
    let last = page.members.last().filter(|_| page.more);
    ServerFrame::Members(wire::Members {
        id,
        room: room.to_string(),
        count: page.count,
        members: page.members.iter().map(member).collect(),
        next: last.map(|member| member.author.user.to_string()),
    })
}

fn history(id: Option<u32>, room: &RoomName, history: &HistoryPage, reply_bytes: usize) -> ServerFrame {
    let (entries, more) = history_entries(room, history, reply_bytes);
    ServerFrame::History(wire::History {
        id,
        room: room.to_string(),
        seq: history.head.pos.seq,
        pos: history.head.pos.to_string(),
        entries,
        more,
        trimmed: history.trimmed(),
    })
}

/// The entries of a page as JSON, from the side that was asked for until the reply is full; and whether there are more.
pub fn history_entries(room: &RoomName, history: &HistoryPage, reply_bytes: usize) -> (Vec<Data>, bool) {
    let mut left_bytes = reply_bytes.saturating_sub(HISTORY_FRAME_BYTES);
    let mut entries = Vec::new();
    let mut more = history.page.more;
    let mut take = |entry: &std::sync::Arc<Entry>| {
        let Some(json) = entry_json(room, entry) else { return true };
        let bytes = json.len_bytes() + 1;
        if bytes > left_bytes && !entries.is_empty() {
            more = true;
            return false;
        }
        left_bytes = left_bytes.saturating_sub(bytes);
        entries.push(json);
        true
    };
    if history.forward {
        history.page.entries.iter().all(&mut take);
    } else {
        history.page.entries.iter().rev().all(&mut take);
        entries.reverse();
    }
    (entries, more)
}

fn error(id: Option<u32>, fault: &Fault) -> ServerFrame {
    ServerFrame::Error(wire::ErrorFrame {
        id,
        code: fault.code(),
        message: fault.to_string(),
        retry_after_ms: fault.retry_after_ms(),
    })
}
