import type { Append } from "../../sdk";
import type { Chat, Model } from "../chat";
import type { Room } from "../room";
import { textOf } from "../timeline";

/** The user's messages that are not in the log: on their way, or refused. */
export function UnsentMessages({ chat, model, room }: { chat: Chat; model: Model; room: Room }) {
  const arrived = new Set(
    room.entries.filter((entry) => entry.from?.user === model.me.user).map((entry) => entry.key),
  );
  const isHere = (append: Append) =>
    append.type === "send" && append.room === room.name && !arrived.has(append.key);
  const waiting = model.unsent.map(({ append }) => append).filter(isHere);
  const failed = model.failed.filter(({ append }) => isHere(append));
  if (waiting.length === 0 && failed.length === 0) return null;
  const isLive = model.state?.kind === "live" || model.state?.kind === "draining";
  return (
    <ol class="unsent" aria-label="Not sent yet">
      {failed.map(({ append, why }) => (
        <li key={append.key} class="message failed">
          <p class="text">{text(append)}</p>
          <p class="fault" role="alert">
            {why}
          </p>
          <div class="choices">
            <button type="button" class="plain" onClick={() => chat.retry(append.key)}>
              Send again
            </button>
            <button type="button" class="plain" onClick={() => chat.dismiss(append.key)}>
              Discard
            </button>
          </div>
        </li>
      ))}
      {waiting.map((append) => (
        <li key={append.key} class="message pending">
          <p class="text">{text(append)}</p>
          <p class="hint">{isLive ? "Sending…" : "Not sent yet: waits for the connection"}</p>
        </li>
      ))}
    </ol>
  );
}

function text(append: Append): string {
  return append.type === "send" ? textOf(append.data) : "";
}
