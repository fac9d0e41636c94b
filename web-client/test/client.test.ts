import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asGuest, type ClientOptions, HubbubClient, HubbubError, type Message, withToken } from "../src/sdk";
import { FakeGateway } from "./fake-gateway";
import { memoryStorage } from "./memory-storage";

let gateway: FakeGateway;
beforeEach(() => {
  vi.useFakeTimers();
  gateway = new FakeGateway();
});
afterEach(() => vi.useRealTimers());

/** Lets everything that is under way happen, then so much time pass. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

function client(options: Partial<ClientOptions> = {}): HubbubClient {
  return new HubbubClient({
    url: "ws://gateway/v1/ws",
    credentials: withToken(() => "ada"),
    openSocket: gateway.openSocket,
    random: () => 0.5,
    ...options,
  });
}

/** A client that is live, and the texts of every message it handled. */
async function live(options: Partial<ClientOptions> = {}): Promise<{ ada: HubbubClient; heard: string[] }> {
  const ada = client(options);
  const heard: string[] = [];
  ada.on("message", (message) => heard.push(text(message)));
  ada.start();
  await pass();
  expect(ada.state.kind).toBe("live");
  return { ada, heard };
}

const text = ({ data }: Message) => (data as { text: string }).text;

describe("logging in", () => {
  test("a guest comes back as the same guest after a reload", async () => {
    const storage = memoryStorage();
    const { ada } = await live({ credentials: asGuest("Ada", storage) });
    const first = ada.welcome?.user.id;
    ada.stop();
    const { ada: again } = await live({ credentials: asGuest("Ada", storage) });
    expect(again.welcome?.user.id).toBe(first);
    expect(gateway.got("hello").map(({ session }) => session !== undefined)).toEqual([false, true]);
  });

  test("a guest whose session is not known any more becomes a new guest", async () => {
    const storage = memoryStorage();
    const { ada } = await live({ credentials: asGuest("Ada", storage) });
    gateway.crash();
    gateway.restart({ forgets: true });
    await pass(1_000);
    await pass(2_000);
    expect(ada.state.kind).toBe("live");
    expect(gateway.got("hello").at(-1)).toMatchObject({ guest: { name: "Ada" } });
  });

  test("a token that was refused is asked for again, as a fresh one", async () => {
    const asked: boolean[] = [];
    const token = (refused: boolean) => {
      asked.push(refused);
      return refused ? "ada" : "expired";
    };
    const ada = client({ credentials: withToken(token) });
    ada.start();
    await pass(1_000);
    expect(ada.state.kind).toBe("live");
    expect(asked).toEqual([false, true]);
  });
});

