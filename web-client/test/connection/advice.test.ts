import { expect, test } from "vitest";
import { CloseCode } from "../../src/protocol/generated";
import { advice } from "../../src/sdk/connection/advice";

test("codes from 4000 to 4499 and the ordinary endings say: come back", () => {
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 4000, 4001, 4002, 4004, 4009, 4499]) {
    expect(advice(code), String(code)).toBe("come_back");
  }
});

test("codes from 4500 and broken rules of WebSocket say: stay away", () => {
  for (const code of [1002, 1003, 1007, 1009, 4500, 4501, 4502, 4503, 4504, 4505, 4508, 4999]) {
    expect(advice(code), String(code)).toBe("stay_away");
  }
});

test("a credential that ran out is to be replaced", () => {
  expect(advice(CloseCode.CredentialExpired)).toBe("fresh_credential");
});
