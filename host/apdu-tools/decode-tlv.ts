/** BER-TLV as steps (ISO/IEC 7816-4, 5.2.2): data objects of GET DATA and the answer to SELECT, field by field. */

import { appletOfAid } from "../applets.js";
import { integerOf } from "../tlv.js";
import { type DataObject, dataObject, FCI_NAME, FCI_PROPRIETARY, FCI_TEMPLATE, type TlvField } from "./data-objects.js";
import { decodeChainSteps } from "./decode-cbor.js";
import { bytesInDiagnostic } from "./diagnostic.js";
import { hex8, hex16, spacedHex } from "./names.js";
import { faultAt, type Step, step } from "./outline.js";
import { meaningOf } from "./values.js";

interface Read {
  readonly tag: number;
  readonly value: Uint8Array;
}

const DEPTH_MAX = 8;
const CONSTRUCTED = 0x20;

/** Objects from the start, as far as they are right; what is wrong then is said. Unlike host/tlv.ts it never throws. */
function readObjects(bytes: Uint8Array): { objects: Read[]; fault?: string } {
  const objects: Read[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] ?? 0;
    const isLong = (first & 0x1f) === 0x1f;
    const tag = isLong ? (first << 8) | (bytes[at + 1] ?? 0) : first;
    let start = at + (isLong ? 2 : 1);
    const lengthByte = bytes[start];
    if (lengthByte === undefined) return { objects, fault: `at byte ${at}: it ends before a length` };
    const more = lengthByte < 0x80 ? 0 : lengthByte & 0x7f;
    if (more > 3 || (lengthByte >= 0x80 && more === 0))
      return { objects, fault: `at byte ${start}: no length that is used here` };
    if (start + more >= bytes.length && more > 0)
      return { objects, fault: `at byte ${start}: it ends within a length` };
    const length = more === 0 ? lengthByte : Number(integerOf(bytes.subarray(start + 1, start + 1 + more)));
    start += 1 + more;
    if (start + length > bytes.length) {
      return {
        objects,
        fault: `at byte ${at}: ${tagText(tag)} should have ${length} bytes, and has ${bytes.length - start}`,
      };
    }
    objects.push({ tag, value: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return { objects };
}

function tagText(tag: number): string {
  return tag > 0xff ? hex16(tag) : hex8(tag);
}

function isConstructed(tag: number): boolean {
  return ((tag > 0xff ? tag >> 8 : tag) & CONSTRUCTED) !== 0;
}

function tlvSteps(bytes: Uint8Array, show: (object: Read) => Step): Step[] {
  const { objects, fault } = readObjects(bytes);
  const steps = objects.map(show);
  return fault === undefined ? steps : [...steps, faultAt("rest", fault)];
}

/** The answer to GET DATA, or any BER-TLV. */
export function decodeTlv(bytes: Uint8Array, depth = 0): Step[] {
  return tlvSteps(bytes, ({ tag, value }) => {
    const known = dataObject(tag);
    if (known !== undefined) return objectStep(known, value);
    if (tag === FCI_TEMPLATE && depth === 0)
      return step(`${tagText(tag)} file control information`, undefined, fci(value));
    if (isConstructed(tag) && depth < DEPTH_MAX) return step(tagText(tag), undefined, decodeTlv(value, depth + 1));
    return step(tagText(tag), bytesInDiagnostic(value));
  });
}

function fci(bytes: Uint8Array): Step[] {
  return tlvSteps(bytes, ({ tag, value }) => {
    if (tag === FCI_NAME)
      return step(`${tagText(tag)} AID`, `${spacedHex(value)} (${appletOfAid(value)?.name ?? "not known"})`);
    if (tag === FCI_PROPRIETARY) return step(`${tagText(tag)} proprietary`, undefined, decodeTlv(value, 1));
    return step(tagText(tag), bytesInDiagnostic(value));
  });
}

function objectStep(object: DataObject, value: Uint8Array): Step {
  const title = `${hex16(object.tag)} ${object.name}`;
  if (object.value === "chain") return decodeChainSteps(title, value);
  if (object.value !== undefined) return step(title, bytesInDiagnostic(value));
  if (object.entry === undefined) return step(title, undefined, fieldSteps(object.fields, value));
  const entries = tlvSteps(value, ({ tag, value: entry }) =>
    tag === object.entry
      ? step(`${tagText(tag)} entry`, undefined, fieldSteps(object.fields, entry))
      : unknown(tag, entry),
  );
  return entries.length === 0 ? step(title, "none") : step(title, undefined, entries);
}

function unknown(tag: number, value: Uint8Array): Step {
  return step(`${tagText(tag)} not known here`, bytesInDiagnostic(value));
}

function fieldSteps(fields: readonly TlvField[], bytes: Uint8Array): Step[] {
  return tlvSteps(bytes, ({ tag, value }) => {
    const field = fields.find((each) => each.tag === tag);
    if (field === undefined) return unknown(tag, value);
    const title = `${tagText(tag)} ${field.name}`;
    const isWrong = field.bytes !== undefined && value.length !== field.bytes;
    if (isWrong) return faultAt(title, `it has ${value.length} bytes, not ${field.bytes}`, bytesInDiagnostic(value));
    return step(title, fieldText(field, value));
  });
}

function fieldText({ kind }: TlvField, value: Uint8Array): string {
  if (kind === "id" || kind === "hash") return bytesInDiagnostic(value);
  if (kind === "versions") return `${value[0] ?? 0}, ${value[1] ?? 0}`;
  if (kind === "wear") return `${integerOf(value.subarray(0, 4))}, ${integerOf(value.subarray(4))}`;
  const number = integerOf(value);
  const meaning = meaningOf(kind, number);
  return meaning === "" ? number.toString() : `${number} (${meaning})`;
}
