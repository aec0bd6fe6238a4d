/** Answer to reset as steps (ISO/IEC 7816-3, 8.2; historical bytes: ISO/IEC 7816-4, 12.1.1). */

import { bytesInDiagnostic } from "./diagnostic.js";
import { hex8, spacedHex } from "./names.js";
import { faultAt, type Step, step } from "./outline.js";
import { quotedText } from "./values.js";

const DIRECT = 0x3b;
const INVERSE = 0x3f;
const COMPACT_TLV = 0x80;
/** T0, then at most so many groups of interface characters. */
const GROUPS_MAX = 8;

export function looksLikeAtr(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes.length <= 33 && (bytes[0] === DIRECT || bytes[0] === INVERSE);
}

export function decodeAtr(bytes: Uint8Array): Step {
  const [first, format] = bytes;
  if (first !== DIRECT && first !== INVERSE)
    return faultAt("answer to reset", "it begins with 3B or 3F", spacedHex(bytes));
  if (format === undefined) return faultAt("answer to reset", "it ends before T0", spacedHex(bytes));
  const convention = step("TS", `${hex8(first)} (${first === DIRECT ? "direct" : "inverse"} convention)`);
  const { steps, protocols, end, fault } = interfaceSteps(bytes, format);
  const historicalLength = format & 0x0f;
  const historical = bytes.subarray(end, end + historicalLength);
  const all = [convention, ...steps];
  if (fault !== undefined || historical.length < historicalLength) {
    return { ...step("answer to reset", spacedHex(bytes), all), fault: fault ?? "it ends within its historical bytes" };
  }
  all.push(historicalStep(historical));
  const rest = bytes.subarray(end + historicalLength);
  const needsCheck = protocols.some((protocol) => protocol !== 0);
  const tail = checkSteps(bytes, rest, needsCheck);
  return step("answer to reset", spacedHex(bytes), [...all, ...tail]);
}

interface Interface {
  readonly steps: readonly Step[];
  readonly protocols: readonly number[];
  readonly end: number;
  readonly fault?: string;
}

function interfaceSteps(bytes: Uint8Array, format: number): Interface {
  const steps: Step[] = [];
  const protocols: number[] = [];
  let at = 2;
  let present = format >> 4;
  for (let group = 1; present !== 0; group += 1) {
    if (group > GROUPS_MAX) return { steps, protocols, end: at, fault: "more interface characters than there can be" };
    let next = 0;
    for (const [bit, letter] of ["A", "B", "C", "D"].entries()) {
      if ((present & (1 << bit)) === 0) continue;
      const value = bytes[at];
      if (value === undefined) return { steps, protocols, end: at, fault: `it ends before T${letter}${group}` };
      at += 1;
      if (letter === "D") {
        next = value >> 4;
        protocols.push(value & 0x0f);
        steps.push(step(`TD${group}`, `${hex8(value)} (protocol T=${value & 0x0f})`));
      } else {
        steps.push(step(`T${letter}${group}`, hex8(value)));
      }
    }
    present = next;
  }
  if (protocols.length === 0) steps.push(step("protocol", "T=0, as nothing else is said"));
  return { steps, protocols, end: at };
}

function checkSteps(bytes: Uint8Array, rest: Uint8Array, needsCheck: boolean): Step[] {
  if (!needsCheck) return rest.length === 0 ? [] : [faultAt("TCK", "T=0 alone has no check byte", spacedHex(rest))];
  const sum = bytes.subarray(1, bytes.length).reduce((all, byte) => all ^ byte, 0);
  if (rest.length !== 1)
    return [faultAt("TCK", rest.length === 0 ? "the check byte is missing" : "bytes are left over")];
  return [
    sum === 0
      ? step("TCK", `${hex8(rest[0] ?? 0)} (right)`)
      : faultAt("TCK", "the check byte is wrong", spacedHex(rest)),
  ];
}

function historicalStep(bytes: Uint8Array): Step {
  if (bytes[0] !== COMPACT_TLV) return step("historical bytes", quotedText(bytes) ?? bytesInDiagnostic(bytes));
  const steps: Step[] = [];
  for (let at = 1; at < bytes.length; ) {
    const head = bytes[at] ?? 0;
    const value = bytes.subarray(at + 1, at + 1 + (head & 0x0f));
    if (value.length < (head & 0x0f)) {
      steps.push(faultAt(`tag ${head >> 4}`, "it ends within its value", spacedHex(value)));
      break;
    }
    steps.push(compact(head >> 4, value));
    at += 1 + value.length;
  }
  return step("historical bytes", spacedHex(bytes), steps);
}

function compact(tag: number, value: Uint8Array): Step {
  if (tag === 5) return step("issuer", quotedText(value) ?? spacedHex(value));
  if (tag !== 7) return step(`tag ${tag}`, spacedHex(value));
  const third = value[2] ?? 0;
  const can = [
    [value[0] ?? 0, 0x80, "selection by full name"],
    [value[0] ?? 0, 0x04, "short file identifiers"],
    [value[0] ?? 0, 0x02, "record numbers"],
    [third, 0x80, "command chaining"],
    [third, 0x40, "extended length"],
  ] as const;
  const words = can.filter(([byte, bit]) => (byte & bit) !== 0).map(([, , word]) => word);
  const channels = (third & 0x18) === 0 ? 1 : (third & 0x07) + 1;
  return step("capabilities", [...words, `${channels} logical channel${channels === 1 ? "" : "s"}`].join(", "));
}
