import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A real browser, and pages in it that must not complain. */
export class Visitors {
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];
  readonly #home: string;
  /** Errors of scripts and breaches of the content policy, on any page. */
  readonly faults: string[] = [];

  private constructor(browser: Browser, home: string) {
    this.#browser = browser;
    this.#home = home;
  }

  static async start(): Promise<Visitors> {
    const home = await mkdtemp(join(tmpdir(), "hubbub-e2e-"));
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home };
    const browser = await chromium.launch({ executablePath, args: ARGUMENTS, env });
    return new Visitors(browser, home);
  }

  /** Somebody with a browser of their own. */
  async visitor(options: { width?: number; height?: number; dark?: boolean } = {}): Promise<Page> {
    const { width = 1440, height = 900, dark = false } = options;
    const context = await this.#browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? "dark" : "light",
      hasTouch: width < 760,
      locale: "en-GB",
    });
    this.#contexts.push(context);
    return this.watched(await context.newPage());
  }

  /** Another tab of the same browser. */
  async tabOf(page: Page): Promise<Page> {
    return this.watched(await page.context().newPage());
  }

  watched(page: Page): Page {
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      // A gateway that is down is part of some tests, and the browser writes a line for every failed try.
      const isNetwork = message.text().includes("WebSocket connection to");
      if (message.type() === "error" && !isNetwork) this.faults.push(message.text());
    });
    return page;
  }

  async stop(): Promise<void> {
    for (const context of this.#contexts) await context.close();
    await this.#browser.close();
    await rm(this.#home, { recursive: true, force: true });
  }
}

/** Opens the page in a room and signs in as a guest. */
export async function enter(page: Page, address: string, name: string, room = "general"): Promise<void> {
  await page.goto(`${address}#${encodeURIComponent(room)}`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.getByText("Connected").waitFor({ state: "attached" });
}

export async function say(page: Page, text: string): Promise<void> {
  await page.locator("textarea[name=message]").fill(text);
  await page.locator("textarea[name=message]").press("Enter");
}

/** Waits until a message with exactly this text is in the room's log. */
export async function arrives(page: Page, text: string): Promise<void> {
  await page.locator(".message[data-pos]").getByText(text, { exact: true }).waitFor({ state: "attached" });
}

/** The texts of the messages that are in the room's log, in order. */
export function texts(page: Page): Promise<string[]> {
  return page.locator(".messages .message[data-pos] .text").allInnerTexts();
}
