import { useState } from "preact/hooks";
import type { Chat, Model } from "../chat";
import type { Room } from "../room";
import { missedNotice } from "../words";
import { Composer } from "./composer";
import { MessageList } from "./message-list";

/** The open room: its head, its messages and where to write. */
export function RoomPane({ chat, model, room }: { chat: Chat; model: Model; room: Room }) {
  const [editing, setEditing] = useState<string | null>(null);
  return (
    <section class="room-pane" aria-label={`Room ${room.name}`}>
      <header>
        <button type="button" class="icon menu" aria-label="Rooms" popovertarget="rooms" />
        <h2>{room.name}</h2>
        <button
          type="button"
          class="icon people"
          aria-label={`Who is here: ${room.member_count}`}
          popovertarget="members"
        >
          <span aria-hidden="true">{room.member_count}</span>
        </button>
        <button
          type="button"
          class="icon leave"
          aria-label={`Leave ${room.name}`}
          title="Leave the room"
          onClick={() => chat.leave(room.name)}
        />
      </header>
      {room.missed !== null && (
        <div class="banner warning missed" role="alert">
          <p>{missedNotice(room.missed)}</p>
          <button
            type="button"
            class="icon close"
            aria-label="Dismiss"
            onClick={() => chat.dismissMissed(room.name)}
          />
        </div>
      )}
      <MessageList chat={chat} model={model} room={room} editing={editing} setEditing={setEditing} />
      <Typing room={room} />
      {room.phase.kind === "out" ? (
        <div class="banner problem" role="alert">
          <p>{room.phase.why}</p>
          <button type="button" class="plain" onClick={() => chat.rejoin(room.name)}>
            Join again
          </button>
        </div>
      ) : (
        <Composer chat={chat} model={model} room={room} edit={setEditing} />
      )}
    </section>
  );
}

function Typing({ room }: { room: Room }) {
  const names = [...room.typing.values()].map(({ name }) => name);
  return (
    <p class="typing" aria-live="off">
      {names.length === 1 && `${names[0]} is typing…`}
      {names.length === 2 && `${names[0]} and ${names[1]} are typing…`}
      {names.length > 2 && "Several people are typing…"}
    </p>
  );
}
