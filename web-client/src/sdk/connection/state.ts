/** What a client's connection can be, what can happen to it, and what is to be done then. */
import type { ClientFrame, ErrorCode, ErrorFrame, ServerFrame, Welcome } from "../../protocol/generated";
import type { Credential } from "../credentials";

/** Why there is no connection. */
export type Cause =
  | { kind: "closed"; code: number; reason: string; error: { code: ErrorCode; message: string } | null }
  | { kind: "silent" }
  | { kind: "credential_missing" }
  | { kind: "credential_failed"; message: string }
  | { kind: "asked_to_stop" };

/** One try to get a connection. */
export type Attempt = {
  socket: number;
  step: { kind: "authenticating" } | { kind: "opening"; credential: Credential } | { kind: "greeting" };
  refusal: ErrorFrame | null;
};

/** A connection that was welcomed. */
export type Live = {
  socket: number;
  connection: string;
  heartbeat_ms: number;
  since_ms: number;
  heard_ms: number;
  /** When a sign of life was asked for that has not come yet. */
  probed_ms: number | null;
  /** The replica has lost its backend: what is sent may have to wait. */
  degraded: boolean;
  /** The last frame, where it was an `error` of no request: the reason of the close that follows it. */
  farewell: ErrorFrame | null;
  /** Tries that failed before this one, kept until the connection has proved stable. */
  failures: number;
};

export type State =
  | { kind: "idle" }
  | { kind: "connecting"; attempt: Attempt; failures: number }
  | { kind: "live"; live: Live }
  /** The replica is about to stop. The connection still serves while another is made. */
  | { kind: "draining"; live: Live; attempt: Attempt | null; failures: number; move_at_ms: number }
  | {
      kind: "waiting";
      failures: number;
      retry_at_ms: number;
      /** What the gateway asked for; waking up does not shorten it. */
      not_before_ms: number;
      /** The last credential was refused or ran out. */
      refused: boolean;
      cause: Cause;
    }
  | { kind: "stopped"; cause: Cause };

export type Timer = "welcome" | "retry" | "move" | "watch";

export type Event =
  | { kind: "start" }
  | { kind: "stop" }
  /** The machine woke up, the network came back or the page became visible. */
  | { kind: "wake" }
  | { kind: "credential"; socket: number; credential: Credential | null }
  | { kind: "credential_failed"; socket: number; message: string }
  | { kind: "opened"; socket: number }
  | { kind: "frame"; socket: number; frame: ServerFrame }
  | { kind: "closed"; socket: number; code: number; reason: string }
  | { kind: "timer"; timer: Timer };

/** What the driver adds to every event, so that `step` needs no clock, no dice and no counter. */
export type Stamp = {
  now_ms: number;
  /** A random number from 0 up to 1. */
  roll: number;
  /** A socket number that was never used. */
  fresh: number;
};

export type Effect =
  | { kind: "authenticate"; socket: number; refused: boolean }
  | { kind: "open"; socket: number }
  | { kind: "send"; socket: number; frame: ClientFrame }
  | { kind: "close"; socket: number }
  | { kind: "set_timer"; timer: Timer; delay_ms: number }
  | { kind: "clear_timer"; timer: Timer }
  /** A connection stands; everything of an older one is over. */
  | { kind: "welcomed"; welcome: Welcome }
  /** A frame of the live connection. */
  | { kind: "deliver"; frame: ServerFrame }
  | { kind: "lost" };
