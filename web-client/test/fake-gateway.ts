/**
 * A gateway for tests, in memory and in this process, written from the protocol alone. It keeps every promise that a
 * client relies on, and breaks the ones a test tells it to.
 */
import type {
  ClientFrame,
  Entry,
  ErrorCode,
  Hello,
  Join,
  OpenSocket,
  Sent,
  ServerFrame,
  SocketReports,
} from "../src/sdk";
import { type Append, FakeLog, type User } from "./fake-log";

const LIMITS = {
  frame_bytes: 65_536,
  data_bytes: 32_768,
  key_bytes: 64,
  reply_bytes: 262_144,
  rooms: 128,
  history: 500,
  pipeline: 64,
};

/** The gateway's end of one socket. */
export class FakeConnection {
  readonly name: string;
  readonly rooms = new Set<string>();
  user: User | null = null;
  isOpen = true;
  readonly #reports: SocketReports;

  constructor(name: string, reports: SocketReports) {
    this.name = name;
    this.#reports = reports;
  }

  /** Frames leave in order, each in a turn of its own, as from a network. */
  send(frame: ServerFrame | string): void {
    const text = typeof frame === "string" ? frame : JSON.stringify(frame);
    queueMicrotask(() => this.isOpen && this.#reports.received(text));
  }

  close(code: number, reason = ""): void {
    queueMicrotask(() => {
      if (!this.isOpen) return;
      this.isOpen = false;
      this.#reports.closed(code, reason);
    });
  }
}

export class FakeGateway {
  readonly connections: FakeConnection[] = [];
  /** Every frame that came, in order. */
  readonly received: ClientFrame[] = [];
  heartbeat_ms = 25_000;
  isUp = true;
  /** Takes a frame before the gateway does; true if that was all. */
  intercept: (frame: ClientFrame, connection: FakeConnection) => boolean = () => false;
  #logs = new Map<string, FakeLog>();
  #sessions = new Map<string, User>();
  #made = 0;

  readonly openSocket: OpenSocket = (_url, reports) => {
    const connection = new FakeConnection(`c${++this.#made}`, reports);
    if (this.isUp) {
      this.connections.push(connection);
      queueMicrotask(() => connection.isOpen && reports.opened());
    } else {
      connection.close(1006);
    }
    return {
      send: (text) => {
        const frame: ClientFrame = JSON.parse(text);
        queueMicrotask(() => connection.isOpen && this.#take(frame, connection));
      },
      close: () => {
        connection.isOpen = false;
        this.#gone(connection);
      },
    };
  };

  /** Connections that were welcomed and are open. */
  get live(): FakeConnection[] {
    return this.connections.filter(({ isOpen, user }) => isOpen && user !== null);
  }

  /** Frames of one type that came so far. */
  got<K extends ClientFrame["type"]>(type: K): Extract<ClientFrame, { type: K }>[] {
    return this.received.filter((frame) => frame.type === type) as Extract<ClientFrame, { type: K }>[];
  }

  /** Ends every socket as a crash would. */
  crash(): void {
    this.isUp = false;
    for (const connection of this.connections) {
      connection.close(1006);
      this.#gone(connection);
    }
  }

  /** Comes back, with or without what it knew. */
  restart({ forgets }: { forgets: boolean }): void {
    if (forgets) {
      this.#logs.clear();
      this.#sessions.clear();
    }
    this.isUp = true;
  }

  /** Retention passes everything up to this seq. */
  trim(room: string, seq: number): void {
    this.#log(room).trim(seq);
  }

  entries(room: string): readonly Entry[] {
    return this.#log(room).entries;
  }

  /** Somebody else's message. */
  says(user: string, room: string, text: string): Sent {
    return this.#append({ type: "send", room, data: { text } }, { id: user, name: user });
  }

  #log(room: string): FakeLog {
    const log = this.#logs.get(room) ?? new FakeLog(room, `k${++this.#made}`);
    this.#logs.set(room, log);
    return log;
  }

  #take(frame: ClientFrame, connection: FakeConnection): void {
    this.received.push(frame);
    if (this.intercept(frame, connection)) return;
    if (frame.type === "hello") this.#hello(frame, connection);
    else if (connection.user) this.#request(frame, connection, connection.user);
    else connection.close(4502);
  }

