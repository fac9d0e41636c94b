import { useEffect, useRef, useState } from "preact/hooks";
import type { Chat, Model } from "../chat";
import type { Room } from "../room";
import { shownMessages } from "../timeline";

/** Drafts outlive a look into another room. */
const drafts = new Map<string, string>();

type Props = {
  chat: Chat;
  model: Model;
  room: Room;
  /** Opens a message of one's own for editing. */
  edit: (pos: string) => void;
};

export function Composer({ chat, model, room, edit }: Props) {
  const [text, setText] = useState(drafts.get(room.name) ?? "");
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // Where there is no keyboard, focus would only bring up the one on the screen.
    if (matchMedia("(hover: hover)").matches) field.current?.focus();
  }, []);
  const write = (next: string) => {
    setText(next);
    drafts.set(room.name, next);
  };
  const send = (event: Event) => {
    event.preventDefault();
    const message = text.trim();
    if (message === "") return;
    chat.send(room.name, message);
    write("");
    field.current?.focus();
  };
  const keyed = (event: KeyboardEvent) => {
    // While an input method composes a character, Enter belongs to it.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) send(event);
    if (event.key === "ArrowUp" && text === "") {
      const own = shownMessages(room.entries, [], model.me)
        .filter((message) => message.from?.user === model.me.user && !message.deleted)
        .at(-1);
      if (!own) return;
      event.preventDefault();
      edit(own.pos);
    }
  };
  return (
    <form class="composer" onSubmit={send}>
      <textarea
        ref={field}
        name="message"
        rows={1}
        value={text}
        placeholder={`Message ${room.name}`}
        aria-label={`Message ${room.name}`}
        maxLength={8000}
        onInput={(event) => {
          write(event.currentTarget.value);
          chat.typing(room.name, event.currentTarget.value !== "");
        }}
        onBlur={() => chat.typing(room.name, false)}
        onKeyDown={keyed}
      />
      <button type="submit" class="icon send" aria-label="Send" disabled={text.trim() === ""} />
    </form>
  );
}
