// The wire contract of Hubbub in TypeScript.
// Generated from the Rust crate `shared`; change it there and run `make generate`.

/**
 * What a guest says of themselves.
 */
export type Guest = {
/**
 * The name to show to others; never an id.
 */
name?: string, };

/**
 * Which program a client is.
 */
export type ClientInfo = {
/**
 * The program's name.
 */
name?: string,
/**
 * The program's version.
 */
version?: string, };

/**
 * Whether a reaction comes or goes.
 */
export type ReactionOp = "add" | "remove";

/**
 * What a moderator does to somebody.
 */
export type ModerationAction = "kick" | "ban" | "unban" | "mute" | "unmute";

/**
 * The first frame of every connection. At most one of `token`, `session` and `guest`; without any of them the
 * session cookie of the upgrade request counts.
 */
export type Hello = { "type": "hello",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * A JSON Web Token.
 */
token?: string,
/**
 * The secret of a session.
 */
session?: string,
/**
 * Asks to be let in without a login.
 */
guest?: Guest,
/**
 * Which program this is, for the list of logins and for logs.
 */
client?: ClientInfo,
/**
 * An older connection of the same user, which this one takes the place of.
 */
replaces?: string, };

/**
 * Exchanges the credential for a newer one of the same user.
 */
export type Refresh = { "type": "refresh",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * A JSON Web Token.
 */
token: string, };

/**
 * Enters a room; from `joined` on its entries follow.
 */
export type Join = { "type": "join",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The position after which to go on. Without it the last `limit` entries are replayed.
 */
since?: string,
/**
 * How many of the last entries to replay.
 */
limit?: number,
/**
 * Whether presence frames are wanted.
 */
presence: boolean,
/**
 * Whether receipts of everybody are wanted.
 */
receipts: boolean, };

/**
 * Leaves a room.
 */
export type Leave = { "type": "leave",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string, };

/**
 * Appends a message to a room's log.
 */
export type Send = { "type": "send",
/**
 * Comes back in the reply.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * Makes a retry safe.
 */
key?: string,
/**
 * The message: any JSON value.
 */
data: unknown,
/**
 * With `false` the `sent` comes in the entry's place.
 */
echo?: boolean, };

/**
 * Replaces the data of an own message; moderators may edit anyone's.
 */
export type Edit = { "type": "edit",
/**
 * Comes back in the reply.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The position of the message.
 */
target: string,
/**
 * Makes a retry safe.
 */
key?: string,
/**
 * What the message says now: any JSON value.
 */
data: unknown, };

/**
 * Takes an own message back; moderators may delete anyone's.
 */
export type Delete = { "type": "delete",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The position of the message.
 */
target: string,
/**
 * Makes a retry safe.
 */
key?: string, };

/**
 * Adds or removes a reaction to a message.
 */
export type React = { "type": "react",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The position of the message.
 */
target: string,
/**
 * Makes a retry safe.
 */
key?: string,
/**
 * The reaction, usually one emoji.
 */
emoji: string,
/**
 * Add or remove.
 */
op: ReactionOp, };

/**
 * Tells every other connection in the room something that is never stored.
 */
export type SignalRequest = { "type": "signal",
/**
 * Comes back in an error; a signal that went out has no reply but `ok`.
 */
id?: number,
/**
 * The room, which must be joined.
 */
room: string,
/**
 * Any JSON value.
 */
data: unknown, };

/**
 * Asks who is in a room, page by page.
 */
export type MembersRequest = { "type": "members",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * How many members at most.
 */
limit?: number,
/**
 * The `next` of the page before.
 */
after?: string, };

/**
 * Moves the own read marker forward.
 */
export type Read = { "type": "read",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The position up to which all is read.
 */
pos: string, };

/**
 * Asks what is unread in some rooms.
 */
export type UnreadRequest = { "type": "unread",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The rooms.
 */
rooms: Array<string>, };

/**
 * Asks for a part of a room's log; with neither `before` nor `after` the newest.
 */
export type HistoryRequest = { "type": "history",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * Only entries before this position.
 */
before?: string,
/**
 * Only entries after this position.
 */
after?: string,
/**
 * How many entries at most.
 */
limit?: number, };

/**
 * Kicks, bans or mutes a user of a room, or ends that.
 */
