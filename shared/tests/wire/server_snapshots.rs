//! Every frame of the gateway, bare and with all its fields.

use std::collections::BTreeMap;

use hubbub_shared::limits::Limits;
use hubbub_shared::server_frame::*;
use hubbub_shared::{ErrorCode, ServerFrame};
use insta::assert_snapshot;

use crate::{data, text};

/// The types pinned so far, in order.
#[derive(Default)]
struct Pinned(Vec<&'static str>);

impl Pinned {
    /// The frame as text, which must read back to the same.
    fn wire(&mut self, frame: ServerFrame) -> String {
        let text = frame.encode();
        assert_eq!(ServerFrame::decode(&text).as_ref(), Ok(&frame));
        self.0.push(frame.kind());
        text
    }
}

fn ada() -> Author {
    Author { user: text("ada"), name: Some(text("Ada")) }
}

fn message() -> Message {
    Message {
        room: text("general"),
        seq: 42,
        pos: text("k3-42-77b0"),
        count: 40,
        time: 1_700_000_000_000,
        from: Some(ada()),
        key: Some(text("c-81")),
        data: Some(data(r#"{"text":"hi"}"#)),
        deleted: false,
    }
}

fn edit() -> EditEntry {
    EditEntry {
        room: text("general"),
        seq: 43,
        pos: text("k3-43-0c1d"),
        count: 40,
        time: 1_700_000_000_000,
        from: Some(ada()),
        key: None,
        target: text("k3-42-77b0"),
        data: Some(data(r#"{"text":"hi!"}"#)),
        deleted: false,
    }
}

#[test]
fn every_frame_of_the_gateway_stays_as_it_is_on_the_wire() {
    let mut pinned = Pinned::default();

    let bare = ServerFrame::Welcome(Welcome {
        id: None,
        connection: text("c-17"),
        replica: text("r-1"),
        time: 1_700_000_000_000,
        expires_at: None,
        user: Me { id: text("ada"), name: None },
        session: None,
        heartbeat_ms: 25_000,
        limits: Limits::DEFAULT,
    });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"welcome","connection":"c-17","replica":"r-1","time":1700000000000,"user":{"id":"ada"},"heartbeat_ms":25000,"limits":{"frame_bytes":65536,"data_bytes":32768,"key_bytes":64,"reply_bytes":262144,"rooms":128,"history":500,"pipeline":64}}"#);
    let full = ServerFrame::Welcome(Welcome {
        id: Some(1),
        connection: text("c-17"),
        replica: text("r-1"),
        time: 1_700_000_000_000,
        expires_at: Some(1_700_000_600_000),
        user: Me { id: text("guest:7f"), name: Some(text("Ada")) },
        session: Some(SessionInfo { id: text("s-3"), secret: Some(text("5ec2e7")) }),
        heartbeat_ms: 25_000,
        limits: Limits::DEFAULT,
    });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"welcome","id":1,"connection":"c-17","replica":"r-1","time":1700000000000,"expires_at":1700000600000,"user":{"id":"guest:7f","name":"Ada"},"session":{"id":"s-3","secret":"5ec2e7"},"heartbeat_ms":25000,"limits":{"frame_bytes":65536,"data_bytes":32768,"key_bytes":64,"reply_bytes":262144,"rooms":128,"history":500,"pipeline":64}}"#);

    let refreshed = ServerFrame::Refreshed(Refreshed { id: Some(9), expires_at: 1_700_000_600_000 });
    assert_snapshot!(pinned.wire(refreshed), @r#"{"type":"refreshed","id":9,"expires_at":1700000600000}"#);

    let bare = Joined {
        id: None,
        room: text("general"),
        seq: 0,
        pos: text("0-0-0"),
        recovered: None,
        reason: None,
        replayed: 0,
        members: None,
        read: 0,
        unread: 0,
    };
    assert_snapshot!(pinned.wire(ServerFrame::Joined(bare.clone())), @r#"{"type":"joined","room":"general","seq":0,"pos":"0-0-0","replayed":0,"read":0,"unread":0}"#);
    let recovered = ServerFrame::Joined(Joined {
        id: Some(2),
        seq: 44,
        pos: text("k3-44-a07e"),
        recovered: Some(true),
        replayed: 3,
        members: Some(12),
        read: 40,
        unread: 4,
        ..bare.clone()
    });
    assert_snapshot!(pinned.wire(recovered), @r#"{"type":"joined","id":2,"room":"general","seq":44,"pos":"k3-44-a07e","recovered":true,"replayed":3,"members":12,"read":40,"unread":4}"#);
    let unrecovered =
        ServerFrame::Joined(Joined { recovered: Some(false), reason: Some(UnrecoveredReason::Trimmed), ..bare });
    assert_snapshot!(pinned.wire(unrecovered), @r#"{"type":"joined","room":"general","seq":0,"pos":"0-0-0","recovered":false,"reason":"trimmed","replayed":0,"read":0,"unread":0}"#);

    let left = ServerFrame::Left(Left { id: Some(3), room: text("general") });
    assert_snapshot!(pinned.wire(left), @r#"{"type":"left","id":3,"room":"general"}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Message(message())), @r#"{"type":"message","room":"general","seq":42,"pos":"k3-42-77b0","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"key":"c-81","data":{"text":"hi"}}"#);
    let from_the_server_api = ServerFrame::Message(Message { from: None, key: None, ..message() });
    assert_snapshot!(pinned.wire(from_the_server_api), @r#"{"type":"message","room":"general","seq":42,"pos":"k3-42-77b0","count":40,"time":1700000000000,"data":{"text":"hi"}}"#);
    let saying_null = ServerFrame::Message(Message { data: Some(data("null")), ..message() });
    assert_snapshot!(pinned.wire(saying_null), @r#"{"type":"message","room":"general","seq":42,"pos":"k3-42-77b0","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"key":"c-81","data":null}"#);
    let deleted = ServerFrame::Message(Message { data: None, deleted: true, ..message() });
    assert_snapshot!(pinned.wire(deleted), @r#"{"type":"message","room":"general","seq":42,"pos":"k3-42-77b0","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"key":"c-81","deleted":true}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Edit(edit())), @r#"{"type":"edit","room":"general","seq":43,"pos":"k3-43-0c1d","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"target":"k3-42-77b0","data":{"text":"hi!"}}"#);
    let deleted = ServerFrame::Edit(EditEntry { data: None, deleted: true, ..edit() });
    assert_snapshot!(pinned.wire(deleted), @r#"{"type":"edit","room":"general","seq":43,"pos":"k3-43-0c1d","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"target":"k3-42-77b0","deleted":true}"#);

    let delete = ServerFrame::Delete(DeleteEntry {
        room: text("general"),
        seq: 44,
        pos: text("k3-44-a07e"),
        count: 40,
        time: 1_700_000_000_000,
        from: Some(ada()),
        key: None,
        target: text("k3-42-77b0"),
    });
    assert_snapshot!(pinned.wire(delete), @r#"{"type":"delete","room":"general","seq":44,"pos":"k3-44-a07e","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"target":"k3-42-77b0"}"#);

    let reaction = ServerFrame::Reaction(ReactionEntry {
        room: text("general"),
        seq: 45,
        pos: text("k3-45-1f00"),
        count: 40,
        time: 1_700_000_000_000,
        from: Some(ada()),
        key: None,
        target: text("k3-42-77b0"),
        emoji: text("👍"),
        op: ReactionOp::Add,
    });
    assert_snapshot!(pinned.wire(reaction), @r#"{"type":"reaction","room":"general","seq":45,"pos":"k3-45-1f00","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"target":"k3-42-77b0","emoji":"👍","op":"add"}"#);

    let sent = Sent {
        id: Some(4),
        room: text("general"),
        seq: 42,
        pos: text("k3-42-77b0"),
        time: 1_700_000_000_000,
        duplicate: false,
    };
    assert_snapshot!(pinned.wire(ServerFrame::Sent(sent.clone())), @r#"{"type":"sent","id":4,"room":"general","seq":42,"pos":"k3-42-77b0","time":1700000000000}"#);
    let again = ServerFrame::Sent(Sent { id: None, duplicate: true, ..sent });
    assert_snapshot!(pinned.wire(again), @r#"{"type":"sent","room":"general","seq":42,"pos":"k3-42-77b0","time":1700000000000,"duplicate":true}"#);

    let signal =
        ServerFrame::Signal(Signal { room: text("general"), from: Some(ada()), data: data(r#"{"typing":true}"#) });
    assert_snapshot!(pinned.wire(signal), @r#"{"type":"signal","room":"general","from":{"user":"ada","name":"Ada"},"data":{"typing":true}}"#);
    let from_the_server_api = ServerFrame::Signal(Signal { room: text("general"), from: None, data: data("1") });
    assert_snapshot!(pinned.wire(from_the_server_api), @r#"{"type":"signal","room":"general","data":1}"#);

    let bare = Presence { room: text("general"), count: 13, joined: Vec::new(), left: Vec::new(), resync: false };
    assert_snapshot!(pinned.wire(ServerFrame::Presence(bare.clone())), @r#"{"type":"presence","room":"general","count":13}"#);
    let full = ServerFrame::Presence(Presence { joined: vec![ada()], left: vec![text("eve")], resync: true, ..bare });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"presence","room":"general","count":13,"joined":[{"user":"ada","name":"Ada"}],"left":["eve"],"resync":true}"#);

    let bare =
        ServerFrame::Members(Members { id: Some(7), room: text("general"), count: 0, members: Vec::new(), next: None });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"members","id":7,"room":"general","count":0,"members":[]}"#);
    let full = ServerFrame::Members(Members {
        id: Some(7),
        room: text("general"),
        count: 1234,
        members: vec![
            Member { user: text("ada"), name: Some(text("Ada")), connections: 2 },
            Member { user: text("bob"), name: None, connections: 1 },
        ],
        next: Some(text("Ym9i")),
    });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"members","id":7,"room":"general","count":1234,"members":[{"user":"ada","name":"Ada","connections":2},{"user":"bob","connections":1}],"next":"Ym9i"}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Done(Done { id: Some(8) })), @r#"{"type":"ok","id":8}"#);

    let receipt =
        ServerFrame::Receipt(Receipt { room: text("general"), user: text("ada"), seq: 42, pos: text("k3-42-77b0") });
    assert_snapshot!(pinned.wire(receipt), @r#"{"type":"receipt","room":"general","user":"ada","seq":42,"pos":"k3-42-77b0"}"#);

    let unread = ServerFrame::Unread(Unread {
        id: Some(9),
        rooms: BTreeMap::from([(text("general"), UnreadRoom { read: 42, head: 45, unread: 1 })]),
    });
    assert_snapshot!(pinned.wire(unread), @r#"{"type":"unread","id":9,"rooms":{"general":{"read":42,"head":45,"unread":1}}}"#);

    let history = ServerFrame::History(History {
        id: Some(10),
        room: text("general"),
        seq: 44,
        pos: text("k3-44-a07e"),
        entries: vec![data(&ServerFrame::Message(message()).encode()), data(&ServerFrame::Edit(edit()).encode())],
        more: true,
        trimmed: false,
    });
    assert_snapshot!(pinned.wire(history), @r#"{"type":"history","id":10,"room":"general","seq":44,"pos":"k3-44-a07e","entries":[{"type":"message","room":"general","seq":42,"pos":"k3-42-77b0","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"key":"c-81","data":{"text":"hi"}},{"type":"edit","room":"general","seq":43,"pos":"k3-43-0c1d","count":40,"time":1700000000000,"from":{"user":"ada","name":"Ada"},"target":"k3-42-77b0","data":{"text":"hi!"}}],"more":true,"trimmed":false}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Ping(Ping {})), @r#"{"type":"ping"}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Pong(Pong { id: Some(12) })), @r#"{"type":"pong","id":12}"#);

    let reset =
        ServerFrame::Reset(Reset { room: text("general"), seq: 44, pos: text("k3-44-a07e"), reason: ResetReason::Lag });
    assert_snapshot!(pinned.wire(reset), @r#"{"type":"reset","room":"general","seq":44,"pos":"k3-44-a07e","reason":"lag"}"#);

    let removed = ServerFrame::Removed(Removed { room: text("general"), reason: RemovedReason::Kicked });
    assert_snapshot!(pinned.wire(removed), @r#"{"type":"removed","room":"general","reason":"kicked"}"#);

    let draining = ServerFrame::Draining(Draining { reconnect_within_ms: 8000 });
    assert_snapshot!(pinned.wire(draining), @r#"{"type":"draining","reconnect_within_ms":8000}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Degraded(Degraded {})), @r#"{"type":"degraded"}"#);

    assert_snapshot!(pinned.wire(ServerFrame::Restored(Restored {})), @r#"{"type":"restored"}"#);

    let bare = ErrorFrame { id: None, code: ErrorCode::BadRequest, message: text("say what"), retry_after_ms: None };
    assert_snapshot!(pinned.wire(ServerFrame::Error(bare.clone())), @r#"{"type":"error","code":"bad_request","message":"say what"}"#);
    let full =
        ServerFrame::Error(ErrorFrame { id: Some(4), code: ErrorCode::RateLimited, retry_after_ms: Some(800), ..bare });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"error","id":4,"code":"rate_limited","message":"say what","retry_after_ms":800}"#);

    pinned.0.dedup();
    assert_eq!(pinned.0, ServerFrame::TYPES, "a frame without a snapshot, or out of the order of the protocol");
}

#[test]
fn every_word_of_the_gateway_stays_as_it_is_on_the_wire() {
    let words = [UnrecoveredReason::Trimmed, UnrecoveredReason::Reset];
    assert_snapshot!(serde_json::to_string(&words).unwrap(), @r#"["trimmed","reset"]"#);
    let words = [ResetReason::Lag, ResetReason::Trimmed, ResetReason::Reset];
    assert_snapshot!(serde_json::to_string(&words).unwrap(), @r#"["lag","trimmed","reset"]"#);
    let words = [RemovedReason::Kicked, RemovedReason::Banned, RemovedReason::Revoked];
    assert_snapshot!(serde_json::to_string(&words).unwrap(), @r#"["kicked","banned","revoked"]"#);
    assert_snapshot!(serde_json::to_string(&ErrorCode::ALL).unwrap(), @r#"["bad_request","unauthenticated","token_expired","forbidden","room_invalid","already_joined","not_joined","too_large","rate_limited","limit_exceeded","gone","unavailable","internal"]"#);
}
