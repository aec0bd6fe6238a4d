/** Data fields of commands as steps, by what the table of commands says they are. */

import { type AppletName, appletOfAid } from "../applets.js";
import { integerOf } from "../tlv.js";
import type { DataKind } from "./command-table.js";
import {
  bytesItem,
  type DecodeOptions,
  decodeCbor,
  decodeChainSteps,
  HIDDEN,
  namedItems,
  plainItem,
  signedStep,
} from "./decode-cbor.js";
import { decodeEnvelope } from "./decode-envelope.js";
import { bytesInDiagnostic } from "./diagnostic.js";
import { named, ROLES, spacedHex } from "./names.js";
import { faultAt, type Step, step } from "./outline.js";
import { dateOf, fields, meaningOf, quotedText } from "./values.js";

const KEY_BYTES = 32;
const ID_BYTES = 16;
const TERMS_BYTES = 19;

/** No steps where there is no data. */
export function dataSteps(kind: DataKind, data: Uint8Array, options: DecodeOptions, applet?: AppletName): Step[] {
  if (data.length === 0) return kind === "none" || kind === "digits" ? [] : [faultAt("data", "it should have some")];
  return [dataStep(kind, data, options, applet)];
}

function dataStep(kind: DataKind, data: Uint8Array, options: DecodeOptions, applet?: AppletName): Step {
  switch (kind) {
    case "none":
      return faultAt("data", "this command has none", bytesInDiagnostic(data));
    case "aid":
      return step("AID", `${spacedHex(data)} (${appletOfAid(data)?.name ?? "not one of these applets"})`);
    case "digits":
      return step("digits", digitsText(data, options));
    case "two-digits":
      return twoDigits(data, options);
    case "seconds":
      return data.length === 8
        ? step("date", `${integerOf(data)} (${dateOf(integerOf(data))})`)
        : faultAt("date", "not 8 bytes", bytesInDiagnostic(data));
    case "envelope":
      return decodeEnvelope(data, "to", options, applet);
    case "bad-id-list":
      return badIdList(data);
    case "limit":
      return limit(data, options);
    case "personalisation-key":
      return sized("personalisation key", data, KEY_BYTES, options.secrets ? bytesInDiagnostic(data) : HIDDEN);
    case "proof":
      return sized("proof", data, KEY_BYTES, bytesInDiagnostic(data));
    case "key-order":
      return keyOrder(data);
    case "roots":
      return array(
        "roots",
        data,
        "agents' root id: id, agents' root key: bytes, modules' root id: id, modules' root key: bytes",
        options,
      );
    case "chain":
      return decodeChainSteps("chain", data);
    case "parameters":
      return array("parameters", data, "issuer id: id, validity: duration, redemption: duration", options);
  }
}

function sized(title: string, data: Uint8Array, bytes: number, shown: string): Step {
  return data.length === bytes ? step(title, shown) : faultAt(title, `it has ${data.length} bytes, not ${bytes}`);
}

function digitsText(data: Uint8Array, { secrets }: DecodeOptions): string {
  if (!secrets) return `${data.length} digits, ${HIDDEN}`;
  return quotedText(data) ?? bytesInDiagnostic(data);
}

function twoDigits(data: Uint8Array, options: DecodeOptions): Step {
  const first = data[0] ?? 0;
  if (first >= data.length) {
    return faultAt("digits", `the first ones should be ${first}, and ${data.length - 1} are there`);
  }
  return step("digits", undefined, [
    step("old", digitsText(data.subarray(1, 1 + first), options)),
    step("new", digitsText(data.subarray(1 + first), options)),
  ]);
}

/** Length of the PIN, PIN, currency, exponent, most for one payment, most for one day. */
function limit(data: Uint8Array, options: DecodeOptions): Step {
  const digits = data[0] ?? 0;
  const terms = data.subarray(1 + digits);
  if (terms.length !== TERMS_BYTES) return faultAt("limits", "its lengths do not fit", `${data.length} bytes`);
  const currency = Number(integerOf(terms.subarray(0, 2)));
  return step("limits", undefined, [
    step("PIN", digitsText(data.subarray(1, 1 + digits), options)),
    step("currency", `${currency} (${meaningOf("currency", currency)})`),
    step("exponent", String(terms[2] ?? 0)),
    step("most for one payment", limitText(integerOf(terms.subarray(3, 11)))),
    step("most for one day", limitText(integerOf(terms.subarray(11)))),
  ]);
}

function limitText(amount: bigint): string {
  return amount === 0n ? "0 (no limit)" : amount.toString();
}

function keyOrder(data: Uint8Array): Step {
  if (data.length !== ID_BYTES + 1 + KEY_BYTES) {
    return faultAt("order", `it has ${data.length} bytes, not ${ID_BYTES + 1 + KEY_BYTES}`, bytesInDiagnostic(data));
  }
  return step("order", undefined, [
    step("subject id", bytesInDiagnostic(data.subarray(0, ID_BYTES))),
    step("role", named(ROLES, data[ID_BYTES] ?? 0)),
    step("issuer's X25519 key", bytesInDiagnostic(data.subarray(ID_BYTES + 1))),
  ]);
}

function array(title: string, data: Uint8Array, names: string, options: DecodeOptions): Step {
  return decodeCbor(title, data, (item) => {
    if (item.kind !== "array") return faultAt(title, "not an array", plainItem(title, item).value);
    return item.items.length === 0
      ? step(title, "none")
      : step(title, undefined, namedItems(item.items, fields(names), options));
  });
}

/** [signed list, signer's certificate]; the list is [1, version, date, [[id, reason]...]]. */
function badIdList(data: Uint8Array): Step {
  return decodeCbor("bad-id list", data, (item) => {
    const [list, certificate] = item.kind === "array" ? item.items : [];
    if (list?.kind !== "bytes" || certificate?.kind !== "bytes") {
      return faultAt("bad-id list", "not a signed list and a certificate", plainItem("", item).value);
    }
    const options = { secrets: false };
    const names = fields("format, version, date: seconds, [id; reason]...: any");
    return step("bad-id list", undefined, [
      decodeCbor("list", list.value, (signed) =>
        signedStep("list", signed, (content) =>
          content.kind === "array" ? namedItems(content.items, names, options) : [plainItem("content", content)],
        ),
      ),
      bytesItem("signer's certificate", "certificate", certificate.value, options),
    ]);
  });
}
