/** What must come back, as sessions write it: hexadecimal digits, `.` for any digit, `*` for any bytes. */

import { hex8 } from "./names.js";

/** A byte of which the bits of the mask count, or any number of bytes. */
export type PatternItem = { readonly value: number; readonly mask: number } | "any";

export type Pattern = readonly PatternItem[];

/** Undefined when it is no pattern. */
export function parsePattern(text: string): Pattern | undefined {
  const items: PatternItem[] = [];
  const packed = text.replace(/\s+/g, "");
  if (packed === "") return undefined;
  for (let at = 0; at < packed.length; ) {
    if (packed[at] === "*") {
      if (items.at(-1) === "any") return undefined;
      items.push("any");
      at += 1;
      continue;
    }
    const digits = packed.slice(at, at + 2);
    if (!/^[0-9a-fA-F.]{2}$/.test(digits)) return undefined;
    const value = Number.parseInt(digits.replaceAll(".", "0"), 16);
    const mask = (digits[0] === "." ? 0 : 0xf0) | (digits[1] === "." ? 0 : 0x0f);
    items.push({ value, mask });
    at += 2;
  }
  return items;
}

export function printPattern(pattern: Pattern): string {
  return pattern
    .map((item) => {
      if (item === "any") return "*";
      const digits = hex8(item.value);
      return `${(item.mask & 0xf0) === 0 ? "." : digits[0]}${(item.mask & 0x0f) === 0 ? "." : digits[1]}`;
    })
    .join(" ");
}

/** The pattern of exactly these bytes. */
export function patternOfBytes(bytes: Uint8Array): Pattern {
  return [...bytes].map((value) => ({ value, mask: 0xff }));
}

/** Only the status word of a pattern counts. */
export function statusPattern(pattern: Pattern): Pattern {
  const last = pattern.slice(-2);
  return last.length === 2 && !last.includes("any") ? ["any", ...last] : pattern;
}

/** Undefined when the bytes fit; else the number of the first byte that does not, as well as can be told. */
export function mismatchAt(pattern: Pattern, bytes: Uint8Array): number | undefined {
  // Places in the pattern that are reached after each byte: no pattern makes this slower than pattern times bytes.
  let reached = closure(pattern, new Set([0]));
  for (let at = 0; at < bytes.length; at += 1) {
    const next = new Set<number>();
    for (const place of reached) {
      const item = pattern[place];
      if (item === "any") next.add(place);
      else if (item !== undefined && ((bytes[at] ?? 0) & item.mask) === item.value) next.add(place + 1);
    }
    if (next.size === 0) return at;
    reached = closure(pattern, next);
  }
  return reached.has(pattern.length) ? undefined : bytes.length;
}

/** Any bytes may be no bytes. */
function closure(pattern: Pattern, places: Set<number>): Set<number> {
  for (const place of places) if (pattern[place] === "any") places.add(place + 1);
  return places;
}
