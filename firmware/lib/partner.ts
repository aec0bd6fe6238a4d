/**
 * The partner element: the trusted agent of a money module, and the other way round, in the same transaction device. The
 * pairing secret is in its key slot; here is whose it is.
 *
 *     record  [ version | id 16 ]
 */

import { KEY_BYTES } from "../platform/constants";
import { slotPut } from "../platform/imports";
import { ID_BYTES } from "../protocol/limits";
import { RECORD_PARTNER, RECORD_VERSION } from "./records";
import { SLOT_PAIRING } from "./slots";
import { storeRead } from "./store";
import { writeRecord } from "./identity";

const RECORD_BYTES: u32 = 17;
const record = memory.data(24, 8);

let present: bool = false;

export function partnerLoad(): void {
  present = storeRead(RECORD_PARTNER, 0, record, RECORD_BYTES) == RECORD_BYTES;
}

export function partnerPresent(): bool {
  return present;
}

export function partnerId(): usize {
  assert(present);
  return record + 1;
}

/** Keeps the pairing secret and whose it is. The secret first: an id without its secret would be a link to nobody. */
export function partnerSet(id: usize, pairingSecret: usize): i32 {
  present = false;
  let status = slotPut(SLOT_PAIRING, pairingSecret, KEY_BYTES);
  if (status < 0) return status;
  store<u8>(record, RECORD_VERSION);
  memory.copy(record + 1, id, ID_BYTES);
  status = writeRecord(RECORD_PARTNER, record, RECORD_BYTES);
  present = status >= 0;
  return status;
}
