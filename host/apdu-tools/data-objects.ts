/** Data objects of GET DATA, tag by tag (BER-TLV; docs/APDU.md): who may read them, and what is in them. */

import * as p from "../../firmware/protocol/apdu.js";
import type { AppletName } from "../applets.js";
import type { ValueKind } from "./values.js";

export interface TlvField {
  readonly tag: number;
  readonly name: string;
  readonly kind: ValueKind;
  /** Bytes, where they are always as many. */
  readonly bytes?: number;
}

export interface DataObject {
  readonly tag: number;
  /** Behind GET DATA. */
  readonly name: string;
  readonly meaning: string;
  readonly who: string;
  /** Absent: every applet. */
  readonly applets?: readonly AppletName[];
  /** Tag of the entries that the fields are in; absent: they are in the object itself. */
  readonly entry?: number;
  readonly fields: readonly TlvField[];
  /** Where the value is no template: what it is. */
  readonly value?: ValueKind;
}

const ENTRY_UNIT = 0xe1;
const ENTRY_PENDING = 0xe2;

const field = (tag: number, name: string, kind: ValueKind, bytes?: number): TlvField => ({
  tag,
  name,
  kind,
  ...(bytes === undefined ? {} : { bytes }),
});

const unit = (currencyTag: number, exponentTag: number) => [
  field(currencyTag, "currency", "currency", 2),
  field(exponentTag, "exponent", "exponent", 1),
];

const OWNER_OF_PURSE = "all; of a purse PIN or personalisation";
const MODULE: readonly AppletName[] = ["money-module"];

export const DATA_OBJECTS: readonly DataObject[] = [
  {
    tag: p.TAG_INFORMATION,
    name: "information",
    meaning: "versions, life cycle, role, subject id",
    who: "all",
    fields: [
      field(0x80, "applet", "applet", 1),
      field(0x81, "firmware version", "number", 2),
      field(0x82, "protocol versions (stored, spoken)", "versions", 2),
      field(0x83, "life cycle", "life", 1),
      field(0x84, "role", "role", 1),
      field(0x85, "subject id (of a purse with PIN or personalisation only)", "id", 16),
      field(0x86, "partner id (when paired)", "id", 16),
      field(0x87, "buffer size", "number", 2),
    ],
  },
  {
    tag: p.TAG_CHAIN,
    name: "chain",
    meaning: "the element's certificate chain",
    who: "PIN or personalisation",
    fields: [],
    value: "chain",
  },
  {
    tag: p.TAG_STORE,
    name: "store",
    meaning: "room in the flash store, and its wear",
    who: OWNER_OF_PURSE,
    fields: [
      field(0x80, "free bytes", "number", 4),
      field(0x81, "free records", "number", 4),
      field(0x82, "erasures (min, max)", "wear", 8),
      field(0x83, "pages", "number", 4),
    ],
  },
  {
    tag: p.TAG_COUNTERS,
    name: "counters",
    meaning: "tries left, list version, clock",
    who: OWNER_OF_PURSE,
    fields: [
      field(0x80, "PIN tries", "number", 1),
      field(0x81, "PUK tries", "number", 1),
      field(0x82, "list version", "number", 8),
      field(0x83, "clock floor", "seconds", 8),
      field(0x84, "now (0 without date)", "seconds", 8),
    ],
  },
  {
    tag: p.TAG_DIGEST,
    name: "digest",
    meaning: "SHA-256 over the store's records",
    who: OWNER_OF_PURSE,
    fields: [],
    value: "hash",
  },
  {
    tag: p.TAG_BALANCE,
    name: "balance",
    meaning: "money by unit",
    who: "PIN",
    applets: MODULE,
    entry: ENTRY_UNIT,
    fields: [
      ...unit(0x80, 0x81),
      field(0x82, "spendable", "amount", 8),
      field(0x83, "offered", "amount", 8),
      field(0x84, "in doubt", "amount", 8),
    ],
  },
  {
    tag: p.TAG_PENDING,
    name: "pending",
    meaning: "payments that are open or not yet forgotten",
    who: "PIN",
    applets: MODULE,
    entry: ENTRY_PENDING,
    fields: [
      field(0x80, "pay-id", "hash", 32),
      field(0x81, "peer id", "id", 16),
      field(0x82, "state", "pending-state", 1),
      ...unit(0x83, 0x84),
      field(0x85, "amount", "amount", 8),
      field(0x86, "flags", "pending-flags", 1),
    ],
  },
  {
    tag: p.TAG_ISSUED,
    name: "issued",
    meaning: "what a generator has issued, by unit",
    who: "PIN; generator only",
    applets: MODULE,
    entry: ENTRY_UNIT,
    fields: [...unit(0x80, 0x81), field(0x82, "issued", "amount", 8)],
  },
  {
    tag: p.TAG_LIMITS,
    name: "limits",
    meaning: "spending limits, and what was spent today",
    who: "PIN; role transaction only",
    applets: MODULE,
    entry: ENTRY_UNIT,
    fields: [
      ...unit(0x80, 0x81),
      field(0x82, "most for one payment", "amount", 8),
      field(0x83, "most for one day", "amount", 8),
      field(0x84, "spent today", "amount", 8),
    ],
  },
];

/** What SELECT answers, around the information. */
export const FCI_TEMPLATE = 0x6f;
export const FCI_NAME = 0x84;
export const FCI_PROPRIETARY = 0xa5;

export function dataObject(tag: number): DataObject | undefined {
  return DATA_OBJECTS.find((each) => each.tag === tag);
}
