import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ClientOptions, HubbubClient, type Message, withToken } from "../src/sdk";
import { FakeGateway } from "./fake-gateway";
import { memoryStorage } from "./memory-storage";

let gateway: FakeGateway;
beforeEach(() => {
  vi.useFakeTimers();
  gateway = new FakeGateway();
});
afterEach(() => vi.useRealTimers());

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

async function live(options: Partial<ClientOptions> = {}): Promise<HubbubClient> {
  const ada = new HubbubClient({
    url: "ws://gateway/v1/ws",
    credentials: withToken(() => "ada"),
    openSocket: gateway.openSocket,
    random: () => 0.5,
    ...options,
  });
  ada.start();
  await pass();
  return ada;
}

/** What stands in the room's log. */
const log = (room = "general") =>
  gateway.entries(room).map((entry) => (entry.type === "message" ? (entry as Message).data : entry.type));

/** Answers sends with an error, so many times. */
function refuse(
  times: number,
  code: "rate_limited" | "unavailable" | "internal" | "forbidden",
  retry_after_ms?: number,
) {
  let left = times;
  gateway.intercept = (frame, connection) => {
    if (frame.type !== "send" || left === 0) return false;
    left -= 1;
    const more = retry_after_ms === undefined ? {} : { retry_after_ms };
    connection.send({
      type: "error",
      id: frame.id ?? 0,
      code,
      message: `as the test wants: ${code}`,
      ...more,
    });
    return true;
  };
}

describe("without a connection", () => {
  test("a message waits and is there exactly once after the reconnect", async () => {
    const ada = await live();
    gateway.crash();
    await pass();
    const sent = ada.send("general", "hello");
    await pass(20_000);
    expect(ada.unsent).toHaveLength(1);
    gateway.restart({ forgets: false });
    await pass(30_000);
    await expect(sent).resolves.toMatchObject({ seq: 1 });
    expect(log()).toEqual(["hello"]);
    expect(ada.unsent).toEqual([]);
  });

  test("a message whose answer was lost is sent again with its key and is there once", async () => {
    const ada = await live();
    gateway.intercept = (frame, connection) => {
      if (frame.type === "send") connection.send = () => {};
      return false;
    };
    const sent = ada.send("general", "hello");
    await pass();
    expect(log()).toEqual(["hello"]);
    gateway.intercept = () => false;
    gateway.crash();
    gateway.restart({ forgets: false });
    await pass(1_000);
    await expect(sent).resolves.toMatchObject({ seq: 1, duplicate: true });
    const keys = gateway.got("send").map(({ key }) => key);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
    expect(log()).toEqual(["hello"]);
  });

  test("what waited goes out in the order it was written", async () => {
    const ada = await live();
    gateway.crash();
    await pass();
    for (const words of ["one", "two", "three"]) void ada.send("general", words);
    gateway.restart({ forgets: false });
    await pass(1_000);
    expect(log()).toEqual(["one", "two", "three"]);
  });

  test("no more than a bounded number waits", async () => {
    const ada = await live();
    gateway.crash();
    await pass();
    for (let n = 0; n < 200; n += 1) void ada.send("general", n);
    await expect(ada.send("general", "one too many")).rejects.toMatchObject({ code: "outbox_full" });
    expect(ada.unsent).toHaveLength(200);
  });

  test("what was tried too long ago is not sent again, because it could be there twice", async () => {
    const ada = await live();
    gateway.intercept = (frame) => frame.type === "send";
    const tried = expect(ada.send("general", "tried")).rejects.toMatchObject({ code: "outcome_unknown" });
    const waited = ada.send("general", "never tried");
    await pass();
    gateway.crash();
    gateway.intercept = () => false;
    await pass(5 * 60_000);
    gateway.restart({ forgets: false });
    await pass(30_000);
    await tried;
    await waited;
    expect(log()).toEqual(["never tried"]);
  });

  test("what another user tried is not sent again, since the key would not be known", async () => {
    let user = "ada";
    const ada = await live({ credentials: withToken(() => user) });
    gateway.intercept = (frame) => frame.type === "send";
    const tried = expect(ada.send("general", "as ada")).rejects.toMatchObject({ code: "outcome_unknown" });
    await pass();
    user = "bob";
    gateway.crash();
    gateway.intercept = () => false;
    gateway.restart({ forgets: false });
    await pass(1_000);
    await tried;
    expect(log()).toEqual([]);
  });

  test("a reload keeps what is unsent", async () => {
    const storage = memoryStorage();
    const ada = await live({ storage });
    gateway.crash();
    await pass();
    void ada.send("general", "hello");
    // The page goes away without a word.
    gateway.restart({ forgets: false });
    const again = await live({ storage });
    expect(again.unsent).toEqual([]);
    expect(log()).toEqual(["hello"]);
    expect(storage.size).toBe(0);
  });

  test("a storage that holds nonsense is as good as an empty one", async () => {
    const storage = memoryStorage();
    storage.setItem("hubbub.unsent", '[{"append":{"room":7}},null,"x"]');
    expect((await live({ storage })).unsent).toEqual([]);
    storage.setItem("hubbub.unsent", "{");
    expect((await live({ storage })).unsent).toEqual([]);
  });
});

