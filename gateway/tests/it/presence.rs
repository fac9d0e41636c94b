//! Protocol §5: signals, and who is in a room.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, DEADLINE};
use crate::frames::{has_exactly, shows};
use crate::harness::{Gateway, kind, now_ms, token_of};

/// Joins and is told who comes and goes.
async fn watches(gateway: &Gateway, user: &str) -> Client {
    let mut client = gateway.user(user).await;
    client.joins_with("r", json!({"presence": true})).await;
    client
}

/// The users in a presence frame's `joined`, or its `left`.
fn named(frame: &Value, field: &str) -> Vec<String> {
    let users = frame[field].as_array().cloned().unwrap_or_default();
    users.iter().map(|user| user["user"].as_str().or(user.as_str()).unwrap().to_owned()).collect()
}

/// Reads presence frames until one names this user there; gives all of them.
async fn until(client: &mut Client, field: &str, user: &str) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = client.expect("presence").await;
        let found = named(&frame, field).iter().any(|name| name == user);
        frames.push(frame);
        if found {
            return frames;
        }
    }
}

/// All users in the room, page by page, with the number of pages.
async fn members(client: &mut Client, limit: u32) -> (Vec<(String, u64)>, usize) {
    let (mut all, mut pages, mut request) = (Vec::new(), 0, json!({"type": "members", "room": "r", "limit": limit}));
    loop {
        let page = client.ask(request.clone()).await;
        assert_eq!(page["type"], "members", "{page}");
        let users = page["members"].as_array().unwrap();
        assert!(users.len() <= limit as usize, "{page}");
        all.extend(
            users
                .iter()
                .map(|member| (member["user"].as_str().unwrap().to_owned(), member["connections"].as_u64().unwrap())),
        );
        pages += 1;
        if page["next"].is_null() {
            return (all, pages);
        }
        request["after"] = page["next"].clone();
    }
}

#[tokio::test]
async fn a_signal_reaches_every_other_connection_in_the_room_and_never_its_sender() {
    let gateway = Gateway::start().await;
    let token = token_of(&json!({"sub": "ada", "name": "Ada", "exp": now_ms() / 1_000 + 100}));
    let mut ada = gateway.holder(&token).await;
    ada.joins("r").await;
    let (mut tab, _) = gateway.member("ada", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let (mut cy, _) = gateway.member("cy", "other").await;
    shows(&ada.ask(json!({"type": "signal", "room": "r", "data": {"typing": true}})).await, json!({"type": "ok"}));
    let wanted =
        json!({"type": "signal", "room": "r", "from": {"user": "ada", "name": "Ada"}, "data": {"typing": true}});
    assert_eq!(tab.next().await, wanted);
    assert_eq!(bob.next().await, wanted);
    ada.hears_nothing().await;
    cy.hears_nothing().await;
    // It is never stored.
    let mut late = gateway.user("late").await;
    shows(&late.joins_with("r", json!({"limit": 10})).await, json!({"seq": 0, "replayed": 0}));
    late.hears_nothing().await;
}

#[tokio::test]
async fn a_signal_on_its_way_does_not_reach_who_has_left() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    bob.ask(json!({"type": "leave", "room": "r"})).await;
    ada.send(json!({"type": "signal", "room": "r", "data": 1})).await;
    ada.refused(json!({"type": "signal", "room": "r"}), "bad_request").await;
    bob.hears_nothing().await;
    ada.ask(json!({"type": "leave", "room": "r"})).await;
    ada.refused(json!({"type": "signal", "room": "r", "data": 1}), "not_joined").await;
}

#[tokio::test]
async fn joining_and_leaving_is_told_within_a_second_and_not_to_oneself() {
    let gateway = Gateway::start().await;
    let mut ada = watches(&gateway, "ada").await;
    let token = token_of(&json!({"sub": "bob", "name": "Bob", "exp": now_ms() / 1_000 + 100}));
    let mut bob = gateway.holder(&token).await;
    let since = Instant::now();
    shows(&bob.joins_with("r", json!({"presence": true})).await, json!({"members": 2}));
    let came = ada.expect("presence").await;
    shows(&came, json!({"room": "r", "count": 2, "joined": [{"user": "bob", "name": "Bob"}], "resync": null}));
    assert!(named(&came, "left").is_empty(), "{came}");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let since = Instant::now();
    bob.ask(json!({"type": "leave", "room": "r"})).await;
    let went = ada.expect("presence").await;
    shows(&went, json!({"room": "r", "count": 1, "left": ["bob"], "resync": null}));
    assert!(named(&went, "joined").is_empty(), "{went}");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    // Neither heard of oneself; Bob may have heard of Ada, whose join was announced after his.
    ada.hears_nothing().await;
    assert!(bob.pending().await.iter().all(|frame| named(frame, "joined") == ["ada"]));
}

