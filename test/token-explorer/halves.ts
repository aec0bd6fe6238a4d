/**
 * Watches what leaves the chips: which halves were shown for which order. It knows no more of the firmware than what docs/TOKENS.md says of the
 * command and its notice.
 */

import { createHash } from "node:crypto";
import { decode } from "cborg";

const INS_ENVELOPE = 0xc2;
const COMMAND_SPEND = 66;
const NOTICE_SPENT = 66;
const HALF_BYTES = 32;
/** Address and kind, before the body of an envelope. */
const HEAD_BYTES = 2;
const EXTENDED_HEAD_BYTES = 7;

interface Shown {
  readonly order: string;
  readonly half: string;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

export class HalvesWatch {
  /** By purse, holder and serial number. */
  readonly shown = new Map<string, Shown>();
  readonly wrong: string[] = [];
  /** Halves that left. */
  count = 0;

  answered(apdu: Uint8Array, answer: Uint8Array): void {
    if (apdu[1] !== INS_ENVELOPE || answer.length < HEAD_BYTES + 2) return;
    const order = orderOf(apdu);
    const spent = order === undefined ? undefined : items(answer.subarray(HEAD_BYTES, -2));
    if (order === undefined || spent === undefined || spent[0] !== NOTICE_SPENT) return;
    const [, purse, index, , ranges, skip, halves] = spent as [
      number,
      Uint8Array,
      number,
      number,
      [number, number][],
      number,
      Uint8Array,
    ];
    const serials = ranges.flatMap(([first, count]) => Array.from({ length: count }, (_, at) => first + at));
    for (let at = 0; at * HALF_BYTES < halves.length; at++) {
      const key = `${hex(purse)}/${index}/${serials[skip + at]}`;
      const half = hex(halves.subarray(at * HALF_BYTES, (at + 1) * HALF_BYTES));
      this.#show(key, { order, half });
    }
  }

  /** The applet trapped, or did not start. */
  failed(error: unknown): void {
    this.wrong.push(error instanceof Error ? error.message : String(error));
  }

  #show(key: string, now: Shown): void {
    this.count += 1;
    const before = this.shown.get(key);
    this.shown.set(key, now);
    if (before === undefined) return;
    if (before.order !== now.order) this.wrong.push(`the half ${key} was shown for two orders`);
    else if (before.half !== now.half) this.wrong.push(`the half ${key} was shown in two ways for one order`);
  }
}

/** SHA-256 of the order that a SPEND is about. */
function orderOf(apdu: Uint8Array): string | undefined {
  const length = ((apdu[5] ?? 0) << 8) | (apdu[6] ?? 0);
  const command = items(apdu.subarray(EXTENDED_HEAD_BYTES + HEAD_BYTES, EXTENDED_HEAD_BYTES + length));
  const order = command?.[2];
  if (command?.[0] !== COMMAND_SPEND || !(order instanceof Uint8Array)) return undefined;
  return createHash("sha256").update(order).digest("hex");
}

function items(bytes: Uint8Array): unknown[] | undefined {
  try {
    const value: unknown = decode(bytes);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
