import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { WebSocketServer } from "ws";
import { FakeGateway } from "../test/fake-gateway";

/** What the gateway serves the page under. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};
const PAGE = new URL("../dist/", import.meta.url).pathname;

/** The built page and a fake gateway behind it, on a free port. */
export class FakeServer {
  readonly gateway = new FakeGateway();
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor() {
    this.#http = createServer(async (request, response) => {
      const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
      const file = path === "/" ? "index.html" : path;
      try {
        const body = await readFile(join(PAGE, file));
        response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
        response.setHeader("content-security-policy", POLICY);
        response.end(body);
      } catch {
        response.statusCode = 404;
        response.end();
      }
    });
    this.#sockets = new WebSocketServer({ server: this.#http, path: "/v1/ws" });
    this.#sockets.on("connection", (socket) => {
      if (!this.gateway.isUp) {
        socket.terminate();
        return;
      }
      const end = this.gateway.openSocket("", {
        opened: () => {},
        received: (data) => socket.send(String(data)),
        // 1006 cannot be sent: it is what the other end sees when nothing was.
        closed: (code, reason) => (code === 1006 ? socket.terminate() : socket.close(code, reason)),
      });
      socket.on("message", (data) => end.send(String(data)));
      socket.on("close", () => end.close());
    });
  }

  static async start(): Promise<FakeServer> {
    const server = new FakeServer();
    await new Promise<void>((ready) => server.#http.listen(0, "127.0.0.1", ready));
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    await new Promise((done) => this.#http.close(done));
  }
}
