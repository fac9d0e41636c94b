//! Many publishes in one call.

use futures_util::future::join_all;
use hubbub_shared::client_frame::ReactionOp;

use super::*;
use crate::broker::conformance::{a_room, delete, edit, message, react, seqs, user, user_key};
use crate::broker::{Authority, Refusal};

impl Visit {
    /// How many scripts were called since the start; an answer that one is not known is no call.
    fn calls(&self) -> u64 {
        let figure = |command: &str, name: &str| -> u64 {
            let stat = self.world.server.info(command).unwrap_or_default();
            stat.split(',').find_map(|field| field.strip_prefix(name)?.parse().ok()).unwrap_or(0)
        };
        figure("cmdstat_evalsha", "calls=") - figure("cmdstat_evalsha", "failed_calls=")
            + figure("cmdstat_eval", "calls=")
    }
}

/// Publishes at the same time; the first one goes alone, and those that come meanwhile together.
async fn together(replica: &Attached, publishes: Vec<Publish>) -> Vec<Published> {
    join_all(publishes.into_iter().map(|publish| replica.publish(publish))).await
}

fn seq_of(published: &Published) -> Option<u64> {
    match published {
        Published::Appended { pos, .. } => Some(pos.seq),
        Published::Duplicate { .. } | Published::Refused(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_of_a_hot_room_share_calls() {
    const PUBLISHERS: usize = 64;
    const EACH: usize = 20;
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    replica.append(message(&room, "ada", "first")).await;
    let before = visit.calls();
    let publisher = async |number: usize| {
        let mut own = Vec::new();
        for _ in 0..EACH {
            own.push(replica.append(message(&room, &format!("user{number}"), "hi")).await.seq);
        }
        own
    };
    let own = join_all((0..PUBLISHERS).map(publisher)).await;
    assert!(own.iter().all(|own| own.is_sorted()), "each publisher's entries stand in the order it sent them");
    assert_eq!(seqs(&replica.kept(&room).await), (1..=(PUBLISHERS * EACH + 1) as u64).collect::<Vec<_>>());
    let calls = visit.calls() - before;
    assert!(calls <= (PUBLISHERS * EACH / 16) as u64, "{} messages took {calls} calls", PUBLISHERS * EACH);
}

#[tokio::test]
async fn refused_ones_among_many_change_nothing_for_the_others() {
    let visit = visit();
    let (mut replica, room, other) = (visit.replica().await, a_room(), a_room());
    for room in [&room, &other] {
        replica.broker.subscribe(room).await.unwrap();
    }
    let target = replica.append(message(&room, "ada", "target")).await;
    let ban = StandingChange::Ban { until_ms: u64::MAX };
    replica.broker.set_standing(&room, &user("eve"), ban).await.unwrap();
    let keyed = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "keyed") };
    let slow = || Publish { slow_mode_ms: 1_000, ..message(&room, "bob", "slow") };
    let before = visit.calls();
    let answers = together(
        &replica,
        vec![
            message(&room, "ada", "2"),
            keyed(),
            message(&room, "eve", "banned"),
            keyed(),
            message(&other, "eve", "elsewhere"),
            slow(),
            slow(),
            react(&room, "bob", &target, "👍", ReactionOp::Add),
            react(&room, "bob", &target, "👍", ReactionOp::Add),
            edit(&room, "bob", &target, "not bob's"),
            Publish { authority: Authority::Moderator, ..edit(&room, "bob", &target, "moderated") },
            delete(&room, "ada", &target),
            edit(&room, "ada", &target, "too late"),
            Publish { refuse_after_ms: Some(7), ..message(&room, "ada", "limited") },
            message(&other, "ada", "elsewhere"),
            message(&room, "ada", "last"),
        ],
    )
    .await;
    let appended: Vec<_> = answers.iter().map(seq_of).collect();
    let expected = [
        Some(2),
        Some(3),
        None,
        None,
        Some(1),
        Some(4),
        None,
        Some(5),
        None,
        None,
        Some(6),
        Some(7),
        None,
        None,
        Some(2),
        Some(8),
    ];
    assert_eq!(appended, expected);
    let is_duplicate = |at: usize, seq| matches!(&answers[at], Published::Duplicate { pos, .. } if pos.seq == seq);
    assert!(is_duplicate(3, 3) && is_duplicate(8, 5));
    let refusals: Vec<_> = [2, 6, 9, 12, 13].map(|at| answers[at].clone()).into();
    let refused = [
        Refusal::Banned,
        Refusal::Limited { retry_after_ms: 1_000 },
        Refusal::NotAuthor,
        Refusal::Gone,
        Refusal::Limited { retry_after_ms: 7 },
    ];
    assert_eq!(refusals, refused.map(Published::Refused));
    assert!(visit.calls() - before <= 4, "most of them went together: {}", visit.calls() - before);

    let kept = replica.kept(&room).await;
    assert_eq!(seqs(&kept), (1..=8).collect::<Vec<_>>());
    assert!(kept.windows(2).all(|pair| pair[0].pos.tag == pair[1].prev));
    // The bus brought the same, as it was when it was appended.
    let heard = replica.heard_entries(&room).await;
    let of_room: Vec<_> = heard.iter().filter(|entry| entry.pos.epoch == target.epoch).collect();
    assert_eq!(of_room.len(), 8);
    assert!(of_room.iter().zip(&kept).all(|(heard, kept)| heard.pos == kept.pos && heard.prev == kept.prev));
}