describe("rooms", () => {
  test("a first join replays the last entries and then carries the live ones", async () => {
    gateway.says("bob", "general", "before");
    gateway.says("bob", "general", "just before");
    const { ada, heard } = await live();
    const joined = await ada.join("general", { limit: 1 });
    expect(joined).toMatchObject({ seq: 2, replayed: 1 });
    gateway.says("bob", "general", "after");
    await pass();
    expect(heard).toEqual(["just before", "after"]);
    expect(ada.position("general")?.seq).toBe(3);
  });

  test("a lost connection comes back to its rooms without a hole or a double", async () => {
    const { ada, heard } = await live();
    await ada.join("general");
    gateway.says("bob", "general", "one");
    await pass();
    gateway.crash();
    await pass();
    gateway.restart({ forgets: false });
    gateway.says("bob", "general", "two");
    gateway.says("bob", "general", "three");
    await pass(1_000);
    gateway.says("bob", "general", "four");
    await pass();
    expect(heard).toEqual(["one", "two", "three", "four"]);
    expect(gateway.got("join").at(-1)?.since).toBe(gateway.entries("general")[0]?.pos);
  });

  test("the position moves only when the listeners have returned", async () => {
    const { ada } = await live();
    await ada.join("general");
    const positions: (number | undefined)[] = [];
    ada.on("message", () => positions.push(ada.position("general")?.seq));
    gateway.says("bob", "general", "one");
    await pass();
    expect(positions).toEqual([0]);
    expect(ada.position("general")?.seq).toBe(1);
  });

  test("a log that is gone, and one that was trimmed too far, are told as missed", async () => {
    const { ada } = await live();
    const missed: string[] = [];
    ada.on("missed", ({ room, reason }) => missed.push(`${room} ${reason}`));
    await ada.join("general");
    gateway.says("bob", "general", "one");
    await pass();
    gateway.crash();
    for (const words of ["two", "three", "four"]) gateway.says("bob", "general", words);
    gateway.trim("general", 3);
    gateway.restart({ forgets: false });
    await pass(1_000);
    expect(missed).toEqual(["general trimmed"]);
    gateway.crash();
    gateway.restart({ forgets: true });
    await pass(3_000);
    expect(missed).toEqual(["general trimmed", "general reset"]);
  });

  test("a reset is told as missed and the stream goes on from there", async () => {
    const { ada, heard } = await live();
    await ada.join("general");
    const missed: string[] = [];
    ada.on("missed", ({ reason }) => missed.push(reason));
    gateway.live[0]?.send({ type: "reset", room: "general", seq: 7, pos: "elsewhere", reason: "lag" });
    gateway.live[0]?.send({
      type: "message",
      room: "general",
      seq: 8,
      pos: "p8",
      count: 8,
      time: 0,
      data: { text: "on" },
    });
    await pass();
    expect(missed).toEqual(["lag"]);
    expect(heard).toEqual(["on"]);
    expect(ada.position("general")).toEqual({ seq: 8, pos: "p8" });
  });

  test("a hole that the gateway does not own up to is told all the same, and a double is dropped", async () => {
    const { ada, heard } = await live();
    await ada.join("general");
    const missed: string[] = [];
    ada.on("missed", ({ reason }) => missed.push(reason));
    for (const seq of [1, 1, 3]) {
      const data = { text: String(seq) };
      gateway.live[0]?.send({
        type: "message",
        room: "general",
        seq,
        pos: `p${seq}`,
        count: seq,
        time: 0,
        data,
      });
    }
    await pass();
    expect(heard).toEqual(["1", "3"]);
    expect(missed).toEqual(["hole"]);
  });

  test("a refused join is told; one that may succeed later is tried again when the gateway says", async () => {
    const { ada } = await live();
    let refusals = 0;
    gateway.intercept = (frame, connection) => {
      if (frame.type !== "join" || frame.room !== "busy" || refusals++ > 0) return false;
      const id = frame.id ?? 0;
      connection.send({ type: "error", id, code: "unavailable", message: "later", retry_after_ms: 700 });
      return true;
    };
    const busy = ada.join("busy");
    await pass(699);
    expect(gateway.got("join")).toHaveLength(1);
    await pass(1);
    await expect(busy).resolves.toMatchObject({ room: "busy" });
    gateway.intercept = (frame, connection) => {
      if (frame.type !== "join") return false;
      connection.send({ type: "error", id: frame.id ?? 0, code: "forbidden", message: "members only" });
      return true;
    };
    await expect(ada.join("secret")).rejects.toMatchObject({ code: "forbidden", message: "members only" });
    expect(ada.rooms).toEqual(["busy"]);
  });

  test("a room that was left and joined again hears nothing of the first time", async () => {
    const { ada, heard } = await live();
    await ada.join("general");
    gateway.says("bob", "general", "for the first");
    ada.leave("general");
    const again = ada.join("general");
    await again;
    gateway.says("bob", "general", "for the second");
    await pass();
    expect(heard).toEqual(["for the second"]);
  });

  test("a listener may leave the room in the middle of an entry", async () => {
    const { ada, heard } = await live();
    await ada.join("general");
    ada.on("message", ({ room }) => ada.leave(room));
    gateway.says("bob", "general", "one");
    gateway.says("bob", "general", "two");
    await pass();
    expect(heard).toEqual(["one"]);
    expect(ada.rooms).toEqual([]);
  });

  test("nothing of the room counts between leaving it and entering it again", async () => {
    const { ada } = await live();
    await ada.join("general");
    const told: string[] = [];
    ada.on("signal", () => told.push("signal"));
    ada.on("removed", () => told.push("removed"));
    ada.leave("general");
    const again = ada.join("general");
    gateway.live[0]?.send({ type: "signal", room: "general", data: 1 });
    gateway.live[0]?.send({ type: "removed", room: "general", reason: "kicked" });
    await again;
    expect(told).toEqual([]);
    expect(ada.rooms).toEqual(["general"]);
  });

  test("the answer to a join that was taken back is not taken for that of the next", async () => {
    const { ada } = await live();
    const first = expect(ada.join("general")).rejects.toMatchObject({ code: "discarded" });
    ada.leave("general");
    const again = await ada.join("general");
    await first;
    expect(again.id).toBe(gateway.got("join")[1]?.id);
  });

  test("removed ends the subscription and it is not joined again by itself", async () => {
    const { ada } = await live();
    await ada.join("general");
    const removed: string[] = [];
    ada.on("removed", ({ reason }) => removed.push(reason));
    gateway.live[0]?.send({ type: "removed", room: "general", reason: "kicked" });
    await pass();
    expect(removed).toEqual(["kicked"]);
    gateway.crash();
    gateway.restart({ forgets: false });
    await pass(1_000);
    expect(gateway.got("join")).toHaveLength(1);
  });
});

