import { parse, write } from "../../protocol/codec";
import { CloseCode, type ServerFrame, type Welcome } from "../../protocol/generated";
import type { Credentials } from "../credentials";
import type { OpenSocket, Socket } from "../transport/transport";
import type { Cause, Effect, Event, State, Timer } from "./state";
import { step } from "./step";

/** What comes up from the connection. */
export interface ConnectionNews {
  state(state: State): void;
  welcomed(welcome: Welcome): void;
  frame(frame: ServerFrame): void;
  lost(): void;
  /** The gateway sent something that is no frame; it was passed over. */
  fault(reason: string): void;
}

export interface ConnectionParts {
  url: string;
  credentials: Credentials;
  openSocket: OpenSocket;
  /** A random number from 0 up to 1. */
  random: () => number;
}

/** Beyond this `setTimeout` fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Performs the effects of `step` and feeds it what comes of them. */
export class ConnectionDriver {
  #state: State = { kind: "idle" };
  #sockets = new Map<number, Socket>();
  #timers = new Map<Timer, ReturnType<typeof setTimeout>>();
  #fresh = 1;
  /** Events that came up while another was worked on; they wait, so that effects never nest. */
  #events: Event[] = [];
  #busy = false;
  readonly #parts: ConnectionParts;
  readonly #news: ConnectionNews;

  constructor(parts: ConnectionParts, news: ConnectionNews) {
    this.#parts = parts;
    this.#news = news;
  }

  get state(): State {
    return this.#state;
  }

  /** Writes a frame's text to the live connection; without one it does nothing. */
  send(frameText: string): void {
    if (this.#state.kind !== "live" && this.#state.kind !== "draining") return;
    this.#sockets.get(this.#state.live.socket)?.send(frameText);
  }

  dispatch(event: Event): void {
    this.#events.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) this.#take(next);
    } finally {
      this.#busy = false;
    }
  }

  #take(event: Event): void {
    const before = this.#state;
    const stamp = { now_ms: Date.now(), roll: this.#parts.random(), fresh: this.#fresh++ };
    const [state, effects] = step(before, { ...event, ...stamp });
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    if (shown(before) !== shown(state)) this.#news.state(state);
    if (state.kind === "stopped" && before.kind !== "stopped" && isDead(state.cause)) {
      this.#parts.credentials.refused?.();
    }
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "authenticate":
        void this.#authenticate(effect.socket, effect.refused);
        return;
      case "open":
        this.#open(effect.socket);
        return;
      case "send":
        this.#sockets.get(effect.socket)?.send(write(effect.frame));
        return;
      case "close":
        this.#sockets.get(effect.socket)?.close();
        this.#sockets.delete(effect.socket);
        return;
      case "set_timer":
        this.#clear(effect.timer);
        this.#timers.set(
          effect.timer,
          setTimeout(
            () => this.dispatch({ kind: "timer", timer: effect.timer }),
            Math.min(effect.delay_ms, LONGEST_TIMER_MS),
          ),
        );
        return;
      case "clear_timer":
        this.#clear(effect.timer);
        return;
      case "welcomed":
        this.#parts.credentials.welcomed?.(effect.welcome.session ?? null);
        this.#news.welcomed(effect.welcome);
        return;
      case "deliver":
        this.#news.frame(effect.frame);
        return;
      case "lost":
        this.#news.lost();
        return;
    }
  }

  async #authenticate(socket: number, refused: boolean): Promise<void> {
    try {
      const credential = await this.#parts.credentials.next(refused);
      this.dispatch({ kind: "credential", socket, credential });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.dispatch({ kind: "credential_failed", socket, message });
    }
  }

  #open(number: number): void {
    const closed = (code: number, reason: string) => {
      this.#sockets.delete(number);
      this.dispatch({ kind: "closed", socket: number, code, reason });
    };
    try {
      const socket = this.#parts.openSocket(this.#parts.url, {
        opened: () => this.dispatch({ kind: "opened", socket: number }),
        received: (data) => this.#received(number, data),
        closed,
      });
      this.#sockets.set(number, socket);
    } catch (error) {
      closed(1006, error instanceof Error ? error.message : String(error));
    }
  }

  #received(socket: number, data: unknown): void {
    const parsed = parse(data);
    switch (parsed.kind) {
      case "frame":
        this.dispatch({ kind: "frame", socket, frame: parsed.frame });
        return;
      case "unknown":
        return;
      case "fault":
        this.#news.fault(parsed.reason);
        return;
    }
  }

  #clear(timer: Timer): void {
    clearTimeout(this.#timers.get(timer));
    this.#timers.delete(timer);
  }
}

/** Whether the gateway said that the credential itself is of no more use. */
function isDead(cause: Cause): boolean {
  if (cause.kind !== "closed") return false;
  return cause.code === CloseCode.CredentialInvalid || cause.code === CloseCode.Revoked;
}

/** What of a state is worth telling: not every frame that was heard. */
function shown(state: State): string {
  switch (state.kind) {
    case "idle":
    case "connecting":
    case "stopped":
      return state.kind;
    case "waiting":
      return `waiting ${state.retry_at_ms}`;
    case "live":
    case "draining":
      return `${state.kind} ${state.live.connection} ${state.live.degraded}`;
  }
}