describe("refused", () => {
  test("rate_limited waits as long as it is told, keeps the key and is not overtaken", async () => {
    const ada = await live();
    refuse(1, "rate_limited", 800);
    void ada.send("general", "one");
    void ada.send("general", "two");
    void ada.send("other", "elsewhere");
    await pass(799);
    expect(log()).toEqual([]);
    expect(log("other")).toEqual(["elsewhere"]);
    await pass(1);
    expect(log()).toEqual(["one", "two"]);
    const [first, , second] = gateway.got("send");
    expect(second?.key).toBe(first?.key);
  });

  test("unavailable and internal are tried again with the same key", async () => {
    const ada = await live();
    for (const code of ["unavailable", "internal"] as const) {
      refuse(2, code, 100);
      await Promise.all([ada.send("general", code), pass(200)]);
    }
    expect(log()).toEqual(["unavailable", "internal"]);
    expect(new Set(gateway.got("send").map(({ key }) => key)).size).toBe(2);
  });

  test("a gateway that stays unavailable is not asked for ever", async () => {
    const ada = await live();
    refuse(Number.POSITIVE_INFINITY, "unavailable", 1_000);
    const sent = expect(ada.send("general", "one")).rejects.toMatchObject({ code: "outcome_unknown" });
    // The gateway goes on asking for signs of life meanwhile.
    for (let minute = 0; minute < 15; minute += 1) {
      gateway.live[0]?.send({ type: "ping" });
      await pass(20_000);
    }
    await sent;
    expect(ada.unsent).toEqual([]);
  });

  test("endless rate limits end in an error too", async () => {
    const ada = await live();
    refuse(Number.POSITIVE_INFINITY, "rate_limited", 10);
    const sent = expect(ada.send("general", "one")).rejects.toMatchObject({ code: "rate_limited" });
    await pass(1_000);
    await sent;
  });

  test("what was surely not stored may be sent again however late", async () => {
    const ada = await live();
    refuse(1, "rate_limited", 6 * 60_000);
    const sent = ada.send("general", "one");
    for (let third = 0; third < 18; third += 1) {
      await pass(20_000);
      gateway.live[0]?.send({ type: "ping" });
    }
    await pass();
    await expect(sent).resolves.toMatchObject({ seq: 1 });
  });

  test("a final error is the end of one message and not of the next", async () => {
    const ada = await live();
    refuse(1, "forbidden");
    const refused = expect(ada.send("general", "one")).rejects.toMatchObject({ code: "forbidden" });
    await expect(ada.send("general", "two")).resolves.toMatchObject({ seq: 1 });
    await refused;
  });

  test("what is too large for a frame never leaves, since it would end the connection for good", async () => {
    const ada = await live();
    await expect(ada.send("general", "x".repeat(70_000))).rejects.toMatchObject({ code: "too_large" });
    await expect(ada.history("r".repeat(70_000))).rejects.toMatchObject({ code: "too_large" });
    await expect(ada.join("r".repeat(70_000))).rejects.toMatchObject({ code: "too_large" });
    expect(gateway.received.map(({ type }) => type)).toEqual(["hello"]);
  });

  test("data that is no JSON is the caller's fault at once", async () => {
    const ada = await live();
    expect(() => ada.send("general", undefined)).toThrow(TypeError);
    expect(() => ada.send("general", 1n)).toThrow(TypeError);
  });
});

