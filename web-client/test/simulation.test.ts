/**
 * Clients and a gateway under random misfortune from a seed. Whatever happens, in the end every message is in the log
 * once and in its writer's order, and every client has handled the log in order, each entry once.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ClientFrame, HubbubClient, withToken } from "../src/sdk";
import { type FakeConnection, FakeGateway } from "./fake-gateway";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Random numbers from 0 up to 1 that a seed repeats (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Plan {
  readonly gateway = new FakeGateway();
  readonly roll: () => number;
  /** What each client wrote, what it handled, and what it wrote without wanting it back. */
  readonly clients: {
    name: string;
    client: HubbubClient;
    heard: string[];
    wrote: string[];
    quiet: Set<string>;
  }[] = [];
  readonly missed: string[] = [];
  #written = 0;

  constructor(seed: number) {
    this.roll = dice(seed);
    this.gateway.intercept = (frame, connection) => this.#misfortune(frame, connection);
    for (const name of ["ada", "bob", "eve"]) {
      const client = new HubbubClient({
        url: "",
        credentials: withToken(() => name),
        openSocket: this.gateway.openSocket,
        random: this.roll,
      });
      const heard: string[] = [];
      client.on("message", ({ data }) => heard.push(String(data)));
      client.on("missed", ({ reason }) => this.missed.push(`${name} ${reason}`));
      this.clients.push({ name, client, heard, wrote: [], quiet: new Set() });
    }
  }

  async run(steps: number): Promise<void> {
    for (const { client } of this.clients) {
      client.start();
      void client.join("room");
    }
    await vi.advanceTimersByTimeAsync(0);
    for (let at = 0; at < steps; at += 1) {
      this.#step();
      await vi.advanceTimersByTimeAsync(Math.floor(this.roll() ** 3 * 3_000));
    }
    this.gateway.intercept = () => false;
    this.gateway.restart({ forgets: false });
    await vi.advanceTimersByTimeAsync(60_000);
    await vi.advanceTimersByTimeAsync(60_000);
  }

  #step(): void {
    const { gateway } = this;
    const live = gateway.live[Math.floor(this.roll() * gateway.live.length)];
    const luck = this.roll();
    if (luck < 0.6) this.#write();
    else if (luck < 0.7) live?.close(1006);
    else if (luck < 0.75) live?.close(4002);
    else if (luck < 0.85)
      live?.send({ type: "draining", reconnect_within_ms: Math.floor(this.roll() * 2_000) });
    else if (luck < 0.9) gateway.crash();
    else gateway.restart({ forgets: false });
  }

  #write(): void {
    const writer = this.clients[Math.floor(this.roll() * this.clients.length)];
    if (!writer) return;
    const text = `${writer.name} ${++this.#written}`;
    const echo = this.roll() < 0.7;
    writer.wrote.push(text);
    if (!echo) writer.quiet.add(text);
    void writer.client.send("room", text, { echo });
  }

  /** Refuses, or keeps the answer back, or loses the connection with the answer on its way. */
  #misfortune(frame: ClientFrame, connection: FakeConnection): boolean {
    if (frame.type !== "send") return false;
    const luck = this.roll();
    const id = frame.id ?? 0;
    if (luck < 0.1) {
      connection.send({ type: "error", id, code: "rate_limited", message: "slow down", retry_after_ms: 300 });
      return true;
    }
    if (luck < 0.2 && frame.echo !== false) {
      const send = connection.send.bind(connection);
      connection.send = (answer) => {
        if (typeof answer === "string" || answer.type !== "sent") return send(answer);
        connection.send = send;
        send({ type: "error", id, code: "unavailable", message: "who knows", retry_after_ms: 200 });
      };
    } else if (luck < 0.25) {
      connection.send = () => {};
      connection.close(1006);
    }
    return false;
  }
}

test.each(Array.from({ length: 40 }, (_, seed) => seed + 1))("seed %i", async (seed) => {
  const plan = new Plan(seed);
  await plan.run(150);
  const entries = plan.gateway.entries("room");
  const log = entries.flatMap((entry) => (entry.type === "message" ? [String(entry.data)] : []));
  for (const { name, client, heard, wrote, quiet } of plan.clients) {
    expect(client.state.kind).toBe("live");
    expect(client.unsent).toEqual([]);
    expect(log.filter((text) => text.startsWith(name))).toEqual(wrote);
    // One's own that one did not want back may come all the same, with a replay.
    const wanted = (text: string) => !quiet.has(text) || heard.includes(text);
    expect(heard).toEqual(log.filter(wanted));
    expect(client.position("room")).toMatchObject({ seq: log.length });
  }
  expect(plan.missed).toEqual([]);
  expect(log.length).toBeGreaterThan(40);
});
