import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";

const BINARY = process.env.HUBBUB_BIN ?? new URL("../../target/debug/hubbub", import.meta.url).pathname;
const READY_WITHIN_MS = 20_000;
const DRAINED_WITHIN_MS = 30_000;

/** A real gateway on a port of its own, which it keeps over restarts. */
export class Gateway {
  readonly #port: number;
  #process: ChildProcess | null = null;
  #log = "";

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<Gateway> {
    if (!existsSync(BINARY)) {
      throw new Error(`There is no gateway at ${BINARY}: build it (cargo build) or name it in HUBBUB_BIN.`);
    }
    const gateway = new Gateway(await freePort());
    await gateway.start();
    return gateway;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  async start(): Promise<void> {
    const child = spawn(BINARY, ["serve", "--listen", `127.0.0.1:${this.#port}`], {
      stdio: ["ignore", "pipe", "pipe"],
      // Here a script types, faster than anybody would.
      env: { ...process.env, HUBBUB_LIMITS__USER_SEND: "off", HUBBUB_LIMITS__USER_ROOM_SEND: "off" },
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        this.#log += String(chunk);
      });
    }
    await this.#until("ready", READY_WITHIN_MS, async () => {
      if (child.exitCode !== null) throw new Error(`The gateway ended with ${child.exitCode}:\n${this.#log}`);
      const answer = await fetch(`${this.address}readyz`).catch(() => null);
      return answer?.status === 200;
    });
  }

  /** Lets it drain; its exit code. */
  async drain(): Promise<number | null> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return child?.exitCode ?? null;
    this.#process = null;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const deadline = setTimeout(() => child.kill("SIGKILL"), DRAINED_WITHIN_MS);
    await ended;
    clearTimeout(deadline);
    return child.exitCode;
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    this.#process = null;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async #until(what: string, within_ms: number, isSo: () => Promise<boolean>): Promise<void> {
    const deadline_ms = Date.now() + within_ms;
    while (!(await isSo())) {
      if (Date.now() > deadline_ms) throw new Error(`The gateway is not ${what} in time:\n${this.#log}`);
      await new Promise((next) => setTimeout(next, 50));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
