/** Answer to reset as steps (ISO/IEC 7816-3, 8.2; historical bytes: ISO/IEC 7816-4, 12.1.1). */

import {
  type AnswerToReset,
  type CompactObject,
  compactObjects,
  EXTENDED_LENGTH,
  isWhole,
  readAtr,
  TAG_CAPABILITIES,
  TAG_ISSUER,
  TS_DIRECT,
} from "../transports/atr.js";
import { bytesInDiagnostic } from "./diagnostic.js";
import { hex8, spacedHex } from "./names.js";
import { faultAt, type Step, step } from "./outline.js";
import { quotedText } from "./values.js";

const TITLE = "answer to reset";

/** Also when its check byte alone is wrong: whoever has such bytes wants to be told that, and not what else they might be. */
export function looksLikeAtr(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes.length <= 33 && isWhole(readAtr(bytes));
}

export function decodeAtr(bytes: Uint8Array): Step {
  const atr = readAtr(bytes);
  const { convention, fault } = atr;
  if (convention === undefined || bytes.length < 2) return faultAt(TITLE, fault ?? "", spacedHex(bytes));
  const beginning = [
    step("TS", `${hex8(convention)} (${convention === TS_DIRECT ? "direct" : "inverse"} convention)`),
    ...interfaceSteps(atr),
  ];
  if (fault !== undefined) return { ...step(TITLE, spacedHex(bytes), beginning), fault };
  return step(TITLE, spacedHex(bytes), [...beginning, historicalStep(atr.historical), ...checkSteps(atr)]);
}

function interfaceSteps({ characters, protocols, fault }: AnswerToReset): Step[] {
  const steps = characters.map(({ name, value }) =>
    step(name, name.startsWith("TD") ? `${hex8(value)} (protocol T=${value & 0x0f})` : hex8(value)),
  );
  const isSilent = protocols.length === 0 && fault === undefined;
  return isSilent ? [...steps, step("protocol", "T=0, as nothing else is said")] : steps;
}

function checkSteps({ rest, checkFault }: AnswerToReset): Step[] {
  if (checkFault !== undefined) return [faultAt("TCK", checkFault, rest.length === 0 ? undefined : spacedHex(rest))];
  return rest.length === 0 ? [] : [step("TCK", `${spacedHex(rest)} (right)`)];
}

function historicalStep(bytes: Uint8Array): Step {
  const objects = compactObjects(bytes);
  if (objects === undefined) return step("historical bytes", quotedText(bytes) ?? bytesInDiagnostic(bytes));
  return step("historical bytes", spacedHex(bytes), objects.map(compact));
}

function compact({ tag, value, isCut }: CompactObject): Step {
  if (isCut) return faultAt(`tag ${tag}`, "it ends within its value", spacedHex(value));
  if (tag === TAG_ISSUER) return step("issuer", quotedText(value) ?? spacedHex(value));
  if (tag !== TAG_CAPABILITIES) return step(`tag ${tag}`, spacedHex(value));
  const third = value[2] ?? 0;
  const can = [
    [value[0] ?? 0, 0x80, "selection by full name"],
    [value[0] ?? 0, 0x04, "short file identifiers"],
    [value[0] ?? 0, 0x02, "record numbers"],
    [third, 0x80, "command chaining"],
    [third, EXTENDED_LENGTH, "extended length"],
  ] as const;
  const words = can.filter(([byte, bit]) => (byte & bit) !== 0).map(([, , word]) => word);
  const channels = (third & 0x18) === 0 ? 1 : (third & 0x07) + 1;
  return step("capabilities", [...words, `${channels} logical channel${channels === 1 ? "" : "s"}`].join(", "));
}
