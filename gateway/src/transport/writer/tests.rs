use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::broker::conformance::author;
use crate::dialect::native::Native;
use crate::ids::ConnectionId;
use crate::transport::Flushers;

/// More than a socket takes from who sends to a client that does not read.
const FLOOD_BYTES: usize = 32 << 20;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Connection {
    client: TcpStream,
    writer: Arc<Writer>,
    outbox: Arc<Outbox>,
}

async fn connect(flushers: &Flushers) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let writer = Writer::new(socket, flushers.assign());
    let outbox =
        Arc::new(Outbox::new(ConnectionId::random(), author("ada"), Arc::new(Native), 2 * FLOOD_BYTES, Arc::default()));
    writer.follow(outbox.clone());
    Connection { client, writer, outbox }
}

fn flushers() -> Flushers {
    Flushers::start(&TaskTracker::new(), &CancellationToken::new())
}

impl Connection {
    async fn reads(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        timeout(PATIENCE, self.client.read_exact(&mut read)).await.unwrap().unwrap();
        read
    }

    /// Queues numbered frames until the socket takes no more for now, and answers them all in one.
    async fn flood(&self) -> Vec<u8> {
        let frame = |number: u32| Bytes::from(number.to_be_bytes().repeat(1_024));
        let all: Vec<Bytes> = (0..(FLOOD_BYTES / 4_096) as u32).map(frame).collect();
        for frame in &all {
            self.outbox.reply(frame.clone());
        }
        timeout(PATIENCE, async {
            while self.writer.line.lock().rest.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        all.concat()
    }
}

#[tokio::test]
async fn what_is_queued_arrives_in_order_and_the_close_behind_it() {
    let flushers = flushers();
    let mut ada = connect(&flushers).await;
    for word in ["one ", "two ", "three"] {
        ada.outbox.reply(Bytes::from_static(word.as_bytes()));
    }
    assert_eq!(ada.reads(13).await, b"one two three");
    ada.outbox.reply(Bytes::from_static(b"four"));
    ada.outbox.close();
    timeout(PATIENCE, ada.writer.written()).await.unwrap().unwrap();
    ada.writer.end(Some(&Bytes::from_static(b"why")), Some((4002, "too slow")));
    timeout(PATIENCE, ada.writer.written()).await.unwrap().unwrap();
    ada.writer.abandon();
    let expected = [b"fourwhy\x88\x0a".as_slice(), &4002_u16.to_be_bytes(), b"too slow"].concat();
    assert_eq!(ada.reads(expected.len()).await, expected);
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_nobody_up_and_gets_every_byte_once_it_reads() {
    let flushers = flushers();
    let (mut slow, mut quick) = (connect(&flushers).await, connect(&flushers).await);
    let sent = slow.flood().await;
    quick.outbox.reply(Bytes::from_static(b"at once"));
    assert_eq!(quick.reads(7).await, b"at once");
    assert!(slow.reads(sent.len()).await == sent, "every byte, in order");
}

#[tokio::test]
async fn an_answer_to_a_ping_comes_between_two_frames_and_nothing_after_a_close() {
    let flushers = flushers();
    let mut ada = connect(&flushers).await;
    let sent = ada.flood().await;
    ada.writer.control(b"\x8a\x02hi").unwrap();
    let read = ada.reads(sent.len() + 4).await;
    let at = read.windows(4).position(|window| window == b"\x8a\x02hi").unwrap();
    assert_eq!(at % 4_096, 0, "the pong stands at the border of a frame");

    ada.writer.control(b"\x8a\x00\x88\x02\x03\xe8").unwrap();
    ada.outbox.reply(Bytes::from_static(b"too late"));
    ada.writer.end(Some(&Bytes::from_static(b"later still")), Some((4000, "")));
    timeout(PATIENCE, ada.writer.written()).await.unwrap().unwrap();
    ada.client.shutdown().await.unwrap();
    assert_eq!(ada.reads(6).await, b"\x8a\x00\x88\x02\x03\xe8");
}

#[tokio::test]
async fn pings_that_nobody_reads_the_answers_of_are_not_gathered_without_end() {
    let flushers = flushers();
    let ada = connect(&flushers).await;
    ada.flood().await;
    let pong = |number: u8| [0x8a, 100].into_iter().chain([number; 100]).collect::<Vec<u8>>();
    let waiting = || ada.writer.line.lock().control.clone();
    for number in 0..=100 {
        ada.writer.control(&pong(number)).unwrap();
        assert!(waiting().len() <= CONTROL_BYTES && waiting().ends_with(&pong(number)), "the newest is in line");
    }
    // Also where many come in one piece, as they do from whoever could not say them one by one.
    ada.writer.control(&(0..20).flat_map(pong).collect::<Vec<_>>()).unwrap();
    assert_eq!(waiting(), (10..20).flat_map(pong).collect::<Vec<_>>(), "as many as have room, and whole ones");
    ada.writer.control(b"\x88\x02\x03\xe8").unwrap();
    assert!(ada.writer.line.lock().control.ends_with(b"\x88\x02\x03\xe8"), "a close always has room");
}

#[tokio::test]
async fn nothing_is_left_of_a_connection_that_ends_in_the_middle_of_a_write() {
    let flushers = flushers();
    let mut ada = connect(&flushers).await;
    ada.flood().await;
    let (writer, outbox) = (Arc::downgrade(&ada.writer), Arc::downgrade(&ada.outbox));
    ada.writer.abandon();
    assert_eq!(timeout(PATIENCE, ada.writer.written()).await.unwrap(), Err(Gone));
    drop((ada.writer, ada.outbox));
    timeout(PATIENCE, async {
        while writer.upgrade().is_some() || outbox.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, ada.client.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_turn_takes_nothing_from_the_heap() {
    let flushers = flushers();
    let mut ada = connect(&flushers).await;
    let frame = Bytes::from_static(b"\x81\x02{}");
    let mut scratch = Scratch::default();
    // The first ones make what is used again.
    for _ in 0..3 {
        ada.outbox.reply(frame.clone());
        ada.writer.turn(&mut scratch);
    }
    let taken = allocation_counter::measure(|| {
        ada.outbox.reply(frame.clone());
        ada.writer.turn(&mut scratch);
    });
    assert_eq!(taken.count_total, 0);
    assert_eq!(ada.reads(4 * frame.len()).await, frame.repeat(4));
}

#[test]
fn a_reason_that_is_too_long_for_a_close_frame_is_cut_between_two_characters() {
    let mut frame = Vec::new();
    append_close(&mut frame, 4000, &"é".repeat(100));
    assert_eq!((frame[0], usize::from(frame[1]), frame.len()), (0x88, 124, 126));
    assert!(std::str::from_utf8(&frame[4..]).is_ok());
    assert!(has_close(&frame));
    assert!(!has_close(b"\x8a\x02\x88\x88\x8a\x00"));
}
