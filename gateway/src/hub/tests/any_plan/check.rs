//! What must hold while a plan is carried out, and behind it.

use std::collections::{BTreeMap, HashSet};

use super::plan::{Plan, ROOMS};
use super::run::Stage;
use super::story::Story;
use crate::hub::event::{Event, Sent};
use crate::hub::tests::client::Client;
use crate::hub::tests::frames::Frame;
use crate::presence::Presence as _;

/// No outbox takes more than its bound and one frame, and a reset for each room.
pub(super) fn bound(plan: &Plan, client: &Client) {
    let most = plan.outbox_bytes + 2_000 + ROOMS.len() * 500;
    let queued_bytes = client.outbox.queued_bytes();
    assert!(queued_bytes <= most, "{queued_bytes} bytes wait for {}, {} are allowed", client.name, plan.outbox_bytes);
}

/// Every subscription has reached the head of its log.
pub(super) async fn reached(stage: &Stage) {
    for (number, room) in stage.rooms.iter().enumerate() {
        let (head, _) = stage.world.log(room).await;
        for client in clients(stage) {
            let story = stage.story(client, number);
            if story.joined.is_some() {
                assert_eq!(story.position().as_ref(), Some(&head.pos), "{} in {room}", client.name);
            }
        }
    }
}

/// Checks the whole record of every connection that stands, and what is left of the others.
pub(super) async fn everything(stage: &Stage) {
    reached(stage).await;
    for client in clients(stage) {
        replies(client);
    }
    for (number, room) in stage.rooms.iter().enumerate() {
        let mut expected: BTreeMap<String, u32> = BTreeMap::new();
        let mut stories = Vec::new();
        for client in clients(stage) {
            let mut story = Story::default();
            for frame in client.got().iter().filter(|frame| frame.room() == Some(room)) {
                story.follow(frame, &stage.plan, Some(&stage.truth[number]));
            }
            let subscribed = client.outbox.subscription_to(room).is_some();
            assert_eq!(story.joined.is_some(), subscribed, "{} was told otherwise", client.name);
            if subscribed {
                *expected.entry(client.outbox.user.user.to_string()).or_default() += 1;
            }
            if subscribed && stage.plan.keeps_all() {
                let (_, log) = stage.world.log(room).await;
                let lost = story.promised().find(|pos| log.iter().all(|entry| entry.pos != **pos));
                assert_eq!(lost, None, "{} was promised an entry of {room} and not told of its loss", client.name);
            }
            stories.push(story);
        }
        acknowledged(stage, number).await;
        let page = stage.replicas[0].backend.members(room, None, 1_000).await.unwrap();
        let members: BTreeMap<_, _> =
            page.members.iter().map(|member| (member.author.user.to_string(), member.connections)).collect();
        assert_eq!(members, expected, "the members of {room}");
        if stage.plan.honest {
            for story in stories {
                let (Some((join, _)), Some(told)) = (&story.joined, story.members) else { continue };
                if join.wants.presence {
                    let told: HashSet<_> = told.iter().map(ToString::to_string).collect();
                    assert_eq!(told, expected.keys().cloned().collect::<HashSet<_>>(), "as {room} was told");
                }
            }
        }
    }
}

/// Every request that a connection made was answered once.
fn replies(client: &Client) {
    let mut answered = HashSet::new();
    for frame in client.got() {
        let id = match &frame {
            Frame::Sent(_, id, _) | Frame::Failed(id) => Some(*id),
            Frame::Event(_, Event::Sent(sent)) => sent.id,
            Frame::Event(_, Event::Unproven { id }) => *id,
            Frame::Event(..) | Frame::Joined(..) | Frame::Left(_) | Frame::Members(..) => None,
        };
        if let Some(id) = id {
            assert!(answered.insert(id), "{frame} answers request {id} of {} again", client.name);
        }
    }
    for id in client.posted() {
        assert!(answered.contains(&id), "request {id} of {} was never answered", client.name);
    }
}

/// What was acknowledged is there, unless the store has lost it or retention has passed it.
async fn acknowledged(stage: &Stage, room: usize) {
    if stage.plan.store_loses() || !stage.plan.keeps_all() {
        return;
    }
    let (_, log) = stage.world.log(&stage.rooms[room]).await;
    let kept: HashSet<_> = log.iter().map(|entry| &entry.pos).collect();
    for (pos, entry) in &stage.truth[room] {
        assert!(kept.contains(pos), "{entry:?} is not in the log any more");
    }
    for client in clients(stage) {
        for frame in client.got() {
            if let Frame::Sent(of, _, pos) | Frame::Event(of, Event::Sent(Sent { pos, .. })) = frame
                && of == stage.rooms[room]
            {
                assert!(kept.contains(&pos), "{pos} was acknowledged and is not there");
            }
        }
    }
}

fn clients(stage: &Stage) -> impl Iterator<Item = &Client> {
    stage.people.iter().filter_map(|person| person.connection.as_ref()).map(|connection| &*connection.client)
}
