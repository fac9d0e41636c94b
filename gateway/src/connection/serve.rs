//! A connection from its first frame to its last.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{FutureExt, Stream, StreamExt};
use hubbub_shared::CloseCode;

use super::Context;
use super::command::{Command, Hello, Request};
use super::handle::Ending;
use super::hello::LoggedIn;
use super::link::{Incoming, Opening, Outlet, ReadFault};
use super::live::Live;
use super::reply::{Dialect, Reply};
use crate::fault::Fault;

/// How long a client that is being closed may take to read what is left for it.
const LAST_FRAMES: Duration = Duration::from_secs(2);
/// How long the gateway waits for the client's own close, so that its last frames are not lost with the socket.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves one connection. Each phase is a box of its own, so that a connection at rest pays for none but the last.
pub async fn serve<R, W>(
    context: Arc<Context>,
    opening: Box<Opening>,
    dialect: Arc<dyn Dialect>,
    fits: bool,
    mut reader: R,
    outlet: &W,
) where
    R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
    W: Outlet,
{
    match Box::pin(open(&context, opening, &dialect, fits, &mut reader)).await {
        Ok(logged_in) => {
            let live = Box::new(Live::new(&context, logged_in));
            Box::pin(live.run(&mut reader, outlet)).await;
        }
        Err(Some(ending)) => {
            context.metrics.failed(ending.fault.code());
            context.metrics.ended(Some(ending.code));
            Box::pin(refuse(dialect, ending, &mut reader, outlet)).await;
        }
        Err(None) => {}
    }
}

/// Waits for the hello and lets the client in, or says why not; `Err(None)` if it left without a word.
async fn open<R>(
    context: &Context,
    opening: Box<Opening>,
    dialect: &Arc<dyn Dialect>,
    fits: bool,
    reader: &mut R,
) -> Result<LoggedIn, Option<Ending>>
where
    R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
{
    let first = tokio::time::timeout(context.settings.hello_timeout, first_request(reader, dialect.as_ref()));
    let (id, hello) = first.await.unwrap_or_else(|_| Err(Some(Ending::new(CloseCode::HelloTimeout))))?;
    if !fits {
        return Err(Some(Ending::new(CloseCode::Full).answering(id)));
    }
    let outcome = context.log_in(&opening, dialect, hello, id).await;
    context.metrics.greeted(outcome.as_ref().map(|_| ()).map_err(|ending| ending.fault.code()));
    outcome.map_err(Some)
}

/// Says why a client is not let in.
async fn refuse<R, W>(dialect: Arc<dyn Dialect>, ending: Ending, reader: &mut R, outlet: &W)
where
    R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
    W: Outlet,
{
    let error = dialect.reply(ending.id, &Reply::Error(&ending.fault));
    outlet.end(Some(&error), Some(ending.close()));
    if matches!(tokio::time::timeout(LAST_FRAMES, outlet.written()).await, Ok(Ok(()))) {
        say_goodbye(reader).await;
    }
}

/// The hello; `Err(None)` if the client left without a word.
async fn first_request<R>(reader: &mut R, dialect: &dyn Dialect) -> Result<(Option<u32>, Hello), Option<Ending>>
where
    R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
{
    loop {
        let text = match reader.next().await {
            None | Some(Err(ReadFault::Gone)) => return Err(None),
            Some(Ok(Incoming::Alive)) => continue,
            Some(Err(ReadFault::NotUtf8)) => return Err(Some(Ending::not_utf8())),
            Some(Ok(Incoming::Binary) | Err(ReadFault::TooLarge | ReadFault::Protocol)) => {
                return Err(Some(Ending::new(CloseCode::BadFrame)));
            }
            Some(Ok(Incoming::Text(text))) => text,
        };
        return match dialect.request(&text) {
            Ok(Request { id, command: Command::Hello(hello) }) => Ok((id, hello)),
            Ok(Request { id, .. }) => Err(Some(not_hello("say it before anything else").answering(id))),
            Err(refused) if refused.fatal || refused.hello => {
                Err(Some(Ending::because(CloseCode::BadFrame, refused.fault).answering(refused.id)))
            }
            Err(refused) => Err(Some(not_hello(&refused.fault.to_string()).answering(refused.id))),
        };
    }
}

fn not_hello(why: &str) -> Ending {
    let fault = Fault::BadRequest(format!("the first frame must be `hello`: {why}"));
    Ending::because(CloseCode::HelloExpected, fault)
}

/// Reads on until the client has closed its side, because a socket that is dropped with unread bytes in it may take
/// the last frames with it.
async fn say_goodbye<R>(reader: &mut R)
where
    R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
{
    let drain = async { while let Some(Ok(_)) = reader.next().await {} };
    // Whoever does not answer in time is simply dropped.
    let _ = tokio::time::timeout(GOODBYE, drain).await;
}

impl Live {
    /// Runs until either side ends the connection.
    async fn run<R, W>(mut self: Box<Self>, reader: &mut R, outlet: &W)
    where
        R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
        W: Outlet,
    {
        let outbox = self.handle().outbox.clone();
        let ending = {
            outlet.follow(outbox.clone());
            let mut write = std::pin::pin!(outlet.written());
            let ending = {
                let listen = std::pin::pin!(AssertUnwindSafe(self.listen(reader, outlet)).catch_unwind());
                match select(listen, write.as_mut()).await {
                    Either::Left((Ok(ending), _)) => ending,
                    Either::Left((Err(_), _)) => {
                        Some(Ending::because(CloseCode::Internal, Fault::internal("a connection panicked")))
                    }
                    // The socket is broken; the outbox is closed by nobody but the lines below.
                    Either::Right(_) => None,
                }
            };
            if let Some(ending) = &ending {
                outbox.reply(self.handle().dialect.reply(ending.id, &Reply::Error(&ending.fault)));
            }
            // From here on nothing of a room is queued, and its other members learn of the end.
            self.detach();
            if ending.is_some() && tokio::time::timeout(LAST_FRAMES, write).await.is_err() {
                tracing::debug!(connection = %outbox.connection, "the client did not take its last frames");
            }
            ending
        };
        self.count_end(ending.as_ref());
        drop(self);
        let Some(ending) = ending else { return };
        // Of what the client did not take in time only the end is worth another try: it says why.
        let why = std::iter::from_fn(|| outbox.take()).last();
        outlet.end(why.as_ref(), Some(ending.close()));
        if matches!(tokio::time::timeout(LAST_FRAMES, outlet.written()).await, Ok(Ok(()))) {
            say_goodbye(reader).await;
        }
    }
}