describe("draining", () => {
  test("moves to another connection without a hole or a double", async () => {
    const { ada, heard } = await live();
    await ada.join("general");
    gateway.says("bob", "general", "one");
    await pass();
    gateway.live[0]?.send({ type: "draining", reconnect_within_ms: 4_000 });
    await pass(1_000);
    gateway.says("bob", "general", "two");
    await pass(1_000);
    gateway.says("bob", "general", "three");
    await pass();
    expect(gateway.got("hello").at(-1)?.replaces).toBe("c1");
    expect(gateway.live).toHaveLength(1);
    expect(heard).toEqual(["one", "two", "three"]);
  });
});

describe("requests", () => {
  test("an answer that was lost with its connection is asked for again on the next", async () => {
    const { ada } = await live();
    gateway.intercept = (frame) => frame.type === "history";
    const page = ada.history("general");
    await pass();
    gateway.intercept = () => false;
    gateway.crash();
    gateway.restart({ forgets: false });
    await pass(1_000);
    await expect(page).resolves.toMatchObject({ type: "history", entries: [] });
  });

  test("no answer in time is an error that says so", async () => {
    const { ada } = await live({ answer_within_ms: 2_000 });
    gateway.intercept = (frame) => frame.type === "members";
    const members = expect(ada.members("general")).rejects.toMatchObject({ code: "timeout" });
    await pass(2_000);
    await members;
  });

  test("what the gateway refuses carries its code and its sentence", async () => {
    const { ada } = await live();
    await expect(ada.history("general", { before: "k9-1-zz" })).rejects.toMatchObject({ code: "gone" });
  });

  test("a stopped client refuses at once", async () => {
    const { ada } = await live();
    ada.stop();
    await expect(ada.unread(["general"])).rejects.toBeInstanceOf(HubbubError);
  });

  test("a request made while the welcome is told goes out once", async () => {
    const ada = client();
    ada.on("welcome", () => void ada.unread(["general"]));
    ada.start();
    await pass();
    expect(gateway.got("unread")).toHaveLength(1);
  });

  test("members, read, unread, moderate and refresh are answered", async () => {
    const { ada } = await live();
    await ada.join("general");
    const { pos } = gateway.says("bob", "general", "one");
    await expect(ada.members("general")).resolves.toMatchObject({ members: [{ user: "ada" }] });
    await expect(ada.unread(["general"])).resolves.toMatchObject({ rooms: { general: { unread: 1 } } });
    await ada.read("general", pos);
    await expect(ada.unread(["general"])).resolves.toMatchObject({ rooms: { general: { unread: 0 } } });
    await ada.moderate("general", "eve", "mute", { for_ms: 1_000 });
    await expect(ada.refresh("ada")).resolves.toMatchObject({ type: "refreshed" });
  });
});

test("what a listener does to the client happens after the news it was told", async () => {
  const ada = client();
  const states: string[] = [];
  ada.on("state", ({ kind }) => states.push(kind));
  ada.on("welcome", () => ada.stop());
  ada.start();
  await pass();
  expect(states).toEqual(["connecting", "live", "stopped"]);
});

test("a listener that throws keeps nobody else from hearing", async () => {
  const thrown: unknown[] = [];
  const catcher = (error: unknown) => thrown.push(error);
  process.on("uncaughtException", catcher);
  const { ada } = await live();
  await ada.join("general");
  ada.on("message", () => {
    throw new Error("a listener's own fault");
  });
  const after: string[] = [];
  ada.on("message", (message) => after.push(text(message)));
  gateway.says("bob", "general", "one");
  await pass();
  process.off("uncaughtException", catcher);
  expect(after).toEqual(["one"]);
  expect(thrown).toEqual([new Error("a listener's own fault")]);
});

test("what is no frame is told as a fault and harms nothing", async () => {
  const { ada } = await live();
  const faults: string[] = [];
  ada.on("fault", (reason) => faults.push(reason));
  gateway.live[0]?.send("{ not json");
  gateway.live[0]?.send('{"type":"of the future"}');
  await pass();
  expect(faults).toEqual(["a frame is JSON"]);
  expect(ada.state.kind).toBe("live");
});
