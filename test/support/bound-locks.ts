/**
 * A lock belongs to one payment: its key is SHA-256(pay-id || what the payer shows). A cheating module composes its notes before
 * there is a session; when it offers them in one, their last record is signed anew with the lock of that session, as an honest
 * payer's would be from the beginning.
 */

import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { CodecError } from "../../host/codec/errors.js";
import {
  encodeNote,
  type NoteParts,
  readNote,
  readRecord,
  signTransfer,
  type TransferRecord,
} from "../../host/codec/note.js";
import type { Signer } from "../../host/codec/signer.js";
import { sha256 } from "../../host/crypto.js";

interface Offer {
  readonly transfer: Omit<TransferRecord, "lock">;
  readonly shown: Uint8Array;
  readonly signer: Signer;
}

const offers = new Map<string, Offer>();

/** The key of a payment's notes, from what its payer shows. */
export function noteKey(payId: Uint8Array, shown: Uint8Array): Uint8Array {
  return sha256(concatBytes(payId, shown));
}

/** Remembers how a note's last record was made, so that it can be made for a session. */
export function rememberOffer(parts: NoteParts, shown: Uint8Array, signer: Signer): void {
  const record = parts.entries.at(-1)?.record ?? new Uint8Array(0);
  try {
    offers.set(toHex(record), { transfer: readRecord(record), shown, signer });
  } catch (error) {
    // No record that anybody would read: it is offered as it is.
    if (!(error instanceof CodecError)) throw error;
  }
}

/** The note with its last record locked for this payment; anything else as it is. */
export function boundTo(payId: Uint8Array, bytes: Uint8Array): Uint8Array {
  let note: ReturnType<typeof readNote>;
  try {
    note = readNote(bytes);
  } catch (error) {
    if (error instanceof CodecError) return bytes;
    throw error;
  }
  const last = note.entries.at(-1);
  const offer = last === undefined || last.key !== null ? undefined : offers.get(toHex(last.record));
  if (last === undefined || offer === undefined) return bytes;
  const lock = sha256(noteKey(payId, offer.shown));
  const record = signTransfer({ ...offer.transfer, lock }, offer.signer);
  const { certificate } = last;
  return encodeNote({ ...note, entries: [...note.entries.slice(0, -1), { record, certificate, key: null }] });
}