describe("keys", () => {
  test("every send, edit, delete and reaction has one of its own", async () => {
    const ada = await live();
    const { pos } = await ada.send("general", "one");
    await Promise.all([
      ada.edit("general", pos, "two"),
      ada.react("general", pos, "👍"),
      ada.react("general", pos, "👍", "remove"),
      ada.delete("general", pos),
    ]);
    const keys = ["send", "edit", "react", "delete"].flatMap((type) =>
      gateway.received.flatMap((frame) => (frame.type === type && "key" in frame ? [frame.key] : [])),
    );
    expect(new Set(keys).size).toBe(5);
    expect(log()).toEqual([undefined, "edit", "reaction", "reaction", "delete"]);
  });

  test("a key that waits already is refused, and one that was given up is free again", async () => {
    const ada = await live();
    gateway.crash();
    await pass();
    const first = expect(ada.send("general", "one", { key: "k" })).rejects.toMatchObject({
      code: "discarded",
    });
    await expect(ada.send("general", "two", { key: "k" })).rejects.toMatchObject({ code: "bad_request" });
    expect(ada.discard("k")).toBe(true);
    expect(ada.discard("k")).toBe(false);
    await first;
  });
});

describe("echo:false", () => {
  test("the sent moves the position in the entry's place", async () => {
    const ada = await live();
    const heard: unknown[] = [];
    ada.on("message", ({ data }) => heard.push(data));
    await ada.join("general");
    await ada.send("general", "mine", { echo: false });
    expect(ada.position("general")?.seq).toBe(1);
    gateway.says("bob", "general", "his");
    await pass();
    expect(heard).toEqual([{ text: "his" }]);
    expect(ada.position("general")?.seq).toBe(2);
  });

  test("an answer that stands in no entry's place moves nothing and is no hole", async () => {
    const ada = await live();
    const missed: string[] = [];
    ada.on("missed", ({ reason }) => missed.push(reason));
    await ada.join("general");
    gateway.intercept = ({ id = 0, type }, connection) => {
      if (type !== "send") return false;
      connection.send({ type: "sent", id, room: "general", seq: 9, pos: "p9", time: 0, duplicate: true });
      return true;
    };
    await ada.send("general", "said before", { echo: false });
    expect(missed).toEqual([]);
    expect(ada.position("general")?.seq).toBe(0);
  });

  test("a sent from before the join does not jump over the replay", async () => {
    for (const words of ["one", "two", "three"]) gateway.says("bob", "general", words);
    const ada = await live();
    const missed: string[] = [];
    const heard: unknown[] = [];
    ada.on("missed", ({ reason }) => missed.push(reason));
    ada.on("message", ({ seq }) => heard.push(seq));
    await ada.join("general");
    gateway.crash();
    await pass();
    gateway.says("bob", "general", "four");
    gateway.restart({ forgets: false });
    const [four] = gateway.entries("general").slice(-1);
    if (!four) throw new Error("nothing was said");
    gateway.intercept = (frame, connection) => {
      if (frame.type === "send") {
        // The reply overtakes what the join promised.
        connection.send({ type: "sent", id: frame.id ?? 0, room: "general", seq: 5, pos: "p5", time: 0 });
      }
      if (frame.type === "join") {
        const more = { recovered: true, replayed: 2, read: 0, unread: 0 };
        connection.send({ type: "joined", id: frame.id ?? 0, room: "general", seq: 5, pos: "p5", ...more });
        setTimeout(() => [four, { ...four, seq: 5, pos: "p5" }].map((entry) => connection.send(entry)), 100);
      }
      return frame.type === "send" || frame.type === "join";
    };
    await Promise.all([ada.send("general", "five", { echo: false }), pass(1_000)]);
    expect(missed).toEqual([]);
    expect(heard).toEqual([4, 5]);
  });

  test("a duplicate moves nothing: its entry came with the replay", async () => {
    const ada = await live();
    const heard: unknown[] = [];
    const missed: string[] = [];
    ada.on("message", ({ data }) => heard.push(data));
    ada.on("missed", ({ reason }) => missed.push(reason));
    await ada.join("general");
    gateway.intercept = (frame, connection) => {
      if (frame.type === "send") connection.send = () => {};
      return false;
    };
    const sent = ada.send("general", "mine", { echo: false });
    await pass();
    gateway.crash();
    gateway.intercept = () => false;
    gateway.restart({ forgets: false });
    await pass(1_000);
    await expect(sent).resolves.toMatchObject({ duplicate: true });
    expect(heard).toEqual(["mine"]);
    expect(missed).toEqual([]);
    expect(ada.position("general")?.seq).toBe(1);
  });
});
