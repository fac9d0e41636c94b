import { describe, expect, test } from "vitest";
import { parse, sizeBytes, write } from "../../src/protocol/codec";

const message = {
  type: "message",
  room: "general",
  seq: 42,
  pos: "k3-42-77b0",
  count: 40,
  time: 1,
  from: { user: "ada", name: "Ada" },
  data: { text: "hi" },
};

describe("reading", () => {
  test("every example of the protocol is read as it stands", () => {
    const examples = [
      {
        type: "joined",
        id: 2,
        room: "general",
        seq: 44,
        pos: "k3-44-a07e",
        recovered: true,
        replayed: 3,
        members: 12,
        read: 40,
        unread: 4,
      },
      { ...message, key: "c-81" },
      { type: "edit", room: "r", seq: 43, pos: "p", count: 40, time: 1, target: "k3-42-77b0", data: null },
      { type: "delete", room: "r", seq: 44, pos: "p", count: 40, time: 1, target: "k3-42-77b0" },
      {
        type: "reaction",
        room: "r",
        seq: 45,
        pos: "p",
        count: 40,
        time: 1,
        target: "t",
        emoji: "👍",
        op: "add",
      },
      { type: "sent", id: 4, room: "general", seq: 42, pos: "k3-42-77b0", time: 1, duplicate: true },
      { type: "presence", room: "general", count: 13, joined: [{ user: "bob", name: "Bob" }], left: ["eve"] },
      {
        type: "members",
        id: 7,
        room: "general",
        count: 1,
        members: [{ user: "ada", connections: 2 }],
        next: "c",
      },
      { type: "receipt", room: "general", user: "ada", seq: 42, pos: "k3-42-77b0" },
      { type: "unread", id: 9, rooms: { general: { read: 42, head: 45, unread: 1 } } },
      {
        type: "history",
        id: 10,
        room: "general",
        seq: 44,
        pos: "p",
        entries: [message],
        more: true,
        trimmed: false,
      },
      { type: "reset", room: "general", seq: 44, pos: "p", reason: "lag" },
      { type: "draining", reconnect_within_ms: 8000 },
      { type: "error", id: 4, code: "rate_limited", message: "slow down", retry_after_ms: 800 },
    ];
    for (const frame of examples) {
      expect(parse(JSON.stringify(frame)), frame.type).toEqual({ kind: "frame", frame });
    }
  });

  test("unknown fields are ignored", () => {
    expect(parse('{"type":"ping","mood":"good"}')).toMatchObject({ kind: "frame", frame: { type: "ping" } });
  });

  test("a type of a later version is passed over, even one named like a part of every object", () => {
    expect(parse('{"type":"confetti"}')).toEqual({ kind: "unknown", type: "confetti" });
    expect(parse('{"type":"constructor"}')).toEqual({ kind: "unknown", type: "constructor" });
  });

  test("a code of a later version is an error all the same", () => {
    expect(parse('{"type":"error","code":"brand_new","message":"?"}').kind).toBe("frame");
  });

  test("what is no frame is a fault that names what is wrong", () => {
    for (const text of ["", "nonsense", "[]", "null", "42", '{"room":"general"}', '{"type":7}']) {
      expect(parse(text).kind, text).toBe("fault");
    }
    expect(parse(new ArrayBuffer(4)).kind).toBe("fault");
    const { pos: _pos, ...without } = message;
    expect(parse(JSON.stringify(without))).toEqual({
      kind: "fault",
      reason: "`pos` of `message` is missing or wrong",
    });
    expect(parse(JSON.stringify({ ...message, seq: "42" })).kind).toBe("fault");
    expect(parse(JSON.stringify({ ...message, from: "ada" })).kind).toBe("fault");
  });

  test("one bad entry in a page of history spoils the page", () => {
    const page = {
      type: "history",
      room: "r",
      seq: 1,
      pos: "p",
      entries: [{ type: "ping" }],
      more: false,
      trimmed: false,
    };
    expect(parse(JSON.stringify(page)).kind).toBe("fault");
  });
});

test("a frame's size is counted in bytes, not in characters", () => {
  expect(sizeBytes(write({ type: "leave", room: "é👍" }))).toBe('{"type":"leave","room":""}'.length + 6);
});
