use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

fn at(port: u16) -> HostPort {
    HostPort::new("h", port)
}

fn keys() -> Keys {
    Keys::new("hb", 0)
}

fn room(name: &str) -> Channel {
    keys().channel(Partition::Room(1), "room", name)
}

/// A register with one line that stands.
fn connected() -> Register {
    let mut register = Register::new(keys(), "word".to_owned());
    register.rehome(Arc::new(Topology::single(at(1))));
    register.connected(&at(1));
    register
}

fn subscribe(register: &mut Register, master: u16) -> (u64, Vec<Name>) {
    match register.next(&at(master)) {
        Some(Question::Subscribe { number, names }) => (number, names),
        other => panic!("{other:?}"),
    }
}

fn confirm(register: &mut Register, number: u64, names: &[Name]) {
    for name in names {
        register.confirmed(&at(1), number, name);
    }
}

/// Asks and confirms until there is nothing left to ask.
fn settle(register: &mut Register, master: u16) -> usize {
    let mut count = 0;
    while let Some(question) = register.next(&at(master)) {
        if let Question::Subscribe { number, names } = question {
            for name in names {
                register.confirmed(&at(master), number, &name);
                count += 1;
            }
        }
    }
    count
}

fn waits(wish: Wish) -> oneshot::Receiver<Answer> {
    match wish {
        Wish::Waits(answer) => answer,
        Wish::Granted => panic!("it is granted already"),
    }
}

#[tokio::test]
async fn those_who_wait_together_are_asked_for_together() {
    let mut register = connected();
    let mut answers: Vec<_> = (0..600).map(|number| waits(register.want(&room(&number.to_string())))).collect();
    let (first, names) = subscribe(&mut register, 1);
    assert_eq!(names.len(), CHANNELS_PER_QUESTION);
    let (second, rest) = subscribe(&mut register, 1);
    assert_eq!(names.len() + rest.len(), 601, "with the probe");
    assert_eq!(register.next(&at(1)), None);
    for (number, names) in [(first, names), (second, rest)] {
        confirm(&mut register, number, &names);
    }
    assert!(answers.iter_mut().all(|answer| answer.try_recv() == Ok(Ok(()))));
    assert!(matches!(register.want(&room("5")), Wish::Granted));
    assert!(!register.take_gap(&at(1)));
}

#[tokio::test]
async fn a_confirmation_of_an_earlier_question_confirms_nothing() {
    let mut register = connected();
    let _first = waits(register.want(&room("a")));
    let (number, _) = subscribe(&mut register, 1);
    register.unwant(&room("a"));
    let mut again = waits(register.want(&room("a")));
    register.confirmed(&at(1), number, &room("a").name);
    assert!(again.try_recv().is_err());
    assert!(matches!(register.next(&at(1)), Some(Question::Unsubscribe { .. })), "what is left comes first");
    settle(&mut register, 1);
    assert_eq!(again.try_recv(), Ok(Ok(())));
    assert!(!register.unsubscribed(&at(2), &room("a").name), "another master's word means nothing");
}

