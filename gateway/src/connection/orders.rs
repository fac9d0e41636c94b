//! Does on this replica what the control log orders.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hubbub_shared::server_frame::RemovedReason;
use hubbub_shared::{CloseCode, UserId};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::handle::{Ending, Handle};
use crate::control::{Heard, Order, Orders};
use crate::fault::Fault;
use crate::sessions::SessionsError;

/// How many connections are looked at again at once.
const CHECKS_MAX: usize = 64;
/// How long to wait before those are looked at that the store gave no answer for.
const RETRY: Duration = Duration::from_millis(500);

/// Follows the control log until the replica stops.
pub async fn follow(context: Arc<Context>, stop: CancellationToken) {
    let Ok(user) = UserId::new(&format!("replica:{}", context.replica)) else { return };
    let orders = tokio::select! {
        () = stop.cancelled() => return,
        orders = Orders::listen(context.hub.clone(), user) => orders,
    };
    let Ok(orders) = orders else { return };
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = orders.next() => heard,
        };
        match heard {
            None => return,
            Some(Heard::Order(order)) => carry_out(&context, order).await,
            Some(Heard::Uncertain) => context.doubt.notify_one(),
        }
    }
}

async fn carry_out(context: &Context, order: Order) {
    tracing::debug!(?order, "carrying out an order");
    match order {
        Order::Remove { room, user, reason } => {
            for handle in context.registry.of_user(&user) {
                context.hub.remove(&handle.outbox, &room, reason).await;
            }
        }
        Order::EndSessions { user, sessions } => {
            for handle in context.registry.of_user(&user) {
                if handle.session.as_ref().is_some_and(|session| sessions.iter().any(|ended| **ended == **session)) {
                    handle.end(Ending::new(CloseCode::Revoked));
                }
            }
        }
        Order::EndUser { user, banned } => {
            // Whoever logged in again after the revocation stays: only what it refuses now is closed.
            for handle in context.registry.of_user(&user) {
                let refused = if banned { Ok(Some(Refused::Banned)) } else { refused(context, &handle).await };
                match refused {
                    Ok(Some(refused)) => handle.end(Ending::new(refused.code())),
                    Ok(None) => {}
                    // Where nobody knows the order holds, but whoever logged in again may come back.
                    Err(SessionsError::Unavailable) => handle.end(Ending::new(CloseCode::Unavailable)),
                }
            }
        }
    }
}

/// Looks at every connection again whenever an order may have missed one, until the replica stops. What could not be
/// looked at because the store did not answer is looked at later.
pub async fn check_when_in_doubt(context: Arc<Context>, stop: CancellationToken) {
    let mut unchecked = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.doubt.notified() => unchecked = context.registry.all(),
            () = tokio::time::sleep(RETRY), if !unchecked.is_empty() => {}
        }
        let checks = unchecked.into_iter().map(|handle| async {
            let checked = check(&context, &handle).await.is_ok();
            (!checked).then_some(handle)
        });
        let checks = futures_util::stream::iter(checks).buffer_unordered(CHECKS_MAX).filter_map(std::future::ready);
        unchecked = tokio::select! {
            () = stop.cancelled() => return,
            unchecked = checks.collect() => unchecked,
        };
        unchecked.retain(|handle| context.registry.get(handle.id).is_some());
    }
}

/// Looks at a connection's credential and its rooms again.
async fn check(context: &Context, handle: &Handle) -> Result<(), Fault> {
    if let Some(refused) = refused(context, handle).await? {
        handle.end(Ending::new(refused.code()));
        return Ok(());
    }
    for (_, room) in handle.outbox.subscriptions() {
        if context.rooms.broker.standing(&room.name, &handle.user).await?.banned {
            context.hub.remove(&handle.outbox, &room.name, RemovedReason::Banned).await;
        }
    }
    Ok(())
}

/// Why a connection that was welcome is so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its credential was revoked.
    Revoked,
    /// Its user is banned from the service.
    Banned,
}

impl Refused {
    fn code(self) -> CloseCode {
        match self {
            Self::Revoked => CloseCode::Revoked,
            Self::Banned => CloseCode::Banned,
        }
    }
}

/// What became of a connection's credential and user since it was shown.
pub async fn refused(context: &Context, handle: &Handle) -> Result<Option<Refused>, SessionsError> {
    let stands = async {
        match &handle.session {
            Some(session) => context.sessions.stands(&handle.user, session).await,
            None => Ok(true),
        }
    };
    // Asked at once, so that they share a call.
    let (standing, stands) = tokio::try_join!(context.sessions.user_standing(&handle.user), stands)?;
    if standing.banned {
        return Ok(Some(Refused::Banned));
    }
    let issued_at_s = *handle.issued_at_s.lock();
    let is_revoked = standing.revokes(issued_at_s) || !stands;
    Ok(is_revoked.then_some(Refused::Revoked))
}
