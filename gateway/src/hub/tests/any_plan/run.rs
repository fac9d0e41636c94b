//! Carries a plan out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hubbub_shared::client_frame::ReactionOp;
use hubbub_shared::server_frame::RemovedReason;
use hubbub_shared::{Position, RoomName};
use proptest::sample::Index;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::check;
use super::plan::{How, Mood, PEOPLE, Plan, ROOMS, Request, Since, Step};
use super::story::{Story, Truth};
use crate::broker::conformance::{delete, edit, message, react, signal, user_key};
use crate::broker::memory::faults::Conduct;
use crate::broker::{Broker as _, Publish};
use crate::hub::join::Join;
use crate::hub::subscription::Wants;
use crate::hub::tests::client::{Client, Reading};
use crate::hub::tests::world::{Replica, World, settle};

/// No plan asks for more on one connection.
const REQUESTS_MAX: usize = 1_000;

/// Everything on the stage.
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) world: World,
    pub(super) replicas: Vec<Replica>,
    pub(super) rooms: Vec<RoomName>,
    pub(super) people: Vec<Person>,
    pub(super) truth: Vec<Truth>,
    /// Where a message of each room stands, in their order.
    messages: Vec<Vec<Position>>,
}

/// Somebody with one connection at a time.
#[derive(Default)]
pub(super) struct Person {
    pub(super) connection: Option<Connection>,
    /// Where the connections before it stood in each room that they were in.
    stood: HashMap<usize, Position>,
}

/// A connection; requests that name the same room take effect in order.
pub(super) struct Connection {
    pub(super) client: Arc<Client>,
    lanes: Vec<mpsc::Sender<Todo>>,
    #[expect(dead_code, reason = "requests end with the connection")]
    tasks: JoinSet<()>,
}

enum Todo {
    Join(Join),
    Leave,
    Post(Publish, bool),
    Members,
}

/// Carries a plan out, lets everything come to rest, and checks what everybody got.
pub(super) async fn carry_out(plan: Plan) {
    let mut stage = Stage::set(plan).await;
    for person in 0..PEOPLE.len() {
        stage.connect(person, person);
        stage.ask(person, 0, &Request::Join { since: Since::Nothing, limit: 0, presence: true });
    }
    for step in stage.plan.steps.clone() {
        stage.step(step).await;
        stage.look();
    }
    stage.come_to_rest().await;
    check::everything(&stage).await;
}

impl Stage {
    async fn set(plan: Plan) -> Self {
        let mut world = World::seeded(plan.seed);
        world.queues = plan.queues;
        world.settings.ring_entries = plan.ring_entries;
        world.outbox_bytes = plan.outbox_bytes;
        world.kind.retention = plan.retention;
        let replicas: Vec<_> = (0..plan.replicas).map(|_| world.replica()).collect();
        for replica in &replicas {
            replica.backend.set_slow(Duration::from_millis(plan.slow_ms));
        }
        let mut rooms = Vec::new();
        for room in ROOMS {
            rooms.push(world.room(room).await);
        }
        let people = PEOPLE.iter().map(|_| Person::default()).collect();
        let (truth, messages) = (vec![Truth::new(); ROOMS.len()], vec![Vec::new(); ROOMS.len()]);
        Self { plan, world, replicas, rooms, people, truth, messages }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Pass { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Connect { person, replica } => self.connect(person, replica),
            Step::BreakOff { person } => {
                if let Some(connection) = self.take_connection(person) {
                    connection.client.replica.hub.detach(&connection.client.outbox);
                }
            }
            Step::Kick { person, room } => {
                if let Some(Connection { client, .. }) = &self.people[person].connection {
                    let (client, room) = (client.clone(), self.rooms[room].clone());
                    tokio::spawn(async move {
                        client.replica.hub.remove(&client.outbox, &room, RemovedReason::Kicked).await;
                    });
                }
            }
            Step::Die { replica } => self.die(replica),
            Step::Ask { person, room, request } => self.ask(person, room, &request),
            Step::Read { person, how } => {
                if let Some(connection) = &self.people[person].connection {
                    connection.client.reads(match how {
                        How::AsItComes => Reading::AsItComes,
                        How::Slowly { ms } => Reading::Slowly(Duration::from_millis(ms)),
                        How::Not => Reading::Not,
                    });
                }
            }
            Step::Fill { room, count, length } => {
                for _ in 0..count {
                    self.world.append(message(&self.rooms[room], "nobody", &"x".repeat(length))).await;
                }
            }
            Step::Signal { room } => {
                _ = self.replicas[0].backend.emit(signal(&self.rooms[room], "true")).now_or_never();
            }
            Step::Bus { replica, conduct } => {
                let replica = self.replica(replica);
                self.world.faults.set(replica.number, conduct);
                if self.plan.honest {
                    replica.news.missed();
                }
            }
            Step::Store { replica, mood } => {
                let backend = &self.replica(replica).backend;
                backend.set_away(matches!(mood, Mood::Away));
                backend.set_forgetful(matches!(mood, Mood::Forgetful));
            }
            Step::Lose { room, back: None } => self.world.store.lose_log(&self.rooms[room]),
            Step::Lose { room, back: Some(back) } => {
                let (head, _) = self.world.log(&self.rooms[room]).await;
                self.world.store.rewind(&self.rooms[room], head.pos.seq.saturating_sub(back));
            }
        }
    }

