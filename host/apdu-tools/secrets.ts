/**
 * What a recording does not keep: PIN, PUK and keys in commands become names in braces, the same name for the same value, so that
 * the session can be replayed by whoever knows them. Where a command has its usual form it is written by name, for its lengths
 * change with the digits.
 */

import { type Command, encodeCommand } from "../apdu.js";
import { equalBytes, toHex } from "../codec/bytes.js";
import { integerOf } from "../tlv.js";
import { currencyCode, formatDecimal } from "../units.js";
import {
  type CommandEntry,
  channelOf,
  type Form,
  findCommand,
  findForm,
  isChained,
  takesSecrets,
} from "./command-table.js";
import { readCommand } from "./decode-apdu.js";
import type { SessionItem } from "./session.js";
import { filledIn } from "./session.js";
import { parseSymbolic } from "./symbolic.js";

export class Secrets {
  /** By sort and value in hexadecimal: their names. */
  readonly #names = new Map<string, string>();

  /** The line for a command, with nothing secret in it. */
  hide(apdu: Uint8Array): SessionItem {
    const command = readCommand(apdu);
    const [cla = 0, ins = 0, p1 = 0, p2 = 0] = apdu;
    const entry = findCommand(cla, ins);
    const isEmpty = typeof command === "object" && (command.data?.length ?? 0) === 0;
    // Also in a class of nobody's: a PIN that was sent wrongly is a PIN all the same.
    if (!takesSecrets(ins) || isEmpty) return { kind: "apdu", parts: [apdu] };
    const form = entry === undefined ? undefined : findForm(entry, p1, p2);
    if (form !== undefined && form.secret !== true) return { kind: "apdu", parts: [apdu] };
    const text =
      typeof command === "object" && entry !== undefined && form !== undefined
        ? this.#byName(entry, form, command, apdu)
        : undefined;
    return text === undefined ? this.#whole(apdu) : { kind: "symbolic", text };
  }

  /** By name, if that gives these very bytes again. */
  #byName(entry: CommandEntry, form: Form, command: Command, apdu: Uint8Array): string | undefined {
    if (isChained(command.cla)) return undefined;
    const words = this.#words(entry, form, command.data ?? new Uint8Array(0));
    if (words === undefined) return undefined;
    const channel = channelOf(command.cla) === 0 ? [] : ["on", String(channelOf(command.cla))];
    const text = [entry.name, form.name, ...words, ...channel].filter((word) => word !== "").join(" ");
    const known = new Map([...this.#names].map(([key, name]) => [name, key.replace(/^\w+ /, "")]));
    try {
      const value = (name: string) => plain(known.get(name) ?? "");
      return equalBytes(encodeCommand(parseSymbolic(filledIn(text, value), false)), apdu) ? text : undefined;
    } catch {
      return undefined; // Bytes where digits should be: below.
    }
  }

  #words(entry: CommandEntry, form: Form, data: Uint8Array): string[] | undefined {
    const first = data[0] ?? 0;
    switch (form.data) {
      case "digits":
        return [this.#name(form.name === "puk" ? "puk" : "pin", data)];
      case "two-digits": {
        if (first >= data.length) return undefined;
        const isPuk = entry.name === "RESET RETRY COUNTER";
        return [
          this.#name(isPuk ? "puk" : "pin", data.subarray(1, 1 + first)),
          this.#name("pin", data.subarray(1 + first)),
        ];
      }
      case "personalisation-key":
        return [this.#name("key", data)];
      case "limit": {
        const terms = data.subarray(1 + first);
        if (terms.length !== 19) return undefined;
        const unit = { currency: Number(integerOf(terms.subarray(0, 2))), exponent: terms[2] ?? 0 };
        if (unit.exponent > 18) return undefined;
        const amount = (from: number) => formatDecimal(integerOf(terms.subarray(from, from + 8)), unit.exponent);
        return [this.#name("pin", data.subarray(1, 1 + first)), currencyCode(unit), amount(3), amount(11)];
      }
      default:
        return undefined;
    }
  }

  /** All behind the header and the length is one value. */
  #whole(apdu: Uint8Array): SessionItem {
    const headerBytes = apdu[4] === 0 && apdu.length > 7 ? 7 : 5;
    const rest = apdu.subarray(headerBytes);
    if (rest.length === 0) return { kind: "apdu", parts: [apdu] };
    const name = this.#name("data", rest).slice(1, -1);
    return { kind: "apdu", parts: [apdu.slice(0, headerBytes), { placeholder: name }] };
  }

  /** Digits and bytes are given in different ways, so that no name is for both. */
  #name(kind: "pin" | "puk" | "key" | "data", value: Uint8Array): string {
    const digits = `digits ${toHex(value)}`;
    const isDigits = kind === "pin" || kind === "puk";
    const key = isDigits || this.#names.has(digits) ? digits : `bytes ${toHex(value)}`;
    let name = this.#names.get(key);
    if (name === undefined) {
      const taken = new Set(this.#names.values());
      name = kind;
      for (let number = 2; taken.has(name); number += 1) name = `${kind}-${number}`;
      this.#names.set(key, name);
    }
    return `{${name}}`;
  }
}

/** Digits as they are typed; other bytes stay hexadecimal. */
function plain(hex: string): string {
  const text = Buffer.from(hex, "hex").toString("latin1");
  return /^\d{1,12}$/.test(text) ? text : hex;
}