export type Moderate = { "type": "moderate",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * Whom it concerns.
 */
user: string,
/**
 * What to do.
 */
action: ModerationAction,
/**
 * For how long a ban or mute holds; without it until it is ended.
 */
for_ms?: number,
/**
 * Why, for the log.
 */
reason?: string, };

/**
 * Asks for a pong.
 */
export type ClientPing = { "type": "ping",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number, };

/**
 * Answers the gateway's ping.
 */
export type ClientPong = { "type": "pong",
/**
 * Comes back in the reply; without it there is none.
 */
id?: number, };

/**
 * Any frame from a client.
 */
export type ClientFrame = Hello | Refresh | Join | Leave | Send | Edit | Delete | React | SignalRequest | MembersRequest | Read | UnreadRequest | HistoryRequest | Moderate | ClientPing | ClientPong;

/**
 * The limits in force on a connection, as `welcome` gives them.
 */
export type Limits = {
/**
 * The largest frame from the client, in bytes.
 */
frame_bytes: number,
/**
 * The largest `data`, in bytes, without white space.
 */
data_bytes: number,
/**
 * The longest `key`, in bytes.
 */
key_bytes: number,
/**
 * Where a `history` or `members` reply ends early, in bytes.
 */
reply_bytes: number,
/**
 * Rooms that one connection may be in at once.
 */
rooms: number,
/**
 * The most entries that one `history` or one `join` gives.
 */
history: number,
/**
 * Unanswered requests at which the gateway stops reading.
 */
pipeline: number, };

/**
 * The `code` of an `error` frame.
 */
export type ErrorCode = "bad_request" | "unauthenticated" | "token_expired" | "forbidden" | "room_invalid" | "already_joined" | "not_joined" | "too_large" | "rate_limited" | "limit_exceeded" | "gone" | "unavailable" | "internal";

/**
 * A user as others see them.
 */
export type Author = {
/**
 * The user id.
 */
user: string,
/**
 * The name to show.
 */
name?: string, };

/**
 * The user of the connection itself.
 */
export type Me = {
/**
 * The user id.
 */
id: string,
/**
 * The name to show.
 */
name?: string, };

/**
 * The login that the connection belongs to.
 */
export type SessionInfo = {
/**
 * The session's id, fit to be shown.
 */
id: string,
/**
 * The session's secret, only in the welcome that made the session.
 */
secret?: string, };

/**
 * Why the entries after `since` cannot all be given.
 */
export type UnrecoveredReason = "trimmed" | "reset";

/**
 * A user in a room.
 */
export type Member = {
/**
 * The user id.
 */
user: string,
/**
 * The name to show.
 */
name?: string,
/**
 * How many connections the user has in the room.
 */
connections: number, };

/**
 * What is unread in one room.
 */
export type UnreadRoom = {
/**
 * The seq of the own read marker; 0 without one.
 */
read: number,
/**
 * The seq of the head.
 */
head: number,
/**
 * How many messages came after the marker.
 */
unread: number, };

/**
 * Why a subscription goes on from somewhere else.
 */
export type ResetReason = "lag" | "trimmed" | "reset";

/**
 * Why a subscription was ended.
 */
export type RemovedReason = "kicked" | "banned" | "revoked";

/**
 * Answers `hello`: the connection is open.
 */
export type Welcome = { "type": "welcome",
/**
 * The request's id.
 */
id?: number,
/**
 * The connection's id, for `replaces`.
 */
connection: string,
/**
 * The replica's id.
 */
replica: string,
/**
 * The gateway's clock, Unix milliseconds.
 */
time: number,
/**
 * When the credential runs out, Unix milliseconds.
 */
expires_at?: number,
/**
 * Who the connection belongs to.
 */
user: Me,
/**
 * The login, if there is one.
 */
session?: SessionInfo,
/**
 * The rhythm of signs of life.
 */
heartbeat_ms: number,
/**
 * The limits in force.
 */
limits: Limits, };

/**
 * Answers `refresh`.
 */
export type Refreshed = { "type": "refreshed",
/**
 * The request's id.
 */
id?: number,
/**
 * When the new credential runs out, Unix milliseconds.
 */
expires_at: number, };

/**
 * Answers `join`; `replayed` entries follow, then the live ones.
 */
