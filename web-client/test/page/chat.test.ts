import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Chat } from "../../src/page/chat";
import { Memory } from "../../src/page/memory";
import type { Room } from "../../src/page/room";
import { textOf } from "../../src/page/timeline";
import { FakeGateway } from "../fake-gateway";
import { memoryStorage } from "../memory-storage";

let gateway: FakeGateway;
beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  gateway = new FakeGateway();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

/** Somebody's browser: reopening it is a reload. */
class Browser {
  readonly #lasting = memoryStorage();
  readonly #tab = memoryStorage();

  open(wanted: string | null = null): Chat {
    return new Chat({
      url: "ws://gateway/v1/ws",
      memory: new Memory(this.#lasting, this.#tab),
      wanted: () => wanted,
      openSocket: gateway.openSocket,
    });
  }
}

async function guest(name: string, browser = new Browser()): Promise<Chat> {
  const chat = browser.open();
  chat.signIn({ kind: "guest", name });
  await pass();
  return chat;
}

function room(chat: Chat, name = "general"): Room {
  const found = chat.model.rooms.get(name);
  if (!found) throw new Error(`not in ${name}`);
  return found;
}

const said = (chat: Chat, name = "general") =>
  room(chat, name).entries.flatMap((entry) =>
    entry.type === "message" ? [textOf(entry.data)] : [entry.type],
  );

describe("coming and going", () => {
  test("a guest begins in the general room and sees who else is there come and go", async () => {
    const ada = await guest("Ada");
    expect(ada.model.active).toBe("general");
    const bob = await guest("Bob");
    const names = (chat: Chat) => [...room(chat).members.values()].map(({ name }) => name).sort();
    expect(names(ada)).toEqual(["Ada", "Bob"]);
    expect(names(bob)).toEqual(["Ada", "Bob"]);
    bob.leave("general");
    await pass();
    expect(names(ada)).toEqual(["Ada"]);
    expect(room(ada).member_count).toBe(1);
  });

  test("presence that had to be dropped is asked for again", async () => {
    const ada = await guest("Ada");
    const asked = gateway.got("members").length;
    gateway.live[0]?.send({ type: "presence", room: "general", count: 1, resync: true });
    await pass();
    expect(gateway.got("members")).toHaveLength(asked + 1);
    expect(room(ada).members.size).toBe(1);
  });

  test("a reload comes back as the same guest, in the same rooms", async () => {
    const browser = new Browser();
    const before = await guest("Ada", browser);
    before.open("ops");
    before.open("general");
    await pass();
    const { user } = before.model.me;
    const after = browser.open("ops");
    after.resume();
    await pass();
    expect(after.model.me.user).toBe(user);
    expect([...after.model.rooms.keys()]).toEqual(["general", "ops"]);
    expect(after.model.active).toBe("ops");
  });

  test("signing out forgets the guest, and nothing of theirs is sent by the next", async () => {
    const browser = new Browser();
    const chat = await guest("Ada", browser);
    const { user } = chat.model.me;
    gateway.crash();
    await pass();
    chat.send("general", "never mind");
    chat.signOut();
    expect(chat.model.state).toBeNull();
    gateway.restart({ forgets: false });
    chat.signIn({ kind: "guest", name: "Bob" });
    await pass(1_000);
    expect(chat.model.me.user).not.toBe(user);
    expect(gateway.entries("general")).toEqual([]);
  });

  test("a room that one is removed from stays in sight and says why", async () => {
    const ada = await guest("Ada");
    gateway.live[0]?.send({ type: "removed", room: "general", reason: "kicked" });
    await pass();
    expect(room(ada).phase).toMatchObject({ kind: "out", why: expect.stringContaining("moderator") });
    gateway.live[0]?.rooms.delete("general");
    ada.rejoin("general");
    await pass();
    expect(room(ada).phase.kind).toBe("in");
  });
});

describe("messages", () => {
  test("what one says the other sees, with edits, reactions and deletions", async () => {
    const ada = await guest("Ada");
    const bob = await guest("Bob");
    ada.send("general", "helo");
    await pass();
    const pos = room(bob).entries[0]?.pos ?? "";
    ada.edit("general", pos, "hello");
    bob.react("general", pos, "👍", "add");
    ada.delete("general", pos);
    await pass();
    expect(said(bob)).toEqual(["helo", "edit", "reaction", "delete"]);
    expect(said(ada)).toEqual(said(bob));
  });

  test("older messages are loaded page by page until there are none", async () => {
    for (let n = 1; n <= 120; n += 1) gateway.says("bob", "general", String(n));
    const ada = await guest("Ada");
    expect(said(ada)).toHaveLength(50);
    expect(room(ada).older).toBe("some");
    ada.loadOlder("general");
    ada.loadOlder("general");
    await pass();
    expect(said(ada)[0]).toBe("21");
    ada.loadOlder("general");
    await pass();
    expect(said(ada)).toEqual(Array.from({ length: 120 }, (_, at) => String(at + 1)));
    expect(room(ada).older).toBe("none");
  });

  test("a room that no longer keeps its first messages says so", async () => {
    for (let n = 1; n <= 60; n += 1) gateway.says("bob", "general", String(n));
    gateway.trim("general", 5);
    const ada = await guest("Ada");
    ada.loadOlder("general");
    await pass();
    expect(said(ada)[0]).toBe("6");
    expect(room(ada).older).toBe("trimmed");
  });

  test("what is refused stays in sight and can be sent again or let go", async () => {
    const ada = await guest("Ada");
    let isMuted = true;
    gateway.intercept = (frame, connection) => {
      if (frame.type !== "send" || !isMuted) return false;
      connection.send({ type: "error", id: frame.id ?? 0, code: "forbidden", message: "you are muted" });
      return true;
    };
    ada.send("general", "one");
    ada.send("general", "two");
    await pass();
    expect(ada.model.failed.map(({ why }) => why)).toEqual([
      expect.stringContaining("you are muted"),
      expect.stringContaining("you are muted"),
    ]);
    const [one, two] = ada.model.failed.map(({ append }) => append.key);
    isMuted = false;
    ada.dismiss(one ?? "");
    ada.retry(two ?? "");
    await pass();
    expect(ada.model.failed).toEqual([]);
    expect(said(ada)).toEqual(["two"]);
    expect(room(ada).entries[0]?.key).toBe(two);
  });

  test("a queue that is full loses nothing either", async () => {
    const ada = await guest("Ada");
    gateway.crash();
    await pass();
    for (let n = 0; n <= 200; n += 1) ada.send("general", String(n));
    await pass();
    expect(ada.model.unsent).toHaveLength(200);
    expect(ada.model.failed).toHaveLength(1);
  });
});

describe("history that may be missing", () => {
  test("is told, and what the room has now takes the place of what was there", async () => {
    const ada = await guest("Ada");
    ada.send("general", "of the old log");
    await pass();
    gateway.crash();
    gateway.restart({ forgets: true });
    gateway.says("bob", "general", "of the new log");
    await pass(10_000);
    expect(room(ada).missed).toBe("reset");
    expect(said(ada)).toEqual(["of the new log"]);
    ada.dismissMissed("general");
    expect(room(ada).missed).toBeNull();
  });

  test("after a reset the newest messages are loaded, and live ones follow them", async () => {
    const ada = await guest("Ada");
    for (const words of ["one", "two", "three"]) gateway.says("bob", "general", words);
    await pass();
    const { seq, pos } = gateway.entries("general").at(-1) ?? { seq: 0, pos: "" };
    gateway.live[0]?.send({ type: "reset", room: "general", seq, pos, reason: "lag" });
    gateway.says("bob", "general", "four");
    await pass();
    expect(room(ada).missed).toBe("lag");
    expect(said(ada)).toEqual(["one", "two", "three", "four"]);
  });

  test("an older page that was asked for before the log was lost is not mixed into the new one", async () => {
    for (let n = 1; n <= 60; n += 1) gateway.says("bob", "general", String(n));
    const ada = await guest("Ada");
    const answers: (() => void)[] = [];
    gateway.intercept = (frame, connection) => {
      if (frame.type !== "history" || frame.before === undefined) return false;
      const entries = gateway.entries("general").slice(0, 10);
      const answer = {
        type: "history",
        room: "general",
        seq: 60,
        pos: "p",
        entries,
        more: false,
        trimmed: false,
      } as const;
      answers.push(() => connection.send({ ...answer, id: frame.id ?? 0 }));
      return true;
    };
    ada.loadOlder("general");
    await pass();
    gateway.live[0]?.send({ type: "reset", room: "general", seq: 60, pos: "p60", reason: "reset" });
    await pass();
    for (const answer of answers) answer();
    await pass();
    expect(said(ada)).toHaveLength(50);
  });
});

describe("unread", () => {
  test("counts others' messages until they are seen, here or in another tab", async () => {
    const browser = new Browser();
    const ada = await guest("Ada", browser);
    const tab = browser.open();
    tab.resume();
    await pass();
    const bob = await guest("Bob");
    ada.send("general", "my own");
    bob.send("general", "one");
    bob.send("general", "two");
    await pass();
    expect([room(ada).unread, room(tab).unread, room(bob).unread]).toEqual([2, 2, 1]);
    ada.seen("general");
    await pass(1_000);
    expect([room(ada).unread, room(tab).unread]).toEqual([0, 0]);
    expect(gateway.got("read")).toHaveLength(1);
    expect(room(bob).readers.get(ada.model.me.user)).toBe(3);
  });

  test("is what the gateway says after a reconnect, and the replay is not counted on top", async () => {
    const ada = await guest("Ada");
    gateway.says("bob", "general", "one");
    await pass();
    gateway.crash();
    gateway.says("bob", "general", "two");
    gateway.restart({ forgets: false });
    await pass(1_000);
    expect(said(ada)).toEqual(["one", "two"]);
    expect(room(ada).unread).toBe(2);
  });

  test("a room that is opened marks where the new messages begin", async () => {
    const ada = await guest("Ada");
    ada.open("ops");
    await pass();
    gateway.says("bob", "general", "one");
    await pass();
    ada.open("general");
    expect(room(ada).new_after_seq).toBe(0);
  });
});

describe("typing", () => {
  test("is told at once, not more often than needed, and ends with the message or by itself", async () => {
    const ada = await guest("Ada");
    const bob = await guest("Bob");
    const typing = () => [...room(bob).typing.values()].map(({ name }) => name);
    ada.typing("general", true);
    ada.typing("general", true);
    await pass();
    expect(typing()).toEqual(["Ada"]);
    expect(gateway.got("signal")).toHaveLength(1);
    ada.send("general", "done");
    await pass();
    expect(typing()).toEqual([]);
    ada.typing("general", true);
    await pass(7_000);
    expect(typing()).toEqual([]);
  });

  test("stops when the field is emptied", async () => {
    const ada = await guest("Ada");
    const bob = await guest("Bob");
    ada.typing("general", true);
    await pass();
    ada.typing("general", false);
    await pass();
    expect(room(bob).typing.size).toBe(0);
  });
});

test("a new message of somebody else's in the open room is announced, a replayed or an own one is not", async () => {
  gateway.says("bob", "general", "before");
  const ada = await guest("Ada");
  ada.send("general", "my own");
  await pass();
  expect(ada.model.announced).toBe("");
  gateway.says("bob", "general", "hello Ada");
  await pass();
  expect(ada.model.announced).toBe("bob: hello Ada");
});
