import type { Author } from "../../sdk";
import { nameOf } from "../timeline";

/** A round sign for somebody: their initial on a colour that their id always gives. */
export function Avatar({ author }: { author: Author | null }) {
  const initial = [...nameOf(author).trim()][0] ?? "?";
  return (
    <span class="avatar" style={{ "--hue": hue(author?.user ?? "") }} aria-hidden="true">
      {initial.toUpperCase()}
    </span>
  );
}

/** FNV-1a and one more stir, so that ids which differ little get colours that differ much. */
function hue(user: string): string {
  let hash = 0x811c9dc5;
  for (const char of user) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x045d9f3b);
  return String(((hash ^ (hash >>> 16)) >>> 0) % 360);
}
