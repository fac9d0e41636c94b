import { sizeBytes, write } from "../protocol/codec";
import type {
  ClientFrame,
  DeleteEntry,
  EditEntry,
  ErrorFrame,
  History,
  Joined,
  Limits,
  Members,
  Message,
  ModerationAction,
  Presence,
  ReactionEntry,
  ReactionOp,
  Receipt,
  Refreshed,
  Removed,
  Sent,
  ServerFrame,
  Signal,
  Unread,
  Welcome,
} from "../protocol/generated";
import { ConnectionDriver } from "./connection/driver";
import type { State } from "./connection/state";
import type { Credentials } from "./credentials";
import { HubbubError } from "./error";
import { Emitter } from "./events";
import { type Append, Outbox, type Outcome, type Unsent } from "./outbox/outbox";
import { type Request, Requests } from "./requests/requests";
import { Rooms } from "./rooms/rooms";
import type { JoinOptions, MissedReason, Position } from "./rooms/subscription";
import type { KeptStorage } from "./storage";
import type { OpenSocket } from "./transport/transport";
import { onWake } from "./transport/wake";
import { openWebSocket } from "./transport/websocket";

export interface ClientOptions {
  /** `wss://…/v1/ws`. */
  url: string;
  credentials: Credentials;
  /** Keeps what is unsent over a reload; `sessionStorage` fits, since a queue belongs to one tab. */
  storage?: KeptStorage;
  /** How long a request may wait for its answer, reconnects included. */
  answer_within_ms?: number;
  openSocket?: OpenSocket;
  /** A random number from 0 up to 1; spreads reconnects. */
  random?: () => number;
}

/** What `on` can listen to. */
export interface ClientEvents {
  state: State;
  welcome: Welcome;
  joined: Joined;
  /** Entries of a room may be missing from here on; `history` has what there is. */
  missed: { room: string; reason: MissedReason };
  /** The room is joined no more, by the gateway's will. */
  removed: Removed;
  /** The room could not be entered, or not again after a reconnect. */
  join_refused: { room: string; error: HubbubError };
  message: Message;
  edit: EditEntry;
  delete: DeleteEntry;
  reaction: ReactionEntry;
  signal: Signal;
  presence: Presence;
  receipt: Receipt;
  /** What waits to be sent, after every change of it. */
  unsent: readonly Unsent[];
  sent: { append: Append; sent: Sent };
  refused: { append: Append; error: HubbubError };
  /** An error that answers no request. */
  error: HubbubError;
  /** Something came that is no frame; it was passed over. */
  fault: string;
}

export interface SendOptions {
  /** What makes a retry the same message; up to 64 bytes. Made if absent. */
  key?: string;
  /** `false`: the own message does not come back as an entry. */
  echo?: boolean;
}

const ANSWER_WITHIN_MS = 15_000;
/** What the gateway takes before it has told its own limit, in bytes. */
const FRAME_BYTES = 65_536;

/**
 * A client of one gateway. It connects, stays connected, keeps its rooms joined and its position in them, and sends
 * what was not yet sent.
 */
export class HubbubClient {
  #events = new Emitter<ClientEvents>();
  #welcome: Welcome | null = null;
  #lastId = 0;
  /** The promises of `send` and its kin, by key. */
  #promises = new Map<string, { resolve: (sent: Sent) => void; reject: (error: HubbubError) => void }>();
  #stopWaking: () => void = () => {};
  readonly #answerWithinMs: number;
  readonly #connection: ConnectionDriver;
  readonly #rooms: Rooms;
  readonly #requests: Requests;
  readonly #outbox: Outbox;

