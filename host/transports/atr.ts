/**
 * A card's answer to reset (ISO/IEC 7816-3, 8.2) and the historical bytes in it (ISO/IEC 7816-4, 12.1.1), as far as a host
 * wants to know: which characters there are, what protocols, what the card can do.
 */

/** TS: the conventions of bits. */
export const TS_DIRECT = 0x3b;
export const TS_INVERSE = 0x3f;
/** Of the high half of T0 and TDi, from its low bit on: these follow. */
const LETTERS = ["A", "B", "C", "D"] as const;
/** T0, then at most so many groups of interface characters. */
const GROUPS_MAX = 8;

export interface AnswerToReset {
  /** TS; undefined where there is no byte, or another one. */
  readonly convention: typeof TS_DIRECT | typeof TS_INVERSE | undefined;
  /** TA1, TD1, TB2, ... in their order, as far as they are there. */
  readonly characters: readonly { readonly name: string; readonly value: number }[];
  /** As they are named; none: T=0 alone. */
  readonly protocols: readonly number[];
  readonly historical: Uint8Array;
  /** What stands behind the historical bytes: the check byte, TCK. */
  readonly rest: Uint8Array;
  /** Where a part of it is missing, it, and what comes after it, is empty. */
  readonly fault?: string;
  readonly checkFault?: string;
}

export function readAtr(bytes: Uint8Array): AnswerToReset {
  const [first, format] = bytes;
  const convention = first === TS_DIRECT || first === TS_INVERSE ? first : undefined;
  const characters: { name: string; value: number }[] = [];
  const protocols: number[] = [];
  const broken = (fault: string): AnswerToReset => {
    return { convention, characters, protocols, historical: NOTHING, rest: NOTHING, fault };
  };
  if (convention === undefined) return broken("it begins with 3B or 3F");
  if (format === undefined) return broken("it ends before T0");
  let at = 2;
  for (let group = 1, follows = format >> 4; follows !== 0; group += 1) {
    if (group > GROUPS_MAX) return broken("more interface characters than there can be");
    const present = follows;
    follows = 0;
    for (const [bit, letter] of LETTERS.entries()) {
      if ((present & (1 << bit)) === 0) continue;
      const value = bytes[at];
      if (value === undefined) return broken(`it ends before T${letter}${group}`);
      at += 1;
      characters.push({ name: `T${letter}${group}`, value });
      if (letter !== "D") continue;
      follows = value >> 4;
      protocols.push(value & 0x0f);
    }
  }
  const historical = bytes.subarray(at, at + (format & 0x0f));
  if (historical.length < (format & 0x0f)) return broken("it ends within its historical bytes");
  const rest = bytes.subarray(at + historical.length);
  const checkFault = checkFaultOf(bytes, rest, protocols);
  return { convention, characters, protocols, historical, rest, ...(checkFault === undefined ? {} : { checkFault }) };
}

const NOTHING = new Uint8Array(0);

/** Its characters are all there, and nothing else: at most its check byte is wrong. */
export function isWhole({ fault, checkFault }: AnswerToReset): boolean {
  return fault === undefined && (checkFault === undefined || checkFault === CHECK_WRONG);
}

const CHECK_WRONG = "the check byte is wrong";

function checkFaultOf(bytes: Uint8Array, rest: Uint8Array, protocols: readonly number[]): string | undefined {
  const isChecked = protocols.some((protocol) => protocol !== 0);
  if (!isChecked) return rest.length === 0 ? undefined : "T=0 alone has no check byte";
  if (rest.length !== 1) return rest.length === 0 ? "the check byte is missing" : "bytes are left over";
  return bytes.subarray(1).reduce((sum, byte) => sum ^ byte, 0) === 0 ? undefined : CHECK_WRONG;
}

/** Category indicators of historical bytes in compact TLV: a status follows at the end, or it is one of the objects. */
const CATEGORY_STATUS_BEHIND = 0x00;
const CATEGORY_STATUS_WITHIN = 0x80;
const STATUS_BYTES = 3;
export const TAG_ISSUER = 5;
export const TAG_CAPABILITIES = 7;
export const EXTENDED_LENGTH = 0x40;

export interface CompactObject {
  readonly tag: number;
  readonly value: Uint8Array;
  /** The bytes end before the value does. */
  readonly isCut: boolean;
}

/** Undefined: the historical bytes are of another form. */
export function compactObjects(historical: Uint8Array): CompactObject[] | undefined {
  const [category] = historical;
  if (category !== CATEGORY_STATUS_BEHIND && category !== CATEGORY_STATUS_WITHIN) return undefined;
  const end = category === CATEGORY_STATUS_BEHIND ? historical.length - STATUS_BYTES : historical.length;
  const objects: CompactObject[] = [];
  for (let at = 1; at < end; ) {
    const head = historical[at] ?? 0;
    const length = head & 0x0f;
    const value = historical.subarray(at + 1, Math.min(at + 1 + length, end));
    objects.push({ tag: head >> 4, value, isCut: value.length < length });
    at += 1 + length;
  }
  return objects;
}

/** Card capabilities (ISO/IEC 7816-4, 12.1.1.9). False also for what is no answer to reset. */
export function saysExtendedLength(atr: Uint8Array): boolean {
  const objects = compactObjects(readAtr(atr).historical) ?? [];
  const capabilities = objects.find(({ tag, isCut }) => tag === TAG_CAPABILITIES && !isCut)?.value;
  return ((capabilities?.[2] ?? 0) & EXTENDED_LENGTH) !== 0;
}
