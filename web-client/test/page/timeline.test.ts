import { expect, test } from "vitest";
import { merged, shownMessages, textOf } from "../../src/page/timeline";
import type { Author, Entry } from "../../src/sdk";

const ADA: Author = { user: "ada", name: "Ada" };
const BOB: Author = { user: "bob", name: "Bob" };
const at = (seq: number, from: Author) => ({ room: "r", seq, pos: `p${seq}`, count: seq, time: seq, from });
const message = (seq: number, text: string, from = ADA): Entry => ({
  type: "message",
  ...at(seq, from),
  data: { text },
});
const edit = (seq: number, target: number, text: string): Entry => ({
  type: "edit",
  ...at(seq, ADA),
  target: `p${target}`,
  data: { text },
});
const reaction = (seq: number, target: number, op: "add" | "remove", from: Author): Entry => ({
  type: "reaction",
  ...at(seq, from),
  target: `p${target}`,
  emoji: "👍",
  op,
});
const shown = (entries: Entry[]) => shownMessages(entries, [], ADA);

test("parts of a log come together in order, each entry once", () => {
  const late = [message(4, "4"), message(5, "5")];
  expect(merged(late, [message(6, "6")]).map(({ seq }) => seq)).toEqual([4, 5, 6]);
  expect(merged(late, [message(2, "2"), message(3, "3"), message(4, "4")]).map(({ seq }) => seq)).toEqual([
    2, 3, 4, 5,
  ]);
  expect(merged([], late)).toEqual(late);
  expect(merged(late, [])).toEqual(late);
});

test("an edit replaces the text and says so", () => {
  expect(shown([message(1, "helo"), edit(2, 1, "hello")])).toMatchObject([{ text: "hello", edited: true }]);
});

test("an edit, a deletion or a reaction of a message that is not here changes nothing", () => {
  const entries: Entry[] = [
    edit(2, 1, "x"),
    { type: "delete", ...at(3, ADA), target: "p1" },
    reaction(4, 1, "add", BOB),
    message(5, "here"),
  ];
  expect(shown(entries)).toMatchObject([{ text: "here", edited: false, deleted: false, reactions: [] }]);
});

test("a deleted message shows nothing of what it said, however it comes", () => {
  const live: Entry[] = [
    message(1, "secret"),
    edit(2, 1, "secret too"),
    { type: "delete", ...at(3, ADA), target: "p1" },
  ];
  const replayed: Entry[] = [
    { type: "message", ...at(1, ADA), deleted: true },
    { type: "edit", ...at(2, ADA), target: "p1", deleted: true },
  ];
  for (const entries of [live, replayed]) {
    expect(shown(entries)).toMatchObject([{ text: "", deleted: true }]);
  }
});

test("reactions are sets of users, and an empty one goes away", () => {
  const both = [
    message(1, "hi"),
    reaction(2, 1, "add", BOB),
    reaction(3, 1, "add", ADA),
    reaction(4, 1, "add", BOB),
  ];
  expect([...(shown(both)[0]?.reactions[0]?.users.values() ?? [])]).toEqual(["Bob", "Ada"]);
  const none = [...both, reaction(5, 1, "remove", BOB), reaction(6, 1, "remove", ADA)];
  expect(shown(none)[0]?.reactions).toEqual([]);
});

test("what the user did and is not sent yet shows at once, as pending", () => {
  const entries = [message(1, "helo"), message(2, "oops"), message(3, "nice", BOB)];
  const key = "k";
  const result = shownMessages(
    entries,
    [
      { type: "edit", room: "r", key, target: "p1", data: { text: "hello" } },
      { type: "delete", room: "r", key, target: "p2" },
      { type: "react", room: "r", key, target: "p3", emoji: "🎉", op: "add" },
    ],
    ADA,
  );
  expect(result).toMatchObject([
    { text: "hello", pending: true },
    { deleted: true, pending: true },
    { reactions: [{ emoji: "🎉" }], pending: true },
  ]);
});

test("any data has a text", () => {
  expect(textOf({ text: "hi" })).toBe("hi");
  expect(textOf("hi")).toBe("hi");
  expect(textOf({ order: 7 })).toBe('{"order":7}');
  expect(textOf(null)).toBe("null");
  expect(textOf(undefined)).toBe("");
});
