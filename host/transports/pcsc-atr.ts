/**
 * What a card's answer to reset says of extended length (ISO/IEC 7816-3, 8.2; card capabilities in the historical bytes,
 * ISO/IEC 7816-4, 12.1.1.9).
 */

const TD_PRESENT = 0x80;
/** Of the high half of T0 and TDi: TA, TB, TC, TD follow. */
const INTERFACE_BITS = [0x10, 0x20, 0x40, TD_PRESENT];
/** Category indicators of compact TLV: a status follows at the end, or it is one of the objects. */
const CATEGORIES = [0x00, 0x80];
const TAG_CAPABILITIES = 7;
const EXTENDED_LENGTH = 0x40;

/** False also for what is no answer to reset. */
export function saysExtendedLength(atr: Uint8Array): boolean {
  const capabilities = capabilitiesIn(historicalBytes(atr));
  return ((capabilities?.[2] ?? 0) & EXTENDED_LENGTH) !== 0;
}

function historicalBytes(atr: Uint8Array): Uint8Array {
  const count = (atr[1] ?? 0) & 0x0f;
  let at = 1;
  for (let follows = atr[1] ?? 0; ; ) {
    const bytes = INTERFACE_BITS.filter((bit) => (follows & bit) !== 0).length;
    at += bytes;
    if ((follows & TD_PRESENT) === 0) break;
    const next = atr[at];
    if (next === undefined) return new Uint8Array(0);
    follows = next;
  }
  return atr.subarray(at + 1, at + 1 + count);
}

/** Three bytes; undefined where they are not all there. */
function capabilitiesIn(historical: Uint8Array): Uint8Array | undefined {
  if (!CATEGORIES.includes(historical[0] ?? 0xff)) return undefined;
  for (let at = 1; at < historical.length; ) {
    const head = historical[at] ?? 0;
    const value = historical.subarray(at + 1, at + 1 + (head & 0x0f));
    if (head >> 4 === TAG_CAPABILITIES) return value.length >= 3 ? value : undefined;
    at += 1 + (head & 0x0f);
  }
  return undefined;
}
