/** CBOR as steps: arrays whose items have names, signed objects, certificates and chains (RFC 8949, 9052, 8392). */

import * as c from "../../firmware/protocol/claims.js";
import { type CborItem, readCbor } from "./cbor-items.js";
import { bytesInDiagnostic, diagnostic } from "./diagnostic.js";
import { named, ROLES } from "./names.js";
import { faultAt, type Step, step } from "./outline.js";
import { dateOf, type Field, meaningOf, quotedText, type ValueKind } from "./values.js";

export interface DecodeOptions {
  /** PIN, PUK and keys are shown. */
  readonly secrets: boolean;
}

export const HIDDEN = "not shown (--secrets)";

/** Bytes that hold one item and nothing else. */
export function decodeCbor(title: string, bytes: Uint8Array, show: (item: CborItem) => Step): Step {
  const { item, end, fault } = readCbor(bytes);
  if (item === undefined) return faultAt(title, fault ?? "nothing", bytesInDiagnostic(bytes));
  const shown = show(item);
  if (fault !== undefined) return { ...shown, fault: `at byte ${end}: ${fault}` };
  return end < bytes.length ? { ...shown, fault: `${bytes.length - end} bytes are left over` } : shown;
}

/** An item that nothing is known of. */
export function plainItem(title: string, item: CborItem): Step {
  return step(title, diagnostic(item));
}

/** The items of an array by their names; those beyond the names are plain. */
export function namedItems(items: readonly CborItem[], names: readonly Field[], options: DecodeOptions): Step[] {
  return items.map((item, i) => {
    const field = names[i];
    return field === undefined ? plainItem(`item ${i + 1}`, item) : namedItem(field, item, options);
  });
}

function namedItem({ name, kind }: Field, item: CborItem, options: DecodeOptions): Step {
  const isNull = item.kind === "simple" && item.value === 22;
  if (isNull) return step(name, "none");
  if (item.kind === "bytes") return bytesItem(name, kind, item.value, options);
  if (item.kind !== "integer") return plainItem(name, item);
  const meaning = meaningOf(kind, item.value);
  return step(name, meaning === "" ? item.value.toString() : `${item.value} (${meaning})`);
}

/** Byte strings in messages: some are CBOR again. */
export function bytesItem(name: string, kind: ValueKind, bytes: Uint8Array, options: DecodeOptions): Step {
  switch (kind) {
    case "chain":
      return decodeChainSteps(name, bytes);
    case "certificate":
      return decodeSigned(name, bytes, claims);
    case "signed":
      return decodeSigned(name, bytes);
    case "sealed":
      return step(name, `sealed, ${bytes.length} bytes`);
    case "key":
      return step(name, options.secrets ? bytesInDiagnostic(bytes) : HIDDEN);
    case "memo": {
      const text = quotedText(bytes);
      return step(name, text ?? bytesInDiagnostic(bytes));
    }
    default:
      return step(name, bytesInDiagnostic(bytes));
  }
}

/** [device certificate, security server certificate]. */
export function decodeChainSteps(title: string, bytes: Uint8Array): Step {
  return decodeCbor(title, bytes, (item) => {
    if (item.kind !== "array") return faultAt(title, "a chain is an array", diagnostic(item));
    const names = ["device", "security server"];
    const steps = item.items.map((each, i) => {
      const name = names[i] ?? `certificate ${i + 1}`;
      return each.kind === "bytes" ? decodeSigned(name, each.value, claims) : plainItem(name, each);
    });
    return step(title, `${bytes.length} bytes`, steps);
  });
}

const EDDSA = -8n;

/** COSE_Sign1: [protected header, {}, payload, signature]. Its signature is shown and not checked: the key is elsewhere. */
export function decodeSigned(title: string, bytes: Uint8Array, payloadSteps?: (payload: CborItem) => Step[]): Step {
  return decodeCbor(title, bytes, (item) => signedStep(title, item, payloadSteps));
}

export function isSigned(item: CborItem): boolean {
  if (item.kind !== "array" || item.items.length !== 4) return false;
  const [header, unprotected, payload, signature] = item.items;
  return (
    header?.kind === "bytes" && unprotected?.kind === "map" && payload?.kind === "bytes" && signature?.kind === "bytes"
  );
}

export function signedStep(title: string, item: CborItem, payloadSteps?: (payload: CborItem) => Step[]): Step {
  if (!isSigned(item) || item.kind !== "array") return faultAt(title, "not a COSE_Sign1", diagnostic(item));
  const [header, , payload, signature] = item.items;
  if (header?.kind !== "bytes" || payload?.kind !== "bytes" || signature?.kind !== "bytes")
    return plainItem(title, item);
  const inner = decodeCbor("payload", payload.value, (content) => {
    const steps = payloadSteps?.(content) ?? (looksLikeClaims(content) ? claims(content) : undefined);
    return steps === undefined ? plainItem("payload", content) : step("payload", undefined, steps);
  });
  return step(title, "COSE_Sign1; the signature is not checked here", [
    decodeCbor("protected header", header.value, (map) => step("protected header", headerText(map))),
    inner,
    step("signature", `${signature.value.length} bytes`),
  ]);
}

function headerText(item: CborItem): string {
  const [entry] = item.kind === "map" ? item.entries : [];
  const isEdDsa = entry?.[0].kind === "integer" && entry[0].value === 1n;
  const algorithm = isEdDsa && entry[1].kind === "integer" && entry[1].value === EDDSA ? " (EdDSA)" : "";
  return `${diagnostic(item)}${algorithm}`;
}

function looksLikeClaims(item: CborItem): boolean {
  return (
    item.kind === "map" && item.entries.some(([key]) => key.kind === "integer" && key.value === BigInt(c.CLAIM_ROLE))
  );
}

/** Claims of a certificate (firmware/protocol/claims.ts). */
export function claims(item: CborItem): Step[] {
  if (item.kind !== "map") return [plainItem("claims", item)];
  return item.entries.map(([key, value]) => {
    const number = key.kind === "integer" ? Number(key.value) : Number.NaN;
    const integer = value.kind === "integer" ? value.value : 0n;
    switch (number) {
      case c.CLAIM_ISSUER:
        return plainItem("issuer", value);
      case c.CLAIM_SUBJECT:
        return plainItem("subject", value);
      case c.CLAIM_EXPIRY:
        return step("void from", dateOf(integer));
      case c.CLAIM_NOT_BEFORE:
        return step("valid from", dateOf(integer));
      case c.CLAIM_CONFIRMATION:
        return plainItem("Ed25519 key (COSE_Key)", value);
      case c.CLAIM_ROLE:
        return step("role", named(ROLES, Number(integer)));
      case c.CLAIM_AGREEMENT_KEY:
        return plainItem("X25519 key", value);
      case c.CLAIM_NAME:
        return plainItem("name", value);
      default:
        return plainItem(`claim ${diagnostic(key)}`, value);
    }
  });
}
