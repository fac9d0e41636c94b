/** The page in a browser, against a gateway that does what the test wants. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { arrives, enter, say, texts, Visitors } from "./browser";
import { FakeServer } from "./fake-server";

let server: FakeServer;
let visitors: Visitors;
beforeEach(async () => {
  server = await FakeServer.start();
  visitors = await Visitors.start();
});
afterEach(async () => {
  await visitors?.stop();
  await server?.stop();
});

test("degraded, restored, draining and stopped are said plainly, with what to do", async () => {
  const ada = await visitors.visitor();
  await enter(ada, server.address, "Ada");
  const connection = server.gateway.live[0];
  connection?.send({ type: "degraded" });
  await ada.getByText("The gateway has lost its storage").waitFor();
  connection?.send({ type: "restored" });
  await ada.getByText("The gateway has lost its storage").waitFor({ state: "detached" });
  connection?.send({ type: "draining", reconnect_within_ms: 3_600_000 });
  await ada.getByText("The gateway is restarting").waitFor();
  connection?.send({ type: "error", code: "unauthenticated", message: "revoked" });
  connection?.close(4504);
  await ada.getByText("You were signed out. Sign in again.").waitFor();
  await ada.getByRole("button", { name: "Sign in" }).click();
  await ada.getByLabel("Your name").waitFor();
  expect(visitors.faults).toEqual([]);
});

test("another room's unread messages are counted until it is opened", async () => {
  const ada = await visitors.visitor();
  await enter(ada, server.address, "Ada");
  await ada.getByRole("button", { name: "random" }).click();
  await ada.getByRole("heading", { name: "random" }).waitFor();
  server.gateway.says("bob", "general", "psst");
  const general = ada.getByRole("navigation").getByRole("button", { name: "general" });
  await general.getByText("1 unread").waitFor();
  await expect.poll(() => ada.title()).toBe("(1) Hubbub");
  await general.click();
  await arrives(ada, "psst");
  await general.getByText("unread").waitFor({ state: "detached" });
  await expect.poll(() => ada.title()).toBe("Hubbub");
  await expect.poll(() => server.gateway.got("read").length).toBe(1);
});

test("a room's name that cannot be is refused with a reason, and a good one is joined and left", async () => {
  const ada = await visitors.visitor();
  await enter(ada, server.address, "Ada");
  const field = ada.getByLabel("Join a room by name");
  await field.fill("two words");
  await field.press("Enter");
  await ada.getByText("no spaces").waitFor();
  await field.fill("team/ops");
  await field.press("Enter");
  await ada.getByRole("heading", { name: "team/ops" }).waitFor();
  expect(new URL(ada.url()).hash).toBe("#team%2Fops");
  await ada.getByRole("button", { name: "Leave team/ops" }).click();
  await ada.getByRole("heading", { name: "general" }).waitFor();
  await expect.poll(() => server.gateway.got("leave").length).toBe(1);
});

test("older messages come in above without moving what is read", async () => {
  for (let n = 1; n <= 200; n += 1) server.gateway.says("bob", "general", `message ${n}`);
  const ada = await visitors.visitor({ width: 390, height: 844 });
  await enter(ada, server.address, "Ada");
  const box = ada.locator(".messages");
  const mark = ada.locator(".message", { hasText: "message 155" });
  const top = () => mark.evaluate((message) => message.getBoundingClientRect().top);
  await box.evaluate((element) => element.scrollTo(0, 100));
  const before = await top();
  await arrives(ada, "message 101");
  expect(Math.abs((await top()) - before)).toBeLessThan(2);
  server.gateway.says("bob", "general", "a live one");
  await arrives(ada, "a live one");
  expect(Math.abs((await top()) - before)).toBeLessThan(2);
});

test("a message that was refused can be sent again", async () => {
  const ada = await visitors.visitor();
  await enter(ada, server.address, "Ada");
  let isMuted = true;
  server.gateway.intercept = (frame, connection) => {
    if (frame.type !== "send" || !isMuted) return false;
    connection.send({ type: "error", id: frame.id ?? 0, code: "forbidden", message: "you are muted" });
    return true;
  };
  await say(ada, "let me speak");
  await ada.getByText("you are muted").waitFor();
  isMuted = false;
  await ada.getByRole("button", { name: "Send again" }).click();
  await arrives(ada, "let me speak");
  expect(await texts(ada)).toEqual(["let me speak"]);
});

test("everything can be done with the keyboard alone", async () => {
  const ada = await visitors.visitor();
  await ada.goto(server.address);
  await ada.keyboard.press("Tab");
  await ada.keyboard.type("Ada");
  await ada.keyboard.press("Enter");
  await ada.locator("textarea[name=message]").waitFor();
  await expect.poll(() => ada.evaluate(() => document.activeElement?.getAttribute("name"))).toBe("message");
  await ada.getByText("Connected").waitFor({ state: "attached" });
  await ada.keyboard.type("first");
  await ada.keyboard.press("Enter");
  await ada.keyboard.type("secnd");
  await ada.keyboard.press("Enter");
  await arrives(ada, "secnd");
  await ada.keyboard.press("ArrowUp");
  await ada.locator("textarea[name=edit]:focus").waitFor();
  await ada.keyboard.press("ControlOrMeta+a");
  await ada.keyboard.type("second");
  await ada.keyboard.press("Enter");
  await arrives(ada, "second (edited)");
  await ada.locator(".message[data-pos]").last().focus();
  await ada.keyboard.press("ArrowUp");
  await ada.keyboard.press("Tab");
  await ada.keyboard.press("Enter");
  await ada.keyboard.press("Shift+Tab");
  await ada.keyboard.press("Enter");
  await ada.getByRole("button", { name: "😢 by Ada" }).waitFor();
  expect(visitors.faults).toEqual([]);
});

test("the page stands in both widths without scrolling sideways", async () => {
  server.gateway.says("bob", "general", "long".repeat(400));
  for (const width of [390, 1440]) {
    const ada = await visitors.visitor({ width });
    await enter(ada, server.address, "Ada");
    await arrives(ada, "long".repeat(400));
    const overflow = await ada.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, `${width} px`).toBeLessThanOrEqual(0);
  }
});
