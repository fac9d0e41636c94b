//! Ports that stay a server's own, also while it is dead.
//!
//! They lie below the range from which the kernel gives ports to clients. From inside it, a client could be given the
//! port of a server that is about to be restarted, or even connect to itself there.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// The bus of a cluster's node is 10,000 higher and stays below the clients' range too.
const PORTS: Range<u16> = 10_000..20_000;
const BUS_OFFSET: u16 = 10_000;

/// Each process begins somewhere else, so that those that run side by side seldom meet.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random_range(PORTS)));

/// A port on which nobody listens, nor on that of its bus, and that this process gives to nobody else for long.
pub fn free_port() -> u16 {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut candidates = PORTS.map(|_| PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS.end - PORTS.start));
    candidates.find(|&port| free(port) && free(port + BUS_OFFSET)).expect("no port is free")
}

/// The port of the cluster bus of the node with this port.
pub(crate) fn bus_port(port: u16) -> u16 {
    port + BUS_OFFSET
}
