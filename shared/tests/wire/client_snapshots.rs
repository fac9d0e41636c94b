//! Every frame of a client, bare and with all its fields.

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::*;
use insta::assert_snapshot;

use crate::{data, text};

/// The types pinned so far, in order.
#[derive(Default)]
struct Pinned(Vec<&'static str>);

impl Pinned {
    /// The frame as text, which must read back to the same.
    fn wire(&mut self, frame: ClientFrame) -> String {
        let text = frame.encode();
        assert_eq!(ClientFrame::decode(&text).as_ref(), Ok(&frame));
        self.0.push(frame.kind());
        text
    }
}

#[test]
fn every_frame_of_a_client_stays_as_it_is_on_the_wire() {
    let mut pinned = Pinned::default();

    let bare = ClientFrame::Hello(Hello::default());
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"hello"}"#);
    let with_token = ClientFrame::Hello(Hello {
        id: Some(1),
        token: Some(text("eyJ0.eyJz.c2ln")),
        client: Some(ClientInfo { name: Some(text("hubbub-js")), version: Some(text("1.0.0")) }),
        replaces: Some(text("c-17")),
        ..Hello::default()
    });
    assert_snapshot!(pinned.wire(with_token), @r#"{"type":"hello","id":1,"token":"eyJ0.eyJz.c2ln","client":{"name":"hubbub-js","version":"1.0.0"},"replaces":"c-17"}"#);
    let with_session = ClientFrame::Hello(Hello { session: Some(text("5ec2e7")), ..Hello::default() });
    assert_snapshot!(pinned.wire(with_session), @r#"{"type":"hello","session":"5ec2e7"}"#);
    let as_guest = ClientFrame::Hello(Hello { guest: Some(Guest { name: Some(text("Ada")) }), ..Hello::default() });
    assert_snapshot!(pinned.wire(as_guest), @r#"{"type":"hello","guest":{"name":"Ada"}}"#);
    let as_nameless_guest = ClientFrame::Hello(Hello { guest: Some(Guest::default()), ..Hello::default() });
    assert_snapshot!(pinned.wire(as_nameless_guest), @r#"{"type":"hello","guest":{}}"#);

    let refresh = ClientFrame::Refresh(Refresh { id: Some(9), token: text("eyJ0.eyJz.c2ln") });
    assert_snapshot!(pinned.wire(refresh), @r#"{"type":"refresh","id":9,"token":"eyJ0.eyJz.c2ln"}"#);

    let bare = ClientFrame::Join(Join { room: text("general"), ..Join::default() });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"join","room":"general"}"#);
    let full = ClientFrame::Join(Join {
        id: Some(2),
        room: text("general"),
        since: Some(text("k3-41-9f1c")),
        limit: Some(50),
        presence: true,
        receipts: true,
    });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"join","id":2,"room":"general","since":"k3-41-9f1c","limit":50,"presence":true,"receipts":true}"#);

    let leave = ClientFrame::Leave(Leave { id: Some(3), room: text("general") });
    assert_snapshot!(pinned.wire(leave), @r#"{"type":"leave","id":3,"room":"general"}"#);

    let bare = ClientFrame::Send(Send { id: None, room: text("general"), key: None, data: data("null"), echo: true });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"send","room":"general","data":null}"#);
    let full = ClientFrame::Send(Send {
        id: Some(4),
        room: text("general"),
        key: Some(text("c-81")),
        data: data(r#"{"text":"hi"}"#),
        echo: false,
    });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"send","id":4,"room":"general","key":"c-81","data":{"text":"hi"},"echo":false}"#);

    let edit = ClientFrame::Edit(Edit {
        id: Some(5),
        room: text("general"),
        target: text("k3-42-77b0"),
        key: Some(text("c-82")),
        data: data(r#"{"text":"hi!"}"#),
    });
    assert_snapshot!(pinned.wire(edit), @r#"{"type":"edit","id":5,"room":"general","target":"k3-42-77b0","key":"c-82","data":{"text":"hi!"}}"#);

    let delete = ClientFrame::Delete(Delete {
        id: Some(6),
        room: text("general"),
        target: text("k3-42-77b0"),
        key: Some(text("c-83")),
    });
    assert_snapshot!(pinned.wire(delete), @r#"{"type":"delete","id":6,"room":"general","target":"k3-42-77b0","key":"c-83"}"#);

    let bare = ClientFrame::React(React {
        room: text("general"),
        target: text("k3-42-77b0"),
        emoji: text("👍"),
        ..React::default()
    });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"react","room":"general","target":"k3-42-77b0","emoji":"👍","op":"add"}"#);
    let full = ClientFrame::React(React {
        id: Some(7),
        room: text("general"),
        target: text("k3-42-77b0"),
        key: Some(text("c-84")),
        emoji: text("👍"),
        op: ReactionOp::Remove,
    });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"react","id":7,"room":"general","target":"k3-42-77b0","key":"c-84","emoji":"👍","op":"remove"}"#);

    let signal =
        ClientFrame::Signal(SignalRequest { id: None, room: text("general"), data: data(r#"{"typing":true}"#) });
    assert_snapshot!(pinned.wire(signal), @r#"{"type":"signal","room":"general","data":{"typing":true}}"#);

    let bare = ClientFrame::Members(MembersRequest { room: text("general"), ..MembersRequest::default() });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"members","room":"general"}"#);
    let full = ClientFrame::Members(MembersRequest {
        id: Some(7),
        room: text("general"),
        limit: Some(100),
        after: Some(text("ZXZl")),
    });
    assert_snapshot!(pinned.wire(full), @r#"{"type":"members","id":7,"room":"general","limit":100,"after":"ZXZl"}"#);

    let read = ClientFrame::Read(Read { id: Some(8), room: text("general"), pos: text("k3-42-77b0") });
    assert_snapshot!(pinned.wire(read), @r#"{"type":"read","id":8,"room":"general","pos":"k3-42-77b0"}"#);

    let unread = ClientFrame::Unread(UnreadRequest { id: Some(9), rooms: vec![text("general"), text("ops")] });
    assert_snapshot!(pinned.wire(unread), @r#"{"type":"unread","id":9,"rooms":["general","ops"]}"#);

    let bare = ClientFrame::History(HistoryRequest { room: text("general"), ..HistoryRequest::default() });
    assert_snapshot!(pinned.wire(bare), @r#"{"type":"history","room":"general"}"#);
    let before = ClientFrame::History(HistoryRequest {
        id: Some(10),
        room: text("general"),
        before: Some(text("k3-42-77b0")),
        after: None,
        limit: Some(50),
    });
    assert_snapshot!(pinned.wire(before), @r#"{"type":"history","id":10,"room":"general","before":"k3-42-77b0","limit":50}"#);
    let after = ClientFrame::History(HistoryRequest {
        room: text("general"),
        after: Some(text("0-0-0")),
        ..HistoryRequest::default()
    });
    assert_snapshot!(pinned.wire(after), @r#"{"type":"history","room":"general","after":"0-0-0"}"#);

    let kick = ClientFrame::Moderate(Moderate { room: text("general"), user: text("eve"), ..Moderate::default() });
    assert_snapshot!(pinned.wire(kick), @r#"{"type":"moderate","room":"general","user":"eve","action":"kick"}"#);
    let ban = ClientFrame::Moderate(Moderate {
        id: Some(11),
        room: text("general"),
        user: text("eve"),
        action: ModerationAction::Ban,
        for_ms: Some(600_000),
        reason: Some(text("spam")),
    });
    assert_snapshot!(pinned.wire(ban), @r#"{"type":"moderate","id":11,"room":"general","user":"eve","action":"ban","for_ms":600000,"reason":"spam"}"#);

    assert_snapshot!(pinned.wire(ClientFrame::Ping(ClientPing { id: Some(12) })), @r#"{"type":"ping","id":12}"#);

    assert_snapshot!(pinned.wire(ClientFrame::Pong(ClientPong::default())), @r#"{"type":"pong"}"#);

    pinned.0.dedup();
    assert_eq!(pinned.0, ClientFrame::TYPES, "a frame without a snapshot, or out of the order of the protocol");
}

#[test]
fn every_word_of_a_client_stays_as_it_is_on_the_wire() {
    let words = [ReactionOp::Add, ReactionOp::Remove];
    assert_snapshot!(serde_json::to_string(&words).unwrap(), @r#"["add","remove"]"#);
    let words = [
        ModerationAction::Kick,
        ModerationAction::Ban,
        ModerationAction::Unban,
        ModerationAction::Mute,
        ModerationAction::Unmute,
    ];
    assert_snapshot!(serde_json::to_string(&words).unwrap(), @r#"["kick","ban","unban","mute","unmute"]"#);
}
