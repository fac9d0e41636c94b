//! Does on this replica what the control log orders.

use std::sync::Arc;

use hubbub_shared::{CloseCode, UserId};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::handle::{Ending, Handle};
use crate::control::{Heard, Order, Orders};
use crate::sessions::SessionsError;

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
            Some(Heard::Uncertain) => check_all(&context).await,
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
                // Where nobody knows, the order holds.
                if let Some(refused) = refused.unwrap_or(Some(Refused::Revoked)) {
                    handle.end(Ending::new(refused.code()));
                }
            }
        }
    }
}

/// Orders may have been missed: looks at every connection's credential again.
async fn check_all(context: &Context) {
    for handle in context.registry.all() {
        match refused(context, &handle).await {
            Ok(None) | Err(SessionsError::Unavailable) => {}
            Ok(Some(refused)) => handle.end(Ending::new(refused.code())),
        }
        for (_, room) in handle.outbox.subscriptions() {
            let standing = context.rooms.broker.standing(&room.name, &handle.user).await;
            if standing.is_ok_and(|standing| standing.banned) {
                let reason = hubbub_shared::server_frame::RemovedReason::Banned;
                context.hub.remove(&handle.outbox, &room.name, reason).await;
            }
        }
    }
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
    let standing = context.sessions.user_standing(&handle.user).await?;
    if standing.banned {
        return Ok(Some(Refused::Banned));
    }
    let issued_at_s = *handle.issued_at_s.lock();
    if standing.revokes(issued_at_s) {
        return Ok(Some(Refused::Revoked));
    }
    let stands = match &handle.session {
        Some(session) => context.sessions.stands(&handle.user, session).await?,
        None => true,
    };
    Ok((!stands).then_some(Refused::Revoked))
}
