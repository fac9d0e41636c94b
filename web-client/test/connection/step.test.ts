import { describe, expect, test } from "vitest";
import type { ErrorFrame, ServerFrame, Welcome } from "../../src/protocol/generated";
import type { Effect, Event, State } from "../../src/sdk/connection/state";
import {
  PROBE_WITHIN_MS,
  SILENCE_SLACK_MS,
  STABLE_AFTER_MS,
  step,
  WELCOME_WITHIN_MS,
} from "../../src/sdk/connection/step";

const HEARTBEAT_MS = 25_000;

/** Walks through events by hand: time stands still unless told, and every roll is one half. */
class Walk {
  state: State = { kind: "idle" };
  effects: Effect[] = [];
  now_ms = 1_000_000;
  roll = 0.5;
  #fresh = 1;

  does(event: Event): this {
    const stamp = { now_ms: this.now_ms, roll: this.roll, fresh: this.#fresh++ };
    [this.state, this.effects] = step(this.state, { ...event, ...stamp });
    return this;
  }

  later(ms: number): this {
    this.now_ms += ms;
    return this;
  }

  /** The socket of the try under way. */
  get attempt(): number {
    const { state } = this;
    const attempt = state.kind === "connecting" || state.kind === "draining" ? state.attempt : null;
    if (!attempt) throw new Error(`no try under way in ${state.kind}`);
    return attempt.socket;
  }

  get socket(): number {
    if (this.state.kind !== "live" && this.state.kind !== "draining") throw new Error("not live");
    return this.state.live.socket;
  }

  greets(credential = { token: "t" }): this {
    this.does({ kind: "credential", socket: this.attempt, credential });
    return this.does({ kind: "opened", socket: this.attempt });
  }

  welcomed(connection = "c1"): this {
    return this.does({ kind: "frame", socket: this.attempt, frame: welcome(connection) });
  }

  hears(frame: ServerFrame): this {
    return this.does({ kind: "frame", socket: this.socket, frame });
  }

  live(): this {
    return this.does({ kind: "start" }).greets().welcomed();
  }

  timer(name: string): number | undefined {
    return this.effects.flatMap((e) => (e.kind === "set_timer" && e.timer === name ? [e.delay_ms] : []))[0];
  }

  get kinds(): string[] {
    return this.effects.map(({ kind }) => kind);
  }
}

function welcome(connection: string): Welcome {
  return {
    type: "welcome",
    id: 0,
    connection,
    replica: "r",
    time: 0,
    user: { id: "ada" },
    heartbeat_ms: HEARTBEAT_MS,
    limits: {
      frame_bytes: 65_536,
      data_bytes: 32_768,
      key_bytes: 64,
      reply_bytes: 262_144,
      rooms: 128,
      history: 500,
      pipeline: 64,
    },
  };
}

const error = (more: Partial<ErrorFrame>): ErrorFrame => ({
  type: "error",
  code: "unavailable",
  message: "not now",
  ...more,
});

describe("opening", () => {
  test("a start asks for a credential, opens a socket, says hello and is live at welcome", () => {
    const walk = new Walk().does({ kind: "start" });
    expect(walk.effects).toContainEqual({ kind: "authenticate", socket: walk.attempt, refused: false });
    walk.does({ kind: "credential", socket: walk.attempt, credential: { guest: { name: "Ada" } } });
    expect(walk.kinds).toEqual(["open"]);
    walk.does({ kind: "opened", socket: walk.attempt });
    expect(walk.effects).toMatchObject([
      {
        kind: "send",
        frame: { type: "hello", id: 0, guest: { name: "Ada" }, client: { name: "hubbub-js" } },
      },
    ]);
    walk.welcomed();
    expect(walk.state.kind).toBe("live");
    expect(walk.kinds).toContain("welcomed");
  });

  test("a gateway that does not welcome in time is tried again", () => {
    const walk = new Walk().does({ kind: "start" });
    expect(walk.timer("welcome")).toBe(WELCOME_WITHIN_MS);
    walk.greets().does({ kind: "timer", timer: "welcome" });
    expect(walk.state).toMatchObject({ kind: "waiting", cause: { kind: "silent" } });
    expect(walk.kinds).toContain("close");
  });

  test("events of a socket that is no longer wanted change nothing", () => {
    const walk = new Walk().does({ kind: "start" }).greets();
    const old = walk.attempt;
    walk
      .does({ kind: "closed", socket: old, code: 1006, reason: "" })
      .does({ kind: "timer", timer: "retry" });
    const before = walk.state;
    walk.does({ kind: "frame", socket: old, frame: welcome("late") });
    walk.does({ kind: "closed", socket: old, code: 4504, reason: "" });
    expect(walk.state).toEqual(before);
  });

  test("no credential ends the client; a failure to get one is tried again", () => {
    const none = new Walk().does({ kind: "start" });
    none.does({ kind: "credential", socket: none.attempt, credential: null });
    expect(none.state).toMatchObject({ kind: "stopped", cause: { kind: "credential_missing" } });
    const failing = new Walk().does({ kind: "start" });
    failing.does({ kind: "credential_failed", socket: failing.attempt, message: "offline" });
    expect(failing.state).toMatchObject({ kind: "waiting", cause: { message: "offline" } });
  });
});

describe("coming back", () => {
  test("waits grow with each failure and start anew after a stable connection", () => {
    const walk = new Walk().does({ kind: "start" });
    const delays: (number | undefined)[] = [];
    for (let tries = 0; tries < 4; tries += 1) {
      walk.greets().does({ kind: "closed", socket: walk.attempt, code: 1006, reason: "" });
      delays.push(walk.timer("retry"));
      walk.does({ kind: "timer", timer: "retry" });
    }
    expect(delays).toEqual([500, 1000, 2000, 4000]);
    walk.greets().welcomed().later(STABLE_AFTER_MS);
    walk.does({ kind: "closed", socket: walk.socket, code: 1006, reason: "" });
    expect(walk.timer("retry")).toBe(500);
  });

  test("a connection that breaks at once after welcome counts as a failure", () => {
    const walk = new Walk().live();
    walk.does({ kind: "closed", socket: walk.socket, code: 1006, reason: "" });
    walk.does({ kind: "timer", timer: "retry" }).greets().welcomed();
    walk.does({ kind: "closed", socket: walk.socket, code: 1006, reason: "" });
    expect(walk.timer("retry")).toBe(1000);
  });

  test("the gateway's retry_after_ms comes before the jitter, for a refused hello and for a live connection", () => {
    const refused = new Walk().does({ kind: "start" }).greets();
    const frame = error({ id: 0, retry_after_ms: 5_000 });
    refused.does({ kind: "frame", socket: refused.attempt, frame });
    refused.does({ kind: "closed", socket: refused.attempt, code: 4006, reason: "" });
    expect(refused.timer("retry")).toBe(5_500);
    const live = new Walk().live().hears(error({ code: "rate_limited", retry_after_ms: 8_000 }));
    live.does({ kind: "closed", socket: live.socket, code: 4009, reason: "" });
    expect(live.timer("retry")).toBe(8_500);
    expect(live.state).toMatchObject({ cause: { code: 4009, error: { code: "rate_limited" } } });
  });

  test("an error long before the close is not its reason", () => {
    const walk = new Walk().live().hears(error({ retry_after_ms: 8_000 }));
    walk.hears({ type: "signal", room: "r", data: 1 });
    walk.does({ kind: "closed", socket: walk.socket, code: 1006, reason: "" });
    expect(walk.timer("retry")).toBe(500);
  });

  test("waking up ends the wait, but not one that the gateway asked for", () => {
    const walk = new Walk().live();
    walk.does({ kind: "closed", socket: walk.socket, code: 1006, reason: "" }).does({ kind: "wake" });
    expect(walk.state.kind).toBe("connecting");
    const asked = new Walk().live().hears(error({ retry_after_ms: 8_000 }));
    asked.does({ kind: "closed", socket: asked.socket, code: 4009, reason: "" });
    expect(asked.later(7_999).does({ kind: "wake" }).state.kind).toBe("waiting");
    expect(asked.later(1).does({ kind: "wake" }).state.kind).toBe("connecting");
  });
});

describe("staying away", () => {
  test("a code from 4500 on stops the client and says why, at hello and later", () => {
    const live = new Walk().live().hears(error({ code: "unauthenticated", message: "revoked" }));
    live.does({ kind: "closed", socket: live.socket, code: 4504, reason: "" });
    expect(live.state).toMatchObject({
      kind: "stopped",
      cause: { code: 4504, error: { message: "revoked" } },
    });
    expect(live.kinds).toContain("lost");
    const hello = new Walk().does({ kind: "start" }).greets();
    hello.does({ kind: "closed", socket: hello.attempt, code: 4503, reason: "" });
    expect(hello.state).toMatchObject({ kind: "stopped", cause: { code: 4503 } });
  });

  test("a stopped client can be started again", () => {
    const walk = new Walk().live().does({ kind: "stop" });
    expect(walk.state).toMatchObject({ kind: "stopped", cause: { kind: "asked_to_stop" } });
    expect(walk.does({ kind: "start" }).state.kind).toBe("connecting");
  });

  test("4003 asks for a fresh credential", () => {
    const walk = new Walk().live();
    walk.does({ kind: "closed", socket: walk.socket, code: 4003, reason: "" });
    walk.does({ kind: "timer", timer: "retry" });
    expect(walk.effects).toContainEqual({ kind: "authenticate", socket: walk.attempt, refused: true });
  });
});

describe("signs of life", () => {
  test("a ping is answered with a pong", () => {
    const walk = new Walk().live().hears({ type: "ping" });
    expect(walk.effects).toEqual([{ kind: "send", socket: walk.socket, frame: { type: "pong" } }]);
  });

  test("two heartbeats of silence end the connection; any frame puts that off", () => {
    const silence = 2 * HEARTBEAT_MS + SILENCE_SLACK_MS;
    const walk = new Walk().live();
    expect(walk.timer("watch")).toBe(silence);
    walk.later(HEARTBEAT_MS).hears({ type: "ping" });
    walk.later(silence - HEARTBEAT_MS).does({ kind: "timer", timer: "watch" });
    expect(walk.state.kind).toBe("live");
    expect(walk.timer("watch")).toBe(HEARTBEAT_MS);
    walk.later(HEARTBEAT_MS).does({ kind: "timer", timer: "watch" });
    expect(walk.state).toMatchObject({ kind: "waiting", cause: { kind: "silent" } });
    expect(walk.kinds).toEqual(expect.arrayContaining(["close", "lost"]));
  });

  test("a page that wakes up asks for a sign of life and does not wait long for it", () => {
    const walk = new Walk().live().does({ kind: "wake" });
    expect(walk.effects).toContainEqual(expect.objectContaining({ frame: { type: "ping", id: 0 } }));
    expect(walk.timer("watch")).toBe(PROBE_WITHIN_MS);
    const answered = new Walk().live().does({ kind: "wake" }).later(100).hears({ type: "pong", id: 0 });
    expect(answered.timer("watch")).toBe(2 * HEARTBEAT_MS + SILENCE_SLACK_MS);
    walk.later(PROBE_WITHIN_MS).does({ kind: "timer", timer: "watch" });
    expect(walk.state.kind).toBe("waiting");
  });
});

describe("news of the replica", () => {
  test("degraded and restored are part of the state", () => {
    const walk = new Walk().live().hears({ type: "degraded" });
    expect(walk.state).toMatchObject({ kind: "live", live: { degraded: true } });
    expect(walk.hears({ type: "restored" }).state).toMatchObject({ live: { degraded: false } });
  });

  test("draining moves to a new connection at a random moment, and the old one serves until then", () => {
    const walk = new Walk().live().hears({ type: "draining", reconnect_within_ms: 8_000 });
    expect(walk.timer("move")).toBe(4_000);
    walk.hears({ type: "signal", room: "r", data: 1 });
    expect(walk.kinds).toContain("deliver");
    const old = walk.socket;
    walk.later(4_000).does({ kind: "timer", timer: "move" }).greets();
    expect(walk.effects).toMatchObject([{ frame: { type: "hello", replaces: "c1" } }]);
    walk.welcomed("c2");
    expect(walk.state).toMatchObject({ kind: "live", live: { connection: "c2" } });
    const order = walk.kinds.filter((kind) => ["close", "lost", "welcomed"].includes(kind));
    expect(order).toEqual(["close", "lost", "welcomed"]);
    expect(walk.effects).toContainEqual({ kind: "close", socket: old });
  });

  test("an old connection that closes first leaves the moment of return as it was drawn", () => {
    const walk = new Walk().live().hears({ type: "draining", reconnect_within_ms: 8_000 });
    walk.later(1_000).does({ kind: "closed", socket: walk.socket, code: 4001, reason: "" });
    expect(walk.state).toMatchObject({ kind: "waiting", retry_at_ms: walk.now_ms + 3_000 });
    expect(walk.timer("retry")).toBe(3_000);
  });

  test("a failed move is tried again while the old connection still serves", () => {
    const walk = new Walk().live().hears({ type: "draining", reconnect_within_ms: 8_000 });
    walk.does({ kind: "timer", timer: "move" }).greets();
    walk.does({ kind: "closed", socket: walk.attempt, code: 1006, reason: "" });
    expect(walk.state).toMatchObject({ kind: "draining", attempt: null });
    expect(walk.timer("move")).toBe(500);
    expect(walk.does({ kind: "timer", timer: "move" }).greets().welcomed("c2").state.kind).toBe("live");
  });

  test("an old connection that closes during the move hands over to it", () => {
    const walk = new Walk().live().hears({ type: "draining", reconnect_within_ms: 8_000 });
    walk.does({ kind: "timer", timer: "move" }).greets();
    walk.does({ kind: "closed", socket: walk.socket, code: 4001, reason: "" });
    expect(walk.state.kind).toBe("connecting");
    expect(walk.kinds).toContain("lost");
    expect(walk.welcomed("c2").state).toMatchObject({ kind: "live", live: { connection: "c2" } });
  });
});
