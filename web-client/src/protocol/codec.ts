/**
 * Text to frames and back: unknown in, a typed frame or a stated fault out. Nothing behind this border looks at a
 * field without knowing that it is there.
 */
import type {
  Author,
  ClientFrame,
  Entry,
  Limits,
  Me,
  Member,
  ServerFrame,
  SessionInfo,
  UnreadRoom,
} from "./generated";

export type Parsed =
  | { kind: "frame"; frame: ServerFrame }
  /** A frame of a later version of the language; to be passed over. */
  | { kind: "unknown"; type: string }
  | { kind: "fault"; reason: string };

type Check<T> = (value: unknown) => value is T;
/** Every field of a frame but `type`, each with the check of its value. */
type Shape<F> = { [K in keyof Omit<F, "type">]-?: Check<F[K]> };
type Of<K extends ServerFrame["type"]> = Extract<ServerFrame, { type: K }>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// biome-ignore lint/suspicious/noExplicitAny: codes and reasons are open sets on the wire, so any string passes as one.
const text = (value: unknown): value is any => typeof value === "string";
const number = (value: unknown): value is number => typeof value === "number";
const flag = (value: unknown): value is boolean => typeof value === "boolean";
const anything = (_value: unknown): _value is unknown => true;
const optional =
  <T>(check: Check<T>) =>
  (value: unknown): value is T | undefined =>
    value === undefined || check(value);
const list =
  <T>(check: Check<T>) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) && value.every(check);
const record =
  <T>(check: Check<T>) =>
  (value: unknown): value is Record<string, T> =>
    isObject(value) && Object.values(value).every(check);
const object =
  <T>(shape: Shape<T>) =>
  (value: unknown): value is T =>
    isObject(value) && wrongField(value, shape) === null;

function wrongField<T>(value: Record<string, unknown>, shape: Shape<T>): string | null {
  for (const [name, check] of Object.entries(shape) as [string, Check<unknown>][]) {
    if (!check(value[name])) return name;
  }
  return null;
}

const id = optional(number);
const author = object<Author>({ user: text, name: optional(text) });
const entry = {
  room: text,
  seq: number,
  pos: text,
  count: number,
  time: number,
  from: optional(author),
  key: optional(text),
};
const limits = object<Limits>({
  frame_bytes: number,
  data_bytes: number,
  key_bytes: number,
  reply_bytes: number,
  rooms: number,
  history: number,
  pipeline: number,
});
const member = object<Member>({ user: text, name: optional(text), connections: number });
const unreadRoom = object<UnreadRoom>({ read: number, head: number, unread: number });

const shapes: { [K in ServerFrame["type"]]: Shape<Of<K>> } = {
  welcome: {
    id,
    connection: text,
    replica: text,
    time: number,
    expires_at: optional(number),
    user: object<Me>({ id: text, name: optional(text) }),
    session: optional(object<SessionInfo>({ id: text, secret: optional(text) })),
    heartbeat_ms: number,
    limits,
  },
  refreshed: { id, expires_at: number },
  joined: {
    id,
    room: text,
    seq: number,
    pos: text,
    recovered: optional(flag),
    reason: optional(text),
    replayed: number,
    members: optional(number),
    read: number,
    unread: number,
  },
  left: { id, room: text },
  message: { ...entry, data: anything, deleted: optional(flag) },
  edit: { ...entry, target: text, data: anything, deleted: optional(flag) },
  delete: { ...entry, target: text },
  reaction: { ...entry, target: text, emoji: text, op: text },
  sent: { id, room: text, seq: number, pos: text, time: number, duplicate: optional(flag) },
  signal: { room: text, from: optional(author), data: anything },
  presence: {
    room: text,
    count: number,
    joined: optional(list(author)),
    left: optional(list(text)),
    resync: optional(flag),
  },
  members: { id, room: text, count: number, members: list(member), next: optional(text) },
  ok: { id },
  receipt: { room: text, user: text, seq: number, pos: text },
  unread: { id, rooms: record(unreadRoom) },
  history: { id, room: text, seq: number, pos: text, entries: list(isEntry), more: flag, trimmed: flag },
  ping: {},
  pong: { id },
  reset: { room: text, seq: number, pos: text, reason: text },
  removed: { room: text, reason: text },
  draining: { reconnect_within_ms: number },
  degraded: {},
  restored: {},
  error: { id, code: text, message: text, retry_after_ms: optional(number) },
};

function isEntry(value: unknown): value is Entry {
  if (!isObject(value)) return false;
  switch (value.type) {
    case "message":
    case "edit":
    case "delete":
    case "reaction":
      return wrongField(value, shapes[value.type] as Shape<Entry>) === null;
    default:
      return false;
  }
}

/** Reads one frame from the gateway. */
export function parse(data: unknown): Parsed {
  if (typeof data !== "string") return { kind: "fault", reason: "a frame is text" };
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return { kind: "fault", reason: "a frame is JSON" };
  }
  if (!isObject(value) || typeof value.type !== "string") {
    return { kind: "fault", reason: "a frame is an object with a `type`" };
  }
  if (!Object.hasOwn(shapes, value.type)) return { kind: "unknown", type: value.type };
  const shape = shapes[value.type as ServerFrame["type"]] as Shape<ServerFrame>;
  const wrong = wrongField(value, shape);
  if (wrong !== null)
    return { kind: "fault", reason: `\`${wrong}\` of \`${value.type}\` is missing or wrong` };
  return { kind: "frame", frame: value as ServerFrame };
}

/** Writes one frame to the gateway. */
export function write(frame: ClientFrame): string {
  return JSON.stringify(frame);
}

const encoder = new TextEncoder();

/** The size of a frame's text on the wire. */
export function sizeBytes(frameText: string): number {
  return encoder.encode(frameText).length;
}
