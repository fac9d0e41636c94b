import type { Delete, Edit, ErrorFrame, React, Send, Sent } from "../../protocol/generated";
import { HubbubError, mayRetry } from "../error";
import { type KeptStorage, keep, kept } from "../storage";

/** Something that appends to a room's log; its key makes it the same thing however often it is sent. */
export type Append = (Send | Edit | Delete | React) & { key: string };

/** Something that was not yet answered. */
export type Unsent = {
  readonly append: Append;
  /** The first attempt whose outcome is not known, if there is one. */
  readonly attempted: { readonly at_ms: number; readonly user: string } | null;
};

export type Outcome = { kind: "sent"; sent: Sent } | { kind: "refused"; error: HubbubError };

export interface OutboxParts {
  /** Writes to the live connection; says why it cannot, if so. */
  send(frame: Append): HubbubError | null;
  nextId(): number;
  settled(append: Append, outcome: Outcome): void;
  changed(unsent: readonly Unsent[]): void;
  /** Keeps what is unsent over a reload of the page. */
  storage: KeptStorage | undefined;
}

/** More than this does not wait. */
const UNSENT_MAX = 200;
/** How often one append is refused as `rate_limited` before it is given up. */
const REFUSALS_MAX = 20;
/** The gateway remembers keys for five minutes; past this it is too late to ask again. */
const REPEAT_WITHIN_MS = 4.5 * 60_000;
/** The wait after a refusal that names none. */
const RETRY_AFTER_MS = 1_000;
const STORAGE_KEY = "hubbub.unsent";

/**
 * What is on its way into rooms' logs. Each room's appends go out one at a time, so that one which is refused and
 * comes again is never overtaken; rooms do not wait for each other.
 */
export class Outbox {
  #unsent: Unsent[];
  /** Who is logged in on the live connection; null without one. */
  #user: string | null = null;
  /** The appends that wait for their answer, by request id. */
  #asked = new Map<number, Append>();
  /** Rooms whose next append waits for a moment named by the gateway. */
  #held = new Map<string, ReturnType<typeof setTimeout>>();
  #refusals = new Map<string, number>();
  readonly #parts: OutboxParts;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#unsent = load(parts.storage);
  }

  get unsent(): readonly Unsent[] {
    return this.#unsent;
  }

  has(key: string): boolean {
    return this.#unsent.some(({ append }) => append.key === key);
  }

  add(append: Append): HubbubError | null {
    if (this.#unsent.length >= UNSENT_MAX) {
      return new HubbubError(
        "outbox_full",
        `${UNSENT_MAX} messages wait to be sent; wait until some have gone.`,
      );
    }
    this.#change([...this.#unsent, { append, attempted: null }]);
    this.#pump(append.room);
    return null;
  }

  /** Gives up what has not been sent; false if it is not here. */
  discard(key: string): boolean {
    const found = this.#unsent.find(({ append }) => append.key === key);
    if (!found) return false;
    this.#settle(found.append, { kind: "refused", error: new HubbubError("discarded", "It was given up.") });
    return true;
  }

  /** A connection stands: what has no answer is sent again, unless that could double it. */
  live(user: string): void {
    this.#user = user;
    const late = this.#unsent.filter(
      ({ attempted }) => attempted && (attempted.user !== user || isLate(attempted)),
    );
    for (const { append } of late) this.#settle(append, { kind: "refused", error: unknown() });
    for (const room of new Set(this.#unsent.map(({ append }) => append.room))) this.#pump(room);
  }

  lost(): void {
    this.#user = null;
    this.#asked.clear();
    for (const timer of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }

  /** What a `sent` or `error` answers, if it is one of ours. */
  asked(id: number): Append | null {
    return this.#asked.get(id) ?? null;
  }

  sent(id: number, sent: Sent): void {
    const append = this.#asked.get(id);
    if (!append) return;
    this.#asked.delete(id);
    this.#settle(append, { kind: "sent", sent });
  }

  refused(id: number, frame: ErrorFrame): void {
    const append = this.#asked.get(id);
    if (!append) return;
    this.#asked.delete(id);
    const error = HubbubError.from(frame);
    if (!mayRetry(frame.code)) {
      this.#settle(append, { kind: "refused", error });
      return;
    }
    if (frame.code === "rate_limited") {
      // A duplicate is never refused, so nothing of it is in the log.
      this.#replace(append.key, null);
      const refusals = (this.#refusals.get(append.key) ?? 0) + 1;
      this.#refusals.set(append.key, refusals);
      if (refusals >= REFUSALS_MAX) {
        this.#settle(append, { kind: "refused", error });
        return;
      }
    }
    this.#hold(append.room, frame.retry_after_ms ?? RETRY_AFTER_MS);
  }

  /** Nothing more will be sent until there is a connection again. */
  #hold(room: string, delay_ms: number): void {
    const timer = setTimeout(() => {
      this.#held.delete(room);
      this.#pump(room);
    }, delay_ms);
    this.#held.set(room, timer);
  }

  /** Sends the room's next append, if nothing is in its way. */
  #pump(room: string): void {
    if (this.#user === null || this.#held.has(room)) return;
    if ([...this.#asked.values()].some((append) => append.room === room)) return;
    const next = this.#unsent.find(({ append }) => append.room === room);
    if (!next) return;
    const { append, attempted } = next;
    if (attempted && isLate(attempted)) {
      this.#settle(append, { kind: "refused", error: unknown() });
      return;
    }
    if (!attempted) this.#replace(append.key, { at_ms: Date.now(), user: this.#user });
    const id = this.#parts.nextId();
    this.#asked.set(id, append);
    const error = this.#parts.send({ ...append, id });
    if (error) {
      this.#asked.delete(id);
      this.#settle(append, { kind: "refused", error });
    }
  }

  #replace(key: string, attempted: Unsent["attempted"]): void {
    this.#change(
      this.#unsent.map((unsent) => (unsent.append.key === key ? { ...unsent, attempted } : unsent)),
    );
  }

  #settle(append: Append, outcome: Outcome): void {
    this.#refusals.delete(append.key);
    for (const [id, asked] of this.#asked) if (asked.key === append.key) this.#asked.delete(id);
    this.#change(this.#unsent.filter((unsent) => unsent.append.key !== append.key));
    this.#parts.settled(append, outcome);
    this.#pump(append.room);
  }

  #change(unsent: Unsent[]): void {
    this.#unsent = unsent;
    keep(this.#parts.storage, STORAGE_KEY, unsent.length === 0 ? null : JSON.stringify(unsent));
    this.#parts.changed(unsent);
  }
}

function isLate(attempted: { at_ms: number }): boolean {
  return Date.now() - attempted.at_ms > REPEAT_WITHIN_MS;
}

function unknown(): HubbubError {
  return new HubbubError(
    "outcome_unknown",
    "The connection broke before the answer came. See if it arrived.",
  );
}

/** Reads back what an earlier page wrote; anything else is as good as nothing. */
function load(storage: KeptStorage | undefined): Unsent[] {
  try {
    const value: unknown = JSON.parse(kept(storage, STORAGE_KEY) ?? "[]");
    return Array.isArray(value) ? value.filter(isUnsent) : [];
  } catch {
    return [];
  }
}

function isUnsent(value: unknown): value is Unsent {
  if (typeof value !== "object" || value === null || !("append" in value)) return false;
  const { append } = value;
  if (typeof append !== "object" || append === null) return false;
  return (
    "key" in append && typeof append.key === "string" && "room" in append && typeof append.room === "string"
  );
}
