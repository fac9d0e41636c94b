//! What a replica knows of its lease in one partition.

use std::sync::Arc;

/// A replica's lease in one partition, as far as the replica knows.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    state: State,
    /// Counts the changes of `state`, so that an answer to what was asked before one is known.
    changes: u64,
    /// The number of the last incarnation that was tried; none is tried twice.
    tried: u64,
    /// The number of the last call that declared something, and of the last that was answered.
    turn: u64,
    answered: u64,
    /// The store refused a declaration: it has no such lease, or less of it than it had.
    doubted: bool,
    /// What was declared is lost, and nobody has been told.
    lost: bool,
    touch: Option<Touch>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing was ever declared.
    #[default]
    New,
    /// Under this incarnation.
    Leased(Arc<str>),
    Resigned,
}

/// When the store answered, Unix milliseconds by its clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touch {
    /// Since when without a break.
    pub(super) since_ms: u64,
    pub(super) last_ms: u64,
}

/// A question for the lease.
#[derive(Debug)]
pub(super) struct Renewing {
    /// The incarnation to go on, if there is any.
    pub(super) incarnation: Option<Arc<str>>,
    pub(super) answered: u64,
    /// The incarnation to begin otherwise.
    pub(super) new: Arc<str>,
    changes: u64,
}

/// A call that declares something.
#[derive(Debug)]
pub(super) struct Turn {
    /// None after the replica resigned.
    pub(super) incarnation: Option<Arc<str>>,
    pub(super) turn: u64,
    pub(super) answered: u64,
    changes: u64,
}

impl Tenure {
    pub(super) fn is_new(&self) -> bool {
        matches!(self.state, State::New)
    }

    pub(super) fn touch(&self) -> Option<Touch> {
        self.touch
    }

    /// Whether what was declared is lost; says so once.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    fn incarnation(&self) -> Option<Arc<str>> {
        match &self.state {
            State::Leased(incarnation) => Some(incarnation.clone()),
            State::New | State::Resigned => None,
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.changes += 1;
        self.answered = 0;
        self.doubted = false;
    }

    /// The lease is to be extended, of an incarnation of this run.
    pub(super) fn renew(&mut self, run: &str) -> Renewing {
        self.tried += 1;
        Renewing {
            incarnation: self.incarnation().filter(|_| !self.doubted),
            answered: self.answered,
            new: Arc::from(format!("{run}.{}", self.tried)),
            changes: self.changes,
        }
    }

    /// The store answered at this time whether the incarnation goes on. No answer for so long is a break.
    pub(super) fn renewed(&mut self, renewing: Renewing, goes_on: bool, now_ms: u64, break_ms: u64) {
        let since_ms = self
            .touch
            .filter(|touch| (touch.last_ms..touch.last_ms + break_ms).contains(&now_ms))
            .map_or(now_ms, |touch| touch.since_ms);
        self.touch = Some(Touch { since_ms, last_ms: now_ms });
        // Otherwise the incarnation that was begun is left to lapse.
        if !goes_on && renewing.changes == self.changes {
            self.lost |= !self.is_new();
            self.enter(State::Leased(renewing.new));
        }
    }

    /// Something is to be declared.
    pub(super) fn declare(&mut self) -> Turn {
        self.turn += 1;
        Turn { incarnation: self.incarnation(), turn: self.turn, answered: self.answered, changes: self.changes }
    }

    /// The store answered whether what was declared counts.
    pub(super) fn declared(&mut self, turn: &Turn, counts: bool) {
        if turn.changes != self.changes {
            return;
        }
        if counts {
            self.answered = self.answered.max(turn.turn);
        } else {
            self.doubted = true;
        }
    }

    /// Everything is to be given up; answers of which incarnation.
    pub(super) fn resign(&mut self) -> Option<Arc<str>> {
        let incarnation = self.incarnation();
        self.enter(State::Resigned);
        self.touch = None;
        incarnation
    }
}
