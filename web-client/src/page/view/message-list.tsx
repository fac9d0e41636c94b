import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Chat, Model } from "../chat";
import type { Room } from "../room";
import { nameOf, type ShownMessage, shownMessages } from "../timeline";
import { MessageItem } from "./message";
import { UnsentMessages } from "./unsent";

/** How near the end counts as being there, in pixels. */
const NEAR_END = 60;
/** How near the start older messages are loaded, in pixels. */
const NEAR_START = 120;
/** Messages of one author within this time stand together. */
const GROUP_MS = 5 * 60_000;

type Props = {
  chat: Chat;
  model: Model;
  room: Room;
  /** The pos of the message that is being edited. */
  editing: string | null;
  setEditing: (pos: string | null) => void;
};

export function MessageList({ chat, model, room, editing, setEditing }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  /** What was drawn last, so that older messages that come in above do not move what is read. */
  const drawn = useRef({ firstSeq: 0, height: 0 });
  const { unsent, me } = model;
  const messages = useMemo(() => {
    const mine = unsent.map(({ append }) => append).filter((append) => append.room === room.name);
    return shownMessages(room.entries, mine, me);
  }, [room.entries, room.name, unsent, me]);

  const seen = () => {
    if (atEnd.current && document.visibilityState === "visible") chat.seen(room.name);
  };
  // After every drawing: the end stays the end, and what is read stays where it is.
  useLayoutEffect(() => {
    const box = list.current;
    if (!box) return;
    const firstSeq = messages[0]?.seq ?? 0;
    if (atEnd.current) box.scrollTop = box.scrollHeight;
    else if (firstSeq < drawn.current.firstSeq) box.scrollTop += box.scrollHeight - drawn.current.height;
    drawn.current = { firstSeq, height: box.scrollHeight };
    seen();
  });
  useEffect(() => {
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  });
  const scrolled = () => {
    const box = list.current;
    if (!box) return;
    atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
    if (box.scrollTop < NEAR_START && room.older === "some") chat.loadOlder(room.name);
    seen();
  };

  return (
    <div
      class="messages"
      ref={list}
      role="log"
      aria-label={`Messages in ${room.name}`}
      // New messages are announced elsewhere; those loaded from history should not be.
      aria-live="off"
      onScroll={scrolled}
    >
      <Older chat={chat} room={room} />
      <ol onKeyDown={moveFocus}>
        {messages.map((message, at) => (
          <MessageItem
            key={message.pos}
            chat={chat}
            room={room.name}
            me={me}
            message={message}
            isFollowing={follows(messages[at - 1], message)}
            isNewDay={!isSameDay(messages[at - 1], message)}
            isFirstNew={isFirstNew(room, messages[at - 1], message)}
            isLast={at === messages.length - 1}
            isEditing={message.pos === editing}
            setEditing={(isEditing) => setEditing(isEditing ? message.pos : null)}
          />
        ))}
      </ol>
      <Seen room={room} messages={messages} me={me.user} />
      <UnsentMessages chat={chat} model={model} room={room} />
    </div>
  );
}

function Older({ chat, room }: { chat: Chat; room: Room }) {
  switch (room.older) {
    case "some":
      return (
        <button type="button" class="plain older" onClick={() => chat.loadOlder(room.name)}>
          Load older messages
        </button>
      );
    case "loading":
      return <p class="older hint">Loading…</p>;
    case "trimmed":
      return <p class="older hint">Older messages are no longer kept.</p>;
    case "none":
      return room.phase.kind === "in" ? <p class="older hint">This is where {room.name} begins.</p> : null;
  }
}

/** Who has read up to the user's own last message, if that is the last of all. */
function Seen({ room, messages, me }: { room: Room; messages: readonly ShownMessage[]; me: string }) {
  const last = messages.at(-1);
  if (last?.from?.user !== me) return null;
  const names = [...room.readers]
    .filter(([user, seq]) => seq >= last.seq && user !== me)
    .map(([user]) => nameOf(room.members.get(user) ?? null))
    .filter((name, at, all) => all.indexOf(name) === at);
  if (names.length === 0) return null;
  return <p class="seen hint">Seen by {names.length > 3 ? `${names.length} people` : names.join(", ")}</p>;
}

/** Arrow keys walk through the messages. */
function moveFocus(event: KeyboardEvent): void {
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  if (!(event.target instanceof HTMLLIElement)) return;
  const next =
    event.key === "ArrowUp" ? event.target.previousElementSibling : event.target.nextElementSibling;
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}

function follows(before: ShownMessage | undefined, message: ShownMessage): boolean {
  return (
    before !== undefined &&
    before.from?.user === message.from?.user &&
    message.time - before.time < GROUP_MS &&
    isSameDay(before, message)
  );
}

function isSameDay(before: ShownMessage | undefined, message: ShownMessage): boolean {
  return (
    before !== undefined && new Date(before.time).toDateString() === new Date(message.time).toDateString()
  );
}

function isFirstNew(room: Room, before: ShownMessage | undefined, message: ShownMessage): boolean {
  const after = room.new_after_seq;
  return after !== null && message.seq > after && before !== undefined && before.seq <= after;
}
