/** A room's log as people read it: entries in, messages out, without effects. */
import type { Append, Author, Entry } from "../sdk";

export type Reaction = { emoji: string; users: ReadonlyMap<string, string> };

/** A message as it stands after every edit, deletion and reaction that is known. */
export type ShownMessage = {
  pos: string;
  seq: number;
  time: number;
  from: Author | null;
  key: string | null;
  text: string;
  edited: boolean;
  deleted: boolean;
  reactions: readonly Reaction[];
  /** Something the user did to it is still on its way. */
  pending: boolean;
};

/** More entries than this are not kept; `history` has the older ones. */
export const ENTRIES_MAX = 3_000;

/** Two parts of one log as one, in the order of seq, each entry once. */
export function merged(entries: readonly Entry[], more: readonly Entry[]): Entry[] {
  const last = entries.at(-1);
  const first = more[0];
  // The common case: live entries come after everything that is there.
  if (!last || (first && first.seq > last.seq)) return [...entries, ...more];
  const bySeq = new Map([...entries, ...more].map((entry) => [entry.seq, entry]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

/** The text of a message's data. Whatever else an application put there is shown as JSON. */
export function textOf(data: unknown): string {
  if (typeof data === "string") return data;
  if (typeof data === "object" && data !== null && "text" in data && typeof data.text === "string") {
    return data.text;
  }
  return JSON.stringify(data) ?? "";
}

/** The messages of a part of a log, with what the user `me` has under way already applied. */
export function shownMessages(
  entries: readonly Entry[],
  unsent: readonly Append[],
  me: Author,
): ShownMessage[] {
  const messages = new Map<string, ShownMessage>();
  const change = (pos: string, how: (message: ShownMessage) => Partial<ShownMessage>) => {
    const message = messages.get(pos);
    if (message) messages.set(pos, { ...message, ...how(message) });
  };
  for (const entry of entries) {
    switch (entry.type) {
      case "message":
        messages.set(entry.pos, {
          pos: entry.pos,
          seq: entry.seq,
          time: entry.time,
          from: entry.from ?? null,
          key: entry.key ?? null,
          text: entry.deleted ? "" : textOf(entry.data),
          edited: false,
          deleted: entry.deleted ?? false,
          reactions: [],
          pending: false,
        });
        break;
      case "edit":
        change(entry.target, () => ({ text: textOf(entry.data), edited: true }));
        break;
      case "delete":
        change(entry.target, () => ({ text: "", deleted: true, reactions: [] }));
        break;
      case "reaction":
        change(entry.target, ({ reactions }) => ({
          reactions: reacted(reactions, entry.emoji, entry.op, entry.from ?? { user: "" }),
        }));
        break;
    }
  }
  for (const append of unsent) {
    switch (append.type) {
      case "send":
        break;
      case "edit":
        change(append.target, () => ({ text: textOf(append.data), edited: true, pending: true }));
        break;
      case "delete":
        change(append.target, () => ({ text: "", deleted: true, reactions: [], pending: true }));
        break;
      case "react":
        change(append.target, ({ reactions }) => ({
          reactions: reacted(reactions, append.emoji, append.op, me),
          pending: true,
        }));
        break;
    }
  }
  return [...messages.values()];
}

function reacted(reactions: readonly Reaction[], emoji: string, op: string, who: Author): Reaction[] {
  const users = new Map(reactions.find((reaction) => reaction.emoji === emoji)?.users);
  if (op === "add") users.set(who.user, nameOf(who));
  else users.delete(who.user);
  if (!reactions.some((reaction) => reaction.emoji === emoji)) return [...reactions, { emoji, users }];
  return reactions
    .map((reaction) => (reaction.emoji === emoji ? { emoji, users } : reaction))
    .filter((reaction) => reaction.users.size > 0);
}

/** How to call somebody: the name they gave, or else their id. */
export function nameOf(author: Author | null): string {
  return author ? (author.name ?? author.user) : "The server";
}
