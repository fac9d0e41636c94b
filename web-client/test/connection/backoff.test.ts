import { expect, test } from "vitest";
import { fullJitterMs } from "../../src/sdk/connection/backoff";

test("a wait is any time from nothing to a ceiling that doubles with each failure", () => {
  expect(fullJitterMs(0, 0)).toBe(0);
  expect(fullJitterMs(0, 0.5)).toBe(500);
  expect([0, 1, 2, 3].map((failures) => fullJitterMs(failures, 0.999))).toEqual([999, 1998, 3996, 7992]);
});

test("no wait is longer than thirty seconds, however often it failed", () => {
  expect(fullJitterMs(10, 0.999)).toBeLessThanOrEqual(30_000);
  expect(fullJitterMs(100_000, 0.999)).toBeLessThanOrEqual(30_000);
});
