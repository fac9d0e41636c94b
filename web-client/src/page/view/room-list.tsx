import { useState } from "preact/hooks";
import type { State } from "../../sdk";
import type { Chat, Model } from "../chat";
import { roomNameFault, stateWord } from "../words";
import { Avatar } from "./avatar";

const SUGGESTED = ["general", "random", "help"];

/** The rooms the user is in, and ways into others: a column on a wide screen, a drawer on a narrow one. */
export function RoomList({ chat, model }: { chat: Chat; model: Model }) {
  const open = (name: string) => {
    chat.open(name);
    const drawer = document.getElementById("rooms");
    if (drawer?.matches(":popover-open")) drawer.hidePopover();
  };
  const suggested = SUGGESTED.filter((name) => !model.rooms.has(name));
  return (
    <nav class="side rooms" id="rooms" popover="auto" aria-label="Rooms">
      <header>
        <img src="./icon.svg" alt="" width="28" height="28" />
        <h1>Hubbub</h1>
      </header>
      <ul class="room-list">
        {[...model.rooms.values()].map(({ name, unread, phase }) => (
          <li key={name}>
            <button
              type="button"
              class="room"
              data-phase={phase.kind}
              aria-current={name === model.active ? "page" : undefined}
              onClick={() => open(name)}
            >
              <span class="name">{name}</span>
              {unread > 0 && (
                <span class="count">
                  {unread > 99 ? "99+" : unread}
                  <span class="unseen"> unread</span>
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
      <AddRoom open={open} />
      {suggested.length > 0 && (
        <section class="suggested" aria-label="Suggested rooms">
          {suggested.map((name) => (
            <button type="button" class="chip" key={name} onClick={() => open(name)}>
              {name}
            </button>
          ))}
        </section>
      )}
      <footer>
        <Avatar author={model.me} />
        <div class="who">
          <strong>{model.me.name ?? model.me.user}</strong>
          <span class="state" data-state={model.state && isWell(model.state) ? "well" : model.state?.kind}>
            {model.state && stateWord(model.state)}
          </span>
        </div>
        <button type="button" class="icon sign-out" aria-label="Sign out" onClick={() => chat.signOut()} />
      </footer>
    </nav>
  );
}

function isWell(state: State): boolean {
  return state.kind === "live" && !state.live.degraded;
}

function AddRoom({ open }: { open: (name: string) => void }) {
  const [name, setName] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const add = (event: Event) => {
    event.preventDefault();
    const wrong = roomNameFault(name.trim());
    setFault(wrong);
    if (wrong !== null) return;
    open(name.trim());
    setName("");
  };
  return (
    <form class="add-room" onSubmit={add}>
      <div class="field">
        <input
          name="room"
          aria-label="Join a room by name"
          placeholder="Join a room…"
          value={name}
          autoComplete="off"
          autoCapitalize="off"
          aria-invalid={fault !== null}
          aria-describedby={fault === null ? undefined : "room-fault"}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <button type="submit" class="icon add" aria-label="Join" />
      </div>
      {fault !== null && (
        <p id="room-fault" class="fault" role="alert">
          {fault}
        </p>
      )}
    </form>
  );
}
