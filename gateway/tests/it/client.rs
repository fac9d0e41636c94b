//! A plain client of the wire: it speaks JSON, waits with a deadline, and answers pings.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long anything may take that is promised to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The far end of a socket.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Frames that came while another was waited for, in their order.
    stash: VecDeque<Value>,
    last_id: u32,
    answers_pings: bool,
    /// What the gateway answered the upgrade with.
    pub(crate) upgrade: Response<Option<Vec<u8>>>,
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Everything that came before it and was not read yet.
    pub(crate) frames: Vec<Value>,
    /// The close code; 1006 where there was no close frame.
    pub(crate) code: u16,
}

impl Client {
    /// Upgrades; these headers go with the request.
    pub(crate) async fn connect(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, Error> {
        Self::upgraded(TcpStream::connect(address).await?, address, headers).await
    }

    /// As `connect`, over a socket that takes in little that is not read.
    pub(crate) async fn narrow(address: SocketAddr) -> Result<Self, Error> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4_096)?;
        Self::upgraded(socket.connect(address).await?, address, &[]).await
    }

    async fn upgraded(stream: TcpStream, address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, Error> {
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}/v1/ws").into_client_request()?;
        for &(name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let (socket, upgrade) = timeout(DEADLINE, upgrade).await.expect("the upgrade was not answered")?;
        Ok(Self { socket, stash: VecDeque::new(), last_id: 1_000_000, answers_pings: true, upgrade })
    }

    /// Leaves the gateway's pings unanswered from here on, and shows them.
    pub(crate) fn ignore_pings(&mut self) {
        self.answers_pings = false;
    }

    /// Sends one frame.
    pub(crate) async fn send(&mut self, frame: Value) {
        self.text(frame.to_string()).await;
    }

    /// Sends one text frame of any content.
    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.message(Message::text(text.into())).await;
    }

    /// Sends one frame of any kind. A connection that the gateway has closed takes none, which the next read tells.
    pub(crate) async fn message(&mut self, message: Message) {
        let _ = timeout(DEADLINE, self.socket.send(message)).await.expect("the gateway takes no more");
    }

    /// Sends all of these in as few writes as go.
    pub(crate) async fn burst(&mut self, frames: impl IntoIterator<Item = Value>) {
        for frame in frames {
            let fed = timeout(DEADLINE, self.socket.feed(Message::text(frame.to_string()))).await;
            let _ = fed.expect("the gateway takes no more");
        }
        let _ = timeout(DEADLINE, self.socket.flush()).await.expect("the gateway takes no more");
    }

    /// Writes bytes to the TCP stream, beside the WebSocket.
    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        let _ = timeout(DEADLINE, self.socket.get_mut().write_all(bytes)).await.expect("the gateway takes no more");
    }

    /// What comes next, `Err` with the close code where the connection ended.
    async fn read(&mut self) -> Result<Value, u16> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("a frame that is not JSON");
                    assert!(frame.is_object(), "a frame that is not one object: {frame}");
                    if frame != json!({"type": "ping"}) || !self.answers_pings {
                        return Ok(frame);
                    }
                    self.send(json!({"type": "pong"})).await;
                }
                Some(Ok(Message::Close(close))) => return Err(close.map_or(1005, |close| close.code.into())),
                Some(Ok(Message::Binary(bytes))) => panic!("a binary frame: {bytes:?}"),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// What came and was not looked at yet, then what comes; `Err` with the close code where the connection ended.
    pub(crate) async fn take(&mut self) -> Result<Value, u16> {
        match self.stash.pop_front() {
            Some(frame) => Ok(frame),
            None => timeout(DEADLINE, self.read()).await.expect("nothing came"),
        }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        self.take().await.unwrap_or_else(|code| panic!("the connection ended with {code}"))
    }

    /// The text of the next frame, for what a parsed number does not tell.
    pub(crate) async fn next_text(&mut self) -> String {
        assert!(self.stash.is_empty(), "frames were kept: {:?}", self.stash);
        loop {
            let message = timeout(DEADLINE, self.socket.next()).await.expect("nothing came");
            if let Message::Text(text) = message.expect("the connection ended").unwrap() {
                return text.to_string();
            }
        }
    }

    /// The next frame, which is of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The reply to the request with this id; what comes before it stays to be read.
    pub(crate) async fn reply(&mut self, id: u32) -> Value {
        self.wait_for(|frame| frame["id"] == id).await
    }

    /// The first frame that is meant; those before it stay to be read.
    pub(crate) async fn wait_for(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.stash.iter().position(&is_meant) {
            return self.stash.remove(at).unwrap();
        }
        let waiting = async {
            loop {
                let frame = self.read().await;
                let frame = frame.unwrap_or_else(|code| panic!("ended with {code} after {:?}", self.stash));
                if is_meant(&frame) {
                    return frame;
                }
                self.stash.push_back(frame);
            }
        };
        let waited = timeout(DEADLINE, waiting).await;
        waited.unwrap_or_else(|_| panic!("what was waited for did not come, only {:?}", self.stash))
    }

    /// Sends a request with an id of its own and gives the reply.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Value {
        self.last_id += 1;
        request["id"] = json!(self.last_id);
        self.send(request).await;
        self.reply(self.last_id).await
    }

    /// Asks for what is refused, with this code.
    #[track_caller]
    pub(crate) fn refused(&mut self, request: Value, code: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let reply = self.ask(request.clone()).await;
            assert!(reply["type"] == "error" && reply["code"] == code, "{place}: {request} got {reply}, not {code}");
            assert!(reply["message"].as_str().is_some_and(|message| !message.is_empty()), "{place}: {reply}");
            reply
        }
    }

    /// Joins a room and gives the `joined`.
    pub(crate) async fn joins(&mut self, room: &str) -> Value {
        self.joins_with(room, json!({})).await
    }

    /// As `joins`, with more fields in the request.
    pub(crate) async fn joins_with(&mut self, room: &str, fields: Value) -> Value {
        let mut request = json!({"type": "join", "room": room});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let joined = self.ask(request).await;
        assert_eq!(joined["type"], "joined", "{joined}");
        joined
    }

    /// Sends a message and gives the `sent`.
    pub(crate) async fn says(&mut self, room: &str, data: impl Into<Value>) -> Value {
        let sent = self.ask(json!({"type": "send", "room": room, "data": data.into()})).await;
        assert_eq!(sent["type"], "sent", "{sent}");
        sent
    }

    /// All that has come and was not read, by the time the gateway answers a ping.
    pub(crate) async fn pending(&mut self) -> Vec<Value> {
        let pong = self.ask(json!({"type": "ping"})).await;
        assert_eq!(pong["type"], "pong", "{pong}");
        self.stash.drain(..).collect()
    }

    /// All that was not read, up to the entry with this number, which may come after the reply to whoever made it.
    pub(crate) async fn up_to(&mut self, seq: usize) -> Vec<Value> {
        let mut frames = self.pending().await;
        while frames.iter().all(|frame| frame["seq"] != seq) {
            frames.push(self.next().await);
        }
        frames
    }

    /// Nothing has come by the time the gateway answers a ping.
    pub(crate) async fn hears_nothing(&mut self) {
        let pending = self.pending().await;
        assert!(pending.is_empty(), "{pending:?}");
    }

    /// Waits until the connection ends.
    pub(crate) async fn ending(&mut self) -> Ending {
        let mut frames = Vec::new();
        loop {
            match self.take().await {
                Ok(frame) => frames.push(frame),
                Err(code) => return Ending { frames, code },
            }
        }
    }

    /// Waits until the connection ends with this close code, announced by one error with this code, which it gives.
    pub(crate) async fn closed(&mut self, code: u16, error: &str) -> Value {
        let ending = self.ending().await;
        assert_eq!(ending.code, code, "{ending:?}");
        let errors = ending.frames.iter().filter(|frame| frame["type"] == "error").count();
        let last = ending.frames.last().unwrap_or_else(|| panic!("nothing came before {code}"));
        assert!(errors == 1 && last["type"] == "error" && last["code"] == error, "{ending:?}");
        last.clone()
    }
}
