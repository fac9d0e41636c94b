//! Presence against its model: random replicas that declare, renew, die and sweep, after each step of which the store
//! and a plain table must say the same, and have told the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const REPLICAS: usize = 3;
const NAMES: [&str; 3] = ["ada", "bob", "eve"];

/// One step of a plan; replicas by their number.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Declare { replica: usize, room: usize, name: usize, connections: u32 },
    Resign { replica: usize },
    Renew { replica: usize },
    Sweep { replica: usize },
    Pass { thirds: u64 },
}

/// Random plans.
pub(crate) fn plans() -> impl Strategy<Value = Vec<Step>> {
    let replica = || 0..REPLICAS;
    let declare = (replica(), 0..2_usize, 0..NAMES.len(), 0..3_u32)
        .prop_map(|(replica, room, name, connections)| Step::Declare { replica, room, name, connections });
    let step = prop_oneof![
        6 => declare,
        1 => replica().prop_map(|replica| Step::Resign { replica }),
        6 => replica().prop_map(|replica| Step::Renew { replica }),
        3 => replica().prop_map(|replica| Step::Sweep { replica }),
        3 => (1..3_u64).prop_map(|thirds| Step::Pass { thirds }),
    ];
    proptest::collection::vec(step, 1..150)
}

/// A replica's lease, in milliseconds of the plan.
#[derive(Clone, Copy)]
struct Leased {
    since_ms: u64,
    renewed_ms: u64,
}

#[derive(Default)]
struct Model {
    now_ms: u64,
    lease_ms: u64,
    leases: [Option<Leased>; REPLICAS],
    /// Replica, room and name to connections; never 0.
    declared: BTreeMap<(usize, usize, usize), u32>,
}

impl Model {
    fn members(&self, room: usize) -> Vec<(String, u32)> {
        let mut members = BTreeMap::new();
        for ((_, _, name), connections) in self.declared.iter().filter(|((_, of, _), _)| *of == room) {
            *members.entry(NAMES[*name].to_owned()).or_insert(0) += connections;
        }
        members.into_iter().collect()
    }

    fn names(&self, room: usize) -> BTreeSet<String> {
        self.members(room).into_iter().map(|(name, _)| name).collect()
    }

    fn stands(&self, lease: Leased) -> bool {
        self.now_ms < lease.renewed_ms + self.lease_ms
    }

    fn is_in_touch(&self, lease: Leased) -> bool {
        self.now_ms < lease.renewed_ms + self.lease_ms / 2
    }

    fn lose(&mut self, replica: usize) {
        self.leases[replica] = None;
        self.declared.retain(|(of, _, _), _| *of != replica);
    }

    /// Answers whether the lease was lost.
    fn renew(&mut self, replica: usize) -> bool {
        let held = self.leases[replica];
        let since_ms = held.filter(|lease| self.is_in_touch(*lease)).map_or(self.now_ms, |lease| lease.since_ms);
        self.leases[replica] = Some(Leased { since_ms, renewed_ms: self.now_ms });
        held.is_none()
    }

    fn sweep(&mut self, sweeper: usize) -> usize {
        let may_sweep = self.leases[sweeper]
            .is_some_and(|lease| self.is_in_touch(lease) && self.now_ms >= lease.since_ms + self.lease_ms);
        let over = |lease: &Option<Leased>| lease.is_some_and(|lease| !self.stands(lease));
        let swept: Vec<_> = (0..REPLICAS).filter(|&replica| may_sweep && over(&self.leases[replica])).collect();
        for &replica in &swept {
            self.lose(replica);
        }
        swept.len()
    }
}

/// Follows a plan with a store and with the model.
pub(crate) async fn presence_is_like_its_model<F: Fixture>(fixture: F, steps: Vec<Step>) {
    let rooms = [a_room(), a_room()];
    let mut listener = fixture.replica().await;
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(fixture.replica().await);
    }
    // The listener only listens, so that it must not be there to be swept.
    listener.presence.resign().await.unwrap();
    for room in &rooms {
        listener.subscribe(room).await;
    }
    let fresh = Some(Leased { since_ms: 0, renewed_ms: 0 });
    let mut model = Model { lease_ms: fixture.lease_ms(), leases: [fresh; REPLICAS], ..Model::default() };
    for step in steps {
        let before = [model.names(0), model.names(1)];
        match step {
            Step::Declare { replica, room, name, connections } => {
                if model.leases[replica].is_some() {
                    let declaration = (replica, room, name);
                    match connections {
                        0 => _ = model.declared.remove(&declaration),
                        _ => _ = model.declared.insert(declaration, connections),
                    }
                }
                let count = replicas[replica].declare(&rooms[room], NAMES[name], connections).await;
                assert_eq!(count, model.names(room).len() as u64);
            }
            Step::Resign { replica } => {
                model.lose(replica);
                replicas[replica].presence.resign().await.unwrap();
            }
            Step::Renew { replica } => {
                assert_eq!(replicas[replica].has_lost(&rooms[0]).await, model.renew(replica));
            }
            Step::Sweep { replica } => {
                assert_eq!(replicas[replica].presence.sweep().await.unwrap(), model.sweep(replica));
            }
            Step::Pass { thirds } => {
                let ms = thirds * fixture.lease_ms() / 3;
                model.now_ms += ms;
                fixture.pass_ms(ms).await;
            }
        }
        let heard = listener.listener.heard(&rooms[0]).await;
        for (index, room) in rooms.iter().enumerate() {
            assert_eq!(listener.members(room).await, model.members(index));
            let changes: Vec<_> = heard.iter().cloned().filter_map(|envelope| change_in(envelope, room)).collect();
            let mut present = before[index].clone();
            for change in changes {
                let name = change.member.user.to_string();
                let changed = if change.present { present.insert(name) } else { present.remove(&name) };
                assert!(changed, "{:?} was so before", change.member.user);
                assert_eq!(change.count, present.len() as u64);
            }
            assert_eq!(present, model.names(index));
        }
    }
}
