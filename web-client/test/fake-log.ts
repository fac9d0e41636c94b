/** One room's log in the fake gateway: numbers, keys, markers, retention. */
import type { Delete, Edit, Entry, History, Join, Joined, React, Send, Sent } from "../src/sdk";

export type Append = Send | Edit | Delete | React;
export type User = { id: string; name: string };

export class FakeLog {
  readonly room: string;
  readonly #epoch: string;
  /** The seq of the first entry that is still kept, less one. */
  #trimmedSeq = 0;
  #messages = 0;
  #entries: Entry[] = [];
  /** What each user's keys were answered with. */
  #keys = new Map<string, Sent>();
  #read = new Map<string, number>();

  constructor(room: string, epoch: string) {
    this.room = room;
    this.#epoch = epoch;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get head(): { seq: number; pos: string } {
    const { seq, pos } = this.#entries.at(-1) ?? { seq: this.#trimmedSeq, pos: this.#pos(this.#trimmedSeq) };
    return { seq, pos };
  }

  trim(seq: number): void {
    this.#trimmedSeq = seq;
    this.#entries = this.#entries.filter((entry) => entry.seq > seq);
  }

  /** What an append under this key was answered with before. */
  known(user: User, key: string | undefined): Sent | null {
    return (key !== undefined && this.#keys.get(`${user.id} ${key}`)) || null;
  }

  append(frame: Append, user: User): { entry: Entry; sent: Sent } {
    const seq = this.head.seq + 1;
    const pos = this.#pos(seq);
    const time = Date.now();
    if (frame.type === "send") this.#messages += 1;
    const entry = entryOf(frame, {
      room: this.room,
      seq,
      pos,
      count: this.#messages,
      time,
      from: { user: user.id, name: user.name },
      ...(frame.key === undefined ? {} : { key: frame.key }),
    });
    this.#entries.push(entry);
    if (frame.type === "delete") this.#forget(frame.target);
    const sent: Sent = { type: "sent", room: this.room, seq, pos, time };
    if (frame.key !== undefined) this.#keys.set(`${user.id} ${frame.key}`, sent);
    return { entry, sent };
  }

  /** What a `join` is answered with, but for the members, and the entries that follow. */
  join({ id, since, limit = 0 }: Join, user: User): { joined: Joined; replay: readonly Entry[] } {
    const { head } = this;
    let replay = limit > 0 ? this.#entries.slice(-limit) : [];
    let recovery: Pick<Joined, "recovered" | "reason"> = {};
    if (since !== undefined) {
      const after = Number(since.split("-")[1]);
      if (since !== this.#pos(after) || after > head.seq) recovery = { recovered: false, reason: "reset" };
      else if (after < this.#trimmedSeq) recovery = { recovered: false, reason: "trimmed" };
      else {
        recovery = { recovered: true };
        replay = this.#entries.filter(({ seq }) => seq > after);
      }
    }
    const { read, unread } = this.unread(user);
    const own = { type: "joined", room: this.room, ...head, ...recovery, replayed: replay.length } as const;
    return { joined: { ...own, ...(id === undefined ? {} : { id }), read, unread }, replay };
  }

  /** Moves a user's marker; to the head where the position is unknown. */
  read(user: User, pos: string): { seq: number; pos: string } {
    const marker = this.#entries.find((entry) => entry.pos === pos) ?? this.head;
    this.#read.set(user.id, Math.max(marker.seq, this.#read.get(user.id) ?? 0));
    return { seq: marker.seq, pos: marker.pos };
  }

  unread(user: User): { read: number; head: number; unread: number } {
    const read = this.#read.get(user.id) ?? 0;
    const isUnread = ({ type, seq, from }: Entry) =>
      type === "message" && seq > read && from?.user !== user.id;
    return { read, head: this.head.seq, unread: this.#entries.filter(isUnread).length };
  }

  /** A page before a position, or the newest; null where the position is of another log. */
  history(before: string | undefined, limit = 50): History | null {
    const all = this.#entries;
    const end = before === undefined ? all.length : all.findIndex(({ pos }) => pos === before);
    if (end < 0) return null;
    const start = Math.max(0, end - limit);
    const entries = all.slice(start, end);
    const trimmed = this.#trimmedSeq > 0;
    return { type: "history", room: this.room, ...this.head, entries, more: start > 0, trimmed };
  }

  #pos(seq: number): string {
    return `${this.#epoch}-${seq}-tag`;
  }

  /** Deleted is gone: neither the message nor its edits keep their data. */
  #forget(target: string): void {
    this.#entries = this.#entries.map((entry) => {
      const isIt =
        entry.type === "message" ? entry.pos === target : entry.type === "edit" && entry.target === target;
      if (!isIt) return entry;
      const { data: _gone, ...rest } = entry as Extract<Entry, { type: "message" | "edit" }>;
      return { ...rest, deleted: true };
    });
  }
}

function entryOf(frame: Append, base: Omit<Extract<Entry, { type: "message" }>, "type" | "data">): Entry {
  switch (frame.type) {
    case "send":
      return { type: "message", ...base, data: frame.data };
    case "edit":
      return { type: "edit", ...base, target: frame.target, data: frame.data };
    case "delete":
      return { type: "delete", ...base, target: frame.target };
    case "react":
      return { type: "reaction", ...base, target: frame.target, emoji: frame.emoji, op: frame.op };
  }
}
