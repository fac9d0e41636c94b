import type { ClientFrame, ErrorFrame, ServerFrame } from "../../protocol/generated";
import { HubbubError } from "../error";

/** A request that may be repeated: it reads something, or doing it twice is doing it once. */
export type Request = Extract<
  ClientFrame,
  { type: "refresh" | "leave" | "members" | "read" | "unread" | "history" | "moderate" }
>;

type Open = {
  frame: Request;
  resolve: (answer: ServerFrame) => void;
  reject: (error: HubbubError) => void;
  timer: ReturnType<typeof setTimeout>;
};

/** Requests that wait for their answer. They outlive a connection, but not their deadline. */
export class Requests {
  #open = new Map<number, Open>();
  readonly #send: (frame: Request) => HubbubError | null;

  /** `send` writes to the live connection and does nothing without one; it says why a frame can never go out. */
  constructor(send: (frame: Request) => HubbubError | null) {
    this.#send = send;
  }

  ask(id: number, request: Request, within_ms: number): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      const frame = { ...request, id };
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new HubbubError("timeout", `No answer to ${request.type} within ${within_ms} ms; try again.`));
      }, within_ms);
      this.#open.set(id, { frame, resolve, reject, timer });
      this.#write(id, frame);
    });
  }

  /** Takes the answer to one of the requests; false if it is nobody's. */
  answer(frame: ServerFrame & { id?: number }): boolean {
    const open = frame.id === undefined ? undefined : this.#open.get(frame.id);
    if (open === undefined || frame.id === undefined) return false;
    clearTimeout(open.timer);
    this.#open.delete(frame.id);
    if (frame.type === "error") open.reject(HubbubError.from(frame as ErrorFrame));
    else open.resolve(frame);
    return true;
  }

  /** A connection stands: what has no answer yet is asked again. */
  live(): void {
    for (const [id, { frame }] of this.#open) this.#write(id, frame);
  }

  /** Nothing more will come. */
  stop(error: HubbubError): void {
    for (const open of this.#open.values()) {
      clearTimeout(open.timer);
      open.reject(error);
    }
    this.#open.clear();
  }

  #write(id: number, frame: Request): void {
    const error = this.#send(frame);
    const open = this.#open.get(id);
    if (!error || !open) return;
    clearTimeout(open.timer);
    this.#open.delete(id);
    open.reject(error);
  }
}
