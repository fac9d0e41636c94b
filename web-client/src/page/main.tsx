import { render } from "preact";
import { roomInAddress, showRoomInAddress } from "./address";
import { Chat, type Model } from "./chat";
import { Memory, usable } from "./memory";
import { Page } from "./view/page";
import "./style.css";

const root = document.getElementById("page");
if (!root) throw new Error("index.html has no #page");

const chat = new Chat({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`,
  memory: new Memory(
    usable(() => localStorage),
    usable(() => sessionStorage),
  ),
  wanted: roomInAddress,
});

const draw = (model: Model) => {
  const unread = [...model.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  document.title = unread > 0 ? `(${unread}) Hubbub` : "Hubbub";
  showRoomInAddress(model.active);
  render(<Page chat={chat} model={model} />, root);
};

let drawing = false;
chat.watch(() => {
  // Many frames may come at once; they are drawn together.
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    draw(chat.model);
  });
});

window.addEventListener("hashchange", () => {
  const room = roomInAddress();
  if (room !== null && chat.model.state !== null) chat.open(room);
});

chat.resume();
draw(chat.model);
