//! A small gateway for one test, which breaks at most one promise.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use hubbub_shared::client_frame::{Join, Send};
use hubbub_shared::limits::Limits;
use hubbub_shared::server_frame::{
    Author, ErrorFrame, Joined, Left, Me, Member, Members, Message, Presence, Reset, ResetReason, Sent, SessionInfo,
    Welcome,
};
use hubbub_shared::{ClientFrame, CloseCode, ServerFrame};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};

/// What goes wrong, mostly at the fifth entry and for whoever connected first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// The entry is left out.
    Hole,
    /// The entry comes twice.
    Double,
    /// The entry comes after the next one.
    Swap,
    /// Nothing comes from the fifteenth on.
    Tail,
    /// The entry comes with another name.
    Contradiction,
    /// Nobody is told that the fifth message was appended.
    Silence,
    /// Three entries are passed over, and a reset says so.
    Reset,
    /// The connection is closed instead, and may not come back for [`AWAY_MS`].
    Goodbye,
    /// What was missed is replayed without its third entry.
    Forgetful,
    /// Nobody is told who leaves.
    Ghosts,
    /// Nobody is told who joins.
    Unseen,
    /// Nobody is let in.
    Banned,
    /// Nobody listens.
    Deaf,
}

/// How long who is sent away has to stay away.
pub(crate) const AWAY_MS: u64 = 300;

pub(crate) struct Gateway {
    port: u16,
    /// How many members the rooms have.
    members: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Gateway {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, members) = watch::channel(0);
        let world = Arc::new(Mutex::new(World { fault, count, ..World::default() }));
        let accepting = tokio::spawn(async move {
            if fault == Fault::Deaf {
                return;
            }
            let mut connections = tokio::task::JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, number, Arc::clone(&world)));
            }
        });
        Self { port, members, accepting }
    }

    pub(crate) async fn wait_for_members(&self, members: usize) {
        self.members.clone().wait_for(|there| *there >= members).await.unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/v1/ws", self.port)
    }
}

#[derive(Default)]
struct World {
    fault: Fault,
    count: watch::Sender<usize>,
    rooms: HashMap<String, Log>,
    /// The user of each connection.
    users: HashMap<usize, String>,
}

#[derive(Default)]
struct Log {
    entries: Vec<Message>,
    members: Vec<(usize, mpsc::Sender<ServerFrame>)>,
    /// Who wants to be told who is there.
    watchers: HashSet<usize>,
    /// The user of each member.
    users: HashMap<usize, String>,
}

impl Log {
    /// Tells everybody else who came, or who went.
    fn tell(&self, number: usize, room: &str, joined: Option<&str>, left: Option<&str>) {
        let frame = ServerFrame::Presence(Presence {
            room: room.to_owned(),
            count: self.users.values().collect::<HashSet<_>>().len() as u64,
            joined: joined.map(|user| Author { user: user.to_owned(), name: None }).into_iter().collect(),
            left: left.map(str::to_owned).into_iter().collect(),
            resync: false,
        });
        for (_, outbox) in self.members.iter().filter(|(member, _)| *member != number && self.watchers.contains(member))
        {
            // The client may be gone already.
            drop(outbox.try_send(frame.clone()));
        }
    }

    fn forget(&mut self, number: usize, room: &str, fault: Fault) {
        self.members.retain(|(member, _)| *member != number);
        // Who has come back on another connection before this one was found to have ended is still there.
        if let Some(user) = self.users.remove(&number)
            && !self.users.values().any(|other| *other == user)
            && fault != Fault::Ghosts
        {
            self.tell(number, room, None, Some(&user));
        }
    }
}

fn pos(seq: u64) -> String {
    format!("fake-{seq}-t")
}

#[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
#[expect(clippy::unnecessary_wraps, reason = "the signature is tungstenite's")]
fn accept(
    request: &Request,
    mut response: Response,
) -> Result<Response, tokio_tungstenite::tungstenite::handshake::server::ErrorResponse> {
    if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
        response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
    }
    Ok(response)
}

/// One connection, until it ends.
async fn serve(stream: TcpStream, number: usize, world: Arc<Mutex<World>>) {
    let (outbox, mut outgoing) = mpsc::channel(10_000);
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, accept).await.unwrap();
    loop {
        let text = tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => text,
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => break,
            },
            frame = outgoing.recv() => {
                let Some(frame) = frame else { break };
                if socket.send(Frame::text(ServerFrame::encode(&frame))).await.is_err() {
                    break;
                }
                if let ServerFrame::Error(_) = frame {
                    let banned = world.lock().unwrap_or_else(PoisonError::into_inner).fault == Fault::Banned;
                    let code = if banned { CloseCode::Banned } else { CloseCode::Draining };
                    let frame = CloseFrame { code: code.number().into(), reason: Utf8Bytes::from_static("") };
                    // The client may be gone already.
                    drop(socket.close(Some(frame)).await);
                }
                continue;
            }
        };
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.handle(number, &outbox, ClientFrame::decode(&text).unwrap());
    }
    world.lock().unwrap_or_else(PoisonError::into_inner).forget(number);
}

impl World {
    fn forget(&mut self, number: usize) {
        for (room, log) in &mut self.rooms {
            log.forget(number, room, self.fault);
        }
    }

    /// The user of a connection: the one of its session, whose secret is the number of the connection that made it.
    fn user(&mut self, number: usize, session: Option<&str>) -> String {
        let user = session.map_or_else(|| format!("guest:{number}"), |secret| format!("guest:{secret}"));
        self.users.insert(number, user.clone());
        user
    }

