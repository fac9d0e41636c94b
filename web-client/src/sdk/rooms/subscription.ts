/**
 * Where a client stands in a room: the rules of protocol §3 and §4 as functions without effects.
 *
 * A position moves to an entry's when the entry was handled, to that of `joined` when its replay was handled, to that
 * of a `reset`, and to that of a `sent` which stands in its entry's place; to nothing else. It is never built and
 * never compared; only seqs are.
 */
import type {
  Entry,
  Join,
  Joined,
  Reset,
  ResetReason,
  Sent,
  UnrecoveredReason,
} from "../../protocol/generated";

export type Position = { seq: number; pos: string };

export type JoinOptions = {
  /** How many of the last entries to get where there is no position to go on from. */
  limit?: number;
  /** Whether to hear who comes and goes. */
  presence?: boolean;
  /** Whether to hear how far others have read. */
  receipts?: boolean;
};

/** Why entries may be missing. `hole`: the gateway left some out and did not say so. */
export type MissedReason = UnrecoveredReason | ResetReason | "hole";

export type Phase =
  /** Not asked for on this connection. */
  | { kind: "out" }
  /** Nothing of the room counts before the `joined` with this id. */
  | { kind: "joining"; id: number }
  | {
      kind: "in";
      /** The seq that must come next; any where it is null. */
      expected: number | null;
      /** The entries of the replay still to come and the head they lead to. */
      replay: { left: number; head: Position } | null;
    };

export type Subscription = {
  readonly room: string;
  readonly options: JoinOptions;
  readonly position: Position | null;
  readonly phase: Phase;
};

export function subscription(room: string, options: JoinOptions): Subscription {
  return { room, options, position: null, phase: { kind: "out" } };
}

/** Asks for the room, from the position on if there is one. */
export function joining(sub: Subscription, id: number): [Subscription, Join] {
  const { limit, presence = false, receipts = false } = sub.options;
  const frame: Join = {
    type: "join",
    id,
    room: sub.room,
    ...(sub.position ? { since: sub.position.pos } : {}),
    ...(limit === undefined ? {} : { limit }),
    presence,
    receipts,
  };
  return [{ ...sub, phase: { kind: "joining", id } }, frame];
}

/** The connection is gone; the position stays. */
export function out(sub: Subscription): Subscription {
  return { ...sub, phase: { kind: "out" } };
}

/** The room is entered. The second value says why entries may be missing, if so. */
export function joined(sub: Subscription, frame: Joined): [Subscription, MissedReason | null] {
  const head = { seq: frame.seq, pos: frame.pos };
  const missed = frame.recovered === false ? (frame.reason ?? "reset") : null;
  if (frame.replayed === 0) {
    return [{ ...sub, position: head, phase: { kind: "in", expected: head.seq + 1, replay: null } }, missed];
  }
  const expected = frame.recovered === true && sub.position ? sub.position.seq + 1 : null;
  const phase: Phase = { kind: "in", expected, replay: { left: frame.replayed, head } };
  return [{ ...sub, phase }, missed];
}

/**
 * What to do with an entry of this seq, or a `sent` in its place: a `hole` is handled too, after the news that
 * something is missing.
 */
export function verdict(sub: Subscription, seq: number): "handle" | "drop" | "hole" {
  if (sub.phase.kind !== "in") return "drop";
  const { expected } = sub.phase;
  if (expected === null || seq === expected) return "handle";
  return seq < expected ? "drop" : "hole";
}

/** Whether the entries that `joined` promised are still coming. */
export function isReplaying({ phase }: Subscription): boolean {
  return phase.kind === "in" && phase.replay !== null;
}

/**
 * The entry was handled, or a `sent` of `echo:false` stood in its place. A replay is over before such a `sent` comes,
 * since it ends at the head.
 */
export function handled(sub: Subscription, { seq, pos }: Entry | Sent): Subscription {
  if (sub.phase.kind !== "in") return sub;
  const { replay } = sub.phase;
  if (replay?.left === 1) {
    const { head } = replay;
    return { ...sub, position: head, phase: { kind: "in", expected: head.seq + 1, replay: null } };
  }
  const rest = replay && { ...replay, left: replay.left - 1 };
  return { ...sub, position: { seq, pos }, phase: { kind: "in", expected: seq + 1, replay: rest } };
}

/** The subscription goes on from somewhere else. */
export function reset(sub: Subscription, frame: Reset): Subscription {
  if (sub.phase.kind !== "in") return sub;
  const position = { seq: frame.seq, pos: frame.pos };
  return { ...sub, position, phase: { kind: "in", expected: frame.seq + 1, replay: null } };
}
