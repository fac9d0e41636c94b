//! How the rest of the gateway reaches a connection.

use std::net::IpAddr;
use std::sync::Arc;

use hubbub_shared::{CloseCode, UserId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::reply::{Dialect, Notice};
use crate::fault::Fault;
use crate::hub::outbox::Outbox;
use crate::ids::ConnectionId;

/// The end of a connection: what the client is told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The close code.
    pub code: CloseCode,
    /// The `error` before it.
    pub fault: Fault,
    /// The request that the `error` answers, if it answers one.
    pub id: Option<u32>,
}

impl Ending {
    /// An end whose `error` says what the close code says.
    pub fn new(code: CloseCode) -> Self {
        Self { code, fault: Fault::Closing { code, retry_after_ms: None }, id: None }
    }

    /// An end after which the client is to stay away for a while.
    pub fn for_a_while(code: CloseCode, retry_after_ms: u64) -> Self {
        Self { code, fault: Fault::Closing { code, retry_after_ms: Some(retry_after_ms) }, id: None }
    }

    /// An end for a reason of its own.
    pub fn because(code: CloseCode, fault: Fault) -> Self {
        Self { code, fault, id: None }
    }

    /// The end after text that is none.
    pub fn not_utf8() -> Self {
        Self::because(CloseCode::BadFrame, Fault::NotUtf8)
    }

    /// The number and the sentence of the close frame.
    pub fn close(&self) -> (u16, &'static str) {
        match self.fault {
            Fault::NotUtf8 => (1007, "text frames must be UTF-8"),
            _ => (self.code.number(), self.code.reason()),
        }
    }

    /// The `error` answers this request.
    pub fn answering(self, id: Option<u32>) -> Self {
        Self { id, ..self }
    }
}

/// A connection, as the rest of the gateway sees it.
pub struct Handle {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// The login it belongs to.
    pub session: Option<Arc<str>>,
    /// Where it comes from.
    pub address: IpAddr,
    /// When its token was issued, Unix seconds; `None` for a session.
    pub issued_at_s: Mutex<Option<u64>>,
    /// What waits to be written to it.
    pub outbox: Arc<Outbox>,
    /// Its wire language.
    pub dialect: Arc<dyn Dialect>,
    ending: Mutex<Option<Ending>>,
    ended: Notify,
}

impl Handle {
    /// A connection that is about to be welcomed.
    pub fn new(
        outbox: Arc<Outbox>,
        dialect: Arc<dyn Dialect>,
        session: Option<Arc<str>>,
        issued_at_s: Option<u64>,
        address: IpAddr,
    ) -> Self {
        Self {
            id: outbox.connection,
            user: outbox.user.user.clone(),
            session,
            address,
            issued_at_s: Mutex::new(issued_at_s),
            outbox,
            dialect,
            ending: Mutex::new(None),
            ended: Notify::new(),
        }
    }

    /// Ends the connection; the first reason counts.
    pub fn end(&self, ending: Ending) {
        self.ending.lock().get_or_insert(ending);
        self.ended.notify_one();
    }

    /// Waits until somebody ends the connection.
    pub async fn ended(&self) -> Ending {
        loop {
            if let Some(ending) = self.ending.lock().clone() {
                return ending;
            }
            self.ended.notified().await;
        }
    }

    /// Says something to the client that is about no room.
    pub fn tell(&self, notice: Notice) {
        self.outbox.reply(self.dialect.notice(notice));
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}
