/** The public surface of the Hubbub SDK. */
export type * from "../protocol/generated";
export { CloseCode } from "../protocol/generated";
export { type ClientEvents, type ClientOptions, HubbubClient, type SendOptions } from "./client";
export type { Attempt, Cause, Live, State } from "./connection/state";
export {
  asGuest,
  type Credential,
  type Credentials,
  withCookie,
  withSession,
  withToken,
} from "./credentials";
export { HubbubError, type LocalCode } from "./error";
export type { Append, Unsent } from "./outbox/outbox";
export type { JoinOptions, MissedReason, Position } from "./rooms/subscription";
export type { KeptStorage } from "./storage";
export type { OpenSocket, Socket, SocketReports } from "./transport/transport";
