//! What is on the bus, written and read.

use hubbub_shared::Data;
use hubbub_shared::client_frame::ReactionOp;

use bytes::Bytes;

use super::*;
use crate::broker::conformance::{a_room, signal, user};
use crate::broker::{Author, Body, Entry, News, Payload, PresenceChange};
use crate::ids::ConnectionId;
use crate::redis::Ear as _;

fn word() -> impl Strategy<Value = Arc<str>> {
    "[a-zA-Z0-9]{1,9}".prop_map(Arc::from)
}

/// Any text at all, and such as looks like what stands around it.
fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![any::<String>(), Just("\n".to_owned()), Just("\",\"user\":\"eve\"} - 1\n".to_owned())]
        .prop_map(Arc::from)
}

fn author() -> impl Strategy<Value = Author> {
    ("[a-z:/.@]{1,20}", prop::option::of(text())).prop_map(|(id, name)| Author { user: user(&id), name })
}

fn data() -> impl Strategy<Value = Data> {
    text().prop_map(|text| Data::from_json(&serde_json::json!({ "text": &*text, "n": [1, null] }).to_string()).unwrap())
}

fn position() -> impl Strategy<Value = Position> {
    (word(), 1..u64::MAX, word()).prop_map(|(epoch, seq, tag)| Position { epoch, seq, tag })
}

fn body() -> impl Strategy<Value = Body> {
    let op = prop_oneof![Just(ReactionOp::Add), Just(ReactionOp::Remove)];
    prop_oneof![
        prop::option::of(data()).prop_map(|data| Body::Message { data }),
        (position(), prop::option::of(data())).prop_map(|(target, data)| Body::Edit { target, data }),
        position().prop_map(|target| Body::Delete { target }),
        (position(), text(), op).prop_map(|(target, emoji, op)| Body::Reaction { target, emoji, op }),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let numbers = (any::<u64>(), any::<u64>());
    (position(), word(), numbers, prop::option::of(author()), prop::option::of(text()), body()).prop_map(
        |(pos, prev, (count, time_ms), from, key, body)| {
            let prev = if pos.seq == 1 { Arc::from("") } else { prev };
            Entry { pos, prev, count, time_ms, from, key, body }
        },
    )
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let origin = (any::<u64>(), any::<u64>())
        .prop_map(|(id, request)| Origin { connection: ConnectionId::from_number(id), request });
    let payload = prop_oneof![
        entry().prop_map(|entry| Payload::Entry(Arc::new(entry))),
        (prop::option::of(author()), data()).prop_map(|(from, data)| Payload::Signal { from, data }),
        (author(), any::<bool>(), any::<u64>())
            .prop_map(|(member, present, count)| Payload::Presence(PresenceChange { member, present, count })),
        ("[a-z]{1,9}", position()).prop_map(|(id, pos)| Payload::Receipt { user: user(&id), pos }),
    ];
    (prop::option::of(origin), payload).prop_map(|(origin, payload)| {
        // Changes of presence are nobody's request.
        let origin = origin.filter(|_| !matches!(payload, Payload::Presence(_)));
        Envelope { room: RoomName::new("general").unwrap(), origin, payload }
    })
}

proptest! {
    #[test]
    fn an_envelope_survives_the_bus(sent in envelope()) {
        let frame = envelope::encode(&sent);
        prop_assert_eq!(envelope::decode(&sent.room, &frame), Some(vec![sent]));
    }

    #[test]
    fn entries_that_came_together_are_read_in_their_order(entries in prop::collection::vec(entry(), 1..5)) {
        let room = RoomName::new("general").unwrap();
        let envelopes: Vec<_> = entries
            .into_iter()
            .map(|entry| Envelope { room: room.clone(), origin: None, payload: Payload::Entry(Arc::new(entry)) })
            .collect();
        let mut frame = vec![b'E'];
        frame.extend(envelopes.iter().flat_map(|one| envelope::encode(one)[1..].to_vec()));
        prop_assert_eq!(envelope::decode(&room, &frame), Some(envelopes));
    }

    #[test]
    fn a_frame_that_was_cut_or_changed_is_read_or_refused_and_never_fatal(
        sent in envelope(), cut in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut frame = envelope::encode(&sent).to_vec();
        let at = cut.index(frame.len());
        prop_assert!(envelope::decode(&sent.room, &frame[..at]).is_none());
        frame[at] = byte;
        _ = envelope::decode(&sent.room, &frame);
    }

    #[test]
    fn garbage_is_read_as_nothing(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
        let room = RoomName::new("general").unwrap();
        for sort in [&b""[..], b"E", b"S", b"P", b"R", b"X"] {
            prop_assert_eq!(envelope::decode(&room, &[sort, &garbage].concat()), None);
        }
    }
}

#[tokio::test]
async fn what_is_not_understood_is_told_as_missed() {
    let (sender, mut receivers) = news::channel(1, 10);
    let (ear, room) = (BusEar::new(sender), a_room());
    let channel = format!("hb:{{p17}}:room:{room}");
    ear.heard(&channel, Bytes::from_static(b"E nonsense"));
    assert!(matches!(receivers[0].next().await, Some(News::Missed)));
    let sent = signal(&room, "1");
    ear.heard(&channel, envelope::encode(&sent));
    assert!(matches!(receivers[0].next().await, Some(News::Envelope(heard)) if heard == sent));
}

#[tokio::test]
async fn the_control_room_is_a_room_on_the_bus() {
    let visit = visit();
    let (mut replica, room) = (visit.replica().await, RoomName::control());
    replica.broker.subscribe(&room).await.unwrap();
    let pos = replica.append(crate::broker::conformance::message(&room, "ada", "kick")).await;
    assert_eq!(replica.heard_entries(&room).await[0].pos, pos);
    assert_eq!(replica.kept(&room).await[0].pos, pos);
}
