import { describe, expect, test } from "vitest";
import type { Joined, Message, Sent } from "../../src/protocol/generated";
import {
  handled,
  joined,
  joining,
  out,
  reset,
  type Subscription,
  subscription,
  verdict,
} from "../../src/sdk/rooms/subscription";

const joinedFrame = (more: Partial<Joined>): Joined => ({
  type: "joined",
  id: 1,
  room: "general",
  seq: 44,
  pos: "p44",
  replayed: 0,
  read: 0,
  unread: 0,
  ...more,
});
const entry = (seq: number): Message => ({
  type: "message",
  room: "general",
  seq,
  pos: `p${seq}`,
  count: seq,
  time: 0,
  data: null,
});
const sent = (seq: number): Sent => ({ type: "sent", id: 9, room: "general", seq, pos: `p${seq}`, time: 0 });

function asked(position: { seq: number; pos: string } | null = null): Subscription {
  return joining({ ...subscription("general", { limit: 10 }), position }, 1)[0];
}

describe("joining", () => {
  test("the first time asks for the last entries, later for all after the position", () => {
    const fresh = subscription("general", { limit: 10, presence: true });
    expect(joining(fresh, 5)[1]).toEqual({
      type: "join",
      id: 5,
      room: "general",
      limit: 10,
      presence: true,
      receipts: false,
    });
    expect(joining({ ...fresh, position: { seq: 41, pos: "p41" } }, 6)[1]).toMatchObject({ since: "p41" });
  });

  test("nothing of the room counts before joined", () => {
    expect(verdict(asked(), 1)).toBe("drop");
    expect(verdict(out(asked()), 1)).toBe("drop");
  });
});

describe("the position", () => {
  test("moves to the head at once where nothing is replayed", () => {
    expect(joined(asked(), joinedFrame({}))[0].position).toEqual({ seq: 44, pos: "p44" });
  });

  test("moves with each replayed entry, and to the head with the last", () => {
    const [entered] = joined(asked({ seq: 41, pos: "p41" }), joinedFrame({ recovered: true, replayed: 3 }));
    expect(entered.position).toEqual({ seq: 41, pos: "p41" });
    const first = handled(entered, entry(42));
    expect(first.position).toEqual({ seq: 42, pos: "p42" });
    const last = handled(handled(first, entry(43)), { ...entry(44), pos: "another name" });
    expect(last.position).toEqual({ seq: 44, pos: "p44" });
  });

  test("stays where the replay broke off when the connection is lost", () => {
    const [entered] = joined(asked({ seq: 41, pos: "p41" }), joinedFrame({ recovered: true, replayed: 3 }));
    const lost = out(handled(entered, entry(42)));
    expect(joining(lost, 2)[1].since).toBe("p42");
  });

  test("moves to that of a reset, and what follows is the next", () => {
    const moved = reset(joined(asked(), joinedFrame({}))[0], {
      type: "reset",
      room: "general",
      seq: 90,
      pos: "p90",
      reason: "lag",
    });
    expect(moved.position).toEqual({ seq: 90, pos: "p90" });
    expect([90, 91, 92].map((seq) => verdict(moved, seq))).toEqual(["drop", "handle", "hole"]);
  });

  test("a reset in a replay voids what was still to be replayed", () => {
    const [entered] = joined(asked({ seq: 41, pos: "p41" }), joinedFrame({ recovered: true, replayed: 3 }));
    const frame = { type: "reset", room: "general", seq: 90, pos: "p90", reason: "trimmed" } as const;
    expect(handled(reset(entered, frame), entry(91)).position).toEqual({ seq: 91, pos: "p91" });
  });

  test("moves with a sent that stands in its entry's place", () => {
    const [entered] = joined(asked(), joinedFrame({}));
    const moved = handled(entered, sent(45));
    expect(moved.position).toEqual({ seq: 45, pos: "p45" });
    expect(verdict(moved, 46)).toBe("handle");
  });
});

describe("what comes twice or not at all", () => {
  test("an entry that was handled is dropped, one too far ahead is a hole", () => {
    const [entered] = joined(asked(), joinedFrame({}));
    expect([44, 45, 46].map((seq) => verdict(entered, seq))).toEqual(["drop", "handle", "hole"]);
  });

  test("a recovered replay must begin right after the position; any other may begin anywhere", () => {
    const [recovered] = joined(asked({ seq: 41, pos: "p41" }), joinedFrame({ recovered: true, replayed: 3 }));
    expect([41, 42, 43].map((seq) => verdict(recovered, seq))).toEqual(["drop", "handle", "hole"]);
    const [fresh] = joined(asked(), joinedFrame({ replayed: 3 }));
    expect(verdict(fresh, 42)).toBe("handle");
  });

  test("recovered:false says why entries may be missing", () => {
    const before = asked({ seq: 41, pos: "p41" });
    const [entered, missed] = joined(
      before,
      joinedFrame({ recovered: false, reason: "trimmed", replayed: 2 }),
    );
    expect(missed).toBe("trimmed");
    expect(verdict(entered, 43)).toBe("handle");
    expect(joined(before, joinedFrame({ recovered: true }))[1]).toBeNull();
    expect(joined(asked(), joinedFrame({}))[1]).toBeNull();
  });
});
