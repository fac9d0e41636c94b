/** What the page says about the connection and about faults: plainly, and with what to do next. */
import { type Cause, CloseCode, type HubbubError, type MissedReason, type Removed, type State } from "../sdk";

/** Why the client is stopped, what to do about it, and whether that needs another login. */
export type StopReason = { what: string; todo: string; needsLogin: boolean };

export function stopReason(cause: Cause): StopReason {
  switch (cause.kind) {
    case "asked_to_stop":
      return { what: "Disconnected.", todo: "Connect again when you like.", needsLogin: false };
    case "credential_missing":
      return { what: "Your login has run out.", todo: "Sign in again.", needsLogin: true };
    case "credential_failed":
      return { what: `Signing in failed: ${cause.message}`, todo: "Try again.", needsLogin: false };
    case "silent":
      return { what: "The gateway does not answer.", todo: "Try again.", needsLogin: false };
    case "closed":
      return closeReason(cause.code, cause.error?.message ?? cause.reason);
  }
}

function closeReason(code: number, said: string): StopReason {
  switch (code) {
    case CloseCode.CredentialInvalid:
      return {
        what: `This gateway does not let you in${said ? `: ${said}` : "."}`,
        todo: "Sign in in another way.",
        needsLogin: true,
      };
    case CloseCode.Revoked:
      return { what: "You were signed out.", todo: "Sign in again.", needsLogin: true };
    case CloseCode.Banned:
      return { what: "You are banned from this service.", todo: "Ask those who run it.", needsLogin: true };
    default:
      return {
        what: `The gateway ended the connection (${said || `code ${code}`}).`,
        todo: "Reload the page; if that does not help, tell those who run the gateway.",
        needsLogin: false,
      };
  }
}

/** Why there is no connection right now, in half a sentence. */
export function waitReason(cause: Cause): string {
  switch (cause.kind) {
    case "silent":
      return "the gateway does not answer";
    case "credential_failed":
      return "signing in failed";
    case "credential_missing":
    case "asked_to_stop":
      return "not signed in";
    case "closed":
      switch (cause.code) {
        case CloseCode.Draining:
          return "the gateway is restarting";
        case CloseCode.SlowConsumer:
          return "this page could not keep up";
        case CloseCode.CredentialExpired:
          return "the login ran out";
        case CloseCode.Full:
          return "the gateway is full";
        case CloseCode.Unavailable:
          return "the gateway cannot reach its storage";
        case CloseCode.TooManyConnections:
          return "too many pages are open";
        case CloseCode.RateLimited:
          return "too much was sent at once";
        default:
          return "connection lost";
      }
  }
}

/** One word for the state of the connection. */
export function stateWord(state: State): string {
  switch (state.kind) {
    case "idle":
      return "Offline";
    case "connecting":
      return "Connecting…";
    case "waiting":
      return "Reconnecting";
    case "live":
      return state.live.degraded ? "Degraded" : "Connected";
    case "draining":
      return "Moving";
    case "stopped":
      return "Stopped";
  }
}

export function missedNotice(reason: MissedReason): string {
  switch (reason) {
    case "trimmed":
      return "You were away for longer than this room keeps its messages: some may be missing.";
    case "reset":
      return "The history of this room could not be recovered: messages may be missing.";
    case "lag":
      return "This page had fallen behind. The newest messages were loaded again; some may be missing.";
    case "hole":
      return "The gateway left out messages here: some may be missing.";
  }
}

export function removedReason(reason: Removed["reason"]): string {
  switch (reason) {
    case "kicked":
      return "A moderator removed you from this room. You may come back.";
    case "banned":
      return "You are banned from this room.";
    case "revoked":
      return "You may not be in this room any more.";
  }
}

/** Why something the user did came to nothing. */
export function problem(error: HubbubError): string {
  switch (error.code) {
    case "outcome_unknown":
      return "The connection broke; this may or may not have arrived.";
    case "rate_limited":
      return "That was too much at once. Wait a little and try again.";
    case "forbidden":
      return `You may not do that here: ${error.message}`;
    case "gone":
      return "That message is not there any more.";
    default:
      return error.message;
  }
}

const ROOM = /^[A-Za-z0-9_\-=@,.;:/#$+]{1,200}$/;

/** What is wrong with a room's name; null if nothing. */
export function roomNameFault(name: string): string | null {
  if (name === "") return "Give the room a name.";
  if (!ROOM.test(name))
    return "Use letters, digits and _ - = @ , . ; : / # $ + only, no spaces; at most 200.";
  return null;
}
