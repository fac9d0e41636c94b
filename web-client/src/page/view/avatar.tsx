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

function hue(user: string): string {
  let sum = 7;
  for (const char of user) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return String(sum);
}
