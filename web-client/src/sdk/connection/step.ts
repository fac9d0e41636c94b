/**
 * The life of a client's connection as one function without effects: `step(state, event) → [state, effects]`.
 * The driver performs the effects and reports what comes of them as further events.
 */
import type { ErrorFrame, Hello, ServerFrame } from "../../protocol/generated";
import { advice } from "./advice";
import { fullJitterMs } from "./backoff";
import type { Attempt, Cause, Effect, Event, Live, Stamp, State, Timer } from "./state";

/** From the first step of a try to its `welcome`, asking for a credential included. */
export const WELCOME_WITHIN_MS = 15_000;
/** What a network may add to the silence that two heartbeats allow. */
export const SILENCE_SLACK_MS = 5_000;
/** How long the gateway has to answer when the page wakes up. */
export const PROBE_WITHIN_MS = 5_000;
/** A connection that lasted this long ends the counting of failures. */
export const STABLE_AFTER_MS = 10_000;
/** The id of `hello` and of probes; requests count from 1. */
export const OWN_ID = 0;

const CLIENT = { name: "hubbub-js", version: "0.1.0" };

export type Step = [State, Effect[]];

export function step(state: State, event: Event & Stamp): Step {
  switch (event.kind) {
    case "start":
      return start(state, event);
    case "stop":
      return stop(state, { kind: "asked_to_stop" });
    case "wake":
      return wake(state, event);
    case "credential":
    case "credential_failed":
    case "opened":
      return advance(state, event);
    case "frame":
      return frame(state, event);
    case "closed":
      return closed(state, event);
    case "timer":
      return timer(state, event);
  }
}

const clear = (timer: Timer): Effect => ({ kind: "clear_timer", timer });
const set = (timer: Timer, delay_ms: number): Effect => ({ kind: "set_timer", timer, delay_ms });

/** The socket of a state's try and that of its connection. */
function sockets(state: State): { attempt: Attempt | null; live: Live | null } {
  switch (state.kind) {
    case "connecting":
      return { attempt: state.attempt, live: null };
    case "live":
      return { attempt: null, live: state.live };
    case "draining":
      return { attempt: state.attempt, live: state.live };
    case "idle":
    case "waiting":
    case "stopped":
      return { attempt: null, live: null };
  }
}

function begin(socket: number, refused: boolean): [Attempt, Effect[]] {
  const attempt: Attempt = { socket, step: { kind: "authenticating" }, refusal: null };
  return [attempt, [{ kind: "authenticate", socket, refused }, set("welcome", WELCOME_WITHIN_MS)]];
}

function connect(failures: number, refused: boolean, at: Stamp): Step {
  const [attempt, effects] = begin(at.fresh, refused);
  return [{ kind: "connecting", attempt, failures }, [clear("retry"), ...effects]];
}

function start(state: State, at: Stamp): Step {
  switch (state.kind) {
    case "idle":
    case "stopped":
      return connect(0, false, at);
    case "waiting":
      return wake(state, at);
    case "connecting":
    case "live":
    case "draining":
      return [state, []];
  }
}

function stop(state: State, cause: Cause): Step {
  const { attempt, live } = sockets(state);
  const effects: Effect[] = [clear("welcome"), clear("retry"), clear("move"), clear("watch")];
  if (attempt) effects.push({ kind: "close", socket: attempt.socket });
  if (live) effects.push({ kind: "close", socket: live.socket }, { kind: "lost" });
  return [{ kind: "stopped", cause }, effects];
}

function wake(state: State, at: Stamp): Step {
  if (state.kind === "waiting" && at.now_ms >= state.not_before_ms) {
    return connect(state.failures, state.refused, at);
  }
  if ((state.kind === "live" || state.kind === "draining") && state.live.probed_ms === null) {
    const live = { ...state.live, probed_ms: at.now_ms };
    const probe: Effect = { kind: "send", socket: live.socket, frame: { type: "ping", id: OWN_ID } };
    return [{ ...state, live }, [probe, set("watch", PROBE_WITHIN_MS)]];
  }
  return [state, []];
}

