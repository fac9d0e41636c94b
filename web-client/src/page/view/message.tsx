import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Author } from "../../sdk";
import type { Chat } from "../chat";
import { nameOf, type ShownMessage } from "../timeline";
import { Avatar } from "./avatar";

const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢"];
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

type Props = {
  chat: Chat;
  room: string;
  me: Author;
  message: ShownMessage;
  isFollowing: boolean;
  isNewDay: boolean;
  isFirstNew: boolean;
  isLast: boolean;
  isEditing: boolean;
  setEditing: (isEditing: boolean) => void;
};

export function MessageItem(props: Props) {
  const { chat, room, me, message, isFollowing, isEditing, setEditing } = props;
  const isOwn = message.from?.user === me.user;
  const react = (emoji: string) => {
    const mine = message.reactions.find((reaction) => reaction.emoji === emoji)?.users.has(me.user) ?? false;
    chat.react(room, message.pos, emoji, mine ? "remove" : "add");
  };
  return (
    <li
      class={`message${isFollowing ? " following" : ""}${isOwn ? " own" : ""}`}
      tabIndex={props.isLast ? 0 : -1}
      data-pos={message.pos}
      aria-busy={message.pending}
    >
      {props.isNewDay && <p class="divider">{DAY.format(message.time)}</p>}
      {props.isFirstNew && <p class="divider new">New</p>}
      <div class="body">
        {isFollowing ? <span class="gutter" /> : <Avatar author={message.from} />}
        <div class="content">
          {!isFollowing && (
            <p class="byline">
              <strong>{nameOf(message.from)}</strong>
              <time dateTime={new Date(message.time).toISOString()}>{CLOCK.format(message.time)}</time>
            </p>
          )}
          {isEditing && !message.deleted ? (
            <Editor
              text={message.text}
              save={(text) => {
                setEditing(false);
                if (text !== message.text) chat.edit(room, message.pos, text);
              }}
              cancel={() => setEditing(false)}
            />
          ) : (
            <Text message={message} />
          )}
          <Reactions message={message} me={me} react={react} />
        </div>
      </div>
      {!message.deleted && !isEditing && (
        <Toolbar
          isOwn={isOwn}
          react={react}
          edit={() => setEditing(true)}
          remove={() => chat.delete(room, message.pos)}
        />
      )}
    </li>
  );
}

function Text({ message }: { message: ShownMessage }) {
  if (message.deleted) return <p class="text deleted">Message deleted</p>;
  return (
    <p class="text">
      {message.text}
      {message.edited && <span class="hint"> (edited)</span>}
    </p>
  );
}

function Reactions({
  message,
  me,
  react,
}: {
  message: ShownMessage;
  me: Author;
  react: (emoji: string) => void;
}) {
  if (message.reactions.length === 0) return null;
  return (
    <div class="reactions">
      {message.reactions.map(({ emoji, users }) => (
        <button
          type="button"
          key={emoji}
          class="chip"
          aria-pressed={users.has(me.user)}
          aria-label={`${emoji} by ${[...users.values()].join(", ")}`}
          title={[...users.values()].join(", ")}
          onClick={() => react(emoji)}
        >
          <span class="sign">{emoji}</span> {users.size}
        </button>
      ))}
    </div>
  );
}

function Toolbar(props: {
  isOwn: boolean;
  react: (emoji: string) => void;
  edit: () => void;
  remove: () => void;
}) {
  const [isAsking, setAsking] = useState(false);
  const [isChoosing, setChoosing] = useState(false);
  if (isAsking) {
    return (
      <div class="toolbar open" role="toolbar" aria-label="Delete this message for everybody?">
        <span>Delete for everybody?</span>
        <button type="button" class="plain danger" onClick={props.remove}>
          Delete
        </button>
        <button type="button" class="plain" onClick={() => setAsking(false)}>
          Keep
        </button>
      </div>
    );
  }
  const leave = ({ currentTarget, relatedTarget }: FocusEvent) => {
    if (currentTarget instanceof Node && !currentTarget.contains(relatedTarget as Node | null))
      setChoosing(false);
  };
  return (
    <div
      class={`toolbar${isChoosing ? " open" : ""}`}
      role="toolbar"
      aria-label="What to do with this message"
      onKeyDown={(event) => event.key === "Escape" && setChoosing(false)}
      onFocusOut={leave}
    >
      {isChoosing &&
        EMOJI.map((emoji) => (
          <button
            type="button"
            key={emoji}
            class="emoji"
            aria-label={`React with ${emoji}`}
            onClick={() => {
              setChoosing(false);
              props.react(emoji);
            }}
          >
            {emoji}
          </button>
        ))}
      <button
        type="button"
        class="icon react"
        aria-label="React"
        aria-expanded={isChoosing}
        onClick={() => setChoosing(!isChoosing)}
      />
      {props.isOwn && <button type="button" class="icon edit" aria-label="Edit" onClick={props.edit} />}
      {props.isOwn && (
        <button type="button" class="icon delete" aria-label="Delete" onClick={() => setAsking(true)} />
      )}
    </div>
  );
}

function Editor({ text, save, cancel }: { text: string; save: (text: string) => void; cancel: () => void }) {
  const [draft, setDraft] = useState(text);
  const field = useRef<HTMLTextAreaElement>(null);
  // Before the field is seen, so that nothing typed at once goes elsewhere.
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
  }, [text.length]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (draft.trim() !== "") save(draft.trim());
  };
  const keyed = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) submit(event);
    if (event.key === "Escape") cancel();
  };
  return (
    <form class="editor" onSubmit={submit}>
      <textarea
        ref={field}
        name="edit"
        aria-label="Edit the message"
        value={draft}
        maxLength={8000}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={keyed}
      />
      <div class="choices">
        <button type="submit" class="primary" disabled={draft.trim() === ""}>
          Save
        </button>
        <button type="button" class="plain" onClick={cancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
