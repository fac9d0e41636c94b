import type {
  Entry,
  ErrorFrame,
  Join,
  Joined,
  Left,
  Presence,
  Receipt,
  Removed,
  Reset,
  Sent,
  Signal,
} from "../../protocol/generated";
import { HubbubError, mayRetry } from "../error";
import {
  handled,
  isReplaying,
  type JoinOptions,
  joined,
  joining,
  type MissedReason,
  out,
  type Position,
  reset,
  type Subscription,
  subscription,
  verdict,
} from "./subscription";

/** Frames that belong to a room that is joined. */
export type RoomFrame = Joined | Left | Entry | Signal | Presence | Receipt | Reset | Removed;

export interface RoomsParts {
  /** Writes to the live connection; says why it cannot, if so. */
  send(frame: Join): HubbubError | null;
  nextId(): number;
  /** News for the listeners. They have handled an entry when this returns. */
  tell(frame: Exclude<RoomFrame, Left | Reset>): void;
  missed(room: string, reason: MissedReason): void;
  refused(room: string, error: HubbubError): void;
}

type Waiter = { resolve: (frame: Joined) => void; reject: (error: HubbubError) => void };

/** The wait after a refusal that names none. */
const RETRY_AFTER_MS = 1_000;

/** The rooms that the application wants to be in, kept joined over reconnects. */
export class Rooms {
  #wanted = new Map<string, Subscription>();
  #waiters = new Map<string, Waiter[]>();
  #retries = new Map<string, ReturnType<typeof setTimeout>>();
  #live = false;
  readonly #parts: RoomsParts;

  constructor(parts: RoomsParts) {
    this.#parts = parts;
  }

  get names(): string[] {
    return [...this.#wanted.keys()];
  }

  position(room: string): Position | null {
    return this.#wanted.get(room)?.position ?? null;
  }

  /** Resolves once the room is entered for the first time. */
  join(room: string, options: JoinOptions): Promise<Joined> {
    if (this.#wanted.has(room)) {
      return Promise.reject(new HubbubError("already_joined", `${room} is joined already; leave it first.`));
    }
    this.#wanted.set(room, subscription(room, options));
    const entered = new Promise<Joined>((resolve, reject) => {
      this.#waiters.set(room, [...(this.#waiters.get(room) ?? []), { resolve, reject }]);
    });
    this.#ask(room);
    return entered;
  }

  /** Forgets the room; whether the gateway must be told. */
  leave(room: string): boolean {
    const sub = this.#wanted.get(room);
    this.#end(room, new HubbubError("discarded", `${room} was left.`));
    return sub !== undefined && sub.phase.kind !== "out";
  }

  live(): void {
    this.#live = true;
    for (const room of this.#wanted.keys()) this.#ask(room);
  }

  lost(): void {
    this.#live = false;
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
    for (const [room, sub] of this.#wanted) this.#wanted.set(room, out(sub));
  }

  /** Nobody will be let in any more. The rooms stay wanted, should the client be started again. */
  stop(error: HubbubError): void {
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  take(frame: RoomFrame): void {
    const sub = this.#wanted.get(frame.room);
    if (!sub) return;
    if (frame.type === "joined") {
      this.#joined(sub, frame);
      return;
    }
    // Left-overs of a subscription that was left or is not there yet.
    if (sub.phase.kind !== "in") return;
    switch (frame.type) {
      case "message":
      case "edit":
      case "delete":
      case "reaction":
        this.#entry(sub, frame);
        return;
      case "reset":
        this.#wanted.set(sub.room, reset(sub, frame));
        this.#parts.missed(sub.room, frame.reason);
        return;
      case "removed":
        this.#end(sub.room, new HubbubError("forbidden", `You were removed from ${sub.room}.`));
        this.#parts.tell(frame);
        return;
      case "signal":
      case "presence":
      case "receipt":
        this.#parts.tell(frame);
        return;
      case "left":
        return;
    }
  }

  /** A `sent` of `echo:false`. */
  sent(frame: Sent): void {
    const sub = this.#wanted.get(frame.room);
    // The `sent` of something that was there already, or of an entry that is still to come with the replay, stands in
    // no entry's place.
    if (!sub || frame.duplicate || isReplaying(sub)) return;
    const what = verdict(sub, frame.seq);
    if (what === "drop") return;
    if (what === "hole") this.#parts.missed(sub.room, "hole");
    this.#wanted.set(frame.room, handled(sub, frame));
  }

  /** Takes the refusal of a `join`; false if it is nobody's. */
  refused(frame: ErrorFrame): boolean {
    const found = [...this.#wanted.values()].find(
      ({ phase }) => phase.kind === "joining" && phase.id === frame.id,
    );
    if (!found) return false;
    if (mayRetry(frame.code)) {
      this.#wanted.set(found.room, out(found));
      const retry = () => {
        this.#retries.delete(found.room);
        this.#ask(found.room);
      };
      this.#retries.set(found.room, setTimeout(retry, frame.retry_after_ms ?? RETRY_AFTER_MS));
    } else {
      this.#refuse(found.room, HubbubError.from(frame));
    }
    return true;
  }

  #ask(room: string): void {
    const sub = this.#wanted.get(room);
    if (!this.#live || !sub || sub.phase.kind !== "out") return;
    const [next, frame] = joining(sub, this.#parts.nextId());
    this.#wanted.set(room, next);
    const error = this.#parts.send(frame);
    if (error) this.#refuse(room, error);
  }

  #joined(sub: Subscription, frame: Joined): void {
    if (sub.phase.kind !== "joining" || sub.phase.id !== frame.id) return;
    const [next, missed] = joined(sub, frame);
    this.#wanted.set(sub.room, next);
    this.#parts.tell(frame);
    if (missed) this.#parts.missed(sub.room, missed);
    for (const waiter of this.#waiters.get(sub.room) ?? []) waiter.resolve(frame);
    this.#waiters.delete(sub.room);
  }

  #entry(sub: Subscription, entry: Entry): void {
    const what = verdict(sub, entry.seq);
    if (what === "drop") return;
    if (what === "hole") this.#parts.missed(sub.room, "hole");
    this.#parts.tell(entry);
    // A listener may have left the room meanwhile, or left and joined it again.
    if (this.#wanted.get(sub.room) === sub) this.#wanted.set(sub.room, handled(sub, entry));
  }

  #refuse(room: string, error: HubbubError): void {
    this.#end(room, error);
    this.#parts.refused(room, error);
  }

  #end(room: string, error: HubbubError): void {
    this.#wanted.delete(room);
    clearTimeout(this.#retries.get(room));
    this.#retries.delete(room);
    for (const waiter of this.#waiters.get(room) ?? []) waiter.reject(error);
    this.#waiters.delete(room);
  }
}