    fn handle(&mut self, number: usize, outbox: &mpsc::Sender<ServerFrame>, frame: ClientFrame) {
        let answer = match frame {
            ClientFrame::Hello(hello) if self.fault == Fault::Banned => error(hello.id, CloseCode::Banned),
            ClientFrame::Hello(hello) => ServerFrame::Welcome(Welcome {
                id: hello.id,
                connection: format!("c-{number}"),
                replica: "fake".to_owned(),
                time: 0,
                expires_at: None,
                user: Me { id: self.user(number, hello.session.as_deref()), name: None },
                session: Some(SessionInfo {
                    id: "s".to_owned(),
                    secret: hello.session.is_none().then(|| number.to_string()),
                }),
                heartbeat_ms: 25_000,
                limits: Limits::DEFAULT,
            }),
            ClientFrame::Join(join) => return self.join(number, outbox, join),
            ClientFrame::Leave(leave) => {
                let fault = self.fault;
                self.rooms.entry(leave.room.clone()).or_default().forget(number, &leave.room, fault);
                ServerFrame::Left(Left { id: leave.id, room: leave.room })
            }
            ClientFrame::Send(send) => return self.send(number, outbox, send),
            ClientFrame::Members(members) => {
                let log = self.rooms.entry(members.room.clone()).or_default();
                let member = |user: &String| Member { user: user.clone(), name: None, connections: 1 };
                ServerFrame::Members(Members {
                    id: members.id,
                    room: members.room,
                    count: log.users.len() as u64,
                    members: log.users.values().map(member).collect(),
                    next: None,
                })
            }
            ClientFrame::Pong(_) => return,
            other => panic!("{other:?}"),
        };
        outbox.try_send(answer).unwrap();
    }

    fn join(&mut self, number: usize, outbox: &mpsc::Sender<ServerFrame>, join: Join) {
        let user = self.users.get(&number).cloned().unwrap_or_default();
        let log = self.rooms.entry(join.room.clone()).or_default();
        let room = join.room.clone();
        let head = log.entries.len() as u64;
        let since = join.since.as_ref().map(|pos| pos.split('-').nth(1).unwrap().parse::<u64>().unwrap());
        let replayed = since.map_or(0, |since| head - since);
        let joined = Joined {
            id: join.id,
            room: join.room,
            seq: head,
            pos: pos(head),
            recovered: since.map(|_| true),
            reason: None,
            replayed,
            members: None,
            read: 0,
            unread: 0,
        };
        outbox.try_send(ServerFrame::Joined(joined)).unwrap();
        for (number, entry) in log.entries[(head - replayed) as usize..].iter().enumerate() {
            if self.fault == Fault::Forgetful && number == 2 {
                continue;
            }
            outbox.try_send(ServerFrame::Message(entry.clone())).unwrap();
        }
        log.members.push((number, outbox.clone()));
        log.users.insert(number, user.clone());
        if join.presence {
            log.watchers.insert(number);
        }
        self.count.send_modify(|members| *members += 1);
        if self.fault != Fault::Unseen {
            log.tell(number, &room, Some(&user), None);
        }
    }

    fn send(&mut self, number: usize, outbox: &mpsc::Sender<ServerFrame>, send: Send) {
        let log = self.rooms.entry(send.room.clone()).or_default();
        let known = log.entries.iter().find(|entry| entry.key == send.key).map(|entry| entry.seq);
        let seq = known.unwrap_or(log.entries.len() as u64 + 1);
        let duplicate = known.is_some();
        let sent =
            ServerFrame::Sent(Sent { id: send.id, room: send.room.clone(), seq, pos: pos(seq), time: 0, duplicate });
        if !duplicate {
            log.entries.push(Message {
                room: send.room,
                seq,
                pos: pos(seq),
                count: seq,
                time: 0,
                from: None,
                key: send.key,
                data: Some(send.data),
                deleted: false,
            });
            let fault = self.fault;
            for (member, outbox) in &log.members {
                if *member == number && !send.echo {
                    continue;
                }
                for frame in deliver(fault, *member, log, seq) {
                    // The client may be gone already.
                    drop(outbox.try_send(frame));
                }
            }
        }
        if self.fault != Fault::Silence || seq != 5 {
            outbox.try_send(sent).unwrap();
        }
    }
}

/// What a member is given for an entry.
fn deliver(fault: Fault, member: usize, log: &Log, seq: u64) -> Vec<ServerFrame> {
    let entry = |seq: u64| log.entries[seq as usize - 1].clone();
    let plain = vec![ServerFrame::Message(entry(seq))];
    if member != 0 {
        return plain;
    }
    match (fault, seq) {
        (Fault::Hole | Fault::Swap, 5) | (Fault::Tail, 15..) | (Fault::Reset, 5 | 6) => Vec::new(),
        (Fault::Double, 5) => [plain.clone(), plain].concat(),
        (Fault::Swap, 6) => vec![ServerFrame::Message(entry(6)), ServerFrame::Message(entry(5))],
        (Fault::Contradiction, 5) => {
            vec![ServerFrame::Message(Message { pos: "other-5-t".to_owned(), ..entry(5) })]
        }
        (Fault::Reset, 7) => {
            let room = entry(7).room;
            vec![ServerFrame::Reset(Reset { room, seq: 7, pos: pos(7), reason: ResetReason::Lag })]
        }
        (Fault::Goodbye, 5) => vec![error(None, CloseCode::Draining)],
        _ => plain,
    }
}

/// The error that comes before a close.
fn error(id: Option<u32>, close: CloseCode) -> ServerFrame {
    let (code, message) = (close.error_code(), close.reason().to_owned());
    ServerFrame::Error(ErrorFrame { id, code, message, retry_after_ms: Some(AWAY_MS) })
}