export type Joined = { "type": "joined",
/**
 * The request's id.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The head of the room's log.
 */
seq: number,
/**
 * The head's position.
 */
pos: string,
/**
 * Whether every entry after `since` follows; absent without `since`.
 */
recovered?: boolean,
/**
 * Why not.
 */
reason?: UnrecoveredReason,
/**
 * How many entries follow before the live ones.
 */
replayed: number,
/**
 * How many users are in the room, the own one included; absent where presence is off.
 */
members?: number,
/**
 * The seq of the own read marker; 0 without one.
 */
read: number,
/**
 * How many messages came after it.
 */
unread: number, };

/**
 * Answers `leave`.
 */
export type Left = { "type": "left",
/**
 * The request's id.
 */
id?: number,
/**
 * The room.
 */
room: string, };

/**
 * A message.
 */
export type Message = { "type": "message",
/**
 * The room.
 */
room: string,
/**
 * The entry's number.
 */
seq: number,
/**
 * The entry's position, which is also its name.
 */
pos: string,
/**
 * Messages in the log up to and including this entry.
 */
count: number,
/**
 * When it was appended, Unix milliseconds.
 */
time: number,
/**
 * Who it is from; absent where the server published without a user.
 */
from?: Author,
/**
 * The key that the sender gave.
 */
key?: string,
/**
 * What it says; absent once it is deleted.
 */
data?: unknown,
/**
 * Whether it was taken back.
 */
deleted?: boolean, };

/**
 * An edit of a message.
 */
export type EditEntry = { "type": "edit",
/**
 * The room.
 */
room: string,
/**
 * The entry's number.
 */
seq: number,
/**
 * The entry's position, which is also its name.
 */
pos: string,
/**
 * Messages in the log up to and including this entry.
 */
count: number,
/**
 * When it was appended, Unix milliseconds.
 */
time: number,
/**
 * Who it is from; absent where the server published without a user.
 */
from?: Author,
/**
 * The key that the sender gave.
 */
key?: string,
/**
 * The message's position.
 */
target: string,
/**
 * What the message says now; absent once it is deleted.
 */
data?: unknown,
/**
 * Whether the message was taken back.
 */
deleted?: boolean, };

/**
 * A deletion of a message.
 */
export type DeleteEntry = { "type": "delete",
/**
 * The room.
 */
room: string,
/**
 * The entry's number.
 */
seq: number,
/**
 * The entry's position, which is also its name.
 */
pos: string,
/**
 * Messages in the log up to and including this entry.
 */
count: number,
/**
 * When it was appended, Unix milliseconds.
 */
time: number,
/**
 * Who it is from; absent where the server published without a user.
 */
from?: Author,
/**
 * The key that the sender gave.
 */
key?: string,
/**
 * The message's position.
 */
target: string, };

/**
 * A reaction to a message.
 */
export type ReactionEntry = { "type": "reaction",
/**
 * The room.
 */
room: string,
/**
 * The entry's number.
 */
seq: number,
/**
 * The entry's position, which is also its name.
 */
pos: string,
/**
 * Messages in the log up to and including this entry.
 */
count: number,
/**
 * When it was appended, Unix milliseconds.
 */
time: number,
/**
 * Who it is from; absent where the server published without a user.
 */
from?: Author,
/**
 * The key that the sender gave.
 */
key?: string,
/**
 * The message's position.
 */
target: string,
/**
 * The reaction.
 */
emoji: string,
/**
 * Whether it came or went.
 */
op: ReactionOp, };

/**
 * Appended and numbered.
 */
export type Sent = { "type": "sent",
/**
 * The request's id.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The entry's number.
 */
seq: number,
/**
 * The entry's position.
 */
pos: string,
/**
 * When it was appended, Unix milliseconds.
 */
time: number,
/**
 * Whether an earlier request had done it already.
 */
duplicate?: boolean, };

/**
 * An event that is never stored.
 */
export type Signal = { "type": "signal",
/**
 * The room.
 */
room: string,
/**
 * Who it is from; absent where the server published it without a user.
 */
from?: Author,
/**
 * Any JSON value.
 */
data: unknown, };

/**
 * Set operations on the members of a room.
 */