#[tokio::test]
async fn who_did_not_ask_for_presence_is_told_none() {
    let gateway = Gateway::start().await;
    let mut ada = watches(&gateway, "ada").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    gateway.member("cy", "r").await;
    until(&mut ada, "joined", "cy").await;
    bob.hears_nothing().await;
}

#[tokio::test]
async fn two_tabs_of_a_user_join_once_and_leave_once() {
    let gateway = Gateway::start().await;
    let mut ada = watches(&gateway, "ada").await;
    let (mut one, joined) = gateway.member("bob", "r").await;
    shows(&joined, json!({"members": 2}));
    let (mut two, joined) = gateway.member("bob", "r").await;
    shows(&joined, json!({"members": 2}));
    gateway.member("cy", "r").await.0.ask(json!({"type": "leave", "room": "r"})).await;
    let (all, _) = members(&mut ada, 100).await;
    assert!(all.contains(&("bob".to_owned(), 2)) && all.contains(&("ada".to_owned(), 1)), "{all:?}");
    one.ask(json!({"type": "leave", "room": "r"})).await;
    gateway.member("dan", "r").await;
    let mut frames = until(&mut ada, "joined", "dan").await;
    two.ask(json!({"type": "leave", "room": "r"})).await;
    frames.extend(until(&mut ada, "left", "bob").await);
    let count = |field: &str| frames.iter().flat_map(|frame| named(frame, field)).filter(|name| name == "bob").count();
    assert_eq!((count("joined"), count("left")), (1, 1), "{frames:?}");
}

#[tokio::test]
async fn who_breaks_off_stays_for_the_grace_and_who_comes_back_within_it_never_left() {
    let gateway = Gateway::with(|config| config.hub.presence_grace_ms = 800).await;
    let mut ada = watches(&gateway, "ada").await;
    let (bob, _) = gateway.member("bob", "r").await;
    let (zed, _) = gateway.member("zed", "r").await;
    until(&mut ada, "joined", "zed").await;
    drop(bob);
    gateway.member("bob", "r").await.0.hears_nothing().await;
    let since = Instant::now();
    drop(zed);
    let frames = until(&mut ada, "left", "zed").await;
    assert!(since.elapsed() >= Duration::from_millis(790), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_millis(1_800), "{:?}", since.elapsed());
    // Bob broke off first, and a second time, so he would have been told first.
    let bobs = frames.iter().filter(|frame| named(frame, "joined").contains(&"bob".to_owned()));
    assert_eq!(bobs.count(), 0, "{frames:?}");
}

#[tokio::test]
async fn who_closes_the_socket_politely_has_the_grace_too() {
    let gateway = Gateway::with(|config| config.hub.presence_grace_ms = 600).await;
    let mut ada = watches(&gateway, "ada").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    until(&mut ada, "joined", "bob").await;
    let since = Instant::now();
    bob.bytes(&crate::raw::frame(crate::raw::CLOSE, true, &1001_u16.to_be_bytes())).await;
    until(&mut ada, "left", "bob").await;
    assert!(since.elapsed() >= Duration::from_millis(590), "{:?}", since.elapsed());
}

#[tokio::test]
async fn presence_is_told_at_most_once_per_room_and_interval() {
    let gateway = Gateway::start().await;
    let mut ada = watches(&gateway, "ada").await;
    let since = Instant::now();
    let mut present = BTreeSet::from(["ada".to_owned()]);
    let mut guests = Vec::new();
    for n in 0..60 {
        guests.push(gateway.member(&format!("u{n}"), "r").await.0);
    }
    for guest in &mut guests[..20] {
        guest.ask(json!({"type": "leave", "room": "r"})).await;
    }
    let mut frames = 0_u128;
    while present.len() != 41 || present.contains("u19") {
        let frame = ada.expect("presence").await;
        frames += 1;
        present.extend(named(&frame, "joined"));
        for user in named(&frame, "left") {
            present.remove(&user);
        }
    }
    assert!(frames <= since.elapsed().as_millis() / 100 + 1, "{frames} in {:?}", since.elapsed());
    let (all, _) = members(&mut ada, 100).await;
    assert_eq!(all.into_iter().map(|(user, _)| user).collect::<BTreeSet<_>>(), present);
}