  #request(frame: Exclude<ClientFrame, Hello>, connection: FakeConnection, user: User): void {
    const own = frame.id === undefined ? {} : { id: frame.id };
    const reply = (answer: ServerFrame) => {
      if (frame.id !== undefined) connection.send({ ...answer, ...own } as ServerFrame);
    };
    const refuse = (code: ErrorCode) => reply({ type: "error", code, message: `${code}: as the test wants` });
    switch (frame.type) {
      case "join":
        this.#join(frame, connection, user);
        break;
      case "leave":
        connection.rooms.delete(frame.room);
        connection.send({ type: "left", room: frame.room, ...own });
        this.#tellLeft(frame.room, user);
        break;
      case "send":
      case "edit":
      case "delete":
      case "react": {
        const known = this.#log(frame.room).known(user, frame.key);
        reply(known ? { ...known, duplicate: true } : this.#append(frame, user, connection));
        break;
      }
      case "signal": {
        const from = { user: user.id, name: user.name };
        this.#toRoom(frame.room, connection, { type: "signal", room: frame.room, from, data: frame.data });
        break;
      }
      case "members": {
        const members = this.#members(frame.room).map(({ id, name }) => ({ user: id, name, connections: 1 }));
        reply({ type: "members", room: frame.room, count: members.length, members });
        break;
      }
      case "read": {
        const marker = this.#log(frame.room).read(user, frame.pos);
        this.#toRoom(frame.room, connection, { type: "receipt", room: frame.room, user: user.id, ...marker });
        reply({ type: "ok" });
        break;
      }
      case "unread": {
        const rooms = frame.rooms.map((room) => [room, this.#log(room).unread(user)]);
        reply({ type: "unread", rooms: Object.fromEntries(rooms) });
        break;
      }
      case "history": {
        const page = this.#log(frame.room).history(frame.before, frame.limit);
        if (page) reply(page);
        else refuse("gone");
        break;
      }
      case "moderate":
        reply({ type: "ok" });
        break;
      case "refresh":
        reply({ type: "refreshed", expires_at: Date.now() + 3_600_000 });
        break;
      case "ping":
        reply({ type: "pong" });
        break;
      case "pong":
        break;
    }
  }

  #hello(frame: Hello, connection: FakeConnection): void {
    const id = frame.id ?? 0;
    const known = frame.session === undefined ? null : (this.#sessions.get(frame.session) ?? null);
    if ((frame.session !== undefined && !known) || frame.token === "expired") {
      connection.send({ type: "error", id, code: "unauthenticated", message: "this login is not known" });
      connection.close(4003);
      return;
    }
    const number = ++this.#made;
    const name = frame.guest?.name ?? frame.token ?? "somebody";
    const user = known ?? { id: frame.token ?? `guest:${number}`, name };
    const session = { id: `s${number}`, secret: `secret-${number}` };
    if (frame.guest) this.#sessions.set(session.secret, user);
    connection.user = user;
    connection.send({
      type: "welcome",
      id,
      connection: connection.name,
      replica: "fake",
      time: Date.now(),
      user,
      ...(frame.guest ? { session } : {}),
      heartbeat_ms: this.heartbeat_ms,
      limits: LIMITS,
    });
    this.connections.find((other) => other.name === frame.replaces)?.close(4001);
  }

  #join(frame: Join, connection: FakeConnection, user: User): void {
    const { room, id = 0 } = frame;
    if (connection.rooms.has(room)) {
      connection.send({ type: "error", id, code: "already_joined", message: "leave it first" });
      return;
    }
    const isNew = !this.#members(room).some((member) => member.id === user.id);
    connection.rooms.add(room);
    const { joined, replay } = this.#log(room).join(frame, user);
    const count = this.#members(room).length;
    connection.send({ ...joined, members: count });
    for (const entry of replay) connection.send(entry);
    if (!isNew) return;
    this.#toRoom(room, connection, {
      type: "presence",
      room,
      count,
      joined: [{ user: user.id, name: user.name }],
    });
  }

  #append(frame: Append, user: User, by?: FakeConnection): Sent {
    const { entry, sent } = this.#log(frame.room).append(frame, user);
    const isQuiet = frame.type === "send" && frame.echo === false;
    for (const connection of this.live) {
      if (connection.rooms.has(frame.room) && !(isQuiet && connection === by)) connection.send(entry);
    }
    return sent;
  }

  #members(room: string): User[] {
    const users = this.live
      .filter(({ rooms }) => rooms.has(room))
      .flatMap(({ user }) => (user ? [user] : []));
    return [...new Map(users.map((user) => [user.id, user])).values()];
  }

  #toRoom(room: string, except: FakeConnection, frame: ServerFrame): void {
    for (const connection of this.live) {
      if (connection !== except && connection.rooms.has(room)) connection.send(frame);
    }
  }

  #gone({ user, rooms }: FakeConnection): void {
    if (user) for (const room of rooms) this.#tellLeft(room, user);
  }

  #tellLeft(room: string, user: User): void {
    const members = this.#members(room);
    if (members.some(({ id }) => id === user.id)) return;
    for (const connection of this.live) {
      if (!connection.rooms.has(room)) continue;
      connection.send({ type: "presence", room, count: members.length, left: [user.id] });
    }
  }
}
