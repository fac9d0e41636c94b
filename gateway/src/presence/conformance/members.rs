//! Who is in a room.

use hubbub_shared::UserId;

use super::*;
use crate::broker::Author;

pub(crate) async fn a_user_is_a_member_as_long_as_any_replica_says_so(fixture: impl Fixture) {
    let (one, two, room) = (fixture.replica().await, fixture.replica().await, a_room());
    assert_eq!(one.declare(&room, "ada", 1).await, 1);
    assert_eq!(two.declare(&room, "ada", 2).await, 1);
    assert_eq!(two.declare(&room, "bob", 1).await, 2);
    for replica in [&one, &two] {
        assert_eq!(replica.members(&room).await, [("ada".to_owned(), 3), ("bob".to_owned(), 1)]);
    }
    assert_eq!(one.declare(&room, "ada", 0).await, 2);
    assert_eq!(one.members(&room).await, [("ada".to_owned(), 2), ("bob".to_owned(), 1)]);
    assert_eq!(two.declare(&room, "ada", 0).await, 1);
    assert_eq!(two.declare(&room, "bob", 0).await, 0);
    assert_eq!(one.members(&room).await, []);
}

pub(crate) async fn the_last_declaration_of_a_replica_counts(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    for connections in [1, 1, 5, 2, 2] {
        assert_eq!(replica.declare(&room, "ada", connections).await, 1);
        assert_eq!(replica.members(&room).await, [("ada".to_owned(), connections)]);
    }
    replica.declare(&room, "ada", 0).await;
    replica.declare(&room, "ada", 0).await;
    replica.declare(&room, "ada", 1).await;
    assert_eq!(replica.members(&room).await, [("ada".to_owned(), 1)]);
}

pub(crate) async fn what_was_never_declared_can_be_taken_back(fixture: impl Fixture) {
    let (mut one, two, room) = (fixture.replica().await, fixture.replica().await, a_room());
    one.subscribe(&room).await;
    assert_eq!(one.declare(&room, "ada", 0).await, 0);
    two.declare(&room, "ada", 1).await;
    assert_eq!(one.declare(&room, "ada", 0).await, 1);
    assert_eq!(one.members(&room).await, [("ada".to_owned(), 1)]);
    assert_eq!(one.changes(&room).await, [came("ada", 1)]);
}

pub(crate) async fn members_come_in_pages_ordered_by_their_ids(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    // The order is that of bytes, whatever the order of coming.
    for name in ["bob", "ada", "Zoe", "a", "ada,2", "mia"] {
        replica.declare(&room, name, 1).await;
    }
    let page = |names: &[&str], more| MembersPage {
        count: 6,
        members: names.iter().map(|name| member(name, 1)).collect(),
        more,
    };
    assert_eq!(replica.page(&room, None, 3).await, page(&["Zoe", "a", "ada"], true));
    assert_eq!(replica.page(&room, Some("ada"), 3).await, page(&["ada,2", "bob", "mia"], false));
    assert_eq!(replica.page(&room, Some("ada"), 2).await, page(&["ada,2", "bob"], true));
    assert_eq!(replica.page(&room, Some("mia"), 2).await, page(&[], false));
    assert_eq!(replica.page(&room, None, 6).await, page(&["Zoe", "a", "ada", "ada,2", "bob", "mia"], false));
    assert_eq!(replica.page(&room, None, 0).await, page(&[], true));
    assert_eq!(replica.page(&a_room(), None, 3).await, MembersPage { count: 0, members: Vec::new(), more: false });
}

pub(crate) async fn a_page_begins_after_a_user_who_need_not_be_there(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    for name in ["ada", "bob", "mia"] {
        replica.declare(&room, name, 1).await;
    }
    let first = replica.page(&room, None, 2).await;
    replica.declare(&room, "bob", 0).await;
    let second = replica.page(&room, first.members.last().map(|member| member.author.user.as_str()), 2).await;
    assert_eq!(second, MembersPage { count: 2, members: vec![member("mia", 1)], more: false });
}

pub(crate) async fn the_name_that_was_declared_last_is_shown(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let named = |name: Option<&str>| Author { user: UserId::new("ada").unwrap(), name: name.map(Into::into) };
    for author in [named(Some("Ada")), named(None), named(Some("Ada Ł 👩"))] {
        replica.presence.declare(&room, &author, 1).await.unwrap();
        assert_eq!(replica.page(&room, None, 1).await.members, [Member { author, connections: 1 }]);
    }
}

pub(crate) async fn rooms_have_their_own_members(fixture: impl Fixture) {
    let (replica, room, other) = (fixture.replica().await, a_room(), a_room());
    replica.declare(&room, "ada", 1).await;
    replica.declare(&other, "ada", 2).await;
    replica.declare(&room, "ada", 0).await;
    assert_eq!(replica.members(&room).await, []);
    assert_eq!(replica.members(&other).await, [("ada".to_owned(), 2)]);
}
