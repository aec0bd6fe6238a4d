/** Status words that an applet answers (docs/APDU.md). */

import * as p from "../../firmware/protocol/apdu.js";

const STATUS_WORDS = new Set(
  Object.entries(p)
    .filter(([name]) => name.startsWith("SW_"))
    .map(([, value]) => value)
    // Of a trap, and the card's own: an applet says neither.
    .filter((value) => value !== p.SW_UNKNOWN && value !== p.SW_CHANNEL_UNSUPPORTED),
);
const FAMILIES: readonly (readonly [number, number])[] = [
  [p.SW_FETCH, 0xff00],
  [p.SW_MORE, 0xff00],
  [p.SW_WRONG_LE, 0xff00],
  [p.SW_WARNING_TRIES, 0xfff0],
];

export function isKnownStatus(status: number): boolean {
  return STATUS_WORDS.has(status) || FAMILIES.some(([word, mask]) => (status & mask) === word);
}