    fn replica(&self, number: usize) -> &Replica {
        &self.replicas[number % self.replicas.len()]
    }

    /// Looks at what must hold at every moment, and remembers what was appended.
    fn look(&mut self) {
        for (room, entry) in self.world.witnessed() {
            let number = self.rooms.iter().position(|other| *other == room).unwrap();
            self.messages[number].push(entry.pos.clone());
            self.truth[number].insert(entry.pos.clone(), entry);
        }
        for person in &self.people {
            if let Some(connection) = &person.connection {
                check::bound(&self.plan, &connection.client);
            }
        }
    }

    fn connect(&mut self, person: usize, replica: usize) {
        if let Some(connection) = self.take_connection(person) {
            connection.client.replica.hub.detach(&connection.client.outbox);
        }
        let client = Arc::new(self.world.client(self.replica(replica), PEOPLE[person]));
        let mut tasks = JoinSet::new();
        let lane = |room: &RoomName| {
            let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
            tasks.spawn(work(client.clone(), room.clone(), receiver));
            sender
        };
        let lanes = self.rooms.iter().map(lane).collect();
        self.people[person].connection = Some(Connection { client, lanes, tasks });
        for room in self.people[person].stood.keys().copied().collect::<Vec<_>>() {
            self.ask(person, room, &Request::Join { since: Since::Own, limit: 10, presence: true });
        }
    }

    /// Ends what a connection does, and remembers where it stood.
    fn take_connection(&mut self, person: usize) -> Option<Connection> {
        let connection = self.people[person].connection.take()?;
        for room in 0..self.rooms.len() {
            let story = self.story(&connection.client, room);
            if let (Some(_), Some(pos)) = (&story.joined, story.position()) {
                self.people[person].stood.insert(room, pos);
            }
        }
        Some(connection)
    }

    /// A replica is gone without a word: its connections are cut, and the stores hear of it no more.
    fn die(&mut self, replica: usize) {
        if self.replicas.len() == 1 {
            return;
        }
        let dead = self.replicas.remove(replica % self.replicas.len());
        dead.backend.set_away(true);
        for person in 0..self.people.len() {
            let connection = self.people[person].connection.as_ref();
            if connection.is_some_and(|connection| connection.client.replica.number == dead.number) {
                self.take_connection(person);
            }
        }
    }

