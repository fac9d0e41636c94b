//! The order in which a connection's requests take effect: those that name the same room one after the other, others
//! side by side.

use std::collections::VecDeque;

use hubbub_shared::RoomName;

use super::command::{Request, Touches};
use crate::hub::outbox::Reserved;

/// A request and the room for its reply.
#[derive(Debug)]
pub struct Waiting {
    /// What is asked for.
    pub request: Request,
    /// Room for an ordinary reply.
    pub reserved: Reserved,
}

/// What a request keeps others from while it is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lane {
    /// Nothing.
    Open,
    /// These rooms.
    Rooms(Vec<RoomName>),
    /// Everything.
    All,
}

/// Requests that are under way or wait for one that is.
#[derive(Debug, Default)]
pub struct Lanes {
    waiting: VecDeque<Waiting>,
    busy: Vec<Lane>,
}

impl Lane {
    fn of(request: &Request) -> Self {
        match request.command.touches() {
            Touches::Nothing => Self::Open,
            Touches::Rooms(rooms) => Self::Rooms(rooms.to_vec()),
            Touches::Everything => Self::All,
        }
    }

    fn blocks(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open, _) | (_, Self::Open) => false,
            (Self::All, _) | (_, Self::All) => true,
            (Self::Rooms(mine), Self::Rooms(others)) => mine.iter().any(|room| others.contains(room)),
        }
    }
}

impl Lanes {
    /// Takes a request in.
    pub fn add(&mut self, waiting: Waiting) {
        if self.waiting.is_empty() {
            // Most wait alone; a queue left to itself would make room for four.
            self.waiting.reserve_exact(1);
        }
        self.waiting.push_back(waiting);
    }

    /// Requests that are under way or wait.
    pub fn unanswered(&self) -> usize {
        self.waiting.len() + self.busy.len()
    }

    /// The next request that may begin, and its lane, which is busy until [`Lanes::done`].
    pub fn begin(&mut self) -> Option<(Waiting, Lane)> {
        let mut ahead: Vec<Lane> = Vec::new();
        for index in 0..self.waiting.len() {
            let lane = Lane::of(&self.waiting[index].request);
            if self.busy.iter().chain(&ahead).any(|other| other.blocks(&lane)) {
                ahead.push(lane);
                continue;
            }
            let waiting = self.waiting.remove(index)?;
            self.busy.push(lane.clone());
            return Some((waiting, lane));
        }
        None
    }

    /// A request is done.
    pub fn done(&mut self, lane: &Lane) {
        if let Some(index) = self.busy.iter().position(|busy| busy == lane) {
            self.busy.swap_remove(index);
        }
        if self.unanswered() == 0 {
            // A connection at rest keeps nothing for its next request.
            *self = Self::default();
        }
    }
}
