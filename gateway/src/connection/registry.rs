//! All connections of this replica, by id and by user, and how many there may be.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use hubbub_shared::{CloseCode, UserId};
use tokio::time::Instant;

use super::handle::{Ending, Handle};
use crate::ids::ConnectionId;
use crate::limits::counted_as;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// On this replica.
    pub connections: usize,
    /// Of one user on this replica.
    pub per_user: usize,
    /// From one address, or one /64 network of IPv6, on this replica; loopback is spared, what comes from there is a proxy and stands for many.
    pub per_address: usize,
}

/// All connections of this replica.
#[derive(Debug)]
pub struct Registry {
    capacity: Capacity,
    sockets: AtomicUsize,
    draining: AtomicBool,
    by_id: DashMap<ConnectionId, Arc<Handle>, ahash::RandomState>,
    by_user: DashMap<UserId, Vec<Arc<Handle>>, ahash::RandomState>,
    by_address: DashMap<IpAddr, usize, ahash::RandomState>,
    penalties: DashMap<UserId, Instant, ahash::RandomState>,
}

/// A socket that is counted; counted out again on drop.
#[derive(Debug)]
pub struct Socket {
    registry: Arc<Registry>,
    /// Whether there is room for it.
    pub fits: bool,
}

/// A connection that is registered; forgotten on drop.
#[derive(Debug)]
pub struct Registration {
    registry: Arc<Registry>,
    /// The connection.
    pub handle: Arc<Handle>,
}

impl Registry {
    /// No connection yet.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            sockets: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            by_id: DashMap::default(),
            by_user: DashMap::default(),
            by_address: DashMap::default(),
            penalties: DashMap::default(),
        }
    }

    /// Counts a socket that was just accepted.
    pub fn accept(self: &Arc<Self>) -> Socket {
        let before = self.sockets.fetch_add(1, Ordering::Relaxed);
        Socket { registry: self.clone(), fits: before < self.capacity.connections }
    }

    /// From here on nobody is welcome: whoever comes would only be sent away again.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether nobody is welcome any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Sockets that are open.
    pub fn sockets_len(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Connections that are welcome.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Users with a connection here.
    pub fn users_len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Registers a connection unless its user or address has too many. The one that it `replaces` does not count.
    pub fn register(
        self: &Arc<Self>,
        handle: Handle,
        replaces: Option<ConnectionId>,
    ) -> Result<Registration, CloseCode> {
        let handle = Arc::new(handle);
        {
            let mut connections = self.by_user.entry(handle.user.clone()).or_default();
            let others = connections.iter().filter(|other| Some(other.id) != replaces).count();
            if others >= self.capacity.per_user {
                if connections.is_empty() {
                    drop(connections);
                    self.by_user.remove_if(&handle.user, |_, connections| connections.is_empty());
                }
                return Err(CloseCode::TooManyConnections);
            }
            connections.push(handle.clone());
        }
        self.by_id.insert(handle.id, handle.clone());
        let from_here = {
            let mut count = self.by_address.entry(counted_as(handle.address)).or_default();
            *count += 1;
            *count
        };
        // From here on the registration's end takes back what was counted.
        let registration = Registration { registry: self.clone(), handle };
        let spared = registration.handle.address.is_loopback();
        if from_here > self.capacity.per_address && !spared {
            return Err(CloseCode::TooManyConnections);
        }
        Ok(registration)
    }

    /// The connection of this id.
    pub fn get(&self, id: ConnectionId) -> Option<Arc<Handle>> {
        self.by_id.get(&id).map(|handle| handle.clone())
    }

    /// A user's connections.
    pub fn of_user(&self, user: &UserId) -> Vec<Arc<Handle>> {
        self.by_user.get(user).map(|handles| handles.clone()).unwrap_or_default()
    }

    /// All connections.
    pub fn all(&self) -> Vec<Arc<Handle>> {
        self.by_id.iter().map(|handle| handle.value().clone()).collect()
    }

    /// Closes every connection of a user.
    pub fn end_user(&self, user: &UserId, ending: &Ending) {
        for handle in self.of_user(user) {
            handle.end(ending.clone());
        }
    }

    /// Keeps a user out for a while, who went on sending through the rate limits.
    pub fn penalize(&self, user: &UserId, penalty: Duration) {
        let now = Instant::now();
        self.penalties.retain(|_, until| *until > now);
        self.penalties.insert(user.clone(), now + penalty);
    }

    /// For how much longer a user is kept out.
    pub fn penalty(&self, user: &UserId) -> Option<Duration> {
        let until = *self.penalties.get(user)?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.registry.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let (registry, handle) = (&self.registry, &self.handle);
        registry.by_id.remove(&handle.id);
        if let Some(mut handles) = registry.by_user.get_mut(&handle.user) {
            handles.retain(|other| other.id != handle.id);
        }
        registry.by_user.remove_if(&handle.user, |_, handles| handles.is_empty());
        let counted = counted_as(handle.address);
        if let Some(mut count) = registry.by_address.get_mut(&counted) {
            *count -= 1;
        }
        registry.by_address.remove_if(&counted, |_, count| *count == 0);
    }
}
