/** Status words that docs/APDU.md knows. */

import * as p from "../../firmware/protocol/apdu.js";

const STATUS_WORDS = new Set(
  Object.entries(p)
    .filter(([name]) => name.startsWith("SW_"))
    .map(([, value]) => value)
    .filter((value) => value !== p.SW_UNKNOWN),
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
