//! What is taken from the heap: nothing for a recipient of a broadcast, little for a connection at rest.

#![expect(clippy::unwrap_used, reason = "outside `#[test]` functions clippy does not see that this is a test")]

#[path = "../benches/hot_paths/scene.rs"]
mod scene;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use allocation_counter::measure;
use hubbub::app::App;
use hubbub::config::Config;
use scene::Scene;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// What a connection at rest may keep of the heap: a guest with a session, in one room with presence. It is more than in
/// a build for release, where futures are smaller.
const IDLE_BYTES_MAX: i64 = 7_800;

#[test]
fn a_broadcast_allocates_nothing_per_recipient() {
    let allocations = |seats| {
        let mut scene = Scene::with_seats(seats);
        // The first ones make the queues.
        for _ in 0..3 {
            let entry = scene.next_entry();
            scene.broadcast(&entry);
        }
        let entry = scene.next_entry();
        measure(|| scene.broadcast(&entry)).count_total
    };
    let (few, many) = (allocations(100), allocations(1_100));
    assert!(few > 0, "nothing is counted");
    assert_eq!(few, many);
}

#[test]
fn a_connection_at_rest_keeps_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = Config::default();
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let app = runtime.block_on(App::start(&config)).unwrap();
    let mut crowd = come(&runtime, app.address(), 200);
    let more = 1_000_u32;
    let kept = measure(|| crowd.extend(come(&runtime, app.address(), more)));
    let each = kept.bytes_current / i64::from(more);
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes in {} allocations each", kept.count_current / i64::from(more));
    drop(crowd);
    runtime.block_on(app.stop());
}

/// So many guests log in and join a room each ten of them share. They live in a thread of their own, whose allocations
/// count for nothing.
fn come(runtime: &Runtime, address: SocketAddr, guests: u32) -> Vec<TcpStream> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || tell.send((0..guests).map(|number| guest(address, number / 10)).collect()));
    runtime.block_on(told).unwrap()
}

/// A guest who is in a room and will say nothing more.
fn guest(address: SocketAddr, room: u32) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket
        .write_all(
            b"GET /v1/ws HTTP/1.1\r\nhost: hubbub\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    for request in [
        r#"{"type":"hello","id":1,"guest":{"name":"Ada"}}"#.to_owned(),
        format!(r#"{{"type":"join","id":2,"room":"room-{room}"}}"#),
        // Once this is answered, the join is over and done with.
        r#"{"type":"ping","id":3}"#.to_owned(),
    ] {
        let (mut frame, length) = (vec![0x81], u8::try_from(request.len()).unwrap());
        // Masked with zeros, which leave the text as it is.
        frame.extend([0x80 | length, 0, 0, 0, 0]);
        frame.extend(request.bytes());
        socket.write_all(&frame).unwrap();
        answer(&mut socket);
    }
    socket
}

/// Waits for the next frame, which is no longer than 64 KiB.
fn answer(socket: &mut TcpStream) -> String {
    let mut head = [0; 2];
    socket.read_exact(&mut head).unwrap();
    let mut length = usize::from(head[1]);
    if length == 126 {
        socket.read_exact(&mut head).unwrap();
        length = usize::from(u16::from_be_bytes(head));
    }
    let mut text = vec![0; length];
    socket.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}
