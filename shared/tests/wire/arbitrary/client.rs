//! Frames of a client at random.

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{data, id, optional_text, text};

/// Every type of frame, each as often as the others.
pub(crate) fn client_frame() -> BoxedStrategy<ClientFrame> {
    let opening = prop_oneof![hello(), refresh(), join(), leave()];
    let entries = prop_oneof![send(), edit(), delete(), react()];
    let questions = prop_oneof![signal(), members(), read(), unread()];
    let others = prop_oneof![history(), moderate(), id().prop_map(|id| ClientFrame::Ping(ClientPing { id })), pong()];
    prop_oneof![opening, entries, questions, others].boxed()
}

fn hello() -> BoxedStrategy<ClientFrame> {
    let guest = option::of(optional_text().prop_map(|name| Guest { name }));
    let client =
        option::of((optional_text(), optional_text()).prop_map(|(name, version)| ClientInfo { name, version }));
    (id(), optional_text(), optional_text(), guest, client, optional_text())
        .prop_map(|(id, token, session, guest, client, replaces)| {
            ClientFrame::Hello(Hello { id, token, session, guest, client, replaces })
        })
        .boxed()
}

fn refresh() -> BoxedStrategy<ClientFrame> {
    (id(), text()).prop_map(|(id, token)| ClientFrame::Refresh(Refresh { id, token })).boxed()
}

fn join() -> BoxedStrategy<ClientFrame> {
    (id(), text(), optional_text(), any::<Option<u64>>(), any::<bool>(), any::<bool>())
        .prop_map(|(id, room, since, limit, presence, receipts)| {
            ClientFrame::Join(Join { id, room, since, limit, presence, receipts })
        })
        .boxed()
}

fn leave() -> BoxedStrategy<ClientFrame> {
    (id(), text()).prop_map(|(id, room)| ClientFrame::Leave(Leave { id, room })).boxed()
}

fn send() -> BoxedStrategy<ClientFrame> {
    (id(), text(), optional_text(), data(), any::<bool>())
        .prop_map(|(id, room, key, data, echo)| ClientFrame::Send(Send { id, room, key, data, echo }))
        .boxed()
}

fn edit() -> BoxedStrategy<ClientFrame> {
    (id(), text(), text(), optional_text(), data())
        .prop_map(|(id, room, target, key, data)| ClientFrame::Edit(Edit { id, room, target, key, data }))
        .boxed()
}

fn delete() -> BoxedStrategy<ClientFrame> {
    (id(), text(), text(), optional_text())
        .prop_map(|(id, room, target, key)| ClientFrame::Delete(Delete { id, room, target, key }))
        .boxed()
}

fn react() -> BoxedStrategy<ClientFrame> {
    let op = select(vec![ReactionOp::Add, ReactionOp::Remove]);
    (id(), text(), text(), optional_text(), text(), op)
        .prop_map(|(id, room, target, key, emoji, op)| ClientFrame::React(React { id, room, target, key, emoji, op }))
        .boxed()
}

fn signal() -> BoxedStrategy<ClientFrame> {
    (id(), text(), data()).prop_map(|(id, room, data)| ClientFrame::Signal(SignalRequest { id, room, data })).boxed()
}

fn members() -> BoxedStrategy<ClientFrame> {
    (id(), text(), any::<Option<u64>>(), optional_text())
        .prop_map(|(id, room, limit, after)| ClientFrame::Members(MembersRequest { id, room, limit, after }))
        .boxed()
}

fn read() -> BoxedStrategy<ClientFrame> {
    (id(), text(), text()).prop_map(|(id, room, pos)| ClientFrame::Read(Read { id, room, pos })).boxed()
}

fn unread() -> BoxedStrategy<ClientFrame> {
    (id(), vec(text(), 0..4)).prop_map(|(id, rooms)| ClientFrame::Unread(UnreadRequest { id, rooms })).boxed()
}

fn history() -> BoxedStrategy<ClientFrame> {
    (id(), text(), optional_text(), optional_text(), any::<Option<u64>>())
        .prop_map(|(id, room, before, after, limit)| {
            ClientFrame::History(HistoryRequest { id, room, before, after, limit })
        })
        .boxed()
}

fn moderate() -> BoxedStrategy<ClientFrame> {
    let action = select(vec![
        ModerationAction::Kick,
        ModerationAction::Ban,
        ModerationAction::Unban,
        ModerationAction::Mute,
        ModerationAction::Unmute,
    ]);
    (id(), text(), text(), action, any::<Option<u64>>(), optional_text())
        .prop_map(|(id, room, user, action, for_ms, reason)| {
            ClientFrame::Moderate(Moderate { id, room, user, action, for_ms, reason })
        })
        .boxed()
}

fn pong() -> BoxedStrategy<ClientFrame> {
    id().prop_map(|id| ClientFrame::Pong(ClientPong { id })).boxed()
}