/** The steps of a try: a credential, an open socket, `hello`. */
function advance(
  state: State,
  event: Extract<Event, { kind: "credential" | "credential_failed" | "opened" }> & Stamp,
): Step {
  const { attempt, live } = sockets(state);
  if (!attempt || attempt.socket !== event.socket) return [state, []];
  switch (event.kind) {
    case "credential": {
      if (attempt.step.kind !== "authenticating") return [state, []];
      const credential = event.credential;
      if (!credential) return failed(state, { kind: "credential_missing" }, null, event);
      const next: Attempt = { ...attempt, step: { kind: "opening", credential } };
      return [withAttempt(state, next), [{ kind: "open", socket: attempt.socket }]];
    }
    case "credential_failed":
      return failed(state, { kind: "credential_failed", message: event.message }, null, event);
    case "opened": {
      if (attempt.step.kind !== "opening") return [state, []];
      const hello: Hello = {
        type: "hello",
        id: OWN_ID,
        ...attempt.step.credential,
        client: CLIENT,
        ...(live ? { replaces: live.connection } : {}),
      };
      const next: Attempt = { ...attempt, step: { kind: "greeting" } };
      return [withAttempt(state, next), [{ kind: "send", socket: attempt.socket, frame: hello }]];
    }
  }
}

function withAttempt(state: State, attempt: Attempt): State {
  return state.kind === "connecting" || state.kind === "draining" ? { ...state, attempt } : state;
}

function frame(state: State, event: Extract<Event, { kind: "frame" }> & Stamp): Step {
  const { attempt, live } = sockets(state);
  if (attempt?.socket === event.socket) return greeted(state, attempt, event.frame, event);
  if (live?.socket === event.socket) return heard(state, live, event.frame, event);
  return [state, []];
}

function greeted(state: State, attempt: Attempt, frame: ServerFrame, at: Stamp): Step {
  if (frame.type === "error") return [withAttempt(state, { ...attempt, refusal: frame }), []];
  if (frame.type !== "welcome") return [state, []];
  const old = sockets(state).live;
  const live: Live = {
    socket: attempt.socket,
    connection: frame.connection,
    heartbeat_ms: frame.heartbeat_ms,
    since_ms: at.now_ms,
    heard_ms: at.now_ms,
    probed_ms: null,
    degraded: false,
    farewell: null,
    failures: state.kind === "connecting" || state.kind === "draining" ? state.failures : 0,
  };
  const effects: Effect[] = [clear("welcome"), clear("move"), set("watch", silenceMs(live))];
  if (old) effects.push({ kind: "close", socket: old.socket }, { kind: "lost" });
  effects.push({ kind: "welcomed", welcome: frame });
  return [{ kind: "live", live }, effects];
}

function silenceMs(live: Live): number {
  return 2 * live.heartbeat_ms + SILENCE_SLACK_MS;
}

function heard(state: State, before: Live, frame: ServerFrame, at: Stamp): Step {
  if (state.kind !== "live" && state.kind !== "draining") return [state, []];
  const live: Live = {
    ...before,
    heard_ms: at.now_ms,
    probed_ms: null,
    farewell: frame.type === "error" && frame.id === undefined ? frame : null,
  };
  // The watch was shortened for a probe that is answered now.
  const effects: Effect[] = before.probed_ms === null ? [] : [set("watch", silenceMs(live))];
  switch (frame.type) {
    case "ping":
      effects.push({ kind: "send", socket: live.socket, frame: { type: "pong" } });
      return [{ ...state, live }, effects];
    case "degraded":
      return [{ ...state, live: { ...live, degraded: true } }, effects];
    case "restored":
      return [{ ...state, live: { ...live, degraded: false } }, effects];
    case "draining": {
      if (state.kind === "draining") return [{ ...state, live }, effects];
      const delay_ms = Math.floor(at.roll * frame.reconnect_within_ms);
      effects.push(set("move", delay_ms));
      return [
        { kind: "draining", live, attempt: null, failures: 0, move_at_ms: at.now_ms + delay_ms },
        effects,
      ];
    }
    default:
      effects.push({ kind: "deliver", frame });
      return [{ ...state, live }, effects];
  }
}

function closed(state: State, event: Extract<Event, { kind: "closed" }> & Stamp): Step {
  const { attempt, live } = sockets(state);
  if (attempt?.socket === event.socket) {
    return failed(state, closedCause(event, attempt.refusal), event.code, event, attempt.refusal);
  }
  if (live?.socket === event.socket) {
    return ended(state, live, closedCause(event, live.farewell), event.code, event);
  }
  return [state, []];
}