  constructor(options: ClientOptions) {
    this.#answerWithinMs = options.answer_within_ms ?? ANSWER_WITHIN_MS;
    const nextId = () => this.#nextId();
    const send = (frame: ClientFrame) => this.#send(frame);
    this.#rooms = new Rooms({
      send,
      nextId,
      tell: (frame) => this.#events.emit(frame.type, frame as never),
      missed: (room, reason) => this.#events.emit("missed", { room, reason }),
      refused: (room, error) => this.#events.emit("join_refused", { room, error }),
    });
    this.#requests = new Requests(send);
    this.#outbox = new Outbox({
      send,
      nextId,
      settled: (append, outcome) => this.#settled(append, outcome),
      changed: (unsent) => this.#events.emit("unsent", unsent),
      storage: options.storage,
    });
    this.#connection = new ConnectionDriver(
      {
        url: options.url,
        credentials: options.credentials,
        openSocket: options.openSocket ?? openWebSocket,
        random: options.random ?? Math.random,
      },
      {
        state: (state) => this.#changed(state),
        welcomed: (welcome) => this.#welcomed(welcome),
        frame: (frame) => this.#frame(frame),
        lost: () => this.#lost(),
        fault: (reason) => this.#events.emit("fault", reason),
      },
    );
  }

  /** Calls `listener` at every such event until the function returned is called. */
  on<K extends keyof ClientEvents>(type: K, listener: (event: ClientEvents[K]) => void): () => void {
    return this.#events.on(type, listener);
  }

  get state(): State {
    return this.#connection.state;
  }

  /** The last `welcome`: who is logged in, and the limits in force. */
  get welcome(): Welcome | null {
    return this.#welcome;
  }

  get unsent(): readonly Unsent[] {
    return this.#outbox.unsent;
  }

  /** The rooms that are joined, or will be as soon as there is a connection. */
  get rooms(): string[] {
    return this.#rooms.names;
  }

  /** The last position in a room up to which everything was handled. */
  position(room: string): Position | null {
    return this.#rooms.position(room);
  }

  /** Connects and stays connected. Also ends a wait for the next try, as far as the gateway allows. */
  start(): void {
    this.#stopWaking();
    this.#stopWaking = onWake(() => this.#connection.dispatch({ kind: "wake" }));
    this.#connection.dispatch({ kind: "start" });
  }

  /** Disconnects and stays away until the next `start`. What is unsent is kept. */
  stop(): void {
    this.#connection.dispatch({ kind: "stop" });
  }

  /**
   * Enters a room and stays in it over reconnects; resolves when it is entered for the first time. Its entries come
   * as events, in order, from the answer on.
   */
  join(room: string, options: JoinOptions = {}): Promise<Joined> {
    return this.#rooms.join(room, options);
  }

  leave(room: string): void {
    if (this.#rooms.leave(room)) this.#send({ type: "leave", room });
  }

  /**
   * Appends a message; resolves when it is in the log. While there is no connection it waits, and it is sent again
   * with the same key until the answer is known, so it is there exactly once.
   */
  send(room: string, data: unknown, { key, echo }: SendOptions = {}): Promise<Sent> {
    return this.#append({
      type: "send",
      room,
      key: key ?? newKey(),
      data: json(data),
      ...(echo === undefined ? {} : { echo }),
    });
  }

  /** Replaces the data of the message at `target`. */
  edit(room: string, target: string, data: unknown): Promise<Sent> {
    return this.#append({ type: "edit", room, key: newKey(), target, data: json(data) });
  }

  /** Takes the message at `target` back. */
  delete(room: string, target: string): Promise<Sent> {
    return this.#append({ type: "delete", room, key: newKey(), target });
  }

  react(room: string, target: string, emoji: string, op: ReactionOp = "add"): Promise<Sent> {
    return this.#append({ type: "react", room, key: newKey(), target, emoji, op });
  }

  /** Gives up what is unsent under this key. It may have arrived all the same. */
  discard(key: string): boolean {
    return this.#outbox.discard(key);
  }

  /** Tells the others in a joined room something that is never stored; without a connection it is lost. */
  signal(room: string, data: unknown): void {
    this.#send({ type: "signal", room, data: json(data) });
  }

  /** One page of who is in a room, ordered by user id. */
  members(room: string, page: { limit?: number; after?: string } = {}): Promise<Members> {
    return this.#ask({ type: "members", room, ...page }, "members");
  }

  /** Moves the own read marker forward. */
  async read(room: string, pos: string): Promise<void> {
    await this.#ask({ type: "read", room, pos }, "ok");
  }

  unread(rooms: string[]): Promise<Unread> {
    return this.#ask({ type: "unread", rooms }, "unread");
  }

  /** A part of a room's log, oldest first; with neither `before` nor `after` the newest. */
  history(room: string, part: { before?: string; after?: string; limit?: number } = {}): Promise<History> {
    return this.#ask({ type: "history", room, ...part }, "history");
  }

  async moderate(
    room: string,
    user: string,
    action: ModerationAction,
    { for_ms, reason }: { for_ms?: number; reason?: string } = {},
  ): Promise<void> {
    const more = { ...(for_ms === undefined ? {} : { for_ms }), ...(reason === undefined ? {} : { reason }) };
    await this.#ask({ type: "moderate", room, user, action, ...more }, "ok");
  }

  /** Exchanges the token of the live connection for a newer one of the same user. */
  refresh(token: string): Promise<Refreshed> {
    return this.#ask({ type: "refresh", token }, "refreshed");
  }

  #append(append: Append): Promise<Sent> {
    if (this.#outbox.has(append.key)) {
      return Promise.reject(
        new HubbubError("bad_request", `Something with the key ${append.key} waits already.`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#promises.set(append.key, { resolve, reject });
      const error = this.#outbox.add(append);
      if (error) this.#settled(append, { kind: "refused", error });
    });
  }

  #settled(append: Append, outcome: Outcome): void {
    const promise = this.#promises.get(append.key);
    this.#promises.delete(append.key);
    switch (outcome.kind) {
      case "sent":
        promise?.resolve(outcome.sent);
        this.#events.emit("sent", { append, sent: outcome.sent });
        return;
      case "refused":
        promise?.reject(outcome.error);
        this.#events.emit("refused", { append, error: outcome.error });
        return;
    }
  }

  async #ask<K extends ServerFrame["type"]>(
    request: Request,
    type: K,
  ): Promise<Extract<ServerFrame, { type: K }>> {
    if (this.state.kind === "stopped") throw stopped();
    const answer = await this.#requests.ask(this.#nextId(), request, this.#answerWithinMs);
    if (answer.type === type) return answer as Extract<ServerFrame, { type: K }>;
    throw new HubbubError("internal", `The gateway answered ${request.type} with ${answer.type}.`);
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % 0xffff_ffff) + 1;
    return this.#lastId;
  }

  /** Writes to the live connection, if there is one. A frame that is too large would end the connection for good. */
  #send(frame: ClientFrame): HubbubError | null {
    const frameText = write(frame);
    const limits: Limits | null = this.#welcome?.limits ?? null;
    const most = limits?.frame_bytes ?? FRAME_BYTES;
    const bytes = sizeBytes(frameText);
    if (bytes > most) {
      return new HubbubError(
        "too_large",
        `This has ${bytes} bytes and at most ${most} can be sent; shorten it.`,
      );
    }
    this.#connection.send(frameText);
    return null;
  }

  #changed(state: State): void {
    if (state.kind === "stopped") {
      this.#stopWaking();
      this.#requests.stop(stopped());
      this.#rooms.stop(stopped());
    }
    this.#events.emit("state", state);
  }

  #welcomed(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#rooms.live();
    this.#requests.live();
    this.#outbox.live(welcome.user.id);
    // Last, since what a listener asks for now must not be asked for twice.
    this.#events.emit("welcome", welcome);
  }

  #lost(): void {
    this.#rooms.lost();
    this.#outbox.lost();
  }

  #frame(frame: ServerFrame): void {
    switch (frame.type) {
      case "joined":
      case "left":
      case "message":
      case "edit":
      case "delete":
      case "reaction":
      case "signal":
      case "presence":
      case "receipt":
      case "reset":
      case "removed":
        this.#rooms.take(frame);
        return;
      case "sent":
        this.#sent(frame);
        return;
      case "error":
        this.#error(frame);
        return;
      case "refreshed":
      case "members":
      case "ok":
      case "unread":
      case "history":
        this.#requests.answer(frame);
        return;
      // The connection itself has seen to these.
      case "welcome":
      case "ping":
      case "pong":
      case "draining":
      case "degraded":
      case "restored":
        return;
    }
  }

  #sent(frame: Sent): void {
    if (frame.id === undefined) return;
    const append = this.#outbox.asked(frame.id);
    if (append?.type === "send" && append.echo === false) this.#rooms.sent(frame);
    this.#outbox.sent(frame.id, frame);
  }

  #error(frame: ErrorFrame): void {
    if (frame.id === undefined) {
      this.#events.emit("error", HubbubError.from(frame));
      return;
    }
    if (this.#rooms.refused(frame) || this.#requests.answer(frame)) return;
    this.#outbox.refused(frame.id, frame);
  }
}

function stopped(): HubbubError {
  return new HubbubError("stopped", "The client is stopped; start it again first.");
}

/** Data as it will be on the wire, so that later changes of the caller's object change nothing. */
function json(data: unknown): unknown {
  const value = JSON.stringify(data);
  if (value === undefined) throw new TypeError("Data must be a JSON value; use null for nothing.");
  return JSON.parse(value);
}

function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
