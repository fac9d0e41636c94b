mod acl;
mod deaf;
mod faults;
mod moves;
mod subscribing;
mod throughput;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use super::*;
use crate::redis::{
    Partition,
    topology::Topology,
    url::RedisUrl,
    wire::{Tls, Wire, number},
};

/// An ear that remembers.
#[derive(Default)]
struct Recorder {
    heard: Mutex<Vec<(String, Bytes)>>,
    missed: AtomicUsize,
    /// How long each message keeps the reader busy.
    busy: Mutex<Duration>,
}

impl Ear for Recorder {
    fn heard(&self, channel: &str, payload: Bytes) {
        let busy = *self.busy.lock();
        if !busy.is_zero() {
            std::thread::sleep(busy);
        }
        self.heard.lock().push((channel.to_owned(), payload));
    }

    fn missed(&self) {
        self.missed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Recorder {
    fn missed(&self) -> usize {
        self.missed.load(Ordering::SeqCst)
    }

    fn has_heard(&self, channel: &Channel, payload: &str) -> bool {
        self.heard.lock().iter().any(|(name, heard)| *name == channel.name && heard == payload)
    }
}

/// Publishes like the gateway: at the master that the topology names.
struct Publisher {
    finder: Finder,
    login: Login,
    wires: tokio::sync::Mutex<HashMap<HostPort, Wire>>,
    /// Whether what is published gets lost on the way.
    loses: AtomicBool,
}

impl Publisher {
    async fn publish(&self, channel: &Channel, payload: &[u8]) -> Result<u64, RedisError> {
        if self.loses.load(Ordering::SeqCst) {
            return Ok(1);
        }
        let mut wires = self.wires.lock().await;
        let topology: Arc<Topology> = self.finder.found().borrow().clone();
        let master = topology.master(channel.partition.slot()).cloned().ok_or(RedisError::Unavailable)?;
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut wire = match wires.remove(&master) {
            Some(wire) => wire,
            None => Wire::connect(&master, &self.login, deadline).await?,
        };
        let answer = wire.request(&[b"SPUBLISH", channel.name.as_bytes(), payload], deadline).await;
        match answer {
            Ok(answer) => {
                wires.insert(master, wire);
                Ok(number(&answer).unwrap())
            }
            Err(error) => {
                self.finder.refresh();
                Err(error.into())
            }
        }
    }
}

/// A bus with all that it needs, which ends with the test.
struct Rig {
    bus: Bus,
    ear: Arc<Recorder>,
    publisher: Arc<Publisher>,
    keys: Keys,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Rig {
    fn new(url: &str) -> Self {
        Self::with_tls(url, None)
    }

    fn with_tls(url: &str, tls: Option<Tls>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let url: RedisUrl = url.parse().unwrap();
        let login = Login::to_servers(&url, tls.clone());
        let finder = Finder::start(&url, tls, &tasks, stop.clone());
        let keys = Keys::new("hb", url.database);
        let ear = Arc::new(Recorder::default());
        let publisher = Arc::new(Publisher {
            finder: finder.clone(),
            login: login.without_database(),
            wires: tokio::sync::Mutex::default(),
            loses: AtomicBool::new(false),
        });
        let by = publisher.clone();
        let publish: Publish = Arc::new(move |channel: Channel, payload: Bytes| {
            let by = by.clone();
            async move { by.publish(&channel, &payload).await }.boxed()
        });
        let parts = Parts {
            finder,
            is_cluster: url.is_cluster(),
            login,
            keys: keys.clone(),
            publish,
            ear: ear.clone(),
            deadline: Duration::from_secs(2),
        };
        let bus = Bus::start(parts, &tasks, stop.clone());
        Self { bus, ear, publisher, keys, tasks, stop }
    }

    fn room(&self, partition: u8, name: &str) -> Channel {
        self.keys.channel(Partition::Room(partition), "room", name)
    }

    /// Subscribes, however long it takes until that is possible.
    async fn subscribe(&self, channel: &Channel) {
        let subscribed = async { while self.bus.subscribe(channel).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(15), subscribed).await.unwrap();
    }

    /// Publishes once, which must succeed.
    async fn publish(&self, channel: &Channel, payload: &str) -> u64 {
        self.publisher.publish(channel, payload.as_bytes()).await.unwrap()
    }

    /// Publishes until it is heard, and says how long that took.
    async fn until_heard(&self, channel: &Channel, payload: &str) -> Duration {
        let began = Instant::now();
        while !self.ear.has_heard(channel, payload) {
            assert!(began.elapsed() < Duration::from_secs(20), "{payload} was not heard in {}", channel.name);
            let _ = self.publisher.publish(channel, payload.as_bytes()).await;
            sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.unwrap();
    }
}

/// Waits until this is so, and says how long it took.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        sleep(Duration::from_millis(2)).await;
    }
    began.elapsed()
}
