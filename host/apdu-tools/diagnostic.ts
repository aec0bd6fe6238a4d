/** CBOR in diagnostic notation (RFC 8949, section 8): written of any item, and read for what people type into an ENVELOPE. */

import { fromHex, toHex } from "../codec/bytes.js";
import type { CborValue } from "../codec/cbor.js";
import { printable } from "../printable.js";
import type { CborItem } from "./cbor-items.js";

/** Longer byte strings are shown with their beginning and length. */
const SHOWN_BYTES_MAX = 64;
const SHOWN_BYTES = 24;
const SIMPLE: ReadonlyMap<number, string> = new Map([
  [20, "false"],
  [21, "true"],
  [22, "null"],
  [23, "undefined"],
]);

export function bytesInDiagnostic(bytes: Uint8Array): string {
  if (bytes.length <= SHOWN_BYTES_MAX) return `h'${toHex(bytes)}'`;
  return `h'${toHex(bytes.subarray(0, SHOWN_BYTES))}...' (${bytes.length} bytes)`;
}

/** A stranger's text on this terminal: nothing in it moves the cursor. */
function textInDiagnostic(text: string): string {
  return printable(JSON.stringify(text));
}

export function diagnostic(item: CborItem): string {
  switch (item.kind) {
    case "integer":
      return item.value.toString();
    case "bytes":
      return bytesInDiagnostic(item.value);
    case "text":
      return textInDiagnostic(item.value);
    case "array":
      return `[${item.items.map(diagnostic).join(", ")}]`;
    case "map":
      return `{${item.entries.map(([key, value]) => `${diagnostic(key)}: ${diagnostic(value)}`).join(", ")}}`;
    case "tag":
      return `${item.tag}(${diagnostic(item.item)})`;
    case "simple":
      return SIMPLE.get(item.value) ?? `simple(${item.value})`;
    case "float":
      return Number.isInteger(item.value) ? item.value.toFixed(1) : String(item.value);
  }
}

/** What was typed is not diagnostic notation. */
export class DiagnosticError extends Error {
  override readonly name = "DiagnosticError";
}

const TOKEN = /\s*(?:(-?\d+)|h'([0-9a-fA-F\s]*)'|("(?:[^"\\]|\\.)*")|(true|false|null)|([[\]{},:]))/y;
const NESTED_MAX = 16;

type Token = { readonly kind: "value"; readonly value: CborValue } | { readonly kind: "sign"; readonly sign: string };

/** Reads one item: integers, h'..', "text", true, false, null, arrays, and maps with integer keys. */
export function parseDiagnostic(text: string): CborValue {
  const tokens = tokensOf(text);
  let at = 0;
  const sign = () => {
    const token = tokens[at];
    return token?.kind === "sign" ? token.sign : undefined;
  };
  const expect = (wanted: string) => {
    if (sign() !== wanted) throw new DiagnosticError(`"${wanted}" is missing in "${text.trim()}".`);
    at += 1;
  };
  const item = (depth: number): CborValue => {
    if (depth > NESTED_MAX) throw new DiagnosticError(`It is nested deeper than ${NESTED_MAX}.`);
    const token = tokens[at];
    if (token === undefined) throw new DiagnosticError("It ends too early.");
    at += 1;
    if (token.kind === "value") return token.value;
    if (token.sign === "[") return list("]", () => item(depth + 1));
    if (token.sign !== "{") throw new DiagnosticError(`"${token.sign}" does not belong there.`);
    const entries = list("}", (): readonly [number, CborValue] => {
      const key = item(depth + 1);
      if (typeof key !== "number") throw new DiagnosticError("A key of a map is not a small integer.");
      expect(":");
      return [key, item(depth + 1)];
    });
    return new Map(entries);
  };
  const list = <Item>(end: string, read: () => Item): Item[] => {
    const items: Item[] = [];
    while (sign() !== end) {
      if (items.length > 0) expect(",");
      items.push(read());
    }
    at += 1;
    return items;
  };
  const value = item(0);
  if (at < tokens.length) throw new DiagnosticError("There is more behind its end.");
  return value;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new DiagnosticError(`"${text.slice(at).trim()}" is not CBOR in diagnostic notation.`);
    tokens.push(tokenOf(match));
  }
  return tokens;
}

function tokenOf([, integer, hex, quoted, word, sign]: RegExpExecArray): Token {
  if (sign !== undefined) return { kind: "sign", sign };
  return { kind: "value", value: readValue(integer, hex, quoted, word) };
}

function readValue(integer?: string, hex?: string, quoted?: string, word?: string): CborValue {
  if (integer !== undefined) {
    const value = BigInt(integer);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (hex !== undefined) {
    const digits = hex.replace(/\s/g, "").toLowerCase();
    if (digits.length % 2 !== 0) throw new DiagnosticError(`h'${hex}' has half a byte.`);
    return fromHex(digits);
  }
  if (quoted !== undefined) {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw new DiagnosticError(`${quoted} is not text.`);
    }
  }
  return word === "null" ? null : word === "true";
}
