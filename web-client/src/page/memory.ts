import type { KeptStorage } from "../sdk";

const KEYS = { name: "hubbub.name", rooms: "hubbub.rooms", token: "hubbub.token", session: "hubbub.session" };
const FIRST_ROOM = "general";

export type Login = { kind: "guest"; name: string } | { kind: "token"; token: string };

/** What the page remembers from one visit to the next: for good, or while the tab lives. */
export class Memory {
  readonly lasting: KeptStorage;
  readonly tab: KeptStorage;
  readonly sessionKey = KEYS.session;

  constructor(lasting: KeptStorage, tab: KeptStorage) {
    this.lasting = lasting;
    this.tab = tab;
  }

  get name(): string {
    return this.lasting.getItem(KEYS.name) ?? "";
  }

  /** Who was signed in, if anybody was. */
  get login(): Login | null {
    const token = this.tab.getItem(KEYS.token);
    if (token !== null) return { kind: "token", token };
    return this.name === "" ? null : { kind: "guest", name: this.name };
  }

  rememberLogin(login: Login): void {
    if (login.kind === "guest") this.lasting.setItem(KEYS.name, login.name);
    else this.tab.setItem(KEYS.token, login.token);
  }

  forgetLogin(): void {
    this.lasting.removeItem(KEYS.name);
    this.lasting.removeItem(KEYS.session);
    this.tab.removeItem(KEYS.token);
  }

  get rooms(): string[] {
    try {
      const kept: unknown = JSON.parse(this.lasting.getItem(KEYS.rooms) ?? "null");
      if (Array.isArray(kept)) return kept.filter((name) => typeof name === "string");
    } catch {
      // Written by something else: begin anew.
    }
    return [FIRST_ROOM];
  }

  rememberRooms(rooms: Iterable<string>): void {
    this.lasting.setItem(KEYS.rooms, JSON.stringify([...rooms]));
  }
}

/** The browser's storage, or, where it is forbidden or full, one that lasts as long as the page. */
export function usable(open: () => Storage): KeptStorage {
  try {
    const storage = open();
    storage.setItem("hubbub.probe", "");
    storage.removeItem("hubbub.probe");
    return storage;
  } catch {
    const kept = new Map<string, string>();
    return {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    };
  }
}