    /// What a connection has got of a room so far.
    pub(super) fn story(&self, client: &Client, room: usize) -> Story {
        let mut story = Story::default();
        for frame in client.got().iter().filter(|frame| frame.room() == Some(&self.rooms[room])) {
            story.follow(frame, &self.plan, None);
        }
        story
    }

    fn ask(&self, person: usize, room: usize, request: &Request) {
        let Some(connection) = &self.people[person].connection else { return };
        let (name, to) = (PEOPLE[person], &self.rooms[room]);
        let target = |index: &Index| {
            let messages = &self.messages[room];
            (!messages.is_empty()).then(|| messages[index.index(messages.len())].clone())
        };
        let todo = match request {
            Request::Join { since, limit, presence } => {
                let since = match since {
                    Since::Nothing => None,
                    Since::Own => {
                        let here = self.story(&connection.client, room).position();
                        here.or_else(|| self.people[person].stood.get(&room).cloned())
                    }
                    Since::Known(index) => target(index),
                    Since::Start => Some(Position::start()),
                    Since::Foreign => Some(Position { epoch: "foreign".into(), seq: 3, tag: "foreign".into() }),
                };
                let wants = Wants { presence: *presence, receipts: false };
                Some(Todo::Join(Join { room: to.clone(), since, limit: *limit, wants }))
            }
            Request::Leave => Some(Todo::Leave),
            Request::Say { key, echo, length } => {
                let key = key.and_then(|key| user_key(name, &key.to_string()));
                Some(Todo::Post(Publish { key, ..message(to, name, &"y".repeat(*length)) }, *echo))
            }
            Request::Edit { target: index, echo } => {
                target(index).map(|target| Todo::Post(edit(to, name, &target, "edited"), *echo))
            }
            Request::Delete { target: index, echo } => {
                target(index).map(|target| Todo::Post(delete(to, name, &target), *echo))
            }
            Request::React { target: index, echo, add } => {
                let op = if *add { ReactionOp::Add } else { ReactionOp::Remove };
                target(index).map(|target| Todo::Post(react(to, name, &target, "👍", op), *echo))
            }
            Request::Members => Some(Todo::Members),
        };
        let todo = match todo {
            Some(Todo::Post(publish, echo)) => Todo::Post(Publish { retention: self.plan.retention, ..publish }, echo),
            Some(todo) => todo,
            None => return,
        };
        assert!(connection.lanes[room].try_send(todo).is_ok());
    }

    /// All faults end; everybody reads, and asks again for what was lost.
    async fn come_to_rest(&mut self) {
        for replica in &self.replicas {
            self.world.faults.set(replica.number, Conduct::Faithful);
            replica.backend.set_away(false);
            replica.backend.set_forgetful(false);
            replica.backend.set_slow(Duration::from_millis(self.plan.slow_ms));
            if self.plan.honest {
                replica.news.missed();
            }
        }
        for person in &self.people {
            if let Some(connection) = &person.connection {
                connection.client.reads(Reading::AsItComes);
            }
        }
        // Nobody tells of what the store has lost, either.
        let all_is_told = self.plan.honest && !self.plan.store_loses();
        tokio::time::sleep(Duration::from_secs(if all_is_told { 5 } else { 35 })).await;
        self.look();
        check::reached(self).await;
        // Members of replicas that were taken for gone are back by now too.
        tokio::time::sleep(Duration::from_secs(15)).await;
        for person in 0..self.people.len() {
            for room in 0..self.rooms.len() {
                self.ask(person, room, &Request::Members);
            }
        }
        settle().await;
        self.look();
    }
}

async fn work(client: Arc<Client>, room: RoomName, mut todos: mpsc::Receiver<Todo>) {
    while let Some(todo) = todos.recv().await {
        match todo {
            // Whether these succeed is told by what the client gets.
            Todo::Join(join) => _ = client.try_join(&join).await,
            Todo::Post(publish, echo) => _ = client.post(publish, echo).await,
            Todo::Members => _ = client.ask_for_members(&room).await,
            Todo::Leave => client.leave(&room).await,
        }
    }
}
