import { useEffect, useState } from "preact/hooks";
import type { State } from "../../sdk";
import type { Chat } from "../chat";
import { stopReason, waitReason } from "../words";

/** Says how the connection is, where that is not simply "well". */
export function ConnectionLine({ chat, state }: { chat: Chat; state: State }) {
  return (
    <div class="connection" role="status" data-state={state.kind}>
      <Words chat={chat} state={state} />
    </div>
  );
}

function Words({ chat, state }: { chat: Chat; state: State }) {
  switch (state.kind) {
    case "idle":
    case "connecting":
      return <p class="banner">Connecting…</p>;
    case "waiting":
      return (
        <div class="banner warning">
          <p>
            {capital(waitReason(state.cause))}. Reconnecting <Countdown until_ms={state.retry_at_ms} />. What
            you write is kept and sent then.
          </p>
          <button type="button" class="plain" onClick={() => chat.reconnect()}>
            Now
          </button>
        </div>
      );
    case "live":
      if (!state.live.degraded) return null;
      return (
        <p class="banner warning">
          The gateway has lost its storage. What you write is kept and sent as soon as it is back.
        </p>
      );
    case "draining":
      return <p class="banner">The gateway is restarting; moving to another one…</p>;
    case "stopped": {
      const { what, todo, needsLogin } = stopReason(state.cause);
      return (
        <div class="banner problem">
          <p>
            {what} {todo}
          </p>
          {needsLogin ? (
            <button type="button" class="plain" onClick={() => chat.signOut()}>
              Sign in
            </button>
          ) : (
            <button type="button" class="plain" onClick={() => chat.reconnect()}>
              Connect
            </button>
          )}
        </div>
      );
    }
  }
}

function Countdown({ until_ms }: { until_ms: number }) {
  const [now_ms, setNow] = useState(Date.now());
  useEffect(() => {
    const tick = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(tick);
  }, []);
  const seconds = Math.ceil((until_ms - now_ms) / 1000);
  // The seconds are for the eye; a screen reader would be told each of them.
  return <span aria-hidden="true">{seconds > 0 ? `in ${seconds} s` : "now"}</span>;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
