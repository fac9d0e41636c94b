/** The page against a real gateway. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { arrives, enter, say, texts, Visitors } from "./browser";
import { Gateway } from "./gateway";

let gateway: Gateway;
let visitors: Visitors;
beforeEach(async () => {
  gateway = await Gateway.start();
  visitors = await Visitors.start();
});
afterEach(async () => {
  await visitors?.stop();
  await gateway?.kill();
});

test("two pages talk to each other and see that the other is there", async () => {
  const ada = await visitors.visitor();
  const bob = await visitors.visitor({ width: 390, height: 844 });
  await enter(ada, gateway.address, "Ada");
  await enter(bob, gateway.address, "Bob");
  await ada.getByLabel("Who is here", { exact: true }).getByText("Bob").waitFor();
  await bob.locator("textarea[name=message]").pressSequentially("hello");
  await ada.getByText("Bob is typing…").waitFor();
  await bob.locator("textarea[name=message]").press("Enter");
  await arrives(ada, "hello");
  await say(ada, "hello yourself");
  await arrives(bob, "hello yourself");

  const own = ada.locator(".message.own").last();
  await own.hover();
  await own.getByRole("button", { name: "Edit" }).click();
  await ada.locator("textarea[name=edit]").fill("hello, Bob");
  await ada.locator("textarea[name=edit]").press("Enter");
  await arrives(bob, "hello, Bob (edited)");
  await own.hover();
  await own.getByRole("button", { name: "React" }).click();
  await own.getByRole("button", { name: "React with 🎉" }).click();
  await bob.getByRole("button", { name: "🎉 by Ada" }).waitFor();
  await own.hover();
  await own.getByRole("button", { name: "Delete" }).click();
  await own.getByRole("button", { name: "Delete" }).click();
  await arrives(bob, "Message deleted");
  expect(await texts(bob)).toEqual(["hello", "Message deleted"]);
  expect(visitors.faults).toEqual([]);
});

test("a reload comes back as the same guest and has every message once", async () => {
  const ada = await visitors.visitor();
  const bob = await visitors.visitor();
  await enter(ada, gateway.address, "Ada");
  await enter(bob, gateway.address, "Bob");
  await say(ada, "before the reload");
  await arrives(bob, "before the reload");
  await ada.goto("about:blank");
  await say(bob, "while Ada was away");
  await arrives(bob, "while Ada was away");
  await ada.goto(gateway.address);
  await arrives(ada, "while Ada was away");
  await say(ada, "after the reload");
  await arrives(bob, "after the reload");
  await arrives(ada, "after the reload");
  const all = ["before the reload", "while Ada was away", "after the reload"];
  expect(await texts(ada)).toEqual(all);
  expect(await texts(bob)).toEqual(all);
  // Both of Ada's messages are her own: she is who she was.
  expect(await ada.locator(".message.own").count()).toBe(2);
  expect(visitors.faults).toEqual([]);
});

test("older messages are loaded from history, all of them and in order", async () => {
  const ada = await visitors.visitor();
  await enter(ada, gateway.address, "Ada");
  const all = Array.from({ length: 130 }, (_, at) => `message ${at + 1}`);
  for (const text of all) await say(ada, text);
  await arrives(ada, "message 130");
  await ada.reload();
  await arrives(ada, "message 130");
  await expect
    .poll(async () => {
      await ada.locator(".messages").evaluate((box) => box.scrollTo(0, 0));
      return ada.getByText("This is where general begins.").count();
    })
    .toBe(1);
  expect(await texts(ada)).toEqual(all);
  expect(visitors.faults).toEqual([]);
}, 120_000);

test("what is sent while the gateway is down arrives once when it is back, and the page owns up to the lost history", async () => {
  const ada = await visitors.visitor();
  const bob = await visitors.visitor();
  await enter(ada, gateway.address, "Ada");
  await enter(bob, gateway.address, "Bob");
  await say(ada, "before the crash");
  await arrives(bob, "before the crash");
  await gateway.kill();
  await ada.getByText("Reconnecting in").waitFor();
  await say(ada, "into the void");
  await ada.getByText("Not sent yet: waits for the connection").waitFor();
  await gateway.start();
  await arrives(ada, "into the void");
  await arrives(bob, "into the void");
  await ada.getByText("The history of this room could not be recovered").waitFor();
  await bob.getByText("The history of this room could not be recovered").waitFor();
  // Whatever was sent a second time would be there before this.
  await say(bob, "after the crash");
  for (const page of [ada, bob]) {
    await arrives(page, "after the crash");
    expect(await texts(page)).toEqual(["into the void", "after the crash"]);
  }
}, 120_000);

test("a gateway that drains says so, and the page comes back to the next one", async () => {
  const ada = await visitors.visitor();
  await enter(ada, gateway.address, "Ada");
  const drained = gateway.drain();
  await ada.locator(".connection .banner").waitFor();
  expect(await drained).toBe(0);
  await gateway.start();
  await ada.locator(".state").getByText("Connected").waitFor({ state: "attached" });
  await say(ada, "still here");
  await arrives(ada, "still here");
}, 120_000);

test("what a user types is text, wherever it is shown", async () => {
  const markup = '<img src=x onerror="window.broken=1"><script>window.broken=1</script><b>bold</b>';
  const ada = await visitors.visitor();
  const bob = await visitors.visitor();
  await enter(ada, gateway.address, "<b>Ada</b>");
  await enter(bob, gateway.address, "Bob");
  await say(ada, markup);
  for (const page of [ada, bob]) {
    await arrives(page, markup);
    expect(await texts(page)).toEqual([markup]);
    expect(await page.locator(".messages :is(img, script, b)").count()).toBe(0);
    expect(await page.evaluate("window.broken")).toBeUndefined();
  }
  await arrives(bob, "<b>Ada</b>");
  expect(visitors.faults).toEqual([]);
});