#[tokio::test]
async fn one_bad_name_is_found_among_many() {
    let mut register = connected();
    let mut answers: Vec<_> = (0..100).map(|number| waits(register.want(&room(&number.to_string())))).collect();
    let bad = room("37").name;
    let mut questions = 0;
    while let Some(Question::Subscribe { number, names }) = register.next(&at(1)) {
        questions += 1;
        if names.iter().any(|name| **name == *bad) {
            assert!(!register.failed(&at(1), number, names, RedisError::Refused("NOPERM".to_owned())));
        } else {
            confirm(&mut register, number, &names);
        }
    }
    assert!(questions <= 16, "{questions}");
    for (number, answer) in answers.iter_mut().enumerate() {
        let expected = if number == 37 { Err(RedisError::Refused("NOPERM".to_owned())) } else { Ok(()) };
        assert_eq!(answer.try_recv(), Ok(expected), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_when_all_that_was_lost_is_heard_again() {
    let mut register = connected();
    let _answers: Vec<_> = (0..3).map(|number| waits(register.want(&room(&number.to_string())))).collect();
    assert_eq!(settle(&mut register, 1), 4);
    register.disconnected(&at(1), Instant::now());
    assert!(!register.take_gap(&at(1)));
    register.connected(&at(1));
    let (number, names) = subscribe(&mut register, 1);
    for name in &names[1..] {
        register.confirmed(&at(1), number, name);
        assert!(!register.take_gap(&at(1)));
    }
    register.failed(&at(1), number, names[..1].to_vec(), RedisError::Refused("NOPERM".to_owned()));
    assert!(register.take_gap(&at(1)), "one that is refused keeps the others waiting no longer");
    assert!(!register.take_gap(&at(1)));
    tokio::time::advance(Duration::from_secs(2)).await;
    register.tick(&at(1));
    assert_eq!(settle(&mut register, 1), 1, "it is asked for again");
    assert!(register.take_gap(&at(1)));
}

#[tokio::test(start_paused = true)]
async fn channels_follow_their_slots_and_leave_where_they_were() {
    let mut register = connected();
    let _answer = waits(register.want(&room("a")));
    settle(&mut register, 1);
    assert!(register.unsubscribed(&at(1), &room("a").name), "its slot has moved");
    let change = register.rehome(Arc::new(Topology::single(at(2))));
    assert_eq!((change.started.len(), change.ended.as_slice()), (1, &[at(1)][..]));
    assert_eq!(register.next(&at(2)), None, "it does not stand yet");
    assert_eq!(register.connected(&at(2)), 2);
    assert_eq!(settle(&mut register, 2), 2);
    assert!(register.take_gap(&at(2)));
    assert!(register.heard_by(&room("a").name).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_belongs_elsewhere_is_asked_for_again_soon() {
    let mut register = connected();
    let mut answer = waits(register.want(&room("a")));
    let (number, names) = subscribe(&mut register, 1);
    assert!(register.failed(&at(1), number, names, RedisError::Unavailable), "somebody should look where");
    register.tick(&at(1));
    assert_eq!(register.next(&at(1)), None);
    tokio::time::advance(ELSEWHERE_AGAIN).await;
    register.tick(&at(1));
    assert_eq!(settle(&mut register, 1), 2);
    assert_eq!(answer.try_recv(), Ok(Ok(())));
}

#[tokio::test]
async fn who_gives_up_takes_only_what_nobody_else_holds() {
    let mut register = connected();
    let one = waits(register.want(&room("a")));
    let other = waits(register.want(&room("a")));
    drop(one);
    register.give_up(&room("a"), false);
    settle(&mut register, 1);
    assert!(register.heard_by(&room("a").name).is_some());
    drop(other);
    register.give_up(&room("a"), true);
    assert!(register.heard_by(&room("a").name).is_none());
    assert_eq!(register.probes().count(), 0);
    assert!(matches!(register.next(&at(1)), Some(Question::Unsubscribe { names }) if names.len() == 2));
}

#[tokio::test]
async fn a_deaf_partition_is_asked_for_again_and_told_as_a_gap() {
    let mut register = connected();
    let _answer = waits(register.want(&room("a")));
    settle(&mut register, 1);
    register.resubscribe(Partition::Room(1));
    assert_eq!(settle(&mut register, 1), 2);
    assert!(register.take_gap(&at(1)));
    register.reconnect(Partition::Room(1));
    assert!(register.is_deaf(&at(1)));
}

/// How many channels of a line are lost, counted one by one.
fn lost_at(register: &Register, master: &HostPort) -> usize {
    let homed = |wanted: &&Wanted| wanted.lost && register.topology.master(wanted.slot) == Some(master);
    register.wanted.values().filter(homed).count()
}

#[tokio::test(start_paused = true)]
async fn the_books_agree_whatever_happens_in_whatever_order() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut register = Register::new(keys(), "word".to_owned());
    let mut asked: Vec<(HostPort, u64, Vec<Name>)> = Vec::new();
    let mut waiting = Vec::new();
    register.rehome(Arc::new(Topology::single(at(1))));
    for step in 0..20_000 {
        let channel =
            keys().channel(Partition::Room(rng.random_range(0..4)), "room", &rng.random_range(0..5).to_string());
        let master = at(rng.random_range(1..4));
        match rng.random_range(0..14) {
            0..3 => {
                if let Wish::Waits(answer) = register.want(&channel) {
                    waiting.push((channel, answer));
                }
            }
            3 => register.unwant(&channel),
            4 if !waiting.is_empty() => {
                let (channel, mut answer) = waiting.swap_remove(rng.random_range(0..waiting.len()));
                answer.close();
                register.give_up(&channel, matches!(answer.try_recv(), Ok(Ok(()))));
            }
            5 => {
                asked.retain(|(of, ..)| *of != master);
                register.disconnected(&master, Instant::now());
                register.connected(&master);
            }
            6..9 => {
                if let Some(Question::Subscribe { number, names }) = register.next(&master) {
                    asked.push((master, number, names));
                }
            }
            9 | 10 if !asked.is_empty() => {
                let (master, number, names) = asked.remove(0);
                match rng.random_range(0..4) {
                    0 => drop(register.failed(&master, number, names, RedisError::Refused("NOPERM".to_owned()))),
                    1 => drop(register.failed(&master, number, names, RedisError::Unavailable)),
                    _ => names.iter().for_each(|name| register.confirmed(&master, number, name)),
                }
            }
            11 => drop(register.unsubscribed(&master, &channel.name)),
            12 => register.resubscribe(channel.partition),
            _ => {
                tokio::time::advance(Duration::from_millis(300)).await;
                register.tick(&master);
                if step % 3 == 0 {
                    let owner = at(rng.random_range(1..4));
                    let half = Partition::Room(rng.random_range(0..4)).slot();
                    let ranges = vec![(0, half, master), (half + 1, 16_000, owner)];
                    let change = register.rehome(Arc::new(Topology::of_ranges(ranges)));
                    asked.retain(|(of, ..)| !change.ended.contains(of));
                    for (started, _) in change.started {
                        register.connected(&started);
                    }
                }
            }
        }
        for (master, line) in &register.lines {
            assert_eq!(line.regaining, lost_at(&register, master), "step {step}");
        }
    }
    // Whatever happened, all that is still wanted is heard in the end.
    tokio::time::advance(Duration::from_mins(1)).await;
    let masters: Vec<_> = register.lines.keys().cloned().collect();
    for master in &masters {
        register.disconnected(master, Instant::now());
        register.connected(master);
        settle(&mut register, master.port);
        assert_eq!(register.lines[master].regaining, 0);
    }
    assert!(register.wanted.values().all(|wanted| matches!(wanted.standing, Standing::Heard(_))));
}