function closedCause(event: { code: number; reason: string }, error: ErrorFrame | null): Cause {
  return {
    kind: "closed",
    code: event.code,
    reason: event.reason,
    error: error && { code: error.code, message: error.message },
  };
}

/** A try came to nothing. */
function failed(
  state: State,
  cause: Cause,
  code: number | null,
  at: Stamp,
  refusal: ErrorFrame | null = null,
): Step {
  if (state.kind !== "connecting" && state.kind !== "draining") return [state, []];
  const what = code === null ? "come_back" : advice(code);
  const final = what === "stay_away" || cause.kind === "credential_missing";
  if (state.kind === "connecting") {
    if (final) return stop(state, cause);
    const [next, effects] = wait(state.failures, what === "fresh_credential", cause, refusal, at);
    return [next, [clear("welcome"), { kind: "close", socket: state.attempt?.socket ?? 0 }, ...effects]];
  }
  // The old connection still serves; if it ends first, that decides.
  const socket = state.attempt?.socket ?? 0;
  const failures = state.failures + 1;
  const effects: Effect[] = [clear("welcome"), { kind: "close", socket }];
  if (final) return [{ ...state, attempt: null, failures }, effects];
  const delay_ms = (refusal?.retry_after_ms ?? 0) + fullJitterMs(state.failures, at.roll);
  effects.push(set("move", delay_ms));
  return [{ ...state, attempt: null, failures, move_at_ms: at.now_ms + delay_ms }, effects];
}

/** The live connection is over. */
function ended(state: State, live: Live, cause: Cause, code: number | null, at: Stamp): Step {
  const what = code === null ? "come_back" : advice(code);
  if (what === "stay_away") return stop(state, cause);
  const over: Effect[] = [clear("watch"), { kind: "close", socket: live.socket }, { kind: "lost" }];
  if (state.kind === "draining" && what === "come_back") {
    if (state.attempt)
      return [{ kind: "connecting", attempt: state.attempt, failures: state.failures }, over];
    // The moment drawn within `reconnect_within_ms` still holds.
    const delay_ms = Math.max(0, state.move_at_ms - at.now_ms);
    const not_before_ms = state.move_at_ms;
    const { failures, move_at_ms } = state;
    const next: State = {
      kind: "waiting",
      failures,
      retry_at_ms: move_at_ms,
      not_before_ms,
      refused: false,
      cause,
    };
    return [next, [...over, clear("move"), set("retry", delay_ms)]];
  }
  const stable = at.now_ms - live.since_ms >= STABLE_AFTER_MS;
  const [next, effects] = wait(
    stable ? 0 : live.failures,
    what === "fresh_credential",
    cause,
    live.farewell,
    at,
  );
  const attempt = sockets(state).attempt;
  const rest: Effect[] = attempt ? [{ kind: "close", socket: attempt.socket }, clear("welcome")] : [];
  return [next, [...over, clear("move"), ...rest, ...effects]];
}

function wait(failures: number, refused: boolean, cause: Cause, error: ErrorFrame | null, at: Stamp): Step {
  const not_before_ms = at.now_ms + (error?.retry_after_ms ?? 0);
  const retry_at_ms = not_before_ms + fullJitterMs(failures, at.roll);
  return [
    { kind: "waiting", failures: failures + 1, retry_at_ms, not_before_ms, refused, cause },
    [set("retry", retry_at_ms - at.now_ms)],
  ];
}

function timer(state: State, event: Extract<Event, { kind: "timer" }> & Stamp): Step {
  switch (event.timer) {
    case "retry":
      return state.kind === "waiting" ? connect(state.failures, state.refused, event) : [state, []];
    case "welcome":
      return failed(state, { kind: "silent" }, null, event);
    case "move": {
      if (state.kind !== "draining" || state.attempt) return [state, []];
      const [attempt, effects] = begin(event.fresh, false);
      return [{ ...state, attempt }, effects];
    }
    case "watch":
      return watch(state, event);
  }
}

function watch(state: State, at: Stamp): Step {
  if (state.kind !== "live" && state.kind !== "draining") return [state, []];
  const { live } = state;
  const deadline_ms =
    live.probed_ms === null ? live.heard_ms + silenceMs(live) : live.probed_ms + PROBE_WITHIN_MS;
  if (at.now_ms >= deadline_ms) return ended(state, live, { kind: "silent" }, null, at);
  return [state, [set("watch", deadline_ms - at.now_ms)]];
}
