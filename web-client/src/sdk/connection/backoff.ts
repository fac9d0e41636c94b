/** The first ceiling of a wait; each failure doubles it. */
const FIRST_MS = 1_000;
/** No wait is longer, however often it failed. */
const LONGEST_MS = 30_000;

/**
 * How long to wait before the next try: anything from nothing to a ceiling that doubles with each failure. The whole
 * range is used ("full jitter"), so that thousands of clients that lost the same replica do not come back together.
 *
 * `roll` is a random number from 0 up to 1.
 */
export function fullJitterMs(failures: number, roll: number): number {
  return Math.floor(roll * Math.min(LONGEST_MS, FIRST_MS * 2 ** failures));
}
