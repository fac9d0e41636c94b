/** The open room stands in the page's address, so that a link leads to it and "back" works. */

export function roomInAddress(): string | null {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    // Not percent-encoded text, so not one of ours.
    return null;
  }
}

export function showRoomInAddress(room: string | null): void {
  if (room === null || room === roomInAddress()) return;
  const hash = `#${encodeURIComponent(room)}`;
  if (location.hash === "") history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
}
