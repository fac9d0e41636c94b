import type { Chat, Model } from "../chat";
import { ConnectionLine } from "./connection";
import { Members } from "./members";
import { RoomList } from "./room-list";
import { RoomPane } from "./room-pane";
import { SignIn } from "./sign-in";

export function Page({ chat, model }: { chat: Chat; model: Model }) {
  if (model.state === null) return <SignIn chat={chat} name={model.me.name ?? ""} />;
  const room = model.active === null ? null : (model.rooms.get(model.active) ?? null);
  return (
    <div class="frame">
      <RoomList chat={chat} model={model} />
      <main class="middle">
        <ConnectionLine chat={chat} state={model.state} />
        {model.problem !== null && (
          <div class="banner problem" role="alert">
            <p>{model.problem}</p>
            <button
              type="button"
              class="icon close"
              aria-label="Dismiss"
              onClick={() => chat.dismissProblem()}
            />
          </div>
        )}
        {room ? <RoomPane key={room.name} chat={chat} model={model} room={room} /> : <NoRoom />}
      </main>
      {room && <Members room={room} me={model.me} />}
      <p class="unseen" aria-live="polite">
        {model.announced}
      </p>
    </div>
  );
}

function NoRoom() {
  return (
    <div class="nothing">
      <p>You are in no room.</p>
      <button type="button" class="plain" popovertarget="rooms">
        Choose a room
      </button>
    </div>
  );
}
