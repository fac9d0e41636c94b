import type { Author } from "../../sdk";
import type { Room } from "../room";
import { nameOf } from "../timeline";
import { Avatar } from "./avatar";

/** Who is in the room: a column on a wide screen, a drawer on a narrow one. */
export function Members({ room, me }: { room: Room; me: Author }) {
  const members = [...room.members.values()].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  const more = room.member_count - members.length;
  return (
    <aside class="side members" id="members" popover="auto" aria-label="Who is here">
      <h2>
        Here now <span class="count">{room.member_count}</span>
      </h2>
      <ul>
        {members.map((member) => (
          <li key={member.user} title={member.user}>
            <Avatar author={member} />
            <span class="name">{nameOf(member)}</span>
            {member.user === me.user && <span class="hint">you</span>}
          </li>
        ))}
      </ul>
      {more > 0 && <p class="hint">and {more} more</p>}
    </aside>
  );
}
