import {
  type Append,
  type Author,
  asGuest,
  type Credentials,
  HubbubClient,
  HubbubError,
  type Message,
  type MissedReason,
  type OpenSocket,
  type State,
  type Unsent,
} from "../sdk";
import type { Login, Memory } from "./memory";
import * as rooms from "./room";
import { newRoom, type Room } from "./room";
import { nameOf, textOf } from "./timeline";
import { problem, removedReason } from "./words";

/** A message that was refused; the user may send it again or let it go. */
export type Failed = { append: Append; why: string };

export type Model = {
  /** Null until somebody signs in. */
  state: State | null;
  me: Author;
  rooms: ReadonlyMap<string, Room>;
  active: string | null;
  unsent: readonly Unsent[];
  failed: readonly Failed[];
  /** The last thing that went wrong outside a message's own place. */
  problem: string | null;
  /** The last live message of the active room, for screen readers. */
  announced: string;
};

export interface ChatParts {
  url: string;
  memory: Memory;
  /** The room to open when somebody signs in, if a link names one. */
  wanted: () => string | null;
  openSocket?: OpenSocket;
}

const PAGE_ENTRIES = 50;
const MEMBERS_PAGE = 200;
/** More members than this are only counted. */
const MEMBERS_SHOWN_MAX = 400;
const TYPING_EVERY_MS = 3_000;
const READ_EVERY_MS = 1_000;

