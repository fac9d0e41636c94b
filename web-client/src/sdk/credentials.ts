/** What a client says of itself in `hello`, and where that comes from. */
import type { SessionInfo } from "../protocol/generated";
import { type KeptStorage, keep, kept } from "./storage";

/** The part of `hello` that logs in; an empty one leaves it to the session cookie. */
export type Credential =
  | { token: string }
  | { session: string }
  | { guest: { name?: string } }
  | Record<string, never>;

export interface Credentials {
  /**
   * The credential of the next `hello`. `refused` says that the last one was refused or ran out (close code 4003), so
   * the same again would be in vain. `null` ends the client; a rejection is tried again later.
   */
  next(refused: boolean): Credential | null | Promise<Credential | null>;
  /** A `welcome` named this session; its secret is there only in the one that made it. */
  welcomed?(session: SessionInfo | null): void;
  /** The gateway will not have this credential any more (close codes 4503 and 4504). */
  refused?(): void;
}

/** Logs in with a JSON Web Token, asked for anew at every `hello`. */
export function withToken(token: (refused: boolean) => string | Promise<string>): Credentials {
  return { next: async (refused) => ({ token: await token(refused) }) };
}

/** Logs in with a session secret, as `POST /v1/sessions` gives it. Once it is refused there is nothing else to try. */
export function withSession(secret: string): Credentials {
  return { next: (refused) => (refused ? null : { session: secret }) };
}

/** Logs in with the session cookie of the page's own origin. */
export function withCookie(): Credentials {
  return { next: (refused) => (refused ? null : {}) };
}

/**
 * Logs in as a guest. The secret of the guest's session is kept in `storage`, so that a reload or another tab comes
 * back as the same guest; once it is refused, a new guest of the same name is made.
 */
export function asGuest(name: string, storage?: KeptStorage, storageKey = "hubbub.session"): Credentials {
  let secret = kept(storage, storageKey);
  const forget = () => {
    secret = null;
    keep(storage, storageKey, null);
  };
  return {
    next(refused) {
      if (refused) forget();
      return secret === null ? { guest: { name } } : { session: secret };
    },
    welcomed(session) {
      if (session?.secret === undefined) return;
      secret = session.secret;
      keep(storage, storageKey, secret);
    },
    refused: forget,
  };
}