export type Presence = { "type": "presence",
/**
 * The room.
 */
room: string,
/**
 * How many users are in it now.
 */
count: number,
/**
 * Who is in it now and may not have been before.
 */
joined?: Array<Author>,
/**
 * Who is not in it any more.
 */
left?: Array<string>,
/**
 * Whether frames were lost, so that the client should ask for the members again.
 */
resync?: boolean, };

/**
 * Answers `members`.
 */
export type Members = { "type": "members",
/**
 * The request's id.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * How many users are in the room.
 */
count: number,
/**
 * A page of them, ordered by user id.
 */
members: Array<Member>,
/**
 * Where the next page begins; absent on the last.
 */
next?: string, };

/**
 * Answers what has nothing to tell.
 */
export type Done = { "type": "ok",
/**
 * The request's id.
 */
id?: number, };

/**
 * A user's read marker moved.
 */
export type Receipt = { "type": "receipt",
/**
 * The room.
 */
room: string,
/**
 * Whose marker.
 */
user: string,
/**
 * The seq of the marker.
 */
seq: number,
/**
 * The position of the marker.
 */
pos: string, };

/**
 * Answers `unread`.
 */
export type Unread = { "type": "unread",
/**
 * The request's id.
 */
id?: number,
/**
 * The rooms that were asked for.
 */
rooms: { [key in string]: UnreadRoom }, };

/**
 * Answers `history`.
 */
export type History = { "type": "history",
/**
 * The request's id.
 */
id?: number,
/**
 * The room.
 */
room: string,
/**
 * The head of the room's log.
 */
seq: number,
/**
 * The head's position.
 */
pos: string,
/**
 * Entries, oldest first: `message`, `edit`, `delete` and `reaction` frames.
 */
entries: Entry[],
/**
 * Whether there are more in the direction asked for.
 */
more: boolean,
/**
 * Whether older entries once existed.
 */
trimmed: boolean, };

/**
 * Asks for a sign of life.
 */
export type Ping = { "type": "ping", };

/**
 * Answers the client's ping.
 */
export type Pong = { "type": "pong",
/**
 * The request's id.
 */
id?: number, };

/**
 * The next entry of the room is `seq` + 1; nothing is replayed.
 */
export type Reset = { "type": "reset",
/**
 * The room.
 */
room: string,
/**
 * Where the subscription goes on.
 */
seq: number,
/**
 * The position there.
 */
pos: string,
/**
 * Why.
 */
reason: ResetReason, };

/**
 * A subscription was ended by the gateway.
 */
export type Removed = { "type": "removed",
/**
 * The room.
 */
room: string,
/**
 * Why.
 */
reason: RemovedReason, };

/**
 * The replica is about to stop: come back elsewhere, at a random moment within the time given.
 */
export type Draining = { "type": "draining",
/**
 * How long the connection stays open.
 */
reconnect_within_ms: number, };

/**
 * The replica has lost its backend.
 */
export type Degraded = { "type": "degraded", };

/**
 * The replica has its backend again.
 */
export type Restored = { "type": "restored", };

/**
 * What went wrong, for programs and for people.
 */
export type ErrorFrame = { "type": "error",
/**
 * The request's id.
 */
id?: number,
/**
 * For programs.
 */
code: ErrorCode,
/**
 * For people; may change.
 */
message: string,
/**
 * When a retry makes sense.
 */
retry_after_ms?: number, };

/**
 * Any frame from the gateway.
 */
export type ServerFrame = Welcome | Refreshed | Joined | Left | Message | EditEntry | DeleteEntry | ReactionEntry | Sent | Signal | Presence | Members | Done | Receipt | Unread | History | Ping | Pong | Reset | Removed | Draining | Degraded | Restored | ErrorFrame;

/** One item of a room's log. */
export type Entry = Message | EditEntry | DeleteEntry | ReactionEntry;

/** Why the gateway ended a connection. */
export const CloseCode = {
  Draining: 4001,
  SlowConsumer: 4002,
  CredentialExpired: 4003,
  HeartbeatMissed: 4004,
  Internal: 4005,
  Full: 4006,
  Unavailable: 4007,
  TooManyConnections: 4008,
  RateLimited: 4009,
  BadFrame: 4501,
  HelloExpected: 4502,
  CredentialInvalid: 4503,
  Revoked: 4504,
  Banned: 4505,
  HelloTimeout: 4508,
} as const;
