import { CloseCode } from "../../protocol/generated";

/** What a client does after its connection was closed. */
export type Advice = "come_back" | "fresh_credential" | "stay_away";

/** Reads a close code as the protocol means it: its range says whether to come back. */
export function advice(code: number): Advice {
  if (code === CloseCode.CredentialExpired) return "fresh_credential";
  if (code >= 4500 && code <= 4999) return "stay_away";
  switch (code) {
    case 1002: // protocol error
    case 1003: // unsupported data
    case 1007: // invalid UTF-8
    case 1009: // message too big
      return "stay_away";
    default:
      // 4000–4499, the ordinary endings, and whatever a proxy in between may have made up.
      return "come_back";
  }
}
