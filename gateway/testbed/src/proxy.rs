//! A way to a server on which the subscription can be lost while commands get through.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::ports::free_port;
use crate::server::RedisServer;

#[cfg(test)]
mod tests;

/// What the bytes of a client that subscribes contain, also where it subscribes to shards.
const SUBSCRIBES: &[u8] = b"SUBSCRIBE\r\n";

/// Stands between clients and a server, and ends with all connections when it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    server: u16,
    is_over: AtomicBool,
    is_mute: AtomicBool,
    /// What must not come through on a connection that subscribes.
    lost: Mutex<Option<Vec<u8>>>,
    losses: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).field("server", &self.shared.server).finish()
    }
}

impl Proxy {
    /// Starts one in front of this server.
    pub fn to(server: &RedisServer) -> Self {
        let port = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        let shared = Arc::new(Shared { server: server.port(), ..Shared::default() });
        let accepting = thread::spawn({
            let shared = shared.clone();
            move || {
                for client in listener.incoming().flatten() {
                    if shared.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    shared.connect(client);
                }
            }
        });
        Self { port, shared, listener: Some(accepting) }
    }

    /// `redis://` of this way to the server.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Whatever comes on a connection that subscribes together with this text is lost, and nobody is told.
    pub fn lose(&self, text: &str) {
        *self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.as_bytes().to_vec());
    }

    /// How many times something was lost so far.
    pub fn losses(&self) -> usize {
        self.shared.losses.load(Ordering::Relaxed)
    }

    /// From here on nothing comes from the server on connections that subscribe, neither on those that are open nor on new
    /// ones. They stay open.
    pub fn mute_subscriptions(&self) {
        self.shared.is_mute.store(true, Ordering::Relaxed);
    }

    /// New connections that subscribe work again; those that were muted never do.
    pub fn unmute_subscriptions(&self) {
        self.shared.is_mute.store(false, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        for stream in self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn loses(&self, chunk: &[u8]) -> bool {
        let loses =
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|text| contains(chunk, text));
        self.losses.fetch_add(usize::from(loses), Ordering::Relaxed);
        loses
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        // Where the server is gone, so is the client's connection.
        let Ok(server) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.server))) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("the connection takes options");
            let copy = stream.try_clone().expect("the connection can be shared");
            self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        }
        let ways = [(&client, &server), (&server, &client)].map(|(from, to)| {
            (
                from.try_clone().expect("the connection can be shared"),
                to.try_clone().expect("the connection can be shared"),
            )
        });
        let [there, back] = ways;
        let subscribes = Arc::new(AtomicBool::new(false));
        thread::spawn({
            let subscribes = subscribes.clone();
            move || {
                copy(there, |chunk| {
                    if contains(&chunk.to_ascii_uppercase(), SUBSCRIBES) {
                        subscribes.store(true, Ordering::Relaxed);
                    }
                    true
                });
            }
        });
        let shared = self.clone();
        let mut is_muted = false;
        thread::spawn(move || {
            copy(back, |chunk| {
                let subscribes = subscribes.load(Ordering::Relaxed);
                is_muted |= subscribes && shared.is_mute.load(Ordering::Relaxed);
                !(is_muted || subscribes && shared.loses(chunk))
            });
        });
    }
}

fn contains(chunk: &[u8], text: &[u8]) -> bool {
    chunk.windows(text.len()).any(|part| part == text)
}

/// Passes on what comes, where it passes; when one side ends, so does the other.
fn copy((mut from, mut to): (TcpStream, TcpStream), mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // It may have ended already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
