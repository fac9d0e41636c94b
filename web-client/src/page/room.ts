/** What the page knows of one room, and how each piece of news changes it, without effects. */
import type {
  Author,
  Entry,
  History,
  Joined,
  Members,
  MissedReason,
  Presence,
  Receipt,
  Signal,
} from "../sdk";
import { ENTRIES_MAX, merged, nameOf } from "./timeline";

/** How long somebody counts as typing after they last said so. */
export const TYPING_FOR_MS = 6_000;

export type Room = {
  name: string;
  phase: { kind: "joining" } | { kind: "in" } | { kind: "out"; why: string };
  entries: readonly Entry[];
  /** New whenever what was known of the log is thrown away; an answer asked for before is of no use after. */
  generation: symbol;
  older: "none" | "some" | "loading" | "trimmed";
  missed: MissedReason | null;
  members: ReadonlyMap<string, Author>;
  member_count: number;
  typing: ReadonlyMap<string, { name: string; until_ms: number }>;
  unread: number;
  /** The seq up to which the user has read, and those of others. */
  read_seq: number;
  readers: ReadonlyMap<string, number>;
  /** Entries up to this seq are in `unread` already. */
  counted_seq: number;
  /** Where "new" begins: the read marker when the room was opened. */
  new_after_seq: number | null;
};

export function newRoom(name: string): Room {
  return {
    name,
    phase: { kind: "joining" },
    entries: [],
    generation: Symbol(name),
    older: "none",
    missed: null,
    members: new Map(),
    member_count: 0,
    typing: new Map(),
    unread: 0,
    read_seq: 0,
    readers: new Map(),
    counted_seq: 0,
    new_after_seq: null,
  };
}

export function joined(room: Room, frame: Joined): Room {
  const entered: Room = {
    ...room,
    phase: { kind: "in" },
    unread: frame.unread,
    read_seq: frame.read,
    counted_seq: frame.seq,
    member_count: frame.members ?? room.member_count,
    typing: new Map(),
  };
  if (frame.recovered !== undefined) return entered;
  return {
    ...entered,
    entries: [],
    generation: Symbol(room.name),
    older: frame.seq > frame.replayed ? "some" : "none",
    new_after_seq: frame.unread > 0 ? frame.read : null,
  };
}

/** What is there may not fit what follows, so it goes; what the room has now is loaded again. */
export function missed(room: Room, reason: MissedReason): Room {
  return {
    ...room,
    missed: reason,
    entries: [],
    generation: Symbol(room.name),
    older: "some",
    new_after_seq: null,
    readers: new Map(),
  };
}

export function arrived(room: Room, entry: Entry, me: string): Room {
  const all = merged(room.entries, [entry]);
  const tooMany = all.length > ENTRIES_MAX;
  const author = entry.from?.user;
  const isNews = entry.type === "message" && author !== me && entry.seq > room.counted_seq;
  const typing = new Map(room.typing);
  if (author !== undefined && entry.type === "message") typing.delete(author);
  return {
    ...room,
    entries: tooMany ? all.slice(-ENTRIES_MAX) : all,
    older: tooMany && room.older !== "loading" ? "some" : room.older,
    unread: room.unread + (isNews ? 1 : 0),
    counted_seq: Math.max(room.counted_seq, entry.seq),
    typing,
  };
}

export function historyLoaded(room: Room, reply: History, generation: symbol): Room {
  if (generation !== room.generation) return room;
  const older = reply.more ? "some" : reply.trimmed ? "trimmed" : "none";
  return { ...room, entries: merged(room.entries, reply.entries), older };
}

export function membersLoaded(room: Room, page: Members, isFirst: boolean): Room {
  const members = new Map(isFirst ? [] : room.members);
  for (const { user, name } of page.members)
    members.set(user, name === undefined ? { user } : { user, name });
  return { ...room, members, member_count: page.count };
}

export function presence(room: Room, frame: Presence): Room {
  const members = new Map(room.members);
  const typing = new Map(room.typing);
  for (const user of frame.left ?? []) {
    members.delete(user);
    typing.delete(user);
  }
  for (const author of frame.joined ?? []) members.set(author.user, author);
  return { ...room, members, typing, member_count: frame.count };
}

export function signalled(room: Room, frame: Signal, now_ms: number): Room {
  const { from, data } = frame;
  if (!from || typeof data !== "object" || data === null || !("typing" in data)) return room;
  const typing = new Map(room.typing);
  if (data.typing === true) typing.set(from.user, { name: nameOf(from), until_ms: now_ms + TYPING_FOR_MS });
  else typing.delete(from.user);
  return { ...room, typing };
}

/** Those who said long ago that they type do not any more. */
export function typingExpired(room: Room, now_ms: number): Room {
  const typing = new Map([...room.typing].filter(([, { until_ms }]) => until_ms > now_ms));
  return typing.size === room.typing.size ? room : { ...room, typing };
}

export function receipt(room: Room, frame: Receipt, me: string): Room {
  if (frame.user === me) return { ...room, read_seq: Math.max(room.read_seq, frame.seq) };
  return { ...room, readers: new Map(room.readers).set(frame.user, frame.seq) };
}

/** The user has seen everything up to the last entry. */
export function seen(room: Room): Room {
  const last = room.entries.at(-1);
  return last ? { ...room, unread: 0, read_seq: Math.max(room.read_seq, last.seq) } : room;
}
