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
            let code = if banned { CloseCode::Banned } else { CloseCode::Revoked };
            // Whoever logged in again after the revocation stays: only what it refuses now is closed.
            for handle in context.registry.of_user(&user) {
                if banned || !still_good(context, &handle).await.unwrap_or(false) {
                    handle.end(Ending::new(code));
                }
            }
        }
    }
}

/// Orders may have been missed: looks at every connection's credential again.
async fn check_all(context: &Context) {
    for handle in context.registry.all() {
        match still_good(context, &handle).await {
            Ok(true) | Err(SessionsError::Unavailable) => {}
            Ok(false) => handle.end(Ending::new(CloseCode::Revoked)),
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

/// Whether a connection's credential was not revoked since it was shown.
pub async fn still_good(context: &Context, handle: &Handle) -> Result<bool, SessionsError> {
    if let Some(session) = &handle.session
        && !context.sessions.stands(&handle.user, session).await?
    {
        return Ok(false);
    }
    let standing = context.sessions.user_standing(&handle.user).await?;
    let issued_at_s = *handle.issued_at_s.lock();
    Ok(!standing.revokes(issued_at_s) && !standing.banned)
}
