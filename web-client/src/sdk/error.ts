import type { ErrorCode, ErrorFrame } from "../protocol/generated";

/** What the client itself has to say, beside the gateway's codes. */
export type LocalCode =
  /** No answer came in time; whether the request took effect is not known. */
  | "timeout"
  /** The client is stopped; `start` it first. */
  | "stopped"
  /** Too much is waiting to be sent already. */
  | "outbox_full"
  /** It was sent, the answer was lost, and it is too late to ask again without risking a double. */
  | "outcome_unknown"
  /** The caller gave it up. */
  | "discarded";

/** Why a request came to nothing. `code` is for programs, `message` a sentence for people. */
export class HubbubError extends Error {
  readonly code: ErrorCode | LocalCode;
  readonly retry_after_ms: number | null;

  constructor(code: ErrorCode | LocalCode, message: string, retry_after_ms: number | null = null) {
    super(message);
    this.name = "HubbubError";
    this.code = code;
    this.retry_after_ms = retry_after_ms;
  }

  static from(frame: ErrorFrame): HubbubError {
    return new HubbubError(frame.code, frame.message, frame.retry_after_ms ?? null);
  }
}

/** Whether the same request may succeed later (protocol §7). */
export function mayRetry(code: ErrorCode): boolean {
  switch (code) {
    case "rate_limited":
    case "unavailable":
    case "internal":
      return true;
    case "bad_request":
    case "unauthenticated":
    case "token_expired":
    case "forbidden":
    case "room_invalid":
    case "already_joined":
    case "not_joined":
    case "too_large":
    case "limit_exceeded":
    case "gone":
      return false;
    default:
      // A code of a later version: it will be the same the next time.
      return false;
  }
}