#[tokio::test]
async fn members_come_page_by_page_each_once() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let mut guests = Vec::new();
    for n in 0..24 {
        guests.push(gateway.member(&format!("u{n}"), "r").await);
    }
    for (limit, pages) in [(1, 25), (10, 3), (24, 2), (25, 1), (100, 1)] {
        let (all, read) = members(&mut ada, limit).await;
        assert_eq!(all.iter().map(|(user, _)| user).collect::<BTreeSet<_>>().len(), 25, "{all:?}");
        assert_eq!(all.len(), 25, "{all:?}");
        // A last page that is just full may have an empty one behind it.
        assert!(read == pages || read == pages + 1, "{limit}: {read} pages");
    }
    let page = ada.ask(json!({"type": "members", "room": "r"})).await;
    has_exactly(&page, "type id room count members");
    shows(&page, json!({"count": 25}));
    // Whoever may read may look, in the room or not; nobody is in an empty one.
    let nobody = gateway.user("eve").await.ask(json!({"type": "members", "room": "empty"})).await;
    shows(&nobody, json!({"type": "members", "count": 0, "members": [], "next": null}));
}

#[tokio::test]
async fn a_page_and_the_frames_after_it_add_up() {
    let gateway = Gateway::with(|config| config.hub.presence_grace_ms = 50).await;
    let gateway = std::sync::Arc::new(gateway);
    let mut ada = watches(&gateway, "ada").await;
    let churn = tokio::spawn({
        let gateway = gateway.clone();
        async move {
            let mut stay = Vec::new();
            for n in 0..60 {
                let (mut client, _) = gateway.member(&format!("u{n}"), "r").await;
                match n % 3 {
                    0 => stay.push(client),
                    1 => drop(client.ask(json!({"type": "leave", "room": "r"})).await),
                    // Its connection just breaks.
                    _ => drop(client),
                }
            }
            gateway.member("last", "r").await;
            stay
        }
    });
    for _ in 0..10 {
        // Whatever is known from before is void: the page and what comes after it are all there is.
        let page = ada.ask(json!({"type": "members", "room": "r", "limit": 1_000})).await;
        let mut present: BTreeSet<String> = named(&page, "members").into_iter().collect();
        let stale = ada.pending().await;
        // What came before the page was read away with it; what came after it is applied.
        for frame in stale {
            present.extend(named(&frame, "joined"));
            for user in named(&frame, "left") {
                present.remove(&user);
            }
        }
        assert!(present.contains("ada"), "{present:?}");
    }
    let page = ada.ask(json!({"type": "members", "room": "r", "limit": 1_000})).await;
    let mut present: BTreeSet<String> = named(&page, "members").into_iter().collect();
    let _stay = churn.await.unwrap();
    let wanted: BTreeSet<String> = (0..60).step_by(3).map(|n| format!("u{n}")).chain(["ada".to_owned()]).collect();
    let settled = async {
        while present != wanted {
            let frame = ada.next().await;
            present.extend(named(&frame, "joined"));
            for user in named(&frame, "left") {
                present.remove(&user);
            }
        }
    };
    let settled = tokio::time::timeout(DEADLINE, settled).await;
    assert!(settled.is_ok(), "{present:?}");
}

#[tokio::test]
async fn above_a_configured_size_presence_is_a_count_alone() {
    let gateway = Gateway::with(|config| kind(config, "*", |kind| kind.presence_count_only_above = 3)).await;
    let mut ada = watches(&gateway, "ada").await;
    let mut others = Vec::new();
    for n in 0..5 {
        others.push(gateway.member(&format!("u{n}"), "r").await);
    }
    let mut frame = ada.expect("presence").await;
    while frame["count"] != 6 {
        frame = ada.expect("presence").await;
    }
    for field in ["joined", "left"] {
        assert!(named(&frame, field).is_empty(), "{frame}");
    }
}

#[tokio::test]
async fn a_room_without_presence_tells_nobody_who_is_there() {
    let gateway = Gateway::with(|config| kind(config, "*", |kind| kind.presence = false)).await;
    let mut ada = watches(&gateway, "ada").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    bob.says("r", 1).await;
    shows(&ada.next().await, json!({"type": "message", "seq": 1}));
    ada.hears_nothing().await;
}