/** The page's state and everything a user can do: news from the client in, a new model out. */
export class Chat {
  #model: Model;
  #client: HubbubClient | null = null;
  #changed: (model: Model) => void = () => {};
  /** When this tab last said that it types, by room. */
  #typed = new Map<string, number>();
  /** Read markers that are about to move, by room. */
  #reading = new Map<string, ReturnType<typeof setTimeout>>();
  #fading: ReturnType<typeof setTimeout> | null = null;
  readonly #parts: ChatParts;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#model = {
      state: null,
      me: { user: "", name: parts.memory.name },
      rooms: new Map(),
      active: null,
      unsent: [],
      failed: [],
      problem: null,
      announced: "",
    };
  }

  get model(): Model {
    return this.#model;
  }

  /** Calls `changed` with every new model. */
  watch(changed: (model: Model) => void): void {
    this.#changed = changed;
  }

  /** Goes on as whoever was signed in before, if anybody was. */
  resume(): void {
    const { login } = this.#parts.memory;
    if (login) this.signIn(login);
  }

  signIn(login: Login): void {
    const { memory } = this.#parts;
    memory.rememberLogin(login);
    const client = new HubbubClient({
      url: this.#parts.url,
      credentials: credentialsOf(login, memory),
      storage: memory.tab,
      ...(this.#parts.openSocket ? { openSocket: this.#parts.openSocket } : {}),
    });
    this.#client = client;
    this.#listen(client);
    this.#set({ state: client.state, unsent: client.unsent, problem: null });
    for (const room of memory.rooms) this.#join(room);
    const wanted = this.#parts.wanted();
    if (wanted !== null) this.open(wanted);
    client.start();
  }

  /** Ends the login on this device; another name can then be given. */
  signOut(): void {
    this.#parts.memory.forgetLogin();
    const client = this.#client;
    this.#client = null;
    for (const { append } of client?.unsent ?? []) client?.discard(append.key);
    client?.stop();
    this.#set({
      state: null,
      me: { ...this.#model.me, user: "" },
      rooms: new Map(),
      active: null,
      unsent: [],
      failed: [],
    });
  }

  /** Connects at once instead of when the wait is over. */
  reconnect(): void {
    this.#client?.start();
  }

  /** Shows a room, and enters it first where needed. */
  open(name: string): void {
    const room = this.#model.rooms.get(name);
    if (!room) this.#join(name);
    this.#set({ active: name });
    if (room)
      this.#update(name, (room) => ({ ...room, new_after_seq: room.unread > 0 ? room.read_seq : null }));
  }

  rejoin(name: string): void {
    this.#join(name);
  }

  leave(name: string): void {
    this.#client?.leave(name);
    const left = new Map(this.#model.rooms);
    left.delete(name);
    const active = this.#model.active === name ? ([...left.keys()][0] ?? null) : this.#model.active;
    this.#set({
      rooms: left,
      active,
      failed: this.#model.failed.filter(({ append }) => append.room !== name),
    });
    this.#parts.memory.rememberRooms(this.#model.rooms.keys());
  }

  send(room: string, text: string): void {
    this.#quietly(this.#client?.send(room, { text }));
    this.#typed.delete(room);
  }

  edit(room: string, pos: string, text: string): void {
    this.#quietly(this.#client?.edit(room, pos, { text }));
  }

  delete(room: string, pos: string): void {
    this.#quietly(this.#client?.delete(room, pos));
  }

  react(room: string, pos: string, emoji: string, op: "add" | "remove"): void {
    this.#quietly(this.#client?.react(room, pos, emoji, op));
  }

  /** Sends a refused message again, under its own key: should it have arrived after all, it stays one. */
  retry(key: string): void {
    const failed = this.#model.failed.find(({ append }) => append.key === key);
    if (failed?.append.type !== "send") return;
    this.dismiss(key);
    this.#quietly(this.#client?.send(failed.append.room, failed.append.data, { key }));
  }

  /** Lets a refused message go. */
  dismiss(key: string): void {
    this.#set({ failed: this.#model.failed.filter(({ append }) => append.key !== key) });
  }

  /** Tells the others that the user types, not more often than they need to hear it. */
  typing(room: string, isTyping: boolean): void {
    const last = this.#typed.get(room);
    if (isTyping) {
      if (last !== undefined && Date.now() - last < TYPING_EVERY_MS) return;
      this.#typed.set(room, Date.now());
    } else {
      if (last === undefined) return;
      this.#typed.delete(room);
    }
    this.#client?.signal(room, { typing: isTyping });
  }

  /** The user sees the end of the room. */
  seen(name: string): void {
    const room = this.#model.rooms.get(name);
    const last = room?.entries.at(-1);
    if (!room || !last || (room.unread === 0 && room.read_seq >= last.seq)) return;
    this.#update(name, rooms.seen);
    if (this.#reading.has(name)) return;
    const move = () => {
      this.#reading.delete(name);
      const pos = this.#model.rooms.get(name)?.entries.at(-1)?.pos;
      if (pos !== undefined) this.#quietly(this.#client?.read(name, pos));
    };
    this.#reading.set(name, setTimeout(move, READ_EVERY_MS));
  }

  loadOlder(name: string): void {
    const room = this.#model.rooms.get(name);
    if (room?.older !== "some") return;
    const before = room.entries[0]?.pos;
    void this.#loadHistory(name, before);
  }

  dismissMissed(name: string): void {
    this.#update(name, (room) => ({ ...room, missed: null }));
  }

  dismissProblem(): void {
    this.#set({ problem: null });
  }

  #listen(client: HubbubClient): void {
    const me = () => this.#model.me.user;
    client.on("state", (state) => this.#set({ state }));
    client.on("welcome", ({ user }) => {
      const { id, name } = user;
      this.#set({ me: name === undefined ? { user: id } : { user: id, name } });
    });
    client.on("joined", (frame) => {
      this.#update(frame.room, (room) => rooms.joined(room, frame));
      void this.#loadMembers(frame.room);
    });
    client.on("missed", ({ room, reason }) => this.#missed(room, reason));
    client.on("removed", ({ room, reason }) => this.#out(room, removedReason(reason)));
    client.on("join_refused", ({ room, error }) => this.#out(room, problem(error)));
    for (const type of ["message", "edit", "delete", "reaction"] as const) {
      client.on(type, (entry) => {
        if (entry.type === "message") this.#announce(entry);
        this.#update(entry.room, (room) => rooms.arrived(room, entry, me()));
      });
    }
    client.on("signal", (frame) => {
      this.#update(frame.room, (room) => rooms.signalled(room, frame, Date.now()));
      this.#fade();
    });
    client.on("presence", (frame) => {
      this.#update(frame.room, (room) => rooms.presence(room, frame));
      if (frame.resync) void this.#loadMembers(frame.room);
    });
    client.on("receipt", (frame) => {
      this.#update(frame.room, (room) => rooms.receipt(room, frame, me()));
      if (frame.user === me()) void this.#recount(frame.room);
    });
    client.on("unsent", (unsent) => this.#set({ unsent }));
    client.on("refused", ({ append, error }) => this.#refused(append, error));
  }

  /** Says a new message of somebody else's in the room that is open. */
  #announce({ room, seq, from, data }: Message): void {
    const isNew = seq > (this.#model.rooms.get(room)?.counted_seq ?? seq);
    if (room !== this.#model.active || !isNew || from?.user === this.#model.me.user) return;
    this.#set({ announced: `${nameOf(from ?? null)}: ${textOf(data)}` });
  }

  #missed(name: string, reason: MissedReason): void {
    this.#update(name, (room) => rooms.missed(room, reason));
    void this.#loadHistory(name);
  }

  async #loadHistory(name: string, before?: string): Promise<void> {
    const client = this.#client;
    const room = this.#model.rooms.get(name);
    if (!client || !room) return;
    const { generation } = room;
    this.#update(name, (room) => ({ ...room, older: "loading" }));
    try {
      const part = before === undefined ? { limit: PAGE_ENTRIES } : { before, limit: PAGE_ENTRIES };
      const reply = await client.history(name, part);
      this.#update(name, (room) => rooms.historyLoaded(room, reply, generation));
    } catch (error) {
      this.#update(name, (room) => (room.generation === generation ? { ...room, older: "some" } : room));
      if (error instanceof HubbubError)
        this.#set({ problem: `Older messages did not load: ${problem(error)}` });
    }
  }

  async #loadMembers(name: string): Promise<void> {
    const client = this.#client;
    try {
      let after: string | undefined;
      let shown = 0;
      do {
        const page = await client?.members(name, {
          limit: MEMBERS_PAGE,
          ...(after === undefined ? {} : { after }),
        });
        if (!page) return;
        const isFirst = after === undefined;
        this.#update(name, (room) => rooms.membersLoaded(room, page, isFirst));
        shown += page.members.length;
        after = page.next;
      } while (after !== undefined && shown < MEMBERS_SHOWN_MAX);
    } catch {
      // Without an answer the list stays as it is; the next `joined` or `resync` asks again.
    }
  }

  /** The user read the room in another tab. */
  async #recount(name: string): Promise<void> {
    try {
      const reply = await this.#client?.unread([name]);
      const unread = reply?.rooms[name]?.unread;
      if (unread !== undefined) this.#update(name, (room) => ({ ...room, unread }));
    } catch {
      // The count stays until the room is read here.
    }
  }

  #join(name: string): void {
    const phase = this.#model.rooms.get(name)?.phase.kind;
    if (phase === "in" || phase === "joining") return;
    const all = new Map(this.#model.rooms).set(name, newRoom(name));
    this.#set({ rooms: all, active: this.#model.active ?? name });
    this.#parts.memory.rememberRooms(this.#model.rooms.keys());
    this.#quietly(this.#client?.join(name, { limit: PAGE_ENTRIES, presence: true, receipts: true }));
  }

  #out(name: string, why: string): void {
    this.#update(name, (room) => ({ ...room, phase: { kind: "out", why } }));
  }

  #refused(append: Append, error: HubbubError): void {
    if (error.code === "discarded") return;
    const why = problem(error);
    if (append.type === "send") this.#set({ failed: [...this.#model.failed, { append, why }] });
    else this.#set({ problem: why });
  }

  /** For what the page hears of in another way, or can do without. */
  #quietly(promise: Promise<unknown> | undefined): void {
    promise?.catch(() => {});
  }

  #fade(): void {
    if (this.#fading !== null) return;
    this.#fading = setTimeout(() => {
      this.#fading = null;
      for (const name of this.#model.rooms.keys()) {
        this.#update(name, (room) => rooms.typingExpired(room, Date.now()));
      }
      if ([...this.#model.rooms.values()].some((room) => room.typing.size > 0)) this.#fade();
    }, 1_000);
  }

  #update(name: string, how: (room: Room) => Room): void {
    const before = this.#model.rooms.get(name);
    if (!before) return;
    const after = how(before);
    if (after !== before) this.#set({ rooms: new Map(this.#model.rooms).set(name, after) });
  }

  #set(change: Partial<Model>): void {
    this.#model = { ...this.#model, ...change };
    this.#changed(this.#model);
  }
}

function credentialsOf(login: Login, memory: Memory): Credentials {
  if (login.kind === "guest") return asGuest(login.name, memory.lasting, memory.sessionKey);
  // The page has only this one token; when it runs out, the user must bring another.
  return { next: (refused) => (refused ? null : { token: login.token }) };
}
