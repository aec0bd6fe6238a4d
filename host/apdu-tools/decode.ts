/** Whatever bytes somebody has and wants to understand: the kind is told, or found by looking. Nothing here throws on bytes. */

import { readCbor } from "./cbor-items.js";
import { findCommand } from "./command-table.js";
import { type Context, decodeCommandApdu, decodeResponseApdu, readCommand } from "./decode-apdu.js";
import { decodeAtr, looksLikeAtr } from "./decode-atr.js";
import { decodeCbor, decodeChainSteps, decodeSigned, isSigned, plainItem } from "./decode-cbor.js";
import { decodeEnvelope } from "./decode-envelope.js";
import { decodeTlv } from "./decode-tlv.js";
import { bytesInDiagnostic } from "./diagnostic.js";
import { hasFault, type Step, step } from "./outline.js";
import { statusWord } from "./status-table.js";

export const BYTES_KINDS = [
  "command",
  "response",
  "atr",
  "envelope-to",
  "envelope-from",
  "tlv",
  "cbor",
  "chain",
  "signed",
] as const;
export type BytesKind = (typeof BYTES_KINDS)[number];

export function decodeAs(kind: BytesKind, bytes: Uint8Array, context: Context): Step {
  switch (kind) {
    case "command":
      return decodeCommandApdu(bytes, context);
    case "response":
      return decodeResponseApdu(bytes, context);
    case "atr":
      return decodeAtr(bytes);
    case "envelope-to":
      return decodeEnvelope(bytes, "to", context, context.applet);
    case "envelope-from":
      return decodeEnvelope(bytes, "from", context, context.applet);
    case "tlv":
      return step("BER-TLV", undefined, decodeTlv(bytes));
    case "cbor":
      return decodeCbor("CBOR", bytes, (item) => plainItem("CBOR", item));
    case "chain":
      return decodeChainSteps("chain", bytes);
    case "signed":
      return decodeSigned("signed object", bytes);
  }
}

/** The kind that fits the bytes best. */
export function kindOf(bytes: Uint8Array): BytesKind {
  if (looksLikeAtr(bytes)) return "atr";
  const command = readCommand(bytes);
  if (typeof command === "object" && findCommand(command.cla, command.ins) !== undefined) return "command";
  if (bytes.length >= 2 && isResponse(bytes)) return "response";
  const { item, end, fault } = readCbor(bytes);
  if (item !== undefined && fault === undefined && end === bytes.length && bytes.length > 1) {
    if (isSigned(item)) return "signed";
    const isChain =
      item.kind === "array" && item.items.length === 2 && item.items.every((each) => each.kind === "bytes");
    if (isChain && !hasFault(decodeChainSteps("", bytes))) return "chain";
    if (item.kind === "array" || item.kind === "map") return "cbor";
  }
  for (const kind of ["envelope-from", "envelope-to"] as const) {
    if (!hasFault(decodeAs(kind, bytes, { secrets: false }))) return kind;
  }
  const tlv = decodeTlv(bytes);
  if (tlv.length > 0 && !tlv.some(hasFault)) return "tlv";
  return bytes.length >= 2 && (bytes.at(-2) ?? 0) >> 4 === 6 ? "response" : "command";
}

function isResponse(bytes: Uint8Array): boolean {
  const status = ((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0);
  if (statusWord(status) === undefined) return false;
  const data = bytes.subarray(0, -2);
  return data.length === 0 || !decodeTlv(data).some(hasFault) || (status & 0xf000) === 0x9000;
}

/** A response without its command: what its data is, is found by looking. */
export function decodeFound(bytes: Uint8Array, context: Context): { kind: BytesKind; step: Step } {
  const kind = kindOf(bytes);
  if (kind !== "response" || bytes.length <= 2) return { kind, step: decodeAs(kind, bytes, context) };
  const data = bytes.subarray(0, -2);
  const tlv = decodeTlv(data);
  const inner = tlv.some(hasFault) ? [innerStep(data, context)] : tlv;
  const [word] = decodeResponseApdu(bytes.subarray(-2), context).steps ?? [];
  return { kind, step: step("response", `${data.length} bytes`, [...inner, ...(word === undefined ? [] : [word])]) };
}

/** One level only: an answer in an answer is none. */
function innerStep(data: Uint8Array, context: Context): Step {
  const kind = kindOf(data);
  return kind === "response" ? step("data", bytesInDiagnostic(data)) : decodeAs(kind, data, context);
}
